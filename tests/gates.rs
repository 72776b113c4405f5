//! The first tier from outside: what opens a gate, what closes it, and with which exit code.

#[path = "gates/held_up.rs"]
mod held_up;
#[path = "support/repo.rs"]
mod repo;
#[path = "support/terminal.rs"]
#[allow(dead_code)]
mod terminal;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use repo::{Ran, Repo};

/// Runs a command and compares its exit code.
#[track_caller]
fn check(repository: &Repo, arguments: &[&str], code: i32) -> Ran {
    let ran = repository.run(arguments);
    assert_eq!(ran.code, code, "{arguments:?}\n{}{}", ran.stdout, ran.stderr);
    ran
}

fn by(repository: &mut Repo, name: &str) {
    repository.set("GIT_COMMITTER_NAME", name);
    repository.set("GIT_COMMITTER_EMAIL", &format!("{name}@a.example"));
}

#[test]
fn orchestrate_goes_as_far_as_the_gates_permit() {
    let mut repository = Repo::copy("gates");
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
    let mut repository = Repo::copy("gates");
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
    let mut repository = Repo::copy("gates");
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
    let mut repository = Repo::copy("gates");
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

/// A remote beside the repository, shared by the ledger; `more` goes below an environment's table.
fn shared(repository: &Repo, more: &str) -> String {
    let remote = repository.path(".git/remote.git").to_str().unwrap().to_owned();
    repository.git(&["init", "--quiet", "--bare", &remote]);
    repository.git(&["remote", "add", "origin", &remote]);
    let ledger = format!("{more}\n[ledger]\nremote = \"origin\"\n");
    repository.edit("pipelines/orchestration.toml", "approvals = 1\n", &ledger);
    remote
}

/// Deploys stop at their first step as long as the file `.git/hold` is there.
fn holding(repository: &Repo) {
    let slow = "while [ -e .git/hold ]; do sleep 0.05; done\necho \"installing";
    repository.edit("pipelines/deployments/app/install.sh", "echo \"installing", slow);
    fs::write(repository.path(".git/hold"), "").unwrap();
}

fn release(repository: &Repo) {
    fs::remove_file(repository.path(".git/hold")).unwrap();
}

/// A deployment that has come to its first step.
fn begun(repository: &Repo, environment: &str) -> Child {
    let mut command = repository.command(&["deploy", environment]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !repository.run(&["status"]).stdout.contains("at step app/install") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to its first step");
    }
    child
}

#[test]
fn approve_shows_what_comes_and_what_goes_away() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    repository.edit("pipelines/environments/dev.toml", "Atelier", "Workshop");
    check(&repository, &["deploy", "dev"], 0);
    by(&mut repository, "ben");
    let back = check(&repository, &["approve", "dev", "HEAD~1"], 0).stderr;
    assert!(back.contains("commits\n  none\ncommits that go away\n  "), "{back}");
    assert!(back.contains("  -title = \"Workshop\"\n  +title = \"Atelier\"\n"), "{back}");
    repository.edit("pipelines/deployments/app/install.sh", "installing", "laying");
    let on = check(&repository, &["approve", "dev"], 0).stderr;
    assert!(!on.contains("go away") && on.contains("values\n  unchanged"), "{on}");
}

/// As on a terminal where somebody answers a question.
#[track_caller]
fn asked(repository: &Repo, arguments: &[&str], answer: &str, code: i32) -> String {
    let (near, name) = terminal::terminal();
    let far = fs::File::options().read(true).write(true).open(name).unwrap();
    rustix::io::write(&near, answer.as_bytes()).unwrap();
    let output = repository.command(arguments).stdin(far).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?} answered with {answer:?}\n{said}");
    said
}

#[test]
fn who_waits_deploys_next_and_who_does_not_is_told_who_deploys() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    holding(&repository);
    let mut first = begun(&repository, "dev");
    by(&mut repository, "ben");
    let refused = check(&repository, &["deploy", "dev"], 4);
    assert!(refused.stderr.contains("ada <ada@a.example> deploys release"), "{}", refused.stderr);
    let late = check(&repository, &["deploy", "dev", "--wait", "1s"], 4);
    assert_eq!(late.stderr.matches("waiting: ").count(), 1, "{}", late.stderr);
    let mut next = repository.command(&["deploy", "dev", "--wait", "2m"]).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stderr, mut said) = (BufReader::new(next.stderr.take().unwrap()), String::new());
    stderr.read_line(&mut said).unwrap();
    assert!(said.contains("waiting: ") && said.contains("ada"), "{said}");
    release(&repository);
    stderr.read_to_string(&mut said).unwrap();
    assert!(next.wait().unwrap().success(), "{said}");
    assert!(first.wait().unwrap().success());
    let history = check(&repository, &["history", "dev"], 0).stdout;
    let events: Vec<&str> = history.lines().skip(1).filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(events, ["finished: succeeded", "started", "finished: succeeded", "started", "opened"], "{history}");
}

#[test]
fn fault_30_an_end_that_could_not_be_pushed_is_pushed_by_the_next_command() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    let remote = shared(&repository, "");
    holding(&repository);
    let mut first = begun(&repository, "dev");
    let away = format!("{remote}.away");
    fs::rename(&remote, &away).unwrap();
    release(&repository);
    assert_eq!(first.wait().unwrap().code(), Some(6));
    let status = check(&repository, &["status"], 0);
    assert!(status.stderr.contains("this is what was known last"), "{}", status.stderr);
    let row = &status.stdout;
    assert!(row.contains("it ended (succeeded), which is not recorded yet") && !row.contains("killed"), "{row}");
    check(&repository, &["deploy", "dev"], 5);
    fs::rename(&away, &remote).unwrap();
    let status = check(&repository, &["status"], 0);
    assert!(status.stdout.contains("succeeded"), "{}", status.stdout);
    let history = check(&repository, &["history", "dev"], 0).stdout;
    assert_eq!(history.matches("finished: succeeded").count(), 1, "{history}");
}

#[test]
fn fault_39_unlock_asks_whose_deployment_it_ends() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    check(&repository, &["unlock", "dev", "--reason", "none", "--yes"], 2);
    holding(&repository);
    let mut first = begun(&repository, "dev");
    first.kill().unwrap();
    first.wait().unwrap();
    release(&repository);
    let command = ["unlock", "dev", "--reason", "ada went home"];
    let refused = check(&repository, &command, 2);
    assert!(
        refused.stderr.contains("by ada <ada@a.example>") && refused.stderr.contains("--yes"),
        "{}",
        refused.stderr
    );
    for no in ["n\n", "\n", "nonsense\n", "\u{4}"] {
        let said = asked(&repository, &command, no, 2);
        assert!(said.contains("unlock it? [y/N]") && said.contains("nothing was changed"), "{said}");
    }
    assert!(check(&repository, &["status"], 0).stdout.contains("unfinished"));
    let said = asked(&repository, &command, "y\n", 0);
    assert!(said.contains("dev is free"), "{said}");
    let history = check(&repository, &["history", "dev"], 0).stdout;
    assert!(history.contains("unlocked: interrupted") && history.contains("reason: ada went home"), "{history}");
}

#[test]
fn approve_and_settle_ask_on_a_terminal_only() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ben");
    let said = asked(&repository, &["approve", "prod"], "n\n", 2);
    assert!(said.contains("prod: the first deployment") && said.contains("for prod? [y/N]"), "{said}");
    assert!(asked(&repository, &["approve", "prod"], "y\n", 0).contains("ben <ben@a.example> approved release"));
    check(&repository, &["approve", "prod"], 2);
    repository.edit("pipelines/deployments/app/pipeline.toml", "\"echo\", \"cleaned up\"", "\"false\"");
    by(&mut repository, "ada");
    check(&repository, &["deploy", "dev"], 1);
    let command = ["settle", "dev", "app/install", "--reason", "cleaned up by hand"];
    let said = asked(&repository, &command, "n\n", 2);
    assert!(said.contains("app/install still owes"), "{said}");
    assert!(check(&repository, &["status"], 0).stdout.contains("owed: app/install"));
    asked(&repository, &[&command[..], &["--yes"]].concat(), "n\n", 0);
    assert!(!check(&repository, &["status"], 0).stdout.contains("owed: "));
    check(&repository, &command, 2);
}

#[test]
fn orchestrate_waits_for_no_soak_and_believes_no_rewritten_ledger() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    repository.edit("pipelines/orchestration.toml", "approvals = 1\n", "soak = \"3s\"\n");
    let first = check(&repository, &["orchestrate"], 3);
    assert!(first.stderr.contains("soaking: it must have been good in test for 3s"), "{}", first.stderr);
    std::thread::sleep(Duration::from_secs(4));
    let second = check(&repository, &["orchestrate"], 0);
    assert!(second.stderr.contains("test: holds release"), "{}", second.stderr);
    // What is passed over is what the ledger is believed to say.
    repository.git(&["update-ref", "-d", "refs/deployments/test"]);
    let third = check(&repository, &["orchestrate"], 5);
    assert!(!third.stderr.contains("test: holds") && third.stderr.contains("--accept-ledger"), "{}", third.stderr);
}

/// The next command is one that does not refuse: a killed deployment still has the lock.
#[test]
fn a_changed_plan_of_a_killed_deployment_is_given_up_first() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ada");
    holding(&repository);
    let mut first = begun(&repository, "dev");
    let asked = check(&repository, &["unlock", "dev", "--reason", "slow"], 2).stderr;
    assert!(asked.contains("; it runs: its steps will be stopped"), "{asked}");
    first.kill().unwrap();
    first.wait().unwrap();
    release(&repository);
    repository.edit("pipelines/deployments/app/install.sh", "installing", "laying");
    let said = check(&repository, &["resume", "dev"], 2).stderr;
    assert!(said.contains("(see git diff ") && said.contains("or give it up with cargo xtask unlock dev"), "{said}");
    let freed = check(&repository, &["unlock", "dev", "--yes", "--reason", "went another way"], 0).stderr;
    assert!(freed.contains("; it was killed"), "{freed}");
    let shown = check(&repository, &["show", "dev"], 0).stdout;
    assert!(shown.contains("dev: unlocked by ada") && shown.contains("app/install  unknown"), "{shown}");
    assert!(shown.contains("\n  started ") && !shown.contains("partial"), "{shown}");
    let said = check(&repository, &["resume", "dev"], 2).stderr;
    assert!(said.contains("or begin anew: cargo xtask deploy dev"), "{said}");
}

#[test]
fn logs_of_a_step_named_without_its_pipeline() {
    let repository = Repo::copy("gates");
    check(&repository, &["deploy", "dev"], 0);
    let said = check(&repository, &["logs", "dev", "install"], 2).stderr;
    assert!(said.contains("has no step `install`") && said.contains("did you mean `app/install`?"), "{said}");
}

#[test]
fn logs_of_all_steps_come_in_the_order_in_which_the_steps_ran() {
    let repository = Repo::copy("ten");
    let script = repository.path("pipelines/deployments/app/make.sh");
    fs::write(&script, fs::read_to_string(&script).unwrap() + "\necho made\n").unwrap();
    check(&repository, &["deploy", "dev"], 0);
    let plan: serde_json::Value =
        serde_json::from_str(&check(&repository, &["plan", "dev", "--format", "json"], 0).stdout).unwrap();
    let planned = plan["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap());
    let logs = check(&repository, &["logs", "dev"], 0).stdout;
    let shown: Vec<&str> = logs.lines().filter_map(|line| line.strip_prefix("==> ")?.strip_suffix(" <==")).collect();
    assert!(shown.len() > 3 && !shown.is_sorted(), "{shown:?}");
    assert!(planned.filter(|id| shown.contains(id)).eq(shown.iter().copied()), "{shown:?}");
}

#[test]
fn logs_are_kept_of_the_last_twenty_deployments() {
    let repository = Repo::copy("gates");
    for _ in 0..22 {
        check(&repository, &["deploy", "dev", "-q"], 0);
    }
    assert_eq!(fs::read_dir(repository.path(".git/ciao/logs/dev")).unwrap().count(), 20);
}

#[test]
fn a_wrong_commit_or_time_is_wrong_usage() {
    let repository = Repo::copy("gates");
    let said = check(&repository, &["approve", "prod", "nowhere"], 2).stderr;
    assert!(said.contains("there is no commit nowhere here: git fetch"), "{said}");
    // Two lines were two questions to git, and what was approved did not exist; of the other git died.
    for name in ["HEAD\nHEAD", "@{upstream}"] {
        let said = check(&repository, &["approve", "prod", "--yes", name], 2).stderr;
        assert!(said.contains("there is no commit") && said.contains("here: git fetch"), "{said}");
    }
    let said = check(&repository, &["deploy", "dev", "--grace", "soon"], 2).stderr;
    assert!(said.contains("write it as in 30s, 5m"), "{said}");
}

#[test]
fn what_was_done_before_a_resumption_is_shown_as_it_went() {
    let repository = Repo::copy("gates");
    repository.edit(
        "pipelines/deployments/app/pipeline.toml",
        "\"test\", \"-d\", \".git\"",
        "\"test\", \"-d\", \".git/late\"",
    );
    check(&repository, &["deploy", "dev"], 1);
    fs::create_dir(repository.path(".git/late")).unwrap();
    check(&repository, &["resume", "dev"], 0);
    let shown = check(&repository, &["show", "dev", "--format", "json"], 0).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let install = &shown["steps"][0];
    assert_eq!((&install["attempts"], &install["exit"]), (&1.into(), &0.into()), "{install}");
    assert!(install["seconds"].as_f64().unwrap() > 0.0, "{install}");
}

/// Nothing ran then: what had run before is not run again by the next one, and what nobody saw is not guessed.
#[test]
fn a_resumption_without_its_secret_forgets_nothing() {
    let mut repository = Repo::copy("gates");
    let secret = "[parameters]\npassword = { type = \"string\", secret = true }\n";
    repository.edit("pipelines/environment.toml", "[parameters]\n", secret);
    for name in ["dev", "test", "prod"] {
        let values = format!("password = {{ env = \"{}_PASSWORD\" }}\ntitle", name.to_uppercase());
        repository.edit(&format!("pipelines/environments/{name}.toml"), "title", &values);
    }
    let look = "name = \"look\"\nenv = { PASSWORD = \"${password}\" }\n";
    repository.edit("pipelines/deployments/app/pipeline.toml", "name = \"look\"\n", look);
    repository.edit("pipelines/deployments/app/pipeline.toml", "\".git\"]", "\".git/late\"]");
    repository.set("DEV_PASSWORD", "correct horse");
    check(&repository, &["deploy", "dev"], 1);
    repository.set("DEV_PASSWORD", "");
    let said = check(&repository, &["resume", "dev"], 2).stderr;
    assert!(said.contains("variable DEV_PASSWORD") && said.contains("nothing ran"), "{said}");
    repository.set("DEV_PASSWORD", "correct horse");
    let said = check(&repository, &["resume", "dev"], 1).stderr;
    assert!(said.contains("app/look failed") && !said.contains("app/install succeeded"), "{said}");

    fs::create_dir(repository.path(".git/late")).unwrap();
    holding(&repository);
    let mut killed = begun(&repository, "dev");
    killed.kill().unwrap();
    killed.wait().unwrap();
    release(&repository);
    check(&repository, &["resume", "dev"], 2);
    repository.set("DEV_PASSWORD", "");
    check(&repository, &["resume", "dev", "--rerun", "app/install"], 2);
    repository.set("DEV_PASSWORD", "correct horse");
    let said = check(&repository, &["resume", "dev"], 2).stderr;
    assert!(said.contains("nobody saw how step `app/install` ended"), "{said}");
    check(&repository, &["resume", "dev", "--rerun", "app/install"], 0);
}

#[test]
fn what_a_step_owes_that_is_gone_from_the_plan_is_told() {
    let repository = Repo::copy("gates");
    repository.edit("pipelines/deployments/app/pipeline.toml", "\"echo\", \"cleaned up\"", "\"false\"");
    check(&repository, &["deploy", "dev"], 1);
    repository.edit("pipelines/deployments/app/pipeline.toml", "name = \"install\"", "name = \"put\"");
    repository.edit("pipelines/deployments/app/pipeline.toml", "\"false\"", "\"true\"");
    let said = check(&repository, &["deploy", "dev"], 0).stderr;
    assert!(said.contains("still owed: the finally of app/install\ndo it by hand, then: "), "{said}");
    check(&repository, &["deploy", "test"], 3);
    check(&repository, &["settle", "dev", "app/install", "--reason", "by hand"], 0);
    check(&repository, &["deploy", "test"], 0);
}

/// Where nobody saw how two steps ended, one may be done and the other not: they are decided in one command.
#[test]
fn of_two_unknown_steps_one_is_skipped_and_one_run_again() {
    let repository = Repo::copy("gates");
    let two = "[[step]]\nname = \"late\"\nrun = [\"sh\", \"-c\", \"while [ -e .git/hold ]; do sleep 0.05; done\"]\n\
               needs = []\n\n[[step]]\nname = \"install\"\nneeds = []\n";
    repository.edit("pipelines/deployments/app/pipeline.toml", "[[step]]\nname = \"install\"\n", two);
    holding(&repository);
    let mut killed = begun(&repository, "dev");
    killed.kill().unwrap();
    killed.wait().unwrap();
    release(&repository);
    let said = check(&repository, &["resume", "dev"], 2).stderr;
    assert!(said.contains("resume dev --skip app/late --skip app/install   (it is done)"), "{said}");
    assert!(said.contains("or some of each, in one command"), "{said}");
    let both = ["resume", "dev", "--skip", "app/install", "--rerun", "app/install"];
    assert!(check(&repository, &both, 2).stderr.contains("name it once"));
    let said = check(&repository, &["resume", "dev", "--rerun", "app/late", "--skip", "app/install"], 0).stderr;
    assert!(said.contains("app/late succeeded") && said.contains("1 skipped"), "{said}");
}

/// It was told to be passed once with `--force`, and that did nothing where the old gate was open.
#[test]
fn a_weakened_gate_that_is_forced_counts_from_then_on() {
    let mut repository = Repo::copy("gates");
    by(&mut repository, "ben");
    check(&repository, &["approve", "prod"], 0);
    by(&mut repository, "ada");
    check(&repository, &["orchestrate", "-q"], 0);
    repository.edit("pipelines/orchestration.toml", "approvals = 1\n", "");
    let weakened = check(&repository, &["orchestrate", "-q"], 3).stderr;
    assert!(weakened.contains("weakened: ") && weakened.contains("deploy prod --force --reason"), "{weakened}");
    by(&mut repository, "ben");
    check(&repository, &["approve", "prod"], 0);
    by(&mut repository, "ada");
    check(&repository, &["deploy", "prod", "-q", "--force", "--reason", "nobody else is left"], 0);
    let history = check(&repository, &["history", "prod"], 0).stdout;
    assert!(history.contains("started, forced"), "{history}");
    repository.edit("pipelines/deployments/app/install.sh", "installing", "laying");
    check(&repository, &["orchestrate", "-q"], 0);
    assert_eq!(check(&repository, &["history", "prod"], 0).stdout.matches("started, forced").count(), 1);
}
