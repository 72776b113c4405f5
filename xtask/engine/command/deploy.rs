//! `cargo xtask deploy`, `resume` and `orchestrate`: read, check, take the lock, run, record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Scope;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::output::Output;
use super::prepare::{Refused, Result};
use super::{Session, exit};
use crate::cli::{DeployArgs, Format, OrchestrateArgs, ResumeArgs, RunOptions};
use crate::finding::suggest;
use crate::ledger::record::{Ended, StepRecord};
use crate::ledger::state::{Deployment as Current, Proof};
use crate::ledger::{Ending, Error, Failure, Force, Holding, Ledger, Release, Request};
use crate::plan::{Plan, Step};
use crate::process::{Exit, Lane, Signals, itself};
use crate::repository::{Examined, Repository};
use crate::run::event::Outcome;
use crate::run::report::{Display, Reporter, Style, reporter};
use crate::run::secrets::{Secrets, Unreadable};
use crate::run::{self, Deployment, End, StepResult, Summary, environment::Caller, logs};
use crate::show::json::digest;

/// Everything about one deployment that is decided before the lock is taken.
struct Ready<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    release: &'a Release,
    options: &'a RunOptions,
    only: Option<BTreeSet<String>>,
    done: BTreeMap<String, Outcome>,
}

pub fn run(session: &Session<'_>, args: &DeployArgs) -> u8 {
    session.listening(|signals| deploy(session, args, signals))
}

fn deploy(session: &Session<'_>, args: &DeployArgs, signals: &mut Signals) -> Result<u8> {
    let repository = session.read();
    let examined = repository.examine(session.tasks);
    let plan = session.plan(&repository, &examined, &args.environment)?;
    let only = chosen(session, plan, &args.only)?;
    let caller = caller(&repository);
    let runs = |step: &Step| step.runs && only.as_ref().is_none_or(|only| only.contains(&step.id));
    std::thread::scope(|scope| {
        let crew = begin_crew(scope, plan, runs, args.options.jobs, &caller);
        let digest = scope.spawn(|| digest(plan));
        let (ledger, release) = session.ledger_and_release(&repository, &[plan], Some(&args.environment))?;
        let ledger = ledger.heeding(signals.endings());
        let digest = digest.join().unwrap_or_else(|panic| resume_unwind(panic));
        let mut request = session.request_of(digest, &repository, plan, &ledger, &release);
        request.complete = only.is_none();
        request.force = args.reason.clone().filter(|_| args.force).map(|reason| Force { reason });
        let options = &args.options;
        let ready =
            Ready { plan, ledger: &ledger, release: &release, options, only: only.clone(), done: BTreeMap::new() };
        let holding = take_lock(session, &ledger, &request, args, signals)?;
        Ok(hold(session, &ready, holding, signals, &caller, crew))
    })
}

/// The variables that this was called with, as `pass_env` has them.
fn caller(repository: &Repository) -> Caller {
    let pass_env = &repository.declarations.environment.pass_env;
    let pass_env: Vec<String> = pass_env.iter().map(|name| name.value.to_string()).collect();
    Caller::new(std::env::vars_os(), &pass_env)
}

/// Lets the first guardians be started, while git answers and the lock is taken. Where nothing comes of it, they see that they
/// are let go.
fn begin_crew<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    plan: &'e Plan,
    runs: impl Fn(&Step) -> bool + Send + 's,
    jobs: usize,
    caller: &'e Caller,
) -> Receiver<Lane> {
    let (to, crew) = channel();
    scope.spawn(move || run::crew(plan, runs, jobs, &itself(), caller, &to));
    crew
}

/// Takes the lock, while the first guardians are being started, and goes on with it.
fn lock_and_hold(
    session: &Session<'_>,
    ready: &Ready<'_>,
    caller: &Caller,
    signals: &mut Signals,
    lock: impl FnOnce(&mut Signals) -> Result<Holding>,
) -> Result<u8> {
    let chosen = |id: &String| ready.only.as_ref().is_none_or(|only| only.contains(id));
    let runs = |step: &Step| step.runs && chosen(&step.id) && !ready.done.contains_key(&step.id);
    std::thread::scope(|scope| {
        let crew = begin_crew(scope, ready.plan, runs, ready.options.jobs, caller);
        let holding = lock(signals)?;
        Ok(hold(session, ready, holding, signals, caller, crew))
    })
}

fn take_lock(
    session: &Session<'_>,
    ledger: &Ledger,
    request: &Request,
    args: &DeployArgs,
    signals: &mut Signals,
) -> Result<Holding> {
    let wait = args.wait.map_or(Duration::ZERO, Into::into);
    let (mut said, mut ended) = (String::new(), None);
    let taken = ledger.start_waiting(request, wait, |error, pause| {
        if said != error.message {
            said.clone_from(&error.message);
            session.output.say(&format!("waiting: {}", error.message));
        }
        ended = signals.pause(pause);
        ended.is_none()
    });
    match ended {
        Some(signal) => Err(session.interrupted(signal)),
        None => taken.map_err(|error| session.refused(&error)),
    }
}

/// The steps of the pipelines that `--only` names.
fn chosen(session: &Session<'_>, plan: &Plan, only: &[String]) -> Result<Option<BTreeSet<String>>> {
    if only.is_empty() {
        return Ok(None);
    }
    let names: BTreeSet<&str> = plan.calls.iter().map(|call| &*call.name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name.as_str())) {
        let help = suggest(unknown, "pipelines", names.iter().copied().collect::<Vec<_>>());
        session.output.error(&format!("there is no pipeline `{unknown}` in {}\n  help: {help}", plan.environment));
        return Err(Refused(exit::REFUSED_BY_FINDINGS));
    }
    let named = |step: &&crate::plan::Step| only.contains(&plan.calls[step.call].name);
    Ok(Some(plan.steps.iter().filter(named).map(|step| step.id.clone()).collect()))
}

/// Runs with the lock, records how it ended, and gives the lock back.
fn hold(
    session: &Session<'_>,
    ready: &Ready<'_>,
    mut holding: Holding,
    signals: &mut Signals,
    caller: &Caller,
    crew: Receiver<Lane>,
) -> u8 {
    let watch = ready.ledger.watch(&holding);
    let prepared = prepare(session, ready, &holding, signals, caller);
    let (secrets, folders) = match prepared {
        Ok(prepared) => prepared,
        Err((ended, code)) => {
            // Of a resumption nothing ran now, and what ran before, or nobody saw, is known all the same.
            let known = &holding.journal.carried;
            let before = |step: &Step| known.get(&step.id).cloned().unwrap_or_else(|| not_run(&step.id, step.runs));
            let steps = ready.plan.steps.iter().map(before).collect();
            let recorded = finish(session, ready, holding, ended, steps).err();
            return recorded.map_or(code, |error| session.refused(&error).0);
        }
    };
    let mut reporter = session.reporter(ready.options.format);
    let deployment = Deployment {
        plan: ready.plan,
        root: &session.root,
        release: ready.release.display.clone(),
        commit: ready.release.commit.clone(),
        work: &folders.work,
        logs: &folders.logs,
        fence: holding.fence,
        jobs: ready.options.jobs,
        grace: ready.options.grace.into(),
        done: ready.done.clone(),
        only: ready.only.clone(),
        owed: holding.owed.clone(),
        lost: std::sync::Arc::clone(&watch.lost),
        busy: Some(ready.ledger.steps_file(&ready.plan.environment)),
        caller: caller.clone(),
        exe: itself(),
    };
    let mut summary = run::run(&deployment, &secrets, signals, crew, &mut holding.journal, &mut *reporter);
    drop(watch);
    let ended = match summary.end {
        End::Succeeded => Ended::Succeeded,
        End::Failed | End::NotRecorded => Ended::Failed,
        End::Interrupted(_) | End::Fenced => Ended::Interrupted,
    };
    let steps = step_records(ready.plan, &summary, &holding.journal.carried);
    let unrecorded = finish(session, ready, holding, ended, steps).err();
    let taken = unrecorded.as_ref().is_some_and(|error| error.failure == Failure::Held);
    if taken && !matches!(summary.end, End::Interrupted(_)) {
        summary.end = End::Fenced;
    }
    tell(&mut *reporter, &summary, signals);
    if let Some(error) = reporter.lost() {
        session.output.lose(&error);
    }
    let recorded = unrecorded.map_or(0, |error| session.refused(&error).0);
    // What happened to the deployment matters more than that it could not be told.
    match code(&summary) {
        0 => recorded,
        code => code,
    }
}

/// Says how it ended, however slowly that is read, unless somebody wants out: it is over, and recorded.
fn tell(reporter: &mut dyn Reporter, summary: &Summary, signals: &mut Signals) {
    reporter.finished(summary);
    while reporter.drain(Duration::from_millis(100)) && signals.ending().is_none() {}
}

/// The folders of a deployment on this machine.
struct Folders {
    work: Utf8PathBuf,
    logs: Utf8PathBuf,
}

type Prepared = (Secrets, Folders);

/// What needs the lock and comes before the first step. On failure: how the deployment ended, and the exit code.
fn prepare(
    session: &Session<'_>,
    ready: &Ready<'_>,
    holding: &Holding,
    signals: &mut Signals,
    caller: &Caller,
) -> std::result::Result<Prepared, (Ended, u8)> {
    let secrets = match Secrets::read(ready.plan, &session.root, caller, &itself(), signals) {
        Ok(secrets) => secrets,
        Err(Unreadable::Interrupted(signal)) => {
            let Refused(code) = session.interrupted(signal);
            return Err((Ended::Interrupted, code));
        }
        Err(Unreadable::Problems(problems)) => {
            for problem in problems {
                session.output.error(&problem.to_string());
            }
            session.output.say("nothing ran: every secret is read before the first step");
            return Err((Ended::Failed, exit::REFUSED_BY_FINDINGS));
        }
    };
    let home = session.home(&ready.ledger.git);
    let logs = logs::folder(&home.join("logs"), &ready.plan.environment, &holding.deployment);
    if let Err(error) = logs::prune(&home.join("logs"), &ready.plan.environment, &logs) {
        session.output.warn(&format!("old logs could not be removed: {error}"));
    }
    let work = match super::folders::work(&session.root, &ready.plan.environment, !ready.done.is_empty()) {
        Ok(work) => work,
        Err(error) => {
            session.output.error(&error);
            return Err((Ended::Failed, Failure::Unreadable as u8));
        }
    };
    Ok((secrets, Folders { work, logs }))
}

fn not_run(id: &str, runs: bool) -> StepRecord {
    let outcome = if runs { Outcome::NotRun } else { Outcome::Off };
    StepRecord::new(id, outcome)
}

/// What became of all steps. What was done before this was resumed is `known`: how it went then is not forgotten.
fn step_records(plan: &Plan, summary: &Summary, known: &BTreeMap<String, StepRecord>) -> Vec<StepRecord> {
    let here = |(step, result): (&Step, &StepResult)| StepRecord {
        id: step.id.clone(),
        outcome: result.outcome,
        attempts: result.attempts,
        seconds: result.seconds,
        exit: result.exit.map(Exit::code),
        signal: result.exit.and_then(Exit::signal),
    };
    let all = plan.steps.iter().zip(&summary.steps).map(here);
    let before = |step: &StepRecord| {
        known.get(&step.id).filter(|known| step.attempts == 0 && known.outcome == step.outcome).cloned()
    };
    all.map(|step| before(&step).unwrap_or(step)).collect()
}

/// How long nothing is said while the end is being recorded.
const SILENT: Duration = Duration::from_secs(5);

/// Records how it ended, and says what is waited for if that takes long.
fn finish(
    session: &Session<'_>,
    ready: &Ready<'_>,
    holding: Holding,
    outcome: Ended,
    steps: Vec<StepRecord>,
) -> std::result::Result<(), Error> {
    let ending = Ending { outcome, steps };
    let Some(remote) = &ready.ledger.settings.remote else { return ready.ledger.finish(holding, &ending).map(drop) };
    let (done, over) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if over.recv_timeout(SILENT) == Err(RecvTimeoutError::Timeout) {
                let text = "does not answer: still trying to record the end (after Ctrl-C the next command does)";
                session.output.say(&format!("{remote} {text}"));
            }
        });
        let recorded = ready.ledger.finish(holding, &ending).map(|_| ());
        drop(done);
        recorded
    })
}

fn code(summary: &Summary) -> u8 {
    match summary.end {
        End::Succeeded => 0,
        End::Failed => exit::FAILED,
        End::Interrupted(signal) => 128_u8.saturating_add(signal as u8),
        End::Fenced => Failure::Held as u8,
        End::NotRecorded => Failure::Unreadable as u8,
    }
}

pub fn resume(session: &Session<'_>, args: &ResumeArgs) -> u8 {
    session.listening(|signals| go_on(session, args, signals))
}

fn go_on(session: &Session<'_>, args: &ResumeArgs, signals: &mut Signals) -> Result<u8> {
    let repository = session.read();
    let examined = repository.examine(session.tasks);
    let plan = session.plan(&repository, &examined, &args.environment)?;
    let (ledger, release) = session.ledger_and_release(&repository, &[plan], Some(&args.environment))?;
    let ledger = ledger.heeding(signals.endings());
    ledger.sync().map_err(|error| session.refused(&error))?;
    let unfinished = ledger.unfinished(&args.environment).map_err(|error| session.refused(&error))?;
    let request = session.request(&repository, plan, &ledger, &release);
    if request.plan != unfinished.deployment.plan {
        let changed = super::resume::changes(&ledger, plan, &unfinished, &request.plan_text);
        session.output.error(&format!(
            "the plan of {} has changed since its deployment was started:\n{changed}",
            args.environment
        ));
        let commit = unfinished.deployment.release.commit.get(..12).unwrap_or_default();
        let anew = unfinished.anew();
        session.output.say(&format!("  help: put it back (see git diff {commit}), or {anew}"));
        return Err(Refused(exit::REFUSED_BY_FINDINGS));
    }
    let done = super::resume::done(session, plan, &unfinished, args)?;
    let only = super::resume::chosen(plan, &unfinished, &done);
    let ready = Ready { plan, ledger: &ledger, release: &release, options: &args.options, only, done };
    let lock = |_: &mut Signals| ledger.resume(&unfinished, &request).map_err(|error| session.refused(&error));
    lock_and_hold(session, &ready, &caller(&repository), signals, lock)
}

pub fn orchestrate(session: &Session<'_>, args: &OrchestrateArgs) -> u8 {
    session.listening(|signals| all(session, args, signals))
}

/// The first tier: each environment in turn, up to the first that fails or whose gate is closed.
fn all(session: &Session<'_>, args: &OrchestrateArgs, signals: &mut Signals) -> Result<u8> {
    let repository = session.read();
    let examined: Examined = repository.examine(session.tasks);
    let names: Vec<&str> = repository.declarations.orchestration.names().collect();
    let last = match &args.until {
        None => names.len(),
        Some(until) => match names.iter().position(|name| name == until) {
            Some(last) => last + 1,
            None if repository.declarations.is_personal(until) => {
                let text = "is personal: no orchestration comes to it\n  help: cargo xtask deploy";
                session.output.error(&format!("environment `{until}` {text} {until}"));
                return Err(Refused(exit::REFUSED_BY_FINDINGS));
            }
            None => {
                session.unknown_environment(&repository, until);
                return Err(Refused(exit::REFUSED_BY_FINDINGS));
            }
        },
    };
    let plans: Vec<&Plan> = names[..last].iter().filter_map(|name| examined.plan(name)).collect();
    let (ledger, release) = session.ledger_and_release(&repository, &plans, None)?;
    let ledger = ledger.heeding(signals.endings());
    ledger.sync().map_err(|error| session.refused(&error))?;
    for (index, name) in names[..last].iter().enumerate() {
        let plan = session.plan(&repository, &examined, name)?;
        let request = session.request(&repository, plan, &ledger, &release);
        if holds(session, &ledger, &request)? {
            session.output.say(&format!("{name}: holds release {} already", release.display));
            continue;
        }
        if let Some(signal) = signals.ending() {
            return Err(session.interrupted(signal));
        }
        session.output.say(&format!("{name}: {} of {}", index + 1, last));
        let options = &args.options;
        let ready = Ready { plan, ledger: &ledger, release: &release, options, only: None, done: BTreeMap::new() };
        let lock = |_: &mut Signals| ledger.start(&request).map_err(|error| session.refused(&error));
        let code = lock_and_hold(session, &ready, &caller(&repository), signals, lock)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

/// Whether an environment holds this release already, with this plan, as the next gate demands.
fn holds(session: &Session<'_>, ledger: &Ledger, request: &Request) -> Result<bool> {
    let standing = ledger.standing(&request.environment).map_err(|error| session.refused(&error))?;
    // Of one that was rewritten nothing is believed: `start` refuses it.
    let believed = standing.state().filter(|state| state.owed.is_empty() && standing.rewritten.is_none());
    let Some(state) = believed else { return Ok(false) };
    let same = |current: &Current| current.release.id == request.release.id && current.plan == request.plan;
    let current = state.current.as_ref().is_some_and(same);
    Ok(current && !request.release.dirty && state.proof(&request.release.id).is_some_and(Proof::good))
}

impl Session<'_> {
    /// Catches signals before anything is read or locked, so that none comes between.
    fn listening(&self, act: impl FnOnce(&mut Signals) -> Result<u8>) -> u8 {
        let mut signals = match Signals::install() {
            Ok(signals) => signals,
            Err(error) => {
                self.output.error(&format!("signals cannot be caught: {error}"));
                return exit::REFUSED_BY_FINDINGS;
            }
        };
        act(&mut signals).unwrap_or_else(|Refused(code)| {
            // It may be why: a program that is just being started gets the Ctrl-C too.
            signals.ending().map_or(code, |signal| self.interrupted(signal).0)
        })
    }

    /// For a signal that came while no step could run.
    fn interrupted(&self, signal: i32) -> Refused {
        self.output.say("interrupted: nothing was started");
        Refused(128_u8.saturating_add(signal as u8))
    }

    /// Where this clone keeps what is its own: journals, logs.
    #[must_use]
    pub fn home(&self, git: &crate::ledger::Git) -> Utf8PathBuf {
        let common = Utf8Path::from_path(&git.common).map_or_else(|| self.root.join(".git"), Utf8Path::to_path_buf);
        common.join("ciao")
    }

    fn reporter(&self, format: Format) -> Box<dyn Reporter> {
        let display =
            Display::choose(format == Format::Json, std::io::stderr().is_terminal(), &|name| std::env::var(name).ok());
        let Output { quiet, verbose, colour, .. } = self.output;
        reporter(display, Style { colour: colour.1, quiet, verbose })
    }
}
