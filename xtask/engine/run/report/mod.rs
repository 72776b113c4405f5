//! What people and programs are shown while a deployment runs.
//!
//! A reporter gets everything masked already. It knows nothing of processes, the journal or the ledger.

mod github;
mod json;
mod plain;
mod screen;
mod spool;
mod terminal;
mod text;
mod words;
mod writer;

use std::time::Duration;

pub use github::{Github, Runner};
pub use json::Json;
pub use plain::Plain;
pub use terminal::Terminal;
pub use text::{duration, end, neutral};
pub use words::{Paint, outcome_word};

use ciao_plan::Step;

use super::{StepResult, Summary};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Note,
    Warning,
    Error,
}

/// Is told what happens. What it shows must not hold up the deployment, and cannot fail it.
pub trait Reporter {
    /// The deployment begins; `steps` of them will run if nothing fails.
    fn begun(&mut self, environment: &str, steps: usize);
    /// A step (or its `finally`) starts.
    fn started(&mut self, step: &Step, attempt: u32, finally: bool);
    /// A step has printed whole lines: masked, each with its line feed, otherwise as they came.
    fn output(&mut self, step: &Step, lines: &[u8]);
    /// A step (or its `finally`) has ended.
    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool);
    /// Something worth saying, of a step or of the whole.
    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str);
    /// The deployment is over.
    fn finished(&mut self, summary: &Summary);
    /// Shows what a slow reader has left, for about so long; whether there is more of it.
    fn drain(&mut self, time: Duration) -> bool;
    /// Why what was asked for could not be written, once the deployment is over.
    fn lost(&mut self) -> Option<std::io::Error> {
        None
    }
    /// Called before anybody waits, and about ten times a second while steps run: what is not shown yet is shown now.
    fn tick(&mut self) {}
    /// Everything is about to be stopped, by Ctrl-Z.
    fn sleep(&mut self) {}
    /// It goes on, after so long.
    fn wake(&mut self, _slept: Duration) {}
}

/// How much is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub colour: bool,
    /// Failures only, and the last line of a deployment.
    pub quiet: bool,
    pub verbose: bool,
}

/// Where a deployment is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Display {
    /// For a terminal that understands escape sequences.
    Terminal,
    Plain,
    Github(Runner),
    Json,
}

/// The reporter for a display.
#[must_use]
pub fn reporter(display: Display, style: Style) -> Box<dyn Reporter> {
    match display {
        Display::Terminal => Box::new(Terminal::new(style)),
        Display::Plain => Box::new(Plain::new(style)),
        Display::Github(runner) => Box::new(Github::new(style, runner)),
        Display::Json => Box::new(Json::new()),
    }
}

impl Display {
    /// From what was asked for, whether standard error is a terminal, and the caller's variables.
    #[must_use]
    pub fn choose(json: bool, terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> Display {
        if json {
            Display::Json
        } else if let Some(runner) = Runner::here(variable) {
            Display::Github(runner)
        } else if terminal && variable("TERM").is_some_and(|term| term != "dumb" && !term.is_empty()) {
            Display::Terminal
        } else {
            Display::Plain
        }
    }
}
