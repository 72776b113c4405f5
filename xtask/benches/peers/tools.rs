//! The tools that people would otherwise use: how the same work is written for each, and how it is asked for.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::measure::Subject;
use crate::work::{self, Graph, Shape, named};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Ciao,
    Make,
    Ninja,
    Just,
    Task,
    Mise,
    CargoMake,
    Doit,
    Pyinfra,
    Ansible,
}

pub enum Ask {
    /// Show what would be done.
    Plan,
    /// Do it, so many side by side.
    Run { jobs: usize },
}

impl Tool {
    pub const ALL: [Tool; 10] = [
        Tool::Ciao,
        Tool::Make,
        Tool::Ninja,
        Tool::Just,
        Tool::Task,
        Tool::Mise,
        Tool::CargoMake,
        Tool::Doit,
        Tool::Pyinfra,
        Tool::Ansible,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Ciao => "ciao",
            Tool::Make => "make",
            Tool::Ninja => "ninja",
            Tool::Just => "just",
            Tool::Task => "Task",
            Tool::Mise => "mise",
            Tool::CargoMake => "cargo-make",
            Tool::Doit => "doit",
            Tool::Pyinfra => "pyinfra",
            Tool::Ansible => "ansible",
        }
    }

    pub fn program(self) -> Option<PathBuf> {
        match self {
            Tool::Ciao => Some(PathBuf::from(env!("CARGO_BIN_EXE_xtask"))),
            Tool::Task => found("task"),
            Tool::Ansible => found("ansible-playbook"),
            other => found(other.name()),
        }
    }

    pub fn version(self) -> String {
        let args: &[&str] = match self {
            Tool::CargoMake => &["make", "--version"],
            Tool::Doit => &["version"],
            _ => &["--version"],
        };
        let Some(program) = self.program() else { return "not installed".to_owned() };
        let output = std::process::Command::new(program).args(args).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let line = text.lines().find(|line| line.contains(|letter: char| letter.is_ascii_digit())).unwrap_or("");
        let word = |word: &&str| {
            word.starts_with(['v', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) && word.contains('.')
        };
        line.split([' ', '[', ']']).find(word).unwrap_or("?").to_owned()
    }

    /// Whether it can be asked for this at all.
    pub fn can(self, shape: Shape, ask: &Ask) -> bool {
        match (self, ask) {
            // They do one after the other on one machine, whatever the work allows.
            (Tool::Pyinfra | Tool::Ansible, _) => shape == Shape::Chain,
            (Tool::CargoMake | Tool::Just, Ask::Run { jobs }) => shape == Shape::Chain || *jobs == 1,
            (Tool::Doit, Ask::Plan) => false,
            _ => true,
        }
    }

    /// Writes the work, and says how to ask for it.
    pub fn subject(self, graph: &Graph, command: &[&str], ask: &Ask, name: &str) -> Option<Subject> {
        let program = self.program().filter(|_| self.can(graph.shape, ask))?;
        let name = format!("{name}-{}", self.name());
        let folder = if self == Tool::Ciao {
            let folder = work::repository(&name, &work::pipeline(graph, command));
            work::commit(&folder);
            folder
        } else {
            let folder = work::folder(&name);
            self.write(&folder, graph, &command.join(" "));
            folder
        };
        let args = self.args(ask);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let subject = Subject::new(self.name(), program, &args, folder);
        Some(match self {
            Tool::Mise => subject.env("MISE_YES", "1").env("MISE_TRUSTED_CONFIG_PATHS", "/"),
            _ => subject,
        })
    }

    fn args(self, ask: &Ask) -> Vec<String> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        match (self, ask) {
            (Tool::Ciao, Ask::Plan) => words("plan dev"),
            (Tool::Ciao, Ask::Run { jobs }) => words(&format!("deploy dev --jobs {jobs}")),
            (Tool::Make, Ask::Plan) => words("-n all"),
            (Tool::Make, Ask::Run { jobs }) => words(&format!("-j{jobs} all")),
            (Tool::Ninja, Ask::Plan) => words("-n all"),
            (Tool::Ninja, Ask::Run { jobs }) => words(&format!("-j{jobs} all")),
            (Tool::Just, Ask::Plan) => words("--dry-run all"),
            (Tool::Just, Ask::Run { .. }) => words("all"),
            (Tool::Task, Ask::Plan) => words("--dry all"),
            (Tool::Task, Ask::Run { jobs }) => words(&format!("--concurrency {jobs} all")),
            (Tool::Mise, Ask::Plan) => words("run --dry-run all"),
            (Tool::Mise, Ask::Run { jobs }) => words(&format!("run --jobs {jobs} all")),
            (Tool::CargoMake, Ask::Plan) => words("make --disable-check-for-updates --print-steps all"),
            (Tool::CargoMake, Ask::Run { .. }) => words("make --disable-check-for-updates --loglevel error all"),
            (Tool::Doit, Ask::Plan) => words("list"),
            (Tool::Doit, Ask::Run { jobs: 1 }) => words("run"),
            (Tool::Doit, Ask::Run { jobs }) => words(&format!("run --process {jobs}")),
            (Tool::Pyinfra, Ask::Plan) => words("@local deploy.py --dry"),
            (Tool::Pyinfra, Ask::Run { .. }) => words("@local deploy.py --yes"),
            (Tool::Ansible, Ask::Plan) => words("--inventory localhost, --list-tasks playbook.yml"),
            (Tool::Ansible, Ask::Run { .. }) => words("--inventory localhost, playbook.yml"),
        }
    }

    fn write(self, folder: &Path, graph: &Graph, command: &str) {
        let ends = graph.ends();
        let mut text = match self {
            Tool::Make => format!("all: {}\n", named(&ends, "s", " ")),
            Tool::Ninja => format!("rule r\n  command = {command}\nbuild all: phony {}\n", named(&ends, "s", " ")),
            Tool::Just => format!("all: {}\n", named(&ends, "s", " ")),
            Tool::Task => {
                format!("version: '3'\nsilent: true\ntasks:\n  all:\n    deps: [{}]\n", named(&ends, "s", ", "))
            }
            Tool::Mise => format!("[tasks.all]\ndepends = [{}]\n", quoted(&ends)),
            Tool::CargoMake => {
                format!("[config]\nskip_core_tasks = true\n[tasks.all]\ndependencies = [{}]\n", quoted(&ends))
            }
            Tool::Doit => "def task_all():\n".to_owned(),
            Tool::Pyinfra => "from pyinfra.operations import server\n".to_owned(),
            Tool::Ansible => "- hosts: all\n  connection: local\n  gather_facts: false\n  tasks:\n".to_owned(),
            Tool::Ciao => String::new(),
        };
        for (step, needs) in graph.needs.iter().enumerate() {
            let _infallible = match self {
                Tool::Make => writeln!(text, "s{step}: {}\n\t@{command}", named(needs, "s", " ")),
                Tool::Ninja => writeln!(text, "build s{step}: r {}", named(needs, "s", " ")),
                Tool::Just => writeln!(text, "s{step}: {}\n    @{command}", named(needs, "s", " ")),
                Tool::Task => {
                    writeln!(text, "  s{step}:\n    deps: [{}]\n    cmds: ['{command}']", named(needs, "s", ", "))
                }
                Tool::Mise => writeln!(text, "[tasks.s{step}]\nrun = \"{command}\"\ndepends = [{}]", quoted(needs)),
                Tool::CargoMake => cargo_make(&mut text, step, needs, command),
                Tool::Doit => {
                    let needs = needs.iter().map(|need| format!("'all:s{need}'")).collect::<Vec<_>>().join(", ");
                    writeln!(
                        text,
                        "    yield {{'name': 's{step}', 'actions': [{:?}.split()], 'task_dep': [{needs}]}}",
                        command
                    )
                }
                Tool::Pyinfra => writeln!(text, "server.shell(name='s{step}', commands=['{command}'])"),
                Tool::Ansible => writeln!(text, "    - name: s{step}\n      ansible.builtin.command: '{command}'"),
                Tool::Ciao => Ok(()),
            };
        }
        let name = match self {
            Tool::Make | Tool::Ciao => "Makefile",
            Tool::Ninja => "build.ninja",
            Tool::Just => "justfile",
            Tool::Task => "Taskfile.yml",
            Tool::Mise => "mise.toml",
            Tool::CargoMake => "Makefile.toml",
            Tool::Doit => "dodo.py",
            Tool::Pyinfra => "deploy.py",
            Tool::Ansible => "playbook.yml",
        };
        work::write(folder, name, &text);
    }
}

fn cargo_make(text: &mut String, step: usize, needs: &[usize], command: &str) -> std::fmt::Result {
    let (program, args) = command.split_once(' ').unwrap_or((command, ""));
    let args: Vec<&str> = args.split_whitespace().collect();
    let needs = quoted(needs);
    writeln!(text, "[tasks.s{step}]\ncommand = \"{program}\"\nargs = {args:?}\ndependencies = [{needs}]")
}

fn quoted(steps: &[usize]) -> String {
    steps.iter().map(|step| format!("\"s{step}\"")).collect::<Vec<_>>().join(", ")
}

/// The first program of that name in `PATH`. A shim, which only looks for the program, is not what is to be measured.
pub fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let holding = std::env::split_paths(&path).filter(|folder| folder.join(name).is_file());
    let (shims, folders): (Vec<PathBuf>, Vec<PathBuf>) = holding.partition(|folder| folder.ends_with("shims"));
    if let Some(folder) = folders.first() {
        return Some(folder.join(name));
    }
    let shim = shims.first()?.join(name);
    let output = std::process::Command::new("pyenv").args(["which", name]).output();
    let behind = output.ok().filter(|output| output.status.success());
    Some(behind.map_or(shim, |output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())))
}
