//! A file that a step names and that is not in the commit could change behind an open gate.

use std::os::unix::fs::symlink;

use super::*;

/// Deploys to dev, changes a file without that git sees it, and tries prod.
#[track_caller]
fn is_in_no_release(repo: &Repo, file: &str) {
    let (_, said, code) = run(repo, &["deploy", "dev"]);
    assert_eq!(code, 0, "{said}");
    let named = format!("{file} is deployed, and is not in the commit");
    assert!(said.contains(&format!("warning: {named}")), "{said}");
    let (_, said, code) = run(repo, &["deploy", "prod"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&named) && said.contains("git add --force"), "{said}");
    let (plan, said, code) = run(repo, &["plan", "dev", "--format", "json"]);
    assert!(code == 0 && plan.contains("\"dirty\": true") && said.contains(&named), "{plan}{said}");
    let (_, said, code) = run(repo, &["status"]);
    assert!(code == 0 && said.contains(&named), "{said}");
}

/// After what is missing is committed, both are open.
#[track_caller]
fn is_released(repo: &Repo) {
    for environment in ["dev", "prod"] {
        let (_, said, code) = run(repo, &["deploy", environment]);
        assert!(code == 0 && !said.contains("warning"), "{said}");
    }
}

fn with(repo: &Repo, path: &str, text: &str) {
    support::script(&repo.path(path), text);
}

const MORE: &str = "pipelines/deployments/web/pipeline.toml";

fn add(repo: &Repo, step: &str) {
    let text = std::fs::read_to_string(repo.path(MORE)).unwrap();
    repo.write(MORE, format!("{text}\n[[step]]\nname = \"more\"\n{step}\n"));
}

#[test]
fn a_script_that_git_ignores_went_to_prod_untried() {
    let repo = Repo::bare(TWO).committed();
    add(&repo, "script = \"x.sh\"");
    with(&repo, "pipelines/deployments/web/x.sh", "#!/bin/sh\necho untried\n");
    repo.write(".gitignore", "x.sh\n");
    repo.commit();
    is_in_no_release(&repo, "pipelines/deployments/web/x.sh");
    repo.git(&["add", "--force", "pipelines/deployments/web/x.sh"]);
    repo.commit();
    is_released(&repo);
}

#[test]
fn a_script_that_git_was_told_not_to_look_at_went_to_prod_untried() {
    let script = "pipelines/deployments/web/install.sh";
    for version in ["2", "4"] {
        for (hide, show) in [("--assume-unchanged", "--no-assume-unchanged"), ("--skip-worktree", "--no-skip-worktree")]
        {
            let repo = Repo::bare(TWO).committed();
            repo.git(&["update-index", "--index-version", version]);
            repo.git(&["update-index", hide, script]);
            is_released(&repo);
            with(&repo, script, "#!/bin/sh\necho untried\n");
            is_in_no_release(&repo, script);
            repo.git(&["update-index", show, script]);
            repo.commit();
            is_released(&repo);
        }
    }
}

#[test]
fn an_ignored_input_or_pipeline_or_values_file_went_to_prod_untried() {
    let repo = Repo::bare(TWO).committed();
    add(&repo, "run = [\"cat\"]\nstdin = { file = \"../../../data/in.txt\" }");
    repo.write("data/in.txt", "untried");
    repo.write(".gitignore", "/data/\n");
    repo.commit();
    is_in_no_release(&repo, "data/in.txt");
    let repo = Repo::bare(TWO).committed();
    repo.git(&["rm", "--cached", "--quiet", "pipelines/environments/prod.toml"]);
    repo.write(".gitignore", "prod.toml\n");
    repo.commit();
    is_in_no_release(&repo, "pipelines/environments/prod.toml");
    let repo = Repo::bare(TWO).committed();
    repo.git(&["rm", "--cached", "--quiet", MORE]);
    repo.write(".gitignore", "pipeline.toml\n");
    repo.commit();
    is_in_no_release(&repo, MORE);
}

#[test]
fn an_argument_behind_a_link_out_of_the_repository_went_to_prod_untried() {
    let repo = Repo::bare(TWO).committed();
    add(&repo, "run = [\"cat\", \"conf/x\"]");
    let elsewhere = Repo::bare("");
    elsewhere.write("x", "untried");
    symlink(&elsewhere.root, repo.path("pipelines/deployments/web/conf")).unwrap();
    repo.commit();
    is_in_no_release(&repo, "pipelines/deployments/web/conf/x");
}

#[test]
fn a_link_is_in_the_release_if_git_keeps_it() {
    let repo = Repo::bare(TWO).committed();
    add(&repo, "run = [\"cat\", \"conf/x\", \"again\"]\nstdin = { file = \"conf/x\" }");
    repo.write("data/x", "x");
    symlink("../../../data", repo.path("pipelines/deployments/web/conf")).unwrap();
    symlink("conf/x", repo.path("pipelines/deployments/web/again")).unwrap();
    repo.commit();
    is_released(&repo);
    // One that git ignores, between a path and a file that it keeps.
    std::fs::remove_file(repo.path("pipelines/deployments/web/conf")).unwrap();
    symlink("../../../data", repo.path("pipelines/deployments/web/other")).unwrap();
    repo.write(MORE, std::fs::read_to_string(repo.path(MORE)).unwrap().replace("conf/x", "other/x"));
    std::fs::remove_file(repo.path("pipelines/deployments/web/again")).unwrap();
    repo.write(MORE, std::fs::read_to_string(repo.path(MORE)).unwrap().replace(", \"again\"", ""));
    repo.write(".gitignore", "other\n");
    repo.commit();
    is_in_no_release(&repo, "pipelines/deployments/web/other/x");
}

#[test]
fn pipelines_below_the_root_of_their_repository_are_in_the_release() {
    let repo = Repo::bare(&TWO.replace("\n-- ", "\n-- /sub/pipelines/"));
    repo.git(&["init", "--quiet", "--initial-branch=main"]);
    repo.commit();
    for environment in ["dev", "prod"] {
        let (_, said, code) = run(&repo, &["-C", "sub", "deploy", environment]);
        assert!(code == 0 && !said.contains("warning"), "{said}");
    }
    // What is committed counts as the declared gate also there, whatever the working tree says.
    let orchestration = std::fs::read_to_string(repo.path("sub/pipelines/orchestration.toml")).unwrap();
    repo.write(
        "sub/pipelines/orchestration.toml",
        orchestration.replace("name = \"prod\"", "name = \"prod\"\nafter = []"),
    );
    let (_, said, code) = run(&repo, &["-C", "sub", "deploy", "prod"]);
    assert!(code == 3 && said.contains("dirty"), "{code} {said}");
}

#[test]
fn plan_said_nothing_where_a_deployment_could_name_no_release() {
    let repo = Repo::bare(TWO);
    for format in ["text", "json"] {
        let (plan, said, code) = run(&repo, &["plan", "dev", "--format", format]);
        assert!(code == 2 && plan.contains("install"), "{plan}");
        assert!(said.contains("error: `deploy dev` would refuse") && said.contains("it is not in git"), "{said}");
    }
    repo.git(&["init", "--quiet"]);
    let (plan, said, code) = run(&repo, &["plan", "dev"]);
    assert!(code == 2 && plan.contains("install") && said.contains("nothing is committed yet"), "{said}");
    let (status, _, code) = run(&repo, &["status", "--format", "json"]);
    assert!(code == 0 && status.contains("\"no-commit\"") && !status.contains("\"open\": true"), "{status}");
    // Once for each environment: it was told under two codes.
    assert_eq!(status.matches("nothing is committed yet").count(), 2, "{status}");
    repo.commit();
    assert_eq!(run(&repo, &["plan", "dev"]).1, "");
    assert_eq!(run(&repo, &["plan", "dev", "--format", "json"]).1, "");
    let mut xtask = repo.xtask(&["plan", "dev"]);
    let output = xtask.command().env("PATH", "/nonexistent").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("error: `deploy dev` would refuse"));
}

#[test]
fn a_file_of_a_submodule_is_in_the_release_by_its_commit() {
    let repo = Repo::bare(TWO).committed();
    add(&repo, "run = [\"cat\"]\nstdin = { file = \"../../../vendor/in.txt\" }");
    repo.write("vendor/in.txt", "x");
    repo.git(&["init", "--quiet", "vendor"]);
    repo.git(&["-C", "vendor", "add", "--all"]);
    repo.git(&["-C", "vendor", "commit", "--quiet", "--message=B"]);
    repo.commit();
    is_released(&repo);
    repo.write("vendor/in.txt", "y");
    let (_, said, code) = run(&repo, &["deploy", "prod"]);
    assert!(code == 3 && said.contains("changes that are not committed"), "{said}");
}

/// The pipeline with `uses`, and a step that reaches files in a way that names none.
fn reaching(uses: &str, script: &str) -> Repo {
    let repo = Repo::bare(TWO).committed();
    let text = std::fs::read_to_string(repo.path(MORE)).unwrap();
    repo.write(MORE, format!("{uses}\n{text}"));
    add(&repo, &format!("run = [\"sh\", \"-c\", \"{script}\"]"));
    repo
}

#[test]
fn what_a_script_reaches_beside_a_pipeline_and_git_ignores_went_to_prod_untried() {
    for (file, script) in [("data.sql", "cat data.sql"), ("data.sql", "cat *.sql"), (".env", ". ./.env")] {
        let repo = reaching("", script);
        let file = format!("pipelines/deployments/web/{file}");
        repo.write(&file, "true\n");
        repo.write(".gitignore", "*.sql\n.env\n");
        repo.commit();
        is_in_no_release(&repo, &file);
        repo.git(&["add", "--force", &file]);
        repo.commit();
        is_released(&repo);
    }
}

#[test]
fn what_a_pipeline_uses_and_git_ignores_went_to_prod_untried() {
    for pattern in ["lib/**", "lib", "lib/*.local", "lib/lib.local"] {
        let repo = reaching(&format!("uses = [\"../../../{pattern}\"]"), ". ../../../lib/lib.local");
        repo.write("lib/lib.local", "true\n");
        // As a whole, or a file of it.
        repo.write(".gitignore", if pattern == "lib" { "lib/\n" } else { "*.local\n" });
        repo.commit();
        is_in_no_release(&repo, "lib/lib.local");
    }
}

#[test]
fn what_no_step_names_and_git_was_told_not_to_look_at_went_to_prod_untried() {
    for file in ["pipelines/deployments/web/part.sh", "pipelines/deployments/web/.part", "lib/.deep/part.sh"] {
        for (hide, show) in [("--assume-unchanged", "--no-assume-unchanged"), ("--skip-worktree", "--no-skip-worktree")]
        {
            let repo = reaching("uses = [\"../../../lib/**\"]", "for part in *.sh; do :; done");
            repo.write(file, "true\n");
            repo.write("lib/x", "x");
            repo.commit();
            repo.git(&["update-index", hide, file]);
            is_released(&repo);
            repo.write(file, "echo untried\n");
            is_in_no_release(&repo, file);
            repo.git(&["update-index", show, file]);
            repo.commit();
            is_released(&repo);
        }
    }
}

#[test]
fn a_link_that_git_was_told_not_to_look_at_is_what_it_leads_to() {
    let repo = reaching("", "cat *.txt");
    let link = "pipelines/deployments/web/a.txt";
    repo.write("data.txt", "x");
    repo.write("more.txt", "x");
    symlink("../../../data.txt", repo.path(link)).unwrap();
    repo.commit();
    repo.git(&["update-index", "--assume-unchanged", link]);
    is_released(&repo);
    std::fs::remove_file(repo.path(link)).unwrap();
    symlink("../../../more.txt", repo.path(link)).unwrap();
    is_in_no_release(&repo, link);
}

#[test]
fn what_a_pattern_reaches_by_a_link_out_of_the_repository_went_to_prod_untried() {
    let elsewhere = Repo::bare("");
    elsewhere.write("data.sql", "select 1;");
    for link in ["pipelines/deployments/web/l.sql", "lib/l.sql"] {
        let repo = reaching("uses = [\"../../../lib/**\"]", "ls *.sql ../../../lib/*; true");
        repo.write("lib/x", "x");
        symlink(elsewhere.path("data.sql"), repo.path(link)).unwrap();
        repo.commit();
        is_in_no_release(&repo, link);
    }
    for link in ["pipelines/deployments/web/conf", "lib/conf"] {
        let repo = reaching("uses = [\"../../../lib/**\"]", "ls conf/* ../../../lib/*; true");
        repo.write("lib/x", "x");
        symlink(&elsewhere.root, repo.path(link)).unwrap();
        repo.commit();
        is_in_no_release(&repo, link);
    }
}

/// A deployment may build beside its pipeline: what git ignores as a whole folder, and nothing of ours names, is no part of it.
#[test]
fn what_was_built_beside_a_pipeline_is_in_no_release_and_closes_no_gate() {
    let repo = reaching("", "mkdir -p dist node_modules .terraform && date > dist/app.js; ls dist");
    repo.write(".gitignore", "dist/\nnode_modules/\n.terraform/\n.DS_Store\n");
    for file in ["dist/app.js", "node_modules/x/x.js", ".terraform/x", ".DS_Store"] {
        repo.write(&format!("pipelines/deployments/web/{file}"), b"x\0");
    }
    repo.commit();
    is_released(&repo);
}

/// Somebody has said that nothing reaches it.
#[test]
fn a_state_file_that_is_accepted_as_forgotten_closed_every_gate() {
    let repo = Repo::bare(TWO).committed();
    let state = "pipelines/deployments/web/terraform.tfstate";
    repo.write(state, "{}\n");
    repo.write(".gitignore", "*.tfstate\n");
    let environment = std::fs::read_to_string(repo.path("pipelines/environment.toml")).unwrap();
    let accept = format!("\n[[accept]]\ncode = \"forgotten-file\"\nat = \"{state}\"\nreason = \"of terraform\"\n");
    repo.write("pipelines/environment.toml", environment + &accept);
    repo.commit();
    is_released(&repo);
}

#[test]
fn a_line_end_in_the_path_of_a_repository_made_another_release_of_it() {
    let repo = Repo::bare(TWO).committed();
    let release = |folder: &str| {
        let (plan, said, code) = run(&repo, &["-C", folder, "plan", "dev", "--format", "json"]);
        assert!(code == 0 && said.is_empty() && plan.contains("\"dirty\": false"), "{plan}{said}");
        serde_json::from_str::<serde_json::Value>(&plan).unwrap()["release"]["id"].clone()
    };
    let before = release(".");
    repo.git(&["clone", "--quiet", ".", ".git/odd\nplace"]);
    assert_eq!(before, release(".git/odd\nplace"));
    for environment in ["dev", "prod"] {
        let (_, said, code) = run(&repo, &["-C", ".git/odd\nplace", "deploy", environment]);
        assert!(code == 0 && !said.contains("warning"), "{said}");
    }
}

#[test]
fn a_personal_environment_that_git_keeps_made_another_release() {
    let repo = Repo::bare(TWO).committed();
    let release = || {
        let plan = run(&repo, &["plan", "dev", "--format", "json"]).0;
        serde_json::from_str::<serde_json::Value>(&plan).unwrap()["release"].clone()
    };
    let before = release();
    repo.write("pipelines/environments/personal/me.toml", "like = \"dev\"\n");
    repo.git(&["add", "--force", "pipelines/environments/personal/me.toml"]);
    repo.commit();
    assert_eq!((&before["id"], &before["dirty"]), (&release()["id"], &false.into()));
    assert_ne!(before["commit"], release()["commit"]);
}
