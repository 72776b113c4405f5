//! The installed git, as a program: plumbing only, explicit refspecs, and nothing of the user's configuration
//! that runs, signs, prompts or hooks; how git reaches a host (ssh, credentials, `insteadOf`) stays the user's.
//!
//! It does not know what is kept in git.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use xshell::{Cmd, Shell};

use super::{Error, Result};

/// How long a command that talks to a remote may take before it counts as unknown.
const NETWORK: Duration = Duration::from_secs(60);
/// Local commands end in milliseconds; one that hangs (a dead network file system) must not hang us.
const LOCAL: Duration = Duration::from_secs(120);

/// Forced on every call, whatever the user configured. `gc` and maintenance never run under us; hooks, signatures and
/// file system monitors never run at all; an object is on disk before the ref that names it.
const CONFIG: [&str; 11] = [
    "core.hooksPath=/dev/null",
    "core.fsync=all",
    "core.fsyncMethod=fsync",
    "core.fsmonitor=false",
    "core.askPass=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// Variables named `GIT_…` that say how a host is reached or where the user's configuration is. All others are
/// cleared: those that the hook of an outer git sets would send us into its repository, index or quarantine.
const KEPT: [&str; 13] = [
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_EXEC_PATH",
];

/// A repository, seen through git.
#[derive(Debug, Clone)]
pub struct Git {
    /// Where commands run: the root of the working tree that the caller is in.
    pub root: PathBuf,
    /// Shared by all worktrees of a clone.
    pub common: PathBuf,
    /// The folder that was asked for, relative to `root`; empty if they are the same.
    pub prefix: String,
    config: OnceLock<Vec<(String, String)>>,
}

/// What a git command said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// It was killed because it took too long.
    pub late: bool,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }
}

/// One call: arguments, what goes in, further variables.
#[derive(Debug, Default, Clone)]
pub struct Call<'a> {
    pub args: Vec<&'a str>,
    pub stdin: Vec<u8>,
    pub env: Vec<(&'static str, OsString)>,
}

impl<'a> Call<'a> {
    pub fn new(args: &[&'a str]) -> Call<'a> {
        Call { args: args.to_vec(), ..Call::default() }
    }

    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Call<'a> {
        self.stdin = bytes.into();
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Call<'a> {
        self.env.push((name, value.into()));
        self
    }
}

impl Git {
    /// Finds the repository that `folder` belongs to.
    ///
    /// # Errors
    /// If git is missing, refuses the folder, or there is no repository with a working tree.
    pub fn open(folder: &Path) -> Result<Git> {
        let ask = ["rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel", "--show-prefix"];
        let said = run(folder, &Call::new(&ask), &[], LOCAL)?;
        let place = folder.display();
        if !said.ok {
            return Err(Error::unreadable(match said.stderr.as_str() {
                words if words.contains("dubious ownership") => format!(
                    "open the repository {place}: git refuses it because it belongs to another user; if you trust it: \
                     git config --global --add safe.directory {place}"
                ),
                words if words.contains("not a git repository") => format!(
                    "open the repository {place}: it is not in git, and the ledger is kept there; git init, and commit"
                ),
                words if words.contains("work tree") => format!(
                    "open the repository {place}: it is bare, and a deployment needs files: git worktree add, or clone it"
                ),
                words => format!("open the repository {place}: git says: {}", one_line(words)),
            }));
        }
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let (common, root, prefix) = (next(), next(), next());
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Git { root: root.into(), common: common.into(), prefix, config: OnceLock::new() })
    }

    /// Runs git and waits for it.
    ///
    /// # Errors
    /// If it cannot be started. What it answers is the caller's to judge.
    pub fn call(&self, call: &Call) -> Result<Said> {
        run(&self.root, call, &[], LOCAL)
    }

    /// As [`Git::call`], for commands that talk to a remote.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn remote_call(&self, call: &Call) -> Result<Said> {
        let mut env = Vec::new();
        let own_ssh = std::env::var_os("GIT_SSH_COMMAND").is_some() || std::env::var_os("GIT_SSH").is_some();
        if !own_ssh && self.setting("core.sshcommand").is_none() {
            env.push(("GIT_SSH_COMMAND", OsString::from("ssh -o BatchMode=yes -o ConnectTimeout=15")));
        }
        run(&self.root, call, &env, NETWORK)
    }

    /// What a local command answers, trimmed.
    ///
    /// # Errors
    /// If it fails, as "… : git says: …" after `attempt`.
    pub fn read(&self, attempt: &str, call: &Call) -> Result<String> {
        let said = self.call(call)?;
        if said.ok { Ok(said.text()) } else { Err(self.local_failure(attempt, &said)) }
    }

    /// Why a local command failed, in words that say what to do.
    pub fn local_failure(&self, attempt: &str, said: &Said) -> Error {
        let words = said.stderr.to_lowercase();
        if let Some(advice) = stale_lock(&said.stderr) {
            return Error::unreadable(format!("{attempt}: {advice}"));
        }
        let common = self.common.display();
        Error::unreadable(if words.contains("no space left") || words.contains("quota exceeded") {
            format!("{attempt}: the disk of {common} is full; nothing was changed: make room and try again")
        } else if words.contains("read-only file system")
            || words.contains("permission denied")
            || words.contains("insufficient permission")
        {
            format!("{attempt}: {common} cannot be written; a deployment keeps its ledger and journal there")
        } else {
            format!("{attempt}: git says: {}", one_line(&said.stderr))
        })
    }

    /// A value of the user's configuration; keys in lower case. It is read once.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let all = self.config.get_or_init(|| {
            let ask = [
                "config",
                "-z",
                "--get-regexp",
                r"^(user\.(name|email)|core\.sshcommand|gc\.pruneexpire|remote\..*\.(push)?url)$",
            ];
            let text = self.call(&Call::new(&ask)).map(|said| said.stdout).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let entries = text.split('\0').filter_map(|entry| entry.split_once('\n'));
            entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        });
        all.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Objects by name, in one process: kind and content of each, `None` for what is not there.
    ///
    /// # Errors
    /// If git fails or its answer cannot be understood.
    pub fn objects(&self, names: &[String]) -> Result<Vec<Option<Object>>> {
        let attempt = "read the ledger";
        let said = self.call(&Call::new(&["cat-file", "--batch"]).stdin(names.join("\n") + "\n"))?;
        if !said.ok {
            return Err(self.local_failure(attempt, &said));
        }
        let garbled = || Error::unreadable(format!("{attempt}: git cat-file gave an answer that is cut short"));
        let mut rest = said.stdout.as_slice();
        let mut objects = Vec::with_capacity(names.len());
        for _ in names {
            let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(garbled)?;
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let fields: Vec<&str> = line.rsplitn(3, ' ').collect();
            let size = fields.first().and_then(|size| size.parse::<usize>().ok());
            let (Some(size), Some(kind), Some(id)) = (size, fields.get(1), fields.get(2)) else {
                objects.push(None);
                continue;
            };
            let content = rest.get(..size).ok_or_else(garbled)?.to_vec();
            rest = rest.get(size + 1..).ok_or_else(garbled)?;
            objects.push(Some(Object { id: (*id).to_owned(), kind: (*kind).to_owned(), content }));
        }
        Ok(objects)
    }
}

/// A git object and its name.
#[derive(Debug, Clone)]
pub struct Object {
    pub id: String,
    pub kind: String,
    pub content: Vec<u8>,
}

/// The first line that says something, without git's own prefixes.
pub fn one_line(words: &str) -> String {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines
        .clone()
        .find(|line| line.starts_with("fatal:") || line.starts_with("error:") || line.starts_with("remote: "));
    let line = said.or_else(|| lines.clone().next()).unwrap_or("nothing");
    line.trim_start_matches("fatal:").trim_start_matches("error:").trim().to_owned()
}

/// What to do about a lock file that a killed git left behind. It is named, and never removed on a guess.
pub fn stale_lock(words: &str) -> Option<String> {
    let path = words.split(['\'', '\n']).find(|part| part.ends_with(".lock") && part.contains('/'))?;
    if !words.contains("File exists") {
        return None;
    }
    let age = std::fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    let age = age.map_or_else(String::new, |age| {
        format!(" (made {} ago)", humantime::format_duration(Duration::from_secs(age.as_secs())))
    });
    Some(format!("git's lock file {path} exists{age}; if no git is running there, a killed one left it: rm {path}"))
}

fn run(folder: &Path, call: &Call, env: &[(&'static str, OsString)], limit: Duration) -> Result<Said> {
    let shell = Shell::new().map_err(|error| Error::unreadable(format!("run git: {error}")))?;
    shell.change_dir(folder);
    let mut command = shell.cmd("git");
    for setting in CONFIG {
        command = command.arg("-c").arg(setting);
    }
    command = environment(command.args(&call.args));
    for (name, value) in env.iter().chain(&call.env) {
        command = command.env(name, value);
    }
    let mut command = Command::from(command);
    // A process group of its own: Ctrl-C in the terminal is for us, and must not kill the push that records it.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| {
        Error::unreadable(match error.kind() {
            std::io::ErrorKind::NotFound if folder.is_dir() => {
                "run git: it is not installed, or not in PATH; the ledger is kept in git".to_owned()
            }
            std::io::ErrorKind::NotFound => format!("run git in {}: there is no such folder", folder.display()),
            _ => format!("run git: {error}"),
        })
    })?;
    collect(child, call.stdin.clone(), limit)
        .map_err(|error| Error::unreadable(format!("run git {}: {error}", call.args[0])))
}

fn environment(mut command: Cmd<'_>) -> Cmd<'_> {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let kept = KEPT.iter().any(|kept| text == *kept || (kept.ends_with('_') && text.starts_with(kept)));
        if text.starts_with("GIT_") && !kept {
            command = command.env_remove(&name);
        }
    }
    // Who runs without a terminal (Jenkins, Bitbucket) may give credentials through a program; on a terminal it would ask.
    let asks = std::env::var_os("GIT_ASKPASS").filter(|_| !std::io::IsTerminal::is_terminal(&std::io::stdin()));
    command
        .env("GIT_ASKPASS", asks.unwrap_or_else(|| "false".into()))
        .env("SSH_ASKPASS", "false")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
}

fn collect(mut child: Child, stdin: Vec<u8>, limit: Duration) -> std::io::Result<Said> {
    // A git that fails early closes its end; what it says then is the answer, not our broken pipe.
    let input = child.stdin.take();
    let writer = std::thread::spawn(move || input.map(|mut pipe| pipe.write_all(&stdin)));
    let output = drain(child.stdout.take());
    let errors = drain(child.stderr.take());
    let (status, late) = wait(&mut child, limit)?;
    if !late {
        drop(writer.join());
    }
    // An ssh that stays behind (ControlPersist) may hold the pipes open for hours: what git said is there by now.
    let rest = Duration::from_secs(1);
    let stdout = output.recv_timeout(rest).unwrap_or_else(|_| Ok(Vec::new()))?;
    let stderr = errors.recv_timeout(rest).unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok(Said { ok: status.success() && !late, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned(), late })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody listens any more once the command is given up.
        drop(sender.send(read.map(|_| bytes)));
    });
    receiver
}

fn wait(child: &mut Child, limit: Duration) -> std::io::Result<(std::process::ExitStatus, bool)> {
    let begun = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, false));
        }
        if begun.elapsed() > limit {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
            }
            return child.wait().map(|status| (status, true));
        }
        std::thread::sleep(pause);
        // A tenth of what has passed: fine at first, and no busy loop later.
        pause = (begun.elapsed() / 10).clamp(pause, Duration::from_millis(20));
    }
}
