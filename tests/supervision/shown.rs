//! What people and programs are shown of a deployment: in a pipe, quietly, on GitHub.

use ciao::run::event::Event;

use crate::play::Play;

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

#[test]
fn a_quiet_deployment_shows_failures_and_the_result() {
    let quiet = |play: Play| play.shown("quiet").0;
    insta::assert_snapshot!(quiet(Play::new("quiet").step("a", "echo a")), @"dev: deployed in TIME (1 succeeded)");
    insta::assert_snapshot!(quiet(scene()), @r"
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
fn events_can_be_read_back() {
    let event = Event::Started { step: "a".to_owned(), attempt: 1, owes: true };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}
