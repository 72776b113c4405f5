//! The binary: standard output, standard error and exit code, compared as one text.

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::io::Read;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use support::Repo;

const SMALL: &str = r#"
-- environment.toml --
[parameters]
host = { type = "host" }
[[deploy]]
pipeline = "web"
-- orchestration.toml --
[[environment]]
name = "dev"
[[environment]]
name = "prod"
-- environments/dev.toml --
host = "dev.example"
-- environments/prod.toml --
host = "shop.example"
-- deployments/web/pipeline.toml --
[[step]]
name = "install"
script = "install.sh"
args = ["${host}"]
[[step]]
name = "look"
run = ["curl", "http://${host}/"]
verify = true
-- deployments/web/install.sh --
#!/bin/sh
echo "$1"
"#;

#[track_caller]
fn run(text: &str, arguments: &[&str]) -> String {
    Repo::new(text).committed().xtask(arguments).transcript()
}

#[test]
fn a_plan() {
    assert_snapshot!(run(SMALL, &["plan", "dev"]), @r#"
    -- stdout --
    dev
      web
        install             pipelines/deployments/web/install.sh dev.example
        look                curl http://dev.example/   # verify
    -- exit 0 --
    "#);
    assert_snapshot!(run(SMALL, &["plan", "prod", "--skeleton"]), @r#"
    -- stdout --
    prod
      web
        install             pipelines/deployments/web/install.sh ${host}
        look                curl http://${host}/   # verify
    -- exit 0 --
    "#);
}

#[test]
fn a_plan_of_an_unknown_environment() {
    assert_snapshot!(run(SMALL, &["plan", "pord"]), @r#"
    -- stderr --
    error: there is no environment `pord`
      help: did you mean `prod`?
    -- exit 2 --
    "#);
}

#[test]
fn nothing_is_found_in_a_sound_repository() {
    let repo = Repo::new(SMALL).committed();
    let check = repo.xtask(&["check", "--format", "json"]);
    assert_snapshot!(check.stdout(), @r#"
    {
      "findings": [],
      "format": 1
    }
    "#);
}

#[test]
fn findings_are_the_answer_of_check_and_beside_the_answer_of_plan() {
    let wrong = SMALL.replace("host = \"dev.example\"", "hots = \"dev.example\"");
    assert_snapshot!(run(&wrong, &["check"]), @r#"
    -- stdout --
    error[missing-value]: environment `dev` gives no value for `host`
     --> pipelines/environments/dev.toml:1:1
      |
    1 | hots = "dev.example"
      | ^
      |
     ::: pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ---- declared here
      |
      = note: in dev
      = help: add it: `host = …`

    error[unknown-value]: no parameter `hots` is declared
     --> pipelines/environments/dev.toml:1:1
      |
    1 | hots = "dev.example"
      | ^^^^
      |
      = note: in dev
      = help: did you mean `host`?

    -- stderr --
    checked 2 environments, 1 pipeline, 2 steps: 2 errors
    -- exit 1 --
    "#);
    assert_snapshot!(run(&wrong, &["plan", "dev"]), @r#"
    -- stdout --
    dev
      web
        install             pipelines/deployments/web/install.sh "${host}"
        look                curl "http://${host}/"   # verify
    -- stderr --
    error[missing-value]: environment `dev` gives no value for `host`
     --> pipelines/environments/dev.toml:1:1
      |
    1 | hots = "dev.example"
      | ^
      |
     ::: pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ---- declared here
      |
      = note: in dev
      = help: add it: `host = …`

    error[unknown-value]: no parameter `hots` is declared
     --> pipelines/environments/dev.toml:1:1
      |
    1 | hots = "dev.example"
      | ^^^^
      |
      = note: in dev
      = help: did you mean `host`?

    2 errors
    error: `deploy dev` would refuse: mend what is found above
    -- exit 2 --
    "#);
}

#[test]
fn what_is_wrong_in_one_environment_does_not_stop_another() {
    let wrong = SMALL.replace("host = \"dev.example\"", "");
    let repo = Repo::new(&wrong).committed();
    assert!(repo.xtask(&["plan", "prod"]).stdout().contains("shop.example"));
}

#[test]
fn findings_as_json() {
    let wrong = SMALL.replace("host = \"dev.example\"", "host = \"dév.example\"\n hots = 1");
    assert_snapshot!(run(&wrong, &["check", "--format", "json"]), @r#"
    -- stdout --
    {
      "findings": [
        {
          "code": "bad-value",
          "column": 8,
          "end_column": 21,
          "end_line": 1,
          "environments": [
            "dev"
          ],
          "file": "pipelines/environments/dev.toml",
          "help": "write a name as in \"db.example.org\", or an address",
          "line": 1,
          "message": "`host` is not a host: no host can be named so",
          "of": "host",
          "severity": "error"
        },
        {
          "code": "unknown-value",
          "column": 2,
          "end_column": 6,
          "end_line": 2,
          "environments": [
            "dev"
          ],
          "file": "pipelines/environments/dev.toml",
          "help": "did you mean `host`?",
          "line": 2,
          "message": "no parameter `hots` is declared",
          "of": "hots",
          "severity": "error"
        }
      ],
      "format": 1
    }
    -- exit 1 --
    "#);
}

#[test]
fn it_works_from_any_folder() {
    let repo = Repo::new(SMALL).committed();
    let here = repo.xtask(&["plan", "dev"]).stdout();
    assert_eq!(repo.xtask(&["plan", "dev"]).within("pipelines/deployments/web").stdout(), here);
    let root = repo.root.to_str().unwrap();
    let elsewhere = Repo::new("");
    assert_eq!(elsewhere.xtask(&["-C", root, "plan", "dev"]).stdout(), here);
    assert_eq!(elsewhere.xtask(&["plan", "-C", &format!("{root}/pipelines"), "dev"]).stdout(), here);
    assert_snapshot!(elsewhere.xtask(&["-C", "nowhere", "plan", "dev"]).transcript(), @r#"
    -- stderr --
    error: there is no folder ROOT/nowhere
    -- exit 2 --
    "#);
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let steps: String = (0..20_000).map(|n| format!("[[step]]\nname = \"s{n}\"\nrun = [\"x\"]\n")).collect();
    let text =
        format!("-- environment.toml --\n[[deploy]]\npipeline = \"a\"\n-- deployments/a/pipeline.toml --\n{steps}");
    let repo = Repo::new(&text).committed();
    let mut xtask = repo.xtask(&["plan", "dev"]);
    let mut child = xtask.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&first, output.status.code()), (b"dev\n", Some(0)));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let wrong = SMALL.replace("host = \"dev.example\"", "");
    let repo = Repo::new(&wrong).committed();
    let check = |arguments: &[&str]| repo.xtask(arguments).env("NO_COLOR", "").transcript().contains('\x1b');
    assert!(!check(&["check"]));
    assert!(check(&["check", "--color", "always"]));
    assert!(!check(&["check", "--color", "never"]));
}

/// The colour of help and of wrong usage is ours, not clap's.
#[test]
fn help_and_wrong_usage_have_colour_on_a_terminal() {
    let repo = Repo::new(SMALL).committed();
    let said = |arguments: &[&str], no_colour: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).current_dir(&repo.root).env("NO_COLOR", no_colour);
        let (said, code) = terminal::on_terminal(command);
        format!("{}-- exit {code} --", said.replace('\x1b', "^"))
    };
    assert_snapshot!(said(&["schema", "--help"], ""), @r"
    Print the JSON Schema of a kind of file, for editors

    ^[1m^[4mUsage:^[0m ^[1mcargo xtask schema^[0m [OPTIONS] [KIND]

    ^[1m^[4mArguments:^[0m
      [KIND]  Which kind; without it, where each of them is [possible values: orchestration, environment, pipeline, values]

    ^[1m^[4mOptions:^[0m
      ^[1m-h^[0m, ^[1m--help^[0m  Print help

    ^[1m^[4mOptions of every command:^[0m
      ^[1m-C^[0m <DIR>            Act on the repository that this folder belongs to
          ^[1m--color^[0m <WHEN>  When to use colour; NO_COLOR is honoured [default: auto] [possible values: auto, always, never]
      ^[1m-q^[0m, ^[1m--quiet^[0m         Show failures only, and the last line of a deployment
      ^[1m-v^[0m, ^[1m--verbose^[0m       Show more: when each step starts, and all that it prints, also on a terminal
    -- exit 0 --
    ");
    assert_snapshot!(said(&["pln", "dev"], ""), @r"
    ^[1m^[31merror:^[0m unrecognized subcommand '^[33mpln^[0m'

      ^[32mtip:^[0m a similar subcommand exists: '^[32mplan^[0m'

    ^[1m^[4mUsage:^[0m ^[1mcargo xtask^[0m [OPTIONS] <COMMAND>

    For more information, try '^[1m--help^[0m'.
    -- exit 2 --
    ");
    assert!(!said(&["schema", "--help"], "1").contains('^'));
    // What is asked for counts, wherever it stands and whatever else is wrong.
    for arguments in
        [&["--color", "never", "--help"][..], &["plan", "--bogus", "--color=never"], &["pln", "--color", "never"]]
    {
        assert!(!said(arguments, "").contains('^'), "{arguments:?}");
    }
    assert!(said(&["plan", "--color", "sometimes"], "").contains('^'));
    let piped = |arguments: &[&str]| repo.xtask(arguments).env("NO_COLOR", "1").transcript().contains("\x1b[1m");
    assert!(piped(&["--color", "always", "--help"]) && piped(&["plan", "--bogus", "--color=always"]));
    assert!(!piped(&["--help"]) && !piped(&["plan", "--bogus", "--", "--color=always"]));
}

#[test]
fn wrong_usage() {
    assert_snapshot!(run(SMALL, &["pln", "dev"]), @r#"
    -- stderr --
    error: unrecognized subcommand 'pln'

      tip: a similar subcommand exists: 'plan'

    Usage: cargo xtask [OPTIONS] <COMMAND>

    For more information, try '--help'.
    -- exit 2 --
    "#);
    assert_snapshot!(run(SMALL, &["plan"]), @r#"
    -- stderr --
    error: the following required arguments were not provided:
      <ENV>

    Usage: cargo xtask plan <ENV>

    For more information, try '--help'.
    -- exit 2 --
    "#);
    assert_snapshot!(run(SMALL, &["plan", "dev", "--format", "yaml"]), @r#"
    -- stderr --
    error: invalid value 'yaml' for '--format <FORMAT>'
      [possible values: text, json]

    For more information, try '--help'.
    -- exit 2 --
    "#);
    assert_snapshot!(run(SMALL, &["check", "--explain", "out-of-oder"]), @r#"
    -- stderr --
    error: there is no code `out-of-oder`
      help: did you mean `out-of-order`?
    -- exit 2 --
    "#);
    let capitals = run(SMALL, &["check", "--explain", "CYCLE"]);
    assert!(capitals.contains("did you mean `cycle`?"), "{capitals}");
    let none = run(SMALL, &["check", "--explain", "zzz"]);
    assert!(none.contains("`value-in-code` and `unused-acceptance`"), "all are named: {none}");
}
