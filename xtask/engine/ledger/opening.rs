//! Asking the gate: gathering what the pure decision in `gate` needs to be told.
//!
//! It reads ledgers and branches, and decides nothing itself but whether what it knows is fresh enough.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::chain::{Ledger, Standing, Standings};
use super::gate::{Branch, Gate, Question, Seen, gate};
use super::journal::Tail;
use super::operations::Request;
use super::place::Life;
use super::record::{Counts, Ended, Terms};
use super::release::Release;
use super::state::{Forced, State};
use super::status::{Approvals, Condition, GateRow, Holder, Named, Row, late, short_of};
use super::{Error, Failure, Result};
use ciao_base::map;

impl Ledger {
    /// Whether a release may be deployed now, as far as this clone knows ([`Ledger::sync`] first to be sure).
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn gate(&self, request: &Request) -> Result<Gate> {
        let standings = self.standings_of(request)?;
        Ok(self.ask(request, &standings))
    }

    pub(super) fn remembered(&self, request: &Request, synced: &mut bool) -> Result<Standings> {
        let standings = self.standings_of(request)?;
        let own = &standings[&request.environment];
        if self.settings.remote.is_none() || (own.tip.is_some() && !own.unpublished) {
            return Ok(standings);
        }
        *synced = true;
        self.sync()?;
        self.standings_of(request)
    }

    /// Everything that the gate of a request needs to know.
    pub(super) fn standings_of(&self, request: &Request) -> Result<Standings> {
        let mut standings = Standings::new();
        self.add(&mut standings, request.terms.after.iter().chain([&request.environment]))?;
        // What a former gate asked for beyond the declared one.
        let former = standings[&request.environment].state().and_then(|state| state.gate.clone()).unwrap_or_default();
        self.add(&mut standings, former.after.iter())?;
        for name in request.terms.after.iter().chain(&former.after) {
            if let Some(tip) = standings.get_mut(name).and_then(|standing| standing.tip.as_mut())
                && tip.state.proof(&request.release.id).is_none()
                && tip.state.forgotten > 0
                && *name != request.environment
            {
                tip.state = self.recomputed(&tip.commit, usize::MAX)?.0;
            }
        }
        Ok(standings)
    }

    fn add<'a>(&self, standings: &mut Standings, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let missing: BTreeSet<&str> = names.map(String::as_str).filter(|name| !standings.contains_key(*name)).collect();
        if !missing.is_empty() {
            standings.extend(self.standings(&missing.into_iter().collect::<Vec<_>>())?);
        }
        Ok(())
    }

    fn ask(&self, request: &Request, standings: &Standings) -> Gate {
        let others = map(standings.iter().map(|(name, standing)| {
            let seen = match standing.rewritten {
                Some(_) => Seen::Rewritten,
                None => standing.state().map_or(Seen::Never, Seen::Known),
            };
            (name.clone(), seen)
        }));
        let own = standings[&request.environment].state();
        let former = own.and_then(|own| own.gate.as_ref()).map(|terms| terms.branches.clone()).unwrap_or_default();
        let asked = request.terms.branches.iter().chain(&former);
        let branches = map(asked.map(|name| (name.clone(), self.on_branch(&request.release.commit, name))));
        gate(&Question {
            environment: &request.environment,
            personal: request.personal,
            declared: &request.terms,
            after_in_head: request.after_in_head,
            own,
            others: &others,
            release: &request.release,
            plan: &request.plan,
            steps: &request.steps,
            first_run: &request.first_run,
            by: &self.caller.by,
            branches: &branches,
            now: (self.source.now)(),
        })
    }

    fn on_branch(&self, commit: &str, branch: &str) -> Branch {
        let Some(name) = self.branch_ref(branch) else {
            // Without a remote, "pushed to it" means nothing: the branch of this clone is what there is.
            return match self.is_ancestor(commit, &format!("refs/heads/{branch}")) {
                Some(true) => Branch::On,
                Some(false) => Branch::Off,
                None => Branch::Unknown(format!("there is no branch {branch}")),
            };
        };
        match self.is_ancestor(commit, &name) {
            Some(true) => Branch::On,
            Some(false) if self.git.common.join("shallow").exists() => {
                Branch::Unknown("this clone is shallow: git fetch --unshallow".to_owned())
            }
            Some(false) => Branch::Off,
            None => Branch::Unknown(format!("the remote has no branch {branch}, or it was not fetched")),
        }
    }

    pub(super) fn may_start(&self, attempt: &str, request: &Request, standings: &Standings) -> Result<Gate> {
        let standing = &standings[&request.environment];
        if let Some(why) = self.wrong(&request.environment, standing) {
            return Err(Error::unreadable(format!("{attempt}: {why}")));
        }
        if standing.state().and_then(State::running).is_some() {
            return Err(self.held(attempt, standing, true));
        }
        let answer = self.ask(request, standings);
        if !answer.open && request.force.is_none() {
            let reasons: Vec<String> =
                answer.reasons.iter().map(|reason| format!("\n  {}: {}", reason.code, reason.text)).collect();
            let message =
                format!("{attempt}: its gate is closed for release {}{}", request.release.display, reasons.concat());
            return Err(Error::new(Failure::Refused, message));
        }
        Ok(answer)
    }

    /// The refs that opened the gate, ledgers and branches, and where they were then.
    pub(super) fn leases(
        &self,
        standings: &Standings,
        terms: &Terms,
        request: &Request,
    ) -> Result<Vec<(String, String)>> {
        if self.settings.remote.is_none() || request.force.is_some() {
            return Ok(Vec::new());
        }
        // A chain that the remote does not have yet cannot be compared with it, and that of the environment itself is swapped.
        let published = |name: &String| standings.get(name).filter(|standing| !standing.unpublished);
        let others = terms.after.iter().filter(|name| **name != request.environment);
        let tips = others.filter_map(|name| Some((self.home(name), published(name)?.tip.as_ref()?.commit.clone())));
        let known: Vec<String> = terms.branches.iter().filter_map(|name| self.branch_ref(name)).collect();
        let heads = terms.branches.iter().map(|name| format!("refs/heads/{name}")).zip(self.git.objects(&known)?);
        Ok(tips.chain(heads.filter_map(|(name, head)| Some((name, head?.id)))).collect())
    }

    /// How an environment is, as `status` shows it. The request is what `deploy` would deploy there now, for its gate.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn row(&self, request: &Request) -> Result<Row> {
        let standings = self.standings_of(request)?;
        let answer = self.ask(request, &standings);
        let standing = &standings[&request.environment];
        let Release { id: release, display, .. } = request.release.clone();
        let mut gate = GateRow { release, display, open: answer.open, reasons: answer.reasons };
        if let Some(text) = self.wrong(&request.environment, standing) {
            gate.open = false;
            let code = if standing.elsewhere { "two-ledgers" } else { "rewritten" };
            gate.reasons.insert(0, super::gate::Reason { code, text });
        }
        let mut row = Row {
            name: request.environment.clone(),
            personal: request.personal,
            state: Condition::Never,
            release: None,
            by: None,
            at: None,
            holder: None,
            steps: Counts::default(),
            approvals: Approvals { have: answer.approvals.0, need: answer.approvals.1 },
            gate,
            owed: standing.state().map(|state| state.owed.clone()).unwrap_or_default(),
            notes: Vec::new(),
        };
        let Some(state) = standing.state() else { return Ok(row) };
        if let Some(newer) = &state.newer {
            row.notes.push(format!("its ledger has {newer}, which this ciao is too old for: it can only be read"));
        }
        row.notes.extend(state.late.iter().map(late));
        let Some(deployment) = &state.current else { return Ok(row) };
        row.release = Some(Named::from(&deployment.release));
        row.by = Some(deployment.by.clone());
        row.at = Some(deployment.ended_at.clone().unwrap_or_else(|| deployment.since.clone()));
        row.steps = deployment.steps;
        if let Some(short) = short_of(deployment.outcome, deployment.complete, &deployment.skipped) {
            let Counts { succeeded, total, .. } = deployment.steps;
            row.notes.push(format!("{short}: {succeeded} of {total} steps ran"));
        }
        if deployment.forced {
            row.notes.push(format!("forced: {}", deployment.reason.as_deref().unwrap_or("no reason given")));
        } else if let Some(forced) = &state.forced {
            let reason = forced.reason.as_deref().unwrap_or("no reason given");
            let Forced { release, by, at, .. } = forced;
            row.notes.push(format!("release {release} was forced by {by} at {at}: {reason}"));
        }
        if let Some(outcome) = deployment.outcome {
            row.state = outcome.into();
            row.notes.extend(deployment.step.as_ref().map(|step| format!("stopped at {step}")));
            return Ok(row);
        }
        let (now, life) = self.fate(&request.environment, standing, false);
        if now != *standing {
            // It ended while it was looked at.
            return self.row(request);
        }
        Ok(self.held_row(row, standing, life))
    }

    /// The row of an environment that somebody holds, dead or alive.
    fn held_row(&self, mut row: Row, standing: &Standing, life: Option<Life>) -> Row {
        let Some(deployment) = standing.state().and_then(State::running) else { return row };
        let dead = life == Some(Life::Dead);
        row.state = if dead { Condition::Unfinished } else { Condition::Running };
        row.gate.open = false;
        let text = format!("{} deploys it, or left it unfinished", deployment.by);
        row.gate.reasons.insert(0, super::gate::Reason { code: "held", text });
        let found = self.journal_of(&row.name, deployment);
        let damaged = found.as_ref().is_some_and(|found| matches!(found.tail, Tail::Damaged(_)));
        let ended = found.as_ref().and_then(|found| found.progress.ended.as_ref()?.0.outcome);
        if dead {
            // What to do with one that was rewritten is told already.
            row.notes.extend(standing.rewritten.is_none().then(|| left(&row.name, ended, damaged)));
            // What nobody knows counts as owed.
            let owed = found.as_ref().filter(|_| !damaged).map(|found| found.progress.owed.iter().cloned().collect());
            row.owed = owed.unwrap_or_else(|| deployment.may_owe.clone());
        }
        if let Some(found) = &found {
            let steps: Vec<_> = found
                .progress
                .steps
                .values()
                .filter(|step| !found.progress.running.contains(&step.id))
                .cloned()
                .collect();
            row.steps = Counts { total: deployment.steps.total, ..Counts::of(&steps) };
        }
        let step = found.and_then(|found| found.progress.running.first().cloned().or(found.progress.last));
        row.holder = Some(Holder {
            by: deployment.by.clone(),
            host: deployment.host.clone(),
            since: deployment.since.clone(),
            step,
        });
        row
    }

    /// Now, by the clock that was given in.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.source.now)()
    }
}

/// Why the lock is held though its holder is gone, and what to do.
fn left(environment: &str, ended: Option<Ended>, damaged: bool) -> String {
    match ended {
        None if damaged => format!(
            "it was killed, and its journal is damaged: `cargo xtask resume {environment}` says how far it is known; then `cargo \
             xtask unlock {environment} --reason …`, and deploy again"
        ),
        Some(ended) => format!(
            "it ended ({}), which is not recorded yet: the next command that reaches the ledger records it",
            ended.word()
        ),
        None => format!(
            "it was killed: `cargo xtask resume {environment}`, or `cargo xtask unlock {environment} --reason …` and deploy again"
        ),
    }
}
