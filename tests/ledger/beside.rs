//! What git does beside deployments: gc, repack, prune and pack-refs, each in a loop of its own; and the other format of refs.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fixture::*;

/// Runs commands of git again and again, each in its own loop and folder, until `what` is done.
fn beside(loops: &[(&Path, &str)], what: impl FnOnce()) {
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (folder, command) in loops {
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    try_git(folder, command);
                }
            });
        }
        let done = std::panic::catch_unwind(AssertUnwindSafe(what));
        over.store(true, Ordering::SeqCst);
        done.expect("every deployment is recorded");
    });
}

/// What git runs by itself, and what people run by hand.
#[test]
fn fault_44_gc_beside_deployments() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let root = ledger.git.root.as_path();
    let commands =
        ["gc --quiet --prune=now", "gc --quiet", "pack-refs --all", "repack -a -d --quiet", "prune --expire=now"];
    beside(&commands.map(|command| (root, command)), || (0..8).for_each(|_| deploy(&ledger, "dev")));
    assert_eq!(git(root, "rev-list --first-parent --count refs/deployments/dev"), "17");
    git(root, "fsck --strict");
    assert!(ledger.adds_up("dev").unwrap());
}

/// Here and at the remote; not `--prune=now`, of which docs/ledger.md says that it may take what is being fetched.
#[test]
fn fault_44_gc_beside_shared_deployments() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let commands = ["gc --quiet", "pack-refs --all", "repack -a -d --quiet"];
    let loops: Vec<(&Path, &str)> =
        [repo.as_path(), &bare].into_iter().flat_map(|root| commands.map(|command| (root, command))).collect();
    beside(&loops, || (0..4).for_each(|_| deploy(&ledger, "dev")));
    for root in [repo, bare] {
        assert_eq!(git(&root, "rev-list --first-parent --count refs/deployments/dev"), "9");
        git(&root, "fsck --strict");
    }
    assert!(ledger.adds_up("dev").unwrap());
}

/// Refs in tables instead of files, where git can do it: the same lock, the same gate.
#[test]
fn refs_in_tables() {
    let folder = Folder::new();
    let path = folder.path("repo");
    if !try_git(&folder.0, "init --quiet --ref-format=reftable --initial-branch main repo").status.success() {
        return println!("this git knows no reftable");
    }
    let ledger = local(&repository(&path));
    assert_eq!(git(&path, "rev-parse --show-ref-format"), "reftable");
    // Each swap of a ref locks all of them for a moment: who meets another writer comes again.
    std::thread::scope(|scope| {
        for name in ["dev", "test", "prod"] {
            let ledger = &ledger;
            scope.spawn(move || (0..5).for_each(|_| deploy(ledger, name)));
        }
    });
    let holding = start(&ledger, "dev");
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["4: ", "(process "]);
    let watch = ledger.watch(&holding);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(!watch.lost.load(Ordering::SeqCst), "nobody has taken the lock away");
    ledger.finish(holding, &good()).unwrap();
    ledger.finish(ledger.start(&after(request(&ledger, "prod"), &["dev"])).unwrap(), &good()).unwrap();
    assert_eq!(git(&path, "rev-list --first-parent --count refs/deployments/dev"), "13");
    let left = path.join(".git/reftable/tables.list.lock");
    std::fs::write(&left, "").unwrap();
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "tables.list.lock exists (made ", "rm "]);
    std::fs::remove_file(left).unwrap();
    share(&folder, &path);
    deploy(&shared(&path), "dev");
    assert_eq!(shared(&path).standing("dev").unwrap().state().unwrap().seq, 14);
}
