//! What `init` found too late or not at all in the repository that was to get a copy.

use std::path::Path;

use super::shapes::{Folder, command, make, new_folder, read, run, script, text, write, xtask};
use super::{arg, init, refused};

/// `init` with a cargo that is this script.
fn with_cargo(folder: &Folder, root: &Path, cargo: &str) -> (i32, String) {
    script(&folder.0.join("bin/cargo"), cargo);
    let path = format!("{}:{}", folder.0.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = command(here, env!("CARGO_BIN_EXE_xtask"), &["init", arg(root)]).env("PATH", path).output();
    let output = output.expect("it can be run");
    (output.status.code().unwrap_or(-1), text(&output))
}

/// The owner's own `cargo build` found none of the engine's packages afterwards.
#[test]
fn a_repository_with_vendored_dependencies_could_not_be_built_any_more() {
    let folder = new_folder();
    let root = make("edition 2018", &folder.0);
    let manifest = read(&root, "Cargo.toml") + "[dependencies]\ndep = \"1\"\n";
    write(&root, "Cargo.toml", &manifest);
    write(&root, "vendor/dep/Cargo.toml", "[package]\nname = \"dep\"\nversion = \"1.0.0\"\nedition = \"2021\"\n");
    write(&root, "vendor/dep/src/lib.rs", "");
    write(&root, "vendor/dep/.cargo-checksum.json", "{\"files\":{}}");
    let vendored = "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";
    write(&root, ".cargo/config.toml", vendored);
    run(&root, "cargo", &["generate-lockfile", "--offline"]);
    refused(&root, &["init", arg(&root)], "cargo could build nothing there any more: no matching package named `");
    let (_, said) = xtask(&["init", arg(&root)]);
    let origin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml").canonicalize().expect("it is there");
    let what = format!("cargo vendor --sync {} {}/vendor\n", origin.display(), root.display());
    assert!(said.contains(&what) && !said.contains("offline"), "{said}");
    // They were each named as a package of its own.
    assert!(!said.contains("exclude"), "{said}");
    run(&root, "cargo", &["metadata", "--offline", "--format-version", "1"]);
}

/// The advice was given again to who had followed it: git looks into no folder that is ignored itself.
#[test]
fn the_advice_for_what_git_ignores_did_not_help() {
    for rule in ["*\n!.gitignore\n", "xtask/\n"] {
        let folder = new_folder();
        let root = make("no rust", &folder.0);
        write(&root, ".gitignore", rule);
        let (code, said) = xtask(&["init", arg(&root)]);
        let advice = said.lines().map(str::trim).filter(|line| line.starts_with("!/"));
        let advice: String = advice.map(|line| format!("{line}\n")).collect();
        assert!(code == 2 && advice.contains("!/xtask/\n!/xtask/**\n"), "{said}");
        write(&root, ".gitignore", format!("{rule}{advice}"));
        init(&root);
        run(&root, "git", &["add", "--all"]);
        assert!(run(&root, "git", &["ls-files"]).contains("xtask/engine/check/mod.rs\n"), "{advice}");
    }
}

#[test]
fn the_script_of_ci_got_windows_line_ends() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, ".gitattributes", "* text=auto eol=crlf\n");
    init(&root);
    for script in [".ci/run", "pipelines/deployments/app/verify.sh"] {
        let attribute = run(&root, "git", &["check-attr", "eol", "--", script]);
        assert_eq!(attribute, format!("{script}: eol: lf\n"));
    }
}

/// It waited for somebody to write into it, and no signal ended that.
#[test]
fn a_pipe_in_the_place_of_a_file_was_waited_for() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    for path in [".gitignore", "Cargo.toml", "rust-toolchain.toml"] {
        run(&root, "mkfifo", &[path]);
        refused(&root, &["init", arg(&root)], &format!("{path} is no file"));
        std::fs::remove_file(root.join(path)).expect("it is there");
    }
}

/// A link that stood in the place of a file was replaced, and one in the place of a folder was a disk without room.
#[test]
fn links_to_nothing_were_written_over() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    for path in ["Cargo.toml", "pipelines", ".ci"] {
        run(&root, "ln", &["-s", "nowhere", path]);
        refused(&root, &["init", arg(&root)], &format!("{path} is a link to nothing"));
        std::fs::remove_file(root.join(path)).expect("it is there");
    }
    write(&root, "rules", "");
    run(&root, "ln", &["-s", "rules", ".gitignore"]);
    refused(&root, &["init", arg(&root)], ".gitignore is a link, and git reads none that is one");
}

#[test]
fn a_toolchain_that_is_not_installed_was_a_workspace_that_cargo_accepts_no_more() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    let (code, said) =
        with_cargo(&folder, &root, "#!/bin/sh\necho \"error: toolchain '1.70' is not installed\" >&2\nexit 1\n");
    assert!(code == 2 && said.contains("cargo does not run there: toolchain '1.70' is not installed\n"), "{said}");
    assert_eq!(run(&root, "git", &["status", "--porcelain"]), "");
}

#[test]
fn packages_were_added_to_a_lock_file_in_the_middle_of_a_merge() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, "Cargo.lock", "<<<<<<< HEAD\nversion = 3\n");
    refused(&root, &["init", arg(&root)], "Cargo.lock is broken: line 1");
}

/// "cargo test # holds the order of the steps" stood there all the same.
#[test]
fn another_test_stood_in_the_place_of_the_one_that_holds_the_order() {
    let folder = new_folder();
    let root = make("edition 2018", &folder.0);
    write(&root, "tests/other.rs", "");
    let manifest = read(&root, "Cargo.toml") + "[[test]]\nname = \"step_order\"\npath = \"tests/other.rs\"\n";
    write(&root, "Cargo.toml", &manifest);
    assert!(init(&root).contains("  cargo test --package xtask  # holds the order"));

    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, "tests/step_order.rs", "#[test]\nfn mine() {}\n");
    let said = init(&root);
    assert!(
        said.contains("tests/step_order.rs  # yours, without `assert_step_order!`") && !said.contains("cargo test ")
    );
}

/// `check` said of what `init` had written that no environment has these names.
#[test]
fn an_owner_with_other_environments_got_values_for_ours() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(
        &root,
        "pipelines/orchestration.toml",
        "[[environment]]\nname = \"test\"\n[[environment]]\nname = \"eins\"\n",
    );
    init(&root);
    let written = std::fs::read_dir(root.join("pipelines/environments")).expect("it is there");
    let written: Vec<String> = written.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(written, ["test.toml"]);
}

#[test]
fn a_workspace_that_was_broken_before_was_not_told() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"nope\"]\n");
    let said = init(&root);
    assert!(said.contains("note: cargo cannot read the workspace, and `cargo xtask` not run, before"), "{said}");
}
