//! Hard-coded values, names of environments, and what only looks like them.

use insta::assert_snapshot;

use crate::fixture::{changed, check, codes, found, quiet};

/// The pipeline with another first step.
fn step(lines: &str) -> String {
    format!(
        r#"
-- pipelines/deployments/web/pipeline.toml --
[[step]]
name = "install"
{lines}

[[step]]
name = "use"
run = ["./install.sh", "${{site.title}}", "${{site.host}}", "${{debug}}"]
env = {{ SITE_HOST = "${{site.host}}", SITE_PORT = "${{site.port}}" }}

[[step]]
name = "smoke-test"
run = ["curl", "--fail", "http://${{site.host}}:${{site.port}}/"]
verify = true
"#
    )
}

/// The script with these lines.
fn script(lines: &str) -> String {
    format!(
        "-- pipelines/deployments/web/install.sh --\n#!/bin/sh\necho \"http://$SITE_HOST:$SITE_PORT/ $1\"\n{lines}\n"
    )
}

#[track_caller]
fn found_in_step(lines: &str, code: &str) {
    found(&step(lines), code);
}

#[track_caller]
fn found_in_script(lines: &str, code: &str) {
    found(&script(lines), code);
}

#[test]
fn a_hard_coded_host_in_toml() {
    assert_snapshot!(check(&step("run = [\"ping\", \"shop.example\"]")), @r#"
    error[hard-coded-value]: `shop.example` is the value of `site.host` in `prod`
     --> pipelines/deployments/web/pipeline.toml:3:17
      |
    3 | run = ["ping", "shop.example"]
      |                 ^^^^^^^^^^^^ hard coded
      |
      = help: write `${site.host}`
    "#);
}

#[test]
fn a_hard_coded_host_in_a_script() {
    assert_snapshot!(check(&script("curl http://web.dev.example/health")), @r#"
    warning[hard-coded-value]: `web.dev.example` is the value of `site.host` in `dev`
     --> pipelines/deployments/web/install.sh:3:13
      |
    3 | curl http://web.dev.example/health
      |             ^^^^^^^^^^^^^^^ hard coded
      |
      = help: read `$SITE_HOST`, which is set to `${site.host}` for a step
    "#);
}

#[test]
fn the_forms_in_toml() {
    for lines in [
        "run = [\"curl\", \"http://shop.example/health\"]",
        "run = \"curl http://shop.example/health\"",
        "run = [\"serve\", \"--port\", \"8443\"]",
        "run = [\"serve\", \"--port=8443\"]",
        "run = [\"serve\", \"http://x:8443/\"]",
        "run = [\"serve\", \"http://${site.host}:8443/\"]",
        "run = [\"serve\"]\nenv = { PORT = \"8443\" }",
        "run = [\"serve\"]\nenv = { TITLE = \"Shop (dev)\" }",
        "run = [\"serve\"]\nstdin = \"host shop.example\\nport x\"",
        "run = [\"serve\"]\nunless = [\"ping\", \"shop.example\"]",
        "run = [\"serve\"]\nfinally = { run = [\"ping\", \"shop.example\"] }",
        "run = [\"serve\", \"--title=Shop%20%28dev%29\"]",
        "run = [\"serve\", \"${each}\"]\nfor_each = [\"shop.example\"]",
    ] {
        found_in_step(lines, "hard-coded-value");
    }
}

#[test]
fn the_forms_in_scripts() {
    for lines in [
        "psql -h shop.example",
        "HOST=shop.example",
        "nc localhost 8443",
        "PORT=8443",
        "curl \"http://$SITE_HOST:8443/\"",
        "echo \"Shop (dev)\"",
        "cat <<EOF\nserver shop.example\nEOF",
        "echo Shop%20%28dev%29",
        "echo Shop\\ (dev)",
        "HOST=\"shop.\"\"example\"",
    ] {
        found_in_script(lines, "hard-coded-value");
    }
}

#[test]
fn a_value_in_a_used_file() {
    let changes = step("run = [\"psql\", \"-f\", \"../../../db/x.sql\"]").replacen(
        "\n[[step]]",
        "\nuses = [\"../../../db/**\"]\n[[step]]",
        1,
    );
    found(
        &format!("{changes}\n-- /db/x.sql --\ninsert into hosts values ('shop.example');\n"),
        "hard-coded-value db/x.sql:1",
    );
}

#[test]
fn a_host_split_over_two_literals_in_python() {
    let changes =
        "-- pipelines/deployments/web/install.sh --\n#!/usr/bin/env python3\nhost = \"shop.\" + \"example\"\n";
    found(changes, "hard-coded-value");
}

#[test]
fn no_values_in_comments_and_prose() {
    quiet(&script("# shop.example, 8443 and prod\necho x # shop.example"));
    quiet(&format!("{}\n-- pipelines/deployments/web/README.md --\nIt runs on shop.example in prod.\n", script("")));
    quiet(&format!("{}# shop.example\n", step("run = [\"serve\"]")));
}

#[test]
fn no_values_in_longer_words() {
    quiet(&script("echo my-shop.example shop.example.org xshop.example shop.example-2"));
    quiet(&script("echo 18443 8443x 8443.5 /8443/"));
}

#[test]
fn no_numbers_within_text() {
    quiet(&script("echo \"about 8443 of them\"\nsleep 8443\nexit 8443"));
}

#[test]
fn no_values_that_are_the_same_everywhere() {
    let same = |title| {
        let dev = changed("environments/dev.toml", &[("Shop (dev)", title)]);
        dev + &changed("environments/prod.toml", &[("\"Shop\"", "\"The Shop\"")])
    };
    quiet(&format!("{}{}", same("The Shop"), script("echo The Shop")));
    found(&format!("{}{}", same("A Shop"), script("echo The Shop")), "hard-coded-value");
}

#[test]
fn no_values_of_personal_environments() {
    let personal =
        "-- pipelines/environments/personal/me.toml --\nlike = \"dev\"\n[site]\nhost = \"my.laptop.example\"\n";
    quiet(&format!("{personal}{}", script("echo my.laptop.example")));
}

#[test]
fn the_name_of_an_environment_in_a_script() {
    assert_snapshot!(check(&script("if [ \"$1\" = \"prod\" ]; then echo careful; fi")), @r#"
    warning[environment-name]: the name of environment `prod` decides something here
     --> pipelines/deployments/web/install.sh:3:14
      |
    3 | if [ "$1" = "prod" ]; then echo careful; fi
      |              ^^^^ an environment's name
      |
      = help: declare a parameter for what differs, such as `debug = { type = "boolean" }`, and use its value here
    "#);
}

#[test]
fn the_name_of_an_environment_in_toml() {
    assert_snapshot!(check(&step("run = [\"serve\", \"values-prod.yaml\"]")), @r#"
    error[environment-name]: the name of environment `prod` decides something here
     --> pipelines/deployments/web/pipeline.toml:3:25
      |
    3 | run = ["serve", "values-prod.yaml"]
      |                         ^^^^ an environment's name
      |
      = help: write its values into the environments' files, where they are checked, and name no file by an environment
    "#);
}

#[test]
fn the_forms_of_a_name() {
    for lines in [
        "if [ \"$1\" = prod ]; then :; fi",
        "if [ $1 != 'prod' ]; then :; fi",
        "[[ $1 == prod ]] && exit",
        "[[ prod == $1 ]] && exit",
        "MODE=prod",
        "mode=\"${1:-prod}\"",
        "mode=${1:=prod}",
        "case $1 in\n  prod) echo x ;;\nesac",
        "case $1 in\n  staging|prod) echo x ;;\nesac",
        "case $1 in prod) echo x ;; esac",
        "cat values-prod.yaml",
        "cat config/prod/app.conf",
        "serve --mode=prod",
    ] {
        found_in_script(lines, "environment-name");
    }
    for lines in [
        "run = [\"serve\"]\nenv = { MODE = \"prod\" }",
        "run = [\"serve\", \"prod\"]",
        "run = [\"serve\", \"--mode=prod\"]",
        "run = [\"serve\", \"conf/prod/app.conf\"]",
        "run = [\"kubectl\", \"apply\", \"-k\", \"overlays/prod\"]",
        "run = [\"kubectl\", \"apply\", \"--kustomize=overlays/prod/\"]",
        "run = [\"helm\", \"--values\", \"prod/values.yaml\"]",
        "run = [\"helm\", \"--values=prod/values.yaml\"]",
    ] {
        found_in_step(lines, "environment-name");
    }
}

#[test]
fn what_is_not_the_name_of_an_environment() {
    quiet(&script(
        "echo x > /dev/null\nls /dev/shm\necho the prod machine\nproduct=1\nprod_x=2\necho http://prod.host.org/x",
    ));
    quiet(&script("dev() { :; }\ndev x | prod y"));
    quiet(&step("run = [\"npm\", \"run\", \"dev\"]"));
    // `dev` is an environment here too.
    quiet(&step(
        "run = [\"x\", \"apps/dev\", \"dev/setup.sh\", \"https://x.example/prod\", \"registry.example/shop/prod\", \"/prod\", \"prod/x\", \
         \"localhost:5000/prod\", \"a word/prod\", \"product/x.yaml\", \"x/product\"]",
    ));
    let listed = "-- pipelines/orchestration.toml --\n[[environment]]\nname = \"test\"\n[[environment]]\nname = \"prod\"\n-- pipelines/environments/dev.toml --\n-- pipelines/environments/test.toml --\ndebug = true\nsite.host = \"a.example\"\nsite.port = 8080\nsite.title = \"Test Shop\"\n";
    quiet(&format!(
        "{listed}{}",
        script("test -f x && test \"$1\" = x\nif test -n \"$1\"; then :; fi\ncat test.sh tests/x.sh src/test/x.json")
    ));
    quiet(&format!("{listed}{}", step("run = [\"cargo\", \"test\"]")));
}

#[test]
fn an_environment_file() {
    assert_snapshot!(check(&step("run = [\"helm\", \"-f\", \"values-${environment}.yaml\"]")), @r#"
    warning[environment-file]: a file is chosen by the name of the environment: no check sees the values in it
     --> pipelines/deployments/web/pipeline.toml:3:30
      |
    3 | run = ["helm", "-f", "values-${environment}.yaml"]
      |                              ^^^^^^^^^^^^^^
      |
      = help: declare its values as parameters, and write the file from them, or make the path itself a parameter
    "#);
    found_in_script("cat \"values-$CIAO_ENVIRONMENT.yaml\"", "environment-file");
    found_in_script("cat conf/${CIAO_ENVIRONMENT}/app.conf", "environment-file");
    for lines in [
        "run = [\"kubectl\", \"apply\", \"-k\", \"overlays/${environment}\"]",
        "run = [\"kubectl\", \"apply\", \"--kustomize=../overlays/${environment}/\"]",
        "run = [\"cat\", \"/srv/${environment}/values.yaml\"]",
        "run = [\"cat\", \"${repo}/conf/${environment}.yaml\"]",
        "script = \"install.sh\"\nargs = [\"conf/${environment}\"]\nenv = { SITE_HOST = \"${site.host}\", SITE_PORT = \"${site.port}\" }",
    ] {
        found_in_step(lines, "environment-file");
    }
    let folders = ["dev", "prod"].map(|name| format!("-- pipelines/deployments/web/conf/{name}/Makefile --\nall:\n"));
    found(&(step("run = [\"make\"]\ncwd = \"conf/${environment}\"") + &folders.concat()), "environment-file");
}

#[test]
fn a_file_whose_name_begins_with_a_dot_was_not_searched() {
    let dot = |folder: &str| format!("-- {folder}/.env --\nSITE=shop.example\n");
    let beside = dot("pipelines/deployments/web");
    found(&beside, "hard-coded-value pipelines/deployments/web/.env:1");
    found(&(step("run = [\"cat\", \".env\"]") + &beside), "hard-coded-value pipelines/deployments/web/.env:1");
    let pipeline =
        changed("deployments/web/pipeline.toml", &[]).replacen("[[step]]", "uses = [\"../../../db/**\"]\n[[step]]", 1);
    found(&(pipeline + &dot("/db")), "hard-coded-value db/.env:1");
    quiet(&dot("pipelines/deployments/web/.git"));
}

#[test]
fn what_is_not_an_environment_file() {
    quiet(&script("echo \"$CIAO_ENVIRONMENT\" > \"log.txt\""));
    quiet(&step(
        "run = [\"serve\", \"--name=${environment}\", \"https://x.example/${environment}.html\", \"${work}/${environment}/x.conf\"]",
    ));
    quiet(&step(
        "run = [\"install\", \"/srv/${environment}\", \"${work}/${environment}\", \"registry.example/shop/${environment}\", \
         \"https://x.example/${environment}\", \"localhost:5000/${environment}\"]\ncwd = \"${work}/${environment}\"",
    ));
    quiet(&step("run = [\"git\", \"push\", \"origin\", \"deploy/${environment}\"]"));
    quiet(&step("run = [\"docker\", \"push\", \"shop/${environment}\"]"));
}

#[test]
fn the_same_value_twice() {
    let port = "port = { type = \"port\"";
    let distinct = changed("environment.toml", &[(port, &format!("{port}, distinct = true"))]);
    let values = |port| changed("environments/dev.toml", &[("8080", port)]);
    assert_snapshot!(check(&format!("{distinct}{}", values("8443"))), @r#"
    error[same-value]: `site.port` has the same value in `dev` and in `prod`
     --> pipelines/environments/prod.toml:5:8
      |
    5 | port = 8443
      |        ^^^^
      |
     ::: pipelines/environments/dev.toml:5:8
      |
    5 | port = 8443
      |        ---- the same value
      |
      = help: give each environment its own: it is declared with `distinct = true`
    "#);
    quiet(&format!("{distinct}{}", values("8444")));
}

#[test]
fn a_secret_from_the_same_place() {
    let declared = "debug = { type = \"boolean\" }\npassword = { type = \"string\", secret = true }";
    let used = "[env]\nPASSWORD = \"${password}\"\n[[deploy]]";
    let environment =
        changed("environment.toml", &[("debug = { type = \"boolean\" }", declared), ("[[deploy]]", used)]);
    let values = |file, debug, key| changed(file, &[(debug, &format!("{debug}\npassword = {{ env = \"{key}\" }}"))]);
    let files = |key| {
        let dev = values("environments/dev.toml", "debug = true", "SHOP");
        format!("{environment}{dev}{}", values("environments/prod.toml", "debug = false", key))
    };
    assert_snapshot!(check(&files("SHOP")), @r#"
    warning[same-value]: secret `password` is read from the same place in `dev` and `prod`
     --> pipelines/environments/prod.toml:2:12
      |
    2 | password = { env = "SHOP" }
      |            ^^^^^^^^^^^^^^^^
      |
     ::: pipelines/environments/dev.toml:2:12
      |
    2 | password = { env = "SHOP" }
      |            ---------------- the same place
      |
      = help: give each environment a secret of its own: who knows the one of a test knows this one too
    "#);
    quiet(&files("SHOP_PROD"));
}

/// The second one was taken for the first, whose place in its own file is the same.
#[test]
fn the_same_value_at_the_same_place_of_two_files() {
    let changes = step("run = [\"ping\", \"shop.example\"]");
    let other = changes.replace("deployments/web/", "deployments/other/");
    let called = changed("environment.toml", &[("\"web\"", "\"web\"\n[[deploy]]\npipeline = \"other\"")]);
    let script = "-- pipelines/deployments/other/install.sh --\n#!/bin/sh\n";
    let codes = codes(&format!("{changes}{other}{script}{called}"));
    assert_eq!(codes.iter().filter(|code| code.starts_with("hard-coded-value")).count(), 2, "{codes:?}");
}
