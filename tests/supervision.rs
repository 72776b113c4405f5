//! Processes that leave nothing behind, whatever they do and whatever happens to who runs them. FAULTS 1 to 21.
//!
//! Orchestrators that are killed here are this test binary, started again for one ignored test ([`orchestrator`]);
//! guardians are the `xtask` binary.

#[path = "supervision/apart.rs"]
mod apart;
#[path = "supervision/play.rs"]
mod play;
#[path = "supervision/shown.rs"]
mod shown;
#[path = "supervision/steps.rs"]
mod steps;
#[path = "support/terminal.rs"]
#[allow(dead_code)]
mod terminal;
#[path = "supervision/whole.rs"]
mod whole;

use std::fs;
use std::time::{Duration, Instant};

use apart::{Orchestrator, alive, as_pid, stopped, until};
use ciao::run::End;
use ciao::run::event::Outcome;
use play::Play;
use rustix::process::Signal;

/// Run as a process of its own by other tests.
#[test]
#[ignore = "it is started by other tests"]
fn orchestrator() {
    apart::orchestrate();
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

/// Those that are ended: where orphans cannot be found, only what stays in the step's process group.
fn ended_shapes() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHAPES.into_iter().filter(|(shape, _)| !cfg!(ciao_portable) || !["setsid", "double fork"].contains(shape))
}

#[track_caller]
fn cell_is_empty(name: &str, event: impl Fn(&Orchestrator) + Copy + Send + Sync) {
    std::thread::scope(|scope| {
        for (shape, script) in ended_shapes() {
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
    assert!(run.journal().contains("finally of a interrupted"), "{}", run.journal());
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

#[test]
fn fault_07_ctrl_z_stops_everything_and_the_clock() {
    // One that stays with the step and one that has left its session, both starting processes all the time.
    let leave = if cfg!(ciao_portable) { "" } else { "setsid" };
    let script = format!(
        "{leave} sh -c 'while :; do date >> $READY.far; done' &
        while :; do date >> $READY.near; [ -s $READY.far ] && touch $READY; done"
    );
    let mut run = Orchestrator::start(&Play::new("ctrl-z").timeout(3_000).step("a", &script));
    run.until_ready();
    run.type_in(b"\x1a");
    let all_stopped = || stopped(run.pid()) && alive(&run.marker).into_iter().all(|pid| stopped(as_pid(pid)));
    until(Duration::from_secs(10), all_stopped);
    assert!(all_stopped(), "Ctrl-Z did not stop everything");
    let beats = || ["near", "far"].map(|name| fs::metadata(run.ready.with_extension(name)).unwrap().len());
    let first = beats();
    std::thread::sleep(Duration::from_millis(3_100));
    assert_eq!(first, beats(), "the step was not stopped");
    run.signal(Signal::CONT);
    let goes_on = || beats().iter().zip(first).all(|(now, first)| *now > first);
    until(Duration::from_secs(10), goes_on);
    assert!(goes_on(), "the step was not continued, or its timeout counted while it slept: {}", run.journal());
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
#[cfg_attr(ciao_portable, ignore = "what a killed guardian leaves is not found there")]
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
#[cfg_attr(ciao_portable, ignore = "what a killed guardian leaves is not found there")]
fn fault_05_a_killed_guardian_is_no_matter_for_other_steps() {
    let script = "echo $$ > $READY.$CIAO_STEP; while [ ! -e $READY ]; do sleep 0.02; done; echo end";
    let mut run = Orchestrator::start(&Play::new("guardians").wide(2).step("a", script).step("b", script));
    let both = || ["a", "b"].iter().all(|step| !run.note(&format!("ready.{step}")).is_empty());
    until(Duration::from_secs(10), both);
    let guardian = run.guardian();
    rustix::process::kill_process(guardian, Signal::KILL).unwrap();
    until(Duration::from_secs(10), || run.journal().contains(" unknown"));
    fs::write(&run.ready, "").unwrap();
    assert_eq!(run.wait(), "failed");
    let journal = run.journal();
    assert!(journal.contains(" unknown") && journal.contains(" succeeded"), "{journal}");
    assert!(alive(&run.marker).is_empty());
}

#[test]
#[cfg_attr(ciao_portable, ignore = "what a killed guardian leaves is not found there")]
fn fault_05_a_guard_whose_guardian_was_killed_has_failed() {
    let play = Play::new("guarded").step("a", "echo ran").unless("touch $READY; sleep 300");
    let mut run = Orchestrator::start(&play);
    run.until_ready();
    rustix::process::kill_process(run.guardian(), Signal::KILL).unwrap();
    assert_eq!(run.wait(), "failed");
    assert_eq!((run.journal().as_str(), run.log("a").as_str()), ("ended a failed\n", ""));
    assert!(alive(&run.marker).is_empty());
}

/// The lines of the engine that hold `word`, sorted.
fn in_the_engine(word: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("engine");
    let (mut open, mut found) = (vec![folder], Vec::new());
    while let Some(next) = open.pop() {
        if next.is_dir() {
            open.extend(fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&next).unwrap();
        let lines = text.lines().filter(|line| line.contains(word) && !line.trim_start().starts_with("use "));
        found.extend(lines.map(|line| line.trim().to_owned()));
    }
    found.sort();
    found
}

/// A bare id is signalled only where it cannot be another's: this process, or a child or the leader of a group that is not waited for.
#[test]
fn fault_14_no_bare_pid_is_signalled() {
    let found = in_the_engine("kill_process");
    let allowed = [
        // A cargo that has not been waited for.
        "_ = kill_process(pid, Signal::TERM);",
        "if kill_process(getpid(), Signal::STOP).is_err() {",
        // A guardian that has not been waited for.
        "kill_process(self.pid(), Signal::CONT).ok();",
        "kill_process_group(leader, number).ok();",
        // A git that has not been waited for.
        "rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();",
        // Asks only, and not on Linux.
        "test_kill_process_group(leader).is_ok()",
    ];
    assert_eq!(found, allowed);
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
    // What does depend on threads: a signal for when the parent, which may be a thread, ends.
    assert_eq!(in_the_engine("death_signal"), [""; 0]);
}

// ------------------------------------------------------------------------------------------------------ steps in themselves

#[test]
fn fault_08_a_background_process_holding_stdout() {
    let start = Instant::now();
    let ran = Play::new("holding").step("a", "echo one; sleep 60 & exit 0").step("b", "echo two").run();
    assert_eq!(ran.end(), End::Succeeded);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let name = if cfg!(ciao_portable) { "something of its process group" } else { "sleep" };
    let words = format!("warning a: left running in the background and ended: {name}");
    assert!(ran.said.contains(&words), "{}", ran.said);
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
        if ended_shapes().any(|(ended, _)| ended == *shape) {
            let ran = Play::new("daemon").step("a", script).run();
            assert_eq!((ran.end(), alive(&ran.marker)), (End::Succeeded, vec![]), "{shape}");
        }
        let ran = Play::new("detached").step("a", script).detach().step("b", "echo b").run();
        assert_eq!(ran.end(), End::Succeeded);
        let left = alive(&ran.marker);
        assert!(!left.is_empty(), "{shape}");
        left.into_iter().for_each(|pid| rustix::process::kill_process(as_pid(pid), Signal::KILL).unwrap());
    }
}

#[test]
fn a_detached_daemon_died_of_its_next_line() {
    for (name, output) in [("pipe", false), ("produced", true)] {
        let script = "(for i in 1 2 3 4 5 6; do echo tick $i || exit; echo to both >&2; echo $i >> $READY; sleep 0.1; done) & echo up";
        let play = Play::new(name).step("a", script).detach();
        let play = if output { play.output(false).step("b", "echo got $1").uses("a") } else { play };
        let ready = play.folder.join("ready");
        let ran = play.run();
        assert_eq!(ran.end(), End::Succeeded, "{:?}", ran.summary.failures);
        assert!(ran.log("a").contains("up\n") && (!output || ran.log("b").contains("up")), "{}", ran.log("a"));
        let ticks = || fs::read_to_string(&ready).unwrap_or_default();
        until(Duration::from_secs(10), || ticks().ends_with("6\n"));
        assert_eq!(ticks(), "1\n2\n3\n4\n5\n6\n");
        until(Duration::from_secs(2), || alive(&ran.marker).is_empty());
    }
}

#[test]
fn fault_05_a_stopped_guardian_hung_the_deployment_for_ever() {
    for script in ["kill -STOP $PPID; sleep 300", "trap '' TERM; while :; do kill -STOP $PPID; done"] {
        let start = Instant::now();
        let ran = Play::new("stopped").grace(200).timeout(500).step("a", script).step("b", "echo b").run();
        assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
        let outcome = ran.outcomes()[0];
        assert!(matches!(outcome, Outcome::TimedOut | Outcome::Unknown), "{outcome:?}");
        assert!(alive(&ran.marker).is_empty());
    }
    // One that ends while nobody hears of it.
    let ran = Play::new("stopped-end").step("a", "kill -STOP $PPID; echo on").step("b", "echo b").run();
    assert_eq!((ran.end(), ran.log("b").as_str()), (End::Succeeded, "b\n"));
}

#[test]
fn fault_10_a_step_cannot_ask_on_the_terminal() {
    let ran = Play::new("asks").step("a", "echo password? > /dev/tty").run();
    assert_eq!(ran.outcomes(), [Outcome::Failed]);
    let hint = ran.summary.failures[0].hint.clone().unwrap_or_default();
    assert!(hint.contains("cannot ask"), "{:?}", ran.summary.failures);
}

#[test]
fn fault_10_git_ssh_and_docker_asked_and_nobody_said_that_a_step_cannot_be_answered() {
    for words in [
        "fatal: could not read Username for 'https://h': No such device or address",
        "a@h: Permission denied (publickey,password).",
        "the input device is not a TTY",
        "su: must be run from a terminal",
        "termios.error: (25, 'Inappropriate ioctl for device')",
    ] {
        let ran = Play::new("asked").step("a", &format!("echo \"{words}\"; exit 1")).run();
        let hint = ran.summary.failures[0].hint.clone().unwrap_or_default();
        assert!(hint.contains("cannot ask"), "{words}");
    }
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
#[ignore = "prints 2.3 GB; takes a minute"]
fn fault_18_gigabytes_of_output_and_one_line_of_300_mb() {
    let script = "yes 0123456789abcdef | head -c 2000000000; head -c 300000000 /dev/zero | tr '\\0' x; exit 3";
    let mut run = Orchestrator::start(&Play::new("gigabytes").timeout(600_000).step("a", script));
    assert_eq!(run.wait(), "failed");
    let size = fs::metadata(run.log_path("a")).unwrap().len();
    assert!((16 << 20..(16 << 20) + 200).contains(&size), "{size}");
    let peak: u64 = run.note("peak").parse().unwrap();
    println!("peak: {peak} KiB");
    assert!(peak < 40_000, "{peak} KiB");
    assert!(run.journal().contains("ended a failed"));
}

#[test]
fn fault_19_any_bytes_are_kept_in_the_log() {
    let ran = Play::new("bytes").step("a", r"printf '\377\376\033[31m\r\n\000x'").run();
    assert_eq!(fs::read(ran.log_path("a")).unwrap(), b"\xff\xfe\x1b[31m\r\n\0x");
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
