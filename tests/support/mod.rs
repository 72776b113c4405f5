//! What the tests have in common: repositories written as one text, and the binary run on them.
//!
//! ```text
//! -- environment.toml --             a file below pipelines/
//! -- /db/schema.sql --               a file below the root
//! -- deployments/a/old.sh -> new.sh --   a link
//! -- deployments/a/x.sh (plain) --   without the x bit; other files that begin with `#!` have it
//! ```
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ciao::declare::Declarations;
use ciao::finding::Finding;
use ciao::plan::build::Built;
use ciao::plan::named::Named;
use ciao::sources::Sources;

/// What stands behind a header.
pub struct Entry {
    pub path: Utf8PathBuf,
    pub link: Option<String>,
    pub plain: bool,
    pub text: String,
}

/// Splits a text at its `-- path --` headers.
#[must_use]
pub fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.split_inclusive('\n') {
        let header = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"));
        match (header, entries.last_mut()) {
            (Some(header), _) => {
                let (header, plain) = header.strip_suffix(" (plain)").map_or((header, false), |header| (header, true));
                let (path, link) = header.split_once(" -> ").map_or((header, None), |(path, to)| (path, Some(to)));
                let path = match path.strip_prefix('/') {
                    Some(path) => Utf8PathBuf::from(path),
                    None => Utf8Path::new("pipelines").join(path),
                };
                entries.push(Entry { path, link: link.map(str::to_owned), plain, text: String::new() });
            }
            (None, Some(entry)) => entry.text.push_str(line),
            (None, None) => assert!(line.trim().is_empty(), "text before the first header: {line}"),
        }
    }
    entries
}

/// The entries, with one environment `dev` and its empty values where the text does not say.
#[must_use]
pub fn completed(text: &str) -> Vec<Entry> {
    let mut entries = entries(text);
    let defaults = [
        ("pipelines/orchestration.toml", "[[environment]]\nname = \"dev\"\n"),
        ("pipelines/environments/dev.toml", ""),
    ];
    let listed = entries.iter().any(|entry| entry.path == defaults[0].0);
    for (path, text) in defaults.into_iter().take(if listed { 0 } else { 2 }) {
        if entries.iter().all(|entry| entry.path != path) {
            entries.push(Entry { path: path.into(), link: None, plain: true, text: text.to_owned() });
        }
    }
    entries
}

/// The TOML files of a text, without a disk.
#[must_use]
pub fn sources(text: &str) -> ciao::sources::Sources {
    let texts: BTreeMap<Utf8PathBuf, String> = completed(text)
        .into_iter()
        .filter(|entry| entry.path.extension() == Some("toml"))
        .map(|entry| (entry.path, entry.text))
        .collect();
    ciao::sources::Sources { texts, ..Default::default() }
}

/// Everything that is wrong, as far as it can be said without a disk.
#[must_use]
pub fn check(declarations: &Declarations, sources: &Sources, plans: &[(String, Built<'_>)]) -> Vec<Finding> {
    let (mut named, mut check) = (Named::default(), ciao::check::Check::new(declarations, sources));
    for (_, built) in plans {
        let candidates = named.of(&built.plan);
        check.plan(built, &named, &candidates, &Default::default());
    }
    check.finish(&named)
}

/// A repository on disk, gone when it is dropped.
pub struct Repo {
    pub root: PathBuf,
}

impl Repo {
    /// With what a text leaves out.
    #[must_use]
    pub fn new(text: &str) -> Repo {
        Repo::of(completed(text))
    }

    /// With nothing but what the text says.
    #[must_use]
    pub fn bare(text: &str) -> Repo {
        Repo::of(entries(text))
    }

    /// With all of it in git.
    #[must_use]
    pub fn committed(self) -> Repo {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.commit();
        self
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=A"]);
    }

    #[track_caller]
    pub fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=A", "-c", "user.email=a@a.example", "-c", "commit.gpgSign=false"];
        let mut git = Command::new("git");
        git.args(identity).args(arguments).current_dir(&self.root).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn of(entries: Vec<Entry>) -> Repo {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ciao-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let repo = Repo { root: std::env::temp_dir().canonicalize().unwrap().join(name) };
        fs::create_dir_all(&repo.root).unwrap();
        for entry in entries {
            let path = repo.path(entry.path.as_str());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match &entry.link {
                Some(to) => symlink(to, &path).unwrap(),
                None => fs::write(&path, &entry.text).unwrap(),
            }
            if entry.text.starts_with("#!") && !entry.plain {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        repo
    }

    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
    }

    /// The binary, about to be run in the root.
    #[must_use]
    pub fn xtask(&self, arguments: &[&str]) -> Xtask<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "CI", "COLUMNS"] {
            command.env_remove(name);
        }
        Xtask { repo: self, command }
    }
}

impl Drop for Repo {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.root);
    }
}

/// One run of the binary.
pub struct Xtask<'r> {
    repo: &'r Repo,
    command: Command,
}

impl Xtask<'_> {
    #[must_use]
    pub fn within(mut self, folder: &str) -> Self {
        self.command.current_dir(self.repo.path(folder));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Everything that it said, compared as one text: nothing of it can be forgotten. Only the root is left out.
    #[must_use]
    pub fn transcript(mut self) -> String {
        let output = self.command.output().unwrap();
        let root = self.repo.root.to_str().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(root, "ROOT");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let mut transcript = String::new();
        for (name, text) in [("stdout", stdout), ("stderr", stderr)] {
            if !text.is_empty() {
                transcript += &format!("-- {name} --\n{text}");
            }
        }
        transcript + &format!("-- exit {} --", output.status.code().map_or("by signal".to_owned(), |c| c.to_string()))
    }

    /// Standard output, after success and silence on standard error.
    #[track_caller]
    #[must_use]
    pub fn stdout(mut self) -> String {
        let output = self.command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "standard error");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error and the exit code, after silence on standard output.
    #[track_caller]
    #[must_use]
    pub fn refused(mut self) -> (String, i32) {
        let output = self.command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "standard output");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code().expect("it ended by itself"))
    }

    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }
}

/// Whether anything is at a path.
#[must_use]
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
