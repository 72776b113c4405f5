//! A deployment that is killed (SIGKILL) at any moment: the next command knows how far it came, and nothing has to be
//! deleted by hand. Also git itself, killed in the middle of a push.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ciao::ledger::record::{Ended, Outcome};
use ciao::ledger::{Failure, Ledger, Settings, Source};
use ciao::run::event::Journal as _;

use crate::fixture::*;

fn open(path: &Path, remote: bool) -> Ledger {
    let remote = remote.then(|| "origin".to_owned());
    Ledger::open(path, Settings { remote, ..Settings::default() }, Source::system()).expect("the ledger can be opened")
}

/// Not a test: what the tests below start as a process of its own, to kill it.
#[test]
#[ignore = "is killed by others"]
fn victim() {
    let Ok(path) = std::env::var("CIAO_VICTIM") else { return };
    let ledger = open(Path::new(&path), std::env::var_os("CIAO_SHARED").is_some());
    let mut holding = ledger.start(&request(&ledger, "dev")).expect("it may start");
    for step in ["web/install", "web/verify"] {
        holding.journal.record(&began(step, false)).expect("it can be written");
        std::thread::sleep(Duration::from_millis(5));
        holding.journal.record(&ended(step, Outcome::Succeeded)).expect("it can be written");
    }
    ledger.finish(holding, &good()).expect("it is recorded");
}

/// Not a test either: what is said where there is no git.
#[test]
#[ignore = "is run by another"]
fn without_git() {
    if let Ok(path) = std::env::var("CIAO_VICTIM") {
        println!("{}", refused(Ledger::open(Path::new(&path), Settings::default(), Source::system())));
    }
}

#[test]
fn fault_51_git_is_missing() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    command.args(["--ignored", "--exact", "killed::without_git", "--nocapture"]);
    let output = command.env("CIAO_VICTIM", repo).env("PATH", "/nonexistent").output().expect("a test can be run");
    says(&String::from_utf8_lossy(&output.stdout), &["5: run git: it is not installed, or not in PATH"]);
}

fn kill_after(repo: &Path, remote: bool, moment: Duration) {
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    command.args(["--ignored", "--exact", "killed::victim"]).env("CIAO_VICTIM", repo);
    if remote {
        command.env("CIAO_SHARED", "1");
    }
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a test can be run");
    std::thread::sleep(moment);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// What people do afterwards: `status`, then `deploy`, or `resume` where it says so.
fn recover(repo: &Path, remote: bool) -> &'static str {
    let ledger = open(repo, remote);
    let asked = request(&ledger, "dev");
    // The git that the killed one had started may still be at it.
    std::thread::sleep(Duration::from_millis(100));
    let word = ledger.row(&asked).expect("there is always a status").state.word();
    match ledger.start(&asked) {
        Ok(holding) => {
            ledger.finish(holding, &good()).expect("it is recorded");
            return word;
        }
        Err(error) => assert_eq!(error.failure, Failure::Held, "{word}: {error}"),
    }
    let left = match ledger.unfinished("dev") {
        Ok(left) => left,
        Err(error) => {
            // A push of the killed one arrived only now, and was freed: nothing of it had run.
            says(&error.message, &["cargo xtask deploy dev"]);
            deploy(&ledger, "dev");
            return word;
        }
    };
    let known: Vec<_> = left.steps.iter().map(|step| (step.id.as_str(), step.outcome)).collect();
    let (first, second) = ("web/install", "web/verify");
    let possible = [
        vec![],
        vec![(first, Outcome::Unknown)],
        vec![(first, Outcome::Succeeded)],
        vec![(first, Outcome::Succeeded), (second, Outcome::Unknown)],
        vec![(first, Outcome::Succeeded), (second, Outcome::Succeeded)],
    ];
    assert!(possible.contains(&known), "{known:?}");
    let holding = ledger.resume(&left, &asked).expect("it can be resumed");
    ledger.finish(holding, &good()).expect("it is recorded");
    word
}

fn killed_at(remote: bool, moments: impl Iterator<Item = u64>) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    let mut seen = std::collections::BTreeMap::new();
    for moment in moments {
        kill_after(&repo, remote, Duration::from_millis(moment));
        *seen.entry(recover(&repo, remote)).or_insert(0) += 1;
        let ledger = open(&repo, remote);
        let state = ledger.standing("dev").unwrap().tip.unwrap().state;
        assert_eq!(state.current.unwrap().outcome, Some(Ended::Succeeded), "killed after {moment} ms");
        assert!(ledger.adds_up("dev").unwrap());
    }
    println!("found: {seen:?}");
}

#[test]
fn fault_4_33_killed_at_some_moments() {
    killed_at(false, (10..110).step_by(20));
    killed_at(true, (30..150).step_by(40));
}

#[test]
#[ignore = "minutes"]
fn fault_4_33_killed_at_every_millisecond() {
    killed_at(false, 0..150);
    killed_at(true, 0..200);
}
