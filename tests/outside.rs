//! What a user saw from outside who had read nothing but the documentation: what is not in a release, what cannot be written,
//! and where git is missing.

#[path = "outside/released.rs"]
mod released;
mod support;

use std::process::Command;

use support::Repo;

/// Two environments, a gate between them, one pipeline.
const TWO: &str = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
[[environment]]
name = "prod"
-- environment.toml --
[[deploy]]
pipeline = "web"
-- environments/dev.toml --
-- environments/prod.toml --
-- deployments/web/pipeline.toml --
[[step]]
name = "install"
script = "install.sh"
[[step]]
name = "verify"
run = ["true"]
verify = true
-- deployments/web/install.sh --
#!/bin/sh
echo installed
"#;

#[track_caller]
fn git(repo: &Repo, arguments: &[&str]) {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@a.example", "-c", "commit.gpgSign=false"];
    let mut git = Command::new("git");
    git.args(identity).args(arguments).current_dir(&repo.root).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn commit(repo: &Repo) {
    git(repo, &["add", "--all"]);
    git(repo, &["commit", "--quiet", "--allow-empty", "--message=A"]);
}

/// A repository whose files are committed.
fn committed(text: &str) -> Repo {
    let repo = Repo::bare(text);
    git(&repo, &["init", "--quiet", "--initial-branch=main"]);
    commit(&repo);
    repo
}

/// What a command says on both, and its exit code.
#[track_caller]
fn run(repo: &Repo, arguments: &[&str]) -> (String, String, i32) {
    let mut xtask = repo.xtask(arguments);
    let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
    let command = xtask.command().envs(identity).env("HOME", repo.path(".git")).env_remove("XDG_CONFIG_HOME");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(repo.root.to_str().unwrap(), "ROOT");
    (text(output.stdout), text(output.stderr), output.status.code().expect("it ended by itself"))
}
