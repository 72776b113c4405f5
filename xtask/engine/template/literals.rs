//! What looks environmental in a text: hosts, addresses, ports, folders, names of environments, and secrets in plain text.
//!
//! Pure, and a guess: it is there to propose parameters. `check` finds hard-coded values by comparing real ones.

use super::secrets::{secrets, without};

/// A literal in a text.
#[derive(Debug, Clone)]
pub struct Literal {
    /// The variable that it is assigned to, or what it is; in capitals.
    pub name: String,
    /// The type of the parameter that it could become.
    pub kind: &'static str,
    pub value: String,
    pub secret: bool,
    /// From 1.
    pub line: usize,
}

impl Literal {
    /// What may be shown of it: of a secret, nothing.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.secret { "a secret" } else { &self.value }
    }
}

/// What people call environments.
const ENVIRONMENTS: [&str; 10] =
    ["dev", "development", "test", "tst", "uat", "qa", "staging", "stage", "prod", "production"];
const OPTIONS: [(&str, &str); 4] = [("-h", "HOST"), ("-p", "PORT"), ("-d", "DATABASE"), ("-U", "USER")];
const FILES: [&str; 22] = [
    "sh",
    "sql",
    "txt",
    "gz",
    "tgz",
    "zip",
    "json",
    "xml",
    "yaml",
    "yml",
    "conf",
    "cfg",
    "log",
    "py",
    "jar",
    "war",
    "md",
    "toml",
    "csv",
    "service",
    "properties",
    "old",
];

/// Every one, in its order; of a comment none.
#[must_use]
pub fn literals(text: &str) -> Vec<Literal> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with(['#', ';']));
    let mut found = Vec::new();
    for (index, line) in lines {
        let mut put = |name: &str, kind: &'static str, value: &str, secret: bool| {
            let name = usable(name);
            found.push(Literal { name, kind, value: value.to_owned(), secret, line: index + 1 });
        };
        let secrets = secrets(line);
        for secret in &secrets {
            put(&secret.name, "string", &line[secret.place.clone()], true);
        }
        // Nothing of them is in what is looked at from here on, and so in nothing that is shown.
        let line = with_defaults(&without(line, &secrets));
        let mut put = |name: &str, kind: &'static str, value: &str| {
            let address = value.split_once('?').filter(|_| kind == "url" && value.ends_with('='));
            let value = address.map_or(value, |(address, _)| address);
            if !value.contains(char::is_control) {
                put(name, kind, value, false);
            }
        };
        match assignment(&line) {
            Some((name, value)) if kind(value).is_some() => put(&name, kind(value).unwrap_or_default(), value),
            Some((name, value)) if by_name(&name, value).is_some() => {
                put(&name, by_name(&name, value).unwrap_or_default(), value);
            }
            _ => in_words(&line, &mut put),
        }
    }
    found
}

/// The lines with a secret, from 1; comments count too.
#[must_use]
pub fn lines_with_secrets(text: &str) -> Vec<usize> {
    text.lines().enumerate().filter(|(_, line)| !secrets(line).is_empty()).map(|(index, _)| index + 1).collect()
}

/// The line with `${NAME:-default}` as its default: where nothing is set, that is what is used.
fn with_defaults(line: &str) -> String {
    let mut parts = line.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let default = part.split_once('}').and_then(|(inner, rest)| Some((inner.split_once(['-', '='])?, rest)));
        let letters = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match default.filter(|((name, _), _)| letters(name.trim_end_matches(':'))) {
            Some(((_, value), rest)) => text.extend([value, rest]),
            None => text.extend(["${", part]),
        }
    }
    text
}

/// A name as variables have it.
fn usable(name: &str) -> String {
    let letter = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name } else { format!("VALUE{name}") }
}

/// Of a line that is no assignment, each word by itself, with the option that stands before it.
fn in_words(line: &str, put: &mut dyn FnMut(&str, &'static str, &str)) {
    let words = line.split(|char: char| char.is_whitespace() || "\"'`()<>,;|&".contains(char));
    let (mut before, mut compared) = (String::new(), false);
    for (place, word) in words.filter(|word| !word.is_empty()).enumerate() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if !name.contains("://") => (named(name), value),
            _ => (std::mem::take(&mut before), word),
        };
        let was_compared = std::mem::replace(&mut compared, matches!(word, "=" | "==" | "!="));
        if value.is_empty() || value.contains(['$', '{', '%']) {
        } else if word == value && word.starts_with('-') {
            before = named(word);
        } else if place == 0 && word.ends_with(':') {
            // A key of YAML or of properties, and no host.
            before = named(word.trim_end_matches(':'));
        } else if (name == "PORT" || name.ends_with("_PORT")) && is_port(value) {
            put(&name, "port", value);
        } else if kind(value) == Some("url") {
            put(&of_host(value, "URL"), "url", value);
        } else if kind(value) == Some("path") {
            if is_environmental(value) {
                put(if name.is_empty() { "FOLDER" } else { &name }, "path", value);
            }
        } else {
            // `user@host:port`, or `host:/folder`.
            let value = value.rsplit_once('@').map_or(value, |(_, host)| host);
            let (host, rest) = value.split_once(':').unwrap_or((value, ""));
            let is_name = (was_compared || !name.is_empty()) && ENVIRONMENTS.contains(&value);
            if kind(rest) == Some("path") && is_environmental(rest) {
                put("FOLDER", "path", rest);
            }
            if kind(host) == Some("host") {
                put(&of_host(host, "HOST"), "host", host);
                if is_port(rest) {
                    put(&of_host(host, "PORT"), "port", rest);
                }
            } else if is_name || (place > 0 && names_environment(value)) {
                let what = if was_compared { "ENVIRONMENT" } else { "NAME" };
                put(if name.is_empty() { what } else { &name }, "string", value);
            }
        }
    }
}

/// Whether a folder names an environment: most are the same everywhere.
fn is_environmental(folder: &str) -> bool {
    folder.split('/').any(|part| ENVIRONMENTS.contains(&part) || names_environment(part))
}

/// What an option or a variable is about: `--db-host` and `-h` as `DB_HOST` and `HOST`.
fn named(option: &str) -> String {
    let short = OPTIONS.iter().find(|(short, _)| *short == option).map(|(_, name)| (*name).to_owned());
    let long = || option.trim_start_matches('-').replace(['-', '.'], "_").to_ascii_uppercase();
    short.unwrap_or_else(|| if option == "-u" { "USER".to_owned() } else { long() })
}

/// `DB_HOST` of `db01.test.shop.example`; what it is alone where the host has no name.
fn of_host(value: &str, what: &str) -> String {
    let host = value.split_once("://").map_or(value, |(_, rest)| rest);
    let label = host.split(['.', ':', '/']).next().unwrap_or_default().replace('-', "_");
    let label = label.trim_end_matches(|char: char| char.is_ascii_digit() || char == '_');
    let usable = label.starts_with(|first: char| first.is_ascii_alphabetic()) && !["www", "localhost"].contains(&label);
    if usable { format!("{}_{what}", label.to_ascii_uppercase()) } else { what.to_owned() }
}

/// `NAME=value` as a statement of its own, in a shell, in Python or in a file of properties; the value must be a literal.
fn assignment(line: &str) -> Option<(String, &str)> {
    let line = line.trim().trim_start_matches("export ").trim_start_matches("readonly ");
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !letters || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let value = value.split(" #").next()?.trim().trim_end_matches(';');
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    let literal = !inner.is_empty() && !inner.contains(['$', '`', '(']) && !inner.contains(' ');
    literal.then(|| (named(name), inner))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port >= 80) && !text.starts_with('0')
}

/// `shop_test`: one of its parts is what people call an environment.
fn names_environment(value: &str) -> bool {
    let parts: Vec<&str> = value.split(['-', '_', '.']).collect();
    let letters = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    letters
        && parts.len() > 1
        && !parts.last().is_some_and(|last| FILES.contains(last))
        && parts.iter().any(|part| ENVIRONMENTS.contains(part))
}

/// What a value is, if it looks environmental by itself.
fn kind(value: &str) -> Option<&'static str> {
    if value.contains('$') {
        return None;
    }
    if value.split_once("://").is_some_and(|(scheme, rest)| {
        !rest.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':')
    }) {
        return Some("url");
    }
    if is_port(value) && value.len() >= 4 {
        return Some("port");
    }
    let of_system = ["/bin/", "/usr/", "/dev/", "/tmp/"].iter().any(|system| value.starts_with(system));
    if value.starts_with('/') && value[1..].contains('/') && !of_system {
        return Some("path");
    }
    let labels: Vec<&str> = value.split('.').collect();
    let named =
        |label: &&str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if labels.len() < 2 || !labels.iter().all(named) {
        return None;
    }
    let numbers = labels.iter().all(|label| label.parse::<u8>().is_ok());
    let last = labels.last().unwrap_or(&"");
    let domain = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_lowercase());
    // A file's name has two parts as a rule, or ends as files do.
    let file = labels.len() == 2 && !["com", "org", "net", "io", "dev", "local", "example", "internal"].contains(last)
        || FILES.contains(last);
    ((numbers && labels.len() == 4) || (domain && !file)).then_some("host")
}

/// What a value is, if only the name of its variable tells.
fn by_name(name: &str, value: &str) -> Option<&'static str> {
    const NAMES: [&str; 13] = [
        "HOST",
        "SERVER",
        "USER",
        "DB",
        "DATABASE",
        "DATABASE_NAME",
        "DB_NAME",
        "SCHEMA",
        "ENV",
        "ENVIRONMENT",
        "STAGE",
        "REGION",
        "BUCKET",
    ];
    let ends = |word: &&str| name == *word || name.ends_with(&format!("_{word}"));
    match () {
        () if ends(&"PORT") && is_port(value) => Some("port"),
        () if NAMES.iter().any(ends) || names_environment(value) => Some("string"),
        () => None,
    }
}
