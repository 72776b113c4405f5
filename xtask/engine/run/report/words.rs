//! What people read of a step's end, a failure and a whole deployment: lines of text.
//!
//! Pure. It knows nothing of where they are shown.

use super::text::signal_name;
use super::{Weight, duration};
use crate::{End, Failure, StepResult, Summary};
use ciao_base::event::Outcome;
use ciao_plan::Step;

/// Colours, if they are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    #[must_use]
    pub fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    #[must_use]
    pub fn outcome(self, outcome: Outcome) -> String {
        let code = match outcome {
            Outcome::Succeeded | Outcome::Done => "32",
            Outcome::Failed | Outcome::TimedOut | Outcome::Unknown => "1;31",
            Outcome::Interrupted | Outcome::Skipped => "33",
            Outcome::Off | Outcome::NotRun => "2",
        };
        self.with(code, outcome_word(outcome))
    }
}

#[must_use]
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Done => "done already",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Interrupted => "interrupted",
        Outcome::Unknown => "unknown",
        Outcome::Skipped => "skipped",
        Outcome::Off => "off",
        Outcome::NotRun => "not run",
    }
}

/// `database/load-data`, or `database/load-data (finally)`.
#[must_use]
pub fn name(step: &Step, finally: bool) -> String {
    if finally { format!("{} (finally)", step.id) } else { step.id.clone() }
}

/// `database/load-data starts (attempt 1)`.
#[must_use]
pub fn starts(step: &Step, attempt: u32, finally: bool) -> String {
    format!("{} starts (attempt {attempt})", name(step, finally))
}

/// `database/load-data succeeded in 1.2s`.
#[must_use]
pub fn ended(step: &Step, result: &StepResult, finally: bool, paint: Paint) -> String {
    let mut line = format!("{} {}", paint.with("1", &name(step, finally)), paint.outcome(result.outcome));
    if result.attempts > 0 && result.outcome != Outcome::NotRun {
        line += &format!(" in {}", duration(result.seconds));
    }
    if result.attempts > 1 {
        line += &format!(", {} attempts", result.attempts);
    }
    match &result.message {
        Some(message) if result.outcome != Outcome::TimedOut => line + ": " + message,
        _ => line,
    }
}

/// `warning: database/load-data: …`.
#[must_use]
pub fn message(weight: Weight, step: Option<&Step>, text: &str, paint: Paint) -> String {
    let (word, code) = match weight {
        Weight::Note => ("note", "1;36"),
        Weight::Warning => ("warning", "1;33"),
        Weight::Error => ("error", "1;31"),
    };
    let of = step.map(|step| format!("{}: ", step.id)).unwrap_or_default();
    format!("{}: {of}{text}", paint.with(code, word))
}

/// Everything about a failure.
#[must_use]
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let of = if failure.finally { " (finally)" } else { "" };
    let mut text = format!("\n{}: {}{of}: {}\n", paint.with("1;31", "error"), failure.step, failure.what);
    let mut line = |label: &str, rest: &str| text.push_str(&format!("  {} {rest}\n", paint.with("1;34", label)));
    line("-->", &format!("{}:{}", failure.file, failure.line));
    for last in &failure.last_lines {
        line("|", last);
    }
    line("= command:", &failure.command);
    if let Some(log) = &failure.log {
        line("= log:", log.as_str());
    }
    if let Some(hint) = &failure.hint {
        line("= help:", hint);
    }
    text
}

/// The last words of a deployment.
#[must_use]
pub fn summary(environment: &str, summary: &Summary, paint: Paint) -> String {
    let mut text: String = summary.failures.iter().map(|one| failure(one, paint)).collect();
    let count = |outcome| summary.steps.iter().filter(|step| step.outcome == outcome).count();
    let counts: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|&outcome| count(outcome) > 0)
        .map(|outcome| format!("{} {}", count(outcome), outcome_word(outcome)))
        .collect();
    let (word, code) = match summary.end {
        End::Succeeded => ("deployed".to_owned(), "1;32"),
        End::Failed => ("failed".to_owned(), "1;31"),
        End::Interrupted(signal) => (format!("interrupted ({})", signal_name(signal)), "1;33"),
        End::Fenced => ("stopped (the lock was taken away)".to_owned(), "1;31"),
        End::NotRecorded => ("stopped (it could not be recorded)".to_owned(), "1;31"),
    };
    if !text.is_empty() {
        text.push('\n');
    }
    let seconds = duration(summary.seconds);
    text += &format!("{environment}: {} in {seconds} ({})\n", paint.with(code, &word), counts.join(", "));
    for owed in &summary.owed {
        text += &format!("still owed: the finally of {owed}\n");
        if summary.end == End::Succeeded {
            // The plan has no such step or `finally` any more, so that no deployment will do it.
            text += &format!("do it by hand, then: cargo xtask settle {environment} {owed} --reason …\n");
        }
    }
    if summary.steps.iter().all(|step| matches!(step.outcome, Outcome::NotRun | Outcome::Off)) {
        text += "nothing ran: all is as it was before\n";
    } else if matches!(summary.end, End::Failed | End::Interrupted(_)) {
        text += &format!("go on with: cargo xtask resume {environment}\n");
    }
    text
}
