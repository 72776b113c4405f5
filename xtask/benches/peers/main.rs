//! What ciao costs beside the tools that people would otherwise use and beside the physical limit: whole processes, run
//! in turn on the same work. `cargo bench --profile dev --bench peers -- --help` says how to ask for less than all.

mod figures;
mod limit;
mod measure;
mod plot;
mod report;
mod sections;
mod tools;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use report::{Section, goals};
use sections::SECTIONS;

const HELP: &str = "\
Usage: cargo bench --profile dev --bench peers -- [--quick] [--write] [SECTION]...

  --quick   fewer rounds and sizes: five minutes in place of 25
  --write   put the results into BENCHMARKS.md and docs/benchmarks/

Exit 1: a section could not be measured, or one takes more instructions than BENCHMARKS.md says.

The dev profile is what `cargo xtask` runs. Sections:";

/// How much is to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub quick: bool,
    /// How many rounds count.
    pub rounds: usize,
    /// What takes longer once is neither repeated nor asked for more.
    pub cap: Duration,
    /// No further round of a table begins after it.
    pub budget: Duration,
    /// What takes longer is ended.
    pub limit: Duration,
}

impl Effort {
    /// All sections together take about 25 minutes on two quiet cores.
    const FULL: Effort = Effort {
        quick: false,
        rounds: 9,
        cap: Duration::from_secs(20),
        budget: Duration::from_secs(15),
        limit: Duration::from_secs(40),
    };
    /// About five.
    const QUICK: Effort = Effort {
        quick: true,
        rounds: 3,
        cap: Duration::from_secs(4),
        budget: Duration::from_secs(3),
        limit: Duration::from_secs(10),
    };
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
    run(&args, if quick { Effort::QUICK } else { Effort::FULL }, write)
}

fn run(chosen: &[String], effort: Effort, write: bool) -> ExitCode {
    let (mut all, mut failed) = (Vec::new(), false);
    for (name, what, measure) in
        SECTIONS.iter().filter(|(name, ..)| chosen.is_empty() || chosen.iter().any(|one| one == name))
    {
        eprintln!("{name}");
        let begun = Instant::now();
        let mut section = Section::default();
        section.say(&format!("Measured on {}.", report::machine()));
        // What one section lacks, as a network, must not cost the others.
        if catch_unwind(AssertUnwindSafe(|| measure(&mut section, effort))).is_err() {
            eprintln!("{name} could not be measured");
            failed = true;
            continue;
        }
        failed |= section.regressed;
        eprintln!("{name} took {} s", begun.elapsed().as_secs());
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
    ExitCode::from(u8::from(failed))
}
