//! Values that are put together with code: what a value holds would be run.

use std::sync::Arc;

use super::walk::{self, Role, Spot, Visitor};
use ciao_declare::Declarations;
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::template::{Part, Template};

/// Programs that run an argument as code, with the option before it.
const RUNNERS: [(&[&str], &[&str]); 6] = [
    (&["sh", "bash", "dash", "zsh", "ksh", "su", "runuser"], &["-c", "--command"]),
    (&["python", "python3", "psql"], &["-c", "--command"]),
    (&["perl", "ruby", "mysql", "mariadb"], &["-e", "-E", "--execute"]),
    (&["node", "deno", "bun", "mongosh", "mongo"], &["-e", "--eval", "-p", "--print", "eval"]),
    (&["pwsh", "powershell"], &["-Command", "-c"]),
    (&["php"], &["-r"]),
];

/// Names whose values are made by ciao and hold nothing that could be run.
const HARMLESS: [&str; 3] = ["release", "commit", "environment"];

/// Finds `value-in-code`.
pub fn check(declarations: &Declarations, findings: &mut Vec<Finding>) {
    walk::everything(declarations, &mut Visit { findings, runners: None });
}

/// A program in a command that runs an argument behind it.
#[derive(Clone, Copy)]
enum Runner {
    /// All behind its host, which stands there.
    Ssh(Option<usize>),
    /// What one of these options is before.
    Of { name: &'static str, at: usize, options: &'static [&'static str] },
}

struct Visit<'a> {
    findings: &'a mut Vec<Finding>,
    /// Of the command whose arguments are visited, once one of them refers to something.
    runners: Option<Vec<Runner>>,
}

impl Visitor for Visit<'_> {
    fn spot(&mut self, spot: &Spot<'_>) {
        let Role::Argument(all, index) = spot.role else { return };
        if index == 0 {
            self.runners = None;
        }
        let reference = spot.parts.iter().find_map(|part| match part {
            Part::Reference { name, span, .. } if !HARMLESS.contains(&&**name) => Some((name, *span)),
            _ => None,
        });
        let Some((name, span)) = reference else { return };
        let runners = self.runners.get_or_insert_with(|| runners(all));
        let Some(program) = runners.iter().find_map(|runner| runner.runs(all, index)).flatten() else { return };
        let message = format!("the value of `{name}` becomes a part of code that `{program}` runs");
        let help = match program {
            "ssh" => "run a script that is there already; or quote the value in a script of your own".to_owned(),
            "psql" => format!("pass it as a variable: `\"--set=x=${{{name}}}\"`, and write `:'x'` in a file"),
            _ => format!(
                "set it in `env`, and let the code read the variable: `env = {{ X = \"${{{name}}}\" }}`, `\"$X\"`"
            ),
        };
        let place = Place { file: Arc::clone(spot.file), span };
        let finding = Finding::warning(Code::ValueInCode, place, message, help);
        self.findings.push(Finding { of: spot.step.map(|step| step.name.value.to_string()), ..finding });
    }
}

/// The programs of a command that run arguments, each kind of them where it stands first.
fn runners(all: &[Template]) -> Vec<Runner> {
    let mut found: Vec<Runner> = Vec::new();
    let mut seen = [false; RUNNERS.len()];
    for (at, argument) in all.iter().enumerate() {
        let Some(program) = argument.as_literal().and_then(|text| text.rsplit('/').next()) else { continue };
        if program == "ssh" {
            found.push(Runner::Ssh(ssh_host(all, at)));
            // All that follows is its own.
            break;
        }
        for (kind, (programs, options)) in RUNNERS.iter().enumerate().filter(|(kind, _)| !seen[*kind]) {
            if let Some(name) = programs.iter().find(|known| **known == program) {
                seen[kind] = true;
                found.push(Runner::Of { name, at, options });
                break;
            }
        }
    }
    found
}

impl Runner {
    /// Whether it runs the argument at `index` as code; `Some(None)`: neither it nor one behind it does.
    fn runs(self, all: &[Template], index: usize) -> Option<Option<&'static str>> {
        let (name, at, options) = match self {
            Runner::Ssh(host) => return Some(host.filter(|host| *host < index).map(|_| "ssh")),
            Runner::Of { name, at, options } => (name, at, options),
        };
        let before = index.checked_sub(1).filter(|before| *before > at).and_then(|before| all[before].as_literal());
        let is_option = |option: &str| {
            options.contains(&option)
                // `-ec`, `-lc`
                || (option.len() <= 4 && option.starts_with('-') && !option.starts_with("--") && option.ends_with('c') && options[0] == "-c")
        };
        let own = match all[index].parts.first() {
            Some(Part::Literal(text)) if index > at => &**text,
            _ => "",
        };
        let inline = |option: &&str| {
            option.starts_with("--") && own.strip_prefix(*option).is_some_and(|rest| rest.starts_with('='))
        };
        (before.is_some_and(is_option) || options.iter().any(inline)).then_some(Some(name))
    }
}

/// Where the host stands in the arguments of `ssh`: all behind it is run by a shell over there.
fn ssh_host(all: &[Template], at: usize) -> Option<usize> {
    let mut skip = false;
    for (index, argument) in all.iter().enumerate().skip(at + 1) {
        let text = argument.as_literal().unwrap_or("x");
        if skip {
            skip = false;
        } else if let Some(option) = text.strip_prefix('-') {
            // Those that take an argument of their own.
            skip = option.len() == 1 && "BbcDEeFIiJLlmOopQRSWw".contains(option);
        } else {
            return Some(index);
        }
    }
    None
}
