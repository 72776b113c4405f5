//! The journal of a killed deployment, cut short and flipped at every byte where it lies: it is never misread.

use std::path::{Path, PathBuf};

use ciao::ledger::journal::{Line, Progress, Tail, find, parse};
use ciao::ledger::record::Outcome;
use ciao::ledger::{Ledger, Unlock};
use ciao::run::event::Journal as _;

use crate::fixture::*;

/// A deployment that was killed in its second step; where its journal is, what is in it, and the id of its event.
fn killed(folder: &Folder) -> (Ledger, PathBuf, Vec<u8>, String) {
    let ledger = local(&repository(&folder.path("repo")));
    let mut holding = start(&ledger, "dev");
    let event = holding.event.clone();
    let (first, second) = ("web/install", "web/verify");
    for event in [began(first, true), ended(first, Outcome::Succeeded), began(second, false)] {
        holding.journal.record(&event).unwrap();
    }
    drop(holding);
    let path = ledger.git.common.join("ciao/dev/journal");
    let mut bytes = std::fs::read(&path).unwrap();
    // A page of the zeros that come after stands for all of them.
    let end = ends(&bytes).into_iter().next_back().expect("it has lines");
    bytes.truncate(end + 4096);
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

/// A ref that points to what is no event: it is said, others go on, and `unlock --accept-ledger` is the way out.
#[track_caller]
fn can_be_accepted(ledger: &Ledger, overwritten: &str) {
    ledger.sync().unwrap();
    says(&refused(ledger.start(&request(ledger, "dev"))), &["5: ", "not write: ", overwritten, "--accept-ledger"]);
    let rows = ["dev", "test"].map(|name| ledger.row(&request(ledger, name)).unwrap());
    assert_eq!(rows[0].gate.reasons[0].code, "rewritten");
    assert!(rows[1].gate.open);
    deploy(ledger, "test");
    let gate = ledger.gate(&after(request(ledger, "prod"), &["dev"])).unwrap();
    assert_eq!(gate.reasons[0].code, "rewritten");
    let unlock =
        |accept_ledger| ledger.unlock(&Unlock { environment: "dev".into(), reason: "it is".into(), accept_ledger });
    says(&refused(unlock(false)), &["5: ", "--accept-ledger"]);
    unlock(true).unwrap();
    deploy(ledger, "dev");
    assert!(ledger.row(&request(ledger, "dev")).unwrap().gate.open);
}

/// A repository that is shared, the bare one between, and the ledgers of two clones that both know of a deployment.
fn two(folder: &Folder) -> (PathBuf, PathBuf, Ledger, Ledger) {
    let repo = repository(&folder.path("repo"));
    let bare = share(folder, &repo);
    let ledger = shared(&repo);
    let other = shared(&clone(folder, &bare, "berta"));
    deploy(&ledger, "dev");
    other.sync().unwrap();
    (repo, bare, ledger, other)
}

#[test]
fn fault_41_a_ledger_overwritten_with_something_else_was_a_dead_end_for_all() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("alone")));
    let head = git(&ledger.git.root, "rev-parse HEAD");
    deploy(&ledger, "dev");
    let fence = ledger.standing("dev").unwrap().state().unwrap().seq;
    git(&ledger.git.root, "update-ref refs/deployments/dev HEAD");
    can_be_accepted(&ledger, &head[..12]);
    assert!(ledger.standing("dev").unwrap().state().unwrap().seq > fence, "a fence never goes back");
    // A blob, and one that was never anything else.
    let blob = git(&ledger.git.root, "rev-parse HEAD:pipelines/environment.toml");
    git(&ledger.git.root, &format!("update-ref refs/deployments/dev {blob}"));
    can_be_accepted(&ledger, &blob[..12]);
    git(&ledger.git.root, "update-ref -d refs/ciao/local/dev");
    git(&ledger.git.root, "update-ref refs/deployments/dev HEAD");
    can_be_accepted(&ledger, &head[..12]);
    let (repo, bare, ledger, other) = two(&folder);
    git(&bare, "update-ref refs/deployments/dev refs/heads/main");
    can_be_accepted(&ledger, &git(&repo, "rev-parse HEAD")[..12]);
    deploy(&other, "dev");
}

/// Takes the newest event of dev out of a bare repository, as a gc may that runs into a push.
fn lose(bare: &std::path::Path) -> String {
    let lost = git(bare, "rev-parse refs/deployments/dev");
    for pack in std::fs::read_dir(bare.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path()) {
        if pack.extension().is_some_and(|end| end == "pack") {
            let moved = bare.join("moved.pack");
            std::fs::rename(&pack, &moved).unwrap();
            let mut unpack = std::process::Command::new("git");
            unpack.current_dir(bare).args(["unpack-objects", "-q"]).stdin(std::fs::File::open(moved).unwrap());
            assert!(unpack.status().unwrap().success());
        }
        std::fs::remove_file(pack).ok();
    }
    std::fs::remove_file(bare.join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    lost
}

#[test]
fn fault_44_a_remote_that_has_lost_the_newest_event_was_a_dead_end() {
    let folder = Folder::new();
    let (_, bare, ledger, other) = two(&folder);
    deploy(&ledger, "dev");
    // Who has it puts it back.
    lose(&bare);
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "has lost objects of", "--accept-ledger"]);
    let unlock = Unlock { environment: "dev".into(), reason: "it lost it".into(), accept_ledger: true };
    ledger.unlock(&unlock).unwrap();
    deploy(&ledger, "dev");
    says(&refused(ledger.unlock(&unlock)), &["2: ", "nobody holds it"]);
    other.sync().unwrap();
    deploy(&ledger, "dev");
    // Who has not is shown the others, and can begin anew.
    let lost = lose(&bare);
    other.sync().unwrap();
    let rows = ["dev", "test"].map(|name| other.row(&request(&other, name)).unwrap());
    assert!(rows[0].gate.reasons[0].text.contains(&lost[..12]) && rows[1].gate.open);
    says(&refused(other.start(&request(&other, "dev"))), &["5: ", "origin has lost it", "--accept-ledger"]);
    other.unlock(&unlock).unwrap();
    deploy(&other, "dev");
    deploy(&other, "test");
}
