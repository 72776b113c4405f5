//! How long it takes to begin.

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::report::{Goal, Section, root};
use crate::tools::{Tool, found};

pub fn measure(section: &mut Section, effort: Effort) {
    // A few milliseconds each: many rounds cost nothing.
    let rounds = effort.rounds * 15;
    let mut subjects = vec![Subject::new("ciao --help", env!("CARGO_BIN_EXE_xtask"), &["--help"], root())];
    for tool in [Tool::Just, Tool::Ninja, Tool::Make, Tool::Task, Tool::Mise, Tool::Pyinfra, Tool::Ansible] {
        let name = format!("{} --version", tool.name());
        subjects.extend(tool.program().map(|program| Subject::new(&name, program, &["--version"], root())));
    }
    let all = in_turn(&subjects, rounds, std::time::Duration::from_millis(200), effort);
    section.table(&all, "just --version");
    let just = all.iter().find(|series| series.name == "just --version");
    let ratio = just.and_then(|just| all[0].ratio(just));
    section.goals.push(Goal::ratio("`--help` to `just --version`", ratio, 1.5));
    section.say(
        "What cargo adds: `cargo xtask` looks at every crate before it starts the binary, as every xtask does. The first row \
         is what people wait for.",
    );
    let Some(cargo) = found("cargo") else { return };
    // The first time it may have to build it.
    let xtask = Subject::new("cargo xtask --help", cargo, &["xtask", "--help"], root());
    let xtask = xtask.limit(std::time::Duration::from_secs(600));
    let all = in_turn(&[xtask, subjects[0].clone()], rounds.min(9), effort.cap, effort);
    section.table(&all, "ciao --help");
}
