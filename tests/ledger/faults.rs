//! The rows of FAULTS.md that are the ledger's, each by its number.

use std::time::{Duration, SystemTime};

use ciao::ledger::record::{Ended, Kind, Outcome};
use ciao::ledger::{Ledger, Release, Settings, Unlock, Verdict};
use ciao::run::event::Journal as _;

use crate::fixture::*;

fn unlock(environment: &str, accept_ledger: bool) -> Unlock {
    Unlock { environment: environment.to_owned(), reason: "it is dead".to_owned(), accept_ledger }
}

#[test]
fn fault_22_the_journal_tells_what_ran_and_what_nobody_saw() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let mut holding = start(&ledger, "dev");
    holding.journal.record(&began("web/install", false)).unwrap();
    holding.journal.record(&ended("web/install", Outcome::Succeeded)).unwrap();
    holding.journal.record(&began("web/verify", true)).unwrap();
    drop(holding); // as kill -9 does: the lock file is closed, nothing is recorded
    let said = refused(ledger.start(&request(&ledger, "dev")));
    says(&said, &["4: ", "was killed at step web/verify", "cargo xtask resume dev", "unlock dev"]);
    let left = ledger.unfinished("dev").unwrap();
    let known: Vec<_> = left.steps.iter().map(|step| (step.id.as_str(), step.outcome)).collect();
    assert_eq!(known, [("web/install", Outcome::Succeeded), ("web/verify", Outcome::Unknown)]);
    assert_eq!(left.owed, ["web/verify"]);
    let row = ledger.row(&request(&ledger, "dev")).unwrap();
    assert_eq!((row.state.word(), row.holder.unwrap().step.unwrap().as_str()), ("unfinished", "web/verify"));
    let holding = ledger.resume(&left, &request(&ledger, "dev")).unwrap();
    assert_eq!((holding.fence, holding.owed.as_slice()), (2, &["web/verify".to_owned()][..]));
    ledger.finish(holding, &good()).unwrap();
    let state = ledger.standing("dev").unwrap().tip.unwrap().state;
    assert_eq!(state.owed, ["web/verify"], "nobody has said that it was done");
    assert!(ledger.adds_up("dev").unwrap());
}

#[test]
fn fault_25_a_full_disk_stops_the_next_step() {
    // /dev/full is the disk; the journal's own file is behind a link to it.
    let folder = Folder::new();
    let place = folder.path("place");
    std::fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.join("journal.new-e")).unwrap();
    let header: ciao::ledger::journal::Header =
        serde_json::from_value(serde_json::json!({"format": 1, "version": "1", "event": "e",
        "deployment": "d", "environment": "dev", "plan": "p", "by": "a", "host": "h", "place": {}, "at": "t"}))
        .unwrap();
    let lock = ciao::ledger::lock(&place).unwrap().expect("nobody has it");
    let error = ciao::ledger::journal::Journal::begin(&place, lock, header).unwrap_err();
    says(&error.to_string(), &["write the journal", "No space left"]);
}

#[test]
fn fault_27_a_worktree_shares_the_ledger_and_the_lock() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    git(&repo, "worktree add --quiet --detach ../tree");
    let (ledger, other) = (local(&repo), local(&folder.path("tree")));
    let holding = start(&ledger, "dev");
    says(&refused(other.start(&request(&other, "dev"))), &["4: ", "(process "]);
    ledger.finish(holding, &good()).unwrap();
    deploy(&other, "dev");
    let bare = folder.path("bare.git");
    git(&folder.0, "clone --quiet --bare repo bare.git");
    says(&refused(Ledger::open(&bare, Settings::default(), source(1))), &["5: ", "it is bare", "git worktree add"]);
    std::fs::create_dir(folder.path("none")).unwrap();
    says(
        &refused(Ledger::open(&folder.path("none"), Settings::default(), source(1))),
        &["5: ", "not in git", "git init"],
    );
}

#[test]
fn fault_28_without_the_remote_nothing_starts() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    deploy(&shared(&repo), "dev");
    std::fs::rename(folder.path("origin.git"), folder.path("gone.git")).unwrap();
    let ledger = shared(&repo);
    let said = refused(ledger.start(&request(&ledger, "dev")));
    says(&said, &["5: ", "origin cannot be reached"]);
    assert_eq!(said.matches("cannot be reached").count(), 1, "{said}");
    assert_eq!(
        ledger.row(&request(&ledger, "dev")).unwrap().state.word(),
        "succeeded",
        "what is remembered is still shown"
    );
}

#[test]
fn fault_29_an_event_that_arrived_unheard_is_not_recorded_twice() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    // The push goes through, and the connection is lost before the answer: the remote's hook kills it.
    script(&bare.join("hooks/post-receive"), "#!/bin/sh\nkill -9 $(ps -o ppid= -p $PPID) $PPID\n");
    let ledger = shared(&repo);
    let holding = start(&ledger, "dev");
    ledger.finish(holding, &good()).unwrap();
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "3");
}

#[test]
fn fault_30_what_could_not_be_recorded_is_recorded_by_the_next_command() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let holding = start(&ledger, "dev");
    std::fs::rename(&bare, folder.path("away.git")).unwrap();
    says(&refused(ledger.finish(holding, &good())), &["6: ", "the next command records it"]);
    assert!(ledger.publish(&["dev"]).is_err());
    std::fs::rename(folder.path("away.git"), &bare).unwrap();
    let published = shared(&repo).publish(&["dev", "prod"]).unwrap();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].outcome, Some(Ended::Succeeded));
    assert_eq!(shared(&repo).publish(&["dev"]).unwrap(), []);
    deploy(&ledger, "dev");
}

#[test]
fn fault_32_a_lock_file_left_behind_is_named_and_never_removed() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let left = bare.join("refs/deployments/dev.lock");
    write(&bare, "refs/deployments/dev.lock", "");
    let ledger = shared(&repo);
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "lock file", "dev.lock exists (made ", "rm "]);
    assert!(left.exists());
    std::fs::remove_file(left).unwrap();
    deploy(&ledger, "dev");
}

#[test]
fn fault_33_a_holder_elsewhere_is_freed_by_unlock() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let mut asked = request(&ledger, "dev");
    asked.finally = set(&["web/install"]);
    drop(ledger.start(&asked).unwrap());
    let mut other = shared(&clone(&folder, &bare, "berta"));
    other.caller.place.machine = "another".to_owned();
    says(&refused(other.start(&request(&other, "dev"))), &["4: ", "if it is dead: cargo xtask unlock dev"]);
    says(&refused(other.unfinished("dev")), &["4: "]);
    let record = other.unlock(&unlock("dev", false)).unwrap();
    assert_eq!((record.event, record.reason.as_deref()), (Kind::Unlocked, Some("it is dead")));
    let state = other.standing("dev").unwrap().tip.unwrap().state;
    assert_eq!(state.current.unwrap().outcome, Some(Ended::Interrupted));
    assert_eq!(state.owed, ["web/install"], "nobody knows whether it started, so it may be owed");
    other.settle("dev", "web/install", "looked at it").unwrap();
    says(&refused(other.settle("dev", "web/install", "again")), &["2: ", "nothing is owed"]);
    says(&refused(other.unlock(&unlock("dev", false))), &["2: ", "nobody holds it"]);
    deploy(&other, "dev");
}

/// The same person's other clone on this machine: its lock file is asked.
#[test]
fn fault_33_a_holder_in_another_clone_here_is_known_to_live_or_not() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ledger, other) = (shared(&repo), shared(&clone(&folder, &bare, "berta")));
    let holding = start(&ledger, "dev");
    says(&refused(other.start(&request(&other, "dev"))), &["4: ", "(process "]);
    drop(holding);
    let there = repo.display().to_string();
    let said = refused(other.start(&request(&other, "dev")));
    says(&said, &["4: ", "was killed", &format!("resume dev in the clone {there}"), "unlock dev"]);
    says(&refused(other.unfinished("dev")), &["4: ", "in another clone", &there, "unlock dev"]);
    assert_eq!(other.row(&request(&other, "dev")).unwrap().state.word(), "unfinished");
    // A copy of the folder is another clone, and not the one that holds.
    assert!(std::process::Command::new("cp").arg("-a").args([&repo, &folder.path("copy")]).status().unwrap().success());
    let copy = shared(&folder.path("copy"));
    assert_ne!(copy.caller.place.clone, ledger.caller.place.clone);
    // And where nobody knows the clone, nobody guesses.
    std::fs::remove_file(repo.join(".git/ciao/clone")).unwrap();
    says(&refused(other.start(&request(&other, "dev"))), &["4: ", "if it is dead: cargo xtask unlock dev"]);
}

#[test]
fn fault_34_a_holder_that_was_unlocked_cannot_append_and_is_told_of_as_late() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let slow = start(&ledger, "dev");
    let watch = ledger.watch(&slow);
    let other = shared(&clone(&folder, &bare, "berta"));
    other.sync().unwrap();
    other.unlock(&unlock("dev", false)).unwrap();
    let newer = start(&other, "dev");
    assert!(newer.fence > slow.fence);
    ledger.sync().unwrap(); // what the watch does every twenty seconds
    std::thread::sleep(Duration::from_millis(1200));
    assert!(watch.lost.load(std::sync::atomic::Ordering::SeqCst));
    says(&refused(ledger.finish(slow, &good())), &["4: ", "its lock was taken away"]);
    other.finish(newer, &bad()).unwrap();
    deploy(&ledger, "dev");
    let history = ledger.history("dev", 10).unwrap();
    let late = &history[1].1.late;
    assert_eq!((late.len(), late[0].outcome), (1, Some(Ended::Succeeded)));
    assert!(!folder.path("repo/.git/ciao/dev/journal").exists());
    assert!(ledger.row(&request(&ledger, "dev")).unwrap().notes[0].starts_with("late: "));
}

#[test]
fn fault_35_a_clock_that_is_a_year_wrong_changes_no_order() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let open = |now| Ledger::open(&repo, Settings::default(), at(now)).unwrap();
    let year = Duration::from_secs(365 * 86_400);
    deploy(&open(now + year), "dev");
    let holding = start(&open(now), "dev");
    open(now - year).finish(holding, &bad()).unwrap();
    let ledger = open(now);
    let state = ledger.standing("dev").unwrap().tip.unwrap().state;
    assert_eq!((state.seq, state.current.unwrap().outcome), (4, Some(Ended::Failed)));
    deploy(&open(now - year), "dev");
    // Soak is measured with what the writers claim: doctor says that a clock is wrong.
    deploy(&open(now + year), "dev");
    let mut asked = after(request(&ledger, "prod"), &["dev"]);
    asked.terms.soak_s = 60;
    drop(ledger.start(&asked).unwrap());
    let clock = open(now).doctor(&["dev"]).into_iter().find(|check| check.what == "clock").unwrap();
    assert_eq!(clock.verdict, Verdict::Doubtful);
}

#[test]
fn fault_41_a_rewritten_or_deleted_ledger_is_noticed_and_must_be_accepted() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    for (name, change) in
        [("deleted", "update-ref -d refs/deployments/dev"), ("cut", "update-ref refs/deployments/dev refs/keep~1")]
    {
        git(&bare, "update-ref refs/keep refs/deployments/dev");
        git(&bare, change);
        ledger.sync().unwrap();
        says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "rewritten or deleted", "--accept-ledger"]);
        let next = after(request(&ledger, "prod"), &["dev"]);
        let gate = ledger.gate(&next).unwrap();
        assert_eq!(gate.reasons[0].code, "rewritten", "{name}");
        says(&refused(ledger.unlock(&unlock("dev", false))), &["5: "]);
        let record = ledger.unlock(&unlock("dev", true)).unwrap();
        assert_eq!(record.accepted_over.unwrap(), git(&bare, "rev-parse refs/keep"));
        deploy(&ledger, "dev");
    }
    // In a local ledger the same is noticed.
    let ledger = local(&repository(&folder.path("alone")));
    deploy(&ledger, "dev");
    git(&ledger.git.root, "update-ref -d refs/deployments/dev");
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "rewritten or deleted"]);
    ledger.unlock(&unlock("dev", true)).unwrap();
    deploy(&ledger, "dev");
}

#[test]
fn fault_41_a_ledger_deleted_while_its_end_was_unrecorded_can_be_accepted() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let holding = start(&ledger, "dev");
    git(&bare, "update-ref -d refs/deployments/dev");
    says(&refused(ledger.finish(holding, &good())), &["6: "]);
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "rewritten or deleted"]);
    ledger.unlock(&unlock("dev", true)).unwrap();
    deploy(&ledger, "dev");
    assert_eq!(ledger.standing("dev").unwrap().state().unwrap().late.len(), 1, "its end is told of as late");
}

/// Also in a repository whose objects are named by SHA-256, and one whose root is below git's.
#[test]
fn other_repositories() {
    let folder = Folder::new();
    let path = folder.path("repo");
    git(&folder.0, "init --quiet --object-format=sha256 --initial-branch main repo");
    write(&path, "shop/pipelines/environments/dev.toml", "port = 1");
    write(&path, "shop/pipelines/environment.toml", "");
    commit(&path, "first");
    let ledger = local(&path.join("shop"));
    let first = request(&ledger, "dev").release;
    assert_eq!(first.id.len(), 64);
    deploy(&ledger, "dev");
    deploy(&ledger, "dev");
    write(&path, "shop/pipelines/environments/dev.toml", "port = 2");
    commit(&path, "value");
    assert_eq!(request(&ledger, "dev").release.id, first.id);
    write(&path, "shop/pipelines/environments/personal/mine.toml", "port = 3");
    assert!(!request(&ledger, "dev").release.dirty);
}

#[test]
fn fault_42_a_pruning_fetch_loses_nothing() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    git(&repo, "update-ref -d refs/deployments/dev");
    git(&repo, "fetch --quiet --prune origin +refs/none/*:refs/ciao/remote/origin/*");
    deploy(&shared(&repo), "dev");
    assert_eq!(git(&repo, "rev-list --first-parent --count refs/deployments/dev"), "5");
}

#[test]
fn fault_43_an_edited_state_does_not_add_up() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let holding = start(&ledger, "dev");
    ledger.finish(holding, &bad()).unwrap();
    assert!(ledger.adds_up("dev").unwrap());
    let root = &ledger.git.root;
    let state = git(root, "show refs/deployments/dev:state.json").replace("failed", "succeeded");
    write(root, "forged.json", &state);
    let blob = git(root, "hash-object -w forged.json");
    let tree = git(root, "ls-tree refs/deployments/dev");
    let old = git(root, "rev-parse refs/deployments/dev:state.json");
    write(root, "tree.txt", &(tree.replace(&old, &blob) + "\n"));
    let forged = std::process::Command::new("git")
        .current_dir(root)
        .args(["mktree"])
        .stdin(std::fs::File::open(root.join("tree.txt")).unwrap())
        .output()
        .unwrap();
    let forged = String::from_utf8(forged.stdout).unwrap();
    let commit = git(root, &format!("commit-tree {} -p refs/deployments/dev~1 -m dev", forged.trim()));
    git(root, &format!("update-ref refs/deployments/dev {commit}"));
    assert!(!ledger.adds_up("dev").unwrap());
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "rewritten"]);
}

#[test]
fn fault_45_a_hostile_configuration_runs_nothing() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&repo, "branch other");
    let ran = folder.path("ran");
    let trap = folder.path("trap.sh");
    script(&trap, &format!("#!/bin/sh\ntouch {}\nexit 1\n", ran.display()));
    for hook in ["pre-push", "reference-transaction", "post-update", "pre-auto-gc", "post-commit"] {
        std::fs::create_dir_all(repo.join(".git/hooks")).unwrap();
        std::fs::copy(&trap, repo.join(".git/hooks").join(hook)).unwrap();
        std::fs::copy(&trap, folder.path(hook)).unwrap();
    }
    let trap = trap.display();
    for (key, value) in [
        ("core.hooksPath", folder.0.display().to_string()),
        ("commit.gpgSign", "true".into()),
        ("push.gpgSign", "true".into()),
        ("tag.gpgSign", "true".into()),
        ("gpg.program", trap.to_string()),
        ("push.default", "matching".into()),
        ("push.followTags", "true".into()),
        ("push.recurseSubmodules", "on-demand".into()),
        ("core.fsmonitor", trap.to_string()),
        ("core.editor", trap.to_string()),
        ("core.pager", trap.to_string()),
        ("core.askPass", trap.to_string()),
        ("fetch.prune", "true".into()),
        ("remote.origin.mirror", "true".into()),
        ("remote.origin.push", "+refs/heads/*:refs/heads/*".into()),
        ("status.showUntrackedFiles", "no".into()),
        ("core.logAllRefUpdates", "always".into()),
        ("user.useConfigOnly", "true".into()),
        ("transfer.fsckObjects", "true".into()),
        ("color.ui", "always".into()),
        ("core.quotePath", "true".into()),
    ] {
        git(&repo, &format!("config {key} {value}"));
    }
    deploy(&shared(&repo), "dev");
    assert!(!ran.exists(), "something of the user's configuration was run");
    assert_eq!(git(&bare, "for-each-ref --format=%(refname)"), "refs/deployments/dev\nrefs/heads/main");
    write(&repo, "new.txt", "untracked");
    assert!(Release::here(&shared(&repo).git).unwrap().dirty);
}

#[test]
fn fault_46_no_right_to_push() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    refuse(&bare, "echo 'denied to anna: insufficient permission' >&2");
    let ledger = shared(&repo);
    let said = refused(ledger.start(&request(&ledger, "dev")));
    says(&said, &["5: ", "origin", "refs/deployments"]);
    let checks = ledger.doctor(&["dev"]);
    assert!(checks.iter().any(|check| check.what == "rights" && check.verdict == Verdict::Bad), "{checks:?}");
}

fn refuse(bare: &std::path::Path, what: &str) {
    script(&bare.join("hooks/pre-receive"), &format!("#!/bin/sh\n{what}\nexit 1\n"));
}

#[test]
fn fault_47_a_host_that_refuses_the_namespace() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&bare, "config receive.hideRefs refs/deployments");
    let ledger = shared(&repo);
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "`branch = true`", "orchestration.toml"]);
    let settings = Settings { remote: Some("origin".to_owned()), branch: true, ..Settings::default() };
    let ledger = Ledger::open(&repo, settings, Source::system()).unwrap();
    deploy(&ledger, "dev");
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/heads/deployments/dev"), "3");
}

use ciao::ledger::Source;

#[test]
fn fault_49_a_ledger_of_a_newer_version_is_read_and_never_written() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    let root = &ledger.git.root;
    let state = git(root, "show refs/deployments/dev:state.json").replacen("\"format\":1", "\"format\":2", 1);
    write(&folder.0, "state.json", &state);
    let blob = git(root, &format!("hash-object -w {}", folder.path("state.json").display()));
    write(
        &folder.0,
        "tree",
        &(git(root, "ls-tree refs/deployments/dev")
            .replace(&git(root, "rev-parse refs/deployments/dev:state.json"), &blob)
            + "\n"),
    );
    let tree = std::process::Command::new("git")
        .current_dir(root)
        .arg("mktree")
        .stdin(std::fs::File::open(folder.path("tree")).unwrap())
        .output()
        .unwrap();
    let commit = git(
        root,
        &format!("commit-tree {} -p refs/deployments/dev -m newer", String::from_utf8(tree.stdout).unwrap().trim()),
    );
    git(root, &format!("update-ref refs/deployments/dev {commit}"));
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "format 2", "too old"]);
    assert_eq!(ledger.row(&request(&ledger, "dev")).unwrap().state.word(), "succeeded");
}
