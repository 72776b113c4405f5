//! `new environment`, `new pipeline`, `new step`: what an owner writes most often, written for them.
//!
//! It asks only for what cannot be derived: values that no two environments may share.

use std::io::Write;

use camino::Utf8Path;

use super::edit::{Document, quoted as string, with_line};
use super::file::{self, Change, GITIGNORE};
use super::git::git;
use super::values::{as_tables, own_values, with_values};
use super::{ACCEPT, Refusal, undo, write};
use ciao_base::task::Tasks;
use ciao_check::repository::Repository;
use ciao_declare::finding::{Code, Finding, Severity, and_then, suggest};
use ciao_declare::orchestration::Environment;
use ciao_declare::read::NameRule;
use ciao_declare::{ENVIRONMENT, ORCHESTRATION, PERSONAL, pipeline_file, values_file};
use ciao_plan::path::normalised;

/// Write a new environment, pipeline or step
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// An environment like another one: its values, and its place behind the same gates
    Environment(EnvironmentArgs),
    /// A deployment pipeline with a first step, called last
    #[command(alias = "deployment")]
    Pipeline {
        /// Its name, and that of its folder
        #[arg(value_name = "NAME")]
        name: String,
        /// Call it before this one
        #[arg(long, value_name = "PIPELINE")]
        before: Option<String>,
    },
    /// A step of a pipeline, before its verification
    Step(StepArgs),
}

#[derive(Debug, clap::Args)]
pub struct EnvironmentArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The environment whose values it begins with
    #[arg(long, value_name = "ENV")]
    pub like: String,
    /// One of your own: not listed, ignored by git, without a gate
    #[arg(long)]
    pub personal: bool,
    /// The environments whose success opens its gate; default: as for the one that it is like
    #[arg(long, value_name = "ENV", value_delimiter = ',', conflicts_with = "personal")]
    pub after: Option<Vec<String>>,
    /// A value of its own: `site.port=8443`
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct StepArgs {
    /// The pipeline that gets it
    #[arg(value_name = "PIPELINE")]
    pub pipeline: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The script beside the pipeline; it is written if it is not there. Default: NAME.sh
    #[arg(long, value_name = "FILE", conflicts_with_all = ["task", "command"])]
    pub script: Option<String>,
    /// A Rust task of xtask/src/tasks.rs
    #[arg(long, value_name = "TASK", conflicts_with = "command")]
    pub task: Option<String>,
    /// A check that the environment works, not a change
    #[arg(long)]
    pub verify: bool,
    /// Put it before this step
    #[arg(long, value_name = "STEP")]
    pub before: Option<String>,
    /// A command, run without a shell: `-- psql --file data.sql`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Writes it, and says what was written.
///
/// # Errors
/// If it cannot be written; then nothing has changed.
pub fn new(args: &NewArgs, tasks: &Tasks, root: &Utf8Path, out: &mut dyn Write) -> Result<(), Refusal> {
    undo::recover(root)?;
    let repository = Repository::read(root);
    let known: Vec<String> = wrong(&repository, tasks).into_iter().map(|finding| finding.message).collect();
    let mut guesses = Vec::new();
    let changes = match &args.what {
        What::Environment(args) => environment(args, &repository, &mut guesses)?,
        What::Pipeline { name, before } => pipeline(name, before.as_deref(), &repository)?,
        What::Step(args) => step(args, tasks, &repository)?,
    };
    for change in changes.iter().filter(|change| change.path.extension() == Some("toml")) {
        let text = String::from_utf8_lossy(change.after.as_deref().unwrap_or_default());
        Document::parse(&text).map_err(|error| {
            let help = "mend or simplify that file, or write the change by hand as in the starter's files";
            Refusal::new(format!("{} cannot be edited: {error}", change.path), help)
        })?;
    }
    let written = write::write(root, &changes)?;
    let repository = Repository::read(root);
    let mut found = wrong(&repository, tasks);
    found.retain(|finding| !known.contains(&finding.message));
    if !found.is_empty() {
        written.take_back()?;
        let what: Vec<String> =
            found.iter().map(|finding| format!("{}: {}", finding.code.name(), finding.message)).collect();
        let help: Vec<&str> = found.iter().map(|finding| &*finding.help).filter(|help| !help.is_empty()).collect();
        return Err(Refusal::new(
            format!("nothing was written, for it would be refused: {}", what.join("\n  ")),
            help.join("\n"),
        ));
    }
    write::show(&changes, out)?;
    written.keep();
    for guess in &guesses {
        writeln!(out, "note: {guess} is a guess: see that it is right")?;
    }
    let personal = matches!(&args.what, What::Environment(args) if args.personal);
    match personal {
        true => writeln!(out, "written. Next: `cargo xtask check`")?,
        false => writeln!(out, "written. Next: `cargo xtask check`, and accept the order of the steps: {ACCEPT}")?,
    }
    Ok(())
}

/// What is wrong in the form of what is written, and a value that no two environments may share. What else is wrong in its
/// substance is its owner's to mend afterwards.
fn wrong(repository: &Repository, tasks: &Tasks) -> Vec<Finding> {
    let mut findings = repository.examine_for(tasks, |_| false).findings;
    let later = [Code::MissingValue, Code::NoVerification, Code::BadTaskArguments];
    findings.retain(|Finding { code, severity, .. }| {
        let counts = !code.is_acceptable_error() || *code == Code::SameValue;
        *severity == Severity::Error && counts && !later.contains(code)
    });
    findings
}

fn named(name: &str, what: &str, there: bool) -> Result<(), Refusal> {
    if !NameRule::Dashed.permits(name) {
        let help = "use lower-case letters, digits and `-`, at most 63, beginning with a letter or digit";
        return Err(Refusal::new(format!("{name:?} cannot be the name of {what}"), help));
    }
    if there {
        return Err(Refusal::new(format!("there is {what} `{name}` already"), "choose another name"));
    }
    Ok(())
}

fn text_of<'r>(repository: &'r Repository, file: &str) -> Result<&'r str, Refusal> {
    let missing = || {
        Refusal::new(format!("{file} does not exist"), "run `cargo xtask check`; `cargo xtask init` writes first files")
    };
    repository.sources.text(file).ok_or_else(missing)
}

fn environment(
    args: &EnvironmentArgs,
    repository: &Repository,
    guesses: &mut Vec<String>,
) -> Result<Vec<Change>, Refusal> {
    let declarations = &repository.declarations;
    let (name, root) = (&args.name, &repository.root);
    named(
        name,
        "an environment",
        declarations.environments().any(|known| known == name) || declarations.values_of(name).is_some(),
    )?;
    let unknown = |name: &str| {
        let known: Vec<&str> = declarations.environments().collect();
        Refusal::new(format!("there is no environment `{name}`"), suggest(name, "environments", known))
    };
    let like = declarations.values_of(&args.like).ok_or_else(|| unknown(&args.like))?;
    let own = own_values(name, &args.like, &args.set, like, &declarations.environment, guesses)?;
    let mut changes = Vec::new();
    if args.personal {
        let path = Utf8Path::new(PERSONAL).join(format!("{name}.toml"));
        let text = format!("like = {}\n{}", string(&args.like), as_tables(&own));
        let example = path.to_string();
        changes.extend(Change::new(root, path, Some(text.into_bytes()))?);
        // No commit is to have what is one's own. Where there is no git, nothing is committed.
        if git(root, &["check-ignore", "--quiet", "--no-index", &example]).is_err_and(|said| said.is_empty()) {
            let ignored = file::read(root, Utf8Path::new(GITIGNORE))?.unwrap_or_default();
            let ignored = String::from_utf8(ignored)
                .map_err(|_| Refusal::new(format!("{GITIGNORE} is not UTF-8"), "convert it, then again"))?;
            let line = with_line(&ignored, &format!("{PERSONAL}/"));
            changes.extend(Change::new(root, GITIGNORE, Some(line.into_bytes()))?);
        }
        return Ok(changes);
    }
    let listed = declarations.orchestration.get(&args.like).ok_or_else(|| {
        let help = "name a listed environment, or add `--personal`";
        Refusal::new(format!("`{}` is a personal environment", args.like), help)
    })?;
    if let Some(unlisted) = args.after.iter().flatten().find(|after| declarations.orchestration.get(after).is_none()) {
        return Err(unknown(unlisted));
    }
    let orchestration =
        Document::parse(text_of(repository, ORCHESTRATION)?).map_err(|error| broken(ORCHESTRATION, &error))?;
    not_inline(ORCHESTRATION, &orchestration, "environment")?;
    let text = orchestration.with_table("environment", &entry(name, listed, args.after.as_deref()));
    changes.extend(Change::new(root, ORCHESTRATION, Some(text.into_bytes()))?);
    let values = text_of(repository, like.file.as_str())?;
    let values = values.replace(&format!("# Values of {},", args.like), &format!("# Values of {name},"));
    let values = with_values(&values, &own);
    changes.extend(Change::new(root, values_file(name), Some(values.into_bytes()))?);
    Ok(changes)
}

fn broken(file: &str, error: &str) -> Refusal {
    Refusal::new(format!("{file} is broken: {error}"), "mend it, then again")
}

/// An environment behind the same gates as another one. It comes last, so that the gates of the others stay what they are.
fn entry(name: &str, like: &Environment, after: Option<&[String]>) -> String {
    let after: Vec<String> = match after {
        Some(after) => after.iter().map(|name| string(name)).collect(),
        None => like.after.iter().map(|name| string(name)).collect(),
    };
    let mut entry = format!("[[environment]]\nname = {}\nafter = [{}]\n", string(name), after.join(", "));
    if like.approvals > 0 {
        entry += &format!("approvals = {}\n", like.approvals);
    }
    if let Some(soak) = like.soak {
        entry += &format!("soak = \"{}\"\n", humantime::format_duration(soak));
    }
    if let Some(branch) = &like.branch {
        entry += &format!("branch = {}\n", string(branch));
    }
    entry
}

const SCRIPT: &str = "#!/bin/sh
# What this step does, so that it can be run again and ends in the same state. Values come as arguments or variables:
# `args` and `env` of the step in pipeline.toml.
set -eu

echo \"$0 is not written yet\" >&2
exit 1
";

fn pipeline(name: &str, before: Option<&str>, repository: &Repository) -> Result<Vec<Change>, Refusal> {
    let root = &repository.root;
    let file = pipeline_file(name);
    named(name, "a pipeline", repository.declarations.pipelines.contains_key(name) || root.join(&file).exists())?;
    let text = format!(
        "#:schema ../../../xtask/engine/template/schema/pipeline.json\nhelp = {}\n\n[[step]]\nname = \"install\"\nscript = \"install.sh\"\n",
        string(&format!("Deploys {name}"))
    );
    let mut changes = Vec::new();
    changes.extend(Change::new(root, file.with_file_name("install.sh"), Some(SCRIPT.into()))?.map(runnable));
    changes.extend(Change::new(root, file, Some(text.into_bytes()))?);
    let called = placed(
        ENVIRONMENT,
        text_of(repository, ENVIRONMENT)?,
        "deploy",
        "pipeline",
        before,
        &format!("[[deploy]]\npipeline = {}\n", string(name)),
    )?;
    changes.extend(Change::new(root, ENVIRONMENT, Some(called.into_bytes()))?);
    Ok(changes)
}

fn runnable(change: Change) -> Change {
    Change { executable: true, ..change }
}

/// The text with a table before the named one, or after the last.
fn placed(file: &str, text: &str, key: &str, by: &str, before: Option<&str>, block: &str) -> Result<String, Refusal> {
    let document = Document::parse(text).map_err(|error| broken(file, &error))?;
    not_inline(file, &document, key)?;
    let Some(before) = before else { return Ok(document.with_table(key, block)) };
    let tables = document.tables(key, by);
    let names: Vec<&str> = tables.iter().filter_map(|(name, _)| name.as_deref()).collect();
    let found = tables.iter().find(|(name, _)| name.as_deref() == Some(before));
    let (_, lines) = found
        .ok_or_else(|| Refusal::new(format!("there is no `{before}` in {file}"), suggest(before, "names", names)))?;
    Ok(document.with_lines(lines.start, block))
}

fn not_inline(file: &str, document: &Document<'_>, key: &str) -> Result<(), Refusal> {
    let help = format!("write each as a table of its own, below a line `[[{key}]]`, then again; or add it by hand");
    match document.is_inline(key) {
        true => Err(Refusal::new(format!("{file} cannot be edited: `{key}` is one list there"), help)),
        false => Ok(()),
    }
}

fn step(args: &StepArgs, tasks: &Tasks, repository: &Repository) -> Result<Vec<Change>, Refusal> {
    let (root, pipelines) = (&repository.root, &repository.declarations.pipelines);
    let Some(pipeline) = pipelines.get(args.pipeline.as_str()) else {
        let known: Vec<&str> = pipelines.keys().map(|name| &**name).collect();
        let help = suggest(&args.pipeline, "pipelines", known);
        return Err(Refusal::new(format!("there is no pipeline `{}`", args.pipeline), help));
    };
    named(&args.name, "a step", pipeline.steps.iter().any(|step| *step.name.value == args.name))?;
    let file = pipeline_file(&args.pipeline);
    let mut block = format!("[[step]]\nname = {}\n", string(&args.name));
    let mut changes = Vec::new();
    if let Some(task) = &args.task {
        if tasks.get(task).is_none() {
            let known: Vec<&str> = tasks.iter().map(|(name, _)| name).collect();
            let help = and_then(&suggest(task, "tasks", known), "tasks are registered in xtask/src/tasks.rs");
            return Err(Refusal::new(format!("no task `{task}` is registered"), help));
        }
        block += &format!("task = {}\n", string(task));
    } else if args.command.is_empty() {
        let script = args.script.clone().unwrap_or_else(|| format!("{}.sh", args.name));
        block += &format!("script = {}\n", string(&script));
        let path = normalised(&file.with_file_name(&script)).unwrap_or_default();
        // What is nothing, or not in the repository, is nothing to write: what is wrong with it is found then.
        if !script.is_empty() && path.starts_with("pipelines") && !root.join(&path).exists() {
            changes.extend(Change::new(root, path, Some(SCRIPT.into()))?.map(runnable));
        }
    } else {
        let words: Vec<String> = args.command.iter().map(|word| string(word)).collect();
        block += &format!("run = [{}]\n", words.join(", "));
    }
    if args.verify {
        block += "verify = true\n";
    }
    let verification = pipeline.steps.iter().rev().take_while(|step| step.verify && !args.verify).last();
    let before = args.before.as_deref().or_else(|| verification.map(|step| &*step.name.value));
    let text = placed(file.as_str(), text_of(repository, file.as_str())?, "step", "name", before, &block)?;
    changes.extend(Change::new(root, file, Some(text.into_bytes()))?);
    Ok(changes)
}
