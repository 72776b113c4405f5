//! Where we are: machine, boot, clone, process and person, and whether a holder of the lock is still alive.
//!
//! It reads a few files of the system and of the common git directory. It knows nothing of deployments.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hmac_sha256::Hash as Sha256;
use rustix::fs::{FlockOperation, flock};

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
    hex(&Sha256::hash(text.as_bytes())[..8])
}

/// The id of this clone: a random one, made once, as the file that it is in. So the same path on two machines is not the same
/// clone, and neither is a copy of its folder.
fn clone_id(common: &Path) -> String {
    let path = common.join("ciao").join("clone");
    if let Some(id) = known_id(common) {
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
    drop(made);
    known_id(common).unwrap_or(id)
}

fn known_id(common: &Path) -> Option<String> {
    let path = common.join("ciao/clone");
    let text = std::fs::read_to_string(&path).ok().filter(|text| text.len() == 16)?;
    let meta = std::fs::metadata(&path).ok()?;
    Some(digest(&format!("{text} {} {}", meta.dev(), meta.ino())))
}

/// Where files of this machine's user are kept that no repository needs.
pub fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("ciao")
}

/// Notes where this clone is, for the other clones of the same person on this machine: a path is nothing for the ledger.
/// Where it cannot be noted, they cannot tell whether a holder here is alive.
pub fn note(git: &Git, here: &Place) {
    let notes = cache().join("clones");
    let path = notes.join(&here.clone);
    let common = git.common.as_os_str().as_encoded_bytes();
    if std::fs::read(&path).ok().as_deref() != Some(common) {
        let _not_noted = std::fs::create_dir_all(&notes).and_then(|()| std::fs::write(&path, common));
    }
}

/// The common git directory of another clone on this machine, if it is where it was noted to be.
pub fn noted(clone: &str) -> Option<PathBuf> {
    // It comes from a ledger that others write.
    let plain = clone.len() == 16 && clone.bytes().all(|byte| byte.is_ascii_hexdigit());
    let common = PathBuf::from(std::fs::read_to_string(cache().join("clones").join(plain.then_some(clone)?)).ok()?);
    (known_id(&common)? == clone).then_some(common)
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
    let file = File::open(steps(folder)).map(Lock);
    file.is_ok_and(|file| flock(&file.0, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::AGAIN))
}

/// A lock that is let go when this goes, and by kill -9. Closing the file would not do for the former: a process that another
/// thread is just starting has the file open too, until it is another program.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Takes the lock of an environment in this clone.
///
/// `None` if another process has it, or steps of one that had it are not over yet. One that only looks whether somebody
/// has it holds it for some microseconds.
pub fn lock(folder: &Path) -> io::Result<Option<Lock>> {
    std::fs::create_dir_all(folder)?;
    let file = Lock(OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?);
    let begun = Instant::now();
    loop {
        match flock(&file.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if !busy(folder) => return Ok(Some(file)),
            Ok(()) | Err(rustix::io::Errno::AGAIN) if begun.elapsed() < Duration::from_millis(100) => {
                std::thread::sleep(Duration::from_millis(2))
            }
            Ok(()) | Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the holder of an environment's lock is alive, from the place that it recorded.
pub fn life(here: &Place, holder: &Place, git: &Git, environment: &str) -> Life {
    if here.machine != holder.machine || holder.boot.is_empty() {
        return Life::Elsewhere;
    }
    if here.boot != holder.boot {
        return Life::Dead;
    }
    let common = if here.clone == holder.clone { Some(git.common.clone()) } else { noted(&holder.clone) };
    let Some(common) = common else { return Life::Elsewhere };
    let folder = common.join("ciao").join(environment);
    let Ok(file) = File::open(folder.join("lock")).map(Lock) else { return Life::Dead };
    match flock(&file.0, FlockOperation::NonBlockingLockShared) {
        Ok(()) if busy(&folder) => Life::Ending,
        Ok(()) => Life::Dead,
        Err(_) => Life::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deployment that had ended was still held for others, as long as a process was being started beside its end.
    #[test]
    fn a_lock_that_was_let_go_was_held_by_a_process_that_had_just_been_started() {
        let folder = std::env::temp_dir().join(format!("ciao-place-{}", std::process::id()));
        let held = lock(&folder).unwrap().expect("nobody has it");
        assert!(lock(&folder).unwrap().is_none());
        let of_the_other = held.0.try_clone().unwrap();
        drop(held);
        let again = lock(&folder).unwrap();
        drop(of_the_other);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(again.is_some());
    }
}
