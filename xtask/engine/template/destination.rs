//! The repository that is to get a copy, or has one: is it one, is it another than this, what is in it.
//!
//! It looks and asks git; it writes nothing.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::edit::Document;
use super::file::{Change, GITIGNORE};
use super::git::git;
use super::origin::{Origin, RECORD, Record};
use super::starter::TEST;
use super::{Refusal, file, undo};

/// A git repository with a working tree, at its root.
pub struct Destination {
    pub root: Utf8PathBuf,
    /// How many files are changed or new in it.
    pub dirty: usize,
}

impl Destination {
    /// # Errors
    /// If it is no git repository, this one, inside this one, or not writable.
    pub fn open(folder: &Utf8Path, origin: &Origin, verb: &str) -> Result<Destination, Refusal> {
        let Ok(given) = folder.canonicalize_utf8() else {
            return Err(Refusal::new(
                format!("there is no folder {folder}"),
                format!("create it: `git init {}`", quoted(folder)),
            ));
        };
        let Ok(root) = git(&given, &["rev-parse", "--show-toplevel"]) else {
            if git(&given, &["rev-parse", "--is-bare-repository"]).is_ok_and(|bare| bare == "true") {
                let help = format!("name a clone of it: `git clone {} shop`", quoted(folder));
                return Err(Refusal::new(format!("{folder} is a bare git repository, and has no files"), help));
            }
            let message = format!("{folder} is not a git repository with a working tree");
            return Err(Refusal::new(message, format!("create one: `git init {}`", quoted(folder))));
        };
        let root = Utf8Path::new(&root).canonicalize_utf8().unwrap_or_else(|_| root.into());
        if root == origin.root && given == root {
            let help = format!("name another one: `cargo xtask {verb} ../shop`");
            return Err(Refusal::new(format!("{folder} is this repository itself"), help));
        }
        if root == origin.root || (root.starts_with(&origin.root) && verb == "init") {
            let help = "choose a folder outside of it: a copy is a repository of its own";
            return Err(Refusal::new(format!("{folder} is inside this repository"), help));
        }
        if root != given {
            let help = format!("name its root: `cargo xtask {verb} {}`", quoted(&root));
            return Err(Refusal::new(format!("{folder} is a folder inside the repository {root}"), help));
        }
        for folder in [root.clone(), root.join("xtask"), root.join(".cargo")] {
            let access = rustix::fs::access(folder.as_std_path(), rustix::fs::Access::WRITE_OK);
            if folder.is_dir() && access.is_err() {
                let help = format!("make it writable: `chmod u+w {}`", quoted(&folder));
                return Err(Refusal::new(format!("{folder} is not writable"), help));
            }
        }
        undo::recover(&root)?;
        // git and cargo read them, and would wait for a pipe.
        let read =
            [GITIGNORE, "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml"];
        read.into_iter().try_for_each(|path| file::read(&root, Utf8Path::new(path)).map(|_| ()))?;
        let status = git(&root, &["status", "--porcelain", "--untracked-files=all"]).unwrap_or_default();
        Ok(Destination { dirty: status.lines().count(), root })
    }

    /// The text of a file; nothing if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn text(&self, path: &str) -> Result<Option<String>, Refusal> {
        let Some(bytes) = file::read(&self.root, Utf8Path::new(path))? else { return Ok(None) };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Refusal::new(format!("{path} is not UTF-8"), "convert it, then again"))
    }

    /// The text of a file of TOML; nothing if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is broken.
    pub fn toml(&self, path: &str) -> Result<Option<String>, Refusal> {
        let text = self.text(path)?;
        parsed(path, text.as_deref().unwrap_or_default())?;
        Ok(text)
    }

    /// What holds the order of the steps: of a package at the root, another test may have that name. Nothing where the test is
    /// not ours.
    #[must_use]
    pub fn holder(&self) -> Option<&'static str> {
        let text = |path: &str| self.text(path).ok().flatten().unwrap_or_default();
        if !text(TEST.path).contains("assert_step_order!") {
            return None;
        }
        let other = step_order_of(&text("Cargo.toml")).is_some_and(|test| !test.contains(TEST.path));
        Some(if other { "cargo test --package xtask" } else { "cargo test                " })
    }

    /// `1 file`, `2 files`: those that are changed or new.
    #[must_use]
    pub fn dirty_files(&self) -> String {
        format!("{} {}", self.dirty, if self.dirty == 1 { "file" } else { "files" })
    }

    /// How the engine is called in the tests of a package at the root: that may have the engine's own name.
    ///
    /// # Errors
    /// If its manifest cannot be read.
    pub fn engines_name(&self) -> Result<&'static str, Refusal> {
        let text = self.text("Cargo.toml")?.unwrap_or_default();
        let taken = Document::parse(&text).is_ok_and(|document| {
            let names = [document.string(&["package", "name"]), document.string(&["lib", "name"])];
            let depended = ["dependencies", "dev-dependencies"].iter().any(|kind| document.has(&[kind, "ciao"]));
            names.contains(&Some("ciao")) || depended
        });
        Ok(if taken { "deployments" } else { "ciao" })
    }

    /// Whether its checkout has some of its files only.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        git(&self.root, &["config", "--type=bool", "core.sparseCheckout"]).is_ok_and(|value| value == "true")
    }

    /// Refuses to write what git would ignore: it would be in no commit, and the next clone would have no deployment. A lock
    /// file may be ignored; that is a note.
    ///
    /// # Errors
    /// Which files, and by which rules.
    pub fn not_ignored(&self, changes: &[Change]) -> Result<Option<String>, Refusal> {
        let mut args = vec!["check-ignore", "--verbose", "--"];
        args.extend(changes.iter().filter(|change| change.after.is_some()).map(|change| change.path.as_str()));
        args.push("tests/snapshots/step-order-dev.snap");
        let said = git(&self.root, &args).unwrap_or_default();
        // `.gitignore:3:build/<tab>path`; a rule that begins with `!` is an exception from others.
        let rules = said.lines().filter_map(|line| {
            let (rule, path) = line.split_once('\t')?;
            let mut parts = rule.splitn(3, ':');
            let (file, line, pattern) = (parts.next()?, parts.next()?, parts.next()?);
            (!pattern.starts_with('!')).then(|| (path, format!("{file} line {line}, `{pattern}`")))
        });
        let (lock, ignored): (Vec<_>, Vec<_>) = rules.partition(|(path, _)| *path == "Cargo.lock");
        let note = lock.first().map(|(_, rule)| {
            format!(
                "git ignores Cargo.lock ({rule}): a clone may be built with other versions than those that were tested"
            )
        });
        if ignored.is_empty() {
            return Ok(note);
        }
        let mut told: Vec<String> = Vec::new();
        for (path, rule) in &ignored {
            if !told.iter().any(|told| told.ends_with(rule.as_str())) {
                told.push(format!("{path}: {rule}"));
            }
        }
        let message =
            format!("git would ignore {} of the files that are written\n  {}", ignored.len(), told.join("\n  "));
        // git looks into no folder that is ignored itself, and a rule may ignore every folder within.
        let outer: BTreeSet<String> = ignored
            .iter()
            .flat_map(|(path, _)| match path.split_once('/') {
                Some((folder, _)) => vec![format!("!/{folder}/"), format!("!/{folder}/**")],
                None => vec![format!("!/{path}")],
            })
            .collect();
        let help = format!(
            "they would be in no commit: narrow these rules (`/build/` for `build/`), or except what is written with these\n\
             lines at the end of .gitignore; then again\n{}",
            outer.into_iter().collect::<Vec<_>>().join("\n")
        );
        Err(Refusal::new(message, help))
    }

    /// Whether a package stands at its root.
    ///
    /// # Errors
    /// If its manifest cannot be read; one that is broken is none.
    pub fn is_package(&self) -> Result<bool, Refusal> {
        let text = self.text("Cargo.toml")?.unwrap_or_default();
        Ok(Document::parse(&text).is_ok_and(|document| document.has(&["package"])))
    }

    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// Whether git would ignore a file of this path.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        git(&self.root, &["check-ignore", "--quiet", "--no-index", path]).is_ok()
    }

    /// Whether git would write a file of this path with Windows line ends.
    #[must_use]
    pub fn converts_line_ends(&self, path: &str) -> bool {
        let attributes = git(&self.root, &["check-attr", "eol", "text", "--", path]).unwrap_or_default();
        let automatic = git(&self.root, &["config", "core.autocrlf"]).is_ok_and(|value| value == "true");
        attributes.contains("eol: crlf")
            || (automatic && !attributes.contains("text: unset") && !attributes.contains("eol: lf"))
    }

    /// The record of its copy.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn record(&self) -> Result<Record, Refusal> {
        let Some(text) = self.text(RECORD)? else {
            if self.has("xtask/engine/lib.rs") {
                let help = format!(
                    "restore it: `git checkout HEAD -- {RECORD}`. If no commit has it: move xtask/ out of the repository, make a\n\
                     copy, `cargo xtask init {}`, and take your xtask/src back",
                    quoted(&self.root)
                );
                let message = format!("{} has a copy, and {RECORD}, which says what was copied, is missing", self.root);
                return Err(Refusal::new(message, help));
            }
            let help = format!("make one: `cargo xtask init {}`", quoted(&self.root));
            return Err(Refusal::new(format!("{} has no copy of this engine: there is no {RECORD}", self.root), help));
        };
        Record::parse(&text).ok_or_else(|| {
            let help = format!("restore it: `git checkout -- {RECORD}`");
            Refusal::new(format!("{RECORD} is damaged"), help)
        })
    }

    /// Every `Cargo.toml` that git does not ignore: its folder, and its text.
    #[must_use]
    pub fn manifests(&self) -> Vec<(Utf8PathBuf, String)> {
        let pattern = ":(glob)**/Cargo.toml";
        let listed =
            git(&self.root, &["ls-files", "-co", "--exclude-standard", "-z", "--", pattern]).unwrap_or_default();
        let paths = listed.split('\0').filter(|path| !path.is_empty());
        paths.filter_map(|path| Some((Utf8Path::new(path).parent()?.to_owned(), self.text(path).ok()??))).collect()
    }

    /// Folders with a package that belongs to no workspace: a new workspace above would claim them.
    #[must_use]
    pub fn lone_packages(&self) -> Vec<String> {
        let (mut workspaces, mut packages) = (Vec::new(), Vec::new());
        for (folder, text) in self.manifests().into_iter().filter(|(folder, _)| folder != "") {
            // What is vendored is no package of anybody's here. What cargo cannot read it does not claim either.
            if self.has(folder.join(".cargo-checksum.json").as_str()) {
            } else if let Ok(document) = Document::parse(&text) {
                if document.has(&["workspace"]) { &mut workspaces } else { &mut packages }.push(folder);
            }
        }
        let inside = |folder: &Utf8PathBuf, of: &[Utf8PathBuf]| {
            of.iter().any(|other| folder != other && folder.starts_with(other))
        };
        let lone = packages.iter().filter(|folder| !inside(folder, &workspaces) && !inside(folder, &packages));
        lone.map(|folder| folder.as_str().to_owned()).collect()
    }
}

/// The `[[test]]` of a manifest that is called as ours is.
#[must_use]
pub fn step_order_of(manifest: &str) -> Option<&str> {
    let tests = Document::parse(manifest).ok()?.tables("test", "name");
    let (_, lines) = tests.into_iter().find(|(name, _)| name.as_deref() == Some("step_order"))?;
    Some(&manifest[lines])
}

/// # Errors
/// If it is no TOML.
pub fn parsed<'t>(path: &str, text: &'t str) -> Result<Document<'t>, Refusal> {
    Document::parse(text).map_err(|error| Refusal::new(format!("{path} is broken: {error}"), "mend it, then again"))
}

/// A path as a shell would need it.
#[must_use]
pub fn quoted(path: &Utf8Path) -> String {
    shell_words::quote(path.as_str()).into_owned()
}
