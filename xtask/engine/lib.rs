//! ciao: the deployment orchestrator that lives in a repository's own `xtask` crate.

pub mod check;
pub mod declare;
pub mod finding;
pub mod inspect;
pub mod plan;
pub mod repository;
pub mod run;
pub mod sources;
mod task;

pub use task::{Task, TaskResult, Tasks};
