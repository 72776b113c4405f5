//! From files to a plan on standard output, beside what the others show without running anything.

use std::time::Duration;

use crate::Effort;
use crate::measure::{Series, in_turn};
use crate::plot::{Curve, svg};
use crate::report::{Goal, Section, digits};
use crate::tools::{Ask, Tool};
use crate::work::{Graph, Shape};

const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

pub fn measure(section: &mut Section, effort: Effort) {
    let versions: Vec<String> =
        Tool::ALL.iter().skip(1).map(|tool| format!("{} {}", tool.name(), tool.version())).collect();
    section.say(&format!("Beside: {}. doit shows no order without running it.", versions.join(", ")));
    for shape in Shape::ALL {
        let mut curves: Vec<Curve> =
            Tool::ALL.iter().map(|tool| Curve { name: tool.name().to_owned(), points: Vec::new() }).collect();
        let mut out: Vec<(Tool, String)> = Vec::new();
        let mut table = format!(
            "| {} | {} |\n|---|{}\n",
            shape.name(),
            SIZES.map(|size| size.to_string()).join(" | "),
            "---:|".repeat(SIZES.len())
        );
        let mut cells = vec![Vec::new(); Tool::ALL.len()];
        for size in SIZES {
            let all = one(shape, size, &out, effort);
            note(section, shape, size, &all);
            for (number, tool) in Tool::ALL.into_iter().enumerate() {
                let series = all.iter().find(|series| series.name == tool.name());
                cells[number].push(cell(series, &out, tool));
                let Some(series) = series else { continue };
                match (&series.runs, series.wall()) {
                    (Err(why), _) => out.push((tool, why.clone())),
                    (_, Some(wall)) => {
                        curves[number].points.push((size as f64, wall.min));
                        // Ten times as many steps take it at least ten times as long.
                        if Duration::from_secs_f64(wall.min * 10.0) > effort.cap * 2 {
                            out.push((tool, "not tried".to_owned()));
                        }
                    }
                    _ => {}
                }
            }
        }
        for (tool, cells) in Tool::ALL.iter().zip(cells).filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
        {
            table += &format!("| {} | {} |\n", tool.name(), cells.join(" | "));
        }
        section.say(&format!("Median seconds, {}:", shape.name()));
        section.say(&table);
        let title = format!("Planning, {}", shape.name());
        section.plot(&format!("plan-{}.svg", shape.name()), &title, svg(&title, "steps", "s", &curves));
    }
}

fn one(shape: Shape, size: usize, out: &[(Tool, String)], effort: Effort) -> Vec<Series> {
    let graph = Graph::new(shape, size);
    let subjects: Vec<_> = Tool::ALL
        .into_iter()
        .filter(|tool| !out.iter().any(|(gone, _)| gone == tool))
        .filter(|tool| !effort.quick || size < 100_000 || *tool == Tool::Ciao)
        .filter_map(|tool| tool.subject(&graph, &["true"], &Ask::Plan, &format!("plan-{}-{size}", shape.name())))
        .collect();
    let rounds = if size == 100_000 { effort.rounds.div_ceil(2) } else { effort.rounds };
    in_turn(&subjects, rounds, effort.cap / 4, effort)
}

fn cell(series: Option<&Series>, out: &[(Tool, String)], tool: Tool) -> String {
    match series {
        None => out.iter().find(|(gone, _)| *gone == tool).map_or(String::new(), |_| "–".to_owned()),
        Some(series) => match (&series.runs, series.wall()) {
            (Err(why), _) => format!("fails: {}", why.replace('|', "\\|")),
            (_, Some(wall)) => digits(wall.median),
            _ => String::new(),
        },
    }
}

/// The figures that have a limit.
fn note(section: &mut Section, shape: Shape, size: usize, all: &[Series]) {
    let find = |name: &str| all.iter().find(|series| series.name == name);
    let (Some(ciao), ninja) = (find("ciao"), find("ninja")) else { return };
    if size == 10_000 && shape == Shape::Chain {
        let what = "plan of 10,000 in a chain to `ninja -n`";
        section.goals.push(Goal::ratio(what, ninja.and_then(|ninja| ciao.ratio(ninja)), 1.0));
    }
    if size == 100_000 && shape != Shape::Diamond {
        let what = format!("plan of 100,000, {}", shape.name());
        section.goals.push(Goal::at_most(&what, ciao.wall().map(|wall| wall.median), 1.0, "s"));
        section.goals.push(Goal::at_most(&format!("{what}: memory"), ciao.peak_mb(), 400.0, "MB"));
    }
}
