//! The plan as text: one step a line, so that one line changes in a snapshot when one step changes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use camino::Utf8Path;

use super::json::tree;
use super::word::{Side, plain, quote, word, words};
use crate::plan::{Action, Call, EnvValue, Plan, Stdin, Step};
use crate::task::Tasks;

/// The text form of a plan.
#[must_use]
pub fn text(plan: &Plan, side: Side, tasks: &Tasks) -> String {
    let mut text = plan.environment.clone();
    text.push('\n');
    if !plan.env.is_empty() {
        line(&mut text, "  # for every step:", &env(&plan.env, side));
    }
    let mut call = None;
    for step in &plan.steps {
        if call != Some(step.call) {
            call = Some(step.call);
            heading(&mut text, &plan.calls[step.call], side);
        }
        step_line(&mut text, plan, step, side, tasks);
    }
    text
}

fn line(text: &mut String, first: &str, rest: &str) {
    text.push_str(first);
    if !rest.is_empty() {
        text.push(' ');
        text.push_str(rest);
    }
    text.push('\n');
}

fn heading(text: &mut String, call: &Call, side: Side) {
    let mut remarks = Vec::new();
    remarks.extend(order(call.needs.as_deref(), call.parallel));
    if !call.env.is_empty() {
        remarks.push(format!("env {}", env(&call.env, side)));
    }
    line(text, &format!("  {}", call.id), &remark(&remarks));
}

/// Where it departs from the order listed.
fn order(needs: Option<&[String]>, parallel: bool) -> Vec<String> {
    let needs = needs.map(|needs| match needs {
        [] => "needs nothing".to_owned(),
        needs => format!("needs {}", needs.join(" ")),
    });
    needs.into_iter().chain(parallel.then(|| "parallel".to_owned())).collect()
}

fn remark(remarks: &[String]) -> String {
    if remarks.is_empty() { String::new() } else { format!("  # {}", remarks.join(", ")) }
}

fn step_line(text: &mut String, plan: &Plan, step: &Step, side: Side, tasks: &Tasks) {
    let call = &plan.calls[step.call];
    let name = step.id.strip_prefix(&call.id).and_then(|name| name.strip_prefix('/')).unwrap_or(&step.id);
    let mut command = command(&step.action, side);
    if !step.env.is_empty() {
        command = format!("{} {command}", env(&step.env, side));
    }
    if let Some(stdin) = &step.stdin {
        command += &match stdin {
            Stdin::Text(input) => format!(" <<< {}", word(input, side)),
            Stdin::File(path) => format!(" < {}", word(path, side)),
        };
    }
    let mut remarks = remarks(step, side);
    let folder = call.pipeline.parent().unwrap_or(Utf8Path::new(""));
    let cwd = plain(&step.cwd, side);
    if cwd != folder.as_str() {
        remarks.insert(0, format!("in {}", quote(&cwd)));
    }
    if let Action::Task { name, .. } = &step.action
        && let Some(task) = tasks.get(name)
    {
        remarks.push(task.help.clone());
    }
    if !step.runs {
        remarks.insert(0, format!("off: when {}", step.when.join(" and ")));
    } else if !step.when.is_empty() {
        remarks.push(format!("when {}", step.when.join(" and ")));
    }
    let remark = remark(&remarks);
    let gap = if remark.is_empty() { "" } else { " " };
    // A fixed column: a longer name moves its own line only.
    let _infallible = writeln!(text, "    {name:<19} {command}{gap}{remark}");
}

/// What a step does, as a line for a shell. A task is shown as if it were a command.
#[must_use]
pub fn command(action: &Action, side: Side) -> String {
    match action {
        Action::Run(arguments) => words(arguments, side).collect::<Vec<_>>().join(" "),
        Action::Script { path, args } => {
            std::iter::once(word(path, side)).chain(words(args, side)).collect::<Vec<_>>().join(" ")
        }
        Action::Task { name, with } => {
            let with = tree(with, side);
            match with.as_object().is_none_or(serde_json::Map::is_empty) {
                true => format!("task {name}"),
                false => format!("task {name} {}", quote(&with.to_string())),
            }
        }
    }
}

fn remarks(step: &Step, side: Side) -> Vec<String> {
    let mut remarks = order(step.needs.as_deref(), step.parallel);
    let mut say = |what: &str, names: &[String]| {
        if !names.is_empty() {
            remarks.push(format!("{what} {}", names.join(" ")));
        }
    };
    say("provides", &step.provides);
    say("requires", &step.requires);
    if let Some(unless) = &step.unless {
        remarks.push(format!("unless {}", words(unless, side).collect::<Vec<_>>().join(" ")));
    }
    if let Some(output) = &step.output {
        let secret = if output.secret { "secret " } else { "" };
        remarks.push(format!("output {secret}{}", output.name));
    }
    if let Some(finally) = &step.finally {
        remarks.push(format!("finally {}", command(&finally.action, side)));
    }
    if let Some(retries) = step.retries {
        remarks.push(format!("{} attempts", retries.attempts));
    }
    if step.timeout != Duration::from_secs(3600) {
        remarks.push(format!("timeout {}", humantime::format_duration(step.timeout)));
    }
    if step.detach {
        remarks.push("detach".to_owned());
    }
    if step.verify {
        remarks.push("verify".to_owned());
    }
    remarks
}

fn env(variables: &BTreeMap<String, EnvValue>, side: Side) -> String {
    let shown = variables.iter().map(|(name, value)| match value {
        EnvValue::Text(text) => format!("{name}={}", word(text, side)),
        // What bash and zsh write for the path of a file with this content.
        EnvValue::File(text) => format!("{name}=<(echo {})", word(text, side)),
    });
    shown.collect::<Vec<_>>().join(" ")
}
