//! The repository that is to get a copy, or has one: is it one, is it another than this, what is in it.
//!
//! It looks and asks git; it writes nothing.

use camino::{Utf8Path, Utf8PathBuf};

use super::edit::Document;
use super::git::git;
use super::origin::{Origin, RECORD, Record};
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
        let status = git(&root, &["status", "--porcelain"]).unwrap_or_default();
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
            // What cargo cannot read it does not claim either; it may be a template.
            if let Ok(document) = Document::parse(&text) {
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

/// A path as a shell would need it.
#[must_use]
pub fn quoted(path: &Utf8Path) -> String {
    shell_words::quote(path.as_str()).into_owned()
}
