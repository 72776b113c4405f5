//! Between a step that leaves something running and the orchestrator: a pipe that is read as long as anybody writes.
//!
//! What is left running has inherited the step's pipe, and would die of its next line if the orchestrator, who takes
//! the secrets out, read it alone. A file is no way out: nothing unmasked may be in one, and it would grow for ever. So the
//! step's guardian stands between them, and stays; what comes once the step is over goes nowhere.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// What is read, and where it goes.
pub struct Relay {
    from: OwnedFd,
    to: Option<OwnedFd>,
}

impl Relay {
    /// A relay to `to`, and the end to write to.
    ///
    /// # Errors
    /// If there are no more files to be opened.
    pub fn new(to: OwnedFd) -> io::Result<(Relay, OwnedFd)> {
        let (from, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&from, true)?;
        Ok((Relay { from, to: Some(to) }, writer))
    }

    /// Passes on what is there. False when nobody can write any more.
    pub fn pass(&mut self, block: &mut [u8]) -> bool {
        loop {
            match rustix::io::read(&self.from, &mut *block) {
                Ok(0) => return false,
                Ok(count) => self.write(&block[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return error == rustix::io::Errno::AGAIN,
            }
        }
    }

    /// From now on it goes nowhere.
    pub fn release(&mut self) {
        self.to = None;
    }

    fn write(&mut self, mut rest: &[u8]) {
        while let Some(to) = self.to.as_ref().filter(|_| !rest.is_empty()) {
            match rustix::io::write(to, rest) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                // The orchestrator is gone.
                Err(_) => self.release(),
            }
        }
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}
