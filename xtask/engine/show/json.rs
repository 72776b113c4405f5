//! Plans and findings as JSON. The keys are a contract: programs read them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::word::{Side, plain, strings};
use crate::finding::{Finding, Severity};
use crate::inspect::hex;
use crate::plan::{Action, EnvValue, Finally, Output, Plan, Retries, Stdin, Step, Tree};
use crate::show::findings::{Lines, Texts};

/// The release that a plan is shown for.
#[derive(Debug, Clone)]
pub struct ShownRelease {
    pub id: String,
    pub commit: String,
    pub dirty: bool,
}

/// The plan as a program reads it; `release` is null where there is no git repository or no commit.
#[must_use]
pub fn plan(plan: &Plan, release: Option<&ShownRelease>) -> Value {
    let steps = steps(plan);
    let release = release.map(|release| json!({ "id": release.id, "commit": release.commit, "dirty": release.dirty }));
    json!({
        "format": 1,
        "environment": plan.environment,
        "release": release,
        "digest": digest_of(plan, &steps),
        "steps": steps,
    })
}

/// SHA-256 of the plan with its values and the bytes of the files that it names, without secrets: what is approved.
#[must_use]
pub fn digest(plan: &Plan) -> String {
    digest_of(plan, &steps(plan))
}

fn digest_of(plan: &Plan, steps: &[Value]) -> String {
    let mut hash = Sha256::new();
    hash.update(plan.environment.as_bytes());
    for (step, shown) in plan.steps.iter().zip(steps) {
        hash.update(shown.to_string().as_bytes());
        for file in &step.files {
            hash.update([0]);
            hash.update(file.path.as_str().as_bytes());
            hash.update([0]);
            hash.update(file.sha256.as_bytes());
        }
        hash.update(b"\n");
    }
    hex(&hash.finalize())
}

fn steps(plan: &Plan) -> Vec<Value> {
    (0..plan.steps.len()).map(|index| step(plan, index)).collect()
}

fn step(plan: &Plan, index: usize) -> Value {
    let step = &plan.steps[index];
    let (kind, command, skeleton, with) = action(&step.action);
    let needs: Vec<&str> = plan.direct_needs(index).into_iter().map(|need| &*plan.steps[need].id).collect();
    json!({
        "id": step.id,
        "pipeline": plan.calls[step.call].name,
        "step": step.name,
        "each": step.each,
        "kind": kind,
        "command": command,
        "skeleton": skeleton,
        "env": env(&plan.env_of(step).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        "with": with,
        "stdin": stdin(step.stdin.as_ref()),
        "cwd": plain(&step.cwd, Side::Value),
        "runs": step.runs,
        "when": (!step.when.is_empty()).then(|| step.when.join(" and ")),
        "needs": needs,
        "provides": step.provides,
        "requires": step.requires,
        "unless": step.unless.as_ref().map(|unless| strings(unless, Side::Value)),
        "output": step.output.as_ref().map(output),
        "finally": step.finally.as_ref().map(|finally| self::finally(finally)),
        "retries": step.retries.map(retries),
        "timeout_s": seconds(step.timeout),
        "detach": step.detach,
        "verify": step.verify,
        "parameters": step.parameters.iter().map(|name| &**name).collect::<Vec<_>>(),
        "secrets": step.secrets.iter().map(|name| &**name).collect::<Vec<_>>(),
        "file": step.file.as_str(),
        "line": step.line,
    })
}

type ShownAction = (&'static str, Vec<String>, Vec<String>, Value);

fn action(action: &Action) -> ShownAction {
    match action {
        Action::Run(arguments) => {
            ("run", strings(arguments, Side::Value), strings(arguments, Side::Skeleton), Value::Null)
        }
        Action::Script { path, args } => {
            let all = |side| std::iter::once(plain(path, side)).chain(strings(args, side)).collect();
            ("script", all(Side::Value), all(Side::Skeleton), Value::Null)
        }
        Action::Task { name, with } => ("task", vec![name.clone()], vec![name.clone()], tree(with, Side::Value)),
    }
}

/// The arguments of a task.
#[must_use]
pub fn tree(tree: &Tree, side: Side) -> Value {
    tree.to_json(&|text| plain(text, side).into(), &|name, _| {
        (side == Side::Skeleton).then(|| format!("${{{name}}}").into())
    })
}

fn env(variables: &BTreeMap<String, &EnvValue>) -> Value {
    let shown = |value: &EnvValue| match value {
        EnvValue::Text(text) => plain(text, Side::Value).into(),
        EnvValue::File(text) => json!({ "file": plain(text, Side::Value) }),
    };
    variables.iter().map(|(name, value)| (name.clone(), shown(value))).collect::<Map<_, _>>().into()
}

fn stdin(stdin: Option<&Stdin>) -> Value {
    match stdin {
        None => Value::Null,
        Some(Stdin::Text(text)) => plain(text, Side::Value).into(),
        Some(Stdin::File(path)) => json!({ "file": plain(path, Side::Value) }),
    }
}

/// As it is written: a name, or a table.
fn output(output: &Output) -> Value {
    if output.json || output.secret {
        json!({ "name": output.name, "json": output.json, "secret": output.secret })
    } else {
        output.name.clone().into()
    }
}

fn finally(finally: &Finally) -> Value {
    let (kind, command, skeleton, with) = action(&finally.action);
    json!({
        "kind": kind,
        "command": command,
        "skeleton": skeleton,
        "with": with,
        "env": env(&finally.env.iter().map(|(name, value)| (name.clone(), value)).collect()),
        "stdin": stdin(finally.stdin.as_ref()),
        "cwd": plain(&finally.cwd, Side::Value),
        "timeout_s": seconds(finally.timeout),
    })
}

fn retries(retries: Retries) -> Value {
    json!({ "attempts": retries.attempts, "delay_s": seconds(retries.delay), "backoff": retries.backoff })
}

/// A whole number where it is one.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { duration.as_secs().into() } else { duration.as_secs_f64().into() }
}

/// The findings as a program reads them. Lines and columns count from 1, columns in characters.
#[must_use]
pub fn findings(findings: &[Finding], texts: Texts<'_>) -> Value {
    let mut lines = Lines::new(texts);
    let shown = |finding: &Finding| {
        let (line, column) = lines.position(&finding.place.file, finding.place.span.start);
        let (end_line, end_column) = lines.position(&finding.place.file, finding.place.span.end);
        json!({
            "code": finding.code.name(),
            "severity": match finding.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "file": finding.place.file.as_str(),
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "message": finding.message,
            "help": finding.help,
            "of": finding.of,
            "environments": finding.environments,
        })
    };
    json!({ "format": 1, "findings": findings.iter().map(shown).collect::<Vec<_>>() })
}

impl Step {
    /// For messages: what it does, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        action(&self.action).0
    }
}
