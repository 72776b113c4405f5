//! Running a plan: schedule (pure) ⇄ processes ─▶ events.
//!
//! [`run`] does what a plan says and tells a journal and a reporter. It knows nothing of git, gates, locks, TOML or the
//! command line: what it needs is in a [`Deployment`], what came of it in a [`Summary`].

#![forbid(unsafe_code)]

mod course;
mod crew;
mod deployment;
pub mod environment;
mod finally;
pub mod launch;
pub mod logs;
mod makers;
mod outlet;
pub mod paste;
pub mod report;
pub mod schedule;
pub mod secrets;
mod stop;
mod voice;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
pub use ciao_base::event;
pub use ciao_mask as mask;

use ciao_plan::Plan;
use ciao_process::{Exit, Lane, Signals, no_core_dumps, orphans_come_here};
pub use crew::crew;
use deployment::Loop;
use event::{Journal, Outcome};
use launch::{Launcher, Produced};
use mask::Mask;
use outlet::Outlet;
use report::{Reporter, Weight};
use secrets::Secrets;

/// Everything that a run of a plan depends on.
pub struct Deployment<'a> {
    pub plan: &'a Plan,
    /// The root of the repository, absolute.
    pub root: &'a Utf8Path,
    /// What `${release}` and `CIAO_RELEASE` are.
    pub release: String,
    /// What `${commit}` and `CIAO_COMMIT` are.
    pub commit: String,
    /// What `${work}` is: a folder that exists, absolute.
    pub work: &'a Utf8Path,
    /// The folder of the logs of this deployment; it is made when the first is written. See `logs::folder`.
    pub logs: &'a Utf8Path,
    /// What `CIAO_FENCE` is: it grows with every deployment of the environment.
    pub fence: u64,
    /// How many steps may run side by side; at least 1.
    pub jobs: usize,
    /// How long an interrupted step has before it is killed.
    pub grace: Duration,
    /// Steps that need not run, by id: what an earlier attempt has done, or `--skip`.
    pub done: BTreeMap<String, Outcome>,
    /// The ids of the steps chosen by `--only`; `None`: all.
    pub only: Option<BTreeSet<String>>,
    /// The ids of the steps whose `finally` an earlier deployment still owes.
    pub owed: Vec<String>,
    /// Set by whoever watches the lock when it was taken away: everything is stopped at once.
    pub lost: Arc<AtomicBool>,
    /// The file that guardians keep locked while they have steps, so that it is known when the last has ended.
    pub busy: Option<PathBuf>,
    /// The variables that steps see, of those of the caller.
    pub caller: environment::Caller,
    /// This executable, which is also guardian and tasks: [`ciao_process::itself`].
    pub exe: PathBuf,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    /// By the signal of this number: the exit code is 128 + it.
    Interrupted(i32),
    /// The lock was taken away.
    Fenced,
    /// What happened could not be recorded, so nothing new was started.
    NotRecorded,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    pub outcome: Outcome,
    pub attempts: u32,
    /// Over all its attempts.
    pub seconds: f64,
    pub exit: Option<Exit>,
    /// What went wrong, masked.
    pub message: Option<String>,
}

/// What people are told of something that failed. All of it is masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The id of the step.
    pub step: String,
    /// Whether it was its `finally` that failed.
    pub finally: bool,
    /// In words: `exit code 3`, `killed by SIGKILL (out of memory?)`, `timed out after 2m`.
    pub what: String,
    /// Where the step stands, from the root.
    pub file: Utf8PathBuf,
    pub line: usize,
    /// The last lines that it printed.
    pub last_lines: Vec<String>,
    /// One line that can be pasted into a shell.
    pub command: String,
    /// Its log, if it has printed anything.
    pub log: Option<Utf8PathBuf>,
    /// What might help.
    pub hint: Option<String>,
}

/// What came of a deployment.
#[derive(Debug, Clone)]
pub struct Summary {
    pub end: End,
    /// One for each step of the plan, in its order.
    pub steps: Vec<StepResult>,
    /// The ids of the steps whose `finally` is still owed.
    pub owed: Vec<String>,
    /// The first one first.
    pub failures: Vec<Failure>,
    /// Why the journal could not be written.
    pub journal_error: Option<String>,
    pub seconds: f64,
}

/// Runs the plan: everything that is to run, in order, then what is owed. It returns when nothing of it is running. How it
/// ended the reporter is not told here: that is known when it is recorded.
///
/// `signals` are installed before the lock is taken, `secrets` read after it. `crew`: the guardians that [`crew`] starts.
pub fn run(
    deployment: &Deployment<'_>,
    secrets: &Secrets,
    signals: &mut Signals,
    crew: Receiver<Lane>,
    journal: &mut dyn Journal,
    reporter: &mut dyn Reporter,
) -> Summary {
    let plan = deployment.plan;
    let mut mask = Mask::default();
    mask.add(secrets.values().chain(deployment.caller.masked.values().map(Vec::as_slice)));
    let mut outlet = Outlet::new(mask, reporter, journal);
    no_core_dumps();
    if let Err(error) = orphans_come_here() {
        let text = format!("what a killed guardian leaves cannot be found on this system: {error}");
        outlet.message(Weight::Warning, None, &text);
    }
    let mut runs: Vec<bool> = plan.steps.iter().map(|step| to_run(deployment, step)).collect();
    let added = makers::add_makers(plan, &mut runs);
    outlet.begun(&plan.environment, runs.iter().filter(|&&runs| runs).count());
    for step in added {
        let text = "runs too: a step that is to run uses what it produces, which is kept nowhere";
        outlet.message(Weight::Note, Some(&plan.steps[step]), text);
    }
    let launcher = Launcher::new(deployment, secrets);
    Loop::new(deployment, launcher, outlet, signals, crew, &runs).run()
}

fn to_run(deployment: &Deployment<'_>, step: &ciao_plan::Step) -> bool {
    let chosen = deployment.only.as_ref().is_none_or(|only| only.contains(&step.id));
    step.runs && chosen && !deployment.done.contains_key(&step.id)
}

/// What is known of every step before anything runs.
fn results(deployment: &Deployment<'_>, runs: &[bool]) -> Vec<StepResult> {
    let outcome = |(step, &runs): (&ciao_plan::Step, &bool)| match deployment.done.get(&step.id) {
        Some(outcome) if !runs => *outcome,
        _ if !step.runs => Outcome::Off,
        _ => Outcome::NotRun,
    };
    let result = |outcome| StepResult { outcome, attempts: 0, seconds: 0.0, exit: None, message: None };
    deployment.plan.steps.iter().zip(runs).map(outcome).map(result).collect()
}

fn produced(text: &str, json: bool) -> Result<Produced, String> {
    let json = json.then(|| serde_json::from_str(text)).transpose();
    // The words of the error hold no value; the text might be secret.
    let json = json.map_err(|error| {
        format!("what it has produced is no JSON (line {}, column {})", error.line(), error.column())
    })?;
    Ok(Produced { text: text.to_owned(), json })
}

/// What of a secret output is masked: the whole and, in JSON, every string that is long enough.
fn secret_parts(produced: &Produced) -> Result<Vec<String>, String> {
    // An object is no secret itself, and nothing is none at all.
    let alone = produced.json.as_ref().is_none_or(|json| json.is_string() || json.is_number());
    if let Some(reason) = secrets::too_short(produced.text.as_bytes()).filter(|_| alone && !produced.text.is_empty()) {
        return Err(format!("what it has produced is secret: {reason}"));
    }
    let mut parts = vec![produced.text.clone()];
    let mut open: Vec<&serde_json::Value> = produced.json.iter().collect();
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::String(text) => parts.push(text.clone()),
            serde_json::Value::Number(number) => parts.push(number.to_string()),
            serde_json::Value::Array(items) => open.extend(items),
            serde_json::Value::Object(entries) => open.extend(entries.values()),
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        }
    }
    parts.retain(|part| !mask::is_short(part.as_bytes()));
    Ok(parts)
}
