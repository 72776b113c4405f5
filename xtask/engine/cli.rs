//! From the command line to a request. What is done with it is `command`'s.

use camino::Utf8PathBuf;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

/// The deployment orchestrator of this repository: everything, in the right order, to one environment.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Act on the repository that this folder belongs to
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<Utf8PathBuf>,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: ColorChoice,
    /// Show failures and the result only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show more: the command of every step, and why a step did not run
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find what is wrong in the files, all of it at once
    Check(CheckArgs),
    /// Show what a deployment would do, in its order
    Plan(PlanArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Tell what a code means, why it matters, and how to mend it
    #[arg(long, value_name = "CODE")]
    pub explain: Option<String>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The environment
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Names in place of values: what the snapshots of the step order hold
    #[arg(long)]
    pub skeleton: bool,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}
