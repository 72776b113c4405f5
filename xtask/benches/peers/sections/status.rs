//! `status` when there is much to look back on.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::plot::{Curve, svg};
use crate::report::{Goal, Section};
use crate::work::{self, Size};

const ENVIRONMENTS: usize = 10;

pub fn measure(section: &mut Section, effort: Effort) {
    let mut curve = Curve { name: "ciao status".to_owned(), points: Vec::new() };
    let histories: &[usize] = if effort.quick { &[10, 10_000] } else { &[10, 100, 1_000, 10_000] };
    let subjects: Vec<Subject> = histories.iter().map(|events| subject(*events)).collect();
    let all = in_turn(&subjects, effort.rounds, effort.cap, effort);
    section.say(&format!("`status` of {ENVIRONMENTS} environments, each with so many events in its ledger:"));
    section.table(&all, "10 events");
    for (events, series) in histories.iter().zip(&all) {
        curve.points.extend(series.wall().map(|wall| (*events as f64, wall.median)));
    }
    let last = all.last().and_then(|series| series.wall());
    let what = "`status`, 10 environments of 10,000 events";
    section.goals.push(Goal::at_most(what, last.map(|wall| wall.median * 1e3), 300.0, "ms"));
    section.plot("status.svg", "Status by history", svg("Status by history", "events an environment", "s", &[curve]));
}

fn subject(events: usize) -> Subject {
    let size = Size { environments: ENVIRONMENTS, parameters: 5, pipelines: 2, steps: 3, lines: 0 };
    let folder = work::three_tiers(&format!("status-{events}"), size);
    work::commit(&folder);
    let deployed = Subject::new("", env!("CARGO_BIN_EXE_xtask"), &["orchestrate"], &folder)
        .run(std::time::Duration::from_secs(60));
    assert!(deployed.is_ok(), "{deployed:?}");
    (0..ENVIRONMENTS).for_each(|number| lengthen(&folder, &format!("env-{number}"), events));
    Subject::new(&format!("{events} events"), env!("CARGO_BIN_EXE_xtask"), &["status"], &folder)
}

/// A chain of so many events on top of a real deployment, with the same tree each time.
fn lengthen(folder: &Path, environment: &str, events: usize) {
    let reference = format!("refs/deployments/{environment}");
    let mut stream = format!("reset {reference}\nfrom {reference}^0\n\n");
    for _ in 0..events {
        stream += &format!("commit {reference}\ncommitter A <a@b> 1767225600 +0000\ndata 1\nx\n");
    }
    let mut child = Command::new("git")
        .current_dir(folder)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("git can be started");
    child.stdin.take().expect("it has a pipe").write_all(stream.as_bytes()).expect("git reads");
    assert!(child.wait().is_ok_and(|status| status.success()), "git fast-import");
    let remembered = format!("refs/ciao/local/{environment}");
    let status = Command::new("git").current_dir(folder).args(["update-ref", &remembered, &reference]).status();
    assert!(status.is_ok_and(|status| status.success()), "git update-ref");
}
