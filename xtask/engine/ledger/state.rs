//! What the events of one environment add up to: pure.
//!
//! Every commit holds the state after its event, so that nobody has to read the history to know what is: reading
//! costs the same after ten thousand events as after ten. It knows neither git nor files nor the clock.

use std::collections::BTreeMap;

use hmac_sha256::Hash as Sha256;
use serde::{Deserialize, Serialize};

use super::hex;
use super::record::{Counts, Ended, FORMAT, Kind, Late, Place, Record, Terms};
use super::release::Release;

/// How many releases a state remembers; what older ones have proved is looked up in the history.
pub const RELEASES: usize = 32;
/// How many approvals a state remembers.
const APPROVALS: usize = 64;
const LATE: usize = 8;

/// A deployment, running or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: String,
    /// The `started` or `resumed` that holds, or held, the lock last.
    pub event: String,
    pub fence: u64,
    pub release: Release,
    pub plan: String,
    pub by: String,
    pub host: String,
    /// Of the ciao that began or resumed it.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub place: Place,
    pub started_at: String,
    /// Of the event that holds the lock.
    pub since: String,
    #[serde(default)]
    pub ended_at: Option<String>,
    /// `None` while it runs, or nobody has said that it does not.
    #[serde(default)]
    pub outcome: Option<Ended>,
    #[serde(default)]
    pub complete: bool,
    #[serde(default)]
    pub forced: bool,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub steps: Counts,
    #[serde(default)]
    pub step: Option<String>,
    #[serde(default)]
    pub opened_by: Vec<String>,
    #[serde(default)]
    pub approved_by: Vec<String>,
    #[serde(default)]
    pub first_run: Vec<String>,
    /// Steps that owe their `finally` if nobody knows how far it came.
    #[serde(default)]
    pub may_owe: Vec<String>,
    /// Skipped by hand, over all its resumptions.
    #[serde(default)]
    pub skipped: Vec<String>,
}

/// What the last deployment of a release to this environment proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub release: String,
    /// The newest event of that deployment.
    pub event: String,
    pub outcome: Option<Ended>,
    pub complete: bool,
    pub dirty: bool,
    pub forced: bool,
    pub verified: bool,
    pub skipped: Vec<String>,
    /// Since when it has been good without a break.
    pub good_since: Option<String>,
    /// Key into [`State::sets`]: the steps that ran or were found done.
    pub set: String,
}

impl Proof {
    #[must_use]
    pub fn good(&self) -> bool {
        self.outcome == Some(Ended::Succeeded)
            && self.complete
            && !self.dirty
            && !self.forced
            && self.verified
            && self.skipped.is_empty()
    }
}

/// A person's approval of one release with one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    pub event: String,
    pub release: String,
    pub plan: String,
    pub by: String,
    pub at: String,
}

/// What the events of one environment add up to. `state.json` of its newest commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub format: u32,
    pub environment: String,
    /// Of the newest event.
    pub seq: u64,
    pub event: String,
    pub at: String,
    /// What in it this ciao is too old for.
    pub newer: Option<String>,
    /// The last deployment.
    pub current: Option<Deployment>,
    /// The last deployment of each release, the newest last.
    pub proofs: Vec<Proof>,
    /// How many releases are in the history only.
    pub forgotten: u64,
    pub sets: BTreeMap<String, Vec<String>>,
    pub approvals: Vec<Approved>,
    /// Steps whose `finally` is still to be done.
    pub owed: Vec<String>,
    /// The gate that the last `started` passed.
    pub gate: Option<Terms>,
    pub late: Vec<Late>,
    /// While a deployment runs: what is so again if nothing of it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Before>>,
    /// The last deployment that was forced: it is shown for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forced: Option<Forced>,
}

/// The last deployment, and what that of the same release has proved, before another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub current: Option<Deployment>,
    pub proof: Option<Proof>,
    pub set: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    pub release: String,
    pub by: String,
    pub at: String,
    pub reason: Option<String>,
}

impl State {
    /// Whether this is what it should be. An older ciao did not write what may be missing here.
    #[must_use]
    pub fn is(&self, expected: &State) -> bool {
        let older = self.before.is_none() && self.forced.is_none();
        self == expected || (older && *self == State { before: None, forced: None, ..expected.clone() })
    }

    /// Reads `state.json`, also of a newer format as far as it can be understood.
    ///
    /// # Errors
    /// If it is not a state at all.
    pub fn parse(text: &[u8]) -> Result<State, String> {
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).ok_or("it has no format")?;
        if format <= u64::from(FORMAT) {
            return serde_json::from_value(value).map_err(|error| error.to_string());
        }
        let word = |key: &str| value.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let (environment, event, at) = (word("environment"), word("event"), word("at"));
        let mut state = serde_json::from_value(value).unwrap_or(State { environment, event, at, ..State::default() });
        state.newer = Some(format!("format {format}"));
        Ok(state)
    }

    /// The deployment that holds the lock.
    #[must_use]
    pub fn running(&self) -> Option<&Deployment> {
        self.current.as_ref().filter(|deployment| deployment.outcome.is_none())
    }

    #[must_use]
    pub fn proof(&self, release: &str) -> Option<&Proof> {
        self.proofs.iter().find(|proof| proof.release == release)
    }
}

/// The state after one more event. Total: whatever the history holds, it adds up to something.
#[must_use]
pub fn fold(state: Option<State>, record: &Record) -> State {
    fold_keeping(state, record, RELEASES)
}

/// As [`fold`], remembering so many releases.
#[must_use]
pub fn fold_keeping(state: Option<State>, record: &Record, releases: usize) -> State {
    let mut state = state.unwrap_or_default();
    state.format = FORMAT;
    state.environment.clone_from(&record.environment);
    state.seq = record.seq;
    state.event.clone_from(&record.id);
    state.at.clone_from(&record.at);
    state.late.extend(record.late.iter().cloned());
    let excess = state.late.len().saturating_sub(LATE);
    state.late.drain(..excess);
    if record.format > FORMAT {
        state.newer = Some(format!("format {}", record.format));
    }
    match &record.event {
        Kind::Opened => {}
        Kind::Started | Kind::Resumed => begin(&mut state, record),
        Kind::Finished => finish(&mut state, record),
        Kind::Unlocked => unlock(&mut state, record),
        Kind::Approved => approve(&mut state, record),
        Kind::Settled => state.owed.retain(|step| Some(step) != record.step.as_ref()),
        Kind::Unknown(name) => state.newer = Some(format!("events called {name}")),
    }
    trim(&mut state, releases);
    state
}

fn begin(state: &mut State, record: &Record) {
    let Some(release) = record.release.clone() else { return };
    // What nobody has ended is not so again.
    let resumes = state.running().is_some();
    let proof = state.proof(&release.id).cloned();
    let set = proof.as_ref().and_then(|proof| state.sets.get(&proof.set).cloned()).unwrap_or_default();
    let known = Before { current: state.current.clone(), proof, set };
    state.before = (!resumes).then(|| Box::new(known));
    if record.forced && record.event == Kind::Started {
        let (by, at, reason) = (record.by.clone(), record.at.clone(), record.reason.clone());
        state.forced = Some(Forced { release: release.display.clone(), by, at, reason });
    }
    let before = state
        .current
        .take()
        .filter(|before| record.event == Kind::Resumed && Some(&before.id) == record.deployment.as_ref());
    let deployment = Deployment {
        id: record.deployment.clone().unwrap_or_else(|| record.id.clone()),
        event: record.id.clone(),
        fence: record.seq,
        plan: record.plan.clone().unwrap_or_default(),
        by: record.by.clone(),
        host: record.host.clone(),
        version: record.version.clone(),
        place: record.place.clone().unwrap_or_default(),
        started_at: before.as_ref().map_or_else(|| record.at.clone(), |before| before.started_at.clone()),
        since: record.at.clone(),
        ended_at: None,
        outcome: None,
        complete: record.complete,
        // Once forced, always forced: a resumption does not pass the gate for the first attempt.
        forced: record.forced || before.as_ref().is_some_and(|before| before.forced),
        reason: record.reason.clone().or_else(|| before.as_ref().and_then(|before| before.reason.clone())),
        steps: record.steps,
        step: None,
        opened_by: record.opened_by.clone(),
        approved_by: record.approved_by.clone(),
        first_run: record.first_run.clone(),
        may_owe: record.owed.clone(),
        skipped: merged(before.map(|before| before.skipped).unwrap_or_default(), &record.skipped),
        release,
    };
    if record.gate.is_some() {
        state.gate.clone_from(&record.gate);
    }
    let good_since = state.proof(&deployment.release.id).and_then(|proof| proof.good_since.clone());
    prove(state, &deployment, Vec::new(), false, good_since);
    state.current = Some(deployment);
}

fn merged(mut all: Vec<String>, more: &[String]) -> Vec<String> {
    all.extend(more.iter().cloned());
    all.sort();
    all.dedup();
    all
}

fn finish(state: &mut State, record: &Record) {
    let Some(mut deployment) = state.current.take() else { return };
    // Of a holder that was fenced out: it changes nothing.
    if deployment.outcome.is_some() || record.fence != Some(deployment.fence) {
        state.current = Some(deployment);
        return;
    }
    if let Some(before) = state.before.take().filter(|_| record.nothing_ran) {
        state.proofs.retain(|proof| proof.release != deployment.release.id);
        if let Some(proof) = before.proof {
            state.sets.insert(proof.set.clone(), before.set);
            state.proofs.push(proof);
        }
        state.current = before.current;
        return;
    }
    deployment.outcome = Some(record.outcome.unwrap_or(Ended::Interrupted));
    deployment.ended_at = Some(record.at.clone());
    deployment.steps = record.steps;
    deployment.step.clone_from(&record.step);
    deployment.skipped = merged(deployment.skipped, &record.skipped);
    state.owed.clone_from(&record.owed);
    conclude(state, deployment, &record.id, record.proved.clone(), record.verified);
}

fn unlock(state: &mut State, record: &Record) {
    state.before = None;
    let Some(mut deployment) = state.current.take() else { return };
    if deployment.outcome.is_none() {
        deployment.outcome = Some(Ended::Interrupted);
        deployment.ended_at = Some(record.at.clone());
        deployment.steps = record.steps;
        deployment.step.clone_from(&record.step);
        state.owed = merged(std::mem::take(&mut state.owed), &record.owed);
        conclude(state, deployment, &record.id, Vec::new(), false);
    } else {
        state.current = Some(deployment);
    }
}

fn conclude(state: &mut State, deployment: Deployment, event: &str, proved: Vec<String>, verified: bool) {
    let since = state.proof(&deployment.release.id).and_then(|proof| proof.good_since.clone());
    let ended = deployment.ended_at.clone();
    prove(state, &deployment, proved, verified, None);
    if let Some(proof) = state.proofs.last_mut() {
        event.clone_into(&mut proof.event);
        if proof.good() {
            proof.good_since = since.or(ended);
        }
    }
    state.current = Some(deployment);
}

/// Puts the proof of a deployment last.
fn prove(state: &mut State, deployment: &Deployment, proved: Vec<String>, verified: bool, good_since: Option<String>) {
    let set = merged(proved, &[]);
    let key = hex(&Sha256::hash(set.join("\n").as_bytes())[..6]);
    state.sets.insert(key.clone(), set);
    state.proofs.retain(|proof| proof.release != deployment.release.id);
    state.proofs.push(Proof {
        release: deployment.release.id.clone(),
        event: deployment.event.clone(),
        outcome: deployment.outcome,
        complete: deployment.complete,
        dirty: deployment.release.dirty,
        forced: deployment.forced,
        verified,
        skipped: deployment.skipped.clone(),
        good_since,
        set: key,
    });
}

fn approve(state: &mut State, record: &Record) {
    let (Some(release), Some(plan)) = (&record.release, &record.plan) else { return };
    state.approvals.push(Approved {
        event: record.id.clone(),
        release: release.id.clone(),
        plan: plan.clone(),
        by: record.by.clone(),
        at: record.at.clone(),
    });
    let excess = state.approvals.len().saturating_sub(APPROVALS);
    state.approvals.drain(..excess);
}

fn trim(state: &mut State, releases: usize) {
    let excess = state.proofs.len().saturating_sub(releases);
    state.proofs.drain(..excess);
    state.forgotten += excess as u64;
    let State { sets, proofs, .. } = state;
    sets.retain(|key, _| proofs.iter().any(|proof| proof.set == *key));
}
