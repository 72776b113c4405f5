//! Searching the pipelines, scripts and other files for values and names of environments.
//!
//! It knows where a match stands. What is searched for is `value`'s, what the name of an environment looks like `name`'s.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use camino::Utf8Path;

use super::name;
use super::script::{self, Language, blocks, language, line_at, within};
use super::value::{Needle, Needles, Weight};
use super::walk::{self, Role, Spot, Visitor};
use ciao_declare::Declarations;
use ciao_declare::finding::{Code, Finding, Place, Severity, Span, listed};
use ciao_declare::parameter::Parameter;
use ciao_declare::sources::Sources;
use ciao_declare::template::Part;

/// More than these in one file say nothing new.
const MOST: usize = 50;

/// Finds `hard-coded-value` and `environment-name` everywhere.
pub fn search(declarations: &Declarations, sources: &Sources, findings: &mut Vec<Finding>) {
    if declarations.orchestration.environments.len() < 2 {
        return;
    }
    let needles = Needles::new(declarations);
    let variables = Variables::of(declarations);
    let mut toml = Toml { needles: &needles, ways: &variables.ways, sources, findings };
    walk::everything(declarations, &mut toml);
    for (path, text) in sources.nearby.iter().filter_map(|(path, content)| Some((path, content.text()?))) {
        let mut found = file(path, text, &needles, &variables);
        let more = found.len().saturating_sub(MOST);
        found.truncate(MOST);
        if let (Some(last), true) = (found.last_mut(), more > 0) {
            last.notes.push(format!("and {more} more in this file"));
        }
        findings.append(&mut found);
    }
}

/// How what is written by hand is had from a parameter.
struct Ways<'a>(&'a [Parameter]);

impl Ways<'_> {
    /// What to write for it, and what must be done for that to work. A holder is a parameter, or a value in a table of one.
    fn of(&self, holder: &str) -> (String, String) {
        let field = |name: &str| holder.strip_prefix(name).filter(|field| field.is_empty() || field.starts_with('.'));
        let declared = self.0.iter().find_map(|parameter| Some((parameter, field(&parameter.name)?)));
        let Some((parameter, field)) = declared.filter(|(parameter, field)| parameter.list || !field.is_empty()) else {
            return (format!("`${{{holder}}}`"), String::new());
        };
        if parameter.list {
            let before = format!("run the step `for_each = \"{}\"`, and ", parameter.name);
            return (format!("`${{each{field}}}`"), before);
        }
        let own = field.trim_start_matches('.').replace('.', "_");
        (
            format!("`${{{own}}}`"),
            format!("move `{holder}` out of its table, into a parameter of its own, `{own}`, and "),
        )
    }
}

/// The variable that a step sets to exactly one parameter: a script reads it in place of a value.
struct Variables<'a> {
    by_parameter: BTreeMap<Arc<str>, String>,
    ways: Ways<'a>,
}

impl Variables<'_> {
    fn of(declarations: &Declarations) -> Variables<'_> {
        let ways = Ways(&declarations.environment.parameters);
        let mut variables = Variables { by_parameter: BTreeMap::new(), ways };
        walk::everything(declarations, &mut variables);
        variables
    }
}

impl Visitor for Variables<'_> {
    fn spot(&mut self, spot: &Spot<'_>) {
        if let (Role::Variable(variable), [Part::Reference { name, .. }]) = (spot.role, &*spot.parts) {
            self.by_parameter.entry(Arc::clone(name)).or_insert_with(|| variable.to_owned());
        }
    }
}

struct Toml<'a> {
    needles: &'a Needles,
    ways: &'a Ways<'a>,
    sources: &'a Sources,
    findings: &'a mut Vec<Finding>,
}

impl Visitor for Toml<'_> {
    fn spot(&mut self, spot: &Spot<'_>) {
        let raw = self
            .sources
            .text(spot.file.as_str())
            .and_then(|text| text.get(spot.span.start as usize..spot.span.end as usize));
        let raw = raw.unwrap_or_default();
        for (index, part) in spot.parts.iter().enumerate() {
            let Part::Literal(text) = part else { continue };
            let mut found = self.needles.find(text);
            if !found.is_empty() {
                found.retain(|(range, needle)| believed(spot, index, text, range, needle));
            }
            for (range, needle) in found {
                let span = place(raw, spot.span, text, &range);
                self.report(spot, span, needle, text, &range);
            }
        }
    }
}

impl Toml<'_> {
    fn report(&mut self, spot: &Spot<'_>, span: Span, needle: &Needle, text: &str, range: &Range<usize>) {
        let place = Place { file: Arc::clone(spot.file), span };
        let of_step = spot.step.map(|step| step.name.value.to_string());
        if needle.holders.is_empty() {
            let finding = name::finding(Severity::Error, place, &needle.text, text, range);
            self.findings.push(Finding { of: of_step, ..finding });
            return;
        }
        let ways: Vec<(String, String)> = needle.holders.keys().map(|holder| self.ways.of(holder)).collect();
        let write = match ways.iter().find(|(_, before)| !before.is_empty()) {
            Some((write, before)) => format!("{before}write {write}"),
            None => format!("write {}", ways.into_iter().map(|(write, _)| write).collect::<Vec<_>>().join(" or ")),
        };
        let help = match spot.role {
            Role::Constant(name) => {
                format!("a constant is taken as it stands: remove `{name}`, and where it is used {write}")
            }
            Role::Item => "a list that is written here is taken as it stands: declare it as a parameter".to_owned(),
            // Of a source of secrets: no step has it.
            Role::Argument(..) if spot.step.is_none() => {
                "it knows only `${key}` and `${environment}`: let each environment's file say it in the key".to_owned()
            }
            _ => write,
        };
        self.findings.push(hard_coded(Severity::Error, place, needle, help));
    }
}

/// Where a match within one part of a string stands in the file; the whole string where escapes shift it.
fn place(raw: &str, span: Span, part: &str, range: &Range<usize>) -> Span {
    let inner = raw.find(part).map(|at| at + range.start).or_else(|| raw.find(&part[range.clone()]));
    inner.map_or(span, |at| {
        let start = span.start as usize + at;
        Span::from(start..start + range.len())
    })
}

/// Whether a match in a string of the declarations means the value or the environment.
fn believed(spot: &Spot<'_>, index: usize, text: &str, range: &Range<usize>, needle: &Needle) -> bool {
    let alone = spot.parts.len() == 1;
    let whole = alone && range.len() == text.len();
    // `--port=8443`, also with an option's name in the string.
    let assigned = index + 1 == spot.parts.len() && range.end == text.len() && text[..range.start].ends_with('=');
    if needle.holders.is_empty() {
        return if whole { !is_subcommand(spot, &needle.text) } else { name::is_meant_in_string(text, range) };
    }
    match needle.weight {
        Weight::Telling => true,
        Weight::Plain if is_port_of(text, range, index > 0) || is_part_of_a_path(text, range) => true,
        Weight::Plain => (whole && !(needle.is_name && is_subcommand(spot, &needle.text))) || assigned,
        Weight::Small => (whole || assigned) && beside_its_name(spot, text, needle),
    }
}

/// `shop.example:8443`, `$HOST:8443/`: a number of four digits behind a host, or behind a value.
fn is_port_of(text: &str, at: &Range<usize>, behind_value: bool) -> bool {
    let Some(before) = text[..at.start].strip_suffix(':') else { return false };
    let is_host = |char: char| char.is_alphanumeric() || "]}_*".contains(char);
    let behind = if before.is_empty() { behind_value } else { before.ends_with(is_host) };
    let ends = text[at.end..].chars().next().is_none_or(|char| !char.is_alphanumeric() && char != ':');
    behind && ends && at.len() >= 4 && text[at.clone()].bytes().all(|byte| byte.is_ascii_digit())
}

/// `s3://assets/`, `deploy@devdb`: a plain word that is a part of an address.
fn is_part_of_a_path(text: &str, at: &Range<usize>) -> bool {
    let (before, after) = (&text[..at.start], &text[at.end..]);
    let ends = after.chars().next().is_none_or(|char| char.is_whitespace() || "/:\"',;)]}".contains(char));
    let word = !text[at.clone()].bytes().all(|byte| byte.is_ascii_digit());
    word && ends && (before.ends_with("://") || before.ends_with('@'))
}

/// `cargo test`, `npm run dev`: a word of the program's own.
fn is_subcommand(spot: &Spot<'_>, name: &str) -> bool {
    let Role::Argument(all, index) = spot.role else { return false };
    let before = |at: usize| all.get(at).and_then(|argument| argument.as_literal());
    ["test", "dev"].contains(&name) && (index == 1 || (index == 2 && before(1) == Some("run")) || index == 0)
}

/// Whether the variable, the option, or the argument before is named as the parameter.
fn beside_its_name(spot: &Spot<'_>, text: &str, needle: &Needle) -> bool {
    let near = match spot.role {
        Role::Variable(name) | Role::Given(name) | Role::Constant(name) => name.to_owned(),
        Role::Argument(all, index) | Role::ScriptArgument(all, index) => {
            let before = index.checked_sub(1).and_then(|before| all[before].as_literal()).unwrap_or_default();
            if text.contains('=') { text.to_owned() } else { before.to_owned() }
        }
        _ => return false,
    };
    names_parameter(&near, needle)
}

/// Whether a text has the last part of a parameter's name in it: `--max-conns` for `pool.max_conns`.
fn names_parameter(text: &str, needle: &Needle) -> bool {
    let letters = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let text = letters(text);
    needle.holders.keys().any(|name| text.contains(&letters(name.rsplit('.').next().unwrap_or(name))))
}

fn hard_coded(severity: Severity, place: Place, needle: &Needle, help: String) -> Finding {
    let holders: Vec<String> = needle
        .holders
        .iter()
        .map(|(parameter, environments)| {
            format!("of `{parameter}` in {}", listed(environments.iter().map(|name| &**name)))
        })
        .collect();
    let form = needle.form.map(|form| format!(", {form},")).unwrap_or_default();
    let shown: String = needle.text.chars().take(80).collect();
    let message = format!("`{shown}` is the value{form} {}", holders.join(", and "));
    let mut finding = Finding::error(Code::HardCodedValue, place, message, help).label("hard coded");
    finding.severity = severity;
    finding.of = needle.holders.keys().next().map(|name| name.to_string());
    finding
}

/// Everything found in one file that is not ours.
fn file(path: &Utf8Path, text: &str, needles: &Needles, variables: &Variables<'_>) -> Vec<Finding> {
    let language = language(path, text);
    if language == Language::Markdown {
        return Vec::new();
    }
    let file: Arc<Utf8Path> = path.into();
    let mut found = Vec::new();
    let mut comments: Option<Vec<Range<usize>>> = None;
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let report = |range: Range<usize>, needle: &'_ Needle, findings: &mut Vec<Finding>| {
        let place = Place { file: Arc::clone(&file), span: range.clone().into() };
        if needle.holders.is_empty() {
            findings.push(name::finding(Severity::Warning, place, &needle.text, text, &range));
        } else {
            findings.push(hard_coded(Severity::Warning, place, needle, help(needle, language, variables)));
        }
    };
    for (range, needle) in needles.find(text) {
        let (start, line) = line_at(text, range.start);
        // One a line is enough, and a line of megabytes is none that a person wrote.
        if last.get(&*needle.text) == Some(&start) || line.len() > 10_000 {
            continue;
        }
        let within_line = range.start - start..range.end.min(start + line.len()) - start;
        if script::comment(language, line).is_some_and(|comment| comment <= within_line.start) {
            continue;
        }
        if within(comments.get_or_insert_with(|| blocks(language, text)), range.start) {
            continue;
        }
        if is_meant(language, line, &within_line, needle) {
            last.insert(&needle.text, start);
            report(range, needle, &mut found);
        }
    }
    for (range, needle) in split(text, needles) {
        let (start, line) = line_at(text, range.start);
        if script::comment(language, line).is_none_or(|comment| comment > range.start - start) {
            report(range, needle, &mut found);
        }
    }
    found
}

fn help(needle: &Needle, language: Language, variables: &Variables<'_>) -> String {
    let parameter = needle.holders.keys().next().map_or("", |name| &**name);
    let read = |variable: &str| match language {
        Language::Python => format!("`os.environ[\"{variable}\"]`"),
        Language::Shell => format!("`${variable}`"),
        _ => format!("`{variable}`"),
    };
    match variables.by_parameter.get(parameter) {
        Some(variable) => format!("read {}, which is set to `${{{parameter}}}` for a step", read(variable)),
        None => {
            let variable = parameter.to_ascii_uppercase().replace(['.', '-'], "_");
            let (write, before) = variables.ways.of(parameter);
            let write = write.trim_matches('`');
            format!("{before}set it for the step, `env = {{ {variable} = \"{write}\" }}`, and read {}", read(&variable))
        }
    }
}

/// Whether a match in a line means the value or the environment.
fn is_meant(language: Language, line: &str, at: &Range<usize>, needle: &Needle) -> bool {
    if needle.holders.is_empty() {
        return name::is_meant(language, line, at);
    }
    match needle.weight {
        Weight::Telling => true,
        Weight::Plain if is_port_of(line, at, false) || is_part_of_a_path(line, at) => true,
        Weight::Plain => stands_alone(language, line, at) || (needle.is_name && name::is_meant(language, line, at)),
        Weight::Small => {
            stands_alone(language, line, at) && names_parameter(&line[line[..at.start].floor(40)..at.start], needle)
        }
    }
}

/// A byte some way before the end that a character begins at.
trait Floor {
    fn floor(&self, back: usize) -> usize;
}

impl Floor for str {
    fn floor(&self, back: usize) -> usize {
        let mut at = self.len().saturating_sub(back);
        while !self.is_char_boundary(at) {
            at += 1;
        }
        at
    }
}

/// Whether a match is a whole argument, a whole string, or all that is assigned.
fn stands_alone(language: Language, line: &str, at: &Range<usize>) -> bool {
    let (before, after) = (&line[..at.start], &line[at.end..]);
    let last = before.chars().next_back();
    let next = after.chars().next();
    let ends = next.is_none_or(|char| char.is_whitespace() || "\"';,)]}|&<>".contains(char));
    if !ends {
        return false;
    }
    if last.is_some_and(|char| "\"'".contains(char) && next == Some(char)) {
        return true;
    }
    let trimmed = before.trim_end();
    let is_assigned = trimmed.ends_with('=') || (last == Some(' ') && trimmed.ends_with(':'));
    if is_assigned && !script::is_quoted(line, at.start) {
        return true;
    }
    // `listen 8443;`, `--port 8443`: not the first word of a line, and not a word of a message.
    let is_argument =
        last.is_some_and(char::is_whitespace) && !trimmed.is_empty() && !script::is_quoted(line, at.start);
    match language {
        Language::Shell => is_argument && !says(trimmed),
        Language::Python | Language::Slashes | Language::Sql => trimmed.ends_with(['(', ',']),
        Language::Data | Language::Markup | Language::Json => false,
        _ => is_argument && before.split_whitespace().count() == 1 && !before.contains('<'),
    }
}

/// Whether a command only writes text, or its number is a status, a size or a time.
fn says(before: &str) -> bool {
    let command = before.rsplit(['|', ';', '&', '(']).next().unwrap_or_default().trim_start();
    let program = command.split_whitespace().next().unwrap_or_default();
    [
        "echo", "printf", "exit", "return", "sleep", "head", "tail", "chmod", "umask", "seq", "shift", "kill", "log",
        "info",
    ]
    .contains(&program)
}

/// Values that are written in two adjacent string literals: `"db." "prod.example"`, `"db." + "prod.example"`.
fn split<'n>(text: &str, needles: &'n Needles) -> Vec<(Range<usize>, &'n Needle)> {
    let mut found = Vec::new();
    // One kind of quote after the other: a single letter is searched for many times as fast as one of two.
    let quotes = ['"', '\''].into_iter().flat_map(|quote| text.match_indices(quote));
    let joined = quotes.filter_map(|(close, _)| {
        let between = text.as_bytes()[close + 1..].iter().take(4).take_while(|byte| b" +.\\".contains(byte)).count();
        let open = close + 1 + between;
        text.as_bytes().get(open).is_some_and(|byte| b"\"'".contains(byte)).then_some((close, open))
    });
    for (close, open) in joined {
        if text[..close].ends_with(['"', '\'', '\n']) || text[open + 1..].starts_with(['"', '\'', '\n']) {
            continue;
        }
        let start = text[..close].floor(256).max(text[..close].rfind(['"', '\'', '\n']).map_or(0, |at| at + 1));
        let end = text[open + 1..].find(['"', '\'', '\n']).map_or(text.len(), |at| open + 1 + at);
        let joined = format!("{}{}", &text[start..close], &text[open + 1..end]);
        let seam = close - start;
        for (range, needle) in needles.find(&joined) {
            if needle.weight == Weight::Telling && !needle.holders.is_empty() && range.start < seam && seam < range.end
            {
                found.push((start + range.start..open + 1 + range.end - seam, needle));
            }
        }
    }
    found.sort_by_key(|(range, _)| range.start);
    found
}
