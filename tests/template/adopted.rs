//! A folder of scripts that somebody delivered becomes a pipeline.

use std::path::Path;

use super::shapes::{Folder, make, read, write, xtask};
use super::{arg, refused};

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
