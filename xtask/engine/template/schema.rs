//! JSON Schemas of the four kinds of file, so that editors complete and explain what can be written.

use super::Refusal;

/// Print the JSON Schema of a kind of file
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Which kind; without it, where each of them is
    #[arg(value_name = "KIND", value_parser = ["orchestration", "environment", "pipeline", "values"])]
    pub kind: Option<String>,
}

/// The kinds of file, with the schema of each.
pub const SCHEMAS: [(&str, &str, &str); 4] = [
    ("orchestration", "pipelines/orchestration.toml", include_str!("schema/orchestration.json")),
    ("environment", "pipelines/environment.toml", include_str!("schema/environment.json")),
    ("pipeline", "pipelines/deployments/<name>/pipeline.toml", include_str!("schema/pipeline.json")),
    ("values", "pipelines/environments/<env>.toml", include_str!("schema/values.json")),
];

/// The schema, or the list of them.
///
/// # Errors
/// If there is no such kind.
pub fn schema(args: &SchemaArgs) -> Result<String, Refusal> {
    let Some(wanted) = &args.kind else {
        let lines = SCHEMAS
            .iter()
            .map(|(kind, file, _)| format!("{kind:14} xtask/engine/template/schema/{kind}.json   {file}\n"));
        return Ok(lines.collect());
    };
    let found = SCHEMAS.iter().find(|(kind, ..)| kind == wanted);
    found.map(|(.., text)| (*text).to_owned()).ok_or_else(|| Refusal::new(format!("there is no schema `{wanted}`"), ""))
}
