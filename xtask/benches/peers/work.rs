//! The work that is given to everybody: graphs of steps that do nothing, and repositories of any size.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder for a measurement, on the disk that holds the build: a file system in memory would make syncing free.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers").join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

pub fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
}

/// Makes a folder a git repository with everything in it committed.
pub fn commit(folder: &Path) {
    for args in ["init --quiet --initial-branch main", "add --all", "commit --quiet --message work"] {
        let status = Command::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=Anna", "-c", "user.email=anna@example.org", "-c", "core.hooksPath=/dev/null"])
            .args(args.split(' '))
            .status();
        assert!(status.is_ok_and(|status| status.success()), "git {args}");
    }
    for (name, value) in [("user.name", "Anna"), ("user.email", "anna@example.org")] {
        let status = Command::new("git").current_dir(folder).args(["config", name, value]).status();
        assert!(status.is_ok_and(|status| status.success()), "git config");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each needs the one before.
    Chain,
    /// None needs any.
    Wide,
    /// One, then all but two side by side, then one.
    Diamond,
}

impl Shape {
    pub const ALL: [Shape; 3] = [Shape::Chain, Shape::Wide, Shape::Diamond];

    pub fn name(self) -> &'static str {
        match self {
            Shape::Chain => "chain",
            Shape::Wide => "wide",
            Shape::Diamond => "diamond",
        }
    }
}

/// Steps, by number, and what each needs.
pub struct Graph {
    pub shape: Shape,
    pub needs: Vec<Vec<usize>>,
}

impl Graph {
    pub fn new(shape: Shape, size: usize) -> Graph {
        let needs = (0..size).map(|step| match shape {
            _ if step == 0 => Vec::new(),
            Shape::Chain => vec![step - 1],
            Shape::Wide => Vec::new(),
            Shape::Diamond if step == size - 1 => (1..size - 1).collect(),
            Shape::Diamond => vec![0],
        });
        Graph { shape, needs: needs.collect() }
    }

    /// The last steps: what has to be asked for to get all.
    pub fn ends(&self) -> Vec<usize> {
        match self.shape {
            Shape::Wide => (0..self.needs.len()).collect(),
            Shape::Chain | Shape::Diamond => vec![self.needs.len() - 1],
        }
    }
}

pub fn named(steps: &[usize], prefix: &str, between: &str) -> String {
    steps.iter().map(|step| format!("{prefix}{step}")).collect::<Vec<_>>().join(between)
}

/// The pipeline with these steps, each of which runs `command`.
pub fn pipeline(graph: &Graph, command: &[&str]) -> String {
    let mut text = String::new();
    for (step, needs) in graph.needs.iter().enumerate() {
        let _infallible = writeln!(text, "[[step]]\nname = \"s{step}\"\nrun = {command:?}");
        // A chain is what is written without `needs`, and the last of a diamond waits for all above it.
        let listed = graph.shape == Shape::Chain || graph.shape == Shape::Diamond && step + 1 == graph.needs.len();
        if !listed {
            let quoted: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
            let _infallible = writeln!(text, "needs = {quoted:?}");
        }
    }
    text
}

/// A repository with one environment and one pipeline.
pub fn repository(name: &str, pipeline: &str) -> PathBuf {
    let folder = folder(name);
    write(&folder, "pipelines/orchestration.toml", "[[environment]]\nname = \"dev\"\n");
    write(&folder, "pipelines/environment.toml", "[[deploy]]\npipeline = \"work\"\n");
    write(&folder, "pipelines/environments/dev.toml", "");
    write(&folder, "pipelines/deployments/work/pipeline.toml", pipeline);
    folder
}

/// How large a repository with all three tiers is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub environments: usize,
    pub parameters: usize,
    pub pipelines: usize,
    pub steps: usize,
    /// Lines of the script of every step; none: it runs `true`.
    pub lines: usize,
}

/// A repository with all three tiers: every step uses a parameter, and every environment has its own value of each.
pub fn three_tiers(name: &str, size: Size) -> PathBuf {
    let folder = folder(name);
    let (mut orchestration, mut environment) = (String::new(), String::from("[parameters.site]\n"));
    for number in 0..size.environments {
        let _infallible = writeln!(orchestration, "[[environment]]\nname = \"env-{number}\"");
        let values: String = (0..size.parameters)
            .map(|parameter| format!("value_{parameter} = \"host-{parameter}.env-{number}.example\"\n"))
            .collect();
        write(&folder, &format!("pipelines/environments/env-{number}.toml"), &format!("[site]\n{values}"));
    }
    for parameter in 0..size.parameters {
        let _infallible = writeln!(environment, "value_{parameter} = {{ type = \"string\" }}");
    }
    let mut parameter = 0;
    for number in 0..size.pipelines {
        let _infallible = writeln!(environment, "\n[[deploy]]\npipeline = \"p{number}\"");
        let mut text = String::new();
        for step in 0..size.steps {
            let verify = if number == 0 && step == 0 { "verify = true\n" } else { "" };
            let what = if size.lines == 0 { "run = [\"true\"]".to_owned() } else { format!("script = \"s{step}.sh\"") };
            // The steps together use every parameter, so that none is found to be unused.
            let all = size.pipelines * size.steps;
            let used: Vec<String> = (0..size.parameters.div_ceil(all).max(1))
                .map(|_| {
                    parameter += 1;
                    format!("V{parameter} = \"${{site.value_{}}}\"", (parameter - 1) % size.parameters)
                })
                .collect();
            let _infallible =
                writeln!(text, "[[step]]\nname = \"s{step}\"\n{what}\n{verify}env = {{ {} }}", used.join(", "));
            if size.lines > 0 {
                script(&folder, &format!("pipelines/deployments/p{number}/s{step}.sh"), size.lines);
            }
        }
        write(&folder, &format!("pipelines/deployments/p{number}/pipeline.toml"), &text);
    }
    write(&folder, "pipelines/orchestration.toml", &orchestration);
    write(&folder, "pipelines/environment.toml", &environment);
    folder
}

/// A script of so many lines, of the kind that people write.
fn script(folder: &Path, name: &str, lines: usize) {
    use std::os::unix::fs::PermissionsExt;
    let mut text = String::from("#!/bin/sh\nset -eu\n");
    for line in 2..lines {
        let _infallible = match line % 4 {
            0 => writeln!(text, "# Copies what was built in the step before, number {line}."),
            1 => writeln!(text, "install -m 644 \"build/output-{line}.conf\" /srv/application/conf.d/"),
            2 => {
                writeln!(text, "if [ ! -e /var/lib/application/{line} ]; then mkdir -p /var/lib/application/{line}; fi")
            }
            _ => writeln!(text, "echo \"configured part {line} of the application\" >> /var/log/application.log"),
        };
    }
    write(folder, name, &text);
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).expect("rights can be set");
}
