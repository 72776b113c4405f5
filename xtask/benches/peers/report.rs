//! What was measured, as Markdown: printed, and written into BENCHMARKS.md between two marks a section.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::measure::{Series, Spread};

/// A figure and the limit that it must keep.
pub struct Goal {
    pub what: String,
    pub figure: String,
    pub limit: String,
    pub reached: Option<bool>,
}

impl Goal {
    /// A ratio: the median decides.
    pub fn ratio(what: &str, measured: Option<Spread>, limit: f64) -> Goal {
        Goal {
            what: what.to_owned(),
            figure: measured.map_or("not measured".to_owned(), |spread| ratio(&spread)),
            limit: format!("{limit} ×"),
            reached: measured.map(|spread| spread.median <= limit),
        }
    }

    pub fn at_most(what: &str, measured: Option<f64>, limit: f64, unit: &str) -> Goal {
        Goal {
            what: what.to_owned(),
            figure: measured.map_or("not measured".to_owned(), |value| format!("{} {unit}", digits(value))),
            limit: format!("{limit} {unit}"),
            reached: measured.map(|value| value <= limit),
        }
    }
}

/// One section: a title, prose and tables, plots by file name, and goals.
#[derive(Default)]
pub struct Section {
    pub text: String,
    pub plots: Vec<(String, String)>,
    pub goals: Vec<Goal>,
    /// Something costs more than it did: not noise.
    pub regressed: bool,
}

impl Section {
    pub fn say(&mut self, words: &str) {
        self.text += words;
        self.text += "\n\n";
    }

    /// One row a subject; ratios to the one named `to`.
    pub fn table(&mut self, all: &[Series], to: &str) {
        self.text += &format!(
            "| | s (median) | min–max | × {to} | processor s | × {to} | peak MB |\n|---|---:|---:|---:|---:|---:|---:|\n"
        );
        let base = all.iter().find(|series| series.name == to);
        for series in all {
            let ratio_to = |of: fn(&Series, &Series) -> Option<Spread>| {
                base.and_then(|base| of(series, base)).map_or(String::new(), |spread| ratio(&spread))
            };
            let name = series.name.replace('|', "\\|");
            let _infallible = match (&series.runs, series.wall(), series.cpu(), series.peak_mb()) {
                (_, Some(wall), Some(cpu), Some(peak)) => writeln!(
                    self.text,
                    "| {name} | {} | {}–{} | {} | {} | {} | {peak:.0} |",
                    digits(wall.median),
                    digits(wall.min),
                    digits(wall.max),
                    ratio_to(Series::ratio),
                    digits(cpu.median),
                    ratio_to(Series::cpu_ratio),
                ),
                (Err(why), ..) => writeln!(self.text, "| {name} | fails: {} | | | | | |", why.replace('|', "\\|")),
                _ => Ok(()),
            };
        }
        self.text += "\n";
    }

    pub fn plot(&mut self, file: &str, title: &str, svg: String) {
        self.say(&format!("![{title}](docs/benchmarks/{file})"));
        self.plots.push((file.to_owned(), svg));
    }
}

pub fn goals(goals: &[Goal]) -> String {
    let mut text = "| must reach | measured | limit | |\n|---|---|---|---|\n".to_owned();
    for goal in goals {
        let mark = match goal.reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        let _infallible = writeln!(text, "| {} | {} | {} | {mark} |", goal.what, goal.figure, goal.limit);
    }
    text + "\n"
}

/// `1.23 × (1.10–1.40)`
pub fn ratio(spread: &Spread) -> String {
    format!("{} × ({}–{})", digits(spread.median), digits(spread.min), digits(spread.max))
}

/// Three digits that count.
pub fn digits(value: f64) -> String {
    match value {
        value if value.is_nan() => "–".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value if value >= 0.1 => format!("{value:.3}"),
        value => format!("{value:.4}"),
    }
}

/// The repository that the benchmarks belong to.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the xtask is in a folder of the repository").to_owned()
}

/// What BENCHMARKS.md says between the marks of a section.
pub fn written(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(root().join("BENCHMARKS.md")).ok()?;
    let (begin, end) = marks(name);
    Some(text.split_once(&begin)?.1.split_once(&end)?.0.to_owned())
}

fn marks(name: &str) -> (String, String) {
    (format!("<!-- {name}: written by the benchmark -->\n"), format!("<!-- {name}: end -->\n"))
}

/// Puts the text of a section between its marks, and its plots into `docs/benchmarks`.
pub fn write(name: &str, section: &Section) {
    let folder = root().join("docs/benchmarks");
    std::fs::create_dir_all(&folder).expect("docs/benchmarks can be made");
    for (file, svg) in &section.plots {
        std::fs::write(folder.join(file), svg).expect("a plot can be written");
    }
    let path = root().join("BENCHMARKS.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let (begin, end) = marks(name);
    let new = format!("{begin}\n{}{end}", section.text);
    let text = match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) => format!("{}{new}{}", &text[..from], &text[to + end.len()..]),
        _ => format!("{text}\n{new}"),
    };
    std::fs::write(path, text).expect("BENCHMARKS.md can be written");
}

/// Date and machine, without its name.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value.trim().to_owned()))
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory: f64 =
        field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: String = kernel.trim().chars().take_while(|letter| !letter.is_ascii_alphabetic()).collect();
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "{}, {cpu}, {cores} cores, {:.0} GB, {} {}; load average {load} when it began",
        &now[..10],
        memory / 1e6,
        std::env::consts::OS,
        kernel.trim_end_matches(['-', '.']),
    )
}
