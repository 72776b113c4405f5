//! The ledger: who deployed what, where, when, by whose approval and with which outcome; the lock; the gate.
//!
//! It is kept in git, one ref an environment, and is the lock at the same time. The parts: [`record`] (events and the
//! [`state`] they add up to, pure), [`gate`] (pure), [`status`] (what people and programs are shown, pure), `chain`
//! (compare-and-swap), `standing` (reading), `remote` (both at a remote), `verify` (whether what is new is what ciao writes),
//! [`journal`] (what is written while steps run), `contained` and `hidden` (whether a file is in the release), `operations` (start,
//! finish), `holder` (who is at it), `resume` (what a former command left), `settle` (unlock, settle, approve). `call` alone runs
//! git; `call`, `contained`, `hidden`, `pack`, `tidy`, `journal` and `place` alone touch files, and `git` and `remote` a few of git's
//! own. It does not know about pipelines, plans or processes: those who call it give it names, digests and step ids.

#![forbid(unsafe_code)]

mod call;
mod chain;
mod contained;
mod doctor;
pub mod gate;
pub mod git;
mod hidden;
mod holder;
pub mod journal;
mod opening;
mod operations;
mod pack;
mod place;
pub mod record;
mod release;
mod remote;
mod resume;
mod settle;
mod standing;
pub mod state;
pub mod status;
pub mod tidy;
mod tree;
mod verify;
mod watch;

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use ciao_base::hex;

pub use chain::{Ledger, Rewritten, Settings, Standing, Standings};
pub use contained::Files;
pub use doctor::{Check, Verdict};
pub use git::Git;
pub use operations::{Ending, Force, Holding, Request};
pub use place::{Caller, Life, cache, lock};
pub use release::{Changes, Head, Release};
pub use resume::Unfinished;
pub use settle::{Approval, Unlock, nothing_to_unlock};
pub use watch::Watch;

/// Which exit code an error means (README.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Wrong usage, or a plan that changed: nothing ran.
    Usage = 2,
    /// Gate, approval, soak, branch, dirty tree: nothing ran behind it.
    Refused = 3,
    /// Being deployed by someone else, or left unfinished: nothing ran.
    Held = 4,
    /// The ledger cannot be read or written: nothing ran.
    Unreadable = 5,
    /// Deployed, but not yet recorded: the next command records it.
    Unrecorded = 6,
}

/// What was attempted, on what, why not, what to do; and the class that decides the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub failure: Failure,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Error {
        Error { failure, message: message.into() }
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Error {
        Error::new(Failure::Unreadable, message)
    }

    #[must_use]
    pub fn exit(&self) -> u8 {
        self.failure as u8
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The clock and the ids of events, given in so that tests are exact.
#[derive(Clone)]
pub struct Source {
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Sixteen hexadecimal digits, another each time.
    pub id: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Source {
    /// The clock of this machine, and random ids.
    #[must_use]
    pub fn system() -> Source {
        Source { now: Arc::new(SystemTime::now), id: Arc::new(random_id) }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Source")
    }
}

fn random_id() -> String {
    use hmac_sha256::Hash as Sha256;
    let mut bytes = [0_u8; 8];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        // Where there is no such file: the address of a local, the clock and the process are not the same twice.
        let seed = format!("{:?} {} {:p}", SystemTime::now(), std::process::id(), &bytes);
        bytes.copy_from_slice(&Sha256::hash(seed.as_bytes())[..8]);
    }
    hex(&bytes)
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
