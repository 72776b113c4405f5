//! What is deployed, and under which name: the release.
//!
//! Its id is the tree of HEAD's commit without `pipelines/environments/*.toml`, so that correcting a value of one
//! environment does not throw away what the others have proved. It knows git's trees, and no pipelines.

use std::path::Path;

use hmac_sha256::Hash as Sha256;
use serde::{Deserialize, Serialize};

use super::call::{LOCAL, Running};
use super::contained::{Files, not_in_head};
use super::git::{Call, Git};
use super::hidden::differs;
use super::pack::{self, Kind};
use super::tree::entries;
use super::{Error, Failure, Result, hex};

/// The repository content being deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub id: String,
    pub commit: String,
    pub dirty: bool,
    /// `${release}`: the first 12 digits of the id; of a dirty tree those of its content, and `-dirty`.
    #[serde(default)]
    pub display: String,
    /// A file that is deployed and not in the commit, although git sees no change: it is ignored, hidden, or lies elsewhere.
    #[serde(skip)]
    pub outside: Option<String>,
}

impl Release {
    /// The release that a commit is, as if nothing were changed in the working tree.
    ///
    /// # Errors
    /// If there is no such commit.
    pub fn of(git: &Git, commit: &str) -> Result<Release> {
        let mut path = String::new();
        let parts: Vec<&str> =
            git.prefix.split('/').filter(|part| !part.is_empty()).chain(["pipelines", "environments"]).collect();
        let mut names = vec![format!("{commit}^{{commit}}"), format!("{commit}^{{tree}}")];
        for part in &parts {
            path = if path.is_empty() { (*part).to_owned() } else { format!("{path}/{part}") };
            names.push(format!("{commit}:{path}"));
        }
        let mut objects = git.objects(&names)?.into_iter();
        let (Some(Some(head)), Some(Some(top))) = (objects.next(), objects.next()) else {
            return Err(if commit == "HEAD" {
                Error::unreadable("name the release: nothing is committed yet: git add --all, git commit")
            } else {
                Error::new(Failure::Usage, format!("name the release: there is no commit {commit} here: git fetch"))
            });
        };
        let below: Vec<Option<Vec<u8>>> =
            objects.map(|object| object.filter(|object| object.kind == "tree").map(|object| object.content)).collect();
        let id = if below.iter().all(Option::is_some) {
            let below: Vec<Vec<u8>> = below.into_iter().flatten().collect();
            let width = head.id.len() / 2;
            let tree = without_values(&top.content, &parts, &below, width);
            hex(&pack::name(Kind::Tree, &tree.unwrap_or_default(), width == 32))
        } else {
            top.id
        };
        let display = id.chars().take(12).collect();
        Ok(Release { id, commit: head.id, dirty: false, display, outside: None })
    }

    /// What stands for a release where nothing is committed yet.
    #[must_use]
    pub fn none() -> Release {
        Release { id: String::new(), commit: String::new(), dirty: true, display: "-".to_owned(), outside: None }
    }

    /// The release that the working tree is.
    ///
    /// # Errors
    /// If nothing is committed yet, or git cannot tell what changed.
    pub fn here(git: &Git) -> Result<Release> {
        Changes::ask(&git.root.join(&git.prefix))?.release(git, &Files::NONE)
    }
}

/// Whether there is a repository with a commit: git is looking, while others read the files.
#[derive(Debug)]
pub struct Head(Running);

impl Head {
    /// Lets git look, from the folder that `pipelines` is in.
    ///
    /// # Errors
    /// If git cannot be started.
    pub fn ask(folder: &Path) -> Result<Head> {
        Ok(Head(Call::new(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]).start(folder)?))
    }

    #[must_use]
    pub fn is_there(self) -> bool {
        self.0.end(LOCAL).is_ok_and(|said| said.ok)
    }
}

/// What changed in the working tree since its commit: git is looking.
#[derive(Debug)]
pub struct Changes(Running);

impl Changes {
    /// Lets git look, from the folder that `pipelines` is in. What is deployed must have been read before, so that nothing
    /// of it can change unseen.
    ///
    /// # Errors
    /// If git cannot be started.
    pub fn ask(folder: &Path) -> Result<Changes> {
        let ask = [
            "status",
            "--porcelain=v2",
            "-z",
            "--untracked-files=normal",
            "--ignore-submodules=none",
            "--no-renames",
            "--",
            ":/",
            ":(exclude)pipelines/environments/personal",
        ];
        Ok(Changes(Call::new(&ask).start(folder)?))
    }

    /// The release that the working tree is. Two git processes more if it is dirty; nothing of the repository is written. It
    /// is dirty also if one of the files that are deployed is not in the commit.
    ///
    /// # Errors
    /// If nothing is committed yet, or git cannot tell what changed.
    pub fn release(self, git: &Git, deployed: &Files<'_>) -> Result<Release> {
        let mut release = Release::of(git, "HEAD")?;
        let changed = self.0.end(LOCAL)?;
        if !changed.ok {
            return Err(git.local_failure("see what changed since the commit", &changed));
        }
        if changed.stdout.is_empty() {
            let width = release.commit.len() / 2;
            let outside = not_in_head(git, deployed)?.map(Path::to_owned);
            let file = outside.or_else(|| differs(git, width, deployed.holds));
            release.outside = file.map(|file| file.display().to_string());
        }
        release.dirty = !changed.stdout.is_empty() || release.outside.is_some();
        if release.dirty {
            let content = content(git).unwrap_or_else(|_| hex(&Sha256::hash(&changed.stdout)));
            release.display = format!("{}-dirty", &content[..12]);
        }
        Ok(release)
    }
}

/// The tree of everything in the working tree that is not ignored, by way of an index and objects that are thrown away.
fn content(git: &Git) -> Result<String> {
    let shell = xshell::Shell::new().map_err(|error| Error::unreadable(error.to_string()))?;
    let folder = shell.create_temp_dir().map_err(|error| Error::unreadable(error.to_string()))?;
    let (index, objects) = (folder.path().join("index"), folder.path().join("objects"));
    // With the real index to start from, git reads only the files that changed.
    drop(std::fs::copy(&git.index, &index));
    std::fs::create_dir(&objects).map_err(|error| Error::unreadable(error.to_string()))?;
    let call = |args: &[&'static str]| {
        let call = Call::new(args).env("GIT_INDEX_FILE", &index).env("GIT_OBJECT_DIRECTORY", &objects);
        call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", git.common.join("objects"))
    };
    git.read("name the changed content", &call(&["-c", "core.fsync=none", "add", "--all", "--", ":/"]))?;
    git.read("name the changed content", &call(&["-c", "core.fsync=none", "write-tree"]))
}

/// A tree with the values taken out; `None` if nothing is left of it, as git keeps no empty trees.
fn without_values(tree: &[u8], path: &[&str], below: &[Vec<u8>], width: usize) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(tree.len());
    for entry in entries(tree, width) {
        match path.split_first() {
            Some((first, rest)) if entry.name == first.as_bytes() => {
                if let Some(inner) = without_values(&below[0], rest, &below[1..], width) {
                    kept.extend_from_slice(entry.head);
                    kept.extend_from_slice(&pack::name(Kind::Tree, &inner, width == 32));
                }
            }
            None if entry.name.ends_with(b".toml") && !entry.head.starts_with(b"40000") => {}
            // Personal environments are in no release, also where git keeps them.
            None if entry.name == b"personal" && entry.head.starts_with(b"40000") => {}
            _ => {
                kept.extend_from_slice(entry.head);
                kept.extend_from_slice(entry.id);
            }
        }
    }
    (!kept.is_empty()).then_some(kept)
}
