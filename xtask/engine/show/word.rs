//! A text of the plan as one word that can be pasted into a shell, or as the plain string that stands in JSON.

use ciao_plan::{Argument, Piece, Text};

/// Which side of a text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Names in place of values: `${site.port}`.
    Skeleton,
    /// `8443`. A secret stands as its name.
    Value,
}

/// How a secret is written.
type Secret = fn(&str) -> String;

/// A part of a shown text: characters to be quoted, or a variable to be left as it is.
enum Shown {
    Characters(String),
    Variable(String),
}

fn shown(pieces: &[Piece], side: Side, inside: Option<&str>, secret: Secret, into: &mut Vec<Shown>) {
    for piece in pieces {
        match (piece, inside) {
            (Piece::Literal(text), _) => into.push(Shown::Characters(text.to_string())),
            (Piece::Reference { name, .. }, _) if side == Side::Skeleton => {
                into.push(Shown::Variable(format!("${{{name}}}")))
            }
            (Piece::Reference { name, value }, _) => shown(value, side, Some(name), secret, into),
            (Piece::Secret(name), _) => into.push(Shown::Variable(secret(name))),
            (Piece::Builtin(builtin), _) => into.push(Shown::Variable(format!("${{{}}}", builtin.name()))),
            (Piece::Output { .. } | Piece::Missing, Some(name)) => into.push(Shown::Variable(format!("${{{name}}}"))),
            (Piece::Output { .. } | Piece::Missing, None) => into.push(Shown::Variable("${}".to_owned())),
        }
    }
}

/// The plain string: what is known only at run time stands in it as written, a secret as `<secret name>`.
#[must_use]
pub fn plain(text: &Text, side: Side) -> String {
    if let [Piece::Literal(text)] = text.pieces.as_slice() {
        return text.to_string();
    }
    let mut parts = Vec::new();
    shown(&text.pieces, side, None, |name| format!("<secret {name}>"), &mut parts);
    parts
        .into_iter()
        .map(|part| match part {
            Shown::Characters(text) | Shown::Variable(text) => text,
        })
        .collect()
}

/// The name under which a secret stands in a line for the shell: `$DATABASE_PASSWORD`.
#[must_use]
pub fn secret_variable(name: &str) -> String {
    let name: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' }).collect();
    format!("${{{name}}}")
}

/// One word for a shell.
#[must_use]
pub fn word(text: &Text, side: Side) -> String {
    let mut parts = Vec::new();
    shown(&text.pieces, side, None, secret_variable, &mut parts);
    let variables = parts.iter().any(|part| matches!(part, Shown::Variable(_)));
    if !variables {
        let whole: String = parts
            .into_iter()
            .map(|part| match part {
                Shown::Characters(text) | Shown::Variable(text) => text,
            })
            .collect();
        return quote(&whole);
    }
    let safe = |text: &str| quote(text) == text && !text.is_empty();
    let bare = side == Side::Skeleton
        && parts.iter().all(|part| match part {
            Shown::Characters(text) => safe(text),
            Shown::Variable(_) => true,
        });
    let inner: String = parts
        .iter()
        .map(|part| match part {
            Shown::Characters(text) if bare => text.clone(),
            Shown::Characters(text) => escaped(text),
            Shown::Variable(text) => text.clone(),
        })
        .collect();
    if bare {
        return inner;
    }
    // `"${X}"` alone is easier to read as `"$X"`.
    let alone = match parts.as_slice() {
        [Shown::Variable(name)] if side == Side::Value => {
            name.strip_prefix("${").and_then(|name| name.strip_suffix('}'))
        }
        _ => None,
    };
    match alone
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'))
    {
        Some(name) => format!("\"${name}\""),
        None => {
            // What stands outside the double quotes at an end needs none there.
            let whole = format!("\"{inner}\"");
            let begun = if inner.starts_with("\"$'") || inner.starts_with("\"'") { &whole[2..] } else { &whole };
            if inner.ends_with("'\"") { begun[..begun.len() - 2].to_owned() } else { begun.to_owned() }
        }
    }
}

/// Quoted for a shell, on one line and without anything that a terminal would act on.
#[must_use]
pub fn quote(text: &str) -> String {
    if text.chars().any(char::is_control) {
        let escaped: String = text
            .chars()
            .map(|char| match char {
                '\n' => "\\n".to_owned(),
                '\t' => "\\t".to_owned(),
                '\r' => "\\r".to_owned(),
                '\'' | '\\' => format!("\\{char}"),
                char if char.is_control() => format!("\\u{:04x}", u32::from(char)),
                char => char.to_string(),
            })
            .collect();
        return format!("$'{escaped}'");
    }
    let quoted = shell_words::quote(text);
    // A person's shell takes `!x` for a line of its history, and makes two words of `{a,b}`.
    if quoted == text && text.contains(['!', '{']) { format!("'{text}'") } else { quoted.into_owned() }
}

/// For the inside of double quotes. What has no exact form there stands between two of them.
fn escaped(text: &str) -> String {
    let outside = |char: char| char.is_control() || char == '!';
    let mut escaped = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|char| outside(char) != outside(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        if outside(first) {
            escaped += &format!("\"{}\"", quote(part));
        } else {
            part.chars().for_each(|char| {
                if "\\\"$`".contains(char) {
                    escaped.push('\\');
                }
                escaped.push(char);
            });
        }
        rest = after;
    }
    escaped
}

/// Adds the word of a text.
pub fn push_word(into: &mut String, text: &Text, side: Side) {
    match text.pieces.as_slice() {
        [Piece::Literal(text)] if is_bare(text) => into.push_str(text),
        _ => into.push_str(&word(text, side)),
    }
}

/// Whether a text needs no quotes, and can be seen to: what is left open is for `quote` to say.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
}

/// Adds the words of a list of arguments, with a space between.
pub fn push_words(into: &mut String, arguments: &[Argument], side: Side) {
    let start = into.len();
    let gap = |into: &mut String| {
        if into.len() > start {
            into.push(' ');
        }
    };
    for argument in arguments {
        if let (Argument::Spread { name, .. }, Side::Skeleton) = (argument, side) {
            gap(into);
            *into += &format!("${{{name}...}}");
            continue;
        }
        for text in argument.texts() {
            gap(into);
            push_word(into, text, side);
        }
    }
}
