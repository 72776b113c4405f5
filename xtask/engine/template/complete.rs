//! Shell completions: a small script a shell, which asks this program at every press of the key.
//!
//! What can come next is read from the command line's own definition and from the repository's files, so that neither is
//! written down twice. It knows placeholders (`ENV`, `PIPELINE`, `STEP`, `CODE`), not commands.

use camino::Utf8Path;
use clap::{Arg, Command, ValueEnum};

use ciao_base::task::Tasks;
use ciao_check::repository::Repository;
use ciao_declare::finding::Code;

/// Print the completions of a shell, to be read by its start-up file
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For its start-up file: `source <(cargo xtask completions bash)`
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What the scripts call: the words so far, the last one unfinished
#[derive(Debug, clap::Args)]
pub struct CompleteArgs {
    #[arg(last = true)]
    pub words: Vec<String>,
}

/// The script of a shell.
#[must_use]
pub fn completions(args: &CompletionsArgs) -> &'static str {
    match args.shell {
        Shell::Bash => include_str!("completions/bash"),
        Shell::Zsh => include_str!("completions/zsh"),
        Shell::Fish => include_str!("completions/fish"),
    }
}

/// What can stand in the place of the last word, a line each.
#[must_use]
pub fn complete(args: &CompleteArgs, command: &Command, root: &Utf8Path) -> String {
    let (last, before) = args.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut command = command;
    let mut positional = 0;
    let mut awaiting: Option<&Arg> = None;
    let mut chain = vec![command];
    for word in before {
        if awaiting.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            awaiting = option(&chain, word).filter(|arg| arg.get_action().takes_values() && !word.contains('='));
        } else if let Some(inner) = command.find_subcommand(word) {
            command = inner;
            chain.push(inner);
            positional = 0;
        } else {
            positional += 1;
        }
    }
    let mut found = match awaiting {
        Some(arg) => values(arg, before, root),
        None if last.starts_with('-') => options(&chain),
        None => {
            let subcommands = command.get_subcommands().filter(|inner| !inner.is_hide_set());
            let mut found: Vec<String> = subcommands.map(|inner| inner.get_name().to_owned()).collect();
            let args: Vec<&Arg> = command.get_positionals().filter(|arg| !arg.is_last_set()).collect();
            let arg = args
                .get(positional)
                .or_else(|| args.last().filter(|arg| arg.get_num_args().is_some_and(|many| many.max_values() > 1)));
            found.extend(arg.into_iter().flat_map(|arg| values(arg, before, root)));
            found
        }
    };
    found.retain(|candidate| candidate.starts_with(last));
    found.sort();
    found.dedup();
    found.iter().map(|candidate| format!("{candidate}\n")).collect()
}

/// The option that a word is, of a command or of one above it.
fn option<'c>(chain: &[&'c Command], word: &str) -> Option<&'c Arg> {
    let name = word.split('=').next().unwrap_or_default();
    let args = chain.iter().rev().flat_map(|command| command.get_arguments());
    args.into_iter().find(|arg| match name.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| name == format!("-{short}")),
    })
}

fn options(chain: &[&Command]) -> Vec<String> {
    let of = |depth: usize, command: &Command| -> Vec<String> {
        let own = |arg: &&Arg| (depth + 1 == chain.len() || arg.is_global_set()) && !arg.is_hide_set();
        let longs = command.get_arguments().filter(own).filter_map(Arg::get_long);
        longs.map(|long| format!("--{long}")).collect()
    };
    let all = chain.iter().enumerate().flat_map(|(depth, command)| of(depth, command));
    all.chain(["--help".to_owned()]).collect()
}

/// What can be given for an argument: its own choices, else the names that its placeholder stands for.
fn values(arg: &Arg, before: &[String], root: &Utf8Path) -> Vec<String> {
    let choices: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !choices.is_empty() {
        return choices;
    }
    let placeholder = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let read = || Repository::read(root);
    match placeholder {
        "ENV" => read().declarations.environments().map(str::to_owned).collect(),
        "PIPELINE" => read().declarations.pipelines.keys().map(ToString::to_string).collect(),
        "CODE" => Code::ALL.iter().map(|code| code.name().to_owned()).collect(),
        "STEP" => steps(&read(), before),
        _ => Vec::new(),
    }
}

/// The ids of the steps: of the environment that is named already, or of all.
fn steps(repository: &Repository, before: &[String]) -> Vec<String> {
    let examined = repository.examine(&Tasks::new());
    let named = |environment: &String| before.contains(environment);
    let one = examined.plans.iter().any(|(environment, _)| named(environment));
    let plans = examined.plans.iter().filter(|(environment, _)| !one || named(environment));
    plans.flat_map(|(_, plan)| plan.steps.iter().map(|step| step.id.clone())).collect()
}
