//! The clean environment of a step: which variables of the caller it sees, and which names no value may set.
//!
//! Pure: the caller's variables are given in. It knows nothing of plans.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use ciao_base::map;
use ciao_base::variables::{Danger, PASSED, danger};

/// What a variable whose value is worth masking is called.
const SECRET_ENDS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];

/// The variables of the caller that steps see.
#[derive(Clone, Default)]
pub struct Caller {
    pub passed: BTreeMap<OsString, OsString>,
    /// The values among them that are masked: named in `pass_env`, and called `…KEY` or so.
    pub masked: BTreeMap<String, Vec<u8>>,
    /// All of them, for secrets that are read from the environment.
    all: BTreeMap<OsString, OsString>,
}

impl Caller {
    /// From the caller's variables (`std::env::vars_os()`) and `pass_env` of environment.toml.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, pass_env: &[String]) -> Caller {
        let mut caller = Caller { all: map(variables), ..Caller::default() };
        for (name, value) in &caller.all {
            let named = pass_env.iter().any(|pattern| matches(pattern, name) && passes(pattern, name));
            if named && SECRET_ENDS.iter().any(|end| name.as_bytes().ends_with(end.as_bytes())) {
                caller.masked.insert(name.to_string_lossy().into_owned(), value.as_bytes().to_vec());
            }
            if named || PASSED.iter().any(|pattern| matches(pattern, name)) {
                caller.passed.insert(name.clone(), value.clone());
            }
        }
        caller
    }

    /// Any variable of the caller, also one that steps do not see.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.all.get(OsStr::new(name)).map(OsString::as_os_str)
    }
}

fn matches(pattern: &str, name: &OsStr) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => !start.is_empty() && name.as_bytes().starts_with(start.as_bytes()),
        None => name == pattern,
    }
}

/// What makes other programs run code is passed on only where it is named in full, and the loader's variables never.
fn passes(pattern: &str, name: &OsStr) -> bool {
    match danger(&name.to_string_lossy()) {
        None => true,
        Some(Danger::FromValue(_)) => name == pattern,
        Some(Danger::Always(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(pass: &[&str], variables: &[(&str, &str)]) -> Caller {
        let pass: Vec<String> = pass.iter().map(|&name| name.to_owned()).collect();
        Caller::new(variables.iter().map(|(name, value)| (name.into(), value.into())), &pass)
    }

    #[test]
    fn a_step_sees_only_what_is_listed() {
        let given = [("PATH", "/bin"), ("LC_ALL", "C"), ("CARGO_MANIFEST_DIR", "/x"), ("LD_LIBRARY_PATH", "/y")];
        let names: Vec<_> = caller(&[], &given).passed.into_keys().collect();
        assert_eq!(names, ["LC_ALL", "PATH"]);
    }

    #[test]
    fn fault_71_the_caller_cannot_pass_on_a_dangerous_variable() {
        let caller = caller(
            &["*", "LD_*", "BASH_ENV", "AWS_*", "PYTHON*", "EDITOR"],
            &[
                ("LD_PRELOAD", "x.so"),
                ("BASH_ENV", "x"),
                ("PYTHONPATH", "x"),
                ("EDITOR", "vi"),
                ("AWS_REGION", "eu"),
                ("AWS_SECRET_ACCESS_KEY", "abcdefgh"),
            ],
        );
        let names: Vec<_> = caller.passed.keys().collect();
        assert_eq!(names, ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "EDITOR"]);
        assert_eq!(caller.masked.into_values().collect::<Vec<_>>(), [b"abcdefgh".to_vec()]);
    }
}
