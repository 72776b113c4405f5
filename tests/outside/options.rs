//! Options that were taken and did nothing.

use super::*;

#[test]
fn the_skeleton_as_json_had_the_values_in_it() {
    let repo = Repo::bare(TWO).committed();
    repo.write("pipelines/environment.toml", "[parameters]\nword = { type = \"string\" }\nl = { type = \"string\", list = true }\n[[deploy]]\npipeline = \"web\"\n");
    repo.write("pipelines/environments/dev.toml", "word = \"canary\"\nl = [\"one\", \"two\"]\n");
    repo.write("pipelines/environments/prod.toml", "word = \"other\"\nl = [\"three\"]\n");
    let file = "pipelines/deployments/web/pipeline.toml";
    let step = "[[step]]\nname = \"use\"\nrun = [\"echo\", \"${word}\", \"${l...}\", \"${each}\"]\nenv = { A = \"${word}\" }\nfor_each = \"l\"\n";
    let text = std::fs::read_to_string(repo.path(file)).unwrap();
    repo.write(file, format!("{text}\n{step}"));
    repo.commit();
    let shown = |environment: &str| {
        let (json, said, code) = run(&repo, &["plan", environment, "--skeleton", "--format", "json"]);
        assert_eq!(code, 0, "{said}");
        json
    };
    let json = shown("dev");
    for value in ["canary", "one", "two"] {
        assert!(!json.contains(value), "{value}: {json}");
    }
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let uses: Vec<_> = steps.iter().filter(|step| step["step"] == "use").collect();
    assert_eq!(uses.len(), 1, "a for_each once: {json}");
    assert_eq!(uses[0]["command"], serde_json::json!(["echo", "${word}", "${l...}", "${each}"]));
    assert_eq!(uses[0]["env"]["A"], "${word}");
    assert!(plan["release"].is_null(), "no commit changes it");
    let digest = |json: &str| json.lines().filter(|line| !line.contains("\"digest\"")).collect::<String>();
    assert_eq!(digest(&json).replace("dev", "prod"), digest(&shown("prod")).replace("dev", "prod"));
}

#[test]
fn an_explanation_as_json_was_markdown() {
    let repo = Repo::bare(TWO).committed();
    let (shown, said, code) = run(&repo, &["check", "--explain", "cycle", "--format", "json"]);
    assert!(shown.is_empty() && code == 2 && said.contains("cannot be used with '--format"), "{said}");
    assert_eq!(run(&repo, &["check", "--explain", "cycle"]).2, 0);
}
