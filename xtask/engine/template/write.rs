//! Writing several files, all or none: new content beside the old, then renamed; taken back if anything fails.
//!
//! It knows what is to be written, not why.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::Refusal;

/// What happens to one file.
pub struct Change {
    /// From the root.
    pub path: Utf8PathBuf,
    /// What is there now; nothing if it is a new file.
    pub before: Option<Vec<u8>>,
    /// What will be there; nothing if it goes.
    pub after: Option<Vec<u8>>,
    pub executable: bool,
}

impl Change {
    /// What to do so that a file has this content; nothing if it has it.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub fn new(
        root: &Utf8Path,
        path: impl Into<Utf8PathBuf>,
        after: Option<Vec<u8>>,
    ) -> Result<Option<Change>, Refusal> {
        let path = path.into();
        let before = read(root, &path)?;
        Ok((before != after).then_some(Change { path, before, after, executable: false }))
    }
}

/// The content of a file; nothing if there is none.
///
/// # Errors
/// If it cannot be read, or stands outside the repository.
pub fn read(root: &Utf8Path, path: &Utf8Path) -> Result<Option<Vec<u8>>, Refusal> {
    let full = root.join(path);
    let real = full.ancestors().find_map(|folder| folder.canonicalize_utf8().ok());
    if real.is_some_and(|real| !real.starts_with(root)) {
        let help = "make it a file or folder of the repository, then again";
        return Err(Refusal::new(format!("{path} leads out of the repository"), help));
    }
    match fs::read(&full) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Refusal::new(format!("failed to read {full}: {error}"), "mend that, then again")),
    }
}

/// Shows what is going to be written: new files by name, folders of the engine as one line, changed files with their lines.
///
/// # Errors
/// If it cannot be printed.
pub fn show(changes: &[Change], out: &mut dyn Write) -> std::io::Result<()> {
    let engine = |change: &&Change| change.path.starts_with(super::origin::ENGINE);
    let copied = changes.iter().filter(engine).count();
    if copied > 0 {
        writeln!(out, "  write   {}/ ({copied} files)", super::origin::ENGINE)?;
    }
    for change in changes.iter().filter(|change| !engine(change)) {
        match (&change.before, &change.after) {
            (None, _) => writeln!(out, "  create  {}", change.path)?,
            (_, None) => writeln!(out, "  remove  {}", change.path)?,
            (Some(before), Some(after)) => {
                writeln!(out, "  change  {}", change.path)?;
                for line in difference(&String::from_utf8_lossy(before), &String::from_utf8_lossy(after)) {
                    writeln!(out, "            {line}")?;
                }
            }
        }
    }
    Ok(())
}

/// The lines that go and come; of a long one the first.
fn difference(before: &str, after: &str) -> Vec<String> {
    const SHOWN: usize = 12;
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = before.iter().zip(&after).take_while(|(left, right)| left == right).count();
    let tails = before[head..].iter().rev().zip(after[head..].iter().rev());
    let tail = tails.take_while(|(left, right)| left == right).count();
    let gone = before[head..before.len() - tail].iter().map(|line| format!("- {line}"));
    let come = after[head..after.len() - tail].iter().map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = gone.chain(come).collect();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// What was written, so that it can be taken back.
#[must_use]
pub struct Written<'c> {
    root: &'c Utf8Path,
    changes: &'c [Change],
    /// How many of the changes took effect.
    done: usize,
    /// Folders that were made for them.
    folders: Vec<Utf8PathBuf>,
}

impl Written<'_> {
    /// Restores what was there before.
    pub fn take_back(self) {
        for change in &self.changes[..self.done] {
            let full = self.root.join(&change.path);
            let result = match &change.before {
                None => fs::remove_file(&full),
                Some(before) if full.exists() => fs::write(&full, before),
                Some(before) => laid_beside(&full, before, change.executable).and_then(|laid| fs::rename(laid, &full)),
            };
            if let Err(error) = result {
                eprintln!("warning: failed to take back {full}: {error}");
            }
        }
        for folder in self.folders.iter().rev() {
            // One that holds something by now is somebody's.
            _ = fs::remove_dir(folder);
        }
    }
}

/// Writes all of them, or none.
///
/// # Errors
/// If one could not be written; then nothing has changed.
pub fn write<'c>(root: &'c Utf8Path, changes: &'c [Change]) -> Result<Written<'c>, Refusal> {
    let mut written = Written { root, changes, done: 0, folders: Vec::new() };
    let mut temporary: Vec<Option<Utf8PathBuf>> = Vec::new();
    let mut result = Ok(());
    for change in changes {
        result = lay(root, change, &mut written.folders).map(|laid| temporary.push(laid));
        if let Err(error) = &result {
            result = Err(std::io::Error::new(error.kind(), format!("{}: {error}", change.path)));
            break;
        }
    }
    if result.is_ok() {
        for (change, laid) in changes.iter().zip(&mut temporary) {
            let full = root.join(&change.path);
            result = match laid.take() {
                Some(laid) => fs::rename(&laid, real(&full)).inspect_err(|_| _ = fs::remove_file(&laid)),
                None => fs::remove_file(&full),
            };
            if result.is_err() {
                break;
            }
            written.done += 1;
        }
    }
    match result {
        Ok(()) => Ok(written),
        Err(error) => {
            for path in temporary.iter().flatten() {
                _ = fs::remove_file(path);
            }
            written.take_back();
            let help = "nothing was changed; make the folder writable and see that the disk has room, then again";
            Err(Refusal::new(format!("failed to write to {root}: {error}"), help))
        }
    }
}

fn lay(root: &Utf8Path, change: &Change, folders: &mut Vec<Utf8PathBuf>) -> std::io::Result<Option<Utf8PathBuf>> {
    let full = root.join(&change.path);
    let Some(after) = &change.after else { return Ok(None) };
    let parents = full.ancestors().skip(1).take_while(|folder| !folder.exists());
    for folder in parents.map(Utf8Path::to_owned).collect::<Vec<_>>().into_iter().rev() {
        fs::create_dir(&folder)?;
        folders.push(folder);
    }
    laid_beside(&full, after, change.executable).map(Some)
}

/// A link that stands in the place of a file stays one: what it leads to is replaced.
fn real(full: &Utf8Path) -> Utf8PathBuf {
    full.canonicalize_utf8().unwrap_or_else(|_| full.to_owned())
}

/// Writes beside the file, with its permissions if it is there.
fn laid_beside(full: &Utf8Path, content: &[u8], executable: bool) -> std::io::Result<Utf8PathBuf> {
    let full = &real(full);
    let path = full.with_file_name(format!(".{}.{}.new", full.file_name().unwrap_or_default(), std::process::id()));
    fs::write(&path, content)?;
    if let Ok(found) = fs::metadata(full) {
        fs::set_permissions(&path, found.permissions())?;
    } else if executable {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(path)
}
