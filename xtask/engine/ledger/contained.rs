//! Whether a file is in the release: what git ignores, and what a link leads to outside of the repository, could be changed
//! after a deployment has proved it, and no gate would close. It knows git's trees and links, and no pipelines.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::git::Git;
use super::tree::entries;
use super::{Error, Result};

/// How many links one path may go through: as many as the system follows.
const LINKS: usize = 40;

/// What a deployment depends on, from the folder that `pipelines` is in.
pub struct Files<'f> {
    pub files: Vec<&'f Path>,
    /// Of these only what lies in a folder of the commit: one that git ignores as a whole holds what was built there.
    pub beside: Vec<&'f Path>,
    /// Whether a file is one of all that it depends on, named or not.
    pub holds: &'f dyn Fn(&Path) -> bool,
}

impl Files<'_> {
    pub const NONE: Files<'static> = Files { files: Vec::new(), beside: Vec::new(), holds: &|_| false };
}

/// The first of these files that is not in the commit HEAD. Nothing else may have changed: then what is in the commit is
/// what is in the working tree.
///
/// # Errors
/// If git cannot read the commit.
pub fn not_in_head<'f>(git: &Git, deployed: &Files<'f>) -> Result<Option<&'f Path>> {
    let base = Path::new(&git.prefix);
    let mut trees = Trees { git, known: HashMap::new() };
    let named = deployed.files.iter().map(|file| (*file, false));
    let all = || named.clone().chain(deployed.beside.iter().map(|file| (*file, true)));
    let mut folders: Vec<&Path> = all().map(|(file, _)| split(file).0).collect();
    // Those of one folder are together mostly.
    folders.dedup_by(|one, other| one.as_os_str() == other.as_os_str());
    let folders: BTreeSet<PathBuf> = folders.into_iter().map(|folder| base.join(folder)).collect();
    trees.read(folders.iter().flat_map(|folder| folder.ancestors().map(Path::to_owned)))?;
    let (mut last, mut tree) = (None, None);
    let mut odd = Vec::new();
    for (file, beside) in all() {
        let (folder, name) = split(file);
        if last != Some(folder.as_os_str()) {
            (last, tree) = (Some(folder.as_os_str()), trees.known.get(&base.join(folder)).and_then(Option::as_ref));
        }
        match tree {
            // Most are files, in folders that are none by way of a link.
            Some(tree) if tree.get(name) == Some(&Kind::File) => {}
            None if beside => {}
            _ => odd.push(file),
        }
    }
    for file in odd {
        if !trees.contain(&base.join(file))? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The folder and the name of a file.
fn split(file: &Path) -> (&Path, &[u8]) {
    let bytes = file.as_os_str().as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (Path::new(OsStr::from_bytes(&bytes[..at])), &bytes[at + 1..]),
        None => (Path::new(""), bytes),
    }
}

/// The folders of the commit by their path from its root; of each name in it the kind. None: there is no such folder.
struct Trees<'g> {
    git: &'g Git,
    known: HashMap<PathBuf, Option<HashMap<Vec<u8>, Kind>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Folder,
    Link,
    /// What is in it has a commit of its own, which this one names.
    Submodule,
}

impl Trees<'_> {
    /// Reads the folders that are not known yet, all at once.
    fn read(&mut self, folders: impl Iterator<Item = PathBuf>) -> Result<()> {
        let mut new: Vec<PathBuf> = folders.filter(|folder| !self.known.contains_key(folder)).collect();
        new.sort();
        new.dedup();
        // A name that is not UTF-8 cannot be asked for: it counts as not there.
        let names = new.iter().map(|folder| folder.to_str().unwrap_or("\u{fffd}"));
        let names: Vec<String> = names.map(|name| format!("HEAD:{name}")).collect();
        if names.is_empty() {
            return Ok(());
        }
        for (folder, object) in new.into_iter().zip(self.git.objects(&names)?) {
            let tree = object.filter(|object| object.kind == "tree").map(|object| {
                let entries = entries(&object.content, object.id.len() / 2);
                entries.into_iter().map(|entry| (entry.name.to_vec(), kind(entry.head))).collect()
            });
            self.known.insert(folder, tree);
        }
        Ok(())
    }

    fn contain(&mut self, file: &Path) -> Result<bool> {
        let mut file = file.to_owned();
        for _ in 0..LINKS {
            match self.link(&file)? {
                Step::In => return Ok(true),
                Step::Out => return Ok(false),
                Step::To(path) => file = path,
            }
        }
        Ok(false)
    }

    /// Goes down to a file as far as the first link.
    fn link(&mut self, file: &Path) -> Result<Step> {
        let mut folder = PathBuf::new();
        let mut parts = file.components();
        while let Some(part) = parts.next() {
            self.read(std::iter::once(folder.clone()))?;
            let name = part.as_os_str().as_encoded_bytes();
            let Some(kind) = self.known.get(&folder).and_then(|tree| tree.as_ref()?.get(name)) else {
                return Ok(Step::Out);
            };
            match kind {
                Kind::File | Kind::Submodule => return Ok(Step::In),
                Kind::Folder => folder.push(part),
                Kind::Link => {
                    let target = std::fs::read_link(self.git.root.join(&folder).join(part))
                        .map_err(|error| Error::unreadable(format!("follow the link {}: {error}", file.display())))?;
                    return Ok(within(&folder.join(target).join(parts.as_path())).map_or(Step::Out, Step::To));
                }
            }
        }
        Ok(Step::In)
    }
}

enum Step {
    In,
    Out,
    To(PathBuf),
}

fn kind(head: &[u8]) -> Kind {
    match head {
        [b'4', ..] => Kind::Folder,
        [b'1', b'2', ..] => Kind::Link,
        [b'1', b'6', ..] => Kind::Submodule,
        _ => Kind::File,
    }
}

/// The path without `.` and `..`; none if it leads out of the repository.
fn within(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}
