//! One event a line on standard output, for programs. `docs/json-events.md` says what each holds.
//!
//! It knows nothing of people.

use std::time::Duration;

use serde_json::{Value, json};

use super::screen::Screen;
use super::{Reporter, Weight, neutral};
use crate::{End, StepResult, Summary};
use ciao_plan::Step;
use ciao_process::Exit;

/// Writes to standard output.
pub struct Json {
    screen: Screen,
    /// The step whose `finally` runs.
    finally: Option<String>,
}

impl Json {
    #[must_use]
    pub fn new() -> Json {
        let missed = |lines: usize| json!({ "event": "missed", "lines": lines }).to_string() + "\n";
        Json { screen: Screen::stdout(missed), finally: None }
    }

    fn event(&mut self, event: &Value) {
        self.screen.write((event.to_string() + "\n").as_bytes());
    }

    /// What must not hold up the next step.
    fn soon(&mut self, event: &Value) {
        self.screen.soon((event.to_string() + "\n").as_bytes());
    }
}

impl Default for Json {
    fn default() -> Json {
        Json::new()
    }
}

impl Reporter for Json {
    fn begun(&mut self, environment: &str, steps: usize) {
        self.event(&json!({ "event": "begun", "format": 1, "environment": environment, "steps": steps }));
    }

    fn started(&mut self, step: &Step, attempt: u32, finally: bool) {
        self.finally = finally.then(|| step.id.clone());
        self.soon(&json!({ "event": "started", "step": step.id, "attempt": attempt, "finally": finally }));
    }

    fn output(&mut self, step: &Step, lines: &[u8]) {
        for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&byte| byte == b'\n') {
            let finally = self.finally.as_ref() == Some(&step.id);
            self.event(&json!({ "event": "output", "step": step.id, "finally": finally, "line": neutral(line) }));
        }
    }

    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        self.soon(&json!({
            "event": "ended", "step": step.id, "finally": finally, "outcome": result.outcome,
            "attempts": result.attempts, "seconds": result.seconds, "exit": result.exit.map(Exit::code),
            "signal": result.exit.and_then(Exit::signal), "message": result.message,
        }));
    }

    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        let weight = match weight {
            Weight::Note => "note",
            Weight::Warning => "warning",
            Weight::Error => "error",
        };
        self.event(&json!({ "event": "message", "severity": weight, "step": step.map(|step| &step.id), "text": text }));
    }

    fn finished(&mut self, summary: &Summary) {
        let (outcome, signal) = match summary.end {
            End::Succeeded => ("succeeded", None),
            End::Failed => ("failed", None),
            End::Interrupted(signal) => ("interrupted", Some(signal)),
            End::Fenced => ("fenced", None),
            End::NotRecorded => ("not-recorded", None),
        };
        let failures: Vec<Value> = summary.failures.iter().map(|failure| json!({
            "step": failure.step, "finally": failure.finally, "what": failure.what, "file": failure.file.as_str(),
            "line": failure.line, "last_lines": failure.last_lines, "command": failure.command, "log": failure.log.as_ref().map(|log| log.as_str()),
            "help": failure.hint,
        })).collect();
        self.event(&json!({
            "event": "finished", "outcome": outcome, "signal": signal, "seconds": summary.seconds,
            "owed": summary.owed, "failures": failures,
        }));
        self.screen.finish();
    }

    fn drain(&mut self, time: Duration) -> bool {
        self.screen.drain(time)
    }

    fn lost(&mut self) -> Option<std::io::Error> {
        self.screen.lost()
    }

    fn tick(&mut self) {
        self.screen.flush();
    }
}
