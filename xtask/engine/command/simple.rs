//! A first reporter.
use crate::plan::Step;
use crate::run::report::{Reporter, Weight};
use crate::run::{StepResult, Summary};

pub struct Simple;

impl Reporter for Simple {
    fn begun(&mut self, environment: &str, steps: usize) {
        eprintln!("deploying {environment}: {steps} steps");
    }
    fn started(&mut self, step: &Step, _: u32, _: bool) {
        eprintln!("{} started", step.id);
    }
    fn output(&mut self, step: &Step, lines: &[u8]) {
        eprint!("{} | {}", step.id, String::from_utf8_lossy(lines));
    }
    fn ended(&mut self, step: &Step, result: &StepResult, _: bool) {
        eprintln!("{} {:?}", step.id, result);
    }
    fn message(&mut self, weight: Weight, _: Option<&Step>, text: &str) {
        eprintln!("{weight:?}: {text}");
    }
    fn finished(&mut self, summary: &Summary) {
        eprintln!("{summary:?}");
    }
}
