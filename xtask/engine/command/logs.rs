//! `cargo xtask logs ENV [STEP]`: what the steps of the last deployment printed on this machine.

use super::prepare::Refused;
use super::{Session, exit};
use crate::cli::LogsArgs;
use crate::finding::suggest;
use crate::ledger::Ledger;
use crate::repository::Repository;
use crate::run::logs::{file_name, folder, newest};

pub fn run(session: &Session<'_>, args: &LogsArgs) -> u8 {
    let repository = session.read();
    let ledger = match session.ledger(&repository.declarations) {
        Ok(ledger) => ledger,
        Err(Refused(code)) => return code,
    };
    let refuse = |message: &str| {
        session.output.error(message);
        exit::REFUSED_BY_FINDINGS
    };
    if !repository.declarations.environments().any(|name| name == args.environment) && !repository.unreadable() {
        session.unknown_environment(&repository, &args.environment);
        return exit::REFUSED_BY_FINDINGS;
    }
    if let Some(code) = silent(session, &repository, &ledger, args) {
        return code;
    }
    let (deployment, logs) = match newest(&session.home(&ledger.git).join("logs"), &args.environment) {
        Ok(found) => found,
        Err(error) => return refuse(&error.to_string()),
    };
    let wanted = args.step.as_deref().map(file_name);
    let chosen: Vec<_> = logs.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name)).collect();
    if let (true, Some(step)) = (chosen.is_empty(), &args.step) {
        let names: Vec<String> =
            logs.iter().map(|(name, _)| name.trim_end_matches(".log").replace("__", "/")).collect();
        let help = suggest(step, "steps that printed something", names.iter().map(String::as_str));
        return refuse(&format!(
            "deployment {deployment} of {} has no step `{step}` that printed something\n  help: {help}",
            args.environment
        ));
    }
    for (name, path) in &chosen {
        if chosen.len() > 1 {
            session.output.print(&format!("==> {} <==\n", name.trim_end_matches(".log").replace("__", "/")));
        }
        if let Err(error) = session.output.copy(path, chosen.len() > 1) {
            return refuse(&format!("{path} cannot be read: {error}"));
        }
    }
    0
}

/// Where the last deployment is this clone's, and nothing of it was printed.
fn silent(session: &Session<'_>, repository: &Repository, ledger: &Ledger, args: &LogsArgs) -> Option<u8> {
    let LogsArgs { environment, step } = args;
    let own = if repository.declarations.is_personal(environment) { ledger.private() } else { ledger.clone() };
    let standing = own.standing(environment).ok()?;
    let last = standing.state()?.current.as_ref().filter(|last| last.place.clone == own.caller.place.clone)?;
    if folder(&session.home(&own.git).join("logs"), environment, &last.id).exists() {
        return None;
    }
    let examined = repository.examine(session.tasks);
    let steps = examined.plan(environment).map(|plan| plan.steps.iter().map(|step| &*step.id).collect::<Vec<_>>());
    if let (Some(step), Some(steps)) = (step, steps)
        && !steps.contains(&step.as_str())
    {
        let help = suggest(step, "steps", steps);
        session.output.error(&format!("there is no step `{step}` in {environment}\n  help: {help}"));
        return Some(exit::REFUSED_BY_FINDINGS);
    }
    session.output.say(&format!("the last deployment of {environment} printed nothing here"));
    Some(0)
}
