//! Where we are: machine, boot, clone, process and person, and whether a holder of the lock is still alive.
//!
//! It reads a few files of the system and of the common git directory. It knows nothing of deployments.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::git::Git;
use super::hex;
use super::record::Place;

/// Who acts, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `Anna Example <anna@example.org>`, or what there is of it. A claim, unless commits are signed.
    pub by: String,
    pub host: String,
    pub place: Place,
}

/// Whether the process that holds a lock still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Alive,
    /// It is dead, and the guardians of its steps are still ending them.
    Ending,
    Dead,
    /// It runs elsewhere, and nobody here can tell.
    Elsewhere,
}

impl Caller {
    #[must_use]
    pub fn here(git: &Git) -> Caller {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let own = |name: &str, key: &str| {
            variable(name).or_else(|| git.setting(key).map(str::to_owned)).map(|text| plain(&text))
        };
        let (name, address) = (own("GIT_COMMITTER_NAME", "user.name"), own("GIT_COMMITTER_EMAIL", "user.email"));
        let user = || {
            variable("USER")
                .or_else(|| variable("LOGNAME"))
                .map_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()), |name| plain(&name))
        };
        let by = match (name, address) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => user(),
        };
        let host = plain(&rustix::system::uname().nodename().to_string_lossy());
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let machine = digest(&format!("{} {host}", read("/etc/machine-id")));
        let boot = digest(&read("/proc/sys/kernel/random/boot_id"));
        let place = Place { machine, boot, clone: clone_id(&git.common), pid: std::process::id() };
        Caller { by, host, place }
    }
}

/// Without what would break a line of a commit.
fn plain(text: &str) -> String {
    let kept: String = text.chars().filter(|letter| !letter.is_control() && !matches!(letter, '<' | '>')).collect();
    kept.trim().to_owned()
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..8])
}

/// A random id of this clone, made once: the same path on two machines is not the same clone.
fn clone_id(common: &Path) -> String {
    let path = common.join("ciao").join("clone");
    if let Ok(id) = std::fs::read_to_string(&path)
        && id.len() == 16
    {
        return id;
    }
    let id = super::random_id();
    let made = std::fs::create_dir_all(common.join("ciao")).and_then(|()| {
        // Two who come first at once must agree: the link of one of them is refused.
        let draft = path.with_extension(&id);
        std::fs::write(&draft, &id)?;
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft)?;
        linked
    });
    match made {
        Ok(()) => id,
        Err(_) => std::fs::read_to_string(&path).unwrap_or(id),
    }
}

/// Where journal and lock of an environment are.
pub fn folder(git: &Git, environment: &str) -> PathBuf {
    git.common.join("ciao").join(environment)
}

/// The file that guardians of an environment's steps keep locked, shared, from their first step on: a holder may be killed,
/// and its steps still have their grace.
pub fn steps(folder: &Path) -> PathBuf {
    folder.join("steps")
}

/// Whether steps of an environment are running or being ended.
fn busy(folder: &Path) -> bool {
    let file = File::open(steps(folder));
    file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::AGAIN))
}

/// Takes the lock of an environment in this clone. It is let go when the file is closed: also by kill -9.
///
/// `None` if another process has it, or steps of one that had it are not over yet. One that only looks whether somebody
/// has it holds it for some microseconds.
pub fn lock(folder: &Path) -> io::Result<Option<File>> {
    std::fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if !busy(folder) => return Ok(Some(file)),
            Ok(()) | Err(rustix::io::Errno::AGAIN) if begun.elapsed() < Duration::from_millis(100) => {
                std::thread::sleep(Duration::from_millis(2))
            }
            Ok(()) | Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the holder of a lock is alive, from the place that it recorded.
pub fn life(here: &Place, holder: &Place, folder: &Path) -> Life {
    if here.machine != holder.machine || holder.boot.is_empty() {
        return Life::Elsewhere;
    }
    if here.boot != holder.boot {
        return Life::Dead;
    }
    if here.clone != holder.clone {
        return Life::Elsewhere;
    }
    let Ok(file) = File::open(folder.join("lock")) else { return Life::Dead };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) if busy(folder) => Life::Ending,
        Ok(()) => Life::Dead,
        Err(_) => Life::Alive,
    }
}
