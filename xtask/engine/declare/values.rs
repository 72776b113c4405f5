//! `pipelines/environments/<env>.toml`: the values of one environment, nothing else.

use std::sync::Arc;

use camino::Utf8Path;

use super::literal::{Literal, Spanned, table_literal};
use super::read::Reader;
use crate::finding::{Finding, Span};

/// The values of an environment, as written.
#[derive(Debug)]
pub struct Values {
    pub file: Arc<Utf8Path>,
    /// Of a personal environment: where the values come from that it does not give.
    pub like: Option<Spanned<Arc<str>>>,
    pub table: Literal,
}

/// Reads the file. Which values there must be is the environment pipeline's to say.
pub fn read(file: &Utf8Path, text: &str, personal: bool, findings: &mut Vec<Finding>) -> Values {
    Reader::read(file, text, findings, |top| {
        let like = if personal { top.string("like") } else { None };
        let mut table = table_literal(top.table);
        if let (Literal::Table(entries), true) = (&mut table, personal) {
            entries.retain(|(key, _)| &*key.value != "like");
        }
        top.any_key();
        Values { file: file.into(), like, table }
    })
}

impl Values {
    /// No values at all: for an environment whose file is not there.
    #[must_use]
    pub fn none(file: &Utf8Path) -> Values {
        Values { file: file.into(), like: None, table: Literal::Table(Vec::new()) }
    }

    /// The value of `site.port`, and where it stands.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Spanned<Literal>> {
        let mut parts = name.split('.');
        let mut value = self.table.get(parts.next()?)?;
        for part in parts {
            value = value.value.get(part)?;
        }
        Some(value)
    }

    /// The place to name when a value is missing: its group's, if the file has it, else the file's beginning.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Span {
        let Literal::Table(entries) = &self.table else { return Span::default() };
        let group = name.split('.').next().unwrap_or_default();
        if !name.contains('.') {
            return Span::default();
        }
        entries.iter().find(|(key, _)| &*key.value == group).map_or(Span::default(), |(key, _)| key.span)
    }
}
