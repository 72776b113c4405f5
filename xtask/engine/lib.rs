//! ciao: the deployment orchestrator that lives in a repository's own `xtask` crate.
//!
//! ```text
//! argv ─────────▶ request ─┐
//! pipelines/** ─▶ sources ─▶ declarations ─▶ check ─▶ findings
//!  (reading)      (text)     (as written,       └───▶ plan ─▶ shown (text, json)
//!                             with spans)               └───▶ run: schedule (pure) ⇄ processes ─▶ events ─▶ ledger, logs, progress
//! ```
//!
//! See ARCHITECTURE.md for the map of the modules and what holds between them.

#![forbid(unsafe_code)]

pub mod check;
pub mod cli;
pub mod command;
pub mod declare;
pub mod finding;
pub mod glob;
pub mod inspect;
pub mod ledger;
pub mod plan;
pub mod process;
pub mod repository;
pub mod run;
pub mod show;
pub mod sources;
mod task;
pub mod template;
pub mod testing;
pub mod variables;

use std::process::ExitCode;

pub use task::{Task, TaskResult, Tasks};

/// Runs the command line with the tasks that this repository registers.
#[must_use]
pub fn main(tasks: Tasks) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = process::reentry(&arguments, &tasks) {
        return code;
    }
    match cli::parse(std::env::args_os()) {
        Ok(cli) => command::run(cli, &tasks),
        Err(said) => command::output::usage(&said, cli::colour(std::env::args_os())),
    }
}
