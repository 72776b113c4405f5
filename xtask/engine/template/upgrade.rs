//! `upgrade DIR`: brings a copy to this version of the engine, and takes everything back if its step order would change.
//!
//! The owner's files are never touched. Edits of the engine are found by what was recorded, and merged three ways by git.

use std::collections::BTreeSet;
use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use super::destination::Destination;
use super::edit::{Document, with_settings};
use super::file::{self, Change, fingerprint};
use super::git::git;
use super::origin::{MANIFEST, Origin, RECORD, Record};
use super::proof::{Cargo, Proof, written_otherwise};
use super::{ACCEPT, Refusal, confirmed, lock, manifest, older, write};

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
    /// What became of files that its owner had edited or deleted.
    notes: Vec<String>,
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
    for note in draft.notes.iter().chain(&ignored) {
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
    replace(args, &origin, &destination, &draft.changes, out)?;
    let otherwise = written_otherwise(&destination.root);
    if !otherwise.is_empty() {
        let snapshots = otherwise.join(", ");
        writeln!(out, "note: this version writes the order of the steps otherwise than {snapshots}: accept it with")?;
        writeln!(out, "      {ACCEPT}, and look at the difference before you commit it")?;
    }
    writeln!(out, "upgraded. See CHANGELOG.md of the origin for what an owner of a copy must do; then commit it")?;
    Ok(())
}

/// Writes between two proofs.
fn replace(
    args: &UpgradeArgs,
    origin: &Origin,
    destination: &Destination,
    changes: &[Change],
    out: &mut dyn Write,
) -> Result<(), Refusal> {
    let root = &destination.root;
    let cargo = Cargo::of(root);
    if args.unchecked {
        return cargo.complete(write::write(root, changes)?, origin);
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
        let help = after.failure.and_then(|said| cargo.not_vendored(&said, origin)).unwrap_or_else(|| {
            "everything was taken back; report it where the engine comes from, or, where it must be so, call it with\n\
             `--unchecked` and mend what is yours"
                .to_owned()
        });
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
    let yours = match conflicts.iter().any(|(path, _)| path == MANIFEST) {
        true => {
            "\n(in xtask/Cargo.toml, what your tasks need is merged where it stands in lines of its own in [dependencies])"
        }
        false => "",
    };
    let help = format!(
        "undo these edits and make them in the repository that the engine comes from, or give them up: `--discard-edits`;\n\
         nothing was changed{yours}"
    );
    Refusal::new(message, help)
}

fn given_up(path: &Utf8Path) -> String {
    format!("{path} was edited there: these edits are given up")
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
            (ours, there) if untouched => {
                if there.is_none() && recorded.is_some() {
                    draft.notes.push(format!("{path} was deleted there: it comes back"));
                }
                ours.cloned()
            }
            (None, _) if discard => {
                draft.notes.push(given_up(path));
                None
            }
            (None, _) => {
                draft.conflicts.push((path.clone(), "it was edited there, and has been removed".to_owned()));
                continue;
            }
            (Some(ours), there) => {
                match merge(origin, destination, record, path, there.as_deref().unwrap_or_default(), ours)? {
                    Ok(merged) => {
                        draft.notes.push(format!("{path} was edited there: merged"));
                        Some(merged.into_bytes())
                    }
                    Err(_) if discard => {
                        draft.notes.push(given_up(path));
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
            lock::merged(destination.toml("Cargo.lock")?.as_deref(), &String::from_utf8_lossy(&ours), &origin.left_out);
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
) -> Result<Result<String, String>, Refusal> {
    let Some(base) = base(origin, destination, record, path) else {
        return Ok(Err("it was edited there, and what was copied is in no commit that could be found".to_owned()));
    };
    let [there, ours] = [there, ours].map(|content| String::from_utf8_lossy(content).replace("\r\n", "\n"));
    let base = base.replace("\r\n", "\n");
    let merged = three_ways(path, &there, &base, &ours)?;
    let as_it_is = path != MANIFEST || merged.as_deref().is_ok_and(|merged| Document::parse(merged).is_ok());
    // Of the file that belongs to both, what its owner wrote of dependencies is put aside, and back.
    let apart = if as_it_is { None } else { manifest::apart(&there, &base) };
    let Some((rest, own)) = apart else { return Ok(merged) };
    let merged = three_ways(path, &rest, &base, &ours)?;
    Ok(merged.and_then(|merged| manifest::joined(&merged, &own, &there, &base, &ours)))
}

/// What git makes of it; the inner error is what stands against what.
fn three_ways(path: &Utf8Path, there: &str, base: &str, ours: &str) -> Result<Result<String, String>, Refusal> {
    let failed = |error: String| Refusal::new(format!("failed to merge {path}: {error}"), "nothing was changed");
    let shell = Shell::new().map_err(|error| failed(error.to_string()))?;
    let folder = shell.create_temp_dir().map_err(|error| failed(error.to_string()))?;
    for (name, text) in [("there", there), ("base", base), ("ours", ours)] {
        shell.write_file(folder.path().join(name), text).map_err(|error| failed(error.to_string()))?;
    }
    shell.change_dir(folder.path());
    let labels = ["-L", "edited there", "-L", "as copied", "-L", "this version"];
    let output = cmd!(shell, "git merge-file -p --diff3 {labels...} there base ours").quiet().ignore_status().output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.code() {
        Some(0) => Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned())),
        Some(conflicts @ 1..=127) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut inside = false;
            let shown = text.lines().filter(|line| {
                inside |= line.starts_with("<<<<<<<");
                let shown = inside;
                inside &= !line.starts_with(">>>>>>>");
                shown
            });
            let places = if conflicts == 1 { "place" } else { "places" };
            Ok(Err(format!("{}\n({conflicts} {places})", shown.collect::<Vec<_>>().join("\n"))))
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
