//! What is searched for: the values in which listed environments differ, each in the forms that it may be written in,
//! and the names of the environments; all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ciao_declare::Declarations;
use ciao_declare::literal::Literal;
use ciao_declare::parameter::{Parameter, Type};
use ciao_mask::Words;

/// How much must be around a match before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It stands for nothing else: boundaries are enough.
    Telling,
    /// A number, or a word of small letters: only as a whole argument, variable or assigned value.
    Plain,
    /// A number below 100: only beside the name of its parameter.
    Small,
}

/// What a text stands for.
#[derive(Debug)]
pub struct Needle {
    pub text: String,
    pub weight: Weight,
    /// The parameters that have this value, each with its environments.
    pub holders: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// How it is written, where that is not as in the file of values.
    pub form: Option<&'static str>,
    /// It is the name of a listed environment.
    pub is_name: bool,
}

/// All that is searched for.
pub struct Needles {
    pub needles: Vec<Needle>,
    words: Words,
}

/// A leaf of a value: where it is given, and what it is.
struct Leaf {
    parameter: Arc<str>,
    text: String,
    weight: Weight,
    form: Option<&'static str>,
}

impl Needles {
    #[must_use]
    pub fn new(declarations: &Declarations) -> Needles {
        let listed: Vec<&Arc<str>> =
            declarations.orchestration.environments.iter().map(|environment| &environment.name.value).collect();
        let mut found: BTreeMap<String, Needle> = BTreeMap::new();
        for parameter in declarations.environment.parameters.iter().filter(|parameter| !parameter.secret) {
            let mut leaves: BTreeMap<_, (Leaf, BTreeSet<Arc<str>>)> = BTreeMap::new();
            for name in &listed {
                let given = declarations.values.get(*name).and_then(|values| values.get(&parameter.name));
                let Some(value) = given.or(parameter.default.as_ref()) else { continue };
                let mut own = Vec::new();
                collect(parameter, &parameter.name, &value.value, &mut own);
                for leaf in own {
                    let key = (Arc::clone(&leaf.parameter), leaf.text.clone());
                    leaves.entry(key).or_insert((leaf, BTreeSet::new())).1.insert(Arc::clone(name));
                }
            }
            // What is the same everywhere is not environmental.
            for (leaf, environments) in leaves.into_values().filter(|(_, given)| given.len() < listed.len()) {
                add(&mut found, leaf, environments);
            }
        }
        for name in &listed {
            let entry = found.entry(name.to_string()).or_insert_with(|| Needle {
                text: name.to_string(),
                weight: Weight::Plain,
                holders: BTreeMap::new(),
                form: None,
                is_name: true,
            });
            entry.is_name = true;
        }
        let needles: Vec<Needle> = found.into_values().collect();
        let words = Words::new(needles.iter().map(|needle| needle.text.clone().into()).collect());
        Needles { words, needles }
    }

    /// The bounded matches in a text, none inside of a longer one.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<(std::ops::Range<usize>, &Needle)> {
        let hits = self.words.find(text.as_bytes()).into_iter();
        let mut found: Vec<(std::ops::Range<usize>, &Needle)> = hits
            .map(|(range, number)| (range, &self.needles[number]))
            .filter(|(range, needle)| {
                let part = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'_';
                // Names are also found as a part of a file's name; whether they are meant is decided by what is around.
                let inner = |byte: u8| part(byte) || (!needle.is_name && (byte == b'-' || byte == b'.'));
                let before = range.start.checked_sub(1).map(|at| text.as_bytes()[at]);
                let after = text.as_bytes().get(range.end).copied();
                !before.is_some_and(inner) && !after.is_some_and(inner)
            })
            .collect();
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut end = 0;
        found.retain(|(range, _)| {
            let keep = range.end > end;
            end = end.max(range.end);
            keep
        });
        found
    }
}

fn add(found: &mut BTreeMap<String, Needle>, leaf: Leaf, environments: BTreeSet<Arc<str>>) {
    let needle = found.entry(leaf.text.clone()).or_insert_with(|| Needle {
        text: leaf.text.clone(),
        weight: leaf.weight,
        holders: BTreeMap::new(),
        form: leaf.form,
        is_name: false,
    });
    needle.weight = needle.weight.min(leaf.weight);
    if leaf.form.is_none() {
        needle.form = None;
    }
    needle.holders.entry(leaf.parameter).or_default().extend(environments);
}

fn collect(parameter: &Parameter, name: &str, value: &Literal, leaves: &mut Vec<Leaf>) {
    match value {
        Literal::List(items) => items.iter().for_each(|item| collect(parameter, name, &item.value, leaves)),
        Literal::Table(entries) => {
            for (key, value) in entries {
                let field = parameter.fields.iter().find(|field| field.name == key.value);
                if !field.is_some_and(|field| field.secret) {
                    collect(field.unwrap_or(parameter), &format!("{name}.{}", key.value), &value.value, leaves);
                }
            }
        }
        // In quotes it is wrong, and is found as that.
        Literal::String(_) if parameter.kind == Type::Boolean => {}
        Literal::String(text) => strings(parameter.kind, name, text, leaves),
        Literal::Integer(integer) => number(name, &integer.to_string(), leaves),
        Literal::Float(float) => number(name, &float.to_string(), leaves),
        Literal::OddInteger(_) | Literal::Boolean(_) | Literal::Datetime(_) => {}
    }
}

fn number(name: &str, text: &str, leaves: &mut Vec<Leaf>) {
    let weight = if text.trim_start_matches('-').len() < 3 { Weight::Small } else { Weight::Plain };
    leaves.push(Leaf { parameter: name.into(), text: text.to_owned(), weight, form: None });
}

fn strings(kind: Type, name: &str, text: &str, leaves: &mut Vec<Leaf>) {
    let always = matches!(kind, Type::Host | Type::Url | Type::Path);
    if !text.contains(char::is_alphanumeric) || (text.chars().count() < 4 && !(always && text.len() > 1)) {
        return;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(name, text, leaves);
    }
    let is_word = text.bytes().all(|byte| byte.is_ascii_lowercase());
    let weight = match kind {
        Type::Host if text.len() > 3 => Weight::Telling,
        _ if is_word => Weight::Plain,
        _ => Weight::Telling,
    };
    let mut push = |text: String, form, weight| leaves.push(Leaf { parameter: name.into(), text, weight, form });
    push(text.to_owned(), None, weight);
    if !text.bytes().all(is_unreserved) {
        push(url_encoded(text), Some("URL-encoded"), weight);
    }
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let json = serde_json::Value::from(text).to_string();
        push(json[1..json.len() - 1].to_owned(), Some("escaped for JSON"), weight);
    }
    if text.contains("//") {
        push(text.replace('/', "\\/"), Some("escaped for JSON"), weight);
    }
    if text.contains(' ') {
        push(text.replace(' ', "\\ "), Some("escaped for a shell"), weight);
    }
    if let Some(host) = host_of(text).filter(|host| *host != text) {
        push(host.to_owned(), Some("its host"), Weight::Telling);
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// As in a query: everything but the unreserved characters.
fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if is_unreserved(byte) {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _infallible = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The host in `https://user@db.example:5432/path` or `db.example:5432`, if it is a name with a dot.
fn host_of(text: &str) -> Option<&str> {
    if !text.contains(':') {
        return None;
    }
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let authority = rest.unwrap_or(text).split(['/', '?', '#']).next()?;
    let host_port = authority.rsplit('@').next()?;
    let (host, port) = host_port.split_once(':').unwrap_or((host_port, ""));
    let is_host = host.contains('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && host.contains(|char: char| char.is_ascii_alphabetic());
    (is_host && (rest.is_some() || !port.is_empty())).then_some(host)
}
