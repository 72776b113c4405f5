//! Guards, retries, outputs, what cannot be started, and what becomes of values and secrets.

use std::time::{Duration, Instant};

use ciao::run::End;
use ciao::run::event::Outcome;

use crate::SHAPES;
use crate::apart::{Orchestrator, alive, as_pid, command_lines, until};
use crate::play::{Play, Ran};

#[test]
fn a_guard_decides_whether_a_step_runs() {
    let ran = Play::new("guard").step("a", "echo ran").unless("exit 0").step("b", "echo ran").unless("exit 3").run();
    assert_eq!(ran.outcomes(), [Outcome::Done, Outcome::Succeeded]);
    assert_eq!(ran.events, ["ended a done", "started b", "ended b succeeded"]);
    let ran = Play::new("guard").step("a", "echo ran").unless("kill -9 $$").run();
    assert_eq!(ran.outcomes(), [Outcome::Failed]);
    assert_eq!(ran.summary.failures[0].what, "its guard was killed by SIGKILL (out of memory?)");
    let ran = Play::new("guard").timeout(100).grace(50).step("a", "echo ran").unless("sleep 60").run();
    assert_eq!(ran.summary.failures[0].what, "its guard timed out after 0.1s");
}

#[test]
fn no_guard_is_asked_after_another_step_has_failed() {
    let asks = "echo asked >> $READY.asked; exit 1";
    let ran = Play::new("chain").step("a", "exit 3").step("b", "echo ran").unless(asks).run();
    assert_eq!((ran.outcomes(), ran.note("ready.asked")), (vec![Outcome::Failed, Outcome::NotRun], String::new()));

    // There was no room for it before.
    let ran = Play::new("room").wide(1).step("a", "exit 3").step("b", "echo ran").unless(asks).run();
    assert_eq!((ran.outcomes(), ran.note("ready.asked")), (vec![Outcome::Failed, Outcome::NotRun], String::new()));

    // It was asked before, and would be again before the next attempt.
    let ran = Play::new("paused")
        .wide(2)
        .step("a", "while [ ! -e $READY.ran ]; do sleep 0.01; done; exit 3")
        .step("b", "touch $READY.ran; exit 4")
        .unless(asks)
        .retries(20)
        .run();
    let asked = ran.note("ready.asked").lines().count();
    let attempts = ran.summary.steps[1].attempts as usize;
    assert_eq!(ran.outcomes(), [Outcome::Failed, Outcome::Failed]);
    // One may have been asked just when the other step failed.
    assert!((attempts..=attempts + 1).contains(&asked) && attempts < 20, "{asked} for {attempts} attempts");
}

#[test]
fn what_a_guard_says_after_another_step_has_failed_starts_nothing() {
    let ran = Play::new("late")
        .wide(2)
        .step("a", "while [ ! -e $READY.asked ]; do sleep 0.01; done; exit 3")
        .step("b", "echo ran")
        .unless("touch $READY.asked; sleep 1; exit 1")
        .run();
    assert_eq!(ran.outcomes(), [Outcome::Failed, Outcome::NotRun]);
    assert_eq!(ran.events, ["started a", "ended a failed"]);
    assert!(!ran.log_path("b").exists());
}

#[test]
fn fault_83_a_step_is_retried_only_if_it_says_so() {
    let script = "echo try $CIAO_ATTEMPT; [ $CIAO_ATTEMPT = 3 ]";
    let ran = Play::new("retries").step("a", script).retries(3).step("b", "exit 1").run();
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::Failed]);
    assert_eq!(ran.log("a"), "try 1\ntry 2\ntry 3\n");
    assert_eq!(ran.events, ["started a", "started a", "started a", "ended a succeeded", "started b", "ended b failed"]);
    assert_eq!(ran.summary.steps[0].attempts, 3);
}

#[test]
fn nothing_is_tried_again_after_another_step_has_failed() {
    let start = Instant::now();
    // The pauses double: the tenth would be over after five seconds.
    let ran = Play::new("again")
        .wide(2)
        .step("a", "until [ -s $READY.twice ]; do sleep 0.01; done; exit 1")
        .step("b", "[ $CIAO_ATTEMPT = 1 ] || echo > $READY.twice; exit 3")
        .retries(20)
        .run();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(ran.outcomes(), [Outcome::Failed, Outcome::Failed]);
    let what = &ran.summary.failures[1].what;
    assert_eq!(what, "exit code 3; not tried again, because nothing new is started any more");
    let after: Vec<_> = ran.events.iter().skip_while(|event| *event != "ended a failed").collect();
    assert_eq!(after, ["ended a failed", "ended b failed"]);
}

/// `a` closes the way that the `finally` of `b` needs.
#[test]
fn what_was_owed_from_before_is_done_in_the_order_of_this_deployment() {
    let play = || Play::new("owed").step("z", "exit 0").finally("echo z").step("b", "exit 0").finally("echo b");
    let order = |ran: Ran| ran.events.iter().filter(|event| event.ends_with("starts")).cloned().collect::<Vec<_>>();
    let right = ["finally of b starts", "finally of z starts"];
    assert_eq!(order(play().owed(&["b"]).run()), right, "one that runs again");
    assert_eq!(order(play().owed(&["b", "z"]).done(&["z", "b"]).run()), right, "those of a killed deployment");
}

#[test]
fn an_attempt_that_timed_out_was_not_killed_by_somebody() {
    let ran = Play::new("slow").timeout(200).grace(50).step("a", "sleep 60").retries(2).run();
    assert!(ran.said.contains("attempt 1 failed (timed out after 0.2s); the next in"), "{}", ran.said);
}

#[test]
fn what_is_shown_to_be_pasted_has_its_standard_input() {
    let ran = Play::new("fed").step("a", "cat; exit 3").stdin("one two").run();
    let command = &ran.summary.failures[0].command;
    assert!(command.ends_with("< <(printf %s 'one two')"), "{command}");
}

/// Who is told of a failed guard and pastes what stands there must not run what it guards.
#[test]
fn a_guard_that_failed_is_shown_and_not_what_it_guards() {
    let ran = Play::new("guard").step("a", "rm -rf all").unless("kill -9 $$").run();
    let command = &ran.summary.failures[0].command;
    assert!(command.contains("kill -9") && !command.contains("rm -rf"), "{command}");
    let ran = Play::new("attempt").step("a", "exit 9").unless("exit 1").run();
    assert!(ran.summary.failures[0].command.contains("exit 9"));
}

#[test]
fn fault_84_what_is_owed_is_done_in_reverse_order_and_its_failure_is_shown_too() {
    let ran = Play::new("finally")
        .step("a", "true")
        .finally("echo $CIAO_OUTCOME; exit 4")
        .step("b", "true")
        .finally("echo $CIAO_OUTCOME")
        .step("c", "exit 3")
        .step("d", "true")
        .finally("echo never")
        .run();
    assert_eq!(ran.end(), End::Failed);
    let finally: Vec<_> = ran.events.iter().filter(|event| event.starts_with("finally")).collect();
    assert_eq!(
        finally,
        ["finally of b starts", "finally of b succeeded", "finally of a starts", "finally of a failed"]
    );
    assert_eq!(ran.log("b.finally"), "failed\n");
    let whats: Vec<_> =
        ran.summary.failures.iter().map(|failure| (failure.step.as_str(), failure.what.as_str())).collect();
    assert_eq!(whats, [("c", "exit code 3"), ("a", "exit code 4")]);
    assert_eq!(ran.summary.owed, ["a"]);
}

#[test]
fn an_output_reaches_those_that_use_it_and_a_secret_one_is_masked() {
    let ran = Play::new("output")
        .step("a", "echo noise >&2; echo ' hello world '")
        .output(false)
        .step("b", "echo got $1")
        .uses("a")
        .step("c", "printf 's3cr3t-s3cr3t'")
        .output(true)
        .step("d", "echo got $1; echo $1 | tr -d '\\n' | base64")
        .uses("c")
        .run();
    assert_eq!(ran.end(), End::Succeeded, "{:?}", ran.summary.failures);
    assert_eq!(ran.log("b"), "got hello world\n");
    assert!(!ran.log_path("c").exists());
    assert_eq!(ran.log("d"), "got ***\n***A==\n");
}

#[test]
fn an_output_held_what_failed_attempts_had_printed() {
    let script = "echo attempt-$CIAO_ATTEMPT; [ $CIAO_ATTEMPT = 3 ]";
    let ran = Play::new("again").step("a", script).output(false).retries(3).step("b", "echo got $1").uses("a").run();
    assert_eq!(ran.end(), End::Succeeded, "{:?}", ran.summary.failures);
    assert_eq!(ran.log("a"), "attempt-1\nattempt-2\nattempt-3\n");
    assert_eq!(ran.log("b"), "got attempt-3\n");
}

#[test]
fn a_short_secret_output_was_shown_without_a_word() {
    let ran = Play::new("short").step("a", "printf 4711").output(true).step("b", "echo $1").uses("a").run();
    assert_eq!(ran.outcomes(), [Outcome::Failed, Outcome::NotRun]);
    assert!(ran.summary.failures[0].what.starts_with("what it has produced is secret: it is shorter than 8 bytes"));
    assert!(!ran.log_path("a").exists());
}

#[test]
fn fault_25_nothing_starts_that_cannot_be_recorded() {
    let ran = Play::new("journal").journal_of(2).step("a", "true").step("b", "true").step("c", "true").run();
    assert_eq!(ran.end(), End::NotRecorded);
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::NotRun, Outcome::NotRun]);
    assert!(!ran.log_path("b").exists());
}

#[test]
fn fault_34_a_lost_lock_stops_everything() {
    let ran = Play::new("fenced").lost_after(200).step("a", SHAPES[4].1).finally("echo never").run();
    assert_eq!(ran.end(), End::Fenced);
    assert!(alive(&ran.marker).is_empty());
    assert_eq!(ran.summary.owed, ["a"]);
}

#[test]
fn fault_60_a_file_that_changed_since_the_plan_stops_its_step() {
    let ran = Play::new("changed").step("a", "echo ran").file("x.sh", "one", "two").run();
    assert_eq!(ran.summary.failures[0].what, "x.sh has changed since the plan was made; the step was not started");
    let ran = Play::new("same").step("a", "echo ran").file("x.sh", "one", "one").run();
    assert_eq!(ran.end(), End::Succeeded);
}

/// The next step is made ready while one runs: it must see what that one does all the same.
#[test]
fn what_a_step_changes_holds_for_the_next_one() {
    let tool = "mkdir -p first second; printf '#!/bin/sh\necho old\n' >second/tool; chmod +x second/tool; sleep 0.2";
    let newer = "sleep 0.2; printf '#!/bin/sh\necho new\n' >first/tool; chmod +x first/tool";
    let play = Play::new("changes").path(&["first", "second"]).step("a", tool).program_named("b", "tool");
    let ran = play.step("c", newer).program_named("d", "tool").step("e", "echo $CIAO_STEP $CIAO_ATTEMPT").run();
    assert_eq!([ran.log("b"), ran.log("d"), ran.log("e")], ["old\n", "new\n", "e 1\n"]);

    let play =
        Play::new("changes").step("a", "sleep 0.2; echo other >config").step("b", "true").file("config", "x", "x");
    let ran = play.run();
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::Failed]);
    assert!(ran.summary.failures[0].what.contains("config has changed since the plan was made"));

    let play =
        Play::new("changes").step("a", "exit 1").retries(2).step("b", "echo b").step("c", "echo c").unless("false");
    assert_eq!(play.run().outcomes(), [Outcome::Failed, Outcome::NotRun, Outcome::NotRun]);
    let play =
        Play::new("changes").step("a", "echo $CIAO_ATTEMPT; [ $CIAO_ATTEMPT = 2 ]").retries(2).step("b", "echo b");
    let ran = play.step("c", "echo c").unless("false").step("d", "echo d").finally("echo owed").run();
    assert_eq!([ran.log("a"), ran.log("b"), ran.log("c"), ran.log("d")], ["1\n2\n", "b\n", "c\n", "d\n"]);
    assert_eq!(ran.log("d.finally"), "owed\n");
}

#[test]
fn fault_67_what_cannot_be_started_is_said_in_words() {
    let what = |name: &str, content: &str, mode: u32| {
        Play::new("start").program(name, content, mode).run().summary.failures[0].what.clone()
    };
    let ends = |what: String, end: &str| assert!(what.ends_with(end), "{what}");
    assert!(what("noexec.sh", "#!/bin/sh\n", 0o644).contains("noexec.sh is not executable (chmod +x "));
    ends(what("plain", "echo hello\n", 0o755), "has no #! line that the system understands, and is no program");
    ends(what("empty", "", 0o755), "empty is empty");
    ends(
        what("missing.sh", "#!/no/such/interpreter -x\n", 0o755),
        "asks for /no/such/interpreter in its first line, which does not exist",
    );
    ends(what("crlf.sh", "#!/bin/sh\r\necho\r\n", 0o755), "its first line ends in CR LF; a #! line must end in LF");
    ends(what("bom.sh", "\u{feff}#!/bin/sh\n", 0o755), "has no #! line that the system understands, and is no program");
    let ran = Play::new("folder").program_called("./.").run();
    ends(ran.summary.failures[0].what.clone(), " is a folder");
    let ran = Play::new("dangling").link("old.sh", "new.sh").program_called("./old.sh").run();
    ends(ran.summary.failures[0].what.clone(), "old.sh is a link to something that does not exist");
    let ran = Play::new("no-cwd").step("a", "pwd").cwd("no-such-folder").run();
    ends(ran.summary.failures[0].what.clone(), "no-such-folder does not exist");
    let ran = Play::new("nowhere").program_called("no-such-program").run();
    assert!(ran.summary.failures[0].what.starts_with("there is no program `no-such-program` (looked for in "));
}

#[test]
fn fault_69_any_value_arrives_as_it_is() {
    let values = ["a b", "'\"", "new\nline", "$(id)", "*", "-rf", "", "`x`", "ü€"];
    let ran = Play::new("bytes").step("a", "for x; do printf '<%s>' \"$x\"; done").args(&values).run();
    let expected: String = values.iter().map(|value| format!("<{value}>")).collect();
    assert_eq!(ran.log("a"), expected);
}

#[test]
fn fault_70_an_argument_that_is_too_long_is_said_in_words() {
    let long = "x".repeat(200_000);
    let ran = Play::new("long").step("a", "true").args(&[&long]).run();
    let says = |ran: &Ran| {
        let what = &ran.summary.failures[0].what;
        assert!(what.contains("128 KiB") && what.contains("in a file"), "{what}");
    };
    says(&ran);
    says(&Play::new("variable").env("LONG", &long).step("a", "true").run());
    // No one of them is too long.
    let many = vec!["x".repeat(100_000); 32];
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    says(&Play::new("all").step("a", "true").args(&many).run());
    // What it says to do instead works.
    let ran = Play::new("stdin").step("a", "wc -c").stdin(&"x".repeat(4_000_000)).run();
    assert_eq!(ran.log("a"), "4000000\n");
}

#[test]
fn the_environment_of_a_step_is_clean() {
    let ran = Play::new("clean").step("a", "env").run();
    let log = ran.log("a");
    let names: Vec<&str> = log.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in ["CIAO_ENVIRONMENT", "CIAO_RELEASE", "CIAO_COMMIT", "CIAO_STEP", "CIAO_ATTEMPT", "CIAO_FENCE", "PATH"] {
        assert!(names.contains(&name), "{name} in {log}");
    }
    assert!(!names.iter().any(|name| name.starts_with("CARGO_PKG") || *name == "LD_LIBRARY_PATH"), "{log}");
}

#[test]
fn fault_75_a_secret_shows_nowhere() {
    let play = Play::new("canary").secret("c4n4ry-v4lu3")
        .step("a", "echo $SECRET; echo $SECRET >&2; cat $FILE; stat -c %a $FILE; printf %s $SECRET | od -An -tx1 | tr -d ' \\n'; exit 1");
    let ran = play.run();
    assert_eq!(ran.log("a"), "***\n***\n***600\n***");
    let all = format!("{:?} {} {:?}", ran.summary, ran.said, ran.events);
    assert!(!all.contains("c4n4ry") && all.contains("***"), "{all}");
    assert!(ran.summary.failures[0].command.contains("\"$PASSWORD\""), "{}", ran.summary.failures[0].command);
}

#[test]
fn fault_75_the_message_of_a_panic_holds_no_secret() {
    let (shown, _) = Play::new("panic").secret("c4n4ry-v4lu3").step("a", "true").shown("panic");
    assert!(shown.contains("internal error: ") && shown.contains("it was *** after all"), "{shown}");
    assert!(!shown.contains("c4n4ry"), "{shown}");
}

#[test]
fn fault_74_an_output_that_holds_a_secret_becomes_no_argument() {
    let play = |name| Play::new(name).secret("c4n4ry-v4lu3").step("a", "echo password=$SECRET").output(false);
    let ran = play("leak").step("b", "echo $1").uses("a").run();
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::Failed]);
    assert_eq!(ran.events, ["started a", "ended a succeeded", "ended b failed"]);
    let what = &ran.summary.failures[0].what;
    assert!(what.starts_with("output `a` of step a holds a secret") && what.contains("by env or stdin"), "{what}");
    let all = format!("{:?} {}", ran.summary, ran.said);
    assert!(!all.contains("c4n4ry"), "{all}");
}

#[test]
fn fault_74_no_command_line_holds_a_secret() {
    let play = Play::new("lines").secret("c4n4ry-1n-ps");
    let play = play.step("a", "touch $READY; sleep 0.2; cat $FILE; echo $SECRET").step("b", "sleep 0.2; echo $SECRET");
    let mut run = Orchestrator::start(&play);
    let mut looks = 0;
    let start = Instant::now();
    while run.note("result").is_empty() && start.elapsed() < Duration::from_secs(30) {
        assert_eq!(command_lines(&["c4n4ry-1n-ps"]), [""; 0]);
        looks += usize::from(run.ready.exists());
    }
    assert_eq!(run.wait(), "succeeded");
    assert!(looks > 2, "nobody looked while it ran");
    assert_eq!((run.log("a"), run.log("b")), ("******\n".to_owned(), "***\n".to_owned()));
}

#[test]
fn a_private_file_stayed_for_ever_when_all_were_killed_at_once() {
    let play = Play::new("killed-at-once").secret("canary-secret-1").step("a", "echo $FILE > $READY; exec sleep 300");
    let mut run = Orchestrator::start(&play);
    run.until_ready();
    until(Duration::from_secs(5), || !run.note("ready").is_empty());
    let file = std::path::PathBuf::from(run.note("ready").trim());
    let guardian = run.guardian();
    for pid in [run.pid(), guardian] {
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }
    for pid in [run.pid(), guardian].into_iter().chain(alive(&run.marker).into_iter().map(as_pid)) {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    run.wait();
    assert!(file.exists(), "the test itself is wrong");
    let folder = file.parent().unwrap();
    std::fs::File::open(folder)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
    // Who was killed may still be ending, and holds the lock until then.
    until(Duration::from_secs(5), || {
        let next = Play::new("next").runtime(folder.parent().unwrap());
        assert_eq!(next.secret("canary-secret-2").step("a", "true").run().end(), End::Succeeded);
        !file.exists()
    });
    assert!(!file.exists(), "{}", file.display());
}

#[test]
fn fault_80_no_core_is_dumped() {
    let ran = Play::new("core").step("a", "ulimit -c").run();
    assert_eq!(ran.log("a"), "0\n");
}

#[test]
fn a_step_that_produced_something_runs_again_when_it_is_needed() {
    let play = |name| {
        Play::new(name)
            .step("a", "echo made")
            .output(false)
            .step("b", "echo done before")
            .step("c", "echo got $1")
            .uses("a")
    };
    let ran = play("again").done(&["a", "b"]).run();
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::Succeeded, Outcome::Succeeded]);
    assert!(!ran.log_path("b").exists(), "it was done");
    assert_eq!(ran.log("c"), "got made\n");
    let ran = play("not-again").done(&["a", "b", "c"]).run();
    assert!(ran.events.is_empty(), "{:?}", ran.events);
}
