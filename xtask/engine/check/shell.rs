//! Reading shell scripts as far as variables need it: which are read, which are declared, and what is only quoted text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Names that shells set themselves.
const OWN: [&str; 34] = [
    "PWD",
    "OLDPWD",
    "IFS",
    "OPTARG",
    "OPTIND",
    "OPTERR",
    "PPID",
    "UID",
    "EUID",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "LINENO",
    "HOSTNAME",
    "HOSTTYPE",
    "OSTYPE",
    "MACHTYPE",
    "SHLVL",
    "FUNCNAME",
    "PIPESTATUS",
    "REPLY",
    "COLUMNS",
    "LINES",
    "DIRSTACK",
    "GROUPS",
    "SHELLOPTS",
    "MAPFILE",
    "COPROC",
    "HISTFILE",
    "PS1",
    "PS4",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "_",
];

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The variables that are read as `$X` or `${X}`, with every place; without those that are set, and those whose absence
/// the script handles itself anywhere, as by `${X:-…}` or `[ -z "$X" ]`.
#[must_use]
pub fn reads<'t>(text: &'t str, is_set: &dyn Fn(&str) -> bool) -> BTreeMap<&'t str, Vec<Range<usize>>> {
    let bytes = text.as_bytes();
    let mut found: BTreeMap<&str, Vec<Range<usize>>> = BTreeMap::new();
    let mut handled = BTreeSet::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for (at, _) in text.match_indices('$') {
        let braced = bytes.get(at + 1) == Some(&b'{');
        let mut start = at + 1 + usize::from(braced);
        if braced && bytes.get(start).is_some_and(|byte| b"!#".contains(byte)) {
            start += 1;
        }
        let length = bytes[start..].iter().take_while(|byte| is_name(**byte)).count();
        let name = &text[start..start + length];
        if length == 0 || bytes[start].is_ascii_digit() || known.contains(name) {
            continue;
        }
        let escapes = bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 1 || (at > 0 && bytes[at - 1] == b'$') {
            continue;
        }
        if is_set(name) || OWN.contains(&name) || name.starts_with("BASH") || name.starts_with("COMP_") {
            known.insert(name);
            continue;
        }
        let rest = &text[start + length..];
        let defaulted = braced && [":-", "-", ":=", "=", ":+", "+"].iter().any(|sign| rest.starts_with(sign));
        let before = text[..at].trim_end_matches('"');
        let tested = ["-z ", "-n ", "-v "].iter().any(|test| before.ends_with(test));
        if defaulted || tested {
            handled.insert(name);
        } else {
            let end = start + length + usize::from(braced && rest.starts_with('}'));
            found.entry(name).or_default().push(at..end);
        }
    }
    found.retain(|name, _| !handled.contains(name));
    found
}

/// Whether a script gives a variable a value somewhere.
#[must_use]
pub fn is_declared(text: &str, name: &str) -> bool {
    const DECLARING: [&str; 15] = [
        "for",
        "read",
        "local",
        "declare",
        "typeset",
        "export",
        "readonly",
        "select",
        "getopts",
        "mapfile",
        "readarray",
        "printf",
        "let",
        "set",
        "foreach",
    ];
    let bytes = text.as_bytes();
    text.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let rest = &text[at + name.len()..];
        if before.is_some_and(|byte| is_name(byte) || byte == b'$') || rest.bytes().next().is_some_and(is_name) {
            return false;
        }
        let in_braces = before == Some(b'{');
        let assigned =
            (rest.starts_with('=') && !rest.starts_with("==")) || rest.starts_with("+=") || rest.starts_with('[');
        if !in_braces && (assigned || rest.starts_with("++") || text[..at].ends_with("((")) {
            return true;
        }
        let command =
            text[..at].rfind(['\n', ';', '|', '&', '(', '`']).map_or(&text[..at], |start| &text[start + 1..at]);
        !in_braces && command.len() < 500 && command.split_whitespace().any(|word| DECLARING.contains(&word))
    })
}

/// What encloses a byte of a script.
#[derive(Clone, Copy, PartialEq)]
enum Around {
    Double,
    Bracket,
}

/// The parts of a script in which `$X` is text: single quotes, comments, and documents whose end is quoted.
#[must_use]
pub fn dead(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut around: Vec<Around> = Vec::new();
    let mut documents: Vec<(String, bool)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let in_double = around.last() == Some(&Around::Double);
        let start = at;
        match bytes[at] {
            b'\\' => at += 1,
            b'"' if in_double => _ = around.pop(),
            b'"' => around.push(Around::Double),
            b'$' if bytes.get(at + 1) == Some(&b'(') => {
                around.push(Around::Bracket);
                at += 1;
            }
            b'(' if around.last() == Some(&Around::Bracket) => around.push(Around::Bracket),
            b')' if around.last() == Some(&Around::Bracket) => _ = around.pop(),
            b'\'' if !in_double => {
                at = text[at + 1..].find('\'').map_or(bytes.len(), |end| at + 1 + end);
                found.push(start..at);
            }
            b'#' if !in_double && (at == 0 || bytes[at - 1].is_ascii_whitespace() || bytes[at - 1] == b';') => {
                at = text[at..].find('\n').map_or(bytes.len(), |end| at + end);
                found.push(start..at);
                continue;
            }
            b'<' if !in_double && text[at..].starts_with("<<") && !text[at..].starts_with("<<<") => {
                documents.extend(document(&text[at + 2..]));
                at += 1;
            }
            b'\n' => {
                for (end, quoted) in documents.drain(..) {
                    let stop = end_of(text, at + 1, &end);
                    if quoted {
                        found.push(at..stop);
                    }
                    at = stop.saturating_sub(1).max(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The word that ends a document, and whether it is quoted.
fn document(rest: &str) -> Option<(String, bool)> {
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches(' ');
    let quoted = rest.starts_with(['\'', '"', '\\']);
    let word: String = rest
        .trim_start_matches(['\'', '"', '\\'])
        .chars()
        .take_while(|char| char.is_alphanumeric() || "_-.".contains(*char))
        .collect();
    (!word.is_empty()).then_some((word, quoted))
}

/// Where the line ends that holds nothing but the word.
fn end_of(text: &str, from: usize, word: &str) -> usize {
    let mut at = from.min(text.len());
    for line in text[at..].split_inclusive('\n') {
        at += line.len();
        if line.trim() == word {
            break;
        }
    }
    at
}
