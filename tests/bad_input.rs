//! Bad input: each a finding with file, line, caret and the fix, exit code 2, and nothing run.

mod support;

use std::time::{Duration, Instant};

use ciao::declare::Declarations;
use ciao::plan::build::{Inputs, build, files};
use insta::assert_snapshot;
use proptest::prelude::*;
use support::Repo;

const SOUND: &str = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
-- environment.toml --
[parameters]
host = { type = "host" }
[[deploy]]
pipeline = "web"
-- environments/dev.toml --
host = "dev.example"
-- deployments/web/pipeline.toml --
[[step]]
name = "install"
script = "install.sh"
args = ["${host}"]
-- deployments/web/install.sh --
#!/bin/sh
echo "$1"
"#;

/// The findings that refuse the plan of `dev`; each must say where and what to do.
#[track_caller]
fn refused(repo: &Repo) -> String {
    let text = repo.xtask(&["plan", "dev"]).transcript();
    let (_, stderr) = text.split_once("-- stderr --\n").unwrap_or_else(|| panic!("nothing was found: {text}"));
    let (findings, end) = stderr.rsplit_once("\n-- exit ").unwrap();
    assert_eq!(end, "2 --", "{findings}");
    assert!(findings.contains("\n --> ") || findings.contains("\n  --> "), "{findings}");
    assert!(findings.contains("= help: "), "{findings}");
    let (findings, _) = findings.rsplit_once("\nerror: `deploy dev` would refuse").unwrap();
    findings.trim_end().to_owned()
}

/// What is found after one file of a sound repository is replaced.
#[track_caller]
fn with(path: &str, bytes: impl AsRef<[u8]>) -> String {
    let repo = Repo::bare(SOUND);
    repo.write(path, bytes);
    refused(&repo)
}

/// What is found where the pipeline has these steps, and no script that they would have to run.
#[track_caller]
fn steps(steps: &str) -> String {
    let repo = Repo::bare(SOUND);
    std::fs::remove_file(repo.path("pipelines/deployments/web/install.sh")).unwrap();
    repo.write("pipelines/deployments/web/pipeline.toml", steps);
    refused(&repo)
}

#[test]
fn the_sound_one_is_sound() {
    let repo = Repo::bare(SOUND).committed();
    assert!(repo.xtask(&["plan", "dev"]).stdout().contains("install.sh dev.example"));
}

#[test]
fn empty_and_missing_files() {
    assert_snapshot!(with("pipelines/orchestration.toml", ""), @r#"
    error[missing-value]: the file lists no environment
     --> pipelines/orchestration.toml
     = help: list the environments in the order of their deployment: `[[environment]]`, `name = "dev"`

    1 error
    "#);
    let repo = Repo::bare(SOUND);
    std::fs::remove_file(repo.path("pipelines/orchestration.toml")).unwrap();
    assert_snapshot!(refused(&repo), @r#"
    error[syntax]: pipelines/orchestration.toml does not exist
     --> pipelines/orchestration.toml
     = help: create it: it lists the environments; `cargo xtask init` writes a first one

    1 error
    "#);
    assert_snapshot!(with("pipelines/environment.toml", ""), @r#"
    error[forgotten-pipeline]: nothing calls pipeline `web`, so it is never deployed
     --> pipelines/deployments/web/pipeline.toml:1:1
      |
    1 | [[step]]
      | ^
      |
      = help: call it in pipelines/environment.toml: `[[deploy]]`, `pipeline = "web"`; or remove its folder

    error[missing-value]: the file calls no pipeline
     --> pipelines/environment.toml
     = help: list the deployment pipelines in their order: `[[deploy]]`, `pipeline = "…"`

    error[unknown-value]: no parameter `host` is declared
     --> pipelines/environments/dev.toml:1:1
      |
    1 | host = "dev.example"
      | ^^^^
      |
      = help: declare it in pipelines/environment.toml: `[parameters]`, `host = { type = "string" }`

    3 errors
    "#);
    let repo = Repo::bare(SOUND);
    std::fs::remove_file(repo.path("pipelines/environment.toml")).unwrap();
    assert_snapshot!(refused(&repo), @r#"
    error[syntax]: pipelines/environment.toml does not exist
     --> pipelines/environment.toml
     = help: create it: it calls the deployment pipelines; `cargo xtask init` writes a first one

    1 error
    "#);
    assert_snapshot!(with("pipelines/environments/dev.toml", ""), @r#"
    error[missing-value]: environment `dev` gives no value for `host`
     --> pipelines/environments/dev.toml
      |
     ::: pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ---- declared here
      |
      = help: add it: `host = …`

    1 error
    "#);
    let repo = Repo::bare(SOUND);
    std::fs::remove_file(repo.path("pipelines/deployments/web/pipeline.toml")).unwrap();
    assert_snapshot!(refused(&repo), @r#"
    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    error[unknown-pipeline]: there is no pipeline `web`
     --> pipelines/environment.toml:4:12
      |
    4 | pipeline = "web"
      |            ^^^^^
      |
      = help: there are no pipelines; it would stand in pipelines/deployments/web/pipeline.toml

    2 errors
    "#);
    assert_snapshot!(steps(""), @r#"
    error[missing-value]: the pipeline has no step
     --> pipelines/deployments/web/pipeline.toml
     = help: add its first one: `[[step]]`, `name = "…"`, `run = ["…"]`

    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    2 errors
    "#);
    assert_snapshot!(refused(&Repo::bare("")), @r#"
    error[syntax]: there is no `pipelines/` in ROOT, nor in a folder above it
     --> pipelines
     = help: go to a repository that has it, or name one by `-C DIR`; `cargo xtask init DIR` writes a first one

    1 error
    "#);
}

#[test]
fn duplicates() {
    assert_snapshot!(with("pipelines/environments/dev.toml", "host = \"a\"\nhost = \"b\"\n"), @r#"
    error[syntax]: duplicate key `host`
     --> pipelines/environments/dev.toml:2:1
      |
    1 | host = "a"
      | ---- the first one
    2 | host = "b"
      | ^^^^
      |
      = help: remove one of the two

    1 error
    "#);
    assert_snapshot!(with("pipelines/orchestration.toml", "[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"dev\"\n"), @r#"
    error[duplicate-name]: environment `dev` is listed twice
     --> pipelines/orchestration.toml:4:8
      |
    2 | name = "dev"
      |        ----- first listed here
    3 | [[environment]]
    4 | name = "dev"
      |        ^^^^^
      |
      = help: remove one of the two

    1 error
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"${host}\"]\n[[step]]\nname = \"a\"\nrun = [\"y\"]\n"), @r#"
    error[duplicate-name]: two steps are named `a`
     --> pipelines/deployments/web/pipeline.toml:5:8
      |
    2 | name = "a"
      |        --- the first one
    ...
    5 | name = "a"
      |        ^^^
      |
      = help: give one of them another name

    1 error
    "#);
    assert_snapshot!(with("pipelines/environment.toml", "[parameters]\nhost = { type = \"host\" }\n[constants]\nhost = \"x\"\n[[deploy]]\npipeline = \"web\"\n[[deploy]]\npipeline = \"web\"\n"), @r#"
    error[duplicate-name]: `host` is a parameter and a constant
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
    3 | [constants]
    4 | host = "x"
      |        --- the constant
      |
      = help: remove one of the two: a constant is the same everywhere, a parameter has a value an environment

    error[duplicate-name]: two calls are named `web`
     --> pipelines/environment.toml:8:12
      |
    6 | pipeline = "web"
      |            ----- the first one
    7 | [[deploy]]
    8 | pipeline = "web"
      |            ^^^^^
      |
      = help: give one of them another name: `name = "…"`

    2 errors
    "#);
}

#[test]
fn misspelt() {
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"${host}\"]\ntimout = \"1s\"\n"), @r#"
    error[unknown-key]: a step has no key `timout`
     --> pipelines/deployments/web/pipeline.toml:4:1
      |
    4 | timout = "1s"
      | ^^^^^^
      |
      = help: did you mean `timeout`?

    1 error
    "#);
    assert_snapshot!(steps("[[stpe]]\nname = \"a\"\nrun = [\"${hots}\"]\n"), @r#"
    error[missing-value]: the pipeline has no step
     --> pipelines/deployments/web/pipeline.toml:1:1
      |
    1 | [[stpe]]
      | ^
      |
      = help: add its first one: `[[step]]`, `name = "…"`, `run = ["…"]`

    error[unknown-key]: the file has no key `stpe`
     --> pipelines/deployments/web/pipeline.toml:1:3
      |
    1 | [[stpe]]
      |   ^^^^
      |
      = help: did you mean `step`?

    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    3 errors
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"${hots}\"]\n"), @r#"
    error[unknown-parameter]: no parameter, constant or output `hots`
     --> pipelines/deployments/web/pipeline.toml:3:9
      |
    3 | run = ["${hots}"]
      |         ^^^^^^^
      |
      = help: did you mean `host`?

    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    2 errors
    "#);
    assert_snapshot!(with("pipelines/environment.toml", "[parameters]\nhost = { typ = \"host\" }\n[[deploy]]\npipeline = \"wbe\"\n"), @r#"
    error[forgotten-pipeline]: nothing calls pipeline `web`, so it is never deployed
     --> pipelines/deployments/web/pipeline.toml:1:1
      |
    1 | [[step]]
      | ^
      |
      = help: call it in pipelines/environment.toml: `[[deploy]]`, `pipeline = "web"`; or remove its folder

    error[missing-value]: a parameter has no `type`
     --> pipelines/environment.toml:2:1
      |
    2 | host = { typ = "host" }
      | ^^^^
      |
      = help: add `type = …`

    error[unknown-key]: a parameter has no key `typ`
     --> pipelines/environment.toml:2:10
      |
    2 | host = { typ = "host" }
      |          ^^^
      |
      = help: did you mean `type`?

    error[unknown-pipeline]: there is no pipeline `wbe`
     --> pipelines/environment.toml:4:12
      |
    4 | pipeline = "wbe"
      |            ^^^^^
      |
      = help: the pipelines are `web`; it would stand in pipelines/deployments/wbe/pipeline.toml

    4 errors
    "#);
    assert_snapshot!(with("pipelines/environment.toml", "[parameters]\nhost = { type = \"hots\" }\n[[deploy]]\npipeline = \"web\"\n"), @r#"
    error[bad-value]: `hots` is not a type
     --> pipelines/environment.toml:2:17
      |
    2 | host = { type = "hots" }
      |                 ^^^^^^
      |
      = help: did you mean `host`?

    1 error
    "#);
}

#[test]
fn wrong_types_and_ranges() {
    assert_snapshot!(steps("[[step]]\nname = 7\nrun = 1\n[[step]]\nname = [\"a\"]\nrun = [\"x\", [\"y\"]]\nneeds = \"a\"\n"), @r#"
    error[wrong-type]: `name` of a step is an integer, not a string
     --> pipelines/deployments/web/pipeline.toml:2:8
      |
    2 | name = 7
      |        ^
      |
      = help: write a string

    error[wrong-type]: `run` is an integer, not a list of arguments, or a string
     --> pipelines/deployments/web/pipeline.toml:3:7
      |
    3 | run = 1
      |       ^
      |
      = help: write a list of arguments, or a string

    error[wrong-type]: `name` of a step is a list, not a string
     --> pipelines/deployments/web/pipeline.toml:5:8
      |
    5 | name = ["a"]
      |        ^^^^^
      |
      = help: write a string

    error[wrong-type]: `run` of a step is a list, not a string
     --> pipelines/deployments/web/pipeline.toml:6:13
      |
    6 | run = ["x", ["y"]]
      |             ^^^^^
      |
      = help: write a string

    error[wrong-type]: `needs` of a step is a string, not a list of strings
     --> pipelines/deployments/web/pipeline.toml:7:9
      |
    7 | needs = "a"
      |         ^^^
      |
      = help: write a list of strings

    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    6 errors
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = \"x ${host}\"\ntimeout = \"0s\"\nretries = { attempts = 0, backoff = 0.5 }\n"), @r#"
    error[bad-value]: a timeout of nothing
     --> pipelines/deployments/web/pipeline.toml:4:1
      |
    4 | timeout = "0s"
      | ^^^^^^^
      |
      = help: write how long it may take; without `timeout` it is 1h

    error[bad-value]: `attempts` of `retries` is 0
     --> pipelines/deployments/web/pipeline.toml:5:24
      |
    5 | retries = { attempts = 0, backoff = 0.5 }
      |                        ^
      |
      = help: write a number from 1 to 1000

    error[bad-value]: a backoff of 0.5
     --> pipelines/deployments/web/pipeline.toml:5:37
      |
    5 | retries = { attempts = 0, backoff = 0.5 }
      |                                     ^^^
      |
      = help: write what the delay is multiplied by after each attempt, from 1 to 100

    3 errors
    "#);
    assert_snapshot!(steps("step = 1\n"), @r#"
    error[wrong-type]: `step` is an integer, not a list of tables, `[[step]]`
     --> pipelines/deployments/web/pipeline.toml:1:8
      |
    1 | step = 1
      |        ^
      |
      = help: write a list of tables, `[[step]]`

    error[unused-parameter]: parameter `host` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:2:1
      |
    2 | host = { type = "host" }
      | ^^^^
      |
      = help: use it, `${host}`, where its value is meant to go; or remove it and its values

    2 errors
    "#);
    assert_snapshot!(with("pipelines/orchestration.toml", "[[environment]]\nname = \"dev\"\napprovals = -1\nsoak = \"soon\"\nafter = [\"dve\"]\n"), @r#"
    error[bad-value]: `approvals` of an environment is -1
     --> pipelines/orchestration.toml:3:13
      |
    3 | approvals = -1
      |             ^^
      |
      = help: write a number from 0 to 100

    error[bad-value]: `soak` of an environment is not a duration: expected number at 0
     --> pipelines/orchestration.toml:4:8
      |
    4 | soak = "soon"
      |        ^^^^^^
      |
      = help: write it as in "30s", "5m" or "1h 30m"

    error[unknown-environment]: no environment `dve` is listed before `dev`
     --> pipelines/orchestration.toml:5:10
      |
    5 | after = ["dve"]
      |          ^^^^^
      |
      = help: there are no environments listed before it

    3 errors
    "#);
    assert_snapshot!(with("pipelines/environments/dev.toml", "host = 99999999999999999999\n"), @r#"
    error[wrong-type]: `host` is an integer beyond 64 bits, not a string
     --> pipelines/environments/dev.toml:1:8
      |
    1 | host = 99999999999999999999
      |        ^^^^^^^^^^^^^^^^^^^^
      |
      = help: it is declared as `type = "host"`

    1 error
    "#);
}

#[test]
fn variables_that_cannot_be_passed_on() {
    let passed = r#"
pass_env = ["KRB5CCNAME", "AWS_*", "PYTHONPATH", "LD_PRELOAD", "*", "A B"]
[parameters]
host = { type = "host" }
[[deploy]]
pipeline = "web"
"#;
    assert_snapshot!(with("pipelines/environment.toml", passed), @r#"
    error[bad-value]: `LD_PRELOAD` cannot be passed on: the loader would run other code in every program
     --> pipelines/environment.toml:2:50
      |
    2 | pass_env = ["KRB5CCNAME", "AWS_*", "PYTHONPATH", "LD_PRELOAD", "*", "A B"]
      |                                                  ^^^^^^^^^^^^
      |
      = help: remove it, or name another one

    error[bad-value]: `*` cannot be passed on: it names no variable, and none that begin alike (`PREFIX_*`)
     --> pipelines/environment.toml:2:64
      |
    2 | pass_env = ["KRB5CCNAME", "AWS_*", "PYTHONPATH", "LD_PRELOAD", "*", "A B"]
      |                                                                ^^^
      |
      = help: remove it, or name another one

    error[bad-value]: `A B` cannot be passed on: it names no variable, and none that begin alike (`PREFIX_*`)
     --> pipelines/environment.toml:2:69
      |
    2 | pass_env = ["KRB5CCNAME", "AWS_*", "PYTHONPATH", "LD_PRELOAD", "*", "A B"]
      |                                                                     ^^^^^
      |
      = help: remove it, or name another one

    3 errors
"#);
}

#[test]
fn control_characters() {
    assert_snapshot!(with("pipelines/environments/dev.toml", "host = \"a\0b\"\n"), @r#"
    error[syntax]: invalid basic string, expected non-double-quote visible characters, `\`
     --> pipelines/environments/dev.toml:1:10
      |
    1 | host = "a b"
      |          ^
      |
      = help: TOML cannot be read past this; see https://toml.io for the format

    1 error
    "#);
    assert_snapshot!(with("pipelines/environments/dev.toml", "host = \"a\\u0000b\"\n"), @r#"
    error[bad-value]: `host` holds the control character \u{0}
     --> pipelines/environments/dev.toml:1:8
      |
    1 | host = "a\u0000b"
      |        ^^^^^^^^^^
      |
      = help: remove it

    1 error
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"x\\u0000\", \"${host}\"]\n"), @r#"
    error[bad-value]: `run` of a step holds a NUL character
     --> pipelines/deployments/web/pipeline.toml:3:8
      |
    3 | run = ["x\u0000", "${host}"]
      |        ^^^^^^^^^
      |
      = help: remove it: no argument, variable or path can hold one

    1 error
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\\u001b[2J\"\nrun = [\"${host}\"]\n"), @r#"
    error[bad-name]: "a\u{1b}[2J" cannot be the name of a step
     --> pipelines/deployments/web/pipeline.toml:2:8
      |
    2 | name = "a\u001b[2J"
      |        ^^^^^^^^^^^^
      |
      = help: use lower-case letters, digits and `-`, at most 63, beginning with a letter or digit

    1 error
    "#);
    assert_snapshot!(with("pipelines/environments/dev.toml", b"host = \"\xff\"\n"), @r#"
    error[syntax]: pipelines/environments/dev.toml cannot be read: it is not UTF-8 here
     --> pipelines/environments/dev.toml:1:9
      |
    1 | host = "�"
      |         ^
      |
      = help: make it a readable text file

    1 error
    "#);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_fault() {
    let repo = Repo::bare(SOUND).committed();
    for file in ["orchestration.toml", "environment.toml", "environments/dev.toml", "deployments/web/pipeline.toml"] {
        let path = format!("pipelines/{file}");
        let text = std::fs::read_to_string(repo.path(&path)).unwrap();
        repo.write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n")));
    }
    assert!(repo.xtask(&["plan", "dev"]).stdout().contains("install.sh dev.example"));
}

#[test]
fn needs_that_cannot_be() {
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"${host}\"]\nneeds = [\"a\"]\n"), @r#"
    error[cycle]: step `a` needs itself
     --> pipelines/deployments/web/pipeline.toml:2:8
      |
    2 | name = "a"
      |        ^^^
      |
      = note: each needs the next: a → a
      = help: remove one of these needs; what has no `needs` needs everything listed above it

    1 error
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = [\"${host}\"]\nneeds = [\"c\"]\n[[step]]\nname = \"b\"\nrun = [\"x\"]\n[[step]]\nname = \"c\"\nrun = [\"x\"]\n"), @r#"
    error[cycle]: the steps need each other in a circle
     --> pipelines/deployments/web/pipeline.toml:2:8
      |
    2 | name = "a"
      |        ^^^
      |
      = note: each needs the next: a → c → b → a
      = help: remove one of these needs; what has no `needs` needs everything listed above it

    1 error
    "#);
    assert_snapshot!(steps("[[step]]\nname = \"install\"\nrun = [\"${host}\"]\n[[step]]\nname = \"b\"\nrun = [\"x\"]\nneeds = [\"instal\"]\n"), @r#"
    error[unknown-need]: step `b` needs `instal`, which is not in this file
     --> pipelines/deployments/web/pipeline.toml:7:10
      |
    7 | needs = ["instal"]
      |          ^^^^^^^^
      |
      = help: did you mean `install`?

    1 error
    "#);
}

/// What is found where a step is given a value of so many bytes by this line of it.
#[track_caller]
fn given(bytes: usize, line: &str) -> String {
    let repo = Repo::bare(SOUND);
    repo.write("pipelines/environment.toml", LONG);
    repo.write("pipelines/environments/dev.toml", format!("long = \"{}\"\n", "x".repeat(bytes)));
    repo.write(
        "pipelines/deployments/web/pipeline.toml",
        format!("[[step]]\nname = \"install\"\nscript = \"install.sh\"\n{line}\n"),
    );
    let found = repo.xtask(&["check"]).transcript();
    found.lines().filter(|line| line.starts_with("error")).map(|line| format!("{line}\n")).collect()
}

const LONG: &str = r#"
[parameters]
long = { type = "string" }
[[deploy]]
pipeline = "web"
"#;

#[test]
fn fault_70_what_is_too_long_for_a_program_is_found_before_a_deployment() {
    let argument = r#"args = ["${long}"]"#;
    // With the byte that ends it.
    assert_eq!(given(131_071, argument), "");
    assert_snapshot!(given(131_072, argument), @"error[bad-command]: an argument of step `install` is longer than 131072 bytes: no program could be started");
    assert_snapshot!(given(131_072, r#"unless = ["test", "${long}"]"#), @"error[bad-command]: an argument of step `install` is longer than 131072 bytes: no program could be started");
    assert_snapshot!(given(131_072, r#"finally = { run = ["test", "${long}"] }"#), @"error[bad-command]: an argument of step `install` is longer than 131072 bytes: no program could be started");
    // With its name and the sign between them.
    assert_eq!(given(131_066, r#"env = { LONG = "${long}" }"#), "");
    assert_snapshot!(given(131_067, r#"env = { LONG = "${long}" }"#), @"error[bad-command]: variable `LONG` of step `install` is longer than 131072 bytes: no program could be started");
    assert_eq!(given(4_000_000, r#"env = { LONG = { file = "${long}" } }"#), "");
    assert_eq!(given(4_000_000, r#"stdin = "${long}""#), "");
    let many = |times: usize| format!("args = [{}]", vec![r#""${long}""#; times].join(", "));
    assert_eq!(given(100_000, &many(20)), "");
    assert_snapshot!(given(100_000, &many(21)), @"error[bad-command]: the arguments and variables of step `install` have more than 2097152 bytes: no program could be started");
}

#[test]
fn commands_that_only_a_shell_would_understand() {
    assert_snapshot!(steps("[[step]]\nname = \"a\"\nrun = \"echo ${host} | tee log\"\n[[step]]\nname = \"b\"\nrun = []\n[[step]]\nname = \"c\"\n[[step]]\nname = \"d\"\nrun = [\"x\"]\nscript = \"y\"\n"), @r#"
    error[bad-command]: `|` is understood by a shell only
     --> pipelines/deployments/web/pipeline.toml:3:7
      |
    3 | run = "echo ${host} | tee log"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a command is run without a shell: put in quotes what is meant as it stands; or put it into a script

    error[bad-command]: `run` names no program
     --> pipelines/deployments/web/pipeline.toml:6:7
      |
    6 | run = []
      |       ^^
      |
      = help: write the program and its arguments: `run = ["psql", "--file", "data.sql"]`

    error[missing-value]: a step does nothing
     --> pipelines/deployments/web/pipeline.toml:7:1
      |
    7 | [[step]]
      | ^^^^^^^^
      |
      = help: add one of `run = ["program", …]`, `script = "file"` or `task = "name"`

    error[bad-value]: a step has `run` and `script`
      --> pipelines/deployments/web/pipeline.toml:12:1
       |
    12 | script = "y"
       | ^^^^^^
       |
       = help: keep exactly one of them

    4 errors
    "#);
}

/// What is found where the script is this, and what to do: it is shown where the step names it.
#[track_caller]
fn script(change: impl FnOnce(&Repo, &str)) -> String {
    const SHOWN: &str = "
 --> pipelines/deployments/web/pipeline.toml:3:10
  |
3 | script = \"install.sh\"
  |          ^^^^^^^^^^^^
  |";
    let repo = Repo::bare(SOUND);
    let script = "pipelines/deployments/web/install.sh";
    std::fs::remove_file(repo.path(script)).unwrap();
    change(&repo, script);
    let found = refused(&repo);
    assert!(found.contains(SHOWN) && found.ends_with("\n\n1 error"), "{found}");
    found.replace(SHOWN, "").replace("\n\n1 error", "")
}

#[test]
fn scripts_that_cannot_run() {
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    let executable = |text: &'static str| {
        move |repo: &Repo, path: &str| {
            repo.write(path, text);
            set_permissions(repo.path(path), Permissions::from_mode(0o755)).unwrap();
        }
    };
    assert_snapshot!(script(|_, _| {}), @r#"
    error[missing-script]: script `pipelines/deployments/web/install.sh` does not exist
      = help: create pipelines/deployments/web/install.sh, or correct the name; it is taken from the folder of this file
    "#);
    assert_snapshot!(script(|repo, path| create_dir(repo.path(path)).unwrap()), @r#"
    error[missing-script]: script `pipelines/deployments/web/install.sh` is a folder
      = help: name a file of the repository
    "#);
    assert_snapshot!(script(|repo, path| symlink("nowhere", repo.path(path)).unwrap()), @r#"
    error[missing-script]: script `pipelines/deployments/web/install.sh` is a link to nothing
      = help: name a file of the repository
    "#);
    assert_snapshot!(script(|repo, path| symlink("/bin/sh", repo.path(path)).unwrap()), @r#"
    error[missing-script]: script `pipelines/deployments/web/install.sh` leads out of the repository
      = help: name a file of the repository
    "#);
    assert_snapshot!(script(|repo, path| repo.write(path, "#!/bin/sh\n")), @r#"
    error[not-executable]: script `pipelines/deployments/web/install.sh` is not executable
      = help: run `chmod +x pipelines/deployments/web/install.sh`, and `git update-index --chmod=+x pipelines/deployments/web/install.sh` where files have no modes
    "#);
    assert_snapshot!(script(executable("")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` is empty
      = help: begin it with a line as `#!/bin/sh`, which names its interpreter
    "#);
    assert_snapshot!(script(executable("echo\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` has no `#!` line
      = help: begin it with a line as `#!/bin/sh`, which names its interpreter
    "#);
    assert_snapshot!(script(executable("#!/bin/sh\r\necho\r\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` has Windows line ends, which belong to the name of its interpreter
      = help: convert it: `sed -i 's/\r$//' pipelines/deployments/web/install.sh`, and keep it so with `*.sh text eol=lf` in .gitattributes
    "#);
    assert_snapshot!(script(executable("\u{feff}#!/bin/sh\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` begins with a byte order mark, so that its `#!` line is not seen
      = help: remove it: `sed -i '1s/^\xEF\xBB\xBF//' pipelines/deployments/web/install.sh`
    "#);
    assert_snapshot!(script(executable("#!\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` has a `#!` line that names no interpreter
      = help: begin it with a line as `#!/bin/sh`, which names its interpreter
    "#);
    assert_snapshot!(script(executable("#!bash\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` has a `#!` line whose interpreter, `bash`, is not an absolute path
      = help: write `#!/usr/bin/env bash`
    "#);
    assert_snapshot!(script(executable("#!/no/such/interpreter\n")), @r#"
    error[bad-command]: script `pipelines/deployments/web/install.sh` names the interpreter `/no/such/interpreter`, which is not on this machine
      = help: install it, or correct the `#!` line
    "#);
}

/// A guard was looked at by the deployment, and not before.
#[test]
fn a_guard_that_cannot_run_was_found_by_the_deployment() {
    const PIPELINE: &str = "[[step]]\nname = \"a\"\nrun = [\"echo\", \"${host}\"]\nunless = [\"./g.sh\"]\n";
    let repo = Repo::bare(SOUND);
    let script = "pipelines/deployments/web/g.sh";
    std::fs::remove_file(repo.path("pipelines/deployments/web/install.sh")).unwrap();
    repo.write("pipelines/deployments/web/pipeline.toml", PIPELINE);
    let said = || repo.xtask(&["check"]).transcript();
    // An earlier step may make it.
    assert!(!said().contains("g.sh"), "{}", said());
    repo.write(script, "#!/bin/sh\n");
    let refused = refused(&repo);
    assert!(refused.contains("error[not-executable]: program `./g.sh` is not executable"), "{refused}");
    assert!(refused.contains("4 | unless = [\"./g.sh\"]\n  |           ^^^^^^^^"), "{refused}");
    assert!(std::process::Command::new("chmod").arg("+x").arg(repo.path(script)).status().unwrap().success());
    assert!(!said().contains("g.sh"), "{}", said());
    repo.write(script, "#!/bin/sh\r\n");
    assert!(said().contains("error[bad-command]: program `./g.sh` has Windows line ends"), "{}", said());
}

/// The same files have the same plan on every machine: what is not on the PATH of this one is a warning.
#[test]
fn what_env_looks_for_and_does_not_find_is_a_warning() {
    let repo = Repo::bare(SOUND);
    let script = "pipelines/deployments/web/install.sh";
    let plan = |line: &str| {
        repo.write(script, format!("#!/usr/bin/env {line}\necho \"$1\"\n"));
        assert!(std::process::Command::new("chmod").arg("+x").arg(repo.path(script)).status().unwrap().success());
        (repo.xtask(&["plan", "dev"]).transcript(), repo.xtask(&["check"]).transcript())
    };
    let (plan_there, there) = plan("-S LC_ALL=C sh -u");
    assert!(!there.contains("PATH"), "{there}");
    let (plan_without, without) = plan("-S LC_ALL=C nonesuch -u");
    let wanted =
        "warning[bad-command]: `pipelines/deployments/web/install.sh` is run by `nonesuch`, which is not on the PATH";
    assert!(without.contains(wanted), "{without}");
    assert!(
        !plan_there.contains("mend what is found") && !plan_without.contains("mend what is found"),
        "{plan_without}"
    );
}

#[test]
fn a_wrong_default_was_found_only_where_no_value_was_given() {
    let repo = Repo::bare(SOUND);
    let declared = "[parameters]\nhost = { type = \"host\" }\np = { type = \"integer\", default = \"x\" }\n\
                    q = { type = \"string\", choices = [\"a\"], default = \"b\" }\n[[deploy]]\npipeline = \"web\"\n";
    repo.write("pipelines/environment.toml", declared);
    repo.write("pipelines/environments/dev.toml", "host = \"dev.example\"\np = 1\nq = \"a\"\n");
    let said = repo.xtask(&["check"]).transcript();
    assert!(said.contains("`p` is a string, not an integer\n --> pipelines/environment.toml:3:"), "{said}");
    assert!(said.contains("pipelines/environment.toml:4:"), "{said}");
    assert_eq!(said.matches("[wrong-type]").count(), 1, "{said}");
}

/// Runs `plan` and gives what it says, within a bounded time.
#[track_caller]
fn bounded(path: &str, bytes: String) -> String {
    let started = Instant::now();
    let found = with(path, bytes);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    found
}

#[test]
fn more_than_anybody_wrote() {
    assert_snapshot!(bounded("pipelines/environments/dev.toml", format!("# {}\n", "x".repeat(10_000_000))), @r#"
    error[syntax]: pipelines/environments/dev.toml cannot be read: it is larger than 10 MB
     --> pipelines/environments/dev.toml
     = help: make it a readable text file

    1 error
    "#);
    let nested = format!("host = {}1{}\n", "{ a = ".repeat(100_000), " }".repeat(100_000));
    assert_snapshot!(bounded("pipelines/environments/dev.toml", nested), @r#"
    error[syntax]: cannot recurse further; max recursion depth met
     --> pipelines/environments/dev.toml:1:401
      |
    1 | ...a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = { a = ...
      |                                                                    ^
      |
      = help: TOML cannot be read past this; see https://toml.io for the format

    1 error
    "#);
    let nested = format!("host = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert_snapshot!(bounded("pipelines/environments/dev.toml", nested), @r#"
    error[syntax]: cannot recurse further; max recursion depth met
     --> pipelines/environments/dev.toml:1:88
      |
    1 | host = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
      |                                                                                        ^
      |
      = help: TOML cannot be read past this; see https://toml.io for the format

    1 error
    "#);
    let dotted = format!("[a{}]\nx = 1\n", ".a".repeat(100_000));
    assert_snapshot!(bounded("pipelines/environments/dev.toml", dotted), @r#"
    error[syntax]: recursion limit
     --> pipelines/environments/dev.toml:1:1
      |
    1 | [a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a....
      | ^
      |
      = help: TOML cannot be read past this; see https://toml.io for the format

    1 error
    "#);
}

#[test]
fn thousands_of_findings_are_bounded_in_time() {
    let keys: String = (0..20_000).map(|n| format!("x{n} = 1\n")).collect();
    let found = bounded("pipelines/environments/dev.toml", format!("host = \"a\"\n{keys}"));
    assert!(found.ends_with("20000 errors"), "{}", &found[found.len() - 100..]);
}

#[test]
fn findings_on_one_long_line_are_bounded_in_time() {
    let keys: String = (0..20_000).map(|n| format!("x{n} = 1, ")).collect();
    let found = bounded("pipelines/environments/dev.toml", format!("host = \"a\"\nunknown.é = {{ {keys} }}\n"));
    assert!(found.ends_with("1 error"), "{}", &found[found.len() - 100..]);
    let repo = Repo::bare(SOUND);
    let inputs: String = (0..20_000).map(|n| format!("{{ x{n} = 1 }}, ")).collect();
    repo.write(
        "pipelines/environment.toml",
        format!("[parameters]\nhost = {{ type = \"host\" }}\n[[deploy]]\npipeline = \"web\"\nneeds = [{inputs}]\n"),
    );
    let started = Instant::now();
    let json = repo.xtask(&["check", "--format", "json"]).transcript();
    assert_eq!(json.matches("\"wrong-type\"").count(), 20_000);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// The code, the file and the first line of each finding.
#[track_caller]
fn titles(found: &str) -> Vec<&str> {
    found.lines().filter(|line| line.starts_with("error[") || line.starts_with("warning[")).collect()
}

#[test]
fn an_unreadable_file_of_values_is_not_said_to_be_missing() {
    let found = with("pipelines/environments/dev.toml", b"host = \"\xff\"\n");
    assert_eq!(titles(&found), ["error[syntax]: pipelines/environments/dev.toml cannot be read: it is not UTF-8 here"]);
}

#[test]
fn nothing_follows_from_a_broken_file_of_values() {
    let found = with("pipelines/environments/dev.toml", "host = \nport = 1\nhots = 2\n");
    assert_eq!(titles(&found).len(), 1, "{found}");
    assert!(found.contains("error[syntax]"), "{found}");
}

#[test]
fn nothing_follows_from_a_broken_file_that_others_refer_to() {
    for path in ["environment.toml", "deployments/web/pipeline.toml", "orchestration.toml"] {
        let found = with(&format!("pipelines/{path}"), "[[[\nx = \n");
        assert!(titles(&found).iter().all(|title| title.starts_with("error[syntax]")), "{found}");
    }
}

#[test]
fn a_list_without_a_value_has_an_item_all_the_same() {
    let repo = Repo::bare(SOUND);
    repo.write(
        "pipelines/environment.toml",
        "[parameters]\nhost = { type = \"host\" }\nregions = { type = \"string\", list = true }\n\
         [[deploy]]\npipeline = \"web\"\nfor_each = \"regions\"\n",
    );
    repo.write(
        "pipelines/deployments/web/pipeline.toml",
        "[[step]]\nname = \"install\"\nscript = \"install.sh\"\nargs = [\"${host}\", \"${each}\"]\n",
    );
    let found = refused(&repo);
    assert_eq!(titles(&found), ["error[missing-value]: environment `dev` gives no value for `regions`"], "{found}");
}

#[test]
fn who_is_like_a_broken_environment_is_told_so() {
    let repo = Repo::bare(SOUND);
    repo.write("pipelines/environments/dev.toml", "host = \n");
    repo.write("pipelines/environments/personal/mine.toml", "like = \"dev\"\n");
    let text = repo.xtask(&["plan", "mine"]).transcript();
    assert!(text.contains("error[syntax]: environment `dev`, which this one is like, cannot be read"), "{text}");
    assert!(!text.contains("missing-value") && text.contains("-- exit 2 --"), "{text}");
}

#[test]
fn an_integer_beyond_64_bits_is_an_integer() {
    let found = steps(
        "[[step]]\nname = \"a\"\ntask = \"t\"\nwith = { n = 99999999999999999999 }\n\
         [[step]]\nname = \"b\"\nrun = [\"${host}\"]\nretries = { attempts = 99999999999999999999 }\n",
    );
    assert!(found.contains("an argument is an integer beyond 64 bits, which JSON cannot hold"), "{found}");
    assert!(found.contains("is an integer beyond 64 bits, not an integer"), "{found}");
}

/// Everything that is pure, on any texts: it may find anything, and never panics.
fn survives(texts: &[(&str, String)]) {
    let texts = texts.iter().map(|(path, text)| ((*path).into(), text.clone())).collect();
    let sources = ciao::sources::Sources { texts, ..Default::default() };
    let tasks = ciao::Tasks::new();
    let (declarations, mut findings) = Declarations::read(&sources);
    let files = files(&declarations);
    let inputs = Inputs { declarations: &declarations, tasks: &tasks, sources: &sources };
    let mut plans = Vec::new();
    for name in declarations.environments() {
        let (built, found) = build(inputs, name, &files);
        findings.extend(found);
        plans.extend(built.map(|built| (name.to_owned(), built)));
    }
    findings.extend(support::check(&declarations, &sources, &plans));
    let findings = ciao::check::merged(findings, &declarations);
    let texts = |file: &camino::Utf8Path| sources.text(file.as_str());
    let _ = ciao::show::findings::text(&findings, &texts, true);
    let _ = ciao::show::json::findings(&findings, &texts);
    for (_, built) in &plans {
        let _ = ciao::show::plan::text(&built.plan, ciao::show::word::Side::Value, &tasks);
        let _ = ciao::show::json::plan(&built.plan, None);
    }
}

const RICH: [(&str, &str); 4] = [
    (
        "pipelines/orchestration.toml",
        "[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"p\"\nafter = [\"dev\"]\napprovals = 1\nsoak = \"30m\"\n[ledger]\nremote = \"origin\"\n",
    ),
    (
        "pipelines/environment.toml",
        "pass_env = [\"A\"]\n[constants]\nc = [\"x\"]\n[parameters.g]\nh = { type = \"host\" }\nb = { type = \"boolean\" }\nt = { type = \"table\", list = true, key = \"n\", fields = { n = { type = \"string\" } } }\ns = { type = \"string\", secret = true }\n[env]\nX = \"${g.h}\"\n[[deploy]]\npipeline = \"a\"\nfor_each = \"g.t\"\nwith = { p = \"${each.n}\" }\nwhen = \"!g.b\"\n",
    ),
    (
        "pipelines/environments/dev.toml",
        "[g]\nh = \"é.x\"\nb = true\ns = { env = \"S\" }\nt = [{ n = \"1\" }, { n = \"2\" }]\n",
    ),
    (
        "pipelines/deployments/a/pipeline.toml",
        "cwd = \"../x\"\n[parameters]\np = { type = \"string\" }\n[[step]]\nname = \"a\"\nrun = \"x ${p} '${each.n}' $$\"\noutput = { name = \"o\", json = true }\n[[step]]\nname = \"b\"\nscript = \"b.sh\"\nargs = [\"${c...}\", \"${o.x}\"]\nenv = { F = { file = \"${g.s}\" } }\nneeds = [\"a\"]\nfor_each = [1, 2]\nparallel = true\nfinally = { task = \"t\", with = { a = \"${g.t}\" } }\nretries = { attempts = 2, delay = \"1s\" }\n",
    ),
];

const SCRAPS: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "]]",
    "=",
    ",",
    ".",
    "\n",
    "\r",
    "#",
    "$",
    "${",
    "}",
    "...",
    "\\",
    "\u{feff}",
    "\0",
    "é",
    "☃",
    "-1",
    "1e999",
    "nan",
    "0x",
    "true",
    "1979-05-27",
    "a",
    "step",
    "each",
    "like = \"dev\"\n",
    "needs = []\n",
    "${each}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// A few deletions, doublings and insertions in sound files.
    #[test]
    fn no_panic_on_mutated_files(changes in prop::collection::vec((0..4_usize, any::<prop::sample::Index>(), 0..3_u8, 0..20_usize, prop::sample::select(SCRAPS)), 1..5)) {
        let mut texts: Vec<(&str, String)> = RICH.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        for (file, at, what, length, scrap) in changes {
            let text = &mut texts[file].1;
            let floor = |mut at: usize| { at = at.min(text.len()); while !text.is_char_boundary(at) { at -= 1; } at };
            let start = if text.is_empty() { 0 } else { floor(at.index(text.len())) };
            let end = floor(start + length);
            match what {
                0 => text.replace_range(start..end, ""),
                1 => { let copy = text[start..end].to_owned(); text.insert_str(start, &copy) }
                _ => text.insert_str(start, scrap),
            }
        }
        survives(&texts);
    }

    /// Anything at all.
    #[test]
    fn no_panic_on_any_text(text in any::<String>(), file in 0..4_usize) {
        let mut texts: Vec<(&str, String)> = RICH.iter().map(|(path, text)| (*path, (*text).to_owned())).collect();
        texts[file].1 = text;
        survives(&texts);
    }
}

#[test]
fn no_panic_on_any_bytes() {
    let repo = Repo::bare(SOUND);
    let mut state = 1_u64;
    for file in RICH.map(|(path, _)| path) {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(5000)
        .collect();
        repo.write(file, bytes);
    }
    let transcript = repo.xtask(&["plan", "dev"]).transcript();
    assert!(transcript.ends_with("-- exit 2 --"), "{transcript}");
}
