//! What looks environmental in a script: hosts, addresses, ports, folders, and secrets in plain text.
//!
//! Pure, and a guess: it is there to propose parameters. `check` finds hard-coded values by comparing real ones.

/// A literal in a script.
#[derive(Debug, Clone)]
pub struct Literal {
    /// The variable that it is assigned to, or what it is.
    pub name: String,
    /// The type of the parameter that it could become.
    pub kind: &'static str,
    pub value: String,
    pub secret: bool,
    /// From 1.
    pub line: usize,
}

/// Every one, in its order.
#[must_use]
pub fn literals(script: &str) -> Vec<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    for (index, line) in script.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let line_number = index + 1;
        let mut assigned = false;
        if let Some((name, value)) = assignment(line) {
            let secret = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PASSPHRASE"]
                .iter()
                .any(|word| name.contains(word));
            let kind = if secret { Some("string") } else { kind(value).or_else(|| by_name(&name, value)) };
            if let Some(kind) = kind {
                found.push(Literal { name, kind, value: value.to_owned(), secret, line: line_number });
                assigned = true;
            }
        }
        if assigned {
            continue;
        }
        let mut words = line.split(|char: char| char.is_whitespace() || "\"'`()<>,;|&".contains(char)).peekable();
        while let Some(word) = words.next() {
            let word = word.rsplit_once('=').map_or(word, |(_, value)| value);
            let word = word.rsplit_once('@').filter(|_| !word.contains("://")).map_or(word, |(_, host)| host);
            let port_follows = matches!(word, "--port" | "-p" | "--listen");
            if let (true, Some(port)) = (port_follows, words.peek().and_then(|next| is_port(next).then_some(*next))) {
                found.push(Literal {
                    name: "PORT".into(),
                    kind: "port",
                    value: port.to_owned(),
                    secret: false,
                    line: line_number,
                });
            }
            let (host, port) = word.rsplit_once(':').filter(|(_, port)| is_port(port)).unwrap_or((word, ""));
            let pieces =
                if word.contains("://") { [("URL", word), ("PORT", "")] } else { [("HOST", host), ("PORT", port)] };
            for (name, value) in pieces {
                // A folder is often no environment's; one that a variable names is.
                if let Some(kind @ ("url" | "host" | "port")) = kind(value) {
                    found.push(Literal {
                        name: name.into(),
                        kind,
                        value: value.into(),
                        secret: false,
                        line: line_number,
                    });
                }
            }
        }
    }
    found
}

/// `NAME=value` as a statement of its own, in a shell or in Python; the value must be a literal.
fn assignment(line: &str) -> Option<(String, &str)> {
    let line = line.trim().trim_start_matches("export ").trim_start_matches("readonly ");
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let value = value.split(" #").next()?.trim().trim_end_matches(';');
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    let literal = !inner.is_empty() && !inner.contains(['$', '`', '(']) && (inner != value || !inner.contains(' '));
    literal.then(|| (name.to_ascii_uppercase(), inner))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port >= 80) && !text.starts_with('0')
}

/// What a value is, if it looks environmental by itself.
fn kind(value: &str) -> Option<&'static str> {
    if value.contains('$') {
        return None;
    }
    if value
        .split_once("://")
        .is_some_and(|(scheme, rest)| !rest.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    {
        return Some("url");
    }
    if is_port(value) && value.len() >= 4 {
        return Some("port");
    }
    if value.starts_with('/')
        && value[1..].contains('/')
        && !["/bin/", "/usr/", "/dev/", "/tmp/"].iter().any(|system| value.starts_with(system))
    {
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
        || [
            "sh", "sql", "txt", "gz", "tgz", "zip", "json", "xml", "yaml", "yml", "conf", "cfg", "log", "py", "jar",
            "war", "md", "toml", "csv", "service",
        ]
        .contains(last);
    ((numbers && labels.len() == 4) || (domain && !file)).then_some("host")
}

/// What a value is, if only the name of its variable tells.
fn by_name(name: &str, value: &str) -> Option<&'static str> {
    let ends = |words: &[&str]| words.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
    if ends(&["PORT"]) && is_port(value) {
        Some("port")
    } else if ends(&[
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
    ]) {
        Some("string")
    } else {
        None
    }
}
