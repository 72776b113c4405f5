//! Asking the gate: gathering what the pure decision in `gate` needs to be told.
//!
//! It reads ledgers and branches, and decides nothing itself but whether what it knows is fresh enough.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::chain::{Ledger, Standings};
use super::gate::{Branch, Gate, Question, Seen, gate};
use super::journal::Tail;
use super::operations::Request;
use super::place::Life;
use super::record::{Ended, Terms};
use super::state::{Deployment, Forced, State};
use super::status::{Approvals, Condition, GateRow, Holder, Named, Row, late};
use super::{Error, Failure, Result};

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
        if self.settings.remote.is_none()
            || standings[&request.environment]
                .tip
                .as_ref()
                .is_some_and(|_| !standings[&request.environment].unpublished)
        {
            return Ok(standings);
        }
        *synced = true;
        self.sync()?;
        self.standings_of(request)
    }

    pub(super) fn standings_of(&self, request: &Request) -> Result<Standings> {
        self.completed(request, Standings::new())
    }

    /// Everything that the gate of a request needs to know, beyond what is known.
    fn completed(&self, request: &Request, mut standings: Standings) -> Result<Standings> {
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
        let others: BTreeMap<String, Seen> = standings
            .iter()
            .map(|(name, standing)| {
                let seen = if standing.rewritten.is_some() {
                    Seen::Rewritten
                } else {
                    standing.state().map_or(Seen::Never, Seen::Known)
                };
                (name.clone(), seen)
            })
            .collect();
        let own = standings[&request.environment].state();
        let former = own.and_then(|own| own.gate.as_ref()).map(|terms| terms.branches.clone()).unwrap_or_default();
        let asked = request.terms.branches.iter().chain(&former);
        let branches = asked.map(|name| (name.clone(), self.on_branch(&request.release.commit, name))).collect();
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
        self.usable(attempt, &request.environment, standing)?;
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

    pub(super) fn leases(&self, standings: &Standings, terms: &Terms, request: &Request) -> Vec<(String, String)> {
        if self.settings.remote.is_none() || request.force.is_some() {
            return Vec::new();
        }
        // A chain that the remote does not have yet cannot be compared with it.
        let published = |name: &String| standings.get(name).filter(|standing| !standing.unpublished);
        let tips = terms.after.iter().filter_map(|name| Some((name, published(name)?.tip.as_ref()?)));
        tips.map(|(name, tip)| (self.home(name), tip.commit.clone())).collect()
    }

    /// How environments are, as `status` shows them. A request: what `deploy` would deploy there now, for its gate.
    /// The ledgers are read in one go.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn rows(&self, requests: &[Request]) -> Result<Vec<Row>> {
        let named = requests.iter().flat_map(|request| request.terms.after.iter().chain([&request.environment]));
        let names: BTreeSet<&str> = named.map(String::as_str).collect();
        let known = self.standings(&names.into_iter().collect::<Vec<_>>())?;
        requests.iter().map(|request| self.row_of(request, known.clone())).collect()
    }

    /// As [`Ledger::rows`], of one environment.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn row(&self, request: &Request) -> Result<Row> {
        self.row_of(request, Standings::new())
    }

    fn row_of(&self, request: &Request, known: Standings) -> Result<Row> {
        let standings = self.completed(request, known)?;
        let answer = self.ask(request, &standings);
        let standing = &standings[&request.environment];
        let mut gate = GateRow { release: request.release.id.clone(), open: answer.open, reasons: answer.reasons };
        if let Some(rewritten) = &standing.rewritten {
            gate.open = false;
            let text = self.rewritten_words(&request.environment, rewritten);
            gate.reasons.insert(0, super::gate::Reason { code: "rewritten", text });
        }
        let mut row = Row {
            name: request.environment.clone(),
            personal: request.personal,
            state: Condition::Never,
            release: None,
            by: None,
            at: None,
            holder: None,
            steps: super::record::Counts::default(),
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
        Ok(self.held_row(row, deployment, life))
    }

    /// The row of an environment that somebody holds, dead or alive.
    fn held_row(&self, mut row: Row, deployment: &Deployment, life: Option<Life>) -> Row {
        let dead = life == Some(Life::Dead);
        row.state = if dead { Condition::Unfinished } else { Condition::Running };
        row.gate.open = false;
        let text = format!("{} deploys it, or left it unfinished", deployment.by);
        row.gate.reasons.insert(0, super::gate::Reason { code: "held", text });
        let found = self.journal_of(&row.name, deployment);
        let damaged = found.as_ref().is_some_and(|found| matches!(found.tail, Tail::Damaged(_)));
        let ended = found.as_ref().and_then(|found| found.progress.ended.as_ref()?.0.outcome);
        if dead {
            row.notes.push(left(&row.name, ended, damaged));
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
            row.steps = super::record::Counts { total: deployment.steps.total, ..super::record::Counts::of(&steps) };
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
