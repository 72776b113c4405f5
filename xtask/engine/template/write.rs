//! Writing several files, all or none: new content beside the old, then renamed; taken back by `undo` if anything fails.
//!
//! It knows what is to be written, not why.

use std::fs;
use std::io::Write;

use camino::Utf8Path;

use super::Refusal;
use super::edit::SETTINGS;
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
                // What is one line is shown as a line that is added; not what somebody delivered, which may be a secret.
                let text = String::from_utf8_lossy(after.as_deref().unwrap_or_default());
                if text.lines().count() == 1 && !change.path.starts_with("pipelines/deployments") {
                    writeln!(out, "            + {}", text.trim_end())?;
                }
            }
            (_, None) => writeln!(out, "  remove  {}", change.path)?,
            // Cargo leaves in it what it needs.
            (Some(_), Some(_)) if change.path == "Cargo.lock" => {
                writeln!(
                    out,
                    "  change  Cargo.lock: what the engine depends on, in the versions that it was tested with"
                )?;
            }
            (Some(before), Some(after)) => {
                writeln!(out, "  change  {}", change.path)?;
                let lines = difference(&String::from_utf8_lossy(before), &String::from_utf8_lossy(after));
                let settings = lines.iter().position(|line| line.strip_prefix("+ ") == Some(SETTINGS));
                let settings =
                    settings.filter(|header| !lines[header + 1..].iter().any(|line| line.starts_with("+ [")));
                for line in &lines[..settings.map_or(lines.len(), |header| header + 1)] {
                    writeln!(out, "            {line}")?;
                }
                if let Some(header) = settings {
                    let more = lines.len() - header - 1;
                    writeln!(out, "            + … and {more} lines: how the engine and what it depends on are built")?;
                }
            }
        }
    }
    Ok(())
}

/// The lines that go and come; of very many the first.
fn difference(before: &str, after: &str) -> Vec<String> {
    const SHOWN: usize = 100;
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
    let mut lines = changed(&before[head..before.len() - tail], &after[head..after.len() - tail]);
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// What is not in a longest common part of both.
fn changed(before: &[&str], after: &[&str]) -> Vec<String> {
    // How many lines are common from here on, for each pair of places; where files are so long, from one common line to the next.
    const PAIRS: usize = 4_000_000;
    let width = after.len() + 1;
    let known = (before.len() + 1) * width <= PAIRS;
    let mut common = vec![0_u32; if known { (before.len() + 1) * width } else { 0 }];
    for (row, line) in before.iter().enumerate().rev().filter(|_| known) {
        for (column, other) in after.iter().enumerate().rev() {
            let (below, right) = (common[(row + 1) * width + column], common[row * width + column + 1]);
            let both = common[(row + 1) * width + column + 1] + 1;
            common[row * width + column] = if line == other { both } else { below.max(right) };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < before.len() || column < after.len() {
        let (old, new) = (before.get(row), after.get(column));
        let gone = match (old, new) {
            (Some(old), Some(new)) if old == new => {
                (row, column) = (row + 1, column + 1);
                continue;
            }
            (Some(_), Some(_)) if known => common[(row + 1) * width + column] >= common[row * width + column + 1],
            (Some(old), Some(_)) => !after[column..].contains(old),
            (old, _) => old.is_some(),
        };
        if gone {
            lines.extend(old.map(|line| format!("- {line}")));
            row += 1;
        } else {
            lines.extend(new.map(|line| format!("+ {line}")));
            column += 1;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, wanted: &[&str]) {
        assert_eq!(difference(before, after), wanted);
    }

    #[test]
    fn untouched_lines_stood_as_removed_and_added() {
        let lines: String = (0..50).map(|number| format!("line {number}\n")).collect();
        let before = format!("members = [\"a\"]\n{lines}");
        let after = format!("members = [\"a\", \"xtask\"]\n{lines}\n[profile]\nx = 1\n");
        let wanted = ["- members = [\"a\"]", "+ members = [\"a\", \"xtask\"]", "+ ", "+ [profile]", "+ x = 1"];
        check(&before, &after, &wanted);
        check("a\nb\nc\nd\n", "b\nx\nc\n", &["- a", "+ x", "- d"]);
        check("a\n", "", &["- a"]);
        // Too long to look at every pair.
        let long: String = (0..3000).map(|number| format!("line {number}\n")).collect();
        check(&format!("a\n{long}"), &format!("b\n{long}c\n"), &["- a", "+ b", "+ c"]);
    }

    #[test]
    fn every_added_line_is_shown_up_to_a_bound() {
        let added: String = (0..90).map(|number| format!("{number}\n")).collect();
        assert_eq!(difference("a\n", &format!("a\n{added}")).len(), 90);
        let shown = difference("", &added.repeat(2));
        assert!(shown.len() == 101 && shown[100] == "… and 80 lines more", "{shown:?}");
    }
}
