//! What was accepted without a word and meant something else, one test each; and messages that said what was not so.

use crate::declared::{PIPELINE, environment, found, more, original};
use crate::fixture::{Folder, check, codes, quiet, with};

const ENVIRONMENT: &str = "pipelines/environment.toml";
const ORCHESTRATION: &str = "pipelines/orchestration.toml";

/// The sound pipeline with one more step, which has these lines; it begins at line 12.
fn step(lines: &str) -> String {
    more(PIPELINE, &format!("[[step]]\nname = \"more\"\n{lines}"))
}

/// A file of the sound repository with one text in place of another.
fn changed(path: &str, from: &str, to: &str) -> String {
    let text = original(path);
    assert!(text.contains(from), "{from}");
    format!("-- {path} --\n{}", text.replace(from, to))
}

/// What is found holds this text.
#[track_caller]
fn says(changes: &str, text: &str) {
    let shown = check(changes);
    assert!(shown.contains(text), "{shown}");
}

#[test]
fn what_git_would_take_as_an_option_is_no_remote_and_no_branch() {
    found(
        &more(ORCHESTRATION, "branch = \"-b\"\n[ledger]\nremote = \"--upload-pack=touch x\""),
        &["bad-value pipelines/orchestration.toml:7", "bad-value pipelines/orchestration.toml:9"],
    );
}

#[test]
fn a_linked_folder_that_leads_out_is_in_no_release() {
    for (linked, moved, expected) in [
        ("pipelines/deployments/web", "web", &[PIPELINE][..]),
        ("pipelines/deployments", "all", &[PIPELINE]),
        ("pipelines/environments", "values", &["pipelines/environments/dev.toml", "pipelines/environments/prod.toml"]),
    ] {
        let (folder, outside) = (with(""), Folder::of(&[]));
        let (from, to) = (folder.0.join(linked), outside.0.join(moved));
        std::fs::rename(&from, &to).unwrap();
        std::os::unix::fs::symlink(&to, &from).unwrap();
        let shown = folder.findings();
        for file in expected {
            assert!(shown.contains(&format!("error[syntax]: {file} cannot be read: a link leads out")), "{shown}");
        }
        // A link within the repository is as good as the folder.
        std::fs::remove_file(&from).unwrap();
        std::fs::rename(&to, folder.0.join("kept")).unwrap();
        std::os::unix::fs::symlink(folder.0.join("kept"), &from).unwrap();
        assert!(!folder.findings().contains("cannot be read"), "{}", folder.findings());
    }
}

#[test]
fn parallel_without_instances_was_accepted_and_did_nothing() {
    found(&step("run = [\"true\"]\nparallel = true"), &["bad-value pipelines/deployments/web/pipeline.toml:15"]);
    says(&step("run = [\"true\"]\nparallel = true"), "a step is `parallel` without `for_each`");
    let call = "pipeline = \"web\"";
    says(&changed("pipelines/environment.toml", call, &format!("{call}\nparallel = true")), "without `for_each`");
}

#[test]
fn a_quoted_key_with_a_dot_is_no_value() {
    let defaulted =
        changed(ENVIRONMENT, "title = { type = \"string\" }", "title = { type = \"string\", default = \"x\" }");
    let values = changed("pipelines/environments/dev.toml", "title = \"Shop (dev)\"\n", "");
    found(
        &(defaulted.clone() + &values.replace("debug =", "\"site.title\" = \"Shop (dev)\"\ndebug =")),
        &["unknown-value pipelines/environments/dev.toml:1"],
    );
    // A secret in plain text is shown to nobody.
    let secret = changed(ENVIRONMENT, "title =", "pw = { type = \"string\", secret = true }\ntitle =")
        + &more("pipelines/environments/prod.toml", "pw = { env = \"B\" }")
        + &changed("pipelines/environments/dev.toml", "debug =", "\"site.pw\" = \"hunter2\"\ndebug =")
        + "pw = { env = \"A\" }\n"
        + &step("run = [\"a\"]\nenv = { PW = \"${site.pw}\" }");
    found(
        &secret,
        &["unknown-value pipelines/environments/dev.toml:1", "plain-secret pipelines/environments/dev.toml:1"],
    );
    assert!(!check(&secret).contains("hunter2"), "{}", check(&secret));
    // Also one that nobody declares, and one that is a table.
    let secret = defaulted + &values.replace("[site]", "\"site.password\" = \"hunter2\"\n[\"site.x\"]\na = 1\n[site]");
    found(
        &secret,
        &[3, 4]
            .map(|line| format!("unknown-value pipelines/environments/dev.toml:{line}"))
            .each_ref()
            .map(|text| &**text),
    );
}

#[test]
fn a_used_file_may_be_named_alone() {
    let uses = |path: &str| {
        changed(PIPELINE, "[[step]]\nname = \"install\"", &format!("uses = [\"{path}\"]\n[[step]]\nname = \"install\""))
    };
    quiet(&(uses("../../../db/a.sql") + "-- /db/a.sql --\nselect 1;\n"));
    found(&(uses("../../../db/a.sql") + "-- /db/a.sql --\nselect 'shop.example';\n"), &["hard-coded-value db/a.sql:1"]);
    found(&uses("../../../db/a.sql"), &[&format!("bad-value {PIPELINE}:1")]);
}

#[test]
fn the_folder_of_a_pipeline_and_of_a_finally_is_looked_at() {
    let pipeline = |cwd: &str| format!("-- {PIPELINE} --\ncwd = \"{cwd}\"\n{}", original(PIPELINE));
    found(&pipeline("nope"), &[&format!("bad-value {PIPELINE}:1")]);
    found(&pipeline("pipeline.toml"), &[&format!("bad-value {PIPELINE}:1")]);
    quiet(&pipeline("../web"));
    let finally = |cwd: &str| more(PIPELINE, &format!("finally = {{ run = [\"true\"], cwd = \"{cwd}\" }}"));
    found(&finally("nope"), &[&format!("bad-value {PIPELINE}:12")]);
    quiet(&finally("."));
}

#[test]
fn a_constant_is_taken_as_it_stands() {
    let constant =
        |value: &str| environment(&format!("[constants]\nc = {value}")) + &step("run = [\"echo\", \"${c}\"]");
    found(&constant("\"${site.title}\""), &[&format!("bad-value {ENVIRONMENT}:13")]);
    says(&constant("\"${site.title}\""), "taken as they stand");
    found(&constant("\"in ${environment}\""), &[&format!("bad-value {ENVIRONMENT}:13")]);
    quiet(&constant("\"${HOME} ${nothing.of.ours}\""));
    let default = changed(ENVIRONMENT, "title = { type", "title = { default = \"${site.host}\", type");
    found(&default, &[&format!("bad-value {ENVIRONMENT}:7")]);
}

#[test]
fn a_constant_that_would_come_out_otherwise_is_written_in_quotes() {
    let constant =
        |value: &str| environment(&format!("[constants]\nc = {value}")) + &step("run = [\"echo\", \"v${c}\"]");
    for value in ["1.10", "1.0", "1e3"] {
        found(&constant(value), &[&format!("bad-value {ENVIRONMENT}:13")]);
        says(&constant(value), &format!("write it in quotes: \"{value}\""));
    }
    quiet(&constant("1.5"));
    quiet(&constant("\"1.10\""));
    found(&constant("\"\""), &[&format!("empty-value {ENVIRONMENT}:13")]);
}

#[test]
fn the_advice_against_a_hard_coded_value_works_where_it_is_given() {
    let constant = environment("[constants]\nc = \"shop.example\"") + &step("run = [\"echo\", \"${c}\"]");
    says(&constant, "= help: a constant is taken as it stands: remove `c`, and where it is used write `${site.host}`");
    says(
        &environment("[secrets.vault]\nrun = [\"op\", \"shop.example\", \"${key}\"]"),
        "= help: it knows only `${key}` and `${environment}`: let each environment's file say it in the key",
    );
    let declared = |declaration: &str, dev: &str, prod: &str, step: &str| {
        changed(ENVIRONMENT, "title =", &format!("x = {declaration}\ntitle ="))
            + &more("pipelines/environments/dev.toml", &format!("x = {dev}"))
            + &more("pipelines/environments/prod.toml", &format!("x = {prod}"))
            + &self::step(step)
    };
    let list = declared(
        "{ type = \"host\", list = true }",
        "[\"a.example\"]",
        "[\"b.example\"]",
        "run = [\"a\", \"b.example\", \"${site.x...}\"]",
    );
    says(&list, "= help: run the step `for_each = \"site.x\"`, and write `${each}`");
    let table = declared(
        "{ type = \"table\" }",
        "{ k = \"a.example.org\" }",
        "{ k = \"b.example.org\" }",
        "run = [\"a\", \"b.example.org\", \"${site.x}\"]",
    );
    says(&table, "= help: move `site.x.k` out of its table, into a parameter of its own, `k`, and write `${k}`");
    says(&step("run = [\"a\", \"shop.example\"]"), "= help: write `${site.host}`");
}

#[test]
fn an_empty_list_of_environments_calls_or_steps_deploys_nothing() {
    let empty = |path: &str, text: &str| {
        let all = codes(&format!("-- {path} --\n{text}"));
        assert!(all.contains(&format!("missing-value {path}:1")), "{all:?}");
    };
    empty(ORCHESTRATION, "environment = []");
    empty(ENVIRONMENT, "deploy = []");
    empty(PIPELINE, "step = []");
}

#[test]
fn what_a_shell_does_itself_is_no_program() {
    for run in
        ["\"cd x\"", "[\"export\", \"A=b\"]", "\". env.sh\"", "[\"source\", \"env.sh\"]", "\"exec a\"", "\"eval a\""]
    {
        found(&step(&format!("run = {run}")), &[&format!("bad-command {PIPELINE}:14")]);
    }
    quiet(&step("run = [\"git\", \"set\"]"));
    found(&step("run = \"\"\"\necho one\necho two\n\"\"\""), &[&format!("bad-command {PIPELINE}:14")]);
    quiet(&step("run = \"\"\"\n  echo one\n\"\"\""));
    says(&step("run = \"a `b`\""), "error[bad-command]: a backtick is understood by a shell only");
    says(&step("run = \"a ${\""), "error[unknown-parameter]: `${` without a `}` after it");
}

#[test]
fn a_default_is_a_value_that_two_environments_share() {
    let declared =
        changed(ENVIRONMENT, "port = { type = \"port\" }", "port = { type = \"port\", default = 81, distinct = true }");
    let without = |name: &str, line: &str| changed(&format!("pipelines/environments/{name}.toml"), line, "");
    let dev = without("dev", "port = 8080\n");
    quiet(&(declared.clone() + &dev));
    found(&(declared.clone() + &dev + &without("prod", "port = 8443\n")), &[&format!("same-value {ENVIRONMENT}:6")]);
    let prod = changed("pipelines/environments/prod.toml", "8443", "81");
    found(&(declared + &dev + &prod), &["same-value pipelines/environments/prod.toml:5"]);
}

#[test]
fn one_source_of_a_secret_is_seen_under_two_names() {
    let secrets = |dev: [&str; 2], prod: [&str; 2]| {
        let give = |name: &str, [a, b]: [&str; 2]| {
            more(
                &format!("pipelines/environments/{name}.toml"),
                &format!("a = {{ env = \"{a}\" }}\nb = {{ env = \"{b}\" }}"),
            )
        };
        let secret = "a = { type = \"string\", secret = true }\nb = { type = \"string\", secret = true }\ntitle =";
        changed(ENVIRONMENT, "title =", secret)
            + &give("dev", dev)
            + &give("prod", prod)
            + &step("run = [\"a\"]\nenv = { A = \"${site.a}\", B = \"${site.b}\" }")
    };
    found(&secrets(["A", "SHARED"], ["SHARED", "B"]), &["same-value pipelines/environments/dev.toml:9"]);
    found(&secrets(["A", "B"], ["A", "C"]), &["same-value pipelines/environments/prod.toml:8"]);
    // In one environment it is one secret under two names.
    quiet(&secrets(["A", "A"], ["B", "B"]));
}

#[test]
fn two_steps_that_make_one_output_are_found_before_it_is_used() {
    let two = "run = [\"a\"]\noutput = \"image\"\n[[step]]\nname = \"other\"\nrun = [\"b\"]\noutput = \"image\"";
    let at = format!("two-providers {PIPELINE}:19");
    found(&step(two), &[&at]);
    found(&step(&format!("{two}\n[[step]]\nname = \"user\"\nrun = [\"c\", \"${{image}}\"]")), &[&at]);
}

/// The second pipeline has a parameter of its own, which a call gives.
fn called(parameter: &str, with: &str, run: &str) -> String {
    environment(&format!("[[deploy]]\npipeline = \"own\"\nwith = {with}"))
        + &format!(
            "-- pipelines/deployments/own/pipeline.toml --\n[parameters]\n{parameter}\n[[step]]\nname = \"a\"\nrun = {run}\n"
        )
}

#[test]
fn an_output_that_a_call_would_give_is_no_unknown_name() {
    let maker = step("run = [\"make\"]\noutput = \"image\"");
    let call = called("p = { type = \"string\" }", "{ p = \"${image}\" }", "[\"a\", \"${p}\"]") + &maker;
    found(&call, &[&format!("unknown-parameter {ENVIRONMENT}:14")]);
    says(&call, "`image` is an output, and what stands here is needed before any step has run");
    let variables = changed(ENVIRONMENT, "[parameters]", "env = { IMAGE = \"${image}\" }\n[parameters]") + &maker;
    found(&variables, &[&format!("unknown-parameter {ENVIRONMENT}:1")]);
    says(&variables, "= help: use `${image}` in the steps themselves");
}

#[test]
fn a_list_is_spread_where_it_stands_alone_in_another() {
    let declared = |with: &str| {
        called("hosts = { type = \"host\", list = true }", with, "[\"a\", \"${hosts...}\"]")
            .replace("title = {", "more = { type = \"host\", list = true }\ntitle = {")
            + &more("pipelines/environments/dev.toml", "more = [\"a.example\", \"b.example\"]")
            + &more("pipelines/environments/prod.toml", "more = [\"c.example\"]")
    };
    let good = declared("{ hosts = [\"first.example\", \"${site.more...}\", \"last.example\"] }");
    quiet(&good);
    let (_, examined) = with(&good).examine();
    let plan = |name: &str, side| ciao::show::plan::text(examined.plan(name).unwrap(), side, &ciao::Tasks::new());
    let shown = plan("dev", ciao::show::word::Side::Value);
    assert!(shown.contains("a first.example a.example b.example last.example"), "{shown}");
    says(&declared("{ hosts = [\"${site.port...}\"] }"), "`site.port` is not a list");
    // What is written in a `for_each` is taken as it stands.
    let shown = check(&step("run = [\"a\", \"${each}\"]\nfor_each = [\"q\", \"${regions...}\"]"));
    assert!(shown.contains("nothing is replaced in it: name a list alone"), "{shown}");
}

#[test]
fn a_group_of_a_pipelines_own_parameters_is_given_as_one() {
    for with in ["{ db.host = \"x\", db.port = 1 }", "{ db = { host = \"x\", port = 1 } }"] {
        quiet(&called(
            "db.host = { type = \"string\" }\ndb.port = { type = \"port\" }",
            with,
            "[\"a\", \"${db.host}\", \"${db.port}\"]",
        ));
    }
    let wrong =
        called("db.host = { type = \"string\" }", "{ db = { hots = \"x\", host = \"y\" } }", "[\"a\", \"${db.host}\"]");
    found(&wrong, &[&format!("unknown-parameter {ENVIRONMENT}:14")]);
    says(&wrong, "declares no parameter `db.hots`");
    says(
        &called(
            "l = { type = \"table\", list = true, fields = { g = { q = { type = \"string\" } } } }",
            "{ l = [] }",
            "[\"a\", \"${l...}\"]",
        ),
        "error[bad-value]: `g.q` is a field in a group, which fields cannot have",
    );
}

#[test]
fn nothing_is_replaced_in_what_is_provided() {
    found(
        &step("run = [\"a\"]\nprovides = [\"db-${site.title}\"]\nrequires = [\"x-${debug}\"]"),
        &[
            &format!("bad-value {PIPELINE}:15"),
            &format!("bad-value {PIPELINE}:16"),
            &format!("missing-provider {PIPELINE}:16"),
        ],
    );
}

#[test]
fn an_empty_list_that_is_written_is_forgotten() {
    found(&step("run = [\"a\", \"${each}\"]\nfor_each = []"), &[&format!("empty-value {PIPELINE}:15")]);
    found(&step("run = [\"a\"]\ncwd = \"\""), &[&format!("empty-value {PIPELINE}:15")]);
    let uses = format!("-- {PIPELINE} --\nuses = [\"\"]\n{}", original(PIPELINE));
    found(&uses, &[&format!("empty-value {PIPELINE}:1")]);
}

#[test]
fn a_folder_that_cannot_name_a_pipeline_is_found() {
    let pipeline = "-- pipelines/deployments/Bad Name/pipeline.toml --\n[[step]]\nname = \"a\"\nrun = [\"a\"]\n";
    let at = "bad-name pipelines/deployments/Bad Name/pipeline.toml:1";
    found(&(environment("[[deploy]]\npipeline = \"Bad Name\"") + pipeline), &[at]);
    found(&(environment("[[deploy]]\npipeline = \"Bad Name\"\nname = \"good\"") + pipeline), &[at]);
}

#[test]
fn what_only_a_comment_of_a_script_names_is_reached_by_nobody() {
    let data = "-- pipelines/deployments/web/data.sql --\nselect 1;\n";
    let script = |line: &str| more("pipelines/deployments/web/install.sh", line) + data;
    found(&script("# psql -f data.sql"), &["forgotten-file pipelines/deployments/web/data.sql:1"]);
    found(&script("true # *.sql"), &["forgotten-file pipelines/deployments/web/data.sql:1"]);
    quiet(&script("psql -f data.sql # the data"));
}

#[test]
fn a_name_stands_once_in_a_list_of_names() {
    found(&more(ORCHESTRATION, "after = [\"dev\", \"dev\"]"), &["duplicate-name pipelines/orchestration.toml:7"]);
    found(
        &step("run = [\"a\"]\nneeds = [\"install\", \"install\"]\nprovides = [\"z\", \"z\"]"),
        &[&format!("duplicate-name {PIPELINE}:15"), &format!("duplicate-name {PIPELINE}:16")],
    );
}

#[test]
fn a_source_without_a_key_gives_one_secret_for_all() {
    found(&environment("[secrets.vault]\nrun = [\"op\"]"), &[&format!("bad-value {ENVIRONMENT}:13")]);
}

#[test]
fn bounds_that_no_value_of_the_type_reaches() {
    let port = |bounds: &str| changed(ENVIRONMENT, "port = { type", &format!("port = {{ {bounds}, type"));
    found(
        &port("min = -1, max = 70000"),
        &[&format!("bad-value {ENVIRONMENT}:6"), &format!("bad-value {ENVIRONMENT}:6")],
    );
    quiet(&port("min = 1, max = 65535"));
    let title = changed(ENVIRONMENT, "title = { type", "title = { min = -1, type");
    found(&title, &[&format!("bad-value {ENVIRONMENT}:7")]);
}

#[test]
fn a_field_that_no_string_reads_changes_nothing() {
    let list = |run: &str| {
        let fields = "fields = { name = { type = \"string\" }, port = { type = \"port\" } }";
        changed(
            ENVIRONMENT,
            "title =",
            &format!("x = {{ type = \"table\", list = true, key = \"name\", {fields} }}\ntitle ="),
        ) + &more("pipelines/environments/dev.toml", "x = [{ name = \"a\", port = 4001 }]")
            + &more("pipelines/environments/prod.toml", "x = [{ name = \"a\", port = 4001 }]")
            + &step(&format!("run = {run}\nfor_each = \"site.x\""))
    };
    found(&list("[\"a\", \"${each.name}\"]"), &[&format!("unused-parameter {ENVIRONMENT}:7")]);
    quiet(&list("[\"a\", \"${each.port}\"]"));
    quiet(&list("[\"a\", \"${each}\"]"));
}

#[test]
fn messages_say_what_is_so() {
    let shown = check(&step("run = [\"a\"]\nhelp = \"x\""));
    assert!(shown.contains("the keys are `name`, `run`, `script`, "), "{shown}");
    let address = changed(ENVIRONMENT, "title = { type = \"string\" }", "title = { type = \"host\" }")
        + &changed("pipelines/environments/dev.toml", "Shop (dev)", "[::1]")
        + &changed("pipelines/environments/prod.toml", "title = \"Shop\"", "title = \"::1\"");
    says(&address, "its brackets belong to a URL");
    let off = step(
        "run = [\"a\"]\nprovides = [\"z\"]\nwhen = \"off\"\n[[step]]\nname = \"b\"\nrun = [\"b\"]\nrequires = [\"z\"]",
    ) + &environment("[constants]\noff = false");
    says(&off, "`web/b` requires `z`, which only `web/more` provides, and that is switched off");
    says(
        &more("pipelines/deployments/web/install.sh", "echo \"$CIAO_NOPE\""),
        "= help: use another one, which `env` can set",
    );
    quiet(&step("run = [\"a\"]\nretries = { attempts = 1 }"));
    let accepted = environment(
        "[[accept]]\ncode = \"forgotten-file\"\nat = \"pipelines/deployments/web/d.sql\"\nof = \"z\"\nreason = \"r\"",
    );
    let shown = check(&(accepted + "-- pipelines/deployments/web/d.sql --\nselect 1;\n"));
    assert!(shown.contains("= help: remove `of`"), "{shown}");
    let long = "x".repeat(129);
    says(&step(&format!("run = [\"a\", \"${{each}}\"]\nfor_each = [\"{long}\"]")), "at most 128");
}
