//! `upgrade DIR`: brings a copy to this version of the engine, and takes everything back if its step order would change.
//!
//! The owner's files are never touched. Edits of the engine are found by what was recorded, and merged three ways by git.

use std::collections::BTreeSet;
use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use super::destination::Destination;
use super::edit::with_settings;
use super::file::{self, Change, fingerprint};
use super::git::git;
use super::origin::{Origin, RECORD, Record};
use super::proof::{Cargo, Proof};
use super::{Refusal, confirmed, lock, older, write};

/// Bring the engine of a copy to this version
#[derive(Debug, clap::Args)]
pub struct UpgradeArgs {
    /// The root of the repository with the copy
    #[arg(value_name = "DIR")]
    pub repository: Utf8PathBuf,
    /// Write without asking; where nobody can answer nothing is asked anyway
    #[arg(short, long)]
    pub yes: bool,
    /// Where an edit of the engine's files cannot be merged, give it up
    #[arg(long)]
    pub discard_edits: bool,
    /// Do not run the copy's check, plans and tests before and after
    #[arg(long)]
    pub unchecked: bool,
}

/// What becomes of the copy's files.
#[derive(Default)]
struct Draft {
    changes: Vec<Change>,
    merged: Vec<Utf8PathBuf>,
    /// Files whose edits cannot be merged, and are given up.
    given_up: Vec<Utf8PathBuf>,
    /// Files whose edits cannot be merged, each with what stands against what.
    conflicts: Vec<(Utf8PathBuf, String)>,
}

/// Shows what changes, proves the step order before and after, and says what was done.
///
/// # Errors
/// If it cannot be upgraded, or was taken back; then nothing has changed.
pub fn upgrade(args: &UpgradeArgs, out: &mut dyn Write) -> Result<(), Refusal> {
    let origin = Origin::of_this_program()?;
    let destination = Destination::open(&args.repository, &origin, "upgrade")?;
    let record = destination.record()?;
    let draft = draft(&origin, &destination, &record, args.discard_edits)?;
    if !draft.conflicts.is_empty() {
        return Err(unmerged(&draft.conflicts));
    }
    if draft.changes.is_empty() {
        writeln!(out, "{} is up to date with {}", destination.root, version(&origin.version, &origin.commit))?;
        return Ok(());
    }
    let ignored = destination.not_ignored(&draft.changes)?;
    let (from, to) = (version(&record.version, &record.commit), version(&origin.version, &origin.commit));
    writeln!(out, "{}: from {from} to {to}", destination.root)?;
    write::show(&draft.changes, out)?;
    for path in &draft.merged {
        writeln!(out, "note: {path} was edited there: merged")?;
    }
    for path in &draft.given_up {
        writeln!(out, "note: {path} was edited there: these edits are given up")?;
    }
    if let Some(note) = ignored {
        writeln!(out, "note: {note}")?;
    }
    if older(&origin.version, &record.version) {
        writeln!(out, "note: this version is older than the one that is there")?;
    }
    if destination.dirty > 0 {
        writeln!(out, "note: there are changes in {}, not committed", destination.dirty_files())?;
    }
    if !confirmed("upgrade?", args.yes)? {
        return Err(Refusal::new("nothing was written", ""));
    }
    replace(args, &destination, &draft.changes, out)?;
    writeln!(out, "upgraded. See CHANGELOG.md of the origin for what an owner of a copy must do; then commit it")?;
    Ok(())
}

/// Writes between two proofs.
fn replace(
    args: &UpgradeArgs,
    destination: &Destination,
    changes: &[Change],
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let root = &destination.root;
    let cargo = Cargo::of(root);
    if args.unchecked {
        let written = write::write(root, changes)?;
        cargo.complete_lock();
        if let Some(interrupted) = cargo.interrupted() {
            written.take_back()?;
            return Err(interrupted);
        }
        written.keep();
        return Ok(());
    }
    // Cargo writes it while it builds.
    let lock = file::read(root, Utf8Path::new("Cargo.lock"))?;
    let lock = Change { path: "Cargo.lock".into(), before: lock.clone(), after: lock, executable: false };
    let written = write::write(root, &[lock])?;
    writeln!(out, "before: check, plans and tests")?;
    let before = Proof::of(&cargo);
    if cargo.signal().is_some() || !before.has_plan() {
        written.take_back()?;
        let failure = before.failure.unwrap_or_default();
        let help = format!("{failure}\nmend that first, or call it with `--unchecked`; nothing was changed");
        let refusal = Refusal::new("it has no plan before the upgrade: there is nothing to compare with", help);
        return Err(cargo.interrupted().unwrap_or(refusal));
    }
    let written = written.and(changes)?;
    writeln!(out, "after: check, plans and tests")?;
    let after = Proof::of(&cargo);
    let why = match (&after.failure, before.differs(&after)) {
        (_, Some(what)) => Some(format!("the order of its steps would change: {what}")),
        (Some(failure), None) if before.failure.is_none() => Some(format!("its tests do not pass any more\n{failure}")),
        _ => None,
    };
    if cargo.signal().is_some() || why.is_some() {
        written.take_back()?;
        let help = "everything was taken back; report it where the engine comes from";
        let refusal = Refusal { code: 1, ..Refusal::new(why.unwrap_or_default(), help) };
        return Err(cargo.interrupted().unwrap_or(refusal));
    }
    written.keep();
    match (&before.failure, &after.failure) {
        (Some(_), Some(failure)) => writeln!(out, "note: its tests did not pass before, and do not now:\n{failure}")?,
        (Some(_), None) => writeln!(out, "note: its tests did not pass before, and do now")?,
        _ => {}
    }
    if before.clean && !after.clean {
        writeln!(out, "note: this version finds errors that the one before did not: `cargo xtask check`")?;
    }
    Ok(())
}

fn version(version: &str, commit: &str) -> String {
    format!("{version} ({})", commit.get(..12).unwrap_or("not committed"))
}

fn unmerged(conflicts: &[(Utf8PathBuf, String)]) -> Refusal {
    let files: Vec<&str> = conflicts.iter().map(|(path, _)| path.as_str()).collect();
    let shown: Vec<String> = conflicts.iter().map(|(path, what)| format!("--- {path}\n{what}")).collect();
    let message = format!("edits of the engine cannot be merged in {}\n{}", files.join(", "), shown.join("\n"));
    let help = "undo these edits and make them in the repository that the engine comes from, or give them up: `--discard-edits`;\n\
                nothing was changed";
    Refusal::new(message, help)
}

fn draft(origin: &Origin, destination: &Destination, record: &Record, discard: bool) -> Result<Draft, Refusal> {
    let mut draft = Draft::default();
    let root = &destination.root;
    let paths: BTreeSet<&Utf8PathBuf> = origin.files.keys().chain(record.files.keys()).collect();
    for path in paths {
        let ours = origin.files.get(path);
        let there = file::read(root, path)?;
        let recorded = record.files.get(path);
        let untouched = there.as_ref().is_none_or(|there| recorded == Some(&fingerprint(there)));
        let same = ours.zip(there.as_ref()).is_some_and(|(ours, there)| fingerprint(ours) == fingerprint(there));
        let after = match (ours, &there) {
            _ if same => continue,
            (None, None) => continue,
            (ours, _) if untouched => ours.cloned(),
            (None, _) if discard => {
                draft.given_up.push(path.clone());
                None
            }
            (None, _) => {
                draft.conflicts.push((path.clone(), "it was edited there, and has been removed".to_owned()));
                continue;
            }
            (Some(ours), there) => {
                match merge(origin, destination, record, path, there.as_deref().unwrap_or_default(), ours)? {
                    Ok(merged) => {
                        draft.merged.push(path.clone());
                        Some(merged)
                    }
                    Err(_) if discard => {
                        draft.given_up.push(path.clone());
                        Some(ours.clone())
                    }
                    Err(conflict) => {
                        draft.conflicts.push((path.clone(), conflict));
                        continue;
                    }
                }
            }
        };
        draft.changes.extend(Change::new(root, path, after)?);
    }
    if draft.changes.is_empty() && record.commit == origin.commit {
        return Ok(draft);
    }
    draft.changes.extend(Change::new(root, RECORD, Some(origin.record().into_bytes()))?);
    if let Some(ours) = file::read(&origin.root, Utf8Path::new("Cargo.lock"))? {
        let merged =
            lock::merged(destination.text("Cargo.lock")?.as_deref(), &String::from_utf8_lossy(&ours), &origin.left_out);
        draft.changes.extend(Change::new(root, "Cargo.lock", Some(merged.into_bytes()))?);
    }
    let manifest = Utf8Path::new("Cargo.toml");
    if let (Some(theirs), Some(ours)) = (destination.text("Cargo.toml")?, file::read(&origin.root, manifest)?) {
        let built = with_settings(&theirs, &String::from_utf8_lossy(&ours).replace("\r\n", "\n"));
        draft.changes.extend(Change::new(root, manifest, Some(built.into_bytes()))?);
    }
    Ok(draft)
}

/// Merges an edited file three ways; the inner error is what stands against what.
fn merge(
    origin: &Origin,
    destination: &Destination,
    record: &Record,
    path: &Utf8Path,
    there: &[u8],
    ours: &[u8],
) -> Result<Result<Vec<u8>, String>, Refusal> {
    let Some(base) = base(origin, destination, record, path) else {
        return Ok(Err("it was edited there, and what was copied is in no commit that could be found".to_owned()));
    };
    let failed = |error: String| Refusal::new(format!("failed to merge {path}: {error}"), "nothing was changed");
    let shell = Shell::new().map_err(|error| failed(error.to_string()))?;
    let folder = shell.create_temp_dir().map_err(|error| failed(error.to_string()))?;
    let files = [("there", there), ("base", base.as_bytes()), ("ours", ours)];
    for (name, content) in files {
        let text = String::from_utf8_lossy(content).replace("\r\n", "\n");
        shell.write_file(folder.path().join(name), text).map_err(|error| failed(error.to_string()))?;
    }
    shell.change_dir(folder.path());
    let labels = ["-L", "edited there", "-L", "as copied", "-L", "this version"];
    let output = cmd!(shell, "git merge-file -p --diff3 {labels...} there base ours").quiet().ignore_status().output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.code() {
        Some(0) => Ok(Ok(output.stdout)),
        Some(conflicts @ 1..=127) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let from = text.find("<<<<<<<").unwrap_or_default();
            let shown: Vec<&str> = text[from..].lines().take(24).collect();
            let places = if conflicts == 1 { "place" } else { "places" };
            Ok(Err(format!("{} ({conflicts} {places})", shown.join("\n"))))
        }
        _ => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// What was copied: from the copy's own history, else from the origin's.
fn base(origin: &Origin, destination: &Destination, record: &Record, path: &Utf8Path) -> Option<String> {
    let recorded = record.files.get(path)?;
    let in_copy = || {
        let commit = git(&destination.root, &["log", "-1", "--format=%H", "--", RECORD]).ok()?;
        git(&destination.root, &["show", &format!("{commit}:{path}")]).ok()
    };
    let candidates = [in_copy(), origin.at(&record.commit, path)];
    // git gives its output without the last line end.
    let whole = candidates.into_iter().flatten().flat_map(|text| [format!("{text}\n"), text]);
    whole.into_iter().find(|text| fingerprint(text.as_bytes()) == *recorded)
}
