//! Whether a ledger that has moved goes on from what this clone has seen, event by event, and each is what ciao would have
//! written: nothing cut off, put in between, edited, replayed, or written under another name.
//!
//! It protects from mistakes and from clumsy hands. Who may push and writes whole events as ciao does is not found out.

use std::collections::BTreeSet;

use super::Result;
use super::chain::{Ledger, Rewritten, Tip, short};
use super::record::{FORMAT, Kind, Record};
use super::standing::FORGED;
use super::state::{State, fold};

/// How many new events are looked at, at most: of a ledger that was never seen, and of one that was.
const LOOKED_AT: (usize, usize) = (100, 1000);

/// Something that is read, or why what is there is no event.
type Found<T> = std::result::Result<T, String>;

/// One event as it is in git.
struct Event {
    commit: String,
    parent: Option<String>,
    author: String,
    record: Record,
    state: State,
}

impl Ledger {
    /// What is wrong with a ledger whose newest event is `tip`, if this clone has seen `seen`. It costs nothing where
    /// nothing is new.
    pub(super) fn rewritten(
        &self,
        environment: &str,
        seen: Option<&str>,
        tip: Option<&Tip>,
    ) -> Result<Option<Rewritten>> {
        let now = tip.map(|tip| tip.commit.clone());
        if now.as_deref() == seen {
            return Ok(None);
        }
        let rewritten = |seen: &str, why: Option<String>| {
            let wrong = why.map(|why| format!("{FORGED}: {why}"));
            Ok(Some(Rewritten { seen: seen.to_owned(), now: now.clone(), wrong }))
        };
        let Some(tip) = tip else { return rewritten(seen.unwrap_or_default(), None) };
        let (events, goes_on) = match self.since(tip, seen)? {
            Ok(found) => found,
            // Which was the last good one is not known.
            Err(why) => return rewritten(seen.unwrap_or(&tip.commit), Some(why)),
        };
        if let Some(seen) = seen
            && !goes_on
            && self.is_ancestor(seen, &tip.commit) != Some(true)
        {
            return rewritten(seen, None);
        }
        match first_wrong(environment, &events) {
            None => Ok(None),
            Some((before, why)) => rewritten(before, Some(why)),
        }
    }

    /// The events from one that is taken as it is up to the tip, and whether it is the one that was seen; or why one of them
    /// is none.
    fn since(&self, tip: &Tip, seen: Option<&str>) -> Result<Found<(Vec<Event>, bool)>> {
        let most = if seen.is_some() { LOOKED_AT.1 } else { LOOKED_AT.0 };
        let (mut events, mut next) = (Vec::new(), Some(tip.commit.clone()));
        while let Some(commit) = next.take() {
            let event = match self.event(&commit)? {
                Ok(event) => event,
                Err(why) => return Ok(Err(format!("{}: it is not an event of ciao: {why}", short(&commit)))),
            };
            let known = seen == Some(commit.as_str());
            // Whoever accepted a ledger has looked at what came before; and what is newer than this ciao it cannot judge.
            let taken = event.record.accepted_over.is_some() || event.state.newer.is_some();
            if !known && !taken && events.len() < most {
                next.clone_from(&event.parent);
            }
            events.push(event);
            if known {
                events.reverse();
                return Ok(Ok((events, true)));
            }
        }
        events.reverse();
        Ok(Ok((events, false)))
    }

    fn event(&self, commit: &str) -> Result<Found<Event>> {
        let names = [commit.to_owned(), format!("{commit}:record.json"), format!("{commit}:state.json")];
        let found = <[_; 3]>::try_from(self.git.objects(&names)?)
            .unwrap_or_else(|_| unreachable!("each name has one answer"))
            .map(|object| object.map(|object| object.content));
        Ok(read(commit, found))
    }
}

fn read(commit: &str, [head, record, state]: [Option<Vec<u8>>; 3]) -> Found<Event> {
    let head = String::from_utf8_lossy(&head.ok_or("it is not there")?).into_owned();
    let of = |key: &str| head.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(key));
    let record = record.ok_or("it has no record.json")?;
    Ok(Event {
        commit: commit.to_owned(),
        parent: of("parent ").map(str::to_owned),
        author: of("author ").unwrap_or_default().to_owned(),
        record: serde_json::from_slice(&record).map_err(|error| error.to_string())?,
        state: State::parse(&state.ok_or("it has no state.json")?)?,
    })
}

/// The first event that does not follow from the one before it: that one, and why.
fn first_wrong<'a>(environment: &str, events: &'a [Event]) -> Option<(&'a str, String)> {
    let mut ids: BTreeSet<&str> = events.first().map(|event| event.record.id.as_str()).into_iter().collect();
    for pair in events.windows(2) {
        let [before, event] = pair else { continue };
        let Event { record, state, .. } = event;
        let newer = record.format > FORMAT || matches!(record.event, Kind::Unknown(_)) || state.newer.is_some();
        let why = if newer {
            // Nobody writes to such a ledger with this ciao; what its events mean is for the newer one to judge.
            return None;
        } else if record.environment != environment {
            format!("it is one of {}", record.environment)
        } else if !ids.insert(&record.id) {
            format!("the event {} is there already", record.id)
        } else if record.seq != before.state.seq + 1 {
            format!("it is number {} after number {}", record.seq, before.state.seq)
        } else if !state.is(&fold(Some(before.state.clone()), record)) {
            "its state.json is not what its record.json makes of the state before".to_owned()
        } else if !event.author.starts_with(&record.author()) {
            format!("it says that {} did it, and was written by {}", record.by, event.author)
        } else {
            continue;
        };
        return Some((&before.commit, format!("{}: {why}", short(&event.commit))));
    }
    None
}
