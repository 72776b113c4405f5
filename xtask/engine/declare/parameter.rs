//! Declarations of parameters: what values there are, of which shape.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::de::DeValue;

use super::literal::{Literal, Spanned, literal};
use super::read::{NameRule, Reader, Section};
use crate::finding::{Code, Span, suggest};

/// The shape of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    String,
    Integer,
    Boolean,
    Port,
    Host,
    Url,
    Path,
    /// Any shape, given on as JSON.
    Table,
}

impl Type {
    pub const NAMES: [&'static str; 8] = ["string", "integer", "boolean", "port", "host", "url", "path", "table"];

    #[must_use]
    pub fn parse(name: &str) -> Option<Type> {
        use Type::{Boolean, Host, Integer, Path, Port, String, Table, Url};
        let all = [String, Integer, Boolean, Port, Host, Url, Path, Table];
        Type::NAMES.iter().position(|known| *known == name).map(|index| all[index])
    }

    /// Between what `min` and `max` may be: of its number, or of the length of its text.
    #[must_use]
    pub fn bounds(self) -> (i64, i64) {
        match self {
            Type::Port => (1, 65535),
            Type::Integer | Type::Boolean | Type::Table => (i64::MIN, i64::MAX),
            Type::String | Type::Host | Type::Url | Type::Path => (0, i64::MAX),
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        Type::NAMES[self as usize]
    }
}

/// A declared parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// With its groups: `site.port`.
    pub name: Arc<str>,
    /// The last part of the name, where it is declared.
    pub span: Span,
    pub kind: Type,
    /// Its type is none that there is: nothing can be said about its values.
    pub untyped: bool,
    pub list: bool,
    pub choices: Option<Vec<Spanned<Literal>>>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub default: Option<Spanned<Literal>>,
    pub help: Option<Arc<str>>,
    pub secret: bool,
    /// No two environments may give the same value.
    pub distinct: bool,
    pub may_be_empty: bool,
    /// Of a list of tables: the field that names an instance, and the fields.
    pub key: Option<Arc<str>>,
    pub fields: Vec<Parameter>,
}

/// Names that `${…}` gives without a declaration.
pub const BUILT_IN: [&str; 6] = ["environment", "release", "commit", "repo", "work", "each"];

/// Reads `[parameters]` with its groups. A table whose `type` is a string is a declaration, any other a group.
pub fn parameters(section: &Section<'_, '_>) -> Vec<Parameter> {
    let mut found = Vec::new();
    group(section, "", &mut found);
    found
}

fn group(section: &Section<'_, '_>, prefix: &str, found: &mut Vec<Parameter>) {
    for (key, value) in section.table {
        let name = &**key.get_ref();
        let span: Span = key.span().into();
        if !NameRule::Underscored.check(section.reader, name, span, "a parameter or group")
            && !NameRule::is_usable(name)
        {
            continue;
        }
        if prefix.is_empty() && BUILT_IN.contains(&name) {
            let message = format!("`{name}` is a built-in name");
            section.reader.report(Code::DuplicateName, span, message, "choose another name");
            continue;
        }
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        let DeValue::Table(table) = value.get_ref() else {
            let help =
                format!("declare it: `{name} = {{ type = \"string\" }}`; its values are in the environments' files");
            let message = format!("`{full}` is a value where a declaration belongs");
            section.reader.report(Code::WrongType, value.span().into(), message, help);
            continue;
        };
        let inner = Section::new(section.reader, table, span, "a parameter");
        match table.get("type").map(toml::Spanned::get_ref) {
            Some(DeValue::Table(_)) | None if !declares(&inner) => group(&inner, &full, found),
            _ => found.push(parameter(&inner, full, span)),
        }
    }
}

/// Without a `type` it is a group, unless it looks like a declaration that forgot or misspelt it.
fn declares(section: &Section<'_, '_>) -> bool {
    let values = || section.table.iter().map(|(_, value)| value.get_ref());
    let names_a_type = |value: &DeValue<'_>| value.as_str().is_some_and(|name| Type::parse(name).is_some());
    (values().any(names_a_type) && !values().any(|value| matches!(value, DeValue::Table(_))))
        || ["list", "choices", "min", "max", "default", "help", "secret", "distinct", "may_be_empty"]
            .iter()
            .any(|key| section.table.get(*key).is_some_and(|value| !matches!(value.get_ref(), DeValue::Table(_))))
}

fn parameter(section: &Section<'_, '_>, name: String, span: Span) -> Parameter {
    let reader = section.reader;
    let written = section.required_string("type");
    let kind = written.as_ref().and_then(|written| {
        let kind = Type::parse(&written.value);
        if kind.is_none() {
            let help = suggest(&written.value, "types", Type::NAMES);
            reader.report(Code::BadValue, written.span, format!("`{}` is not a type", written.value), help);
        }
        kind
    });
    let mut parameter = Parameter {
        name: name.into(),
        span,
        kind: kind.unwrap_or(Type::String),
        untyped: kind.is_none(),
        list: section.boolean("list"),
        choices: section.get("choices").and_then(|value| match literal(value).value {
            Literal::List(items) => Some(items),
            _ => {
                reader.wrong_type(value, "`choices`", "a list");
                None
            }
        }),
        min: section.integer("min").map(|min| min.value),
        max: section.integer("max").map(|max| max.value),
        default: section.get("default").map(literal),
        help: section.string("help").map(|help| help.value),
        secret: section.boolean("secret"),
        distinct: section.boolean("distinct"),
        may_be_empty: section.boolean("may_be_empty"),
        key: section.string("key").map(|key| key.value),
        fields: section.table("fields", "the fields").map(|fields| self::fields(&fields)).unwrap_or_default(),
    };
    section.finish();
    if kind.is_some() {
        consistent(section, &parameter);
    }
    // Said once is enough.
    parameter.default.take_if(|_| parameter.secret);
    parameter
}

/// Fields are no groups: an item is given as one table.
fn fields(section: &Section<'_, '_>) -> Vec<Parameter> {
    let mut fields = parameters(section);
    fields.retain(|field| {
        let message = format!("`{}` is a field in a group, which fields cannot have", field.name);
        let flat = field.name.replace('.', "_");
        if flat != *field.name {
            let help = format!("declare it as `{flat}`, or the group as a field of `type = \"table\"`");
            section.reader.report(Code::BadValue, field.span, message, help);
        }
        flat == *field.name
    });
    fields.iter().for_each(|field| not_distinct(section.reader, &field.fields, "it is in a list in a list"));
    fields
}

/// Only what an environment's file gives, and the fields of its lists, are compared with another one's.
pub fn not_distinct(reader: &Reader<'_>, parameters: &[Parameter], why: &str) {
    for parameter in parameters {
        if parameter.distinct {
            let message = format!("`distinct` says nothing about `{}`: {why}", parameter.name);
            reader.report(
                Code::BadValue,
                parameter.span,
                message,
                "remove it, or declare in environment.toml what differs",
            );
        }
        not_distinct(reader, &parameter.fields, why);
    }
}

/// What the keys of one declaration say must fit together.
fn consistent(section: &Section<'_, '_>, parameter: &Parameter) {
    let reader = section.reader;
    let report = |key: &str, message: String, help: &str| {
        reader.report(Code::BadValue, section.key_span(key), message, help.to_owned());
    };
    let name = &parameter.name;
    let (least, most) = parameter.kind.bounds();
    for (key, bound) in [("min", parameter.min), ("max", parameter.max)] {
        if let Some(bound) = bound.filter(|bound| !(least..=most).contains(bound)) {
            let what = if parameter.kind == Type::Port { "port" } else { "length" };
            report(key, format!("`{key}` of `{name}` is {bound}, and no {what} can be that"), "correct or remove it");
        }
    }
    if let (Some(min), Some(max)) = (parameter.min, parameter.max)
        && min > max
    {
        report("min", format!("`min` of `{name}` is greater than its `max`"), "exchange the two");
    }
    if let (Some(default), true) = (&parameter.default, parameter.secret) {
        let message = format!("the default of `{name}` would be a secret in plain text");
        let help = "remove `default`; a secret comes from a source, in each environment's file";
        reader.report(Code::PlainSecret, default.span, message, help);
    }
    if parameter.secret && matches!(parameter.kind, Type::Boolean | Type::Port) {
        let message = format!("`{name}` is a {} and a secret", parameter.kind.name());
        report("secret", message, "remove `secret`: anybody could guess it, and it is too short to be masked");
    }
    let bounded = !parameter.secret && !matches!(parameter.kind, Type::Boolean | Type::Table);
    for key in ["min", "max", "choices"].into_iter().filter(|key| !bounded && section.has(key)) {
        let what = if parameter.secret { "secret" } else { parameter.kind.name() };
        report(key, format!("`{key}` says nothing about a {what}"), "remove it");
    }
    if bounded {
        choices(reader, parameter);
    }
    if parameter.choices.as_ref().is_some_and(Vec::is_empty) {
        report("choices", format!("`{name}` has no choices"), "write the permitted values, or remove `choices`");
    }
    let tables = parameter.kind == Type::Table && parameter.list;
    if let Some(key) = ["key", "fields"].into_iter().find(|key| section.has(key)).filter(|_| !tables) {
        report(key, format!("`{key}` belongs to a list of tables"), "add `type = \"table\"` and `list = true`");
    }
    if let Some(key) = &parameter.key
        && !parameter.fields.is_empty()
        && !parameter.fields.iter().any(|field| field.name == *key)
    {
        report("key", format!("the `key` of `{name}`, `{key}`, is none of its fields"), "name one of its `fields`");
    }
}

/// Each choice once, and one that a value could be.
fn choices(reader: &Reader<'_>, parameter: &Parameter) {
    let (name, kind) = (&parameter.name, parameter.kind);
    let (least, most) = kind.bounds();
    let bounds = parameter.min.unwrap_or(least)..=parameter.max.unwrap_or(most);
    let is_number = matches!(kind, Type::Integer | Type::Port);
    let mut seen = BTreeSet::new();
    for choice in parameter.choices.iter().flatten() {
        let (text, size) = match &choice.value {
            Literal::Integer(integer) if is_number => (integer.to_string(), *integer),
            Literal::String(text) if !is_number => (text.to_string(), text.chars().count() as i64),
            other => {
                let help = format!("`{name}` is declared as `type = \"{}\"`", kind.name());
                let message = format!("a choice of `{name}` is {}", other.kind());
                reader.report(Code::WrongType, choice.span, message, help);
                continue;
            }
        };
        let fits = bounds.contains(&size) && (least..=most).contains(&size);
        let why = kind.fits(&text).err().map(|(why, _)| why).or((!fits).then_some("it is out of bounds"));
        let (code, message, help) = if let Some(why) = why {
            (Code::BadValue, format!("`{name}` cannot be this choice: {why}"), "correct or remove it")
        } else if !seen.insert(text) {
            (Code::DuplicateName, format!("a choice of `{name}` stands there twice"), "remove one of the two")
        } else {
            continue;
        };
        reader.report(code, choice.span, message, help);
    }
}
