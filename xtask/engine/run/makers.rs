//! Which steps must run again because what they produce is needed and was kept nowhere.
//!
//! Pure. A maker has no guard that could be asked, and what it produced may be secret, so no ledger and no journal
//! holds it: when a step that is still to run uses it, the maker runs again.

use crate::plan::{Action, Argument, EnvValue, Piece, Plan, Step, Stdin, Text, Tree};

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
    plan.env_of(step).values().for_each(|value| in_value(value, found));
    in_text(&step.cwd, found);
    in_action(&step.action, found);
    in_stdin(step.stdin.as_ref(), found);
    step.unless.iter().flatten().for_each(|argument| in_argument(argument, found));
    if let Some(finally) = &step.finally {
        finally.env.values().for_each(|value| in_value(value, found));
        in_text(&finally.cwd, found);
        in_action(&finally.action, found);
        in_stdin(finally.stdin.as_ref(), found);
    }
}

fn in_action(action: &Action, found: &mut dyn FnMut(usize)) {
    match action {
        Action::Run(arguments) => arguments.iter().for_each(|argument| in_argument(argument, found)),
        Action::Script { path, args } => {
            in_text(path, found);
            args.iter().for_each(|argument| in_argument(argument, found));
        }
        Action::Task { with, .. } => in_tree(with, found),
    }
}

fn in_argument(argument: &Argument, found: &mut dyn FnMut(usize)) {
    match argument {
        Argument::One(text) => in_text(text, found),
        Argument::Spread { items, .. } => items.iter().for_each(|text| in_text(text, found)),
    }
}

fn in_value(value: &EnvValue, found: &mut dyn FnMut(usize)) {
    let (EnvValue::Text(text) | EnvValue::File(text)) = value;
    in_text(text, found);
}

fn in_stdin(stdin: Option<&Stdin>, found: &mut dyn FnMut(usize)) {
    if let Some(Stdin::Text(text) | Stdin::File(text)) = stdin {
        in_text(text, found);
    }
}

fn in_tree(tree: &Tree, found: &mut dyn FnMut(usize)) {
    match tree {
        Tree::Boolean(_) | Tree::Integer(_) | Tree::Float(_) => {}
        Tree::Text(text) => in_text(text, found),
        Tree::Typed { value, .. } => in_tree(value, found),
        Tree::List(items) => items.iter().for_each(|item| in_tree(item, found)),
        Tree::Table(table) => table.values().for_each(|item| in_tree(item, found)),
    }
}

fn in_text(text: &Text, found: &mut dyn FnMut(usize)) {
    in_pieces(&text.pieces, found);
}

fn in_pieces(pieces: &[Piece], found: &mut dyn FnMut(usize)) {
    for piece in pieces {
        match piece {
            Piece::Output { step, .. } => found(*step as usize),
            Piece::Reference { value, .. } => in_pieces(value, found),
            _ => {}
        }
    }
}
