//! Plain lines, for pipes and CI: `database/load-data | …`.
//!
//! It knows nothing of terminals.

use std::time::Duration;

use super::screen::Screen;
use super::words::{self, Paint};
use super::{Reporter, Style, Weight, neutral};
use crate::{StepResult, Summary};
use ciao_plan::Step;

/// Writes to standard error; standard output is for what was asked for.
pub struct Plain {
    screen: Screen,
    environment: String,
    style: Style,
    block: Vec<u8>,
}

impl Plain {
    #[must_use]
    pub fn new(style: Style) -> Plain {
        Plain { screen: Screen::stderr(missed), environment: String::new(), style, block: Vec::new() }
    }

    fn line(&mut self, mut line: String) {
        line.push('\n');
        self.screen.write(line.as_bytes());
    }

    /// What must not hold up the next step.
    fn soon(&mut self, mut line: String) {
        line.push('\n');
        self.screen.soon(line.as_bytes());
    }

    fn paint(&self) -> Paint {
        Paint(self.style.colour)
    }
}

/// What a reader is told who did not read.
pub fn missed(lines: usize) -> String {
    format!("[… {lines} lines were not shown, because nobody read them; they are in the logs …]\n")
}

/// Every line with the step's name before it, appended to `block`.
pub fn prefixed(step: &str, lines: &[u8], block: &mut Vec<u8>) {
    let prefix = [step.as_bytes(), b" | "].concat();
    crate::mask::prefixed(&prefix, lines, block, &mut |line, block| {
        block.extend_from_slice(neutral(line).as_bytes());
    });
}

impl Reporter for Plain {
    fn begun(&mut self, environment: &str, _steps: usize) {
        environment.clone_into(&mut self.environment);
    }

    fn started(&mut self, step: &Step, attempt: u32, finally: bool) {
        if !self.style.quiet && (self.style.verbose || attempt > 1) {
            self.soon(words::starts(step, attempt, finally));
        }
    }

    fn output(&mut self, step: &Step, lines: &[u8]) {
        if !self.style.quiet {
            prefixed(&step.id, lines, &mut self.block);
            self.screen.write_block(&mut self.block);
        }
    }

    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        if !self.style.quiet {
            self.soon(words::ended(step, result, finally, self.paint()));
        }
    }

    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        if !self.style.quiet || weight == Weight::Error {
            self.line(words::message(weight, step, text, self.paint()));
        }
    }

    fn finished(&mut self, summary: &Summary) {
        let text = words::summary(&self.environment, summary, self.paint());
        self.screen.write(text.as_bytes());
        self.screen.finish();
    }

    fn drain(&mut self, time: Duration) -> bool {
        self.screen.drain(time)
    }

    fn tick(&mut self) {
        self.screen.tick();
    }
}
