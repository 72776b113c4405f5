//! Starting one process for a guardian: with xshell, without a shell, in a group of its own.
//!
//! It knows nothing of who asked or why. No `pre_exec`: with it the standard library forks, which gets slower with the
//! size of the process; without, it is `posix_spawn`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Pid;
use rustix::stdio::stderr;
use xshell::Shell;

use super::frame::{Input, Launch};

/// A process that was started; its private files are removed when this is dropped.
pub struct Started {
    pub leader: Pid,
    _private: Option<Private>,
}

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

/// Starts one process after the other, and keeps what all of them need.
pub struct Spawner {
    shell: Shell,
    /// Opened once; each process gets a descriptor of its own.
    nothing: File,
}

impl Spawner {
    /// # Errors
    /// If there is no working folder, or no `/dev/null`.
    pub fn new() -> io::Result<Spawner> {
        Ok(Spawner { shell: Shell::new().map_err(io::Error::other)?, nothing: File::open("/dev/null")? })
    }

    /// Starts what `launch` says.
    pub fn spawn(&self, launch: &Launch) -> Result<Started, Failure> {
        let private = Private::new(launch).map_err(|error| ("write its private files".to_owned(), error))?;
        let stdin = self.input(launch).map_err(|error| ("open its standard input".to_owned(), error))?;
        let mut command = self.command(launch, private.as_ref());
        // Its standard error is the guardian's, and so is its standard output if that is apart.
        let output = if launch.capture { Ok(Stdio::inherit()) } else { stderr().try_clone_to_owned().map(Stdio::from) };
        let output = output.map_err(|error| ("pass on its output".to_owned(), error))?;
        command.stdin(stdin).stdout(output).stderr(Stdio::inherit());
        // Not waited for here: the guardian waits for all its children at once.
        let child = command.spawn().map_err(|error| (String::new(), error))?;
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        Ok(Started { leader, _private: private })
    }

    fn command(&self, launch: &Launch, private: Option<&Private>) -> Command {
        self.shell.change_dir(&launch.cwd);
        let program = launch.program.clone().unwrap_or_else(itself);
        let mut made = self.shell.cmd(program).args(&launch.args).env_clear();
        for (name, value) in &launch.env {
            made = made.env(name, value);
        }
        if let Some(private) = private {
            for (name, _) in &launch.files {
                made = made.env(name, private.folder.join(name));
            }
        }
        let mut command = Command::from(made);
        command.arg0(&launch.name).process_group(0);
        command
    }

    fn input(&self, launch: &Launch) -> io::Result<Stdio> {
        Ok(match &launch.stdin {
            Input::Empty => self.nothing.try_clone()?.into(),
            Input::File(path) => File::open(path)?.into(),
            Input::Bytes(content) => {
                let mut file = nameless(&launch.private)?;
                file.write_all(content)?;
                file.rewind()?;
                file.into()
            }
        })
    }
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
}

impl Private {
    fn new(launch: &Launch) -> io::Result<Option<Private>> {
        if launch.files.is_empty() {
            return Ok(None);
        }
        DirBuilder::new().mode(0o700).create(&launch.private)?;
        let private = Private { folder: launch.private.clone() };
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

/// Removes a folder of private files.
pub fn remove_private(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        eprintln!("cannot remove {}: {error}", folder.display());
    }
}
