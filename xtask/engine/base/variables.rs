//! Variables of the environment: what a step sees without asking, what ciao sets, and which names are dangerous to set.
//!
//! Pure; the one place for these lists, so that what is checked is what runs.

/// Passed on if the caller has them. A `*` at the end stands for any rest.
pub const PASSED: [&str; 31] = [
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

/// Set for every step.
pub const SET: [&str; 6] =
    ["CIAO_ENVIRONMENT", "CIAO_RELEASE", "CIAO_COMMIT", "CIAO_STEP", "CIAO_ATTEMPT", "CIAO_FENCE"];

/// Why a variable must not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Not by `env` at all.
    Always(&'static str),
    /// Not from a parameter: whoever writes a value would decide what is run.
    FromValue(&'static str),
}

/// Variables that make other programs run code, or run other programs. `None`: any value may set it.
#[must_use]
pub fn danger(name: &str) -> Option<Danger> {
    use Danger::{Always, FromValue};
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if starts(&["LD_", "DYLD_"]) {
        return Some(Always("the loader would run other code in every program"));
    }
    if starts(&["CIAO_"]) {
        return Some(Always("ciao sets those itself"));
    }
    let harmless = starts(&["GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSL_", "GIT_TERMINAL_PROMPT"]);
    if starts(&["GIT_"]) && !harmless {
        return Some(Always("git would run other programs, or work on another repository"));
    }
    if starts(&["BASH_FUNC_"]) {
        return Some(Always("a shell would run it"));
    }
    Some(match name {
        "BASH_ENV" | "ENV" | "SHELLOPTS" | "BASHOPTS" | "PS4" | "PROMPT_COMMAND" => Always("a shell would run it"),
        "IFS" | "CDPATH" => Always("a shell would read scripts in another way"),
        "PATH" => FromValue("other programs would be run"),
        "PYTHONSTARTUP" | "PYTHONHOME" | "PYTHONPATH" | "PYTHONINSPECT" => FromValue("python would run other code"),
        "PERL5OPT" | "PERL5LIB" | "PERL5DB" | "PERLLIB" => FromValue("perl would run other code"),
        "RUBYOPT" | "RUBYLIB" => FromValue("ruby would run other code"),
        "NODE_OPTIONS" | "NODE_PATH" => FromValue("node would run other code"),
        "JAVA_TOOL_OPTIONS" | "_JAVA_OPTIONS" | "JDK_JAVA_OPTIONS" => FromValue("java would run other code"),
        "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "RUSTC" | "RUSTFLAGS" => {
            FromValue("cargo would run other programs")
        }
        "GCONV_PATH" => FromValue("programs would load other code"),
        "EDITOR" | "VISUAL" | "PAGER" | "SSH_ASKPASS" => FromValue("programs run what it names"),
        _ => return None,
    })
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

    #[test]
    fn fault_71_dangerous_names_are_refused_from_values() {
        let all = "LD_PRELOAD LD_LIBRARY_PATH PATH BASH_ENV BASH_FUNC_ls ENV IFS GIT_SSH_COMMAND GIT_DIR PYTHONSTARTUP \
                   NODE_OPTIONS CIAO_STEP";
        for name in all.split_ascii_whitespace() {
            assert!(danger(name).is_some(), "{name}");
        }
        for name in ["PGHOST", "GIT_AUTHOR_NAME", "LANG", "MY_PATH"] {
            assert!(danger(name).is_none(), "{name}");
        }
        assert!(["", "1A", "A=B", "A-B", "Ä"].iter().all(|name| !is_name(name)));
    }
}
