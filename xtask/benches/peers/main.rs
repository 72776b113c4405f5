//! What ciao costs beside the tools that people would otherwise use and beside the physical limit: whole processes, run
//! in turn on the same work. `cargo bench --profile dev --bench peers -- --help` says how to ask for less than all.

mod limit;
mod measure;
mod plot;
mod report;
mod sections;
mod tools;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use report::{Section, goals};
use sections::SECTIONS;

const HELP: &str = "\
Usage: cargo bench --profile dev --bench peers -- [--quick] [--write] [SECTION]...

  --quick   fewer rounds and sizes
  --write   put the results into BENCHMARKS.md and docs/benchmarks/

The dev profile is what `cargo xtask` runs. Sections:";

/// How much is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub quick: bool,
    /// How many rounds count.
    pub rounds: usize,
    /// What takes longer once is neither repeated nor asked for more.
    pub cap: Duration,
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = limit::reentry(&args) {
        return code;
    }
    // `cargo test --benches` starts it too, without this.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    args.retain(|arg| arg != "--bench");
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{HELP}");
        SECTIONS.iter().for_each(|(name, what, _)| println!("  {name:<13} {what}"));
        return ExitCode::SUCCESS;
    }
    let (quick, write) = (args.iter().any(|arg| arg == "--quick"), args.iter().any(|arg| arg == "--write"));
    args.retain(|arg| arg != "--quick" && arg != "--write");
    if let Some(unknown) = args.iter().find(|arg| !SECTIONS.iter().any(|(name, ..)| name == arg)) {
        eprintln!("there is no section `{unknown}`");
        return ExitCode::from(2);
    }
    let effort =
        Effort { quick, rounds: if quick { 3 } else { 9 }, cap: Duration::from_secs(if quick { 4 } else { 20 }) };
    run(&args, effort, write);
    ExitCode::SUCCESS
}

fn run(chosen: &[String], effort: Effort, write: bool) {
    let mut all = Vec::new();
    for (name, what, measure) in
        SECTIONS.iter().filter(|(name, ..)| chosen.is_empty() || chosen.iter().any(|one| one == name))
    {
        eprint!("{name} ");
        let mut section = Section::default();
        section.say(&format!("Measured on {}.", report::machine()));
        measure(&mut section, effort);
        if !section.goals.is_empty() {
            section.text += &goals(&section.goals);
        }
        println!("## {what}\n\n{}", section.text);
        if write {
            report::write(name, &section);
        }
        all.append(&mut section.goals);
    }
    if chosen.is_empty() {
        let mut section = Section::default();
        section.say(&format!("All in one run, measured on {}.", report::machine()));
        section.text += &goals(&all);
        println!("## Must reach\n\n{}", section.text);
        if write {
            report::write("summary", &section);
        }
    }
}
