//! The first tier from outside: what opens a gate, what closes it, and with which exit code.

#[path = "support/disk.rs"]
mod disk;

use std::fs;

use disk::{Copy, Ran};

/// Runs a command and compares its exit code.
#[track_caller]
fn check(repository: &Copy, arguments: &[&str], code: i32) -> Ran {
    let ran = repository.xtask(arguments);
    assert_eq!(ran.code, code, "{arguments:?}\n{}{}", ran.stdout, ran.stderr);
    ran
}

fn by(repository: &mut Copy, name: &str) {
    repository.set("GIT_COMMITTER_NAME", name);
    repository.set("GIT_COMMITTER_EMAIL", &format!("{name}@a.example"));
}

#[test]
fn orchestrate_goes_as_far_as_the_gates_permit() {
    let mut repository = Copy::of("gates");
    by(&mut repository, "ada");
    check(&repository, &["deploy", "test"], 3);
    check(&repository, &["orchestrate", "--until", "nowhere"], 2);
    let first = check(&repository, &["orchestrate"], 3);
    assert!(first.stderr.contains("approvals: 0 of 1"), "{}", first.stderr);
    let again = check(&repository, &["orchestrate", "--until", "test"], 0);
    assert!(
        again.stderr.contains("dev: holds release") && again.stderr.contains("test: holds release"),
        "{}",
        again.stderr
    );
    // One's own approval does not count; another's does, for these values.
    check(&repository, &["approve", "prod"], 0);
    check(&repository, &["deploy", "prod"], 3);
    by(&mut repository, "ben");
    check(&repository, &["approve", "prod"], 0);
    by(&mut repository, "ada");
    check(&repository, &["orchestrate"], 0);
}

#[test]
fn a_value_that_is_changed_needs_a_new_approval_and_no_new_proof() {
    let mut repository = Copy::of("gates");
    by(&mut repository, "ben");
    check(&repository, &["approve", "prod"], 0);
    by(&mut repository, "ada");
    check(&repository, &["orchestrate", "--until", "test"], 0);
    repository.edit("pipelines/environments/prod.toml", "\"Shop\"", "\"Emporium\"");
    let refused = check(&repository, &["deploy", "prod"], 3);
    assert!(refused.stderr.contains("approvals") && !refused.stderr.contains("not-deployed"), "{}", refused.stderr);
    check(&repository, &["deploy", "prod", "--force"], 2);
    let reason = ["deploy", "prod", "--force", "--reason", "the shop is on fire"];
    check(&repository, &reason, 0);
    let history = check(&repository, &["history", "prod", "--format", "json"], 0);
    assert!(
        history.stdout.contains("\"forced\": true") && history.stdout.contains("the shop is on fire"),
        "{}",
        history.stdout
    );
}

#[test]
fn a_failure_stops_the_orchestration_and_is_gone_on_with() {
    let mut repository = Copy::of("gates");
    by(&mut repository, "ada");
    fs::write(repository.path(".git/stop-test"), "").unwrap();
    let failed = check(&repository, &["orchestrate"], 1);
    assert!(failed.stderr.contains("go on with: cargo xtask resume test"), "{}", failed.stderr);
    let status = check(&repository, &["status", "--format", "json"], 0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let states: Vec<_> =
        status["environments"].as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "failed", "never"]);
    fs::remove_file(repository.path(".git/stop-test")).unwrap();
    check(&repository, &["resume", "test"], 0);
    check(&repository, &["resume", "test"], 2);
    check(&repository, &["settle", "test", "app/install", "--reason", "none"], 2);
    // Nobody is asked without a terminal, so nothing is changed.
    check(&repository, &["unlock", "test", "--reason", "none"], 2);
}

/// It has no gate, opens none, and what happens there is nobody else's.
#[test]
fn a_personal_environment_is_not_shared() {
    let mut repository = Copy::of("gates");
    by(&mut repository, "ada");
    let remote = repository.path(".git/remote.git");
    let remote = remote.to_str().unwrap();
    for arguments in [["init", "--quiet", "--bare", remote].as_slice(), &["remote", "add", "origin", remote]] {
        repository.git(arguments);
    }
    repository.edit("pipelines/orchestration.toml", "approvals = 1\n", "\n[ledger]\nremote = \"origin\"\n");
    fs::create_dir_all(repository.path("pipelines/environments/personal")).unwrap();
    let values = "like = \"dev\"\ntitle = \"Desk\"\nstop = \".git/stop-desk\"\n";
    fs::write(repository.path("pipelines/environments/personal/desk.toml"), values).unwrap();
    check(&repository, &["deploy", "desk"], 0);
    check(&repository, &["deploy", "test"], 3);
    check(&repository, &["deploy", "dev"], 0);
    let status = check(&repository, &["status"], 0);
    assert_eq!(status.stdout.matches("succeeded").count(), 2, "{}", status.stdout);
    let refs =
        std::process::Command::new("git").args(["for-each-ref", "--format=%(refname)"]).current_dir(remote).output();
    assert_eq!(String::from_utf8(refs.unwrap().stdout).unwrap(), "refs/deployments/dev\n");
}
