//! The template: a copy of the engine in another repository, what its owner starts with, and how it is kept up to date.
//!
//! Everything here ends in a list of changes that `write` makes, all or none. Nothing here runs a deployment.

#![forbid(unsafe_code)]

mod adopt;
mod complete;
pub mod destination;
pub mod edit;
pub mod file;
pub mod git;
mod init;
mod literals;
mod lock;
pub mod manifest;
mod new;
pub mod origin;
mod proof;
mod schema;
mod secrets;
mod starter;
mod undo;
mod upgrade;
mod values;
pub mod write;

/// Set while an upgrade runs the tests of a copy. It compares the plans of both versions itself: that this one writes the same
/// order in another way, or finds what the one before did not, is told by the upgrade, and does not prevent it.
pub const ORDER_ONLY: &str = "CIAO_ORDER_ONLY";

use std::fmt;
use std::io::{BufRead, IsTerminal, Write};

use camino::Utf8Path;

pub use complete::{CompleteArgs, CompletionsArgs, complete, completions};
pub use init::{InitArgs, init};
pub use new::{NewArgs, new};
pub use schema::{SchemaArgs, schema};
pub use undo::unproved;
pub use upgrade::{UpgradeArgs, upgrade};

/// Why nothing was written, and what to do about it.
#[derive(Debug)]
pub struct Refusal {
    pub message: String,
    pub help: String,
    /// The exit code: 2, or 1 where something was tried and taken back.
    pub code: u8,
}

impl Refusal {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), help: help.into(), code: 2 }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(out, "\n  help: {}", self.help.replace('\n', "\n        ")) }
    }
}

impl From<std::io::Error> for Refusal {
    /// Of the terminal; files are read and written by `write`, which says more.
    fn from(error: std::io::Error) -> Refusal {
        Refusal::new(format!("failed to print: {error}"), "")
    }
}

/// The folder of the xtask that this program was built from.
fn built_in() -> &'static Utf8Path {
    let template = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    template.ancestors().nth(2).unwrap_or(template)
}

/// The name of the snapshot that holds the order of an environment's steps.
#[must_use]
pub fn snapshot(environment: &str) -> String {
    format!("step-order-{environment}")
}

/// Says that this program was built for another repository than the one it was called in: two copies that share a build
/// folder have one program file, and cargo has been seen to run the one's for the other.
#[must_use]
pub fn built_elsewhere(root: &Utf8Path) -> Option<Refusal> {
    let built_in = built_in();
    let here = root.join("xtask");
    let same = |left: &Utf8Path, right: &Utf8Path| left.canonicalize().ok() == right.canonicalize().ok();
    if !here.join("engine/lib.rs").is_file() || same(built_in, &here) {
        return None;
    }
    let message = format!("this program was built in {built_in}, and would act on {root}");
    if std::env::current_exe().is_ok_and(|program| program.starts_with(root)) {
        return Some(Refusal::new(
            message,
            "it was copied or moved with what was built there: `cargo clean`, then again",
        ));
    }
    let help = "give each repository a build folder of its own (`CARGO_TARGET_DIR`, `build.target-dir`);\n\
                to act on another repository on purpose, use `-C DIR`";
    Some(Refusal::new(message, help))
}

/// How the order of the steps is accepted.
pub const ACCEPT: &str = "INSTA_UPDATE=always cargo test --test step_order";

/// Whether a version comes before another one.
fn older(version: &str, than: &str) -> bool {
    let parts = |text: &str| text.split('.').map_while(|part| part.parse::<u32>().ok()).collect::<Vec<_>>();
    parts(version) < parts(than)
}

/// Asks on a terminal; where nobody can answer, what was asked for is done.
fn confirmed(question: &str, yes: bool) -> Result<bool, Refusal> {
    if yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let answer = ask(&format!("{question} [Y/n] "))?;
    Ok(answer.is_some_and(|answer| matches!(&*answer, "" | "y" | "Y" | "yes")))
}

/// Asks for a line; nothing at the end of what is typed.
fn ask(question: &str) -> Result<Option<String>, Refusal> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    let typed = std::io::stdin().lock().read_line(&mut answer)? > 0;
    Ok(typed.then(|| answer.trim().to_owned()))
}
