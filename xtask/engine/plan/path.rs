//! Paths of the repository: from where they are written, by way of values and `${repo}`, to where they are below the root.

use camino::{Utf8Path, Utf8PathBuf};

use super::scope::Scope;
use super::{Builtin, Piece, Text};
use ciao_declare::finding::{Code, Finding};
use ciao_declare::template::{Part, Template};
use std::sync::Arc;

/// Stands for `${repo}`: nothing else in a path can hold it.
pub const ROOT: &str = "\0";

/// The path from the root, without `.` and `..`, of one that is written in `folder`; `.` for the root. With [`ROOT`] at its
/// beginning it is taken from there. `None` if it leads out of the repository.
#[must_use]
pub fn located(folder: &Utf8Path, path: &str) -> Option<Utf8PathBuf> {
    match path.strip_prefix(ROOT) {
        None => normalised(&folder.join(path)),
        Some("") => Some(".".into()),
        Some(below) => normalised(Utf8Path::new(below.strip_prefix('/')?.trim_start_matches('/'))),
    }
}

/// The path without `.` and `..`; `.` for the root; `None` if it leads out of it.
#[must_use]
pub fn normalised(path: &Utf8Path) -> Option<Utf8PathBuf> {
    if path.as_str().split('/').all(|part| !["", ".", ".."].contains(&part)) {
        return Some(path.to_owned());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.as_str().split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    if path.is_absolute() {
        return None;
    }
    Some(if parts.is_empty() { ".".into() } else { parts.join("/").into() })
}

impl Text {
    /// The path that it is, from the root, if all of it is known when the plan is made and it does not lead out. Where
    /// nothing is written there is none.
    #[must_use]
    pub fn path(&self) -> Option<Utf8PathBuf> {
        located(Utf8Path::new(""), &self.known_in_repo().filter(|path| !path.is_empty())?)
    }
}

impl Scope<'_> {
    /// A path as written in a file of `folder`, from the root. What begins with a value stays as it is if that may be absolute.
    pub fn path(&mut self, template: &Template, folder: &Utf8Path) -> Text {
        if let [Part::Literal(written)] = template.parts.as_slice() {
            if let Some(normal) = normalised(&folder.join(&**written)) {
                return Text::literal(normal.into_string());
            }
            self.leads_out(template, written);
            return Text::literal(Arc::clone(written));
        }
        let mut text = self.text(template);
        if text.holds_secret() {
            let message = "a secret stands in a path, where anyone on the machine can read it";
            self.report(Code::SecretInArguments, template.span, message, "pass it by `env` or `stdin`");
        }
        if !may_be_absolute(&text) {
            self.rooted(&mut text, template, folder);
        }
        // Known now, and not in the middle of a deployment.
        if let Some(known) = text.known_in_repo()
            && located(Utf8Path::new(""), &known).is_none()
        {
            let shown = known.replace(ROOT, "${repo}");
            self.leads_out(template, &shown);
        }
        text
    }

    /// Puts the folder before what is written in it.
    fn rooted(&mut self, text: &mut Text, template: &Template, folder: &Utf8Path) {
        let written = match text.pieces.first() {
            Some(Piece::Literal(first)) => first.to_string(),
            _ => String::new(),
        };
        // The last part may go on in the next piece, so only what is before it can be made shorter.
        let (head, tail) = written.rsplit_once('/').unwrap_or(("", &*written));
        let Some(normal) = normalised(&folder.join(head)) else {
            return self.leads_out(template, &written);
        };
        let first = if normal == "." { tail.to_owned() } else { format!("{normal}/{tail}") };
        if !written.is_empty() {
            text.pieces.remove(0);
        }
        if !first.is_empty() {
            text.pieces.insert(0, Piece::Literal(first.into()));
        }
    }

    fn leads_out(&mut self, template: &Template, path: &str) {
        let message = format!("`{path}` leads out of the repository");
        let place = self.place(template.span);
        let mut finding = Finding::error(Code::BadValue, place, message, "name something inside the repository");
        if template.as_literal().is_none() {
            // The value is this environment's: another one's may be right.
            finding = finding.only_in(self.environment);
        }
        self.findings.push(finding);
    }
}

/// Whether the first piece of a path may begin at the root of the machine.
fn may_be_absolute(text: &Text) -> bool {
    let Some(mut first) = text.pieces.first() else { return false };
    if matches!(first, Piece::Literal(_)) {
        return false;
    }
    while let Piece::Reference { value, .. } = first {
        match value.first() {
            Some(inner) => first = inner,
            None => return false,
        }
    }
    match first {
        Piece::Builtin(Builtin::Repo | Builtin::Work) | Piece::Output { .. } | Piece::Missing => true,
        Piece::Literal(literal) => literal.starts_with('/'),
        _ => false,
    }
}
