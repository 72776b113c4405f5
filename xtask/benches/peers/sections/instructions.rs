//! Instruction counts: the same on a busy machine, so that a regression shows without noise.

use std::path::Path;
use std::process::Command;

use crate::Effort;
use crate::report::Section;
use crate::tools::found;
use crate::work::{self, Graph, Shape, Size};

pub fn measure(section: &mut Section, _effort: Effort) {
    let Some(valgrind) = found("valgrind") else {
        section.say("valgrind is not installed: not counted.");
        return;
    };
    let small = Size { environments: 3, parameters: 20, pipelines: 5, steps: 10, lines: 20 };
    let large = Size { environments: 10, parameters: 50, pipelines: 10, steps: 10, lines: 200 };
    let chain = |size| {
        work::repository(&format!("instructions-{size}"), &work::pipeline(&Graph::new(Shape::Chain, size), &["true"]))
    };
    let wide = work::repository("instructions-wide", &work::pipeline(&Graph::new(Shape::Wide, 1_000), &["true"]));
    let (small, large) =
        (work::three_tiers("instructions-small", small), work::three_tiers("instructions-large", large));
    let cases = [
        ("`--help`", chain(1), "--help"),
        ("`plan`, chain of 100", chain(100), "plan dev"),
        ("`plan`, chain of 1,000", chain(1_000), "plan dev"),
        ("`plan`, 1,000 wide", wide, "plan dev"),
        ("`plan --format json`, chain of 1,000", chain(1_000), "plan dev --format json"),
        ("`check`, 3 environments, 50 scripts of 20 lines", small, "check"),
        ("`check`, 10 environments, 100 scripts of 200 lines", large, "check"),
    ];
    section.say(
        "`valgrind --tool=callgrind`, the process itself without git: the count of the same binary differs by less than a \
         thousandth from run to run. `callgrind_annotate` of the file that it leaves in the folder of the case names the \
         functions.",
    );
    section.text += "| | million instructions |\n|---|---:|\n";
    for (what, folder, command) in cases {
        let count =
            count(&valgrind, &folder, command).map_or("?".to_owned(), |count| format!("{:.1}", count as f64 / 1e6));
        section.text += &format!("| {what} | {count} |\n");
    }
    section.text += "\n";
}

fn count(valgrind: &Path, folder: &Path, command: &str) -> Option<u64> {
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .args(command.split(' '))
        .current_dir(folder)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}
