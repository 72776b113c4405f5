//! A folder of scripts that somebody delivered becomes a pipeline.

use std::path::Path;

use super::shapes::{Folder, make, read, run, write, xtask};
use super::{arg, refused, tree};

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

/// A delivery as vendors make it, in `acme/`; its readme gives the order wrong.
fn acme(inside: &Path) -> std::path::PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/template/acme");
    let scripts = inside.join("Acme Shop 4.2");
    run(inside, "cp", &["-R", super::arg(&from), super::arg(&scripts)]);
    scripts
}

const SECRETS: [&str; 2] = ["Geheim123", "s3cr3tpw"];

#[test]
fn a_vendors_delivery_becomes_a_pipeline_that_says_what_is_unproved_and_missing() {
    let folder = Folder::new();
    let scripts = acme(&folder.0);
    let root = make("no rust", &folder.0);
    let init = ["init", arg(&root), "--from", arg(&scripts), "--order"];
    let (code, said) = xtask(&init[..4]);
    assert_eq!(code, 2);
    let proposed = "README.txt names them in this order, which nothing has proved: \
                    db/load-data.sh, db/create-schema.sh, install.sh, rollback.sh\n        to state that one: --order readme";
    assert!(said.contains(proposed), "{said}");
    let (code, said) = xtask(&[&init[..], &["db/create-schema.sh,db/load-data.sh,install.sh"]].concat());
    assert_eq!(code, 0, "{said}");
    let notes: String =
        said.lines().filter(|line| line.starts_with("note: ")).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!("notes of a vendor's delivery", notes);
    insta::assert_snapshot!(
        "pipeline of a vendor's delivery",
        read(&root, "pipelines/deployments/acme-shop-4-2/pipeline.toml")
    );
    insta::assert_snapshot!("environment of a vendor's delivery", read(&root, "pipelines/environment.toml"));
    insta::assert_snapshot!("values of a vendor's delivery", read(&root, "pipelines/environments/dev.toml"));
    for (path, content) in
        tree(&root).iter().filter(|(path, _)| !path.contains("/deployments/") || path.ends_with(".toml"))
    {
        let content = String::from_utf8_lossy(content);
        assert!(SECRETS.iter().all(|secret| !content.contains(secret)), "a secret is in {path}");
    }
    assert!(SECRETS.iter().all(|secret| !said.contains(secret)), "{said}");
    // As they were delivered, and runnable.
    let there = root.join("pipelines/deployments/acme-shop-4-2");
    assert_eq!(read(&there, "install.sh"), read(&scripts, "install.sh"));
    run(&there, "test", &["-x", "db/load-data.sh"]);

    let (code, said) = xtask(&["-C", arg(&root), "check"]);
    assert_eq!(code, 1);
    for missing in
        ["`dev` gives no value for ", "`acme_shop_4_2.pghost`", "no step reaches `rollback.sh`", "no-verification"]
    {
        assert!(said.contains(missing), "{missing}: {said}");
    }
    // The values that are proposed as comments are of the right types.
    for environment in ["dev", "test", "prod"] {
        let path = format!("pipelines/environments/{environment}.toml");
        let values = read(&root, &path).replace("# [acme", "[acme").replace("# Still", "## Still");
        let line = |line: &str| match line.strip_prefix("# ").filter(|rest| rest.contains(" = ")) {
            Some(value) => format!("{}\n", value.replace("\"…\"", "\"SHOP_SECRET\"")),
            None => format!("{line}\n"),
        };
        write(&root, &path, &values.lines().map(line).collect::<String>());
    }
    let (_, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(!said.contains("missing-value") && !said.contains("wrong-type") && !said.contains("bad-value"), "{said}");
}

#[test]
fn scripts_of_one_name_are_told_apart_by_their_folders() {
    let folder = Folder::new();
    let scripts = folder.0.join("delivery");
    for path in ["b/run.sh", "a/run.sh"] {
        write(&scripts, path, "#!/bin/sh\n");
    }
    write(&scripts, "INSTALL", "First b/run.sh, then a/run.sh.\n");
    let root = make("no rust", &folder.0);
    let (_, said) = xtask(&["init", arg(&root), "--from", arg(&scripts)]);
    assert!(said.contains("nothing has proved: b/run.sh, a/run.sh\n"), "{said}");
    let (code, said) = xtask(&["init", arg(&root), "--from", arg(&scripts), "--order", "readme"]);
    assert_eq!(code, 0, "{said}");
    let (_, plan) = xtask(&["-C", arg(&root), "plan", "dev"]);
    assert!(plan.find("b-run").expect("a step") < plan.find("a-run").expect("a step"), "{plan}");
}
