//! Instruction counts: the same on a busy machine, so that a regression shows without noise.

use std::path::Path;
use std::process::Command;

use crate::Effort;
use crate::figures;
use crate::report::{Section, root, written};
use crate::tools::found;
use crate::work::{self, Graph, Shape, Size};

pub fn measure(section: &mut Section, _effort: Effort) {
    let Some(valgrind) = found("valgrind") else {
        section.say("valgrind is not installed: not counted.");
        return;
    };
    let small = Size { environments: 3, parameters: 20, pipelines: 5, steps: 10, lines: 20 };
    let large = Size { environments: 10, parameters: 50, pipelines: 10, steps: 10, lines: 200 };
    let many = Size { parameters: 4_000, ..small };
    let graph = |shape: Shape, size: usize| {
        let name = format!("instructions-{}-{size}", shape.name());
        work::repository(&name, &work::pipeline(&Graph::new(shape, size), &["true"]))
    };
    let tiers = |name: &str, size: Size| work::three_tiers(&format!("instructions-{name}"), size);
    let chain = graph(Shape::Chain, 1_000);
    let cases = [
        ("`--help`", chain.clone(), "--help"),
        ("`plan`, chain of 100", graph(Shape::Chain, 100), "plan dev"),
        ("`plan`, chain of 1,000", chain.clone(), "plan dev"),
        ("`plan`, chain of 10,000", graph(Shape::Chain, 10_000), "plan dev"),
        ("`plan`, 1,000 wide", graph(Shape::Wide, 1_000), "plan dev"),
        ("`plan`, diamond of 1,000", graph(Shape::Diamond, 1_000), "plan dev"),
        ("`plan --format json`, chain of 1,000", chain, "plan dev --format json"),
        ("`check`, 3 environments, 50 scripts of 20 lines", tiers("small", small), "check"),
        ("`check`, 10 environments, 100 scripts of 200 lines", tiers("large", large), "check"),
        ("`check`, 3 environments of 4,000 values", tiers("many", many), "check"),
    ];
    let built = compiler();
    section.say(&format!(
        "`valgrind --tool=callgrind`, the process itself without git, built by {}: the count of the same binary differs by \
         less than a thousandth from run to run. `callgrind_annotate` of the file that it leaves in the folder of the case \
         names the functions. The benchmark compares with what stands here, and ends with exit 1 if one takes {} % more; \
         another compiler or optimisation is no regression, so `--write` then makes these the figures to keep.",
        built,
        figures::TOLERANCE * 100.0,
    ));
    let before = written("instructions").unwrap_or_default();
    let counts = cases.map(|(what, folder, command)| (what, count(&valgrind, &folder, command)));
    let (table, regressed) = figures::table(&before, &built, &counts);
    section.text += &table;
    section.regressed = regressed;
    if !before.contains(&built) {
        eprintln!("not compared: BENCHMARKS.md has the figures of another compiler or optimisation");
    }
}

/// What else the counts depend on.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").current_dir(root()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap_or_default();
    let level = manifest.lines().find_map(|line| line.strip_prefix("xtask.opt-level = ")).unwrap_or("0");
    format!("{} at `opt-level` {level}", text.split(" (").next().unwrap_or_default().trim())
}

/// In millions.
fn count(valgrind: &Path, folder: &Path, command: &str) -> Option<f64> {
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
        .arg(env!("CARGO_BIN_EXE_xtask"))
        .args(command.split(' '))
        .current_dir(folder)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count: f64 = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())?;
    Some(count / 1e6)
}
