//! The template: a copy in repositories of every shape, what an owner adds to it, and how it is brought up to date.
//!
//! Those that build a copy take minutes and are ignored: `cargo test --test template -- --ignored`.

#[path = "template/shapes.rs"]
mod shapes;

use std::fs;
use std::path::Path;

use shapes::{Folder, SHAPES, command, commit, make, read, run, text, write, xtask};

/// The path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("it is UTF-8")
}

#[track_caller]
fn init(root: &Path) -> String {
    let (code, said) = xtask(&["init", arg(root)]);
    assert_eq!(code, 0, "{said}");
    said
}

#[track_caller]
fn refused(root: &Path, args: &[&str], why: &str) {
    let before = tree(root);
    let (code, said) = xtask(args);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(why) && said.contains("help: "), "{said}");
    assert_eq!(tree(root), before, "something was written");
}

/// Every file below a folder, with its content.
fn tree(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != ".git" {
                open.push(path);
            } else if path.is_file() {
                let content = fs::read(&path).unwrap_or_default();
                files.push((path.to_string_lossy().into_owned(), content));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_shape_gets_a_copy_that_checks_clean() {
    for shape in SHAPES {
        let folder = Folder::new();
        let root = make(shape, &folder.0);
        init(&root);
        let (code, said) = xtask(&["-C", arg(&root), "check"]);
        assert!(code == 0 && said.contains("nothing found"), "{shape}: {said}");
        for environment in ["dev", "test", "prod"] {
            let (code, said) = xtask(&["-C", arg(&root), "plan", environment]);
            assert!(code == 0 && said.contains("verify"), "{shape}: {said}");
        }
        // Everything cargo could read before, it can read now; and the lock file is whole.
        for manifest in run(&root, "git", &["ls-files", "-co", "--exclude-standard", "*Cargo.toml"]).lines() {
            run(
                &root,
                "cargo",
                &["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path", manifest],
            );
        }
        run(&root, "cargo", &["update", "--workspace", "--offline", "--quiet", "--locked"]);
        let (code, said) = xtask(&["init", arg(&root)]);
        assert!(
            code == 2 && said.contains("has a copy already") && said.contains("cargo xtask upgrade"),
            "{shape}: {said}"
        );
        commit(&root);
        assert_eq!(run(&root, "git", &["status", "--porcelain"]), "", "{shape}");
    }
}

#[test]
fn what_belongs_to_the_owner_is_changed_by_insertions_alone() {
    let folder = Folder::new();
    let root = make("virtual workspace", &folder.0);
    init(&root);
    let cargo = read(&root, "Cargo.toml");
    let expected =
        "# All of it.\n[workspace]\nmembers = [\n    \"app\", # the shop\n    \"xtask\",\n]\nresolver = \"2\"\n";
    assert!(cargo.starts_with(expected), "{cargo}");

    let folder = Folder::new();
    let root = make("existing alias", &folder.0);
    init(&root);
    let config = read(&root, ".cargo/config.toml");
    let expected =
        "# Ours.\n[alias]\nxtask = \"run --quiet --package xtask --\"\nb = \"build\" # short\n\n[net]\nretry = 3\n";
    assert_eq!(config, expected);

    let folder = Folder::new();
    let root = make("crlf files", &folder.0);
    init(&root);
    for file in ["Cargo.toml", ".cargo/config.toml", ".gitignore"] {
        let content = read(&root, file);
        assert_eq!(content.matches('\n').count(), content.matches("\r\n").count(), "{file}: {content:?}");
    }

    let folder = Folder::new();
    let root = make("nested workspace", &folder.0);
    init(&root);
    assert!(read(&root, "Cargo.toml").contains("exclude = [\"tools/gen\"]"), "{}", read(&root, "Cargo.toml"));
}

#[test]
fn a_copy_has_nothing_of_the_engines_own_tests() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
    let manifest = read(&root, "xtask/Cargo.toml");
    assert_eq!(manifest.matches("[[test]]").count(), 1, "{manifest}");
    assert!(!manifest.contains("proptest") && manifest.contains("[lib]\ntest = false\n"), "{manifest}");
    assert!(!read(&root, "Cargo.lock").contains("proptest"));
}

#[test]
fn bad_places_are_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let here = &folder.0;
    refused(here, &["init", arg(&here.join("nowhere"))], "there is no folder");
    refused(here, &["init", arg(here)], "is not a git repository");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a folder");
    refused(here, &["init", arg(repository)], "is this repository itself");
    refused(here, &["init", arg(&repository.join("tests"))], "is inside this repository");

    let root = make("virtual workspace", here);
    refused(&root, &["init", arg(&root.join("app"))], "is a folder inside the repository");
    write(&root, "Cargo.toml", "[workspace\n");
    refused(&root, &["init", arg(&root)], "Cargo.toml is broken: line 1");
    write(&root, "Cargo.toml", "[dependencies]\n");
    refused(&root, &["init", arg(&root)], "neither [package] nor [workspace]");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\", \"xtask\"]\n");
    write(&root, "xtask/Cargo.toml", "[package]\nname = \"xtask\"\nversion = \"0.1.0\"\n");
    refused(&root, &["init", arg(&root)], "an xtask of its own in xtask/");
    refused(&root, &["upgrade", arg(&root)], "has no copy of this engine");
    fs::remove_dir_all(root.join("xtask")).expect("it is there");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\"]\nexclude = [\"xtask\"]\n");
    refused(&root, &["init", arg(&root)], "excludes `xtask`");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"app\"]\n");
    write(&root, ".cargo/config.toml", "[alias]\nxtask = \"run --package tools --\"\n");
    refused(&root, &["init", arg(&root)], "`cargo xtask` is an alias for");
}

#[test]
fn what_cargo_would_not_accept_is_taken_back() {
    let folder = Folder::new();
    let root = make("virtual workspace", &folder.0);
    // A workspace that could be read before and cannot be with another member: its glob takes in a folder without a package.
    write(
        &root,
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\"]\ndefault-members = [\"app\"]\n[workspace.package]\nversion = \"1\"\n",
    );
    write(
        &root,
        "app/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nciao = { path = \"../xtask\", package = \"xtask\", optional = true }\n",
    );
    let before = tree(&root);
    let (code, said) = xtask(&["init", arg(&root)]);
    if code != 0 {
        assert!(said.contains("help: "), "{said}");
        assert_eq!(tree(&root), before);
    }
}

#[test]
fn a_dirty_repository_is_warned_of_and_a_remote_is_no_finding() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    run(&root, "git", &["remote", "add", "origin", "https://git.example/shop.git"]);
    write(&root, "notes.txt", "not committed");
    let said = init(&root);
    assert!(said.contains("1 files: it has changes that are not committed"), "{said}");
    let (code, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(code == 0 && said.contains("nothing found"), "{said}");
}

#[test]
fn a_copy_of_a_copy_is_the_same() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
    let listed = read(&root, "xtask/engine/COPIED.toml");
    for path in
        ["xtask/Cargo.toml", "xtask/engine/lib.rs", "xtask/engine/template/starter/pipelines/orchestration.toml"]
    {
        assert!(listed.contains(&format!("\"{path}\" = ")), "{listed}");
        assert!(root.join(path).is_file());
    }
}

/// The vendor's delivery of the story: two scripts and a readme.
fn delivery(inside: &Path) -> std::path::PathBuf {
    let scripts = inside.join("Vendor Scripts");
    write(&scripts, "README.md", "Run `load-data.sh`, then run create-schema.sh.\n");
    let script = "#!/bin/sh\nset -eu\nexport DB_HOST=db.prod.shop.example\nDB_PASSWORD='hunter2hunter2'\npsql -h \"$DB_HOST\" -p 5432 -f data.sql\n";
    write(&scripts, "load-data.sh", script);
    write(&scripts, "create-schema.sh", "#!/bin/sh\ncurl https://api.shop.example/v1/schema\n");
    write(&scripts, "data.sql", "select 1;\n");
    scripts
}

#[test]
fn a_folder_of_scripts_is_adopted_in_the_order_that_is_stated() {
    let folder = Folder::new();
    let scripts = delivery(&folder.0);
    let root = make("no rust", &folder.0);
    refused(&root, &["init", arg(&root), "--from", arg(&scripts)], "the order of the scripts is yours to state");
    let (_, said) = xtask(&["init", arg(&root), "--from", arg(&scripts)]);
    assert!(
        said.contains("README.md names them in this order, which nothing has proved: load-data.sh, create-schema.sh"),
        "{said}"
    );
    refused(&root, &["init", arg(&root), "--from", arg(&scripts), "--order", "load.sh"], "is not one of the scripts");

    let (code, said) =
        xtask(&["init", arg(&root), "--from", arg(&scripts), "--order", "create-schema.sh,load-data.sh"]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let pipeline = read(&root, "pipelines/deployments/vendor-scripts/pipeline.toml");
    let (first, second) =
        (pipeline.find("create-schema.sh").expect("a step"), pipeline.find("load-data.sh").expect("a step"));
    assert!(first < second && !pipeline.contains("hunter2"), "{pipeline}");
    let environment = read(&root, "pipelines/environment.toml");
    for declared in [
        "db_host = { type = \"host\"",
        "db_password = { type = \"string\", secret = true",
        "port = { type = \"port\"",
        "url = { type = \"url\"",
    ] {
        assert!(environment.contains(declared), "{environment}");
    }
    let (code, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(code == 1 && said.contains("missing-value") && said.contains("vendor_scripts.db_host"), "{said}");
    let (_, plan) = xtask(&["-C", arg(&root), "plan", "dev", "--skeleton"]);
    assert!(plan.find("create-schema") < plan.find("load-data"), "{plan}");
}

#[test]
fn the_order_of_a_readme_is_marked_as_unproved() {
    let folder = Folder::new();
    let scripts = delivery(&folder.0);
    let root = make("no rust", &folder.0);
    let (code, said) = xtask(&["init", arg(&root), "--from", arg(&scripts), "--order", "readme"]);
    assert_eq!(code, 0, "{said}");
    let pipeline = read(&root, "pipelines/deployments/vendor-scripts/pipeline.toml");
    assert!(pipeline.contains("The order is as README.md names them. Nothing proves it yet"), "{pipeline}");
}

#[test]
fn new_things_are_written_where_they_belong() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
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

    assert_eq!(new(&["step", "app", "install"]).0, 0);
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
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
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
    for shell in ["bash", "zsh", "fish"] {
        assert!(xtask(&["completions", shell]).1.contains("cargo xtask complete"));
    }
}

/// The repository of somebody whose copy was made from an older version: `old` stood in the engine where `new` stands now.
fn older_copy(inside: &Path, file: &str, new: &str, old: &str) -> std::path::PathBuf {
    let root = make("no rust", inside);
    init(&root);
    let now = read(&root, file);
    assert!(now.contains(new), "{file} has no {new}");
    write(&root, file, &now.replacen(new, old, 1));
    let record = read(&root, "xtask/engine/COPIED.toml");
    let hash = |text: &str| ciao::template::origin::fingerprint(text.as_bytes());
    write(&root, "xtask/engine/COPIED.toml", &record.replace(&hash(&now), &hash(&read(&root, file))));
    commit(&root);
    root
}

#[test]
fn an_upgrade_replaces_the_engine_and_leaves_the_owners_files() {
    let folder = Folder::new();
    let file = "xtask/engine/template/edit.rs";
    let root = older_copy(&folder.0, file, "//! Pure: text in, text out.", "//! As it was.");
    write(&root, "xtask/src/tasks.rs", "// mine\n");
    let manifest = read(&root, "xtask/Cargo.toml");
    write(
        &root,
        "xtask/Cargo.toml",
        &manifest.replace("[dev-dependencies]", "# Mine.\nshop = { path = \"..\" }\n\n[dev-dependencies]"),
    );
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert_eq!(code, 0, "{said}");
    assert!(read(&root, file).contains("//! Pure: text in, text out."));
    assert_eq!(read(&root, "xtask/src/tasks.rs"), "// mine\n");
    assert!(read(&root, "xtask/Cargo.toml").contains("# Mine."));
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("is up to date"), "{said}");
}

#[test]
fn edits_of_the_engine_are_merged_or_shown() {
    let folder = Folder::new();
    let file = "xtask/engine/template/edit.rs";
    let root = older_copy(&folder.0, file, "//! Pure: text in, text out.", "//! As it was.");
    let theirs = read(&root, file);
    write(&root, file, &format!("{theirs}\n// An edit of ours.\n"));
    commit(&root);
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("edit.rs was edited there: merged"), "{said}");
    let merged = read(&root, file);
    assert!(merged.contains("// An edit of ours.") && merged.contains("//! Pure: text in, text out."), "{merged}");

    let folder = Folder::new();
    let root = older_copy(&folder.0, file, "//! Pure: text in, text out.", "//! As it was.");
    write(&root, file, &read(&root, file).replace("//! As it was.", "//! As we like it."));
    refused(&root, &["upgrade", arg(&root), "--unchecked"], "cannot be merged in xtask/engine/template/edit.rs");
    let (_, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(said.contains("As we like it.") && said.contains("Pure: text in"), "{said}");
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked", "--discard-edits"]);
    assert_eq!(code, 0, "{said}");
    assert!(read(&root, file).contains("//! Pure: text in, text out."));
}

/// Two copies that share the folder for what cargo builds have one program file.
#[test]
fn an_xtask_that_was_built_for_another_repository_notices() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
    let output = command(&root, env!("CARGO_BIN_EXE_xtask"), &["plan", "dev"]).output().expect("it can be run");
    let said = text(&output);
    assert!(output.status.code() == Some(2) && said.contains("this program was built in"), "{said}");
    assert!(said.contains("CARGO_TARGET_DIR"), "{said}");
}

/// Every shape, all the way. The copies share the folder for what cargo builds, one after the other.
#[test]
#[ignore = "builds a copy for every shape: minutes"]
fn every_shape_tests_deploys_and_upgrades() {
    let shared = std::env::temp_dir().join("ciao-template-shared");
    let only = std::env::var("SHAPE").ok();
    for shape in SHAPES.into_iter().filter(|shape| only.as_deref().is_none_or(|only| only == *shape)) {
        let folder = Folder::new();
        let root = make(shape, &folder.0);
        init(&root);
        commit(&root);
        let cargo = |args: &[&str]| {
            let output =
                command(&root, "cargo", args).env("CARGO_TARGET_DIR", &shared).output().expect("cargo can be run");
            (output.status.code().unwrap_or(-1), text(&output))
        };
        run(&root, "git", &["config", "user.name", "Anna"]);
        run(&root, "git", &["config", "user.email", "anna@example.org"]);
        let (code, said) = cargo(&["test", "--offline"]);
        assert!(code == 0 && said.contains("test step_order ... ok"), "{shape}: {said}");
        let (code, said) = cargo(&["xtask", "deploy", "dev"]);
        assert_eq!(code, 0, "{shape}: {said}");
        assert_eq!(run(&root, "git", &["status", "--porcelain"]), "", "{shape}");

        // The order of the steps is held: another one fails until it is accepted.
        let pipeline = read(&root, "pipelines/deployments/app/pipeline.toml");
        write(
            &root,
            "pipelines/deployments/app/pipeline.toml",
            &format!("{pipeline}\n[[step]]\nname = \"more\"\nrun = \"true\"\n"),
        );
        let (code, said) = cargo(&["test", "--offline"]);
        assert!(code != 0 && said.contains("more"), "{shape}: {said}");
        write(&root, "pipelines/deployments/app/pipeline.toml", &pipeline);
        let (code, said) = xtask(&["upgrade", arg(&root)]);
        assert!(code == 0 && said.contains("is up to date"), "{shape}: {said}");
    }
}

/// What `#:schema` leads to, from the folder of each file of the starter.
#[test]
fn the_starter_names_schemas_that_are_there() {
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
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
    let folder = Folder::new();
    let root = make("no rust", &folder.0);
    init(&root);
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
