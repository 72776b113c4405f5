//! A copy is brought up to date: between two proofs, or not at all.
//!
//! Here the copy's own program is not built: in the place of cargo stands a script that answers as it would. With real
//! builds, minutes each: `built.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::shapes::{Folder, command, commit, make, new_folder, read, run, text, write, xtask};
use super::{arg, init, refused, tree};

/// A file of the engine, and a line of it that is another one in an older copy.
const FILE: &str = "xtask/engine/template/edit.rs";
const NOW: &str = "//! Pure: text in, text out.";
const ONCE: &str = "//! As it was.";

/// The repository of somebody whose copy was made from an older version: `once` stood in the engine where `now` stands.
pub fn older_copy(root: &Path, file: &str, now: &str, once: &str) {
    init(root);
    let ours = read(root, file);
    assert!(ours.contains(now), "{file} has no {now}");
    write(root, file, ours.replacen(now, once, 1));
    let record = read(root, "xtask/engine/COPIED.toml");
    let hash = |text: &str| ciao::template::file::fingerprint(text.as_bytes());
    write(root, "xtask/engine/COPIED.toml", record.replace(&hash(&ours), &hash(&read(root, file))));
    commit(root);
}

fn older(inside: &Folder) -> PathBuf {
    super::kept("older", inside, |inside| {
        let root = make("no rust", inside);
        older_copy(&root, FILE, NOW, ONCE);
        root
    })
}

/// The upgrade of a copy whose cargo is a script. What is said here in sh happens in place of the tests, before or after, and
/// to each plan.
struct Proved {
    folder: Folder,
    root: PathBuf,
    before: &'static str,
    after: &'static str,
    plan_before: &'static str,
    plan: &'static str,
}

impl Proved {
    fn new() -> Proved {
        let folder = new_folder();
        let root = older(&folder);
        Proved { folder, root, before: "exit 0", after: "exit 0", plan_before: "cat", plan: "cat" }
    }

    fn command(&self) -> Command {
        let Proved { folder, before, after, plan_before, plan, .. } = self;
        let (xtask, log) = (env!("CARGO_BIN_EXE_xtask"), folder.0.join("log"));
        let script = format!(
            "#!/bin/sh\nlog='{}'\nif grep -q '{ONCE}' {FILE}; then at=before; else at=after; fi\necho \"$at $*\" >> \"$log\"\n\
             case \"$at $*\" in\n  'before test'*) {before} ;;\n  'after test'*) {after} ;;\n\
             esac\nwhile [ \"$1\" != -- ]; do shift; done\nshift\ncase \"$at $1\" in\n\
             'after plan') '{xtask}' -C . \"$@\" | {plan} ;;\n  'before plan') '{xtask}' -C . \"$@\" | {plan_before} ;;\n  *) exec '{xtask}' -C . \"$@\" ;;\nesac\n",
            log.display()
        );
        super::repo::script(&folder.0.join("bin/cargo"), &script);
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = command(here, xtask, &["upgrade", arg(&self.root)]);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", folder.0.join("bin").display()));
        command
    }

    fn upgrade(&self) -> (i32, String) {
        let output = self.command().output().expect("it can be run");
        (output.status.code().unwrap_or(-1), text(&output))
    }

    /// It says why, and everything is as it was.
    #[track_caller]
    fn taken_back(&self, code: i32, why: &str) -> String {
        let before = tree(&self.root);
        let (ended, said) = self.upgrade();
        assert!(ended == code && said.contains(why), "{ended}: {said}");
        assert_eq!(names(&tree(&self.root)), names(&before));
        assert_eq!(tree(&self.root), before, "{said}");
        assert!(!self.root.join(".git/ciao/undo.json").exists());
        said
    }
}

fn names(tree: &[(String, Vec<u8>)]) -> Vec<&String> {
    tree.iter().map(|(name, _)| name).collect()
}

#[test]
fn the_copys_own_tests_plans_and_check_run_before_and_after() {
    let proved = Proved::new();
    let (code, said) = proved.upgrade();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("before: check, plans and tests\nafter: check, plans and tests\nupgraded."), "{said}");
    let once = ["test --quiet --package xtask", "plan dev", "plan test", "plan prod", "check"];
    let wanted: Vec<String> =
        ["before", "after"].iter().flat_map(|at| once.map(|what| format!("{at} {what}"))).collect();
    let log =
        read(&proved.folder.0, "log").replace("run --quiet --package xtask -- ", "").replace(" --format json", "");
    let ran: Vec<&str> = log.lines().collect();
    assert_eq!(ran, wanted);
    assert!(read(&proved.root, FILE).contains(NOW));
    assert!(!proved.root.join(".git/ciao/undo.json").exists());
    let (code, said) = proved.upgrade();
    assert!(code == 0 && said.contains("is up to date"), "{said}");
}

/// A version before the engine was several packages: one file more, some fewer, and nothing about them in the workspace.
#[test]
fn a_copy_from_before_the_engine_had_parts_gets_them_and_how_they_are_built() {
    let folder = new_folder();
    let root = older(&folder);
    let (part, file) = ("xtask/engine/base", "xtask/engine/hex.rs");
    let mut record = read(&root, "xtask/engine/COPIED.toml");
    record = record.lines().filter(|line| !line.contains(part)).fold(String::new(), |text, line| text + line + "\n");
    let once = "//! Bytes in hexadecimal.\n";
    record += &format!("\"{file}\" = \"{}\"\n", ciao::template::file::fingerprint(once.as_bytes()));
    write(&root, "xtask/engine/COPIED.toml", &record);
    write(&root, file, once);
    fs::remove_dir_all(root.join(part)).expect("it is there");
    let built = read(&root, "Cargo.toml");
    let own = "[profile.dev.package]\n# Ours: faster.\ntoml.opt-level = 3\n";
    let before = built.split("[profile.dev.package]").next().expect("what is before it").to_owned() + own;
    write(&root, "Cargo.toml", &before);
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert_eq!(code, 0, "{said}");
    assert!(root.join(part).join("Cargo.toml").is_file() && !root.join(file).exists());
    let (after, wanted) = (read(&root, "Cargo.toml"), "ciao-check.incremental = false\n");
    assert!(after.contains(wanted) && after.contains("# Ours: faster.\ntoml.opt-level = 3\n"), "{after}");
    assert_eq!(after.matches("toml.opt-level").count(), 1, "{after}");
    run(&root, "cargo", &["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root)]);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
}

#[test]
fn an_upgrade_that_would_change_the_order_is_taken_back() {
    let mut proved = Proved::new();
    proved.plan = r#"sed 's,"app/verify","app/another",'"#;
    let said = proved.taken_back(1, "the order of its steps would change: in dev, [\"app/verify\",[],");
    assert!(said.contains("would become [\"app/another\",[],") && said.contains("everything was taken back"), "{said}");
    // And where there is no plan any more.
    proved.plan = "cat > /dev/null";
    proved.taken_back(1, "the order of its steps would change: dev has no plan any more");
}

#[test]
fn an_upgrade_after_which_the_tests_fail_is_taken_back() {
    let mut proved = Proved::new();
    proved.after = "echo 'it does not build' >&2; exit 101";
    let said = proved.taken_back(1, "its tests do not pass any more");
    assert!(said.contains("it does not build"), "{said}");
}

#[test]
fn a_copy_whose_tests_fail_already_is_held_to_its_order() {
    let mut proved = Proved::new();
    proved.before = "echo 'broken since monday'; exit 101";
    proved.plan = r#"sed 's,"app/verify","app/another",'"#;
    proved.taken_back(1, "the order of its steps would change");
    proved.plan = "cat";
    let (code, said) = proved.upgrade();
    assert!(code == 0 && said.contains("its tests did not pass before, and do now"), "{said}");

    let mut proved = Proved::new();
    proved.before = "echo 'broken since monday'; exit 101";
    proved.after = "echo 'still broken'; exit 101";
    let (code, said) = proved.upgrade();
    assert!(code == 0 && said.contains("and do not now:\nstill broken"), "{said}");
}

#[test]
fn a_copy_that_cannot_be_built_has_nothing_to_compare_with() {
    let mut proved = Proved::new();
    proved.before = "echo 'it does not build' >&2; exit 101";
    proved.plan_before = "cat > /dev/null";
    let said = proved.taken_back(2, "it has no plan before the upgrade");
    assert!(said.contains("it does not build") && said.contains("--unchecked"), "{said}");
}

#[test]
fn what_a_build_writes_into_the_lock_file_is_taken_back_too() {
    let mut proved = Proved::new();
    proved.before = "echo '# before' >> Cargo.lock; exit 0";
    proved.after = "echo '# after' >> Cargo.lock; exit 1";
    proved.taken_back(1, "its tests do not pass any more");
    proved.plan_before = "cat > /dev/null";
    proved.taken_back(2, "it has no plan before");
}

#[test]
fn a_signal_ends_the_build_and_takes_everything_back() {
    for (signal, code, before) in [("INT", 130, true), ("TERM", 143, false), ("HUP", 129, false)] {
        let mut proved = Proved::new();
        let kill: &'static str = format!("kill -{signal} $PPID; exec sleep 60").leak();
        *(if before { &mut proved.before } else { &mut proved.after }) = kill;
        let start = Instant::now();
        proved.taken_back(code, "nothing was changed");
        assert!(start.elapsed() < Duration::from_secs(30), "it waited for the build");
    }
}

#[test]
fn one_that_was_killed_is_taken_back_by_the_next_command() {
    let mut proved = Proved::new();
    let before = tree(&proved.root);
    proved.after = "kill -9 $PPID; exit 0";
    proved.upgrade();
    assert_ne!(tree(&proved.root), before, "it was killed after it had written");
    let (code, said) = xtask(&["init", arg(&proved.root)]);
    assert!(code == 2 && said.contains("was killed while it wrote") && said.contains("has a copy already"), "{said}");
    assert_eq!(tree(&proved.root), before);
    proved.upgrade();
    proved.after = "exit 0";
    let (code, said) = proved.upgrade();
    assert!(code == 0 && said.contains("was killed while it wrote"), "{said}");
    assert!(read(&proved.root, FILE).contains(NOW));
}

#[test]
fn what_its_owner_wrote_after_the_kill_is_left() {
    let mut proved = Proved::new();
    proved.after = "kill -9 $PPID; exit 0";
    proved.upgrade();
    write(&proved.root, FILE, "// mine by now\n");
    let (_, said) = xtask(&["init", arg(&proved.root)]);
    assert!(said.contains(&format!("{FILE} was changed since: it is left")), "{said}");
    assert_eq!(read(&proved.root, FILE), "// mine by now\n");
    assert_eq!(run(&proved.root, "git", &["status", "--porcelain"]), format!(" M {FILE}\n"));
}

#[test]
fn an_upgrade_that_was_killed_before_its_proof_deploys_nothing() {
    let mut proved = Proved::new();
    proved.after = "kill -9 $PPID; exit 0";
    proved.upgrade();
    for command in [["deploy", "dev"].as_slice(), &["doctor"]] {
        let (code, said) = xtask(&[&["-C", arg(&proved.root)], command].concat());
        assert!(code != 0 && said.contains("was killed here before what it wrote was proved"), "{code} {said}");
    }
    // It is theirs once they have committed it.
    let now = tree(&proved.root);
    run(&proved.root, "git", &["add", "--all"]);
    run(&proved.root, "git", &["commit", "-qm", "upgraded"]);
    xtask(&["init", arg(&proved.root)]);
    assert_eq!(tree(&proved.root), now);
    let (code, said) = xtask(&["-C", arg(&proved.root), "deploy", "dev"]);
    assert_eq!(code, 0, "{said}");
}

/// Killed without warning, later each time, until it is quick enough: it is all there, or nothing is.
#[test]
fn killed_at_any_moment_it_is_all_or_nothing() {
    let folder = new_folder();
    let root = older(&folder);
    let before = tree(&root);
    // Half as long again each time: fine where it is quick, and soon long enough where it is not.
    for wait in std::iter::successors(Some(100_u64), |wait| Some(wait * 3 / 2)).take(34).map(Duration::from_micros) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut upgrade = command(here, env!("CARGO_BIN_EXE_xtask"), &["upgrade", arg(&root), "--unchecked"]);
        let mut running = upgrade.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be run");
        // The program reads and compares the whole engine first: nothing is worth killing before it holds the lock.
        let start = Instant::now();
        while !root.join(".git/ciao/undo.lock").exists() && start.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        std::thread::sleep(wait);
        running.kill().expect("it is a child");
        let ended = running.wait().expect("it is a child");
        let (_, said) = xtask(&["init", arg(&root)]);
        let now = tree(&root);
        fs::remove_file(root.join(".git/ciao/undo.lock")).ok();
        if now != before {
            assert!(read(&root, FILE).contains(NOW), "{said}");
            let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
            assert!(code == 0 && said.contains("is up to date"), "{said}");
            return;
        }
        assert!(!ended.success());
    }
    panic!("it never came to its end");
}

#[test]
fn two_at_once_are_told_of_each_other() {
    let mut proved = Proved::new();
    proved.before = "sleep 60";
    let mut first = proved.command().stderr(Stdio::null()).spawn().expect("it can be run");
    let start = Instant::now();
    while !proved.folder.0.join("log").exists() && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (code, said) = xtask(&["upgrade", arg(&proved.root)]);
    run(&proved.root, "kill", &["-TERM", &first.id().to_string()]);
    let ended = first.wait().expect("it is a child");
    assert!(code == 2 && said.contains("is writing there"), "{said}");
    assert_eq!(ended.code(), Some(143));
}

#[test]
fn an_upgrade_replaces_the_engine_and_leaves_the_owners_files() {
    let folder = new_folder();
    let root = older(&folder);
    let manifest = read(&root, "xtask/Cargo.toml");
    let mine = "# Mine.\n[features]\nmine = []\n\n[dev-dependencies]";
    write(&root, "xtask/Cargo.toml", manifest.replace("[dev-dependencies]", mine));
    let owned = [
        "xtask/src/tasks.rs",
        "xtask/src/main.rs",
        "tests/step_order.rs",
        "tests/snapshots/step-order-dev.snap",
        "pipelines/environment.toml",
        "pipelines/environments/dev.toml",
        "Cargo.toml",
        ".cargo/config.toml",
        ".gitignore",
        ".ci/run",
    ];
    for path in owned {
        write(&root, path, format!("{}# mine\n", read(&root, path)));
    }
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert_eq!(code, 0, "{said}");
    assert!(read(&root, FILE).contains(NOW));
    assert!(read(&root, "xtask/Cargo.toml").contains("# Mine.\n[features]"));
    let changed = run(&root, "git", &["diff", "--name-only"]);
    assert_eq!(changed, format!("xtask/engine/COPIED.toml\n{FILE}\n"), "{said}");
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
}

#[test]
fn files_that_the_engine_has_no_more_go_and_new_ones_come() {
    let folder = new_folder();
    let root = older(&folder);
    let record = read(&root, "xtask/engine/COPIED.toml");
    let gone = "// Of an older version.\n";
    write(&root, "xtask/engine/gone/old.rs", gone);
    let line = format!("\"xtask/engine/gone/old.rs\" = \"{}\"\n", ciao::template::file::fingerprint(gone.as_bytes()));
    let kept: String =
        record.lines().filter(|line| !line.contains("engine/testing.rs")).map(|line| format!("{line}\n")).collect();
    write(&root, "xtask/engine/COPIED.toml", &(kept + &line));
    let whole = read(&root, "xtask/engine/testing.rs");
    fs::remove_file(root.join("xtask/engine/testing.rs")).expect("it is there");
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert_eq!(code, 0, "{said}");
    assert!(!root.join("xtask/engine/gone/old.rs").exists());
    assert_eq!(read(&root, "xtask/engine/testing.rs"), whole);
}

#[test]
fn edits_of_the_engine_are_merged_or_shown() {
    let folder = new_folder();
    let root = older(&folder);
    let theirs = read(&root, FILE);
    write(&root, FILE, format!("{theirs}\n// An edit of ours.\n"));
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("edit.rs was edited there: merged"), "{said}");
    let merged = read(&root, FILE);
    assert!(merged.contains("// An edit of ours.") && merged.contains(NOW), "{merged}");
    // The edit stands in no version of the engine: the next upgrade finds it again.
    write(&root, "xtask/engine/testing.rs", &(read(&root, "xtask/engine/testing.rs") + "// Another one.\n"));
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
    assert!(read(&root, FILE).contains("// An edit of ours."));
    assert!(read(&root, "xtask/engine/testing.rs").contains("// Another one."));

    let folder = new_folder();
    let root = older(&folder);
    write(&root, FILE, read(&root, FILE).replace(ONCE, "//! As we like it."));
    refused(&root, &["upgrade", arg(&root), "--unchecked"], "cannot be merged in xtask/engine/template/edit.rs");
    let (_, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(said.contains("As we like it.") && said.contains("Pure: text in"), "{said}");
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked", "--discard-edits"]);
    assert_eq!(code, 0, "{said}");
    assert!(read(&root, FILE).contains(NOW));
}

/// What this version finds and the one before did not must not keep a copy from it.
#[test]
fn the_tests_of_a_copy_are_asked_for_the_order_alone() {
    let mut proved = Proved::new();
    proved.after = "exec test \"$CIAO_ORDER_ONLY\" = 1";
    let (code, said) = proved.upgrade();
    assert_eq!(code, 0, "{said}");
}

/// The order was the same, and the new version writes it in another way: nothing but `--unchecked` went, and nothing said so.
#[test]
fn a_copy_with_snapshots_of_an_older_form_could_not_be_upgraded() {
    let mut proved = Proved::new();
    let (path, once) =
        ("tests/snapshots/step-order-dev.snap", "---\nsource: tests/step_order.rs\n---\ndev\n  of old\n");
    write(&proved.root, path, once);
    commit(&proved.root);
    // Nor does a test leave what could be accepted for another version.
    proved.after = "exec test \"$INSTA_UPDATE\" = no";
    let (code, said) = proved.upgrade();
    let note = format!("this version writes the order of the steps otherwise than {path}: accept it with");
    assert!(code == 0 && said.contains(&note) && said.contains(ciao::template::ACCEPT), "{said}");
    assert_eq!(read(&proved.root, path), once);
}

#[test]
fn a_long_conflict_was_cut_before_what_this_version_has() {
    let folder = new_folder();
    let root = older(&folder);
    write(&root, FILE, read(&root, FILE).replace(ONCE, &"//! As we like it.\n".repeat(40)));
    refused(&root, &["upgrade", arg(&root), "--unchecked"], "=======\n//! Pure: text in, text out.");
}

#[test]
fn a_file_of_the_engine_that_was_deleted_came_back_without_a_word() {
    let folder = new_folder();
    let root = older(&folder);
    fs::remove_file(root.join("xtask/engine/testing.rs")).expect("it is there");
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("note: xtask/engine/testing.rs was deleted there: it comes back"), "{said}");
}

#[test]
fn an_upgrade_with_vendored_dependencies_did_not_say_how() {
    let mut proved = Proved::new();
    proved.after = "echo 'location searched: directory source `/shop/vendor` (which replaces it)' >&2; exit 101";
    let said = proved.taken_back(1, "its tests do not pass any more");
    assert!(said.contains("cargo vendor --sync ") && said.contains("Cargo.toml /shop/vendor\n"), "{said}");
}
