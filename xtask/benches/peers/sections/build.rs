//! What everybody who copies the crate pays: a build from nothing, and which dependency takes how much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::report::{Goal, Section, digits, root};
use crate::tools::found;
use crate::work;

/// The packages that the xtask is to be made of.
const NAMED: &[(&str, &str)] = &[
    ("xshell", "{ version = \"*\" }"),
    ("serde", "{ version = \"*\", features = [\"derive\"] }"),
    ("toml", "{ version = \"*\" }"),
    ("camino", "{ version = \"*\" }"),
    ("clap", "{ version = \"*\", features = [\"derive\"] }"),
];

/// How many crates there may be without those of the tests.
const CRATES: f64 = 60.0;

fn cargo(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("cargo").current_dir(folder).args(args).env_remove("CARGO_MANIFEST_DIR").output();
    let output = output.expect("cargo can be started");
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many crates of others are built: what stands in a folder here is the package itself, or a part of it.
fn crates(folder: &Path, package: &str) -> usize {
    let tree = cargo(folder, &["tree", "--edges", "normal,build", "--prefix", "none", "--package", package]);
    let others = tree.lines().filter(|line| !line.contains(" (/"));
    others.filter_map(|line| line.split(" (").next()).collect::<BTreeSet<&str>>().len()
}

/// A crate with nothing but these dependencies, everything downloaded.
fn empty_crate(name: &str, dependencies: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = work::folder(&format!("build-{name}"));
    let lines: Vec<String> = dependencies.iter().map(|(name, what)| format!("{name} = {what}\n")).collect();
    let manifest = "[package]\nname = \"empty\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n";
    work::write(&folder, "Cargo.toml", &format!("{manifest}{}", lines.concat()));
    work::write(&folder, "src/main.rs", "fn main() {}\n");
    // The versions that the xtask is built with, where they fit.
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("Cargo.lock can be copied");
    cargo(&folder, &["fetch", "--quiet"]);
    folder
}

fn build(name: &str, folder: &Path, args: &[&str]) -> Subject {
    let target = work::folder(&format!("target-{}", name.replace([' ', '/'], "-")));
    let program = found("cargo").expect("cargo is in PATH");
    let subject = Subject::new(name, program, args, folder).limit(Duration::from_secs(600));
    subject.env("CARGO_TARGET_DIR", &target.to_string_lossy()).removing(target)
}

pub fn measure(section: &mut Section, effort: Effort) {
    let named = empty_crate("named", NAMED);
    let args = ["build", "--quiet", "--offline", "--jobs", "2"];
    let xtask = build("xtask", &root(), &args);
    let named_only = build("named packages", &named, &args);
    let all = in_turn(&[xtask, named_only], usize::from(!effort.quick), effort.cap * 30, effort);
    section.say(
        "`cargo build --jobs 2` from nothing, everything downloaded, beside an empty crate with xshell, serde (derive), toml, \
         camino and clap (derive):",
    );
    section.table(&all, "named packages");
    let (own, theirs) = (crates(&root(), "xtask"), crates(&named, "empty"));
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_xtask")).map_or(0, |found| found.len()) as f64 / 1e6;
    section.say(&format!(
        "{own} crates beside the xtask itself, {theirs} for the named packages. Binary of the dev profile: {} MB.",
        digits(size)
    ));
    section.goals.push(Goal::ratio("cold build to that of the named packages", all[0].ratio(&all[1]), 2.2));
    section.goals.push(Goal::at_most("crates without the test crates", Some(own as f64), CRATES, "crates"));
}

/// What the xtask and the parts of its engine depend on, each with the most that one of them asks of it.
fn wanted() -> BTreeMap<String, String> {
    let parts =
        std::fs::read_dir(root().join("xtask/engine")).expect("it is there").flatten().map(|entry| entry.path());
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for folder in parts.chain([root().join("xtask")]) {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
        let lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with(['#', ' ']));
        for (name, what) in
            lines.filter_map(|line| line.split_once(" = ")).filter(|(name, _)| !name.starts_with("ciao-"))
        {
            let known = wanted.entry(name.to_owned()).or_default();
            if known.len() < what.len() {
                what.clone_into(known);
            }
        }
    }
    wanted
}

/// Every dependency alone, as the xtask has it; what several share is counted in each.
pub fn dependencies(section: &mut Section, effort: Effort) {
    let wanted = wanted();
    let mut subjects = vec![build("nothing", &empty_crate("nothing", &[]), &["build", "--quiet", "--offline"])];
    let mut counts = vec![0];
    for one in &wanted {
        let folder = empty_crate(one.0, &[(one.0, one.1)]);
        counts.push(crates(&folder, "empty"));
        subjects.push(build(one.0, &folder, &["build", "--quiet", "--offline", "--jobs", "2"]));
    }
    let all = in_turn(&subjects, usize::from(!effort.quick), effort.cap * 5, effort);
    section.say("Cold build of an empty crate with this dependency alone, with the features that the xtask asks for; what several share is counted in each:");
    section.text += "| dependency | s | processor s | crates |\n|---|---:|---:|---:|\n";
    for (series, count) in all.iter().zip(counts) {
        if let (Some(wall), Some(cpu)) = (series.wall(), series.cpu()) {
            section.text += &format!("| {} | {} | {} | {count} |\n", series.name, digits(wall.min), digits(cpu.min));
        }
    }
    section.text += "\n";
}
