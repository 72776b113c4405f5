//! Folders and repositories on disk, for all tests: written as one text or as in `tests/repositories/`, gone with the test, and
//! put into git once for all that have the same files. And the binary, run in them.
//!
//! ```text
//! -- environment.toml --             a file below pipelines/, which may stand there too
//! -- /db/schema.sql --               a file below the root
//! -- deployments/a/old.sh -> new.sh --   a link
//! -- deployments/a/x.sh (plain) --   without the x bit; other files that begin with `#!` have it
//! ```
#![allow(dead_code, reason = "each target uses another part of it")]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

/// What stands behind a header.
pub struct Entry {
    pub path: PathBuf,
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
                    Some(path) => PathBuf::from(path),
                    None => Path::new("pipelines").join(path.strip_prefix("pipelines/").unwrap_or(path)),
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
    let there = |entries: &[Entry], path: &str| entries.iter().any(|entry| entry.path == Path::new(path));
    if !there(&entries, defaults[0].0) {
        for (path, text) in defaults {
            if !there(&entries, path) {
                entries.push(Entry { path: path.into(), link: None, plain: true, text: text.to_owned() });
            }
        }
    }
    entries
}

// ------------------------------------------------------------------------------------------------------------- folders

/// In memory, where there is enough of it: what belongs to a deployment is synced, and tests would wait for the disk more than
/// for anything else. Benchmarks do measure the disk; and with `TMPDIR` somebody has said where.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let enough = statvfs(memory).is_ok_and(|memory| {
        memory.f_bavail * memory.f_frsize >= 1 << 30 && !memory.f_flag.contains(StatVfsMountFlags::NOEXEC)
    });
    let usable = cfg!(test) && enough && env::var_os("TMPDIR").is_none() && access(memory, Access::WRITE_OK).is_ok();
    // Not below this repository: its git remote would be theirs.
    if usable { memory.to_owned() } else { env::temp_dir() }.canonicalize().unwrap()
}

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    #[must_use]
    #[track_caller]
    pub fn new() -> Folder {
        Folder::called("ciao-test-")
    }

    /// One whose name begins so.
    #[must_use]
    #[track_caller]
    pub fn called(name: &str) -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = place().join(format!("{name}{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
pub fn write(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A program of one's own, as a script.
#[track_caller]
pub fn script(path: &Path, text: &str) {
    write(path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap(), text);
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// A folder as it was, to be written again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept(Vec<(PathBuf, Thing)>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Folder,
    File(u32, Vec<u8>),
    Link(PathBuf),
}

impl Kept {
    #[must_use]
    #[track_caller]
    pub fn of(folder: &Path) -> Kept {
        let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
        while let Some(next) = open.pop() {
            for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                let about = fs::symlink_metadata(&path).unwrap();
                let thing = if about.is_dir() {
                    open.push(path.clone());
                    Thing::Folder
                } else if about.is_symlink() {
                    Thing::Link(fs::read_link(&path).unwrap())
                } else {
                    Thing::File(about.permissions().mode(), fs::read(&path).unwrap())
                };
                found.push((path.strip_prefix(folder).unwrap().to_owned(), thing));
            }
        }
        // Folders come before what is in them.
        found.sort();
        Kept(found)
    }

    #[track_caller]
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for (path, thing) in &self.0 {
            let path = folder.join(path);
            match thing {
                Thing::Folder => fs::create_dir_all(path).unwrap(),
                Thing::Link(to) => symlink(to, path).unwrap(),
                Thing::File(mode, content) => {
                    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(*mode).open(path).unwrap();
                    file.write_all(content).unwrap();
                }
            }
        }
    }
}

// ----------------------------------------------------------------------------------------------------------------- git

/// Git as somebody would run it who has configured nothing but a name.
#[must_use]
pub fn git_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    // What it would do by itself now and then is done by the tests that are about it.
    git.args(["-c", "maintenance.auto=false"]).args(arguments).current_dir(folder);
    only_named(&mut git);
    git
}

/// Nothing of the configuration of whoever runs the tests gets in.
pub fn only_named(command: &mut Command) {
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for (name, value) in [("NAME", "Anna"), ("EMAIL", "anna@example.org")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
}

/// What it prints.
#[track_caller]
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = git_command(folder, arguments).output().expect("git can be run");
    let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "git {arguments:?} in {}: {wrong}{said}", folder.display());
    said.trim().to_owned()
}

#[track_caller]
pub fn commit(folder: &Path, message: &str) {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", message]);
}

/// All that is in a folder becomes its first commit, on `main`.
#[track_caller]
pub fn committed(folder: &Path) {
    static KNOWN: Mutex<BTreeMap<Kept, Kept>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let files = Kept::of(folder);
    if let Some(there) = known.get(&files) {
        return there.write(&folder.join(".git"));
    }
    git(folder, &["init", "--quiet", "--initial-branch=main", "--template="]);
    commit(folder, "first");
    known.insert(files, Kept::of(&folder.join(".git")));
}

// -------------------------------------------------------------------------------------------------------- repositories

/// A repository, and what is in the environment of all that runs in it.
pub struct Repo {
    pub root: PathBuf,
    variables: Vec<(String, String)>,
    _folder: Folder,
}

impl Repo {
    /// With what a text leaves out.
    #[must_use]
    pub fn new(text: &str) -> Repo {
        Repo::of(&completed(text))
    }

    /// With nothing but what the text says.
    #[must_use]
    pub fn bare(text: &str) -> Repo {
        Repo::of(&entries(text))
    }

    /// One of `tests/repositories/`, with all of it in git. Its path has blanks, as those of people have.
    #[must_use]
    #[track_caller]
    pub fn copy(name: &str) -> Repo {
        let repo = Repo::within(Folder::called(&format!("ciao {name} ")));
        Kept::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/repositories").join(name)).write(&repo.root);
        repo.committed()
    }

    fn within(folder: Folder) -> Repo {
        Repo { root: folder.0.clone(), variables: Vec::new(), _folder: folder }
    }

    #[must_use]
    #[track_caller]
    pub fn of(entries: &[Entry]) -> Repo {
        let repo = Repo::within(Folder::new());
        for entry in entries {
            let path = repo.root.join(&entry.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match &entry.link {
                Some(to) => symlink(to, &path).unwrap(),
                None if entry.text.starts_with("#!") && !entry.plain => script(&path, &entry.text),
                None => fs::write(&path, &entry.text).unwrap(),
            }
        }
        repo
    }

    /// With all of it in git.
    #[must_use]
    #[track_caller]
    pub fn committed(self) -> Repo {
        committed(&self.root);
        self
    }

    #[track_caller]
    pub fn commit(&self) {
        commit(&self.root, "next");
    }

    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.root, arguments)
    }

    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    #[track_caller]
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(&self.root, path, content);
    }

    /// Replaces what must be there, and commits.
    #[track_caller]
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(old), "{path} has no {old}");
        self.write(path, text.replace(old, new));
        self.git(&["commit", "--quiet", "--all", "--message=next"]);
    }

    /// For all that runs from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The binary, about to be run in the root. Nothing of whoever runs the tests gets in: neither their shop nor their CI.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command.env_clear().envs(["PATH", "TMPDIR"].iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("HOME", self.root.join(".git")).envs(self.variables.iter().cloned());
        command
    }

    #[must_use]
    pub fn xtask(&self, arguments: &[&str]) -> Xtask<'_> {
        Xtask { repo: self, command: self.command(arguments) }
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it ended by itself");
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What a run of the binary said, and its exit code.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
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
