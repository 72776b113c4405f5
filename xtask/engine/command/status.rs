//! `cargo xtask status`, `history`, `show` and `doctor`: what is deployed where, what happened, and whether all is there.

use super::prepare::{Refused, Result};
use super::{Session, exit};
use crate::cli::{Format, HistoryArgs, ShowArgs, StatusArgs};
use crate::finding::Finding;
use crate::ledger::gate::Reason;
use crate::ledger::git::Call;
use crate::ledger::record::{Kind, Record};
use crate::ledger::{Check, Ledger, Release, Verdict, status};
use crate::plan::Plan;
use crate::template;

/// How many events `history` shows: what a person looks at, and what stays quick at any age.
const SHOWN: usize = 1000;

pub fn status(session: &Session<'_>, args: &StatusArgs) -> u8 {
    table(session, args).unwrap_or_else(|Refused(code)| code)
}

fn table(session: &Session<'_>, args: &StatusArgs) -> Result<u8> {
    let repository = session.read();
    let examined = repository.examine(session.tasks);
    let names: Vec<&str> = repository.declarations.environments().collect();
    if names.is_empty() {
        session.output.findings(&examined.findings, &repository);
        return Err(Refused(exit::REFUSED_BY_FINDINGS));
    }
    let plans: Vec<&Plan> = examined.plans.iter().map(|(_, plan)| plan).collect();
    let (ledger, release) = session.ledger_and_release_or(&repository, &plans, None, Some(Release::none()))?;
    session.up_to_date(&ledger, &names);
    let personal = ledger.private();
    let mut rows = Vec::with_capacity(names.len());
    for name in &names {
        let empty = Plan::empty(name, repository.declarations.is_personal(name));
        let plan = examined.plan(name).unwrap_or(&empty);
        let own = if plan.personal { &personal } else { &ledger };
        let request = session.request(&repository, plan, own, &release);
        let mut row = own.row(&request).map_err(|error| session.refused(&error))?;
        if let Some(there) = row.release.as_ref().filter(|there| there.commit != release.commit)
            && on_no_branch(own, &there.commit)
        {
            row.notes.push(format!("its commit {} is on no branch", there.commit.get(..12).unwrap_or_default()));
        }
        let stopping: Vec<&Finding> = examined.stopping(name).collect();
        let found = (!stopping.is_empty())
            .then(|| ("findings", format!("{}; `cargo xtask check`", super::output::counted(&stopping))));
        let nothing = || ("no-commit", "nothing is committed yet: git add --all, git commit".to_owned());
        for (code, text) in release.commit.is_empty().then(nothing).into_iter().chain(found) {
            row.gate.open = false;
            row.gate.reasons.insert(0, Reason { code, text });
        }
        rows.push(row);
    }
    match args.format {
        Format::Json => session.output.print(&status::status_json(&rows)),
        Format::Text => session.output.print_text(&status::status_table(&rows, ledger.now())),
    }
    Ok(0)
}

/// Whether no branch or tag, here or as last seen at a remote, has a commit.
fn on_no_branch(ledger: &Ledger, commit: &str) -> bool {
    let contains = format!("--contains={commit}");
    let ask = ["for-each-ref", "--count=1", &contains, "refs/heads", "refs/remotes", "refs/tags", "refs/ciao/branch"];
    // Where this clone has no such commit, nobody can tell.
    ledger.git.call(&Call::new(&ask)).is_ok_and(|said| said.ok && said.stdout.is_empty())
}

pub fn history(session: &Session<'_>, args: &HistoryArgs) -> u8 {
    let records = session.records(&args.environment).map(|(_, records)| records);
    match records {
        Ok(records) => {
            let records: Vec<Record> = records.into_iter().map(|(_, record)| record).collect();
            match args.format {
                Format::Json => session.output.print(&status::history_json(&records)),
                Format::Text => session.output.print_text(&status::history_table(&records)),
            }
            0
        }
        Err(Refused(code)) => code,
    }
}

pub fn show(session: &Session<'_>, args: &ShowArgs) -> u8 {
    one(session, args).unwrap_or_else(|Refused(code)| code)
}

fn one(session: &Session<'_>, args: &ShowArgs) -> Result<u8> {
    let (ledger, records) = session.records(&args.environment)?;
    let nothing: Vec<&String> = records
        .iter()
        .filter(|(_, record)| record.nothing_ran)
        .filter_map(|(_, record)| record.deployment.as_ref())
        .collect();
    // An `unlocked` that freed nobody only accepted a ledger; and one of which nothing ran is not the last.
    let is_deployment = |record: &Record| match record.event {
        _ if record.deployment.as_ref().is_some_and(|id| nothing.contains(&id)) => false,
        Kind::Started | Kind::Resumed | Kind::Finished => true,
        Kind::Unlocked => record.deployment.is_some(),
        _ => false,
    };
    let found = match &args.record {
        None => records.iter().find(|(_, record)| is_deployment(record)),
        Some(wanted) => records.iter().find(|(_, record)| record.id.starts_with(wanted.as_str())),
    };
    let Some((commit, record)) = found else {
        let message = match &args.record {
            Some(wanted) => {
                format!("{} has no record {wanted}\n  help: `cargo xtask history {0}` lists them", args.environment)
            }
            None => format!("nothing was ever deployed to {}", args.environment),
        };
        session.output.error(&message);
        return Err(Refused(exit::REFUSED_BY_FINDINGS));
    };
    let (steps, plan) = ledger.beside(commit).map_err(|error| session.refused(&error))?;
    match args.format {
        Format::Json => session.output.print(&status::show_json(record, &steps)),
        Format::Text => session.output.print_text(&status::show_text(record, &steps, &plan)),
    }
    Ok(0)
}

pub fn doctor(session: &Session<'_>) -> u8 {
    let repository = session.read();
    let ledger = match session.ledger(&repository.declarations) {
        Ok(ledger) => ledger,
        Err(Refused(code)) => return code,
    };
    let names: Vec<&str> = repository.declarations.environments().collect();
    let mut checks = ledger.doctor(&names);
    if let Some(refusal) = template::unproved(&session.root) {
        let text = format!("{}; {}", refusal.message, refusal.help);
        checks.push(Check { what: "engine", verdict: Verdict::Bad, text });
    }
    for check in &checks {
        let verdict = match check.verdict {
            Verdict::Good => "ok  ",
            Verdict::Doubtful => "warn",
            Verdict::Bad => "FAIL",
        };
        session.output.print_text(&format!("{verdict}  {:<10} {}\n", check.what, check.text));
    }
    if checks.iter().any(|check| check.verdict == Verdict::Bad) { exit::FAILED } else { 0 }
}

impl Session<'_> {
    /// Records what former commands could not, and asks the remote. What is remembered is shown where neither can be done.
    fn up_to_date(&self, ledger: &Ledger, environments: &[&str]) {
        if let Err(error) = ledger.sync() {
            self.output.warn(&format!("{}; this is what was known last", error.message));
        } else if let Err(error) = ledger.publish(environments) {
            self.output.warn(&error.message);
        }
    }

    /// The history of an environment, newest first.
    fn records(&self, environment: &str) -> Result<(Ledger, Vec<(String, Record)>)> {
        let ledger = self.known(environment)?;
        self.up_to_date(&ledger, &[environment]);
        for words in ledger.notices(environment).unwrap_or_default() {
            self.output.warn(&format!("{environment}: {words}"));
        }
        let records = ledger.history(environment, SHOWN).map_err(|error| self.refused(&error))?;
        Ok((ledger, records))
    }
}
