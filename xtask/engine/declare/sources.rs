//! Reading: from a folder to text. With `inspect` the only place where the files of `pipelines/` are opened.
//!
//! It knows where files may stand, and nothing of what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};

use camino::{Utf8Path, Utf8PathBuf};

use crate::finding::{Code, Finding, Place};
use crate::glob;
use crate::{DEPLOYMENTS, ENVIRONMENT, ENVIRONMENTS, ORCHESTRATION, PERSONAL, PIPELINES};

/// A TOML file of this size or more is refused: it is none that a person wrote.
const LARGEST: u64 = 10_000_000;

/// The text of every TOML file that the engine reads.
#[derive(Debug, Default)]
pub struct Sources {
    /// By path from the root.
    pub texts: BTreeMap<Utf8PathBuf, String>,
    /// Of those that are not UTF-8, to show where they are not.
    pub shown: BTreeMap<Utf8PathBuf, String>,
    /// What could not be read, and what stands where nothing of its kind belongs.
    pub problems: Vec<Finding>,
    /// The files beside the pipelines, those that they use, and scripts elsewhere, by path from the root.
    pub nearby: BTreeMap<Utf8PathBuf, Content>,
    /// The name of a git remote, if there is one.
    pub remote: Option<String>,
}

/// What is in a file that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes that are not UTF-8 stand in it as U+FFFD.
    Text(String),
    /// It is not searched; why.
    Skipped(&'static str),
}

impl Content {
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text(text) => Some(text),
            Content::Skipped(_) => None,
        }
    }
}

/// The files that are read once it is known what the pipelines are.
#[derive(Debug, Default)]
pub struct Wanted {
    /// With all that is below them.
    pub folders: Vec<Utf8PathBuf>,
    /// Patterns of used files, from the root.
    pub patterns: Vec<Utf8PathBuf>,
    pub files: BTreeSet<Utf8PathBuf>,
}

impl Sources {
    #[must_use]
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(Utf8Path::new(file)).map(String::as_str)
    }

    /// Reads all of them below the root of a repository.
    #[must_use]
    pub fn load(root: &Utf8Path) -> Sources {
        let mut sources = Sources::default();
        if !root.join(PIPELINES).exists() {
            sources.problems.push(nothing(root));
        }
        sources.add(root, Utf8PathBuf::from(ORCHESTRATION));
        sources.add(root, Utf8PathBuf::from(ENVIRONMENT));
        sources.add_values(root, ENVIRONMENTS);
        sources.add_values(root, PERSONAL);
        for entry in sources.entries(root, DEPLOYMENTS) {
            if !root.join(&entry).is_dir() {
                continue;
            }
            sources.add(root, entry.join("pipeline.toml"));
            if !root.join(&entry).join("pipeline.toml").exists() {
                sources.misplaced(root, &entry);
            }
        }
        sources
    }

    /// Reads what the pipelines work on. A file that is missing is not there afterwards.
    pub fn load_nearby(&mut self, root: &Utf8Path, wanted: &Wanted) {
        let canonical = root.canonicalize_utf8().unwrap_or_else(|_| root.to_owned());
        let mut found = wanted.files.clone();
        for folder in &wanted.folders {
            self.walk(&canonical, folder, &mut |path| _ = found.insert(path));
        }
        let mut walked: BTreeMap<Utf8PathBuf, Vec<Utf8PathBuf>> = BTreeMap::new();
        for pattern in &wanted.patterns {
            let below = glob::folder(pattern);
            if canonical.join(&below).is_file() {
                found.insert(below);
                continue;
            }
            if !walked.contains_key(&below) {
                let mut files = Vec::new();
                self.walk(&canonical, &below, &mut |path| files.push(path));
                walked.insert(below.clone(), files);
            }
            found.extend(walked[&below].iter().filter(|path| glob::matches(pattern, path)).cloned());
        }
        for path in found.into_iter().filter(|path| !self.texts.contains_key(path)) {
            if let Some(content) = read_content(&canonical, &path) {
                self.nearby.insert(path, content);
            }
        }
        self.remote = remote(root);
    }

    /// Every file below a folder. Hidden folders are left out, what tools keep for themselves too, and links to folders of
    /// the repository: what they lead to has a path of its own, and a circle has no end.
    fn walk(&mut self, root: &Utf8Path, folder: &Utf8Path, visit: &mut dyn FnMut(Utf8PathBuf)) {
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let name = folder.file_name().unwrap_or_default();
            let full = root.join(&folder);
            if ["__pycache__", "node_modules"].contains(&name) || full.join("CACHEDIR.TAG").exists() {
                continue;
            }
            for path in self.entries(root, folder.as_str()) {
                let path = path.strip_prefix("./").map(Utf8Path::to_owned).unwrap_or(path);
                let hidden = path.file_name().is_some_and(|name| name.starts_with('.'));
                match fs::symlink_metadata(root.join(&path)) {
                    Ok(found) if found.is_dir() && hidden => {}
                    Ok(found) if found.is_dir() => open.push(path),
                    Ok(found) if found.is_symlink() && root.join(&path).is_dir() && !leads_out(root, &path) => {}
                    _ => visit(path),
                }
            }
        }
    }

    /// A pipeline that no call can reach: its file is one folder too deep, or written in other letters.
    fn misplaced(&mut self, root: &Utf8Path, folder: &Utf8Path) {
        for path in self.entries(root, folder.as_str()) {
            let is_one =
                |path: &Utf8Path| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("pipeline.toml"));
            let deeper = path.join("pipeline.toml");
            let Some(found) =
                Some(&path).filter(|path| is_one(path)).or(Some(&deeper).filter(|path| root.join(path).is_file()))
            else {
                continue;
            };
            let message = format!("{found} is no pipeline: nothing can call it");
            let help = format!("a pipeline is `{DEPLOYMENTS}/<name>/pipeline.toml`, in these letters: move it there");
            self.problems.push(Finding::error(Code::ForgottenPipeline, Place::start_of(found), message, help));
        }
    }

    fn add_values(&mut self, root: &Utf8Path, folder: &str) {
        for path in self.entries(root, folder) {
            let folder_of_personal = path == PERSONAL;
            let name = path.file_name().unwrap_or_default();
            if path.extension() == Some("toml") && !root.join(&path).is_dir() {
                self.add(root, path);
            } else if !folder_of_personal && !name.starts_with('.') {
                let message = format!("`{path}` is not a file of values");
                let help = "move it: `environments/` holds one TOML file an environment and nothing else";
                self.problems.push(Finding::error(Code::StrayFile, Place::start_of(&path), message, help));
            }
        }
    }

    /// What is in a folder, sorted, from the root.
    fn entries(&mut self, root: &Utf8Path, folder: &str) -> Vec<Utf8PathBuf> {
        let entries = match fs::read_dir(root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            // A part of its path is a file, which is said where that is read.
            Err(_) if Utf8Path::new(folder).parent().is_some_and(|above| root.join(above).is_file()) => {
                return Vec::new();
            }
            Err(_) if root.join(folder).is_file() => {
                let message = format!("{folder} is a file, and belongs to be a folder");
                let finding =
                    Finding::error(Code::Syntax, Place::start_of(folder), message, "put a folder in its place");
                self.problems.push(finding);
                return Vec::new();
            }
            Err(error) => {
                self.unreadable(Utf8Path::new(folder), &error.to_string());
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            match entry.file_name().into_string() {
                Ok(name) => found.push(Utf8Path::new(folder).join(name)),
                Err(name) => {
                    let message = format!("the name of {} is not UTF-8", name.display());
                    let help = "rename it: paths are text in TOML, plans and JSON";
                    self.problems.push(Finding::error(Code::BadName, Place::start_of(folder), message, help));
                }
            }
        }
        found.sort();
        found
    }

    fn add(&mut self, root: &Utf8Path, path: Utf8PathBuf) {
        let full = root.join(&path);
        // What a personal environment says is no part of a release, and may be kept anywhere.
        if !path.starts_with(PERSONAL) && leads_out(root, &path) {
            self.unreadable(&path, "a link leads out of the repository to it, and what it says is in no release");
            let help = "put the file or folder itself in the place of the link";
            self.problems.last_mut().expect("just added").help = help.to_owned();
            return;
        }
        match read_bytes(&full).map(|bytes| bytes.map(String::from_utf8)) {
            Ok(Some(Ok(text))) => _ = self.texts.insert(path, text),
            Ok(Some(Err(error))) => {
                self.unreadable(&path, "it is not UTF-8 here");
                let at = error.utf8_error().valid_up_to();
                self.problems.last_mut().expect("just added").place.span = (at..at + 1).into();
                self.shown.insert(path, String::from_utf8_lossy(error.as_bytes()).into_owned());
            }
            Ok(None) => {}
            Err(why) => self.unreadable(&path, &why),
        }
    }

    fn unreadable(&mut self, path: &Utf8Path, why: &str) {
        let message = format!("{path} cannot be read: {why}");
        let help = "make it a readable text file";
        let mut finding = Finding::error(Code::Syntax, Place::start_of(path), message, help);
        if path.parent().is_some_and(|folder| folder == ENVIRONMENTS || folder == PERSONAL) {
            finding.environments = path.file_stem().map(|name| vec![name.to_owned()]);
        }
        self.problems.push(finding);
    }
}

/// Where nothing is that could be deployed.
fn nothing(root: &Utf8Path) -> Finding {
    let is_bare = ["HEAD", "objects", "refs"].iter().all(|name| root.join(name).exists());
    let (message, help) = if is_bare {
        let message = format!("{root} is a bare git repository: it has no files, and so no `{PIPELINES}/`");
        (message, "clone it, or add a worktree (`git worktree add`), and work there")
    } else {
        let message = format!("there is no `{PIPELINES}/` in {root}, nor in a folder above it");
        (message, "go to a repository that has it, or name one by `-C DIR`; `cargo xtask init DIR` writes a first one")
    };
    Finding::error(Code::Syntax, Place::start_of(PIPELINES), message, help)
}

/// Whether a file, or a folder that it is in, is a link to something that is not below the root.
fn leads_out(root: &Utf8Path, path: &Utf8Path) -> bool {
    let is_link = |path: &Utf8Path| fs::symlink_metadata(root.join(path)).is_ok_and(|found| found.is_symlink());
    path.ancestors().filter(|path| !path.as_str().is_empty()).any(is_link)
        && match (root.canonicalize(), root.join(path).canonicalize()) {
            (Ok(root), Ok(full)) => !full.starts_with(root),
            _ => false,
        }
}

/// What is in a file; `None` if there is none.
fn read_bytes(path: &Utf8Path) -> Result<Option<Vec<u8>>, String> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
            return Err("it is a link to nothing".to_owned());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !found.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    // The size is read with the content: a file that grows meanwhile is bounded too.
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 >= LARGEST {
        return Err(format!("it is larger than {} MB", LARGEST / 1_000_000));
    }
    Ok(Some(bytes))
}

/// A larger file is data, and not searched.
const LARGEST_SEARCHED: u64 = 4 << 20;

/// What is in a file; `None` if there is none.
fn read_content(root: &Utf8Path, path: &Utf8Path) -> Option<Content> {
    let full = root.join(path).canonicalize_utf8().ok()?;
    if !full.starts_with(root) {
        return Some(Content::Skipped("a link leads out of the repository to it"));
    }
    let found = fs::metadata(&full).ok()?;
    if found.is_dir() {
        return None;
    }
    if !found.is_file() {
        return Some(Content::Skipped("it is neither a file nor a folder"));
    }
    let Ok(file) = fs::File::open(&full) else { return Some(Content::Skipped("it cannot be read")) };
    let mut bytes = Vec::new();
    if found.len() > LARGEST_SEARCHED {
        return Some(Content::Skipped("it is larger than 4 MiB"));
    }
    if file.take(LARGEST_SEARCHED).read_to_end(&mut bytes).is_err() {
        return Some(Content::Skipped("it cannot be read"));
    }
    if bytes[..bytes.len().min(8192)].contains(&0) {
        return Some(Content::Skipped("it is binary"));
    }
    Some(Content::Text(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

/// The first remote of the git repository, from its configuration file: git itself is not run for it.
fn remote(root: &Utf8Path) -> Option<String> {
    let git = root.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let folder = match fs::read_to_string(&git) {
        // Of a worktree: a file that names its folder, in which another names the common one.
        Ok(text) => {
            let own = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
            let common = fs::read_to_string(own.join("commondir")).unwrap_or_else(|_| ".".to_owned());
            own.join(common.trim())
        }
        Err(_) => git,
    };
    let config = fs::read_to_string(folder.join("config")).ok()?;
    config.lines().find_map(|line| line.trim().strip_prefix("[remote \"")?.strip_suffix("\"]").map(str::to_owned))
}

/// The root of the repository that a folder belongs to: the nearest one that has our files, else that is a git repository,
/// else the folder itself.
#[must_use]
pub fn root_of(folder: &Utf8Path) -> Utf8PathBuf {
    let ours = |folder: &&Utf8Path| {
        [ORCHESTRATION, ENVIRONMENT, DEPLOYMENTS, ENVIRONMENTS].iter().any(|path| folder.join(path).exists())
    };
    let is_git = |folder: &&Utf8Path| folder.join(".git").exists();
    let root = folder.ancestors().find(ours).or_else(|| folder.ancestors().find(is_git)).unwrap_or(folder);
    root.to_owned()
}
