//! The end of a deployment: what is owed is done, in reverse order; and what people are told about a failure.

use std::collections::BTreeMap;

use super::course::{Course, Part, Stop};
use super::deployment::Loop;
use super::event::Event;
use super::outlet::Outlet;
use super::paste::shell_line;
use super::voice::Voice;
use super::{End, Failure, StepResult};
use ciao_plan::{Action, EnvValue, Plan, Step};

/// How many of its last lines a failure shows.
const LAST_LINES: usize = 12;

/// How many bytes of a command a failure shows.
const LONGEST: usize = 2000;

impl Loop<'_, '_> {
    /// Does what is owed, whatever has happened, unless somebody wants out at once or the environment is another's.
    pub fn finally(&mut self) {
        for step in self.owed.clone().into_iter().rev() {
            if self.outlet.journal_error.is_some() || matches!(self.stop, Some(Stop { now: true, .. })) {
                return;
            }
            self.one(step);
            while !self.idle() {
                self.wait();
            }
            self.outlet.flush();
        }
    }

    fn one(&mut self, index: usize) {
        let step = &self.deployment.plan.steps[index];
        let Some(finally) = &step.finally else { return };
        let outcome = match self.end() {
            End::Succeeded => "succeeded",
            End::Interrupted(_) => "interrupted",
            End::Failed | End::Fenced | End::NotRecorded => "failed",
        };
        let voice = Voice::new(self.deployment.logs, &format!("{}.finally", step.id), false);
        let mut course = Course::new(index, voice);
        course.part = Part::Finally;
        course.attempt = 1;
        let launch = self.launcher.finally(index, outcome).unwrap_or_else(|| Err("it has none".to_owned()));
        self.outlet.record(Event::FinallyStarted { step: step.id.clone() });
        let ready = launch.and_then(|launch| {
            let slot = self.lane(None).map_err(|error| format!("no guardian can be started for it: {error}"))?;
            Ok((launch, slot))
        });
        match ready {
            Ok((launch, slot)) => {
                self.outlet.started(step, 1, true);
                course.begin(Part::Finally, launch, finally.timeout);
                self.put(slot, course);
                self.bound_finally();
                self.launch();
            }
            Err(words) => self.give_up(course, words),
        }
    }

    /// What people are told.
    pub fn failure(&self, course: &Course, result: &StepResult, finally: bool) -> Failure {
        let plan = self.deployment.plan;
        let step = &plan.steps[course.step];
        let last_lines = Outlet::last_lines(&course.voice, LAST_LINES);
        let hint = hint(&last_lines, result);
        Failure {
            step: step.id.clone(),
            finally,
            what: result.message.clone().unwrap_or_default(),
            file: step.file.to_path_buf(),
            line: step.line,
            command: cut(self.outlet.mask.text(&self.pasted(plan, step, course.part))),
            log: course.voice.log.path().map(ToOwned::to_owned),
            last_lines,
            hint,
        }
    }

    /// What was run, and not what would have been: where a guard has failed, nobody shall paste what it guards.
    fn pasted(&self, plan: &Plan, step: &Step, part: Part) -> String {
        let mut env: BTreeMap<&str, &EnvValue> = plan.env_of(step);
        let known = |piece: &_| self.launcher.shown(piece);
        match (part, &step.finally, &step.unless) {
            (Part::Finally, Some(last), _) => {
                env.extend(last.env.iter().map(|(name, value)| (name.as_str(), value)));
                shell_line(&last.action, last.stdin.as_ref(), &env, &last.cwd, &known)
            }
            (Part::Guard, _, Some(guard)) => shell_line(&Action::Run(guard.clone()), None, &env, &step.cwd, &known),
            _ => shell_line(&step.action, step.stdin.as_ref(), &env, &step.cwd, &known),
        }
    }
}

/// A command without its middle, if it has megabytes: what was an output once may be an argument.
fn cut(command: String) -> String {
    let half = LONGEST / 2;
    if command.len() <= LONGEST {
        return command;
    }
    let start = (0..=half).rev().find(|&start| command.is_char_boundary(start)).unwrap_or(0);
    let end = command.len() - half;
    let end = (end..).find(|&end| command.is_char_boundary(end)).unwrap_or(command.len());
    format!("{} [… {} bytes …] {}", &command[..start], end - start, &command[end..])
}

/// What might help, judging by what was printed.
fn hint(lines: &[String], result: &StepResult) -> Option<String> {
    let asked = [
        "/dev/tty",
        "a terminal is required",
        "not a tty",
        "not a TTY",
        "no tty",
        "askpass",
        "must be run from a terminal",
        "Inappropriate ioctl for device",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "Host key verification failed",
        "Permission denied (publickey",
        "Permission denied (password",
        "getpass",
    ];
    if lines.iter().any(|line| asked.iter().any(|words| line.contains(words))) {
        return Some(
            "a step has no terminal and cannot ask: give it what it needs by env, stdin, a key or an agent".to_owned(),
        );
    }
    let missing = result.message.as_ref().is_some_and(|message| message.starts_with("exit code 127"));
    missing.then(|| "is the program installed here, and on the PATH that the step sees?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, cut};

    #[test]
    fn a_command_of_many_pages_hid_what_was_wrong() {
        assert_eq!(cut("echo ä".to_owned()), "echo ä");
        let short = cut(format!("echo {} end", "ä".repeat(140_000)));
        assert!(short.starts_with("echo ää") && short.ends_with("ä end") && short.len() < LONGEST + 100, "{short}");
        assert!(short.contains(" [… 2780") && short.contains(" bytes …] "), "{short}");
    }
}
