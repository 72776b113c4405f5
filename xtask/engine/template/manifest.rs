//! The manifest of the xtask belongs to both, its owner and the engine. git merges it by lines; the dependencies are merged by
//! their names here, for both write lines side by side there.
//!
//! Pure: text in, text out.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::edit::{Document, with_block};

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A dependency as its owner wrote it, where it is not as it was copied.
pub struct Own {
    table: &'static str,
    name: String,
    /// With the comments above it.
    lines: String,
}

/// The text of a manifest with the dependencies as they were copied, and what its owner had written of them.
#[must_use]
pub fn apart(there: &str, base: &str) -> Option<(String, Vec<Own>)> {
    let (theirs, copied) = (Document::parse(there).ok()?, Document::parse(base).ok()?);
    let (mut text, mut own) = (there.to_owned(), Vec::new());
    for table in TABLES {
        let (Some(now), Some(once)) = (section(&theirs, table), section(&copied, table)) else { continue };
        for name in theirs.keys(&[table]) {
            let Some(lines) = theirs.lines_of(&[table, &name]).filter(|lines| now.contains(&lines.start)) else {
                continue;
            };
            let before = copied.lines_of(&[table, &name]).map(|lines| bare(&base[lines]));
            if before != Some(bare(&there[lines.clone()])) {
                own.push(Own { table, name, lines: there[lines].trim_end().to_owned() + "\n" });
            }
        }
        text = text.replacen(&there[now], &base[once], 1);
    }
    Some((text, own))
}

/// The merged text with what its owner had written. `base` is what was copied, `ours` what is copied now.
///
/// # Errors
/// What stands against what, where both have changed a dependency in other ways.
pub fn joined(merged: &str, own: &[Own], there: &str, base: &str, ours: &str) -> Result<String, String> {
    let mut text = merged.to_owned();
    for Own { table, name, lines } in own {
        let path = [table, name.as_str()];
        let of = |text: &str| -> Option<String> { Some(text[Document::parse(text).ok()?.lines_of(&path)?].to_owned()) };
        let (copied, now) = (of(base), of(ours));
        let same = now.as_deref().map(bare) == copied.as_deref().map(bare);
        let joined = Document::parse(&text).ok().and_then(|document| match (&now, document.lines_of(&path)) {
            (Some(now), _) if bare(now) == bare(lines) => Some(text.clone()),
            // The comments above it are the engine's unless its owner has written others.
            (Some(_), Some(at)) if same && copied.as_deref().map(comments) == Some(comments(lines)) => {
                let start = at.start + comments(&text[at.clone()]).len();
                Some(format!("{}{}{}", &text[..start], &lines[comments(lines).len()..], &text[at.end..]))
            }
            (Some(_), Some(at)) if same => Some(format!("{}{lines}{}", &text[..at.start], &text[at.end..])),
            (Some(_), Some(_)) => with_features(&text, &path, there, base),
            _ => Some(match section(&document, table) {
                Some(section) => format!("{}\n{}{}", &text[..section.end], lines.trim_end(), &text[section.end..]),
                None => with_block(&text, &format!("[{table}]\n{lines}")),
            }),
        });
        text = joined.filter(|text| Document::parse(text).is_ok()).ok_or_else(|| {
            let (copied, now) = (copied.unwrap_or_default(), now.unwrap_or_default());
            format!(
                "<<<<<<< edited there\n{lines}||||||| as copied\n{copied}=======\n{now}>>>>>>> this version\n(1 place)"
            )
        })?;
    }
    Ok(text)
}

/// Where the lines of a table are, its header included.
fn section(document: &Document<'_>, table: &str) -> Option<Range<usize>> {
    let found = document.sections(&format!("{table}]"));
    found.into_iter().next().map(|(_, lines)| lines)
}

/// The comments above a dependency.
fn comments(lines: &str) -> &str {
    let comments = lines.split_inclusive('\n').take_while(|line| line.trim_start().starts_with('#'));
    &lines[..comments.map(str::len).sum()]
}

/// Its lines without them.
fn bare(lines: &str) -> &str {
    lines[comments(lines).len()..].trim()
}

/// The text with the features that its owner had added to a dependency, if they had changed nothing else of it.
fn with_features(text: &str, path: &[&str], there: &str, base: &str) -> Option<String> {
    let (theirs, copied) = (Document::parse(there).ok()?, Document::parse(base).ok()?);
    let asked = |text: &str, value: &Spanned<DeValue<'_>>| -> Vec<(String, String)> {
        let Some(table) = value.get_ref().as_table() else {
            return vec![("version".to_owned(), text[value.span()].to_owned())];
        };
        let all = table.iter().map(|(key, value)| (key.get_ref().to_string(), text[value.span()].to_owned()));
        all.filter(|(key, _)| key != "features").collect()
    };
    if asked(there, theirs.get(path)?) != asked(base, copied.get(path)?) {
        return None;
    }
    let features = [path, &["features"]].concat();
    let before = copied.strings(&features);
    let mut text = text.to_owned();
    for added in theirs.strings(&features).into_iter().filter(|feature| !before.contains(feature)) {
        let document = Document::parse(&text).ok()?;
        if !document.strings(&features).contains(&added) {
            text = document.with_item(&features, added)?;
        }
    }
    Some(text)
}
