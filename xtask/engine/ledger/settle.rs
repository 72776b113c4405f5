//! What people do to the ledger by hand: unlock, settle, approve.
//!
//! Each is one event, decided anew whenever somebody else's comes first. It does not ask whether they are sure.

use super::chain::{Draft, Ledger, Standing, Swap};
use super::journal::{Tail, discard};
use super::operations::SWAPS;
use super::place::{folder, lock};
use super::record::{Counts, Ended, Kind, Record, StepRecord};
use super::release::Release;
use super::state::{Deployment, State};
use super::tidy::tidy;
use super::{Error, Failure, Result};

/// What somebody approves.
#[derive(Debug, Clone)]
pub struct Approval {
    pub environment: String,
    pub release: Release,
    /// The digest of the plan for that environment.
    pub plan: String,
}

#[derive(Debug, Clone)]
pub struct Unlock {
    pub environment: String,
    pub reason: String,
    /// The ledger was rewritten or deleted, and is to be used as it is now.
    pub accept_ledger: bool,
}

/// Nobody holds it, and nothing is wrong with its ledger.
#[must_use]
pub fn nothing_to_unlock(environment: &str) -> Error {
    let text = format!("unlock {environment}: nobody holds it, and its ledger is as this clone knows it");
    Error::new(Failure::Usage, text)
}

impl Ledger {
    /// Frees an environment whose holder is dead, or accepts a ledger that was rewritten. [`Ledger::sync`] first, and show
    /// whose deployment it ends.
    ///
    /// # Errors
    /// Usage: there is nothing to unlock.
    pub fn unlock(&self, unlock: &Unlock) -> Result<Record> {
        let attempt = format!("unlock {}", unlock.environment);
        let place = folder(&self.git, &unlock.environment);
        let mut record = self.record(&unlock.environment, Kind::Unlocked);
        record.reason = Some(unlock.reason.clone());
        let mended = if unlock.accept_ledger { self.put_back(&unlock.environment)? } else { None };
        self.appending(&unlock.environment, &|standing| {
            let mut draft = Draft { record: record.clone(), files: Vec::new(), second_parent: None };
            match &standing.rewritten {
                Some(_) if !unlock.accept_ledger => self.usable(&attempt, &unlock.environment, standing)?,
                Some(rewritten) => {
                    let over = standing.instead.as_ref().unwrap_or(&rewritten.seen);
                    draft.record.accepted_over = Some(over.clone());
                    let over = self.git.objects(std::slice::from_ref(over))?.remove(0);
                    draft.second_parent = over.filter(|object| object.kind == "commit").map(|object| object.id);
                }
                None => draft.record.accepted_over.clone_from(&mended),
            }
            let holder = standing.state().and_then(State::running);
            if let Some(holder) = holder {
                self.give_up(&mut draft, holder)?;
            } else if standing.rewritten.is_none() && mended.is_none() {
                return Err(nothing_to_unlock(&unlock.environment));
            }
            draft.record.late = self.late(&unlock.environment, standing, false)?;
            Ok(draft)
        })
        .inspect(|_| {
            // A holder that lives keeps its journal: what became of it will be told as late.
            if let Ok(Some(_lock)) = lock(&place) {
                drop(discard(&place));
            }
        })
    }

    /// Puts back at the remote what it has lost of the newest event. Where it is not here either, its name is taken away: git
    /// takes nothing into a repository with such a ref. That event's commit; none: nothing is lost.
    fn put_back(&self, environment: &str) -> Result<Option<String>> {
        self.sync()?;
        if let Some(lost) = self.lost_at(environment) {
            self.forget(environment, &lost)?;
            return Ok(Some(lost));
        }
        let standing = self.standing(environment)?;
        let tip = standing.tip.as_ref().filter(|_| self.settings.remote.is_some() && standing.rewritten.is_none());
        let Some(tip) = tip.filter(|_| !standing.unpublished) else { return Ok(None) };
        Ok(self.mend(environment, tip)?.then(|| tip.commit.clone()))
    }

    /// What is known here of the deployment that is given up.
    fn give_up(&self, draft: &mut Draft, holder: &Deployment) -> Result<()> {
        let record = &mut draft.record;
        record.deployment = Some(holder.id.clone());
        record.fence = Some(holder.fence);
        record.release = Some(holder.release.clone());
        record.plan = Some(holder.plan.clone());
        record.outcome = Some(Ended::Interrupted);
        record.started_at = Some(holder.started_at.clone());
        (record.complete, record.forced) = (holder.complete, holder.forced);
        record.owed.clone_from(&holder.may_owe);
        if let Some(found) =
            self.found(&record.environment, &holder.event)?.filter(|found| !matches!(found.tail, Tail::Damaged(_)))
        {
            let steps: Vec<StepRecord> = found.progress.steps.values().cloned().collect();
            record.steps = Counts::of(&steps);
            record.step = found.progress.running.first().cloned().or(found.progress.last);
            record.owed = found.progress.owed.into_iter().collect();
            draft.files = vec![("steps.json", super::operations::steps_text(&steps))];
        }
        Ok(())
    }

    /// Gives up work that is owed (`finally`).
    ///
    /// # Errors
    /// Usage: that step owes nothing. Held: a deployment runs, and may do it.
    pub fn settle(&self, environment: &str, step: &str, reason: &str) -> Result<Record> {
        let attempt = format!("settle {step} of {environment}");
        let mut record = self.record(environment, Kind::Settled);
        (record.step, record.reason) = (Some(step.to_owned()), Some(reason.to_owned()));
        self.appending(environment, &|standing| {
            self.usable(&attempt, environment, standing)?;
            if standing.state().and_then(State::running).is_some() {
                return Err(self.held(&attempt, standing, false));
            }
            let owed = standing.state().map(|state| state.owed.clone()).unwrap_or_default();
            if !owed.iter().any(|other| other == step) {
                let have = if owed.is_empty() {
                    "nothing is owed there".to_owned()
                } else {
                    format!("owed is {}", owed.join(", "))
                };
                return Err(Error::new(Failure::Usage, format!("{attempt}: {have}")));
            }
            Ok(Draft { record: record.clone(), files: Vec::new(), second_parent: None })
        })
    }

    /// Approves a release with one plan for an environment.
    ///
    /// # Errors
    /// Refused: a dirty tree. Usage: approved already by the same person.
    pub fn approve(&self, approval: &Approval) -> Result<Record> {
        let Approval { environment, release, plan } = approval;
        let attempt = format!("approve {} for {environment}", release.display);
        if release.dirty {
            return Err(Error::new(
                Failure::Refused,
                format!("{attempt}: the working tree has changes that are not committed; name a commit"),
            ));
        }
        let mut record = self.record(environment, Kind::Approved);
        (record.release, record.plan) = (Some(release.clone()), Some(plan.clone()));
        self.appending(environment, &|standing| {
            self.usable(&attempt, environment, standing)?;
            let given = standing.state().map(|state| state.approvals.as_slice()).unwrap_or_default();
            if given.iter().any(|given| given.by == record.by && given.release == release.id && given.plan == *plan) {
                return Err(Error::new(Failure::Usage, format!("{attempt}: {} has approved it already", record.by)));
            }
            Ok(Draft { record: record.clone(), files: Vec::new(), second_parent: Some(release.commit.clone()) })
        })
    }

    /// Decides and appends, until nobody else was first.
    pub(super) fn appending(&self, environment: &str, decide: &dyn Fn(&Standing) -> Result<Draft>) -> Result<Record> {
        self.sync()?;
        self.publish(&[environment])?;
        for _ in 0..SWAPS {
            let standing = self.standing(environment)?;
            let draft = decide(&standing)?;
            if let Swap::Done(tip) = self.append(environment, &standing, &draft, &[])? {
                tidy(&self.git);
                return Ok(Record { seq: tip.state.seq, ..draft.record });
            }
        }
        Err(Error::new(
            Failure::Held,
            format!("write the ledger of {environment}: others write it all the time; try again"),
        ))
    }
}
