//! Running a plan: schedule (pure) ⇄ processes ─▶ events.
//!
//! [`run`] does what a plan says and tells a journal and a reporter. It knows nothing of git, gates, locks, TOML or the
//! command line: what it needs is in a [`Deployment`], what came of it in a [`Summary`].

mod encodings;
pub mod environment;
pub mod event;
mod lexer;
pub mod mask;
pub mod report;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::Plan;
use crate::process::Exit;
use event::Outcome;

/// Everything that a run of a plan depends on.
pub struct Deployment<'a> {
    pub plan: &'a Plan,
    /// The root of the repository, absolute.
    pub root: &'a Utf8Path,
    /// What `${release}` and `CIAO_RELEASE` are.
    pub release: String,
    /// What `${commit}` and `CIAO_COMMIT` are.
    pub commit: String,
    /// What `${work}` is: a folder that exists, absolute.
    pub work: &'a Utf8Path,
    /// The folder of the logs of this deployment; it is made when the first is written. See `logs::folder`.
    pub logs: &'a Utf8Path,
    /// What `CIAO_FENCE` is: it grows with every deployment of the environment.
    pub fence: u64,
    /// How many steps may run side by side; at least 1.
    pub jobs: usize,
    /// How long an interrupted step has before it is killed.
    pub grace: Duration,
    /// Steps that need not run, by id: what an earlier attempt has done, or `--skip`.
    pub done: BTreeMap<String, Outcome>,
    /// The ids of the steps chosen by `--only`; `None`: all.
    pub only: Option<BTreeSet<String>>,
    /// The ids of the steps whose `finally` an earlier deployment still owes.
    pub owed: Vec<String>,
    /// Set by whoever watches the lock when it was taken away: everything is stopped at once.
    pub lost: Arc<AtomicBool>,
    /// The variables that steps see, of those of the caller.
    pub caller: environment::Caller,
    /// This executable, which is also guardian and tasks: [`crate::process::itself`].
    pub exe: PathBuf,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    /// By the signal of this number: the exit code is 128 + it.
    Interrupted(i32),
    /// The lock was taken away.
    Fenced,
    /// What happened could not be recorded, so nothing new was started.
    NotRecorded,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    pub outcome: Outcome,
    pub attempts: u32,
    /// Over all its attempts.
    pub seconds: f64,
    pub exit: Option<Exit>,
    /// What went wrong, masked.
    pub message: Option<String>,
}

/// What people are told of something that failed. All of it is masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The id of the step.
    pub step: String,
    /// Whether it was its `finally` that failed.
    pub finally: bool,
    /// In words: `exit code 3`, `killed by SIGKILL (out of memory?)`, `timed out after 2m`.
    pub what: String,
    /// Where the step stands, from the root.
    pub file: Utf8PathBuf,
    pub line: usize,
    /// The last lines that it printed.
    pub last_lines: Vec<String>,
    /// One line that can be pasted into a shell.
    pub command: String,
    /// Its log, if it has printed anything.
    pub log: Option<Utf8PathBuf>,
    /// What might help.
    pub hint: Option<String>,
}

/// What came of a deployment.
#[derive(Debug, Clone)]
pub struct Summary {
    pub end: End,
    /// One for each step of the plan, in its order.
    pub steps: Vec<StepResult>,
    /// The ids of the steps whose `finally` is still owed.
    pub owed: Vec<String>,
    /// The first one first.
    pub failures: Vec<Failure>,
    /// Why the journal could not be written.
    pub journal_error: Option<String>,
    pub seconds: f64,
}
