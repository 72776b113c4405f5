//! Fault 43: events that were edited, replayed, cut, put in between, or written under another name. Twelve ways and more.

use std::path::Path;
use std::process::{Command, Stdio};

use ciao::ledger::record::{Kind, Record};
use ciao::ledger::state::{State, fold};
use ciao::ledger::{Ledger, Unlock};

use crate::fixture::*;

const HOME: &str = "refs/deployments/dev";

/// An event beside or after the newest one, made by hand: whatever `change` makes of its record and its state.
struct Forger<'a> {
    ledger: &'a Ledger,
    /// The parent.
    after: &'static str,
    author: &'static str,
}

impl Forger<'_> {
    fn root(&self) -> &Path {
        &self.ledger.git.root
    }

    fn pipe(&self, args: &[&str], input: &str) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.root()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), self.author)
                .env(format!("GIT_{role}_EMAIL"), format!("{}@example.org", self.author.to_lowercase()));
        }
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The tree of the newest event with other texts in two of its files.
    fn commit(&self, record: &str, state: &str) {
        let mut tree = git(self.root(), &format!("ls-tree {HOME}"));
        for (name, text) in [("record.json", record), ("state.json", state)] {
            let old = git(self.root(), &format!("rev-parse {HOME}:{name}"));
            tree = tree.replace(&old, &self.pipe(&["hash-object", "-w", "--stdin"], text));
        }
        let tree = self.pipe(&["mktree"], &(tree + "\n"));
        let commit = self.pipe(&["commit-tree", &tree, "-p", self.after, "-m", "forged"], "");
        git(self.root(), &format!("update-ref {HOME} {commit}"));
    }

    fn write(&self, change: impl Fn(&mut Record, &mut State)) {
        let text = |name: &str| git(self.root(), &format!("show {HOME}:{name}"));
        let mut record = serde_json::from_str(&text("record.json")).unwrap();
        let mut state = State::parse(text("state.json").as_bytes()).unwrap();
        change(&mut record, &mut state);
        self.commit(&serde_json::to_string(&record).unwrap(), &serde_json::to_string(&state).unwrap());
    }
}

fn next(record: &mut Record, state: &State, event: Kind) {
    (record.id, record.seq, record.event) = ("f".repeat(16), state.seq + 1, event);
}

/// Every way is refused, said in words, opens no gate, and goes away with what it did.
#[track_caller]
fn check(name: &str, says_so: &str, forge: impl Fn(&Forger)) {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    let holding = start(&ledger, "dev");
    ledger.finish(holding, &bad()).unwrap();
    let root = &ledger.git.root;
    let good = git(root, &format!("rev-parse {HOME}"));
    forge(&Forger { ledger: &ledger, after: HOME, author: "Anna" });
    let said = refused(ledger.start(&request(&ledger, "dev")));
    assert!(said.starts_with("5: ") && said.contains(says_so), "{name}: {said}");
    match ledger.gate(&after(request(&ledger, "prod"), &["dev"])) {
        Ok(gate) => assert!(!gate.open && gate.reasons[0].code == "rewritten", "{name}: {:?}", gate.reasons),
        Err(error) => assert_eq!(error.exit(), 5, "{name}: {error}"),
    }
    git(root, &format!("update-ref {HOME} {good}"));
    deploy(&ledger, "dev");
    assert!(ledger.adds_up("dev").unwrap(), "{name}");
}

#[test]
fn fault_43_an_event_that_ciao_did_not_write_is_noticed() {
    check("replayed", "is there already", |forger| {
        forger.write(|record, state| {
            record.seq += 1;
            *state = fold(Some(state.clone()), record);
        });
    });
    check("replayed as it is", "is there already", |forger| forger.write(|_, _| {}));
    check("a number left out", "it is number 6 after number 4", |forger| {
        forger.write(|record, state| {
            next(record, state, Kind::Approved);
            record.seq += 1;
            *state = fold(Some(state.clone()), record);
        });
    });
    check("of another environment", "it is one of prod", |forger| {
        forger.write(|record, state| {
            next(record, state, Kind::Approved);
            record.environment = "prod".to_owned();
            *state = fold(Some(state.clone()), record);
        });
    });
    check("a state that is better than its events", "state.json is not what", |forger| {
        forger.write(|record, state| {
            next(record, state, Kind::Settled);
            *state = fold(Some(state.clone()), record);
            state.proofs[0].verified = true;
        });
    });
    check("a state without its event", "state.json is not what", |forger| {
        forger.write(|record, state| next(record, state, Kind::Finished));
    });
    check("somebody else's name", "was written by Anna", |forger| {
        forger.write(|record, state| {
            next(record, state, Kind::Approved);
            record.by = "Berta <berta@example.org>".to_owned();
            *state = fold(Some(state.clone()), record);
        });
    });
    check("no record at all", "is not an event of ciao", |forger| {
        let state = git(forger.root(), &format!("show {HOME}:state.json"));
        forger.commit("{}", &state);
    });
    check("no state at all", "is not an event of ciao", |forger| {
        let record = git(forger.root(), &format!("show {HOME}:record.json"));
        forger.commit(&record, "nothing");
    });
}

#[test]
fn fault_43_a_history_that_was_changed_is_noticed() {
    let rewritten = "was rewritten or deleted";
    check("the newest one edited", rewritten, |forger| {
        Forger { after: "refs/deployments/dev~1", ..*forger }.write(|record, state| {
            record.outcome = Some(ciao::ledger::record::Ended::Succeeded);
            state.proofs[0].outcome = record.outcome;
        });
    });
    check("its author edited", rewritten, |forger| {
        Forger { after: "refs/deployments/dev~1", author: "Berta", ..*forger }.write(|_, _| {});
    });
    check("the newest one cut off", rewritten, |forger| {
        git(forger.root(), &format!("update-ref {HOME} {HOME}~1"));
    });
    check("one in the middle taken out", rewritten, |forger| {
        Forger { after: "refs/deployments/dev~2", ..*forger }.write(|_, _| {});
    });
    check("begun anew", rewritten, |forger| {
        let tree = git(forger.root(), &format!("rev-parse {HOME}^{{tree}}"));
        let commit = forger.pipe(&["commit-tree", &tree, "-m", "forged"], "");
        git(forger.root(), &format!("update-ref {HOME} {commit}"));
    });
    check("another environment's", "it is one of prod", |forger| {
        deploy(forger.ledger, "prod");
        git(forger.root(), &format!("update-ref {HOME} refs/deployments/prod"));
    });
    check("deleted", rewritten, |forger| drop(git(forger.root(), &format!("update-ref -d {HOME}"))));
}

#[test]
fn fault_43_whoever_accepts_a_forged_event_takes_it_for_all_clones() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    let other = shared(&clone(&folder, &bare, "berta"));
    other.sync().unwrap();
    other.row(&request(&other, "dev")).unwrap();
    // Pushed by hand, on top: no clone has seen it.
    let forger = Forger { ledger: &ledger, after: HOME, author: "Anna" };
    forger.write(|record, state| {
        next(record, state, Kind::Settled);
        state.seq += 1;
    });
    git(&repo, &format!("push --quiet origin {HOME}:{HOME}"));
    for one in [&ledger, &other] {
        one.sync().unwrap();
        says(
            &refused(one.start(&request(one, "dev"))),
            &["5: ", "has an event that ciao did not write", "put it back"],
        );
    }
    // A clone that comes only now sees it too.
    let third = shared(&clone(&folder, &bare, "carl"));
    says(&refused(third.start(&request(&third, "dev"))), &["5: ", "has an event that ciao did not write"]);
    let accept = Unlock { environment: "dev".to_owned(), reason: "we know who it was".to_owned(), accept_ledger: true };
    other.unlock(&accept).unwrap();
    for one in [&other, &ledger, &third] {
        one.sync().unwrap();
        deploy(one, "dev");
    }
}

/// What the version before this one has left: it is in the ledger, and in nobody's hands any more.
#[test]
fn fault_85_another_version_does_not_go_on_with_it() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    for (ended, gives_up) in [(false, "unlock dev --reason …, and deploy again"), (true, "cargo xtask deploy dev")] {
        let holding = start(&ledger, "dev");
        if ended {
            ledger.finish(holding, &bad()).unwrap();
        } else {
            drop(holding);
        }
        assert_eq!(ledger.unfinished("dev").unwrap().deployment.version, env!("CARGO_PKG_VERSION"));
        let forger = Forger { ledger: &ledger, after: "refs/deployments/dev~1", author: "Anna" };
        forger.write(|_, state| state.current.as_mut().unwrap().version = "0.0.9".to_owned());
        git(&ledger.git.root, &format!("update-ref refs/ciao/local/dev {HOME}"));
        let said = refused(ledger.unfinished("dev"));
        says(&said, &["2: ", "ciao 0.0.9 began it, and this is ciao ", "git checkout ", gives_up]);
        if !ended {
            ledger
                .unlock(&Unlock { environment: "dev".to_owned(), reason: "old".to_owned(), accept_ledger: false })
                .unwrap();
        }
        deploy(&ledger, "dev");
    }
}

#[test]
fn fault_49_an_event_of_a_newer_tool_was_noticed_by_its_state_only() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    let forger = Forger { ledger: &ledger, after: HOME, author: "Anna" };
    forger.write(|record, state| {
        record.event = Kind::Unknown("frozen".to_owned());
        (record.format, record.seq, state.seq) = (99, state.seq + 1, state.seq + 1);
        record.id = "ffffffffffffffff".to_owned();
    });
    for _ in 0..2 {
        let row = ledger.row(&request(&ledger, "dev")).unwrap();
        assert!(row.notes[0].contains("has format 99, which this ciao is too old for"), "{:?}", row.notes);
        says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "too old for"]);
    }
}

/// Its gate was that of the other one, and asked for itself: "receives from more than one src".
#[test]
fn an_accepted_ledger_of_another_environment_could_never_be_deployed_again() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    ledger.finish(ledger.start(&after(request(&ledger, "test"), &["dev"])).unwrap(), &good()).unwrap();
    git(&bare, "update-ref refs/deployments/dev refs/deployments/test");
    let unlock = Unlock { environment: "dev".to_owned(), reason: "a mistake".to_owned(), accept_ledger: true };
    ledger.unlock(&unlock).unwrap();
    deploy(&ledger, "dev");
    deploy(&shared(&clone(&folder, &bare, "bob")), "dev");
    // It goes on from what was seen before, and keeps what was there.
    let history: Vec<_> = ledger.history("dev", 10).unwrap().into_iter().map(|(_, record)| record).collect();
    assert!(history.iter().all(|record| record.environment == "dev") && history.len() == 6, "{history:?}");
    ledger.sync().unwrap();
    assert!(ledger.adds_up("dev").unwrap());
}
