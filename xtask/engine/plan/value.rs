//! From a value as written to a checked one: does it have the shape that its parameter declares?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Piece, SecretSource, Text, Tree};
use ciao_declare::EnvironmentPipeline;
use ciao_declare::finding::{Code, Finding, Place, Span, did_you_mean, listed, suggest};
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::{Parameter, Type};

/// Checks values of one file.
pub struct Shapes<'a> {
    pub file: &'a Arc<camino::Utf8Path>,
    /// The sources of secrets that there are.
    pub pipeline: &'a EnvironmentPipeline,
    pub environment: &'a str,
    pub findings: &'a mut Vec<Finding>,
    /// The secrets met, by name.
    pub secrets: &'a mut BTreeMap<Arc<str>, SecretSource>,
}

type Checked = Option<Tree>;

impl Shapes<'_> {
    fn report(&mut self, code: Code, span: Span, parameter: &str, message: String, help: impl Into<String>) -> Checked {
        let place = Place { file: Arc::clone(self.file), span };
        self.findings.push(Finding::error(code, place, message, help).of(parameter));
        None
    }

    /// The value, or a finding.
    pub fn check(&mut self, parameter: &Parameter, name: &str, value: &Spanned<Literal>) -> Checked {
        if parameter.untyped {
            return None;
        }
        if !parameter.list {
            return self.item(parameter, name, value);
        }
        let Literal::List(items) = &value.value else {
            let message = format!("`{name}` is {}, not a list", value.value.kind());
            return self.report(Code::WrongType, value.span, name, message, "write a list: `[…]`");
        };
        if items.is_empty() && !parameter.may_be_empty {
            let help = "give it an item, or declare it with `may_be_empty = true`";
            return self.report(Code::EmptyValue, value.span, name, format!("`{name}` is empty"), help);
        }
        let mut checked = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let key = parameter.key.as_deref().and_then(|key| item.value.get(key));
            let label = match key.map(|key| &key.value) {
                Some(Literal::String(key)) => format!("{name}[{key}]"),
                _ => format!("{name}[{index}]"),
            };
            checked.push(self.item(parameter, &label, item));
        }
        // After all of them are looked at: every one may be wrong.
        Some(Tree::List(checked.into_iter().collect::<Option<_>>()?))
    }

    fn item(&mut self, parameter: &Parameter, name: &str, value: &Spanned<Literal>) -> Checked {
        if parameter.secret {
            return self.secret(name, value);
        }
        let expected = match parameter.kind {
            Type::Integer | Type::Port => "an integer",
            Type::Boolean => "a boolean",
            Type::Table => "a table",
            _ => "a string",
        };
        match (parameter.kind, &value.value) {
            (Type::Integer | Type::Port, Literal::Integer(integer)) => {
                self.integer(parameter, name, *integer, value.span)
            }
            (Type::Boolean, Literal::Boolean(boolean)) => Some(Tree::Boolean(*boolean)),
            (Type::Table, Literal::Table(_)) if parameter.fields.is_empty() => self.any(name, value),
            (Type::Table, Literal::Table(_)) => self.fields(parameter, name, value),
            (Type::String | Type::Host | Type::Url | Type::Path, Literal::String(text)) => {
                self.string(parameter, name, text, value.span)
            }
            (kind, other) => {
                let message = format!("`{name}` is {}, not {expected}", other.kind());
                let help = match (other, kind) {
                    (Literal::String(text), Type::Integer | Type::Port) if text.parse::<i64>().is_ok() => {
                        format!("write it without quotes: {text}")
                    }
                    (Literal::Integer(integer), _) if expected == "a string" => {
                        format!("write it in quotes: \"{integer}\"")
                    }
                    (Literal::LargeInteger, Type::Integer | Type::Port) => {
                        "write a smaller one, or declare it as a string".to_owned()
                    }
                    _ => format!("it is declared as `type = \"{}\"`", kind.name()),
                };
                self.report(Code::WrongType, value.span, name, message, help)
            }
        }
    }

    fn integer(&mut self, parameter: &Parameter, name: &str, integer: i64, span: Span) -> Checked {
        let (least, most) = parameter.kind.bounds();
        let (min, max) = (parameter.min.unwrap_or(least).max(least), parameter.max.unwrap_or(most).min(most));
        if !(min..=max).contains(&integer) {
            let bounds = match (min, max) {
                (i64::MIN, max) => format!("at most {max}"),
                (min, i64::MAX) => format!("at least {min}"),
                (min, max) => format!("from {min} to {max}"),
            };
            let message = format!("`{name}` is {integer}, and must be {bounds}");
            return self.report(Code::BadValue, span, name, message, format!("write a number {bounds}"));
        }
        self.chosen(parameter, name, &Literal::Integer(integer), span)?;
        Some(Tree::Integer(integer))
    }

    fn string(&mut self, parameter: &Parameter, name: &str, text: &Arc<str>, span: Span) -> Checked {
        if text.is_empty() {
            if parameter.may_be_empty {
                return Some(Tree::Text(Text::default()));
            }
            let help = "give it a value, or declare it with `may_be_empty = true`";
            return self.report(Code::EmptyValue, span, name, format!("`{name}` is empty"), help);
        }
        if let Some(control) = text.chars().find(|char| char.is_control() && !"\n\r\t".contains(*char)) {
            let message = format!("`{name}` holds the control character {}", control.escape_unicode());
            return self.report(Code::BadValue, span, name, message, "remove it");
        }
        if let Err((why, help)) = shape(parameter.kind, text) {
            let message = format!("`{name}` is not a {}: {why}", parameter.kind.name());
            return self.report(Code::BadValue, span, name, message, help);
        }
        let length = text.chars().count() as i64;
        if parameter.min.is_some_and(|min| length < min) || parameter.max.is_some_and(|max| length > max) {
            let message = format!("`{name}` has {length} character{}", if length == 1 { "" } else { "s" });
            let help = match (parameter.min, parameter.max) {
                (Some(min), Some(max)) => format!("write from {min} to {max}"),
                (Some(min), None) => format!("write at least {min}"),
                (_, max) => format!("write at most {}", max.unwrap_or_default()),
            };
            return self.report(Code::BadValue, span, name, message, help);
        }
        self.chosen(parameter, name, &Literal::String(Arc::clone(text)), span)?;
        Some(Tree::Text(Text { pieces: vec![Piece::Literal(Arc::clone(text))] }))
    }

    fn chosen(&mut self, parameter: &Parameter, name: &str, value: &Literal, span: Span) -> Option<()> {
        let Some(choices) = &parameter.choices else { return Some(()) };
        if choices.iter().any(|choice| choice.value == *value) {
            return Some(());
        }
        let shown: Vec<String> = choices.iter().map(|choice| plain(&choice.value)).collect();
        let names = shown.iter().map(String::as_str);
        let written = plain(value);
        let help = match did_you_mean(&written, names.clone()) {
            Some(candidate) => format!("did you mean `{candidate}`? the choices are {}", listed(names)),
            None => format!("the choices are {}", listed(names)),
        };
        self.report(Code::BadValue, span, name, format!("`{name}` is `{written}`, which is none of its choices"), help);
        None
    }

    fn fields(&mut self, parameter: &Parameter, name: &str, value: &Spanned<Literal>) -> Checked {
        let Literal::Table(entries) = &value.value else { return None };
        let known = || parameter.fields.iter().map(|field| &*field.name);
        for (key, _) in entries.iter().filter(|(key, _)| !known().any(|field| field == &*key.value)) {
            let help = suggest(&key.value, "fields", known().collect::<Vec<_>>());
            self.report(Code::UnknownValue, key.span, name, format!("`{name}` has no field `{}`", key.value), help);
        }
        let mut table = Vec::new();
        for field in &parameter.fields {
            let label = format!("{name}.{}", field.name);
            let checked = match (value.value.get(&field.name), &field.default) {
                (Some(given), _) => self.check(field, &label, given),
                (None, Some(default)) => self.check(field, &label, default),
                (None, None) => {
                    let help = format!("add `{} = …`", field.name);
                    self.report(Code::MissingValue, value.span, name, format!("`{label}` has no value"), help)
                }
            };
            table.push(checked.map(|checked| (field.name.to_string(), checked)));
        }
        Some(Tree::Table(table.into_iter().collect::<Option<_>>()?))
    }

    /// A value of any shape.
    pub fn any(&mut self, name: &str, value: &Spanned<Literal>) -> Checked {
        Some(match &value.value {
            Literal::String(text) => Tree::Text(Text { pieces: vec![Piece::Literal(Arc::clone(text))] }),
            Literal::Integer(integer) => Tree::Integer(*integer),
            Literal::Float(float) if float.is_finite() => Tree::Float(*float),
            Literal::Boolean(boolean) => Tree::Boolean(*boolean),
            Literal::LargeInteger | Literal::Float(_) | Literal::Datetime(_) => {
                let message = format!("`{name}` holds {}, which JSON cannot", value.value.kind());
                return self.report(Code::WrongType, value.span, name, message, "write it as a string");
            }
            Literal::List(items) => Tree::List(items.iter().map(|item| self.any(name, item)).collect::<Option<_>>()?),
            Literal::Table(entries) => Tree::Table(
                entries
                    .iter()
                    .map(|(key, value)| Some((key.value.to_string(), self.any(name, value)?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    fn secret(&mut self, name: &str, value: &Spanned<Literal>) -> Checked {
        let sources = || ["env", "file"].into_iter().chain(self.pipeline.sources.keys().map(|name| &**name));
        let Literal::Table(entries) = &value.value else {
            let message = format!("`{name}` is a secret, and stands here in plain text");
            let help = "write where it is read from: `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or a declared source; \
                        one that was committed is in the history, and has to be changed";
            return self.report(Code::PlainSecret, value.span, name, message, help);
        };
        let [(source, key)] = entries.as_slice() else {
            let message = format!("`{name}` must name exactly one source");
            let help = format!("write one of {}", listed(sources()));
            return self.report(Code::BadValue, value.span, name, message, help);
        };
        let Literal::String(key_text) = &key.value else {
            let message = format!("the key of `{name}` is {}, not a string", key.value.kind());
            return self.report(Code::WrongType, key.span, name, message, "write it in quotes");
        };
        if key_text.is_empty() || key_text.contains('\0') {
            let message = format!("`{name}` names nothing in `{}`", source.value);
            return self.report(Code::EmptyValue, key.span, name, message, "name the secret there");
        }
        if &*source.value == "env" && key_text.contains(|char: char| char == '=' || char.is_whitespace()) {
            let message = format!("there can be no variable `{key_text}`");
            return self.report(Code::BadValue, key.span, name, message, "name the variable that holds the secret");
        }
        let found = match &*source.value {
            "env" => SecretSource::Env(key_text.to_string()),
            "file" => SecretSource::File(key_text.to_string()),
            declared => match self.pipeline.sources.get(declared) {
                Some(run) => SecretSource::Command {
                    source: declared.to_owned(),
                    run: run.iter().map(|word| source_word(word, key_text, self.environment)).collect(),
                },
                None => {
                    let help = suggest(declared, "sources of secrets", sources().collect::<Vec<_>>());
                    let message = format!("`{declared}` is not a source of secrets");
                    return self.report(Code::UnknownParameter, source.span, name, message, help);
                }
            },
        };
        let name: Arc<str> = name.into();
        self.secrets.insert(Arc::clone(&name), found);
        Some(Tree::Text(Text { pieces: vec![Piece::Secret(name)] }))
    }
}

/// A word of a source's command, with the key in it. Other names are refused when the declaration is checked.
fn source_word(word: &ciao_declare::template::Template, key: &str, environment: &str) -> String {
    use ciao_declare::template::Part;
    word.parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => &**text,
            Part::Reference { name, .. } if &**name == "key" => key,
            Part::Reference { .. } => environment,
        })
        .collect()
}

/// A value for a message.
#[must_use]
pub fn plain(value: &Literal) -> String {
    match value {
        Literal::String(text) => text.to_string(),
        Literal::Integer(integer) => integer.to_string(),
        Literal::Float(float) => float.to_string(),
        Literal::Boolean(boolean) => boolean.to_string(),
        other => other.kind().to_owned(),
    }
}

/// What a string must look like; the error is why it does not, and what to write.
fn shape(kind: Type, text: &str) -> Result<(), (&'static str, &'static str)> {
    match kind {
        Type::Host => host(text),
        Type::Url => url(text),
        _ => Ok(()),
    }
}

/// A name as in RFC 1123 section 2.1, or an address; `_` is used by service names and permitted.
fn host(text: &str) -> Result<(), (&'static str, &'static str)> {
    const HELP: &str = "write a name as in \"db.example.org\", or an address";
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    if text.contains("://") {
        return Err(("it is a URL", HELP));
    }
    if text.starts_with('[') && text.ends_with(']') {
        return Err(("its brackets belong to a URL", "write the address without them, as in \"::1\""));
    }
    if text.contains(':') {
        return Err(("it holds a port", "make the port a parameter of its own, of type \"port\""));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if text.len() > 253 || !text.strip_suffix('.').unwrap_or(text).split('.').all(label) {
        return Err(("no host can be named so", HELP));
    }
    Ok(())
}

/// A scheme as in RFC 3986 section 3.1, and something behind it.
fn url(text: &str) -> Result<(), (&'static str, &'static str)> {
    const HELP: &str = "write it with its scheme, as in \"https://example.org/path\"";
    let Some((scheme, rest)) = text.split_once(':') else { return Err(("it has no scheme", HELP)) };
    let scheme_ok = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_ok || !rest.starts_with("//") && scheme.contains('.') {
        return Err(("it has no scheme", HELP));
    }
    if rest.trim_start_matches('/').is_empty() && scheme != "file" {
        return Err(("nothing follows its scheme", HELP));
    }
    if text.contains(char::is_whitespace) {
        return Err(("it holds white space", "write it percent-encoded: `%20`"));
    }
    Ok(())
}

/// A value as it is written, of any shape.
#[must_use]
pub fn tree(literal: &Literal) -> Tree {
    match literal {
        Literal::Boolean(boolean) => Tree::Boolean(*boolean),
        Literal::Integer(integer) => Tree::Integer(*integer),
        // Refused when the file is read.
        Literal::LargeInteger => Tree::Float(f64::INFINITY),
        Literal::Float(float) => Tree::Float(*float),
        Literal::String(text) => Tree::Text(Text::literal(Arc::clone(text))),
        Literal::Datetime(date) => Tree::Text(Text::literal(date.as_str())),
        Literal::List(items) => Tree::List(items.iter().map(|item| tree(&item.value)).collect()),
        Literal::Table(entries) => {
            Tree::Table(entries.iter().map(|(key, value)| (key.value.to_string(), tree(&value.value))).collect())
        }
    }
}

/// A known value as if it were written, to check it like one.
#[must_use]
pub fn from_json(json: &serde_json::Value) -> Literal {
    use serde_json::Value;
    match json {
        Value::Null => Literal::String("".into()),
        Value::Bool(boolean) => Literal::Boolean(*boolean),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Literal::Float(number.as_f64().unwrap_or(f64::NAN)), Literal::Integer)
        }
        Value::String(text) => Literal::String(text.as_str().into()),
        Value::Array(items) => Literal::List(items.iter().map(|item| Spanned::new(from_json(item), 0..0)).collect()),
        Value::Object(entries) => Literal::Table(
            entries
                .iter()
                .map(|(key, value)| (Spanned::new(key.as_str().into(), 0..0), Spanned::new(from_json(value), 0..0)))
                .collect(),
        ),
    }
}
