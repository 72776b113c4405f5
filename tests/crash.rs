//! Killed without warning, anywhere: what is said afterwards is true, and going on ends in the same state.

#[path = "support/repo.rs"]
mod repo;
#[path = "support/strace.rs"]
mod strace;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use repo::Repo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The one environment, as `status` shows it.
#[track_caller]
fn status(repository: &Repo) -> Value {
    let status = repository.run(&["status", "--format", "json"]);
    assert_eq!((status.code, status.stderr.as_str()), (0, ""), "{}", status.stdout);
    let mut status: Value = serde_json::from_str(&status.stdout).unwrap();
    status["environments"][0].take()
}

/// What the steps have made, and what is in it; also what is half made.
fn made(repository: &Repo) -> BTreeMap<String, String> {
    let entries = fs::read_dir(repository.path("made")).into_iter().flatten();
    let entries = entries.map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

/// The events of the ledger, the oldest first, by the word after the environment's name: asked of git, not of the engine.
fn events(repository: &Repo) -> Vec<String> {
    let mut command = Command::new("git");
    command.current_dir(repository.path("")).stderr(Stdio::null());
    let log = command.args(["log", "--first-parent", "--reverse", "--format=%s", "refs/deployments/dev"]).output();
    let log = String::from_utf8(log.unwrap().stdout).unwrap();
    log.lines().map(|subject| subject.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// Waits until nothing works in the repository any more: a git whose caller was killed goes on, a step is ended by its guardian.
fn settle(repository: &Repo) {
    let root = repository.path("").canonicalize().unwrap();
    let begun = Instant::now();
    let at_work = || {
        let mut processes = fs::read_dir("/proc").unwrap().flatten();
        processes.any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|folder| folder.starts_with(&root)))
    };
    while at_work() {
        assert!(begun.elapsed() < Duration::from_secs(20), "something of the killed deployment still runs");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What is the same after every deployment that went well, whatever came before it.
#[derive(Debug, PartialEq)]
struct End {
    made: BTreeMap<String, String>,
    status: Value,
    /// Below `.git/ciao`, without the logs.
    kept: Vec<String>,
}

fn end(repository: &Repo) -> End {
    let mut status = status(repository);
    let of_this_time = ["at", "by"];
    of_this_time.iter().for_each(|key| status[key] = Value::Null);
    status["release"]["commit"] = Value::Null;
    let mut kept = Vec::new();
    for folder in [".git/ciao", ".git/ciao/dev"] {
        for entry in fs::read_dir(repository.path(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // The draft of the clone's id is never looked at again.
            if name != "logs" && !name.starts_with("clone.") {
                kept.push(format!("{folder}/{name}"));
            }
        }
    }
    kept.sort();
    End { made: made(repository), status, kept }
}

/// How a deployment ends that nobody disturbs, and how long it takes here.
fn undisturbed() -> (End, Duration) {
    let repository = Repo::copy("ten");
    let begun = Instant::now();
    let deploy = repository.run(&["deploy", "dev"]);
    let took = begun.elapsed();
    assert_eq!(deploy.code, 0, "{}", deploy.stderr);
    let end = end(&repository);
    assert_eq!((end.made.len(), end.status["state"].as_str()), (10, Some("succeeded")));
    (end, took)
}

/// After a kill: nothing is removed by hand, what `status` says is so, and `resume` (or `deploy`, where it says that one)
/// ends as `undisturbed` does. Answers what was said.
#[track_caller]
fn survived(repository: &Repo, undisturbed: &End, moment: &str) -> String {
    // At once, as people do, also while something of the killed one still ends.
    status(repository);
    settle(repository);
    let said = status(repository);
    let (state, events, whole) = (said["state"].as_str().unwrap(), events(repository), made(repository));
    let whole = whole.keys().filter(|name| !name.ends_with(".part")).count();
    let expected = match events.last().map(String::as_str) {
        None | Some("opened") => "never",
        Some("started" | "resumed") => "unfinished",
        Some(ended) => ended,
    };
    assert_eq!(state, expected, "{moment}: after {events:?}");
    if state == "failed" {
        let succeeded = said["steps"]["succeeded"].as_u64().unwrap() as usize;
        assert!(succeeded == whole || succeeded + 1 == whole, "{moment}: {succeeded} of {whole} in {said}");
    } else if state == "unfinished" {
        let (succeeded, step) =
            (said["steps"]["succeeded"].as_u64().unwrap() as usize, said["holder"]["step"].as_str());
        // The last one may have ended without anybody seeing it.
        assert!(succeeded == whole || succeeded + 1 == whole, "{moment}: {succeeded} of {whole} in {said}");
        let running = format!("app/make[{}]", succeeded + 1);
        let before = format!("app/make[{succeeded}]");
        let known = step.map_or(whole == 0, |step| step == running || step == before && succeeded == whole);
        assert!(known, "{moment}: {step:?}, and {whole} are made");
    } else {
        // Before its first step: that is found out, and recorded.
        assert_eq!(whole, if state == "succeeded" { 10 } else { 0 }, "{moment}: {said}");
    }
    let resume = repository.run(&["resume", "dev"]);
    let over = ["never", "interrupted", "succeeded"].contains(&state);
    assert!(resume.code == 0 || resume.code == 2 && over, "{moment}: {}", resume.stderr);
    if resume.code == 2 && state != "succeeded" {
        assert!(resume.stderr.contains("cargo xtask deploy dev"), "{moment}: {}", resume.stderr);
        let deploy = repository.run(&["deploy", "dev"]);
        assert_eq!(deploy.code, 0, "{moment}: {}", deploy.stderr);
    }
    let mut after = end(repository);
    after.made.retain(|name, _| !name.ends_with(".part"));
    assert_eq!(after, *undisturbed, "{moment}");
    state.to_owned()
}

/// Its guards name files that the deployment makes: they are none of the plan, or `resume` would call it changed.
#[test]
fn fault_4_killed_at_ten_moments() {
    let ((undisturbed, took), mut found) = (undisturbed(), BTreeMap::new());
    for moment in (0..10).map(|part| took * part / 10) {
        let repository = Repo::copy("ten");
        let mut deploy = repository.command(&["deploy", "dev"]).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(moment);
        deploy.kill().unwrap();
        let ended_itself = deploy.wait().unwrap().code().is_some();
        let state = survived(&repository, &undisturbed, &format!("{moment:?}"));
        assert!(!ended_itself || state == "succeeded", "{moment:?}");
        *found.entry(state).or_insert(0) += 1;
    }
    println!("found: {found:?}");
    assert!(found.get("unfinished").is_some_and(|count| *count > 0), "none was killed on the way: {found:?}");
}

/// Its first step ignores SIGTERM for a while. Gone on with at once, that step must not run twice at the same time.
#[test]
fn fault_4_33_what_still_ends_is_waited_for() {
    let repository = Repo::copy("ten");
    let slow = "trap '' TERM\nmkdir \"$1/$2.alone\"\n[ \"$2\" != 1 ] || sleep 2\nrmdir \"$1/$2.alone\"";
    repository.edit("pipelines/deployments/app/make.sh", "sleep 0.01", slow);
    let mut deploy = repository.command(&["deploy", "dev"]).stderr(Stdio::null()).spawn().unwrap();
    while !repository.path("made/1.alone").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    deploy.kill().unwrap();
    deploy.wait().unwrap();
    let mut refused = 0;
    let resume = loop {
        let resume = repository.run(&["resume", "dev"]);
        if resume.code != 4 {
            break resume;
        }
        assert!(resume.stderr.contains("its steps are still being ended"), "{}", resume.stderr);
        // Seconds are left then; later the last of it may end between the two commands.
        if refused == 0 {
            assert_eq!(status(&repository)["state"], "running");
        }
        refused += 1;
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((resume.code, refused > 0), (0, true), "{}", resume.stderr);
    assert_eq!(made(&repository).len(), 10);
}

/// The guardian of a running deployment, once there is one; `None` if the deployment is over before.
fn guardian(deploy: &mut Child) -> Option<Pid> {
    let parent = format!("PPid:\t{}\n", deploy.id());
    while deploy.try_wait().unwrap().is_none() {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
            if read("status").contains(&parent) && read("cmdline").contains("__guard") {
                return Pid::from_raw(process.file_name().to_str()?.parse().ok()?);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Nothing of the step is left, the deployment ends by itself, and it can be gone on with.
#[test]
#[ignore = "half a minute"]
fn fault_5_its_guardian_killed_at_thirty_moments() {
    let ((undisturbed, took), mut found) = (undisturbed(), BTreeMap::new());
    for moment in (0..30).map(|part| took * part / 30) {
        let repository = Repo::copy("ten");
        let mut deploy = repository.command(&["deploy", "dev"]).stderr(Stdio::null()).spawn().unwrap();
        let guardian = guardian(&mut deploy).expect("every step has a guardian");
        thread::sleep(moment);
        // It may be gone, with the deployment.
        kill_process(guardian, Signal::KILL).ok();
        let code = deploy.wait().unwrap().code();
        let state = survived(&repository, &undisturbed, &format!("guardian, {moment:?}"));
        assert_eq!(code, Some(i32::from(state != "succeeded")), "{moment:?}: {state}");
        *found.entry(state).or_insert(0) += 1;
    }
    println!("found: {found:?}");
    assert!(found.get("failed").is_some_and(|count| *count > 5), "{found:?}");
}

fn deploy_below_strace(repository: &Repo, log: &Path, killed_at: Option<&strace::Moment>) -> Output {
    let xtask = repository.command(&["deploy", "dev"]);
    let mut command = Command::new("strace");
    command.arg("-o").arg(log).args(strace::options(killed_at)).arg(xtask.get_program()).args(xtask.get_args());
    command.current_dir(repository.path("")).stdin(Stdio::null()).env_clear();
    command.envs(xtask.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

/// Killed right before each call of the orchestrator itself that changes anything, in their order. Two minutes
/// on two cores.
#[test]
#[ignore = "needs strace, and some minutes"]
fn fault_4_killed_at_every_system_call() {
    strace::required();
    let (undisturbed, _) = undisturbed();
    let counted = Repo::copy("ten");
    let log = counted.path(".git/strace");
    let output = deploy_below_strace(&counted, &log, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let moments = strace::moments(&log);
    assert!(moments.len() > 100, "ten steps are more than {} calls", moments.len());
    let (next, found, missed) = (Mutex::new(moments.iter()), Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(moment) = next.lock().unwrap().next() else { break };
                    let repository = Repo::copy("ten");
                    let log = repository.path(".git/strace");
                    let output = deploy_below_strace(&repository, &log, Some(moment));
                    let state = survived(&repository, &undisturbed, &moment.shown);
                    *found.lock().unwrap().entry(state).or_insert(0) += 1;
                    let hit = strace::killed_at(&log).is_some_and(|hit| hit.call == moment.call);
                    if output.status.signal() != Some(9) || !hit {
                        missed.lock().unwrap().push(moment.shown.clone());
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    println!("killed at {} calls, found: {:?}", moments.len(), found.into_inner().unwrap());
    // How often something is tried is not the same each time; that it was nearly always is what makes it "every".
    assert!(missed.len() * 50 <= moments.len(), "{} of {} were not hit: {missed:#?}", missed.len(), moments.len());
}
