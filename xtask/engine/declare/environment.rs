//! `pipelines/environment.toml`: what a comprehensive deployment of one environment is, the same for every environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;
use toml::de::DeValue;

use super::given::{Given, given_table};
use super::literal::{Literal, Spanned, literal};
use super::parameter::{BUILT_IN, Parameter, parameters};
use super::read::{NameRule, Reader, Section};
use super::step::{ForEach, Variable, When, env, for_each, needs, when};
use super::template::Template;
use crate::finding::{Code, Finding, Span};
use ciao_base::variables::{Danger, danger, is_name};

/// Tier 2, as written.
#[derive(Debug, Default)]
pub struct EnvironmentPipeline {
    /// Variables of the caller that steps may see; `PREFIX_*` for all that begin so.
    pub pass_env: Vec<Spanned<Arc<str>>>,
    /// The same everywhere, groups flattened: `versions.database`.
    pub constants: BTreeMap<Arc<str>, Spanned<Literal>>,
    pub parameters: Vec<Parameter>,
    /// Sources of secrets: the command, with `${key}` in it.
    pub sources: BTreeMap<Arc<str>, Vec<Template>>,
    pub env: BTreeMap<String, Variable>,
    pub deploy: Vec<Deploy>,
    pub accept: Vec<Accept>,
}

/// `[[deploy]]`: the call of a deployment pipeline.
#[derive(Debug)]
pub struct Deploy {
    pub pipeline: Spanned<Arc<str>>,
    pub name: Spanned<Arc<str>>,
    pub for_each: Option<ForEach>,
    pub parallel: bool,
    pub with: Vec<(Spanned<Arc<str>>, Given)>,
    pub needs: Option<Vec<Spanned<Arc<str>>>>,
    pub when: Option<When>,
    pub span: Span,
}

/// `[[accept]]`: a finding that is meant to be so.
#[derive(Debug)]
pub struct Accept {
    pub code: Spanned<Arc<str>>,
    /// The file, from the root.
    pub at: Arc<str>,
    /// The parameter or step.
    pub of: Option<Arc<str>>,
    pub reason: Arc<str>,
    pub span: Span,
}

/// Reads the file.
pub fn read(file: &Utf8Path, text: &str, findings: &mut Vec<Finding>) -> EnvironmentPipeline {
    Reader::read(file, text, findings, |top| {
        let mut constants = BTreeMap::new();
        if let Some(section) = top.table("constants", "[constants]") {
            flatten(&section, "", &mut constants);
        }
        let parameters =
            top.table("parameters", "[parameters]").map(|section| parameters(&section)).unwrap_or_default();
        for parameter in &parameters {
            if parameter.name.split('.').next() == Some("like") {
                let help = "choose another name: with `like` a personal environment says which one it is like";
                top.reader.report(Code::DuplicateName, parameter.span, "`like` is a word of the values' files", help);
            }
            if let Some((name, constant)) = constants.iter().find(|(name, _)| meet(name, &parameter.name)) {
                let message = if *name == parameter.name {
                    format!("`{name}` is a parameter and a constant")
                } else {
                    format!("parameter `{}` and constant `{name}`: one is a group, and the other in it", parameter.name)
                };
                let finding = Finding::error(
                    Code::DuplicateName,
                    top.reader.place(parameter.span),
                    message,
                    "remove one of the two: a constant is the same everywhere, a parameter has a value an environment",
                );
                top.reader.push(finding.related(top.reader.place(constant.span), "the constant"));
            }
        }
        let mut deploy: Vec<Deploy> = Vec::new();
        for section in top.tables("deploy", "a call") {
            deploy.extend(call(&section));
            section.finish();
        }
        duplicates(top.reader, &deploy);
        if deploy.is_empty() && !top.lists("deploy") {
            let help = "list the deployment pipelines in their order: `[[deploy]]`, `pipeline = \"…\"`";
            top.reader.report(Code::MissingValue, Span::default(), "the file calls no pipeline", help);
        }
        EnvironmentPipeline {
            pass_env: pass_env(top),
            constants,
            parameters,
            sources: top.table("secrets", "[secrets]").map(|section| sources(&section)).unwrap_or_default(),
            env: env(top),
            deploy,
            accept: top.tables("accept", "an acceptance").filter_map(|section| accept(&section)).collect(),
        }
    })
}

fn pass_env(top: &Section<'_, '_>) -> Vec<Spanned<Arc<str>>> {
    let names = top.strings("pass_env").unwrap_or_default();
    for name in &names {
        let why = match danger(&name.value) {
            Some(Danger::Always(why)) => why,
            _ if is_name(name.value.strip_suffix('*').unwrap_or(&name.value)) => continue,
            _ => "it names no variable, and none that begin alike (`PREFIX_*`)",
        };
        let message = format!("`{}` cannot be passed on: {why}", name.value);
        top.reader.report(Code::BadValue, name.span, message, "remove it, or name another one");
    }
    names
}

fn flatten(section: &Section<'_, '_>, prefix: &str, found: &mut BTreeMap<Arc<str>, Spanned<Literal>>) {
    for (key, value) in section.table {
        let name = &**key.get_ref();
        let permitted = NameRule::Underscored.check(section.reader, name, key.span().into(), "a constant or group");
        if !permitted && !NameRule::is_usable(name) {
            continue;
        }
        if prefix.is_empty() && BUILT_IN.contains(&name) {
            let message = format!("`{name}` is a built-in name");
            section.reader.report(Code::DuplicateName, key.span().into(), message, "choose another name");
            continue;
        }
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        match value.get_ref() {
            DeValue::Table(table) => {
                flatten(&Section::new(section.reader, table, value.span().into(), "a group"), &full, found);
            }
            DeValue::Datetime(_) => section.reader.wrong_type(value, format!("`{full}`"), "a string"),
            _ => {
                kept(section.reader, &full, value);
                found.insert(full.into(), literal(value));
            }
        }
    }
}

/// A constant must come out as it was written, and say something.
fn kept(reader: &Reader<'_>, name: &str, value: &toml::Spanned<DeValue<'_>>) {
    let report = |code, message, help: &str| reader.report(code, value.span().into(), message, help);
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => {
            report(Code::EmptyValue, format!("constant `{name}` is empty"), "give it a value, or remove it");
        }
        DeValue::Array(items) if items.is_empty() => {
            report(Code::EmptyValue, format!("constant `{name}` is empty"), "give it an item, or remove it");
        }
        DeValue::Array(items) => items.iter().for_each(|item| kept(reader, name, item)),
        DeValue::Float(float) => {
            let given = float.as_str().parse::<f64>().unwrap_or(f64::NAN);
            if given.is_finite() && given.to_string() != float.as_str() {
                let message = format!("`{name}` is written as {}, and would be given as {given}", float.as_str());
                report(Code::BadValue, message, &format!("write it in quotes: \"{}\"", float.as_str()));
            }
        }
        _ => {}
    }
}

/// Whether two names are the same, or one is a group that the other is in.
#[must_use]
pub fn meet(left: &str, right: &str) -> bool {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn sources(section: &Section<'_, '_>) -> BTreeMap<Arc<str>, Vec<Template>> {
    let mut sources = BTreeMap::new();
    for (key, value) in section.table {
        let name: Arc<str> = Arc::from(&**key.get_ref());
        let span = key.span().into();
        NameRule::Underscored.check(section.reader, &name, span, "a source of secrets");
        if ["env", "file"].contains(&&*name) {
            let message = format!("`{name}` is a source that is there already");
            section.reader.report(Code::DuplicateName, span, message, "choose another name");
        }
        if let Some(source) = section.section_of(value, format!("source `{name}`"), "a source of secrets") {
            match super::step::command(&source, "run") {
                Some(run) => {
                    let known = |name: &str| ["key", "environment"].contains(&name);
                    for (other, span) in run.iter().flat_map(Template::references).filter(|(other, _)| !known(other)) {
                        let message = format!("the command of source `{name}` cannot use `{other}`");
                        let help = "it knows `${key}`, what an environment's file gives, and `${environment}`";
                        section.reader.report(Code::UnknownParameter, span, message, help);
                    }
                    if !run.iter().flat_map(Template::references).any(|(name, _)| &**name == "key") {
                        let message = format!("the command of source `{name}` has no `${{key}}`");
                        let help =
                            "write `${key}` where it is told which secret is wanted: without it all are the same";
                        section.reader.report(Code::BadValue, source.key_span("run"), message, help);
                    }
                    sources.insert(name, run);
                }
                None if !source.has("run") => source.missing("run"),
                None => {}
            }
            source.finish();
        }
    }
    sources
}

fn call(section: &Section<'_, '_>) -> Option<Deploy> {
    let deploy = Deploy {
        name: section.string("name").unwrap_or_else(|| Spanned::new("".into(), section.span)),
        for_each: for_each(section),
        parallel: super::step::parallel(section),
        with: given_table(section, "with"),
        needs: needs(section),
        when: when(section),
        pipeline: section.required_string("pipeline")?,
        span: section.span,
    };
    // Without a name of its own it has the pipeline's, which is looked at where its folder is.
    let name = if section.has("name") {
        NameRule::Dashed.checked(section.reader, &deploy.name, "a call")
    } else {
        NameRule::Dashed.usable(&deploy.pipeline)
    };
    Some(Deploy { name, ..deploy })
}

fn duplicates(reader: &Reader<'_>, deploy: &[Deploy]) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for call in deploy {
        if let Some(first) = seen.insert(&call.name.value, call.name.span) {
            let finding = Finding::error(
                Code::DuplicateName,
                reader.place(call.name.span),
                format!("two calls are named `{}`", call.name.value),
                "give one of them another name: `name = \"…\"`",
            );
            reader.push(finding.related(reader.place(first), "the first one"));
        }
    }
}

fn accept(section: &Section<'_, '_>) -> Option<Accept> {
    let code = section.required_string("code");
    let at = section.required_string("at");
    let of = section.string("of").map(|of| of.value);
    let reason = section.required_string("reason");
    section.finish();
    if let Some(reason) = reason.as_ref().filter(|reason| reason.value.trim().is_empty()) {
        section.reader.report(
            Code::EmptyValue,
            reason.span,
            "an acceptance without a reason",
            "say why it is meant so",
        );
    }
    Some(Accept { code: code?, at: at?.value, of, reason: reason?.value, span: section.span })
}
