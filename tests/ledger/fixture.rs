//! Repositories to deploy from, with a clock that is set and ids that are counted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ciao::ledger::record::{Ended, Outcome, StepRecord, Terms};
use ciao::ledger::{Ending, Holding, Ledger, Release, Request, Settings, Source};

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("ciao-ledger-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

/// Runs git as a user would, apart from the configuration of whoever runs the tests.
#[track_caller]
pub fn git(folder: &Path, args: &str) -> String {
    let output = try_git(folder, args);
    assert!(
        output.status.success(),
        "git {args} in {}: {}",
        folder.display(),
        String::from_utf8_lossy(&[output.stderr, output.stdout.clone()].concat())
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub fn try_git(folder: &Path, args: &str) -> std::process::Output {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args.split_whitespace());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for (name, value) in [("NAME", "Anna"), ("EMAIL", "anna@example.org")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command.output().expect("git can be run")
}

/// A repository with one commit that is called `main`, and values for two environments.
pub fn repository(path: &Path) -> PathBuf {
    std::fs::create_dir_all(path.join("pipelines/environments")).expect("a folder can be made");
    git(path, "init --quiet --initial-branch main");
    git(path, "config user.name Anna");
    git(path, "config user.email anna@example.org");
    write(path, "pipelines/environment.toml", "# nothing");
    write(path, "pipelines/environments/dev.toml", "port = 1");
    write(path, "pipelines/environments/prod.toml", "port = 2");
    commit(path, "first");
    path.to_owned()
}

pub fn write(path: &Path, name: &str, text: &str) {
    let file = path.join(name);
    std::fs::create_dir_all(file.parent().expect("a file has a folder")).expect("a folder can be made");
    std::fs::write(file, text).expect("a file can be written");
}

pub fn commit(path: &Path, message: &str) {
    git(path, "add --all");
    git(path, &format!("commit --quiet --allow-empty -m {message}"));
}

/// A bare repository beside, and the repository's remote `origin`.
pub fn share(folder: &Folder, repository: &Path) -> PathBuf {
    let bare = folder.path("origin.git");
    std::fs::create_dir_all(&bare).expect("a folder can be made");
    git(&bare, "init --quiet --bare --initial-branch main");
    git(repository, &format!("remote add origin {}", bare.display()));
    git(repository, "push --quiet origin main");
    bare
}

/// Another clone, of another person.
pub fn clone(folder: &Folder, bare: &Path, name: &str) -> PathBuf {
    git(&folder.0, &format!("clone --quiet {} {name}", bare.display()));
    let path = folder.path(name);
    git(&path, &format!("config user.name {name}"));
    git(&path, &format!("config user.email {name}@example.org"));
    path
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
