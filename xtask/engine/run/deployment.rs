//! The loop of a deployment: one thread that waits for guardians, output, signals and the clock at once.
//!
//! It joins what decides ([`Schedule`], [`Course`]) with what acts ([`Lane`]). It knows nothing of git, gates or
//! displays.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::course::{Course, Next, Part, Stop};
use super::event::{Event, Outcome};
use super::launch::{Ahead, Launcher};
use super::outlet::Outlet;
use super::report::Weight;
use super::schedule::Schedule;
use super::secrets::LONGEST;
use super::voice::Voice;
use super::{Deployment, End, Failure, StepResult, Summary, results};
use ciao_process::{self as process, Exit, Lane, Report, Signals, Word};

/// What is read of a step's output at a time.
const BLOCK: usize = 128 << 10;
/// From so many bytes at once on, more is expected at once.
const MUCH: usize = 4 << 10;
/// How long it is left to gather then: otherwise every page that is printed would wake this process.
const GATHER: Duration = Duration::from_micros(300);
/// How often it is looked for a guardian that is being started.
const COMING: Duration = Duration::from_millis(1);
/// How long nothing is looked at: the lock and the display.
const TICK: Duration = Duration::from_millis(100);
/// A guardian, and the step that it looks after.
pub struct Slot {
    pub lane: Lane,
    pub course: Option<Course>,
    /// What its guardian has been told that it may start next.
    pub ahead: Option<Ahead>,
}

pub struct Loop<'a, 'r> {
    pub deployment: &'a Deployment<'a>,
    pub launcher: Launcher<'a>,
    pub outlet: Outlet<'r>,
    pub signals: &'r mut Signals,
    pub schedule: Schedule,
    pub slots: Vec<Slot>,
    /// Guardians that are being started; `None` when all have come.
    pub coming: Option<Receiver<Lane>>,
    /// Guardians that have nothing more to do.
    pub leaving: Vec<Lane>,
    /// How many steps have not begun.
    unbegun: usize,
    /// Guardians that look after what detached steps have left running.
    pub staying: Vec<Lane>,
    block: Vec<u8>,
    /// Some step prints much.
    pours: bool,
    pub results: Vec<StepResult>,
    /// Steps whose `finally` is owed, in the order in which they started.
    pub owed: Vec<usize>,
    pub failures: Vec<Failure>,
    pub stop: Option<Stop>,
    pub began: Instant,
}

impl<'a, 'r> Loop<'a, 'r> {
    pub fn new(
        deployment: &'a Deployment<'a>,
        launcher: Launcher<'a>,
        outlet: Outlet<'r>,
        signals: &'r mut Signals,
        crew: Receiver<Lane>,
        runs: &[bool],
    ) -> Loop<'a, 'r> {
        let plan = deployment.plan;
        // Who started them is gone, and a ledger keeps no order: that of the plan is one in which they may have started.
        let owed = (0..plan.steps.len()).filter(|&step| deployment.owed.contains(&plan.steps[step].id)).collect();
        Loop {
            deployment,
            launcher,
            outlet,
            signals,
            schedule: Schedule::new(&plan.graph, |step| runs[step], deployment.jobs),
            slots: Vec::new(),
            coming: Some(crew),
            leaving: Vec::new(),
            unbegun: runs.iter().filter(|&&runs| runs).count(),
            staying: Vec::new(),
            block: vec![0; BLOCK],
            pours: false,
            results: results(deployment, runs),
            owed,
            failures: Vec::new(),
            stop: None,
            began: Instant::now(),
        }
    }

    /// Runs all steps, then what is owed.
    pub fn run(mut self) -> Summary {
        // What came while the lock was taken and secrets were read.
        self.on_signals();
        loop {
            self.welcome();
            while let Some(step) = self.next_step() {
                self.begin(step);
            }
            self.launch();
            if self.schedule.is_over() && self.idle() {
                break;
            }
            self.wait();
        }
        self.finally();
        let end = self.end();
        self.dismiss();
        self.outlet.flush();
        self.outlet.rest();
        let steps = &self.deployment.plan.steps;
        // What steps owe that the plan has no more, nobody can do here.
        let gone = self.deployment.owed.iter().filter(|id| steps.iter().all(|step| step.id != **id));
        let owed = gone.chain(self.owed.iter().map(|&step| &steps[step].id)).cloned().collect();
        Summary {
            end,
            steps: self.results,
            owed,
            failures: self.failures,
            journal_error: self.outlet.journal_error.clone(),
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }

    pub fn end(&self) -> End {
        match self.stop {
            Some(Stop { signal: None, .. }) => End::Fenced,
            Some(Stop { signal: Some(signal), .. }) => End::Interrupted(signal),
            None if self.outlet.journal_error.is_some() => End::NotRecorded,
            None if self.failures.is_empty() => End::Succeeded,
            None => End::Failed,
        }
    }

    fn next_step(&mut self) -> Option<usize> {
        if self.outlet.journal_error.is_some() || self.stop.is_some() {
            self.schedule.stop();
        }
        // The first steps start as their guardians come.
        if self.coming.is_some() && self.slots.iter().all(|slot| slot.course.is_some()) {
            return None;
        }
        self.schedule.start_next()
    }

    pub fn idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.course.is_none())
    }

    /// A step begins: with its guard, if it has one.
    fn begin(&mut self, step: usize) {
        self.unbegun -= 1;
        let plan = &self.deployment.plan.steps[step];
        let hushed = plan.output.as_ref().is_some_and(|output| output.secret);
        let mut course = Course::new(step, Voice::new(self.deployment.logs, &plan.id, hushed));
        match self.lane(Some(step)) {
            Ok(slot) => self.guard_or_attempt(slot, course),
            Err(error) => {
                let words = format!("no guardian can be started for it: {error}");
                self.over(&mut course, Outcome::Failed, Some(words));
            }
        }
    }

    pub fn guard_or_attempt(&mut self, slot: usize, mut course: Course) {
        let step = &self.deployment.plan.steps[course.step];
        match self.launcher.guard(course.step, course.attempt + 1) {
            None => self.attempt(slot, course),
            Some(Ok(launch)) => {
                course.begin(Part::Guard, launch, step.timeout);
                self.slots[slot].course = Some(course);
            }
            Some(Err(words)) => {
                self.over(&mut course, Outcome::Failed, Some(format!("its guard cannot be run: {words}")))
            }
        }
    }

    fn attempt(&mut self, slot: usize, mut course: Course) {
        let plan = self.deployment.plan;
        let step = &plan.steps[course.step];
        course.attempt += 1;
        (course.part, course.exit) = (Part::Attempt, None);
        // What a failed attempt has printed is no part of what the step produces.
        drop(course.voice.produced());
        let ahead = self.slots[slot].ahead.take().filter(|ahead| ahead.index == course.step && course.attempt == 1);
        let ahead = ahead.filter(|ahead| self.launcher.still(ahead));
        let prepared = ahead.is_some();
        match ahead.map_or_else(|| self.launcher.step(course.step, course.attempt), |ahead| Ok(ahead.launch)) {
            Ok(launch) => {
                for name in std::mem::take(&mut *self.launcher.bare.borrow_mut()) {
                    let text = format!("`{name}` is part of a secret output, and too short to be masked");
                    self.outlet.message(Weight::Warning, None, &text);
                }
                let owes = step.finally.is_some();
                // One that was owed from before as well is undone in the order of this deployment.
                if owes && course.attempt == 1 {
                    self.owed.retain(|&owed| owed != course.step);
                    self.owed.push(course.step);
                }
                self.outlet.record(Event::Started { step: step.id.clone(), attempt: course.attempt, owes });
                self.outlet.started(step, course.attempt, false);
                course.begin(Part::Attempt, launch, step.timeout);
                course.prepared = prepared;
                self.slots[slot].course = Some(course);
            }
            Err(words) => self.over(&mut course, Outcome::Failed, Some(words)),
        }
    }

    /// Records what is pending, and only then starts what follows from it.
    pub fn launch(&mut self) {
        // Meanwhile guardians make ready what is about to start.
        for Slot { lane, course, ahead } in &mut self.slots {
            if let Some(Course { launch: Some(launch), prepared, .. }) = course
                && !*prepared
            {
                lane.prepare(launch);
                (*prepared, *ahead) = (true, None);
            }
        }
        let recorded = self.outlet.flush();
        let mut launched = Vec::new();
        for slot in 0..self.slots.len() {
            let Slot { lane, course: Some(course), ahead } = &mut self.slots[slot] else { continue };
            let Some(launch) = course.launch.take() else { continue };
            if recorded && !matches!(self.stop, Some(Stop { now: true, .. })) {
                *ahead = None;
                lane.go();
                course.started = Some(launch);
                if course.part == Part::Attempt {
                    launched.push((slot, course.step));
                }
            } else if let Some(course) = self.slots[slot].course.take() {
                self.not_again(course);
            }
        }
        launched.into_iter().for_each(|(slot, step)| self.look_ahead(slot, step));
    }

    /// While `step` runs there is time to make ready what comes after it.
    fn look_ahead(&mut self, slot: usize, step: usize) {
        let ahead = self.schedule.next_after(step).and_then(|next| self.launcher.ahead(next));
        if let Some(ahead) = &ahead {
            self.slots[slot].lane.prepare(&ahead.launch);
        }
        self.slots[slot].ahead = ahead;
    }

    /// Waits until something happens, and deals with it.
    pub fn wait(&mut self) {
        self.outlet.tick();
        let now = Instant::now();
        let due = self.slots.iter().filter_map(|slot| slot.course.as_ref()?.due()).min();
        let pours = std::mem::take(&mut self.pours);
        let longest = match (pours, &self.coming) {
            (true, _) => GATHER,
            (false, Some(_)) => COMING,
            (false, None) => TICK,
        };
        let timeout = due.map_or(longest, |due| due.saturating_duration_since(now)).min(longest);
        let busy: Vec<usize> = (0..self.slots.len()).filter(|&slot| self.slots[slot].course.is_some()).collect();
        let mut fds = vec![self.signals.fd()];
        // What nobody captures nothing comes from.
        let captures = |&slot: &usize| self.slots[slot].course.as_ref().is_some_and(|course| self.captures(course));
        let each = if pours { 1 } else { 2 + usize::from(busy.iter().any(captures)) };
        fds.extend(busy.iter().flat_map(|&slot| self.slots[slot].lane.fds().into_iter().take(each)));
        // It fails only for want of memory; then the clock goes on and it is tried again.
        let ready = process::readable(&fds, Some(timeout)).unwrap_or_else(|_| vec![true; fds.len()]);
        if ready[0] {
            self.on_signals();
        }
        if ready.iter().all(|ready| !ready) {
            busy.iter().for_each(|&slot| self.slots[slot].lane.wake());
        }
        // From the last: a lane that is gone is taken out.
        for (slot, ready) in busy.into_iter().zip(ready[1..].chunks(each)).rev() {
            if pours || ready[1] {
                self.read(slot, false, 4);
            }
            if pours || ready.get(2) == Some(&true) {
                self.read(slot, true, 4);
            }
            if ready[0] {
                self.hear(slot);
            }
        }
        if self.schedule.is_stopped() {
            self.end_pauses();
        }
        self.look_at_clock();
        self.put_aside();
        self.let_go(self.unbegun);
    }

    /// Whether something comes from its process that is not shown, but kept.
    fn captures(&self, course: &Course) -> bool {
        self.deployment.plan.steps[course.step].output.is_some()
    }

    /// Reads at most `blocks` of what a step has printed.
    fn read(&mut self, slot: usize, captured: bool, blocks: usize) {
        if captured && !self.slots[slot].course.as_ref().is_some_and(|course| self.captures(course)) {
            return;
        }
        let slot = &mut self.slots[slot];
        let Some(course) = &mut slot.course else { return };
        let step = &self.deployment.plan.steps[course.step];
        let mut total = 0;
        for _ in 0..blocks {
            let Some(count) = slot.lane.read(captured, &mut self.block) else { break };
            total += count;
            self.outlet.hear(step, &mut course.voice, captured, &self.block[..count]);
        }
        if total >= MUCH {
            slot.lane.widen();
        }
        // Who prints faster than it is read is not left alone: the pipe would be full, and nobody at work.
        self.pours |= (MUCH..2 * BLOCK).contains(&total);
    }

    fn hear(&mut self, slot: usize) {
        loop {
            match self.slots[slot].lane.hear() {
                Word::Nothing => return,
                Word::Gone => return self.on_gone(slot),
                Word::Report(report) => self.on_report(slot, report),
            }
            if self.slots[slot].course.as_ref().is_none_or(|course| course.launch.is_some()) {
                return;
            }
        }
    }

    fn on_report(&mut self, slot: usize, report: Report) {
        // All writers have ended (or are to be left alone), so what is in the pipes now is all there is.
        self.read(slot, false, usize::MAX);
        self.read(slot, true, usize::MAX);
        let Some(mut course) = self.slots[slot].course.take() else { return };
        let step = &self.deployment.plan.steps[course.step];
        self.outlet.pause(step, &mut course.voice);
        match report {
            Report::NotStarted { errno, what } => {
                let words = course.started.as_ref().map(|launch| process::not_started(launch, errno, &what));
                course.spent += course.since.elapsed();
                let guard = if course.part == Part::Guard { "its guard cannot be run: " } else { "" };
                let words = format!("{guard}{}", words.unwrap_or(what));
                match course.pause(step).filter(|_| self.stop.is_none()) {
                    Some(pause) => self.pause(slot, course, pause, (Outcome::Failed, words)),
                    None => self.over(&mut course, Outcome::Failed, Some(words)),
                }
            }
            Report::Over { exit, leftover } => {
                self.on_leftover(slot, &course, exit, &leftover);
                self.on_exit(slot, course, exit);
            }
        }
    }

    fn on_leftover(&mut self, slot: usize, course: &Course, exit: Exit, leftover: &[String]) {
        let step = &self.deployment.plan.steps[course.step];
        if step.detach && course.part == Part::Attempt && exit.good() {
            self.slots[slot].lane.retire();
        } else if !leftover.is_empty() && course.ending.is_none() {
            let text = format!(
                "left running in the background and ended: {} (`detach = true` lets such a thing run on)",
                leftover.join(", ")
            );
            self.outlet.message(Weight::Warning, Some(step), &text);
        }
    }

    fn on_exit(&mut self, slot: usize, mut course: Course, exit: Exit) {
        let step = &self.deployment.plan.steps[course.step];
        let next = course.over(exit, step);
        match next {
            Next::Attempt | Next::Pause(..) if self.stop.is_some() => {
                self.over(&mut course, Outcome::Interrupted, None);
            }
            Next::Attempt if self.schedule.is_stopped() => self.not_again(course),
            Next::Attempt => self.attempt(slot, course),
            Next::Pause(pause, failed) => self.pause(slot, course, pause, failed),
            Next::End(Outcome::Succeeded, _) if course.part == Part::Attempt => match self.keep(&mut course) {
                Ok(()) => self.over(&mut course, Outcome::Succeeded, None),
                Err(words) => self.over(&mut course, Outcome::Failed, Some(words)),
            },
            Next::End(outcome, words) => self.over(&mut course, outcome, words),
        }
    }

    /// An attempt has `failed`, and after `pause` there may be another.
    fn pause(&mut self, slot: usize, mut course: Course, pause: Duration, failed: (Outcome, String)) {
        let (attempt, next) = (course.attempt, super::report::duration(pause.as_secs_f64()));
        let text = format!("attempt {attempt} failed ({}); the next in {next}", failed.1);
        course.failed = Some(failed);
        if self.schedule.is_stopped() {
            return self.not_again(course);
        }
        let step = &self.deployment.plan.steps[course.step];
        self.outlet.message(Weight::Warning, Some(step), &text);
        course.part = Part::Pause(Instant::now() + pause);
        self.slots[slot].course = Some(course);
    }

    /// It might have been started, or started again, but nothing new is started any more.
    pub fn not_again(&mut self, mut course: Course) {
        let (outcome, words) = course.failed.take().map_or((Outcome::NotRun, None), |(outcome, words)| {
            (outcome, Some(format!("{words}; not tried again, because nothing new is started any more")))
        });
        self.over(&mut course, outcome, words);
    }

    /// Keeps what a step has produced for those that use it.
    fn keep(&mut self, course: &mut Course) -> Result<(), String> {
        let Some(output) = &self.deployment.plan.steps[course.step].output else { return Ok(()) };
        let produced = course.voice.produced().ok_or("it has produced more than 16 MiB")?;
        let text = String::from_utf8(produced).map_err(|_| "what it has produced is no UTF-8")?;
        let kept = super::produced(text.trim(), output.json)?;
        if output.secret {
            if kept.text.len() > LONGEST {
                return Err(format!("it has produced more than {} KiB, which is too long for a secret", LONGEST >> 10));
            }
            let hidden = super::secret_parts(&kept)?;
            self.outlet.hide(&hidden.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
            self.launcher.hidden.extend(hidden.into_iter().map(String::into_bytes));
        }
        self.launcher.outputs[course.step] = Some(kept);
        self.launcher.kept += 1;
        Ok(())
    }

    /// A step, or its `finally`, is over.
    pub fn over(&mut self, course: &mut Course, outcome: Outcome, words: Option<String>) {
        let step = &self.deployment.plan.steps[course.step];
        self.outlet.pause(step, &mut course.voice);
        if let Some(words) = course.voice.log.finish() {
            self.outlet.message(Weight::Warning, Some(step), &words);
        }
        let message = words.map(|words| self.outlet.mask.text(&words));
        let result =
            StepResult { outcome, attempts: course.attempt, seconds: course.seconds(), exit: course.exit, message };
        let finally = course.part == Part::Finally;
        // Who interrupts need not be told of each step what became of it, as if it had failed by itself.
        if matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Unknown) {
            let failure = self.failure(course, &result, finally);
            self.failures.push(failure);
        }
        let exit = course.exit.map(Exit::code);
        self.outlet.ended(step, &result, finally);
        if finally {
            self.outlet.record(Event::FinallyEnded { step: step.id.clone(), outcome, exit });
            if outcome == Outcome::Succeeded {
                self.owed.retain(|&owed| owed != course.step);
            }
            return;
        }
        if outcome != Outcome::NotRun {
            let (attempts, seconds, message) = (result.attempts, result.seconds, result.message.clone());
            let (step, signal) = (step.id.clone(), course.exit.and_then(Exit::signal));
            self.outlet.record(Event::Ended { step, outcome, attempts, seconds, exit, signal, message });
        } else if self.outlet.journal_error.is_some() {
            // It was only about to start, and owes nothing.
            self.owed.retain(|&owed| owed != course.step || self.deployment.owed.contains(&step.id));
        }
        self.results[course.step] = result;
        self.schedule.ended(course.step, matches!(outcome, Outcome::Succeeded | Outcome::Done));
    }

    /// The guardian of a step is gone: somebody killed it.
    fn on_gone(&mut self, slot: usize) {
        let Slot { lane, course, .. } = self.slots.remove(slot);
        lane.close(Duration::from_millis(100));
        let lanes = self.lanes();
        process::end_strays(&lanes);
        let Some(mut course) = course else { return };
        if let Some(launch) = course.started.as_ref().filter(|launch| !launch.files.is_empty()) {
            process::remove_private(&launch.private);
        }
        course.spent += course.since.elapsed();
        let words = "its guardian was killed, so nobody saw how it ended; what could be found of it was killed";
        let outcome = if course.part == Part::Guard { Outcome::Failed } else { Outcome::Unknown };
        self.over(&mut course, outcome, Some(words.to_owned()));
    }

    /// Puts a `finally` onto its way.
    pub fn put(&mut self, slot: usize, course: Course) {
        self.slots[slot].course = Some(course);
    }

    /// For what cannot even be put onto its way.
    pub fn give_up(&mut self, mut course: Course, words: String) {
        self.over(&mut course, Outcome::Failed, Some(words));
    }
}
