//! One step on its way: its guard, its attempts, the pauses between them; or its `finally`.
//!
//! It decides what comes next and when something must end; it starts nothing and knows nothing of other steps.

use std::time::{Duration, Instant};

use super::event::Outcome;
use super::report::{duration, end};
use super::voice::Voice;
use ciao_plan::{Retries, Step};
use ciao_process::{Exit, Lane, Launch};

/// How long a guardian may take to kill: what is stuck in the kernel it gives up after five seconds.
const ANSWER: Duration = Duration::from_secs(6);

/// Where on its way a step is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Guard,
    Attempt,
    /// Until the next attempt.
    Pause(Instant),
    Finally,
}

/// Why a process is made to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    TimedOut,
    /// The deployment is interrupted, or has lost its lock.
    Stopped,
}

/// Why nothing new starts, other than a failure.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    pub signal: Option<i32>,
    pub at: Instant,
    /// Killed: by a second signal, or because the lock is lost.
    pub now: bool,
}

/// A step that is on its way.
pub struct Course {
    pub step: usize,
    pub part: Part,
    /// Attempts begun.
    pub attempt: u32,
    /// Since when it is in this part.
    pub since: Instant,
    /// In earlier attempts.
    pub spent: Duration,
    pub deadline: Option<Instant>,
    /// Why it is being ended, and when it will be killed (`None`: it has been, and until `deadline` its guardian may say so).
    pub ending: Option<(Why, Option<Instant>)>,
    /// The lane is told to start this when what is pending has been recorded.
    pub launch: Option<Launch>,
    /// The lane knows it already.
    pub prepared: bool,
    /// What was started, for messages if that failed.
    pub started: Option<Launch>,
    pub exit: Option<Exit>,
    /// What came of the last attempt, if it failed.
    pub failed: Option<(Outcome, String)>,
    pub voice: Voice,
}

/// What comes after a process of a step.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The guard says that there is something to do.
    Attempt,
    /// What came of this attempt counts if there is no other.
    Pause(Duration, (Outcome, String)),
    End(Outcome, Option<String>),
}

impl Course {
    #[must_use]
    pub fn new(step: usize, voice: Voice) -> Course {
        Course {
            step,
            part: Part::Guard,
            attempt: 0,
            since: Instant::now(),
            spent: Duration::ZERO,
            deadline: None,
            ending: None,
            launch: None,
            prepared: false,
            started: None,
            exit: None,
            failed: None,
            voice,
        }
    }

    /// A process starts; it may take `timeout`.
    pub fn begin(&mut self, part: Part, launch: Launch, timeout: Duration) {
        self.part = part;
        self.since = Instant::now();
        // A timeout too long for the clock is none.
        self.deadline = self.since.checked_add(timeout);
        self.ending = None;
        self.prepared = false;
        self.launch = Some(launch);
    }

    /// Seconds over all attempts.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.spent.as_secs_f64()
    }

    /// Its process has ended with `exit`.
    pub fn over(&mut self, exit: Exit, step: &Step) -> Next {
        self.exit = Some(exit);
        let ending = self.ending.take();
        match self.part {
            Part::Guard => self.after_guard(exit, ending.map(|(why, _)| why), step),
            Part::Attempt | Part::Finally | Part::Pause(_) => {
                self.spent += self.since.elapsed();
                self.after_attempt(exit, ending.map(|(why, _)| why), step)
            }
        }
    }

    fn after_guard(&self, exit: Exit, why: Option<Why>, step: &Step) -> Next {
        match (why, exit) {
            (Some(Why::Stopped), _) => Next::End(Outcome::Interrupted, None),
            (Some(Why::TimedOut), _) => {
                Next::End(Outcome::Failed, Some(format!("its guard {}", timed_out(step.timeout))))
            }
            (None, Exit::Code(0)) => Next::End(Outcome::Done, None),
            (None, Exit::Code(_)) => Next::Attempt,
            (None, signal) => Next::End(Outcome::Failed, Some(format!("its guard was {}", end(signal)))),
        }
    }

    fn after_attempt(&self, exit: Exit, why: Option<Why>, step: &Step) -> Next {
        let (outcome, message) = match (why, exit) {
            // It may have ended well just then, but nobody can tell that from one that gave up: run it again.
            (Some(Why::Stopped), _) => return Next::End(Outcome::Interrupted, Some(stopped(exit))),
            (Some(Why::TimedOut), _) => {
                let timeout = step.finally.as_ref().filter(|_| self.part == Part::Finally);
                (Outcome::TimedOut, timed_out(timeout.map_or(step.timeout, |finally| finally.timeout)))
            }
            (None, Exit::Code(0)) => return Next::End(Outcome::Succeeded, None),
            (None, exit) => (Outcome::Failed, end(exit)),
        };
        match self.pause(step) {
            Some(pause) => Next::Pause(pause, (outcome, message)),
            None => Next::End(outcome, Some(message)),
        }
    }

    /// How long to wait for the next attempt; `None` if there is none.
    #[must_use]
    pub fn pause(&self, step: &Step) -> Option<Duration> {
        let retries = step.retries.filter(|_| self.part == Part::Attempt)?;
        (self.attempt < retries.attempts).then(|| delay(retries, self.attempt))
    }

    /// Kills what runs of it.
    pub fn kill(&mut self, why: Why, lane: &mut Lane) {
        lane.wake();
        lane.kill();
        // Once more does not make it wait longer for the guardian's answer.
        if !matches!(self.ending, Some((_, None))) {
            self.deadline = Some(Instant::now() + ANSWER);
        }
        self.ending = Some((why, None));
    }

    /// When something must be done about it at the latest.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match (self.part, self.ending) {
            (Part::Pause(until), _) => Some(until),
            (_, Some((_, Some(kill_at)))) => Some(kill_at),
            (_, Some((_, None)) | None) => self.deadline,
        }
    }

    /// The clock did not count for so long: everything was stopped.
    pub fn shift(&mut self, by: Duration) {
        self.since += by;
        self.deadline = self.deadline.map(|at| at + by);
        if let Part::Pause(until) = &mut self.part {
            *until += by;
        }
        if let Some((_, Some(kill_at))) = &mut self.ending {
            *kill_at += by;
        }
    }
}

/// Nobody shall look for want of memory where this process has killed.
fn stopped(exit: Exit) -> String {
    if exit == Exit::Signal(9) { "killed".to_owned() } else { end(exit) }
}

fn timed_out(timeout: Duration) -> String {
    format!("timed out after {}", duration(timeout.as_secs_f64()))
}

fn delay(retries: Retries, attempts: u32) -> Duration {
    let factor = retries.backoff.max(0.0).powi(i32::try_from(attempts).unwrap_or(i32::MAX) - 1);
    // A backoff that grows out of bounds waits for a day, not for ever.
    let seconds = (retries.delay.as_secs_f64() * factor).clamp(0.0, 86_400.0);
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_by_the_backoff() {
        let retries = Retries { attempts: 9, delay: Duration::from_secs(5), backoff: 2.0 };
        assert_eq!([1, 2, 3, 60].map(|attempts| delay(retries, attempts).as_secs()), [5, 10, 20, 86_400]);
        let retries = Retries { attempts: 9, delay: Duration::ZERO, backoff: f64::NAN };
        assert_eq!(delay(retries, 2), Duration::ZERO);
    }
}
