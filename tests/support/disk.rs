//! Copies of the repositories below `tests/repositories/`, committed, in a temporary folder that goes with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

pub struct Copy {
    root: PathBuf,
    variables: Vec<(String, String)>,
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Copy {
    #[track_caller]
    pub fn of(name: &str) -> Copy {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("ciao {name} {} {}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = env::temp_dir().canonicalize().unwrap().join(unique);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/repositories").join(name), &root);
        let copy = Copy { root, variables: Vec::new() };
        copy.git(&["init", "--quiet", "--initial-branch=main"]);
        copy.commit();
        copy
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// For all that runs from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces what must be there, and commits.
    #[track_caller]
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(old), "{path} has no {old}");
        fs::write(self.path(path), text.replace(old, new)).unwrap();
        self.commit();
    }

    /// The xtask, in this repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        // Nothing of whoever runs the tests gets in: neither their shop nor their CI.
        command.env_clear().envs(["PATH", "TMPDIR"].iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.env("HOME", self.root.join(".git")).envs(self.variables.iter().cloned());
        command
    }

    #[track_caller]
    pub fn xtask(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().expect("it ended by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@a.example",
            "commit",
            "--quiet",
            "--no-gpg-sign",
            "--message=A",
        ]);
    }

    #[track_caller]
    pub fn git(&self, arguments: &[&str]) {
        let status = Command::new("git").args(arguments).current_dir(&self.root).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.root);
    }
}

/// The x bits come along.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
