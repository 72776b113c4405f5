//! Strings with `${name}` in them, as written. What the names stand for is `plan`'s.

use std::sync::Arc;

use super::literal::Spanned;
use crate::finding::Span;

/// A string of a step, of `env`, `with` or `cwd`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    pub parts: Vec<Part>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Literal(Arc<str>),
    /// `${name}`, or `${name...}` with `spread`.
    Reference {
        name: Arc<str>,
        spread: bool,
        span: Span,
    },
}

impl Template {
    /// The names that it refers to, and where.
    pub fn references(&self) -> impl Iterator<Item = (&Arc<str>, Span)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference { name, span, .. } => Some((name, *span)),
            Part::Literal(_) => None,
        })
    }

    /// The string, if nothing in it is interpolated.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Reads a string; `raw` is the file's text at `span`, quotes included. Errors are what is wrong and where.
///
/// # Errors
/// If a `${` has no name or no end.
pub fn parse(text: &str, raw: &str, span: Span) -> Result<Template, Spanned<String>> {
    let mut parts = Vec::new();
    // Most strings hold no value.
    if !text.contains('$') {
        if !text.is_empty() {
            parts.push(Part::Literal(Arc::from(text)));
        }
        return Ok(Template { parts, span });
    }
    let mut literal = String::new();
    let mut rest = text;
    // An escape before a reference shifts it; then the caret marks the whole string.
    let shift = raw.find(text).map(|offset| span.start as usize + offset);
    let place = |from: usize, to: usize| shift.map_or(span, |start| Span::from(start + from..start + to));
    while let Some(dollar) = rest.find('$') {
        literal.push_str(&rest[..dollar]);
        let at = text.len() - rest.len() + dollar;
        let after = &rest[dollar + 1..];
        if let Some(stripped) = after.strip_prefix('$') {
            literal.push('$');
            rest = stripped;
        } else if let Some(body) = after.strip_prefix('{') {
            let Some(end) = body.find('}') else {
                return Err(Spanned::new("`${` without a `}` after it".to_owned(), place(at, text.len())));
            };
            let written = &body[..end];
            let (name, spread) = written.strip_suffix("...").map_or((written, false), |name| (name, true));
            let reference = place(at, at + end + 3);
            if !is_reference(name) {
                return Err(Spanned::new(format!("`${{{written}}}` is not the name of a value"), reference));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(Arc::from(std::mem::take(&mut literal))));
            }
            parts.push(Part::Reference { name: Arc::from(name), spread, span: reference });
            rest = &body[end + 1..];
        } else {
            literal.push('$');
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(Arc::from(literal)));
    }
    Ok(Template { parts, span })
}

/// Names joined with dots. Keys of a JSON output may hold more than our own names do.
fn is_reference(name: &str) -> bool {
    !name.is_empty()
        && name.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let raw = format!("\"{text}\"");
        let shown = match parse(text, &raw, Span::from(0..raw.len())) {
            Ok(template) => template
                .parts
                .iter()
                .map(|part| match part {
                    Part::Literal(text) => format!("[{text}]"),
                    Part::Reference { name, spread, span } => {
                        format!("<{name}{}@{}..{}>", if *spread { "..." } else { "" }, span.start, span.end)
                    }
                })
                .collect::<String>(),
            Err(error) => format!("{} @{}..{}", error.value, error.span.start, error.span.end),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn references_and_literals() {
        check("", "");
        check("plain", "[plain]");
        check("http://${site.host}:${site.port}/", "[http://]<site.host@8..20>[:]<site.port@21..33>[/]");
        check("${regions...}", "<regions...@1..14>");
    }

    #[test]
    fn dollars() {
        check("$$", "[$]");
        check("$${a}", "[${a}]");
        check("$a $ $(b) $", "[$a $ $(b) $]");
        check("$$${a}", "[$]<a@3..7>");
    }

    #[test]
    fn what_is_not_a_reference() {
        check("a${b", "`${` without a `}` after it @2..5");
        check("${}", "`${}` is not the name of a value @1..4");
        check("${a b}", "`${a b}` is not the name of a value @1..7");
        check("${a..b}", "`${a..b}` is not the name of a value @1..8");
    }
}
