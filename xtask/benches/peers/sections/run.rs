//! Steps that do nothing, with everything that a deployment is: lock, journal, supervision, masking, logs, record. The
//! others run the same commands and keep no record.

use crate::Effort;
use crate::limit;
use crate::measure::{Series, Subject, in_turn};
use crate::plot::{Curve, svg};
use crate::report::{Goal, Section, digits};
use crate::tools::{Ask, Tool};
use crate::work::{Graph, Shape};

/// With its path, so that no shell has it built in and nobody searches for it.
const TRUE: &str = "/usr/bin/true";

pub fn measure(section: &mut Section, effort: Effort) {
    let sizes: &[usize] = if effort.quick { &[10, 100, 1_000] } else { &[10, 100, 1_000, 10_000] };
    let mut curves: Vec<Curve> = Vec::new();
    let mut slow: Vec<String> = Vec::new();
    for &size in sizes {
        let all = chain(size, &slow, effort);
        section.say(&format!("A chain of {size} steps that run `/usr/bin/true`:"));
        section.table(&all, limit::NAME);
        if size == 1_000 {
            let what = "1,000 steps in a chain to the spawn loop";
            section.goals.push(Goal::ratio(what, to_limit(&all), 1.4));
        }
        for series in &all {
            let wall = series.wall().map_or(f64::INFINITY, |wall| wall.min);
            if series.name != limit::NAME && wall * 10.0 > effort.cap.as_secs_f64() * 2.0 {
                slow.push(series.name.clone());
            }
            if !curves.iter().any(|curve| curve.name == series.name) {
                curves.push(Curve { name: series.name.clone(), points: Vec::new() });
            }
            let curve = curves.iter_mut().find(|curve| curve.name == series.name);
            curve.expect("it was just added").points.extend(wall.is_finite().then_some((size as f64, wall)));
        }
    }
    section.plot("run-chain.svg", "Running a chain", svg("Running a chain of `true`", "steps", "s", &curves));
    wide(section, effort);
    sleeps(section, effort);
}

fn subjects(graph: &Graph, command: &[&str], jobs: usize, slow: &[String], name: &str) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Tool::ALL
        .into_iter()
        .filter(|tool| *tool == Tool::Ciao || !slow.iter().any(|name| name == tool.name()))
        .filter_map(|tool| tool.subject(graph, command, &Ask::Run { jobs }, name))
        .collect();
    subjects.insert(1, limit::subject(graph.needs.len(), jobs, command));
    subjects
}

fn to_limit(all: &[Series]) -> Option<crate::measure::Spread> {
    all[0].ratio(&all[1])
}

fn chain(size: usize, slow: &[String], effort: Effort) -> Vec<Series> {
    let graph = Graph::new(Shape::Chain, size);
    let subjects = subjects(&graph, &[TRUE], 1, slow, &format!("run-chain-{size}"));
    in_turn(&subjects, if size > 1_000 { 1 } else { effort.rounds }, effort.cap / 4, effort)
}

fn wide(section: &mut Section, effort: Effort) {
    let graph = Graph::new(Shape::Wide, 1_000);
    let all = in_turn(&subjects(&graph, &[TRUE], 2, &[], "run-wide"), effort.rounds, effort.cap / 4, effort);
    section.say("1,000 independent steps that run `/usr/bin/true`, two side by side:");
    section.table(&all, limit::NAME);
    section.goals.push(Goal::ratio("1,000 side by side at two, to the loop with two", to_limit(&all), 1.4));
}

fn sleeps(section: &mut Section, effort: Effort) {
    let graph = Graph::new(Shape::Wide, 50);
    let all =
        in_turn(&subjects(&graph, &["sleep", "0.1"], 25, &[], "run-sleep"), effort.rounds, effort.cap / 4, effort);
    section.say("50 × `sleep 0.1`, 25 side by side; the limit is 0.2 s:");
    section.table(&all, limit::NAME);
    let ratio = all[0].wall().map(|wall| wall.median / 0.2);
    section.goals.push(Goal {
        what: "50 × `sleep 0.1`, 25 side by side, to 0.2 s".to_owned(),
        figure: ratio.map_or("not measured".to_owned(), |ratio| format!("{} ×", digits(ratio))),
        limit: "1.15 ×".to_owned(),
        reached: ratio.map(|ratio| ratio <= 1.15),
    });
}
