//! What happens during a deployment, as values: what the journal keeps, the ledger records and people are shown.

use std::io;

use serde::{Deserialize, Serialize};

use super::json::Json;

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

impl Outcome {
    pub const ALL: [Outcome; 9] = [
        Outcome::Succeeded,
        Outcome::Done,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Interrupted,
        Outcome::Unknown,
        Outcome::Skipped,
        Outcome::Off,
        Outcome::NotRun,
    ];

    /// As it is kept and as programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Done => "done",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed-out",
            Outcome::Interrupted => "interrupted",
            Outcome::Unknown => "unknown",
            Outcome::Skipped => "skipped",
            Outcome::Off => "off",
            Outcome::NotRun => "not-run",
        }
    }
}

impl Event {
    /// Appends it as JSON on one line. Written by hand, and here, because there are two between any two steps, and this package is
    /// optimised.
    pub fn json(&self, out: &mut Json) {
        out.open("{");
        match self {
            Event::Started { step, attempt, owes } => {
                out.text("event", "started");
                out.text("step", step);
                out.plain("attempt", &attempt.to_string());
                out.plain("owes", if *owes { "true" } else { "false" });
            }
            Event::Ended { step, outcome, attempts, seconds, exit, signal, message } => {
                out.text("event", "ended");
                out.text("step", step);
                ended(out, *outcome, *attempts, *seconds, (*exit, *signal));
                out.optional("message", message.as_deref());
            }
            Event::FinallyStarted { step } => {
                out.text("event", "finally-started");
                out.text("step", step);
            }
            Event::FinallyEnded { step, outcome, exit } => {
                out.text("event", "finally-ended");
                out.text("step", step);
                out.text("outcome", outcome.name());
                number(out, "exit", *exit);
            }
        }
        out.close("}");
    }
}

fn ended(out: &mut Json, outcome: Outcome, attempts: u32, seconds: f64, (exit, signal): (Option<i32>, Option<i32>)) {
    out.text("outcome", outcome.name());
    out.plain("attempts", &attempts.to_string());
    // In the fewest digits that are read as the same number.
    out.plain("seconds", &format!("{seconds:?}"));
    number(out, "exit", exit);
    if signal.is_some() {
        number(out, "signal", signal);
    }
}

fn number(out: &mut Json, key: &str, number: Option<i32>) {
    match number {
        Some(number) => out.plain(key, &number.to_string()),
        None => out.plain(key, "null"),
    }
}

/// Appends the outcomes of steps as JSON; here for the same reason.
pub fn steps_json(steps: &[StepRecord], out: &mut Json) {
    out.open("[");
    for step in steps {
        out.item();
        out.open("{");
        out.text("id", &step.id);
        ended(out, step.outcome, step.attempts, step.seconds, (step.exit, step.signal));
        out.close("}");
    }
    out.close("]");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written by hand is what serde writes, and reads.
    #[test]
    fn by_hand_as_by_serde() {
        let mut events = vec![Event::FinallyStarted { step: "a".to_owned() }];
        let mut steps = Vec::new();
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            let step = ["a/b", "\"\\\n\u{1}ü", ""][place % 3].to_owned();
            let seconds = [0.0, 0.000_000_123, 1e-300, 17.0, 1.0 / 3.0, 1e17, 123_456_789.123][place % 7];
            let (exit, signal) = [(None, None), (Some(-1), None), (Some(137), Some(9))][place % 3];
            let attempts = place as u32;
            let message = [None, Some("\u{0}\u{7f}\"x\"".to_owned())][place % 2].clone();
            events.extend([
                Event::Started { step: step.clone(), attempt: attempts, owes: place % 2 == 0 },
                Event::Ended { step: step.clone(), outcome, attempts, seconds, exit, signal, message },
                Event::FinallyEnded { step: step.clone(), outcome, exit },
            ]);
            steps.push(StepRecord { id: step, outcome, attempts, seconds, exit, signal });
        }
        for event in events {
            let mut out = Json::default();
            event.json(&mut out);
            assert_eq!(serde_json::from_str::<Event>(&out.dense).unwrap(), event);
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&out.dense).unwrap(), value);
        }
        for steps in [&steps[..], &[]] {
            let mut out = Json::shown();
            steps_json(steps, &mut out);
            assert_eq!(serde_json::from_str::<Vec<StepRecord>>(&out.dense).unwrap(), steps);
            assert_eq!(serde_json::from_str::<Vec<StepRecord>>(&out.indented.unwrap()).unwrap(), steps);
        }
    }
}
