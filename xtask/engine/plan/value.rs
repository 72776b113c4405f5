//! From a value as written to a checked one: does it have the shape that its parameter declares?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Piece, Secret, SecretSource, Text, Tree};
use ciao_base::map;
use ciao_base::variables::is_name;
use ciao_declare::EnvironmentPipeline;
use ciao_declare::finding::{Code, Finding, Place, Span, did_you_mean, listed, suggest};
use ciao_declare::given::Given;
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::{Parameter, Type};
use ciao_declare::shape::holds_password;

/// Checks values of one file.
pub struct Shapes<'a> {
    pub file: &'a Arc<camino::Utf8Path>,
    /// Where they are declared, and the defaults of fields stand.
    pub declared: &'a Arc<camino::Utf8Path>,
    /// The sources of secrets that there are.
    pub pipeline: &'a EnvironmentPipeline,
    pub environment: &'a str,
    pub findings: &'a mut Vec<Finding>,
    /// The secrets met, by name.
    pub secrets: &'a mut BTreeMap<Arc<str>, Secret>,
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
            return self.secret(parameter.kind, name, value);
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
                    (Literal::OddInteger(_), Type::Integer | Type::Port) => {
                        "write one of 64 bits in decimal digits, or declare it as a string".to_owned()
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
        if text.is_empty() && parameter.may_be_empty {
            return Some(Tree::Text(Text::default()));
        }
        if text.trim().is_empty() && !parameter.may_be_empty {
            let what = if text.is_empty() { "empty" } else { "nothing but blanks" };
            let help = "give it a value, or declare it with `may_be_empty = true`";
            return self.report(Code::EmptyValue, span, name, format!("`{name}` is {what}"), help);
        }
        self.visible(name, text, span)?;
        if let Err((why, help)) = parameter.kind.fits(text) {
            let message = format!("`{name}` is not a {}: {why}", parameter.kind.name());
            return self.report(Code::BadValue, span, name, message, help);
        }
        if parameter.kind == Type::Url && holds_password(text) {
            let help = "declare it with `secret = true`, and change the password, which is in the history now";
            return self.report(
                Code::PlainSecret,
                span,
                name,
                format!("`{name}` holds a password in plain text"),
                help,
            );
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

    /// What is seen of a text is what is in it: no control character, nothing that has no width or turns others round.
    fn visible(&mut self, name: &str, text: &str, span: Span) -> Option<()> {
        let is_hidden = |char: &char| {
            let unseen = ['\u{200b}', '\u{2060}', '\u{feff}'];
            let turns = matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            (char.is_control() && !"\n\r\t".contains(*char)) || turns || unseen.contains(char)
        };
        let Some(hidden) = text.chars().find(is_hidden) else { return Some(()) };
        let what = if hidden.is_control() { "control" } else { "invisible" };
        let message = format!("`{name}` holds the {what} character {}", hidden.escape_unicode());
        self.report(Code::BadValue, span, name, message, "remove it");
        None
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
                (None, Some(default)) => {
                    let file = std::mem::replace(&mut self.file, self.declared);
                    let checked = self.check(field, &format!("{}.{}", parameter.name, field.name), default);
                    self.file = file;
                    checked
                }
                (None, None) => {
                    let help = format!("add `{} = …`", field.name);
                    self.report(Code::MissingValue, value.span, name, format!("`{label}` has no value"), help)
                }
            };
            table.push(checked.map(|checked| (field.name.to_string(), checked)));
        }
        Some(Tree::Table(map(table.into_iter().collect::<Option<Vec<_>>>()?)))
    }

    /// A value of any shape.
    pub fn any(&mut self, name: &str, value: &Spanned<Literal>) -> Checked {
        Some(match &value.value {
            Literal::String(text) => {
                self.visible(name, text, value.span)?;
                Tree::Text(Text { pieces: vec![Piece::Literal(Arc::clone(text))] })
            }
            Literal::Integer(integer) => Tree::Integer(*integer),
            Literal::Float(float) if float.is_finite() => Tree::Float(*float),
            Literal::Boolean(boolean) => Tree::Boolean(*boolean),
            Literal::OddInteger(_) | Literal::Float(_) | Literal::Datetime(_) => {
                let message = format!("`{name}` holds {}, which JSON cannot", value.value.kind());
                return self.report(Code::WrongType, value.span, name, message, "write it as a string");
            }
            Literal::List(items) => Tree::List(items.iter().map(|item| self.any(name, item)).collect::<Option<_>>()?),
            Literal::Table(entries) => {
                let entry = |(key, value): &(Spanned<Arc<str>>, _)| {
                    self.visible(name, &key.value, key.span)?;
                    Some((key.value.to_string(), self.any(name, value)?))
                };
                Tree::Table(map(entries.iter().map(entry).collect::<Option<Vec<_>>>()?))
            }
        })
    }

    fn secret(&mut self, kind: Type, name: &str, value: &Spanned<Literal>) -> Checked {
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
        // `${name}` is found with all values in which it stands.
        if &*source.value == "env" && !is_name(key_text) && !key_text.contains("${") {
            let message = format!("`{name}` names no variable in `env`");
            let help = "write the name of one: letters, digits and `_`, no digit first";
            return self.report(Code::BadValue, key.span, name, message, help);
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
        self.secrets.insert(Arc::clone(&name), Secret { kind, source: found });
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

/// A value as it is written, of any shape.
#[must_use]
pub fn tree(literal: &Literal) -> Tree {
    match literal {
        Literal::Boolean(boolean) => Tree::Boolean(*boolean),
        Literal::Integer(integer) => Tree::Integer(*integer),
        // Refused when the file is read.
        Literal::OddInteger(_) | Literal::Datetime(_) => Tree::Float(f64::INFINITY),
        Literal::Float(float) => Tree::Float(*float),
        Literal::String(text) => Tree::Text(Text::literal(Arc::clone(text))),
        Literal::List(items) => Tree::List(items.iter().map(|item| tree(&item.value)).collect()),
        Literal::Table(entries) => {
            Tree::Table(map(entries.iter().map(|(key, value)| (key.value.to_string(), tree(&value.value)))))
        }
    }
}

/// What is given in a `with` as if it were written in a file of values, each part with its own place, to check it like
/// one; none where something in it is not known yet.
#[must_use]
pub fn written(given: &Given, tree: &Tree) -> Option<Spanned<Literal>> {
    let value = match (given, tree) {
        (Given::Plain(literal), _) => return Some(literal.clone()),
        (Given::List(items, _), Tree::List(trees)) => {
            // `"${name...}"` is every item of another list.
            let elements =
                items.iter().zip(trees).flat_map(|(item, tree)| tree.elements().iter().map(move |own| (item, own)));
            Literal::List(elements.map(|(item, own)| written(item, own)).collect::<Option<_>>()?)
        }
        (Given::Table(entries, _), Tree::Table(trees)) => {
            let entry = |(key, value): &(Spanned<Arc<str>>, Given)| {
                Some((key.clone(), written(value, trees.get(&*key.value)?)?))
            };
            Literal::Table(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        _ => from_json(&tree.as_json()?, given.span()).value,
    };
    Some(Spanned::new(value, given.span()))
}

/// All of it stands in one place.
fn from_json(json: &serde_json::Value, span: Span) -> Spanned<Literal> {
    use serde_json::Value;
    let value = match json {
        Value::Null => Literal::String("".into()),
        Value::Bool(boolean) => Literal::Boolean(*boolean),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Literal::Float(number.as_f64().unwrap_or(f64::NAN)), Literal::Integer)
        }
        Value::String(text) => Literal::String(text.as_str().into()),
        Value::Array(items) => Literal::List(items.iter().map(|item| from_json(item, span)).collect()),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, _)| (Spanned::new(key.as_str().into(), span), from_json(value, span));
            Literal::Table(entries.iter().map(entry).collect())
        }
    };
    Spanned::new(value, span)
}
