//! What the name of an environment looks like where it is meant: a side of a comparison, what is assigned, a default, a
//! `case`, a whole string, the last part of a file's name. `test` alone is a program of the system, and `dev` a folder.

use std::ops::Range;

use super::script::Language;
use super::walk::{self, Role, Spot, Visitor};
use ciao_declare::Declarations;
use ciao_declare::finding::{Code, Finding, Place, Severity};
use ciao_declare::template::{Part, Template};

/// The kinds of file that hold values, or are run for one environment.
const EXTENSIONS: [&str; 26] = [
    "yaml",
    "yml",
    "json",
    "toml",
    "env",
    "conf",
    "cfg",
    "cnf",
    "ini",
    "properties",
    "tfvars",
    "hcl",
    "tf",
    "xml",
    "sql",
    "sh",
    "bash",
    "txt",
    "j2",
    "tpl",
    "tmpl",
    "html",
    "crt",
    "pem",
    "key",
    "config",
];

/// The finding for a name at a place; `text` is what it stands in.
#[must_use]
pub fn finding(severity: Severity, place: Place, name: &str, text: &str, range: &Range<usize>) -> Finding {
    let in_path = in_path(text, range) || is_folder(text, range);
    let message = format!("the name of environment `{name}` decides something here");
    let help = if in_path {
        "write its values into the environments' files, where they are checked, and name no file by an environment"
    } else {
        "declare a parameter for what differs, such as `debug = { type = \"boolean\" }`, and use its value here"
    };
    let finding = Finding::error(Code::EnvironmentName, place, message, help).label("an environment's name").of(name);
    Finding { severity, ..finding }
}

/// Whether a part of a string in TOML means an environment.
#[must_use]
pub fn is_meant_in_string(text: &str, at: &Range<usize>) -> bool {
    let assigned =
        text[..at.start].ends_with('=') && (at.end == text.len() || text[at.end..].starts_with([',', ' ', '&']));
    assigned || in_path(text, at) || is_folder(text, at)
}

/// `overlays/prod`, `prod/values.yaml`: a folder at the end or the beginning of a whole string. `test` and `dev` are folders
/// of many repositories that have nothing to do with an environment, and with a dot before the first slash it is a host.
fn is_folder(text: &str, at: &Range<usize>) -> bool {
    // `--file=prod/values.yaml`.
    let start = text[..at.start].rfind('=').map_or(0, |sign| sign + 1);
    let (head, tail) = (&text[start..at.start], &text[at.end..]);
    let is_path = !text.contains(char::is_whitespace) && !is_address(head) && head != "/";
    let is_last = tail.trim_end_matches('/').is_empty() && head.ends_with('/');
    let is_first = head.is_empty() && tail.starts_with('/') && has_extension(tail);
    is_path && (is_last || is_first) && !["test", "dev"].contains(&&text[at.clone()])
}

/// Whether what a path begins with is rather a URL, or the host of an image.
fn is_address(head: &str) -> bool {
    let first = head.split_once('/').map_or("", |(first, _)| first);
    head.contains("//") || first.contains(':') || first.trim_start_matches('.').contains('.')
}

fn has_extension(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

/// Whether a name in a line of a file means an environment.
#[must_use]
pub fn is_meant(language: Language, line: &str, at: &Range<usize>) -> bool {
    let (before, after) = (&line[..at.start], &line[at.end..]);
    let quote = before.chars().next_back().filter(|char| "\"'".contains(*char));
    let closed = quote.is_some_and(|quote| after.starts_with(quote));
    if closed {
        // A key of JSON names something in its own language.
        return language != Language::Json || !after[1..].trim_start().starts_with(':');
    }
    let ends = after.chars().next().is_none_or(|char| char.is_whitespace() || ";,)]}|&".contains(char));
    (ends && (is_assigned(language, before, after) || is_compared(before, after)))
        || is_default(before, after)
        || (language == Language::Shell && is_case(before, after))
        || in_path(line, at)
}

fn is_assigned(language: Language, before: &str, after: &str) -> bool {
    let is_value = match language {
        Language::Markup | Language::Data | Language::Sql | Language::Python | Language::Slashes => false,
        Language::Shell => before.ends_with('=') && !before.ends_with("=="),
        Language::Json | Language::Ini | Language::Other | Language::Markdown => {
            before.trim_end().ends_with('=') || before.ends_with(": ")
        }
    };
    // The value is all there is; a word of a sentence is not.
    let word = after.split([';', '|', '&', '}', ',', ')']).next().unwrap_or_default();
    is_value && (language == Language::Shell || word.trim().is_empty() || word.trim_start().starts_with('#'))
}

fn is_compared(before: &str, after: &str) -> bool {
    let left = before.trim_end();
    let right = after.trim_start();
    let spaced = left.len() < before.len();
    (spaced
        && ["==", "!=", "=~", " =", "<>"].iter().any(|sign| left.ends_with(sign))
        && left.contains(['[', '$', '"', '(']))
        || (right.starts_with("==") || right.starts_with("!=") || right.starts_with("= \"$"))
}

fn is_default(before: &str, after: &str) -> bool {
    let from = before.rfind("${").map(|at| &before[at..]);
    after.starts_with('}') && from.is_some_and(|from| from.ends_with('-') || from.ends_with(":="))
}

/// `dev|test)`, `(prod)`: nothing but alternatives up to the bracket.
fn is_case(before: &str, after: &str) -> bool {
    let rest = after.trim_start();
    let Some(end) = rest.find(')') else { return false };
    let is_list = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" |\"'-_*".contains(&byte));
    let first = before.trim_start().trim_start_matches('(');
    // `case $X in prod) …` on one line.
    let first = if first.starts_with("case ") { first.rsplit_once(" in ").map_or("", |(_, rest)| rest) } else { first };
    is_list(&rest[..end])
        && is_list(first)
        && (first.trim().is_empty() || first.trim_end().ends_with('|'))
        && (rest[..end].is_empty() || rest.starts_with('|'))
}

/// Whether a name is the last part of a file's stem or of a folder: `values-prod.yaml`, `config/prod/app.conf`.
#[must_use]
pub fn in_path(text: &str, at: &Range<usize>) -> bool {
    let is_path = |char: char| char.is_alphanumeric() || "-_./${}~".contains(char);
    let before = &text[..at.start];
    let start =
        before.char_indices().rev().take_while(|(_, char)| is_path(*char)).last().map_or(at.start, |(at, _)| at);
    let after = &text[at.end..];
    let end = after.find(|char: char| !is_path(char)).unwrap_or(after.len());
    let (head, tail) = (&text[start..at.start], &after[..end]);
    // `https://prod.example/`: a host, or a part of a URL.
    if before[..start].ends_with(':') || head.contains("//") {
        return false;
    }
    let parts_word = head.is_empty() || head.ends_with(['-', '_', '.', '/']);
    let extension = tail.strip_prefix('.').map(|rest| rest.split(['/', '.']).next().unwrap_or_default());
    if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
        // `test.sh` is a test.
        return parts_word && !(head.is_empty() || head.ends_with('/')) || (parts_word && &text[at.clone()] != "test");
    }
    let is_folder = tail.starts_with('/') && tail.len() > 1 && head.ends_with(['/', '-', '_']);
    let is_system = head == "/" || head.ends_with("src/");
    let is_env_file = tail.is_empty() && head.ends_with(".env.");
    (is_folder && !is_system) || is_env_file
}

/// Finds `environment-file`: a path made from the name of the environment.
pub fn environment_files(declarations: &Declarations, findings: &mut Vec<Finding>) {
    walk::everything(declarations, &mut Paths { findings });
}

struct Paths<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Visitor for Paths<'_> {
    fn spot(&mut self, spot: &Spot<'_>) {
        if matches!(spot.role, Role::Constant(_) | Role::Item) {
            return;
        }
        for (index, part) in spot.parts.iter().enumerate() {
            let Part::Reference { name, span, .. } = part else { continue };
            if &**name != "environment" {
                continue;
            }
            let literal = |part: Option<&Part>| match part {
                Some(Part::Literal(text)) => text.to_string(),
                _ => String::new(),
            };
            let before = literal(index.checked_sub(1).and_then(|before| spot.parts.get(before)));
            let after = literal(spot.parts.get(index + 1));
            // Below a folder that is itself a value, or made while it is deployed, no file of the repository is chosen.
            let below = spot.parts[..index]
                .iter()
                .any(|part| matches!(part, Part::Reference { name, .. } if &**name != "repo"));
            let ends = index + 1 == spot.parts.len() || after == "/";
            let is_path = match spot.role {
                Role::Script | Role::StdinFile => true,
                Role::Cwd => !below,
                _ if (below && before.starts_with('/')) || is_elsewhere(spot.role) => false,
                Role::Argument(..) | Role::ScriptArgument(..) if ends => ends_path(&before),
                _ => makes_path(&before, &after),
            };
            if is_path {
                let place = Place { file: spot.file.clone(), span: *span };
                self.findings.push(environment_file(place, spot.step.map(|step| step.name.value.to_string())));
            }
        }
    }
}

pub fn environment_file(place: Place, step: Option<String>) -> Finding {
    let message = "a file is chosen by the name of the environment: no check sees the values in it";
    let help = "declare its values as parameters, and write the file from them, or make the path itself a parameter";
    let finding = Finding::warning(Code::EnvironmentFile, place, message, help);
    Finding { of: step, ..finding }
}

/// Whether what stands before and after a name makes it a part of a file of values.
fn makes_path(before: &str, after: &str) -> bool {
    let tail = after.split(|char: char| char.is_whitespace() || "\"';,)".contains(char)).next().unwrap_or_default();
    !before.contains("//") && has_extension(tail)
}

/// Whether a name that ends a string is a folder of the repository: `overlays/`; not one of the machine, where things are put.
fn ends_path(before: &str) -> bool {
    let head = before.rsplit_once('=').map_or(before, |(_, head)| head);
    head.ends_with('/') && !head.starts_with('/') && !is_address(head)
}

/// Branches, tags and images look like paths, and are none.
fn is_elsewhere(role: Role<'_>) -> bool {
    let Role::Argument(all, _) = role else { return false };
    let program = all.first().and_then(Template::as_literal);
    program.is_some_and(|program| ["git", "docker", "podman", "buildah", "skopeo", "crane"].contains(&program))
}

/// `environment-file` in a script: `values-$CIAO_ENVIRONMENT.yaml`.
pub fn environment_files_in(text: &str, variable: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(variable) {
        let before = &text[..at];
        let start = if before.ends_with("${") {
            at - 2
        } else if before.ends_with('$') {
            at - 1
        } else {
            continue;
        };
        let end = at + variable.len();
        let after = &text[end..];
        let (end, after) = match after.strip_prefix('}') {
            Some(after) if start + 2 == at => (end + 1, after),
            _ if start + 2 == at || after.starts_with(|char: char| char.is_alphanumeric() || char == '_') => continue,
            _ => (end, after),
        };
        let word = text[..start].rfind(|char: char| char.is_whitespace()).map_or(0, |at| at + 1);
        let after = after.strip_prefix('"').unwrap_or(after);
        if makes_path(text[word..start].trim_start_matches(['"', '\'']), after) {
            found.push(start..end);
        }
    }
    found
}
