//! Looking at the files that a plan names: are they there, can they be run, what is in them.
//!
//! Facts only; what is wrong with them is `check`'s to say.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use ciao_base::checksum::sha256;

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Missing,
    /// A link to nothing.
    Dangling,
    /// It leads out of the repository.
    Outside,
    Folder,
    /// Neither file nor folder, or not readable; why.
    Unusable(String),
    File(FileFacts),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub executable: bool,
    pub sha256: String,
    pub empty: bool,
    /// Its first line, if it has one that is text.
    pub first_line: Option<String>,
    /// Begins with the magic number of an executable.
    pub binary: bool,
    /// Whether the interpreter that its `#!` line names is there.
    pub interpreter_found: bool,
    /// Whether that is a program that can be run.
    pub interpreter_runs: bool,
    /// What `#!/usr/bin/env` is to look for and PATH has not here.
    pub not_in_path: Option<String>,
}

/// The facts of each path, from the root. Asked for only: paths are many, and compared slowly.
pub type Facts = HashMap<String, Found>;

/// Looks at every path, and adds what is found.
pub fn inspect<'p>(root: &Utf8Path, paths: impl IntoIterator<Item = &'p Utf8PathBuf>, facts: &mut Facts) {
    let canonical = root.canonicalize_utf8().unwrap_or_else(|_| root.to_owned());
    for path in paths {
        facts.entry(path.to_string()).or_insert_with(|| look(&canonical, path));
    }
}

fn look(root: &Utf8Path, path: &Utf8Path) -> Found {
    let full = root.join(path);
    // Most of what could be a path is none.
    if fs::symlink_metadata(&full).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Found::Missing;
    }
    let Ok(resolved) = full.canonicalize() else {
        return match fs::symlink_metadata(&full) {
            Ok(found) if found.is_symlink() => Found::Dangling,
            Ok(_) => Found::Unusable("it cannot be read".to_owned()),
            Err(_) => Found::Missing,
        };
    };
    if !resolved.starts_with(root) {
        return Found::Outside;
    }
    let found = match fs::metadata(&resolved) {
        Ok(found) => found,
        Err(error) => return Found::Unusable(error.to_string()),
    };
    if found.is_dir() {
        return Found::Folder;
    }
    if !found.is_file() {
        return Found::Unusable("it is neither a file nor a folder".to_owned());
    }
    match fs::File::open(&resolved).and_then(|mut file| sha256(&mut file)) {
        Ok((sha256, head)) => Found::File(facts(&head, sha256, found.permissions().mode() & 0o111 != 0, root)),
        Err(error) => Found::Unusable(error.to_string()),
    }
}

fn facts(head: &[u8], sha256: String, executable: bool, root: &Utf8Path) -> FileFacts {
    let first_line = head
        .split(|byte| *byte == b'\n')
        .next()
        .and_then(|line| std::str::from_utf8(line).ok())
        .filter(|line| !line.is_empty())
        .map(str::to_owned);
    let interpreter = first_line.as_deref().and_then(interpreter).map(|path| fs::metadata(root.join(path)));
    let runs = |found: &fs::Metadata| found.is_file() && found.permissions().mode() & 0o111 != 0;
    FileFacts {
        executable,
        sha256,
        empty: head.is_empty(),
        binary: head.starts_with(b"\x7fELF")
            || head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe])
            || head.starts_with(&[0xca, 0xfe, 0xba, 0xbe]),
        interpreter_found: interpreter.as_ref().is_none_or(Result::is_ok),
        interpreter_runs: interpreter.is_none_or(|found| found.is_ok_and(|found| runs(&found))),
        not_in_path: first_line.as_deref().and_then(sought).filter(|name| !in_path(name)).map(str::to_owned),
        first_line,
    }
}

/// What `env` is to look for: `python3` of `#!/usr/bin/env -S python3 -u`. Without an option it is all of the rest, in one.
fn sought(first_line: &str) -> Option<&str> {
    let line = first_line.strip_prefix("#!")?.trim_ascii();
    let (program, rest) = line.split_at(line.bytes().position(|byte| byte == b' ' || byte == b'\t')?);
    let rest = Some(rest.trim_ascii()).filter(|_| program.ends_with("/env"))?;
    if !rest.starts_with('-') && !rest.split_ascii_whitespace().next()?.contains('=') {
        return Some(rest);
    }
    rest.split_ascii_whitespace().find(|word| !word.starts_with('-') && !word.contains('='))
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    program.contains('/') || std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The program that a `#!` line names.
#[must_use]
pub fn interpreter(first_line: &str) -> Option<&str> {
    first_line.strip_prefix("#!")?.split([' ', '\t', '\r']).find(|word| !word.is_empty())
}
