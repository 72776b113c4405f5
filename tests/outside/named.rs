//! A file that a step names is looked at however its path is written.

use super::*;

const PIPELINE: &str = "pipelines/deployments/web/pipeline.toml";

/// The same with a step more, which is the last but for the check.
fn with(step: &str) -> Repo {
    let more = format!("name = \"more\"\n{step}\n[[step]]\nname = \"verify\"");
    Repo::bare(&TWO.replace("name = \"verify\"", &more)).committed()
}

/// All ways to name install.sh by way of the root.
const BY_ROOT: [&str; 7] = [
    "script = \"${repo}/pipelines/deployments/web/install.sh\"",
    "script = \"${repo}/pipelines/environments/../deployments/web/install.sh\"",
    "run = [\"sh\", \"${repo}/pipelines/deployments/web/install.sh\"]",
    "run = [\"head\", \"--lines=1\", \"--file=${repo}//pipelines/deployments/web/install.sh\"]",
    "run = [\"sh\", \"pipelines/deployments/web/install.sh\"]\ncwd = \"${repo}\"",
    "run = [\"cat\"]\nstdin = { file = \"${repo}/pipelines/deployments/web/install.sh\" }",
    "run = [\"true\"]\nfinally = { script = \"${repo}/pipelines/deployments/web/install.sh\" }",
];

#[test]
fn what_was_named_by_way_of_the_root_was_in_no_digest() {
    for step in BY_ROOT {
        let repo = with(step);
        repo.write(
            PIPELINE,
            std::fs::read_to_string(repo.path(PIPELINE))
                .unwrap()
                .replace("script = \"install.sh\"", "run = [\"true\"]"),
        );
        let digest = || {
            let (plan, said, code) = run(&repo, &["plan", "dev", "--format", "json"]);
            assert_eq!(code, 0, "{said}");
            plan.lines().find(|line| line.contains("\"digest\"")).expect("it has one").to_owned()
        };
        let before = digest();
        repo.write("pipelines/deployments/web/install.sh", "#!/bin/sh\necho more\n");
        assert_ne!(before, digest(), "{step}");
        // In the plan it stands as it is written.
        assert!(run(&repo, &["plan", "dev"]).0.contains("${repo}") || step.contains("finally"), "{step}");
    }
}

#[test]
fn what_was_named_by_way_of_the_root_changed_before_it_was_started() {
    for step in BY_ROOT.into_iter().filter(|step| !step.contains("finally")) {
        let repo = with(step);
        let change = "run = [\"sh\", \"-c\", \"echo echo changed >> install.sh\"]";
        let text = std::fs::read_to_string(repo.path(PIPELINE)).unwrap().replace("script = \"install.sh\"", change);
        repo.write(PIPELINE, text);
        let (_, said, code) = run(&repo, &["deploy", "dev"]);
        assert!(code == 1 && said.contains("install.sh has changed since the plan was made"), "{step} {said}");
    }
}

#[test]
fn what_is_not_there_by_way_of_the_root_was_found_by_the_deployment() {
    for (step, found) in [
        ("script = \"${repo}/nope.sh\"", "error[missing-script]: script `nope.sh` does not exist"),
        ("script = \"${repo}/../x.sh\"", "error[missing-script]: `${repo}/../x.sh` leads out of the repository"),
        ("script = \"${repo}-old/x.sh\"", "error[missing-script]: `${repo}-old/x.sh` leads out of the repository"),
        ("script = \"${repo}/pipelines/deployments/web/pipeline.toml\"", "error[not-executable]"),
        ("run = [\"true\"]\nfinally = { script = \"${repo}/nope.sh\" }", "error[missing-script]: script `nope.sh`"),
        ("run = [\"true\"]\ncwd = \"${repo}/nope\"", "error[bad-value]: folder `nope`, in which step `more` runs"),
        ("run = [\"cat\"]\nstdin = { file = \"${repo}/nope\" }", "error[missing-script]: `nope`, the standard input"),
        ("run = [\"cat\"]\nstdin = { file = \"\" }", "the standard input of step `more`, is a folder"),
        ("run = [\"${repo}/pipelines/orchestration.toml\"]", "error[not-executable]: program `${repo}/pipelines"),
    ] {
        let repo = with(step);
        let (said, _, code) = run(&repo, &["check"]);
        assert!(code == 1 && said.contains(found), "{step}: {said}");
    }
}

/// dev has a right value, prod a wrong one.
#[test]
fn a_path_from_a_value_that_leads_out_or_to_nothing_was_found_by_the_deployment() {
    let path = |step: &str, value: &str| {
        let repo = with(step);
        let text = std::fs::read_to_string(repo.path("pipelines/environment.toml")).unwrap();
        repo.write("pipelines/environment.toml", format!("[parameters]\np = {{ type = \"path\" }}\n{text}"));
        let right = if step.starts_with("cwd") { "." } else { "./install.sh" };
        repo.write("pipelines/environments/dev.toml", format!("p = \"{right}\"\n"));
        repo.write("pipelines/environments/prod.toml", format!("p = \"{value}\"\n"));
        repo.commit();
        let (dev, said, code) = run(&repo, &["plan", "dev"]);
        assert_eq!(code, 0, "{dev}{said}");
        let (_, said, code) = run(&repo, &["plan", "prod"]);
        assert_eq!(code, 2, "{step} {value}");
        said
    };
    for (step, named) in [
        (
            "cwd = \"${p}\"\nrun = [\"true\"]",
            "folder `pipelines/deployments/web/nope`, in which step `more` runs, does not",
        ),
        ("stdin = { file = \"${p}\" }\nrun = [\"true\"]", "`pipelines/deployments/web/nope`, the standard input"),
        ("script = \"${p}\"", "script `pipelines/deployments/web/nope` does not exist"),
    ] {
        let said = path(step, "nope");
        assert!(said.contains(named), "{said}");
        for out in ["/tmp", "../../../.."] {
            let said = path(step, out);
            assert!(said.contains("leads out of the repository") && said.contains("in prod"), "{said}");
        }
    }
}
