//! Plans and findings as JSON. The keys are a contract: programs read them.

use std::time::Duration;

use hmac_sha256::Hash as Sha256;
use serde_json::{Value, json};

use super::word::{Side, plain};
use crate::findings::{Lines, Texts};
use ciao_base::hex;
use ciao_base::json::Json;
use ciao_declare::finding::{Finding, Severity};
use ciao_plan::{Action, Argument, EnvValue, Finally, Output, Plan, Retries, Stdin, Text, Tree};

/// The release that a plan is shown for.
#[derive(Debug, Clone)]
pub struct ShownRelease {
    pub id: String,
    pub commit: String,
    pub dirty: bool,
}

/// A plan as JSON, made.
pub struct Shown(String);

impl std::fmt::Display for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// The plan as a program reads it; `release` is null where there is no git repository or no commit.
#[must_use]
pub fn plan(plan: &Plan, release: Option<&ShownRelease>) -> Shown {
    let (steps, digest) = steps(plan, Json::shown());
    let mut out = Json::shown();
    out.open("{");
    out.text("digest", &digest);
    out.text("environment", &plan.environment);
    out.plain("format", "1");
    let release = release.map(|release| json!({ "id": release.id, "commit": release.commit, "dirty": release.dirty }));
    out.value("release", &release.into());
    out.key("steps");
    let mut text = out.indented.take().unwrap_or_default() + &steps.indented.unwrap_or_default();
    text.push_str("\n}");
    Shown(text)
}

/// SHA-256 of the plan with its values and the bytes of the files that it names, without secrets: what is approved. On
/// which line a step stands is no part of it.
#[must_use]
pub fn digest(plan: &Plan) -> String {
    steps(plan, Json::default()).1
}

/// All steps, as the second level of the plan, and the digest of the plan.
fn steps(plan: &Plan, mut out: Json) -> (Json, String) {
    let mut hash = Sha256::new();
    hash.update(plan.environment.as_bytes());
    out.depth = 1;
    out.open("[");
    for (index, shown) in plan.steps.iter().enumerate() {
        out.item();
        out.dense.clear();
        step(&mut out, plan, index);
        hash.update(out.dense.as_bytes());
        for file in &shown.files {
            hash.update([0]);
            hash.update(file.path.as_str().as_bytes());
            hash.update([0]);
            hash.update(file.sha256.as_bytes());
        }
        hash.update(b"\n");
    }
    out.close("]");
    (out, hex(&hash.finalize()))
}

/// One step. The keys are sorted, here and below.
fn step(out: &mut Json, plan: &Plan, index: usize) {
    let step = &plan.steps[index];
    out.open("{");
    command(out, &step.action, "command", Side::Value);
    out.text("cwd", &plain(&step.cwd, Side::Value));
    out.plain("detach", boolean(step.detach));
    out.optional("each", step.each.as_deref());
    env(out, plan.env_of(step).into_iter());
    out.text("file", step.file.as_str());
    finally(out, step.finally.as_deref());
    out.text("id", &step.id);
    out.text("kind", kind(&step.action));
    out.beside("line", &step.line.to_string());
    out.list("needs", plan.direct_needs(index).into_iter().map(|need| &*plan.steps[need].id));
    output(out, step.output.as_ref());
    out.list("parameters", step.parameters.iter().map(|name| &**name));
    out.text("pipeline", &plan.calls[step.call].name);
    out.list("provides", step.provides.iter().map(|label| &**label));
    out.list("requires", step.requires.iter().map(|label| &**label));
    out.value("retries", &step.retries.map(retries).into());
    out.plain("runs", boolean(step.runs));
    out.list("secrets", step.secrets.iter().map(|name| &**name));
    command(out, &step.action, "skeleton", Side::Skeleton);
    stdin(out, step.stdin.as_ref());
    out.text("step", &step.name);
    out.value("timeout_s", &seconds(step.timeout));
    match &step.unless {
        Some(unless) => arguments(out, "unless", None, unless, Side::Value),
        None => out.plain("unless", "null"),
    }
    out.plain("verify", boolean(step.verify));
    out.optional("when", (!step.when.is_empty()).then(|| step.when.join(" and ")).as_deref());
    with(out, &step.action);
    out.close("}");
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn command(out: &mut Json, action: &Action, key: &str, side: Side) {
    match action {
        Action::Run(run) => arguments(out, key, None, run, side),
        Action::Script { path, args } => arguments(out, key, Some(path), args, side),
        Action::Task { name, .. } => out.list(key, [&**name].into_iter()),
    }
}

fn arguments(out: &mut Json, key: &str, first: Option<&Text>, arguments: &[Argument], side: Side) {
    out.key(key);
    out.open("[");
    if let Some(first) = first {
        out.item();
        out.string(&plain(first, side));
    }
    for argument in arguments {
        if let (Argument::Spread { name, .. }, Side::Skeleton) = (argument, side) {
            out.item();
            out.string(&format!("${{{name}...}}"));
            continue;
        }
        for text in argument.texts() {
            out.item();
            out.string(&plain(text, side));
        }
    }
    out.close("]");
}

fn with(out: &mut Json, action: &Action) {
    match action {
        Action::Task { with, .. } => out.value("with", &tree(with, Side::Value)),
        Action::Run(_) | Action::Script { .. } => out.plain("with", "null"),
    }
}

/// The arguments of a task.
#[must_use]
pub fn tree(tree: &Tree, side: Side) -> Value {
    tree.to_json(&|text| plain(text, side).into(), &|name, _| {
        (side == Side::Skeleton).then(|| format!("${{{name}}}").into())
    })
}

fn env<'a>(out: &mut Json, variables: impl Iterator<Item = (&'a str, &'a EnvValue)>) {
    out.key("env");
    out.open("{");
    for (name, value) in variables {
        match value {
            EnvValue::Text(text) => out.text(name, &plain(text, Side::Value)),
            EnvValue::File(text) => file(out, name, text),
        }
    }
    out.close("}");
}

fn file(out: &mut Json, key: &str, text: &Text) {
    out.key(key);
    out.open("{");
    out.text("file", &plain(text, Side::Value));
    out.close("}");
}

fn stdin(out: &mut Json, stdin: Option<&Stdin>) {
    match stdin {
        None => out.plain("stdin", "null"),
        Some(Stdin::Text(text)) => out.text("stdin", &plain(text, Side::Value)),
        Some(Stdin::File(path)) => file(out, "stdin", path),
    }
}

/// As it is written: a name, or a table.
fn output(out: &mut Json, output: Option<&Output>) {
    match output {
        Some(output) if output.json || output.secret => {
            let table = json!({ "name": output.name, "json": output.json, "secret": output.secret });
            out.value("output", &table);
        }
        output => out.optional("output", output.map(|output| &*output.name)),
    }
}

fn finally(out: &mut Json, finally: Option<&Finally>) {
    let Some(finally) = finally else { return out.plain("finally", "null") };
    out.key("finally");
    out.open("{");
    command(out, &finally.action, "command", Side::Value);
    out.text("cwd", &plain(&finally.cwd, Side::Value));
    env(out, finally.env.iter().map(|(name, value)| (&**name, value)));
    out.text("kind", kind(&finally.action));
    command(out, &finally.action, "skeleton", Side::Skeleton);
    stdin(out, finally.stdin.as_ref());
    out.value("timeout_s", &seconds(finally.timeout));
    with(out, &finally.action);
    out.close("}");
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
            "message": finding.whole(),
            "help": finding.help,
            "of": finding.of,
            "environments": finding.environments,
        })
    };
    json!({ "format": 1, "findings": findings.iter().map(shown).collect::<Vec<_>>() })
}

fn kind(action: &Action) -> &'static str {
    match action {
        Action::Run(_) => "run",
        Action::Script { .. } => "script",
        Action::Task { .. } => "task",
    }
}
