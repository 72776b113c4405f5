//! The plan as text: one step a line, so that one line changes in a snapshot when one step changes.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;

use super::findings::printable;
use super::json::tree;
use super::word::{Side, plain, push_word, push_words, quote, word};
use ciao_base::task::Tasks;
use ciao_plan::{Action, Call, EnvValue, Piece, Plan, Stdin, Step};

/// The text form of a plan. The skeleton of `plan::build::skeleton` is the same whatever the values are; that of a plan
/// with values has its instances.
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
    let mut remarks = order(call.for_each.as_deref(), call.needs.as_deref(), call.parallel, side);
    if !call.env.is_empty() {
        remarks.push(format!("env {}", env(&call.env, side)));
    }
    line(text, &printable(&format!("  {}", call.id)), &remark(&remarks));
}

/// Where it departs from the order listed. The list of a `for_each` is seen by the instances that it makes, where it has values.
fn order(for_each: Option<&str>, needs: Option<&[String]>, parallel: bool, side: Side) -> Vec<String> {
    let for_each = for_each.filter(|_| side == Side::Skeleton).map(|list| format!("for_each {list}"));
    let needs = needs.map(|needs| match needs {
        [] => "needs nothing".to_owned(),
        needs => format!("needs {}", needs.join(" ")),
    });
    for_each.into_iter().chain(needs).chain(parallel.then(|| "parallel".to_owned())).collect()
}

fn remark(remarks: &[String]) -> String {
    if remarks.is_empty() { String::new() } else { printable(&format!("  # {}", remarks.join(", "))) }
}

fn step_line(text: &mut String, plan: &Plan, step: &Step, side: Side, tasks: &Tasks) {
    let call = &plan.calls[step.call];
    let name = step.id.strip_prefix(&call.id).and_then(|name| name.strip_prefix('/')).unwrap_or(&step.id);
    // A fixed column: a longer name moves its own line only.
    text.push_str("    ");
    push_name(text, name);
    text.push_str(&"                    "[name.chars().count().min(19)..]);
    if !step.env.is_empty() {
        text.push_str(&env(&step.env, side));
        text.push(' ');
    }
    push_command(text, &step.action, side);
    if let Some(stdin) = &step.stdin {
        *text += &match stdin {
            Stdin::Text(input) => format!(" < <(printf %s {})", word(input, side)),
            Stdin::File(path) => format!(" < {}", word(path, side)),
        };
    }
    let mut remarks = remarks(step, side);
    let folder = call.pipeline.parent().unwrap_or(Utf8Path::new(""));
    let is_folder = matches!(&*step.cwd.pieces, [Piece::Literal(cwd)] if **cwd == *folder.as_str());
    let cwd = if is_folder { String::new() } else { plain(&step.cwd, side) };
    if !is_folder && cwd != folder.as_str() {
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
    if !remarks.is_empty() {
        text.push(' ');
        text.push_str(&remark(&remarks));
    }
    text.push('\n');
}

/// What a step does, as a line for a shell. A task is shown as if it were a command.
#[must_use]
pub fn command(action: &Action, side: Side) -> String {
    let mut text = String::new();
    push_command(&mut text, action, side);
    text
}

fn push_command(text: &mut String, action: &Action, side: Side) {
    match action {
        Action::Run(arguments) => push_words(text, arguments, side),
        Action::Script { path, args } => {
            push_word(text, path, side);
            let end = text.len();
            push_words(text, args, side);
            if text.len() > end {
                text.insert(end, ' ');
            }
        }
        Action::Task { name, with } => {
            text.push_str("task ");
            push_name(text, name);
            let with = tree(with, side);
            if with.as_object().is_some_and(|with| !with.is_empty()) {
                text.push(' ');
                text.push_str(&quote(&with.to_string()));
            }
        }
    }
}

/// Most names have nothing that a terminal would act on, and no time for a look at each letter.
fn push_name(text: &mut String, name: &str) {
    match name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        true => text.push_str(name),
        false => text.push_str(&printable(name)),
    }
}

fn remarks(step: &Step, side: Side) -> Vec<String> {
    let mut remarks = order(step.for_each.as_deref(), step.needs.as_deref(), step.parallel, side);
    let mut say = |what: &str, names: &[String]| {
        if !names.is_empty() {
            remarks.push(format!("{what} {}", names.join(" ")));
        }
    };
    say("provides", &step.provides);
    say("requires", &step.requires);
    if let Some(unless) = &step.unless {
        let mut said = "unless ".to_owned();
        push_words(&mut said, unless, side);
        remarks.push(said);
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
        EnvValue::File(text) => format!("{name}=<(printf %s {})", word(text, side)),
    });
    printable(&shown.collect::<Vec<_>>().join(" "))
}
