//! Findings about the whole: what is forgotten, unused, run for the first time, not verified, not recorded, not set.

use insta::assert_snapshot;

use crate::fixture::{changed, check, codes, found, quiet, with};

/// A pipeline whose steps are these, before the one that verifies.
fn steps(lines: &str) -> String {
    format!(
        r#"
-- pipelines/deployments/web/pipeline.toml --
[[step]]
name = "install"
run = ["./install.sh", "${{site.title}}", "${{debug}}"]
env = {{ SITE_HOST = "${{site.host}}", SITE_PORT = "${{site.port}}" }}

{lines}

[[step]]
name = "smoke-test"
run = ["curl", "--fail", "http://${{site.host}}:${{site.port}}/"]
verify = true
"#
    )
}

fn script(lines: &str) -> String {
    format!(
        "-- pipelines/deployments/web/install.sh --\n#!/bin/bash\necho \"http://$SITE_HOST:$SITE_PORT/ $1\"\n{lines}\n"
    )
}

/// A parameter before those of the site.
const REGIONS: &str = "regions = { type = \"string\", list = true, default = [\"a\"] }\n\n[parameters.site]";

const ORCHESTRATION: &str =
    "-- pipelines/orchestration.toml --\n[[environment]]\nname = \"dev\"\n\n[[environment]]\nname = \"prod\"\n";

#[test]
fn an_unused_parameter() {
    let changes = "-- pipelines/deployments/web/pipeline.toml --\n[parameters]\nregion = { type = \"string\", default = \"x\" }\n[[step]]\nname = \"install\"\nscript = \"install.sh\"\nargs = [\"${site.host}\", \"${site.port}\"]\nenv = { SITE_HOST = \"x\", SITE_PORT = \"y\" }\nwhen = \"debug\"\n[[step]]\nname = \"look\"\nrun = [\"true\"]\nverify = true\n";
    assert_snapshot!(check(changes), @r#"
    error[unused-parameter]: parameter `region` changes nothing: no step of this pipeline uses it
     --> pipelines/deployments/web/pipeline.toml:2:1
      |
    2 | region = { type = "string", default = "x" }
      | ^^^^^^
      |
      = help: use it, `${region}`, where its value is meant to go; or remove it and its values

    error[unused-parameter]: parameter `site.title` changes nothing: no pipeline uses it
     --> pipelines/environment.toml:7:1
      |
    7 | title = { type = "string" }
      | ^^^^^
      |
      = help: use it, `${site.title}`, where its value is meant to go; or remove it and its values
    "#);
}

#[test]
fn a_parameter_of_a_condition_or_a_list_is_used() {
    let changes = steps(
        "[[step]]\nname = \"each\"\nrun = [\"echo\", \"${each}\"]\nfor_each = \"regions\"\nwhen = \"!debug\"\nparallel = true\nneeds = []\n",
    );
    let declared = changed("environment.toml", &[("\n[parameters.site]", REGIONS)]);
    found(&format!("{changes}\n{declared}"), "first-run-in pipelines/deployments/web/pipeline.toml:7");
}

#[test]
fn a_forgotten_file() {
    assert_snapshot!(check("-- pipelines/deployments/web/old/cleanup.sh --\n#!/bin/sh\nrm -r x\n"), @r#"
    error[forgotten-file]: no step reaches `old/cleanup.sh`
     --> pipelines/deployments/web/old/cleanup.sh:1:1
      |
    1 | #!/bin/sh
      | ^
      |
      = help: let a step run or name it; or remove it, or move it away from the pipeline
    "#);
}

#[test]
fn files_that_are_reached() {
    let beside = "-- pipelines/deployments/web/a.sql --\nselect 1;\n\\i b.sql\n-- pipelines/deployments/web/b.sql --\nselect 2;\n-- pipelines/deployments/web/README --\nx\n-- pipelines/deployments/web/LICENSE-MIT --\nx\n-- pipelines/deployments/web/.hidden/x --\nx\n";
    let more = "-- pipelines/deployments/web/lib.sh --\n#!/bin/sh\nx=1\n-- pipelines/deployments/web/static/css/x.css --\na {}\n-- pipelines/deployments/web/m/v1.sql --\nselect 3;\n";
    quiet(&format!(
        "{beside}{more}{}",
        script("psql -f \"$(dirname \"$0\")/a.sql\"\n. ./lib.sh\ncp -r static x\nfor f in *.sql; do echo \"$f\"; done")
    ));
}

#[test]
fn a_file_that_a_step_names_in_any_way_is_reached() {
    for line in [
        "run = [\"psql\", \"--file=x.sql\"]",
        "run = [\"psql\"]\nstdin = { file = \"x.sql\" }",
        "run = [\"psql\"]\nenv = { FILE = \"x.sql\" }",
        "run = [\"psql\"]\nfinally = { run = [\"psql\", \"x.sql\"] }",
        "run = [\"psql\"]\nunless = [\"test\", \"-f\", \"x.sql\"]",
        "run = [\"psql\", \".\"]",
    ] {
        quiet(&format!(
            "{}-- pipelines/deployments/web/x.sql --\nselect 1;\n",
            steps(&format!("[[step]]\nname = \"x\"\n{line}\n"))
        ));
    }
}

#[test]
fn a_forgotten_pipeline() {
    assert_snapshot!(check("-- pipelines/deployments/search/pipeline.toml --\n[[step]]\nname = \"x\"\nrun = [\"true\"]\n"), @r#"
    error[forgotten-pipeline]: nothing calls pipeline `search`, so it is never deployed
     --> pipelines/deployments/search/pipeline.toml:1:1
      |
    1 | [[step]]
      | ^
      |
      = help: call it in pipelines/environment.toml: `[[deploy]]`, `pipeline = "search"`; or remove its folder
    "#);
}

#[test]
fn nothing_verifies() {
    assert_snapshot!(check(&steps("").replace("verify = true", "timeout = \"1m\"")), @r#"
    error[no-verification]: nothing verifies that `dev` works, and its success opens the gate of `prod`
     --> pipelines/orchestration.toml:2:8
      |
    2 | name = "dev"
      |        ^^^^^
      |
      = note: in dev
      = help: add a last step with `verify = true` that fails if the environment does not work
    "#);
}

#[test]
fn a_first_run_in_production() {
    assert_snapshot!(check(&steps("[[step]]\nname = \"cluster\"\nrun = [\"true\"]\nwhen = \"!debug\"\n")), @r#"
    error[first-run-in]: step `cluster` would run for the first time in `prod`
     --> pipelines/deployments/web/pipeline.toml:7:8
      |
    7 | name = "cluster"
      |        ^^^^^^^^^
      |
      = note: `dev` does not run it: `when = "!debug"`
      = note: in prod
      = help: let an environment before it run the step too, so that it has been proved by then
    "#);
}

#[test]
fn a_first_run_behind_a_guard() {
    let guarded =
        steps("[[step]]\nname = \"cluster\"\nrun = [\"serve\"]\nunless = [\"test\", \"${debug}\", \"=\", \"true\"]\n");
    assert!(codes(&guarded).iter().any(|code| code.starts_with("first-run-in")), "{:?}", codes(&guarded));
}

#[test]
fn a_run_in_any_environment_before_is_enough() {
    let orchestration = format!("{ORCHESTRATION}after = [\"test\"]\n").replace(
        "\n[[environment]]\nname = \"prod\"",
        "\n[[environment]]\nname = \"test\"\n\n[[environment]]\nname = \"prod\"",
    );
    let test = "-- pipelines/environments/test.toml --\ndebug = true\nsite.host = \"t.example\"\nsite.port = 8080\nsite.title = \"T\"\n";
    let dev = "-- pipelines/environments/dev.toml --\ndebug = false\nsite.host = \"d.example\"\nsite.port = 8080\nsite.title = \"D\"\n";
    quiet(&format!(
        "{orchestration}{test}{dev}{}",
        steps("[[step]]\nname = \"cluster\"\nrun = [\"serve\"]\nwhen = \"!debug\"\n")
    ));
}

#[test]
fn a_retry_without_a_guard() {
    let retry = "[[step]]\nname = \"load\"\nrun = [\"load\"]\nretries = { attempts = 3 }\n";
    assert_snapshot!(check(&steps(retry)), @r#"
    warning[unguarded-retry]: step `load` is tried again without a guard
     --> pipelines/deployments/web/pipeline.toml:9:11
      |
    9 | retries = { attempts = 3 }
      |           ^^^^^^^^^^^^^^^^
      |
      = help: add `unless`, which is asked before each attempt; or `verify = true` if the step changes nothing
    "#);
    quiet(&steps(&format!("{retry}unless = [\"is-loaded\"]\n")));
    quiet(&steps(&format!("{retry}verify = true\n")));
}

#[test]
fn a_ledger_that_nobody_else_sees() {
    let git = "-- /.git/config --\n[core]\n\tbare = false\n[remote \"upstream\"]\n\turl = x\n";
    assert_snapshot!(check(git), @r#"
    warning[local-ledger]: `prod` has a gate, and the ledger that opens it stays in this clone
     --> pipelines/orchestration.toml:5:8
      |
    5 | name = "prod"
      |        ^^^^^^
      |
      = help: share it through the git remote: `[ledger]`, `remote = "upstream"`
    "#);
    assert_snapshot!(check(&format!("{git}{ORCHESTRATION}approvals = 1\n")), @r#"
    error[local-ledger]: `prod` wants approvals, and the ledger stays in this clone: nobody else can give one
     --> pipelines/orchestration.toml:5:8
      |
    5 | name = "prod"
      |        ^^^^^^
      |
      = help: share it through the git remote: `[ledger]`, `remote = "upstream"`
    "#);
    quiet(&format!("{git}{ORCHESTRATION}\n[ledger]\nremote = \"upstream\"\n"));
    quiet(&format!("{ORCHESTRATION}approvals = 1\n"));
}

#[test]
fn an_unset_variable() {
    assert_snapshot!(check(&script("echo \"$DATABASE_URL\"")), @r#"
    warning[unset-variable]: step `install` runs this script and does not set `DATABASE_URL`
     --> pipelines/deployments/web/install.sh:3:7
      |
    3 | echo "$DATABASE_URL"
      |       ^^^^^^^^^^^^^ empty here
      |
      = help: set it: `env = { DATABASE_URL = "…" }`; a fact of the caller's machine is let through by `pass_env`; what may be missing is written `${DATABASE_URL:-}`
    "#);
}

#[test]
fn forms_of_unset_variables() {
    for line in [
        "echo ${FOO_BAR}",
        "x=$(echo \"$FOO_BAR\")",
        "echo \"it's $FOO_BAR\"",
        "cat <<EOF\n$FOO_BAR\nEOF",
        ": ${FOO_BAR:?}",
    ] {
        found(&script(line), "unset-variable");
    }
    let python =
        |line: &str| format!("-- pipelines/deployments/web/install.sh --\n#!/usr/bin/env python3\nimport os\n{line}\n");
    for line in ["x = os.environ[\"FOO_BAR\"]", "x = os.getenv('FOO_BAR')", "x = os.environ.get(\"FOO_BAR\")"] {
        found(&python(line), "unset-variable");
    }
    for line in [
        "x = os.environ.get(\"FOO_BAR\", \"x\")",
        "x = os.getenv('FOO_BAR') or 'x'",
        "os.environ[\"FOO_BAR\"] = 'x'",
        "# os.environ[\"FOO_BAR\"]",
        "x = os.environ['SITE_HOST']",
        "if 'FOO_BAR' in os.environ:\n    x = os.environ['FOO_BAR']",
    ] {
        quiet(&python(line));
    }
}

#[test]
fn variables_that_are_set() {
    for line in [
        "FOO_BAR=x; echo $FOO_BAR",
        "echo ${FOO_BAR:-x} $FOO_BAR",
        "for FOO_BAR in a b; do echo \"$FOO_BAR\"; done",
        "while read -r FOO_BAR; do echo $FOO_BAR; done",
        "f() { local FOO_BAR; echo $FOO_BAR; }",
        "echo '$FOO_BAR'",
        "echo \\$FOO_BAR",
        "# $FOO_BAR",
        "cat <<'EOF'\n$FOO_BAR\nEOF",
        "if [ -z \"$FOO_BAR\" ]; then FOO=1; fi",
        "echo $PATH $HOME $LC_ALL $XDG_RUNTIME_DIR $CIAO_RELEASE $1 $@ $? $$ $RANDOM ${BASH_SOURCE[0]}",
        "awk '{ print $NF, $FOO_BAR }' x",
        "eval \"$(x)\"; echo $FOO_BAR",
        ". \"$SITE_HOST\"; echo $FOO_BAR",
        "printf -v FOO_BAR x; echo $FOO_BAR",
        "((FOO_BAR++)); echo $FOO_BAR",
    ] {
        quiet(&script(line));
    }
}

#[test]
fn a_value_in_code() {
    assert_snapshot!(check(&steps("[[step]]\nname = \"greet\"\nrun = [\"sh\", \"-c\", \"echo ${site.title}\"]\n")), @r#"
    warning[value-in-code]: the value of `site.title` becomes a part of code that `sh` runs
     --> pipelines/deployments/web/pipeline.toml:8:26
      |
    8 | run = ["sh", "-c", "echo ${site.title}"]
      |                          ^^^^^^^^^^^^^
      |
      = help: set it in `env`, and let the code read the variable: `env = { X = "${site.title}" }`, `"$X"`
    "#);
}

#[test]
fn forms_of_values_in_code() {
    let run = |run: &str| steps(&format!("[[step]]\nname = \"x\"\nrun = [{run}]\n"));
    for line in [
        r#""bash", "-ec", "x ${site.title}""#,
        r#""ssh", "-p", "22", "x@y", "echo ${site.title}""#,
        r#""psql", "-c", "select '${site.title}'""#,
        r#""psql", "--command=select '${site.title}'""#,
        r#""python3", "-c", "print('${site.title}')""#,
        r#""sudo", "/bin/sh", "-c", "${site.title}""#,
    ] {
        found(&run(line), "value-in-code");
    }
    for line in [
        r#""sh", "-c", "echo \"$1\"", "sh", "${site.title}""#,
        r#""sh", "-c", "echo ${release} ${commit}""#,
        r#""ssh", "${site.host}", "uptime""#,
        r#""psql", "--set=title=${site.title}", "-c", "select 1""#,
        r#""tar", "-c", "${site.title}""#,
        r#""./x.py", "-c", "${site.title}""#,
    ] {
        let changes = format!("{}-- pipelines/deployments/web/x.py --\n#!/bin/sh\n", run(line));
        let codes = codes(&changes);
        assert!(!codes.iter().any(|code| code.starts_with("value-in-code")), "{line}: {codes:?}");
    }
}

fn accepting(acceptance: &str) -> String {
    let environment = changed("environment.toml", &[]);
    format!("{environment}{acceptance}\n{}", script("echo shop.example\ncurl http://web.dev.example/"))
}

#[test]
fn a_finding_that_is_accepted() {
    quiet(&accepting(
        "[[accept]]\ncode = \"hard-coded-value\"\nat = \"pipelines/deployments/web/install.sh\"\nof = \"site.host\"\nreason = \"it is only shown\"\n",
    ));
    let (_, examined) = with(&accepting(
        "[[accept]]\ncode = \"hard-coded-value\"\nat = \"pipelines/deployments/web/install.sh\"\nreason = \"x\"\n",
    ))
    .examine();
    assert_eq!(examined.accepted.len(), 2);
}

#[test]
fn an_acceptance_of_nothing() {
    assert_snapshot!(check(&accepting("[[accept]]\ncode = \"hard-coded-value\"\nat = \"pipelines/deployments/web/install.sh\"\nof = \"site.port\"\nreason = \"x\"\n")), @r#"
    warning[hard-coded-value]: `shop.example` is the value of `site.host` in `prod`
     --> pipelines/deployments/web/install.sh:3:6
      |
    3 | echo shop.example
      |      ^^^^^^^^^^^^ hard coded
      |
      = help: read `$SITE_HOST`, which is set to `${site.host}` for a step

    warning[hard-coded-value]: `web.dev.example` is the value of `site.host` in `dev`
     --> pipelines/deployments/web/install.sh:4:13
      |
    4 | curl http://web.dev.example/
      |             ^^^^^^^^^^^^^^^ hard coded
      |
      = help: read `$SITE_HOST`, which is set to `${site.host}` for a step

    error[unused-acceptance]: nothing is accepted here: there is no `hard-coded-value` at pipelines/deployments/web/install.sh of `site.port`
      --> pipelines/environment.toml:12:1
       |
    12 | [[accept]]
       | ^^^^^^^^^^
       |
       = help: remove it; or is `at = "pipelines/deployments/web/install.sh"`, `of = "site.host"` meant?
    "#);
}

#[test]
fn what_cannot_be_accepted() {
    let accept = "[[accept]]\ncode = \"cycle\"\nat = \"x\"\nreason = \"x\"\n\
                  [[accept]]\ncode = \"forgoten-file\"\nat = \"x\"\nreason = \"x\"\n";
    assert_snapshot!(check(&format!("{}{accept}", changed("environment.toml", &[]))), @r#"
    error[bad-value]: `cycle` cannot be accepted
      --> pipelines/environment.toml:13:8
       |
    13 | code = "cycle"
       |        ^^^^^^^
       |
       = help: mend it, and remove the acceptance; `cargo xtask check --explain cycle` tells how

    error[bad-value]: there is no code `forgoten-file`
      --> pipelines/environment.toml:17:8
       |
    17 | code = "forgoten-file"
       |        ^^^^^^^^^^^^^^^
       |
       = help: did you mean `forgotten-file`?
    "#);
}

#[test]
fn files_that_are_used_and_not_there() {
    assert_snapshot!(check(&steps("").replacen("\n[[step]]", "\nuses = [\"../../../nothing/**\", \"../../../../x\"]\n[[step]]", 1)), @r#"
    error[bad-value]: `../../../nothing/**` fits no file
     --> pipelines/deployments/web/pipeline.toml:1:9
      |
    1 | uses = ["../../../nothing/**", "../../../../x"]
      |         ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: correct it: it is taken from the folder of this file, and `**` stands for any folders

    error[bad-value]: `../../../../x` leads out of the repository
     --> pipelines/deployments/web/pipeline.toml:1:32
      |
    1 | uses = ["../../../nothing/**", "../../../../x"]
      |                                ^^^^^^^^^^^^^^^
      |
      = help: name files of the repository, from the folder of this file
    "#);
}

/// What differs between two environments.
#[track_caller]
fn diff(changes: &str) -> String {
    let (repository, examined) = with(changes).examine();
    let plan = |name| examined.plan(name).unwrap();
    ciao::show::diff::text(&repository.declarations, plan("dev"), plan("prod"))
}

#[test]
fn what_differs_between_two_environments() {
    assert_snapshot!(diff(""), @r#"
                dev                prod
    debug       true               false
    site.host   "web.dev.example"  "shop.example"
    site.port   8080               8443
    site.title  "Shop (dev)"       "Shop"
    "#);
    assert_snapshot!(diff(&steps("[[step]]\nname = \"cluster\"\nrun = [\"true\"]\nwhen = \"!debug\"\n")), @r#"
                dev                prod
    debug       true               false
    site.host   "web.dev.example"  "shop.example"
    site.port   8080               8443
    site.title  "Shop (dev)"       "Shop"

    only prod runs
      web/cluster  switched off by `when = "!debug"`
    "#);
    let each = ("pipeline = \"web\"", "pipeline = \"web\"\nfor_each = \"regions\"");
    let declared = changed("environment.toml", &[("\n[parameters.site]", REGIONS), each]);
    let same = [("web.dev.example", "shop.example"), ("8080", "8443"), ("Shop (dev)", "Shop")];
    let more = [("debug = true", "debug = true\nregions = [\"a\", \"b\"]")];
    let dev = changed("environments/dev.toml", &[&same[..], &more].concat());
    let instances = format!("{}{declared}{dev}", steps(""));
    assert_snapshot!(diff(&instances), @r#"
             dev         prod
    debug    true        false
    regions  ["a", "b"]  ["a"]

    only dev runs
      web[b]/install     `b` is not in `regions` there
      web[b]/smoke-test  `b` is not in `regions` there
    "#);
}
