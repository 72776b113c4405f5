//! Which steps must run again because what they produce is needed and was kept nowhere.
//!
//! Pure. A maker has no guard that could be asked, and what it produced may be secret, so no ledger and no journal
//! holds it: when a step that is still to run uses it, the maker runs again.

use ciao_plan::{Action, Argument, EnvValue, Piece, Plan, Stdin, Step, Text};

/// Adds to `runs` the makers of everything that a step in `runs` uses. Makers come before their users in a plan, so
/// one look from the end to the beginning is enough. Gives back those that were added.
pub fn add_makers(plan: &Plan, runs: &mut [bool]) -> Vec<usize> {
    let mut added = Vec::new();
    for index in (0..plan.steps.len()).rev() {
        if !runs[index] {
            continue;
        }
        uses(plan, &plan.steps[index], &mut |maker| {
            if !runs[maker] && plan.steps[maker].runs {
                runs[maker] = true;
                added.push(maker);
            }
        });
    }
    added.sort_unstable();
    added
}

fn uses(plan: &Plan, step: &Step, found: &mut dyn FnMut(usize)) {
    let mut look = |text: &Text| {
        text.each_leaf(&mut |piece| {
            if let Piece::Output { step, .. } = piece {
                found(*step as usize);
            }
        });
    };
    plan.env_of(step).values().for_each(|value| in_value(value, &mut look));
    look(&step.cwd);
    in_action(&step.action, &mut look);
    in_stdin(step.stdin.as_ref(), &mut look);
    step.unless.iter().flatten().flat_map(Argument::texts).for_each(&mut look);
    if let Some(finally) = &step.finally {
        finally.env.values().for_each(|value| in_value(value, &mut look));
        look(&finally.cwd);
        in_action(&finally.action, &mut look);
        in_stdin(finally.stdin.as_ref(), &mut look);
    }
}

fn in_action(action: &Action, look: &mut dyn FnMut(&Text)) {
    match action {
        Action::Run(arguments) => arguments.iter().flat_map(Argument::texts).for_each(look),
        Action::Script { path, args } => {
            look(path);
            args.iter().flat_map(Argument::texts).for_each(look);
        }
        Action::Task { with, .. } => with.each_text(look),
    }
}

fn in_value(value: &EnvValue, look: &mut dyn FnMut(&Text)) {
    let (EnvValue::Text(text) | EnvValue::File(text)) = value;
    look(text);
}

fn in_stdin(stdin: Option<&Stdin>, look: &mut dyn FnMut(&Text)) {
    if let Some(Stdin::Text(text) | Stdin::File(text)) = stdin {
        look(text);
    }
}
