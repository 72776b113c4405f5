//! What ends steps before they end themselves: signals, the clock, a lost lock, a failure elsewhere.
//!
//! It joins [`super::deployment`] with [`Signals`](ciao_process::Signals); it starts nothing.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::course::{Part, Stop, Why};
use super::deployment::{Loop, Slot};
use super::event::Outcome;
use super::report::Weight;

/// How long `finally` has, beyond the grace, when a deployment is interrupted.
const OWED: Duration = Duration::from_millis(1500);

impl Loop<'_, '_> {
    pub fn look_at_clock(&mut self) {
        if self.deployment.lost.load(std::sync::atomic::Ordering::SeqCst)
            && !matches!(self.stop, Some(Stop { signal: None, .. }))
        {
            self.stop = Some(Stop { signal: None, at: Instant::now(), now: true });
            self.outlet.message(
                Weight::Error,
                None,
                "the lock of this environment was taken away: everything is stopped",
            );
            self.kill_all();
        }
        let now = Instant::now();
        for slot in 0..self.slots.len() {
            let Slot { lane, course: Some(course), .. } = &mut self.slots[slot] else { continue };
            if course.due().is_none_or(|due| due > now) {
                continue;
            }
            match (course.part, course.ending) {
                (Part::Pause(_), _) => {
                    if let Some(course) = self.slots[slot].course.take() {
                        self.guard_or_attempt(slot, course);
                    }
                }
                (_, Some((_, None))) => lane.end(),
                (_, Some((why, _))) => course.kill(why, lane),
                // After an interruption there is no time left for another grace.
                (Part::Finally, None) if self.stop.is_some() => course.kill(Why::Stopped, lane),
                (_, None) => {
                    lane.signal(Signal::TERM);
                    course.ending = Some((Why::TimedOut, Some(now + self.deployment.grace)));
                }
            }
        }
    }

    pub fn on_signals(&mut self) {
        let mut came = self.signals.take();
        if came.contains(&Signal::TSTP) {
            came.extend(self.sleep());
        }
        for signal in came {
            if matches!(signal, Signal::TSTP | Signal::CONT) {
                continue;
            }
            match &mut self.stop {
                None => self.interrupt(signal),
                // A closed terminal is often told twice, by the system and by the shell.
                Some(_) if signal == Signal::HUP => {}
                Some(stop) => {
                    stop.now = true;
                    self.outlet.message(Weight::Warning, None, "killing what runs");
                    self.kill_all();
                }
            }
        }
    }

    /// The first signal: nothing new starts, what runs is told once and has its grace.
    fn interrupt(&mut self, signal: Signal) {
        let now = Instant::now();
        self.stop = Some(Stop { signal: Some(signal.as_raw()), at: now, now: false });
        self.schedule.stop();
        let grace = super::report::duration(self.deployment.grace.as_secs_f64());
        let text = if self.idle() {
            "interrupted: nothing new starts".to_owned()
        } else {
            format!("interrupted: waiting up to {grace} for what runs; once more kills it")
        };
        self.outlet.message(Weight::Warning, None, &text);
        for slot in 0..self.slots.len() {
            let Slot { lane, course: Some(course), .. } = &mut self.slots[slot] else { continue };
            match course.part {
                // It was going to be owed anyway, so it may go on; it is bounded elsewhere.
                Part::Finally => {}
                Part::Pause(_) => {
                    if let Some(mut course) = self.slots[slot].course.take() {
                        self.over(&mut course, Outcome::Interrupted, None);
                    }
                }
                Part::Guard | Part::Attempt if course.launch.is_none() => {
                    lane.signal(signal);
                    course.ending = Some((Why::Stopped, Some(now + self.deployment.grace)));
                }
                Part::Guard | Part::Attempt => {}
            }
        }
        self.bound_finally();
    }

    fn kill_all(&mut self) {
        self.schedule.stop();
        for slot in 0..self.slots.len() {
            let Slot { lane, course: Some(course), .. } = &mut self.slots[slot] else { continue };
            if let Part::Pause(_) = course.part {
                if let Some(mut course) = self.slots[slot].course.take() {
                    self.over(&mut course, Outcome::Interrupted, None);
                }
                continue;
            }
            course.kill(Why::Stopped, lane);
        }
    }

    /// After a failure nothing new starts, not even another attempt.
    pub fn end_pauses(&mut self) {
        for slot in 0..self.slots.len() {
            let paused = |course: &super::course::Course| matches!(course.part, Part::Pause(_));
            if self.slots[slot].course.as_ref().is_some_and(paused)
                && let Some(course) = self.slots[slot].course.take()
            {
                self.not_again(course);
            }
        }
    }

    /// Ctrl-Z: everything sleeps, and no clock runs meanwhile.
    fn sleep(&mut self) -> Vec<Signal> {
        let environment = &self.deployment.plan.environment;
        let text = format!("stopped: `fg` goes on, and until then {environment} stays locked");
        self.outlet.message(Weight::Note, None, &text);
        self.outlet.sleep();
        for slot in &mut self.slots {
            slot.lane.signal(Signal::STOP);
        }
        let start = Instant::now();
        let others = self.signals.stop_here();
        let slept = start.elapsed();
        for slot in &mut self.slots {
            slot.lane.signal(Signal::CONT);
            if let Some(course) = &mut slot.course {
                course.shift(slept);
            }
        }
        if let Some(stop) = &mut self.stop {
            stop.at += slept;
        }
        self.began += slept;
        self.outlet.wake(slept);
        others
    }

    /// After an interruption the whole stop must fit into what CI engines give.
    pub fn bound_finally(&mut self) {
        let Some(stop) = self.stop else { return };
        let until = stop.at + self.deployment.grace + OWED;
        for course in self.slots.iter_mut().filter_map(|slot| slot.course.as_mut()) {
            if course.part == Part::Finally {
                course.deadline = Some(course.deadline.map_or(until, |deadline| deadline.min(until)));
            }
        }
    }
}
