//! ciao: the deployment orchestrator that lives in a repository's own `xtask` crate.

pub mod ledger;
pub mod plan;
pub mod run;
mod task;

pub use task::{Task, TaskResult, Tasks};
