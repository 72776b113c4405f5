//! git in the repository that is written to, and in the one that is copied from.

use camino::Utf8Path;
use xshell::{Shell, cmd};

/// Runs git in a folder and gives its standard output.
///
/// # Errors
/// What git said.
pub fn git(folder: &Utf8Path, args: &[&str]) -> Result<String, String> {
    let shell = Shell::new().map_err(|error| error.to_string())?;
    // Set by git for its hooks; they would lead to another repository.
    let command = cmd!(shell, "git -C {folder} {args...}")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    let output = command.quiet().ignore_status().output().map_err(|error| error.to_string())?;
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        return Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
