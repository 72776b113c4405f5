//! What people and programs are shown while a deployment runs.
//!
//! A reporter gets everything masked already. It knows nothing of processes, the journal or the ledger.

mod text;

pub use text::{duration, end, neutral};

use crate::plan::Step;

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
    /// Called about ten times a second while steps run.
    fn tick(&mut self) {}
}
