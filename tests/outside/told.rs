//! What whoever watches a deployment is told: on GitHub Actions, on a terminal, in JSON, when nothing but failures is wanted.

use super::ended::with_steps;
use super::*;

const GITHUB: (&str, &str) = ("GITHUB_ACTIONS", "true");

#[test]
fn on_github_a_refused_deployment_had_no_annotation_and_no_summary() {
    let repo = with_steps("");
    let summary = repo.path(".git/summary");
    let with = [GITHUB, ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let (_, said, code) = run_with(&repo, &["deploy", "prod"], &with);
    assert!(code == 3 && said.starts_with("::error::deploy prod: its gate is closed"), "{said}");
    assert!(std::fs::read_to_string(&summary).unwrap().starts_with("**error**: deploy prod: its gate is closed"));
    repo.write("pipelines/deployments/web/pipeline.toml", "[[step]]\nname = \"a\"\nrun = \"${nope}\"\n");
    let (_, said, code) = run_with(&repo, &["deploy", "dev"], &with);
    let place = "::error file=pipelines/deployments/web/pipeline.toml,line=3,col=8,title=unknown-parameter::";
    assert!(code == 2 && said.contains(place) && said.contains("::error::dev is not deployed"), "{said}");
}

#[test]
fn on_github_a_summary_that_could_not_be_written_was_not_told_of() {
    let repo = with_steps("[[step]]\nname = \"a\"\nrun = [\"true\"]\nfinally = { run = [\"false\"] }\n");
    let summary = repo.path(".git/none/summary");
    let with = [GITHUB, ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let (_, said, _) = run_with(&repo, &["deploy", "dev"], &with);
    let warning = "warning: the step summary ROOT/.git/none/summary cannot be written: No such file";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
    assert!(said.contains("title=web/a (finally) failed::exit code 1"), "{said}");
}

#[test]
fn on_github_a_step_gave_commands_from_the_middle_of_a_line() {
    let repo =
        with_steps("[[step]]\nname = \"a\"\nrun = [\"sh\", \"-c\", \"echo 'x ##[endgroup] ##[error]y'; exit 1\"]\n");
    let (_, said, code) = run_with(&repo, &["deploy", "dev"], &[GITHUB]);
    assert!(code == 1 && said.contains("x ## [endgroup] ## [error]y") && !said.contains("##["), "{said}");
}

#[test]
fn logs_acted_on_the_terminal_and_the_end_of_one_was_glued_to_the_next() {
    let escapes = "printf '\\\\033]0;title\\\\007\\\\033[2Jtext'";
    let repo = with_steps(&format!(
        "[[step]]\nname = \"a\"\nrun = [\"sh\", \"-c\", \"{escapes}\"]\n[[step]]\nname = \"b\"\nrun = [\"echo\", \"b\"]\n"
    ));
    assert_eq!(run(&repo, &["deploy", "dev"]).2, 0);
    let raw = run(&repo, &["logs", "dev"]).0;
    assert!(raw.contains("\x1b[2Jtext\n==> web/b <==\nb\n"), "{raw:?}");
    let on_terminal = |arguments: &[&str], term: &str| {
        let mut xtask = repo.xtask(arguments);
        let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
        xtask.command().env("TERM", term).envs(identity);
        terminal::on_terminal(std::mem::replace(xtask.command(), std::process::Command::new("true"))).0
    };
    assert_eq!(on_terminal(&["logs", "dev"], "xterm"), "==> web/a <==\ntext\n==> web/b <==\nb\n");
    assert!(!on_terminal(&["deploy", "dev", "-q"], "dumb").contains('\x1b'));
}

#[test]
fn what_a_finally_printed_looked_like_what_its_step_had() {
    let repo =
        with_steps("[[step]]\nname = \"a\"\nrun = [\"echo\", \"one\"]\nfinally = { run = [\"echo\", \"two\"] }\n");
    let events = run(&repo, &["deploy", "dev", "--format", "json"]).0;
    let lines = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let output: Vec<_> = lines.filter(|event| event["event"] == "output").collect();
    let told = output.iter().map(|event| (event["line"].as_str().unwrap(), event["finally"].as_bool().unwrap()));
    assert_eq!(told.collect::<Vec<_>>(), [("one", false), ("two", true)]);
}

#[test]
fn whoever_wants_to_hear_of_failures_only_was_not_told_that_a_log_is_not_complete() {
    let repo = with_steps("[[step]]\nname = \"a\"\nrun = [\"echo\", \"one\"]\n");
    repo.write(".git/ciao/logs/dev", "no folder");
    let (_, said, code) = run(&repo, &["-q", "deploy", "dev"]);
    assert!(code == 0 && said.contains("error: web/a: ROOT/.git/ciao/logs/dev/"), "{said}");
    assert_eq!(said.matches("web__a.log cannot be written any more").count(), 1, "{said}");
}

#[test]
fn a_timeout_of_a_month_was_taken_for_a_minute() {
    for (key, message) in [
        ("timeout = \"1M\"", "`timeout` of a step has an `M`, which is a month: a minute is `m`"),
        ("timeout = \"3years\"", "`timeout` of a step is longer than a year"),
        ("retries = { attempts = 2, delay = \"25h\" }", " is longer than a day"),
    ] {
        let repo = with_steps(&format!("[[step]]\nname = \"a\"\nrun = [\"true\"]\n{key}\n"));
        let said = run(&repo, &["check"]).0;
        assert!(said.contains("error[bad-value]") && said.contains(message), "{said}");
    }
}

#[test]
fn resume_did_not_say_which_file_had_changed() {
    let repo = with_steps("[[step]]\nname = \"a\"\nscript = \"a.sh\"\n[[step]]\nname = \"b\"\nrun = [\"false\"]\n");
    let script = |text: &str| {
        repo.write("pipelines/deployments/web/a.sh", format!("#!/bin/sh\n{text}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(repo.path("pipelines/deployments/web/a.sh"), mode).unwrap();
        repo.commit();
    };
    script("echo a");
    assert_eq!(run(&repo, &["deploy", "dev"]).2, 1);
    script("echo b");
    let (_, said, code) = run(&repo, &["resume", "dev"]);
    assert!(code == 2 && said.contains("\n  the bytes of pipelines/deployments/web/a.sh\n"), "{said}");
}
