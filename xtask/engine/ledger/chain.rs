//! The chain of events of each environment: reading its newest state, and appending by compare-and-swap.
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
use super::record::{FORMAT, Kind, Record, body, newer, subject};
use super::state::{State, fold};
use super::{Error, Result, Source, hex, rfc3339};
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
    /// Which event is not what ciao writes, and why.
    pub forged: Option<String>,
}

/// What is known of an environment's ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub tip: Option<Tip>,
    pub rewritten: Option<Rewritten>,
    /// The local chain is to be published: the remote has none yet.
    pub unpublished: bool,
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
        format!("refs/{}deployments/{environment}", if self.settings.branch { "heads/" } else { "" })
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

    /// What this clone knows of the given environments. One git process, another one where something is new.
    ///
    /// # Errors
    /// If git fails, or an event is not what ciao writes.
    pub fn standings(&self, environments: &[&str]) -> Result<Standings> {
        for _ in 0..5 {
            let names: Vec<String> = environments
                .iter()
                .flat_map(|name| {
                    let tip = self.tip_ref(name);
                    [
                        tip.clone(),
                        format!("{tip}:state.json"),
                        self.seen_ref(name),
                        self.home(name),
                        format!("{}:state.json", self.home(name)),
                        format!("{tip}:record.json"),
                        tip,
                    ]
                })
                .collect();
            let objects = self.git.objects(&names)?;
            let id = |index: usize| objects[index].as_ref().map(|object| object.id.clone());
            // A ref that moved between two answers: ask again.
            if (0..environments.len()).any(|index| id(index * 7) != id(index * 7 + 6)) {
                continue;
            }
            let mut standings = Standings::new();
            let mut news = String::new();
            for (index, name) in environments.iter().enumerate() {
                let first = index * 7;
                let (tip, seen, home) = (id(first), id(first + 2), id(first + 3));
                let adopt = tip.is_none() && seen.is_none() && self.settings.remote.is_some();
                let (commit, text) =
                    if adopt { (home.clone(), &objects[first + 4]) } else { (tip, &objects[first + 1]) };
                let mut standing = Standing::default();
                if let Some(commit) = &commit {
                    let state = text.as_ref().ok_or_else(|| "it has no state.json".to_owned());
                    match state.and_then(|object| State::parse(&object.content)) {
                        Ok(mut state) => {
                            let record = objects[first + 5].as_ref().and_then(|object| newer(&object.content));
                            state.newer = state.newer.or(record);
                            standing.tip = Some(Tip { commit: commit.clone(), state });
                            standing.unpublished = adopt;
                        }
                        Err(why) => {
                            let why = format!("it is not an event of ciao: {why}");
                            self.not_an_event(&mut standing, seen.as_deref(), commit, &why)?;
                        }
                    }
                }
                if let Some(lost) = self.lost_at(name).filter(|lost| Some(lost) != commit.as_ref()) {
                    let remote = self.settings.remote.as_deref().unwrap_or_default();
                    let why = format!("{remote} has lost it; a clone that has it puts it back");
                    self.not_an_event(&mut standing, seen.as_deref(), &lost, &why)?;
                }
                if standing.instead.is_none() {
                    standing.rewritten = self.rewritten(name, seen.as_deref(), standing.tip.as_ref())?;
                }
                if let (Some(commit), None, false) = (&commit, &standing.rewritten, adopt) {
                    news += &moved(&self.seen_ref(name), commit, seen.as_ref());
                    news += &moved(&self.home(name), commit, home.as_ref());
                }
                standings.insert((*name).to_owned(), standing);
            }
            if !news.is_empty() {
                // Where it may not be written (another command was first, a read-only checkout), reading goes on.
                drop(self.git.call(&Call::new(&["update-ref", "--stdin"]).stdin(news)));
            }
            return Ok(standings);
        }
        Err(Error::unreadable("read the ledger: it changes faster than it can be read; try again"))
    }

    /// Of an environment whose ref points to what is no event: what was seen before it is what there is.
    fn not_an_event(&self, standing: &mut Standing, seen: Option<&str>, commit: &str, why: &str) -> Result<()> {
        let state = self.git.objects(&[format!("{}:state.json", seen.unwrap_or_default())])?.remove(0);
        let state = state.and_then(|object| State::parse(&object.content).ok());
        standing.tip = seen.zip(state).map(|(seen, state)| Tip { commit: seen.to_owned(), state });
        standing.instead = Some(commit.to_owned());
        let forged = Some(format!("{}: {why}", commit.get(..12).unwrap_or(commit)));
        let (seen, now) = (seen.unwrap_or(commit).to_owned(), Some(commit.to_owned()));
        standing.rewritten = Some(Rewritten { seen, now, forged });
        Ok(())
    }

    /// What this clone knows of one environment.
    ///
    /// # Errors
    /// As [`Ledger::standings`].
    pub fn standing(&self, environment: &str) -> Result<Standing> {
        Ok(self.standings(&[environment])?.remove(environment).unwrap_or_default())
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
            seq: 0,
            at: rfc3339((self.source.now)()),
            by: self.caller.by.clone(),
            host: self.caller.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            deployment: None,
            fence: None,
            release: None,
            plan: None,
            outcome: None,
            started_at: None,
            complete: false,
            forced: false,
            reason: None,
            opened_by: Vec::new(),
            approved_by: Vec::new(),
            gate: None,
            steps: super::record::Counts::default(),
            step: None,
            proved: Vec::new(),
            first_run: Vec::new(),
            skipped: Vec::new(),
            verified: false,
            owed: Vec::new(),
            late: Vec::new(),
            place: None,
            nothing_ran: false,
            accepted_over: None,
        }
    }

    /// Appends an event after `after`, if nobody has appended another one meanwhile. `leases`: other environments
    /// whose newest event must still be the given one at the remote.
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

fn update_refs() -> Call<'static> {
    Call::new(&["update-ref", "--no-deref", "--stdin"])
}

/// What `git update-ref` is to do where a ref is not at a commit yet.
fn moved(name: &str, commit: &String, old: Option<&String>) -> String {
    if old == Some(commit) {
        return String::new();
    }
    let old = old.cloned().unwrap_or_else(|| "0".repeat(commit.len()));
    format!("update {name} {commit} {old}\n")
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
    let mut files: BTreeMap<String, Vec<u8>> = before.into_iter().collect();
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
