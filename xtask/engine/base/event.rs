//! What happens during a deployment, as values: what the journal keeps, the ledger records and people are shown.

use std::io;

use serde::{Deserialize, Serialize};

/// How a step ended, or why it did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Succeeded,
    /// Its guard said that it was done already.
    Done,
    Failed,
    TimedOut,
    /// Stopped by a signal to the orchestrator.
    Interrupted,
    /// Nobody saw how it ended: the orchestrator was killed while it ran.
    Unknown,
    /// `--skip STEP`, by hand.
    Skipped,
    /// Switched off by `when`.
    Off,
    /// Something before it failed, or it was not chosen by `--only`.
    NotRun,
}

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub id: String,
    pub outcome: Outcome,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub seconds: f64,
    /// As a shell has it: the exit code, or 128 + `signal`.
    #[serde(default)]
    pub exit: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

impl StepRecord {
    /// Of a step of which no more is known.
    #[must_use]
    pub fn new(id: &str, outcome: Outcome) -> StepRecord {
        StepRecord { id: id.to_owned(), outcome, attempts: 0, seconds: 0.0, exit: None, signal: None }
    }
}

/// What the journal keeps: `Started` before a step starts, its outcome after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// `owes`: it has a `finally`, which is owed from now on.
    Started { step: String, attempt: u32, owes: bool },
    /// As in a [`StepRecord`]; `seconds` over all its attempts.
    Ended {
        step: String,
        outcome: Outcome,
        attempts: u32,
        seconds: f64,
        exit: Option<i32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        message: Option<String>,
    },
    /// The `finally` of a step starts.
    FinallyStarted { step: String },
    /// The `finally` of a step has ended; it stays owed unless it succeeded.
    FinallyEnded { step: String, outcome: Outcome, exit: Option<i32> },
}

impl Event {
    /// As JSON on one line. Here and not where it is needed, because this package is optimised, and the others are not.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("an event has nothing that JSON cannot hold")
    }
}

/// The outcomes of steps as indented JSON; here for the same reason.
#[must_use]
pub fn steps_json(steps: &[StepRecord]) -> Vec<u8> {
    serde_json::to_vec_pretty(steps).expect("steps have nothing that JSON cannot hold")
}

/// Where an event is written, synced, before anything that follows from it is done.
///
/// After an error nothing new starts.
pub trait Journal {
    /// # Errors
    /// If the event could not be written whole.
    fn record(&mut self, event: &Event) -> io::Result<()>;

    /// Records several at once: the end of a step and the start of the next cost one sync, not two.
    ///
    /// # Errors
    /// If one of them could not be written whole.
    fn record_all(&mut self, events: &[Event]) -> io::Result<()> {
        events.iter().try_for_each(|event| self.record(event))
    }
}
