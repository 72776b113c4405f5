//! What a `with` gives: arguments of a task or of a call, as written.

use std::sync::Arc;

use toml::de::DeValue;

use super::literal::{Literal, Spanned, literal};
use super::read::Section;
use super::template::{Part, Template};
use crate::finding::{Code, Span};

/// An argument of `with`.
#[derive(Debug, Clone)]
pub enum Given {
    Text(Template),
    /// Anything without strings in it.
    Plain(Spanned<Literal>),
    List(Vec<Given>, Span),
    Table(Vec<(Spanned<Arc<str>>, Given)>, Span),
}

impl Given {
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Given::Text(template) => template.span,
            Given::Plain(plain) => plain.span,
            Given::List(_, span) | Given::Table(_, span) => *span,
        }
    }

    /// The name whose value stands at a place, alone.
    #[must_use]
    pub fn named_at(&self, at: Span) -> Option<&Arc<str>> {
        match self {
            Given::Text(Template { parts, span }) => match parts.as_slice() {
                [Part::Reference { name, .. }] if *span == at => Some(name),
                _ => None,
            },
            Given::Plain(_) => None,
            Given::List(items, _) => items.iter().find_map(|item| item.named_at(at)),
            Given::Table(entries, _) => entries.iter().find_map(|(_, value)| value.named_at(at)),
        }
    }
}

/// Reads the arguments of a task or a call.
pub fn given_table(section: &Section<'_, '_>, key: &'static str) -> Vec<(Spanned<Arc<str>>, Given)> {
    let Some(table) = section.table(key, "`with`") else { return Vec::new() };
    table.any_key();
    table
        .table
        .iter()
        .filter_map(|(key, value)| {
            let name = Spanned::new(Arc::from(&**key.get_ref()), key.span());
            Some((name, given(section, value)?))
        })
        .collect()
}

fn given(section: &Section<'_, '_>, value: &toml::Spanned<DeValue<'_>>) -> Option<Given> {
    Some(match value.get_ref() {
        DeValue::String(_) => Given::Text(section.reader.template_of(value, "an argument")?),
        DeValue::Array(items) => {
            Given::List(items.iter().filter_map(|item| given(section, item)).collect(), value.span().into())
        }
        DeValue::Table(table) => Given::Table(
            table
                .iter()
                .filter_map(|(key, value)| {
                    Some((Spanned::new(Arc::from(&**key.get_ref()), key.span()), given(section, value)?))
                })
                .collect(),
            value.span().into(),
        ),
        _ => {
            let literal = literal(value);
            let is_json = match &literal.value {
                Literal::OddInteger(_) | Literal::Datetime(_) => false,
                Literal::Float(float) => float.is_finite(),
                _ => true,
            };
            if !is_json {
                let message = format!("an argument is {}, which JSON cannot hold", literal.value.kind());
                section.reader.report(Code::WrongType, literal.span, message, "write it as a string");
                return None;
            }
            Given::Plain(literal)
        }
    })
}
