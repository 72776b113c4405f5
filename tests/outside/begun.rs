//! `new`, and what an editor is told.

use super::*;

const PORT: &str = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
-- environment.toml --
[parameters.site]
port = { type = "port" }
names = { type = "string", list = true }
token = { type = "string", secret = true }
[[deploy]]
pipeline = "web"
-- environments/dev.toml --
[site]
port = 8081
names = ["a"]
token = { env = "TOKEN" }
-- deployments/web/pipeline.toml --
[[step]]
name = "verify"
run = ["x", "${site.port}", "${site.names...}"]
env = { TOKEN = "${site.token}" }
verify = true
"#;

#[test]
fn a_personal_environment_went_into_the_next_commit() {
    let repo = Repo::bare(TWO).committed();
    let (_, said, code) = run(&repo, &["new", "environment", "me", "--like", "dev", "--personal"]);
    assert!(
        code == 0
            && said.contains("  create  .gitignore\n            + pipelines/environments/personal/\n")
            && said.contains("personal/me.toml"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(repo.path(".gitignore")).unwrap(), "pipelines/environments/personal/\n");
    let release =
        || run(&repo, &["plan", "dev", "--format", "json"]).0.split("\"id\": \"").nth(1).unwrap()[..40].to_owned();
    // It is ignored already, also by a pattern of somebody else's.
    let (_, said, _) = run(&repo, &["new", "environment", "you", "--like", "dev", "--personal"]);
    assert!(!said.contains("gitignore"), "{said}");
    repo.commit();
    let before = release();
    let (_, said, _) = run(&repo, &["new", "environment", "she", "--like", "dev", "--personal"]);
    assert!(!said.contains("gitignore"), "{said}");
    repo.commit();
    assert_eq!(release(), before);
    repo.write(".gitignore", "/target/");
    let (_, said, _) = run(&repo, &["new", "environment", "he", "--like", "dev", "--personal"]);
    assert!(said.contains("  change  .gitignore\n            + pipelines/environments/personal/\n"), "{said}");
    assert_eq!(
        std::fs::read_to_string(repo.path(".gitignore")).unwrap(),
        "/target/\npipelines/environments/personal/\n"
    );
    let without = Repo::bare(TWO);
    let (_, said, code) = run(&without, &["new", "environment", "me", "--like", "dev", "--personal"]);
    assert!(code == 0 && !said.contains("gitignore"), "{said}");
}

#[test]
fn a_wrong_value_was_blamed_on_a_file_that_did_not_exist() {
    let repo = Repo::bare(PORT);
    for (set, message) in [
        ("site.port=abc", "`site.port` is a string, not an integer\n  help: it is declared as `type = \"port\"`"),
        ("site.port=99999", "`site.port` is 99999"),
        ("site.port=1\nx = 2", "`site.port` is a string, not an integer"),
        ("site.names=a", "`site.names` is a string, not a list"),
        ("site.token=hunter2", "`site.token` is a secret, and stands here in plain text"),
    ] {
        let (_, said, code) = run(&repo, &["new", "environment", "test", "--like", "dev", "--set", set]);
        let name = set.split('=').next().unwrap();
        assert!(code == 2 && said.contains(&format!("--set {name}: {message}")), "{set}: {said}");
        assert!(!repo.path("pipelines/environments/test.toml").exists());
    }
    let set = ["--set", "site.port=80", "--set", "site.names=[\"b\"]", "--set", "site.token={ env = \"T\" }"];
    let (_, said, code) = run(&repo, &[&["new", "environment", "test", "--like", "dev"], &set[..]].concat());
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_step_of_an_unknown_task_was_written() {
    let repo = Repo::bare(TWO);
    let (_, said, code) = run(&repo, &["new", "step", "web", "t", "--task", "fil"]);
    assert!(code == 2 && said.contains("no task `fil` is registered\n  help: did you mean `fill`?"), "{said}");
    assert_eq!(run(&repo, &["new", "step", "web", "t", "--task", "fill"]).2, 0);
}

#[test]
fn an_editor_accepted_numbers_in_env_that_check_refuses() {
    let repo = Repo::bare(TWO);
    repo.write("pipelines/deployments/web/pipeline.toml", "env = { A = 1 }\n[[step]]\nname = \"a\"\nrun = \"x\"\n");
    assert!(run(&repo, &["check"]).0.contains("variable `A` is an integer, not a string"));
    for kind in ["pipeline", "environment"] {
        let schema: serde_json::Value = serde_json::from_str(&run(&repo, &["schema", kind]).0).unwrap();
        let one_of = &schema["definitions"]["env"]["additionalProperties"]["oneOf"];
        let types: Vec<&serde_json::Value> = one_of.as_array().unwrap().iter().map(|one| &one["type"]).collect();
        assert_eq!(types, ["string", "object"], "{kind}");
    }
}
