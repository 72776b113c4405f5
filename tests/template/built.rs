//! Copies that are built, with what their owner does: a minute and more each, so all of them are ignored.
//!
//! They share the folder for what cargo builds, and so come one after the other.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shapes::{SHAPES, built, command, commit, make, new_folder, read, run, same_folder, text, write, xtask};
use super::upgrade::older_copy;
use super::{arg, tree};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cargo(root: &Path, args: &[&str]) -> (i32, String) {
    let output = command(root, "cargo", args).output().expect("cargo can be run");
    (output.status.code().unwrap_or(-1), text(&output))
}

/// Something of the engine, and what stood there in an older version: nothing that would be built anew.
const HARMLESS: (&str, &str, &str) = ("xtask/engine/LICENSE-MIT", "Permission is hereby", "Permission was once");

/// Makes files so old that cargo takes what it has built of the same engine at the same place. What was built of another one goes.
fn as_built_before(root: &Path) {
    let engine = ciao::template::file::fingerprint(read(root, "xtask/engine/COPIED.toml").as_bytes());
    // Cargo itself does not tell two places apart.
    let engine = format!("{engine} in {}", root.display());
    let known = built().join("engine");
    if std::fs::read_to_string(&known).ok().as_ref() != Some(&engine) {
        write(&built(), "engine", &engine);
        run(
            &built(),
            "find",
            &[".", "(", "-path", "*/.fingerprint/xtask-*", "-o", "-path", "*/.fingerprint/ciao-*", ")", "-delete"],
        );
    }
    run(root, "find", &["xtask", "-exec", "touch", "-d", "2020-01-01", "{}", "+"]);
}

/// Every shape, all the way: a copy of an older version is tested, deploys, holds the order, and is upgraded to this one.
#[test]
#[ignore = "builds copies at three places: minutes; some shapes with SHAPE=\"no rust,edition 2018\""]
fn every_shape_tests_deploys_and_upgrades() {
    let _alone = alone();
    let only = std::env::var("SHAPE").ok();
    for shape in
        SHAPES.into_iter().filter(|shape| only.as_deref().is_none_or(|only| only.split(',').any(|one| one == *shape)))
    {
        let folder = same_folder("ciao-template-shapes");
        let root = make(shape, &folder.0);
        older_copy(&root, HARMLESS.0, HARMLESS.1, HARMLESS.2);
        as_built_before(&root);
        run(&root, "git", &["config", "user.name", "Anna"]);
        run(&root, "git", &["config", "user.email", "anna@example.org"]);
        let (code, said) = cargo(&root, &["test", "--offline"]);
        assert!(code == 0 && said.contains("test step_order ... ok"), "{shape}: {said}");
        let (code, said) = cargo(&root, &["xtask", "deploy", "dev"]);
        assert_eq!(code, 0, "{shape}: {said}");
        assert_eq!(run(&root, "git", &["status", "--porcelain"]), "", "{shape}");

        // The order of the steps is held: another one fails until it is accepted.
        let path = "pipelines/deployments/app/pipeline.toml";
        let pipeline = read(&root, path);
        write(&root, path, format!("{pipeline}\n[[step]]\nname = \"more\"\nrun = \"true\"\n"));
        let (code, said) = cargo(&root, &["test", "--offline"]);
        assert!(code != 0 && said.contains("more"), "{shape}: {said}");
        run(&root, "git", &["checkout", "--quiet", "--", path]);

        let (code, said) = xtask(&["upgrade", arg(&root)]);
        assert!(code == 0 && said.contains("upgraded."), "{shape}: {said}");
        let changed = run(&root, "git", &["status", "--porcelain"]);
        assert_eq!(changed, format!(" M xtask/engine/COPIED.toml\n M {}\n", HARMLESS.0), "{shape}");
        let (code, said) = cargo(&root, &["xtask", "deploy", "dev"]);
        assert_eq!(code, 0, "{shape}: {said}");
        eprintln!("{shape}: all the way");
    }
}

/// The engine of the copy put the steps of a plan in another order than this one does.
#[test]
#[ignore = "builds a copy twice"]
fn a_built_copy_whose_order_would_change_is_as_it_was() {
    let _alone = alone();
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    let now = "(0..plan.steps.len()).map(|index| step(plan, index))";
    older_copy(&root, "xtask/engine/show/json.rs", now, &now.replace(".map", ".rev().map"));
    let (code, said) = xtask(&["-C", arg(&root), "new", "step", "app", "install", "--", "true"]);
    assert_eq!(code, 0, "{said}");
    run(&root, "env", &["INSTA_UPDATE=always", "cargo", "test", "--offline", "--quiet"]);
    commit(&root);
    let before = tree(&root);
    let (code, said) = xtask(&["upgrade", arg(&root)]);
    assert!(code == 1 && said.contains("the order of its steps would change: in dev"), "{said}");
    assert_eq!(tree(&root), before);
}

/// A version from this repository's own history; nothing where the clone does not reach back to it.
fn version(inside: &Path, commit: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a folder");
    let known = command(here, "git", &["cat-file", "-e", &format!("{commit}^{{commit}}")]).output();
    if !known.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {commit} is not in this clone; `git fetch --unshallow` brings it");
        return None;
    }
    let root = inside.join("origin");
    std::fs::create_dir_all(&root).expect("it can be made");
    run(&root, "git", &["init", "--quiet"]);
    run(&root, "git", &["fetch", "--quiet", "--depth", "1", arg(here), commit]);
    run(&root, "git", &["checkout", "--quiet", "FETCH_HEAD"]);
    Some(root)
}

/// The first versions that could copy themselves. What they wrote is brought to this one, proved, and deploys.
#[test]
#[ignore = "builds an old version, and its copy twice"]
fn copies_of_the_first_versions_are_upgraded() {
    let _alone = alone();
    // The tests of a copy that the first one makes cannot be built: its upgrade is what mends them.
    for first in ["c1c4c61dec52467913ab61b7e0b1656f2e2e809f", "81e11441d4832a441609c709b6ea6e071a792efb"] {
        let folder = new_folder();
        let Some(origin) = version(&folder.0, first) else { return };
        let root = make("root package with tests", &folder.0);
        let (code, said) = cargo(&origin, &["run", "--quiet", "--package", "xtask", "--", "init", arg(&root)]);
        assert_eq!(code, 0, "{first}: {said}");
        commit(&root);
        run(&root, "git", &["config", "user.name", "Anna"]);
        run(&root, "git", &["config", "user.email", "anna@example.org"]);
        let (code, said) = cargo(&root, &["xtask", "deploy", "dev"]);
        assert_eq!(code, 0, "{first}: {said}");
        let (code, said) = xtask(&["upgrade", arg(&root)]);
        assert!(code == 0 && said.contains("upgraded."), "{first}: {said}");
        let owned = run(&root, "git", &["status", "--porcelain", "--", "pipelines", "tests", "xtask/src"]);
        assert_eq!(owned, "", "{first}");
        eprintln!("{first}: upgraded");
        commit(&root);
        let (code, said) = cargo(&root, &["xtask", "orchestrate"]);
        assert_eq!(code, 0, "{first}: {said}");
        let (code, said) = cargo(&root, &["test", "--offline"]);
        assert!(code == 0 && said.contains("test step_order ... ok"), "{first}: {said}");
    }
}
