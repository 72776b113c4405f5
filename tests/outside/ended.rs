//! What a deployment had done to what is known of its environment, and what was said of it, was not what had happened.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// A repository whose pipeline has these steps before the one that verifies.
pub fn with_steps(steps: &str) -> Repo {
    let text = TWO.replace("[[step]]\nname = \"install\"\nscript = \"install.sh\"\n", steps);
    Repo::bare(text.split("-- deployments/web/install.sh --").next().unwrap()).committed()
}

#[track_caller]
fn deployed(repo: &Repo, environment: &str) {
    let (_, said, code) = run(repo, &["deploy", environment]);
    assert_eq!(code, 0, "{said}");
}

#[track_caller]
fn shown(repo: &Repo, arguments: &[&str]) -> String {
    let (shown, said, code) = run(repo, arguments);
    assert_eq!(code, 0, "{said}");
    shown
}

#[test]
fn a_secret_that_was_not_set_made_an_environment_a_failed_one() {
    let repo = with_steps("[[step]]\nname = \"a\"\nrun = [\"true\"]\nenv = { PW = \"${db.password}\" }\n");
    repo.write(
        "pipelines/environment.toml",
        "[parameters.db]\npassword = { type = \"string\", secret = true }\n[[deploy]]\npipeline = \"web\"\n",
    );
    for environment in ["dev", "prod"] {
        let file = repo.path(".git/secret").to_str().unwrap().to_owned();
        let source = if environment == "dev" { "../.git/secret".to_owned() } else { file };
        let values = format!("[db]\npassword = {{ file = \"{source}\" }}\n");
        repo.write(&format!("pipelines/environments/{environment}.toml"), values.replace("../.git", ".git"));
    }
    repo.commit();
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 2 && said.contains("nothing ran"), "{code}: {said}");
    assert!(shown(&repo, &["status"]).contains("never"), "nothing was ever deployed");
    repo.write(".git/secret", "long enough, this one");
    deployed(&repo, "dev");
    let before = shown(&repo, &["status", "--format", "json"]);
    let (proof, record) = (shown(&repo, &["show", "dev"]), shown(&repo, &["history", "dev"]).lines().count());
    std::fs::remove_file(repo.path(".git/secret")).unwrap();
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 2 && said.contains("nothing ran"), "{code}: {said}");
    assert_eq!(shown(&repo, &["status", "--format", "json"]), before);
    assert_eq!(shown(&repo, &["show", "dev"]), proof);
    // It is recorded all the same: started, finished, and why.
    assert_eq!(shown(&repo, &["history", "dev"]).lines().count(), record + 3);
    repo.write(".git/secret", "long enough, this one");
    deployed(&repo, "prod");
}

#[test]
fn a_short_secret_was_shown_without_a_word() {
    let json = r#"echo '{\"pin\": \"4711\", \"token\": \"tok-12345678\"}'"#;
    let repo = with_steps(&format!(
        "[[step]]\nname = \"a\"\nrun = [\"sh\", \"-c\", \"{json}\"]\n\
         output = {{ name = \"o\", json = true, secret = true }}\n[[step]]\nname = \"b\"\n\
         run = [\"sh\", \"-c\", \"echo $PIN $TOKEN\"]\nenv = {{ PIN = \"${{o.pin}}\", TOKEN = \"${{o.token}}\" }}\n"
    ));
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 0 && said.contains("web/b | 4711 ***\n"), "{said}");
    assert!(said.contains("warning: `o.pin` is part of a secret output, and too short to be masked"), "{said}");
    let environment = std::fs::read_to_string(repo.path("pipelines/environment.toml")).unwrap();
    repo.write("pipelines/environment.toml", format!("pass_env = [\"A_TOKEN\"]\n{environment}"));
    repo.commit();
    for (token, expected) in [("ab1", 2), ("", 0), ("long enough", 0)] {
        let (_, said, code) = run_with(&repo, &["deploy", "dev"], &[("A_TOKEN", token)]);
        let refused = said.contains("secret A_TOKEN (named in pass_env): it is shorter than 8 bytes");
        assert!(code == expected && refused == (expected == 2), "{said}");
    }
}

#[test]
fn ctrl_c_before_the_first_step_made_an_environment_an_interrupted_one() {
    let repo = with_steps("[[step]]\nname = \"a\"\nrun = [\"true\"]\nenv = { PW = \"${pw}\" }\n");
    let source = "[parameters]\npw = { type = \"string\", secret = true }\n[secrets.ask]\nrun = [\"sh\", \"-c\", \"[ ! -e .git/slow ] || sleep 20; echo long-enough ${key}\"]\n[[deploy]]\npipeline = \"web\"\n";
    repo.write("pipelines/environment.toml", source);
    repo.write("pipelines/environments/dev.toml", "pw = { ask = \"1\" }\n");
    repo.write("pipelines/environments/prod.toml", "pw = { ask = \"2\" }\n");
    repo.commit();
    deployed(&repo, "dev");
    let state = |repo| shown(repo, &["status", "--format", "json"]);
    let (before, records) = (state(&repo), shown(&repo, &["history", "dev"]).lines().count());
    assert!(before.contains("succeeded"), "{before}");
    let interrupted = |after: u64| {
        let mut xtask = repo.xtask(&["deploy", "dev"]);
        let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
        let child = xtask.command().envs(identity).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status)
    };
    // While its secrets are read it has the lock: that is recorded.
    repo.write(".git/slow", "");
    let (said, status) = interrupted(2000);
    assert!(status.code() == Some(130) && said.contains("nothing was started"), "{status}: {said}");
    let with_lock = shown(&repo, &["history", "dev"]).lines().count();
    assert_eq!((state(&repo), with_lock), (before.clone(), records + 3));
    std::fs::remove_file(repo.path(".git/slow")).unwrap();
    // Before that nothing is. Where the signal is not caught yet, it ends the process.
    for after in [10, 15, 20, 30] {
        let before = state(&repo);
        let (said, status) = interrupted(after);
        if said.contains("web/a interrupted") {
            // It was quick, and had come to its first step.
            deployed(&repo, "dev");
        } else {
            assert!(status.success() || state(&repo) == before, "{status}: {said}");
        }
    }
    deployed(&repo, "prod");
}

#[test]
fn a_step_that_a_signal_had_ended_was_recorded_as_exit_139() {
    for (script, exit, signal) in [("kill -SEGV $$$$", 139, Some(11)), ("exit 139", 139, None)] {
        let step = format!("[[step]]\nname = \"a\"\nrun = [\"sh\", \"-c\", \"{script}\"]\n");
        let repo = with_steps(&step);
        let (events, said, code) = run(&repo, &["deploy", "dev", "--format", "json"]);
        assert_eq!(code, 1, "{said}");
        let ended = events.lines().find(|line| line.contains("\"ended\"")).unwrap();
        let ended: serde_json::Value = serde_json::from_str(ended).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&run(&repo, &["show", "dev", "--format", "json"]).0).unwrap();
        for step in [&ended, &json["steps"][0]] {
            assert_eq!((step["exit"].as_i64(), step["signal"].as_i64()), (Some(exit), signal), "{step}");
        }
        let shown = shown(&repo, &["show", "dev"]);
        let line = shown.lines().find(|line| line.starts_with("web/a ")).unwrap();
        assert!(line.ends_with(if signal.is_some() { "signal 11" } else { "139" }), "{line}");
    }
}

#[test]
fn a_finally_that_had_changed_since_the_plan_was_run() {
    let repo = with_steps("[[step]]\nname = \"a\"\nscript = \"a.sh\"\nfinally = { script = \"f.sh\" }\n");
    for (name, text) in [("a", "echo 'echo NOT PLANNED' >> f.sh; echo >> a.sh"), ("f", "echo clean-up")] {
        let path = format!("pipelines/deployments/web/{name}.sh");
        support::script(&repo.path(&path), &format!("#!/bin/sh\n{text}\n"));
    }
    repo.commit();
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 1 && !said.contains("NOT PLANNED |") && !said.contains("clean-up"), "{code}: {said}");
    assert!(said.contains("f.sh has changed since the plan was made") && said.contains("still owed"), "{said}");
    repo.git(&["checkout", "--quiet", "--", "."]);
    repo.write("pipelines/deployments/web/a.sh", "#!/bin/sh\n: >> a.sh\n");
    repo.commit();
    deployed(&repo, "dev");
}

#[test]
fn an_interrupted_finally_was_said_to_have_timed_out() {
    let repo = with_steps(
        "[[step]]\nname = \"a\"\nrun = [\"true\"]\nfinally = { run = [\"sh\", \"-c\", \"touch up; sleep 60\"] }\n",
    );
    let mut xtask = repo.xtask(&["deploy", "dev", "--grace", "200ms"]);
    let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
    let child = xtask.command().envs(identity).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !repo.path("pipelines/deployments/web/up").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to its finally");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(143) && !said.contains("timed out"), "{said}");
    assert!(
        said.contains("web/a (finally) interrupted in") && said.contains("still owed: the finally of web/a"),
        "{said}"
    );
}

#[test]
fn a_deployment_killed_in_a_finally_was_said_to_be_at_a_step_that_had_ended() {
    let repo = with_steps(
        "[[step]]\nname = \"a\"\nrun = [\"true\"]\nfinally = { run = [\"sh\", \"-c\", \"touch up; sleep 60\"] }\n",
    );
    let mut xtask = repo.xtask(&["deploy", "dev", "--grace", "0s"]);
    let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
    let mut child = xtask.command().envs(identity).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !repo.path("pipelines/deployments/web/up").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to its finally");
        std::thread::sleep(Duration::from_millis(10));
    }
    let at = || serde_json::from_str::<serde_json::Value>(&shown(&repo, &["status", "--format", "json"])).unwrap();
    assert_eq!(at()["environments"][0]["holder"]["step"], "web/a");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(at()["environments"][0]["holder"]["step"], "web/a");
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 4 && said.contains("was killed at step web/a"), "{said}");
}

#[test]
fn a_command_of_megabytes_was_shown_whole() {
    let steps = "[[step]]\nname = \"mk\"\nrun = [\"head\", \"-c\", \"300000\", \"/dev/zero\"]\noutput = \"n\"\n\
                 [[step]]\nname = \"use\"\nrun = [\"echo\", \"${n}\", \"the end\"]\n";
    let (_, said, code) = run(&with_steps(steps), &["-q", "deploy", "dev"]);
    assert!(code == 1 && said.len() < 6000, "{code}: {} bytes", said.len());
    assert!(said.contains("web && echo $'") && said.contains(" bytes …] ") && said.contains("'the end'"), "{said}");
}

#[test]
fn there_were_no_logs_of_a_deployment_that_had_printed_nothing() {
    let repo = with_steps(
        "[[step]]\nname = \"a\"\nrun = [\"sh\", \"-c\", \"cat word\"]\nunless = [\"test\", \"-e\", \"../../../.git/no\"]\n",
    );
    repo.write("pipelines/deployments/web/word", "a word\n");
    repo.commit();
    deployed(&repo, "dev");
    assert!(shown(&repo, &["logs", "dev"]).contains("a word"));
    repo.write(".git/no", "");
    deployed(&repo, "dev");
    assert_eq!(shown(&repo, &["logs", "dev"]), "", "that was the one before");
    assert_eq!(shown(&repo, &["logs", "dev", "web/a"]), "");
    let (_, said, code) = run(&repo, &["logs", "dev", "web/b"]);
    assert!(code == 2 && said.contains("there is no step `web/b`") && said.contains("did you mean `web/a`"), "{said}");
}

#[test]
fn that_it_was_forced_was_forgotten_after_the_next_deployment() {
    let repo = with_steps("");
    let (_, said, code) = run(&repo, &["deploy", "prod", "--force", "--reason", "hot fix"]);
    assert_eq!(code, 0, "{said}");
    for environment in ["dev", "prod", "prod"] {
        deployed(&repo, environment);
    }
    let status = shown(&repo, &["status"]);
    assert!(status.contains(" was forced by A <a@a.example> at 20") && status.contains(": hot fix"), "{status}");
}

#[test]
fn a_personal_environment_was_to_be_listed() {
    let repo = with_steps("");
    repo.write("pipelines/environments/personal/me.toml", "like = \"dev\"\n");
    let (_, said, code) = run(&repo, &["orchestrate", "--until", "me"]);
    assert!(code == 2 && said.contains("`me` is personal") && said.contains("cargo xtask deploy me"), "{said}");
}

#[test]
fn a_lock_file_left_at_a_remote_on_this_machine_is_found_by_doctor() {
    let repo = with_steps("");
    repo.git(&["init", "--quiet", "--bare", ".git/far"]);
    repo.git(&["remote", "add", "origin", ".git/far"]);
    let orchestration = std::fs::read_to_string(repo.path("pipelines/orchestration.toml")).unwrap();
    repo.write("pipelines/orchestration.toml", orchestration + "[ledger]\nremote = \"origin\"\n");
    repo.commit();
    deployed(&repo, "dev");
    let lock = repo.path(".git/far/refs/deployments/dev.lock");
    std::fs::write(&lock, "").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    let (shown, _, code) = run(&repo, &["doctor"]);
    assert!(code == 1 && shown.contains("FAIL  lock files") && shown.contains("dev.lock exists"), "{shown}");
}

#[test]
fn status_was_refused_where_nothing_is_committed_yet() {
    let repo = Repo::bare(TWO);
    repo.git(&["init", "--quiet"]);
    let (shown, said, code) = run(&repo, &["status"]);
    assert!(code == 0 && shown.contains("dev ") && shown.contains("never"), "{code}: {shown}{said}");
    assert!(said.contains("warning: name the release: nothing is committed yet"), "{said}");
    assert!(shown.contains("closed\n  no-commit: nothing is committed yet"), "{shown}");
}

#[test]
fn a_deployed_commit_that_was_thrown_away_was_not_told_of() {
    let repo = with_steps("");
    repo.write("more", "more\n");
    repo.commit();
    deployed(&repo, "dev");
    assert!(!shown(&repo, &["status"]).contains("on no branch"));
    repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    assert!(shown(&repo, &["status"]).contains(" is on no branch"));
}

/// It said "not confirmed", as if there were something to confirm.
#[test]
fn unlock_of_what_nobody_holds_asked_for_confirmation() {
    let repo = Repo::bare(TWO).committed();
    let (_, said, code) = run(&repo, &["unlock", "dev", "--reason", "none"]);
    assert!(code == 2 && said.contains("error: unlock dev: nobody holds it"), "{code}: {said}");
}
