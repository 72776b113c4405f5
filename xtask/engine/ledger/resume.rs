//! What a former command left: recording ends that could not be recorded, going on with what was not finished,
//! and reading the history.
//!
//! It does not decide which step runs again: whoever runs the steps does, with what is known of each.

use super::chain::{Draft, Ledger, Standing, Swap};
use super::journal::{Found, Tail, find, list};
use super::operations::{Holding, Request, plan_files};
use super::place::{Life, folder, life, lock, noted};
use super::record::{Counts, Ended, Kind, Late, Outcome, Record, StepRecord};
use super::state::{Deployment, RELEASES, State, fold_keeping};
use super::{Error, Failure, Result};

/// A deployment that can be gone on with.
#[derive(Debug, Clone)]
pub struct Unfinished {
    pub environment: String,
    pub deployment: Deployment,
    /// What is known of its steps, in no order: one that is not in it never started. `Unknown`: nobody saw how it ended.
    pub steps: Vec<StepRecord>,
    pub owed: Vec<String>,
    /// The plan's text when it was started, to say what changed.
    pub plan_text: String,
}

impl Unfinished {
    /// What to do where it cannot be gone on with: the lock of one that was killed is to be given back first.
    #[must_use]
    pub fn anew(&self) -> String {
        anew(&self.environment, &self.deployment)
    }
}

impl Ledger {
    /// What a `resume` of an environment would go on with. [`Ledger::sync`] first.
    ///
    /// # Errors
    /// Usage: there is nothing to resume. Held: it runs, or how far it came cannot be known.
    pub fn unfinished(&self, environment: &str) -> Result<Unfinished> {
        let attempt = format!("resume {environment}");
        self.publish(&[environment])?;
        let standing = self.standing(environment)?;
        self.usable(&attempt, environment, &standing)?;
        let nothing =
            |why: &str| Err(Error::new(Failure::Usage, format!("{attempt}: {why}; cargo xtask deploy {environment}")));
        let Some(tip) = &standing.tip else { return nothing("nothing was ever deployed there") };
        let Some(deployment) = tip.state.current.clone() else { return nothing("nothing was ever deployed there") };
        let names = [format!("{}:plan.txt", tip.commit), format!("{}:steps.json", tip.commit)];
        let mut files =
            self.git.objects(&names)?.into_iter().map(|file| file.map(|file| file.content).unwrap_or_default());
        let plan_text = String::from_utf8_lossy(&files.next().unwrap_or_default()).into_owned();
        let recorded: Vec<StepRecord> = serde_json::from_slice(&files.next().unwrap_or_default()).unwrap_or_default();
        let mut unfinished = Unfinished {
            environment: environment.to_owned(),
            steps: recorded,
            owed: tip.state.owed.clone(),
            plan_text,
            deployment,
        };
        match unfinished.deployment.outcome {
            Some(Ended::Succeeded) => return nothing("its last deployment succeeded"),
            Some(_) if unfinished.steps.is_empty() => {
                return nothing("how far its last deployment came is not known here");
            }
            Some(_) => return same_version(&attempt, &unfinished.deployment).map(|()| unfinished),
            None => {}
        }
        let (now, life) = self.fate(environment, &standing, false);
        if now != standing {
            // It ended, or somebody else was first, while it was looked at.
            return self.unfinished(environment);
        }
        if life != Some(Life::Dead) {
            return Err(self.held(&attempt, &standing, false));
        }
        same_version(&attempt, &unfinished.deployment)?;
        let give_up =
            format!("give it up: cargo xtask unlock {environment} --reason …, then cargo xtask deploy {environment}");
        let Some(found) = self.found(environment, &unfinished.deployment.event)? else {
            let place = &unfinished.deployment.place;
            let why = match noted(&place.clone).filter(|_| place.clone != self.caller.place.clone) {
                Some(common) => {
                    format!(
                        "its journal is in another clone, {}: resume it there, or",
                        common.parent().unwrap_or(&common).display()
                    )
                }
                None => "its journal is not in this clone, so how far it came is not known:".to_owned(),
            };
            return Err(Error::new(Failure::Held, format!("{attempt}: {why} {give_up}")));
        };
        if let Tail::Damaged(line) = found.tail {
            let steps: Vec<&str> = found.progress.steps.keys().map(String::as_str).collect();
            return Err(Error::new(
                Failure::Held,
                format!(
                    "{attempt}: its journal {} is damaged in line {line}; before that it tells of {}; what happened after is not known: {give_up}",
                    found.path.display(),
                    if steps.is_empty() { "no step".to_owned() } else { steps.join(", ") }
                ),
            ));
        }
        unfinished.steps = found.progress.steps.into_values().collect();
        unfinished.owed = found.progress.owed.into_iter().collect();
        Ok(unfinished)
    }

    /// Takes the lock again for a deployment that did not end well. The caller has made sure that the plan is the same
    /// and that no step's outcome is unknown.
    ///
    /// # Errors
    /// Usage: plan or release changed. Held: somebody was first.
    pub fn resume(&self, unfinished: &Unfinished, request: &Request) -> Result<Holding> {
        let environment = &request.environment;
        let attempt = format!("resume {environment}");
        let Deployment { id, release, plan, complete, event, fence, .. } = &unfinished.deployment;
        let changed = |what: &str| {
            Err(Error::new(Failure::Usage, format!("{attempt}: {what}; put it back, or {}", unfinished.anew())))
        };
        if *plan != request.plan {
            return changed("the plan is not the one it was started with");
        }
        if (&release.id, &release.display, release.dirty)
            != (&request.release.id, &request.release.display, request.release.dirty)
        {
            return changed(&format!(
                "it was started with release {}, and here is {}",
                release.display, request.release.display
            ));
        }
        let place = folder(&self.git, environment);
        let flock = lock(&place).map_err(|error| Error::unreadable(format!("{attempt}: {error}")))?;
        let mut standing = self.standing(environment)?;
        let Some(flock) = flock else { return Err(self.held(&attempt, &standing, false)) };
        let mut record = self.record(environment, Kind::Resumed);
        record.deployment = Some(id.clone());
        record.release = Some(release.clone());
        record.plan = Some(plan.clone());
        record.complete = *complete;
        record.opened_by.clone_from(&unfinished.deployment.opened_by);
        record.approved_by.clone_from(&unfinished.deployment.approved_by);
        record.forced = unfinished.deployment.forced;
        record.reason.clone_from(&unfinished.deployment.reason);
        record.first_run = request.first_run.iter().cloned().collect();
        record.owed = request.finally.iter().cloned().collect();
        record.steps.total = request.steps.len();
        record.place = Some(self.caller.place.clone());
        let owed = unfinished.owed.clone();
        self.still_wanted(&attempt)?;
        let journal = self.begin(&record, request, flock, unfinished.steps.clone(), owed)?;
        for _ in 0..10 {
            self.usable(&attempt, environment, &standing)?;
            let same = standing
                .state()
                .and_then(|state| state.current.as_ref())
                .is_some_and(|current| current.event == *event && current.fence == *fence);
            if !same {
                return Err(Error::new(
                    Failure::Held,
                    format!("{attempt}: somebody else has taken it meanwhile; look at cargo xtask status"),
                ));
            }
            let draft = Draft {
                record: record.clone(),
                files: plan_files(request),
                second_parent: Some(request.release.commit.clone()),
            };
            match self.append(environment, &standing, &draft, &[])? {
                Swap::Done(tip) => {
                    return self.holding(request, record, journal, Standing { tip: Some(*tip), ..Standing::default() });
                }
                Swap::Lost => standing = self.standing(environment)?,
            }
        }
        Err(Error::new(Failure::Held, format!("{attempt}: others write its ledger all the time; try again")))
    }

    /// Records what former commands of this clone could not. Every command calls it for the environments that it
    /// touches: it costs nothing where nothing was left.
    ///
    /// # Errors
    /// If it still cannot be recorded.
    pub fn publish(&self, environments: &[&str]) -> Result<Vec<Record>> {
        let mut published = Vec::new();
        for environment in environments {
            let place = folder(&self.git, environment);
            if list(&place).is_empty() {
                continue;
            }
            // Whoever has the lock is at work with it.
            if let Ok(Some(_lock)) = lock(&place) {
                published.extend(self.publish_one(environment)?);
            }
        }
        Ok(published)
    }

    /// The caller has the clone's lock of the environment.
    pub(super) fn publish_one(&self, environment: &str) -> Result<Option<Record>> {
        let place = folder(&self.git, environment);
        let mut standing = self.standing(environment)?;
        let look = |standing: &Standing| {
            let holder = standing.state().and_then(State::running).map(|holder| holder.event.clone());
            find(&place, holder.as_deref()).map(|found| (found, holder))
        };
        let unreadable =
            |error: std::io::Error| Error::unreadable(format!("read the journal in {}: {error}", place.display()));
        let (Some(found), mut holder) = look(&standing).map_err(unreadable)? else { return Ok(None) };
        let Some(header) = found.progress.header.clone() else { return Ok(None) };
        let Some((record, steps)) = found
            .progress
            .ended
            .clone()
            .or_else(|| found.fresh().then(|| self.never_began(&standing, &found)).flatten())
        else {
            return Ok(None);
        };
        if self.settings.remote.is_some() {
            self.sync()?;
            standing = self.standing(environment)?;
            holder = standing.state().and_then(State::running).map(|holder| holder.event.clone());
        }
        if standing.rewritten.is_some() {
            // Whoever accepts the ledger comes first; then this is recorded, or late.
            return Ok(None);
        }
        // Not the others: the caller may have begun one of its own.
        let discard = || std::fs::remove_file(&found.path).map_err(unreadable);
        if holder.as_ref() == Some(&header.event) {
            // Of the command that deployed it was "not yet recorded"; of this one it is that nothing ran.
            let recorded = self.record_end(&record, &steps, standing);
            let recorded = recorded.map_err(|error| Error::unreadable(error.message))?;
            // Where its lock was taken away just now it is late.
            if recorded.is_some() {
                discard()?;
            }
            return Ok(recorded);
        }
        // Recorded after all by the push that nobody heard of; otherwise it is late, and the next event tells of it.
        let tip = standing.tip.as_ref().map(|tip| tip.commit.clone()).unwrap_or_default();
        if !tip.is_empty() && self.records(&tip, 1000)?.iter().any(|(_, other)| other.id == record.id) {
            discard()?;
        }
        Ok(None)
    }

    /// The end of a deployment whose start was recorded without anybody hearing of it: no step of it ran.
    fn never_began(&self, standing: &Standing, found: &Found) -> Option<(Record, Vec<StepRecord>)> {
        let holder = standing.state().and_then(State::running)?;
        let steps: Vec<StepRecord> = found.progress.steps.values().cloned().collect();
        let mut record = self.record(&holder_environment(standing), Kind::Finished);
        record.deployment = Some(holder.id.clone());
        record.fence = Some(holder.fence);
        record.release = Some(holder.release.clone());
        record.plan = Some(holder.plan.clone());
        record.outcome = Some(Ended::Interrupted);
        record.reason = Some("it was interrupted before its first step".to_owned());
        record.complete = holder.complete;
        record.forced = holder.forced;
        record.steps = Counts { total: holder.steps.total, ..Counts::of(&steps) };
        record.proved = steps
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Succeeded | Outcome::Done))
            .map(|step| step.id.clone())
            .collect();
        record.owed = found.progress.owed.iter().cloned().collect();
        Some((record, steps))
    }

    /// The journal of the deployment that the given event started or resumed, if this clone has it.
    pub(super) fn found(&self, environment: &str, event: &str) -> Result<Option<Found>> {
        let place = folder(&self.git, environment);
        let found = find(&place, Some(event))
            .map_err(|error| Error::unreadable(format!("read the journal in {}: {error}", place.display())))?;
        Ok(found.filter(|found| found.progress.header.as_ref().is_some_and(|header| header.event == event)))
    }

    /// What this clone knows of a deployment whose lock was taken away. `locked`: the caller has the environment's lock,
    /// so nobody is at work with the journal.
    pub(super) fn late(&self, environment: &str, standing: &Standing, locked: bool) -> Result<Vec<Late>> {
        let place = folder(&self.git, environment);
        let here = &self.caller.place;
        let Some(found) = find(&place, None)
            .map_err(|error| Error::unreadable(format!("read the journal in {}: {error}", place.display())))?
        else {
            return Ok(Vec::new());
        };
        let Some(header) = found.progress.header else { return Ok(Vec::new()) };
        let holds = standing.state().and_then(State::running).is_some_and(|holder| holder.event == header.event);
        if holds || (!locked && life(here, &header.place, &self.git, environment) != Life::Dead) {
            return Ok(Vec::new());
        }
        let (ended, steps) = match found.progress.ended {
            Some((record, steps)) => (Some(record), steps),
            None => (None, found.progress.steps.into_values().collect()),
        };
        Ok(vec![Late {
            deployment: header.deployment,
            fence: ended.as_ref().and_then(|record| record.fence).unwrap_or_default(),
            outcome: ended.and_then(|record| record.outcome),
            counts: Counts::of(&steps),
            by: header.by,
            host: header.host,
        }])
    }

    /// The events up to a commit, the newest first, at most so many. Two git processes.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn records(&self, commit: &str, limit: usize) -> Result<Vec<(String, Record)>> {
        let count = format!("--max-count={limit}");
        let list = self
            .git
            .read("read the history", &super::git::Call::new(&["rev-list", "--first-parent", &count, commit]))?;
        let commits: Vec<String> = list.lines().map(str::to_owned).collect();
        let names: Vec<String> = commits.iter().map(|commit| format!("{commit}:record.json")).collect();
        let objects = self.git.objects(&names)?;
        let mut records = Vec::with_capacity(commits.len());
        for (commit, object) in commits.into_iter().zip(objects) {
            let record = object.and_then(|object| serde_json::from_slice(&object.content).ok());
            let record = record
                .ok_or_else(|| Error::unreadable(format!("read the history: {commit} is not an event of ciao")))?;
            records.push((commit, record));
        }
        Ok(records)
    }

    /// The events of an environment, the newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn history(&self, environment: &str, limit: usize) -> Result<Vec<(String, Record)>> {
        match self.standing(environment)?.tip {
            Some(tip) => self.records(&tip.commit, limit),
            None => Ok(Vec::new()),
        }
    }

    /// What is to be known of the ledger of an environment before it is read: what is wrong, and what is not in it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn notices(&self, environment: &str) -> Result<Vec<String>> {
        let wrong = self.wrong(environment, &self.standing(environment)?);
        Ok(wrong.into_iter().chain(self.apart(environment)?).collect())
    }

    /// Of a ledger that was local and is shared: that somebody else's was there first.
    pub(super) fn apart(&self, environment: &str) -> Result<Option<String>> {
        let local = self.private().seen_ref(environment);
        let objects = self.git.objects(&[local.clone(), self.tip_ref(environment)])?;
        let [Some(before), Some(tip)] = &objects[..] else { return Ok(None) };
        let same = before.id == tip.id || self.is_ancestor(&before.id, &tip.id) != Some(false);
        let words =
            format!("what was deployed from this clone before the ledger was shared is not in it: git log {local}");
        Ok((!same).then_some(words))
    }

    /// The steps and the plan's text beside an event.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn beside(&self, commit: &str) -> Result<(Vec<StepRecord>, String)> {
        let mut files = self.git.objects(&[format!("{commit}:steps.json"), format!("{commit}:plan.txt")])?.into_iter();
        let mut next = || files.next().flatten().map(|file| file.content).unwrap_or_default();
        let steps = serde_json::from_slice(&next()).unwrap_or_default();
        Ok((steps, String::from_utf8_lossy(&next()).into_owned()))
    }

    /// The state at a commit, from its whole history, remembering so many releases; and how many events that has.
    pub(super) fn recomputed(&self, commit: &str, releases: usize) -> Result<(State, usize)> {
        let mut state = None;
        let records = self.records(commit, usize::MAX >> 33)?;
        let count = records.len();
        for (_, record) in records.into_iter().rev() {
            state = Some(fold_keeping(state, &record, releases));
        }
        Ok((state.unwrap_or_default(), count))
    }

    /// Whether the newest state of an environment is what its events add up to: an edited one is not.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn adds_up(&self, environment: &str) -> Result<bool> {
        Ok(self.adding_up(environment)?.is_some())
    }

    /// How many events add up to the newest state; `None` if they do not.
    pub(super) fn adding_up(&self, environment: &str) -> Result<Option<usize>> {
        let Some(tip) = self.standing(environment)?.tip else { return Ok(Some(0)) };
        let (state, count) = self.recomputed(&tip.commit, RELEASES)?;
        Ok(tip.state.is(&state).then_some(count))
    }
}

/// What another version did, and what is left to do, is not for this one to say: it may order and understand steps otherwise.
fn same_version(attempt: &str, deployment: &Deployment) -> Result<()> {
    let (theirs, ours) = (deployment.version.as_str(), env!("CARGO_PKG_VERSION"));
    if theirs == ours {
        return Ok(());
    }
    let anew = anew(attempt.rsplit(' ').next().unwrap_or_default(), deployment);
    Err(Error::new(
        Failure::Usage,
        format!(
            "{attempt}: ciao {theirs} began it, and this is ciao {ours}: go on with that one (git checkout {}), or {anew}",
            deployment.release.commit.get(..12).unwrap_or_default()
        ),
    ))
}

fn anew(environment: &str, deployment: &Deployment) -> String {
    if deployment.outcome.is_none() {
        format!("give it up with cargo xtask unlock {environment} --reason …, and deploy again")
    } else {
        format!("begin anew: cargo xtask deploy {environment}")
    }
}

fn holder_environment(standing: &Standing) -> String {
    standing.state().map(|state| state.environment.clone()).unwrap_or_default()
}
