//! Findings: what is wrong in the files, where, and what to do about it.
//!
//! They are values. How they look is `show`'s, when they are made is `declare`'s and `check`'s.

use std::ops::Range;
use std::sync::Arc;

use camino::Utf8Path;

macro_rules! codes {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// What kind of finding it is. The names are part of the contract: people accept and explain findings by them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($variant),* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            /// What `check --explain` tells: its page in the documentation.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$variant => include_str!(concat!("../check/pages/", $name, ".md"))),* }
            }
        }
    };
}

codes! {
    Syntax "syntax", UnknownKey "unknown-key", WrongType "wrong-type", BadValue "bad-value",
    DuplicateName "duplicate-name", BadName "bad-name", UnknownEnvironment "unknown-environment",
    UnlistedEnvironment "unlisted-environment", StrayFile "stray-file", UnknownPipeline "unknown-pipeline",
    UnknownTask "unknown-task", BadTaskArguments "bad-task-arguments", MissingScript "missing-script",
    NotExecutable "not-executable", BadCommand "bad-command",
    MissingValue "missing-value", UnknownValue "unknown-value", UnusedParameter "unused-parameter",
    EmptyValue "empty-value", UnknownParameter "unknown-parameter", ForgottenFile "forgotten-file",
    ForgottenPipeline "forgotten-pipeline", NoVerification "no-verification", FirstRunIn "first-run-in",
    UnguardedRetry "unguarded-retry",
    PlainSecret "plain-secret", SecretInArguments "secret-in-arguments", LocalLedger "local-ledger",
    Cycle "cycle", UnknownNeed "unknown-need", OutOfOrder "out-of-order", MissingProvider "missing-provider",
    TwoProviders "two-providers", HardCodedValue "hard-coded-value", EnvironmentName "environment-name",
    EnvironmentFile "environment-file", SameValue "same-value", UnsetVariable "unset-variable",
    ValueInCode "value-in-code", UnusedAcceptance "unused-acceptance",
}

impl Code {
    #[must_use]
    pub fn parse(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether `[[accept]]` may name it: it is marked so in the contract, or can be a warning.
    #[must_use]
    pub fn can_be_accepted(self) -> bool {
        self.is_acceptable_error()
            || matches!(self, Code::UnguardedRetry | Code::LocalLedger | Code::UnsetVariable | Code::ValueInCode)
    }

    /// Whether it may be accepted even where it is an error: sometimes it is meant so.
    #[must_use]
    pub fn is_acceptable_error(self) -> bool {
        matches!(
            self,
            Code::UnusedParameter
                | Code::ForgottenFile
                | Code::ForgottenPipeline
                | Code::FirstRunIn
                | Code::SecretInArguments
                | Code::HardCodedValue
                | Code::EnvironmentName
                | Code::EnvironmentFile
                | Code::SameValue
        )
    }
}

/// Errors stop `deploy` of an affected environment; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A range of bytes in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        // Files are refused long before 4 GiB.
        Span { start: range.start as u32, end: range.end as u32 }
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From the root of the repository.
    pub file: Arc<Utf8Path>,
    pub span: Span,
}

impl Place {
    /// The beginning of a file: for what is about all of it, or about its absence.
    #[must_use]
    pub fn start_of(file: impl AsRef<Utf8Path>) -> Place {
        Place { file: file.as_ref().into(), span: Span::default() }
    }
}

/// Something wrong in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub place: Place,
    pub message: String,
    /// What to write at the caret; empty for nothing.
    pub label: String,
    /// Other places that belong to it, each with what it is.
    pub related: Vec<(Place, String)>,
    /// Facts that explain it, a line each.
    pub notes: Vec<String>,
    /// What to do.
    pub help: String,
    /// The parameter or step that it is about: what an acceptance names with `of`.
    pub of: Option<String>,
    /// The environments that it stops; `None`: all.
    pub environments: Option<Vec<String>>,
}

impl Finding {
    #[must_use]
    pub fn error(code: Code, place: Place, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding {
            code,
            severity: Severity::Error,
            place,
            message: message.into(),
            label: String::new(),
            related: Vec::new(),
            notes: Vec::new(),
            help: help.into(),
            of: None,
            environments: None,
        }
    }

    #[must_use]
    pub fn warning(code: Code, place: Place, message: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(code, place, message, help) }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Finding {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn related(mut self, place: Place, what: impl Into<String>) -> Finding {
        self.related.push((place, what.into()));
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Finding {
        self.notes.push(note.into());
        self
    }

    /// The message with what explains it, for those who have no other place for it.
    #[must_use]
    pub fn whole(&self) -> String {
        self.notes.iter().fold(self.message.clone(), |whole, note| whole + "\n" + note)
    }

    #[must_use]
    pub fn of(mut self, of: impl Into<String>) -> Finding {
        self.of = Some(of.into());
        self
    }

    #[must_use]
    pub fn only_in(mut self, environment: &str) -> Finding {
        self.environments = Some(vec![environment.to_owned()]);
        self
    }

    /// Whether it stops a deployment of this environment.
    #[must_use]
    pub fn stops(&self, environment: &str) -> bool {
        self.severity == Severity::Error
            && self.environments.as_ref().is_none_or(|names| names.iter().any(|name| name == environment))
    }
}

/// `; did you mean …` for a name that is not known, or nothing.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Written in other letters it is the same to whoever wrote it.
    let lower = name.to_lowercase();
    let likeness =
        |candidate: &str| match (candidate.rsplit_once('/'), name.rsplit_once('.'), candidate.rsplit_once('.')) {
            // A step by its name alone: `install` for `web/install`.
            (Some((_, last)), ..) if last == name => 1.0,
            // In one group only what is behind its name tells them apart.
            (_, Some((group, name)), Some((other, last))) if group == other => {
                strsim::jaro_winkler(&name.to_lowercase(), &last.to_lowercase())
            }
            _ => strsim::jaro_winkler(&lower, &candidate.to_lowercase()),
        };
    known
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// The names as people read a list: `a`, `b` and `c`.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names = quoted(names);
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{name}`")).collect()
}

/// Help with one more sentence: a question is not gone on with.
#[must_use]
pub fn and_then(help: &str, more: &str) -> String {
    if help.ends_with('?') { format!("{help} {more}") } else { format!("{help}; {more}") }
}

/// Help for an unknown name: the likeliest one, or all there are.
#[must_use]
pub fn suggest<'a>(name: &str, what: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(name, known.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let known: Vec<&str> = known.into_iter().collect();
            // One or two more are shorter than to say so.
            match known.len() {
                0 => format!("there are no {what}"),
                1..=22 => format!("the {what} are {}", listed(known)),
                all => {
                    format!("the {what} are {} and {} more", quoted(known[..20].iter().copied()).join(", "), all - 20)
                }
            }
        }
    }
}
