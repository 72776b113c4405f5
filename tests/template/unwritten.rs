//! What cannot be written is not written at all: a folder without rights, a disk without room, a workspace that cargo refuses.

use std::path::Path;
use std::process::Command;

use super::shapes::{command, commit, make, new_folder, read, script, text, write, xtask};
use super::upgrade::older_copy;
use super::{arg, tree};

/// The xtask as somebody without rights beyond those of files; nothing where this machine has no such person.
fn without_rights(root: &Path, args: &[&str]) -> Option<Command> {
    let program = env!("CARGO_BIN_EXE_xtask");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mine = Command::new("id").arg("-u").output().expect("there is `id`");
    if text(&mine).trim() != "0" {
        return Some(command(here, program, args));
    }
    // Root may write everywhere.
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", program];
    let usable = Command::new("setpriv").args(nobody).arg("--version").output();
    if !usable.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine has nobody without rights who could run {program}");
        return None;
    }
    super::shapes::run(root, "chown", &["-R", "65534:65534", "."]);
    let mut command = command(here, "setpriv", &[&nobody, args].concat());
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
    Some(command)
}

#[track_caller]
fn refused_by_rights(root: &Path, args: &[&str], folder: &str, why: &str) {
    let Some(mut command) = without_rights(root, args) else { return };
    let before = tree(root);
    super::shapes::run(root, "chmod", &["a-w", folder]);
    let output = command.output().expect("it can be run");
    super::shapes::run(root, "chmod", &["u+w", folder]);
    let said = text(&output);
    assert!(output.status.code() == Some(2) && said.contains(why) && said.contains("help: "), "{said}");
    assert_eq!(tree(root), before, "{said}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let folder = new_folder();
    let root = make("existing alias", &folder.0);
    refused_by_rights(&root, &["init", arg(&root)], ".", "is not writable");
    refused_by_rights(&root, &["init", arg(&root)], ".cargo", ".cargo is not writable");
    // Found only while it is written: the engine is in place by then.
    refused_by_rights(&root, &["init", arg(&root)], "tests", "failed to write to");
}

#[test]
fn an_upgrade_that_may_not_write_in_one_folder_changes_nothing() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    older_copy(&root, "xtask/engine/template/edit.rs", "//! Pure: text in, text out.", "//! As it was.");
    write(&root, "xtask/engine/testing.rs", "// Another old one.\n");
    commit(&root);
    let upgrade = ["upgrade", arg(&root), "--unchecked", "--discard-edits"];
    refused_by_rights(&root, &upgrade, "xtask/engine/template", "xtask/engine/template/edit.rs: ");
    refused_by_rights(&root, &upgrade, "xtask/engine", "failed to write to");
}

/// A disk that has room for less and less, up to one that has enough: files larger than the limit cannot be written.
#[test]
fn a_disk_without_room_leaves_everything_as_it_was() {
    let folder = new_folder();
    let fresh = make("virtual workspace", &folder.0);
    let other = new_folder();
    let older = make("no rust", &other.0);
    older_copy(&older, "xtask/engine/template/edit.rs", "//! Pure: text in, text out.", "//! As it was.");
    for (root, args) in [(&fresh, &["init", arg(&fresh)][..]), (&older, &["upgrade", arg(&older), "--unchecked"])] {
        let before = tree(root);
        let mut refused = 0;
        for blocks in [1, 8, 24, 64, 1 << 20] {
            // Told as an error, and not by a signal that ends the program.
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut command = command(here, "sh", &["-c", &limited, "sh", env!("CARGO_BIN_EXE_xtask")]);
            let output = command.args(args).output().expect("it can be run");
            if output.status.success() {
                assert_ne!(tree(root), before);
                break;
            }
            let said = text(&output);
            assert!(output.status.code() == Some(2) && said.contains("nothing was changed"), "{blocks}: {said}");
            assert_eq!(tree(root), before, "{blocks}: {said}");
            assert!(!root.join(".git/ciao/undo.json").exists());
            refused += 1;
        }
        assert!(refused > 2, "it was refused {refused} times");
    }
}

/// A package of the same name stands where git does not look, as in a submodule: cargo could read the workspace, and
/// could not with two of them.
#[test]
fn what_cargo_would_not_accept_is_taken_back() {
    let folder = new_folder();
    let root = make("virtual workspace", &folder.0);
    write(&root, ".gitignore", "/local/\n");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\", \"local/tools\"]\nresolver = \"2\"\n");
    write(&root, "local/tools/Cargo.toml", "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write(&root, "local/tools/src/lib.rs", "");
    commit(&root);
    let before = tree(&root);
    let (code, said) = xtask(&["init", arg(&root)]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("cargo would not accept the workspace any more") && said.contains("help: "), "{said}");
    assert_eq!(tree(&root), before);
}

#[test]
fn a_command_that_is_ended_while_cargo_reads_takes_everything_back() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    let ends = "#!/bin/sh\ncase $1 in update) kill -TERM $PPID; exec sleep 60 ;; esac\n";
    script(&folder.0.join("bin/cargo"), ends);
    let before = tree(&root);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = command(here, env!("CARGO_BIN_EXE_xtask"), &["init", arg(&root)]);
    let path = std::env::var("PATH").unwrap_or_default();
    let output =
        command.env("PATH", format!("{}:{path}", folder.0.join("bin").display())).output().expect("it can be run");
    assert_eq!(output.status.code(), Some(143), "{}", text(&output));
    assert_eq!(tree(&root), before);
    assert_eq!(read(&root, "README.md"), "# Shop\n");
}
