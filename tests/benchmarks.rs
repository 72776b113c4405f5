//! What the benchmarks decide: whether something has become slower.

#[path = "../xtask/benches/peers/figures.rs"]
mod figures;

use figures::{figure, table};

const BEFORE: &str = "built by rustc 1.95.0 at `opt-level` 0\n\n\
    | | million instructions | was | |\n|---|---:|---:|---|\n| `--help` | 5.0 | 6.9 | -23.7 % |\n| `plan` | 100.0 | | |\n";

#[track_caller]
fn check(built: &str, counts: &[(&str, Option<f64>)], rows: &[&str], regressed: bool) {
    let (text, found) = table(BEFORE, built, counts);
    assert_eq!(text.lines().skip(2).take(rows.len()).collect::<Vec<_>>(), rows);
    assert_eq!(found, regressed, "{text}");
}

#[test]
fn three_per_cent_more_instructions_are_a_regression() {
    let here = "rustc 1.95.0 at `opt-level` 0";
    check(here, &[("`--help`", Some(5.2))], &["| `--help` | 5.2 | 5.0 | +4.0 % **more** |"], true);
    check(here, &[("`--help`", Some(5.1))], &["| `--help` | 5.1 | 5.0 | +2.0 % |"], false);
    check(here, &[("`--help`", Some(2.5))], &["| `--help` | 2.5 | 5.0 | -50.0 % |"], false);
    // One is enough, wherever it stands.
    let rows = ["| `--help` | 5.2 | 5.0 | +4.0 % **more** |", "| `plan` | 100.0 | 100.0 | |"];
    check(here, &[("`--help`", Some(5.2)), ("`plan`", Some(100.0))], &rows, true);
}

#[test]
fn what_cannot_be_compared_is_no_regression() {
    check("rustc 1.96.0 at `opt-level` 0", &[("`--help`", Some(9.0))], &["| `--help` | 9.0 | 5.0 | +80.0 % |"], false);
    let rows = ["| `new` | 9.0 | | |", "| `plan` | ? | | |"];
    check("rustc 1.95.0 at `opt-level` 0", &[("`new`", Some(9.0)), ("`plan`", None)], &rows, false);
}

/// A case that was given another name, or a table in another form, would be compared with nothing.
#[test]
fn every_case_that_is_counted_has_its_figure_written_down() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (counted, written) = (read("xtask/benches/peers/sections/instructions.rs"), read("BENCHMARKS.md"));
    let cases: Vec<&str> =
        counted.lines().filter_map(|line| line.trim().strip_prefix("(\"`")?.split('"').next()).collect();
    assert!(cases.len() > 5, "{cases:?}");
    for case in cases {
        assert!(figure(&written, &format!("`{case}")).is_some(), "BENCHMARKS.md has no figure for `{case}");
    }
}
