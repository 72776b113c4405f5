//! Edits of TOML files that belong to somebody else: an insertion at a place that the parser names, and not a byte more,
//! so that comments, order and line ends stay as they are.
//!
//! Pure: text in, text out. It knows TOML and nothing of what the files mean. A crate for editing would be five crates more.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

type Value<'i> = toml::Spanned<DeValue<'i>>;

/// A parsed file.
pub struct Document<'i> {
    text: &'i str,
    table: DeTable<'i>,
}

impl<'i> Document<'i> {
    /// # Errors
    /// If it is not TOML: the line and why.
    pub fn parse(text: &'i str) -> Result<Document<'i>, String> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Document { text, table: table.into_inner() }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                Err(format!("line {}: {}", 1 + text[..at.min(text.len())].matches('\n').count(), error.message()))
            }
        }
    }

    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<&Value<'i>> {
        let (last, tables) = path.split_last()?;
        let mut table = &self.table;
        for name in tables {
            table = table.get(*name)?.get_ref().as_table()?;
        }
        table.get(*last)
    }

    #[must_use]
    pub fn has(&self, path: &[&str]) -> bool {
        self.get(path).is_some()
    }

    #[must_use]
    pub fn string(&self, path: &[&str]) -> Option<&str> {
        self.get(path)?.get_ref().as_str()
    }

    /// The strings of a list.
    #[must_use]
    pub fn strings(&self, path: &[&str]) -> Vec<&str> {
        let items = self.get(path).and_then(|value| value.get_ref().as_array());
        items.into_iter().flat_map(|items| items.iter()).filter_map(|item| item.get_ref().as_str()).collect()
    }

    /// The keys of a table, sorted.
    #[must_use]
    pub fn keys(&self, path: &[&str]) -> Vec<String> {
        let table = self.get(path).and_then(|value| value.get_ref().as_table());
        table.into_iter().flat_map(|table| table.iter()).map(|(key, _)| key.get_ref().to_string()).collect()
    }

    /// The `[[key]]` tables in their order: the name that `name` holds in each, and the bytes of each, comments directly
    /// above it included.
    #[must_use]
    pub fn tables(&self, key: &str, name: &str) -> Vec<(Option<String>, Range<usize>)> {
        let items = self.get(&[key]).and_then(|value| value.get_ref().as_array());
        let items = items.into_iter().flat_map(|items| items.iter());
        items
            .map(|item| {
                let named = item.get_ref().as_table().and_then(|table| table.get(name)?.get_ref().as_str());
                (named.map(str::to_owned), self.with_comments(item.span().start)..self.end_of_line(end(item)))
            })
            .collect()
    }

    /// Each table with a header that begins with `[prefix`: the header, and the bytes of its lines with the comments directly above.
    #[must_use]
    pub fn sections(&self, prefix: &str) -> Vec<(&'i str, Range<usize>)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.text[from..].find(&format!("\n[{prefix}")).map(|at| from + at + 1) {
            let header = self.text[at..].lines().next().unwrap_or_default().trim_end();
            let next = self.text[at..].find("\n[").map_or(self.text.len(), |next| self.with_comments(at + next + 1));
            let start = self.with_comments(at);
            found.push((header, start..start + self.text[start..next].trim_end().len()));
            from = at;
        }
        found
    }

    /// The text with a string added at the end of the list at `path`, which must be there.
    #[must_use]
    pub fn with_item(&self, path: &[&str], item: &str) -> Option<String> {
        let list = self.get(path)?;
        let span = list.span();
        let item = quoted(item);
        let Some(last) = list.get_ref().as_array()?.iter().last().map(Value::span) else {
            return Some(insert(self.text, &[(span.start + 1, item)]));
        };
        let tail = &self.text[last.end..span.end];
        let line = &self.text[self.start_of_line(last.start)..last.start];
        let comma = before_comment(tail).find(',');
        if !line.trim().is_empty() || !tail.contains('\n') {
            // On one line, or the last of several on it.
            return Some(insert(self.text, &[(last.end, format!(", {item}"))]));
        }
        let end = last.end + tail.find(['\r', '\n']).unwrap_or_default();
        Some(match comma {
            Some(_) => insert(self.text, &[(end, format!("\n{line}{item},"))]),
            None => insert(self.text, &[(last.end, ",".to_owned()), (end, format!("\n{line}{item}"))]),
        })
    }

    /// The text with `key = value` added to the table `name` at the top; the table is made if it is not there.
    #[must_use]
    pub fn with_key(&self, name: &str, key: &str, value: &str) -> String {
        let assignment = format!("{key} = {value}");
        let span = self.get(&[name]).map(Value::span);
        let Some(span) = span else { return with_block(self.text, &format!("[{name}]\n{assignment}\n")) };
        let line = &self.text[self.start_of_line(span.start)..];
        match &self.text[span.clone()] {
            header if header.starts_with('[') => {
                let end = self.end_of_line(span.end);
                let newline = if self.text[..end].ends_with('\n') { "" } else { "\n" };
                insert(self.text, &[(end, format!("{newline}{assignment}\n"))])
            }
            inline if inline.starts_with('{') => {
                let comma = if inline[1..].trim_start().starts_with('}') { " " } else { "," };
                insert(self.text, &[(span.start + 1, format!(" {assignment}{comma}"))])
            }
            // Known from `[name.other]` only.
            _ if line.trim_start().starts_with('[') => with_block(self.text, &format!("[{name}]\n{assignment}\n")),
            // Known from `name.other = …`.
            _ => insert(self.text, &[(self.start_of_line(span.start), format!("{name}.{assignment}\n"))]),
        }
    }

    /// The text with a block of lines after the last of the `[[key]]` tables and the comments that belong to it; at the end
    /// if there are none.
    #[must_use]
    pub fn with_table(&self, key: &str, block: &str) -> String {
        let Some((_, lines)) = self.tables(key, "").pop() else { return with_block(self.text, block) };
        let rest = &self.text[lines.end..];
        let comments = rest.split_inclusive('\n').take_while(|line| line.trim_start().starts_with('#'));
        let after = lines.end + comments.map(str::len).sum::<usize>();
        // Comments directly above something else are about that.
        let next = self.text[after..].lines().next().unwrap_or_default();
        let at = if next.trim().is_empty() { after } else { lines.end };
        insert(self.text, &[(at, format!("{}\n{block}", self.newline(at)))])
    }

    /// Whether the tables of a list are written in one, `key = [{ … }]`, which `[[key]]` cannot be added to.
    #[must_use]
    pub fn is_inline(&self, key: &str) -> bool {
        let items = self.get(&[key]).and_then(|value| value.get_ref().as_array());
        items.is_some_and(|items| items.iter().all(|item| self.text[item.span()].starts_with('{')))
    }

    /// The text with a block of lines and a blank one at a place.
    #[must_use]
    pub fn with_lines(&self, at: usize, block: &str) -> String {
        insert(self.text, &[(at, format!("{block}\n"))])
    }

    /// The bytes of the line of a key and of the comments directly above it.
    #[must_use]
    pub fn lines_of(&self, path: &[&str]) -> Option<Range<usize>> {
        let value = self.get(path)?;
        Some(self.with_comments(self.start_of_line(value.span().start))..self.end_of_line(end(value)))
    }

    fn newline(&self, at: usize) -> &'static str {
        if self.text[..at].ends_with('\n') { "" } else { "\n" }
    }

    fn start_of_line(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn end_of_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// The beginning of the comment lines directly above.
    fn with_comments(&self, at: usize) -> usize {
        let mut start = self.start_of_line(at);
        while start > 0 {
            let above = self.start_of_line(start - 1);
            if !self.text[above..start].trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        start
    }
}

/// Where a value ends, with everything in it.
fn end(value: &Value<'_>) -> usize {
    let inner = match value.get_ref() {
        DeValue::Array(items) => items.iter().map(end).max(),
        DeValue::Table(table) => table.iter().map(|(_, value)| end(value)).max(),
        _ => None,
    };
    inner.unwrap_or_default().max(value.span().end)
}

/// A list's tail without the comments in it, of the same length up to the first one.
fn before_comment(tail: &str) -> &str {
    tail.split('#').next().unwrap_or_default()
}

/// The header above them.
pub const SETTINGS: &str = "[profile.dev.package]";

/// How packages of the engine and what it depends on are built: a `Cargo.toml` with the lines of ours that it has not, with the
/// comments above them. How everything else in a workspace is built is its owner's to say.
#[must_use]
pub fn with_settings(text: &str, ours: &str) -> String {
    const TABLE: [&str; 3] = ["profile", "dev", "package"];
    let Ok(theirs) = Document::parse(text) else { return text.to_owned() };
    let (mut missing, mut comment) = (String::new(), String::new());
    let lines = ours.lines().skip_while(|line| line.trim() != SETTINGS).skip(1);
    for line in lines.take_while(|line| !line.starts_with('[')) {
        let key = line.split(" = ").next().unwrap_or_default();
        if line.starts_with('#') {
            comment += &format!("{line}\n");
        } else if key.is_empty() || theirs.has(&TABLE.into_iter().chain(key.split('.')).collect::<Vec<_>>()) {
            comment.clear();
        } else {
            missing += &format!("{}{line}\n", std::mem::take(&mut comment));
        }
    }
    if missing.is_empty() {
        return text.to_owned();
    }
    let header = text.lines().position(|line| line.trim() == SETTINGS);
    let added = match header.map(|line| text.split_inclusive('\n').take(line + 1).map(str::len).sum::<usize>()) {
        Some(end) => insert(text, &[(end, format!("{}{missing}", theirs.newline(end)))]),
        None => with_block(text, &format!("{SETTINGS}\n{missing}")),
    };
    // Where the table is written in another way, it cannot have one more line here: it is slower without, and nothing else.
    if Document::parse(&added).is_ok() { added } else { text.to_owned() }
}

/// The text with one more line at its end, in its line ends.
#[must_use]
pub fn with_line(text: &str, line: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    format!("{text}{gap}{line}{end}")
}

/// A string as TOML writes it: the escapes of JSON are TOML's too.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text with a block of lines at its end, a blank line between.
#[must_use]
pub fn with_block(text: &str, block: &str) -> String {
    let gap = match text {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    insert(text, &[(text.len(), format!("{gap}{block}"))])
}

/// The text with each insertion at its place, in the line ends of the text. Places rise.
fn insert(text: &str, insertions: &[(usize, String)]) -> String {
    let windows = text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r'));
    let mut edited = String::new();
    let mut from = 0;
    for (at, inserted) in insertions {
        edited.push_str(&text[from..*at]);
        edited.push_str(&if windows { inserted.replace('\n', "\r\n") } else { inserted.clone() });
        from = *at;
    }
    edited + &text[from..]
}

/// The text without some of its lines, and without a blank line too many where they stood.
#[must_use]
pub fn without(text: &str, mut lines: Vec<Range<usize>>) -> String {
    lines.sort_by_key(|range| range.start);
    let mut left = String::new();
    let mut from = 0;
    for range in lines {
        left.push_str(&text[from..range.start]);
        from = range.end;
        if left.ends_with("\n\n") && text[from..].starts_with('\n') {
            from += 1;
        }
    }
    left + &text[from..]
}
