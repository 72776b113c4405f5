//! Instruction counts beside those that are written down. Pure, so that a test can show that a regression is told.

use std::fmt::Write as _;

/// So much more than BENCHMARKS.md says is a regression.
pub const TOLERANCE: f64 = 0.03;

/// The rows of the table, and whether any case takes more than it did. A count that there is none of is no regression, and
/// neither is one by another compiler (`built` does not stand in `before`): there is nothing to compare it with.
pub fn table(before: &str, built: &str, counts: &[(&str, Option<f64>)]) -> (String, bool) {
    let mut text = "| | million instructions | was | |\n|---|---:|---:|---|\n".to_owned();
    let mut regressed = false;
    for (what, count) in counts {
        let Some(count) = count else {
            text += &format!("| {what} | ? | | |\n");
            continue;
        };
        let was = figure(before, what);
        let change = was.map_or(0.0, |was| count / was - 1.0);
        let more = before.contains(built) && change > TOLERANCE;
        regressed |= more;
        let word = if change.abs() < 0.001 { String::new() } else { format!(" {:+.1} %", change * 100.0) };
        let mark = if more { " **more**" } else { "" };
        let was = was.map_or(String::new(), |was| format!(" {was:.1}"));
        let _infallible = writeln!(text, "| {what} | {count:.1} |{was} |{word}{mark} |");
    }
    (text + "\n", regressed)
}

/// What a table says of a case.
pub fn figure(text: &str, what: &str) -> Option<f64> {
    let row = text.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")))?;
    row.split(" |").next()?.parse().ok()
}
