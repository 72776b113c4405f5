//! ciao: the deployment orchestrator that lives in a repository's own `xtask` crate.

#![forbid(unsafe_code)]

pub mod plan;
pub mod process;
pub mod run;
mod task;

pub use task::{Task, TaskResult, Tasks};
