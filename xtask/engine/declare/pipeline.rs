//! `pipelines/deployments/<name>/pipeline.toml`: the steps that deploy one thing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use camino::Utf8Path;

use super::literal::Spanned;
use super::parameter::{Parameter, not_distinct, parameters};
use super::read::Reader;
use super::step::{Step, Variable, cwd, env, step};
use super::template::Template;
use crate::finding::{Code, Finding, Span};

/// Tier 3, as written.
#[derive(Debug, Default)]
pub struct Pipeline {
    pub help: Option<Arc<str>>,
    /// Files elsewhere in the repository that it works on.
    pub uses: Vec<Spanned<Arc<str>>>,
    pub cwd: Option<Template>,
    pub env: BTreeMap<String, Variable>,
    /// Its own, given by `with` at the call.
    pub parameters: Vec<Parameter>,
    pub steps: Vec<Step>,
}

/// Reads the file.
pub fn read(file: &Utf8Path, text: &str, findings: &mut Vec<Finding>) -> Pipeline {
    Reader::read(file, text, findings, |top| {
        let steps: Vec<Step> = top.tables("step", "a step").filter_map(|section| step(&section)).collect();
        duplicates(top.reader, &steps);
        if steps.is_empty() && !top.lists("step") {
            let help = "add its first one: `[[step]]`, `name = \"…\"`, `run = [\"…\"]`";
            top.reader.report(Code::MissingValue, Span::default(), "the pipeline has no step", help);
        }
        let parameters =
            top.table("parameters", "[parameters]").map(|section| parameters(&section)).unwrap_or_default();
        not_distinct(top.reader, &parameters, "a call gives it, not an environment");
        Pipeline {
            help: top.string("help").map(|help| help.value),
            uses: top.names("uses").unwrap_or_default(),
            cwd: cwd(top),
            env: env(top),
            parameters,
            steps,
        }
    })
}

fn duplicates(reader: &Reader<'_>, steps: &[Step]) {
    let mut seen: HashMap<&str, Span> = HashMap::with_capacity(steps.len());
    for step in steps {
        if let Some(first) = seen.insert(&step.name.value, step.name.span) {
            let finding = Finding::error(
                Code::DuplicateName,
                reader.place(step.name.span),
                format!("two steps are named `{}`", step.name.value),
                "give one of them another name",
            );
            reader.push(finding.related(reader.place(first), "the first one"));
        }
    }
}
