//! The template: a copy in repositories of every shape, what an owner adds to it, and how it is brought up to date.
//!
//! Those that build copies are in `built.rs`; they take minutes and are ignored: `cargo test --test template -- --ignored`.

#[path = "template/adopted.rs"]
mod adopted;
#[path = "template/built.rs"]
mod built;
#[path = "template/completed.rs"]
mod completed;
#[path = "template/documented.rs"]
mod documented;
#[path = "template/joined.rs"]
mod joined;
#[path = "template/merged.rs"]
mod merged;
#[path = "template/owner.rs"]
mod owner;
#[path = "template/refused.rs"]
mod refused;
#[path = "support/repo.rs"]
mod repo;
#[path = "template/shapes.rs"]
mod shapes;
#[path = "support/terminal.rs"]
#[allow(dead_code)]
mod terminal;
#[path = "template/unwritten.rs"]
mod unwritten;
#[path = "template/upgrade.rs"]
mod upgrade;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use repo::Kept;
use shapes::{Folder, SHAPES, command, commit, make, new_folder, read, run, text, write, xtask};

/// The path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("it is UTF-8")
}

#[track_caller]
fn init(root: &Path) -> String {
    let (code, said) = xtask(&["init", arg(root)]);
    assert_eq!(code, 0, "{said}");
    said
}

/// A repository that is made once, and is the same for all who ask for it by this name.
fn kept(name: &str, folder: &Folder, make: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
    static KNOWN: Mutex<BTreeMap<String, (OsString, Kept)>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((called, kept)) = known.get(name) {
        let root = folder.0.join(called);
        kept.write(&root);
        return root;
    }
    let root = make(&folder.0);
    let called = root.file_name().expect("it has a name").to_owned();
    known.insert(name.to_owned(), (called, Kept::of(&root)));
    root
}

/// A repository of this shape with a copy in it; it goes with the folder.
#[track_caller]
fn copied(shape: &str) -> (Folder, PathBuf) {
    let folder = new_folder();
    let root = kept(shape, &folder, |inside| {
        let root = make(shape, inside);
        init(&root);
        root
    });
    (folder, root)
}

#[track_caller]
fn refused(root: &Path, args: &[&str], why: &str) {
    let before = tree(root);
    let (code, said) = xtask(args);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(why) && said.contains("help: "), "{said}");
    assert_eq!(tree(root), before, "something was written");
}

/// Every file below a folder, with its content, and every folder.
fn tree(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != ".git" {
                files.push((format!("{}/", path.to_string_lossy()), Vec::new()));
                open.push(path);
            } else if path.is_file() {
                let content = fs::read(&path).unwrap_or_default();
                files.push((path.to_string_lossy().into_owned(), content));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_shape_gets_a_copy_that_checks_clean() {
    for shape in SHAPES {
        let (_folder, root) = copied(shape);
        let (code, said) = xtask(&["-C", arg(&root), "check"]);
        assert!(code == 0 && said.contains("nothing found"), "{shape}: {said}");
        for environment in ["dev", "test", "prod"] {
            let (code, said) = xtask(&["-C", arg(&root), "plan", environment]);
            assert!(code == 0 && said.contains("verify"), "{shape}: {said}");
        }
        // Everything cargo could read before, it can read now; and the lock file is whole.
        for manifest in run(&root, "git", &["ls-files", "*Cargo.toml"]).lines() {
            run(
                &root,
                "cargo",
                &["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path", manifest],
            );
        }
        run(&root, "cargo", &["update", "--workspace", "--offline", "--quiet", "--locked"]);
        let (code, said) = xtask(&["init", arg(&root)]);
        assert!(
            code == 2 && said.contains("has a copy already") && said.contains("cargo xtask upgrade"),
            "{shape}: {said}"
        );
        commit(&root);
        assert_eq!(run(&root, "git", &["status", "--porcelain"]), "", "{shape}");
    }
}

#[test]
fn what_belongs_to_the_owner_is_changed_by_insertions_alone() {
    let (_folder, root) = copied("virtual workspace");
    let cargo = read(&root, "Cargo.toml");
    let expected =
        "# All of it.\n[workspace]\nmembers = [\n    \"app\", # the shop\n    \"xtask\",\n]\nresolver = \"2\"\n";
    assert!(cargo.starts_with(expected), "{cargo}");
    assert!(cargo.contains("\nciao-ledger.incremental = false\n"), "{cargo}");
    // How the shop itself is built stays as it was.
    assert!(cargo.contains("[profile.dev.package]\n") && !cargo.contains("[profile.dev]\n"), "{cargo}");

    let (_folder, root) = copied("no rust");
    assert!(read(&root, "Cargo.toml").contains("[profile.dev]\n"), "{}", read(&root, "Cargo.toml"));

    let (_folder, root) = copied("existing alias");
    let config = read(&root, ".cargo/config.toml");
    let expected =
        "# Ours.\n[alias]\nxtask = \"run --quiet --package xtask --\"\nb = \"build\" # short\n\n[net]\nretry = 3\n";
    assert_eq!(config, expected);

    let (_folder, root) = copied("crlf files");
    for file in ["Cargo.toml", ".cargo/config.toml", ".gitignore"] {
        let content = read(&root, file);
        assert_eq!(content.matches('\n').count(), content.matches("\r\n").count(), "{file}: {content:?}");
    }

    let (_folder, root) = copied("nested workspace");
    assert!(read(&root, "Cargo.toml").contains("exclude = [\"tools/gen\"]"), "{}", read(&root, "Cargo.toml"));
}

#[test]
fn a_copy_has_nothing_of_the_engines_own_tests() {
    let (_folder, root) = copied("no rust");
    let manifest = read(&root, "xtask/Cargo.toml");
    assert_eq!(manifest.matches("[[test]]").count(), 1, "{manifest}");
    assert!(!manifest.contains("proptest") && manifest.contains("[lib]\ntest = false\n"), "{manifest}");
    // Nor of its parts.
    let part = read(&root, "xtask/engine/ledger/Cargo.toml");
    assert!(part.contains("[lib]\ntest = false\n"), "{part}");
    assert!(!read(&root, "Cargo.lock").contains("proptest"));
}

/// What is built for `cargo xtask` is what `cargo test` needs: with other features of anything the engine would be built twice.
#[test]
fn the_tests_of_a_copy_build_nothing_of_the_engine_anew() {
    let (_folder, root) = copied("no rust");
    let built = |edges: &str| {
        let args = [
            "tree",
            "--quiet",
            "--offline",
            "--package",
            "xtask",
            "--prefix",
            "none",
            "--format",
            "{p} {f}",
            "--edges",
            edges,
        ];
        let tree = run(&root, "cargo", &args);
        // Cargo also says there that it waits for another cargo.
        let packages = tree.lines().filter(|line| !line.starts_with(' '));
        packages.map(|line| line.trim_end_matches(" (*)").to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let (program, tests) = (built("normal,build"), built("normal,build,dev"));
    let anew: Vec<&String> = program.difference(&tests).collect();
    assert!(program.len() > 30 && anew.is_empty(), "built with other features for the tests: {anew:?}");
}

#[test]
fn bad_places_are_refused_and_nothing_is_written() {
    let folder = new_folder();
    let here = &folder.0;
    refused(here, &["init", arg(&here.join("nowhere"))], "there is no folder");
    refused(here, &["init", arg(here)], "is not a git repository");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a folder");
    refused(here, &["init", arg(repository)], "is this repository itself");
    refused(here, &["init", arg(&repository.join("tests"))], "is inside this repository");

    let root = make("virtual workspace", here);
    refused(&root, &["init", arg(&root.join("app"))], "is a folder inside the repository");
    write(&root, "Cargo.toml", "[workspace\n");
    refused(&root, &["init", arg(&root)], "Cargo.toml is broken: line 1");
    write(&root, "Cargo.toml", "[dependencies]\n");
    refused(&root, &["init", arg(&root)], "neither [package] nor [workspace]");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\", \"xtask\"]\n");
    write(&root, "xtask/Cargo.toml", "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\n");
    refused(&root, &["init", arg(&root)], "an xtask of its own in xtask/");
    refused(&root, &["upgrade", arg(&root)], "has no copy of this engine");
    fs::remove_dir_all(root.join("xtask")).expect("it is there");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\"]\nexclude = [\"xtask\"]\n");
    refused(&root, &["init", arg(&root)], "excludes `xtask`");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\"]\n");
    write(&root, ".cargo/config.toml", "[alias]\nxtask = \"run --package tools --\"\n");
    refused(&root, &["init", arg(&root)], "`cargo xtask` is an alias for");
}

#[test]
fn a_dirty_repository_is_warned_of_and_a_remote_is_no_finding() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    run(&root, "git", &["remote", "add", "origin", "https://git.example/shop.git"]);
    write(&root, "notes.txt", "not committed");
    let said = init(&root);
    assert!(said.contains("note: there are changes in 1 file, not committed"), "{said}");
    let (code, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(code == 0 && said.contains("nothing found"), "{said}");
}

#[test]
fn a_copy_of_a_copy_is_the_same() {
    let (_folder, root) = copied("no rust");
    let listed = read(&root, "xtask/engine/COPIED.toml");
    for path in
        ["xtask/Cargo.toml", "xtask/engine/lib.rs", "xtask/engine/template/starter/pipelines/orchestration.toml"]
    {
        assert!(listed.contains(&format!("\"{path}\" = ")), "{listed}");
        assert!(root.join(path).is_file());
    }
}

/// Two copies that share the folder for what cargo builds have one program file.
#[test]
fn an_xtask_that_was_built_for_another_repository_notices() {
    let (_folder, root) = copied("no rust");
    let output = command(&root, env!("CARGO_BIN_EXE_xtask"), &["plan", "dev"]).output().expect("it can be run");
    let said = text(&output);
    assert!(output.status.code() == Some(2) && said.contains("this program was built in"), "{said}");
    assert!(said.contains("CARGO_TARGET_DIR"), "{said}");
    // Where it has one of its own it was copied with it, and was told to get one.
    let program = root.join("target/debug/xtask");
    fs::create_dir_all(program.with_file_name("")).expect("it can be made");
    fs::copy(env!("CARGO_BIN_EXE_xtask"), &program).expect("it can be copied");
    let said = text(&command(&root, arg(&program), &["plan", "dev"]).output().expect("it can be run"));
    assert!(said.contains("was copied or moved with what was built there: `cargo clean`"), "{said}");
}
