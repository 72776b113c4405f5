//! The orchestrator's side of a guardian: starting it, asking it, reading what it and its step say.
//!
//! It knows nothing of plans or outcomes. A lane runs one process at a time, so everything that is below its guardian
//! belongs to that process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::frame::{Launch, Report, Request};
use super::tree::{self, Member};

/// The hidden first argument that makes this executable a guardian.
pub const GUARD: &str = "__guard";

/// One guardian and the pipes of its steps.
#[derive(Debug)]
pub struct Lane {
    child: Child,
    socket: UnixStream,
    inbox: Vec<u8>,
    /// Standard error of its steps, and standard output unless that is captured.
    output: OwnedFd,
    /// Standard output of a step that produces something.
    captured: OwnedFd,
    wide: bool,
    retired: bool,
}

/// What a lane has to say.
#[derive(Debug, PartialEq)]
pub enum Word {
    Nothing,
    Report(Report),
    /// The guardian is gone.
    Gone,
}

impl Lane {
    /// Starts a guardian. `env` is its environment, and what every step of it sees.
    ///
    /// # Errors
    /// If the executable cannot be started, or there are no more files to be opened.
    pub fn start(exe: &Path, env: &BTreeMap<OsString, OsString>) -> io::Result<Lane> {
        let (socket, far) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let (output, output_end) = pipe()?;
        let (captured, captured_end) = pipe()?;
        let child = Command::new(exe)
            .arg0("ciao")
            .arg(GUARD)
            .env_clear()
            .envs(env)
            .current_dir("/")
            .stdin(OwnedFd::from(far))
            .stdout(captured_end)
            .stderr(output_end)
            // Out of reach of the terminal until it has a session of its own.
            .process_group(0)
            .spawn()?;
        Ok(Lane { child, socket, inbox: Vec::new(), output, captured, wide: false, retired: false })
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id")
    }

    /// From its first step until it has none any more the guardian keeps `file` locked, shared.
    pub fn keep_busy(&mut self, file: &Path) {
        self.ask(&Request::Busy(file.to_owned()));
    }

    /// Starts a process in this lane, which must be free.
    ///
    /// # Errors
    /// If the guardian is gone.
    pub fn launch(&mut self, launch: &Launch) -> io::Result<()> {
        self.send(&Request::launch(launch, true))
    }

    /// Tells the guardian what it will probably start next. Nothing starts.
    pub fn prepare(&mut self, launch: &Launch) {
        drop(self.send(&Request::launch(launch, false)));
    }

    /// Starts what was prepared last in this lane, which must be free. A guardian that is gone shows when it is listened to.
    pub fn go(&mut self) {
        self.ask(&Request::Go);
    }

    /// Sends `signal` to every process of the step once. A guardian that is gone shows when it is read from.
    pub fn signal(&mut self, signal: Signal) {
        self.ask(&Request::Signal(signal.as_raw()));
    }

    /// Kills everything of the step.
    pub fn kill(&mut self) {
        self.ask(&Request::Kill);
    }

    /// Lets the guardian go on, if somebody has stopped it: everything that ends its step goes through it.
    pub fn wake(&self) {
        kill_process(self.pid(), Signal::CONT).ok();
    }

    /// Kills the guardian, because it does not answer; what is left of its step comes to this process.
    pub fn end(&mut self) {
        self.child.kill().ok();
    }

    fn ask(&mut self, request: &Request) {
        let mut bytes = Vec::new();
        request.write(&mut bytes);
        drop(self.send(&bytes));
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A long launch; the guardian is reading, or gone.
                    super::wait_for(self.socket.as_fd(), rustix::event::PollFlags::OUT)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What the guardian says, if anything.
    pub fn hear(&mut self) -> Word {
        let mut bytes = [0; 4096];
        loop {
            if let Some(report) = Report::take(&mut self.inbox) {
                return Word::Report(report);
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => return Word::Gone,
                Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Word::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Word::Gone,
            }
        }
    }

    /// What to poll for reading: the guardian, the output, the captured output.
    #[must_use]
    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [self.socket.as_fd(), self.output.as_fd(), self.captured.as_fd()]
    }

    /// Reads what is there of the output (or of what is captured); `None` if there is nothing now.
    pub fn read(&self, captured: bool, into: &mut [u8]) -> Option<usize> {
        let from = if captured { &self.captured } else { &self.output };
        loop {
            match rustix::io::read(from, &mut *into) {
                Ok(0) => return None,
                Ok(count) => return Some(count),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// Makes the pipes larger, so that a step that prints much is seldom waited for. A system has only so much room in pipes
    /// for each user: those who print little leave it to others.
    pub fn widen(&mut self) {
        #[cfg(all(target_os = "linux", not(ciao_portable)))]
        if !self.wide {
            for pipe in [&self.output, &self.captured] {
                rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20).ok();
            }
        }
        self.wide = true;
    }

    /// Its guardian takes no more steps: it looks after what a detached one has left running, as long as that lives.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    #[must_use]
    pub fn retired(&self) -> bool {
        self.retired
    }

    /// Lets the guardian go, which ends whatever it still runs.
    pub fn let_go(&self) {
        drop(self.socket.shutdown(std::net::Shutdown::Both));
    }

    /// Lets the guardian go, and waits until it has gone.
    pub fn close(mut self, patience: Duration) {
        self.let_go();
        let until = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }
}

/// Kills what a guardian that was killed has left: all processes below this one that are no `lanes` and not below one.
pub fn end_strays(lanes: &[Pid]) {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let strays = strays(lanes);
        if strays.is_empty() || Instant::now() > until {
            return;
        }
        tree::end(&strays);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The living processes below this one that belong to no lane.
fn strays(lanes: &[Pid]) -> Vec<Member> {
    let mut out: Vec<Member> = tree::below(getpid());
    let mut guarded: Vec<i32> = lanes.iter().map(|pid| pid.as_raw_nonzero().get()).collect();
    // Parents come before their children in what `below` finds.
    out.retain(|member| {
        let pid = member.pid.as_raw_nonzero().get();
        let keep = !guarded.contains(&pid) && !guarded.contains(&member.parent);
        if !keep && !guarded.contains(&pid) {
            guarded.push(pid);
        }
        keep
    });
    out
}

/// A pipe whose reading end does not block.
fn pipe() -> io::Result<(OwnedFd, Stdio)> {
    let (near, far) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&near, true)?;
    Ok((near, far.into()))
}
