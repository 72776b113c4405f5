//! Writing several files, all or none: new content beside the old, then renamed; taken back by `undo` if anything fails.
//!
//! It knows what is to be written, not why.

use std::fs;
use std::io::Write;

use camino::Utf8Path;

use super::Refusal;
use super::file::{Change, beside, laid_beside, real};
use super::origin::ENGINE;
use super::undo::Undo;

/// Shows what is going to be written: new files by name, folders of the engine as one line, changed files with their lines.
///
/// # Errors
/// If it cannot be printed.
pub fn show(changes: &[Change], out: &mut dyn Write) -> std::io::Result<()> {
    let engine = |change: &&Change| change.path.starts_with(ENGINE);
    let copied = changes.iter().filter(engine).count();
    if copied > 0 {
        writeln!(out, "  write   {ENGINE}/ ({copied} files)")?;
    }
    for change in changes.iter().filter(|change| !engine(change)) {
        match (&change.before, &change.after) {
            (None, after) => {
                writeln!(out, "  create  {}", change.path)?;
                // What is one line is shown as a line that is added.
                let text = String::from_utf8_lossy(after.as_deref().unwrap_or_default());
                if text.lines().count() == 1 {
                    writeln!(out, "            + {}", text.trim_end())?;
                }
            }
            (_, None) => writeln!(out, "  remove  {}", change.path)?,
            (Some(before), Some(after)) => {
                writeln!(out, "  change  {}", change.path)?;
                for line in difference(&String::from_utf8_lossy(before), &String::from_utf8_lossy(after)) {
                    writeln!(out, "            {line}")?;
                }
            }
        }
    }
    Ok(())
}

/// The lines that go and come; of a long one the first.
fn difference(before: &str, after: &str) -> Vec<String> {
    const SHOWN: usize = 12;
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = before.iter().zip(&after).take_while(|(left, right)| left == right).count();
    let tails = before[head..].iter().rev().zip(after[head..].iter().rev());
    let tail = tails.take_while(|(left, right)| left == right).count();
    // A block that comes between two of its kind could begin earlier as well: where its header is, as a person would say.
    let mut slid = (0..=head).take_while(|by| {
        let same = |line: usize| after.get(line) == after.get(line + after.len() - tail - head);
        before.len() == head + tail && (1..=*by).all(|line| same(head - line))
    });
    let by = slid.find(|by| after.get(head - by).is_some_and(|line| line.starts_with('['))).unwrap_or(0);
    let (head, tail) = (head - by, tail + by);
    let gone = before[head..before.len() - tail].iter().map(|line| format!("- {line}"));
    let come = after[head..after.len() - tail].iter().map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = gone.chain(come).collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// What was written, so that it can be taken back until it is kept.
#[must_use]
pub struct Written<'r> {
    root: &'r Utf8Path,
    undo: Undo,
}

impl Written<'_> {
    /// Writes more, with what was written before: all or none.
    ///
    /// # Errors
    /// If one could not be written; then everything is as it was.
    pub fn and(mut self, changes: &[Change]) -> Result<Self, Refusal> {
        let result = self.undo.note(self.root, changes).and_then(|()| put(self.root, changes));
        let Err(error) = result else { return Ok(self) };
        let message = format!("failed to write to {}: {error}", self.root);
        self.take_back()?;
        let help = "nothing was changed; make the folder writable and see that the disk has room, then again";
        Err(Refusal::new(message, help))
    }

    /// From now on it stays.
    pub fn keep(self) {
        self.undo.keep();
    }

    /// Restores what was there before.
    ///
    /// # Errors
    /// If something could not be restored.
    pub fn take_back(self) -> Result<(), Refusal> {
        self.undo.take_back(self.root)
    }
}

/// Writes all of them, or none; killed at any moment, what was written is taken back by the next command that writes there.
///
/// # Errors
/// If one could not be written; then nothing has changed.
pub fn write<'r>(root: &'r Utf8Path, changes: &[Change]) -> Result<Written<'r>, Refusal> {
    Written { root, undo: Undo::open(root)? }.and(changes)
}

fn put(root: &Utf8Path, changes: &[Change]) -> std::io::Result<()> {
    let changes = || changes.iter().filter(|change| change.before != change.after);
    let of = |change: &Change| {
        let path = change.path.clone();
        move |error: std::io::Error| std::io::Error::new(error.kind(), format!("{path}: {error}"))
    };
    for change in changes() {
        if let Some(after) = &change.after {
            laid_beside(&root.join(&change.path), after, change.executable.then_some(0o755)).map_err(of(change))?;
        }
    }
    for change in changes() {
        let full = root.join(&change.path);
        let done = if change.after.is_some() { fs::rename(beside(&full), real(&full)) } else { fs::remove_file(&full) };
        done.map_err(of(change))?;
    }
    Ok(())
}
