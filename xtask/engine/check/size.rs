//! What a step gives to a program must be as short as the system takes it: said before a deployment, not by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciao_declare::finding::{Code, Finding, Place};
use ciao_plan::build::Built;
use ciao_plan::{Action, Argument, EnvValue, Piece, Text};

/// One argument, or one variable with its name, and the byte that ends it, as Linux takes them: execve(2), "Limits on size
/// of arguments and environment". Other systems bound the sum alone.
const LONGEST: usize = 128 << 10;
/// All of them together: a quarter of a stack of 8 MiB, the usual limit; the same page.
const ALL: usize = 2 << 20;

/// Finds steps with more in arguments and variables than a program can be started with, on whatever machine.
pub fn check(built: &Built<'_>, findings: &mut Vec<Finding>) {
    let plan = &built.plan;
    let everywhere = of_all(&plan.env);
    let calls: Vec<usize> = plan.calls.iter().map(|call| everywhere + of_all(&call.env)).collect();
    for (step, origin) in plan.steps.iter().zip(&built.origins).filter(|(step, _)| step.runs) {
        let owed = step.finally.as_deref().map(|finally| arguments(&finally.action));
        let given = [Some(arguments(&step.action)), step.unless.as_deref(), owed];
        let shared = calls[step.call] + of_all(&step.env);
        let mut together = shared;
        given.into_iter().flatten().for_each(|list| sizes(list).for_each(|size| together += size));
        // As nearly all: even together they are as short as one may be.
        if together <= LONGEST {
            continue;
        }
        let all = shared + given.into_iter().flatten().map(|list| sizes(list).sum::<usize>()).max().unwrap_or_default();
        let of = format!("of step `{}`", step.name);
        let env = [&plan.env, &plan.calls[step.call].env, &step.env];
        let what = if given.into_iter().flatten().flat_map(sizes).any(is_long) {
            format!("an argument {of} is longer than {LONGEST} bytes")
        } else if let Some((name, _)) = env.into_iter().flat_map(variables).find(|(_, size)| is_long(*size)) {
            format!("variable `{name}` {of} is longer than {LONGEST} bytes")
        } else if all > ALL {
            format!("the arguments and variables {of} have more than {ALL} bytes")
        } else {
            continue;
        };
        let place = Place { file: Arc::clone(origin.file), span: origin.declared.name.span };
        let help = "give it in a file: `{ file = … }` in env, or stdin";
        let finding = Finding::error(Code::BadCommand, place, format!("{what}: no program could be started"), help);
        findings.push(finding.of(&step.name));
    }
}

fn arguments(action: &Action) -> &[Argument] {
    match action {
        Action::Run(arguments) | Action::Script { args: arguments, .. } => arguments,
        Action::Task { .. } => &[],
    }
}

/// Bytes that are known before the plan runs; what is not known counts as nothing.
fn size(text: &Text) -> usize {
    let mut size = 1;
    text.each_leaf(&mut |piece| {
        if let Piece::Literal(text) = piece {
            size += text.len();
        }
    });
    size
}

fn is_long(size: usize) -> bool {
    size > LONGEST
}

fn sizes(arguments: &[Argument]) -> impl Iterator<Item = usize> {
    arguments.iter().flat_map(Argument::texts).map(size)
}

fn variables(env: &BTreeMap<String, EnvValue>) -> impl Iterator<Item = (&str, usize)> {
    env.iter().map(|(name, value)| match value {
        EnvValue::Text(text) => (name.as_str(), name.len() + 1 + size(text)),
        EnvValue::File(_) => (name.as_str(), 0),
    })
}

fn of_all(env: &BTreeMap<String, EnvValue>) -> usize {
    variables(env).map(|(_, size)| size).sum()
}
