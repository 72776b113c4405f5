//! The guardians of a deployment: who looks after the next step, and who may go.
//!
//! It knows nothing of what they are asked to do.

use std::path::Path;
use std::sync::mpsc::{Sender, TryRecvError};
use std::time::Duration;

use rustix::process::Pid;

use super::Deployment;
use super::deployment::{Loop, Slot};
use super::environment::Caller;
use super::schedule::Schedule;
use ciao_plan::{Plan, Step};
use ciao_process::{Lane, Word};

/// How long a guardian that was let go may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts the guardians of the steps that start first: while git answers there is time for it. `runs` says which
/// steps are to run. One that cannot be started is tried again when it is needed. It ends early when nobody takes them.
pub fn crew(plan: &Plan, runs: impl Fn(&Step) -> bool, jobs: usize, exe: &Path, caller: &Caller, to: &Sender<Lane>) {
    let mut schedule = Schedule::new(&plan.graph, |step| runs(&plan.steps[step]), jobs);
    while schedule.start_next().is_some() {
        let Ok(lane) = Lane::start(exe, &caller.passed) else { return };
        if to.send(lane).is_err() {
            return;
        }
    }
}

impl Loop<'_, '_> {
    /// Takes the guardians that have been started meanwhile.
    pub fn welcome(&mut self) {
        while let Some(coming) = &self.coming {
            match coming.try_recv() {
                Ok(lane) => self.take_on(lane),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.coming = None,
            }
        }
    }

    /// Waits for those that are still being started.
    fn welcome_all(&mut self) {
        self.coming.take().into_iter().flatten().for_each(|lane| self.take_on(lane));
    }

    fn take_on(&mut self, mut lane: Lane) {
        if let Some(file) = &self.deployment.busy {
            lane.keep_busy(file);
        }
        self.slots.push(Slot { lane, course: None, ahead: None });
    }

    /// Those that only look after what a detached step has left take no more steps.
    pub fn put_aside(&mut self) {
        let aside = self.slots.extract_if(.., |slot| slot.course.is_none() && slot.lane.retired());
        self.staying.extend(aside.map(|slot| slot.lane));
    }

    /// A lane that is free and alive: the one whose guardian knows of `step` already, if there is one.
    pub fn lane(&mut self, step: Option<usize>) -> std::io::Result<usize> {
        self.put_aside();
        let knows = |slot: &Slot| slot.course.is_none() && slot.ahead.as_ref().map(|ahead| ahead.index) == step;
        let free = |slot: &Slot| slot.course.is_none();
        while let Some(free) = self.slots.iter().position(knows).or_else(|| self.slots.iter().position(free)) {
            match self.slots[free].lane.hear() {
                Word::Gone => drop(self.slots.remove(free)),
                _ => return Ok(free),
            }
        }
        let Deployment { exe, caller, .. } = self.deployment;
        self.take_on(Lane::start(exe, &caller.passed)?);
        Ok(self.slots.len() - 1)
    }

    /// All guardians. Who is not among them, and below this process, is a stray; so nobody may be on the way here.
    pub fn lanes(&mut self) -> Vec<Pid> {
        self.welcome_all();
        let others = self.leaving.iter().chain(&self.staying).map(Lane::pid);
        self.slots.iter().map(|slot| slot.lane.pid()).chain(others).collect()
    }

    /// Lets the guardians go that neither `steps` more nor a `finally` will need: while others run there is time for it.
    pub fn let_go(&mut self, steps: usize) {
        if self.coming.is_some() {
            return;
        }
        let mut kept = 0;
        for slot in (0..self.slots.len()).rev() {
            if self.slots[slot].course.is_none() {
                kept += 1;
                if kept > steps.max(1) {
                    let lane = self.slots.remove(slot).lane;
                    lane.let_go();
                    self.leaving.push(lane);
                }
            }
        }
    }

    /// The deployment is over: waits until all guardians have gone.
    pub fn dismiss(&mut self) {
        if self.stop.is_some() {
            // Who is in a hurry does not wait for more of them to be started: those that nobody takes go by themselves.
            self.welcome();
            self.coming = None;
        }
        self.welcome_all();
        self.put_aside();
        self.leaving.extend(self.slots.drain(..).map(|slot| slot.lane));
        // All of them first: they go side by side.
        self.leaving.iter().for_each(Lane::let_go);
        self.leaving.drain(..).for_each(|lane| lane.close(PATIENCE));
    }
}
