//! What events are made of, in git: they outlive every gc, and do not become a burden.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ciao::ledger::Ledger;

use crate::fixture::*;

fn packs(repo: &Path) -> usize {
    let files = std::fs::read_dir(repo.join(".git/objects/pack")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "pack")).count()
}

fn doctor(ledger: &Ledger) -> String {
    let check = ledger.doctor(&["dev"]).into_iter().find(|check| check.what == "objects").unwrap();
    check.text
}

#[test]
fn fault_44_packs_are_joined_before_there_are_many() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let root = &ledger.git.root;
    let mut most = 0;
    for _ in 0..30 {
        deploy(&ledger, "dev");
        most = most.max(packs(root));
    }
    assert!((20..=25).contains(&most), "{most} packs");
    assert!(packs(root) < 12, "{} packs after 60 events", packs(root));
    assert_eq!(git(root, "rev-list --first-parent --count refs/deployments/dev"), "61");
    git(root, "fsck --strict");
    assert!(ledger.adds_up("dev").unwrap());
}

/// A long pack, of the repository's own history, is never written anew for the sake of events.
#[test]
fn a_long_pack_is_left_as_it_is() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let mut noise = 1_u64;
    for number in 0..2 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0]
        })
        .take(5 << 20)
        .collect();
        std::fs::write(repo.join(format!("noise-{number}")), bytes).unwrap();
        commit(&repo, "noise");
        git(&repo, "repack --quiet -d");
    }
    let long = || {
        let files = std::fs::read_dir(repo.join(".git/objects/pack")).unwrap().map(|file| file.unwrap());
        let long = files.filter(|file| file.metadata().unwrap().len() > 4 << 20);
        long.map(|file| (file.file_name(), file.metadata().unwrap().modified().unwrap())).collect::<Vec<_>>()
    };
    let mut before = long();
    let ledger = local(&repo);
    let mut most = 0;
    for _ in 0..15 {
        deploy(&ledger, "dev");
        most = most.max(packs(&repo));
    }
    assert!(most > 20 && packs(&repo) < 20, "{most} packs, then {}", packs(&repo));
    let mut now = long();
    before.sort();
    now.sort();
    assert!(before.len() == 2 && before == now, "{before:?}, then {now:?}");
    git(&repo, "fsck --strict");
}

/// The packs that are written here are what git itself would write, in either object format.
#[test]
fn git_finds_nothing_wrong_with_a_pack() {
    for format in ["sha1", "sha256"] {
        let folder = Folder::new();
        let path = folder.path("repo");
        std::fs::create_dir(&path).unwrap();
        git(&path, &format!("init --quiet --object-format={format} --initial-branch main"));
        git(&path, "config core.sharedRepository group");
        write(&path, "pipelines/environment.toml", "");
        commit(&path, "first");
        let ledger = local(&path);
        deploy(&ledger, "dev");
        git(&path, "fsck --strict --full");
        assert_eq!(git(&path, "count-objects -v").lines().find(|line| line.starts_with("garbage")), Some("garbage: 0"));
        for entry in std::fs::read_dir(path.join(".git/objects/pack")).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            let path = entry.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o444, "{}", path.display());
            if path.extension().unwrap() == "idx" {
                let listed = git(&ledger.git.root, &format!("verify-pack -v {}", path.display()));
                assert!(listed.contains(" commit ") && listed.contains(": ok"), "{listed}");
            }
        }
    }
}

/// In every clone a gc that keeps nothing young, in a loop, while each fetches what the other has written.
#[test]
fn fault_44_gc_beside_what_is_fetched() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let (ledger, other) = (shared(&repo), shared(&clone(&folder, &bare, "berta")));
    let over = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for root in [&ledger.git.root, &other.git.root] {
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    try_git(root, "prune --expire=now");
                    try_git(root, "gc --quiet --prune=now");
                }
            });
        }
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..2 {
                for one in [&ledger, &other] {
                    one.sync().unwrap();
                    deploy(one, "dev");
                }
            }
        }));
        over.store(true, Ordering::SeqCst);
        done.expect("every deployment is recorded");
    });
    for one in [&ledger, &other] {
        one.sync().unwrap();
        assert!(one.adds_up("dev").unwrap());
        git(&one.git.root, "fsck --strict");
    }
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "9");
}

#[test]
fn what_a_killed_command_left_is_removed_once_it_is_old() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    let left = |name: &str, words: &str, days: u64| {
        write(&ledger.git.common, name, words);
        let file = std::fs::File::options().write(true).open(ledger.git.common.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400 + 60)).unwrap();
    };
    let keep = "objects/pack/pack-1111111111111111111111111111111111111111.keep";
    let theirs = "objects/pack/pack-2222222222222222222222222222222222222222.keep";
    let draft = "objects/pack/pack-1111111111111111111111111111111111111111.pack.ciao";
    left(keep, "ciao", 0);
    left(theirs, "fetch-pack 7 on somewhere", 9);
    left(draft, "PACK", 0);
    assert!(!doctor(&ledger).contains("removed"), "they may be at work");
    left(keep, "ciao", 1);
    left(draft, "PACK", 1);
    says(&doctor(&ledger), &["2 files of killed commands removed", "git gc, also --prune=now"]);
    assert!(!ledger.git.common.join(keep).exists() && !ledger.git.common.join(draft).exists());
    assert!(ledger.git.common.join(theirs).exists(), "that is somebody else's");
    assert!(!doctor(&ledger).contains("removed"));
}

#[test]
#[ignore = "2,500 deployments"]
fn fault_50_the_five_thousandth_event_costs_what_the_fiftieth_does() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let asked = request(&ledger, "dev");
    let (mut events, mut costs) = (0, Vec::new());
    for until in [50, 500, 2500, 5000] {
        let mut each = Vec::new();
        let mut most = 0;
        while events < until {
            let begun = Instant::now();
            ledger.finish(ledger.start(&asked).unwrap(), &good()).unwrap();
            each.push(begun.elapsed());
            most = most.max(packs(&ledger.git.root));
            events += 2;
        }
        each.sort();
        let begun = Instant::now();
        local(&ledger.git.root).row(&asked).unwrap();
        let (median, slowest) = (each[each.len() / 2], each[each.len() - 1]);
        println!(
            "{events} events: {median:?} a deployment, at most {slowest:?}; status {:?}; {most} packs",
            begun.elapsed()
        );
        costs.push(each[0]);
    }
    assert!(costs[3] < costs[0] * 2, "{costs:?}");
}
