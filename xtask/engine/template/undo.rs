//! What a writing of several files takes back. It is on disk, below git's folder, before the first file changes: one that was
//! killed is taken back by the next command that writes there.
//!
//! It knows contents and places, not what they are for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Refusal;
use super::file::{Change, beside, fingerprint, laid_beside};
use super::git::git;

/// Cargo writes it too, in every build: whatever is in it, it is restored.
const GENERATED: &str = "Cargo.lock";

/// What was there before, and what is needed to tell it from what came later.
#[derive(Serialize, Deserialize)]
pub struct Undo {
    files: Vec<Entry>,
    /// Folders that are made, outer ones first.
    folders: Vec<String>,
    /// Where it stands while it can be needed; held for as long, so that nobody else writes.
    #[serde(skip)]
    kept: Option<(Utf8PathBuf, File)>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    path: String,
    before: Option<Vec<u8>>,
    /// Of a file that was there.
    mode: Option<u32>,
    /// Fingerprint of what is written.
    after: Option<String>,
}

/// Where it is kept; nothing where there is no git. Every deployment asks, so git is not.
fn place(root: &Utf8Path) -> Option<Utf8PathBuf> {
    let git = root.join(".git");
    // Of a worktree it is a file that names the folder.
    let named = fs::read_to_string(&git).ok();
    let git = named.and_then(|text| Some(root.join(text.strip_prefix("gitdir:")?.trim()))).unwrap_or(git);
    git.is_dir().then(|| git.join("ciao/undo.json"))
}

/// Says that what stands in a copy was never proved, because who wrote it was killed; nothing while it is still proved.
#[must_use]
pub fn unproved(root: &Utf8Path) -> Option<Refusal> {
    let place = place(root).filter(|place| place.exists() && held(place).is_ok())?;
    let message = "an `init`, `upgrade` or `new` was killed here before what it wrote was proved";
    let help = format!(
        "give it again: it takes back first what is not committed; to keep what is there: rm {}",
        shell_words::quote(place.as_str())
    );
    Some(Refusal::new(message, help))
}

/// Opens the file that says that somebody writes there.
fn held(place: &Utf8Path) -> Result<File, Refusal> {
    let failed = |error: std::io::Error| {
        Refusal::new(format!("failed to write {place}: {error}"), "nothing was changed; mend that, then again")
    };
    fs::create_dir_all(place.parent().unwrap_or(place)).map_err(failed)?;
    let lock = File::create(place.with_extension("lock")).map_err(failed)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Refusal::new("another `init`, `upgrade` or `new` is writing there", "wait until it has ended, then again")
    })?;
    Ok(lock)
}

/// Takes back what one that was killed has written, and says so.
///
/// # Errors
/// If somebody is writing there, or it cannot be taken back.
pub fn recover(root: &Utf8Path) -> Result<(), Refusal> {
    let Some(place) = place(root).filter(|place| place.exists()) else { return Ok(()) };
    let lock = held(&place)?;
    let read = fs::read(&place).ok().and_then(|bytes| serde_json::from_slice::<Undo>(&bytes).ok());
    let undo = read.ok_or_else(|| {
        let help = format!("look at `git status` there, take back what is not yours, and remove {place}");
        Refusal::new(format!("{root} was left half written, and {place} is damaged"), help)
    })?;
    Undo { kept: Some((place, lock)), ..undo }.take_back(root)?;
    eprintln!("note: an earlier command was killed while it wrote to {root}: what it had written is taken back");
    Ok(())
}

impl Undo {
    /// Nothing yet; nobody else writes from now on.
    ///
    /// # Errors
    /// If somebody does.
    pub fn open(root: &Utf8Path) -> Result<Undo, Refusal> {
        let kept = place(root).map(|place| held(&place).map(|lock| (place, lock))).transpose()?;
        Ok(Undo { files: Vec::new(), folders: Vec::new(), kept })
    }

    /// Notes what is there, before it is changed, and makes the folders that are missing.
    ///
    /// # Errors
    /// If it cannot be noted; then nothing more has changed.
    pub fn note(&mut self, root: &Utf8Path, changes: &[Change]) -> std::io::Result<()> {
        self.files.extend(changes.iter().map(|change| Entry {
            path: change.path.to_string(),
            before: change.before.clone(),
            mode: fs::metadata(root.join(&change.path)).ok().map(|found| found.permissions().mode()),
            after: change.after.as_deref().map(fingerprint),
        }));
        let mut missing: Vec<String> = Vec::new();
        for change in changes.iter().filter(|change| change.after.is_some()) {
            let full = root.join(&change.path);
            let new: Vec<&Utf8Path> = full.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
            missing.extend(new.into_iter().rev().map(ToString::to_string));
        }
        let mut known = BTreeSet::new();
        missing.retain(|folder| known.insert(folder.clone()));
        self.folders.extend(missing.iter().cloned());
        if let Some((place, _)) = &self.kept {
            let new = place.with_extension("new");
            fs::write(&new, serde_json::to_vec(self)?)?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, place)?;
        }
        missing.iter().try_for_each(fs::create_dir)
    }

    /// What was written stays.
    pub fn keep(self) {
        if let Some((place, _lock)) = self.kept {
            _ = fs::remove_file(place);
        }
    }

    /// Restores what was there before. A file that somebody has changed or committed since is theirs, and left.
    ///
    /// # Errors
    /// If a file could not be restored; then it is tried again by the next command.
    pub fn take_back(self, root: &Utf8Path) -> Result<(), Refusal> {
        let committed = committed(root);
        for entry in self.files.iter().rev() {
            let full = root.join(&entry.path);
            _ = fs::remove_file(beside(&full));
            let now = fs::read(&full).ok();
            if now == entry.before || committed.contains(&entry.path) {
                continue;
            }
            if now.as_deref().map(fingerprint) != entry.after && entry.path != GENERATED {
                eprintln!("warning: {} was changed since: it is left as it is", entry.path);
                continue;
            }
            let restored = match &entry.before {
                None => fs::remove_file(&full),
                Some(before) => laid_beside(&full, before, entry.mode).and_then(|laid| fs::rename(laid, &full)),
            };
            restored.map_err(|error| {
                let help = "mend that and give the same command again: it takes the rest back first";
                Refusal { code: 1, ..Refusal::new(format!("failed to take back {full}: {error}"), help) }
            })?;
        }
        for folder in self.folders.iter().rev() {
            // One that holds something by now is somebody's.
            _ = fs::remove_dir(folder);
        }
        self.keep();
        Ok(())
    }
}

/// The files that are as the last commit has them.
fn committed(root: &Utf8Path) -> BTreeSet<String> {
    let listed = |args: &[&str]| git(root, args).map(|text| text.split('\0').map(str::to_owned).collect());
    let (tracked, changed): (Result<BTreeSet<String>, _>, Result<BTreeSet<String>, _>) =
        (listed(&["ls-files", "-z"]), listed(&["diff", "--name-only", "--no-renames", "-z", "HEAD"]));
    // Where nothing is committed yet, there is no such file.
    let (Ok(tracked), Ok(changed)) = (tracked, changed) else { return BTreeSet::new() };
    tracked.difference(&changed).cloned().collect()
}
