//! From the command line to a request. What is done with it is `command`'s.

use std::ffi::OsString;

use camino::Utf8PathBuf;
use clap::{ArgMatches, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::template;

/// The deployment orchestrator of this repository: everything, in the right order, to one environment.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// What is wrong with it, or the help that it asks for.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    // Taking the description of all commands to pieces costs as much as a tenth of `--help`, and nobody waits for the memory.
    let command: &'static mut clap::Command = Box::leak(Box::new(Cli::command()));
    Cli::from_arg_matches(&command.try_get_matches_from_mut(arguments)?)
}

/// The `--color` of a command line that may be wrong elsewhere.
#[must_use]
pub fn colour(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let words = words.split(|word| word == "--").next().unwrap_or_default();
    let glued = words.iter().filter_map(|word| word.strip_prefix("--color="));
    let apart = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| &*pair[1]);
    let asked = glued.chain(apart).find_map(|value| ColorChoice::from_str(value, false).ok());
    asked.unwrap_or_default()
}

const EVERY: &str = "Options of every command";

const RUNS: &str = "Exit code: 0 deployed, 1 a step failed, 2 findings: nothing ran, 3 refused by a gate, 4 being deployed by\nsomebody \
                    else or left unfinished, 5 no ledger, 6 deployed and not yet recorded, 128+n ended by signal n";
const DECIDES: &str = "Exit code: 0 recorded, 2 wrong usage or findings, 3 a dirty tree, 4 being deployed by somebody else or left\nunfinished, 5 no ledger; but for 0 nothing has changed";
const READS: &str = "Exit code: 0 shown, 2 there is nothing of that name, 5 no ledger";
const WRITES: &str =
    "Exit code: 0 written, 2 refused: nothing was changed, 128+n ended by signal n: nothing was changed";

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Act on the repository that this folder belongs to
    #[arg(short = 'C', value_name = "DIR", global = true, help_heading = EVERY)]
    pub directory: Option<Utf8PathBuf>,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = EVERY)]
    pub color: ColorChoice,
    /// Show failures only, and the last line of a deployment
    #[arg(short, long, global = true, help_heading = EVERY, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show more: when each step starts, and all that it prints, also on a terminal
    #[arg(short, long, global = true, help_heading = EVERY)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find what is wrong in the files, all of it at once
    #[command(after_help = "Exit code: 0 no errors, 1 errors, 2 wrong usage")]
    Check(Deferred<CheckArgs>),
    /// Show what a deployment would do, in its order
    #[command(after_help = "Exit code: 0 shown, 2 `deploy` would refuse")]
    Plan(Deferred<PlanArgs>),
    /// Deploy everything, in the right order, to one environment
    #[command(after_help = RUNS)]
    Deploy(Deferred<DeployArgs>),
    /// Deploy to each environment in turn, up to the first that fails or whose gate is closed
    #[command(after_help = RUNS)]
    Orchestrate(Deferred<OrchestrateArgs>),
    /// Go on with the last unfinished or failed deployment
    #[command(after_help = RUNS)]
    Resume(Deferred<ResumeArgs>),
    /// Free an environment whose deployment will not go on
    #[command(after_help = DECIDES)]
    Unlock(Deferred<UnlockArgs>),
    /// Give up work that a deployment still owes
    #[command(after_help = DECIDES)]
    Settle(Deferred<SettleArgs>),
    /// Approve a release for an environment
    #[command(after_help = DECIDES)]
    Approve(Deferred<ApproveArgs>),
    /// Show what is deployed where, and which gates are open
    #[command(after_help = READS)]
    Status(Deferred<StatusArgs>),
    /// Show what happened to an environment, newest first
    #[command(after_help = READS)]
    History(Deferred<HistoryArgs>),
    /// Show one deployment with its steps
    #[command(after_help = READS)]
    Show(Deferred<ShowArgs>),
    /// Show what the steps of the last deployment printed
    #[command(after_help = READS)]
    Logs(Deferred<LogsArgs>),
    /// Show what differs between two environments
    #[command(after_help = "Exit code: 0 shown, 2 there is no such environment")]
    Diff(Deferred<DiffArgs>),
    /// Find out whether everything is there that a deployment needs
    #[command(after_help = "Exit code: 0 everything is there, 1 something is not, 5 no ledger")]
    Doctor,
    /// Copy the engine and a first deployment into another repository
    #[command(after_help = WRITES)]
    Init(Deferred<template::InitArgs>),
    /// Bring the engine of a copy to this version
    #[command(
        after_help = "Exit code: 0 upgraded, 1 taken back, 2 refused: nothing was changed, 128+n ended by signal n: nothing was changed"
    )]
    Upgrade(Deferred<template::UpgradeArgs>),
    /// Write a new environment, pipeline or step
    #[command(after_help = WRITES)]
    New(Deferred<template::NewArgs>),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(Deferred<template::SchemaArgs>),
    /// Print the completions of a shell, to be kept in a file
    Completions(Deferred<template::CompletionsArgs>),
    #[command(hide = true)]
    Complete(Deferred<template::CompleteArgs>),
}

/// Arguments that clap is told of when their command is the one that is asked for, or helped with: to tell it of those of all
/// commands is a quarter of what every command takes to start.
#[derive(Debug)]
pub struct Deferred<T>(T);

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(|command| {
            // Arguments that several commands share say something of themselves, which is not about the command.
            let about = command.get_about().cloned();
            let command = T::augment_args(command);
            if let Some(about) = about { command.about(about) } else { command }
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Deferred)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T> std::ops::Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Tell what a code means, why it matters, and how to mend it
    #[arg(long, value_name = "CODE", conflicts_with = "format")]
    pub explain: Option<String>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Names in place of values, a `for_each` once: what the snapshots of the step order hold, and no value changes
    #[arg(long)]
    pub skeleton: bool,
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// One environment
    #[arg(value_name = "ENV")]
    pub left: String,
    /// The other one
    #[arg(value_name = "ENV")]
    pub right: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// How steps are run and shown.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// How many steps may run side by side
    #[arg(long, value_name = "N", default_value = "16", value_parser = parse_count)]
    pub jobs: usize,
    /// How long an interrupted step has before it is killed
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    pub grace: humantime::Duration,
    /// For people, or for programs: one event a line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err("write a number from 1 to 1024".to_owned()),
    }
}

fn parse_time(text: &str) -> Result<humantime::Duration, String> {
    text.parse().map_err(|_| "write it as in 30s, 5m or \"1h 30m\"".to_owned())
}

#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Run the steps of this pipeline only; it opens no gate
    #[arg(long, value_name = "PIPELINE")]
    pub only: Vec<String>,
    /// How long to wait while somebody else deploys
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub wait: Option<humantime::Duration>,
    /// Go past a closed gate; recorded for ever
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Why
    #[arg(long, value_name = "REASON", requires = "force", value_parser = parse_reason)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub options: RunOptions,
}

fn parse_reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("write why".to_owned()) } else { Ok(text.trim().to_owned()) }
}

#[derive(Debug, Args)]
pub struct OrchestrateArgs {
    /// The last environment
    #[arg(long, value_name = "ENV")]
    pub until: Option<String>,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Run this step again, whatever became of it
    #[arg(long, value_name = "STEP")]
    pub rerun: Vec<String>,
    /// Count this step as done; the deployment then opens no gate
    #[arg(long, value_name = "STEP")]
    pub skip: Vec<String>,
    #[command(flatten)]
    pub options: RunOptions,
}

#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Why; it is recorded
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    pub reason: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Use a ledger that was rewritten or deleted as it is now
    #[arg(long)]
    pub accept_ledger: bool,
}

#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// The step whose `finally` is owed
    #[arg(value_name = "STEP")]
    pub step: String,
    /// Why; it is recorded
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    pub reason: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// The commit; default: HEAD
    #[arg(value_name = "COMMIT")]
    pub commit: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// The record, by id or the beginning of it; default: the newest
    #[arg(value_name = "RECORD")]
    pub record: Option<String>,
    /// For people or for programs
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// The step; default: all
    #[arg(value_name = "STEP")]
    pub step: Option<String>,
}
