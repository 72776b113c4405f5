//! Where commands write: standard output carries what was asked for, standard error everything else.
//!
//! A closed pipe ends nothing half-way: what cannot be shown is not shown.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::ColorChoice;

use super::exit;
use crate::cli::Global;
use crate::finding::{Finding, Severity};
use crate::repository::Repository;
use crate::show;

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub quiet: bool,
    pub verbose: bool,
    /// Whether standard output, and standard error, take colour.
    pub colour: (bool, bool),
}

impl Output {
    #[must_use]
    pub fn new(global: &Global) -> Output {
        let wanted = |terminal: bool| match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && colour_is_welcome(),
        };
        Output {
            quiet: global.quiet,
            verbose: global.verbose,
            colour: (wanted(std::io::stdout().is_terminal()), wanted(std::io::stderr().is_terminal())),
        }
    }

    /// Prints what was asked for.
    pub fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A reader that has seen enough, as `head`, is no error.
        let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints JSON, indented for people who look at it.
    pub fn print_json(&self, value: &impl std::fmt::Display) {
        self.print(&format!("{value:#}\n"));
    }

    /// Prints a file, without holding it in memory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn copy(&self, path: &camino::Utf8Path) -> std::io::Result<()> {
        let mut file = std::fs::File::open(path)?;
        match std::io::copy(&mut file, &mut std::io::stdout().lock()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// Says something beside what was asked for.
    pub fn say(&self, text: &str) {
        let _closed = std::io::stderr().write_all(format!("{text}\n").as_bytes());
    }

    pub fn error(&self, message: &str) {
        let (on, off) = if self.colour.1 { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        self.say(&format!("{on}error{off}: {}", show::findings::printable(message)));
    }

    /// Prints findings to standard error, and how many there are.
    pub fn findings<'a>(&self, findings: impl IntoIterator<Item = &'a Finding>, repository: &Repository) {
        let findings: Vec<&Finding> = findings.into_iter().collect();
        let text = show::findings::text(findings.iter().copied(), &|file| repository.text(file), self.colour.1);
        self.say(text.trim_end());
        self.say(&format!("\n{}", counted(&findings)));
    }
}

/// Prints help, or what is wrong with the command line.
#[must_use]
pub fn usage(said: &clap::Error) -> ExitCode {
    let (text, wrong) = (said.to_string(), said.use_stderr());
    let terminal = if wrong { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let text = if terminal && colour_is_welcome() { show::usage::painted(&text) } else { text };
    let _closed = match wrong {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => std::io::stdout().write_all(text.as_bytes()),
    };
    ExitCode::from(if wrong { exit::REFUSED_BY_FINDINGS } else { 0 })
}

/// https://no-color.org: set and not empty.
fn colour_is_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `1 error`, `2 errors`.
#[must_use]
pub fn several(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `2 errors and 1 warning`.
#[must_use]
pub fn counted(findings: &[&Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let of = several;
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "nothing found".to_owned(),
        (errors, 0) => of(errors, "error"),
        (0, warnings) => of(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", of(errors, "error"), of(warnings, "warning")),
    }
}
