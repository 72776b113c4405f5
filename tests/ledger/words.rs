//! What a remote says, and what we make of it: the words of whoever refused, and what would help.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fixture::*;

fn script(folder: &Folder, name: &str, text: &str) -> std::path::PathBuf {
    write(&folder.0, name, format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(folder.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder.path(name)
}

#[track_caller]
fn deploy_says(repo: &Path, parts: &[&str]) {
    let ledger = shared(repo);
    says(&refused(ledger.start(&request(&ledger, "dev"))), parts);
}

#[test]
fn fault_31_what_ssh_said_was_left_out() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    git(&repo, "remote add origin git@host.example:shop.git");
    for words in [
        "ssh: connect to host host.example port 22: Connection refused",
        "ssh: Could not resolve hostname host.example: Name or service not known",
        "ERROR: Repository not found.",
        "git@host.example: Permission denied (publickey).",
    ] {
        let ssh = script(&folder, "ssh", &format!("echo Welcome. >&2; echo '{words}' >&2; exit 255"));
        git(&repo, &format!("config core.sshCommand {}", ssh.display()));
        deploy_says(&repo, &["5: ", "origin", words]);
    }
}

#[test]
fn refusals_of_a_remote_were_taken_for_others() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let hook = "origin.git/hooks/pre-receive";
    script(&folder, hook, "echo no deployments while the quota exceeded review is open >&2; exit 1");
    deploy_says(&repo, &["5: ", "a hook or rule of origin refuses", "review is open"]);
    std::fs::remove_file(folder.path(hook)).unwrap();
    git(&bare, "config receive.maxInputSize 10");
    deploy_says(&repo, &["5: ", "origin takes no pushes as large as this one"]);
    git(&bare, "config --unset receive.maxInputSize");
    git(&bare, "branch deployments main");
    let ledger = shared(&repo);
    let settings = ciao::ledger::Settings { branch: true, ..ledger.settings };
    let ledger = ciao::ledger::Ledger::open(&repo, settings, ciao::ledger::Source::system()).unwrap();
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "origin has a branch in the way", "rename it"]);
}

#[test]
fn fault_55_a_shallow_clone_was_told_that_it_has_no_right_to_push() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    commit(&repo, "second");
    git(&folder.0, &format!("clone --quiet --depth 1 file://{} shallow", repo.display()));
    let shallow = folder.path("shallow");
    git(&folder.0, "init --quiet --bare empty.git");
    git(&shallow, &format!("remote set-url origin {}", folder.path("empty.git").display()));
    deploy_says(&shallow, &["5: ", "this clone is shallow", "git fetch --unshallow"]);
    git(&shallow, &format!("fetch --quiet --unshallow file://{}", repo.display()));
    deploy(&shared(&shallow), "dev");
}
