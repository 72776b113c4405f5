//! Who holds the lock of an environment, whether they are alive, and what others are told of them.
//!
//! It reads lock files and journals, also those of other clones of this machine, and changes nothing.

use super::chain::{Ledger, Standing};
use super::journal::{Found, find};
use super::operations::SWAPS;
use super::place::{Life, life, noted};
use super::state::{Deployment, State};
use super::{Error, Failure};

impl Ledger {
    /// An environment as it is now, and whether the holder of its lock is alive; `None`: nobody holds it any more.
    ///
    /// Who ends records that, and lets go of the lock file then. So a lock file that is free tells of a death only together
    /// with a ledger that was read afterwards. `locked`: this process has the clone's lock of the environment, so no other
    /// one can be the holder.
    pub(super) fn fate(&self, environment: &str, standing: &Standing, locked: bool) -> (Standing, Option<Life>) {
        let mut standing = standing.clone();
        for _ in 0..SWAPS {
            let Some(holder) = standing.state().and_then(State::running) else { return (standing, None) };
            let life = self.life(environment, holder, locked);
            // Where it cannot be read anew, what was known last is all that there is.
            let now =
                if life == Life::Dead { self.sync().and_then(|()| self.standing(environment)).ok() } else { None };
            let Some(now) = now else { return (standing, Some(life)) };
            let same = now.state().and_then(State::running).is_some_and(|other| other.event == holder.event);
            standing = now;
            if same {
                return (standing, Some(Life::Dead));
            }
        }
        // Others come and go all the time.
        (standing, Some(Life::Alive))
    }

    fn life(&self, environment: &str, holder: &Deployment, locked: bool) -> Life {
        let here = &self.caller.place;
        if locked && here.machine == holder.place.machine && here.clone == holder.place.clone {
            return Life::Dead;
        }
        life(here, &holder.place, &self.git, environment)
    }

    /// Why nobody else may deploy now: who, what, since when, where, at which step.
    pub(super) fn held(&self, attempt: &str, standing: &Standing, locked: bool) -> Error {
        let Some(tip) = standing.tip.as_ref().filter(|tip| tip.state.running().is_some()) else {
            return Error::new(
                Failure::Held,
                format!("{attempt}: another command of this clone is about to deploy it; try again"),
            );
        };
        let environment = &tip.state.environment;
        let (standing, life) = self.fate(environment, standing, locked);
        let holder = standing.state().and_then(State::running);
        let Some((holder, life)) = holder.zip(life) else {
            return Error::new(Failure::Held, format!("{attempt}: a deployment of it has ended just now; try again"));
        };
        let Deployment { by, host, since, release, .. } = holder;
        let who = format!("{by} deploys release {} since {since} on {host}", release.display);
        // Only `deploy` can wait.
        let wait = match attempt.strip_prefix("deploy ") {
            Some(environment) => format!("cargo xtask deploy {environment} --wait 10m waits for it"),
            None => "try again when it has ended".to_owned(),
        };
        let message = match life {
            Life::Dead => format!("{attempt}: {}", self.left(environment, holder)),
            Life::Ending => format!(
                "{attempt}: {who}; that was killed, and its steps are still being ended: try again in some seconds"
            ),
            Life::Alive => format!("{attempt}: {who} (process {}); {wait}", holder.place.pid),
            Life::Elsewhere => {
                format!("{attempt}: {who}; {wait}, or if it is dead: cargo xtask unlock {environment} --reason …")
            }
        };
        Error::new(Failure::Held, message)
    }

    /// What a holder that is dead has left.
    fn left(&self, environment: &str, holder: &Deployment) -> String {
        let Deployment { by, host, since, release, .. } = holder;
        let what = format!("the deployment of release {} that {by} began at {since} on {host}", release.display);
        let elsewhere = noted(&holder.place.clone).filter(|_| holder.place.clone != self.caller.place.clone);
        let there = elsewhere.map_or_else(String::new, |common| {
            format!(" in the clone {}", common.parent().unwrap_or(&common).display())
        });
        let found = self.journal_of(environment, holder);
        if let Some(outcome) = found.as_ref().and_then(|found| found.progress.ended.as_ref()?.0.outcome) {
            return format!(
                "{what} has ended ({}), which is not recorded yet: any command about {environment}{there} records it, \
                 as cargo xtask status",
                outcome.word()
            );
        }
        let progress = found.map(|found| found.progress);
        let at = progress.and_then(|progress| progress.running.first().cloned().or(progress.last));
        let at = at.map_or_else(String::new, |step| format!(" at step {step}"));
        format!(
            "{what} was killed{at}, and is unfinished; go on with cargo xtask resume {environment}{there}, or give it up with \
             cargo xtask unlock {environment} --reason …"
        )
    }

    /// Whether a holder still runs, for who is asked to take its lock away.
    #[must_use]
    pub fn lives(&self, environment: &str, standing: &Standing) -> &'static str {
        let (standing, life) = self.fate(environment, standing, false);
        let found = standing.state().and_then(State::running).and_then(|holder| self.journal_of(environment, holder));
        match life {
            None => "it has ended just now",
            Some(Life::Dead) if found.is_some_and(|found| found.progress.ended.is_some()) => {
                "it has ended, and any command about it in its clone records that: unlocked, it counts as interrupted"
            }
            Some(Life::Dead) => "it was killed",
            Some(Life::Ending) => "it was killed, and its steps are still being ended",
            Some(Life::Alive) => "it runs: its steps will be stopped",
            Some(Life::Elsewhere) => "it may still run there: ask first",
        }
    }

    /// The journal of a holder, if it is in this clone, or in one of the same person on this machine.
    pub(super) fn journal_of(&self, environment: &str, holder: &Deployment) -> Option<Found> {
        let own = holder.place.clone == self.caller.place.clone;
        let common = if own { self.git.common.clone() } else { noted(&holder.place.clone)? };
        let found = find(&common.join("ciao").join(environment), Some(&holder.event)).ok()??;
        found.progress.header.as_ref().is_some_and(|header| header.event == holder.event).then_some(found)
    }
}
