//! The secrets of a plan: read from where the environment's file says, before the first step.
//!
//! It knows nothing of how they are masked or used. No message and no `Debug` of it holds a value.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;

use super::environment::Caller;
use super::mask::{SHORTEST, is_short};
use ciao_plan::{Plan, Secret, SecretSource, Type};
use ciao_process::{Captured, Launch, Signals, capture, find_program};

/// How long a source may take: some ask a person on their phone.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How many bytes a secret may have: as a variable it must be shorter than 128 KiB, with its name, and every form of it
/// is searched for in all that steps print.
pub const LONGEST: usize = 64 << 10;

/// All secrets of a plan, by name.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<Arc<str>, Vec<u8>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_set().entries(self.values.keys()).finish()
    }
}

/// A secret that cannot be used, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub secret: String,
    /// Where it was looked for.
    pub source: String,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "secret {} ({}): {}", self.secret, self.source, self.reason)
    }
}

/// Why there are no secrets.
#[derive(Debug)]
pub enum Unreadable {
    /// All of them at once.
    Problems(Vec<Problem>),
    /// The number of the signal that came meanwhile.
    Interrupted(i32),
}

impl Secrets {
    /// Reads all that the plan names.
    ///
    /// # Errors
    /// If one of them is not set, empty, too short to be masked, or cannot be read.
    pub fn read(
        plan: &Plan,
        root: &Utf8Path,
        caller: &Caller,
        exe: &Path,
        signals: &mut Signals,
    ) -> Result<Secrets, Unreadable> {
        let (mut secrets, mut problems) = (Secrets::default(), Vec::new());
        // Two secrets may come from one command; nobody wants to confirm twice.
        let mut asked: BTreeMap<&[String], Result<Vec<u8>, String>> = BTreeMap::new();
        for (name, Secret { kind, source }) in &plan.secrets {
            let value = match source {
                SecretSource::Env(variable) => from_variable(caller, variable),
                SecretSource::File(path) => from_file(&root.join(path)),
                SecretSource::Command { run, .. } => match asked.get(run.as_slice()) {
                    Some(answer) => answer.clone(),
                    None => {
                        let answer = from_command(run, root, caller, exe, signals).map_err(Unreadable::Interrupted)?;
                        asked.insert(run, answer.clone());
                        answer
                    }
                },
            };
            match value.and_then(|value| usable(value, *kind)) {
                Ok(value) => drop(secrets.values.insert(Arc::clone(name), value)),
                Err(reason) => {
                    problems.push(Problem { secret: name.to_string(), source: describe(source), reason });
                }
            }
        }
        // What was passed on empty hides nothing.
        for (name, value) in caller.masked.iter().filter(|(_, value)| !value.is_empty()) {
            if let Err(reason) = usable(value.clone(), Type::String) {
                problems.push(Problem { secret: name.clone(), source: "named in pass_env".to_owned(), reason });
            }
        }
        if problems.is_empty() { Ok(secrets) } else { Err(Unreadable::Problems(problems)) }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(Vec::as_slice)
    }

    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.values().map(Vec::as_slice)
    }
}

fn describe(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("variable {name}"),
        SecretSource::File(path) => format!("file {path}"),
        SecretSource::Command { source, run } => format!("{source}: {}", shell_words::join(run)),
    }
}

fn usable(value: Vec<u8>, kind: Type) -> Result<Vec<u8>, String> {
    let value = trimmed(value);
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    if value.len() > LONGEST {
        return Err(format!("it is longer than {} KiB", LONGEST >> 10));
    }
    if value.trim_ascii().is_empty() {
        return Err("it is nothing but blanks".to_owned());
    }
    if value.contains(&0) {
        return Err("it has a NUL in it, which no variable can hold".to_owned());
    }
    match too_short(&value).or_else(|| misfit(&value, kind)) {
        Some(reason) => Err(reason),
        None => Ok(value),
    }
}

/// Why a secret cannot be masked.
#[must_use]
pub fn too_short(value: &[u8]) -> Option<String> {
    is_short(value).then(|| {
        format!(
            "it is shorter than {SHORTEST} bytes: anybody could guess it, and masking it would garble everything else"
        )
    })
}

/// Why a secret is not of the type that is declared, without a word of it.
fn misfit(value: &[u8], kind: Type) -> Option<String> {
    let why = match (kind, std::str::from_utf8(value)) {
        (Type::String | Type::Path, _) => return None,
        (_, Err(_)) => "it is no UTF-8",
        // The error tells where, and so a little of what.
        (Type::Table, Ok(text)) => serde_json::from_str::<serde_json::Value>(text).err().map(|_| "it is no JSON")?,
        (kind, Ok(text)) => kind.fits(text).err()?.0,
    };
    Some(format!("it is declared as `type = \"{}\"`, and is none: {why}", kind.name()))
}

/// Without the line break that editors and commands put at the end.
fn trimmed(mut value: Vec<u8>) -> Vec<u8> {
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    value
}

fn from_variable(caller: &Caller, name: &str) -> Result<Vec<u8>, String> {
    caller.get(name).map(|value| value.as_bytes().to_vec()).ok_or_else(|| "it is not set".to_owned())
}

fn from_file(path: &Utf8Path) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    // One byte more than it may have, and its line break; a device has no end.
    let read = fs::File::open(path).and_then(|file| file.take(LONGEST as u64 + 3).read_to_end(&mut value));
    read.map(|_| value).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    })
}

fn from_command(
    run: &[String],
    root: &Utf8Path,
    caller: &Caller,
    exe: &Path,
    signals: &mut Signals,
) -> Result<Result<Vec<u8>, String>, i32> {
    let Some((program, args)) = run.split_first() else { return Ok(Err("it names no program".to_owned())) };
    let path = caller.passed.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
    let found = match find_program(program, &path, root.as_std_path()) {
        Ok(found) => found,
        Err(reason) => return Ok(Err(reason)),
    };
    let launch = Launch {
        program: Some(found),
        name: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: caller.passed.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        cwd: root.into(),
        capture: true,
        ..Launch::default()
    };
    let answer = match capture(exe, &launch, TIMEOUT, signals) {
        Ok(Captured::Ended { exit, output, .. }) if exit.good() => Ok(output),
        Ok(Captured::Ended { exit, errors, .. }) => Err(failed(exit.code(), &errors)),
        Ok(Captured::NotStarted(reason)) => Err(reason),
        Ok(Captured::TimedOut) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        Ok(Captured::TooMuch) => Err("it prints more than 1 MiB".to_owned()),
        Ok(Captured::Interrupted(signal)) => return Err(signal),
        Err(error) => Err(format!("it cannot be run: {error}")),
    };
    Ok(answer)
}

/// What it said on standard error: a source explains itself there, and prints the secret on standard output only.
fn failed(code: i32, errors: &[u8]) -> String {
    let errors = String::from_utf8_lossy(errors);
    let mut last: Vec<&str> = errors.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    last.reverse();
    if last.is_empty() {
        return format!("it ended with exit code {code}");
    }
    format!("it ended with exit code {code}: {}", super::report::neutral(last.join("; ").as_bytes()))
}
