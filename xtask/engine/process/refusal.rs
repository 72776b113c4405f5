//! Why a process could not be started, in words.
//!
//! It looks at the file that was to be started; it knows nothing of steps.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::io::Errno;

use super::frame::Launch;

/// What to say of a start that failed with `errno` (0: `what` says it all).
#[must_use]
pub fn not_started(launch: &Launch, errno: i32, what: &str) -> String {
    let error = (errno != 0).then(|| Errno::from_raw_os_error(errno));
    let reason = error.map(|error| std::io::Error::from(error).to_string()).unwrap_or_default();
    if !what.is_empty() {
        return format!("cannot {what}: {}", reason_of(error, &reason));
    }
    if !launch.cwd.is_dir() {
        return format!("its folder {} does not exist", launch.cwd.display());
    }
    let Some(program) = &launch.program else { return format!("cannot start this executable again: {reason}") };
    let shown = program.display();
    match error {
        Some(Errno::TOOBIG) => format!(
            "{shown}: an argument or a variable is longer than the system takes (128 KiB each, about 2 MiB in all); \
             give it in a file: `{{ file = … }}` in env, or stdin"
        ),
        Some(Errno::NOEXEC) if is_empty(program) => format!("{shown} is empty"),
        Some(Errno::NOEXEC) => format!("{shown} has no #! line that the system understands, and is no program"),
        Some(Errno::NOENT) if program.exists() => no_interpreter(program),
        Some(Errno::NOENT) if program.is_symlink() => format!("{shown} is a link to something that does not exist"),
        Some(Errno::NOENT) => format!("{shown} does not exist"),
        Some(Errno::ACCESS) if program.is_dir() => format!("{shown} is a folder"),
        Some(Errno::ACCESS) => not_permitted(program),
        Some(Errno::TXTBSY) => format!("{shown} is being written to"),
        Some(Errno::AGAIN | Errno::NOMEM) => format!("{shown}: the system can start no more processes now ({reason})"),
        _ => format!("{shown}: {reason}"),
    }
}

/// What to say of a program that is in no folder of the step's PATH.
#[must_use]
pub fn not_found(program: &str, path: &str) -> String {
    let place = if path.is_empty() { "its PATH is empty".to_owned() } else { format!("looked for in {path}") };
    format!("there is no program `{program}` ({place})")
}

fn reason_of(error: Option<Errno>, reason: &str) -> String {
    match error {
        Some(Errno::NOENT) => "it does not exist".to_owned(),
        Some(Errno::ACCESS) => "it may not be read".to_owned(),
        Some(Errno::ISDIR) => "it is a folder".to_owned(),
        _ => reason.to_owned(),
    }
}

fn first_line(program: &Path) -> Option<String> {
    let mut start = [0; 512];
    let count = File::open(program).and_then(|mut file| file.read(&mut start)).ok()?;
    let line = start[..count].split(|&byte| byte == b'\n').next()?;
    line.strip_prefix(b"#!").map(|line| String::from_utf8_lossy(line).into_owned())
}

fn is_empty(program: &Path) -> bool {
    fs::metadata(program).is_ok_and(|data| data.len() == 0)
}

fn no_interpreter(program: &Path) -> String {
    let shown = program.display();
    let Some(line) = first_line(program) else {
        return format!("{shown} needs a loader that this system does not have (it was built for another one)");
    };
    let interpreter = line.split_ascii_whitespace().next().unwrap_or("");
    if line.ends_with('\r') {
        return format!("{shown}: its first line ends in CR LF; a #! line must end in LF");
    }
    format!("{shown} asks for {interpreter} in its first line, which does not exist")
}

fn not_permitted(program: &Path) -> String {
    let shown = program.display();
    match fs::metadata(program) {
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            format!("{shown} is not executable (chmod +x {shown})")
        }
        _ => format!("{shown} may not be run by this user, or its file system forbids running files (noexec)"),
    }
}
