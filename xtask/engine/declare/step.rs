//! `[[step]]`, and what steps and calls have in common: commands, `env`, `for_each`, `when`, `needs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::given::{Given, given_table};
use super::literal::{Literal, Spanned, literal};
use super::parameter::BUILT_IN;
use super::read::{NameRule, Section};
use super::template::Template;
use super::words;
use crate::finding::{Code, Finding, Span, listed};
use ciao_base::variables::{Danger, danger, is_name};

/// A step, as written.
#[derive(Debug)]
pub struct Step {
    pub name: Spanned<Arc<str>>,
    pub action: Action,
    pub env: BTreeMap<String, Variable>,
    pub cwd: Option<Template>,
    pub stdin: Option<Stdin>,
    pub for_each: Option<ForEach>,
    pub parallel: bool,
    pub needs: Option<Vec<Spanned<Arc<str>>>>,
    pub when: Option<When>,
    pub provides: Vec<Spanned<Arc<str>>>,
    pub requires: Vec<Spanned<Arc<str>>>,
    pub unless: Option<Vec<Template>>,
    pub output: Option<Output>,
    pub finally: Option<Box<Finally>>,
    pub retries: Option<Retries>,
    pub timeout: Duration,
    pub detach: bool,
    pub verify: bool,
    /// The line `[[step]]` and what belongs to it.
    pub span: Span,
}

#[derive(Debug)]
pub enum Action {
    Run(Vec<Template>),
    Script { path: Template, args: Vec<Template> },
    Task { name: Spanned<Arc<str>>, with: Vec<(Spanned<Arc<str>>, Given)>, with_span: Span },
}

/// The value of an environment variable.
#[derive(Debug, Clone)]
pub enum Variable {
    Text(Template),
    /// `{ file = "…" }`: a private file with this content.
    File(Template),
}

impl Variable {
    #[must_use]
    pub fn template(&self) -> &Template {
        match self {
            Variable::Text(template) | Variable::File(template) => template,
        }
    }
}

#[derive(Debug)]
pub enum Stdin {
    Text(Template),
    File(Template),
}

/// The list whose items make the instances.
#[derive(Debug)]
pub enum ForEach {
    /// A parameter or a constant.
    Name(Spanned<Arc<str>>),
    /// With how they are written: every one of the instances shows it.
    Items(Vec<Spanned<Literal>>, Arc<str>),
}

impl ForEach {
    /// `regions`, or `["eu-west", 2]`.
    #[must_use]
    pub fn written(&self) -> Arc<str> {
        match self {
            ForEach::Name(Spanned { value: written, .. }) | ForEach::Items(_, written) => Arc::clone(written),
        }
    }
}

/// `when = "web.enabled"` or `"!web.enabled"`.
#[derive(Debug)]
pub struct When {
    pub name: Arc<str>,
    pub opposite: bool,
    pub written: Arc<str>,
    pub span: Span,
}

#[derive(Debug)]
pub struct Output {
    pub name: Spanned<Arc<str>>,
    pub json: bool,
    pub secret: bool,
}

#[derive(Debug)]
pub struct Finally {
    pub action: Action,
    pub env: BTreeMap<String, Variable>,
    pub cwd: Option<Template>,
    pub stdin: Option<Stdin>,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy)]
pub struct Retries {
    pub attempts: u32,
    pub delay: Duration,
    pub backoff: f64,
    pub span: Span,
}

/// How long a step may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Reads one `[[step]]`. Nothing of a step that has no name can be used; one whose action is refused is there all the
/// same, doing nothing, so that what it uses, provides and is needed for is known.
pub fn step(section: &Section<'_, '_>) -> Option<Step> {
    let name = section.required_string("name");
    let action = action(section);
    let step = Step {
        env: env(section),
        cwd: cwd(section),
        stdin: stdin(section),
        for_each: for_each(section),
        parallel: parallel(section),
        needs: needs(section),
        when: when(section),
        provides: section.names("provides").unwrap_or_default(),
        requires: section.names("requires").unwrap_or_default(),
        unless: command(section, "unless"),
        output: output(section),
        finally: section.table("finally", "`finally`").and_then(|finally| self::finally(&finally)).map(Box::new),
        retries: section.table("retries", "`retries`").and_then(|retries| self::retries(&retries)),
        timeout: timeout(section),
        detach: section.boolean("detach"),
        verify: section.boolean("verify"),
        span: section.span,
        name: Spanned::new("".into(), section.span),
        action: Action::Run(Vec::new()),
    };
    section.finish();
    let (name, action) = (name?, action.unwrap_or_else(|| Action::Run(Vec::new())));
    let name = NameRule::Dashed.checked(section.reader, &name, "a step");
    if let (Some(output), Some(_)) = (&step.output, &step.unless) {
        let help = "remove `unless`: a step that is found done produces nothing that others could use";
        let message = format!("step `{}` has an output and a guard", name.value);
        section.reader.report(Code::BadValue, output.name.span, message, help);
    }
    for label in step.provides.iter().chain(&step.requires) {
        let why = match &label.value {
            text if text.contains("${") => "nothing is replaced in it",
            // A step is shown on one line.
            text if text.contains(char::is_control) => "it has a control character in it",
            _ => continue,
        };
        let message = format!("{:?} is no name: {why}", label.value);
        section.reader.report(Code::BadValue, label.span, message, "write a name that is the same everywhere");
    }
    Some(Step { name, action, ..step })
}

/// Reads `cwd`.
pub fn cwd(section: &Section<'_, '_>) -> Option<Template> {
    let cwd = section.template("cwd")?;
    if cwd.parts.is_empty() {
        let help = "name a folder, from the folder of this file; or remove `cwd`";
        section.reader.report(Code::EmptyValue, cwd.span, format!("`cwd` of {} is empty", section.what), help);
        return None;
    }
    Some(cwd)
}

/// Reads `parallel`, which is about the instances of a `for_each` alone.
pub fn parallel(section: &Section<'_, '_>) -> bool {
    let parallel = section.boolean("parallel");
    if parallel && !section.has("for_each") {
        let message = format!("{} is `parallel` without `for_each`", section.what);
        let help = "remove it; to run side by side with others, say what is waited for: `needs = […]`";
        section.reader.report(Code::BadValue, section.key_span("parallel"), message, help);
    }
    parallel
}

fn timeout(section: &Section<'_, '_>) -> Duration {
    let timeout = section.duration("timeout");
    if timeout == Some(Duration::ZERO) {
        let help = "write how long it may take; without `timeout` it is 1h";
        section.reader.report(Code::BadValue, section.key_span("timeout"), "a timeout of nothing", help);
    }
    timeout.unwrap_or(TIMEOUT)
}

fn action(section: &Section<'_, '_>) -> Option<Action> {
    let given: Vec<&str> = ["run", "script", "task"].into_iter().filter(|key| section.has(key)).collect();
    let run = command(section, "run");
    let script = section.template("script");
    let task = section.string("task");
    let args = section.templates("args");
    let with = given_table(section, "with");
    let reader = section.reader;
    match given.as_slice() {
        [] => {
            let message = format!("{} does nothing", section.what);
            let help = "add one of `run = [\"program\", …]`, `script = \"file\"` or `task = \"name\"`";
            reader.report(Code::MissingValue, section.span, message, help);
            return None;
        }
        [_] => {}
        [.., last] => {
            let message = format!("{} has {}", section.what, listed(given.iter().copied()));
            reader.report(Code::BadValue, section.key_span(last), message, "keep exactly one of them");
        }
    }
    if section.has("args") && script.is_none() && given != ["script"] {
        reader.report(Code::BadValue, section.key_span("args"), "`args` belongs to `script`", "move them into `run`");
    }
    if section.has("with") && given != ["task"] {
        let help = "use `env`, or arguments";
        reader.report(Code::BadValue, section.key_span("with"), "`with` belongs to `task`", help);
    }
    match (run, script, task) {
        (Some(run), ..) => Some(Action::Run(run)),
        (_, Some(path), _) => Some(Action::Script { path, args: args.unwrap_or_default() }),
        (_, _, Some(name)) => {
            let with_span = if section.has("with") { section.key_span("with") } else { name.span };
            Some(Action::Task { name, with, with_span })
        }
        _ => None,
    }
}

/// A command: a list of arguments, or a string that is split as words.
pub fn command(section: &Section<'_, '_>, key: &'static str) -> Option<Vec<Template>> {
    let value = section.get(key)?;
    let reader = section.reader;
    let span = value.span().into();
    let arguments = match value.get_ref() {
        DeValue::String(text) => match words::split(text) {
            Ok(split) => split.iter().filter_map(|word| reader.template(word, span)).collect(),
            Err(problem) => {
                let help = format!("{}; or put it into a script", problem.help);
                reader.report(Code::BadCommand, span, problem.message, help);
                // Refused, but what it uses is used.
                text.split_whitespace().filter_map(|word| reader.template(word, span)).collect()
            }
        },
        DeValue::Array(_) => section.templates(key)?,
        _ => {
            reader.wrong_type(value, format!("`{key}`"), "a list of arguments, or a string");
            return None;
        }
    };
    if arguments.first().is_none_or(|program| program.parts.is_empty()) {
        let help = "write the program and its arguments: `run = [\"psql\", \"--file\", \"data.sql\"]`";
        reader.report(Code::BadCommand, span, format!("`{key}` names no program"), help);
        return None;
    }
    if let Some(problem) = arguments[0].as_literal().and_then(words::builtin) {
        let help = format!("{}; or put it into a script", problem.help);
        reader.report(Code::BadCommand, arguments[0].span, problem.message, help);
    }
    Some(arguments)
}

/// `env` of a step, a pipeline, or of all.
pub fn env(section: &Section<'_, '_>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    let Some(table) = section.table("env", "`env`") else { return variables };
    for (key, value) in table.table {
        let name = &**key.get_ref();
        let span: Span = key.span().into();
        if let Err(why) = may_be_set(name, value) {
            section.reader.report(Code::BadName, span, format!("{name:?} cannot be set: {why}"), "choose another name");
            continue;
        }
        let named = format!("variable `{name}`");
        let variable = match value.get_ref() {
            DeValue::Table(_) => table.section_of(value, &named, "the file of a variable").and_then(|file| {
                let content = file.template("file");
                if content.is_none() && !file.has("file") {
                    file.missing("file");
                }
                file.finish();
                content.map(Variable::File)
            }),
            _ => section.reader.template_of(value, &named).map(Variable::Text),
        };
        variables.extend(variable.map(|variable| (name.to_owned(), variable)));
    }
    variables
}

/// Whether `env` may set a variable of this name to this.
fn may_be_set(name: &str, value: &toml::Spanned<DeValue<'_>>) -> Result<(), &'static str> {
    if !is_name(name) {
        return Err("a variable is named with letters, digits and `_`, and does not begin with a digit");
    }
    let built_in =
        |part: &str| BUILT_IN.iter().any(|known| part.strip_prefix(known).is_some_and(|rest| rest.starts_with('}')));
    match danger(name) {
        Some(Danger::Always(why)) => Err(why),
        Some(Danger::FromValue(why)) => {
            let text = value.get_ref().as_str().unwrap_or_default();
            if text.split("${").skip(1).all(built_in) { Ok(()) } else { Err(why) }
        }
        None => Ok(()),
    }
}

fn stdin(section: &Section<'_, '_>) -> Option<Stdin> {
    let value = section.get("stdin")?;
    match value.get_ref() {
        DeValue::Table(_) => {
            let table = section.section_of(value, "`stdin`", "`stdin`")?;
            let file = table.template("file");
            if !table.has("file") {
                table.missing("file");
            }
            table.finish();
            file.map(Stdin::File)
        }
        _ => section.reader.template_of(value, "`stdin`").map(Stdin::Text),
    }
}

/// Reads `for_each`.
pub fn for_each(section: &Section<'_, '_>) -> Option<ForEach> {
    let value = section.get("for_each")?;
    let found = literal(value);
    match found.value {
        Literal::String(name) => Some(ForEach::Name(Spanned::new(name, value.span()))),
        Literal::List(items) => {
            if items.is_empty() {
                let help = "write its items; what is switched off in some environments has `when`";
                section.reader.report(Code::EmptyValue, found.span, "`for_each` of nothing", help);
            }
            let shown = |item: &Spanned<Literal>| match &item.value {
                Literal::String(text) => format!("{text:?}"),
                Literal::Integer(integer) => integer.to_string(),
                other => other.kind().to_owned(),
            };
            let written = format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "));
            Some(ForEach::Items(items, written.into()))
        }
        _ => {
            section.reader.wrong_type(value, "`for_each`", "the name of a list, or a list");
            None
        }
    }
}

/// Reads `needs`.
pub fn needs(section: &Section<'_, '_>) -> Option<Vec<Spanned<Arc<str>>>> {
    section.names("needs")
}

/// Reads `when`.
pub fn when(section: &Section<'_, '_>) -> Option<When> {
    let written = section.string("when")?;
    let (name, opposite) = written.value.strip_prefix('!').map_or((&*written.value, false), |name| (name, true));
    if !name.split('.').all(|part| NameRule::Underscored.permits(part)) {
        let help = "write the name of a boolean parameter, or `!` and its name; there are no expressions";
        section.reader.report(
            Code::BadValue,
            written.span,
            format!("`{}` is not the name of a value", written.value),
            help,
        );
        return None;
    }
    Some(When { name: name.into(), opposite, span: written.span, written: Arc::clone(&written.value) })
}

fn output(section: &Section<'_, '_>) -> Option<Output> {
    let value = section.get("output")?;
    let output = match value.get_ref() {
        DeValue::Table(_) => {
            let table = section.section_of(value, "`output`", "`output`")?;
            let name = table.required_string("name");
            let (json, secret) = (table.boolean("json"), table.boolean("secret"));
            table.finish();
            Output { name: name?, json, secret }
        }
        _ => Output { name: section.reader.string_of(value, "`output`")?, json: false, secret: false },
    };
    NameRule::Underscored.check(section.reader, &output.name.value, output.name.span, "an output").then_some(output)
}

fn finally(section: &Section<'_, '_>) -> Option<Finally> {
    let action = action(section);
    let finally = Finally {
        action: Action::Run(Vec::new()),
        env: env(section),
        cwd: cwd(section),
        stdin: stdin(section),
        timeout: timeout(section),
    };
    section.finish();
    Some(Finally { action: action.unwrap_or_else(|| Action::Run(Vec::new())), ..finally })
}

fn retries(section: &Section<'_, '_>) -> Option<Retries> {
    let attempts = section.count("attempts", 1..=1000);
    if !section.has("attempts") {
        section.missing("attempts");
    }
    let delay = section.duration("delay").unwrap_or(Duration::from_secs(1));
    let backoff = section.float("backoff");
    section.finish();
    if let Some(backoff) = backoff.as_ref().filter(|backoff| !(1.0..=100.0).contains(&backoff.value)) {
        let finding = Finding::error(
            Code::BadValue,
            section.reader.place(backoff.span),
            format!("a backoff of {}", backoff.value),
            "write what the delay is multiplied by after each attempt, from 1 to 100",
        );
        section.reader.push(finding);
    }
    Some(Retries {
        attempts: attempts?,
        delay,
        backoff: backoff.map_or(1.0, |backoff| backoff.value),
        span: section.span,
    })
}
