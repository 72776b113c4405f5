//! Runs of the installed git as a program: nothing of the user's configuration runs, signs, prompts or hooks; how git reaches
//! a host (ssh, credentials, `insteadOf`, proxies) stays the user's. One that is started can be waited for later, so that
//! several are at work side by side; [`Objects`] is one that stays, and is asked as often as wanted.
//!
//! It does not know what is asked.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use xshell::{Cmd, Shell};

use super::{Error, Result};
use ciao_process::{Endings, readable, somebody_wants_out};

/// How long a command that talks to a remote may take before it counts as unknown.
pub const NETWORK: Duration = Duration::from_secs(60);
/// Local commands end in milliseconds; one that hangs (a dead network file system) must not hang us.
pub const LOCAL: Duration = Duration::from_secs(120);
/// How long a git that only reads may go on once a signal has come: the whole stop shall fit into seven seconds. Who writes is
/// never ended for that.
const LAST: Duration = Duration::from_secs(2);
/// How often a git that says nothing is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// Forced on every call, whatever the user configured. `gc` and maintenance never run under us; hooks, signatures and
/// file system monitors never run at all; an object is on disk before the ref that names it. What is fetched comes as one
/// pack, which git itself keeps from every gc until its refs are written: loose objects it would not.
const CONFIG: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsync=all",
    "core.fsyncMethod=fsync",
    "core.fsmonitor=false",
    "core.askPass=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// Variables named `GIT_…` that say how a repository is found, a host is reached or where the user's configuration is. All
/// others are cleared: those that the hook of an outer git sets would send us into its repository, index or quarantine.
const KEPT: [&str; 17] = [
    "GIT_ALLOW_PROTOCOL",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_CONFIG_PARAMETERS",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_EXEC_PATH",
];

/// What a git command said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// It was killed because it took too long.
    pub late: bool,
    /// It was killed because of a signal to this process.
    pub stopped: bool,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Whether a remote said that it has not got what it should have.
    pub fn is_damage(&self) -> bool {
        let words =
            ["unresolved deltas", "missing necessary objects", "bad object", "not our ref", "invalid sha1 pointer"];
        words.iter().any(|words| self.stderr.contains(words) || String::from_utf8_lossy(&self.stdout).contains(words))
    }

    /// What ssh, or who answered it, said why it came to nothing: the line before git's own.
    pub fn ssh_line(&self) -> Option<&str> {
        let (before, _) = self.stderr.split_once("fatal: Could not read from remote repository")?;
        let line = before.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.trim_start_matches("fatal:").trim_start())
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

    /// What git reads to its end before it answers.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Call<'a> {
        self.stdin = bytes.into();
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Call<'a> {
        self.env.push((name, value.into()));
        self
    }

    /// Starts git in a folder.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self, folder: &Path) -> Result<Running> {
        let mut running = self.open(folder)?;
        running.feed(&self.stdin);
        Ok(running)
    }

    /// Starts git before it is known what goes in, with `Running::feed`: it waits for that.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn open(&self, folder: &Path) -> Result<Running> {
        let child = spawn(folder, self, Stdio::piped())?;
        let what = self.args.iter().find(|word| !word.starts_with('-') && !word.contains('='));
        Ok(Running { child: Some(child), what: what.map_or_else(String::new, |word| (*word).to_owned()) })
    }

    /// Runs git and waits for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(&self, folder: &Path, limit: Duration) -> Result<Said> {
        self.start(folder)?.end(limit)
    }

    /// Runs git and waits for it, as long as nobody wants out.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run_patiently(&self, folder: &Path, limit: Duration, patience: &Patience) -> Result<Said> {
        self.start(folder)?.end_patiently(limit, patience)
    }
}

/// How long a git may go on after a signal has come that ends things.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    endings: Endings,
    /// Since when the end of a deployment is being recorded, and how many signals had come before.
    recording: Option<(Instant, u32)>,
}

/// The whole stop fits into the seven seconds that CI engines give, and so does the recording of it.
const WHOLE: Duration = Duration::from_millis(6500);
/// Where steps have taken all of it, and after a second signal.
const LEAST: Duration = Duration::from_millis(400);
const SECOND: Duration = Duration::from_secs(2);

impl Patience {
    #[must_use]
    pub fn new(endings: Endings) -> Patience {
        Patience { endings, recording: None }
    }

    /// From now on it is about recording what has happened: a signal that came before leaves time for it.
    #[must_use]
    pub fn recording(&self) -> Patience {
        Patience { recording: Some((Instant::now(), self.endings.came().0)), ..self.clone() }
    }

    /// Whether nothing is to be waited for any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match (self.endings.came(), self.recording) {
            ((_, None), _) => false,
            ((count, Some(first)), Some((begun, before))) => {
                let until = if before >= 2 { begun + SECOND } else { (first + WHOLE).max(begun + LEAST) };
                count > before.max(1) || Instant::now() >= until
            }
            ((_, Some(_)), None) => true,
        }
    }
}

fn spawn(folder: &Path, call: &Call, errors: Stdio) -> Result<Child> {
    let shell = Shell::new().map_err(|error| Error::unreadable(format!("run git: {error}")))?;
    shell.change_dir(folder);
    let mut command = shell.cmd("git");
    for setting in CONFIG {
        command = command.arg("-c").arg(setting);
    }
    command = environment(command.args(&call.args));
    for (name, value) in &call.env {
        command = command.env(name, value);
    }
    let mut command = Command::from(command);
    // A process group of its own: Ctrl-C in the terminal is for us, and must not kill the push that records it.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    command.spawn().map_err(|error| {
        Error::unreadable(match error.kind() {
            io::ErrorKind::NotFound if folder.is_dir() => {
                "run git: it is not installed, or not in PATH; the ledger is kept in git".to_owned()
            }
            io::ErrorKind::NotFound => format!("run git in {}: there is no such folder", folder.display()),
            _ => format!("run git: {error}"),
        })
    })
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
    let asks = std::env::var_os("GIT_ASKPASS").filter(|_| !io::IsTerminal::is_terminal(&io::stdin()));
    command
        .env("GIT_ASKPASS", asks.unwrap_or_else(|| "false".into()))
        .env("SSH_ASKPASS", "false")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
}

/// The commands that only read, here or at a remote. A fetch writes objects, which no ref names before it is over.
const READS: [&str; 10] = [
    "cat-file",
    "config",
    "fetch",
    "for-each-ref",
    "ls-remote",
    "ls-tree",
    "merge-base",
    "rev-list",
    "rev-parse",
    "status",
];

/// Since when a signal has been waiting to be heard.
#[derive(Debug, Default)]
struct Asked(Option<Instant>);

impl Asked {
    /// Whether it has waited long enough.
    fn enough(&mut self) -> bool {
        self.0 = somebody_wants_out().then(|| self.0.unwrap_or_else(Instant::now));
        self.0.is_some_and(|since| since.elapsed() >= LAST)
    }
}

/// A git at work. Whoever does not want its answer any more drops it, and it is killed.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    what: String,
}

impl Running {
    /// All that goes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(mut pipe) = self.child.as_mut().and_then(|child| child.stdin.take()) {
            // A git that fails early closes its end; what it says then is the answer, not our broken pipe.
            let _closed = pipe.write_all(bytes);
        }
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// If what it says cannot be read.
    pub fn end(self, limit: Duration) -> Result<Said> {
        self.end_patiently(limit, &Patience::default())
    }

    fn end_patiently(mut self, limit: Duration, patience: &Patience) -> Result<Said> {
        let child = self.child.take().unwrap_or_else(|| unreachable!("it ends once"));
        collect(child, limit, READS.contains(&&*self.what), patience)
            .map_err(|error| Error::unreadable(format!("run git {}: {error}", self.what)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(&mut child);
        }
    }
}

fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
    child.wait().ok();
}

fn collect(mut child: Child, limit: Duration, reads: bool, patience: &Patience) -> io::Result<Said> {
    let (begun, mut asked) = (Instant::now(), Asked::default());
    let pipes = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
    let mut pipes = pipes.map(|pipe| pipe.map(File::from));
    let mut said = [Vec::new(), Vec::new()];
    let (mut status, mut stopped) = (None, false);
    while begun.elapsed() <= limit && !(reads && asked.enough()) {
        stopped = patience.is_over();
        if stopped {
            break;
        }
        let open: Vec<usize> = (0..2).filter(|index| pipes[*index].is_some()).collect();
        if open.is_empty() {
            status = wait(&mut child, limit.saturating_sub(begun.elapsed()))?;
            break;
        }
        let ended = status.is_some();
        let fds: Vec<_> = open.iter().filter_map(|index| Some(pipes[*index].as_ref()?.as_fd())).collect();
        let ready = readable(&fds, Some(LOOK))?;
        if ended && !ready.contains(&true) {
            // An ssh that stays behind (ControlPersist) may hold the pipes open for hours: what git said is here by now.
            break;
        }
        for (index, _) in open.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            let Some(file) = &mut pipes[index] else { continue };
            let mut bytes = [0; 8192];
            match file.read(&mut bytes) {
                Ok(0) => pipes[index] = None,
                Ok(count) => said[index].extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if status.is_none() {
            status = child.try_wait()?;
        }
    }
    if status.is_none() {
        kill(&mut child);
    }
    let [stdout, stderr] = said;
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    Ok(Said {
        ok: status.is_some_and(|status| status.success()),
        stdout,
        stderr,
        late: status.is_none(),
        stopped: stopped && status.is_none(),
    })
}

/// `None` if it takes longer.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let begun = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if begun.elapsed() > limit => return Ok(None),
            None => std::thread::sleep(pause),
        }
        // A tenth of what has passed: fine at first, and no busy loop later.
        pause = (begun.elapsed() / 10).clamp(pause, Duration::from_millis(20));
    }
}

/// A git object and its name.
#[derive(Debug, Clone)]
pub struct Object {
    pub id: String,
    pub kind: String,
    pub content: Vec<u8>,
}

/// A `git cat-file --batch` that stays. It holds no lock, looks at refs and packs anew with each question, and ends with us.
#[derive(Debug)]
pub struct Objects {
    child: Child,
    input: ChildStdin,
    output: BufReader<Patient>,
}

/// How many names are asked for before their answers are read: neither pipe fills up.
const TOGETHER: usize = 32;

impl Objects {
    /// # Errors
    /// If git cannot be started.
    pub fn start(folder: &Path) -> Result<Objects> {
        let mut child = spawn(folder, &Call::new(&["cat-file", "--batch"]), Stdio::null())?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are pipes")
        };
        Ok(Objects { child, input, output: BufReader::new(Patient(output)) })
    }

    /// Objects by name: `None` for what is not there.
    ///
    /// # Errors
    /// If git has died or its answer cannot be understood.
    pub fn ask(&mut self, names: &[String]) -> io::Result<Vec<Option<Object>>> {
        let mut objects = Vec::with_capacity(names.len());
        for names in names.chunks(TOGETHER) {
            // A line break would be another question: no object has such a name, nor one with what stands for it here.
            let line = |name| if str::contains(name, '\n') { "\u{fffd}" } else { name };
            let lines: Vec<&str> = names.iter().map(|name| line(name.as_str())).collect();
            self.input.write_all((lines.join("\n") + "\n").as_bytes())?;
            for _ in names {
                objects.push(self.answer()?);
            }
        }
        Ok(objects)
    }

    fn answer(&mut self) -> io::Result<Option<Object>> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let fields: Vec<&str> = line.trim_end().rsplitn(3, ' ').collect();
        let [size, kind, id] = fields[..] else { return Ok(None) };
        let Ok(size) = size.parse::<usize>() else { return Ok(None) };
        let mut content = vec![0; size + 1];
        self.output.read_exact(&mut content)?;
        content.pop();
        Ok(Some(Object { id: id.to_owned(), kind: kind.to_owned(), content }))
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// A pipe that is not waited for longer than a local command may take.
#[derive(Debug)]
struct Patient(ChildStdout);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (begun, mut asked) = (Instant::now(), Asked::default());
        while !readable(&[self.0.as_fd()], Some(LOOK))?[0] {
            if begun.elapsed() >= LOCAL || asked.enough() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        self.0.read(buffer)
    }
}
