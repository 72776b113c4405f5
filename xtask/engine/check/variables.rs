//! Variables that a script reads and nobody sets for it: in a step's clean environment they are empty.
//!
//! It errs on the side of silence: what a script handles itself, or may get from where cannot be seen, is no finding.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::script::{self, Language, blocks, language, line_at, within};
use super::shell;
use ciao_base::variables::{Danger, PASSED, SET, danger};
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::sources::Sources;
use ciao_declare::step::{Action, Step};
use ciao_declare::template::{Part, Template};
use ciao_declare::{Declarations, Pipeline, pipeline_file};
use ciao_plan::path::{ROOT, located};

/// A script, and what is set where a step runs it.
struct Run<'a> {
    path: Utf8PathBuf,
    step: &'a str,
    set: BTreeSet<&'a str>,
}

/// Finds `unset-variable`, and `environment-file` in the scripts that steps run.
pub fn check(declarations: &Declarations, sources: &Sources, findings: &mut Vec<Finding>) {
    let mut by_script: BTreeMap<Utf8PathBuf, Vec<Run<'_>>> = BTreeMap::new();
    for (name, pipeline) in &declarations.pipelines {
        let file = pipeline_file(name);
        for run in pipeline.steps.iter().flat_map(|step| runs(declarations, &file, pipeline, step)) {
            by_script.entry(run.path.clone()).or_default().push(run);
        }
    }
    let passed: Vec<&str> = PASSED
        .iter()
        .chain(&SET)
        .copied()
        .chain(["PWD"])
        .chain(declarations.environment.pass_env.iter().map(|name| &*name.value))
        .collect();
    for (path, runs) in &by_script {
        let Some(text) = sources.nearby.get(path).and_then(|content| content.text()) else { continue };
        for (name, range) in unset(path, text, sources, &|name| {
            is_passed(&passed, name) || runs.iter().all(|run| run.set.contains(name))
        }) {
            let Some(run) = runs.iter().find(|run| !run.set.contains(&*name)) else { continue };
            let place = Place { file: Arc::from(&**path), span: range.into() };
            let message = format!("step `{}` runs this script and does not set `{name}`", run.step);
            let help = match danger(&name) {
                Some(Danger::Always(why)) => format!("use another one, which `env` can set: of this one, {why}"),
                _ => format!(
                    "set it: `env = {{ {name} = \"…\" }}`; a fact of the caller's machine is let through by `pass_env`; what \
                     may be missing is written `${{{name}:-}}`"
                ),
            };
            findings.push(Finding::warning(Code::UnsetVariable, place, message, help).label("empty here").of(run.step));
        }
    }
    for (path, text) in sources.nearby.iter().filter_map(|(path, content)| Some((path, content.text()?))) {
        for range in super::name::environment_files_in(text, "CIAO_ENVIRONMENT") {
            let place = Place { file: Arc::from(&**path), span: range.into() };
            findings.push(super::name::environment_file(place, None));
        }
    }
}

fn is_passed(passed: &[&str], name: &str) -> bool {
    passed.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *known == name,
    })
}

/// The scripts that a step runs, with the names of all that is set for it.
fn runs<'a>(declarations: &'a Declarations, file: &Utf8Path, pipeline: &'a Pipeline, step: &'a Step) -> Vec<Run<'a>> {
    // Most commands run a program of the machine.
    let is_plain = matches!(&step.action, Action::Run(run) if file_of(run).is_none());
    if is_plain && step.unless.is_none() && step.finally.is_none() {
        return Vec::new();
    }
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    let set = || -> BTreeSet<&str> {
        [&declarations.environment.env, &pipeline.env, &step.env]
            .into_iter()
            .flatten()
            .map(|(name, _)| &**name)
            .collect()
    };
    let cwd = |own: Option<&Template>| match own.or(step.cwd.as_ref()).or(pipeline.cwd.as_ref()) {
        None => Some(folder.to_owned()),
        Some(template) => located(folder, &written(template)?),
    };
    let script = |action: &Action, own: Option<&Template>| match action {
        Action::Script { path, .. } => located(folder, &written(path)?),
        Action::Run(run) => program(run, || cwd(own)),
        Action::Task { .. } => None,
    };
    let guard = step.unless.as_ref().and_then(|unless| program(unless, || cwd(None)));
    let own = [script(&step.action, None), guard].into_iter().flatten();
    let mut found: Vec<Run<'_>> = own.map(|path| Run { path, step: &step.name.value, set: set() }).collect();
    if let Some(finally) = &step.finally
        && let Some(path) = script(&finally.action, finally.cwd.as_ref())
    {
        let own = finally.env.keys().map(|name| &**name).chain(["CIAO_OUTCOME"]);
        found.push(Run { path, step: &step.name.value, set: set().into_iter().chain(own).collect() });
    }
    found
}

/// The file that a command runs: its program, or what an interpreter is given.
fn program(run: &[Template], cwd: impl FnOnce() -> Option<Utf8PathBuf>) -> Option<Utf8PathBuf> {
    let file = written(file_of(run)?)?;
    located(&cwd()?, &file)
}

/// The same as it is written.
fn file_of(run: &[Template]) -> Option<&Template> {
    let (first, rest) = run.split_first()?;
    let Some(name) = first.as_literal() else { return Some(first) };
    let interpreters = ["sh", "bash", "dash", "python", "python3"];
    let base = name.rfind('/').map_or(name, |at| &name[at + 1..]);
    if interpreters.contains(&base) {
        // `-c`, `-m` and others: no file, or one that takes more to find.
        rest.first().filter(|script| !script.as_literal().is_some_and(|script| script.starts_with('-')))
    } else {
        Some(first).filter(|_| name.contains('/'))
    }
}

/// A path that no value can change, with [`ROOT`] in place of `${repo}`.
fn written(template: &Template) -> Option<Cow<'_, str>> {
    match template.parts.as_slice() {
        [Part::Reference { name, .. }] if &**name == "repo" => Some(Cow::Borrowed(ROOT)),
        [Part::Reference { name, .. }, Part::Literal(below)] if &**name == "repo" => {
            Some(Cow::Owned(format!("{ROOT}{below}")))
        }
        _ => template.as_literal().map(Cow::Borrowed),
    }
}

/// The files that steps run, wherever they are: they are searched like those beside a pipeline.
#[must_use]
pub fn scripts(declarations: &Declarations) -> BTreeSet<Utf8PathBuf> {
    let mut found = BTreeSet::new();
    for (name, pipeline) in &declarations.pipelines {
        let file = pipeline_file(name);
        let runs = pipeline.steps.iter().flat_map(|step| runs(declarations, &file, pipeline, step));
        found.extend(runs.map(|run| run.path));
    }
    found
}

/// The variables that a script reads and does not get, each where it is read first.
fn unset(path: &Utf8Path, text: &str, sources: &Sources, is_set: &dyn Fn(&str) -> bool) -> Vec<(String, Range<usize>)> {
    match language(path, text) {
        Language::Shell => {
            let open: BTreeMap<&str, Vec<Range<usize>>> = shell::reads(text, is_set);
            if open.is_empty() {
                return Vec::new();
            }
            let Some(sourced) = sourced(path, text, sources) else { return Vec::new() };
            let dead = shell::dead(text);
            let declared = |name: &str| {
                shell::is_declared(text, name) || sourced.iter().any(|text| shell::is_declared(text, name))
            };
            open.into_iter()
                .filter(|(name, _)| !declared(name))
                .filter_map(|(name, reads)| {
                    let read = reads.into_iter().find(|read| !within(&dead, read.start))?;
                    Some((name.to_owned(), read))
                })
                .collect()
        }
        Language::Python => python(text, is_set),
        _ => Vec::new(),
    }
}

/// The texts that a shell script reads into itself; `None` if it cannot be seen which.
fn sourced<'a>(path: &Utf8Path, text: &str, sources: &'a Sources) -> Option<Vec<&'a str>> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("eval ") || line.contains(" eval ") || line.contains("set -a") {
            return None;
        }
        let Some(named) = line.strip_prefix(". ").or_else(|| line.strip_prefix("source ")) else { continue };
        let word = named.split_whitespace().next()?.trim_matches(['"', '\'', ';']);
        let name = word.rsplit('/').next()?;
        let beside = sources.nearby.get(&path.parent()?.join(name))?;
        found.push(beside.text()?);
    }
    Some(found)
}

/// `os.environ["X"]`, and `os.getenv("X")` and `os.environ.get("X")` without a default.
fn python(text: &str, is_set: &dyn Fn(&str) -> bool) -> Vec<(String, Range<usize>)> {
    let mut found: BTreeMap<String, Range<usize>> = BTreeMap::new();
    let mut handled = BTreeSet::new();
    let comments = blocks(Language::Python, text);
    for (opening, closing) in [("environ[", ']'), ("environ.get(", ')'), ("getenv(", ')')] {
        for (at, _) in text.match_indices(opening) {
            let start = at + opening.len();
            let rest = &text[start..];
            let Some(quote) = rest.chars().next().filter(|char| "\"'".contains(*char)) else { continue };
            let Some(end) = rest[1..].find(quote) else { continue };
            let name = &rest[1..=end];
            let after = rest[end + 2..].trim_start();
            let (line_start, line) = line_at(text, at);
            let is_comment = script::comment(Language::Python, line).is_some_and(|comment| comment <= at - line_start);
            let beyond = after.get(1..).unwrap_or_default().trim_start();
            if !after.starts_with(closing)
                || (beyond.starts_with('=') && !beyond.starts_with("=="))
                || ["or ", "if ", "is "].iter().any(|word| beyond.starts_with(word))
                || ["if ", "elif "].iter().any(|word| line.trim_start().starts_with(word))
            {
                // It has a default, is assigned, or may be missing.
                handled.insert(name.to_owned());
            } else if !is_comment && !within(&comments, at) && !is_set(name) {
                found.entry(name.to_owned()).or_insert(start..start + end + 2);
            }
        }
    }
    let may_be_missing = |name: &str| {
        handled.contains(name)
            || ["\"", "'"].iter().any(|quote| {
                [" in os.environ", " in environ", " not in os.environ"]
                    .iter()
                    .any(|rest| text.contains(&format!("{quote}{name}{quote}{rest}")))
                    || text.contains(&format!("setdefault({quote}{name}{quote}"))
            })
    };
    found.into_iter().filter(|(name, _)| !may_be_missing(name)).collect()
}
