//! Starting one process for a guardian: with xshell, without a shell, in a group of its own.
//!
//! It knows nothing of who asked or why. No `pre_exec`: with it the standard library forks, which gets slower with the
//! size of the process; without, it is `posix_spawn`.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::Pid;
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdout};
use xshell::Shell;

use super::frame::{Input, Launch};
use super::refusal::not_found;
use super::relay::Relay;

/// A process that was started; its private files are removed when this is dropped.
pub struct Started {
    pub leader: Pid,
    /// Between it and the orchestrator, if it may leave something running.
    pub relays: Vec<Relay>,
    _private: Option<Private>,
}

/// How old a folder of private files is that nobody uses any more.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// A link that somebody else has put there leads nowhere.
const NO_LINKS: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// What was attempted, and why it failed.
type Failure = (String, io::Error);

/// This executable, even if the file has been replaced since it was started.
#[must_use]
pub fn itself() -> PathBuf {
    if cfg!(all(target_os = "linux", not(ciao_portable))) {
        return "/proc/self/exe".into();
    }
    std::env::current_exe().unwrap_or_else(|_| std::env::args_os().next().unwrap_or_default().into())
}

/// A process that is about to be started: everything that can be done before has been done.
pub struct Ready {
    pub launch: Launch,
    command: Command,
}

/// The file that a program is: with a `/` from `cwd`, otherwise in the first folder of `path` that has it.
///
/// # Errors
/// In words, if there is none.
pub fn find_program(program: &str, path: &OsStr, cwd: &Path) -> Result<PathBuf, String> {
    if program.is_empty() {
        return Err("the name of the program is empty".to_owned());
    }
    if program.contains('/') {
        return Ok(cwd.join(program));
    }
    // For every step in every folder: no more is put together than must be.
    let mut file = PathBuf::new();
    for folder in path.as_bytes().split(|&byte| byte == b':') {
        file.as_mut_os_string().clear();
        if folder.first() != Some(&b'/') {
            file.push(cwd);
        }
        file.push(OsStr::from_bytes(folder));
        file.push(program);
        if file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0) {
            return Ok(file);
        }
    }
    Err(not_found(program, &path.to_string_lossy()))
}

/// Starts one process after the other, and keeps what all of them need.
pub struct Spawner {
    shell: Shell,
    /// Where what a step produces goes, if that is kept apart.
    captured: OwnedFd,
}

impl Spawner {
    /// Makes this process's standard streams what those of nearly every step are: nothing to read, and one pipe for
    /// output and errors.
    ///
    /// # Errors
    /// If there is no working folder, or no `/dev/null`.
    pub fn new() -> io::Result<Spawner> {
        let captured = rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?;
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(stderr())?;
        Ok(Spawner { shell: Shell::new().map_err(io::Error::other)?, captured })
    }

    /// Everything that nobody sees before it starts.
    pub fn prepare(&self, launch: Launch) -> Ready {
        self.shell.change_dir(&launch.cwd);
        let program = launch.program.clone().unwrap_or_else(itself);
        let mut made = self.shell.cmd(program).args(&launch.args);
        for (name, value) in &launch.env {
            made = made.env(name, value);
        }
        for (name, _) in &launch.files {
            made = made.env(name, launch.private.join(name));
        }
        let mut command = Command::from(made);
        command.arg0(&launch.name).process_group(0);
        Ready { launch, command }
    }

    /// The same, now that what ran meanwhile may have installed the program anew: earlier on the PATH, or elsewhere.
    pub fn renew(&self, ready: Ready) -> Ready {
        let Launch { program: Some(program), name, cwd, .. } = &ready.launch else { return ready };
        let own = ready.launch.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        match name.to_str().map(|name| find_program(name, &path, cwd)) {
            Some(Ok(found)) if found != *program => self.prepare(Launch { program: Some(found), ..ready.launch }),
            // What is not there any more cannot be started, and that says why.
            _ => ready,
        }
    }

    /// Starts it.
    pub fn start(&self, ready: Ready) -> Result<Started, Failure> {
        let Ready { launch, mut command } = ready;
        let private = Private::new(&launch).map_err(|error| ("write its private files".to_owned(), error))?;
        command.stdin(input(&launch).map_err(|error| ("open its standard input".to_owned(), error))?);
        let relays = self.outputs(&launch, &mut command).map_err(|error| ("pass on its output".to_owned(), error))?;
        // Not waited for here: the guardian waits for all its children at once.
        let child = command.spawn().map_err(|error| (String::new(), error))?;
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        Ok(Started { leader, relays, _private: private })
    }

    /// Where what it prints goes, if not where this process's own does.
    fn outputs(&self, launch: &Launch, command: &mut Command) -> io::Result<Vec<Relay>> {
        let mut relays = Vec::new();
        if launch.detach {
            let (relay, writer) = Relay::new(rustix::io::fcntl_dupfd_cloexec(stderr(), 3)?)?;
            command.stdout(writer.try_clone()?).stderr(writer);
            relays.push(relay);
        }
        if launch.capture {
            let mut captured = self.captured.try_clone()?;
            if launch.detach {
                let (relay, writer) = Relay::new(captured)?;
                relays.push(relay);
                captured = writer;
            }
            command.stdout(captured);
        }
        Ok(relays)
    }
}

fn input(launch: &Launch) -> io::Result<Stdio> {
    Ok(match &launch.stdin {
        Input::Empty => Stdio::inherit(),
        Input::File(path) => File::open(path)?.into(),
        Input::Bytes(content) => {
            let mut file = nameless(&launch.private)?;
            file.write_all(content)?;
            file.rewind()?;
            file.into()
        }
    })
}

/// A file without a name, so that a text of any length can be read without anybody having to write meanwhile.
#[cfg(all(target_os = "linux", not(ciao_portable)))]
fn nameless(_near: &Path) -> io::Result<File> {
    Ok(rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(all(target_os = "linux", not(ciao_portable))))]
fn nameless(near: &Path) -> io::Result<File> {
    let path = near.with_extension("stdin");
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// A folder of files that only this user can read; removed when dropped.
struct Private {
    folder: PathBuf,
    /// Locked as long as it is in use.
    _lock: File,
}

impl Private {
    fn new(launch: &Launch) -> io::Result<Option<Private>> {
        if launch.files.is_empty() {
            return Ok(None);
        }
        // All files of a deployment are in one place.
        static LOOKED: Once = Once::new();
        LOOKED.call_once(|| launch.private.parent().into_iter().for_each(remove_forgotten));
        DirBuilder::new().mode(0o700).create(&launch.private)?;
        let lock = File::open(&launch.private)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let private = Private { folder: launch.private.clone(), _lock: lock };
        for (name, content) in &launch.files {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(private.folder.join(name))?;
            file.write_all(content)?;
        }
        Ok(Some(private))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        remove_private(&self.folder);
    }
}

/// Removes what others have left that were killed together with their guardians: nobody has it locked.
fn remove_forgotten(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let numbers = name.strip_prefix("ciao-").and_then(|numbers| numbers.split_once('-'));
        if !numbers.is_some_and(|(pid, step)| pid.parse::<u32>().is_ok() && step.parse::<u32>().is_ok()) {
            continue;
        }
        // One that is just being made may not be locked yet.
        let old = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
        let free = |folder: File| flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok();
        let folder = OpenOptions::new().read(true).custom_flags(NO_LINKS).open(entry.path());
        if old.is_some_and(|old| old > FORGOTTEN) && folder.is_ok_and(free) {
            remove_private(&entry.path());
        }
    }
}

/// Removes a folder of private files.
pub fn remove_private(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("cannot remove {}: {error}", folder.display());
    }
}
