//! One snapshot for each code about files, values and order: what a user sees.

use insta::assert_snapshot;

use crate::fixture::{changed, check};

/// The pipeline of the sound repository with more at its end.
fn more(lines: &str) -> String {
    format!("{}{lines}\n", changed("deployments/web/pipeline.toml", &[]))
}

fn dev(lines: &str) -> String {
    format!("-- pipelines/environments/dev.toml --\n{lines}\n")
}

const DEV: &str = "debug = true\nsite.host = \"web.dev.example\"\nsite.port = 8080\nsite.title = \"Shop (dev)\"\n";

fn environment(lines: &str) -> String {
    format!(
        "-- pipelines/environment.toml --\n[parameters]\ndebug = {{ type = \"boolean\" }}\n[parameters.site]\nhost = {{ type = \"host\" }}\nport = {{ type = \"port\" }}\ntitle = {{ type = \"string\" }}\n[[deploy]]\npipeline = \"web\"\n{lines}\n"
    )
}

fn orchestration(lines: &str) -> String {
    format!(
        "-- pipelines/orchestration.toml --\n[[environment]]\nname = \"dev\"\n[[environment]]\nname = \"prod\"\n{lines}\n"
    )
}

#[test]
fn syntax() {
    assert_snapshot!(check(&dev("debug = tru\n[site")), @r#"
    error[syntax]: invalid boolean, expected `true`
     --> pipelines/environments/dev.toml:1:9
      |
    1 | debug = tru
      |         ^^^
      |
      = note: in dev
      = help: TOML cannot be read past this; see https://toml.io for the format

    error[syntax]: unclosed table, expected `]`
     --> pipelines/environments/dev.toml:2:6
      |
    2 | [site
      |      ^
      |
      = note: in dev
      = help: TOML cannot be read past this; see https://toml.io for the format
    "#);
}

#[test]
fn unknown_key() {
    assert_snapshot!(check(&more("[[step]]\nname = \"x\"\nrun = [\"x\"]\ntimout = \"5s\"")), @r#"
    error[unknown-key]: a step has no key `timout`
      --> pipelines/deployments/web/pipeline.toml:15:1
       |
    15 | timout = "5s"
       | ^^^^^^
       |
       = help: did you mean `timeout`?
    "#);
}

#[test]
fn wrong_type() {
    assert_snapshot!(check(&dev(&DEV.replace("8080", "\"8080\""))), @r#"
    error[wrong-type]: `site.port` is a string, not an integer
     --> pipelines/environments/dev.toml:3:13
      |
    3 | site.port = "8080"
      |             ^^^^^^
      |
      = note: in dev
      = help: write it without quotes: 8080
    "#);
}

#[test]
fn bad_value() {
    assert_snapshot!(check(&dev(&DEV.replace("8080", "80800"))), @r#"
    error[bad-value]: `site.port` is 80800, and must be from 1 to 65535
     --> pipelines/environments/dev.toml:3:13
      |
    3 | site.port = 80800
      |             ^^^^^
      |
      = note: in dev
      = help: write a number from 1 to 65535
    "#);
}

#[test]
fn duplicate_name() {
    assert_snapshot!(check(&more("[[step]]\nname = \"install\"\nrun = [\"x\"]")), @r#"
    error[duplicate-name]: two steps are named `install`
      --> pipelines/deployments/web/pipeline.toml:13:8
       |
     2 | name = "install"
       |        --------- the first one
    ...
    13 | name = "install"
       |        ^^^^^^^^^
       |
       = help: give one of them another name
    "#);
}

#[test]
fn bad_name() {
    assert_snapshot!(check(&more("[[step]]\nname = \"In Stall\"\nrun = [\"x\"]")), @r#"
    error[bad-name]: "In Stall" cannot be the name of a step
      --> pipelines/deployments/web/pipeline.toml:13:8
       |
    13 | name = "In Stall"
       |        ^^^^^^^^^^
       |
       = help: use lower-case letters, digits and `-`, at most 63, beginning with a letter or digit
    "#);
}

#[test]
fn unknown_environment() {
    assert_snapshot!(check(&orchestration("after = [\"dve\"]")), @r#"
    error[unknown-environment]: no environment `dve` is listed before `prod`
     --> pipelines/orchestration.toml:5:10
      |
    5 | after = ["dve"]
      |          ^^^^^
      |
      = help: the environments listed before it are `dev`
    "#);
}

#[test]
fn unlisted_environment() {
    assert_snapshot!(check(&format!("-- pipelines/environments/staging.toml --\n{DEV}")), @r#"
    error[unlisted-environment]: environment `staging` is not listed
     --> pipelines/environments/staging.toml:1:1
      |
    1 | debug = true
      | ^
      |
      = note: in staging
      = help: list it in pipelines/orchestration.toml: `[[environment]]`, `name = "staging"`; or remove the file
    "#);
}

#[test]
fn stray_file() {
    assert_snapshot!(check("-- pipelines/environments/dev.toml.bak --\nx\n"), @r#"
    error[stray-file]: `pipelines/environments/dev.toml.bak` is not a file of values
     --> pipelines/environments/dev.toml.bak
     = help: move it: `environments/` holds one TOML file an environment and nothing else
    "#);
}

#[test]
fn unknown_pipeline() {
    assert_snapshot!(check(&environment("[[deploy]]\npipeline = \"wbe\"")), @r#"
    error[unknown-pipeline]: there is no pipeline `wbe`
      --> pipelines/environment.toml:10:12
       |
    10 | pipeline = "wbe"
       |            ^^^^^
       |
       = help: the pipelines are `web`; it would stand in pipelines/deployments/wbe/pipeline.toml
    "#);
}

#[test]
fn unknown_task() {
    assert_snapshot!(check(&more("[[step]]\nname = \"x\"\ntask = \"build-image\"")), @r#"
    error[unknown-task]: no task `build-image` is registered
      --> pipelines/deployments/web/pipeline.toml:14:8
       |
    14 | task = "build-image"
       |        ^^^^^^^^^^^^^
       |
       = help: there are no tasks; tasks are registered in xtask/src/tasks.rs
    "#);
}

#[test]
fn bad_task_arguments() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Image {
        #[serde(rename = "dockerfile")]
        _dockerfile: String,
    }
    let folder =
        crate::fixture::with(&more("[[step]]\nname = \"x\"\ntask = \"build-image\"\nwith = { file = \"Dockerfile\" }"));
    let tasks = ciao::Tasks::new().add("build-image", "builds an image", |_: Image| -> ciao::TaskResult { Ok(()) });
    let repository = ciao::repository::Repository::read(&folder.0);
    let examined = repository.examine(&tasks);
    let text = ciao::show::findings::text(&examined.findings, &|file| repository.text(file), false);
    assert_snapshot!(text, @r#"
    error[bad-task-arguments]: task `build-image` does not take these arguments: unknown field `file`, expected `dockerfile`
      --> pipelines/deployments/web/pipeline.toml:15:1
       |
    15 | with = { file = "Dockerfile" }
       | ^^^^
       |
       = note: build-image: builds an image
       = help: correct `with`: it gives the fields of the task's arguments, in xtask/src/tasks.rs
    "#);
}

#[test]
fn missing_script() {
    assert_snapshot!(check(&more("[[step]]\nname = \"x\"\nscript = \"instal.sh\"")), @r#"
    error[missing-script]: script `pipelines/deployments/web/instal.sh` does not exist
      --> pipelines/deployments/web/pipeline.toml:14:10
       |
    14 | script = "instal.sh"
       |          ^^^^^^^^^^^
       |
       = help: create pipelines/deployments/web/instal.sh, or correct the name; it is taken from the folder of this file
    "#);
}

#[test]
fn not_executable() {
    assert_snapshot!(check(&format!("{}-- pipelines/deployments/web/x (plain) --\n#!/bin/sh\n", more("[[step]]\nname = \"x\"\nscript = \"x\""))), @r#"
    error[not-executable]: script `pipelines/deployments/web/x` is not executable
      --> pipelines/deployments/web/pipeline.toml:14:10
       |
    14 | script = "x"
       |          ^^^
       |
       = help: run `chmod +x pipelines/deployments/web/x`, and `git update-index --chmod=+x pipelines/deployments/web/x` where files have no modes
    "#);
}

#[test]
fn bad_command() {
    assert_snapshot!(check(&more("[[step]]\nname = \"x\"\nrun = \"ls | wc\"")), @r#"
    error[bad-command]: `|` is understood by a shell only
      --> pipelines/deployments/web/pipeline.toml:14:7
       |
    14 | run = "ls | wc"
       |       ^^^^^^^^^
       |
       = help: a command is run without a shell: put in quotes what is meant as it stands; or put it into a script
    "#);
}

#[test]
fn missing_value() {
    assert_snapshot!(check(&dev(&DEV.replace("site.port = 8080\n", ""))), @r#"
    error[missing-value]: environment `dev` gives no value for `site.port`
     --> pipelines/environments/dev.toml:2:1
      |
    2 | site.host = "web.dev.example"
      | ^^^^
      |
     ::: pipelines/environment.toml:6:1
      |
    6 | port = { type = "port" }
      | ---- declared here
      |
      = note: in dev
      = help: add it: `[site]`, `port = …`
    "#);
}

#[test]
fn unknown_value() {
    assert_snapshot!(check(&dev(&format!("{DEV}site.prot = 1"))), @r#"
    error[unknown-value]: no parameter `site.prot` is declared
     --> pipelines/environments/dev.toml:5:6
      |
    5 | site.prot = 1
      |      ^^^^
      |
      = note: in dev
      = help: did you mean `site.port`?
    "#);
}

#[test]
fn empty_value() {
    assert_snapshot!(check(&dev(&DEV.replace("Shop (dev)", ""))), @r#"
    error[empty-value]: `site.title` is empty
     --> pipelines/environments/dev.toml:4:14
      |
    4 | site.title = ""
      |              ^^
      |
      = note: in dev
      = help: give it a value, or declare it with `may_be_empty = true`
    "#);
}

#[test]
fn unknown_parameter() {
    assert_snapshot!(check(&more("[[step]]\nname = \"x\"\nrun = [\"x\", \"${site.hots}\"]")), @r#"
    error[unknown-parameter]: no parameter, constant or output `site.hots`
      --> pipelines/deployments/web/pipeline.toml:14:14
       |
    14 | run = ["x", "${site.hots}"]
       |              ^^^^^^^^^^^^
       |
       = help: did you mean `site.host`?
    "#);
}

#[test]
fn plain_secret() {
    let secret =
        environment("").replace("[parameters.site]", "token = { type = \"string\", secret = true }\n[parameters.site]");
    let prod = "-- pipelines/environments/prod.toml --\ndebug = false\ntoken = { env = \"T\" }\nsite.host = \"shop.example\"\nsite.port = 8443\nsite.title = \"Shop\"\n";
    let uses = more("[[step]]\nname = \"x\"\nrun = [\"x\"]\nenv = { TOKEN = \"${token}\" }");
    assert_snapshot!(check(&format!("{secret}{prod}{uses}{}", dev(&format!("token = \"hunter22\"\n{DEV}")))), @r#"
    error[plain-secret]: `token` is a secret, and stands here in plain text
     --> pipelines/environments/dev.toml:1:9
      |
    1 | token = ***
      |         ^^^
      |
      = note: in dev
      = help: write where it is read from: `{ env = "NAME" }`, `{ file = "PATH" }` or a declared source; one that was committed is in the history, and has to be changed
    "#);
}

#[test]
fn secret_in_arguments() {
    let secret =
        environment("").replace("[parameters.site]", "token = { type = \"string\", secret = true }\n[parameters.site]");
    let prod = "-- pipelines/environments/prod.toml --\ndebug = false\ntoken = { env = \"T\" }\nsite.host = \"shop.example\"\nsite.port = 8443\nsite.title = \"Shop\"\n";
    let uses = more("[[step]]\nname = \"x\"\nrun = [\"x\", \"--token=${token}\"]");
    assert_snapshot!(check(&format!("{secret}{prod}{uses}{}", dev(&format!("token = {{ env = \"D\" }}\n{DEV}")))), @r#"
    error[secret-in-arguments]: a secret stands in an argument, where anyone on the machine can read it
      --> pipelines/deployments/web/pipeline.toml:14:22
       |
    14 | run = ["x", "--token=${token}"]
       |                      ^^^^^^^^
       |
       = help: pass it by `env` or `stdin`
    "#);
}

#[test]
fn cycle() {
    assert_snapshot!(check(&more("[[step]]\nname = \"a\"\nrun = [\"x\"]\nneeds = [\"b\"]\n[[step]]\nname = \"b\"\nrun = [\"x\"]\nneeds = [\"a\"]")), @r#"
    error[cycle]: the steps need each other in a circle
      --> pipelines/deployments/web/pipeline.toml:13:8
       |
    13 | name = "a"
       |        ^^^
       |
       = note: each needs the next: a → b → a
       = help: remove one of these needs; what has no `needs` needs everything listed above it
    "#);
}

#[test]
fn unknown_need() {
    assert_snapshot!(check(&more("[[step]]\nname = \"a\"\nrun = [\"x\"]\nneeds = [\"instal\"]")), @r#"
    error[unknown-need]: step `a` needs `instal`, which is not in this file
      --> pipelines/deployments/web/pipeline.toml:15:10
       |
    15 | needs = ["instal"]
       |          ^^^^^^^^
       |
       = help: did you mean `install`?
    "#);
}

#[test]
fn out_of_order() {
    assert_snapshot!(check(&more("[[step]]\nname = \"load\"\nrun = [\"x\"]\nrequires = [\"schema\"]\n[[step]]\nname = \"create\"\nrun = [\"x\"]\nprovides = [\"schema\"]")), @r#"
    error[out-of-order]: `web/load` may run before `web/create`, which provides `schema`
      --> pipelines/deployments/web/pipeline.toml:15:13
       |
    15 | requires = ["schema"]
       |             ^^^^^^^^
       |
       = note: a permitted order: web/install, web/smoke-test, web/load, web/create
       = help: list `create` before it, or add it to its `needs`
    "#);
}

#[test]
fn missing_provider() {
    assert_snapshot!(check(&more("[[step]]\nname = \"create\"\nrun = [\"x\"]\nprovides = [\"schema\"]\n[[step]]\nname = \"load\"\nrun = [\"x\"]\nrequires = [\"shcema\"]")), @r#"
    error[missing-provider]: `web/load` requires `shcema`, which no step provides
      --> pipelines/deployments/web/pipeline.toml:19:13
       |
    19 | requires = ["shcema"]
       |             ^^^^^^^^
       |
       = help: did you mean `schema`? a step provides it with `provides = ["shcema"]`
    "#);
}

#[test]
fn two_providers() {
    assert_snapshot!(check(&more("[[step]]\nname = \"a\"\nrun = [\"x\"]\nprovides = [\"schema\"]\n[[step]]\nname = \"b\"\nrun = [\"x\"]\nprovides = [\"schema\"]")), @r#"
    error[two-providers]: `schema` is provided by `web/a` and by `web/b`
      --> pipelines/deployments/web/pipeline.toml:19:13
       |
    15 | provides = ["schema"]
       |             -------- the first one
    ...
    19 | provides = ["schema"]
       |             ^^^^^^^^
       |
       = help: give one of them another name: a requirer must know whom it waits for
    "#);
}

/// A new code needs a page, and a snapshot here or beside.
#[test]
fn every_code_has_a_page_and_a_snapshot() {
    let tests = [include_str!("files.rs"), include_str!("values.rs"), include_str!("whole.rs")].concat();
    for code in ciao::finding::Code::ALL {
        let name = code.name();
        assert!(tests.contains(&format!("[{name}]: ")), "no snapshot shows `{name}`");
        let page = code.explanation();
        assert!(page.starts_with(&format!("# {name}\n")) && page.contains("**How to mend it.**"), "page of `{name}`");
    }
}
