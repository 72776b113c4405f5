//! The calls of one process that change something, and being killed (SIGKILL) right before any one of them: with strace,
//! so that nothing in the program has to know of it. Its threads belong to it; what it starts is let go at its `execve`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What may leave a trace on the disk, in another process, or in a pipe to one.
const CALLS: &str = "write,writev,pwrite64,pwritev,sendto,sendmsg,connect,rename,renameat,renameat2,link,linkat,symlink,\
    symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,open,openat,creat,truncate,ftruncate,fallocate,fsync,fdatasync,\
    sync_file_range,chmod,fchmod,fchmodat,utimensat,flock,kill,tgkill,pidfd_send_signal,fork,vfork,clone,clone3";

/// One call, counted among those of its name in the first thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub call: String,
    pub when: usize,
    /// The call with its first arguments, for messages.
    pub shown: String,
}

/// strace is no part of what a copy needs, so only tests that are asked for by name may want it.
pub fn required() {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok_and(|status| status.success()), "this test needs strace (Debian: apt-get install strace)");
}

/// The options of a strace that writes these calls, and no others, to the file that is named with `-o`; it ends as what it
/// watches does.
pub fn options(killed_at: Option<&Moment>) -> Vec<String> {
    let mut options: Vec<String> = ["-f", "-b", "execve", "-s", "60"].map(str::to_owned).into();
    options.push(format!("--trace={CALLS}"));
    if let Some(Moment { call, when, .. }) = killed_at {
        options.push(format!("--inject={call}:signal=KILL:when={when}"));
    }
    options
}

/// Every moment of the first thread before a call that changes something, in the order of a log.
pub fn moments(log: &Path) -> Vec<Moment> {
    calls(log).into_iter().filter(Moment::changes).collect()
}

/// The call that a process was killed at, if that one would have changed something: what is opened or polled how often
/// is not the same each time.
pub fn killed_at(log: &Path) -> Option<Moment> {
    calls(log).pop().filter(Moment::changes)
}

fn calls(log: &Path) -> Vec<Moment> {
    let text = String::from_utf8_lossy(&std::fs::read(log).expect("strace has written its log")).into_owned();
    let first = text.split_whitespace().next().unwrap_or_default().to_owned();
    let mut counts = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        // Not `<... resumed>`, signals and ends.
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if thread != first || !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let when = *counts.entry(call.to_owned()).and_modify(|count| *count += 1).or_insert(1);
        let shown = format!("{call}({}", arguments.chars().take(160).collect::<String>());
        found.push(Moment { call: call.to_owned(), when, shown });
    }
    found
}

impl Moment {
    fn changes(&self) -> bool {
        match self.call.as_str() {
            "open" | "openat" => self.shown.contains("O_CREAT") || self.shown.contains("O_TRUNC"),
            // Nothing is sent: the library for signals asks what kind of socket it was given.
            "sendto" => !self.shown.contains(", \"\", 0,"),
            _ => true,
        }
    }
}
