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
    walk::everything(declarations, &mut Visit { findings });
}

struct Visit<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Visitor for Visit<'_> {
    fn spot(&mut self, spot: &Spot<'_>) {
        let Role::Argument(all, index) = spot.role else { return };
        let reference = spot.parts.iter().find_map(|part| match part {
            Part::Reference { name, span, .. } if !HARMLESS.contains(&&**name) => Some((name, *span)),
            _ => None,
        });
        let (Some((name, span)), Some(program)) = (reference, runner(all, index)) else { return };
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

/// The program that runs the argument at `index` as code.
fn runner(all: &[Template], index: usize) -> Option<&str> {
    let literal = |argument: &'_ Template| argument.as_literal().map(str::to_owned);
    let base = |argument: &Template| literal(argument).and_then(|text| text.rsplit('/').next().map(str::to_owned));
    for (at, argument) in all.iter().enumerate().take(index) {
        let Some(program) = base(argument) else { continue };
        if program == "ssh" {
            return (ssh_host(all, at)? < index).then_some("ssh");
        }
        for (programs, options) in RUNNERS {
            let Some(found) = programs.iter().find(|known| **known == program) else { continue };
            let before = index.checked_sub(1).filter(|before| *before > at).and_then(|before| literal(&all[before]));
            let is_option = |option: &str| {
                options.contains(&option)
                    // `-ec`, `-lc`
                    || (option.len() <= 4 && option.starts_with('-') && !option.starts_with("--") && option.ends_with('c') && options[0] == "-c")
            };
            let own = all[index].parts.first().and_then(|part| match part {
                Part::Literal(text) => Some(text),
                Part::Reference { .. } => None,
            });
            let inline = own.is_some_and(|text| {
                options.iter().any(|option| option.starts_with("--") && text.starts_with(&format!("{option}=")))
            });
            if before.as_deref().is_some_and(is_option) || inline {
                return Some(found);
            }
        }
    }
    None
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
