//! The repository, seen through the installed git: where it is, its configuration, its objects, and what git's failures mean.
//!
//! It does not know what is kept in git.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use super::call::{Call, Said};
use super::call::{LOCAL, Object, Objects, Running};
pub(super) use super::call::{NETWORK, Patience};
use super::{Error, Result};

/// What of the configuration is asked for, all at once.
const SETTINGS: &str = r"^(user\.(name|email)|core\.(sshcommand|sharedrepository)|url\..*\.pushinsteadof|remote\..*\.((push)?url|proxy|proxyauthmethod|uploadpack|receivepack|vcs|serveroption))$";

/// What git is asked about where a repository is: a line each.
const PLACES: [&[&str]; 4] =
    [&["--git-common-dir"], &["--git-path", "index"], &["--show-toplevel"], &["--show-prefix"]];

/// A repository, seen through git.
#[derive(Debug, Clone)]
pub struct Git {
    /// Where commands run: the root of the working tree that the caller is in.
    pub root: PathBuf,
    /// Shared by all worktrees of a clone.
    pub common: PathBuf,
    /// The index of this worktree.
    pub index: PathBuf,
    /// The folder that was asked for, relative to `root`; empty if they are the same.
    pub prefix: String,
    config: Arc<Vec<(String, String)>>,
    objects: Arc<Mutex<Option<Objects>>>,
    /// With remotes.
    pub(super) patience: Patience,
}

impl Git {
    /// Finds the repository that `folder` belongs to. Three gits, side by side; the one that reads objects stays.
    ///
    /// # Errors
    /// If git is missing, refuses the folder, or there is no repository with a working tree.
    pub fn open(folder: &Path) -> Result<Git> {
        let ask = [&["rev-parse", "--path-format=absolute"], &PLACES.concat()[..]].concat();
        let place = Call::new(&ask).start(folder)?;
        let config = Call::new(&["config", "-z", "--get-regexp", SETTINGS]).start(folder)?;
        let objects = Objects::start(folder)?;
        let said = place.end(LOCAL)?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        if !said.ok || text.starts_with("--") {
            return Err(unusable(folder, &said));
        }
        let mut places: Vec<String> = text.lines().map(str::to_owned).collect();
        if places.len() > PLACES.len() {
            // A folder has a line end in its name: then each is asked for alone.
            places = PLACES.iter().map(|place| one_place(folder, place)).collect::<Result<_>>()?;
        }
        let mut places = places.into_iter();
        let mut next = || places.next().unwrap_or_default();
        let (common, index, root, prefix) = (next(), next(), next(), next());
        Ok(Git {
            root: root.into(),
            common: common.into(),
            index: index.into(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            config: Arc::new(settings(config)?),
            objects: Arc::new(Mutex::new(Some(objects))),
            patience: Patience::default(),
        })
    }

    /// From the root of the working tree: a path from the folder that was asked for.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    /// Runs git and waits for it.
    ///
    /// # Errors
    /// If it cannot be started. What it answers is the caller's to judge.
    pub fn call(&self, call: &Call) -> Result<Said> {
        call.run(&self.root, LOCAL)
    }

    /// As [`Git::call`], for commands that talk to a remote.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn remote_call(&self, call: &Call) -> Result<Said> {
        let own_ssh = std::env::var_os("GIT_SSH_COMMAND").is_some() || std::env::var_os("GIT_SSH").is_some();
        let mut call = call.clone();
        if !own_ssh && self.setting("core.sshcommand").is_none() {
            call = call.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15");
        }
        call.run_patiently(&self.root, NETWORK, &self.patience)
    }

    /// What a local command answers, trimmed.
    ///
    /// # Errors
    /// If it fails, as "… : git says: …" after `attempt`.
    pub fn read(&self, attempt: &str, call: &Call) -> Result<String> {
        let said = self.call(call)?;
        if said.ok { Ok(said.text()) } else { Err(self.local_failure(attempt, &said)) }
    }

    /// Why a local command failed, in words that say what to do.
    pub fn local_failure(&self, attempt: &str, said: &Said) -> Error {
        self.failure(attempt, &said.stderr)
    }

    /// As [`Git::local_failure`], from the words of git or of the system.
    pub fn failure(&self, attempt: &str, said: &str) -> Error {
        let words = said.to_lowercase();
        // Where refs are in tables git does not name the file.
        let tables = self.common.join("reftable/tables.list.lock");
        let tables =
            (said.contains(TABLES_LOCKED) && tables.exists()).then(|| format!("'{}': File exists", tables.display()));
        if let Some(advice) = stale_lock(tables.as_deref().unwrap_or(said)) {
            return Error::unreadable(format!("{attempt}: {advice}"));
        }
        let common = self.common.display();
        // Of a ref's lock file git says only that it could not write it.
        let full = || rustix::fs::statvfs(&self.common).is_ok_and(|disk| disk.f_bavail * disk.f_frsize < 64 << 10);
        let written = ["couldn't write", "unable to write", "unable to create", "could not write"];
        Error::unreadable(
            if words.contains("no space left")
                || words.contains("quota exceeded")
                || (written.iter().any(|part| words.contains(part)) && full())
            {
                format!("{attempt}: the disk of {common} is full; nothing was changed: make room and try again")
            } else if words.contains("read-only file system")
                || words.contains("permission denied")
                || words.contains("insufficient permission")
            {
                format!("{attempt}: {common} cannot be written; a deployment keeps its ledger and journal there")
            } else {
                format!("{attempt}: git says: {}", one_line(said))
            },
        )
    }

    /// A value of the user's configuration; keys as git prints them, the last part in lower case.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings(key).pop()
    }

    /// All values of a key that may have several.
    pub fn settings(&self, key: &str) -> Vec<&str> {
        self.config.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    }

    /// Where git pushes what has this address and no `pushurl` (`pushInsteadOf`), if that is elsewhere.
    pub fn pushed_instead(&self, url: &str) -> Option<String> {
        let rules = self.config.iter().filter_map(|(key, prefix)| {
            let base = key.strip_prefix("url.")?.strip_suffix(".pushinsteadof")?;
            Some((prefix.len(), format!("{base}{}", url.strip_prefix(prefix.as_str())?)))
        });
        rules.max_by_key(|(length, _)| *length).map(|(_, address)| address)
    }

    /// What a ref names, whether that is there or not. It runs git only where refs are in tables.
    pub fn named(&self, name: &str) -> Option<String> {
        if self.common.join("reftable").is_dir() {
            let said = self.call(&Call::new(&["rev-parse", "--quiet", "--verify", name])).ok()?;
            return Some(said.text()).filter(|_| said.ok);
        }
        let read = |path: &str| std::fs::read_to_string(self.common.join(path)).ok();
        let packed = || {
            let lines = read("packed-refs")?;
            lines
                .lines()
                .filter_map(|line| line.split_once(' '))
                .find(|line| line.1 == name)
                .map(|line| line.0.to_owned())
        };
        let id = read(name).or_else(packed)?.trim().to_owned();
        Some(id).filter(|id| id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// The next objects are asked of a git that remembers nothing.
    pub fn ask_another(&self) {
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Objects by name: kind and content of each, `None` for what is not there.
    ///
    /// # Errors
    /// If git fails or its answer cannot be understood.
    pub fn objects(&self, names: &[String]) -> Result<Vec<Option<Object>>> {
        let mut kept = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        for again in [true, false] {
            let mut objects = match kept.take() {
                Some(objects) => objects,
                None => Objects::start(&self.root)?,
            };
            match objects.ask(names) {
                Ok(found) => {
                    *kept = Some(objects);
                    return Ok(found);
                }
                // It may have been killed since it was asked last: another one answers, or says the same.
                Err(_) if again => {}
                Err(error) => {
                    let why = format!("git cat-file: {error}; if an object is damaged, git fsck names it");
                    return Err(Error::unreadable(format!("read the ledger: {why}")));
                }
            }
        }
        unreachable!("the second answer is taken as it is")
    }
}

/// The answer to one of [`PLACES`], with all line ends but the last.
fn one_place(folder: &Path, place: &[&'static str]) -> Result<String> {
    let said = Call::new(&[&["rev-parse", "--path-format=absolute"], place].concat()).run(folder, LOCAL)?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn settings(config: Running) -> Result<Vec<(String, String)>> {
    let text = String::from_utf8_lossy(&config.end(LOCAL)?.stdout).into_owned();
    let entries = text.split('\0').filter_map(|entry| entry.split_once('\n'));
    Ok(entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Why a folder is none that can be deployed from, and the one thing that mends it.
fn unusable(folder: &Path, said: &Said) -> Error {
    let place = folder.display();
    Error::unreadable(match said.stderr.as_str() {
        _ if said.ok => format!(
            "open the repository {place}: {} is too old; install git {}.{} or newer",
            version(folder).map_or_else(|| "this git".to_owned(), |(text, _)| text),
            OLDEST.0,
            OLDEST.1
        ),
        words if words.contains("dubious ownership") => format!(
            "open the repository {place}: git refuses it because it belongs to another user; if you trust it: \
             git config --global --add safe.directory {place}"
        ),
        words if words.contains("not a git repository") => {
            format!("open the repository {place}: it is not in git, and the ledger is kept there; git init, and commit")
        }
        words if words.contains("work tree") => format!(
            "open the repository {place}: it is bare, and a deployment needs files: git worktree add, or clone it"
        ),
        words => format!("open the repository {place}: git says: {}", one_line(words)),
    })
}

/// The oldest git that knows everything that is used here (`rev-parse --path-format`, which older ones repeat as a word).
pub const OLDEST: (u32, u32) = (2, 31);

/// What the installed git calls itself, and the first two numbers of its version.
pub fn version(folder: &Path) -> Option<(String, (u32, u32))> {
    let text = Call::new(&["version"]).run(folder, LOCAL).ok()?.text();
    let mut numbers = text.split(' ').nth(2)?.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next().unwrap_or(0));
    Some((text, version))
}

/// The first line that says something, without git's own prefixes.
pub fn one_line(words: &str) -> String {
    let lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines
        .clone()
        .find(|line| line.starts_with("fatal:") || line.starts_with("error:") || line.starts_with("remote: "));
    let line = said.or_else(|| lines.clone().next()).unwrap_or("nothing");
    line.trim_start_matches("fatal:").trim_start_matches("error:").trim().to_owned()
}

/// What git says where refs are in tables (reftable), and another git is just writing one.
pub const TABLES_LOCKED: &str = "cannot lock references";

/// What to do about a lock file that a killed git left behind. It is named, and never removed on a guess.
pub fn stale_lock(words: &str) -> Option<String> {
    let path = words.split(['\'', '\n']).find(|part| part.ends_with(".lock") && part.contains('/'))?;
    if !words.contains("File exists") {
        return None;
    }
    let age = std::fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    let age = age.map_or_else(String::new, |age| {
        format!(" (made {} ago)", humantime::format_duration(Duration::from_secs(age.as_secs())))
    });
    Some(format!("git's lock file {path} exists{age}; if no git is running there, a killed one left it: rm {path}"))
}
