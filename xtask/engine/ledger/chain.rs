//! The chain of events of each environment: where it is, and appending by compare-and-swap.
//!
//! Exactly one of any number of writers wins a swap, here (`git update-ref`) and at a remote (`git push` with a lease).
//! It does not know which events make sense: that is for `operations`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac_sha256::Hash as Sha256;

use super::call::{LOCAL, Running};
use super::git::{Call, Git, Patience, TABLES_LOCKED};
use super::pack::{self, Kept, Kind as Object, Pack};
use super::place::Caller;
use super::record::{FORMAT, Kind, Record, body, subject};
use super::state::{State, fold};
use super::{Error, Result, Source, hex, rfc3339};
use ciao_base::map;
use ciao_process::Endings;

/// `[ledger]` of orchestration.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The git remote that shares the ledger; `None` keeps it in this clone.
    pub remote: Option<String>,
    /// Under `refs/heads/deployments/` instead of `refs/deployments/`.
    pub branch: bool,
    /// The branches that gates ask for: fetched together with the ledger.
    pub branches: Vec<String>,
}

/// The ledger of a repository.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub git: Git,
    pub settings: Settings,
    pub source: Source,
    pub caller: Caller,
    /// Environments of whose newest event the remote has the name, and nothing else.
    pub(super) lost: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The newest event of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    pub commit: String,
    pub state: State,
}

/// The ledger does not contain the newest event that this clone has seen, or goes on from it with one that ciao did not write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The newest event that is as it should be.
    pub seen: String,
    /// `None` if it was deleted.
    pub now: Option<String>,
    /// Of one that goes on with what it should not: what it has, as the end of "its ledger has …".
    pub wrong: Option<String>,
}

/// What is known of an environment's ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub tip: Option<Tip>,
    pub rewritten: Option<Rewritten>,
    /// The local chain is to be published: the remote has none yet.
    pub unpublished: bool,
    /// The remote has another one, where it would be with the other `branch` under `[ledger]`.
    pub elsewhere: bool,
    /// What the ledger's ref points to, if that is no event that can be read; `tip` is the newest one that could be.
    pub instead: Option<String>,
}

pub type Standings = BTreeMap<String, Standing>;

/// An event to append, and the files to keep beside it.
#[derive(Debug, Clone)]
pub struct Draft {
    pub record: Record,
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The commit that is deployed, or the tip of a ledger that was replaced: kept for ever.
    pub second_parent: Option<String>,
}

/// How a swap ended.
#[derive(Debug)]
pub enum Swap {
    Done(Box<Tip>),
    /// Somebody else appended first.
    Lost,
}

impl Standing {
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.tip.as_ref().map(|tip| &tip.state)
    }

    /// What the ledger's ref points to, where it counts.
    pub(super) fn at(&self) -> Option<&str> {
        let tip = self.tip.as_ref().filter(|_| !self.unpublished).map(|tip| tip.commit.as_str());
        self.instead.as_deref().or(tip)
    }
}

impl Ledger {
    /// Finds the ledger of the repository that `folder` is in. Nothing is written or fetched.
    ///
    /// # Errors
    /// If there is no usable repository, or the remote is not configured.
    pub fn open(folder: &Path, settings: Settings, source: Source) -> Result<Ledger> {
        let git = Git::open(folder)?;
        let caller = Caller::here(&git);
        Ok(Ledger { git, settings, source, caller, lost: Arc::default() })
    }

    /// The same, which waits for no remote any more as soon as a signal ends things.
    #[must_use]
    pub fn heeding(mut self, endings: Endings) -> Ledger {
        self.git.patience = Patience::new(endings);
        self
    }

    /// The same, to record what has happened: also after a signal there is some time for it.
    pub(super) fn recording(&self) -> Ledger {
        let mut ledger = self.clone();
        ledger.git.patience = self.git.patience.recording();
        ledger
    }

    /// The same for environments that are one person's: it stays in this clone.
    #[must_use]
    pub fn private(&self) -> Ledger {
        let settings = Settings { remote: None, ..self.settings.clone() };
        Ledger { settings, ..self.clone() }
    }

    /// The ref that people and the remote see.
    #[must_use]
    pub fn home(&self, environment: &str) -> String {
        home(self.settings.branch, environment)
    }

    /// Where it would be with the other `branch` under `[ledger]`: there must be none.
    pub(super) fn other_home(&self, environment: &str) -> String {
        home(!self.settings.branch, environment)
    }

    /// What this clone knows of that; without a remote nothing is known.
    pub(super) fn other_ref(&self, environment: &str) -> String {
        format!("refs/ciao/other/{}/{environment}", self.key().unwrap_or_default())
    }

    pub(super) fn key(&self) -> Option<String> {
        let remote = self.settings.remote.as_deref()?;
        let plain = remote.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        Some(if plain { remote.to_owned() } else { hex(&Sha256::hash(remote.as_bytes())[..6]) })
    }

    pub(super) fn tip_ref(&self, environment: &str) -> String {
        self.key().map_or_else(|| self.home(environment), |key| format!("refs/ciao/remote/{key}/{environment}"))
    }

    pub(super) fn seen_ref(&self, environment: &str) -> String {
        self.key().map_or_else(
            || format!("refs/ciao/local/{environment}"),
            |key| format!("refs/ciao/seen/{key}/{environment}"),
        )
    }

    /// Where HEAD's branch of the remote is kept, for gates.
    pub(super) fn branch_ref(&self, branch: &str) -> Option<String> {
        self.key().map(|key| format!("refs/ciao/branch/{key}/{branch}"))
    }

    /// `None` if it cannot be told.
    pub(super) fn is_ancestor(&self, old: &str, new: &str) -> Option<bool> {
        let said = self.git.call(&Call::new(&["merge-base", "--is-ancestor", old, new])).ok()?;
        if said.ok { Some(true) } else { said.stderr.is_empty().then_some(false) }
    }

    /// An event of this environment by this caller, now. Its `seq` is set when it is appended.
    #[must_use]
    pub fn record(&self, environment: &str, event: Kind) -> Record {
        Record {
            format: FORMAT,
            id: (self.source.id)(),
            event,
            environment: environment.to_owned(),
            at: rfc3339((self.source.now)()),
            by: self.caller.by.clone(),
            host: self.caller.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Record::default()
        }
    }

    /// Appends an event after `after`, if nobody has appended another one meanwhile. `leases`: other refs
    /// that must still be where they were at the remote.
    ///
    /// # Errors
    /// If it could not be written, or nobody can tell whether it was: the same draft may be appended again, and will
    /// not be recorded twice.
    pub fn append(
        &self,
        environment: &str,
        after: &Standing,
        draft: &Draft,
        leases: &[(String, String)],
    ) -> Result<Swap> {
        if let Some(newer) = after.state().and_then(|state| state.newer.as_ref()) {
            return Err(Error::unreadable(format!(
                "write the ledger of {environment}: it has {newer}, which this ciao is too old for; it can be read, but not written: bring this copy up to date"
            )));
        }
        if after.elsewhere && after.at().is_none() {
            let why = self.two_ledgers(environment, after);
            return Err(Error::unreadable(format!("write the ledger of {environment}: {why}")));
        }
        let mut again = 0;
        let tip = loop {
            // The git that moves the refs starts while the objects are being synced.
            let git = match &self.settings.remote {
                None => Some(update_refs().open(&self.git.root)?),
                Some(_) => None,
            };
            let (tip, needed, kept) = self.write(environment, after.tip.as_ref(), draft)?;
            let swap = match git {
                None => self.swap_remote(environment, after, &tip, leases)?,
                Some(git) => self.swap_local(environment, after, &tip, git)?,
            };
            if !swap {
                return Ok(Swap::Lost);
            }
            // Only now may a gc look at the pack: from here on the ref holds what is in it.
            let there = self.git.objects(&needed)?;
            drop(kept);
            if there.iter().all(Option::is_some) || again == 3 {
                break tip;
            }
            again += 1;
        };
        Ok(Swap::Done(Box::new(tip)))
    }

    /// Writes the objects of an event, and of `opened` before the first one.
    fn write(&self, environment: &str, after: Option<&Tip>, draft: &Draft) -> Result<(Tip, Vec<String>, Kept)> {
        let attempt = format!("write the ledger of {environment}");
        let known = after.map(|tip| tip.commit.as_str()).or(draft.second_parent.as_deref());
        let wide = known.is_some_and(|known| known.len() == 64);
        let mut pack = Pack::new(wide);
        let mut state = after.map(|tip| tip.state.clone());
        let mut parent = after.map(|tip| tip.commit.clone());
        let mut before = Vec::new();
        if let Some(parent) = &parent {
            let tree = self.git.objects(&[format!("{parent}^{{tree}}")])?.remove(0);
            let gone = || Error::unreadable(format!("{attempt}: the tree of {parent} is missing"));
            before = pack::files(&tree.ok_or_else(gone)?.content, wide);
        } else {
            let opened = Record {
                id: format!("{}-opened", draft.record.id),
                at: draft.record.at.clone(),
                ..self.record(environment, Kind::Opened)
            };
            state = Some(fold(None, &opened));
            let draft = Draft { record: opened.clone(), files: Vec::new(), second_parent: None };
            let (id, files) = commit(&mut pack, &opened, state.as_ref(), None, before, &draft);
            (parent, before) = (Some(id), files);
        }
        let mut record = draft.record.clone();
        // A fence never goes back: what compares `CIAO_FENCE` has seen those of the events that a rewritten ledger lost.
        let lost = draft.record.accepted_over.iter().map(|seen| format!("{seen}:state.json")).collect::<Vec<_>>();
        let lost = self.git.objects(&lost)?.into_iter().flatten().find_map(|file| State::parse(&file.content).ok());
        record.seq = state.iter().chain(&lost).map(|state| state.seq + 1).max().unwrap_or(0);
        let state = fold(state, &record);
        let (id, files) = commit(&mut pack, &record, Some(&state), parent.as_deref(), before, draft);
        let kept = pack.write(&self.git, &attempt)?;
        let mut needed: Vec<String> = files.iter().map(|(_, id)| hex(id)).collect();
        needed.extend([format!("{id}^{{tree}}"), id.clone()]);
        needed.extend(parent);
        Ok((Tip { commit: id, state }, needed, kept))
    }

    fn swap_local(&self, environment: &str, after: &Standing, tip: &Tip, mut git: Running) -> Result<bool> {
        let (home, new) = (self.home(environment), &tip.commit);
        let old = after.at().map_or_else(|| "0".repeat(new.len()), str::to_owned);
        // The ledger's ref first: if the power goes in between, what was seen is older than what is, not newer.
        let moves = format!("update {home} {new} {old}\nupdate {} {new}\n", self.seen_ref(environment));
        for attempt in 0.. {
            git.feed(moves.as_bytes());
            let said = git.end(LOCAL)?;
            if said.ok {
                return Ok(true);
            }
            let now = self.git.objects(std::slice::from_ref(&home))?.remove(0).map(|object| object.id);
            if now.as_ref() == Some(new) {
                return Ok(true);
            }
            if now.as_deref() != after.at() {
                return Ok(now.is_some_and(|now| self.is_ancestor(new, &now) == Some(true)));
            }
            // Nothing moved. Whoever meets another writer at git's lock file comes again; after a second it was left behind.
            let met = ["File exists", TABLES_LOCKED].iter().any(|words| said.stderr.contains(words));
            if attempt == 10 || !met {
                return Err(self.git.local_failure(&format!("write the ledger of {environment}"), &said));
            }
            std::thread::sleep(Duration::from_millis(100));
            git = update_refs().open(&self.git.root)?;
        }
        unreachable!("the loop has no end")
    }
}

/// The digits of a commit that people are shown.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

fn home(branch: bool, environment: &str) -> String {
    format!("refs/{}deployments/{environment}", if branch { "heads/" } else { "" })
}

fn update_refs() -> Call<'static> {
    Call::new(&["update-ref", "--no-deref", "--stdin"])
}

/// One commit, its tree and its files; its name, and what is in its tree. Files that it does not name stay as they were
/// in the event before.
fn commit(
    pack: &mut Pack,
    record: &Record,
    state: Option<&State>,
    parent: Option<&str>,
    before: Vec<(String, Vec<u8>)>,
    draft: &Draft,
) -> (String, Vec<(String, Vec<u8>)>) {
    let json = |value: serde_json::Result<Vec<u8>>| value.expect("records have nothing that JSON cannot hold");
    let mut files = map(before);
    let own =
        [("record.json", json(serde_json::to_vec_pretty(record))), ("state.json", json(serde_json::to_vec(&state)))];
    for (path, bytes) in own.iter().chain(&draft.files) {
        files.insert((*path).to_owned(), pack.add(Object::Blob, bytes));
    }
    let files: Vec<(String, Vec<u8>)> = files.into_iter().collect();
    let tree = pack.add(Object::Tree, &pack::tree(files.clone()));
    let time = humantime::parse_rfc3339(&record.at).ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let seconds = time.map_or(0, |time| time.as_secs());
    let mut text = format!("tree {}\n", hex(&tree));
    for parent in parent.into_iter().chain(draft.second_parent.as_deref()) {
        writeln!(text, "parent {parent}").expect("writing into a string cannot fail");
    }
    for role in ["author", "committer"] {
        writeln!(text, "{role} {} {seconds} +0000", record.author()).expect("writing into a string cannot fail");
    }
    write!(text, "\n{}\n\n{}", subject(record), body(record)).expect("writing into a string cannot fail");
    (hex(&pack.add(Object::Commit, text.as_bytes())), files)
}
