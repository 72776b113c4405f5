//! What an owner of a copy adds to it: environments, pipelines, steps; and what their editor and shell are told.

use std::fs;

use super::shapes::{commit, read, run, write, xtask};
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
