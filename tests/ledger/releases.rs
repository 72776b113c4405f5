//! Rows 52 to 59 of FAULTS.md: which release may go where.

use std::time::{Duration, SystemTime};

use ciao::ledger::status::status_table;
use ciao::ledger::{Approval, Force, Ledger, Release, Settings, Source};

use crate::fixture::*;

#[test]
fn fault_52_a_dirty_tree_is_refused_where_a_gate_is() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    write(&ledger.git.root, "untracked.txt", "new");
    let dirty = request(&ledger, "dev");
    assert!(dirty.release.dirty && dirty.release.display.ends_with("-dirty"));
    let table = status_table(&[ledger.row(&dirty).unwrap()], SystemTime::now());
    says(&table, &[&format!("gate for {}\n", dirty.release.display)]);
    says(&refused(ledger.start(&after(request(&ledger, "prod"), &["dev"]))), &["3: ", "dirty: "]);
    deploy(&ledger, "dev");
    git(&ledger.git.root, "clean --quiet --force");
    says(
        &refused(ledger.start(&after(request(&ledger, "prod"), &["dev"]))),
        &["3: ", "dirty: it was deployed to dev with uncommitted changes"],
    );
    deploy(&ledger, "dev");
    ledger.start(&after(request(&ledger, "prod"), &["dev"])).unwrap();
}

#[test]
fn fault_53_a_branch_gate_asks_the_remote() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    let settings =
        Settings { remote: Some("origin".to_owned()), branches: vec!["main".to_owned()], ..Settings::default() };
    let ledger = Ledger::open(&repo, settings, Source::system()).unwrap();
    write(&repo, "file", "new");
    commit(&repo, "local");
    let mut asked = request(&ledger, "dev");
    asked.terms.branches = vec!["main".to_owned()];
    says(&refused(ledger.start(&asked)), &["3: ", "not-on-branch: this commit is not on main"]);
    git(&repo, "push --quiet origin main");
    let holding = ledger.start(&asked).unwrap();
    ledger.finish(holding, &good()).unwrap();
}

/// What is deployed next was on the branch when this clone read it last.
#[test]
fn a_commit_that_was_taken_back_from_the_branch_was_deployed_through_its_gate() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let settings =
        Settings { remote: Some("origin".to_owned()), branches: vec!["main".to_owned()], ..Settings::default() };
    let ledger = Ledger::open(&repo, settings, Source::system()).unwrap();
    let before = git(&repo, "rev-parse HEAD");
    commit(&repo, "bad");
    git(&repo, "push --quiet origin main");
    let mut asked = request(&ledger, "dev");
    asked.terms.branches = vec!["main".to_owned()];
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    git(&bare, &format!("update-ref refs/heads/main {before}"));
    says(&refused(ledger.start(&asked)), &["3: ", "not-on-branch: this commit is not on main"]);
    git(&repo, "push --quiet origin main");
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    git(&bare, "update-ref -d refs/heads/main");
    says(&refused(ledger.start(&asked)), &["3: ", "the remote has no branch main"]);
    // Whoever goes on from it there closes no gate, and is not overwritten.
    git(&repo, "push --quiet origin main");
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    let other = clone(&folder, &bare, "bob");
    commit(&other, "more");
    git(&other, "push --quiet origin main");
    ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
    assert_eq!(git(&bare, "rev-parse main"), git(&other, "rev-parse HEAD"));
}

#[test]
fn fault_54_the_ledger_keeps_the_deployed_commit() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    write(&repo, "file", "soon lost");
    commit(&repo, "lost");
    let ledger = local(&repo);
    let lost = request(&ledger, "dev").release.commit;
    deploy(&ledger, "dev");
    git(&repo, "reset --quiet --hard HEAD~1");
    git(&repo, "reflog expire --expire=now --all");
    git(&repo, "gc --quiet --prune=now");
    assert_eq!(git(&repo, &format!("show {lost}:file")), "soon lost");
}

#[test]
fn fault_55_a_shallow_clone_deploys() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    write(&repo, "file", "second");
    commit(&repo, "second");
    let bare = share(&folder, &repo);
    git(&folder.0, &format!("clone --quiet --depth 1 file://{} shallow", bare.display()));
    let ledger = shared(&folder.path("shallow"));
    deploy(&ledger, "dev");
    let full = shared(&repo);
    full.sync().unwrap();
    assert_eq!(full.row(&request(&full, "dev")).unwrap().state.word(), "succeeded");
    git(&folder.0, &format!("clone --quiet --depth 1 file://{} again", bare.display()));
    deploy(&shared(&folder.path("again")), "dev");
}

#[test]
fn fault_57_58_the_last_deployment_of_that_release_counts_and_is_named() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    says(
        &refused(ledger.start(&after(request(&ledger, "prod"), &["dev"]))),
        &["3: ", "not-deployed", "`cargo xtask deploy dev`"],
    );
    deploy(&ledger, "dev");
    let evidence = ledger.history("dev", 1).unwrap()[0].1.id.clone();
    // Another release in between closes nothing.
    write(&ledger.git.root, "file", "another");
    commit(&ledger.git.root, "another");
    let holding = start(&ledger, "dev");
    ledger.finish(holding, &bad()).unwrap();
    git(&ledger.git.root, "reset --quiet --hard HEAD~1");
    let holding = ledger.start(&after(request(&ledger, "prod"), &["dev"])).unwrap();
    assert_eq!(holding.record.opened_by, [evidence]);
    ledger.finish(holding, &good()).unwrap();
    let holding = start(&ledger, "dev");
    ledger.finish(holding, &bad()).unwrap();
    says(&refused(ledger.start(&after(request(&ledger, "prod"), &["dev"]))), &["3: ", "failed: "]);
}

#[test]
fn fault_59_force_is_recorded_and_shown() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let mut asked = after(request(&ledger, "prod"), &["dev"]);
    asked.force = Some(Force { reason: "the shop is down".to_owned() });
    let holding = ledger.start(&asked).unwrap();
    ledger.finish(holding, &good()).unwrap();
    let row = ledger.row(&asked).unwrap();
    assert_eq!(row.notes, ["forced: the shop is down"]);
    let log = git(&ledger.git.root, "log --format=%B refs/deployments/prod --first-parent");
    says(&log, &["forced by Anna", "the shop is down"]);
}

#[test]
fn approvals_are_of_other_people_for_a_release_and_a_plan() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ledger, berta) = (shared(&repo), shared(&clone(&folder, &bare, "berta")));
    let mut asked = request(&ledger, "prod");
    asked.terms.approvals = 1;
    let approval =
        |plan: &str| Approval { environment: "prod".to_owned(), release: asked.release.clone(), plan: plan.to_owned() };
    ledger.approve(&approval("plan-1")).unwrap();
    says(&refused(ledger.approve(&approval("plan-1"))), &["2: ", "already"]);
    says(&refused(ledger.start(&asked)), &["3: ", "approvals: 0 of 1"]);
    berta.approve(&approval("plan-0")).unwrap();
    says(&refused(ledger.start(&asked)), &["3: ", "approvals: 0 of 1"]);
    berta.approve(&approval("plan-1")).unwrap();
    let holding = ledger.start(&asked).unwrap();
    assert_eq!(holding.record.approved_by, ["berta <berta@example.org>"]);
    // An approval while it runs comes between; the end is appended after it.
    berta.approve(&approval("plan-2")).unwrap();
    ledger.finish(holding, &good()).unwrap();
}

#[test]
fn an_empty_history_and_a_detached_head() {
    let folder = Folder::new();
    let path = folder.path("empty");
    std::fs::create_dir(&path).unwrap();
    git(&path, "init --quiet");
    let ledger = local(&path);
    says(&refused(Release::here(&ledger.git)), &["5: ", "nothing is committed yet"]);
    let repo = repository(&folder.path("repo"));
    git(&repo, "checkout --quiet --detach");
    deploy(&local(&repo), "dev");
}

#[test]
fn the_release_is_the_tree_without_values() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let ledger = local(&repo);
    let name = || Release::here(&ledger.git).unwrap();
    let first = name();
    write(&repo, "pipelines/environments/prod.toml", "port = 3");
    assert!(name().dirty);
    commit(&repo, "value");
    assert_eq!(name().id, first.id);
    write(&repo, "pipelines/environment.toml", "# something");
    commit(&repo, "pipeline");
    assert_ne!(name().id, first.id);
    write(&repo, "pipelines/environments/personal/mine.toml", "port = 4");
    assert!(!name().dirty, "personal environments are outside dirty");
    std::fs::remove_file(repo.join("pipelines/environments/personal/mine.toml")).unwrap();
    // The id is what git itself would call that tree.
    git(&repo, "rm --quiet -r --cached pipelines/environments");
    let tree = git(&repo, "write-tree");
    git(&repo, "reset --quiet");
    assert_eq!(name().id, tree);
    assert_eq!(git(&repo, "status --porcelain"), "");
}

#[test]
fn a_soaking_release_waits() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let open = |now| Ledger::open(&repo, Settings::default(), at(now)).unwrap();
    deploy(&open(now), "dev");
    let later = open(now + Duration::from_secs(1000));
    deploy(&later, "dev");
    let mut asked = after(request(&later, "prod"), &["dev"]);
    asked.terms.soak_s = 1800;
    says(&refused(later.start(&asked)), &["3: ", "soaking: ", "wait another 13m 20s"]);
    let later = open(now + Duration::from_secs(1801));
    later.start(&asked).unwrap();
}

/// It said "wait another 30m", and half an hour later the same.
#[test]
fn a_soak_since_an_event_of_the_future_was_said_to_be_over_too_early() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let now = std::time::SystemTime::now();
    let hour = std::time::Duration::from_secs(3600);
    let at = |time| Ledger::open(&repo, Settings::default(), at(time)).unwrap();
    deploy(&at(now + 2 * hour), "dev");
    let mut asked = after(request(&at(now), "prod"), &["dev"]);
    // Without a soak the clocks do not matter.
    assert!(at(now).gate(&asked).unwrap().open);
    asked.terms.soak_s = 1800;
    let said = |time| at(time).gate(&asked).unwrap().reasons.remove(0).text;
    says(&said(now), &["good in dev for 30m; wait another 2h 29m", "in the future: look at the clocks"]);
    let later = said(now + 2 * hour + hour / 4);
    assert!(later.ends_with("wait another 14m 59s"), "{later}");
    assert!(at(now + 3 * hour).gate(&asked).unwrap().open);
}
