//! A live display: what is done stands above; below it the running steps with their times and last lines, and
//! progress over all.
//!
//! It knows nothing of pipes or CI.

use std::time::{Duration, Instant};

use super::plain::{missed, prefixed};
use super::screen::Screen;
use super::words::{self, Paint};
use super::{Reporter, Style, Weight, duration, neutral};
use crate::{StepResult, Summary};
use ciao_plan::Step;

/// Not more often is the display drawn.
const FRAME: Duration = Duration::from_millis(80);

/// Writes to the terminal on standard error.
pub struct Terminal {
    screen: Screen,
    style: Style,
    environment: String,
    /// Steps that will run, and that have ended.
    all: usize,
    ended: usize,
    running: Vec<Running>,
    /// How wide the lines of the display on the screen are.
    shown: Vec<usize>,
    began: Instant,
    drawn: Instant,
}

struct Running {
    id: String,
    name: String,
    since: Instant,
    last: String,
}

impl Terminal {
    #[must_use]
    pub fn new(style: Style) -> Terminal {
        let now = Instant::now();
        Terminal {
            screen: Screen::stderr(missed),
            style,
            environment: String::new(),
            all: 0,
            ended: 0,
            running: Vec::new(),
            shown: Vec::new(),
            began: now,
            drawn: now,
        }
    }

    /// Puts `text`, whole lines, above the display.
    fn above(&mut self, text: &str) {
        let mut out = self.erased();
        out.push_str(text);
        self.draw(out);
    }

    fn erased(&mut self) -> String {
        // A terminal that has become narrower has wrapped what was too long for it.
        let width = size().0;
        match self.shown.drain(..).map(|used| used.div_ceil(width).max(1)).sum::<usize>() {
            0 => String::new(),
            lines => format!("\r\x1b[{lines}A\x1b[J"),
        }
    }

    fn draw(&mut self, mut out: String) {
        let (width, height) = size();
        let room = height.saturating_sub(3).max(1);
        let mut line = |text: String| {
            let (text, used) = cut(&text, width);
            out.push_str(text);
            out.push('\n');
            self.shown.push(used);
        };
        for running in self.running.iter().take(room) {
            let time = duration(running.since.elapsed().as_secs_f64());
            line(format!("  {time:>7}  {}  {}", running.name, running.last));
        }
        if self.running.len() > room {
            line(format!("  and {} more", self.running.len() - room));
        }
        if self.ended < self.all || !self.running.is_empty() {
            let time = duration(self.began.elapsed().as_secs_f64());
            line(format!("{} {} {}/{} {time}", self.environment, bar(self.ended, self.all), self.ended, self.all));
        }
        self.drawn = Instant::now();
        self.screen.write(out.as_bytes());
    }

    fn paint(&self) -> Paint {
        Paint(self.style.colour)
    }
}

/// Columns and lines of the terminal.
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

/// As much of a line as fits, and how many columns that takes: one that wraps would leave its rest behind when the display is
/// erased.
fn cut(line: &str, width: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, char) in line.char_indices() {
        // Nearly everything from Hangul on may be two columns wide.
        let columns = if char >= '\u{1100}' { 2 } else { 1 };
        if used + columns >= width {
            return (&line[..at], used);
        }
        used += columns;
    }
    (line, used)
}

fn bar(done: usize, all: usize) -> String {
    let full = (done * 20).checked_div(all).unwrap_or(20).min(20);
    format!("[{}{}]", "=".repeat(full), " ".repeat(20 - full))
}

impl Reporter for Terminal {
    fn begun(&mut self, environment: &str, steps: usize) {
        environment.clone_into(&mut self.environment);
        self.all = steps;
    }

    fn started(&mut self, step: &Step, attempt: u32, finally: bool) {
        self.running.retain(|running| running.id != step.id);
        if self.style.verbose {
            self.above(&(words::starts(step, attempt, finally) + "\n"));
        }
        let mut name = words::name(step, finally);
        if attempt > 1 {
            name += &format!(" (attempt {attempt})");
        }
        self.running.push(Running { id: step.id.clone(), name, since: Instant::now(), last: String::new() });
    }

    fn output(&mut self, step: &Step, lines: &[u8]) {
        if self.style.verbose {
            let mut block = Vec::new();
            prefixed(&step.id, lines, &mut block);
            self.above(&String::from_utf8_lossy(&block));
        }
        let body = lines.strip_suffix(b"\n").unwrap_or(lines);
        let last = body.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        if let Some(running) = self.running.iter_mut().find(|running| running.id == step.id)
            && !last.trim_ascii().is_empty()
        {
            running.last = neutral(&last[..last.len().min(1024)]).into_owned();
        }
    }

    fn ended(&mut self, step: &Step, result: &StepResult, finally: bool) {
        self.running.retain(|running| running.id != step.id);
        if !finally {
            self.ended += 1;
        }
        if !self.style.quiet {
            let line = words::ended(step, result, finally, self.paint());
            self.above(&(line + "\n"));
        }
    }

    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        if !self.style.quiet || weight == Weight::Error {
            let line = words::message(weight, step, text, self.paint());
            self.above(&(line + "\n"));
        }
    }

    fn finished(&mut self, summary: &Summary) {
        self.running.clear();
        self.all = self.ended;
        let text = words::summary(&self.environment, summary, self.paint());
        self.above(&text);
    }

    fn drain(&mut self, time: Duration) -> bool {
        self.screen.drain(time)
    }

    fn tick(&mut self) {
        if self.drawn.elapsed() >= FRAME && !self.style.quiet {
            let erased = self.erased();
            self.draw(erased);
        }
        self.screen.flush();
    }

    fn sleep(&mut self) {
        // The shell writes there now.
        let erased = self.erased();
        self.screen.write(erased.as_bytes());
    }

    fn wake(&mut self, slept: Duration) {
        self.began += slept;
        self.running.iter_mut().for_each(|running| running.since += slept);
    }
}
