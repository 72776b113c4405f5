//! What it costs: round trips, journal lines, and a status that does not grow with the history.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ciao::ledger::{Ledger, Release, Settings, Source};

use crate::fixture::*;

/// A remote behind an ssh that counts how often it is used: `core.sshCommand` is the user's, and honoured.
#[test]
fn a_deployment_is_two_round_trips() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ssh, log) = (folder.path("ssh"), folder.path("log"));
    std::fs::write(
        &ssh,
        format!("#!/bin/sh\necho x >> {}\nfor last; do :; done\nexec sh -c \"$last\"\n", log.display()),
    )
    .unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    git(&repo, &format!("config core.sshCommand {}", ssh.display()));
    git(&repo, &format!("remote set-url origin elsewhere:{}", bare.display()));
    let ledger = shared(&repo);
    let trips = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    deploy(&ledger, "dev");
    assert_eq!(trips(), 3, "the first one of a clone also looks");
    deploy(&ledger, "dev");
    assert_eq!(trips(), 5);
    let asked = after(request(&ledger, "prod"), &["dev"]);
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    let before = trips();
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    assert_eq!(trips() - before, 2, "also where another environment opens the gate");
    // Where the other environment has changed since, it is noticed in the same trip.
    let other = shared(&clone(&folder, &bare, "berta"));
    let holding = start(&other, "dev");
    other.finish(holding, &bad()).unwrap();
    says(&refused(ledger.start(&asked)), &["3: ", "failed: "]);
}

fn best(mut what: impl FnMut()) -> Duration {
    let time = |what: &mut dyn FnMut()| {
        let begun = Instant::now();
        what();
        begun.elapsed()
    };
    (0..15).map(|_| time(&mut what)).min().expect("it was done")
}

/// A chain of so many events on top of a real deployment: the same tree each time.
fn lengthen(repo: &std::path::Path, environment: &str, events: usize) {
    let mut child =
        Command::new("git").current_dir(repo).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stream = format!("reset refs/deployments/{environment}\nfrom refs/deployments/{environment}^0\n\n");
    for _ in 0..events {
        stream += &format!("commit refs/deployments/{environment}\ncommitter A <a@b> 1767225600 +0000\ndata 1\nx\n");
    }
    child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    git(repo, &format!("update-ref refs/ciao/local/{environment} refs/deployments/{environment}"));
}

fn status_time(environments: usize, events: usize) -> Duration {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let ledger = local(&repo);
    let names: Vec<String> = (0..environments).map(|number| format!("env-{number}")).collect();
    for name in &names {
        deploy(&ledger, name);
        lengthen(&repo, name, events);
    }
    let request = request(&ledger, "env-0");
    let mut names = names.iter();
    let asked: Vec<_> = (0..environments)
        .map(|_| {
            let mut asked = request.clone();
            asked.environment.clone_from(names.next().unwrap());
            asked
        })
        .collect();
    best(|| {
        let ledger = Ledger::open(&repo, Settings::default(), Source::system()).unwrap();
        Release::here(&ledger.git).unwrap();
        let rows = ledger.rows(&asked).unwrap();
        assert!(rows.iter().all(|row| row.state.word() == "succeeded"));
    })
}

#[test]
fn fault_50_status_does_not_grow_with_the_history() {
    let (short, long) = (status_time(3, 1), status_time(3, 1000));
    println!("status of three environments: {short:?} after 3 events, {long:?} after 1,000");
    assert!(
        long < Duration::from_millis(300) && long < short * 3 + Duration::from_millis(20),
        "{short:?}, then {long:?}"
    );
}

#[test]
#[ignore = "ten times 10,000 events"]
fn fault_50_status_of_a_hundred_thousand_events() {
    let time = status_time(10, 10_000);
    println!("status of ten environments with 10,000 events each: {time:?}");
    assert!(time < Duration::from_millis(300), "{time:?}");
}

#[test]
#[ignore = "measures"]
fn what_things_cost() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    println!("open: {:?}", best(|| drop(local(&ledger.git.root))));
    println!("release: {:?}", best(|| drop(Release::here(&ledger.git).unwrap())));
    let asked = request(&ledger, "dev");
    println!("start and finish: {:?}", best(|| drop(ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap())));
    write(&ledger.git.root, "new", "dirty");
    println!("release of a dirty tree: {:?}", best(|| drop(Release::here(&ledger.git).unwrap())));
    let repo = repository(&folder.path("other"));
    share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    let asked = request(&ledger, "dev");
    println!(
        "start and finish, shared by file: {:?}",
        best(|| drop(ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap()))
    );
}
