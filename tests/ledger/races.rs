//! Many who deploy the same at once: never two holders, never none, and nothing acknowledged is lost.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ciao::ledger::{Failure, Ledger, Request, Settings, Source, Unlock};

use crate::fixture::*;

fn open(path: &Path, remote: bool) -> Ledger {
    let remote = remote.then(|| "origin".to_owned());
    Ledger::open(path, Settings { remote, ..Settings::default() }, Source::system()).expect("the ledger can be opened")
}

/// Eight start at once, `rounds` times: exactly one may, and the others are told why not.
fn race(clones: &[PathBuf], remote: bool, rounds: usize) {
    let barrier = Barrier::new(clones.len());
    let winners = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for path in clones {
            scope.spawn(|| {
                let ledger = open(path, remote);
                let asked = request(&ledger, "dev");
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
    let state = ledger.standing("dev").expect("the ledger can be read").tip.expect("it has events").state;
    assert_eq!(state.seq, 2 * rounds as u64);
    assert!(ledger.adds_up("dev").expect("the history can be read"));
}

fn local_race(rounds: usize) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    race(&vec![repo; 8], false, rounds);
}

fn shared_race(rounds: usize) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let clones: Vec<PathBuf> = (0..8).map(|number| clone(&folder, &bare, &format!("person-{number}"))).collect();
    race(&clones, true, rounds);
}

#[test]
fn fault_36_two_people_deploy_the_same_environment() {
    local_race(5);
    shared_race(1);
}

#[test]
#[ignore = "1,250 rounds of eight are 10,000 starts"]
fn fault_36_ten_thousand_local_starts() {
    local_race(1250);
}

#[test]
#[ignore = "125 rounds of eight are 1,000 starts"]
fn fault_36_a_thousand_shared_starts() {
    shared_race(125);
}

#[test]
fn fault_37_several_environments_at_once_do_not_disturb_each_other() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    let names = ["dev", "test", "prod"];
    std::thread::scope(|scope| {
        for name in names {
            let repo = &repo;
            scope.spawn(move || {
                let ledger = open(repo, true);
                for _ in 0..3 {
                    deploy(&ledger, name);
                }
            });
        }
    });
    let ledger = open(&repo, true);
    for name in names {
        assert_eq!(ledger.standing(name).unwrap().state().unwrap().seq, 6);
    }
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

/// Pushes that die before or after they were applied, at random; holders that are forgotten and unlocked by others.
fn storm(time: Duration) {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let killer = "#!/bin/sh\nif [ $(( $$ % 7 )) -lt 2 ]; then kill -9 $(ps -o ppid= -p $PPID) $PPID; fi\n";
    for hook in ["pre-receive", "post-receive"] {
        write(&bare, &format!("hooks/{hook}"), killer);
        std::fs::set_permissions(bare.join("hooks").join(hook), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let clones: Vec<PathBuf> = (0..8).map(|number| clone(&folder, &bare, &format!("person-{number}"))).collect();
    let (acknowledged, fenced, seed) = (std::sync::Mutex::new(Vec::new()), AtomicU64::new(0), AtomicU64::new(1));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for path in &clones {
            scope.spawn(|| {
                let ledger = open(path, true);
                let asked = request(&ledger, "dev");
                let mut dice = seed.fetch_add(1, Ordering::SeqCst) * 0x9e37_79b9;
                while begun.elapsed() < time {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    turn(&ledger, &asked, dice >> 33, &acknowledged, &fenced);
                }
            });
        }
    });
    // The network is good again: everything left is recorded or freed.
    std::fs::remove_dir_all(bare.join("hooks")).unwrap();
    for path in &clones {
        let ledger = open(path, true);
        ledger.sync().unwrap();
        ledger.publish(&["dev"]).unwrap();
    }
    let ledger = open(&clones[0], true);
    ledger.sync().unwrap();
    let history = ledger.history("dev", 100_000).unwrap();
    let mut ids: Vec<&str> = history.iter().map(|(_, record)| record.id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an event was recorded twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    for id in &acknowledged {
        assert!(ids.binary_search(&id.as_str()).is_ok(), "the acknowledged event {id} is lost");
    }
    assert!(ledger.adds_up("dev").unwrap());
    one_at_a_time(&history);
    println!("{count} events, {} acknowledged, {} fenced", acknowledged.len(), fenced.load(Ordering::SeqCst));
    assert!(acknowledged.len() > 2);
}

/// One turn of one clone: deploy, forget, or free what somebody forgot.
fn turn(ledger: &Ledger, asked: &Request, dice: u64, acknowledged: &std::sync::Mutex<Vec<String>>, fenced: &AtomicU64) {
    let keep = |id: &str| acknowledged.lock().unwrap().push(id.to_owned());
    match ledger.start(asked) {
        Ok(holding) => {
            keep(&holding.event);
            if dice.is_multiple_of(4) {
                // SIGSTOP for a while, or kill -9: the others cannot tell, and unlock.
                std::thread::sleep(Duration::from_millis(dice % 400));
                if dice.is_multiple_of(8) {
                    return;
                }
            }
            match ledger.finish(holding, &good()) {
                Ok(record) => keep(&record.id),
                Err(error) if error.message.contains("taken away") => drop(fenced.fetch_add(1, Ordering::SeqCst)),
                Err(error) => assert_eq!(error.failure, Failure::Unrecorded, "{error}"),
            }
        }
        Err(error) if error.failure == Failure::Held && dice.is_multiple_of(3) => {
            let unlock = Unlock { environment: "dev".to_owned(), reason: "too slow".to_owned(), accept_ledger: false };
            if let Ok(record) = ledger.unlock(&unlock) {
                keep(&record.id);
            }
        }
        Err(error) => assert!(matches!(error.failure, Failure::Held | Failure::Unreadable), "{error}"),
    }
}

/// No start while another one holds; every end is of the one that holds.
fn one_at_a_time(history: &[(String, ciao::ledger::record::Record)]) {
    use ciao::ledger::record::Kind;
    let mut holder = None;
    for (_, record) in history.iter().rev() {
        match record.event {
            Kind::Started => {
                assert_eq!(holder, None, "two hold the lock at {}", record.id);
                holder = Some(record.seq);
            }
            Kind::Finished | Kind::Unlocked => {
                assert_eq!(holder, record.fence, "{} ends what does not run", record.id);
                holder = None;
            }
            _ => {}
        }
    }
}

#[test]
fn fault_29_31_34_pushes_die_and_holders_are_fenced() {
    storm(Duration::from_secs(2));
}

#[test]
#[ignore = "ten minutes"]
fn fault_29_31_34_ten_minutes_of_it() {
    storm(Duration::from_secs(600));
}
