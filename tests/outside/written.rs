//! What cannot be written, and what is empty.

use std::fs::OpenOptions;
use std::process::Stdio;

use super::*;

#[test]
fn on_a_full_disk_the_output_was_lost_with_exit_0() {
    let repo = Repo::bare(TWO).committed();
    let commands: [&[&str]; 9] = [
        &["--help"],
        &["plan", "--help"],
        &["plan", "dev"],
        &["plan", "dev", "--format", "json"],
        &["check", "--format", "json"],
        &["status"],
        &["schema", "pipeline"],
        &["check", "--explain", "cycle"],
        &["deploy", "dev", "--format", "json"],
    ];
    for arguments in commands {
        let mut xtask = repo.xtask(arguments);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = xtask.command().stdout(full).env("GIT_COMMITTER_EMAIL", "a@a.example").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(said.matches("error: standard output cannot be written: No space left").count(), 1, "{said}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let repo = Repo::bare(TWO).committed();
    for arguments in [&["--help"][..], &["plan", "dev"], &["schema", "pipeline"]] {
        let mut xtask = repo.xtask(arguments);
        let mut child = xtask.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(0), "".into()));
    }
}

#[test]
fn an_empty_output_was_used_as_an_empty_string() {
    let uses = |output: &str, run: &str, used: &str| {
        let repo = Repo::bare(TWO).committed();
        let file = "pipelines/deployments/web/pipeline.toml";
        let text = std::fs::read_to_string(repo.path(file)).unwrap();
        let step = format!("{text}\n[[step]]\nname = \"m\"\nrun = {run}\noutput = {output}\n");
        repo.write(file, format!("{step}\n[[step]]\nname = \"n\"\nrun = [\"echo\", \"rm\", {used}]\n"));
        repo.commit();
        let (_, said, code) = super::run(&repo, &["deploy", "dev"]);
        (said, code)
    };
    let (said, code) = uses("\"dir\"", "[\"true\"]", "\"${dir}/\"");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("output `dir` of step web/m is empty") && !said.contains("| rm"), "{said}");
    let json = "{ name = \"infra\", json = true }";
    for (printed, what) in [("{\\\"a\\\": null}", "null"), ("{\\\"a\\\": \\\"\\\"}", "empty")] {
        let (said, code) = uses(json, &format!("[\"echo\", \"{}\"]", printed), "\"${infra.a}\"");
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("output `infra.a` of step web/m is {what}")), "{said}");
    }
    // What nobody uses may be empty.
    let (said, code) = uses("\"dir\"", "[\"true\"]", "\"x\"");
    assert!(code == 0 && said.contains("| rm x"), "{said}");
}

/// `ulimit -f`: it was killed by SIGXFSZ without a word, and left the environment unfinished.
#[test]
fn a_limit_of_the_length_of_files_killed_the_deployment() {
    let repo = Repo::bare(TWO);
    let lines = "[[step]]\nname = \"lines\"\nrun = [\"seq\", \"1\", \"300000\"]\n[[step]]\nname = \"signal\"\nscript = \"install.sh\"\nverify = true\n";
    repo.write("pipelines/deployments/web/pipeline.toml", lines);
    // What a step starts has the signal as it is by default: its bit in the mask of those that are ignored or caught.
    repo.write("pipelines/deployments/web/install.sh", "#!/bin/sh\ngrep -E '^Sig(Ign|Cgt)' /proc/self/status\n");
    let repo = repo.committed();
    let limited = |blocks: u32| {
        let program = repo.xtask(&[]).command().get_program().to_owned();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(program).args(["deploy", "dev"]);
        let output = shell.current_dir(&repo.root).env("HOME", repo.path(".git")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(output.stdout) + &text(output.stderr), output.status.code())
    };
    // Too short for the journal: nothing runs. Long enough for it, and not for the log: it goes on, and says so.
    let (said, code) = limited(0);
    assert!(code == Some(5) && said.contains("File too large"), "{code:?}: {said}");
    let (said, code) = limited(400);
    let words = "web__lines.log cannot be written any more: File too large";
    assert!(code == Some(0) && said.contains(words), "{code:?}: {}", &said[said.len().saturating_sub(600)..]);
    let masks = said.lines().filter_map(|line| line.split_once("| Sig")?.1.split_once(':'));
    let masks: Vec<u64> = masks.map(|(_, mask)| u64::from_str_radix(mask.trim(), 16).unwrap()).collect();
    assert!(masks.len() == 2 && masks.iter().all(|mask| mask & (1 << 24) == 0), "{masks:x?}");
    assert!(run(&repo, &["status"]).0.contains("succeeded"));
}
