//! What was accepted and given on as something else, or could not be what it says.

use crate::declared::{environment, more};
use crate::fixture::{changed, check, codes, found, quiet};

const ENVIRONMENT: &str = "pipelines/environment.toml";
const DEV: &str = "environments/dev.toml";

/// A constant that the step of the sound repository uses too.
fn constant(value: &str) -> String {
    changed("environment.toml", &[("[parameters]", &format!("[constants]\nc = {value}\n\n[parameters]"))])
        + &changed("deployments/web/pipeline.toml", &[("\"${debug}\"", "\"${debug}\", \"${c}\"")])
}

/// The title of the sound repository declared and given otherwise.
fn title(declared: &str, dev: &str) -> String {
    changed("environment.toml", &[("title = { type = \"string\" }", &format!("title = {declared}"))])
        + &changed(DEV, &[("title = \"Shop (dev)\"", &format!("title = {dev}"))])
}

/// A pipeline with one parameter of its own, and a call that gives it.
fn call(declared: &str, with: &str) -> String {
    environment(&format!("[[deploy]]\npipeline = \"own\"\nwith = {{ x = {with} }}"))
        + &format!(
            "-- pipelines/deployments/own/pipeline.toml --\n[parameters]\nx = {declared}\n[[step]]\nname = \"s\"\n\
             run = [\"echo\", \"{}\"]\n",
            if declared.contains("list") { "${x...}" } else { "${x}" }
        )
}

#[test]
fn a_control_character_in_a_constant_failed_in_the_middle_of_a_deployment() {
    quiet(&constant("\"a\\tb\""));
    for value in ["\"a\\u0000b\"", "\"\\u001b[1m\"", "\"a\\u202eb\"", "\"\\u200b\""] {
        found(&constant(value), "bad-value pipelines/environment.toml:2");
        // In a table, which is given on as JSON, and in the names of one.
        let table = |value: &str| {
            changed("environment.toml", &[("title = { type = \"string\" }", "title = { type = \"table\" }")])
                + &changed(DEV, &[("title = \"Shop (dev)\"", &format!("title = {value}"))])
                + &changed("environments/prod.toml", &[("title = \"Shop\"", "title = { a = 1 }")])
        };
        found(&table(&format!("{{ a = {value} }}")), "bad-value pipelines/environments/dev.toml:6");
        found(&table(&format!("{{ {value} = 1 }}")), "bad-value pipelines/environments/dev.toml:6");
    }
}

#[test]
fn an_integer_in_another_base_was_given_as_another_number() {
    for written in ["0o755", "0x1f", "0b101"] {
        found(&constant(written), "wrong-type pipelines/environment.toml:2");
        found(&changed(DEV, &[("8080", written)]), "wrong-type pipelines/environments/dev.toml:5");
        let given = check(&call("{ type = \"integer\" }", written));
        assert!(given.contains("which JSON cannot hold"), "{given}");
    }
    let said = check(&changed(DEV, &[("8080", "0o755")]));
    assert!(said.contains("`site.port` is an integer in octal, not an integer"), "{said}");
    quiet(&changed(DEV, &[("8080", "8_080")]));
}

#[test]
fn a_date_in_a_with_was_a_string() {
    let said = check(&call("{ type = \"string\" }", "1979-05-27"));
    assert!(said.contains("an argument is a date") && said.contains("environment.toml:14:14"), "{said}");
}

#[test]
fn an_item_of_a_list_in_a_with_was_found_at_line_1() {
    let changes =
        call("{ type = \"string\", list = true }", "[\"a\", 1,\n  \"\", \"${site.title}\", \"${site.port}\"]");
    let line = |code: &str, line: usize| format!("{code} {ENVIRONMENT}:{line}");
    assert_eq!(codes(&changes), [line("wrong-type", 14), line("empty-value", 15), line("wrong-type", 15)]);
    let hosts = "{ type = \"table\", list = true, key = \"name\", fields = { name = { type = \"host\" } } }";
    let given = "[\n  { name = \"a\" },\n  { nam = \"b\" },\n  { name = \"http://c\" },\n]";
    let changes = call(hosts, given);
    let changes =
        changes.replace("run = [\"echo\", \"${x...}\"]", "for_each = \"x\"\nrun = [\"echo\", \"${each.name}\"]");
    let expected = [line("missing-value", 16), line("unknown-value", 16), line("bad-value", 17)];
    assert_eq!(codes(&changes), expected, "{}", check(&changes));
}

#[test]
fn the_help_for_a_value_of_another_type_wrote_one_environments_value_into_the_file_of_all() {
    let said = check(&call("{ type = \"string\" }", "\"${site.port}\""));
    assert!(said.contains("`${site.port}` alone keeps its type") && !said.contains("8080"), "{said}");
    let said = check(&call("{ type = \"string\", list = true }", "[\"a\", \"${site.port}\"]"));
    assert!(said.contains("`${site.port}` alone keeps its type") && !said.contains("8080"), "{said}");
}

#[test]
fn distinct_in_the_fields_of_a_list_did_nothing() {
    let fields = "{ name = { type = \"string\" }, port = { type = \"port\", distinct = true } }";
    let declared =
        format!("[parameters.x]\nhosts = {{ type = \"table\", list = true, key = \"name\", fields = {fields} }}");
    let step =
        "[[step]]\nname = \"each\"\nrun = [\"echo\", \"${each.name}\", \"${each.port}\"]\nfor_each = \"x.hosts\"";
    let given = |file: &str, port: u16| {
        more(&format!("pipelines/{file}"), &format!("[x]\nhosts = [{{ name = \"h\", port = {port} }}]"))
    };
    let changes = |dev, prod| {
        environment(&declared)
            + &more("pipelines/deployments/web/pipeline.toml", step)
            + &given(DEV, dev)
            + &given("environments/prod.toml", prod)
    };
    quiet(&changes(7000, 7001));
    found(&changes(7000, 7000), "same-value pipelines/environments/prod.toml:9");
}

#[test]
fn distinct_where_no_environment_gives_the_value_did_nothing() {
    let own = "bad-value pipelines/deployments/own/pipeline.toml:2";
    found(&call("{ type = \"string\", distinct = true }", "\"a\""), own);
    let list = "{ type = \"table\", list = true, fields = { a = { type = \"string\", distinct = true } } }";
    found(&call(list, "[{ a = \"b\" }]"), own);
}

#[test]
fn what_is_written_otherwise_and_means_the_same_is_the_same_value() {
    let same = |kind: &str, dev: &str, prod: &str| {
        title(&format!("{{ type = \"{kind}\", distinct = true }}"), &format!("\"{dev}\""))
            + &changed("environments/prod.toml", &[("title = \"Shop\"", &format!("title = \"{prod}\""))])
    };
    let code = "same-value pipelines/environments/prod.toml:6";
    found(&same("url", "http://a.example", "HTTP://A.Example:80/"), code);
    found(&same("url", "https://a.example:443/x", "https://a.example/x/"), code);
    found(&same("host", "a.example", "A.example."), code);
    quiet(&same("url", "http://a.example/X", "http://a.example/x"));
    quiet(&same("url", "http://a.example:443", "http://a.example"));
    quiet(&same("string", "one", "One"));
}

#[test]
fn values_that_cannot_be_what_their_type_says() {
    for (declared, value, code) in [
        ("{ type = \"url\" }", "\"http://a.example:99999/\"", "bad-value"),
        ("{ type = \"host\" }", "\"256.1.1.1\"", "bad-value"),
        ("{ type = \"host\" }", "\"1.2.3\"", "bad-value"),
        ("{ type = \"string\" }", "\"  \\n\"", "empty-value"),
        ("{ type = \"string\" }", "\"a\\u202eb\"", "bad-value"),
        ("{ type = \"string\" }", "\"a\\u2060b\"", "bad-value"),
    ] {
        let shown = codes(&title(declared, value));
        assert!(shown.contains(&format!("{code} pipelines/environments/dev.toml:6")), "{value}: {shown:?}");
    }
    quiet(&title("{ type = \"string\", may_be_empty = true }", "\"  \""));
}

#[test]
fn a_password_in_a_url_is_a_plain_secret_and_is_not_shown() {
    let said = check(&title("{ type = \"url\" }", "\"http://u:hunter2hunter2@h.example/\""));
    assert!(said.contains("error[plain-secret]: `site.title` holds a password in plain text"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn choices_that_no_value_can_be() {
    for (declared, code) in [
        ("{ type = \"port\", choices = [8080, 8443, 70000] }", "bad-value"),
        ("{ type = \"port\", choices = [8080, 8443, 8080] }", "duplicate-name"),
        ("{ type = \"port\", max = 9000, choices = [8080, 8443, 9001] }", "bad-value"),
    ] {
        let changes = changed("environment.toml", &[("port = { type = \"port\" }", &format!("port = {declared}"))]);
        found(&changes, &format!("{code} {ENVIRONMENT}:6"));
    }
    let host = "{ type = \"host\", choices = [\"web.dev.example\", \"shop.example\", \"http://x\"] }";
    let changes = changed("environment.toml", &[("{ type = \"host\", help = \"db.dev.example is none\" }", host)]);
    found(&changes, &format!("bad-value {ENVIRONMENT}:5"));
}

/// The title as a secret that is read from these sources.
fn secret(kind: &str, dev: &str) -> String {
    title(&format!("{{ type = \"{kind}\", secret = true }}"), dev)
        + &changed("environments/prod.toml", &[("title = \"Shop\"", "title = { env = \"OTHER\" }")])
        + &changed(
            "deployments/web/pipeline.toml",
            &[("\"${site.title}\", ", ""), ("env = { ", "env = { TITLE = \"${site.title}\", ")],
        )
}

#[test]
fn sources_of_secrets_that_cannot_be() {
    quiet(&secret("string", "{ env = \"TITLE\" }"));
    for source in
        ["{ env = \"A B\" }", "{ env = \"${site.host}\" }", "{ env = \"1A\" }", "{ file = \"b-${environment}\" }"]
    {
        found(&secret("string", source), "bad-value pipelines/environments/dev.toml:6");
    }
    for kind in ["boolean", "port"] {
        found(&secret(kind, "{ env = \"TITLE\" }"), &format!("bad-value {ENVIRONMENT}:7"));
    }
}

#[test]
fn a_parameter_named_like_cannot_be_given_by_a_personal_environment() {
    let changes = changed("environment.toml", &[("debug =", "like =")])
        + &changed(DEV, &[("debug =", "like =")])
        + &changed("environments/prod.toml", &[("debug =", "like =")])
        + &changed("deployments/web/pipeline.toml", &[("${debug}", "${like}")]);
    found(&changes, &format!("duplicate-name {ENVIRONMENT}:2"));
}

#[test]
fn what_only_a_shell_does_and_what_no_step_can_be_named_for() {
    let step =
        |lines: &str| more("pipelines/deployments/web/pipeline.toml", &format!("[[step]]\nname = \"x\"\n{lines}"));
    for run in [
        "\"! grep -q x f\"",
        "\"if a\"",
        "\"A+=b cmd\"",
        "\"wait\"",
        "\"trap x EXIT\"",
        "[\"umask\", \"077\"]",
        "[\"psql --file data.sql\"]",
    ] {
        found(&step(&format!("run = {run}")), "bad-command pipelines/deployments/web/pipeline.toml:14");
    }
    quiet(&step("run = [\"./my tool\"]"));
    found(&step("run = [\"true\"]\nprovides = [\"x\\ny\"]"), "bad-value pipelines/deployments/web/pipeline.toml:15");
}

#[test]
fn of_several_circles_one_was_found_and_it_hid_everything_else() {
    let pair = |one: &str, other: &str| {
        format!(
            "[[step]]\nname = \"{one}\"\nrun = [\"x\"]\nneeds = [\"{other}\"]\n[[step]]\nname = \"{other}\"\nrun = [\"x\"]\nneeds = [\"{one}\"]\n"
        )
    };
    let own = pair("p", "q") + &pair("r", "s") + "[[step]]\nname = \"t\"\nrun = [\"x\"]\nneeds = [\"t\"]\n";
    let lost =
        "[[step]]\nname = \"u\"\nscript = \"none.sh\"\nargs = [\"${nothing}\"]\nrequires = [\"nothing-provides-it\"]\n";
    let changes = more("pipelines/deployments/web/pipeline.toml", &(own + lost))
        + &environment("[[deploy]]\npipeline = \"other\"\nneeds = [\"other\"]")
        + &format!("-- pipelines/deployments/other/pipeline.toml --\n{}", pair("a", "b"));
    let said = check(&changes);
    for path in ["p → q → p", "r → s → r", "t → t", "a → b → a", "other → other"] {
        assert_eq!(said.matches(&format!("each needs the next: {path}\n")).count(), 1, "{path}: {said}");
    }
    for code in ["missing-provider", "missing-script", "unknown-parameter"] {
        assert_eq!(said.matches(&format!("error[{code}]")).count(), 1, "{code}: {said}");
    }
    assert!(!said.contains("out-of-order"), "{said}");
}

#[test]
fn a_long_circle_is_shown_whole() {
    let step = |at: usize| format!("[[step]]\nname = \"s{at}\"\nrun = [\"x\"]\nneeds = [\"s{}\"]\n", (at + 1) % 100);
    let steps: String = (0..100).map(step).collect();
    let said = check(&more("pipelines/deployments/web/pipeline.toml", &steps));
    let path: Vec<String> = (0..=100).map(|at| format!("s{}", at % 100)).collect();
    assert!(said.contains(&path.join(" → ")), "{said}");
}

#[test]
fn a_wrong_default_of_a_field_was_found_in_the_file_that_does_not_give_it() {
    let fields = "{ name = { type = \"string\" }, port = { type = \"port\", default = 0 } }";
    let hosts = format!("{{ type = \"table\", list = true, key = \"name\", fields = {fields} }}");
    let step =
        "[[step]]\nname = \"each\"\nrun = [\"echo\", \"${each.name}\", \"${each.port}\"]\nfor_each = \"x.hosts\"";
    let given = |file: &str| more(&format!("pipelines/{file}"), "[x]\nhosts = [{ name = \"g\" }, { name = \"h\" }]");
    let changes = environment(&format!("[parameters.x]\nhosts = {hosts}"))
        + &more("pipelines/deployments/web/pipeline.toml", step)
        + &given(DEV)
        + &given("environments/prod.toml");
    found(&changes, &format!("bad-value {ENVIRONMENT}:13"));
    let changes = call(&hosts, "[{ name = \"g\" }]")
        .replace("[\"echo\", \"${x...}\"]", "[\"echo\", \"${each.port}\"]\nfor_each = \"x\"");
    found(&changes, "bad-value pipelines/deployments/own/pipeline.toml:2");
}
