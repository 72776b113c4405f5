//! What a user saw from outside who had read nothing but the documentation: what is not in a release, what cannot be written,
//! and where git is missing.

#[path = "outside/begun.rs"]
mod begun;
#[path = "outside/ended.rs"]
mod ended;
#[path = "outside/named.rs"]
mod named;
#[path = "outside/options.rs"]
mod options;
#[path = "outside/released.rs"]
mod released;
#[path = "outside/secret.rs"]
mod secret;
#[path = "outside/shown.rs"]
mod shown;
mod support;
#[path = "support/terminal.rs"]
#[allow(dead_code)]
mod terminal;
#[path = "outside/told.rs"]
mod told;
#[path = "outside/written.rs"]
mod written;

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

/// What a command says on both, and its exit code.
#[track_caller]
fn run(repo: &Repo, arguments: &[&str]) -> (String, String, i32) {
    run_with(repo, arguments, &[])
}

/// The same with these variables.
#[track_caller]
fn run_with(repo: &Repo, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String, i32) {
    let mut xtask = repo.xtask(arguments);
    let identity = [("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@a.example")];
    let command = xtask.command().envs(identity).env("HOME", repo.path(".git")).env_remove("XDG_CONFIG_HOME");
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(repo.root.to_str().unwrap(), "ROOT");
    (text(output.stdout), text(output.stderr), output.status.code().expect("it ended by itself"))
}
