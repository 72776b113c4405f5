//! Supervision: processes that leave nothing behind.
//!
//! Every step runs below a guardian (`guardian`), which the orchestrator drives through a [`Lane`]. This module knows
//! nothing of plans, the order of steps, secrets or logs. `docs/supervision.md` has what holds on which system.

#![forbid(unsafe_code)]

mod capture;
pub mod frame;
mod guardian;
mod lane;
mod refusal;
mod relay;
mod signals;
mod spawn;
mod task;
mod tree;

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use capture::{Captured, capture};
pub use frame::{Exit, Input, Launch, Report};
pub use guardian::no_core_dumps;
pub use lane::{Lane, Word, end_strays};
pub use refusal::not_started;
pub use signals::{Endings, Signals, somebody_wants_out};
pub use spawn::{find_program, itself, remove_private};
pub use task::{TASK, WANTED, WANTED_JSON};
pub use tree::orphans_come_here;

use ciao_base::task::Tasks;

/// The hidden ways into this executable: a guardian, or a Rust task in a process of its own. `arguments` are the
/// process's, without its name. `main` asks before it does anything else; `None`: it was called by a person.
#[must_use]
pub fn reentry(arguments: &[OsString], tasks: &Tasks) -> Option<ExitCode> {
    match arguments {
        [first, ..] if first == lane::GUARD => Some(guardian::main()),
        [first, name, rest @ ..] if first == TASK => {
            Some(task::main(&name.to_string_lossy(), rest.first().and_then(|word| word.to_str()), tasks))
        }
        _ => None,
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Rounded up: waking just before a deadline would spin until it.
    let duration = duration + Duration::from_micros(1);
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

/// Waits until `fd` is ready.
fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(&fd, flags)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until one of `fds` can be read, at most for `timeout`; which ones can.
///
/// # Errors
/// If the system refuses to wait.
pub fn readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match poll(&mut polled, timeout.map(timespec).as_ref()) {
        Ok(_) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(rustix::io::Errno::INTR) => Ok(vec![false; fds.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Whether `fd` becomes ready within `timeout`.
#[must_use]
pub fn ready(fd: &impl std::os::fd::AsFd, flags: PollFlags, timeout: Duration) -> bool {
    matches!(poll(&mut [PollFd::new(fd, flags)], Some(&timespec(timeout))), Ok(count) if count > 0)
}
