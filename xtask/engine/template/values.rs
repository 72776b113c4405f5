//! The values of an environment that `new environment` writes: those given, and those that it cannot share with another one.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use toml::de::DeTable;

use super::edit::{Document, quoted as string};
use super::{Refusal, ask};
use ciao_declare::finding::suggest;
use ciao_declare::literal::{Literal, Spanned, literal};
use ciao_declare::parameter::{Parameter, Type};
use ciao_declare::{EnvironmentPipeline, values_file};
use ciao_plan::value::Shapes;

/// The values that it does not share, by name, as TOML: those given, and those that no two environments may have in common: those are
/// asked for, or guessed from the ones of `like`.
///
/// # Errors
/// If one is not what its parameter takes, or is missing.
pub fn own_values(
    environment: &str,
    like: &str,
    set: &[String],
    values: &ciao_declare::Values,
    pipeline: &EnvironmentPipeline,
    guesses: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let parameters = &pipeline.parameters;
    let checked = |parameter: &Parameter, given: &str| checked(parameter, given, pipeline, environment);
    let mut own = BTreeMap::new();
    for given in set {
        let help = "write it as `--set site.port=8443`";
        let (name, value) =
            given.split_once('=').ok_or_else(|| Refusal::new(format!("{given:?} is not NAME=VALUE"), help))?;
        let known: Vec<&str> = parameters.iter().map(|parameter| &*parameter.name).collect();
        let parameter = parameters.iter().find(|parameter| &*parameter.name == name).ok_or_else(|| {
            Refusal::new(format!("there is no parameter `{name}`"), suggest(name, "parameters", known))
        })?;
        own.insert(name.to_owned(), checked(parameter, value)?);
    }
    for parameter in parameters.iter().filter(|parameter| parameter.distinct || parameter.secret) {
        let Some(value) = values.get(&parameter.name).filter(|_| !own.contains_key(&*parameter.name)) else { continue };
        let derived = derived(&value.value, like, environment);
        if parameter.secret {
            // A source that is shared is a warning of `check`; one that names the environment is renamed with it.
            guesses.extend(derived.iter().map(|derived| format!("{} = {derived}", parameter.name)));
            own.extend(derived.map(|derived| (parameter.name.to_string(), derived)));
            continue;
        }
        let asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let value = if asked {
            answered(parameter, derived, checked)?
        } else {
            guesses.extend(derived.iter().map(|derived| format!("{} = {derived}", parameter.name)));
            derived
        };
        let help = format!("give it: `--set {}=…`", parameter.name);
        let message = format!(
            "`{}` must differ between any two environments, and has no value for `{}`",
            parameter.name, environment
        );
        own.insert(parameter.name.to_string(), value.ok_or_else(|| Refusal::new(message, help))?);
    }
    Ok(own)
}

/// What somebody answers; nothing at the end of what they type. They are asked until the parameter takes it.
fn answered(
    parameter: &Parameter,
    proposed: Option<String>,
    checked: impl Fn(&Parameter, &str) -> Result<String, Refusal>,
) -> Result<Option<String>, Refusal> {
    let guess = proposed.as_ref().map_or(String::new(), |proposed| format!(" [{proposed}]"));
    let help = parameter.help.as_deref().map_or(String::new(), |help| format!(" ({help})"));
    while let Some(answer) = ask(&format!("{}{help}{guess}: ", parameter.name))? {
        match (answer.as_str(), &proposed) {
            ("", Some(_)) => return Ok(proposed),
            ("", None) => {}
            (answer, _) => match checked(parameter, answer) {
                Ok(value) => return Ok(Some(value)),
                Err(refusal) => eprintln!("{refusal}"),
            },
        }
    }
    Ok(None)
}

/// A value as it would be for another environment: with the one's name in it replaced by the other's.
fn derived(value: &Literal, like: &str, name: &str) -> Option<String> {
    let renamed = |text: &str| {
        let words: Vec<&str> = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric()).collect();
        let word = |word: &&str| word.trim_end_matches(|char: char| !char.is_ascii_alphanumeric()) == like;
        let replaced =
            words.iter().map(|part| if word(part) { part.replacen(like, name, 1) } else { (*part).to_owned() });
        words.iter().any(word).then(|| replaced.collect::<String>())
    };
    match value {
        Literal::String(text) => renamed(text).map(|text| string(&text)),
        Literal::Table(entries) => match entries.as_slice() {
            [(key, source)] => match &source.value {
                Literal::String(text) => renamed(text).map(|text| format!("{{ {} = {} }}", key.value, string(&text))),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// What was given on the command line, as TOML, if the parameter takes it.
fn checked(
    parameter: &Parameter,
    given: &str,
    pipeline: &EnvironmentPipeline,
    environment: &str,
) -> Result<String, Refusal> {
    let written = as_toml(parameter, given);
    let text = format!("value = {written}");
    let read = DeTable::parse(&text).ok().filter(|table| table.get_ref().len() == 1);
    let read = read.and_then(|table| table.get_ref().get("value").map(literal));
    let value = read.unwrap_or_else(|| Spanned::new(Literal::String(given.into()), 0..0));
    let (file, mut findings) = (values_file(environment).as_path().into(), Vec::new());
    let secrets = &mut BTreeMap::new();
    Shapes { file: &file, declared: &file, pipeline, environment, findings: &mut findings, secrets }.check(
        parameter,
        &parameter.name,
        &value,
    );
    match findings.into_iter().next() {
        None => Ok(written),
        Some(finding) => Err(Refusal::new(format!("--set {}: {}", parameter.name, finding.message), finding.help)),
    }
}

/// What was given on the command line, as TOML.
fn as_toml(parameter: &Parameter, given: &str) -> String {
    let structured = given.starts_with('[') || given.starts_with('{');
    match parameter.kind {
        Type::Integer | Type::Boolean | Type::Port | Type::Table => given.to_owned(),
        _ if structured && (parameter.list || parameter.secret) => given.to_owned(),
        _ => string(given),
    }
}

/// The text of an environment's file with some values replaced, or added where it has none.
pub fn with_values(text: &str, own: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in own {
        let path: Vec<&str> = name.split('.').collect();
        let Ok(document) = Document::parse(&text) else { return text };
        let place = document.get(&path).map(toml::Spanned::span);
        text = match (place, path.as_slice()) {
            (Some(place), _) => format!("{}{value}{}", &text[..place.start], &text[place.end..]),
            (None, [group, key]) => document.with_key(group, key, value),
            (None, _) => document.with_lines(0, &format!("{name} = {value}")),
        };
    }
    text
}

/// Values as a file of their own.
pub fn as_tables(own: &BTreeMap<String, String>) -> String {
    let mut groups: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in own {
        let (group, key) = name.rsplit_once('.').unwrap_or(("", name));
        *groups.entry(group).or_default() += &format!("{key} = {value}\n");
    }
    let tables = groups
        .iter()
        .map(|(group, lines)| if group.is_empty() { lines.clone() } else { format!("\n[{group}]\n{lines}") });
    tables.collect()
}
