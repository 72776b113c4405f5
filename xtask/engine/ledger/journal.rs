//! The journal of a running deployment: checksummed lines in the common git directory, each on disk before what
//! follows from it is done.
//!
//! A line is `checksum length number json`. Its checksum covers the line before, so that none can be left out or moved. A tail
//! that is cut short is dropped; anything else that does not fit is damage, and nobody guesses what was meant. It knows no git.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::place::Lock;
use super::record::{Outcome, Place, Record, StepRecord};
use ciao_base::checksum::crc32;
use ciao_base::event::{Event, Journal as Journalist, steps_json};
use ciao_base::json::Json;

/// What the journal says about its deployment, first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub version: String,
    /// Of the event that takes the lock.
    pub event: String,
    pub deployment: String,
    pub environment: String,
    pub plan: String,
    pub by: String,
    pub host: String,
    pub place: Place,
    pub at: String,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    Header(Box<Header>),
    Carried(Carried),
    Event { event: Event },
    Ended(End),
}

/// What is known from before a resumption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    pub steps: Vec<StepRecord>,
    pub owed: Vec<String>,
}

/// The deployment is over, and this is to be recorded. `steps` in the plan's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub record: Box<Record>,
    pub steps: Vec<StepRecord>,
}

impl Line {
    /// It is read twice, because by a tag serde would read everything in a second way, which doubles what is compiled.
    fn read(json: &[u8]) -> Option<Line> {
        #[derive(Deserialize)]
        struct Head {
            line: String,
        }
        #[derive(Deserialize)]
        struct Happened {
            event: Event,
        }
        match &*serde_json::from_slice::<Head>(json).ok()?.line {
            "header" => serde_json::from_slice(json).ok().map(Line::Header),
            "carried" => serde_json::from_slice(json).ok().map(Line::Carried),
            "event" => serde_json::from_slice(json).ok().map(|Happened { event }| Line::Event { event }),
            "ended" => serde_json::from_slice(json).ok().map(Line::Ended),
            _ => None,
        }
    }
}

/// What the lines add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    pub header: Option<Header>,
    pub steps: BTreeMap<String, StepRecord>,
    /// Steps that started and have not ended, as far as anybody knows.
    pub running: BTreeSet<String>,
    /// The step that started last, or whose `finally` did.
    pub last: Option<String>,
    pub owed: BTreeSet<String>,
    pub ended: Option<(Record, Vec<StepRecord>)>,
}

impl Progress {
    pub fn add(&mut self, line: Line) {
        match line {
            Line::Header(header) => self.header = Some(*header),
            Line::Carried(Carried { steps, owed }) => {
                self.steps.extend(steps.into_iter().map(|step| (step.id.clone(), step)));
                self.owed.extend(owed);
            }
            Line::Event { event } => self.see(event),
            Line::Ended(End { record, steps }) => self.ended = Some((*record, steps)),
        }
    }

    fn see(&mut self, event: Event) {
        owe(&mut self.owed, &event);
        match event {
            Event::Started { step, attempt, .. } => {
                self.running.insert(step.clone());
                self.last = Some(step.clone());
                let unknown = StepRecord { attempts: attempt, ..StepRecord::new(&step, Outcome::Unknown) };
                self.steps.insert(step, unknown);
            }
            Event::Ended { step, outcome, attempts, seconds, exit, signal, message: _ } => {
                self.running.remove(&step);
                self.steps.insert(step.clone(), StepRecord { id: step, outcome, attempts, seconds, exit, signal });
            }
            Event::FinallyStarted { step } => self.last = Some(step),
            Event::FinallyEnded { .. } => {}
        }
    }
}

/// What is owed after `event`.
fn owe(owed: &mut BTreeSet<String>, event: &Event) {
    match event {
        Event::Started { step, owes: true, .. } => drop(owed.insert(step.clone())),
        Event::FinallyEnded { step, outcome: Outcome::Succeeded | Outcome::Done, .. } => drop(owed.remove(step)),
        _ => {}
    }
}

/// How a journal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    Whole,
    /// The last line was being written when the power went: it counts as never written.
    Torn,
    /// A line in it is not what was written. Its number, from 1.
    Damaged(u64),
}

/// Reads a journal: the lines of its good beginning, and what comes after them.
#[must_use]
pub fn parse(text: &[u8]) -> (Vec<Line>, Tail) {
    // A file system may have made room for a line that it never wrote.
    let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut rest = &text[..end];
    let mut lines = Vec::new();
    let mut before = 0;
    while !rest.is_empty() {
        let number = lines.len() as u64 + 1;
        let cut = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..cut.unwrap_or(rest.len())];
        match unframe(line, before, number) {
            Ok((sum, line)) => {
                before = sum;
                lines.push(line);
            }
            Err(short) => {
                let torn = cut.is_none() && short;
                return (lines, if torn { Tail::Torn } else { Tail::Damaged(number) });
            }
        }
        rest = cut.map_or(&[], |cut| &rest[cut + 1..]);
    }
    (lines, Tail::Whole)
}

fn frame(line: &Line, before: u32, number: u64) -> io::Result<(u32, Vec<u8>)> {
    let mut json = Json::default();
    match line {
        Line::Event { event } => {
            json.dense.push_str(r#"{"line":"event","event":"#);
            event.json(&mut json);
            json.dense.push('}');
        }
        Line::Ended(End { record, steps }) => {
            json.dense.push_str(&format!(r#"{{"line":"ended","record":{},"steps":"#, serde_json::to_string(record)?));
            steps_json(steps, &mut json);
            json.dense.push('}');
        }
        other => json.dense = serde_json::to_string(other)?,
    }
    let body = format!("{} {number} {}\n", json.dense.len(), json.dense);
    let sum = crc32(before, &body.as_bytes()[..body.len() - 1]);
    Ok((sum, [format!("{sum:08x} ").into_bytes(), body.into_bytes()].concat()))
}

/// The checksum and the line, or whether it is shorter than a whole one would be.
fn unframe(line: &[u8], before: u32, number: u64) -> Result<(u32, Line), bool> {
    if line.len() < 9 {
        return Err(true);
    }
    let (sum, body) = (&line[..8], &line[9..]);
    let short = || {
        let mut fields = body.splitn(3, |&byte| byte == b' ');
        let length = fields
            .next()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse::<usize>().ok());
        match (length, fields.next(), fields.next()) {
            (Some(length), Some(_), Some(json)) => json.len() < length,
            (_, _, None) => true,
            (None, _, Some(_)) | (_, None, _) => false,
        }
    };
    let expected = crc32(before, body);
    if line[8] != b' ' || format!("{expected:08x}").as_bytes() != sum {
        return Err(short());
    }
    let mut fields = body.splitn(3, |&byte| byte == b' ');
    let (length, place, json) = (fields.next(), fields.next(), fields.next());
    let agrees = |field: Option<&[u8]>, value: u64| field == Some(value.to_string().as_bytes());
    match json {
        Some(json) if agrees(length, json.len() as u64) && agrees(place, number) => {
            Line::read(json).map(|line| (expected, line)).ok_or(false)
        }
        _ => Err(false),
    }
}

/// What is found of a deployment that this clone ran, or is running.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub progress: Progress,
    pub tail: Tail,
    pub path: PathBuf,
}

/// Journals whose event was not acknowledged. Each has a file of its own: the git of a command that was killed may still
/// deliver its event after the next command has begun.
const FRESH: &str = "journal.new-";

impl Found {
    /// Nobody heard that its event was recorded: no step of it ran.
    #[must_use]
    pub fn fresh(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FRESH))
    }
}

/// The journals of an environment: files only, nothing is read.
#[must_use]
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| name(path) == "journal" || name(path).starts_with(FRESH)).collect();
    paths.sort();
    paths
}

/// Reads the journal of an environment, if there is one: that of the event `holder` if it is among several.
///
/// # Errors
/// If there is one that cannot be read.
pub fn find(folder: &Path, holder: Option<&str>) -> io::Result<Option<Found>> {
    let mut found = None;
    for path in list(folder) {
        let (lines, tail) = parse(&std::fs::read(&path)?);
        let mut progress = Progress::default();
        lines.into_iter().for_each(|line| progress.add(line));
        let holds = progress.header.as_ref().is_some_and(|header| Some(header.event.as_str()) == holder);
        let this = Found { progress, tail, path };
        // One that was never acknowledged counts only if the ledger says that its event was recorded after all.
        if holds || !this.fresh() {
            found = Some(this);
        }
    }
    Ok(found)
}

/// Takes the journals away: everything in them is recorded, or can never be.
///
/// # Errors
/// If one cannot be removed.
pub fn discard(folder: &Path) -> io::Result<()> {
    list(folder).iter().try_for_each(std::fs::remove_file)
}

/// What the file is made longer by, with zeros. A sync of bytes that have their place already need not write where the
/// file ends; one of bytes that lengthen it takes half as long again.
const ROOM: u64 = 64 << 10;

/// An open journal, and the lock of the environment in this clone.
#[derive(Debug)]
pub struct Journal {
    file: File,
    folder: PathBuf,
    path: PathBuf,
    number: u64,
    sum: u32,
    length: u64,
    /// How long the file is: after `length` there are zeros, which a reader passes over.
    room: u64,
    broken: bool,
    /// What was known of steps before it began.
    pub carried: BTreeMap<String, StepRecord>,
    /// Steps whose `finally` is owed now.
    pub owed: BTreeSet<String>,
    /// Held until the journal is dropped: it says that the holder lives.
    _lock: Lock,
}

impl Journal {
    /// Begins a journal beside the one that may be there; it replaces that one once it is [`Journal::accept`]ed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(folder: &Path, lock: Lock, header: Header) -> io::Result<Journal> {
        let path = folder.join(format!("{FRESH}{}", header.event));
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
        let mut journal = Journal {
            file,
            folder: folder.to_owned(),
            path,
            number: 0,
            sum: 0,
            length: 0,
            room: 0,
            broken: false,
            carried: BTreeMap::new(),
            owed: BTreeSet::new(),
            _lock: lock,
        };
        journal.write(Line::Header(Box::new(header)))?;
        Ok(journal)
    }

    /// The ledger has recorded the event: from now on this journal is the one.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn accept(&self) -> io::Result<()> {
        std::fs::rename(&self.path, self.folder.join("journal"))?;
        // The swap that was won has made every other pending one impossible.
        for path in list(&self.folder) {
            if path != self.folder.join("journal") {
                std::fs::remove_file(path)?;
            }
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Writes a line and waits until it is on disk.
    ///
    /// # Errors
    /// If it could not be written whole; nothing is written after that.
    pub fn write(&mut self, line: Line) -> io::Result<()> {
        self.write_together(vec![line])
    }

    /// Writes several lines and waits once until they are on disk: the end of a step and the start of the next one.
    fn write_together(&mut self, lines: Vec<Line>) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the journal could not be written before"));
        }
        let (mut sum, mut number, mut bytes) = (self.sum, self.number, Vec::new());
        for line in &lines {
            number += 1;
            let (next, framed) = frame(line, sum, number)?;
            sum = next;
            bytes.extend_from_slice(&framed);
        }
        if let Err(error) = self.append(&bytes).and_then(|()| self.file.sync_data()) {
            self.broken = true;
            // What was written of the line goes, if it can: the next reader then need not tell it from damage.
            drop(self.file.set_len(self.length).and_then(|()| self.file.sync_data()));
            return Err(io::Error::new(error.kind(), format!("write the journal {}: {error}", self.path.display())));
        }
        self.sum = sum;
        self.number = number;
        self.length += bytes.len() as u64;
        lines.into_iter().for_each(|line| self.note(line));
        Ok(())
    }

    fn note(&mut self, line: Line) {
        match line {
            Line::Carried(Carried { steps, owed }) => {
                self.carried.extend(steps.into_iter().map(|step| (step.id.clone(), step)));
                self.owed.extend(owed);
            }
            Line::Event { event } => owe(&mut self.owed, &event),
            Line::Header(_) | Line::Ended { .. } => {}
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.length + bytes.len() as u64;
        if end <= self.room {
            return self.file.write_all_at(bytes, self.length);
        }
        let mut longer = vec![0; bytes.len() + ROOM as usize];
        longer[..bytes.len()].copy_from_slice(bytes);
        self.file.write_all_at(&longer, self.length)?;
        self.room = end + ROOM;
        Ok(())
    }
}

impl Journalist for Journal {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        self.write(Line::Event { event: event.clone() })
    }

    fn record_all(&mut self, events: &[Event]) -> io::Result<()> {
        self.write_together(events.iter().map(|event| Line::Event { event: event.clone() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        let started =
            |step: &str| Line::Event { event: Event::Started { step: step.to_owned(), attempt: 1, owes: true } };
        let ended = |step: &str| {
            let (step, outcome, message) =
                (step.to_owned(), Outcome::Failed, Some("x\n\u{0}\u{ff} \"1 2 {}\"".to_owned()));
            let (exit, signal) = (Some(137), Some(9));
            Line::Event { event: Event::Ended { step, outcome, attempts: 3, seconds: 1.25, exit, signal, message } }
        };
        let finally = Line::Event { event: Event::FinallyStarted { step: "web/a".to_owned() } };
        vec![
            Line::Carried(Carried { steps: Vec::new(), owed: vec!["a".to_owned()] }),
            started("web/a"),
            ended("web/a"),
            started("b"),
            finally,
        ]
    }

    /// The journal as bytes, and where each of its lines ends.
    fn written() -> (Vec<u8>, Vec<usize>) {
        let (mut text, mut ends, mut sum) = (Vec::new(), vec![0], 0);
        for (index, line) in lines().iter().enumerate() {
            let (next, bytes) = frame(line, sum, index as u64 + 1).unwrap();
            sum = next;
            text.extend(bytes);
            ends.push(text.len());
        }
        (text, ends)
    }

    #[test]
    fn fault_23_cut_at_every_byte_it_keeps_the_whole_lines() {
        let (text, ends) = written();
        for cut in 0..=text.len() {
            let (read, tail) = parse(&text[..cut]);
            // Without its newline a line is whole already: checksum and length say so.
            let whole = ends.iter().filter(|end| **end > 0 && **end <= cut + 1).count();
            assert_eq!(read, lines()[..whole], "cut at {cut}");
            let torn = !ends.contains(&cut) && !ends.contains(&(cut + 1));
            assert_eq!(tail, if torn { Tail::Torn } else { Tail::Whole }, "cut at {cut}");
            let mut padded = text[..cut].to_vec();
            padded.resize(cut + 4096, 0);
            assert_eq!(parse(&padded).0, read, "cut at {cut} and filled with zeros");
        }
    }

    #[test]
    fn fault_24_flipped_at_every_bit_it_is_never_misread() {
        let (text, ends) = written();
        for place in 0..text.len() {
            for change in (0..8).map(|bit| 1 << bit).chain([0xff, text[place] ^ b'\n', text[place]]) {
                let mut text = text.clone();
                text[place] ^= change;
                let (read, tail) = parse(&text);
                let before = ends.iter().filter(|end| **end > 0 && **end <= place).count();
                assert!(
                    lines().starts_with(&read) && read.len() >= before,
                    "byte {place} changed by {change:#x}: {read:?}"
                );
                // All of it may be there only if nothing but the last newline is gone.
                assert!(
                    read.len() == before || change == 0 || place + 1 == text.len(),
                    "byte {place} changed by {change:#x}"
                );
                let damaged = matches!(tail, Tail::Damaged(line) if line == before as u64 + 1);
                assert!(damaged || read.len() == lines().len(), "byte {place} changed by {change:#x}: {tail:?}");
            }
        }
    }

    #[test]
    fn lines_that_are_left_out_doubled_or_moved_are_damage() {
        let (text, ends) = written();
        let part = |index: usize| &text[ends[index]..ends[index + 1]];
        for order in [vec![0, 2], vec![0, 0], vec![0, 2, 1], vec![1], vec![0, 1, 3]] {
            let text: Vec<u8> = order.iter().flat_map(|index| part(*index).to_vec()).collect();
            assert!(matches!(parse(&text).1, Tail::Damaged(_)), "{order:?}");
        }
    }
}
