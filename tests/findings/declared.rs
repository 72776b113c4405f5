//! What an outsider found who read the contract sentence by sentence, and what followed from one mistake only.

use std::collections::BTreeSet;

use crate::fixture::{check, codes, quiet, with};

pub const PIPELINE: &str = "pipelines/deployments/web/pipeline.toml";

pub fn original(path: &str) -> String {
    let all = crate::fixture::files(crate::fixture::SOUND);
    all.into_iter().find(|(found, _)| found == path).unwrap().1
}

/// A file of the sound repository with more at its end.
pub fn more(path: &str, lines: &str) -> String {
    format!("-- {path} --\n{}\n{lines}\n", original(path))
}

pub fn environment(lines: &str) -> String {
    more("pipelines/environment.toml", lines)
}

/// What is found with these lines at the end of environment.toml, without its own file's name.
#[track_caller]
pub fn found(changes: &str, expected: &[&str]) {
    assert_eq!(codes(changes), expected, "{}", check(changes));
}

#[test]
fn an_output_shares_its_name_with_nothing() {
    for (name, why) in [
        ("work", "is a built-in name"),
        ("debug", "is an output, and a parameter or a group of them"),
        ("site", "is an output, and a parameter or a group of them"),
        ("registry", "is an output, and a constant or a group of them"),
    ] {
        let changes = more(PIPELINE, &format!("[[step]]\nname = \"make\"\nrun = [\"make\"]\noutput = \"{name}\""))
            + &environment("[constants]\nregistry = \"registry.example\"");
        found(&changes, &[&format!("duplicate-name {PIPELINE}:15")]);
        assert!(check(&changes).contains(&format!("`{name}` {why}")), "{}", check(&changes));
    }
    quiet(&more(PIPELINE, "[[step]]\nname = \"make\"\nrun = [\"make\"]\noutput = \"sites\""));
}

#[test]
fn a_constant_is_no_group_of_parameters() {
    found(
        &environment("[constants]\nsite = \"x\""),
        &[5, 6, 7]
            .map(|line| format!("duplicate-name pipelines/environment.toml:{line}"))
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn a_source_of_secrets_knows_its_key_and_the_environment() {
    quiet(&environment("[secrets.vault]\nrun = [\"op\", \"${key}\", \"${environment}\"]"));
    found(
        &environment("[secrets.vault]\nrun = [\"op\", \"${key}\", \"${site.host}\"]"),
        &["unknown-parameter pipelines/environment.toml:13"],
    );
}

#[test]
fn a_secret_in_a_path() {
    let secret = |file: &str| more(file, "[vault]\npassword = { env = \"PASSWORD\" }");
    let changes = environment("[parameters.vault]\npassword = { type = \"string\", secret = true }")
        + &more(PIPELINE, "[[step]]\nname = \"make\"\nrun = [\"make\"]\ncwd = \"${vault.password}\"")
        + &secret("pipelines/environments/dev.toml")
        + &secret("pipelines/environments/prod.toml");
    let shown = codes(&changes);
    assert!(shown.contains(&format!("secret-in-arguments {PIPELINE}:15")), "{shown:?}");
}

#[test]
fn a_refused_command_is_all_that_is_found() {
    let pipeline = original(PIPELINE);
    for (written, code) in [
        ("run = \"echo ${site.title} ${debug} | cat\"", "bad-command"),
        ("run = [\"echo\", \"${site.title}\", \"${debug}\"]\nscript = \"install.sh\"", "bad-value"),
    ] {
        let (before, after) = pipeline.split_once("script = \"install.sh\"\n").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let changes = format!(
            "-- {PIPELINE} --\n{before}{written}\nprovides = [\"it\"]\n{after}requires = [\"it\"]\nneeds = [\"install\"]\n\
             -- pipelines/deployments/web/install.sh --\n"
        );
        let shown = codes(&changes);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].starts_with(code), "{shown:?}");
    }
}

#[test]
fn a_misspelt_type_is_all_that_is_found() {
    for (written, expected) in
        [("{ type = \"prot\" }", vec!["bad-value"]), ("{ typ = \"port\" }", vec!["missing-value", "unknown-key"])]
    {
        let environment = original("pipelines/environment.toml").replace("{ type = \"port\" }", written);
        let shown = codes(&format!("-- pipelines/environment.toml --\n{environment}"));
        let expected: Vec<String> =
            expected.iter().map(|code| format!("{code} pipelines/environment.toml:6")).collect();
        assert_eq!(shown, expected);
    }
}

#[test]
fn keys_that_say_nothing_about_a_type() {
    let site = |declaration: &str| {
        let environment = original("pipelines/environment.toml").replace("{ type = \"boolean\" }", declaration);
        format!("-- pipelines/environment.toml --\n{environment}")
    };
    let line = "pipelines/environment.toml:2";
    found(&site("{ type = \"boolean\", min = 1 }"), &[&format!("bad-value {line}")]);
    found(&site("{ type = \"boolean\", choices = [true] }"), &[&format!("bad-value {line}")]);
    found(&site("{ type = \"boolean\", fields = {} }"), &[&format!("bad-value {line}")]);
    let shown = codes(&site("{ type = \"string\", choices = [1] }"));
    assert!(shown.contains(&format!("wrong-type {line}")), "{shown:?}");
    let shown = check(&site("{ type = \"string\", secret = true, default = \"hunter2\" }"));
    assert_eq!(shown.matches("error[plain-secret]: the default of `debug`").count(), 1, "{shown}");
}

/// One finding for each place where values are to be written, and not one for each value.
#[test]
fn many_missing_values_are_one_finding() {
    let changes = "-- pipelines/environments/dev.toml --\n[site]\ntitle = \"Shop (dev)\"\n";
    insta::assert_snapshot!(check(changes), @r#"
    error[missing-value]: environment `dev` gives no value for `debug`
     --> pipelines/environments/dev.toml:1:1
      |
    1 | [site]
      | ^
      |
     ::: pipelines/environment.toml:2:1
      |
    2 | debug = { type = "boolean" }
      | ----- declared here
      |
      = note: in dev
      = help: add it: `debug = …`

    error[missing-value]: environment `dev` gives no value for `site.host` and `site.port`
     --> pipelines/environments/dev.toml:1:2
      |
    1 | [site]
      |  ^^^^
      |
     ::: pipelines/environment.toml:5:1
      |
    5 | host = { type = "host", help = "db.dev.example is none" }
      | ---- declared here: db.dev.example is none
    6 | port = { type = "port" }
      | ---- declared here
      |
      = note: in dev
      = help: add them: `[site]`, `host = …`, `port = …`
    "#);
}

#[test]
fn who_is_like_nobody_misses_nothing_more() {
    found(
        "-- pipelines/environments/personal/ann.toml --\nlike = \"dve\"\n",
        &["unknown-environment pipelines/environments/personal/ann.toml:1"],
    );
    let shown = check(&format!(
        "-- pipelines/environments/dev.toml --\nlike = \"prod\"\n{}",
        original("pipelines/environments/dev.toml")
    ));
    assert!(shown.contains("only a personal environment is like another"), "{shown}");
}

/// The item is wrong, not the list, and not the `for_each` that uses it.
#[test]
fn an_item_that_names_no_instance_is_shown_where_it_stands() {
    let changes = environment("regions = { type = \"string\", list = true }")
        .replace("[[deploy]]\npipeline = \"web\"\n\n", "")
        + "[[deploy]]\npipeline = \"web\"\nfor_each = \"site.regions\"\n"
        + &more("pipelines/environments/dev.toml", "regions = [\n  \"eu\",\n  \"u s\",\n  \"eu\",\n]")
        + &more("pipelines/environments/prod.toml", "regions = [\"ap\"]");
    let shown: Vec<String> = codes(&changes).into_iter().filter(|code| code.contains("-name ")).collect();
    let at = |line| format!("pipelines/environments/dev.toml:{line}");
    assert_eq!(shown, [format!("bad-name {}", at(10)), format!("duplicate-name {}", at(11))]);
}

#[test]
fn a_branch_and_a_remote_have_names() {
    found(
        &more("pipelines/orchestration.toml", "branch = \"\"\n[ledger]\nremote = \"\""),
        &["empty-value pipelines/orchestration.toml:7", "empty-value pipelines/orchestration.toml:9"],
    );
}

/// No editor counts it, so its column would be the next one.
#[test]
fn a_byte_order_mark_is_no_column() {
    let dev = original("pipelines/environments/dev.toml").replace("true", "3");
    let shown = check(&format!("-- pipelines/environments/dev.toml --\n\u{feff}{dev}"));
    assert!(shown.contains(" --> pipelines/environments/dev.toml:1:9\n"), "{shown}");
    assert!(!shown.contains('\u{feff}'), "{shown}");
}

/// What it leads to is in no release, so that nothing was proved of it.
#[test]
fn a_pipeline_that_is_a_link_out_of_the_repository() {
    let outside = with("");
    let inside = with("");
    let link = inside.0.join(PIPELINE);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(outside.0.join(PIPELINE), &link).unwrap();
    let shown = inside.findings();
    assert!(shown.contains("error[syntax]: pipelines/deployments/web/pipeline.toml cannot be read"), "{shown}");
    std::fs::remove_file(&link).unwrap();
    std::fs::rename(outside.0.join(PIPELINE), inside.0.join("web.toml")).unwrap();
    std::os::unix::fs::symlink("../../../web.toml", &link).unwrap();
    assert_eq!(inside.findings(), "");
}

#[test]
fn a_misspelt_group_is_told_of_groups() {
    let dev = original("pipelines/environments/dev.toml").replace("[site]", "[sitee]");
    let shown = check(&format!("-- pipelines/environments/dev.toml --\n{dev}"));
    assert!(shown.contains("= help: did you mean `site`?"), "{shown}");
}

#[test]
fn a_table_with_a_secret_in_it_is_no_list() {
    let secret = |file: &str, name: &str| more(file, &format!("[vault]\npassword = {{ env = \"{name}\" }}"));
    let pipeline = "[[step]]\nname = \"make\"\nrun = [\"make\"]\nenv = { ALL = \"${all}\" }\n[parameters]\nall = { type = \"table\" }";
    let changes = environment(
        "with = { all = { key = \"${vault.password}\" } }\n[parameters.vault]\npassword = { type = \"string\", secret = true }",
    ) + &more(PIPELINE, pipeline)
        + &secret("pipelines/environments/dev.toml", "DEV")
        + &secret("pipelines/environments/prod.toml", "PROD");
    found(&changes, &[&format!("wrong-type {PIPELINE}:15")]);
    assert!(check(&changes).contains("table `all` holds a secret or an output"), "{}", check(&changes));
}

#[test]
fn a_bad_name_is_all_that_is_found() {
    let pipeline = original(PIPELINE).replace("name = \"install\"", "name = \"Install_DB\"");
    found(&format!("-- {PIPELINE} --\n{pipeline}"), &[&format!("bad-name {PIPELINE}:2")]);
    let renamed = |path: &str| format!("-- {path} --\n{}\n", original(path).replace("title", "Title"));
    let everywhere =
        ["environment.toml", "environments/dev.toml", "environments/prod.toml", "deployments/web/pipeline.toml"];
    let everywhere: String = everywhere.map(|file| renamed(&format!("pipelines/{file}"))).concat();
    found(&everywhere, &["bad-name pipelines/environment.toml:7"]);
    let long = format!("name = \"{}\"", "a".repeat(64));
    found(&environment(&long), &["bad-name pipelines/environment.toml:12"]);
    quiet(&environment(&long.replacen("aa", "a", 1)));
}

#[test]
fn a_number_is_told_how_a_duration_is_written() {
    let shown = check(&more(PIPELINE, "timeout = 5"));
    assert!(shown.contains("error[wrong-type]: `timeout` of a step is an integer, not a duration"), "{shown}");
    assert!(shown.contains("= help: write it as in \"30s\""), "{shown}");
}

#[test]
fn every_item_and_field_of_a_list_is_looked_at() {
    let hosts = "hosts = { type = \"table\", list = true, key = \"name\", fields = { name = { type = \"string\" }, port = { type = \"port\" } } }";
    let changes = format!(
        "-- pipelines/environment.toml --\n{}",
        original("pipelines/environment.toml")
            .replace("\n\n[[deploy]]", &format!("\n{hosts}\n\n[[deploy]]\nfor_each = \"site.hosts\""))
    ) + &more("pipelines/environments/dev.toml", "hosts = [\n  {},\n  { name = 3, port = 0 },\n]")
        + &more("pipelines/environments/prod.toml", "hosts = [{ name = \"a\", port = 80 }]")
        + &more(PIPELINE, "env = { PORT = \"${each.port}\" }");
    let at = |line| format!("pipelines/environments/dev.toml:{line}");
    let expected = [
        format!("missing-value {}", at(9)),
        format!("missing-value {}", at(9)),
        format!("wrong-type {}", at(10)),
        format!("bad-value {}", at(10)),
    ];
    assert_eq!(codes(&changes), expected, "{}", check(&changes));
}

/// The argument is a value of prod: dev is not stopped by it, and both are if neither can be right.
#[test]
fn an_argument_that_is_wrong_in_one_environment_stops_only_that_one() {
    let stopped = |max: u32| {
        let pipeline = format!("[parameters]\nport = {{ type = \"port\", max = {max} }}");
        let pipeline = more(PIPELINE, &pipeline).replace("${site.port}", "${port}");
        let changes = environment("with = { port = \"${site.port}\" }") + &pipeline;
        let (_, examined) = with(&changes).examine();
        assert_eq!(
            examined.findings.iter().map(|finding| finding.code.name()).collect::<BTreeSet<_>>(),
            BTreeSet::from(["bad-value"])
        );
        ["dev", "prod"].map(|name| examined.findings.iter().any(|finding| finding.stops(name)))
    };
    assert_eq!(stopped(8100), [false, true]);
    assert_eq!(stopped(80), [true, true]);
}

#[test]
fn an_argument_of_a_task_that_is_wrong_in_one_environment_stops_only_that_one() {
    #[derive(serde::Deserialize)]
    struct Small {
        #[serde(rename = "port")]
        _port: u8,
    }
    let dev = original("pipelines/environments/dev.toml").replace("8080", "80");
    let step = "[[step]]\nname = \"small\"\ntask = \"small\"\nwith = { port = \"${site.port}\" }";
    let folder = with(&(more(PIPELINE, step) + &format!("-- pipelines/environments/dev.toml --\n{dev}\n")));
    let tasks = ciao::Tasks::new().add("small", "takes a small port", |_: Small| -> ciao::TaskResult { Ok(()) });
    let examined = ciao::repository::Repository::read(&folder.0).examine(&tasks);
    let [finding] = &*examined.findings else { panic!("{:?}", examined.findings) };
    assert_eq!((finding.code.name(), finding.stops("dev"), finding.stops("prod")), ("bad-task-arguments", false, true));
}

#[test]
fn a_folder_outside_of_the_repository_is_found_once() {
    for folder in ["/tmp", "../../../.."] {
        let step = format!("[[step]]\nname = \"x\"\nrun = [\"x\"]\ncwd = \"{folder}\"");
        found(&more(PIPELINE, &step), &[&format!("bad-value {PIPELINE}:15")]);
    }
}

#[test]
fn a_branch_that_git_would_refuse_was_found_by_every_command() {
    let gate = |name: &str| more("pipelines/orchestration.toml", &format!("branch = {name:?}"));
    for name in [
        "ma*", "ma in", "a..b", "a~1", "a^", "a:b", "a?", "a[b", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock",
        "a.", "@", "a@{b", "a\tb",
    ] {
        found(&gate(name), &["bad-value pipelines/orchestration.toml:7"]);
    }
    for name in ["main", "release/1.2", "a@b", "ä", "@a", "a-b_c"] {
        quiet(&gate(name));
    }
}

#[test]
fn an_interpreter_that_is_none_was_found_by_the_deployment() {
    let script = |line: &str| {
        check(&format!("-- pipelines/deployments/web/install.sh --\n#!{line}\necho \"$SITE_HOST $SITE_PORT $1\"\n"))
    };
    for (line, said) in [
        ("/usr/bin/env sh -e", "by which `env` looks for one program named `sh -e`"),
        ("/tmp", "names the interpreter `/tmp`, which is no program that can be run"),
        ("/etc/passwd", "names the interpreter `/etc/passwd`, which is no program that can be run"),
        ("/nonesuch", "names the interpreter `/nonesuch`, which is not on this machine"),
    ] {
        let found = script(line);
        assert!(found.contains(said) && found.matches("[bad-command]").count() == 1, "{line}: {found}");
    }
    for line in ["/usr/bin/env sh", "/usr/bin/env -S sh -e", "/bin/sh -e", "/usr/bin/env  sh "] {
        assert_eq!(script(line), "", "{line}");
    }
}

#[test]
fn a_name_in_a_value_was_not_replaced_and_nobody_said_so() {
    let value = |value: &str| more("pipelines/environments/dev.toml", "").replace("\"Shop (dev)\"", value);
    assert!(value("x").contains("title = x"));
    found(&value("\"at ${site.port}\""), &["bad-value pipelines/environments/dev.toml:6"]);
    quiet(&value("\"at ${HOME}\""));
}

#[test]
fn a_list_with_a_bad_item_was_said_to_be_empty() {
    let first = |path: &str, line: &str| format!("-- {path} --\n{line}\n{}\n", original(path));
    let declared =
        original("pipelines/environment.toml").replacen('\n', "\nl = { type = \"string\", list = true }\n", 1);
    let list = |dev: &str| {
        format!("-- pipelines/environment.toml --\n{declared}\n")
            + &first("pipelines/environments/dev.toml", &format!("l = {dev}"))
            + &first("pipelines/environments/prod.toml", "l = [\"b\"]")
            + &more(PIPELINE, "[[step]]\nname = \"each\"\nrun = [\"x\", \"${each}\"]\nfor_each = \"l\"")
    };
    found(&list("[\"_a\"]"), &["bad-name pipelines/environments/dev.toml:1"]);
    // FAULTS 48: not every file system tells the logs of the two apart.
    found(&list("[\"a\", \"A\"]"), &["duplicate-name pipelines/environments/dev.toml:1"]);
    assert!(check(&list("[\"a\", \"A\"]")).contains("differ in case only"));
    quiet(&list("[\"a\"]"));
}

#[test]
fn what_followed_from_one_mistake_only_or_did_not_help() {
    found(
        "-- pipelines/orchestration.toml --\n[environment]\nname = \"dev\"\n",
        &["wrong-type pipelines/orchestration.toml:1"],
    );
    let help = |changes: String, help: &str| {
        let said = check(&changes);
        assert!(said.contains(help), "{help}: {said}");
    };
    let personal = "-- pipelines/environments/personal/me.toml --\n[site]\nlike = \"dev\"\n";
    help(personal.to_owned(), "write `like` above the first `[group]`");
    help(more("pipelines/environments/dev.toml", "port = 1"), "remove one of the two");
    help(more("pipelines/environments/dev.toml", "zz = 1"), "the parameters are");
    help(more(PIPELINE, "").replacen("[[step]]", "uses = [\"../../..\"]\n[[step]]", 1), "is the whole repository");
    let home = more(PIPELINE, "[[step]]\nname = \"x\"\nscript = \"~x.sh\"");
    quiet(&(home + "-- pipelines/deployments/web/~x.sh --\n#!/bin/sh\n"));
    let folder = with("");
    std::fs::remove_dir_all(folder.0.join("pipelines/environments")).unwrap();
    folder.write("pipelines/environments", "");
    let said = folder.findings();
    assert!(said.contains("is a file, and belongs to be a folder") && said.matches("os error").count() == 0, "{said}");
    let zone = more("pipelines/environments/dev.toml", "").replace("\"web.dev.example\"", "\"fe80::1%eth0\"");
    help(zone, "its zone is one of this machine");
    let quoted = more("pipelines/environments/dev.toml", "").replace("debug = true", "debug = \"true\"");
    found(
        &(quoted + &more(PIPELINE, "[[step]]\nname = \"x\"\nrun = [\"x\", \"true\"]")),
        &["wrong-type pipelines/environments/dev.toml:1"],
    );
}

#[test]
fn a_pipeline_one_folder_too_deep_or_in_other_letters_was_seen_by_nothing() {
    let step = "[[step]]\nname = \"x\"\nrun = [\"x\"]\n";
    for path in ["search/Pipeline.toml", "group/db/pipeline.toml"] {
        let path = format!("pipelines/deployments/{path}");
        found(&format!("-- {path} --\n{step}"), &[&format!("forgotten-pipeline {path}:1")]);
    }
    let path = "pipelines/deployments/web/sub/pipeline.toml";
    found(&format!("-- {path} --\n{step}"), &[&format!("forgotten-file {path}:1")]);
    // A folder of what several pipelines use is none.
    quiet("-- pipelines/deployments/common/lib.sh --\ntrue\n");
}
