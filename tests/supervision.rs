//! Processes that leave nothing behind, whatever they do and whatever happens to who runs them. FAULTS 1 to 21.
//!
//! Orchestrators that are killed here are this test binary, started again for one ignored test ([`orchestrator`]);
//! guardians are the `xtask` binary.

#[path = "supervision/play.rs"]
mod play;

use std::fs;
use std::time::{Duration, Instant};

use ciao::run::End;
use ciao::run::event::{Event, Outcome};
use play::{Orchestrator, Play, alive, command_lines, stopped, until};
use rustix::process::{Pid, Signal};

/// Run as a process of its own by other tests.
#[test]
#[ignore = "it is started by other tests"]
fn orchestrator() {
    play::orchestrate();
}

// ---------------------------------------------------------------------------------------- the 25 cells of DESIGN 5.2

/// A step that has started something which outlives it, and that itself goes on until it is ended.
const SHAPES: [(&str, &str); 5] = [
    ("background", "sleep 300 & touch $READY; sleep 300"),
    ("setsid", "setsid sleep 300 & setsid sh -c 'sleep 300' & touch $READY; sleep 300"),
    ("nohup", "nohup sleep 300 >/dev/null 2>&1 & touch $READY; sleep 300"),
    ("double fork", "(setsid sh -c 'sleep 300 & sleep 300 & exit' &) ; touch $READY; sleep 300"),
    ("signals ignored", "trap '' INT TERM HUP; sleep 300 & touch $READY; while :; do sleep 1; done"),
];

#[track_caller]
fn cell_is_empty(name: &str, event: impl Fn(&Orchestrator) + Copy + Send + Sync) {
    std::thread::scope(|scope| {
        for (shape, script) in SHAPES {
            scope.spawn(move || {
                let mut run = Orchestrator::start(&Play::new(&format!("{name}-{shape}")).grace(300).step("a", script));
                run.until_ready();
                assert!(!alive(&run.marker).is_empty(), "{name}, {shape}: the test itself is wrong");
                let start = Instant::now();
                event(&run);
                until(Duration::from_secs(2), || alive(&run.marker).is_empty());
                let left = alive(&run.marker);
                assert!(left.is_empty(), "{name}, {shape}: {left:?} still run after {:?}", start.elapsed());
                run.wait();
            });
        }
    });
}

#[test]
fn fault_01_sigint_leaves_nothing() {
    cell_is_empty("sigint", |run| run.signal(Signal::INT));
}

#[test]
fn fault_01_ctrl_c_leaves_nothing() {
    cell_is_empty("ctrl-c", |run| run.type_in(b"\x03"));
}

#[test]
fn fault_03_sigterm_leaves_nothing() {
    cell_is_empty("sigterm", |run| run.signal(Signal::TERM));
}

#[test]
fn fault_06_hang_up_leaves_nothing() {
    cell_is_empty("hangup", Orchestrator::hang_up);
}

#[test]
fn fault_04_sigkill_leaves_nothing() {
    cell_is_empty("sigkill", |run| run.signal(Signal::KILL));
}

// ------------------------------------------------------------------------------------------------- the signal contract

/// Counts the signals that it gets, and ends on its own.
const COUNTS: &str = r#"
    trap 'echo INT >> $READY.seen' INT; trap 'echo TERM >> $READY.seen' TERM
    touch $READY; n=0
    while [ $n -lt 20 ]; do sleep 0.05; n=$((n+1)); done; exit 0"#;

#[test]
fn fault_01_a_step_sees_one_signal_for_one_ctrl_c() {
    let mut run = Orchestrator::start(&Play::new("one-ctrl-c").step("a", COUNTS).step("b", "echo b"));
    run.until_ready();
    run.type_in(b"\x03");
    assert_eq!(run.wait(), "interrupted 2");
    assert_eq!(fs::read_to_string(run.ready.with_extension("seen")).unwrap(), "INT\n");
    let journal = run.journal();
    assert!(journal.contains("ended a interrupted"), "{journal}");
    assert!(!journal.contains("started b"), "{journal}");
}

#[test]
fn fault_02_a_second_signal_kills_at_once() {
    let mut run = Orchestrator::start(&Play::new("second").grace(30_000).step("a", SHAPES[4].1));
    run.until_ready();
    run.type_in(b"\x03");
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    run.type_in(b"\x03");
    assert_eq!(run.wait(), "interrupted 2");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(alive(&run.marker).is_empty());
    assert!(run.journal().contains("ended a interrupted"));
}

#[test]
fn fault_03_the_whole_stop_fits_in_seven_seconds() {
    let play = Play::new("stop").grace(5_000).step("a", SHAPES[4].1).finally("trap '' TERM; sleep 300");
    let mut run = Orchestrator::start(&play);
    run.until_ready();
    let start = Instant::now();
    run.signal(Signal::TERM);
    assert_eq!(run.wait(), "interrupted 15");
    assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    assert!(run.journal().contains("finally of a timed-out"), "{}", run.journal());
}

#[test]
fn fault_06_a_deployment_goes_on_logging_when_its_terminal_is_gone() {
    let script =
        "trap 'echo told' HUP; echo before; touch $READY; for i in 1 2 3 4 5 6; do sleep 0.1; echo line $i; done";
    let mut run = Orchestrator::start(&Play::new("gone").grace(3_000).step("a", script));
    run.until_ready();
    run.hang_up();
    assert_eq!(run.wait(), "interrupted 1");
    let log = run.log("a");
    assert!(log.starts_with("before\n") && log.contains("told\n") && log.ends_with("line 6\n"), "{log}");
}

/// On a busy machine it has been seen not to stop everything; why is not known yet.
#[test]
#[ignore = "fails now and then on a busy machine"]
fn fault_07_ctrl_z_stops_everything_and_the_clock() {
    let script = "touch $READY; while :; do date +%s%N > $READY.beat; sleep 0.02; done";
    let mut run = Orchestrator::start(&Play::new("ctrl-z").timeout(3_000).step("a", script));
    run.until_ready();
    run.type_in(b"\x1a");
    let all_stopped =
        || stopped(run.pid()) && alive(&run.marker).iter().all(|&pid| stopped(Pid::from_raw(pid).unwrap()));
    until(Duration::from_secs(10), all_stopped);
    assert!(all_stopped(), "Ctrl-Z did not stop everything");
    let beat = || fs::read_to_string(run.ready.with_extension("beat")).unwrap();
    let first = beat();
    std::thread::sleep(Duration::from_millis(3_100));
    assert_eq!(first, beat(), "the step was not stopped");
    run.signal(Signal::CONT);
    until(Duration::from_secs(10), || beat() != first);
    assert_ne!(first, beat(), "the step was not continued; or its timeout counted while it slept");
    run.signal(Signal::KILL);
    run.wait();
}

#[test]
fn fault_20_a_deployment_goes_on_when_nobody_reads() {
    let script = "touch $READY; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.02; echo line $i; done";
    let mut run = Orchestrator::piped(&Play::new("pipe").step("a", script).step("b", "echo b"));
    run.until_ready();
    run.close_output();
    assert_eq!(run.wait(), "succeeded");
    assert!(run.log("a").ends_with("line 9\n"));
}

#[test]
fn fault_21_a_blocked_terminal_does_not_hold_up_a_step_for_long() {
    let play = Play::new("blocked").step(
        "a",
        "i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789 $i; i=$((i+1)); done",
    );
    let mut run = Orchestrator::piped(&play);
    // Nobody reads, and nobody closes it.
    let start = Instant::now();
    assert_eq!(run.wait(), "succeeded");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(run.log("a").ends_with(" 19999\n"));
}

#[test]
fn fault_05_a_killed_guardian_is_noticed() {
    for script in [SHAPES[0].1, SHAPES[1].1, SHAPES[3].1] {
        let mut run = Orchestrator::start(&Play::new("guardian").step("a", script).step("b", "echo b"));
        run.until_ready();
        let guardian = run.guardian();
        rustix::process::kill_process(guardian, Signal::KILL).unwrap();
        assert_eq!(run.wait(), "failed");
        assert!(alive(&run.marker).is_empty(), "{:?}", alive(&run.marker));
        assert!(run.journal().contains("ended a unknown"), "{}", run.journal());
    }
}

#[test]
fn fault_14_no_pid_that_was_waited_for_is_killed() {
    // The leader is dead and gone when its leftovers are swept: only what is below the guardian may be hit.
    let ran = Play::new("reuse").step("a", "sleep 300 & exit 0").step("b", "echo alive").run();
    assert_eq!(ran.outcomes(), [Outcome::Succeeded, Outcome::Succeeded]);
}

#[test]
fn fault_15_guardians_do_not_end_with_the_thread_that_started_them() {
    let ran = std::thread::spawn(|| Play::new("thread").step("a", "sleep 0.1; echo done").run()).join().unwrap();
    assert_eq!(ran.log("a"), "done\n");
}

// ------------------------------------------------------------------------------------------------------ steps in themselves

#[test]
fn fault_08_a_background_process_holding_stdout() {
    let start = Instant::now();
    let ran = Play::new("holding").step("a", "echo one; sleep 60 & exit 0").step("b", "echo two").run();
    assert_eq!(ran.end(), End::Succeeded);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(ran.said.contains("warning a: left running in the background and ended: sleep"), "{}", ran.said);
    assert!(alive(&ran.marker).is_empty());
}

#[test]
fn what_a_step_writes_at_its_very_end_is_not_lost() {
    let ran = Play::new("tee").step("a", "exec 3>&1; { echo one; sleep 0.03; echo two; } | cat >&3 & exit 0").run();
    assert_eq!(ran.log("a"), "one\ntwo\n");
}

#[test]
fn fault_09_a_daemon_is_swept_unless_detached() {
    for (shape, script) in &SHAPES[1..4] {
        let script = script.rsplit_once(';').unwrap().0;
        let ran = Play::new("daemon").step("a", script).run();
        assert_eq!((ran.end(), alive(&ran.marker)), (End::Succeeded, vec![]), "{shape}");
        let ran = Play::new("detached").step("a", script).detach().step("b", "echo b").run();
        assert_eq!(ran.end(), End::Succeeded);
        let left = alive(&ran.marker);
        assert!(!left.is_empty(), "{shape}");
        left.into_iter()
            .for_each(|pid| rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap());
    }
}

#[test]
fn fault_10_a_step_cannot_ask_on_the_terminal() {
    let ran = Play::new("asks").step("a", "echo password? > /dev/tty").run();
    assert_eq!(ran.outcomes(), [Outcome::Failed]);
    let hint = ran.summary.failures[0].hint.clone().unwrap_or_default();
    assert!(hint.contains("cannot ask"), "{:?}", ran.summary.failures);
}

#[test]
fn fault_11_standard_input_is_empty() {
    let ran = Play::new("stdin").step("a", "cat; echo end").step("b", "cat").stdin("given\n").run();
    assert_eq!((ran.log("a").as_str(), ran.log("b").as_str()), ("end\n", "given\n"));
}

#[test]
fn fault_12_a_step_that_never_ends_is_timed_out() {
    let start = Instant::now();
    let ran = Play::new("never")
        .grace(200)
        .timeout(200)
        .step("a", "trap '' TERM; sleep 1000 & while :; do sleep 1; done")
        .run();
    assert_eq!(ran.outcomes(), [Outcome::TimedOut]);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(ran.summary.failures[0].what, "timed out after 0.2s");
    assert!(alive(&ran.marker).is_empty());
}

#[test]
fn fault_16_and_17_how_a_step_ended_is_said() {
    let what = |script: &str| Play::new("ends").step("a", script).run().summary.failures[0].what.clone();
    assert_eq!(what("kill -9 $$"), "killed by SIGKILL (out of memory?)");
    assert_eq!(what("kill -SEGV $$"), "killed by SIGSEGV (invalid memory access)");
    assert_eq!(what("exit 255"), "exit code 255");
    assert_eq!(
        what("sh -c 'kill -9 $$'; exit $?"),
        "exit code 137: what it ran was perhaps killed by SIGKILL (out of memory?)"
    );
}

#[test]
fn fault_18_output_without_end_takes_no_memory() {
    // 60 MB in one line, and an exit code that is not lost.
    let script = "head -c 60000000 /dev/zero | tr '\\0' x; exit 3";
    let mut run = Orchestrator::start(&Play::new("flood").step("a", script));
    assert_eq!(run.wait(), "failed");
    let size = fs::metadata(run.log_path("a")).unwrap().len();
    assert!((16 << 20..(16 << 20) + 200).contains(&size), "{size}");
    let peak: u64 = run.note("peak").parse().unwrap();
    assert!(peak < 40_000, "{peak} KiB");
    assert!(run.journal().contains("ended a failed"));
}

#[test]
fn fault_19_any_bytes_are_kept_in_the_log() {
    let ran = Play::new("bytes").step("a", r"printf '\377\376\033[31m\r\n\000x'").run();
    assert_eq!(fs::read(ran.log_path("a")).unwrap(), b"\xff\xfe\x1b[31m\r\n\0x");
}

// -------------------------------------------------------------------------------------------- guards, retries, outputs

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
        .step("a", "while [ \"$(cat $READY.tries)\" != xx ]; do sleep 0.01; done 2> /dev/null; exit 1")
        .step("b", "printf x >> $READY.tries; exit 3")
        .retries(20)
        .run();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(ran.outcomes(), [Outcome::Failed, Outcome::Failed]);
    let what = &ran.summary.failures[1].what;
    assert_eq!(what, "exit code 3; not tried again, because nothing new is started any more");
    let after: Vec<_> = ran.events.iter().skip_while(|event| *event != "ended a failed").collect();
    assert_eq!(after, ["ended a failed", "ended b failed"]);
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
    assert!(ran.summary.failures[0].what.contains("128 KiB"), "{}", &ran.summary.failures[0].what);
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
        assert_eq!(command_lines("c4n4ry-1n-ps"), [""; 0]);
        looks += usize::from(run.ready.exists());
    }
    assert_eq!(run.wait(), "succeeded");
    assert!(looks > 2, "nobody looked while it ran");
    assert_eq!((run.log("a"), run.log("b")), ("******\n".to_owned(), "***\n".to_owned()));
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

fn scene() -> Play {
    Play::new("shown")
        .step("a", "echo one; echo '::set-output name=x::y'")
        .step("b", "echo two; exit 3")
        .step("c", "true")
}

#[test]
fn a_pipe_gets_plain_lines() {
    let (shown, _) = scene().shown("plain");
    insta::assert_snapshot!(shown, @r"
    a | one
    a | ::set-output name=x::y
    a succeeded in TIME
    b | two
    b failed in TIME: exit code 3

    error: b: exit code 3
      --> pipelines/deployments/p/pipeline.toml:2
      | two
      = command: PLAY_MARKER=MARKER READY=FOLDER/ready sh -c 'echo two; exit 3' sh
      = log: FOLDER/logs/b.log

    dev: failed in TIME (1 succeeded, 1 failed, 1 not run)
    go on with: cargo xtask resume dev
    ");
}

#[test]
fn much_output_in_a_file_is_whole_and_in_order() {
    let (shown, _) =
        Play::new("much").step("a", "seq 200000").step("b", "echo last; printf 'no\\tline'").shown("plain");
    let mut expected: String = (1..=200_000).map(|number| format!("a | {number}\n")).collect();
    expected += "a succeeded in TIME\nb | last\nb | no    line\nb succeeded in TIME\n";
    expected += "dev: deployed in TIME (2 succeeded)\n";
    assert!(shown == expected, "…{}", &shown[shown.len().saturating_sub(300)..]);
}

#[test]
fn github_gets_groups_annotations_and_a_summary() {
    let (shown, summary) = scene().shown("github");
    insta::assert_snapshot!(format!("{shown}----\n{summary}"), @r"
    ::group::a
    one
    | ::set-output name=x::y
    ::endgroup::
    a succeeded in TIME
    ::group::b
    two
    ::endgroup::
    b failed in TIME: exit code 3
    ::error file=pipelines/deployments/p/pipeline.toml,line=2,title=b failed::exit code 3%0Atwo

    error: b: exit code 3
      --> pipelines/deployments/p/pipeline.toml:2
      | two
      = command: PLAY_MARKER=MARKER READY=FOLDER/ready sh -c 'echo two; exit 3' sh
      = log: FOLDER/logs/b.log

    dev: failed in TIME (1 succeeded, 1 failed, 1 not run)
    go on with: cargo xtask resume dev
    ----
    ### dev: failed in TIME (1 succeeded, 1 failed, 1 not run)  
    go on with: cargo xtask resume dev

    | step | outcome | time | |
    |---|---|---|---|
    | a | succeeded | TIME |  |
    | b | failed | TIME | exit code 3 |
    ");
}

#[test]
fn events_can_be_read_back() {
    let event = Event::Started { step: "a".to_owned(), attempt: 1, owes: true };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}

/// `cargo test -p xtask --test supervision measured -- --ignored --nocapture 2>/dev/null`
#[test]
#[ignore = "a measurement"]
fn measured() {
    let steps =
        |count: usize, play: Play| (0..count).fold(play, |play, n| play.program_named(&format!("s{n}"), "true"));
    let only = std::env::var("ONLY").unwrap_or_default();
    for _ in 0..3 {
        if only.is_empty() || only == "chain" {
            println!("chain of 1,000: {:?}", steps(1_000, Play::new("chain")).time());
        }
        if only.is_empty() || only == "wide" {
            println!("1,000 at 2: {:?}", steps(1_000, Play::new("wide").wide(2)).time());
        }
        if only.is_empty() || only == "sleep" {
            let sleeps = (0..50).fold(Play::new("sleeps").wide(25), |play, n| {
                play.program_named(&format!("s{n}"), "sleep").args(&["0.1"])
            });
            println!("50 sleeps at 25: {:?}", sleeps.time());
        }
    }
}
