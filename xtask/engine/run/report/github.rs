//! GitHub Actions: groups, an error annotation at the step's line of its file, a step summary in Markdown.
//!
//! A group holds the lines of one step, and groups cannot nest. So the lines of a step that runs alone are shown as they
//! come; of steps that run side by side, each is shown when it ends. It knows nothing of terminals.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::plain::missed;
use super::screen::Screen;
use super::text::percent_escaped;
use super::words::{self, Paint, outcome_word};
use super::{Reporter, Style, Weight, duration, neutral};
use crate::{StepResult, Summary};
use ciao_plan::Step;

/// Writes to standard error, and to the file of step summaries if there is one.
pub struct Github {
    screen: Screen,
    style: Style,
    environment: String,
    runner: Runner,
    speakers: Vec<Speaker>,
    /// The step whose group is open.
    group: Option<String>,
    rows: String,
}

/// A step that runs, or its guard, and what it has printed that is not shown yet.
struct Speaker {
    step: String,
    title: String,
    lines: String,
    /// How many lines before those were let go of.
    missed: usize,
}

/// What is kept of a step's lines until it ends, in bytes; the log has all of them.
const KEPT: usize = 512 << 10;

/// The machine of GitHub Actions that this runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// The file for step summaries.
    pub summary: Option<PathBuf>,
}

impl Runner {
    /// From the caller's variables.
    #[must_use]
    pub fn here(variable: &dyn Fn(&str) -> Option<String>) -> Option<Runner> {
        let here = variable("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        here.then(|| Runner { summary: variable("GITHUB_STEP_SUMMARY").map(PathBuf::from) })
    }

    /// Appends to the step summary, if one is wanted. One that cannot be written is no reason to fail.
    ///
    /// # Errors
    /// In words, if it cannot be written.
    pub fn summarise(&self, text: &str) -> Result<(), String> {
        let Some(path) = &self.summary else { return Ok(()) };
        let file = OpenOptions::new().append(true).create(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| format!("the step summary {} cannot be written: {error}", path.display()))
    }
}

impl Github {
    #[must_use]
    pub fn new(style: Style, runner: Runner) -> Github {
        Github {
            screen: Screen::stderr(missed),
            style,
            environment: String::new(),
            runner,
            speakers: Vec::new(),
            group: None,
            rows: String::new(),
        }
    }

    fn line(&mut self, mut line: String) {
        line.push('\n');
        self.write(&line);
    }

    /// The runner takes its old commands from anywhere in a line.
    fn write(&mut self, text: &str) {
        self.screen.write(text.replace("##[", "## [").as_bytes());
    }

    fn close(&mut self) {
        if self.group.take().is_some() {
            self.line("::endgroup::".to_owned());
        }
    }

    fn speaker(&mut self, step: &Step, finally: bool) -> &mut Speaker {
        let known = self.speakers.iter().position(|speaker| speaker.step == step.id);
        let index = known.unwrap_or_else(|| {
            // From now on nobody runs alone.
            self.close();
            let title = words::name(step, finally);
            self.speakers.push(Speaker { step: step.id.clone(), title, lines: String::new(), missed: 0 });
            self.speakers.len() - 1
        });
        &mut self.speakers[index]
    }

    /// Shows what a step has printed, in its group.
    fn show(&mut self, index: usize) {
        let speaker = &mut self.speakers[index];
        if speaker.lines.is_empty() {
            return;
        }
        let mut block = String::new();
        if self.group.as_ref() != Some(&speaker.step) {
            block = format!("::group::{}\n", speaker.title);
            self.group = Some(speaker.step.clone());
            speaker.title = format!("{} (continued)", speaker.title.trim_end_matches(" (continued)"));
        }
        if speaker.missed > 0 {
            block += &format!("[… {} lines before these are in the log …]\n", std::mem::take(&mut speaker.missed));
        }
        block += &std::mem::take(&mut speaker.lines);
        self.write(&block);
    }

    fn show_lone(&mut self) {
        if self.speakers.len() == 1 {
            self.show(0);
        }
    }
}

impl Speaker {
    /// Lets go of the first lines if there are too many.
    fn forget(&mut self) {
        let length = self.lines.len();
        if length > KEPT {
            let starts = self.lines.match_indices('\n').map(|(end, _)| end + 1);
            let from = starts.take_while(|start| length - start >= KEPT / 2).last().unwrap_or(length);
            self.missed += self.lines[..from].lines().count();
            self.lines.drain(..from);
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
    if start.starts_with("::") { format!("| {line}") } else { line.to_owned() }
}

/// For a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

impl Reporter for Github {
    fn begun(&mut self, environment: &str, _steps: usize) {
        environment.clone_into(&mut self.environment);
    }

    fn started(&mut self, step: &Step, _attempt: u32, finally: bool) {
        self.speaker(step, finally);
    }

    fn output(&mut self, step: &Step, lines: &[u8]) {
        if self.style.quiet {
            return;
        }
        let speaker = self.speaker(step, false);
        for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&byte| byte == b'\n') {
            speaker.lines += &inert(&neutral(line));
            speaker.lines.push('\n');
        }
        speaker.forget();
        self.show_lone();
    }

    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        if let Some(index) = self.speakers.iter().position(|speaker| speaker.step == step.id) {
            self.show(index);
            self.close();
            self.speakers.remove(index);
        }
        if !self.style.quiet {
            self.line(words::ended(step, result, finally, Paint(self.style.colour)));
        }
        self.show_lone();
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
            let of = if failure.finally { " (finally)" } else { "" };
            let title = format!("{}{of} failed", failure.step);
            let last = failure.last_lines.join("\n");
            let text = format!("{}\n{last}", failure.what);
            self.line(annotation("error", failure.file.as_str(), failure.line, &title, text.trim_end()));
        }
        let text = words::summary(&self.environment, summary, Paint(self.style.colour));
        self.write(&text);
        let last = Summary { failures: Vec::new(), ..summary.clone() };
        let last = words::summary(&self.environment, &last, Paint(false));
        let rows = std::mem::take(&mut self.rows);
        let table = format!(
            "### {}\n\n| step | outcome | time | |\n|---|---|---|---|\n{rows}\n",
            last.trim().replace('\n', "  \n")
        );
        if let Err(words) = self.runner.summarise(&table) {
            self.line(words::message(Weight::Warning, None, &words, Paint(self.style.colour)));
        }
    }

    fn drain(&mut self, time: Duration) -> bool {
        self.screen.drain(time)
    }

    fn tick(&mut self) {
        self.screen.tick();
    }
}
