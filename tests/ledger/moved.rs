//! A ledger that is somewhere else: under the other name at the remote, in this clone only, of an environment that is gone.

use ciao::ledger::{Approval, Ledger, Settings, Source, Unlock, Verdict};

use crate::fixture::*;

fn of_branches(ledger: &Ledger) -> Ledger {
    let settings = Settings { branch: true, ..ledger.settings.clone() };
    Ledger::open(&ledger.git.root, settings, Source::system()).unwrap()
}

#[track_caller]
fn doctor(ledger: &Ledger, verdict: Verdict, words: &str) {
    let found = ledger.doctor(&["dev"]);
    assert!(found.iter().any(|check| check.verdict == verdict && check.text.contains(words)), "{found:?}");
}

/// One clone has `branch = true`, another has not got it yet: both deployed at once, each with a lock of its own.
#[test]
fn a_ledger_of_the_other_name_was_begun_beside_the_one_that_was_there() {
    for former in [false, true] {
        let folder = Folder::new();
        let bare = share(&folder, &repository(&folder.path("repo")));
        let tess = shared(&folder.path("repo"));
        let bob = shared(&clone(&folder, &bare, "bob"));
        let (tess, bob) = if former { (of_branches(&tess), bob) } else { (tess, of_branches(&bob)) };
        let holding = start(&tess, "dev");
        let words = format!("its ledger is {} at origin", tess.home("dev"));
        let said = refused(bob.start(&request(&bob, "dev")));
        says(&said, &["5: deploy dev: ", &words, "move it: "]);
        doctor(&bob, Verdict::Bad, &words);
        let asked = request(&bob, "dev");
        let approval = Approval { environment: asked.environment, release: asked.release, plan: asked.plan };
        says(&refused(bob.approve(&approval)), &["5: ", &words]);
        let row = bob.row(&request(&bob, "dev")).unwrap();
        assert!(!row.gate.open && row.gate.reasons[0].code == "two-ledgers", "{row:?}");
        tess.finish(holding, &good()).unwrap();
        // The way out that is told, for who means it: whoever has seen it under the old name goes on.
        bob.sync().unwrap();
        git(&bob.git.root, said.split("move it: git ").nth(1).unwrap());
        deploy(&bob, "dev");
        let tess = if former { shared(&tess.git.root) } else { of_branches(&tess) };
        deploy(&tess, "dev");
        assert_eq!(git(&bare, &format!("rev-list --first-parent --count {}", bob.home("dev"))), "7");
        assert!(tess.adds_up("dev").unwrap());
        // Both at once: nobody goes on.
        for name in ["refs/deployments/dev", "refs/heads/deployments/dev"] {
            git(&bare, &format!("update-ref {name} {}", bob.home("dev")));
        }
        bob.sync().unwrap();
        says(&refused(bob.start(&request(&bob, "dev"))), &["5: ", "origin has two ledgers of it"]);
    }
}

/// A branch of that name is nobody's ledger.
#[test]
fn an_ordinary_branch_beside_is_none() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    git(&repo, "push --quiet origin main:refs/heads/deployments/dev");
    deploy(&shared(&repo), "dev");
}

/// Its events disappeared from history and status without a word.
#[test]
fn what_was_local_was_forgotten_where_somebody_else_was_first_to_share() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    deploy(&local(&repo), "dev");
    let bare = share(&folder, &repo);
    deploy(&shared(&clone(&folder, &bare, "bob")), "dev");
    let ledger = shared(&repo);
    ledger.sync().unwrap();
    let words = "was shared is not in it: git log refs/ciao/local/dev";
    doctor(&ledger, Verdict::Doubtful, words);
    says(&ledger.notices("dev").unwrap().concat(), &[words]);
    assert_eq!(git(&repo, "rev-list --first-parent --count refs/ciao/local/dev"), "3");
    // Where it was published nothing is told.
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    deploy(&local(&repo), "dev");
    share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    assert!(ledger.notices("dev").unwrap().is_empty());
}

#[test]
fn an_unfinished_environment_that_is_gone_from_the_files_was_shown_nowhere() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    deploy(&ledger, "gone");
    let mut asked = request(&ledger, "test");
    asked.finally = set(&["web/install"]);
    let holding = ledger.start(&asked).unwrap();
    doctor(&ledger, Verdict::Doubtful, "test is not in orchestration.toml, and is unfinished: cargo xtask unlock test");
    drop(holding);
    let unlock = Unlock { environment: "test".to_owned(), reason: "gone".to_owned(), accept_ledger: false };
    // It never came to its first step, as far as anybody knows; what it may owe is owed.
    std::fs::remove_dir_all(ledger.git.common.join("ciao/test")).unwrap();
    ledger.unlock(&unlock).unwrap();
    doctor(&ledger, Verdict::Doubtful, "test is not in orchestration.toml, and owes what web/install left");
    ledger.settle("test", "web/install", "gone").unwrap();
    assert!(ledger.doctor(&["dev"]).iter().all(|check| check.what != "unlisted"));
}
