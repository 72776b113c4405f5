//! The only way out of a deployment: everything that is shown, logged or recorded is masked here.
//!
//! It knows nothing of processes or of order.

use super::StepResult;
use super::event::{Event, Journal};
use super::mask::Mask;
use super::report::{Reporter, Weight, neutral};
use super::voice::{Listener, Voice};
use ciao_plan::Step;

/// How many characters of one of the last lines are shown of a failure.
const LONGEST: usize = 400;

/// What a deployment says.
pub struct Outlet<'r> {
    pub mask: Mask,
    reporter: &'r mut dyn Reporter,
    journal: &'r mut dyn Journal,
    /// Recorded together, before anything follows from them.
    pending: Vec<Event>,
    pub journal_error: Option<String>,
}

impl<'r> Outlet<'r> {
    pub fn new(mask: Mask, reporter: &'r mut dyn Reporter, journal: &'r mut dyn Journal) -> Outlet<'r> {
        mask.guard_panics();
        Outlet { mask, reporter, journal, pending: Vec::new(), journal_error: None }
    }

    /// Masks `secret` from now on.
    pub fn hide(&mut self, secrets: &[&[u8]]) {
        self.mask.add(secrets.iter().copied());
        self.mask.guard_panics();
    }

    pub fn begun(&mut self, environment: &str, steps: usize) {
        self.reporter.begun(environment, steps);
    }

    pub fn started(&mut self, step: &Step, attempt: u32, finally: bool) {
        self.reporter.started(step, attempt, finally);
    }

    pub fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        self.reporter.ended(step, result, finally);
    }

    pub fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        self.reporter.message(weight, step, &self.mask.text(text));
    }

    pub fn tick(&mut self) {
        self.reporter.tick();
    }

    /// Nothing comes for a while: what has come is shown.
    pub fn rest(&mut self) {
        self.reporter.drain(std::time::Duration::ZERO);
    }

    pub fn sleep(&mut self) {
        self.reporter.sleep();
    }

    pub fn wake(&mut self, slept: std::time::Duration) {
        self.reporter.wake(slept);
    }

    /// A step has printed something, or produced it.
    pub fn hear(&mut self, step: &Step, voice: &mut Voice, captured: bool, bytes: &[u8]) {
        let dictionary = self.mask.dictionary();
        voice.hear(&dictionary, captured, bytes, &mut Ear { reporter: self.reporter, step });
    }

    /// A process of a step is over.
    pub fn pause(&mut self, step: &Step, voice: &mut Voice) {
        let dictionary = self.mask.dictionary();
        voice.pause(&dictionary, &mut Ear { reporter: self.reporter, step });
    }

    /// To be recorded with the next [`Outlet::flush`].
    pub fn record(&mut self, mut event: Event) {
        if let Event::Ended { message: Some(message), .. } = &mut event {
            *message = self.mask.text(message);
        }
        self.pending.push(event);
    }

    /// Records what is pending. False if it could not be: then nothing new may start.
    pub fn flush(&mut self) -> bool {
        if self.journal_error.is_none()
            && !self.pending.is_empty()
            && let Err(error) = self.journal.record_all(&self.pending)
        {
            let text = format!("what happens cannot be recorded, so nothing new is started: {error}");
            self.message(Weight::Error, None, &text);
            self.journal_error = Some(error.to_string());
        }
        self.pending.clear();
        self.journal_error.is_none()
    }

    /// The last lines that a step has printed.
    #[must_use]
    pub fn last_lines(voice: &Voice, count: usize) -> Vec<String> {
        let mut lines: Vec<&[u8]> = voice.last().split(|&byte| byte == b'\n').collect();
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        lines[lines.len().saturating_sub(count)..].iter().map(|line| shortened(&neutral(line))).collect()
    }
}

/// The start of a line: some have megabytes, and the log has all of it.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} […]", &line[..end]),
        None => line.to_owned(),
    }
}

struct Ear<'e> {
    reporter: &'e mut dyn Reporter,
    step: &'e Step,
}

impl Listener for Ear<'_> {
    fn lines(&mut self, lines: &[u8]) {
        self.reporter.output(self.step, lines);
    }

    fn trouble(&mut self, words: &str) {
        // What is not in the log is nowhere: that is said also to who wants to hear of failures only.
        self.reporter.message(Weight::Error, Some(self.step), words);
    }
}
