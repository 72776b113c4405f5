//! What is around the ledger and not as it should be: the disk, the installed git, a newer ciao.

use std::path::Path;
use std::process::{Command, Output};

use ciao::ledger::{Approval, Ledger, Settings, Source, Unlock};

use crate::fixture::*;

/// Runs a test of this file as a process of its own, in other surroundings.
fn elsewhere(wrapper: &[&str], test: &str, folder: &Path) -> Command {
    let this = std::env::current_exe().expect("a test is a program");
    let mut words = wrapper.iter().map(std::ffi::OsString::from).chain([this.into()]);
    let mut command = Command::new(words.next().expect("there is a program"));
    command.args(words).args(["--ignored", "--exact", &format!("surroundings::{test}"), "--nocapture"]);
    command.env("CIAO_VICTIM", folder);
    command
}

#[track_caller]
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Not a test: what is said when the ledger is opened.
#[test]
#[ignore = "is run by others"]
fn opened() {
    if let Ok(path) = std::env::var("CIAO_VICTIM") {
        println!("{}", refused(Ledger::open(Path::new(&path), Settings::default(), Source::system())));
    }
}

#[test]
fn fault_51_an_old_git_is_named_with_what_is_needed() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    // An old git repeats an option that it does not know.
    let old = "#!/bin/sh\nfor word; do case $word in\nversion) echo git version 2.17.1; exit;;\n\
               rev-parse) printf '%s\\n' --path-format=absolute .git /repo ''; exit;;\nesac; done\nexit 1\n";
    script(&folder.path("bin/git"), old);
    let output = elsewhere(&[], "opened", &repo).env("PATH", folder.path("bin")).output().unwrap();
    says(&said(&output), &["5: ", "git version 2.17.1 is too old; install git 2.31 or newer"]);
}

#[test]
fn fault_51_a_repository_of_another_user() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    for path in [&repo, &repo.join(".git")] {
        if std::os::unix::fs::chown(path, Some(54_321), None).is_err() {
            println!("not tested: only root can give a repository away");
            return;
        }
    }
    let output = elsewhere(&[], "opened", &repo).env_remove("SUDO_UID").env("HOME", &folder.0).output().unwrap();
    says(&said(&output), &["5: ", "belongs to another user", "git config --global --add safe.directory"]);
}

/// Not a test: fills the small disk that it is given, up to so many bytes, and deploys.
#[test]
#[ignore = "is run by another"]
fn on_a_small_disk() {
    let Ok(disk) = std::env::var("CIAO_VICTIM") else { return };
    let disk = Path::new(&disk);
    let ledger = local(&repository(&disk.join("repo")));
    deploy(&ledger, "dev");
    let filler = disk.join("filler");
    let tip = || git(&ledger.git.root, "rev-parse refs/deployments/dev");
    let (mut refused_at_start, mut kept_at_the_end) = (0, 0);
    for free in (0..400).step_by(8) {
        // Each of these waits for the disk a second, and there is no room at all at the end of any.
        if kept_at_the_end == 4 {
            break;
        }
        let before = tip();
        let fill = |free: usize| {
            let mut file = std::fs::File::create(&filler).unwrap();
            while std::io::Write::write_all(&mut file, &[1; 1024]).is_ok() {}
            let length = file.metadata().unwrap().len();
            file.set_len(length.saturating_sub(free as u64 * 1024)).unwrap();
        };
        fill(free);
        let started = ledger.start(&request(&ledger, "dev"));
        let holding = match started {
            Err(error) => {
                assert_eq!(error.exit(), 5, "{free}: {error}");
                let words = error.message.to_lowercase();
                assert!(words.contains("full") || words.contains("no space left"), "{free}: {error}");
                assert_eq!(tip(), before, "{free}");
                refused_at_start += 1;
                std::fs::remove_file(&filler).unwrap();
                deploy(&ledger, "dev");
                continue;
            }
            Ok(holding) => holding,
        };
        fill(0);
        match ledger.finish(holding, &good()) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.exit(), 6, "{free}: {error}");
                kept_at_the_end += 1;
                std::fs::remove_file(&filler).unwrap();
                assert_eq!(ledger.publish(&["dev"]).unwrap().len(), 1, "the next command records it");
            }
        }
        drop(std::fs::remove_file(&filler));
        deploy(&ledger, "dev");
    }
    assert!(ledger.adds_up("dev").unwrap());
    git(&ledger.git.root, "fsck --strict");
    println!("refused at the start {refused_at_start}, kept at the end {kept_at_the_end}");
}

#[test]
fn fault_26_a_full_disk_moves_nothing() {
    let folder = Folder::new();
    let mount = "mount -t tmpfs -o size=3m none \"$CIAO_VICTIM\" && exec \"$0\" \"$@\"";
    let wrapper = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount];
    let probe = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none \"$0\""])
        .arg(&folder.0)
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("not tested: no small disk can be mounted here");
        return;
    }
    let output = elsewhere(&wrapper, "on_a_small_disk", &folder.0).output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let counts = said.lines().find_map(|line| line.split_once("refused at the start ")).expect("it was there").1;
    let counts: Vec<u32> = counts.split(", kept at the end ").map(|count| count.parse().unwrap()).collect();
    assert!(counts[0] > 2 && counts[1] > 2, "the disk was never full: {said}");
}

/// An event of a version to come, with fields, a kind and a format that nobody knows yet.
fn from_the_future(ledger: &Ledger, format: u32) {
    let root = &ledger.git.root;
    let mut tree = git(root, "ls-tree refs/deployments/dev");
    for name in ["record.json", "state.json"] {
        let old = git(root, &format!("rev-parse refs/deployments/dev:{name}"));
        let text = git(root, &format!("show refs/deployments/dev:{name}"));
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["format"] = format.into();
        value["weather"] = serde_json::json!({ "clouds": [1, 2] });
        value["seq"] = (value["seq"].as_u64().unwrap() + 1).into();
        if name == "record.json" {
            value["event"] = "paused".into();
            value["id"] = "f".repeat(16).into();
        }
        write(root, ".git/text", value.to_string());
        tree = tree.replace(&old, &git(root, "hash-object -w .git/text"));
    }
    write(root, ".git/text", &(tree + "\n"));
    let input = std::fs::File::open(root.join(".git/text")).unwrap();
    let made = Command::new("git").current_dir(root).arg("mktree").stdin(input).output().unwrap();
    let tree = String::from_utf8(made.stdout).unwrap();
    let commit = git(root, &format!("commit-tree {} -p refs/deployments/dev -m newer", tree.trim()));
    git(root, &format!("update-ref refs/deployments/dev {commit}"));
}

#[test]
fn fault_49_events_of_a_newer_version_are_shown_and_nothing_is_written_after_them() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    from_the_future(&ledger, 2);
    let before = git(&ledger.git.root, "rev-parse refs/deployments/dev");
    let asked = request(&ledger, "dev");
    let row = ledger.row(&asked).unwrap();
    assert_eq!(row.state.word(), "succeeded");
    says(&row.notes[0], &["format 2", "which this ciao is too old for"]);
    let (_, newest) = &ledger.history("dev", 1).unwrap()[0];
    assert_eq!(String::from(newest.event.clone()), "paused");
    let approval = Approval { environment: "dev".to_owned(), release: asked.release.clone(), plan: asked.plan.clone() };
    for said in [refused(ledger.start(&asked)), refused(ledger.approve(&approval))] {
        says(&said, &["5: ", "format 2, which this ciao is too old for", "bring this copy up to date"]);
    }
    let unlock = Unlock { environment: "dev".to_owned(), reason: "x".to_owned(), accept_ledger: true };
    says(&refused(ledger.unlock(&unlock)), &["2: ", "nobody holds it"]);
    assert_eq!(git(&ledger.git.root, "rev-parse refs/deployments/dev"), before, "nothing was written");
    let gate = ledger.gate(&after(request(&ledger, "prod"), &["dev"])).unwrap();
    assert_eq!(gate.reasons[0].code, "newer-ledger");
}

#[test]
fn a_remote_that_git_would_take_as_an_option_runs_nothing() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let ran = folder.path("ran");
    let settings = Settings { remote: Some(format!("--upload-pack=touch {}", ran.display())), ..Settings::default() };
    let ledger = Ledger::open(&repo, settings, Source::system()).expect("the ledger can be opened");
    let why = refused(ledger.sync());
    assert!(why.contains("no remote is named so"), "{why}");
    assert!(!ran.exists(), "git ran what it was given");
}
