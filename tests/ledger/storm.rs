//! A storm: eight who deploy the same environment, each a process that is killed (SIGKILL) and stopped (SIGSTOP) at random,
//! over pushes that die before or after they were applied. Afterwards the ledger is judged from a clone that has seen
//! nothing. The judge is judged too: it must find what a tool without a fence does.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ciao::ledger::record::{Ended, Kind, Record};
use ciao::ledger::state::{State, fold};
use ciao::ledger::{Failure, Holding, Ledger, Request, Unlock};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::*;

const DEPLOYERS: usize = 8;
/// A storm goes on until so much was acknowledged, however slow the machine is.
const FEW: usize = 10;

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Not a test: one of those who deploy. What it was told is in its file, a line each: `acknowledged ID`, `fenced ID`.
#[test]
#[ignore = "is started by others"]
fn deployer() {
    let Ok(path) = std::env::var("CIAO_DEPLOYER") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (path, mut dice) = (PathBuf::from(path), Dice(number("CIAO_SEED")));
    let (said, over) = (path.with_extension("said"), path.with_file_name("over"));
    let ledger = shared(&path);
    let asked = request(&ledger, "dev");
    let mut say = |word: &str, id: &str| {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&said).unwrap();
        file.write_all(format!("{word} {id}\n").as_bytes()).unwrap();
    };
    while !over.exists() {
        if number("CIAO_FENCE_OFF") == 1 {
            fenceless(&ledger, &asked, &mut dice, &mut say);
        } else {
            fenced(&ledger, &asked, &mut dice, &mut say);
        }
    }
}

/// One turn of one clone: deploy, go on with what was killed, or free what somebody else holds.
fn fenced(ledger: &Ledger, asked: &Request, dice: &mut Dice, say: &mut impl FnMut(&str, &str)) {
    match ledger.start(asked) {
        Ok(holding) => hold(ledger, holding, dice, say),
        Err(error) if error.failure == Failure::Held => match dice.roll(3) {
            0 => {
                let environment = "dev".to_owned();
                let unlock = Unlock { environment, reason: "too slow".to_owned(), accept_ledger: false };
                if let Ok(record) = ledger.unlock(&unlock) {
                    say("acknowledged", &record.id);
                }
            }
            1 => {
                if let Ok(left) = ledger.unfinished("dev")
                    && let Ok(holding) = ledger.resume(&left, asked)
                {
                    hold(ledger, holding, dice, say);
                }
            }
            _ => std::thread::sleep(Duration::from_millis(dice.roll(50))),
        },
        Err(error) => assert_eq!(error.failure, Failure::Unreadable, "{error}"),
    }
}

fn hold(ledger: &Ledger, holding: Holding, dice: &mut Dice, say: &mut impl FnMut(&str, &str)) {
    let event = holding.event.clone();
    say("acknowledged", &event);
    std::thread::sleep(Duration::from_millis(dice.roll(100)));
    match ledger.finish(holding, &good()) {
        Ok(record) => say("acknowledged", &record.id),
        Err(error) if error.message.contains("taken away") => say("fenced", &event),
        Err(error) => assert_eq!(error.failure, Failure::Unrecorded, "{error}"),
    }
}

/// The same turn of a tool that looks before it writes, and then writes: a push with force and no lease.
fn fenceless(ledger: &Ledger, asked: &Request, dice: &mut Dice, say: &mut impl FnMut(&str, &str)) {
    if ledger.sync().is_err() {
        return;
    }
    let Ok(Some(tip)) = ledger.standing("dev").map(|standing| standing.tip) else { return };
    let holder = tip.state.running().cloned();
    let mut record = ledger.record("dev", if holder.is_some() { Kind::Unlocked } else { Kind::Started });
    record.release = Some(asked.release.clone());
    record.fence = holder.as_ref().map(|holder| holder.fence);
    if holder.is_some() && dice.roll(3) > 0 {
        return std::thread::sleep(Duration::from_millis(dice.roll(50)));
    }
    let Some((commit, state)) = forced(ledger, &tip.commit, tip.state, &mut record) else { return };
    say("acknowledged", &record.id);
    if holder.is_some() {
        return;
    }
    std::thread::sleep(Duration::from_millis(dice.roll(100)));
    let mut end = ledger.record("dev", Kind::Finished);
    (end.release, end.fence, end.outcome) = (record.release, Some(record.seq), Some(Ended::Succeeded));
    if forced(ledger, &commit, state, &mut end).is_some() {
        say("acknowledged", &end.id);
    }
}

/// Appends an event to what is known; `None` if the push failed.
fn forced(ledger: &Ledger, parent: &str, state: State, record: &mut Record) -> Option<(String, State)> {
    let root = &ledger.git.root;
    record.seq = state.seq + 1;
    let state = fold(Some(state), record);
    let mut tree = String::new();
    for (name, json) in [("record", serde_json::to_string(record)), ("state", serde_json::to_string(&state))] {
        write(root, &format!(".git/{name}.json"), json.unwrap());
        let blob = git(root, &format!("hash-object -w .git/{name}.json"));
        tree += &format!("100644 blob {blob}\t{name}.json\n");
    }
    write(root, ".git/tree", &tree);
    let input = std::fs::File::open(root.join(".git/tree")).unwrap();
    let made = Command::new("git").current_dir(root).arg("mktree").stdin(input).output().unwrap();
    let tree = String::from_utf8(made.stdout).unwrap();
    let commit = git(root, &format!("commit-tree {} -p {parent} -m forced", tree.trim()));
    let push = try_git(root, &format!("push --quiet --force origin {commit}:refs/deployments/dev"));
    push.status.success().then_some((commit, state))
}

/// A deployer that does not outlive the storm, also where that fails.
struct Deployer(Child);

impl Drop for Deployer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn started(path: &Path, seed: u64, fence: bool) -> Deployer {
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    command.args(["--ignored", "--exact", "storm::deployer", "--nocapture"]);
    command.env("CIAO_DEPLOYER", path).env("CIAO_SEED", seed.to_string());
    command.env("CIAO_FENCE_OFF", u8::from(!fence).to_string());
    let errors = std::fs::OpenOptions::new().create(true).append(true).open(path.with_extension("errors")).unwrap();
    Deployer(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().expect("a test can be run"))
}

/// Lets them deploy for so long, and at least until some deployments were acknowledged; the clones.
///
/// `slow`: how much slower this machine is than one on which a deployment takes a tenth of a second. Whoever is killed before
/// anything can happen proves nothing.
fn blow(folder: &Folder, bare: &Path, time: Duration, slow: u64, fence: bool) -> Vec<PathBuf> {
    let clones: Vec<PathBuf> = (0..DEPLOYERS).map(|number| clone(folder, bare, &format!("person-{number}"))).collect();
    let mut seed = 0;
    let mut next = |path: &PathBuf| {
        seed += 1;
        started(path, seed * 0x9e37_79b9, fence)
    };
    let mut deployers: Vec<Deployer> = clones.iter().map(&mut next).collect();
    let (mut stopped, mut dice, begun) = (BTreeSet::new(), Dice(7), Instant::now());
    let signal = |child: &Child, signal: Signal| {
        let id = Pid::from_raw(child.id().cast_signed()).expect("a process has an id");
        kill_process(id, signal).expect("it has not been waited for");
    };
    let few = || clones.iter().map(|path| acknowledged(path).len()).sum::<usize>() < FEW;
    while begun.elapsed() < time || (few() && begun.elapsed() < time + Duration::from_secs(300)) {
        std::thread::sleep(Duration::from_millis(slow * (40 + dice.roll(80))));
        let number = usize::try_from(dice.roll(DEPLOYERS as u64)).expect("it is small");
        let child = &mut deployers[number].0;
        // Whoever is stopped at the time of a roll goes on at the next one that hits it.
        if stopped.remove(&number) {
            signal(child, Signal::CONT);
        } else if dice.roll(5) < 2 {
            signal(child, Signal::KILL);
            let ended = child.wait().expect("it ends");
            assert_eq!(ended.code(), None, "{}: {}", clones[number].display(), errors(&clones[number]));
            deployers[number] = next(&clones[number]);
        } else {
            signal(child, Signal::STOP);
            stopped.insert(number);
        }
    }
    write(&folder.0, "over", "");
    for (path, Deployer(child)) in clones.iter().zip(&mut deployers) {
        signal(child, Signal::CONT);
        assert!(child.wait().expect("it ends").success(), "{}: {}", path.display(), errors(path));
    }
    clones
}

fn errors(path: &Path) -> String {
    std::fs::read_to_string(path.with_extension("errors")).unwrap_or_default()
}

fn told(path: &Path, word: &str) -> Vec<String> {
    let said = std::fs::read_to_string(path.with_extension("said")).unwrap_or_default();
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(first, _)| *first == word).map(|(_, id)| id.to_owned()).collect()
}

fn acknowledged(path: &Path) -> Vec<String> {
    told(path, "acknowledged")
}

/// What is wrong with a history, the oldest event first, that so many were told of; nothing if all is well.
fn wrong(history: &[Record], acknowledged: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    for record in history {
        if !ids.insert(record.id.as_str()) {
            found.push(format!("{} was recorded twice", record.id));
        }
    }
    for id in acknowledged {
        if !ids.contains(id.as_str()) {
            found.push(format!("{id} was acknowledged, and is lost"));
        }
    }
    let mut holder: Option<u64> = None;
    for (index, record) in history.iter().enumerate() {
        if record.seq != index as u64 {
            found.push(format!("{} has number {} at place {index}", record.id, record.seq));
        }
        match record.event {
            Kind::Started if holder.is_some() => found.push(format!("two hold the lock at {}", record.id)),
            Kind::Finished | Kind::Unlocked if holder != record.fence => {
                found.push(format!("{} ends what does not run", record.id));
            }
            _ => {}
        }
        match record.event {
            Kind::Started | Kind::Resumed => holder = Some(record.seq),
            Kind::Finished | Kind::Unlocked => holder = None,
            _ => {}
        }
    }
    found
}

struct Found {
    events: usize,
    acknowledged: usize,
    fenced: usize,
    wrong: Vec<String>,
}

fn storm(time: Duration, fence: bool) -> Found {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let begun = Instant::now();
    deploy(&shared(&repo), "dev");
    let slow = begun.elapsed().as_millis().div_ceil(100).try_into().expect("it has not taken for ever");
    let killer = "#!/bin/sh\nif [ $(( $$ % 7 )) -lt 2 ]; then kill -9 $(ps -o ppid= -p $PPID) $PPID; fi\n";
    for hook in ["pre-receive", "post-receive"] {
        script(&bare.join("hooks").join(hook), killer);
    }
    let clones = blow(&folder, &bare, time, slow, fence);
    // The network is good again: everything left is recorded, or late.
    std::fs::remove_dir_all(bare.join("hooks")).unwrap();
    if fence {
        for path in &clones {
            let ledger = shared(path);
            ledger.sync().unwrap();
            ledger.publish(&["dev"]).unwrap();
        }
    }
    let judge = shared(&clone(&folder, &bare, "judge"));
    judge.sync().unwrap();
    assert!(!fence || judge.adds_up("dev").unwrap());
    git(&bare, "fsck --strict --no-dangling");
    let mut history: Vec<Record> =
        judge.history("dev", 1_000_000).unwrap().into_iter().map(|(_, record)| record).collect();
    history.reverse();
    let all: Vec<String> = clones.iter().flat_map(|path| acknowledged(path)).collect();
    let fenced = clones.iter().map(|path| told(path, "fenced").len()).sum();
    let found = Found { events: history.len(), acknowledged: all.len(), fenced, wrong: wrong(&history, &all) };
    println!(
        "{} events, {} acknowledged, {} fenced, {} wrong",
        found.events,
        found.acknowledged,
        found.fenced,
        found.wrong.len()
    );
    found
}

#[track_caller]
fn survived(time: Duration) {
    let found = storm(time, true);
    assert_eq!(found.wrong, [""; 0]);
    assert!(found.acknowledged >= FEW, "only {} were acknowledged", found.acknowledged);
    // In a short one nobody may have been unlocked just then.
    assert!(found.fenced > 0 || time < Duration::from_secs(20), "no holder was fenced");
}

#[test]
#[ignore = "half a minute"]
fn fault_29_31_34_half_a_minute_of_it() {
    survived(Duration::from_secs(30));
}

#[test]
#[ignore = "ten minutes"]
fn fault_29_31_34_ten_minutes_of_it() {
    survived(Duration::from_secs(600));
}

#[test]
#[ignore = "ten seconds"]
fn fault_34_a_tool_without_a_fence_is_found_out() {
    let found = storm(Duration::from_secs(2), false);
    let lost = found.wrong.iter().filter(|what| what.contains("is lost")).count();
    assert!(lost > 0, "{} were acknowledged, and none is lost: {:?}", found.acknowledged, found.wrong);
}
