//! A process as one line that can be pasted into a shell, from the root of the repository.
//!
//! Pure. It knows no secret: they stand in the line as variables.

use std::collections::BTreeMap;

use ciao_plan::{Action, Argument, EnvValue, Piece, Stdin, Text, Tree};
use ciao_show::word::quote;

/// What `piece` stands for, if it may be shown; otherwise a variable stands for it.
pub type Known<'k> = &'k dyn Fn(&Piece) -> Option<String>;

/// `cd db && PGPASSWORD="$DATABASE_PASSWORD" psql --file data.sql`.
#[must_use]
pub fn shell_line(
    action: &Action,
    stdin: Option<&Stdin>,
    env: &BTreeMap<&str, &EnvValue>,
    cwd: &Text,
    known: Known<'_>,
) -> String {
    let mut line = String::new();
    let folder = quoted(cwd, known);
    if folder != "." && !folder.is_empty() {
        line = format!("cd {folder} && ");
    }
    let mut words: Vec<String> = Vec::new();
    for (name, value) in env {
        words.push(match value {
            EnvValue::Text(text) => format!("{name}={}", quoted(text, known)),
            EnvValue::File(_) => format!("{name}=\"${name}\""),
        });
    }
    // Paths are from the root, and so must be the folder then.
    let from_root = |path: &Text| {
        let path = quoted(path, known);
        if line.is_empty() || path.starts_with('/') { path } else { format!("\"$OLDPWD\"/{path}") }
    };
    match action {
        Action::Run(arguments) => words.extend(arguments_of(arguments, known)),
        Action::Script { path, args } => {
            words.push(from_root(path));
            words.extend(arguments_of(args, known));
        }
        Action::Task { name, with } => {
            let json = quoted(&Text { pieces: vec![Piece::Literal(tree(with, known).into())] }, known);
            return format!("printf %s {json} | {} cargo xtask __task {name}", words.join(" ")).replace("|  ", "| ");
        }
    }
    match stdin {
        Some(Stdin::Text(text)) => words.push(format!("< <(printf %s {})", quoted(text, known))),
        Some(Stdin::File(path)) => words.extend(["<".to_owned(), from_root(path)]),
        None => {}
    }
    line + &words.join(" ")
}

fn arguments_of(arguments: &[Argument], known: Known<'_>) -> Vec<String> {
    arguments.iter().flat_map(Argument::texts).map(|text| quoted(text, known)).collect()
}

/// One word of the shell, whatever is in it.
fn quoted(text: &Text, known: Known<'_>) -> String {
    let (mut out, mut literal) = (String::new(), String::new());
    pieces(&text.pieces, known, &mut |part| match part {
        Ok(text) => literal.push_str(&text),
        Err(variable) => {
            if !literal.is_empty() {
                out.push_str(&quote(&std::mem::take(&mut literal)));
            }
            out.push_str(&format!("\"${variable}\""));
        }
    });
    if !literal.is_empty() || out.is_empty() {
        out.push_str(&quote(&literal));
    }
    out
}

/// Every piece as text, or as the name of a variable.
fn pieces(all: &[Piece], known: Known<'_>, take: &mut dyn FnMut(Result<String, String>)) {
    for piece in all {
        match piece {
            Piece::Literal(text) => take(Ok(text.to_string())),
            Piece::Reference { value, .. } => pieces(value, known, take),
            Piece::Secret(name) => take(Err(variable(name))),
            Piece::Output { path, .. } => {
                take(known(piece).ok_or_else(|| variable(&format!("output {}", path.join(" ")))))
            }
            Piece::Builtin(builtin) => take(known(piece).ok_or_else(|| variable(&format!("{builtin:?}")))),
            Piece::Missing => {}
        }
    }
}

/// `database.password` is `DATABASE_PASSWORD`.
fn variable(name: &str) -> String {
    let char = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' };
    name.trim().chars().map(char).collect()
}

fn tree(tree: &Tree, known: Known<'_>) -> String {
    let text = |text: &Text| {
        let mut out = String::new();
        pieces(&text.pieces, known, &mut |part| {
            out.push_str(&part.unwrap_or_else(|variable| format!("<{variable}>")));
        });
        out.into()
    };
    tree.to_json(&text, &|_, _| None).to_string()
}
