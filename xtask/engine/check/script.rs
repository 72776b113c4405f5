//! Reading files in other languages as far as the rules need it: what kind of file it is, and what in it is a comment.
//!
//! No parser of any language: a line and what is quoted in it.

use std::ops::Range;

use camino::Utf8Path;

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Shell,
    Python,
    Sql,
    Json,
    /// With `//` and `/* */`.
    Slashes,
    /// XML and HTML.
    Markup,
    /// With `;` and `#`.
    Ini,
    /// Prose, which is not searched.
    Markdown,
    /// Tables and text without comments.
    Data,
    /// YAML, TOML, Dockerfiles and anything else: `#`.
    Other,
}

/// The language of a file, by its first line, else by its name.
#[must_use]
pub fn language(path: &Utf8Path, text: &str) -> Language {
    // What the first line says is what runs it.
    let first = text.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap_or_default();
    let mut programs = first.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    match programs.find(|word| *word != "env" && !word.starts_with('-')).unwrap_or_default() {
        "sh" | "bash" | "dash" | "ksh" | "zsh" | "ash" => return Language::Shell,
        program if program.starts_with("python") => return Language::Python,
        "node" | "deno" | "bun" => return Language::Slashes,
        // Some other language: where its comments are is a guess, what its variables are is none of ours.
        program if !program.is_empty() => return Language::Other,
        _ => {}
    }
    match path.extension().unwrap_or_default() {
        "sh" | "bash" | "ksh" | "zsh" | "dash" => Language::Shell,
        "py" => Language::Python,
        "sql" | "psql" | "lua" | "hs" => Language::Sql,
        "json" => Language::Json,
        "js" | "mjs" | "cjs" | "ts" | "go" | "rs" | "java" | "kt" | "c" | "h" | "cpp" | "cs" | "php" | "groovy"
        | "css" | "scss" | "jsonc" | "json5" | "swift" | "scala" => Language::Slashes,
        "xml" | "html" | "htm" | "svg" | "xsd" | "xsl" | "vue" => Language::Markup,
        "ini" | "cfg" => Language::Ini,
        "md" | "markdown" | "rst" | "adoc" => Language::Markdown,
        "txt" | "csv" | "tsv" | "log" | "patch" | "diff" => Language::Data,
        _ => Language::Other,
    }
}

/// The parts of a text that are comments over several lines, in order.
#[must_use]
pub fn blocks(language: Language, text: &str) -> Vec<Range<usize>> {
    let pairs: &[(&str, &str)] = match language {
        Language::Sql | Language::Slashes => &[("/*", "*/")],
        Language::Markup => &[("<!--", "-->")],
        Language::Python => &[("\"\"\"", "\"\"\""), ("'''", "'''")],
        _ => &[],
    };
    let mut found = Vec::new();
    for (open, close) in pairs {
        let mut from = 0;
        while let Some(start) = text[from..].find(open).map(|at| from + at) {
            let end =
                text[start + open.len()..].find(close).map_or(text.len(), |at| start + open.len() + at + close.len());
            let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
            // A string that is not assigned or given to anything is documentation.
            if language != Language::Python || text[line_start..start].trim().is_empty() {
                found.push(start..end);
            }
            from = end;
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// Whether a byte of a text lies in one of the ranges, which are in order.
#[must_use]
pub fn within(ranges: &[Range<usize>], at: usize) -> bool {
    let after = ranges.partition_point(|range| range.start <= at);
    ranges[..after].iter().rev().take(2).any(|range| range.contains(&at))
}

/// Where the comment of a line begins.
#[must_use]
pub fn comment(language: Language, line: &str) -> Option<usize> {
    let (leaders, spaced): (&[&str], bool) = match language {
        Language::Shell | Language::Other => (&["#"], true),
        Language::Python => (&["#"], false),
        Language::Sql => (&["--"], false),
        Language::Slashes => (&["//"], false),
        Language::Ini => (&["#", ";"], true),
        Language::Json | Language::Markup | Language::Markdown | Language::Data => return None,
    };
    if !leaders.iter().any(|leader| line.contains(leader)) {
        return None;
    }
    let bytes = line.as_bytes();
    let mut quote = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' && quote != Some(b'\'') => at += 1,
            Some(open) if open == byte => quote = None,
            Some(_) => {}
            None if byte == b'\\' => at += 1,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None => {
                let before = at.checked_sub(1).map(|before| bytes[before]);
                let starts = match before {
                    None => true,
                    Some(before) if spaced => before.is_ascii_whitespace() || before == b';',
                    Some(before) => before != b':',
                };
                if starts && leaders.iter().any(|leader| bytes[at..].starts_with(leader.as_bytes())) {
                    return Some(at);
                }
            }
        }
        at += 1;
    }
    None
}

/// Whether a byte of a line stands in quotes.
#[must_use]
pub fn is_quoted(line: &str, at: usize) -> bool {
    let mut quote = None;
    for byte in line.as_bytes()[..at].iter().copied() {
        match quote {
            Some(open) if open == byte => quote = None,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            _ => {}
        }
    }
    quote.is_some()
}

/// The line around a place: where it begins, and its text.
#[must_use]
pub fn line_at(text: &str, at: usize) -> (usize, &str) {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    (start, &text[start..end])
}
