//! The clean environment of a step: which variables of the caller it sees, and which names no value may set.
//!
//! Pure: the caller's variables are given in. It knows nothing of plans.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Passed on if the caller has them. A `*` at the end stands for any rest.
const PASSED: [&str; 31] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_*",
    "TERM",
    "TMPDIR",
    "TZ",
    "SSH_AUTH_SOCK",
    "XDG_*",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

/// What a variable whose value is worth masking is called.
const SECRET_ENDS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "PASSWORD"];

/// The variables of the caller that steps see.
#[derive(Clone, Default)]
pub struct Caller {
    pub passed: BTreeMap<OsString, OsString>,
    /// The values among them that are masked: named in `pass_env`, and called `…KEY` or so.
    pub masked: Vec<Vec<u8>>,
    /// All of them, for secrets that are read from the environment.
    all: BTreeMap<OsString, OsString>,
}

impl Caller {
    /// From the caller's variables (`std::env::vars_os()`) and `pass_env` of environment.toml.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, pass_env: &[String]) -> Caller {
        let mut caller = Caller { all: variables.into_iter().collect(), ..Caller::default() };
        for (name, value) in &caller.all {
            let named = pass_env.iter().any(|pattern| matches(pattern, name)) && refused(name).is_none();
            if named && SECRET_ENDS.iter().any(|end| name.as_bytes().ends_with(end.as_bytes())) {
                caller.masked.push(value.as_bytes().to_vec());
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

fn refused(name: &OsStr) -> Option<&'static str> {
    refused_variable(&name.to_string_lossy())
}

/// Why a variable of this name must not be set from a value: it would make other programs run code, or run other
/// programs. `None` if it may.
#[must_use]
pub fn refused_variable(name: &str) -> Option<&'static str> {
    if name.starts_with("LD_") || name.starts_with("DYLD_") {
        return Some("the loader would run other code in every program");
    }
    if name.starts_with("BASH_FUNC_") || matches!(name, "BASH_ENV" | "ENV" | "SHELLOPTS" | "BASHOPTS" | "PS4") {
        return Some("a shell would run it");
    }
    if name.starts_with("CIAO_") {
        return Some("ciao sets it itself");
    }
    let harmless = ["GIT_AUTHOR_", "GIT_COMMITTER_"].iter().any(|start| name.starts_with(start));
    if name.starts_with("GIT_") && !harmless {
        return Some("git would run other programs, or work on another repository");
    }
    match name {
        "IFS" | "CDPATH" => Some("a shell would read scripts in another way"),
        "PATH" => Some("other programs would be run"),
        "PYTHONSTARTUP" | "PYTHONHOME" | "PYTHONPATH" | "PYTHONINSPECT" => Some("python would run other code"),
        "PERL5OPT" | "PERL5LIB" | "PERL5DB" | "PERLLIB" => Some("perl would run other code"),
        "RUBYOPT" | "RUBYLIB" => Some("ruby would run other code"),
        "NODE_OPTIONS" | "NODE_PATH" => Some("node would run other code"),
        "JAVA_TOOL_OPTIONS" | "_JAVA_OPTIONS" | "JDK_JAVA_OPTIONS" => Some("java would run other code"),
        "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTC" | "RUSTFLAGS" => Some("cargo would run other programs"),
        "EDITOR" | "VISUAL" | "PAGER" | "SSH_ASKPASS" | "PROMPT_COMMAND" => Some("programs run what it names"),
        _ => None,
    }
}

/// Whether a variable may be called so: letters, digits and `_`, no digit first.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
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
            &["*", "LD_*", "BASH_ENV", "AWS_*"],
            &[("LD_PRELOAD", "x.so"), ("BASH_ENV", "x"), ("AWS_REGION", "eu"), ("AWS_SECRET_ACCESS_KEY", "abcdefgh")],
        );
        let names: Vec<_> = caller.passed.keys().collect();
        assert_eq!(names, ["AWS_REGION", "AWS_SECRET_ACCESS_KEY"]);
        assert_eq!(caller.masked, [b"abcdefgh".to_vec()]);
    }

    #[test]
    fn fault_71_dangerous_names_are_refused_from_values() {
        let all = "LD_PRELOAD LD_LIBRARY_PATH PATH BASH_ENV BASH_FUNC_ls ENV IFS GIT_SSH_COMMAND GIT_DIR PYTHONSTARTUP \
                   NODE_OPTIONS CIAO_STEP";
        for name in all.split_ascii_whitespace() {
            assert!(refused_variable(name).is_some(), "{name}");
        }
        for name in ["PGHOST", "GIT_AUTHOR_NAME", "LANG", "MY_PATH"] {
            assert!(refused_variable(name).is_none(), "{name}");
        }
        assert!(["", "1A", "A=B", "A-B", "Ä"].iter().all(|name| !is_name(name)));
    }
}
