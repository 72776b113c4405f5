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

pub mod cli;
pub mod command;
pub mod testing;

use std::process::ExitCode;

// The parts that are packages of their own.
pub use ciao_base::{hex, task};
pub use ciao_check::{self as check, inspect, repository};
pub use ciao_declare::{self as declare, finding, glob, sources};
pub use ciao_ledger as ledger;
pub use ciao_plan as plan;
pub use ciao_process as process;
pub use ciao_run as run;
pub use ciao_show as show;
pub use ciao_template as template;

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
