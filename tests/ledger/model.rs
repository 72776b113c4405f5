//! The gate against a model of it: the model reads whole histories, as DESIGN.md 6 words it; the gate reads states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ciao::ledger::Release;
use ciao::ledger::gate::{Branch, Question, Seen, gate};
use ciao::ledger::record::{Ended, Kind, Record, Terms};
use ciao::ledger::state::{State, fold};

use crate::fixture::set;

/// What can happen to an environment. `Ok` of a step set; the letters that make no sense where they stand are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Letter {
    Start { release: u8, complete: bool, dirty: bool, forced: bool },
    Resume,
    End { outcome: Ended, verified: bool, skipped: bool, owes: bool, all: bool },
    Unlock,
    Settle,
    Approve { by: u8, release: u8, plan: u8 },
}

const IDLE: [Letter; 7] = [
    Letter::Start { release: 1, complete: true, dirty: false, forced: false },
    Letter::Start { release: 1, complete: false, dirty: false, forced: false },
    Letter::Start { release: 1, complete: true, dirty: true, forced: false },
    Letter::Start { release: 1, complete: true, dirty: false, forced: true },
    Letter::Start { release: 2, complete: true, dirty: false, forced: false },
    Letter::Resume,
    Letter::Settle,
];

const GOOD: Letter = Letter::End { outcome: Ended::Succeeded, verified: true, skipped: false, owes: false, all: true };
const RUNNING: [Letter; 6] = [
    GOOD,
    Letter::End { outcome: Ended::Succeeded, verified: false, skipped: false, owes: false, all: true },
    Letter::End { outcome: Ended::Succeeded, verified: true, skipped: true, owes: false, all: true },
    Letter::End { outcome: Ended::Succeeded, verified: true, skipped: false, owes: true, all: false },
    Letter::End { outcome: Ended::Failed, verified: false, skipped: false, owes: true, all: false },
    Letter::Unlock,
];

const PACE: u64 = 600;

fn time(seq: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600 + seq * PACE)
}

fn release(number: u8, dirty: bool) -> Release {
    let id = format!("{number:040}");
    Release { display: id[28..].to_owned(), commit: id.clone(), id, dirty, outside: None }
}

fn blank() -> Record {
    serde_json::from_value(serde_json::json!({"format": 1, "id": "", "event": "opened", "environment": "dev", "seq": 0, "at": "", "by": "a",
        "host": "h"}))
    .expect("a record needs no more")
}

/// The record that a letter stands for, after the state.
fn record(base: &Record, letter: Letter, state: &State) -> Record {
    let seq = state.seq + 1;
    let mut record = Record {
        seq,
        id: format!("e{seq}"),
        at: humantime::format_rfc3339_seconds(time(seq)).to_string(),
        ..base.clone()
    };
    let current = state.current.as_ref();
    match letter {
        Letter::Start { release: number, complete, dirty, forced } => {
            record.event = Kind::Started;
            record.release = Some(release(number, dirty));
            record.deployment = Some(record.id.clone());
            (record.complete, record.forced) = (complete, forced);
            record.owed = vec!["s2".to_owned()];
        }
        Letter::Resume => {
            let current = current.expect("something to resume");
            record.event = Kind::Resumed;
            record.release = Some(current.release.clone());
            record.deployment = Some(current.id.clone());
            (record.complete, record.forced) = (current.complete, current.forced);
            record.owed = vec!["s2".to_owned()];
        }
        Letter::End { outcome, verified, skipped, owes, all } => {
            let current = current.expect("something to end");
            record.event = Kind::Finished;
            record.fence = Some(current.fence);
            record.deployment = Some(current.id.clone());
            (record.outcome, record.verified) = (Some(outcome), verified);
            record.skipped = if skipped { vec!["s1".to_owned()] } else { Vec::new() };
            record.owed = if owes { vec!["s1".to_owned()] } else { Vec::new() };
            record.proved = if all { vec!["s1".to_owned(), "s2".to_owned()] } else { vec!["s1".to_owned()] };
        }
        Letter::Unlock => {
            record.event = Kind::Unlocked;
            record.owed = vec!["s2".to_owned()];
        }
        Letter::Settle => {
            record.event = Kind::Settled;
            record.step = Some("s1".to_owned());
        }
        Letter::Approve { by, release: number, plan } => {
            record.event = Kind::Approved;
            record.release = Some(release(number, false));
            record.plan = Some(format!("p{plan}"));
            record.by = format!("Person {by} <{by}@example.org>");
        }
    }
    record
}

fn fits(letter: Letter, state: &State) -> bool {
    let running = state.running().is_some();
    match letter {
        Letter::Start { .. } => !running,
        Letter::Resume => {
            !running && state.current.as_ref().is_some_and(|current| current.outcome != Some(Ended::Succeeded))
        }
        Letter::End { .. } | Letter::Unlock => running,
        Letter::Settle => !running && state.owed.iter().any(|step| step == "s1"),
        Letter::Approve { .. } => true,
    }
}

/// One deployment of a history, as the model sees it: everything that happened to it, in order.
struct Told {
    release: u8,
    starts: Vec<Letter>,
    ends: Vec<(usize, Letter)>,
}

/// The deployments of a history.
fn told(history: &[Letter]) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for (place, letter) in history.iter().enumerate() {
        match letter {
            Letter::Start { release, .. } => {
                all.push(Told { release: *release, starts: vec![*letter], ends: Vec::new() })
            }
            Letter::Resume => all.last_mut().expect("something to resume").starts.push(*letter),
            Letter::End { .. } | Letter::Unlock => {
                all.last_mut().expect("something to end").ends.push((place + 1, *letter))
            }
            Letter::Settle | Letter::Approve { .. } => {}
        }
    }
    all
}

/// Since when (the number of an event) a deployment is good; `None` if it is not.
fn good(told: &Told) -> Option<usize> {
    let clean = matches!(told.starts[0], Letter::Start { complete: true, dirty: false, forced: false, .. });
    let skipped = told.ends.iter().any(|(_, end)| matches!(end, Letter::End { skipped: true, .. }));
    let ended = told.starts.len() == told.ends.len();
    match told.ends.last() {
        Some((place, Letter::End { outcome: Ended::Succeeded, verified: true, .. })) if clean && ended && !skipped => {
            Some(*place)
        }
        _ => None,
    }
}

/// Whether one environment of `after` lets release 1 pass, and the steps that it has proved.
fn lets_pass(history: &[Letter], soak: u64, now: u64) -> Option<BTreeSet<&'static str>> {
    let all = told(history);
    let own: Vec<&Told> = all.iter().filter(|told| told.release == 1).collect();
    let last = own.last()?;
    good(last)?;
    // From the first good one on, with none but good ones after it; one that was resumed had ended badly before.
    let trusted = own.iter().rev().position(|told| good(told).is_none() || told.ends.len() > 1);
    let first = match trusted {
        Some(place) if good(own[own.len() - 1 - place]).is_some() => own.len() - 1 - place,
        Some(place) => own.len() - place,
        None => 0,
    };
    let since = good(own[first])?;
    if (now - since as u64) * PACE < soak {
        return None;
    }
    // What is owed: by the last end, or by unlocking, unless settled afterwards.
    let mut owed: BTreeSet<&str> = BTreeSet::new();
    for letter in history {
        match letter {
            Letter::End { owes: true, .. } => owed = BTreeSet::from(["s1"]),
            Letter::End { .. } => owed.clear(),
            Letter::Unlock => {
                owed.insert("s2");
            }
            Letter::Settle => {
                owed.remove("s1");
            }
            _ => {}
        }
    }
    if !owed.is_empty() {
        return None;
    }
    match last.ends.last() {
        Some((_, Letter::End { all: true, .. })) => Some(BTreeSet::from(["s1", "s2"])),
        Some((_, Letter::End { .. })) => Some(BTreeSet::from(["s1"])),
        _ => None,
    }
}

fn ask(
    others: &BTreeMap<String, Seen>,
    own: Option<&State>,
    terms: &Terms,
    dirty: bool,
    first: bool,
    branch: Branch,
    now: u64,
) -> bool {
    let branches = BTreeMap::from([("main".to_owned(), branch)]);
    let answer = gate(&Question {
        environment: "prod",
        personal: false,
        declared: terms,
        after_in_head: false,
        own,
        others,
        release: &release(1, dirty),
        plan: "p1",
        steps: &set(&["s1", "s2"]),
        first_run: &if first { set(&["s2"]) } else { BTreeSet::new() },
        by: "Another name <1@example.org>",
        branches: &branches,
        now: time(now),
    });
    assert_eq!(answer.open, answer.reasons.is_empty());
    answer.open
}

/// Every sequence of letters that makes sense, up to a length: how many were compared.
fn exhaust(base: &Record, state: &State, history: &mut Vec<Letter>, left: usize) -> u64 {
    let now = state.seq;
    for soak_s in [0, 2 * PACE] {
        let terms = Terms { after: vec!["dev".to_owned()], soak_s, ..Terms::default() };
        let others = BTreeMap::from([("dev".to_owned(), Seen::Known(state))]);
        for first in [false, true] {
            let expected = lets_pass(history, soak_s, now).is_some_and(|proved| first || proved.contains("s2"));
            let open = ask(&others, None, &terms, false, first, Branch::On, now);
            assert_eq!(open, expected, "soak {soak_s}, first run accepted: {first}, after {history:?}");
        }
    }
    let mut count = 1;
    if left == 0 {
        return count;
    }
    for letter in IDLE.into_iter().chain(RUNNING) {
        if fits(letter, state) {
            let next = fold(Some(state.clone()), &record(base, letter, state));
            history.push(letter);
            count += exhaust(base, &next, history, left - 1);
            history.pop();
        }
    }
    count
}

fn opened(base: &Record) -> State {
    fold(None, base)
}

#[test]
fn the_gate_is_the_model_after_every_short_history() {
    let base = blank();
    let count = exhaust(&base, &opened(&base), &mut Vec::new(), 5);
    assert!(count > 2_000, "{count} histories");
}

#[test]
#[ignore = "all histories up to length 8 take minutes"]
fn the_gate_is_the_model_after_every_history_up_to_eight() {
    let base = blank();
    let count = exhaust(&base, &opened(&base), &mut Vec::new(), 8);
    println!("{count} histories");
    assert!(count > 500_000, "{count} histories");
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn walk(dice: &mut Dice, base: &Record, length: u64) -> (Vec<Letter>, State) {
    let (mut history, mut state) = (Vec::new(), opened(base));
    for _ in 0..length {
        let letters: Vec<Letter> =
            IDLE.into_iter().chain(RUNNING).chain([GOOD, GOOD]).filter(|letter| fits(*letter, &state)).collect();
        let letter = letters[dice.roll(letters.len() as u64) as usize];
        state = fold(Some(state.clone()), &record(base, letter, &state));
        history.push(letter);
    }
    (history, state)
}

/// Two environments before, an own ledger with approvals and a former gate, a branch, a dirty tree.
fn random(seed: u64, rounds: u64) {
    let mut dice = Dice(seed);
    let base = blank();
    let mut opened_gates = 0;
    for round in 0..rounds {
        let lengths = [dice.roll(9), dice.roll(9)];
        let (dev, dev_state) = walk(&mut dice, &base, lengths[0]);
        let (test, test_state) = walk(&mut dice, &base, lengths[1]);
        let now = dev_state.seq.max(test_state.seq) + dice.roll(3);
        let roll_terms = |dice: &mut Dice| Terms {
            after: [["dev"].as_slice(), &["dev", "test"], &[]][dice.roll(3) as usize]
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            approvals: u32::from(dice.roll(3) == 0),
            soak_s: [0, PACE][dice.roll(2) as usize],
            branches: if dice.roll(4) == 0 { vec!["main".to_owned()] } else { Vec::new() },
        };
        let declared = roll_terms(&mut dice);
        let former = (dice.roll(3) == 0).then(|| roll_terms(&mut dice));
        let mut own = opened(&base);
        if let Some(former) = &former {
            let mut start = record(&base, IDLE[4], &own);
            start.gate = Some(former.clone());
            own = fold(Some(own), &start);
        }
        let mut approvals = Vec::new();
        for _ in 0..dice.roll(4) {
            let letter = Letter::Approve {
                by: 1 + dice.roll(2) as u8,
                release: 1 + dice.roll(2) as u8,
                plan: 1 + dice.roll(2) as u8,
            };
            own = fold(Some(own.clone()), &record(&base, letter, &own));
            approvals.push(letter);
        }
        let (dirty, on, first) = (dice.roll(8) == 0, dice.roll(4) > 0, dice.roll(3) == 0);
        let others = BTreeMap::from([
            ("dev".to_owned(), Seen::Known(&dev_state)),
            ("test".to_owned(), Seen::Known(&test_state)),
        ]);
        let open = ask(&others, Some(&own), &declared, dirty, first, if on { Branch::On } else { Branch::Off }, now);

        // The model: both the declared and the former gate must let it pass, the longer soak and more approvals count.
        let both: Vec<&Terms> = std::iter::once(&declared).chain(&former).collect();
        let soak = both.iter().map(|terms| terms.soak_s).max().unwrap_or(0);
        let need = both.iter().map(|terms| terms.approvals).max().unwrap_or(0) as usize;
        let after: BTreeSet<&str> = both.iter().flat_map(|terms| terms.after.iter().map(String::as_str)).collect();
        let branch = both.iter().any(|terms| !terms.branches.is_empty());
        let passes: Vec<_> =
            after.iter().map(|name| lets_pass(if *name == "dev" { &dev } else { &test }, soak, now)).collect();
        let proved: BTreeSet<&str> = passes.iter().flatten().flatten().copied().collect();
        let people: BTreeSet<u8> = approvals
            .iter()
            .filter_map(|letter| match letter {
                Letter::Approve { by, release: 1, plan: 1 } if *by != 1 => Some(*by),
                _ => None,
            })
            .collect();
        let expected = passes.iter().all(Option::is_some)
            && (after.is_empty() || (proved.contains("s1") && (first || proved.contains("s2"))))
            && people.len() >= need
            && (!branch || on)
            && !(dirty && (!after.is_empty() || need > 0 || branch));
        assert_eq!(
            open, expected,
            "round {round}: {declared:?} after {former:?}; dev {dev:?}; test {test:?}; {approvals:?}"
        );
        opened_gates += u64::from(open);
    }
    assert!(
        opened_gates * 20 > rounds && opened_gates * 20 < rounds * 19,
        "{opened_gates} of {rounds} were open: too few of one kind"
    );
}

#[test]
fn the_gate_is_the_model_after_random_histories() {
    random(0x9e37_79b9_7f4a_7c15, 4_000);
}

#[test]
#[ignore = "a million take minutes"]
fn the_gate_is_the_model_after_a_million_random_histories() {
    random(0x2545_f491_4f6c_dd1d, 1_000_000);
}

/// What a state says does not depend on whether it went through `state.json` in between, nor on how long the history is.
#[test]
fn a_state_survives_being_written_after_every_event() {
    let (base, mut dice) = (blank(), Dice(7));
    for _ in 0..200 {
        let (history, state) = walk(&mut dice, &base, 12);
        let mut written = opened(&base);
        for letter in history {
            let next = fold(Some(written.clone()), &record(&base, letter, &written));
            written = State::parse(&serde_json::to_vec(&next).expect("a state is JSON")).expect("it was just written");
        }
        assert_eq!(written, state);
    }
}

/// The state does not grow with the history.
#[test]
fn a_state_is_bounded() {
    let base = blank();
    let mut state = opened(&base);
    for number in 0..500_u32 {
        let mut start = record(&base, IDLE[0], &state);
        start.release.as_mut().expect("it has one").id = format!("{number:040}");
        state = fold(Some(state.clone()), &start);
        state = fold(Some(state.clone()), &record(&base, GOOD, &state));
        state = fold(Some(state.clone()), &record(&base, Letter::Approve { by: 2, release: 1, plan: 1 }, &state));
    }
    assert_eq!((state.proofs.len(), state.forgotten, state.sets.len()), (32, 468, 1));
    let size = serde_json::to_vec(&state).expect("a state is JSON").len();
    assert!(size < 40_000, "{size} bytes");
}
