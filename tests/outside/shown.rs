//! What is said: to programs all of it, to a terminal nothing that acts on it, of a secret nothing.

use super::*;

const PIPELINE: &str = "pipelines/deployments/web/pipeline.toml";

#[test]
fn programs_were_not_told_the_path_of_a_cycle_nor_the_order() {
    let repo = Repo::bare(TWO);
    repo.write(
        PIPELINE,
        "step = [{ name = \"p\", run = \"x\", needs = [\"q\"] }, { name = \"q\", run = \"x\", needs = [\"p\"] }]",
    );
    let path = "each needs the next: p → q → p";
    let json: serde_json::Value = serde_json::from_str(&run(&repo, &["check", "--format", "json"]).0).unwrap();
    let mut findings = json["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["code"] == "cycle").unwrap();
    assert_eq!(found["message"], format!("the steps need each other in a circle\n{path}"));
    let said = repo.xtask(&["check"]).env("GITHUB_ACTIONS", "true").transcript();
    assert!(said.contains(&format!("title=cycle::the steps need each other in a circle%0A{path}%0Ahelp: ")), "{said}");
    repo.write(
        PIPELINE,
        "step = [{ name = \"p\", run = \"x\", requires = [\"z\"] }, { name = \"q\", run = \"x\", provides = [\"z\"] }]",
    );
    let json = run(&repo, &["check", "--format", "json"]).0;
    assert!(json.contains("permitted order"), "{json}");
}

#[test]
fn a_file_name_with_an_escape_acted_on_the_terminal() {
    let repo = Repo::bare(TWO);
    repo.write("pipelines/deployments/web/a\x1b[31mRED.sql", "x");
    repo.write("pipelines/deployments/b\x1b[31mad/pipeline.toml", "[[step]]\nname = \"\x1b[31m\"\nrun = \"x\"\n");
    repo.write("pipelines/environments/e\x1b[31m.toml", "a = 1\n");
    let odd = "step = [{ name = \"a\\u001b[1m\", run = [\"x\\u001b[1m\"], provides = [\"\\u009b1m\"], when = \"\\u001b[1m\", \
               env = { \"A\\u001b[1m\" = \"\\u001b[1m\" } }, { name = \"b\\u001b[1m\", for_each = [\"\\u001b[1m\"], task = \"\\u001b[1m\" }]";
    repo.write(PIPELINE, odd);
    for arguments in [&["check"][..], &["plan", "dev"], &["plan", "dev", "--skeleton"], &["diff", "dev", "prod"]] {
        let raw = repo.xtask(arguments).env("GITHUB_ACTIONS", "true").transcript();
        let found = raw.chars().find(|char| char.is_control() && *char != '\n');
        assert_eq!(found, None, "{arguments:?}: {raw:?}");
    }
}

#[test]
fn a_reason_with_an_escape_acted_on_the_terminal_of_others() {
    let repo = Repo::bare(TWO).committed();
    let reason = ["--force", "--reason", "now\x1b[2Jgone\u{9b}1m"];
    assert_eq!(run(&repo, &[&["deploy", "prod"], &reason[..]].concat()).2, 0);
    for arguments in [&["history", "prod"][..], &["show", "prod"], &["status"], &["doctor"]] {
        let raw = repo.xtask(arguments).transcript();
        assert_eq!(raw.chars().find(|char| char.is_control() && *char != '\n'), None, "{arguments:?}: {raw:?}");
    }
    assert!(run(&repo, &["show", "prod"]).0.contains("now\u{fffd}[2Jgone"));
    let from = Repo::bare("");
    from.write("a\x1b[31m.sh", "#!/bin/sh\n");
    let raw = repo.xtask(&["init", "into", "--from", from.root.to_str().unwrap()]).transcript();
    assert_eq!(raw.chars().find(|char| char.is_control() && *char != '\n'), None, "{raw:?}");
}

#[test]
fn a_secret_in_plain_text_was_printed_into_the_log() {
    let repo = Repo::bare(TWO);
    repo.write("pipelines/environment.toml", "parameters.a = { type = \"integer\" }\nparameters.pw = { type = \"string\", secret = true }\n[[deploy]]\npipeline = \"web\"\n");
    repo.write("pipelines/environments/dev.toml", "pw = \"hunter2hunter2\"\na = 1\n");
    // On one line with something else that is wrong, and over several.
    repo.write("pipelines/environments/prod.toml", "pw = '''hunter2\nhunter2'''\na = \"x\"\n");
    for arguments in [&["check"][..], &["check", "--format", "json"], &["plan", "dev"], &["check", "--color", "always"]]
    {
        let said = repo.xtask(arguments).env("GITHUB_ACTIONS", "true").transcript();
        assert!(said.contains("plain-secret") && !said.contains("hunter2"), "{said}");
    }
    let said = run(&repo, &["check"]).0;
    assert!(said.contains("\n1 | pw = ***\n  |      ^^^\n"), "{said}");
    repo.write("pipelines/environment.toml", "parameters.g.a = { type = \"integer\" }\nparameters.g.pw = { type = \"string\", secret = true }\n[[deploy]]\npipeline = \"web\"\n");
    repo.write("pipelines/environments/dev.toml", "g = { pw = \"hunter2hunter2\", a = \"x\" }\n");
    let said = run(&repo, &["check"]).0;
    assert!(said.contains("\n1 | g = { pw = ***, a = \"x\" }\n  |                     ^^^\n"), "{said}");
}

#[test]
fn no_pipelines_were_missing_files_of_a_root_that_nobody_named() {
    let repo = Repo::bare("");
    let (said, _, code) = run(&repo, &["check"]);
    assert!(
        code == 1 && said.contains("there is no `pipelines/` in ROOT") && said.contains("\n --> pipelines\n = help: "),
        "{said}"
    );
    assert!(said.contains("-C DIR") && said.contains("cargo xtask init"), "{said}");
    let colour = run(&repo, &["check", "--color", "always"]).0;
    assert!(colour.lines().nth(1).unwrap().starts_with(' '), "{colour:?}");
    let (_, said, code) = run(&repo, &["plan", "dev"]);
    assert!(
        code == 2 && said.contains("there is no `pipelines/` in ROOT") && !said.contains("there is no environment"),
        "{said}"
    );
    repo.git(&["init", "--quiet", "--bare"]);
    assert!(run(&repo, &["check"]).0.contains("ROOT is a bare git repository: it has no files"));
}

#[test]
fn a_line_above_a_step_changed_the_digest() {
    let repo = Repo::bare(TWO).committed();
    let plan = || {
        let json = run(&repo, &["plan", "dev", "--format", "json"]).0;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        (json["digest"].clone(), json["steps"][0]["line"].clone())
    };
    let (digest, line) = plan();
    let text = std::fs::read_to_string(repo.path(PIPELINE)).unwrap();
    repo.write(PIPELINE, format!("# more\n{text}"));
    assert_eq!(plan(), (digest.clone(), (line.as_i64().unwrap() + 1).into()));
    repo.write(PIPELINE, text.replace("verify = true", "verify = false"));
    assert_ne!(plan().0, digest);
}

#[test]
fn doctor_found_all_well_without_a_commit() {
    let repo = Repo::bare(TWO);
    repo.git(&["init", "--quiet"]);
    let (said, _, code) = run(&repo, &["doctor"]);
    assert!(code != 0 && said.contains("FAIL  commit") && said.contains("nothing is committed yet"), "{code} {said}");
    repo.commit();
    let (said, _, code) = run(&repo, &["doctor"]);
    assert!(code == 0 && said.contains("commit     release "), "{said}");
}

#[test]
fn a_pasted_line_gave_its_program_a_line_end_more() {
    let repo = Repo::bare(TWO).committed();
    let step = |name: &str, rest: &str| {
        format!("[[step]]\nname = \"{name}\"\nrun = [\"sh\", \"-c\", \"cat $F > $OUT/{name}\"]\n{rest}\n")
    };
    std::fs::remove_file(repo.path("pipelines/deployments/web/install.sh")).unwrap();
    let out = repo.path(".git").to_str().unwrap().to_owned();
    let env = |file: &str| format!("env = {{ OUT = \"{out}\", F = {file} }}");
    repo.write(
        PIPELINE,
        step("input", &format!("stdin = \"abc\"\n{}", env("\"-\"")))
            + &step("file", &env("{ file = \"-n\" }"))
            + "verify = true\n",
    );
    repo.commit();
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert_eq!(code, 0, "{said}");
    let (plan, _, _) = run(&repo, &["plan", "dev"]);
    for (name, content) in [("input", "abc"), ("file", "-n")] {
        assert_eq!(std::fs::read_to_string(repo.path(".git").join(name)).unwrap(), content);
        let line = plan.lines().find_map(|line| line.trim().strip_prefix(name)).expect("it is in the plan");
        std::fs::remove_file(repo.path(".git").join(name)).unwrap();
        let pasted = std::process::Command::new("bash")
            .args(["-c", &line.replace("ROOT", repo.root.to_str().unwrap())])
            .current_dir(&repo.root)
            .output()
            .unwrap();
        assert!(pasted.status.success(), "{line}: {pasted:?}");
        assert_eq!(std::fs::read_to_string(repo.path(".git").join(name)).unwrap(), content, "{line}");
    }
}
