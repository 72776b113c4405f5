//! What an owner of a copy adds to it: environments, pipelines, steps; and what their editor and shell are told.

use std::fs;

use super::shapes::{Folder, commit, read, run, write, xtask};
use super::{arg, copied};

#[test]
fn new_things_are_written_where_they_belong() {
    let (_folder, root) = copied("no rust");
    commit(&root);
    let new = |args: &[&str]| {
        let mut all = vec!["-C", arg(&root), "new"];
        all.extend(args);
        xtask(&all)
    };
    let (code, said) = new(&["environment", "qa", "--like", "test"]);
    assert!(code == 2 && said.contains("--set title="), "{said}");
    let (code, said) = new(&["environment", "qa", "--like", "test", "--set", "title=Quality"]);
    assert_eq!(code, 0, "{said}");
    assert!(read(&root, "pipelines/orchestration.toml").contains("name = \"qa\"\nafter = [\"dev\"]\n"));
    let changed = run(&root, "git", &["status", "--porcelain", "-uall"]);
    assert_eq!(changed, " M pipelines/orchestration.toml\n?? pipelines/environments/qa.toml\n");

    let (code, said) = new(&["environment", "anna", "--like", "dev", "--personal", "--set", "title=Mine"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(read(&root, "pipelines/environments/personal/anna.toml"), "like = \"dev\"\ntitle = \"Mine\"\n");

    let (code, said) = new(&["step", "app", "install"]);
    let shown = "            + [[step]]\n            + name = \"install\"\n            + script = \"install.sh\"\n            + \nwritten";
    assert!(code == 0 && said.contains(shown), "{said}");
    assert_eq!(new(&["step", "app", "migrate", "--before", "install", "--", "echo", "a b"]).0, 0);
    assert_eq!(new(&["deployment", "database", "--before", "app"]).0, 0);
    let (code, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(code == 0, "{said}");
    let (_, plan) = xtask(&["-C", arg(&root), "plan", "qa", "--skeleton"]);
    let places = ["database", "migrate", "app/install.sh", "verify"]
        .map(|what| plan.find(what).unwrap_or_else(|| panic!("{what}: {plan}")));
    assert!(places.is_sorted(), "{plan}");

    for (args, why) in [
        (&["step", "apps", "x"][..], "did you mean `app`?"),
        (&["step", "app", "install"], "already"),
        (&["step", "app", "In stall"], "cannot be the name"),
        (&["environment", "dev", "--like", "test"], "already"),
        (&["environment", "x", "--like", "tset"], "did you mean `test`?"),
        (&["pipeline", "x", "--before", "nothing"], "there is no `nothing`"),
    ] {
        let (code, said) = new(args);
        assert!(code == 2 && said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn names_are_completed() {
    let (_folder, root) = copied("no rust");
    let complete = |words: &[&str]| {
        let mut all = vec!["-C", arg(&root), "complete", "--"];
        all.extend(words);
        xtask(&all).1
    };
    assert_eq!(complete(&["dep"]), "deploy\n");
    assert_eq!(complete(&["deploy", ""]), "dev\nprod\ntest\n");
    assert_eq!(complete(&["deploy", "--only", "a"]), "app\n");
    assert_eq!(complete(&["resume", "dev", "--skip", ""]), "app/verify\n");
    assert_eq!(complete(&["check", "--explain", "hard"]), "hard-coded-value\n");
    assert_eq!(complete(&["schema", "p"]), "pipeline\n");
    // It offered `app/verify`, which is refused there.
    assert_eq!(complete(&["new", "step", "app", "x", "--before", ""]), "verify\n");
    assert_eq!(complete(&["plan", "dev", "--ske"]), "--skeleton\n");
    assert_eq!(complete(&["plan", "dev", "--"]), "--color\n--format\n--help\n--quiet\n--skeleton\n--verbose\n");
    for shell in ["bash", "zsh", "fish"] {
        assert!(xtask(&["completions", shell]).1.contains("cargo xtask complete"));
    }
}

/// What `#:schema` leads to, from the folder of each file of the starter.
#[test]
fn the_starter_names_schemas_that_are_there() {
    let (_folder, root) = copied("no rust");
    for path in ["orchestration.toml", "environment.toml", "environments/dev.toml", "deployments/app/pipeline.toml"] {
        let path = root.join("pipelines").join(path);
        let content = fs::read_to_string(&path).expect("it is there");
        let schema =
            content.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("it names its schema");
        let schema = fs::read_to_string(path.with_file_name("").join(schema)).expect("the schema is there");
        let _parsed: serde_json::Value = serde_json::from_str(&schema).expect("it is JSON");
    }
}

/// The keys that the engine takes are those that the schemas tell: it names them all when it meets one that it does not know.
#[test]
fn the_schemas_have_the_keys_of_the_engine() {
    let (_folder, root) = copied("no rust");
    let cases = [
        ("orchestration", "/properties", "pipelines/orchestration.toml", "ZZ = 1\n[[environment]]\nname = \"dev\"\n"),
        (
            "orchestration",
            "/properties/environment/items/properties",
            "pipelines/orchestration.toml",
            "[[environment]]\nname = \"dev\"\nZZ = 1\n",
        ),
        (
            "orchestration",
            "/properties/ledger/properties",
            "pipelines/orchestration.toml",
            "[[environment]]\nname = \"dev\"\n[ledger]\nZZ = 1\n",
        ),
        ("environment", "/properties", "pipelines/environment.toml", "ZZ = 1\n[[deploy]]\npipeline = \"app\"\n"),
        (
            "environment",
            "/properties/deploy/items/properties",
            "pipelines/environment.toml",
            "[[deploy]]\npipeline = \"app\"\nZZ = 1\n",
        ),
        (
            "environment",
            "/properties/accept/items/properties",
            "pipelines/environment.toml",
            "[[deploy]]\npipeline = \"app\"\n[[accept]]\ncode = \"x\"\nat = \"y\"\nreason = \"z\"\nZZ = 1\n",
        ),
        (
            "environment",
            "/definitions/parameter/properties",
            "pipelines/environment.toml",
            "[parameters]\ntitle = { type = \"string\", ZZ = 1 }\n[[deploy]]\npipeline = \"app\"\n",
        ),
        (
            "pipeline",
            "/properties",
            "pipelines/deployments/app/pipeline.toml",
            "ZZ = 1\n[[step]]\nname = \"a\"\nrun = \"true\"\n",
        ),
        (
            "pipeline",
            "/definitions/step/properties",
            "pipelines/deployments/app/pipeline.toml",
            "[[step]]\nname = \"a\"\nrun = \"true\"\nZZ = 1\n",
        ),
        (
            "pipeline",
            "/definitions/step/properties/finally/properties",
            "pipelines/deployments/app/pipeline.toml",
            "[[step]]\nname = \"a\"\nrun = \"true\"\nfinally = { run = \"true\", ZZ = 1 }\n",
        ),
        (
            "pipeline",
            "/definitions/step/properties/retries/properties",
            "pipelines/deployments/app/pipeline.toml",
            "[[step]]\nname = \"a\"\nrun = \"true\"\nretries = { attempts = 2, ZZ = 1 }\n",
        ),
    ];
    for (kind, at, path, content) in cases {
        let original = read(&root, path);
        write(&root, path, content);
        let (_, said) = xtask(&["-C", arg(&root), "check"]);
        write(&root, path, &original);
        let schema: serde_json::Value = serde_json::from_str(&xtask(&["schema", kind]).1).expect("it is JSON");
        let mut told: Vec<String> =
            schema.pointer(at).and_then(|keys| keys.as_object()).expect("it is there").keys().cloned().collect();
        told.sort();
        let listed = said.split("the keys are ").nth(1).unwrap_or_else(|| panic!("{kind}{at}: {said}"));
        let mut known: Vec<String> =
            listed.lines().next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect();
        known.sort();
        assert_eq!(told, known, "{kind}{at}");
    }
}

/// A copy, and what `new` says in it.
struct Owned(Folder, std::path::PathBuf);

impl Owned {
    fn new() -> Owned {
        let (folder, root) = copied("no rust");
        Owned(folder, root)
    }

    fn new_thing(&self, args: &[&str]) -> (i32, String) {
        xtask(&[&["-C", arg(&self.1), "new"], args].concat())
    }

    #[track_caller]
    fn refused(&self, args: &[&str], why: &str) {
        let before = super::tree(&self.1);
        let (code, said) = self.new_thing(args);
        assert!(code == 2 && said.contains(why) && said.contains("help: "), "{args:?}: {said}");
        assert_eq!(super::tree(&self.1), before, "{args:?}");
    }
}

const PIPELINE: &str = "pipelines/deployments/app/pipeline.toml";

#[test]
fn a_new_environment_took_the_gate_that_stood_as_a_comment_below_prod() {
    let Owned(_folder, root) = &Owned::new();
    let orchestration = read(root, "pipelines/orchestration.toml");
    let new = ["-C", arg(root), "new", "environment", "qa", "--like", "test", "--set", "title=Q"];
    assert_eq!(xtask(&new).0, 0);
    let (now, entry) =
        (read(root, "pipelines/orchestration.toml"), "\n[[environment]]\nname = \"qa\"\nafter = [\"dev\"]\n");
    assert_eq!(now.replace(entry, ""), orchestration);
    assert!(
        now.contains(&format!(
            "# branch = \"main\"     # only what is on this branch of the ledger's remote\n{entry}\n# Who"
        )),
        "{now}"
    );
    assert!(read(root, "pipelines/environments/qa.toml").contains("# Values of qa, and nothing else"));
    // Comments directly above something else are about that.
    let text = "[[environment]]\nname = \"dev\"\n# Shared.\n[ledger]\nremote = \".\"\n";
    let edited = ciao::template::edit::Document::parse(text).expect("it is TOML").with_table("environment", "[[x]]\n");
    assert_eq!(edited, "[[environment]]\nname = \"dev\"\n\n[[x]]\n# Shared.\n[ledger]\nremote = \".\"\n");
}

#[test]
fn a_new_step_damaged_a_list_of_steps_in_one() {
    let owned = Owned::new();
    write(&owned.1, PIPELINE, "step = [{ name = \"v\", run = [\"true\"], verify = true }]\n");
    owned.refused(&["step", "app", "zz"], "`step` is one list there");
    owned.refused(&["step", "app", "zz", "--before", "v"], "`step` is one list there");
}

#[test]
fn a_new_step_before_another_one_had_other_line_ends() {
    let owned = Owned::new();
    let windows = |path: &str| write(&owned.1, path, read(&owned.1, path).replace('\n', "\r\n"));
    windows(PIPELINE);
    windows("pipelines/environments/test.toml");
    windows("pipelines/environment.toml");
    assert_eq!(owned.new_thing(&["step", "app", "b"]).0, 0);
    assert_eq!(owned.new_thing(&["pipeline", "c", "--before", "app"]).0, 0);
    let environment = read(&owned.1, "pipelines/environment.toml");
    write(
        &owned.1,
        "pipelines/environment.toml",
        environment.replace("[parameters]", "[parameters]\r\nmore = { type = \"string\", default = \"x\" }"),
    );
    assert_eq!(owned.new_thing(&["environment", "qa", "--like", "test", "--set", "title=Q", "--set", "more=y"]).0, 0);
    for path in [PIPELINE, "pipelines/environment.toml", "pipelines/environments/qa.toml"] {
        let text = read(&owned.1, path);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{path}: {text:?}");
    }
}

#[test]
fn what_check_refuses_was_written() {
    let owned = Owned::new();
    let personal = |name, like| ["environment", name, "--like", like, "--personal", "--set", "title=T"];
    assert_eq!(owned.new_thing(&personal("me", "dev")).0, 0);
    owned.refused(&personal("me2", "me"), "there is no environment `me`");
    let declared = read(&owned.1, "pipelines/environment.toml").replace(
        "[parameters]",
        "[parameters]\npw = { type = \"string\", secret = true }\nb = { type = \"boolean\", default = false }\nports = { type = \"port\", list = true, default = [1] }",
    );
    write(&owned.1, "pipelines/environment.toml", &declared);
    let new = |set| ["environment", "n", "--like", "test", "--set", "title=N", "--set", set];
    owned.refused(&new("pw=plainsecret99"), "--set pw: ");
    assert!(!owned.new_thing(&new("pw=plainsecret99")).1.contains("plainsecret99"));
    owned.refused(&new("b=yes"), "--set b: ");
    owned.refused(&new("ports=8443"), "--set ports: ");
    for (args, why) in [
        (&["--script", ""][..], "missing-script"),
        (&["--script", "/etc/passwd"], "missing-script"),
        (&["--", ""], "bad-command"),
        (&["--task", "none"], "none"),
    ] {
        owned.refused(&[&["step", "app", "k"], args].concat(), why);
    }
}

#[test]
fn a_script_elsewhere_is_named_by_its_own_path() {
    let owned = Owned::new();
    let (code, said) = owned.new_thing(&["step", "app", "k", "--script", "../../shared/k.sh"]);
    assert!(said.contains("create  pipelines/shared/k.sh"), "{code} {said}");
}

/// An editor showed none of these, and `check` refuses each.
#[test]
fn the_schemas_took_what_check_refuses() {
    let Owned(_folder, root) = &Owned::new();
    let pattern = "^[a-z0-9][a-z0-9-]{0,62}$";
    let duration = "^([0-9]+ ?[A-Za-zµ]+ ?)+$";
    for (line, at, rule) in [
        ("run = \"x\"\nargs = [\"y\"]", "/definitions/step/dependencies/args", serde_json::json!(["script"])),
        ("run = \"x\"\nwith = { a = 1 }", "/definitions/step/dependencies/with", serde_json::json!(["task"])),
        (
            "run = \"x\"\noutput = \"y\"\nunless = \"z\"",
            "/definitions/step/dependencies/output/not/required",
            serde_json::json!(["unless"]),
        ),
        (
            "run = \"x\"\nfinally = {}",
            "/definitions/step/properties/finally/oneOf/0/required",
            serde_json::json!(["run"]),
        ),
        (
            "run = \"x\"\ntimeout = \"soon\"",
            "/definitions/step/properties/timeout/pattern",
            serde_json::json!(duration),
        ),
        ("run = \"x\"\nname = \"X\"", "/definitions/step/properties/name/pattern", serde_json::json!(pattern)),
    ] {
        let name = if line.contains("name") { "" } else { "name = \"a\"\n" };
        write(root, PIPELINE, format!("[[step]]\n{name}{line}\n"));
        let there = format!("--> {PIPELINE}:");
        let (code, said) = xtask(&["-C", arg(root), "check"]);
        assert!(code == 1 && said.contains(&there), "{line}: {said}");
        write(root, PIPELINE, "[[step]]\nname = \"a\"\nrun = \"x\"\n");
        let (_, said) = xtask(&["-C", arg(root), "check"]);
        assert!(!said.contains(&there), "{said}");
        let schema: serde_json::Value = serde_json::from_str(&xtask(&["schema", "pipeline"]).1).expect("it is JSON");
        assert_eq!(schema.pointer(at), Some(&rule), "{at}");
    }
}

/// `check` told it afterwards, and what was written for values that nobody had given was not shown.
#[test]
fn a_new_environment_got_the_value_of_another_one_and_guesses_that_nobody_saw() {
    let owned = Owned::new();
    let new = |title| ["environment", "qa", "--like", "test", "--set", title];
    owned.refused(&new("title=Development"), "same-value");
    let declared = read(&owned.1, "pipelines/environment.toml").replace(
        "[parameters]\n",
        "[parameters]\npw = { type = \"string\", secret = true }\nhost = { type = \"host\", distinct = true }\n",
    );
    write(&owned.1, "pipelines/environment.toml", &declared);
    for name in ["dev", "test", "prod"] {
        let path = format!("pipelines/environments/{name}.toml");
        let values = read(&owned.1, &path);
        let more = format!("pw = {{ env = \"PW_{name}\" }}\nhost = \"db-{name}.shop.example\"\n");
        write(&owned.1, &path, &(more + &values));
    }
    owned.refused(
        &["environment", "n", "--like", "test", "--set", "title=N", "--set", "pw={ env = \"A B\" }"],
        "names no variable in `env`",
    );
    let (code, said) = owned.new_thing(&new("title=Q"));
    assert!(code == 0 && said.contains("note: host = \"db-qa.shop.example\" is a guess"), "{said}");
    assert!(said.contains("note: pw = { env = \"PW_qa\" } is a guess"), "{said}");
    // `cargo test` alone, as it said, fails.
    assert!(said.ends_with(&format!("accept the order of the steps: {}\n", ciao::template::ACCEPT)), "{said}");
    let (_, said) = owned.new_thing(&["environment", "me", "--like", "test", "--personal", "--set", "title=M"]);
    assert!(said.ends_with("written. Next: `cargo xtask check`\n"), "{said}");
}

#[test]
fn the_comment_above_the_calls_went_below_a_new_one() {
    let owned = Owned::new();
    assert_eq!(owned.new_thing(&["pipeline", "database", "--before", "app"]).0, 0);
    let calls = "new pipeline NAME`.\n\n[[deploy]]\npipeline = \"database\"\n\n[[deploy]]\npipeline = \"app\"\n";
    assert!(read(&owned.1, "pipelines/environment.toml").ends_with(calls));
}

/// An empty line, or a value of the wrong type, ended the command, and all other answers were lost.
#[test]
fn who_answers_wrongly_is_asked_again() {
    let Owned(_folder, root) = &Owned::new();
    let declared = read(root, "pipelines/environment.toml");
    write(root, "pipelines/environment.toml", declared.replace("\"string\", distinct", "\"port\", distinct"));
    for (name, port) in [("dev", 8001), ("test", 8002), ("prod", 8003)] {
        write(root, &format!("pipelines/environments/{name}.toml"), format!("title = {port}\n"));
    }
    let (near, far) = super::terminal::terminal();
    let far = fs::File::options().read(true).write(true).open(far).expect("it is a terminal");
    let args = ["-C", arg(root), "new", "environment", "qa", "--like", "test"];
    let mut new = super::shapes::command(root, env!("CARGO_BIN_EXE_xtask"), &args);
    let mut running = new.stdin(far.try_clone().expect("it is open")).stderr(far).spawn().expect("it can be run");
    rustix::io::write(&near, b"\nmany\n8004\n").expect("it is open");
    assert_eq!(running.wait().expect("it is a child").code(), Some(0));
    assert_eq!(read(root, "pipelines/environments/qa.toml"), "title = 8004\n");
}
