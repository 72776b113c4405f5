//! Where commands write: standard output carries what was asked for, standard error everything else.
//!
//! A closed pipe ends nothing half-way: what cannot be shown is not shown. Where it is a full disk that takes nothing any
//! more, this is said, and the exit code is none of success.

use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ColorChoice;

use super::exit;
use crate::cli::Global;
use crate::finding::{Finding, Severity};
use crate::repository::Repository;
use crate::run::report::{Runner, neutral};
use crate::show;
use crate::show::findings::printable;

/// How to write.
#[derive(Debug)]
pub struct Output {
    pub quiet: bool,
    pub verbose: bool,
    /// Whether standard output, and standard error, take colour.
    pub colour: (bool, bool),
    /// Where errors are annotations.
    runner: Option<Runner>,
    /// Whether something that was asked for could not be written.
    lost: AtomicBool,
}

impl Output {
    #[must_use]
    pub fn new(global: &Global) -> Output {
        Output { quiet: global.quiet, verbose: global.verbose, ..Output::coloured(global.color) }
    }

    fn coloured(choice: ColorChoice) -> Output {
        let wanted = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // https://no-color.org: set and not empty.
            ColorChoice::Auto => {
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let colour = (wanted(std::io::stdout().is_terminal()), wanted(std::io::stderr().is_terminal()));
        let runner = Runner::here(&|name| std::env::var(name).ok());
        Output { quiet: false, verbose: false, colour, runner, lost: AtomicBool::new(false) }
    }

    /// Prints what was asked for, for people: names and reasons that others have written act on no terminal.
    pub fn print_text(&self, text: &str) {
        self.print(&printable(text));
    }

    /// Prints what was asked for.
    pub fn print(&self, text: &str) {
        self.write(text.as_bytes());
    }

    fn write(&self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush()) {
            self.lose(&error);
        }
    }

    /// Standard output takes nothing any more.
    pub fn lose(&self, error: &std::io::Error) {
        // A reader that has seen enough, as `head`, is no error.
        if error.kind() != ErrorKind::BrokenPipe && !self.lost.swap(true, Ordering::Relaxed) {
            self.error(&format!("standard output cannot be written: {error}"));
        }
    }

    /// The exit code of a command that has printed what it could.
    #[must_use]
    pub fn code(&self, code: u8) -> ExitCode {
        ExitCode::from(if code == 0 && self.lost.load(Ordering::Relaxed) { exit::FAILED } else { code })
    }

    /// Prints JSON, indented for people who look at it.
    pub fn print_json(&self, value: &impl std::fmt::Display) {
        self.print(&format!("{value:#}\n"));
    }

    /// Prints a log, without holding it in memory: as it is, but on a terminal nothing that would act on it. With
    /// `whole_lines` its last line is ended, because something else follows.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn copy(&self, path: &camino::Utf8Path, whole_lines: bool) -> std::io::Result<()> {
        let mut file = BufReader::new(std::fs::File::open(path)?);
        let terminal = std::io::stdout().is_terminal();
        let (mut chunk, mut last) = (Vec::new(), b'\n');
        loop {
            chunk.clear();
            let mut piece = file.by_ref().take(64 << 10);
            if terminal {
                piece.read_until(b'\n', &mut chunk)?
            } else {
                piece.read_to_end(&mut chunk)?
            };
            let Some(&end) = chunk.last() else { break };
            last = end;
            if terminal {
                let line = neutral(chunk.strip_suffix(b"\n").unwrap_or(&chunk)).into_owned();
                self.write(format!("{line}{}", if last == b'\n' { "\n" } else { "" }).as_bytes());
            } else {
                self.write(&chunk);
            }
        }
        // One that could not be written any more, or whose last line nobody has ended.
        if last != b'\n' && (terminal || whole_lines) {
            self.write(b"\n");
        }
        Ok(())
    }

    /// Says something beside what was asked for.
    pub fn say(&self, text: &str) {
        self.say_painted(&printable(text));
    }

    /// Says what may have escapes of ours, and none of anybody else's.
    fn say_painted(&self, text: &str) {
        let _closed = std::io::stderr().write_all(format!("{text}\n").as_bytes());
    }

    pub fn error(&self, message: &str) {
        if let Some(runner) = &self.runner {
            let message = printable(message);
            self.say_painted(&show::findings::annotation("error", &message));
            if let Err(words) = runner.summarise(&format!("**error**: {message}\n\n")) {
                self.warn(&words);
            }
            return;
        }
        self.labelled("error", "\x1b[1;31m", message);
    }

    /// Says what does not stop the command, and should be known.
    pub fn warn(&self, message: &str) {
        self.labelled("warning", "\x1b[1;33m", message);
    }

    fn labelled(&self, label: &str, colour: &str, message: &str) {
        let (on, off) = if self.colour.1 { (colour, "\x1b[0m") } else { ("", "") };
        self.say_painted(&format!("{on}{label}{off}: {}", printable(message)));
    }

    /// Prints findings to standard error, and how many there are.
    pub fn findings<'a>(&self, findings: impl IntoIterator<Item = &'a Finding>, repository: &Repository) {
        let findings: Vec<&Finding> = findings.into_iter().collect();
        let text = show::findings::text(findings.iter().copied(), &|file| repository.text(file), self.colour.1);
        self.say_painted(text.trim_end());
        self.annotate(&findings, repository);
        self.say(&format!("\n{}", counted(&findings)));
    }

    /// Shows findings beside their files, where something can.
    /// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>: a line each.
    pub fn annotate(&self, findings: &[&Finding], repository: &Repository) {
        if self.runner.is_some() {
            self.say_painted(&show::findings::annotations(findings, &|file| repository.text(file)));
        }
    }
}

/// Prints help, or what is wrong with the command line.
#[must_use]
pub fn usage(said: &clap::Error, colour: ColorChoice) -> ExitCode {
    let (output, text) = (Output::coloured(colour), said.to_string());
    let painted = |colour: bool| if colour { show::usage::painted(&text) } else { text.clone() };
    if said.use_stderr() {
        output.say_painted(painted(output.colour.1).trim_end_matches('\n'));
        return output.code(exit::REFUSED_BY_FINDINGS);
    }
    output.print(&painted(output.colour.0));
    output.code(0)
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
