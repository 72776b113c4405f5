//! The engine that is copied: its files, in this repository or as recorded in a copy.
//!
//! It knows which files are the engine's, and nothing of where they go.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::edit::{Document, quoted, without};
use super::file::{fingerprint, read};
use super::git::git;
use super::{Refusal, built_in};
use ciao_base::map;

/// The folder that is replaced whole.
pub const ENGINE: &str = "xtask/engine";
/// The one file that holds both the engine's and the owner's lines: merged.
pub const MANIFEST: &str = "xtask/Cargo.toml";
/// What a copy was made from.
pub const RECORD: &str = "xtask/engine/COPIED.toml";
/// The one test of the engine's manifest that belongs to a copy too.
const TEST: &str = "step_order";

/// The engine as it is copied.
pub struct Origin {
    pub root: Utf8PathBuf,
    /// Everything to copy, by path from the root, the manifest included.
    pub files: BTreeMap<Utf8PathBuf, Vec<u8>>,
    pub version: String,
    /// The commit that it stands at.
    pub commit: String,
    /// Dependencies of the engine's own tests only.
    pub left_out: Vec<String>,
    /// What the test of the step order asks of insta, as TOML.
    pub insta: String,
}

impl Origin {
    /// The one that this program was built from.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn of_this_program() -> Result<Origin, Refusal> {
        let folder = built_in();
        let gone = || {
            let help = "run it with `cargo xtask` in the repository whose engine is to be copied";
            Refusal::new(format!("the engine that this program was built from is not in {folder} any more"), help)
        };
        let root =
            folder.canonicalize_utf8().ok().and_then(|folder| Some(folder.parent()?.to_owned())).ok_or_else(gone)?;
        let listed = git(&root, &["ls-files", "-co", "--exclude-standard", "-z", "--", ENGINE, MANIFEST]);
        let listed = listed
            .map_err(|error| Refusal::new(format!("failed to list the engine's files: {error}"), "run git there"))?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty() && *path != RECORD).map(Utf8PathBuf::from) {
            // One that is deleted and not committed is listed too.
            if let Some(content) = read(&root, &path)? {
                files.insert(path, content);
            }
        }
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            if let Some(text) = read(&root, Utf8Path::new(licence))? {
                files.entry(Utf8Path::new(ENGINE).join(licence)).or_insert(text);
            }
        }
        let manifest = files.get(Utf8Path::new(MANIFEST)).ok_or_else(gone)?;
        let (version, insta) = engines(&String::from_utf8_lossy(manifest)).ok_or_else(gone)?;
        let mut left_out = Vec::new();
        for (_, content) in files.iter_mut().filter(|(path, _)| is_manifest(path)) {
            let (text, without) = for_copy(&String::from_utf8_lossy(content)).ok_or_else(gone)?;
            *content = text.into_bytes();
            left_out.extend(without);
        }
        if !files.contains_key(&Utf8Path::new(ENGINE).join("lib.rs")) {
            return Err(gone());
        }
        let commit = git(&root, &["rev-parse", "HEAD"]).unwrap_or_default();
        Ok(Origin { root, files, version, commit, left_out, insta })
    }

    /// The record of this copy, as text.
    #[must_use]
    pub fn record(&self) -> String {
        let mut text = format!(
            "# What was copied here, so that `cargo xtask upgrade` finds what was edited since. It is written by that command.\n\
             version = {}\ncommit = {}\n\n[files]\n",
            quoted(&self.version),
            quoted(&self.commit)
        );
        for (path, content) in &self.files {
            text += &format!("{} = \"{}\"\n", quoted(path.as_str()), fingerprint(content));
        }
        text
    }

    /// A file of the origin as it was at a commit, as it would have been copied.
    #[must_use]
    pub fn at(&self, commit: &str, path: &Utf8Path) -> Option<String> {
        let text = git(&self.root, &["show", &format!("{commit}:{path}")]).ok()?;
        if is_manifest(path) { for_copy(&text).map(|(manifest, _)| manifest) } else { Some(text) }
    }
}

/// What a copy was made from.
pub struct Record {
    pub version: String,
    pub commit: String,
    pub files: BTreeMap<Utf8PathBuf, String>,
}

impl Record {
    #[must_use]
    pub fn parse(text: &str) -> Option<Record> {
        let document = Document::parse(text).ok()?;
        let files = document.keys(&["files"]).into_iter().filter_map(|path| {
            let hash = document.string(&["files", &path])?.to_owned();
            Some((Utf8PathBuf::from(path), hash))
        });
        Some(Record {
            version: document.string(&["version"])?.to_owned(),
            commit: document.string(&["commit"])?.to_owned(),
            files: map(files),
        })
    }
}

/// Of the xtask, or of a part of the engine that is a package of its own.
fn is_manifest(path: &Utf8Path) -> bool {
    path == MANIFEST || path.starts_with(ENGINE) && path.file_name() == Some("Cargo.toml")
}

/// From the manifest of the xtask: the version, and what the test of the step order asks of insta.
fn engines(manifest: &str) -> Option<(String, String)> {
    let document = Document::parse(manifest).ok()?;
    if document.string(&["lib", "name"]) != Some("ciao") {
        return None;
    }
    let insta = document.get(&["dev-dependencies", "insta"]).map(|value| manifest[value.span()].to_owned());
    let insta = insta.unwrap_or_else(|| "\"1\"".to_owned());
    Some((document.string(&["package", "version"])?.to_owned(), insta))
}

/// A manifest without what only the engine's own tests need, and which dependencies these are.
fn for_copy(manifest: &str) -> Option<(String, Vec<String>)> {
    let document = Document::parse(manifest).ok()?;
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    for key in ["test", "bench", "example"] {
        let tables = document.tables(key, "name").into_iter();
        lines.extend(tables.filter(|(name, _)| name.as_deref() != Some(TEST)).map(|(_, lines)| lines));
    }
    for dependency in document.keys(&["dev-dependencies"]) {
        let of = document.lines_of(&["dev-dependencies", &dependency])?;
        if manifest[of.clone()].contains("left out of copies") {
            lines.push(of);
            if !document.has(&["dependencies", &dependency]) {
                left_out.push(dependency);
            }
        }
    }
    let manifest = without(manifest, lines);
    // The engine's own tests are run where it comes from.
    let manifest = match Document::parse(&manifest).ok()? {
        untested if untested.has(&["lib", "test"]) => manifest.clone(),
        tested => tested.with_key("lib", "test", "false"),
    };
    Some((manifest, left_out))
}
