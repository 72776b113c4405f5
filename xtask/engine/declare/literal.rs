//! TOML values with the place of each: what the declarations are made of.

use std::sync::Arc;

use toml::de::{DeInteger, DeTable, DeValue};

use crate::finding::Span;

/// A value and where it stands in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: impl Into<Span>) -> Spanned<T> {
        Spanned { value, span: span.into() }
    }
}

/// A TOML value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    String(Arc<str>),
    Integer(i64),
    /// Not what would be given on, and what it is: every use of it is refused.
    OddInteger(&'static str),
    Float(f64),
    Boolean(bool),
    /// Not a type of ours; kept for the message.
    Datetime(String),
    List(Vec<Spanned<Literal>>),
    /// Sorted by key.
    Table(Vec<(Spanned<Arc<str>>, Spanned<Literal>)>),
}

impl Literal {
    /// What it is, in the words of a message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Literal::String(_) => "a string",
            Literal::Integer(_) => "an integer",
            Literal::OddInteger(kind) => kind,
            Literal::Float(_) => "a float",
            Literal::Boolean(_) => "a boolean",
            Literal::Datetime(_) => "a date",
            Literal::List(_) => "a list",
            Literal::Table(_) => "a table",
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Spanned<Literal>> {
        match self {
            Literal::Table(entries) => {
                let at = entries.binary_search_by(|(name, _)| (*name.value).cmp(key)).ok()?;
                Some(&entries[at].1)
            }
            _ => None,
        }
    }
}

/// What a parsed value is, in the words of a message.
#[must_use]
pub fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(integer) => integer_of(integer).err().unwrap_or("an integer"),
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A mode that is written 0o755 would be given to a program as 493.
fn integer_of(integer: &DeInteger<'_>) -> Result<i64, &'static str> {
    match integer.radix() {
        2 => Err("an integer in binary"),
        8 => Err("an integer in octal"),
        16 => Err("an integer in hexadecimal"),
        radix => i64::from_str_radix(integer.as_str(), radix).map_err(|_| "an integer beyond 64 bits"),
    }
}

/// The literal for a parsed value. Its depth is bounded by the parser.
#[must_use]
pub fn literal(value: &toml::Spanned<DeValue<'_>>) -> Spanned<Literal> {
    let literal = match value.get_ref() {
        DeValue::String(text) => Literal::String(Arc::from(&**text)),
        DeValue::Integer(integer) => integer_of(integer).map_or_else(Literal::OddInteger, Literal::Integer),
        DeValue::Float(float) => Literal::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Literal::Boolean(*boolean),
        DeValue::Datetime(date) => Literal::Datetime(date.to_string()),
        DeValue::Array(items) => Literal::List(items.iter().map(self::literal).collect()),
        DeValue::Table(table) => return Spanned::new(table_literal(table), value.span()),
    };
    Spanned::new(literal, value.span())
}

/// The literal for a parsed table.
#[must_use]
pub fn table_literal(table: &DeTable<'_>) -> Literal {
    Literal::Table(
        table
            .iter()
            .map(|(key, value)| (Spanned::new(Arc::from(&**key.get_ref()), key.span()), literal(value)))
            .collect(),
    )
}
