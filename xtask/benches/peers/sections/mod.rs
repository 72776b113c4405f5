//! What is measured, section by section.

mod build;
mod check;
mod instructions;
mod output;
mod plan;
mod run;
mod start;
mod status;

use crate::Effort;
use crate::report::Section;

type Measure = fn(&mut Section, Effort);

/// Name, title, and how it is measured.
pub const SECTIONS: &[(&str, &str, Measure)] = &[
    ("start", "Starting: `--help`, and `cargo xtask` over the binary itself", start::measure),
    ("plan", "Planning: from 10 to 100,000 steps", plan::measure),
    ("growth", "Planning and checking: growth in each dimension", check::growth),
    ("check", "Three tiers with 1,000 scripts and 50 environments", check::measure),
    ("run", "Running steps that do nothing, and steps that sleep", run::measure),
    ("output", "One step that prints 100 MB", output::measure),
    ("status", "`status` with a long history", status::measure),
    ("build", "Cold build, crates, size", build::measure),
    ("dependencies", "What each dependency costs", build::dependencies),
    ("instructions", "Instruction counts", instructions::measure),
];
