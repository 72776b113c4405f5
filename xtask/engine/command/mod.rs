//! The commands, each a straight line: read, check, do, show.

pub mod check;
pub mod decide;
pub mod deploy;
pub mod diff;
pub mod folders;
pub mod logs;
pub mod output;
pub mod plan;
pub mod prepare;
pub mod resume;
pub mod status;
pub mod template;

use std::process::ExitCode;

use camino::Utf8PathBuf;

use crate::cli::{Cli, Command, Global};
use crate::declare::ORCHESTRATION;
use crate::finding::suggest;
use crate::repository::Repository;
use crate::sources::root_of;
use crate::task::Tasks;
use output::Output;

/// Exit codes; people and programs rely on them.
pub mod exit {
    /// A step failed; `check` found errors.
    pub const FAILED: u8 = 1;
    /// Wrong usage, or findings that stop the command: nothing ran.
    pub const REFUSED_BY_FINDINGS: u8 = 2;
}

/// What every command works with.
pub struct Session<'a> {
    pub tasks: &'a Tasks,
    pub root: Utf8PathBuf,
    pub output: Output,
}

/// Does what was asked for.
pub fn run(cli: Cli, tasks: &Tasks) -> ExitCode {
    let output = Output::new(&cli.global);
    let root = match root(&cli.global) {
        Ok(root) => root,
        Err(message) => {
            output.error(&message);
            return ExitCode::from(exit::REFUSED_BY_FINDINGS);
        }
    };
    if let (None, Some(refusal)) = (&cli.global.directory, crate::template::built_elsewhere(&root)) {
        output.error(&refusal.to_string());
        return ExitCode::from(exit::REFUSED_BY_FINDINGS);
    }
    let session = Session { tasks, root, output };
    let code = match cli.command {
        Command::Check(args) => check::run(&session, &args),
        Command::Plan(args) => plan::run(&session, &args),
        Command::Deploy(args) => deploy::run(&session, &args),
        Command::Orchestrate(args) => deploy::orchestrate(&session, &args),
        Command::Resume(args) => deploy::resume(&session, &args),
        Command::Unlock(args) => decide::unlock(&session, &args),
        Command::Settle(args) => decide::settle(&session, &args),
        Command::Approve(args) => decide::approve(&session, &args),
        Command::Logs(args) => logs::run(&session, &args),
        Command::Status(args) => status::status(&session, &args),
        Command::History(args) => status::history(&session, &args),
        Command::Show(args) => status::show(&session, &args),
        Command::Diff(args) => diff::run(&session, &args),
        Command::Doctor => status::doctor(&session),
        Command::Init(args) => template::init(&session, &args),
        Command::Upgrade(args) => template::upgrade(&session, &args),
        Command::New(args) => template::new(&session, &args),
        Command::Schema(args) => template::schema(&session, &args),
        Command::Completions(args) => template::completions(&session, &args),
        Command::Complete(args) => template::complete(&session, &args),
    };
    session.output.code(code)
}

fn root(global: &Global) -> Result<Utf8PathBuf, String> {
    let here =
        std::env::current_dir().map_err(|error| format!("the current folder cannot be read: {error}")).and_then(
            |here| Utf8PathBuf::from_path_buf(here).map_err(|here| format!("the path {} is not UTF-8", here.display())),
        )?;
    let folder = match &global.directory {
        Some(directory) => here.join(directory),
        None => here,
    };
    if !folder.is_dir() {
        return Err(format!("there is no folder {folder}"));
    }
    let folder = folder.canonicalize_utf8().map_err(|error| format!("failed to resolve {folder}: {error}"))?;
    Ok(root_of(&folder))
}

impl Session<'_> {
    #[must_use]
    pub fn read(&self) -> Repository {
        Repository::read(&self.root)
    }

    /// Says that there is no such environment, and which there are.
    pub fn unknown_environment(&self, repository: &Repository, environment: &str) {
        if let Some(values) = repository.declarations.values_of(environment) {
            let message = format!("environment `{environment}` has values, {}, and is not listed", values.file);
            let help = format!("list it in {ORCHESTRATION}: `[[environment]]`, `name = \"{environment}\"`");
            return self.output.error(&format!("{message}\n  help: {help}"));
        }
        let known: Vec<&str> = repository.declarations.environments().collect();
        let help = suggest(environment, "environments", known);
        self.output.error(&format!("there is no environment `{environment}`\n  help: {help}"));
    }
}
