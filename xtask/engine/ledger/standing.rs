//! What this clone knows of each environment: its newest event, or what is in the place of it.
//!
//! Whether what is new is what ciao writes is for `verify` to say. It writes nothing but what was seen.

use super::call::{Call, Object};
use super::chain::{Ledger, Rewritten, Standing, Standings, Tip, short};
use super::record::newer;
use super::state::State;
use super::{Error, Result};

/// How many objects are asked for of each environment.
const ASKED: usize = 8;

/// Of whatever is in the way of the next event and not written by this program.
pub(super) const FORGED: &str = "an event that ciao did not write";

impl Ledger {
    /// What this clone knows of the given environments. One git process, another one where something is new.
    ///
    /// # Errors
    /// If git fails, or an event is not what ciao writes.
    pub fn standings(&self, environments: &[&str]) -> Result<Standings> {
        let mut sure = false;
        for _ in 0..5 {
            let names = environments.iter().flat_map(|name| {
                let (tip, home) = (self.tip_ref(name), self.home(name));
                let (state, record, other) =
                    (format!("{tip}:state.json"), format!("{tip}:record.json"), self.other_ref(name));
                let published = format!("{home}:state.json");
                [tip.clone(), state, self.seen_ref(name), home, published, record, format!("{other}:state.json"), tip]
            });
            let names: Vec<String> = names.collect();
            let objects = self.git.objects(&names)?;
            let (objects, _) = objects.as_chunks::<ASKED>();
            let id = |object: &Option<Object>| object.as_ref().map(|object| object.id.clone());
            // A ref that moved between two answers: ask again.
            if objects.iter().any(|of| id(&of[0]) != id(&of[ASKED - 1])) {
                continue;
            }
            let (mut standings, mut news) = (Standings::new(), String::new());
            for (name, of) in environments.iter().zip(objects) {
                standings.insert((*name).to_owned(), self.judged(name, of, &mut news)?);
            }
            // A git that stays takes a table of packed refs for the one it knows, if it was written twice within a second.
            if !sure && standings.values().any(|standing| standing.rewritten.is_some()) {
                sure = true;
                self.git.ask_another();
                continue;
            }
            if !news.is_empty() {
                // Where it may not be written (another command was first, a read-only checkout), reading goes on.
                drop(self.git.call(&Call::new(&["update-ref", "--stdin"]).stdin(news)));
            }
            return Ok(standings);
        }
        Err(Error::unreadable("read the ledger: it changes faster than it can be read; try again"))
    }

    /// What the objects of an environment tell; `news`: what is to be remembered of it.
    fn judged(&self, name: &str, of: &[Option<Object>; ASKED], news: &mut String) -> Result<Standing> {
        let id = |object: &Option<Object>| object.as_ref().map(|object| object.id.clone());
        let [tip, state, seen, home, published, record, other, _] = of;
        let adopt = tip.is_none() && seen.is_none() && self.settings.remote.is_some();
        let is_commit = if adopt { home } else { tip }.as_ref().is_some_and(|object| object.kind == "commit");
        let (tip, seen, home) = (id(tip), id(seen), id(home));
        let (commit, text) = if adopt { (home.clone(), published) } else { (tip, state) };
        let mut standing = Standing { unpublished: adopt && commit.is_some(), ..Standing::default() };
        standing.elsewhere = other.as_ref().is_some_and(|other| read(Some(other), name).is_ok());
        let lost = self.lost_at(name).filter(|lost| Some(lost) != commit.as_ref()).map(|lost| {
            let remote = self.settings.remote.as_deref().unwrap_or_default();
            let what = format!("{FORGED}: {}: {remote} has lost it; a clone that has it puts it back", short(&lost));
            (lost, what)
        });
        let wrong = match &commit {
            None => self.lost_here(name)?,
            Some(commit) => match read(text.as_ref().filter(|_| is_commit), name) {
                Ok(mut state) => {
                    let record = record.as_ref().and_then(|object| newer(&object.content));
                    state.newer = state.newer.or(record);
                    standing.tip = Some(Tip { commit: commit.clone(), state });
                    None
                }
                Err(why) => {
                    let what = format!("{FORGED}: {}: it is not an event of ciao: {why}", short(commit));
                    Some((commit.clone(), what))
                }
            },
        };
        if let Some((commit, what)) = lost.or(wrong) {
            self.not_an_event(&mut standing, seen.as_deref(), commit, what)?;
            return Ok(standing);
        }
        standing.rewritten = self.rewritten(name, seen.as_deref(), standing.tip.as_ref())?;
        if let (Some(commit), None, false) = (&commit, &standing.rewritten, adopt) {
            *news += &moved(&self.seen_ref(name), commit, seen.as_ref());
            *news += &moved(&self.home(name), commit, home.as_ref());
        }
        Ok(standing)
    }

    /// The newest event of an environment whose ref is there while the event is not, and what to say of it: to a git that is asked
    /// for objects there is no such ref.
    fn lost_here(&self, name: &str) -> Result<Option<(String, String)>> {
        let Some(lost) = self.git.named(&self.tip_ref(name)) else { return Ok(None) };
        let there = self.git.objects(std::slice::from_ref(&lost))?.remove(0).is_some();
        let what = format!(
            "a newest event, {}, that git cannot read, as after a power loss; git fsck --lost-found names the one before, and git \
             update-ref {} COMMIT goes on from there",
            short(&lost),
            self.home(name)
        );
        // It may be that it came just now.
        Ok((!there).then_some((lost, what)))
    }

    /// Of an environment whose ref points to what is no event: what was seen before it is what there is.
    fn not_an_event(&self, standing: &mut Standing, seen: Option<&str>, commit: String, wrong: String) -> Result<()> {
        let state = self.git.objects(&[format!("{}:state.json", seen.unwrap_or_default())])?.remove(0);
        let state = state.and_then(|object| State::parse(&object.content).ok());
        standing.tip = seen.zip(state).map(|(seen, state)| Tip { commit: seen.to_owned(), state });
        (standing.instead, standing.unpublished) = (Some(commit.clone()), false);
        let seen = seen.unwrap_or(&commit).to_owned();
        standing.rewritten = Some(Rewritten { seen, now: Some(commit), wrong: Some(wrong) });
        Ok(())
    }

    /// What this clone knows of one environment.
    ///
    /// # Errors
    /// As [`Ledger::standings`].
    pub fn standing(&self, environment: &str) -> Result<Standing> {
        Ok(self.standings(&[environment])?.remove(environment).unwrap_or_default())
    }
}

/// The state beside an event of an environment, or why it is none.
fn read(state: Option<&Object>, environment: &str) -> std::result::Result<State, String> {
    let state = State::parse(&state.ok_or("it has no state.json")?.content)?;
    match state.environment.as_str() {
        own if own == environment => Ok(state),
        other => Err(format!("it is one of {other}")),
    }
}

/// What `git update-ref` is to do where a ref is not at a commit yet.
fn moved(name: &str, commit: &String, old: Option<&String>) -> String {
    if old == Some(commit) {
        return String::new();
    }
    let old = old.cloned().unwrap_or_else(|| "0".repeat(commit.len()));
    format!("update {name} {commit} {old}\n")
}
