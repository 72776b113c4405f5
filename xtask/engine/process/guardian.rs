//! A guardian: a process between the orchestrator and one running step at a time.
//!
//! It has a session of its own, so that no terminal reaches the step; orphans of the step become its children; and it
//! sees the end of the orchestrator, even by SIGKILL, as end of file on its standard input, and ends the step then.
//! It knows nothing of plans, secrets or outcomes: it starts what it is told to and says how that ended.
//!
//! It is started with the socket to the orchestrator as standard input; standard error is where the step's output goes,
//! standard output where what it produces goes, if that is kept apart. It puts them where nearly every step wants
//! them, so that nothing has to be moved for each.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpgid, getppid, getrlimit, setpgid, setrlimit, setsid, wait,
};
use rustix::stdio::{dup2_stderr, dup2_stdout, stdin};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

use super::frame::{Exit, Launch, Report, Request};
use super::relay::Relay;
use super::spawn::{Ready, Spawner, Started};
use super::tree;

/// How long what a step left behind may go on: enough for the `tee` at the end of a pipe to write its last line.
const LINGER: Duration = Duration::from_millis(100);
/// How long the killing of what cannot be killed (a process stuck in the kernel) is tried. Where orphans do not come here, those
/// that were killed cannot be told from those that live until somebody else has waited for them: killed once is enough.
const STUCK: Duration =
    if cfg!(all(target_os = "linux", not(ciao_portable))) { Duration::from_secs(5) } else { LINGER };

/// The running step.
struct Running {
    started: Started,
    exit: Option<Exit>,
    /// What it had left behind when it ended.
    leftover: Vec<String>,
    detach: bool,
    grace: Duration,
    /// From when on everything that is left is killed.
    kill_at: Option<Instant>,
    give_up_at: Option<Instant>,
}

struct Guardian {
    spawner: Spawner,
    /// To the orchestrator.
    socket: OwnedFd,
    children: UnixStream,
    inbox: Vec<u8>,
    block: Box<[u8]>,
    /// What is started when the orchestrator says so, and whether it was looked at since the step before it ended.
    next: Option<(Ready, bool)>,
    running: Option<Running>,
    /// To be locked before the first step; then the lock.
    busy: Option<PathBuf>,
    _lock: Option<File>,
    /// The orchestrator is gone.
    alone: bool,
    /// The step has left something running, and these are read for it.
    detached: Option<Vec<Relay>>,
}

/// The whole life of a guardian.
pub fn main() -> ExitCode {
    match prepare().and_then(Guardian::live) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guardian: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> io::Result<Guardian> {
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?);
    socket.peer_addr().map_err(|_| io::Error::other("started by hand: it is internal"))?;
    let (children, wake) = UnixStream::pair()?;
    children.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, wake)?;
    // Started as the leader of a process group, so that a Ctrl-C now does not reach it; a leader cannot open a session.
    // So it goes back to its parent's group for a moment, deaf to what may come there.
    let deaf = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP] {
        signal_hook::flag::register(signal, Arc::clone(&deaf))?;
    }
    if let Some(group) = getppid().and_then(|parent| getpgid(Some(parent)).ok()) {
        setpgid(None, Some(group)).ok();
    }
    setsid()?;
    tree::orphans_come_here()?;
    no_core_dumps();
    let spawner = Spawner::new()?;
    let (inbox, block) = (Vec::new(), vec![0; 16 << 10].into());
    Ok(Guardian {
        spawner,
        socket: socket.into(),
        children,
        inbox,
        block,
        next: None,
        running: None,
        busy: None,
        _lock: None,
        alone: false,
        detached: None,
    })
}

/// A core dump would hold the step's secrets.
pub fn no_core_dumps() {
    let limit = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    setrlimit(Resource::Core, limit).ok();
}

impl Guardian {
    fn live(mut self) -> io::Result<()> {
        self.serve()?;
        match self.detached.take() {
            Some(relays) => self.stay(relays),
            None => Ok(()),
        }
    }

    /// Looks after what a detached step has left, so that it is found below this process, and can print: until nothing of it
    /// is left. It holds up nobody: it has let go of the orchestrator, its pipes, its terminal and the lock.
    fn stay(self, mut relays: Vec<Relay>) -> io::Result<()> {
        let Guardian { mut children, mut block, socket, spawner, _lock, .. } = self;
        drop((socket, spawner, _lock));
        dup2_stdout(stdin())?;
        dup2_stderr(stdin())?;
        relays.iter_mut().for_each(Relay::release);
        loop {
            relays.retain_mut(|relay| relay.pass(&mut block));
            let none_left = reap(|_, _| {})?;
            if none_left && relays.is_empty() {
                return Ok(());
            }
            let mut fds = vec![PollFd::new(&children, PollFlags::IN)];
            fds.extend(relays.iter().map(|relay| PollFd::new(relay, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            drop(children.read(&mut [0; 64]));
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut ended = false;
        loop {
            let expects = |running: &Running| running.exit.is_some() || running.kill_at.is_some();
            if ended || self.running.as_ref().is_some_and(expects) {
                self.look_after()?;
            }
            if self.alone && self.running.is_none() {
                return Ok(());
            }
            let asked;
            (asked, ended) = self.sleep()?;
            if ended {
                // More than fit would wake it once more.
                drop(self.children.read(&mut [0; 64]));
            }
            if asked {
                self.read()?;
            }
        }
    }

    /// Until something is asked, a child has ended, or it is time to kill.
    fn sleep(&mut self) -> io::Result<(bool, bool)> {
        let until = self.running.as_ref().and_then(|running| running.kill_at);
        let timeout = until.map(|at| super::timespec(at.saturating_duration_since(Instant::now())));
        let mut fds = vec![PollFd::new(&self.children, PollFlags::IN)];
        if !self.alone {
            fds.push(PollFd::new(&self.socket, PollFlags::IN));
        }
        let relays = self.running.as_ref().map_or(&[][..], |running| &running.started.relays);
        fds.extend(relays.iter().map(|relay| PollFd::new(relay, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok((false, true)),
            Err(error) => return Err(error.into()),
        }
        let (ended, asked) = (!fds[0].revents().is_empty(), !self.alone && !fds[1].revents().is_empty());
        self.pass();
        Ok((asked, ended))
    }

    /// Passes on what a step that may leave something running has printed.
    fn pass(&mut self) {
        if let Some(running) = &mut self.running {
            running.started.relays.retain_mut(|relay| relay.pass(&mut self.block));
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let count = match rustix::io::read(&self.socket, &mut *self.block) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(()),
            // Reset: the orchestrator was killed with a report unread.
            Err(_) => 0,
        };
        self.inbox.extend_from_slice(&self.block[..count]);
        if count == 0 {
            self.left_alone();
            return Ok(());
        }
        while let Some(request) = Request::take(&mut self.inbox) {
            match request {
                Request::Launch(launch) => {
                    let ready = self.spawner.prepare(*launch);
                    self.start(ready);
                }
                // What is told while nothing runs is looked at now: there is nothing that could change it.
                Request::Prepare(launch) => {
                    self.next = Some((self.spawner.prepare(*launch), self.running.is_none()));
                }
                Request::Go => self.go(),
                Request::Busy(file) => self.busy = Some(file),
                Request::Signal(signal) => self.signal(signal),
                Request::Kill => self.kill(),
            }
        }
        Ok(())
    }

    /// Says that there are steps, to whoever takes the orchestrator's place. Then that one must still be there: a step that
    /// is started after its death could run beside the next one's.
    fn engage(&mut self) -> io::Result<()> {
        let Some(path) = self.busy.take() else { return Ok(()) };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        // Whoever only looks holds it for some microseconds.
        flock(&file, FlockOperation::LockShared)?;
        self._lock = Some(file);
        let mut fds = [PollFd::new(&self.socket, PollFlags::empty())];
        poll(&mut fds, Some(&super::timespec(Duration::ZERO)))?;
        if fds[0].revents().contains(PollFlags::HUP) {
            return Err(io::Error::other("the orchestrator is gone"));
        }
        Ok(())
    }

    /// Between two steps: what the first has changed is seen while the orchestrator records its end.
    fn renew(&mut self) {
        if let Some((ready, false)) = self.next.take_if(|(_, renewed)| !*renewed) {
            self.next = Some((self.spawner.renew(ready), true));
        }
    }

    fn go(&mut self) {
        self.renew();
        match self.next.take() {
            Some((ready, _)) => self.start(ready),
            None => self.tell(&Report::NotStarted { errno: 0, what: "start what was not prepared".to_owned() }),
        }
    }

    fn start(&mut self, ready: Ready) {
        if let Err(error) = self.engage() {
            let what = "tell that there are steps".to_owned();
            return self.tell(&Report::NotStarted { errno: error.raw_os_error().unwrap_or(0), what });
        }
        let Launch { detach, grace, .. } = ready.launch;
        match self.spawner.start(ready) {
            Ok(started) => {
                self.running = Some(Running {
                    started,
                    exit: None,
                    leftover: Vec::new(),
                    detach,
                    grace,
                    kill_at: None,
                    give_up_at: None,
                });
            }
            Err((what, error)) => {
                self.tell(&Report::NotStarted { errno: error.raw_os_error().unwrap_or(0), what });
            }
        }
    }

    fn signal(&mut self, number: i32) {
        let leader =
            self.running.as_ref().filter(|running| running.exit.is_none()).map(|running| running.started.leader);
        if let (Some(leader), Some(signal)) = (leader, Signal::from_named_raw(number)) {
            tree::signal(leader, signal);
        }
    }

    fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            running.detach = false;
            running.kill_at = Some(Instant::now());
        }
    }

    fn left_alone(&mut self) {
        self.alone = true;
        let Some(running) = &mut self.running else { return };
        running.detach = false;
        running.kill_at.get_or_insert(Instant::now() + running.grace);
        self.signal(Signal::TERM.as_raw());
        // What was stopped would otherwise take the signal only after it is killed.
        self.signal(Signal::CONT.as_raw());
    }

    /// Takes note of who has ended, and ends what is left over.
    fn look_after(&mut self) -> io::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let (leader, exit) = (running.started.leader, &mut running.exit);
        let none_left = reap(|pid, ended| {
            if pid == leader && exit.is_none() {
                *exit = Some(ended);
            }
        })? && !tree::group_left(leader);
        let now = Instant::now();
        let Some(exit) = running.exit else {
            if running.kill_at.is_some_and(|at| at <= now) {
                running.kill_at = Some(now + Duration::from_millis(5));
                tree::signal(running.started.leader, Signal::KILL);
            }
            return Ok(());
        };
        let stays = running.detach && exit.good();
        if !none_left {
            let left = tree::left(running.started.leader);
            if running.give_up_at.is_none() {
                running.give_up_at = Some(now + STUCK);
                let at = running.kill_at.unwrap_or(now + LINGER).min(now + LINGER);
                running.kill_at = Some(at);
            }
            if running.kill_at.is_some_and(|at| at <= now) {
                running.kill_at = Some(now + Duration::from_millis(2));
                if running.leftover.is_empty() {
                    running.leftover = left.iter().take(8).map(|member| member.name.clone()).collect();
                }
                tree::end(&left);
            }
        }
        if none_left || stays || running.give_up_at.is_some_and(|at| at <= now) {
            let leftover = std::mem::take(&mut running.leftover);
            self.pass();
            let relays = self.running.take().map(|running| running.started.relays);
            self.tell(&Report::Over { exit, leftover });
            if stays {
                (self.alone, self.detached) = (true, relays);
                return Ok(());
            }
            self.renew();
        }
        Ok(())
    }

    fn tell(&mut self, report: &Report) {
        let mut bytes = Vec::new();
        report.write(&mut bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match rustix::io::write(&self.socket, rest) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    self.alone = true;
                    return;
                }
            }
        }
    }
}

/// Waits for all children that have ended, and says how. True if none is left.
fn reap(mut ended: impl FnMut(Pid, Exit)) -> io::Result<bool> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended(pid, exit_of(status.exit_status(), status.terminating_signal())),
            Ok(None) => return Ok(false),
            Err(rustix::io::Errno::CHILD) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn exit_of(code: Option<i32>, signal: Option<i32>) -> Exit {
    signal.map_or_else(|| Exit::Code(code.unwrap_or(0)), Exit::Signal)
}
