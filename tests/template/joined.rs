//! What `init` says before it writes, and how it joins what it writes to what is there.

use std::path::Path;

use super::shapes::{command, commit, make, new_folder, read, run, script, text, write, xtask};
use super::{arg, init, refused, tree};

#[test]
fn what_git_ignores_was_written_and_in_no_commit() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, ".gitignore", "# ours\ntests/\nxtask\n*.toml\n!orchestration.toml\n");
    refused(&root, &["init", arg(&root)], "xtask/Cargo.toml: .gitignore line 3, `xtask`");
    let (_, said) = xtask(&["init", arg(&root)]);
    assert!(said.contains("tests/step_order.rs: .gitignore line 2, `tests/`") && said.contains("`*.toml`"), "{said}");
    write(&root, ".gitignore", "*.snap\n");
    refused(&root, &["init", arg(&root)], "step-order-dev.snap: .gitignore line 1, `*.snap`");
    // A rule of one's own is one too.
    write(&root, ".gitignore", "");
    write(&root, ".git/info/exclude", ".ci\n");
    refused(&root, &["init", arg(&root)], ".ci/run: .git/info/exclude line 1, `.ci`");
    write(&root, ".git/info/exclude", "");
    // Libraries ignore it on purpose.
    write(&root, ".gitignore", "Cargo.lock\n");
    assert!(init(&root).contains("git ignores Cargo.lock (.gitignore line 1, `Cargo.lock`)"));
}

#[test]
fn a_sparse_checkout_and_an_old_toolchain_are_told() {
    let folder = new_folder();
    let root = make("virtual workspace", &folder.0);
    run(&root, "git", &["sparse-checkout", "set", "app"]);
    script(&folder.0.join("bin/cargo"), "#!/bin/sh\necho 'cargo 1.70.0 (ec8a8a0ca 2023-04-25)'\n");
    let path = format!("{}:{}", folder.0.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = command(here, env!("CARGO_BIN_EXE_xtask"), &["init", arg(&root)]).env("PATH", path).output();
    let said = text(&output.expect("it can be run"));
    assert!(said.contains("note: it is a sparse checkout: `git sparse-checkout add`"), "{said}");
    assert!(said.contains("note: cargo is 1.70.0 there, and the engine needs 1.88"), "{said}");
}

#[test]
fn without_cargo_it_is_said_that_there_is_none() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    run(&folder.0, "sh", &["-c", "mkdir bin; ln -s \"$(command -v git)\" bin/git"]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let before = tree(&root);
    let output =
        command(here, env!("CARGO_BIN_EXE_xtask"), &["init", arg(&root)]).env("PATH", folder.0.join("bin")).output();
    let said = text(&output.expect("it can be run"));
    assert!(said.contains("there is no cargo here") && said.contains("help: install Rust"), "{said}");
    assert_eq!(tree(&root), before);
}

#[test]
fn the_whole_change_of_a_manifest_is_shown() {
    let folder = new_folder();
    let root = make("virtual workspace", &folder.0);
    write(
        &root,
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n",
    );
    let said = init(&root);
    assert!(
        said.contains("- members = [\"app\"]\n            + members = [\"app\", \"xtask\"]\n            + \n"),
        "{said}"
    );
    assert!(!said.contains("- resolver") && !said.contains("unsafe_code") && !said.contains("lines more"), "{said}");
    // How the engine is built, in 40 lines, hid what was about the workspace.
    assert!(said.contains("+ [profile.dev.package]\n            + … and "), "{said}");
    assert!(!said.contains("xtask.incremental"), "{said}");
}

#[test]
fn the_alias_stands_in_the_file_that_cargo_reads() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    write(&root, ".cargo/config", "[build]\njobs = 1\n");
    write(&root, ".cargo/config.toml", "[build]\njobs = 1\n");
    init(&root);
    run(&root, "sh", &["-c", "cargo --list 2>/dev/null | grep -q xtask"]);
    assert_eq!(read(&root, ".cargo/config.toml"), "[build]\njobs = 1\n");
}

#[test]
fn a_root_package_called_as_the_engine_is_calls_the_engine_otherwise() {
    let folder = new_folder();
    let root = make("edition 2018", &folder.0);
    write(&root, "Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n[lib]\nname = \"ciao\"\n");
    commit(&root);
    init(&root);
    let manifest = read(&root, "Cargo.toml");
    assert!(manifest.contains("deployments = { path = \"xtask\", package = \"xtask\" }"), "{manifest}");
    assert!(read(&root, "tests/step_order.rs").contains("deployments::assert_step_order!(deployments::Tasks::new())"));
}

#[test]
fn a_package_without_autotests_has_the_test_all_the_same() {
    let folder = new_folder();
    let root = make("edition 2018", &folder.0);
    write(&root, "Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nautotests = false\n");
    commit(&root);
    init(&root);
    let manifest = read(&root, "Cargo.toml");
    assert!(manifest.contains("[[test]]\nname = \"step_order\"\npath = \"tests/step_order.rs\"\n"), "{manifest}");
    assert!(manifest.contains("insta = "), "{manifest}");
    run(&root, "cargo", &["metadata", "--offline", "--no-deps", "--format-version", "1"]);
}

/// One file below `pipelines/` kept all of the starter's from being written, and nothing else could write them.
#[test]
fn a_repository_with_one_of_the_files_gets_the_others() {
    for path in [
        "deployments/app/go.sh",
        "environments/dev.yml",
        "environments/dev.toml",
        "environment.toml",
        "orchestration.toml",
    ] {
        let folder = new_folder();
        let root = make("no rust", &folder.0);
        let content = if path.contains("orchestration") { "[[environment]]\nname = \"dev\"\n" } else { "" };
        write(&root, &format!("pipelines/{path}"), content);
        let said = init(&root);
        assert_eq!(read(&root, &format!("pipelines/{path}")), content);
        for wanted in ["orchestration.toml", "environment.toml", "environments/dev.toml"] {
            assert!(root.join("pipelines").join(wanted).exists(), "{path}: {said}");
        }
        assert!(
            said.contains("cargo xtask check           # what is still missing") || path == "orchestration.toml",
            "{path}: {said}"
        );
    }
}

#[test]
fn without_its_record_a_copy_was_sent_from_upgrade_to_init_and_back() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    init(&root);
    std::fs::remove_file(root.join("xtask/engine/COPIED.toml")).expect("it is there");
    refused(&root, &["upgrade", arg(&root)], "restore it: `git checkout HEAD -- xtask/engine/COPIED.toml`");
    // As the help says.
    std::fs::rename(root.join("xtask"), folder.0.join("aside")).expect("it can be moved");
    write(&root, "pipelines/environments/dev.toml", "title = \"Mine\"\n");
    init(&root);
    assert_eq!(read(&root, "pipelines/environments/dev.toml"), "title = \"Mine\"\n");
    assert!(root.join("xtask/engine/COPIED.toml").is_file());
}

#[test]
fn places_that_cannot_have_a_copy_are_named_as_what_they_are() {
    let folder = new_folder();
    run(&folder.0, "git", &["init", "--quiet", "--bare", "bare.git"]);
    let bare = folder.0.join("bare.git");
    refused(&bare, &["init", arg(&bare)], "is a bare git repository, and has no files");
    let root = make("no rust", &folder.0);
    write(&root, "pipelines", "");
    refused(&root, &["init", arg(&root)], "pipelines is a file, and pipelines/orchestration.toml needs a folder");
    std::fs::remove_file(root.join("pipelines")).expect("it is there");
    run(&root, "ln", &["-s", "nowhere", "xtask"]);
    refused(&root, &["init", arg(&root)], "xtask is a link to nothing");
    std::fs::remove_file(root.join("xtask")).expect("it is there");
    write(&root, "Cargo.toml", "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\n");
    refused(&root, &["init", arg(&root)], "the package at the root of");
}
