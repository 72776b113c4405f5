//! The shared ledger where git itself is killed: each git process of a deployment, also those at the remote's end, right
//! before every call that changes anything (with strace); and the deployment, before and after each git that it runs.
//! Never a second event, never one lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use ciao::ledger::record::{Ended, Kind, Outcome, Record};
use ciao::ledger::{Failure, Ledger, Release, Settings, Source};
use ciao::run::event::Journal as _;

use crate::fixture::*;
use crate::strace::{self, Moment};

/// Stands before git in `PATH`, and in git's own folder of commands. Each process of git gets a name, `push.2` for the second
/// `git push`; one of them is dealt with as `CIAO_HOW` says.
const BEFORE_GIT: &str = r#"#!/bin/sh
own=${0##*/}
name=${own#git-}
if [ "$name" = git ]; then
    value=
    for word; do
        if [ -n "$value" ]; then value=; continue; fi
        case $word in
        -c | -C) value=next ;;
        -*) ;;
        *) name=$word; break ;;
        esac
    done
fi
count=1
while ! mkdir "$CIAO_CALLS/$name.$count" 2>/dev/null; do count=$((count + 1)); done
echo "$PPID" >"$CIAO_CALLS/$name.$count/parent"
log=$CIAO_CALLS/$name.$count/log
case $CIAO_AT in
"$name.$count" | every) ;;
*) exec "$CIAO_REAL/$own" "$@" ;;
esac
case $CIAO_HOW in
kill-before) kill -9 "$PPID"; exec "$CIAO_REAL/$own" "$@" ;;
kill-after) "$CIAO_REAL/$own" "$@"; code=$?; kill -9 "$PPID"; exit $code ;;
*) exec strace -o "$log" $CIAO_HOW "$CIAO_REAL/$own" "$@" ;;
esac
"#;

/// Not a test: the deployment. It prints what it was told, `acknowledged ID`, and how it ended, `exit CODE: WORDS`.
#[test]
#[ignore = "is killed by others"]
fn deployment() {
    let Ok(path) = std::env::var("CIAO_DEPLOYMENT") else { return };
    let settings = Settings { remote: Some("origin".to_owned()), ..Settings::default() };
    let deployed = Ledger::open(Path::new(&path), settings, Source::system()).and_then(|ledger| {
        let mut holding = ledger.start(&request_of(Release::here(&ledger.git)?, "dev"))?;
        println!("acknowledged {}", holding.event);
        for step in ["web/install", "web/verify"] {
            holding.journal.record(&began(step, false)).expect("it is written");
            holding.journal.record(&ended(step, Outcome::Succeeded)).expect("it is written");
        }
        ledger.finish(holding, &good())
    });
    match deployed {
        Ok(record) => println!("acknowledged {}\nexit 0", record.id),
        Err(error) => println!("exit {}: {}", error.exit(), error.message),
    }
}

struct Place {
    folder: Folder,
    repo: PathBuf,
    bare: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = Folder::new();
        let repo = repository(&folder.path("repo"));
        let bare = share(&folder, &repo);
        deploy(&shared(&repo), "dev");
        let commands = folder.path("commands");
        std::fs::create_dir(&commands).unwrap();
        for entry in std::fs::read_dir(real()).unwrap() {
            let entry = entry.unwrap();
            let to = commands.join(entry.file_name());
            if ["git", "git-receive-pack", "git-upload-pack"].iter().any(|name| entry.file_name() == *name) {
                script(&to, BEFORE_GIT);
            } else {
                std::os::unix::fs::symlink(entry.path(), to).unwrap();
            }
        }
        Place { folder, repo, bare }
    }

    fn calls(&self) -> PathBuf {
        self.folder.path("calls")
    }

    /// Deploys, with one process of git dealt with; what the deployment said.
    fn deployed(&self, at: &str, how: &str) -> String {
        std::fs::remove_dir_all(self.calls()).ok();
        std::fs::create_dir(self.calls()).unwrap();
        let commands = self.folder.path("commands");
        let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
        command.args(["--ignored", "--exact", "git_killed::deployment", "--nocapture"]);
        let path = format!("{}:{}", commands.display(), std::env::var("PATH").unwrap());
        command.env("PATH", path).env("GIT_EXEC_PATH", commands).env("CIAO_REAL", real());
        command
            .env("CIAO_CALLS", self.calls())
            .env("CIAO_AT", at)
            .env("CIAO_HOW", how)
            .env("CIAO_DEPLOYMENT", &self.repo);
        let output = command.stdin(Stdio::null()).output().expect("a test can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let errors = text(output.stderr);
        assert!(!errors.contains("panicked"), "{at}: {errors}");
        text(output.stdout)
    }

    /// The names of the processes of git of the last deployment; those that it ran itself.
    fn names(&self) -> (Vec<String>, Vec<String>) {
        let entries = std::fs::read_dir(self.calls()).unwrap().map(|entry| entry.unwrap().path());
        let parents: Vec<(String, String)> = entries
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path.join("parent")).unwrap())
            })
            .collect();
        // The first thing it does is to ask where the repository is.
        let own = parents.iter().find(|(name, _)| name == "rev-parse.1").expect("it was asked").1.clone();
        let mut all: Vec<String> = parents.iter().map(|(name, _)| name.clone()).collect();
        let mut by_it: Vec<String> =
            parents.into_iter().filter(|(_, parent)| *parent == own).map(|(name, _)| name).collect();
        all.sort();
        by_it.sort();
        (all, by_it)
    }

    fn history(&self) -> Vec<Record> {
        let judge = self.folder.path("judge");
        std::fs::remove_dir_all(&judge).ok();
        let ledger = shared(&clone(&self.folder, &self.bare, "judge"));
        ledger.sync().unwrap();
        assert!(ledger.adds_up("dev").unwrap());
        ledger.history("dev", 10_000).unwrap().into_iter().map(|(_, record)| record).collect()
    }

    /// After a kill: every event once, none that was acknowledged is lost, and the next commands go on. How often a lock
    /// file of git had to be removed, as the message says.
    fn survived(&self, moment: &str, said: &str) -> usize {
        let acknowledged: Vec<&str> =
            said.lines().filter_map(|line| line.split_once("acknowledged ")).map(|(_, id)| id).collect();
        let mut removed = 0;
        while let Err(error) = onwards(&shared(&self.repo)) {
            assert!(removed < 5, "{moment}: {error}");
            // The git of a killed command may still be at it.
            std::thread::sleep(Duration::from_millis(100));
            if let Some((_, file)) = error.message.split_once("a killed one left it: rm ") {
                std::fs::remove_file(file.split([' ', ';']).next().unwrap()).ok();
            } else {
                // What the killed one had begun may have been recorded only now, and freed: nothing of it had run.
                let freed = error.failure == Failure::Usage && error.message.ends_with("cargo xtask deploy dev");
                assert!(freed || error.failure == Failure::Held, "{moment}: {error}");
            }
            removed += 1;
        }
        let history = self.history();
        let ids: BTreeSet<&str> = history.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids.len(), history.len(), "{moment}: an event was recorded twice");
        let lost: Vec<&&str> = acknowledged.iter().filter(|id| !ids.contains(**id)).collect();
        assert_eq!(lost, [&""; 0], "{moment}: acknowledged, and lost: {said}");
        let last = &history[0];
        assert_eq!((&last.event, last.outcome), (&Kind::Finished, Some(Ended::Succeeded)), "{moment}");
        // Every start has one end.
        let of = |kind: &Kind| history.iter().filter(|record| record.event == *kind).count();
        assert_eq!(of(&Kind::Started) + of(&Kind::Resumed) - resumed(&history), of(&Kind::Finished), "{moment}");
        removed
    }
}

/// How many resumptions went on with what had no end: they take the place of it.
fn resumed(history: &[Record]) -> usize {
    let pairs = history.windows(2);
    pairs.filter(|pair| pair[0].event == Kind::Resumed && pair[1].event != Kind::Finished).count()
}

/// What people do next: `deploy`, or `resume` where it says so.
fn onwards(ledger: &Ledger) -> Result<(), ciao::ledger::Error> {
    let asked = request(ledger, "dev");
    let holding = match ledger.start(&asked) {
        Err(error) if error.failure == Failure::Held => ledger.resume(&ledger.unfinished("dev")?, &asked)?,
        other => other?,
    };
    ledger.finish(holding, &good()).map(|_| ())
}

fn real() -> String {
    let output = Command::new("git").arg("--exec-path").output().expect("git can be run");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "half a minute"]
fn fault_4_29_killed_before_and_after_each_git() {
    let place = Place::new();
    place.deployed("none", "");
    let (_, own) = place.names();
    assert!(own.len() > 5, "{own:?}");
    for name in &own {
        for how in ["kill-before", "kill-after"] {
            let said = place.deployed(name, how);
            // The one that stays to be asked is ended by the deployment, not the other way round.
            let stays = name.starts_with("cat-file.") && how == "kill-after";
            assert!(stays || !said.contains("exit "), "{name} {how}: it was not killed: {said}");
            assert_eq!(place.survived(&format!("{name} {how}"), &said), 0);
        }
    }
    println!("killed before and after each of {own:?}");
}

#[test]
#[ignore = "needs strace, and some minutes"]
fn fault_29_git_killed_at_every_system_call() {
    strace::required();
    let place = Place::new();
    place.deployed("every", &strace::options(None).join(" "));
    let mut moments: Vec<(String, Moment)> = Vec::new();
    for name in place.names().0 {
        let of_it = strace::moments(&place.calls().join(&name).join("log"));
        println!("{name}: {}", of_it.len());
        moments.extend(of_it.into_iter().map(|moment| (name.clone(), moment)));
    }
    assert!(moments.iter().any(|(name, _)| name.starts_with("receive-pack.")), "the other end is not among them");
    let (next, found) = (Mutex::new(moments.iter()), Mutex::new([0; 4]));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let place = Place::new();
                loop {
                    let Some((name, moment)) = next.lock().unwrap().next() else { break };
                    let said = place.deployed(name, &strace::options(Some(moment)).join(" "));
                    let removed = place.survived(&format!("{name}: {}", moment.shown), &said);
                    let hit = strace::killed_at(&place.calls().join(name).join("log"));
                    let mut found = found.lock().unwrap();
                    found[0] += usize::from(said.contains("exit 0"));
                    found[1] += usize::from(!said.contains("exit 0"));
                    found[2] += removed;
                    found[3] += usize::from(hit.is_none_or(|hit| hit.call != moment.call));
                }
            });
        }
    });
    let [well, refused, removed, missed] = found.into_inner().unwrap();
    println!(
        "killed at {} calls: {well} deployments went well all the same, {refused} were refused or not recorded yet, \
         {removed} lock files were named, {missed} calls were not hit",
        moments.len()
    );
    assert!(missed * 10 <= moments.len());
}
