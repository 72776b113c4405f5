//! Events that this disk has lost or never had: what is there is told, and the way out that is told works.

use std::path::{Path, PathBuf};

use ciao::ledger::{Ledger, Unlock, Verdict};

use crate::fixture::*;

/// The file of a commit, once all packs have been taken apart.
fn file_of(repo: &Path, name: &str) -> PathBuf {
    let (packs, beside) = (repo.join(".git/objects/pack"), repo.join(".git/packs"));
    std::fs::rename(&packs, &beside).unwrap();
    std::fs::create_dir(&packs).unwrap();
    for pack in std::fs::read_dir(&beside).unwrap().map(|entry| entry.unwrap().path()) {
        if pack.extension().is_some_and(|ending| ending == "pack") {
            let input = std::fs::File::open(pack).unwrap();
            let mut git = std::process::Command::new("git");
            git.current_dir(repo).args(["unpack-objects", "-q"]).stdin(input);
            assert!(git.status().unwrap().success());
        }
    }
    let commit = git(repo, &format!("rev-parse {name}"));
    repo.join(".git/objects").join(&commit[..2]).join(&commit[2..])
}

/// As a power loss leaves it, where the disk does not keep its word.
fn empty(file: &Path) {
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, "").unwrap();
}

#[track_caller]
fn doctor(ledger: &Ledger, words: &str) {
    let found = ledger.doctor(&["dev"]);
    assert!(found.iter().any(|check| check.verdict == Verdict::Bad && check.text.contains(words)), "{found:?}");
}

fn accept(ledger: &Ledger) {
    let reason = "the disk".to_owned();
    ledger.unlock(&Unlock { environment: "dev".to_owned(), reason, accept_ledger: true }).unwrap();
}

/// It was called never deployed, and could not be deployed nor unlocked.
#[test]
fn a_lost_newest_event_was_shown_as_never_deployed() {
    for (is_removed, is_packed) in [(false, false), (true, false), (true, true)] {
        let folder = Folder::new();
        let repo = repository(&folder.path("repo"));
        deploy(&local(&repo), "dev");
        let file = file_of(&repo, "refs/deployments/dev");
        let before = git(&repo, "rev-parse refs/deployments/dev~1");
        if is_packed {
            git(&repo, "pack-refs --all");
        }
        if is_removed {
            std::fs::remove_file(&file).unwrap()
        } else {
            empty(&file)
        }
        let ledger = local(&repo);
        let words = "its ledger has a newest event, ";
        says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: deploy dev: ", words, "git cannot read"]);
        let row = ledger.row(&request(&ledger, "dev")).unwrap();
        assert!(!row.gate.open && row.gate.reasons[0].text.contains(words), "{row:?}");
        doctor(&ledger, words);
        says(&ledger.notices("dev").unwrap().concat(), &[words]);
        let gate = ledger.gate(&after(request(&ledger, "prod"), &["dev"])).unwrap();
        assert_eq!(gate.reasons[0].code, "rewritten");
        // The way out that is told: from the event before; or anew.
        if is_removed {
            git(&repo, &format!("update-ref refs/deployments/dev {before}"));
            accept_none(&ledger);
        } else {
            accept(&ledger);
        }
        deploy(&ledger, "dev");
        let events = if is_removed { "5" } else { "4" };
        assert_eq!(git(&repo, "rev-list --first-parent --count refs/deployments/dev"), events);
        assert!(ledger.adds_up("dev").unwrap());
    }
}

/// The deployment whose end was lost is unfinished again.
fn accept_none(ledger: &Ledger) {
    let unlock = Unlock { environment: "dev".to_owned(), reason: "lost".to_owned(), accept_ledger: false };
    ledger.unlock(&unlock).unwrap();
}

#[test]
fn what_this_disk_has_lost_of_a_shared_ledger_was_called_a_remote_that_cannot_be_reached() {
    for is_removed in [false, true] {
        let folder = Folder::new();
        let repo = repository(&folder.path("repo"));
        let bare = share(&folder, &repo);
        deploy(&shared(&repo), "dev");
        let file = file_of(&repo, "refs/deployments/dev");
        if is_removed {
            std::fs::remove_file(&file).unwrap()
        } else {
            empty(&file)
        }
        let ledger = shared(&repo);
        deploy(&ledger, "dev");
        assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "5");
        assert!(ledger.adds_up("dev").unwrap());
    }
    // What is there and damaged is not removed on a guess.
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    share(&folder, &repo);
    deploy(&shared(&repo), "dev");
    let file = file_of(&repo, "refs/deployments/dev");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "garbage").unwrap();
    says(&refused(shared(&repo).sync()), &["5: ", "git's files are damaged", "git fsck"]);
}

#[test]
fn a_tag_instead_of_an_event_was_deployed_upon_and_could_not_be_recorded() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let ledger = local(&repo);
    deploy(&ledger, "dev");
    git(&repo, "tag --annotate --message=t t refs/deployments/dev");
    git(&repo, "update-ref refs/deployments/dev refs/tags/t");
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "is not an event of ciao"]);
    accept(&ledger);
    deploy(&ledger, "dev");
}
