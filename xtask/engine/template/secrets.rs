//! Where a secret stands in a line of a script or of a file of settings: by the name before it, the option, or how it looks.
//!
//! Pure, and a guess on the safe side: what it finds is told by its place, and cut out before anything of the line is shown.

use std::ops::Range;

/// A secret in a line.
pub struct Secret {
    /// The variable that it is assigned to, or what it is.
    pub name: String,
    pub place: Range<usize>,
    /// What is taken out of the line with it.
    cut: Range<usize>,
}

const WORDS: [&str; 11] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "ACCOUNT_KEY",
    "CREDENTIAL",
];
/// What is called so names where a secret is, and is none.
const WHERE: [&str; 6] = ["FILE", "PATH", "DIR", "URL", "NAME", "LENGTH"];
/// The option of a program before a password; `-p` of those that take it without a blank is in `glued`.
const OPTIONS: [(&str, &str); 9] = [
    ("sshpass", "-p"),
    ("login", "-p"),
    ("mongo", "-p"),
    ("redis-cli", "-a"),
    ("ldapsearch", "-w"),
    ("ldapmodify", "-w"),
    ("sqlcmd", "-P"),
    ("zip", "-P"),
    ("unzip", "-P"),
];
/// How tokens of well-known services begin.
const BEGINNINGS: [&str; 10] =
    ["eyJ", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "sk_live_", "AKIA"];
const QUOTES: [char; 2] = ['"', '\''];

/// Whether what is called so is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').replace(['-', '.'], "_").to_ascii_uppercase();
    let part = |part: &str| match part {
        "BYPASS" | "COMPASS" | "OLDPWD" => false,
        "PW" | "PSW" => true,
        part => part.ends_with("PASS") || part.ends_with("PWD"),
    };
    // The folder that a shell is in.
    let named = name != "PWD" && (WORDS.iter().any(|word| name.contains(word)) || name.split('_').any(part));
    named && !WHERE.iter().any(|what| name.ends_with(&format!("_{what}")))
}

/// Every one, in its order; none is inside another one.
#[must_use]
pub fn secrets(line: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    if line.contains("PRIVATE KEY-----") {
        let all = 0..line.len();
        return vec![Secret { name: "PRIVATE_KEY".to_owned(), place: all.clone(), cut: all }];
    }
    named(line, &mut found);
    in_addresses(line, &mut found);
    after_options(line, &mut found);
    by_looks(line, &mut found);
    // The one that takes most out comes first where several begin together.
    found.sort_by_key(|secret| (secret.cut.start, std::cmp::Reverse(secret.cut.end)));
    let mut end = 0;
    found.retain(|secret| {
        secret.cut.start >= end && {
            end = secret.cut.end;
            true
        }
    });
    found
}

/// The line without them.
#[must_use]
pub fn without(line: &str, secrets: &[Secret]) -> String {
    let starts = std::iter::once(0).chain(secrets.iter().map(|secret| secret.cut.end));
    let ends = secrets.iter().map(|secret| secret.cut.start).chain([line.len()]);
    starts.zip(ends).filter_map(|(start, end)| line.get(start..end)).collect()
}

/// A literal that begins here, in quotes or not; no reference to something that holds the secret.
fn literal(line: &str, start: usize) -> Option<Range<usize>> {
    let start = start + line[start..].len() - line[start..].trim_start().len();
    let quote = line[start..].chars().next().filter(|first| QUOTES.contains(first));
    let from = start + usize::from(quote.is_some());
    let end = match quote {
        Some(quote) => {
            let escaped = |at: usize| line[..at].ends_with('\\') && quote == '"';
            line[from..].match_indices(quote).map(|(at, _)| from + at).find(|at| !escaped(*at))?
        }
        None => {
            let ends = |char: char| char.is_whitespace() || "\"'`<>".contains(char);
            let end = line[from..].find(ends).map_or(line.len(), |at| from + at);
            from + line[from..end].trim_end_matches([',', ';', ')', ']', '\\']).len()
        }
    };
    let text = &line[from..end];
    if let Some(reference) = text.strip_prefix("${") {
        // `${PASSWORD:-the default}`.
        let (_, rest) = reference.split_once('-')?;
        let (default, start) = (rest.trim_end_matches('}'), end - rest.len());
        return (!default.is_empty() && !default.starts_with('$')).then_some(start..start + default.len());
    }
    let word = ["true", "false", "null", "none", "nil"].contains(&text.to_ascii_lowercase().as_str());
    let of_template = text.starts_with(['$', '`', '{']) || (text.starts_with('%') && text.ends_with('%'));
    (!text.trim().is_empty() && !word && !of_template).then_some(from..end)
}

/// `PASSWORD=…`, `"password": "…"`, `<password>…`, `--password …`, `?token=…`, `Authorization: Bearer …`, `IDENTIFIED BY '…'`.
fn named(line: &str, found: &mut Vec<Secret>) {
    let letter = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
    let mut at = 0;
    while let Some(start) = line[at..].find(letter).map(|found| at + found) {
        let end = line[start..].find(|char| !letter(char)).map_or(line.len(), |length| start + length);
        at = end;
        let (name, before, after) = (&line[start..end], &line[..start], &line[end..]);
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        let mut put = |value: Option<Range<usize>>| {
            let name = if is("bearer") || is("basic") { "TOKEN" } else { name.trim_matches(['-', '.']) };
            found.extend(value.map(|place| Secret { name: name.to_owned(), cut: place.clone(), place }));
        };
        let identified = is("by") && before.trim_end().to_ascii_lowercase().ends_with("identified");
        if is("bearer") || (is("basic") || is("token")) && before.to_ascii_lowercase().contains("authorization") {
            put(after.starts_with(' ').then(|| literal(line, end)).flatten());
        } else if is("authorization") && after.starts_with(':') {
            // With one word only: the scheme stands before it otherwise.
            let value = literal(line, end + 1);
            put(value.filter(|value| !line[value.end..].starts_with(' ')));
        } else if identified || (is("password") && after.trim_start().starts_with('\'')) {
            put(literal(line, end));
        } else if is_secret(name) && before.ends_with("${") {
            let default = after.trim_start_matches(':');
            let close = default.find('}').filter(|_| default.starts_with(['-', '=']));
            let from = line.len() - default.len() + 1;
            put(close
                .map(|close| from..from + close - 1)
                .filter(|place| !place.is_empty() && !line[place.clone()].starts_with('$')));
        } else if is_secret(name) && !before.ends_with('$') {
            let rest = after.trim_start_matches(['\\', '"', '\'']).trim_start();
            let sign = rest.chars().next().filter(|sign| "=:".contains(*sign) || *sign == '>' && before.ends_with('<'));
            let from = line.len() - rest.len();
            let compared = rest.starts_with("==") || rest.starts_with("://");
            let option = name.starts_with('-') && after.starts_with(' ') && !after.trim_start().starts_with('-');
            match sign {
                Some(_) if compared => {}
                Some(_) => {
                    let value = rest.trim_start_matches(['=', ':', '>', '\\']);
                    put(literal(line, from + rest.len() - value.len()));
                }
                None if option => put(literal(line, end)),
                None => {}
            }
        }
    }
}

/// `https://user:password@host`, `user/password@database` of Oracle.
fn in_addresses(line: &str, found: &mut Vec<Secret>) {
    let ends = |char: char| char.is_whitespace() || "\"'`<>".contains(char);
    let mut put = |name: &str, place: Range<usize>, cut: Range<usize>| {
        let reference = line[place.clone()].starts_with(['$', '{']);
        if !place.is_empty() && !reference {
            found.push(Secret { name: name.to_owned(), place, cut });
        }
    };
    for (at, _) in line.match_indices("://") {
        let from = at + 3;
        let word = &line[from..line[from..].find(ends).map_or(line.len(), |end| from + end)];
        let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
        let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        // A password may hold what ends a host.
        let whole =
            authority.contains('@') || authority.split_once(':').is_none_or(|(_, port_or_not)| port(port_or_not));
        let sign = if whole { authority.rfind('@') } else { word.rfind('@') };
        let Some(sign) = sign else { continue };
        let (user, cut) = (&word[..sign], from..from + sign + 1);
        match user.split_once(':') {
            Some((name, _)) => put("URL_PASSWORD", from + name.len() + 1..from + sign, cut),
            None if looks_random(user, true) => put("URL_TOKEN", from..from + sign, cut),
            None => {}
        }
    }
    if ["sqlplus", "sqlldr", "thin:"].iter().any(|of| line.contains(of)) {
        for word in words(line) {
            let before = line[word.clone()].rfind('@').map(|sign| word.start..word.start + sign);
            let Some(before) = before.filter(|before| !line[before.clone()].contains("//")) else { continue };
            if let Some(slash) = line[before.clone()].rfind('/') {
                put("PASSWORD", before.start + slash + 1..before.end, before.start + slash + 1..before.end);
            }
        }
    }
}

/// Words of a command line, without their quotes.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for part in line.split(|char: char| char.is_whitespace() || "\"'`();|".contains(char)) {
        words.extend((!part.is_empty()).then_some(start..start + part.len()));
        // Each of them is one byte, or a blank of more.
        start += part.len() + line[start + part.len()..].chars().next().map_or(0, char::len_utf8);
    }
    words
}

/// `-u user:password`, `mysql -ppassword`, `sshpass -p password`.
fn after_options(line: &str, found: &mut Vec<Secret>) {
    let mut put = |place: Range<usize>| {
        let text = &line[place.clone()];
        if !text.is_empty() && !text.starts_with(['$', '-', '{']) && !text.bytes().all(|byte| byte.is_ascii_digit()) {
            found.push(Secret { name: "PASSWORD".to_owned(), cut: place.clone(), place });
        }
    };
    let (mut program, mut option) = ("", "");
    for place in words(line) {
        let word = &line[place.clone()];
        let (flag, value) = match word.split_once('=').filter(|_| word.starts_with("--")) {
            Some((flag, value)) => (flag, value),
            None => (std::mem::take(&mut option), word),
        };
        let glued = program.starts_with("mysql")
            || program.starts_with("mariadb")
            || ["sshpass", "7z", "sqlcmd"].contains(&program);
        let user = word.strip_prefix("-u").filter(|_| program == "curl");
        let of_user = matches!(flag, "-u" | "-U" | "--user" | "--proxy-user" | "--username").then_some(value).or(user);
        if let Some((_, password)) =
            of_user.filter(|user| !user.contains("://")).and_then(|user| user.split_once([':', '%']))
        {
            put(place.end - password.len()..place.end);
        } else if OPTIONS.contains(&(program, flag)) && !flag.is_empty() {
            put(place.end - value.len()..place.end);
        } else if glued
            && word.len() > 2
            && word.to_ascii_lowercase().starts_with("-p")
            && (word.starts_with("-p") || program == "sqlcmd")
        {
            put(place.start + 2..place.end);
        } else if word.starts_with('-') {
            option = word;
        } else if program.is_empty() || program == "sshpass" || place.start == 0 || word == "login" || is_program(word)
        {
            program = word.rsplit('/').next().unwrap_or_default();
        }
    }
}

fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    name.starts_with("mysql")
        || name.starts_with("mariadb")
        || ["curl", "7z"].contains(&name)
        || OPTIONS.iter().any(|(program, _)| *program == name)
}

/// What no person would choose as a name.
fn by_looks(line: &str, found: &mut Vec<Secret>) {
    let mut start = 0;
    for part in line.split(|char: char| char.is_whitespace() || "\"'`<>()=/?&,;:@|".contains(char)) {
        let place = start..start + part.len();
        start = place.end + line[place.end..].chars().next().map_or(0, char::len_utf8);
        let in_address =
            line[..place.start].rsplit(char::is_whitespace).next().is_some_and(|word| word.contains("://"));
        if looks_random(part, in_address) {
            found.push(Secret { name: "TOKEN".to_owned(), cut: place.clone(), place });
        }
    }
}

fn looks_random(word: &str, in_address: bool) -> bool {
    let count = |of: fn(&u8) -> bool| word.bytes().filter(of).count();
    let letters = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte));
    let mixed = [count(u8::is_ascii_digit), count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase)];
    let hexadecimal = word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    (word.len() >= 16 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
        || (word.len() >= 20 && letters && mixed.iter().all(|count| *count >= 3))
        || (in_address && hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, wanted: &[&str]) {
        let found = secrets(line);
        let values: Vec<&str> = found.iter().map(|secret| &line[secret.place.clone()]).collect();
        assert_eq!(values, wanted, "{line}");
        let left = without(line, &found);
        assert!(wanted.iter().all(|secret| !left.contains(secret)), "{left}");
    }

    #[test]
    fn secrets_of_addresses_headers_and_options_were_shown() {
        check(r#"curl "https://api.acme.example/load?token=abcdefgh12345678""#, &["abcdefgh12345678"]);
        check(
            r#"curl -H "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.abc.def" https://x.example"#,
            &["eyJhbGciOiJIUzI1NiJ9.abc.def"],
        );
        check("jdbc:postgresql://db9.acme.example:5432/shop?password=Xy12345678", &["Xy12345678"]);
        check("URL=https://anna:pa/s@s@host.example/x", &["pa/s@s"]);
        check("git clone https://ghp_0123456789abcdefABCDEF@host.example/x", &["ghp_0123456789abcdefABCDEF"]);
        check("https://hooks.example/services/T02ABCdef/B99ZZZyyy/abCDef12GHij34KLmn56", &["abCDef12GHij34KLmn56"]);
        check("curl -H 'X-Api-Key: k3y' -u anna:geheim --user=bob:s3 x", &["k3y", "geheim", "s3"]);
        check(r#"{"host": "h", "password": "a b\"c", "port": 1}"#, &[r#"a b\"c"#]);
        check("  password: hunter2   # theirs", &["hunter2"]);
        check("<password>hunter2</password>", &["hunter2"]);
        check("Server=db;User Id=sa;Password=S3c;", &["S3c"]);
        check("sqlplus shop/S3cret@db9 @load.sql", &["S3cret"]);
        check("create user shop identified by 'S3'; alter role x password 'S4'", &["S3", "S4"]);
        check("-----BEGIN RSA PRIVATE KEY-----", &["-----BEGIN RSA PRIVATE KEY-----"]);
    }

    #[test]
    fn passwords_of_short_names_and_short_options_were_missed() {
        check(r#"export DB_PASS="hunter3hunter3""#, &["hunter3hunter3"]);
        check("DB_PWD=hunter4hunter4", &["hunter4hunter4"]);
        check("PASS=hunter9hunter9", &["hunter9hunter9"]);
        check("PASSWORD='one two $three'", &["one two $three"]);
        check("mysql -u root -pS3cretXYZ123 shop", &["S3cretXYZ123"]);
        check("sshpass -p Welcome123x ssh -p 22 host", &["Welcome123x"]);
        check("sshpass -pWelcome123x ssh host", &["Welcome123x"]);
        check("redis-cli -h db -a geheim PING", &["geheim"]);
        check("psql -W ${PGPASSWORD:-hunter2}", &["hunter2"]);
        check("DB_PASS=${1:-hunter2}", &["hunter2"]);
    }

    #[test]
    fn references_and_places_are_no_secrets() {
        for line in [
            "PASSWORD=$1",
            "PASSWORD=\"$(cat /run/x)\"",
            "PASSWORD=",
            "cd $PWD",
            "PWD=/opt",
            "TOKEN_FILE=/run/token",
            "curl -u \"$USER:$PASSWORD\" https://$USER:$PASSWORD@host/x",
            "[ \"$PASS\" = \"\" ]",
            "mysql -p shop -P 3306",
            "psql -p 5432",
            "read -p 'Password: ' PASS",
            "docker run -u 1000:1000 x",
            "sha256=0123456789abcdef0123456789abcdef",
            "ssh git@host.example:22",
            "echo \"Bypass: on\"",
            "--password \"$P\"",
            "https://host.example:8443/a@b",
        ] {
            check(line, &[]);
        }
    }

    #[test]
    fn no_line_is_too_odd() {
        const PARTS: [&str; 26] = [
            "PASS",
            "=",
            ":",
            "\"",
            "'",
            "${",
            ":-",
            "}",
            "ä",
            "://",
            "@",
            "/",
            " ",
            "-p",
            "-u",
            "mysql",
            "sqlplus",
            "<",
            ">",
            "Bearer",
            "Authorization",
            "by",
            "\u{a0}",
            "日本",
            "\\",
            "\t",
        ];
        let all = || PARTS.into_iter();
        for (one, two, three, four) in
            all().flat_map(|one| all().flat_map(move |two| all().map(move |three| (one, two, three, "ß=x"))))
        {
            let line = format!("{one}{two}{three}{four}{two}{one}");
            let found = secrets(&line);
            assert!(
                without(&line, &found).len() <= line.len() && found.is_sorted_by_key(|secret| secret.place.start),
                "{line}"
            );
        }
    }
}
