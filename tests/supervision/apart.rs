//! A play in a process of its own, so that it can be signalled and killed; and what `/proc` says of processes.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ciao::run::report::{Display, Runner, Style};
use ciao::run::{End, logs};
use rustix::process::{Pid, Signal};

use crate::play::{Paper, Play};

/// The life of a process that [`Orchestrator`] starts.
pub fn orchestrate() {
    let play: Play = serde_json::from_str(&std::env::var("PLAY").expect("started by a test")).unwrap();
    if let Ok(terminal) = std::env::var("PLAY_TERMINAL") {
        rustix::process::setsid().unwrap();
        // A session without a terminal gets the first that it opens.
        let terminal = fs::OpenOptions::new().read(true).write(true).open(terminal).unwrap();
        rustix::stdio::dup2_stdin(&terminal).unwrap();
        rustix::stdio::dup2_stdout(&terminal).unwrap();
        rustix::stdio::dup2_stderr(&terminal).unwrap();
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(play.folder.join("journal")).unwrap();
    let mut journal = Paper { file: Some(file), room: play.journal_of, events: Vec::new() };
    let display = std::env::var("PLAY_DISPLAY");
    let display = display.as_deref();
    let to = match display {
        Ok("github") => Display::Github(Runner { summary: Some(play.folder.join("summary")) }),
        Ok("terminal" | "verbose") => Display::Terminal,
        _ => Display::Plain,
    };
    let style = Style { quiet: display == Ok("quiet"), verbose: display == Ok("verbose"), colour: false };
    let mut reporter = ciao::run::report::reporter(to, style);
    let summary = play.perform(&mut journal, reporter.as_mut());
    if display == Ok("panic") {
        panic!("it was {} after all", play.secret.unwrap_or_default());
    }
    let result = match summary.end {
        End::Succeeded => "succeeded".to_owned(),
        End::Interrupted(signal) => format!("interrupted {signal}"),
        End::Failed => "failed".to_owned(),
        other => format!("{other:?}"),
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    fs::write(play.folder.join("peak"), peak.trim().trim_end_matches(" kB")).unwrap();
    fs::write(play.folder.join("result"), result).unwrap();
    // The harness would print to a terminal that may be gone.
    std::process::exit(0);
}

/// A play that runs in a process of its own.
pub struct Orchestrator {
    child: Child,
    folder: PathBuf,
    pub marker: String,
    pub ready: PathBuf,
    terminal: Arc<Mutex<Option<OwnedFd>>>,
    screen: Arc<Mutex<Vec<u8>>>,
    /// Kept open, and never read.
    pipe: Option<io::PipeReader>,
}

impl Orchestrator {
    /// On a terminal of its own, with plain lines.
    pub fn start(play: &Play) -> Orchestrator {
        Orchestrator::on_terminal(play, "plain")
    }

    pub fn on_terminal(play: &Play, display: &str) -> Orchestrator {
        let (near, name) = crate::terminal::terminal();
        let mut command = Orchestrator::command(play);
        command.env("PLAY_TERMINAL", name).env("PLAY_DISPLAY", display).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        Orchestrator::new(play, child, Some(near))
    }

    /// With its output into a pipe.
    pub fn piped(play: &Play) -> Orchestrator {
        let (near, far) = io::pipe().unwrap();
        let mut command = Orchestrator::command(play);
        let child = command.stdout(far.try_clone().unwrap()).stderr(far).spawn().unwrap();
        drop(command);
        let mut orchestrator = Orchestrator::new(play, child, None);
        orchestrator.pipe = Some(near);
        orchestrator
    }

    pub fn command(play: &Play) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["orchestrator", "--exact", "--ignored", "--nocapture"]);
        command.env("PLAY", serde_json::to_string(play).unwrap()).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn new(play: &Play, child: Child, terminal: Option<OwnedFd>) -> Orchestrator {
        let terminal = Arc::new(Mutex::new(terminal));
        let read = Arc::clone(&terminal);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        // A terminal that is not read would block.
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(5));
                let Some(near) = &*read.lock().unwrap() else { return };
                let mut block = [0; 64 << 10];
                while readable(near) {
                    match rustix::io::read(near, &mut block) {
                        Ok(count) if count > 0 => seen.lock().unwrap().extend_from_slice(&block[..count]),
                        _ => return,
                    }
                }
            }
        });
        Orchestrator {
            child,
            folder: play.folder.clone(),
            marker: play.marker(),
            ready: play.folder.join("ready"),
            terminal,
            screen,
            pipe: None,
        }
    }

    pub fn until_ready(&self) {
        until(Duration::from_secs(10), || self.ready.exists());
        assert!(self.ready.exists(), "the step did not start");
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    pub fn type_in(&self, keys: &[u8]) {
        rustix::io::write(self.terminal.lock().unwrap().as_ref().unwrap(), keys).unwrap();
    }

    /// What was written to the terminal so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until the terminal shows `text`, from its byte `from` on.
    #[track_caller]
    pub fn until_shown(&self, text: &str, from: usize) {
        let shown = || self.screen().get(from..).is_some_and(|screen| screen.contains(text));
        until(Duration::from_secs(10), shown);
        assert!(shown(), "{text:?} is not in {:?}", self.screen());
    }

    pub fn resize(&self, columns: u16, lines: u16) {
        let size = rustix::termios::Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(self.terminal.lock().unwrap().as_ref().unwrap(), size).unwrap();
    }

    pub fn hang_up(&self) {
        *self.terminal.lock().unwrap() = None;
    }

    pub fn close_output(&mut self) {
        self.pipe = None;
    }

    pub fn guardian(&self) -> Pid {
        let mine = |&pid: &i32| state(pid).is_some_and(|(_, parent)| parent == self.child.id() as i32);
        as_pid(processes().into_iter().find(mine).expect("a guardian"))
    }

    /// How it ended.
    pub fn wait(&mut self) -> String {
        self.child.wait().unwrap();
        self.note("result")
    }

    pub fn note(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    pub fn journal(&self) -> String {
        self.note("journal")
    }

    pub fn log_path(&self, step: &str) -> PathBuf {
        self.folder.join("logs").join(logs::file_name(step))
    }

    pub fn log(&self, step: &str) -> String {
        fs::read_to_string(self.log_path(step)).unwrap_or_default()
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The living processes with `marker` in their environment: those of a play's steps, wherever they have gone.
pub fn alive(marker: &str) -> Vec<i32> {
    let needle = format!("PLAY_MARKER={marker}\0");
    let has = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    processes().into_iter().filter(has).collect()
}

/// The command lines of this moment, of all processes, that hold one of `needles`.
pub fn command_lines(needles: &[&str]) -> Vec<String> {
    let line = |pid: i32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let lines = processes().into_iter().map(|pid| String::from_utf8_lossy(&line(pid)).into_owned());
    lines.filter(|line| needles.iter().any(|needle| line.contains(needle))).collect()
}

#[must_use]
pub fn as_pid(pid: i32) -> Pid {
    Pid::from_raw(pid).expect("a process has an id")
}

/// Whether a process is stopped, as by Ctrl-Z, or gone. One that has just called `vfork`, as shells do, cannot be
/// stopped before its child calls `exec`; if that child is stopped, it does not go on either.
pub fn stopped(pid: Pid) -> bool {
    let pid = pid.as_raw_nonzero().get();
    match state(pid) {
        None | Some(('T', _)) => true,
        Some(('D', _)) => processes().into_iter().filter_map(state).any(|child| child == ('T', pid)),
        Some(_) => false,
    }
}

/// The letter for what a process does, and its parent.
fn state(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn readable(fd: &OwnedFd) -> bool {
    ciao::process::ready(fd, rustix::event::PollFlags::IN, Duration::ZERO)
}

/// Waits until `done`, at most for `limit`.
pub fn until(limit: Duration, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() && start.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(10));
    }
}
