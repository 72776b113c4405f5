//! A folder of scripts that somebody delivered becomes a pipeline.

use std::path::Path;

use super::shapes::{Folder, make, new_folder, read, run, write, xtask};
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
    let folder = new_folder();
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
    let folder = new_folder();
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
    let folder = new_folder();
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
        write(&root, &path, values.lines().map(line).collect::<String>());
    }
    let (_, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(!said.contains("missing-value") && !said.contains("wrong-type") && !said.contains("bad-value"), "{said}");
}

#[test]
fn scripts_of_one_name_are_told_apart_by_their_folders() {
    let folder = new_folder();
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

/// Adopts a delivery of these files, one script first; gives what was printed and the root of the repository.
#[track_caller]
fn adopt(folder: &Folder, files: &[(&str, &str)], order: &[&str]) -> (String, std::path::PathBuf) {
    let scripts = folder.0.join("d");
    for (path, content) in files {
        write(&scripts, path, content);
    }
    let root = make("no rust", &folder.0);
    let (code, said) = xtask(&[&["init", arg(&root), "--from", arg(&scripts)], order].concat());
    assert_eq!(code, 0, "{said}");
    (said, root)
}

#[test]
fn tokens_in_addresses_and_headers_were_printed_and_written() {
    let folder = new_folder();
    let script = "#!/bin/sh\ncurl \"https://api.acme.example/load?token=abcdefgh12345678\"\n\
                  curl -H \"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.abc.def\" https://anna:pa55wort@api.acme.example/x\n\
                  # mysql -pOldS3cret\n";
    let settings = "url=jdbc:postgresql://db9.acme.example:5432/shop?password=Xy12345678\n";
    let (said, root) = adopt(&folder, &[("deploy.sh", script), ("x.properties", settings)], &[]);
    let secrets = ["abcdefgh12345678", "eyJhbGci", "Xy12345678", "pa55wort", "OldS3cret"];
    for (path, content) in tree(&root).iter().filter(|(path, _)| !path.contains("/engine/")) {
        let delivered = path.ends_with("/d/deploy.sh") || path.ends_with("/d/x.properties");
        let content = String::from_utf8_lossy(content).to_lowercase();
        let written = secrets.iter().any(|secret| content.contains(&secret.to_lowercase()));
        assert!(delivered || !written, "a secret is in {path}");
    }
    assert!(secrets.iter().all(|secret| !said.to_lowercase().contains(&secret.to_lowercase())), "{said}");
    let told = "note: secrets stand in deploy.sh lines 2, 3, 4; x.properties line 1: take them out before you commit";
    assert!(said.contains(told), "{said}");
    let values = read(&root, "pipelines/environments/dev.toml");
    assert!(values.contains("api_url = \"https://api.acme.example/load\""), "{values}");
    assert!(said.contains("jdbc:postgresql://db9.acme.example:5432/shop looks environmental"), "{said}");
}

#[test]
fn passwords_folders_and_names_of_environments_were_missed_and_links_dropped() {
    let folder = new_folder();
    let script = "#!/bin/sh\nexport DB_PASS=\"hunter3hunter3\"\nsshpass -p Welcome123x ssh host\n\
                  cp app.war /opt/acme/test/conf\n[ \"$STAGE\" = prod ] && echo x\n";
    std::fs::create_dir_all(folder.0.join("d")).expect("it can be made");
    run(&folder.0.join("d"), "ln", &["-s", "go.sh", "also.sh"]);
    run(&folder.0.join("d"), "mkfifo", &["pipe"]);
    let (said, root) = adopt(&folder, &[("go.sh", script)], &[]);
    assert!(said.contains("left out: also.sh, pipe; what is no file, as links are, is not copied"), "{said}");
    assert!(said.contains("secrets stand in go.sh lines 2, 3:"), "{said}");
    let declared = read(&root, "pipelines/environment.toml");
    for parameter in [
        "db_pass = { type = \"string\", secret = true",
        "folder = { type = \"path\"",
        "environment = { type = \"string\", help = \"prod in",
    ] {
        assert!(declared.contains(parameter), "{parameter}: {declared}");
    }
}

#[test]
fn names_that_check_refuses_were_proposed() {
    let folder = new_folder();
    let scripts = [
        ("日本.sh", ""),
        ("!!.sh", ""),
        ("a-2.sh", ""),
        ("a.sh", ""),
        ("A.sh", ""),
        ("go.sh", "#!/bin/sh\nENV=test\n"),
    ];
    let order = ["--order", "a-2.sh,a.sh,A.sh,日本.sh,!!.sh,go.sh"];
    let (_, root) =
        adopt(&folder, &scripts.map(|(path, text)| (path, if text.is_empty() { "#!/bin/sh\n" } else { text })), &order);
    let pipeline = read(&root, "pipelines/deployments/d/pipeline.toml");
    let names: Vec<&str> = pipeline.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert_eq!(names, ["\"a-2\"", "\"a\"", "\"a-3\"", "\"script\"", "\"script-2\"", "\"go\""]);
    assert!(pipeline.contains("env.VALUE_OF_ENV = \"${d.env}\""), "{pipeline}");
    let (_, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(!said.contains("bad-name") && !said.contains("unused-parameter"), "{said}");
}

#[test]
fn the_name_of_a_delivery_was_one_that_is_built_in() {
    let folder = new_folder();
    let scripts = folder.0.join("release");
    write(&scripts, "go.sh", "#!/bin/sh\nDB_HOST=db.acme.example\n");
    let root = make("no rust", &folder.0);
    let (code, said) = xtask(&["init", arg(&root), "--from", arg(&scripts)]);
    assert_eq!(code, 0, "{said}");
    let (_, said) = xtask(&["-C", arg(&root), "check"]);
    assert!(said.contains("`adopted_release.db_host`") && !said.contains("bad-name"), "{said}");
}

#[test]
fn a_binary_was_searched_for_literals() {
    let folder = new_folder();
    let (said, _) =
        adopt(&folder, &[("go.sh", "#!/bin/sh\n"), ("tool", "\u{7f}ELF\0https://team.example.org/x\n")], &[]);
    assert!(!said.contains("team.example.org"), "{said}");
}

#[test]
fn a_delivery_with_a_pipeline_toml_or_with_names_that_are_no_text_is_refused_in_words() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    let scripts = folder.0.join("d");
    write(&scripts, "go.sh", "#!/bin/sh\n");
    let init = ["init", arg(&root), "--from", arg(&scripts)];
    write(&scripts, "pipeline.toml", "");
    refused(&root, &init, "there is a file pipeline.toml in");
    std::fs::remove_file(scripts.join("pipeline.toml")).expect("it is there");
    let coloured = scripts.join("e\u{1b}[31mred.sh");
    std::fs::write(&coloured, "#!/bin/sh\n").expect("it can be written");
    let (code, said) = xtask(&init);
    assert!(code == 2 && said.contains("holds the name") && !said.contains('\u{1b}'), "{said:?}");
    std::fs::remove_file(&coloured).expect("it is there");
    run(&scripts, "sh", &["-c", "touch \"$(printf 'b\\377d.sh')\""]);
    refused(&root, &init, "rename it: names are text");
}

#[test]
fn the_order_that_is_proposed_can_be_pasted() {
    let folder = new_folder();
    let scripts = folder.0.join("d");
    for path in ["-x.sh", "my script's.sh", "one,two.sh"] {
        write(&scripts, path, "#!/bin/sh\n");
    }
    let root = make("no rust", &folder.0);
    let (_, said) = xtask(&["init", arg(&root), "--from", arg(&scripts)]);
    let proposed = said.split("must run: ").nth(1).expect("an order is proposed").trim().to_owned();
    let command = format!(
        "'{}' init '{}' --from '{}' {proposed}",
        env!("CARGO_BIN_EXE_xtask"),
        root.display(),
        scripts.display()
    );
    let output =
        super::command(Path::new(env!("CARGO_MANIFEST_DIR")), "sh", &["-c", &command]).output().expect("there is sh");
    assert!(output.status.success(), "{command}: {}", super::text(&output));
    assert!(read(&root, "pipelines/deployments/d/pipeline.toml").contains("script = \"one,two.sh\""));
}

#[test]
fn a_numbered_readme_was_read_against_its_numbers() {
    let folder = new_folder();
    let files =
        [("README.md", "| 2 | one.sh |\n| 1 | two.sh |\n"), ("one.sh", "#!/bin/sh\n"), ("two.sh", "#!/bin/sh\n")];
    let (_, root) = adopt(&folder, &files, &["--order", "readme"]);
    let pipeline = read(&root, "pipelines/deployments/d/pipeline.toml");
    assert!(pipeline.find("two.sh") < pipeline.find("one.sh"), "{pipeline}");
}

/// A library that the steps read is where the hosts stand.
#[test]
fn what_stands_in_a_script_that_is_no_step_was_not_told() {
    let folder = new_folder();
    let files = [
        ("deploy.sh", "#!/bin/sh\n. ./lib/common.sh\n"),
        ("lib/common.sh", "#!/bin/sh\nDB_HOST=db7.acme.example\nDB_PASSWORD=hunter2hunter2\n"),
    ];
    let (said, _) = adopt(&folder, &files, &["--order", "deploy.sh"]);
    let told = "note: lib/common.sh line 2: db7.acme.example looks environmental: let it read a variable of the step";
    assert!(said.contains(told) && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_readme_that_names_deploy_sh_named_deploy_too() {
    let folder = new_folder();
    let files = [
        ("README", "Run `pre-deploy.sh`, then `deploy.sh`. See deploy/notes.\n"),
        ("deploy", "#!/bin/sh\n"),
        ("deploy.sh", "#!/bin/sh\n"),
        ("pre-deploy.sh", "#!/bin/sh\n"),
    ];
    let (said, root) = adopt(&folder, &files, &["--order", "readme"]);
    let pipeline = read(&root, "pipelines/deployments/d/pipeline.toml");
    let scripts: Vec<&str> = pipeline.lines().filter_map(|line| line.strip_prefix("script = ")).collect();
    assert_eq!(scripts, ["\"pre-deploy.sh\"", "\"deploy.sh\""], "{said}");
}

#[test]
fn defaults_folders_behind_hosts_and_ports_of_options_were_not_seen() {
    let folder = new_folder();
    let script = "#!/bin/sh\nSERVER=${SERVER:-app01.acme.example}\nrsync -a . root@h:/opt/prod/app/\n\
                  java -jar app.jar --server.port=8081\n";
    let settings = "spring.datasource.password: x\nspring.datasource.username: shop\n";
    let (said, root) = adopt(&folder, &[("go.sh", script), ("app.yaml", settings)], &[]);
    let pipeline = read(&root, "pipelines/deployments/d/pipeline.toml");
    for line in ["line 2 has app01.acme.example: let it read $SERVER", "line 3 has /opt/prod/app/", "line 4 has 8081"] {
        assert!(pipeline.contains(line), "{pipeline}");
    }
    assert!(!said.contains("spring.datasource"), "{said}");
}
