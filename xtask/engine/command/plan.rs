//! `cargo xtask plan ENV`: what a deployment would do.

use std::mem::ManuallyDrop;

use super::{Session, exit};
use crate::cli::{Format, PlanArgs};
use crate::finding::Finding;
use crate::ledger::{Changes, Git, Head, Release};
use crate::plan::Plan;
use crate::repository::Repository;
use crate::show::json::ShownRelease;
use crate::show::{self, word::Side};

pub fn run(session: &Session<'_>, args: &PlanArgs) -> u8 {
    let asks = args.format == Format::Text;
    let head = asks.then(|| Head::ask(session.root.as_std_path()));
    // The process ends with this command: to give back 100,000 steps one by one takes a tenth of the time.
    let repository = ManuallyDrop::new(session.read());
    let examined = ManuallyDrop::new(repository.examine_for(session.tasks, |name| name == args.environment));
    let stopping: Vec<&Finding> = examined.stopping(&args.environment).collect();
    if !repository.declarations.environments().any(|name| name == args.environment) && !repository.unreadable() {
        session.unknown_environment(&repository, &args.environment);
        return exit::REFUSED_BY_FINDINGS;
    }
    let mut refused = false;
    if let Some(plan) = examined.plan(&args.environment) {
        let skeleton = args.skeleton.then(|| repository.skeleton(&args.environment, session.tasks)).flatten();
        match (args.format, &skeleton) {
            // A release is no name: what is shown does not change with the next commit.
            (Format::Json, Some(skeleton)) => session.output.print_json(&show::json::plan(skeleton, None)),
            (Format::Json, None) => {
                let release = release(session, &repository, plan);
                refused = release.is_none();
                session.output.print_json(&show::json::plan(plan, release.as_ref()));
            }
            (Format::Text, Some(skeleton)) => {
                session.output.print(&show::plan::text(skeleton, Side::Skeleton, session.tasks));
            }
            (Format::Text, None) => session.output.print(&show::plan::text(plan, Side::Value, session.tasks)),
        }
        if stopping.is_empty() && head.is_some_and(|head| !head.is_ok_and(Head::is_there)) {
            refused = release(session, &repository, plan).is_none();
        }
    }
    if stopping.is_empty() {
        return if refused { exit::REFUSED_BY_FINDINGS } else { 0 };
    }
    session.output.findings(stopping, &repository);
    session.output.error(&format!("`deploy {}` would refuse: mend what is found above", args.environment));
    exit::REFUSED_BY_FINDINGS
}

/// The release that a deployment would deploy; none, and why, where there is no git repository or no commit.
fn release(session: &Session<'_>, repository: &Repository, plan: &Plan) -> Option<ShownRelease> {
    let changes = Changes::ask(session.root.as_std_path());
    let git = Git::open(session.root.as_std_path());
    match git.and_then(|git| session.release(changes, &git, repository, &[plan])) {
        Ok(Release { id, commit, dirty, .. }) => Some(ShownRelease { id, commit, dirty }),
        Err(error) => {
            let message = format!("`deploy {}` would refuse: {}", plan.environment, error.message);
            session.output.error(&message);
            None
        }
    }
}
