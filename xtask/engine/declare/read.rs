//! Walking a parsed TOML file: typed access to keys, with a finding for each that is wrong, missing or unknown.
//!
//! serde would stop at the first mistake in a file; a person at two in the morning wants all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use toml::de::{DeTable, DeValue};

use super::literal::{Literal, Spanned, kind_of, literal};
use super::template::{self, Template};
use crate::finding::{Code, Finding, Place, Span, did_you_mean, listed};

const DAY: Duration = Duration::from_secs(86_400);

/// One file while it is read.
pub struct Reader<'a> {
    pub file: Arc<Utf8Path>,
    pub text: &'a str,
    findings: RefCell<Vec<Finding>>,
}

type Value<'i> = toml::Spanned<DeValue<'i>>;

/// Where a key that stands twice stands first: in its own table, or the same header further up.
fn first_place(text: &str, second: &Range<usize>) -> Option<Range<usize>> {
    let start = text[..second.start].rfind('\n').map_or(0, |newline| newline + 1);
    let (key, header) = (text.get(second.clone())?, text[start..].starts_with('['));
    let mut end = start;
    while end > 0 {
        let start = text[..end - 1].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &text[start..end];
        let indent = line.len() - line.trim_start_matches([' ', '\t', '[']).len();
        let rest = line[indent..].strip_prefix(key).map(str::trim_start);
        if line.starts_with('[') == header && rest.is_some_and(|rest| rest.starts_with(['=', '.', ']'])) {
            return Some(start + indent..start + indent + key.len());
        }
        if line.starts_with('[') && !header {
            return None;
        }
        end = start;
    }
    None
}

impl<'a> Reader<'a> {
    /// Parses the text and gives the top table to `read`; all findings of the file come back with what it makes.
    pub fn read<T>(
        file: &Utf8Path,
        text: &'a str,
        findings: &mut Vec<Finding>,
        read: impl FnOnce(&Section<'_, '_>) -> T,
    ) -> T {
        let reader = Reader { file: file.into(), text, findings: RefCell::default() };
        // A BOM is no fault; the parser skips it too.
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let mut help = "TOML cannot be read past this; see https://toml.io for the format";
            let (mut message, first) = (error.message().trim_end().to_owned(), first_place(text, &span));
            if message == "duplicate key" {
                message = format!("duplicate key `{}`", text.get(span.clone()).unwrap_or_default());
                help = "remove one of the two";
            }
            let finding = Finding::error(Code::Syntax, reader.place(span.into()), &*message, help);
            reader.push(match first.filter(|_| message.starts_with("duplicate key")) {
                Some(first) => finding.related(reader.place(first.into()), "the first one"),
                None => finding,
            });
        }
        let broken = !reader.findings.borrow().is_empty();
        let top = Section::new(&reader, table.get_ref(), Span::default(), "the file");
        let made = read(&top);
        top.finish();
        let mut found = reader.findings.into_inner();
        if broken {
            // What follows from a syntax error would only hide it.
            found.retain(|finding| finding.code == Code::Syntax);
        }
        findings.append(&mut found);
        made
    }

    pub fn place(&self, span: Span) -> Place {
        Place { file: Arc::clone(&self.file), span }
    }

    pub fn push(&self, finding: Finding) {
        self.findings.borrow_mut().push(finding);
    }

    pub fn report(&self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(Finding::error(code, self.place(span), message, help));
    }

    pub fn wrong_type(&self, value: &Value<'_>, what: impl Display, expected: &str) {
        self.report(
            Code::WrongType,
            value.span().into(),
            format!("{what} is {}, not {expected}", kind_of(value.get_ref())),
            format!("write {expected}"),
        );
    }

    pub fn template(&self, text: &str, span: Span) -> Option<Template> {
        let raw = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        match template::parse(text, raw, span) {
            Ok(template) => Some(template),
            Err(error) => {
                let help = "write `${name}` for a value, `$$` for a dollar sign before a brace";
                self.report(Code::UnknownParameter, error.span, error.value, help);
                None
            }
        }
    }

    /// A string that may refer to values.
    pub fn template_of(&self, value: &Value<'_>, what: impl Display) -> Option<Template> {
        if let DeValue::String(text) = value.get_ref() {
            self.no_nul(text, value.span().into(), &what);
            self.template(text, value.span().into())
        } else {
            self.wrong_type(value, what, "a string");
            None
        }
    }

    fn no_nul(&self, text: &str, span: Span, what: impl Display) {
        if text.contains('\0') {
            let help = "remove it: no argument, variable or path can hold one";
            self.report(Code::BadValue, span, format!("{what} holds a NUL character"), help);
        }
    }

    pub fn string_of(&self, value: &Value<'_>, what: impl Display) -> Option<Spanned<Arc<str>>> {
        if let DeValue::String(text) = value.get_ref() {
            self.no_nul(text, value.span().into(), &what);
            Some(Spanned::new(Arc::from(&**text), value.span()))
        } else {
            self.wrong_type(value, what, "a string");
            None
        }
    }

    pub fn strings_of(&self, value: &Value<'_>, what: impl Display) -> Option<Vec<Spanned<Arc<str>>>> {
        if let DeValue::Array(items) = value.get_ref() {
            Some(items.iter().filter_map(|item| self.string_of(item, &what)).collect())
        } else {
            self.wrong_type(value, what, "a list of strings");
            None
        }
    }
}

/// What a finding calls a value. It is written only where there is one.
struct KeyOf<'k> {
    key: &'k str,
    of: &'static str,
}

impl Display for KeyOf<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}` of {}", self.key, self.of)
    }
}

/// One of 64 bits, by the length of a key and the letters at its ends.
fn bit(key: &str) -> u64 {
    match key.as_bytes() {
        [first, .., last] => 1 << ((key.len() + 7 * *first as usize + 3 * *last as usize) & 63),
        _ => 1,
    }
}

/// A table while it is read. Keys that nobody asked for are findings when it is finished.
pub struct Section<'r, 'i> {
    pub reader: &'r Reader<'r>,
    pub table: &'r DeTable<'i>,
    pub span: Span,
    /// For messages: `a step`.
    pub what: &'static str,
    /// A bit for every key that it has: most of what is asked for is not there, and most of that is seen here.
    present: u64,
    known: RefCell<Vec<&'static str>>,
    any: std::cell::Cell<bool>,
}

impl<'r, 'i> Section<'r, 'i> {
    pub fn new(reader: &'r Reader<'r>, table: &'r DeTable<'i>, span: Span, what: &'static str) -> Section<'r, 'i> {
        // As many as a step has.
        let known = Vec::with_capacity(32).into();
        let mut present = 0;
        for (key, _) in table {
            present |= bit(key.get_ref());
        }
        Section { reader, table, span, what, present, known, any: false.into() }
    }

    pub fn get(&self, key: &'static str) -> Option<&'r Value<'i>> {
        self.known.borrow_mut().push(key);
        if self.present & bit(key) == 0 { None } else { self.table.get(key) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.present & bit(key) != 0 && self.table.contains_key(key)
    }

    /// Whether there is something below a key: an empty list says no more than none.
    pub fn lists(&self, key: &str) -> bool {
        let value = self.table.get(key).map(toml::Spanned::get_ref);
        value.is_some_and(|value| !matches!(value, DeValue::Array(items) if items.is_empty()))
    }

    fn named<'k>(&self, key: &'k str) -> KeyOf<'k> {
        KeyOf { key, of: self.what }
    }

    /// Where a key stands, for a finding about the key and not its value.
    pub fn key_span(&self, key: &str) -> Span {
        self.table.get_key_value(key).map_or(self.span, |(key, _)| key.span().into())
    }

    pub fn string(&self, key: &'static str) -> Option<Spanned<Arc<str>>> {
        self.get(key).and_then(|value| self.reader.string_of(value, self.named(key)))
    }

    /// A string that says something.
    pub fn filled(&self, key: &'static str) -> Option<Spanned<Arc<str>>> {
        let text = self.string(key)?;
        if text.value.is_empty() {
            let message = format!("{} is empty", self.named(key));
            self.reader.report(Code::EmptyValue, text.span, message, format!("name one, or remove `{key}`"));
            return None;
        }
        Some(text)
    }

    pub fn required_string(&self, key: &'static str) -> Option<Spanned<Arc<str>>> {
        if !self.has(key) {
            self.missing(key);
        }
        self.string(key)
    }

    pub fn missing(&self, key: &'static str) {
        let message = format!("{} has no `{key}`", self.what);
        self.reader.report(Code::MissingValue, self.span, message, format!("add `{key} = …`"));
    }

    pub fn strings(&self, key: &'static str) -> Option<Vec<Spanned<Arc<str>>>> {
        self.get(key).and_then(|value| self.reader.strings_of(value, self.named(key)))
    }

    /// Names, each once.
    pub fn names(&self, key: &'static str) -> Option<Vec<Spanned<Arc<str>>>> {
        let mut names = self.strings(key)?;
        let mut seen = BTreeSet::new();
        names.retain(|name| {
            if name.value.is_empty() {
                let message = format!("an empty name in {}", self.named(key));
                self.reader.report(Code::EmptyValue, name.span, message, "name something, or remove it");
            } else if !seen.insert(Arc::clone(&name.value)) {
                let message = format!("`{}` stands twice in {}", name.value, self.named(key));
                self.reader.report(Code::DuplicateName, name.span, message, "remove one of the two");
            } else {
                return true;
            }
            false
        });
        Some(names)
    }

    pub fn template(&self, key: &'static str) -> Option<Template> {
        self.get(key).and_then(|value| self.reader.template_of(value, self.named(key)))
    }

    pub fn templates(&self, key: &'static str) -> Option<Vec<Template>> {
        let value = self.get(key)?;
        if let DeValue::Array(items) = value.get_ref() {
            Some(items.iter().filter_map(|item| self.reader.template_of(item, self.named(key))).collect())
        } else {
            self.reader.wrong_type(value, self.named(key), "a list of strings");
            None
        }
    }

    pub fn boolean(&self, key: &'static str) -> bool {
        let Some(value) = self.get(key) else { return false };
        if let DeValue::Boolean(boolean) = value.get_ref() {
            *boolean
        } else {
            self.reader.wrong_type(value, self.named(key), "`true` or `false`");
            false
        }
    }

    pub fn integer(&self, key: &'static str) -> Option<Spanned<i64>> {
        let value = self.get(key)?;
        if let Literal::Integer(integer) = literal(value).value {
            Some(Spanned::new(integer, value.span()))
        } else {
            self.reader.wrong_type(value, self.named(key), "an integer");
            None
        }
    }

    /// A count that must be within the bounds.
    pub fn count(&self, key: &'static str, bounds: std::ops::RangeInclusive<i64>) -> Option<u32> {
        let integer = self.integer(key)?;
        if bounds.contains(&integer.value) {
            return u32::try_from(integer.value).ok();
        }
        let message = format!("{} is {}", self.named(key), integer.value);
        let help = format!("write a number from {} to {}", bounds.start(), bounds.end());
        self.reader.report(Code::BadValue, integer.span, message, help);
        None
    }

    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        const HELP: &str = "write it as in \"30s\", \"5m\" or \"1h 30m\"";
        let value = self.get(key)?;
        let span = value.span().into();
        let DeValue::String(text) = value.get_ref() else {
            let message = format!("{} is {}, not a duration", self.named(key), kind_of(value.get_ref()));
            self.reader.report(Code::WrongType, span, message, HELP);
            return None;
        };
        // Of a pause between attempts nobody wants more, and of the rest what is longer is a slip.
        let (longest, words) = if key == "delay" { (DAY, "a day") } else { (DAY * 366, "a year") };
        let wrong = match humantime::parse_duration(text) {
            Ok(_) if text.contains('M') => "has an `M`, which is a month: a minute is `m`".to_owned(),
            Ok(duration) if duration > longest => format!("is longer than {words}"),
            Ok(duration) => return Some(duration),
            Err(error) => format!("is not a duration: {error}"),
        };
        self.reader.report(Code::BadValue, span, format!("{} {wrong}", self.named(key)), HELP);
        None
    }

    pub fn float(&self, key: &'static str) -> Option<Spanned<f64>> {
        let value = self.get(key)?;
        match literal(value).value {
            Literal::Float(float) => Some(Spanned::new(float, value.span())),
            Literal::Integer(integer) => Some(Spanned::new(integer as f64, value.span())),
            _ => {
                self.reader.wrong_type(value, self.named(key), "a number");
                None
            }
        }
    }

    pub fn table(&self, key: &'static str, what: &'static str) -> Option<Section<'r, 'i>> {
        let value = self.get(key)?;
        self.section_of(value, self.named(key), what)
    }

    pub fn section_of(&self, value: &'r Value<'i>, named: impl Display, what: &'static str) -> Option<Section<'r, 'i>> {
        if let DeValue::Table(table) = value.get_ref() {
            Some(Section::new(self.reader, table, value.span().into(), what))
        } else {
            self.reader.wrong_type(value, named, "a table");
            None
        }
    }

    /// `[[key]]`: the tables in their order, each made when its turn comes.
    pub fn tables(&self, key: &'static str, what: &'static str) -> impl Iterator<Item = Section<'r, 'i>> {
        let items = self.get(key).and_then(|value| match value.get_ref() {
            DeValue::Array(items) => Some(items),
            _ => {
                self.reader.wrong_type(value, format!("`{key}`"), &format!("a list of tables, `[[{key}]]`"));
                None
            }
        });
        let section = move |item| self.section_of(item, format_args!("an item of `{key}`"), what);
        items.map(|items| items.iter()).into_iter().flatten().filter_map(section)
    }

    /// Says that the keys of this table are names of the user's own.
    pub fn any_key(&self) {
        self.any.set(true);
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(&self) {
        if self.any.get() {
            return;
        }
        let known = self.known.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(&&**key.get_ref())) {
            let name = &**key.get_ref();
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(candidate) => format!("did you mean `{candidate}`?"),
                None => {
                    // Some are asked for twice.
                    let mut seen = BTreeSet::new();
                    format!("the keys are {}", listed(known.iter().copied().filter(|key| seen.insert(*key))))
                }
            };
            let message = format!("{} has no key `{name}`", self.what);
            self.reader.report(Code::UnknownKey, key.span().into(), message, help);
        }
    }
}

/// What a name must look like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// Environments, pipelines and steps: `[a-z0-9][a-z0-9-]{0,62}`.
    Dashed,
    /// Parameters, groups and outputs: `[a-z][a-z0-9_]*`.
    Underscored,
}

impl NameRule {
    #[must_use]
    pub fn permits(self, name: &str) -> bool {
        let lower = |byte: u8| byte.is_ascii_lowercase();
        match (self, name.as_bytes()) {
            (_, []) => false,
            (NameRule::Dashed, [first, rest @ ..]) => {
                (lower(*first) || first.is_ascii_digit())
                    && rest.len() < 63
                    && rest.iter().all(|byte| lower(*byte) || byte.is_ascii_digit() || *byte == b'-')
            }
            (NameRule::Underscored, [first, rest @ ..]) => {
                lower(*first) && rest.iter().all(|byte| lower(*byte) || byte.is_ascii_digit() || *byte == b'_')
            }
        }
    }

    /// Whether it can be used under this name, which may be refused all the same.
    #[must_use]
    pub fn is_usable(name: &str) -> bool {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    }

    pub fn check(self, reader: &Reader<'_>, name: &str, span: Span, what: &str) -> bool {
        let permitted = self.permits(name);
        if !permitted {
            let help = match self {
                NameRule::Dashed => {
                    "use lower-case letters, digits and `-`, at most 63, beginning with a letter or digit"
                }
                NameRule::Underscored => "use lower-case letters, digits and `_`, beginning with a letter",
            };
            reader.report(Code::BadName, span, format!("{:?} cannot be the name of {what}", name), help);
        }
        permitted
    }

    /// The name, or one that is permitted in its place: what is named badly is there all the same, and nothing else
    /// that is found should follow from its absence.
    pub fn checked(self, reader: &Reader<'_>, name: &Spanned<Arc<str>>, what: &str) -> Spanned<Arc<str>> {
        self.check(reader, &name.value, name.span, what);
        self.usable(name)
    }

    /// The name if it is permitted, else one like it that is.
    pub fn usable(self, name: &Spanned<Arc<str>>) -> Spanned<Arc<str>> {
        if self.permits(&name.value) {
            return name.clone();
        }
        let (sign, first) = if self == NameRule::Dashed { ('-', "x-") } else { ('_', "x_") };
        let like = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { sign };
        let mut value: String = name.value.chars().map(like).take(61).collect();
        if !self.permits(&value) {
            value.insert_str(0, first);
        }
        Spanned { value: value.into(), span: name.span }
    }
}
