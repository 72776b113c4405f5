//! What people and programs are shown of a deployment: in a pipe, quietly, on GitHub.

use std::time::Duration;

use ciao::run::event::Event;

use rustix::process::Signal;

use crate::apart::{Orchestrator, stopped, until};
use crate::play::Play;

fn scene() -> Play {
    Play::new("shown")
        .step("a", "echo one; echo '::set-output name=x::y'")
        .step("b", "echo two; exit 3")
        .step("c", "true")
}

/// Where it is told what failed.
#[track_caller]
fn failure_in(shown: &str) -> usize {
    shown.find("\nerror: ").unwrap_or_else(|| panic!("no failure is told: {shown}"))
}

/// What is told of the failure at the end, as a pipe gets it.
#[track_caller]
fn why() -> String {
    let (mut shown, _) = scene().shown("plain");
    shown.split_off(failure_in(&shown))
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
    let (shown, failure) = shown.split_at(failure_in(&shown));
    assert_eq!(failure, why());
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
    ----
    ### dev: failed in TIME (1 succeeded, 1 failed, 1 not run)  
    go on with: cargo xtask resume dev

    | step | outcome | time | |
    |---|---|---|---|
    | a | succeeded | TIME |  |
    | b | failed | TIME | exit code 3 |
    ");
}

/// The groups with their lines, and what stands between them.
#[track_caller]
fn groups(shown: &str) -> Vec<(String, Vec<String>)> {
    let mut groups = vec![(String::new(), Vec::new())];
    for line in shown.lines() {
        match line.strip_prefix("::group::") {
            Some(name) => groups.push((name.to_owned(), Vec::new())),
            None if line == "::endgroup::" => groups.push((String::new(), Vec::new())),
            None => groups.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    groups
}

#[test]
fn on_github_no_group_is_empty_or_holds_lines_of_another_step() {
    let wait = "while [ ! -e $READY ]; do sleep 0.01; done";
    let (shown, _) = Play::new("side-by-side")
        .wide(4)
        .step("a", &format!("echo a; sleep 0.1; echo a; {wait}; echo a"))
        .step("b", "echo b; sleep 0.1; echo b; touch $READY")
        .step("c", wait)
        .step("d", &format!("{wait}; seq 1 300000 | sed s/^/d/"))
        .shown("github");
    let groups = groups(&shown);
    let mut said = String::new();
    for (name, lines) in groups.iter().filter(|(name, _)| !name.is_empty()) {
        assert!(!lines.is_empty(), "{name} is empty: {groups:?}");
        let own = |line: &String| line.starts_with(&name[..1]) || line.contains("lines before these are in the log");
        assert!(lines.iter().all(own), "{name}: {lines:?}");
        if name.starts_with('a') {
            said += &lines.concat();
        }
    }
    assert_eq!(said, "aaa");
    let between: Vec<&String> =
        groups.iter().filter(|(name, _)| name.is_empty()).flat_map(|(_, lines)| lines).collect();
    assert_eq!(between.iter().filter(|line| line.contains(" succeeded in ")).count(), 4, "{between:?}");
    assert!(shown.contains("d300000\n"));
}

#[test]
fn on_github_a_step_that_runs_alone_is_shown_as_it_speaks() {
    // It waits until it can read there what it has said.
    let script = "echo one; while ! grep -qx one ${READY%ready}shown; do sleep 0.01; done; echo two";
    let play = Play::new("alone").timeout(10_000).step("a", script);
    insta::assert_snapshot!(play.shown("github").0, @r"
    ::group::a
    one
    two
    ::endgroup::
    a succeeded in TIME
    dev: deployed in TIME (1 succeeded)
    ");
}

/// A step that goes on until `$READY.go` is there.
fn waits(name: &str) -> Play {
    let line = "x".repeat(200);
    Play::new(name).step("a", &format!("echo {line}; touch $READY; while [ ! -e $READY.go ]; do sleep 0.01; done"))
}

#[test]
fn ctrl_z_leaves_the_screen_to_the_shell() {
    let mut run = Orchestrator::on_terminal(&waits("shell"), "terminal");
    run.until_ready();
    run.until_shown("dev [", 0);
    run.type_in(b"\x1a");
    until(Duration::from_secs(10), || stopped(run.pid()));
    run.until_shown("note: stopped: `fg` goes on, and until then dev stays locked\r\n", 0);
    let asleep = run.screen();
    assert!(asleep.ends_with("A\x1b[J"), "the display is still there: {asleep:?}");
    run.signal(Signal::CONT);
    run.until_shown("dev [", asleep.len());
    let after = run.screen()[asleep.len()..].to_owned();
    assert!(
        !after.contains('\x1b') || after.find('\x1b') > after.find("dev ["),
        "what the shell wrote is erased: {after:?}"
    );
    std::fs::write(run.ready.with_extension("go"), "").unwrap();
    assert_eq!(run.wait(), "succeeded");
    run.until_shown("dev: deployed in ", 0);
}

#[test]
fn a_terminal_that_becomes_narrower_keeps_nothing_of_the_old_display() {
    let mut run = Orchestrator::on_terminal(&waits("narrow"), "terminal");
    run.resize(80, 24);
    run.until_shown(&"x".repeat(40), 0);
    run.until_shown("\x1b[2A\x1b[J", 0);
    let wide = run.screen().len();
    run.resize(20, 24);
    // Lines of 79 and 35 columns.
    run.until_shown("\x1b[6A\x1b[J", wide);
    std::fs::write(run.ready.with_extension("go"), "").unwrap();
    assert_eq!(run.wait(), "succeeded");
}

#[test]
fn a_verbose_deployment_shows_starts_and_lines_above_its_display() {
    let mut run = Orchestrator::on_terminal(&Play::new("verbose").step("a", "echo one"), "verbose");
    assert_eq!(run.wait(), "succeeded");
    for line in ["a starts (attempt 1)\r\n", "a | one\r\n", "a succeeded in ", "dev: deployed in "] {
        run.until_shown(line, 0);
    }
}

#[test]
fn an_interrupted_step_is_no_failure_with_a_reason_to_look_for() {
    let script = "trap '' INT; echo working; touch $READY; while :; do sleep 1; done";
    let mut run = Orchestrator::start(&Play::new("interrupted").grace(100).step("a", script));
    run.until_ready();
    run.type_in(b"\x03");
    assert_eq!(run.wait(), "interrupted 2");
    run.until_shown("go on with", 0);
    let screen = run.screen();
    assert!(screen.contains(": killed\r\ndev: interrupted (SIGINT) in "), "{screen}");
    assert!(!screen.contains("error") && !screen.contains("memory"), "{screen}");
}

#[test]
fn a_failure_shows_the_start_of_a_line_without_end() {
    let ran = Play::new("endless").step("a", "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last; exit 3").run();
    let lines = &ran.summary.failures[0].last_lines;
    assert!(lines.iter().all(|line| line.chars().count() <= 404), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "last");
    assert!(lines[lines.len() - 2].ends_with("xxx […]"), "{lines:?}");
}

#[test]
fn a_quiet_deployment_shows_failures_and_the_result() {
    let quiet = |play: Play| play.shown("quiet").0;
    insta::assert_snapshot!(quiet(Play::new("quiet").step("a", "echo a")), @"dev: deployed in TIME (1 succeeded)");
    assert_eq!(quiet(scene()), why());
}

#[test]
fn events_can_be_read_back() {
    let event = Event::Started { step: "a".to_owned(), attempt: 1, owes: true };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}
