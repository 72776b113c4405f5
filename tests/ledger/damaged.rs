//! The journal of a killed deployment, cut short and flipped at every byte where it lies: it is never misread.

use std::path::{Path, PathBuf};

use ciao::ledger::journal::{Line, Progress, Tail, find, parse};
use ciao::ledger::record::Outcome;
use ciao::ledger::{Ledger, Unlock};
use ciao::run::event::{Event, Journal as _};

use crate::fixture::*;

/// A deployment that was killed in its second step; where its journal is, what is in it, and the id of its event.
fn killed(folder: &Folder) -> (Ledger, PathBuf, Vec<u8>, String) {
    let ledger = local(&repository(&folder.path("repo")));
    let mut holding = start(&ledger, "dev");
    let event = holding.event.clone();
    let (first, second) = ("web/install".to_owned(), "web/verify".to_owned());
    let outcome = Outcome::Succeeded;
    for event in [
        Event::Started { step: first.clone(), attempt: 1, owes: true },
        Event::Ended { step: first, outcome, attempts: 1, seconds: 0.1, exit: Some(0), message: None },
        Event::Started { step: second, attempt: 1, owes: false },
    ] {
        holding.journal.record(&event).unwrap();
    }
    drop(holding);
    let path = ledger.git.common.join("ciao/dev/journal");
    let bytes = std::fs::read(&path).unwrap();
    (ledger, path, bytes, event)
}

fn added_up(lines: &[Line]) -> Progress {
    let mut progress = Progress::default();
    lines.iter().cloned().for_each(|line| progress.add(line));
    progress
}

/// Where each line ends in a journal; what comes after are zeros.
fn ends(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place + 1).collect()
}

/// Reads such a journal: what it tells, and how it ends.
#[track_caller]
fn read(path: &Path, bytes: &[u8], event: &str) -> (Progress, Tail) {
    std::fs::write(path, bytes).unwrap();
    let found = find(path.parent().unwrap(), Some(event)).unwrap().expect("it is there");
    (found.progress, found.tail)
}

#[test]
fn fault_23_cut_at_every_byte_it_tells_of_its_whole_lines() {
    let folder = Folder::new();
    let (_, path, bytes, event) = killed(&folder);
    let (lines, ends) = (parse(&bytes).0, ends(&bytes));
    assert_eq!(lines.len(), 5);
    for cut in 0..=ends[4] {
        // Without its newline a line is whole already.
        let whole = ends.iter().filter(|end| **end <= cut + 1).count();
        let torn = if ends.contains(&cut) || ends.contains(&(cut + 1)) || cut == 0 { Tail::Whole } else { Tail::Torn };
        let expected = (added_up(&lines[..whole]), torn);
        assert_eq!(read(&path, &bytes[..cut], &event), expected, "cut at {cut}");
        let mut zeros = bytes[..cut].to_vec();
        zeros.resize(bytes.len(), 0);
        assert_eq!(read(&path, &zeros, &event), expected, "zeros from {cut} on");
    }
}

#[test]
fn fault_24_flipped_at_every_byte_it_is_read_up_to_there_and_no_further() {
    let folder = Folder::new();
    let (_, path, bytes, event) = killed(&folder);
    let (lines, ends) = (parse(&bytes).0, ends(&bytes));
    for place in 0..ends[4] {
        for change in [0x01, 0x10, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[place] ^= change;
            let before = ends.iter().filter(|end| **end <= place).count();
            // Only the newline of the last line says nothing that the line itself does not.
            let (tells, tail) = read(&path, &flipped, &event);
            let all = place + 1 == ends[4] && tail == Tail::Whole;
            let expected = if all { &lines[..] } else { &lines[..before] };
            assert_eq!(tells, added_up(expected), "byte {place} changed by {change:#x}");
            assert!(all || tail == Tail::Damaged(before as u64 + 1), "byte {place} changed by {change:#x}: {tail:?}");
        }
    }
}

/// What people are told: nothing is guessed from a damaged journal, a torn one is gone on with, and nothing is removed by hand.
#[test]
fn a_damaged_journal_is_told_of_by_its_line_and_a_torn_one_is_resumed() {
    let folder = Folder::new();
    let (ledger, path, bytes, _) = killed(&folder);
    let ends = ends(&bytes);
    for (line, end) in ends.iter().enumerate().skip(1) {
        let mut flipped = bytes.clone();
        flipped[end - 2] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let said = refused(ledger.unfinished("dev"));
        says(&said, &["4: ", &format!("is damaged in line {}", line + 1), "cargo xtask unlock dev"]);
        says(&refused(ledger.start(&request(&ledger, "dev"))), &["4: ", "cargo xtask unlock dev"]);
        assert_eq!(ledger.row(&request(&ledger, "dev")).unwrap().state.word(), "unfinished");
        std::fs::write(&path, &bytes[..end - 2]).unwrap();
        let known = ledger.unfinished("dev").unwrap().steps;
        assert_eq!(
            known.len(),
            line.saturating_sub(2).min(1) + usize::from(line > 4),
            "line {line} is torn: {known:?}"
        );
    }
    let mut flipped = bytes.clone();
    flipped[ends[2]] ^= 1;
    std::fs::write(&path, flipped).unwrap();
    let unlock = Unlock { environment: "dev".to_owned(), reason: "looked at it".to_owned(), accept_ledger: false };
    ledger.unlock(&unlock).unwrap();
    deploy(&ledger, "dev");
}
