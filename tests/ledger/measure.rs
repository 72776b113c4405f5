//! What it costs: round trips, journal lines, and a status that does not grow with the history.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ciao::ledger::{Ledger, Release, Request, Settings, Source};

use crate::fixture::*;

/// A remote behind an ssh that counts how often it is used: `core.sshCommand` is the user's, and honoured.
#[test]
fn a_deployment_is_two_round_trips() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ssh, log) = (folder.path("ssh"), folder.path("log"));
    script(&ssh, &format!("#!/bin/sh\necho x >> {}\nfor last; do :; done\nexec sh -c \"$last\"\n", log.display()));
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
    let branches = vec!["main".to_owned()];
    let settings = Settings { branches: branches.clone(), ..ledger.settings.clone() };
    let of_branch = Ledger::open(&repo, settings, Source::system()).unwrap();
    let mut asked_of_branch = request(&ledger, "branch");
    asked_of_branch.terms.branches = branches;
    of_branch.finish(of_branch.start(&asked_of_branch).unwrap(), &good()).unwrap();
    let before = trips();
    of_branch.finish(of_branch.start(&asked_of_branch).unwrap(), &good()).unwrap();
    assert_eq!(trips() - before, 2, "also where a branch does");
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
fn lengthen(repo: &Path, environment: &str, events: usize) {
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

/// A repository of so many environments, each with so many events.
fn long(folder: &Folder, environments: usize, events: usize) -> PathBuf {
    let repo = repository(&folder.path(&format!("of {events}")));
    let ledger = local(&repo);
    for number in 0..environments {
        deploy(&ledger, &format!("env-{number}"));
        lengthen(&repo, &format!("env-{number}"), events);
    }
    repo
}

/// What `status` does: each environment has succeeded.
#[track_caller]
fn status(repo: &Path, environments: usize) {
    let ledger = local(repo);
    let asked = request(&ledger, "env-0");
    let asked = |number| Request { environment: format!("env-{number}"), ..asked.clone() };
    assert!((0..environments).all(|number| ledger.row(&asked(number)).unwrap().state.word() == "succeeded"));
}

/// Not a test: asks for the status, or for all that happened, in a process of its own.
#[test]
#[ignore = "is run by another"]
fn asks() {
    let Ok(repo) = std::env::var("CIAO_VICTIM") else { return };
    if std::env::var("CIAO_ALL").is_ok() {
        assert!(local(Path::new(&repo)).history("env-0", 10_000).unwrap().len() > 3);
    } else {
        status(Path::new(&repo), 3);
    }
}

/// How many gits are run for it, and how many bytes they say: what a git reads and keeps to itself is not seen.
#[track_caller]
fn read(repo: &Path, all: bool) -> (usize, u64) {
    let folder = Folder::new();
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("git"))
        .find(|git| git.is_file())
        .expect("git is installed");
    // What it says is written down first, and goes on at once: some are asked again and again.
    let (calls, said) = (folder.path("calls"), folder.path("said"));
    let counts = format!(
        "#!/bin/bash\nset -o pipefail\necho \"$*\" >> '{}'\n'{}' \"$@\" | tee /dev/fd/3 3>&1 >> '{}'\n",
        calls.display(),
        real.display(),
        said.display()
    );
    script(&folder.path("bin/git"), &counts);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "measure::asks"]).env("CIAO_VICTIM", repo);
    let path = format!("{}:{}", folder.path("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).envs(all.then_some(("CIAO_ALL", "yes")));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    (std::fs::read_to_string(calls).unwrap().lines().count(), std::fs::metadata(said).unwrap().len())
}

#[test]
fn fault_50_status_does_not_grow_with_the_history() {
    let folder = Folder::new();
    let (short, long) = (long(&folder, 3, 3), long(&folder, 3, 1000));
    let (few, many) = (read(&short, false), read(&long, false));
    println!("status of three environments: {few:?} gits and bytes after 3 events, {many:?} after 1,000");
    // Paths and numbers are longer; a thousand events are 40 kB, were it only their names.
    assert!(many.0 == few.0 && many.1 < few.1 + 1000, "{few:?}, {many:?}");
    // What reads all of it is seen.
    let (few, many) = (read(&short, true), read(&long, true));
    assert!(many.1 > few.1 + 50_000, "{few:?}, {many:?}");
}

#[test]
#[ignore = "ten times 10,000 events"]
fn fault_50_status_of_a_hundred_thousand_events() {
    let folder = Folder::new();
    let repo = long(&folder, 10, 10_000);
    let time = best(|| status(&repo, 10));
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
