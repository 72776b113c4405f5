//! What of an interrupted deployment counts as done, and what changed since.

use std::collections::{BTreeMap, BTreeSet};

use super::prepare::{Refused, Result};
use super::{Session, exit};
use crate::cli::ResumeArgs;
use crate::finding::suggest;
use crate::ledger::git::Call;
use crate::ledger::{Ledger, Unfinished};
use crate::plan::Plan;
use crate::run::event::Outcome;

/// The steps that need not run again. A step whose outcome nobody saw is asked by its guard, or decided by a person:
/// nothing is guessed.
pub fn done(
    session: &Session<'_>,
    plan: &Plan,
    unfinished: &Unfinished,
    args: &ResumeArgs,
) -> Result<BTreeMap<String, Outcome>> {
    let ids: Vec<&str> = plan.steps.iter().map(|step| &*step.id).collect();
    for named in args.rerun.iter().chain(&args.skip) {
        if !ids.contains(&named.as_str()) {
            let help = suggest(named, "steps", ids.iter().copied());
            session.output.error(&format!("there is no step `{named}` in {}\n  help: {help}", plan.environment));
            return Err(Refused(exit::REFUSED_BY_FINDINGS));
        }
    }
    if let Some(both) = args.skip.iter().find(|step| args.rerun.contains(step)) {
        session.output.error(&format!("step `{both}` cannot be run again and skipped: name it once"));
        return Err(Refused(exit::REFUSED_BY_FINDINGS));
    }
    let mut done = BTreeMap::new();
    let mut undecided = Vec::new();
    for step in &plan.steps {
        let known = unfinished.steps.iter().find(|known| known.id == step.id).map(|known| known.outcome);
        if args.skip.contains(&step.id) {
            done.insert(step.id.clone(), Outcome::Skipped);
        } else if args.rerun.contains(&step.id) {
            continue;
        } else {
            match known {
                Some(outcome @ (Outcome::Succeeded | Outcome::Done | Outcome::Skipped)) => {
                    _ = done.insert(step.id.clone(), outcome)
                }
                Some(Outcome::Unknown) if step.unless.is_none() && !step.verify => undecided.push(step.id.as_str()),
                _ => {}
            }
        }
    }
    if undecided.is_empty() {
        return Ok(done);
    }
    let environment = &plan.environment;
    for step in &undecided {
        session.output.error(&format!("nobody saw how step `{step}` ended, and it has no guard that could be asked"));
    }
    let all = |option: &str| undecided.iter().map(|step| format!(" {option} {step}")).collect::<String>();
    session.output.say(&format!(
        "  help: find out whether it is done, then say so: cargo xtask resume {environment}{}   (it is done)\n        \
         or: cargo xtask resume {environment}{}   (run it again){}",
        all("--skip"),
        all("--rerun"),
        if undecided.len() > 1 { "\n        or some of each, in one command" } else { "" }
    ));
    Err(Refused(exit::REFUSED_BY_FINDINGS))
}

/// What a partial deployment had chosen: it stays partial when it is gone on with.
pub fn chosen(plan: &Plan, unfinished: &Unfinished, done: &BTreeMap<String, Outcome>) -> Option<BTreeSet<String>> {
    if unfinished.deployment.complete {
        return None;
    }
    let calls: BTreeSet<&str> = unfinished
        .steps
        .iter()
        .filter(|step| step.outcome != Outcome::NotRun)
        .filter_map(|step| step.id.split(['/', '[']).next())
        .collect();
    let named =
        |id: &str| done.contains_key(id) || id.split(['/', '[']).next().is_some_and(|call| calls.contains(call));
    Some(plan.steps.iter().map(|step| step.id.clone()).filter(|id| named(id)).collect())
}

/// The lines of the plan that are not in both texts; where there are none, the files that steps name and that have changed.
pub fn changes(ledger: &Ledger, plan: &Plan, unfinished: &Unfinished, now: &str) -> String {
    let before = unfinished.plan_text.as_str();
    let old: BTreeSet<&str> = before.lines().collect();
    let new: BTreeSet<&str> = now.lines().collect();
    let gone = before.lines().filter(|line| !new.contains(line)).map(|line| format!("  - {}", line.trim()));
    let come = now.lines().filter(|line| !old.contains(line)).map(|line| format!("  + {}", line.trim()));
    let lines: Vec<String> = gone.chain(come).collect();
    if !lines.is_empty() {
        return lines.join("\n");
    }
    let ask = ["diff", "--name-only", "-z", "--no-renames", &unfinished.deployment.release.commit];
    let said = ledger.git.call(&Call::new(&ask)).ok().filter(|said| said.ok);
    let said = said.map_or_else(String::new, |said| said.text());
    let changed: BTreeSet<&str> = said.split('\0').collect();
    let named: BTreeSet<&str> = plan.steps.iter().flat_map(|step| &step.files).map(|file| file.path.as_str()).collect();
    let files = named.into_iter().filter(|path| changed.contains(ledger.git.path(path).as_str()));
    let files: Vec<String> = files.map(|path| format!("  the bytes of {path}")).collect();
    if files.is_empty() {
        "  the bytes of a file that a step names, or the order of steps".to_owned()
    } else {
        files.join("\n")
    }
}
