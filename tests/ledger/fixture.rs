//! Repositories to deploy from, with a clock that is set and ids that are counted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ciao::ledger::record::{Ended, Outcome, StepRecord, Terms};
use ciao::ledger::{Ending, Holding, Ledger, Release, Request, Settings, Source};
use ciao::run::event::Event;

use crate::repo;
#[allow(unused_imports, reason = "the benchmarks use less of it")]
pub use crate::repo::{Folder, commit, script, write};

/// What git prints, with the words of its command in one.
#[track_caller]
pub fn git(folder: &Path, words: &str) -> String {
    repo::git(folder, &words.split_whitespace().collect::<Vec<_>>())
}

pub fn try_git(folder: &Path, words: &str) -> std::process::Output {
    repo::git_command(folder, &words.split_whitespace().collect::<Vec<_>>()).output().expect("git can be run")
}

/// A repository with one commit that is called `main`, and values for two environments.
#[track_caller]
pub fn repository(path: &Path) -> PathBuf {
    write(path, "pipelines/environment.toml", "# nothing");
    write(path, "pipelines/environments/dev.toml", "port = 1");
    write(path, "pipelines/environments/prod.toml", "port = 2");
    repo::committed(path);
    let known = std::fs::read_to_string(path.join(".git/config")).expect("git has made it");
    write(path, ".git/config", known + "[user]\n\tname = Anna\n\temail = anna@example.org\n");
    path.to_owned()
}

/// A bare repository beside, and the repository's remote `origin`.
pub fn share(folder: &Folder, repository: &Path) -> PathBuf {
    let bare = folder.path("origin.git");
    git(&folder.0, "init --quiet --bare --initial-branch=main --template= origin.git");
    git(repository, &format!("remote add origin {}", bare.display()));
    git(repository, "push --quiet origin main");
    bare
}

/// Another clone, of another person.
pub fn clone(folder: &Folder, bare: &Path, name: &str) -> PathBuf {
    let person = format!("-c user.name={name} -c user.email={name}@example.org");
    git(&folder.0, &format!("clone --quiet --template= {person} {} {name}", bare.display()));
    folder.path(name)
}

/// 2026-01-01, and a second later at each event.
pub fn source(seed: u64) -> Source {
    let (ticks, ids) = (AtomicU64::new(0), AtomicU64::new(1));
    let start = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    Source {
        now: Arc::new(move || start + Duration::from_secs(ticks.fetch_add(1, Ordering::SeqCst))),
        id: Arc::new(move || format!("{seed:08x}{:08x}", ids.fetch_add(1, Ordering::SeqCst))),
    }
}

pub fn at(now: SystemTime) -> Source {
    Source { now: Arc::new(move || now), ..Source::system() }
}

#[track_caller]
pub fn local(path: &Path) -> Ledger {
    Ledger::open(path, Settings::default(), Source::system()).expect("the ledger can be opened")
}

#[track_caller]
pub fn shared(path: &Path) -> Ledger {
    let settings = Settings { remote: Some("origin".to_owned()), ..Settings::default() };
    Ledger::open(path, settings, Source::system()).expect("the ledger can be opened")
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Two steps; `web/verify` verifies; no gate.
#[track_caller]
pub fn request(ledger: &Ledger, environment: &str) -> Request {
    request_of(Release::here(&ledger.git).expect("the release has a name"), environment)
}

pub fn request_of(release: Release, environment: &str) -> Request {
    Request {
        environment: environment.to_owned(),
        personal: false,
        release,
        plan: "plan-1".to_owned(),
        plan_text: "dev\n  web\n    install\n    verify\n".to_owned(),
        steps: set(&["web/install", "web/verify"]),
        verify: set(&["web/verify"]),
        finally: BTreeSet::new(),
        first_run: BTreeSet::new(),
        complete: true,
        terms: Terms::default(),
        after_in_head: false,
        force: None,
    }
}

pub fn after(mut request: Request, names: &[&str]) -> Request {
    request.terms.after = names.iter().map(|name| (*name).to_owned()).collect();
    request
}

pub fn steps(outcomes: &[(&str, Outcome)]) -> Vec<StepRecord> {
    outcomes
        .iter()
        .map(|(id, outcome)| StepRecord { attempts: 1, seconds: 0.5, exit: Some(0), ..StepRecord::new(id, *outcome) })
        .collect()
}

/// What the journal keeps of a step.
pub fn began(step: &str, owes: bool) -> Event {
    Event::Started { step: step.to_owned(), attempt: 1, owes }
}

pub fn ended(step: &str, outcome: Outcome) -> Event {
    Event::Ended {
        step: step.to_owned(),
        outcome,
        attempts: 1,
        seconds: 0.1,
        exit: Some(0),
        signal: None,
        message: None,
    }
}

pub fn good() -> Ending {
    Ending {
        outcome: Ended::Succeeded,
        steps: steps(&[("web/install", Outcome::Succeeded), ("web/verify", Outcome::Done)]),
    }
}

pub fn bad() -> Ending {
    Ending {
        outcome: Ended::Failed,
        steps: steps(&[("web/install", Outcome::Failed), ("web/verify", Outcome::NotRun)]),
    }
}

#[track_caller]
pub fn deploy(ledger: &Ledger, environment: &str) {
    let holding = start(ledger, environment);
    ledger.finish(holding, &good()).expect("it is recorded");
}

#[track_caller]
pub fn start(ledger: &Ledger, environment: &str) -> Holding {
    ledger.start(&request(ledger, environment)).expect("it may start")
}

/// What an error says, its exit code before it.
#[track_caller]
pub fn refused<T>(result: Result<T, ciao::ledger::Error>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => format!("{}: {error}", error.exit()),
    }
}

#[track_caller]
pub fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}
