//! Patterns of paths: `**` for any folders, `*` and `?` within a name. Pure; walking folders is `sources`'s.

use camino::{Utf8Path, Utf8PathBuf};

/// Whether a path fits a pattern, both from the root.
#[must_use]
pub fn matches(pattern: &Utf8Path, path: &Utf8Path) -> bool {
    let pattern: Vec<&str> = pattern.as_str().split('/').collect();
    let path: Vec<&str> = path.as_str().split('/').collect();
    // A folder names all that is in it.
    let all = if pattern.last().is_some_and(|last| *last != "**") {
        below(&[&pattern[..], &["**"]].concat(), &path)
    } else {
        false
    };
    all || below(&pattern, &path)
}

/// The places in `pattern` that can be reached after each part of `path`, kept as a set: no pattern takes exponential time.
fn below(pattern: &[&str], path: &[&str]) -> bool {
    let mut at = vec![false; pattern.len() + 1];
    at[0] = true;
    skip_empty(pattern, &mut at);
    for part in path {
        let mut next = vec![false; pattern.len() + 1];
        for (index, wanted) in pattern.iter().enumerate().filter(|(index, _)| at[*index]) {
            if *wanted == "**" {
                next[index] = true;
                next[index + 1] = true;
            } else if name_matches(wanted, part) {
                next[index + 1] = true;
            }
        }
        skip_empty(pattern, &mut next);
        at = next;
    }
    at[pattern.len()]
}

/// `**` stands for no folder, too; at the end it stands for something.
fn skip_empty(pattern: &[&str], at: &mut [bool]) {
    for index in 0..pattern.len().saturating_sub(1) {
        if at[index] && pattern[index] == "**" {
            at[index + 1] = true;
        }
    }
}

/// Whether a name fits a pattern with `*` and `?`.
#[must_use]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut wanted, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        if pattern.get(wanted).is_some_and(|char| *char == '?' || (*char == name[at] && *char != '*')) {
            wanted += 1;
            at += 1;
        } else if pattern.get(wanted) == Some(&'*') {
            star = Some((wanted, at));
            wanted += 1;
        } else if let Some((star_at, taken)) = star {
            wanted = star_at + 1;
            at = taken + 1;
            star = Some((star_at, at));
        } else {
            return false;
        }
    }
    pattern[wanted..].iter().all(|char| *char == '*')
}

/// The folder below which everything lies that a pattern can fit.
#[must_use]
pub fn folder(pattern: &Utf8Path) -> Utf8PathBuf {
    let parts: Vec<&str> = pattern.as_str().split('/').take_while(|part| !part.contains(['*', '?'])).collect();
    if parts.is_empty() { Utf8PathBuf::from(".") } else { parts.join("/").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for path in yes {
            assert!(matches(pattern.into(), (*path).into()), "{pattern} does not fit {path}");
        }
        for path in no {
            assert!(!matches(pattern.into(), (*path).into()), "{pattern} fits {path}");
        }
    }

    #[test]
    fn patterns() {
        check("db/**", &["db/a.sql", "db/b/c.sql"], &["a.sql", "dbx/a"]);
        check("db", &["db/a.sql", "db"], &["dba"]);
        check("**/*.sql", &["a.sql", "x/y/a.sql"], &["a.sq"]);
        check("db/*.sql", &["db/a.sql"], &["db/x/a.sql", "db/.sqlx"]);
        check("db/**/v?.sql", &["db/v1.sql", "db/a/b/v2.sql"], &["db/v10.sql"]);
        check("a*b*c", &["abc", "aXbYc"], &["ab", "acb"]);
    }
}
