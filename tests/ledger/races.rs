//! Many who deploy the same at once: never two holders, never none, and nothing acknowledged is lost.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ciao::ledger::{Failure, Ledger, Settings, Source};

use crate::fixture::*;

fn open(path: &Path, remote: bool) -> Ledger {
    let remote = remote.then(|| "origin".to_owned());
    Ledger::open(path, Settings { remote, ..Settings::default() }, Source::system()).expect("the ledger can be opened")
}

/// Eight start at once, `rounds` times: exactly one may, and the others are told why not.
fn race(clones: &[PathBuf], remote: bool, environment: &str, rounds: usize) {
    let barrier = Barrier::new(clones.len());
    let winners = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for path in clones {
            scope.spawn(|| {
                let ledger = open(path, remote);
                let asked = request(&ledger, environment);
                for round in 0..rounds {
                    barrier.wait();
                    let result = ledger.start(&asked);
                    match &result {
                        Ok(_) => drop(winners.fetch_add(1, Ordering::SeqCst)),
                        Err(error) => assert_eq!(error.failure, Failure::Held, "round {round}: {error}"),
                    }
                    barrier.wait();
                    assert_eq!(winners.load(Ordering::SeqCst), round + 1, "round {round}");
                    barrier.wait();
                    if let Ok(holding) = result {
                        ledger.finish(holding, &good()).expect("the holder records its end");
                    }
                    barrier.wait();
                }
            });
        }
    });
    let ledger = open(&clones[0], remote);
    ledger.sync().expect("the ledger can be read");
    let state = ledger.standing(environment).expect("the ledger can be read").tip.expect("it has events").state;
    assert_eq!(state.seq, 2 * rounds as u64);
    assert!(ledger.adds_up(environment).expect("the history can be read"));
}

fn local_race(rounds: usize) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    race(&vec![repo; 8], false, "dev", rounds);
}

fn shared_race(rounds: usize) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let clones: Vec<PathBuf> = (0..8).map(|number| clone(&folder, &bare, &format!("person-{number}"))).collect();
    race(&clones, true, "dev", rounds);
}

#[test]
fn fault_36_two_people_deploy_the_same_environment() {
    local_race(5);
    shared_race(1);
}

/// How many races are run: `CIAO_ROUNDS`, or so many.
fn rounds(usual: usize) -> usize {
    let set = std::env::var("CIAO_ROUNDS").ok();
    set.map_or(usual, |number| number.parse().expect("CIAO_ROUNDS is a number"))
}

#[test]
#[ignore = "1,250 races of eight, or CIAO_ROUNDS of them"]
fn fault_36_local_races_of_eight() {
    local_race(rounds(1250));
}

#[test]
#[ignore = "125 races of eight, or CIAO_ROUNDS of them"]
fn fault_36_shared_races_of_eight() {
    shared_race(rounds(125));
}

/// Three environments, each raced for: no race disturbs another, and none takes a git's lock file for a dead one's.
fn three_races(clones: &[PathBuf], remote: bool, rounds: usize) {
    std::thread::scope(|scope| {
        for name in ["dev", "test", "prod"] {
            scope.spawn(move || race(clones, remote, name, rounds));
        }
    });
}

#[test]
fn fault_37_three_environments_at_once_do_not_disturb_each_other() {
    let folder = Folder::new();
    three_races(&vec![repository(&folder.path("alone")); 2], false, 2);
    // From the same clone, so that all fetch and push beside each other.
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    three_races(&[repo], true, 3);
}

#[test]
#[ignore = "half a minute"]
fn fault_37_three_environments_raced_for_by_eight() {
    let folder = Folder::new();
    three_races(&vec![repository(&folder.path("alone")); 8], false, 20);
    let bare = share(&folder, &repository(&folder.path("repo")));
    let clones: Vec<PathBuf> = (0..8).map(|number| clone(&folder, &bare, &format!("person-{number}"))).collect();
    three_races(&clones, true, 5);
}

#[test]
fn fault_38_a_loser_that_gives_up_leaves_the_winner_alone() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ledger, other) = (open(&repo, true), open(&clone(&folder, &bare, "berta"), true));
    let holding = start(&ledger, "dev");
    let before = git(&bare, "rev-parse refs/deployments/dev");
    let asked = request(&other, "dev");
    says(&refused(other.start_waiting(&asked, Duration::from_secs(60), |_, _| false)), &["4: "]);
    says(&refused(other.unfinished("dev")), &["4: "]);
    drop(other);
    assert_eq!(git(&bare, "rev-parse refs/deployments/dev"), before);
    ledger.finish(holding, &good()).unwrap();
}

/// Deploys again and again, while another asks for the same: nobody dies, and nobody is said to.
fn nobody_is_killed(ledger: &Ledger, other: &Ledger, rounds: usize) {
    let over = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                match ledger.start(&request(ledger, "dev")) {
                    Ok(holding) => drop(ledger.finish(holding, &good()).expect("it is recorded")),
                    Err(error) => assert!(!error.message.contains("killed"), "{error}"),
                }
            }
            over.store(1, Ordering::SeqCst);
        });
        let asked = request(other, "dev");
        while over.load(Ordering::SeqCst) == 0 {
            match other.start(&asked) {
                Ok(holding) => drop(other.finish(holding, &good()).expect("it is recorded")),
                Err(error) => assert!(!error.message.contains("killed"), "{error}"),
            }
            other.sync().expect("the remote can be reached");
            let row = other.row(&asked).expect("the ledger can be read");
            assert_ne!(row.state.word(), "unfinished", "{:?}", row.notes);
            let said = refused(other.unfinished("dev"));
            assert!(!said.contains("killed") && !said.contains("journal"), "{said}");
        }
    });
}

#[test]
fn fault_36_a_holder_that_has_just_ended_well_was_called_killed() {
    let folder = Folder::new();
    let repo = repository(&folder.path("alone"));
    nobody_is_killed(&open(&repo, false), &open(&repo, false), 30);
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    nobody_is_killed(&open(&repo, true), &open(&clone(&folder, &bare, "berta"), true), 10);
}

#[test]
fn who_waits_is_next() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let (ledger, other) = (open(&repo, false), open(&repo, false));
    let holding = start(&ledger, "dev");
    let asked = request(&other, "dev");
    let told = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            other.start_waiting(&asked, Duration::from_secs(30), |_, pause| {
                told.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(pause);
                true
            })
        });
        while told.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        ledger.finish(holding, &good()).unwrap();
        let next = waiting.join().expect("it does not panic").unwrap();
        assert_eq!(next.fence, 3);
    });
}
