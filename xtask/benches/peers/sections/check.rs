//! `check` of a large repository, and how cost grows in each dimension when the others stay.

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::plot::{Curve, svg};
use crate::report::{Goal, Section, digits};
use crate::work::{self, Size};

pub fn measure(section: &mut Section, effort: Effort) {
    let size = Size { environments: 50, parameters: 200, pipelines: 50, steps: 20, lines: 200 };
    let folder = work::three_tiers("check", size);
    let binary = env!("CARGO_BIN_EXE_xtask");
    // Whatever it finds, exit 0 or 1, the same is read: what counts is the time, so both are let pass.
    let check = Subject::new("ciao check", "sh", &["-c", &format!("'{binary}' check || [ $? = 1 ]")], &folder);
    let cat = Subject::new("cat of all files", "sh", &["-c", "find pipelines -type f -exec cat {} +"], &folder);
    let plan = Subject::new("ciao plan", binary, &["plan", "env-49"], &folder);
    let json = Subject::new("ciao plan, JSON", binary, &["plan", "env-49", "--format", "json"], &folder);
    let all = in_turn(&[check, cat, plan, json], effort.rounds, effort.cap, effort);
    section.say(
        "All three tiers: 50 pipelines of 20 steps, each with a script of 200 lines, and 50 environments of 200 values. \
         `plan` of one of them checks all of it too. Reading alone is the limit:",
    );
    section.table(&all, "cat of all files");
    let what = "`check` of 1,000 scripts with 50 environments";
    section.goals.push(Goal::at_most(what, all[0].wall().map(|wall| wall.median), 1.0, "s"));
}

/// What grows, from a repository of middle size: the name, the sizes, and how a size is made.
type Dimension = (&'static str, &'static [usize], fn(usize) -> Size);

const MIDDLE: Size = Size { environments: 3, parameters: 100, pipelines: 5, steps: 10, lines: 20 };

const DIMENSIONS: &[Dimension] = &[
    ("steps a pipeline", &[10, 100, 1_000], |steps| Size { steps, ..MIDDLE }),
    ("pipelines", &[5, 50, 500], |pipelines| Size { pipelines, ..MIDDLE }),
    ("environments", &[5, 50, 500], |environments| Size { environments, ..MIDDLE }),
    ("parameters", &[100, 1_000, 10_000], |parameters| Size { parameters, ..MIDDLE }),
    ("lines a script", &[20, 200, 2_000], |lines| Size { lines, ..MIDDLE }),
];

pub fn growth(section: &mut Section, effort: Effort) {
    section.say(
        "A repository of 3 environments, 100 parameters, 5 pipelines of 10 steps with scripts of 20 lines, and one of these \
         ten and a hundred times as large. Median processor seconds of `plan` and `check`; the last column is the growth from the \
         second size to the third, to the power of ten: 1.0 is linear, 2.0 quadratic.",
    );
    section.text += "| | sizes | plan | check | exponent of plan, check |\n|---|---|---|---|---|\n";
    let mut curves = Vec::new();
    for (what, sizes, make) in DIMENSIONS {
        let mut subjects = Vec::new();
        for size in *sizes {
            let folder = work::three_tiers(&format!("growth-{}-{size}", what.replace(' ', "-")), make(*size));
            let binary = env!("CARGO_BIN_EXE_xtask");
            for command in ["plan env-0", "check"] {
                let line = format!("'{binary}' {command}; [ $? -le 2 ]");
                subjects.push(Subject::new(command, "sh", &["-c", &line], &folder).limit(effort.limit * 6));
            }
        }
        let all = in_turn(&subjects, effort.rounds.div_ceil(2), effort.cap, effort);
        let times = |which: usize| -> Vec<f64> {
            all.iter().skip(which).step_by(2).map(|series| series.cpu().map_or(f64::NAN, |cpu| cpu.median)).collect()
        };
        let (plan, check) = (times(0), times(1));
        let join = |times: &[f64]| times.iter().map(|time| digits(*time)).collect::<Vec<_>>().join(" / ");
        let exponent = |times: &[f64]| digits((times[2] / times[1]).log10());
        let sizes_text = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" / ");
        section.text += &format!(
            "| {what} | {sizes_text} | {} | {} | {}, {} |\n",
            join(&plan),
            join(&check),
            exponent(&plan),
            exponent(&check)
        );
        let points = sizes.iter().zip(&check).map(|(size, time)| (*size as f64, *time)).collect();
        curves.push(Curve { name: (*what).to_owned(), points });
    }
    section.text += "\n";
    section.plot("check-growth.svg", "Checking, growth", svg("check: one dimension grows", "size", "s", &curves));
}
