//! Starting and finishing a deployment.
//!
//! Each is a decision about the state of an environment, then a swap; who loses the swap decides again. It knows step
//! ids and digests, and nothing of how steps run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::chain::{Draft, Ledger, Rewritten, Standing, Swap, short};
use super::gate::Gate;
use super::git::NETWORK;
use super::journal::{Carried, End, Header, Journal, Line, discard};
use super::place::{Lock, folder, lock, note};
use super::record::{Counts, Ended, FORMAT, Kind, Outcome, Record, StepRecord, Terms};
use super::release::Release;
use super::standing::FORGED;
use super::state::State;
use super::tidy::tidy;
use super::{Error, Failure, Result};
use ciao_base::event::steps_json;
use ciao_base::json::Json;

/// Going past a closed gate, recorded for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Force {
    pub reason: String,
}

/// What is to be deployed, as far as the ledger is concerned.
#[derive(Debug, Clone)]
pub struct Request {
    pub environment: String,
    pub personal: bool,
    pub release: Release,
    /// The digest of the plan, and its text to be kept.
    pub plan: String,
    pub plan_text: String,
    /// The ids of the plan's steps, without those switched off.
    pub steps: BTreeSet<String>,
    /// Those of them with `verify`.
    pub verify: BTreeSet<String>,
    /// Those of them with `finally`.
    pub finally: BTreeSet<String>,
    /// Those of them that are accepted as `first-run-in`.
    pub first_run: BTreeSet<String>,
    /// Everything, not a part with `--only`.
    pub complete: bool,
    /// The environment's gate in orchestration.toml.
    pub terms: Terms,
    /// HEAD's orchestration.toml gives it an `after`.
    pub after_in_head: bool,
    pub force: Option<Force>,
}

/// How a deployment ended. `steps`: all of the plan, in its order.
#[derive(Debug, Clone)]
pub struct Ending {
    pub outcome: Ended,
    pub steps: Vec<StepRecord>,
}

/// The lock, held. Everything that happens is written to its journal; `finish` gives it back.
#[derive(Debug)]
pub struct Holding {
    pub environment: String,
    pub deployment: String,
    /// `CIAO_FENCE`.
    pub fence: u64,
    /// The id of the event that took the lock.
    pub event: String,
    /// Why it may run: what the `started` event says.
    pub record: Record,
    /// What was owed from before, and is to be done by this deployment.
    pub owed: Vec<String>,
    pub journal: Journal,
    pub(super) standing: Standing,
    verify: BTreeSet<String>,
    first_run: BTreeSet<String>,
}

/// How often a swap that others win is tried again.
pub(super) const SWAPS: usize = 50;

impl Ledger {
    /// Takes the lock of an environment: from then on it is being deployed, and everybody knows. Be ready for signals before.
    ///
    /// # Errors
    /// Refused: the gate is closed. Held: somebody deploys it, or left it unfinished. Unreadable: nothing ran either.
    pub fn start(&self, request: &Request) -> Result<Holding> {
        let attempt = format!("deploy {}", request.environment);
        self.publish(&[&request.environment])?;
        let place = folder(&self.git, &request.environment);
        let flock = lock(&place).map_err(|error| self.unwritable(&attempt, &error))?;
        let mut synced = false;
        let mut standings = self.remembered(request, &mut synced)?;
        let mut record = self.record(&request.environment, Kind::Started);
        let Some(flock) = flock else {
            return Err(self.held(&attempt, &standings[&request.environment], false));
        };
        let (mut journal, mut flock, mut unmoved) = (None, Some(flock), 0);
        for _ in 0..SWAPS {
            let answer = self.may_start(&attempt, request, &standings);
            let answer = match answer {
                Ok(answer) => answer,
                // What is remembered may be out of date: nobody is refused before the remote was asked.
                Err(_) if !synced && self.settings.remote.is_some() => {
                    synced = true;
                    self.sync()?;
                    standings = self.standings_of(request)?;
                    continue;
                }
                Err(refused) => {
                    // A holder may have ended while it was looked at.
                    let now = self.standings_of(request)?;
                    if refused.failure != Failure::Held || now == standings {
                        return Err(refused);
                    }
                    standings = now;
                    continue;
                }
            };
            let standing = standings[&request.environment].clone();
            self.describe(&mut record, request, &answer, &standing);
            record.late = self.late(&request.environment, &standing, true)?;
            self.still_wanted(&attempt)?;
            if journal.is_none() {
                let owed = standing.state().map(|state| state.owed.clone()).unwrap_or_default();
                let taken = flock.take().unwrap_or_else(|| unreachable!("the lock goes into the journal once"));
                journal = Some(self.begin(&record, request, taken, Vec::new(), owed)?);
            }
            let draft = Draft {
                record: record.clone(),
                files: plan_files(request),
                second_parent: Some(request.release.commit.clone()),
            };
            let leases = self.leases(&standings, &answer.terms, request)?;
            match self.append(&request.environment, &standing, &draft, &leases)? {
                Swap::Done(tip) => {
                    let journal = journal.take().unwrap_or_else(|| unreachable!("it was begun above"));
                    let standing = Standing { tip: Some(*tip), ..Standing::default() };
                    return self.seen(request, self.holding(request, record, journal, standing)?);
                }
                Swap::Lost => {
                    // The winner may be a push of a command of this clone that was killed meanwhile: nothing of it ran.
                    self.publish_one(&request.environment)?;
                    let now = self.standings_of(request)?;
                    // A branch is not in them, and moves once in a while; what is hidden from readers never seems to.
                    unmoved = if now == standings { unmoved + 1 } else { 0 };
                    if unmoved == 3 && self.settings.remote.is_some() {
                        return Err(Error::unreadable(format!("{attempt}: {}", self.two_places())));
                    }
                    standings = now;
                }
            }
        }
        Err(Error::new(Failure::Held, format!("{attempt}: others write its ledger all the time; try again")))
    }

    /// The lock, if others can see that it is held. Otherwise it is given back.
    fn seen(&self, request: &Request, holding: Holding) -> Result<Holding> {
        let commit = holding.standing.at().unwrap_or_default();
        if !self.is_read_elsewhere() || self.others_see(&self.home(&request.environment), commit)? != Some(false) {
            return Ok(holding);
        }
        let steps = request.steps.iter().map(|id| StepRecord::new(id, Outcome::NotRun)).collect();
        self.finish(holding, &Ending { outcome: Ended::Failed, steps })?;
        Err(Error::unreadable(format!("deploy {}: {}", request.environment, self.two_places())))
    }

    /// Who has wanted out while it was looked whether it may start gets no lock: nothing is recorded of it.
    pub(super) fn still_wanted(&self, attempt: &str) -> Result<()> {
        if self.git.patience.is_over() {
            return Err(Error::unreadable(format!("{attempt}: interrupted before the lock was taken")));
        }
        Ok(())
    }

    /// As [`Ledger::start`], but waits as long as somebody else deploys. `waiting` is told why
    /// and how long to pause before it is tried again; it answers false to give up.
    ///
    /// # Errors
    /// As [`Ledger::start`].
    pub fn start_waiting(
        &self,
        request: &Request,
        wait: Duration,
        mut waiting: impl FnMut(&Error, Duration) -> bool,
    ) -> Result<Holding> {
        let begun = Instant::now();
        loop {
            match self.start(request) {
                Err(error) if error.failure == Failure::Held && begun.elapsed() < wait => {
                    let pause = Duration::from_millis(if self.settings.remote.is_some() { 5_000 } else { 300 });
                    if !waiting(&error, pause.min(wait.saturating_sub(begun.elapsed()))) {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }

    pub(super) fn usable(&self, attempt: &str, environment: &str, standing: &Standing) -> Result<()> {
        let Some(rewritten) = &standing.rewritten else { return Ok(()) };
        Err(Error::unreadable(format!("{attempt}: {}", self.rewritten_words(environment, rewritten))))
    }

    /// What is wrong with the ledger of an environment, and what to do.
    pub(super) fn wrong(&self, environment: &str, standing: &Standing) -> Option<String> {
        if standing.elsewhere {
            return Some(self.two_ledgers(environment, standing));
        }
        standing.rewritten.as_ref().map(|rewritten| self.rewritten_words(environment, rewritten))
    }

    /// What is wrong with a ledger that is not what this clone has seen, and what to do.
    pub(super) fn rewritten_words(&self, environment: &str, rewritten: &Rewritten) -> String {
        let (seen, home) = (short(&rewritten.seen), self.home(environment));
        let now = rewritten.now.as_deref().map_or_else(|| "gone".to_owned(), |now| format!("now at {}", short(now)));
        let what = match &rewritten.wrong {
            Some(wrong) => format!("its ledger has {wrong}"),
            None => format!("its ledger was rewritten or deleted: this clone has seen {seen}, and {home} is {now}"),
        };
        let remote = self.settings.remote.as_deref().unwrap_or(".");
        let accept = format!("cargo xtask unlock {environment} --accept-ledger --reason …");
        if rewritten.now.as_ref() == Some(&rewritten.seen) {
            let look =
                if what.contains(FORGED) { format!("look at it (git show {seen}), then") } else { "or".to_owned() };
            return format!("{what}; {look} accept that it begins anew: {accept}");
        }
        format!(
            "{what}; look at it (git log {seen}), then put it back (git push --force {remote} {seen}:{home}) or accept it: {accept}"
        )
    }

    /// The file that guardians lock while they have steps of this environment.
    #[must_use]
    pub fn steps_file(&self, environment: &str) -> PathBuf {
        super::place::steps(&folder(&self.git, environment))
    }

    fn describe(&self, record: &mut Record, request: &Request, answer: &Gate, standing: &Standing) {
        record.at = super::rfc3339((self.source.now)());
        record.deployment = Some(record.id.clone());
        record.release = Some(request.release.clone());
        record.plan = Some(request.plan.clone());
        record.complete = request.complete;
        // What was asked for without need is not a forced deployment: its gate was open. But who forces a weakened gate means
        // that it counts from now on, also where the old one happens to be open.
        record.forced = !answer.open || (request.force.is_some() && answer.terms != request.terms);
        record.reason = request.force.as_ref().map(|force| force.reason.clone());
        record.opened_by.clone_from(&answer.opened_by);
        record.approved_by.clone_from(&answer.approved_by);
        record.gate = Some(if record.forced { request.terms.clone() } else { answer.terms.clone() });
        record.first_run = request.first_run.iter().cloned().collect();
        record.owed = request.finally.iter().cloned().collect();
        record.place = Some(self.caller.place.clone());
        record.steps.total = request.steps.len();
        record.seq = standing.state().map_or(1, |state| state.seq + 1);
    }

    pub(super) fn begin(
        &self,
        record: &Record,
        request: &Request,
        flock: Lock,
        steps: Vec<StepRecord>,
        owed: Vec<String>,
    ) -> Result<Journal> {
        let header = Header {
            format: FORMAT,
            version: record.version.clone(),
            event: record.id.clone(),
            deployment: record.deployment.clone().unwrap_or_default(),
            environment: request.environment.clone(),
            plan: request.plan.clone(),
            by: record.by.clone(),
            host: record.host.clone(),
            place: self.caller.place.clone(),
            at: record.at.clone(),
        };
        note(&self.git, &self.caller.place);
        let begun = Journal::begin(&folder(&self.git, &request.environment), flock, header).and_then(|mut journal| {
            journal.write(Line::Carried(Carried { steps, owed }))?;
            Ok(journal)
        });
        begun.map_err(|error| self.unwritable(&format!("deploy {}", request.environment), &error))
    }

    pub(super) fn holding(
        &self,
        request: &Request,
        record: Record,
        journal: Journal,
        standing: Standing,
    ) -> Result<Holding> {
        journal.accept().map_err(|error| self.unwritable(&format!("deploy {}", request.environment), &error))?;
        let fence = standing.state().map_or(0, |state| state.seq);
        Ok(Holding {
            environment: request.environment.clone(),
            deployment: record.deployment.clone().unwrap_or_default(),
            fence,
            event: record.id.clone(),
            record: Record { seq: fence, ..record },
            owed: journal.owed.iter().cloned().collect(),
            journal,
            standing,
            verify: request.verify.clone(),
            first_run: request.first_run.clone(),
        })
    }

    fn unwritable(&self, attempt: &str, error: &std::io::Error) -> Error {
        let place = self.git.common.join("ciao");
        Error::unreadable(format!(
            "{attempt}: the journal in {} cannot be written: {error}; make room, or make it writable",
            place.display()
        ))
    }

    /// Records how a deployment ended, and gives the lock back.
    ///
    /// # Errors
    /// Unrecorded: it is over, but the ledger does not know yet. Held: the lock was taken away meanwhile. What is known stays in
    /// the journal, and the next command records it.
    pub fn finish(&self, mut holding: Holding, ending: &Ending) -> Result<Record> {
        let mut record = self.record(&holding.environment, Kind::Finished);
        let ids = |wanted: &[Outcome]| -> Vec<String> {
            ending.steps.iter().filter(|step| wanted.contains(&step.outcome)).map(|step| step.id.clone()).collect()
        };
        record.deployment = Some(holding.deployment.clone());
        record.fence = Some(holding.fence);
        record.release.clone_from(&holding.record.release);
        record.plan.clone_from(&holding.record.plan);
        record.outcome = Some(ending.outcome);
        record.complete = holding.record.complete;
        record.forced = holding.record.forced;
        record.started_at = Some(holding.record.at.clone());
        record.reason.clone_from(&holding.record.reason);
        record.opened_by.clone_from(&holding.record.opened_by);
        record.approved_by.clone_from(&holding.record.approved_by);
        record.steps = Counts::of(&ending.steps);
        record.proved = ids(&[Outcome::Succeeded, Outcome::Done]);
        record.skipped = ids(&[Outcome::Skipped]);
        record.verified = holding.verify.iter().all(|step| record.proved.contains(step));
        record.first_run = holding.first_run.iter().cloned().collect();
        record.owed = holding.journal.owed.iter().cloned().collect();
        let stopped = [Outcome::Failed, Outcome::TimedOut, Outcome::Interrupted, Outcome::Unknown];
        record.step = ending.steps.iter().find(|step| stopped.contains(&step.outcome)).map(|step| step.id.clone());
        let untouched = |step: &StepRecord| matches!(step.outcome, Outcome::NotRun | Outcome::Off);
        record.nothing_ran = ending.outcome != Ended::Succeeded && ending.steps.iter().all(untouched);
        if record.nothing_ran {
            record.reason = Some("nothing ran".to_owned());
        }
        let line = Line::Ended(End { record: Box::new(record.clone()), steps: ending.steps.clone() });
        let written = holding.journal.write(line);
        let taken = || {
            Error::new(
                Failure::Held,
                format!(
                    "record the end of the deployment of {}: its lock was taken away while it ran; what became of it is kept in the \
                     journal, and the next event tells of it",
                    holding.environment
                ),
            )
        };
        let result = self
            .recording()
            .record_end(&record, &ending.steps, holding.standing.clone())
            .and_then(|recorded| recorded.ok_or_else(taken));
        if result.is_ok() {
            discard(&folder(&self.git, &holding.environment)).map_err(|error| self.unwritable("finish", &error))?;
            tidy(&self.git);
        } else if let Err(error) = written {
            let both = format!(
                "{}; nor could the journal be written: {error}",
                result.expect_err("it was matched as an error")
            );
            return Err(Error::new(Failure::Unrecorded, both));
        }
        result
    }

    /// Appends the end of a deployment, if it still holds the lock; `None`: that was taken away.
    pub(super) fn record_end(
        &self,
        record: &Record,
        steps: &[StepRecord],
        mut standing: Standing,
    ) -> Result<Option<Record>> {
        let environment = &record.environment;
        let unrecorded = |why: &str| unrecorded(environment, why);
        let (mut failed, begun) = (0, Instant::now());
        for _ in 0..SWAPS {
            self.usable("record its end", environment, &standing).map_err(|error| unrecorded(&error.message))?;
            let holds = standing.state().and_then(State::running).is_some_and(|holder| {
                Some(holder.fence) == record.fence && Some(&holder.id) == record.deployment.as_ref()
            });
            if !holds {
                return Ok(None);
            }
            let files = vec![("steps.json", steps_text(steps))];
            let draft = Draft {
                record: record.clone(),
                files,
                second_parent: record.release.as_ref().map(|release| release.commit.clone()),
            };
            match self.append(environment, &standing, &draft, &[]) {
                Ok(Swap::Done(tip)) => return Ok(Some(Record { seq: tip.state.seq, ..record.clone() })),
                Ok(Swap::Lost) => standing = self.standing(environment).map_err(|error| unrecorded(&error.message))?,
                // Who has not answered for a minute is not asked again.
                Err(error) if failed == 2 || begun.elapsed() >= NETWORK || self.git.patience.is_over() => {
                    return Err(unrecorded(&error.message));
                }
                Err(_) => {
                    failed += 1;
                    std::thread::sleep(Duration::from_millis(300 * failed));
                }
            }
        }
        Err(unrecorded("others write its ledger all the time"))
    }
}

fn unrecorded(environment: &str, why: &str) -> Error {
    Error::new(
        Failure::Unrecorded,
        format!(
            "record the end of the deployment of {environment}: {why}; what happened is kept in the journal, and the next \
             command records it"
        ),
    )
}

pub(super) fn plan_files(request: &Request) -> Vec<(&'static str, Vec<u8>)> {
    vec![("plan.txt", request.plan_text.clone().into_bytes()), ("steps.json", steps_text(&[]))]
}

/// The outcomes of steps, indented.
pub(super) fn steps_text(steps: &[StepRecord]) -> Vec<u8> {
    let mut out = Json::shown();
    steps_json(steps, &mut out);
    out.indented.unwrap_or_default().into_bytes()
}
