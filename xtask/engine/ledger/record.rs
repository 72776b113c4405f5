//! The events of the ledger, as every commit of an environment's ref keeps one.
//!
//! What they add up to is in `state`. It knows neither git nor files nor the clock.

use serde::{Deserialize, Serialize};

use super::release::Release;
pub use ciao_base::event::{Outcome, StepRecord};

/// Of records and states. A ledger with a higher one is read, but never written to.
pub const FORMAT: u32 = 1;

/// What happened. Kinds that a newer ciao writes are kept, and shown by their name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Kind {
    #[default]
    Opened,
    Started,
    Resumed,
    Finished,
    Approved,
    Unlocked,
    Settled,
    Unknown(String),
}

impl From<String> for Kind {
    fn from(name: String) -> Kind {
        match name.as_str() {
            "opened" => Kind::Opened,
            "started" => Kind::Started,
            "resumed" => Kind::Resumed,
            "finished" => Kind::Finished,
            "approved" => Kind::Approved,
            "unlocked" => Kind::Unlocked,
            "settled" => Kind::Settled,
            _ => Kind::Unknown(name),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> String {
        match kind {
            Kind::Opened => "opened".to_owned(),
            Kind::Started => "started".to_owned(),
            Kind::Resumed => "resumed".to_owned(),
            Kind::Finished => "finished".to_owned(),
            Kind::Approved => "approved".to_owned(),
            Kind::Unlocked => "unlocked".to_owned(),
            Kind::Settled => "settled".to_owned(),
            Kind::Unknown(name) => name,
        }
    }
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    Succeeded,
    Failed,
    Interrupted,
}

impl Ended {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Ended::Succeeded => "succeeded",
            Ended::Failed => "failed",
            Ended::Interrupted => "interrupted",
        }
    }
}

/// What opens a gate, as orchestration.toml declares it and `started` records it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    pub after: Vec<String>,
    pub approvals: u32,
    pub soak_s: u64,
    /// More than one only where the declared branch was changed.
    pub branches: Vec<String>,
}

/// Where a deployment runs, so that the same machine can tell whether it still does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Digests, not names: they are compared, and tell nobody anything.
    pub machine: String,
    pub boot: String,
    pub clone: String,
    pub pid: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub succeeded: usize,
    pub failed: usize,
    pub skipped: usize,
    pub total: usize,
}

impl Counts {
    #[must_use]
    pub fn of(steps: &[StepRecord]) -> Counts {
        let count = |wanted: &[Outcome]| steps.iter().filter(|step| wanted.contains(&step.outcome)).count();
        Counts {
            succeeded: count(&[Outcome::Succeeded, Outcome::Done]),
            failed: count(&[Outcome::Failed, Outcome::TimedOut, Outcome::Interrupted, Outcome::Unknown]),
            skipped: count(&[Outcome::Skipped, Outcome::Off]),
            total: steps.len(),
        }
    }
}

/// What became of a deployment whose lock had been taken away: told by the next event of the clone that ran it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    pub deployment: String,
    pub fence: u64,
    /// `None` if it was killed.
    pub outcome: Option<Ended>,
    #[serde(default)]
    pub counts: Counts,
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub host: String,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One event, as `record.json` keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub id: String,
    pub event: Kind,
    pub environment: String,
    /// How many events came before. That of a `started` or `resumed` is the deployment's fence.
    pub seq: u64,
    pub at: String,
    pub by: String,
    pub host: String,
    /// Of the ciao that wrote it.
    #[serde(default)]
    pub version: String,
    /// The id of the event that started the deployment which this event belongs to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deployment: Option<String>,
    /// The seq of the `started` or `resumed` that it belongs to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fence: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub release: Option<Release>,
    /// The digest of the plan.
    #[serde(default, skip_serializing_if = "is_default")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub outcome: Option<Ended>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub started_at: Option<String>,
    /// Not a part of it with `--only`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub complete: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub forced: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: Option<String>,
    /// The events that opened its gate, by id.
    #[serde(default, skip_serializing_if = "is_default")]
    pub opened_by: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub approved_by: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: Option<Terms>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub steps: Counts,
    /// Where it stopped; of `settled` the step whose work is given up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub step: Option<String>,
    /// The steps that ran or were found done.
    #[serde(default, skip_serializing_if = "is_default")]
    pub proved: Vec<String>,
    /// Steps that run here and nowhere before, as accepted in environment.toml.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first_run: Vec<String>,
    /// Skipped by hand.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skipped: Vec<String>,
    /// Whether all its `verify` steps passed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub verified: bool,
    /// Steps whose `finally` is owed; of `started` and `resumed`: those that may come to owe it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub owed: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub late: Vec<Late>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub place: Option<Place>,
    /// Of `finished`: no step was started, so that what was deployed before still is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nothing_ran: bool,
    /// The newest event that was known when a rewritten ledger was accepted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub accepted_over: Option<String>,
}

impl Record {
    /// Who did it, as the head of a commit says it.
    #[must_use]
    pub fn author(&self) -> String {
        let (name, address) = self.by.split_once('<').unwrap_or((&self.by, ""));
        format!("{} <{}>", name.trim(), address.trim_end_matches('>'))
    }
}

/// The first line of the commit, as `git log refs/deployments/prod` shows it.
#[must_use]
pub fn subject(record: &Record) -> String {
    let release = record.release.as_ref().map_or("", |release| release.id.get(..12).unwrap_or(&release.id));
    let dirty = if record.release.as_ref().is_some_and(|release| release.dirty) { " (dirty)" } else { "" };
    let what = match &record.event {
        Kind::Opened => "opened".to_owned(),
        Kind::Started if record.forced => format!("started release {release}{dirty}, forced"),
        Kind::Started => format!("started release {release}{dirty}"),
        Kind::Resumed => format!("resumed release {release}{dirty}"),
        Kind::Finished => format!("{} with release {release}{dirty}", record.outcome.map_or("ended", Ended::word)),
        Kind::Approved => format!("approved release {release}"),
        Kind::Unlocked if record.accepted_over.is_some() => "accepted the ledger as it is now".to_owned(),
        Kind::Unlocked => "unlocked".to_owned(),
        Kind::Settled => format!("settled {}", record.step.as_deref().unwrap_or_default()),
        Kind::Unknown(name) => name.clone(),
    };
    format!("{}: {what} by {} at {}", record.environment, record.by, record.host)
}

/// What follows the first line: the reason, and what else there is to know, as trailers that git understands.
#[must_use]
pub fn body(record: &Record) -> String {
    let mut trailers: Vec<(&str, String)> = vec![("Record", record.id.clone())];
    let mut more = |name, value: Option<&str>| trailers.extend(value.map(|value| (name, value.to_owned())));
    more("Deployment", record.deployment.as_deref().filter(|deployment| *deployment != record.id));
    more("Plan", record.plan.as_deref());
    more("Forced", record.forced.then_some("yes"));
    let begins = matches!(record.event, Kind::Started | Kind::Resumed);
    more("Partial", (begins && !record.complete).then_some("yes"));
    record.approved_by.iter().for_each(|by| more("Approved-by", Some(by)));
    record.opened_by.iter().for_each(|event| more("Opened-by", Some(event)));
    if matches!(record.event, Kind::Finished | Kind::Unlocked) && record.outcome.is_some() {
        let Counts { succeeded, failed, skipped, total } = record.steps;
        more("Steps", Some(&format!("{succeeded} succeeded, {failed} failed, {skipped} skipped, of {total}")));
        more("Stopped-at", record.step.as_deref());
        more("Owed", Some(&record.owed.join(", ")).filter(|owed| !owed.is_empty()).map(String::as_str));
    }
    more("Accepted-over", record.accepted_over.as_deref());
    record.late.iter().for_each(|late| more("Late", Some(&late.deployment)));
    let reason = record.reason.iter().map(|reason| format!("{reason}\n\n"));
    reason.chain(trailers.iter().map(|(name, value)| format!("{name}: {value}\n"))).collect()
}

/// What an event has that this ciao is too old for, as its record says it: its state may be of a format that is known.
pub(super) fn newer(record: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        event: Kind,
    }
    match serde_json::from_slice(record).ok()? {
        Head { format, .. } if format > FORMAT => Some(format!("format {format}")),
        Head { event: Kind::Unknown(name), .. } => Some(format!("events called {name}")),
        _ => None,
    }
}
