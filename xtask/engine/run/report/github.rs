//! GitHub Actions: groups, an error annotation at the step's line of its file, a step summary in Markdown.
//!
//! It knows nothing of terminals.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::plain::missed;
use super::screen::Screen;
use super::text::percent_escaped;
use super::words::{self, Paint, outcome_word};
use super::{Reporter, Style, Weight, duration, neutral};
use crate::plan::Step;
use crate::run::{StepResult, Summary};

/// Writes to standard error, and to the file of step summaries if there is one.
pub struct Github {
    screen: Screen,
    style: Style,
    environment: String,
    summary: Option<PathBuf>,
    running: usize,
    /// The step whose group is open. Groups cannot nest, so there is one only while one step runs.
    group: Option<String>,
    rows: String,
}

impl Github {
    /// `summary` is what `GITHUB_STEP_SUMMARY` names.
    #[must_use]
    pub fn new(style: Style, summary: Option<PathBuf>) -> Github {
        Github {
            screen: Screen::stderr(missed),
            style,
            environment: String::new(),
            summary,
            running: 0,
            group: None,
            rows: String::new(),
        }
    }

    fn line(&mut self, mut line: String) {
        line.push('\n');
        self.screen.write(line.as_bytes());
    }

    fn close(&mut self) {
        if self.group.take().is_some() {
            self.line("::endgroup::".to_owned());
        }
    }

    fn append(&self, text: &str) {
        let Some(path) = &self.summary else { return };
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
            // A summary that cannot be written is no reason to fail.
            drop(file.write_all(text.as_bytes()));
        }
    }
}

/// `::error file=…,line=…,title=…::…`.
fn annotation(kind: &str, file: &str, line: usize, title: &str, text: &str) -> String {
    let mut out = format!("::{kind} file=");
    percent_escaped(file, ",:", &mut out);
    out += &format!(",line={line},title=");
    percent_escaped(title, ",:", &mut out);
    out += "::";
    percent_escaped(text, "", &mut out);
    out
}

/// A line of a step must not be taken for a command of the runner.
fn inert(line: &str) -> String {
    let start = line.trim_start();
    if start.starts_with("::") || start.starts_with("##[") { format!("| {line}") } else { line.to_owned() }
}

/// For a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

impl Reporter for Github {
    fn begun(&mut self, environment: &str, _steps: usize) {
        environment.clone_into(&mut self.environment);
    }

    fn started(&mut self, step: &Step, attempt: u32, finally: bool) {
        self.running += usize::from(attempt == 1);
        if self.style.quiet {
            return;
        }
        if self.running == 1 {
            if self.group.is_none() {
                self.group = Some(step.id.clone());
                self.line(format!("::group::{}", words::name(step, finally)));
            }
        } else {
            self.close();
        }
    }

    fn output(&mut self, step: &Step, lines: &[u8]) {
        if self.style.quiet {
            return;
        }
        let grouped = self.group.as_ref() == Some(&step.id);
        let mut block = String::new();
        for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&byte| byte == b'\n') {
            let line = neutral(line);
            block += &if grouped { inert(&line) } else { format!("{} | {line}", step.id) };
            block.push('\n');
        }
        self.screen.write(block.as_bytes());
    }

    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        self.running = self.running.saturating_sub(usize::from(result.attempts > 0));
        if self.group.as_ref() == Some(&step.id) {
            self.close();
        }
        if !self.style.quiet {
            self.line(words::ended(step, result, finally, Paint(self.style.colour)));
        }
        let time = if result.attempts > 0 { duration(result.seconds) } else { String::new() };
        let message = cell(result.message.as_deref().unwrap_or_default());
        let name = cell(&words::name(step, finally));
        self.rows += &format!("| {name} | {} | {time} | {message} |\n", outcome_word(result.outcome));
    }

    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        match (weight, step) {
            (Weight::Warning, Some(step)) => {
                self.line(annotation("warning", step.file.as_str(), step.line, &step.id, text));
            }
            _ if self.style.quiet && weight != Weight::Error => {}
            _ => self.line(words::message(weight, step, text, Paint(self.style.colour))),
        }
    }

    fn finished(&mut self, summary: &Summary) {
        self.close();
        for failure in &summary.failures {
            let title = format!("{} failed", failure.step);
            let last = failure.last_lines.join("\n");
            let text = format!("{}\n{last}", failure.what);
            self.line(annotation("error", failure.file.as_str(), failure.line, &title, text.trim_end()));
        }
        let text = words::summary(&self.environment, summary, self.style.quiet, Paint(self.style.colour));
        self.screen.write(text.as_bytes());
        let last = words::summary(
            &self.environment,
            &Summary { failures: Vec::new(), ..summary.clone() },
            false,
            Paint(false),
        );
        let rows = std::mem::take(&mut self.rows);
        let table = format!(
            "### {}\n\n| step | outcome | time | |\n|---|---|---|---|\n{rows}\n",
            last.trim().replace('\n', "  \n")
        );
        self.append(&table);
    }

    fn tick(&mut self) {
        self.screen.flush();
    }
}
