//! Ten repositories of different shape, as people have them, and how to call the program on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::repo;
pub use super::repo::{Folder, script, write};

/// A folder outside of this repository, as the ones of users are.
#[track_caller]
pub fn new_folder() -> Folder {
    built_elsewhere(Folder::new())
}

/// One that is at the same place every time.
pub fn same_folder(name: &str) -> Folder {
    let path = std::env::temp_dir().canonicalize().expect("it is there").join(name);
    std::fs::remove_dir_all(&path).ok();
    built_elsewhere(Folder(path))
}

/// Builds are what these tests cost: one folder for all copies. Cargo reads it from above.
fn built_elsewhere(folder: Folder) -> Folder {
    write(&folder.0, ".cargo/config.toml", format!("[build]\ntarget-dir = {:?}\n", built()));
    folder
}

/// What cargo builds of all copies.
pub fn built() -> PathBuf {
    std::env::temp_dir().join("ciao-template-built")
}

/// A command of a user with a configuration of their own.
pub fn command(folder: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(args);
    repo::only_named(&mut command);
    // The cargo that runs these tests, and not the one before it that looks for it each time.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let folder = PathBuf::from(cargo).parent().expect("it is in a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(folder).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).expect("no folder has a colon"));
    }
    // What cargo sets for this test would lead a cargo in another repository astray.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG")
            || name.starts_with("CARGO_MANIFEST")
            || name == "CARGO_TARGET_DIR"
            || name.starts_with("CIAO_")
        {
            command.env_remove(name);
        }
    }
    command
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub fn run(folder: &Path, program: &str, args: &[&str]) -> String {
    let output = command(folder, program, args).output().expect("the program can be run");
    assert!(
        output.status.success(),
        "{program} {args:?} in {}: {}\n{}",
        folder.display(),
        output.status,
        text(&output)
    );
    text(&output)
}

/// Runs this repository's xtask: exit code and everything it printed.
pub fn xtask(args: &[&str]) -> (i32, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the xtask is in a folder");
    let output = command(root, env!("CARGO_BIN_EXE_xtask"), args).output().expect("the xtask can be run");
    (output.status.code().unwrap_or(-1), text(&output))
}

pub fn read(folder: &Path, path: &str) -> String {
    std::fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn commit(folder: &Path) {
    repo::commit(folder, "next");
}

pub const SHAPES: [&str; 10] = [
    "virtual workspace",
    "root package with tests",
    "no rust",
    "nested workspace",
    "existing alias",
    "crlf files",
    "edition 2018",
    "members by glob",
    "path with spaces",
    "git worktree",
];

fn package(name: &str, edition: &str) -> String {
    format!("[package]\nname = \"{name}\"   # ours\nversion = \"0.1.0\"\nedition = \"{edition}\"\n")
}

/// Makes the repository of a shape, with everything committed, and gives its root.
pub fn make(shape: &str, inside: &Path) -> PathBuf {
    let root = inside.join(if shape == "path with spaces" { "my shop & more" } else { "shop" });
    write(&root, "README.md", "# Shop\n");
    match shape {
        "virtual workspace" | "path with spaces" | "git worktree" => {
            write(
                &root,
                "Cargo.toml",
                "# All of it.\n[workspace]\nmembers = [\n    \"app\", # the shop\n]\nresolver = \"2\"\n",
            );
            write(&root, "app/Cargo.toml", package("app", "2021"));
            write(&root, "app/src/lib.rs", "");
        }
        "root package with tests" | "existing alias" => {
            write(&root, "Cargo.toml", package("shop", "2021"));
            write(&root, "src/main.rs", "fn main() { println!(\"shop\"); }\n");
            write(&root, "tests/works.rs", "#[test]\nfn works() {}\n");
            if shape == "existing alias" {
                write(&root, ".cargo/config.toml", "# Ours.\n[alias]\nb = \"build\" # short\n\n[net]\nretry = 3\n");
            }
        }
        "nested workspace" => {
            write(&root, "backend/Cargo.toml", "[workspace]\nmembers = [\"api\"]\nresolver = \"2\"\n");
            write(&root, "backend/api/Cargo.toml", package("api", "2021"));
            write(&root, "backend/api/src/lib.rs", "");
            write(&root, "tools/gen/Cargo.toml", package("gen", "2021"));
            write(&root, "tools/gen/src/lib.rs", "");
        }
        "crlf files" => {
            write(&root, ".gitattributes", "* text=auto eol=crlf\r\n");
            write(
                &root,
                "Cargo.toml",
                "[workspace]\nmembers = [\n  \"app\",\n]\nresolver = \"2\"\n".replace('\n', "\r\n"),
            );
            write(&root, "app/Cargo.toml", package("app", "2021").replace('\n', "\r\n"));
            write(&root, "app/src/lib.rs", "");
            write(&root, ".gitignore", "/target\r\n");
            write(&root, ".cargo/config.toml", "[alias]\r\nb = \"build\"\r\n");
        }
        "edition 2018" => {
            write(&root, "Cargo.toml", package("shop", "2018"));
            write(&root, "src/lib.rs", "");
        }
        "members by glob" => {
            write(&root, "Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n");
            write(&root, "crates/app/Cargo.toml", package("app", "2024"));
            write(&root, "crates/app/src/lib.rs", "");
        }
        _ => {}
    }
    repo::committed(&root);
    if shape == "git worktree" {
        run(&root, "git", &["worktree", "add", "--quiet", "../work", "-b", "work"]);
        return inside.join("work");
    }
    root
}
