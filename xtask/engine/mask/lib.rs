//! Masking: every secret, in every form that it is likely to be printed in, becomes `***`.
//!
//! Pure, and the output is the same for every way of cutting the stream into chunks. It knows nothing of steps, files
//! or terminals. What it cannot catch is in `docs/secrets.md`.

#![forbid(unsafe_code)]

mod encodings;
mod lexer;
mod lines;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

pub use encodings::{SHORTEST, forms};
use lexer::Lexer;
pub use lexer::find;
pub use lines::{first_unusual, prefixed};

/// What is shown instead.
pub const SHOWN: &[u8] = b"***";

/// Below this many bytes of forms the automaton may take the memory that makes it fast.
const FAST: usize = 48 << 10;
/// No form is shorter once colour codes are taken away: it would garble everything else.
const SHORTEST_FORM: usize = 4;
/// What is held back at most: a form cannot be told from endless colour codes for ever.
const HELD: usize = 1 << 20;

/// All secrets known so far. It is asked for its [`Dictionary`] before every chunk, because steps produce new ones.
#[derive(Default)]
pub struct Mask {
    forms: BTreeSet<Vec<u8>>,
    dictionary: Arc<Dictionary>,
}

impl Mask {
    /// Masks these too from now on.
    pub fn add<'a>(&mut self, secrets: impl IntoIterator<Item = &'a [u8]>) {
        let known = self.forms.len();
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            for form in forms(secret) {
                // Seen as the stream is: without colour codes and wrapping. Whether the first line break wraps
                // depends on what comes before it.
                for lexer in [Lexer::default(), Lexer::after_a_long_word()] {
                    let seen = see(&form, lexer);
                    if seen.len() >= SHORTEST_FORM {
                        self.forms.insert(seen);
                    }
                }
            }
        }
        if self.forms.len() > known {
            self.dictionary = Arc::new(Dictionary::new(&self.forms));
        }
    }

    #[must_use]
    pub fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.dictionary)
    }

    /// A text without the secrets in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.dictionary.text(text)
    }

    /// From now on a panic's message is masked like everything else.
    pub fn guard_panics(&self) {
        static KNOWN: OnceLock<Mutex<Arc<Dictionary>>> = OnceLock::new();
        let mut first = false;
        let known = KNOWN.get_or_init(|| {
            first = true;
            Mutex::default()
        });
        *known.lock().unwrap_or_else(PoisonError::into_inner) = self.dictionary();
        if first {
            std::panic::set_hook(Box::new(move |panic| {
                let dictionary = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                eprintln!("{}", dictionary.text(&format!("internal error: {panic}")));
            }));
        }
    }
}

fn see(form: &[u8], mut lexer: Lexer) -> Vec<u8> {
    let mut cuts = Vec::new();
    lexer.read(form, 0, &mut cuts);
    without(form, &cuts)
}

fn without(text: &[u8], cuts: &[Range<usize>]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    for cut in cuts {
        out.extend_from_slice(&text[at..cut.start]);
        at = cut.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// The forms of all secrets, ready for searching.
#[derive(Default)]
pub struct Dictionary {
    automaton: Option<AhoCorasick>,
    /// Sorted.
    forms: Vec<Vec<u8>>,
    longest: usize,
    /// Whether some form has a line feed in it.
    lines: bool,
    /// Which two bytes some form begins with.
    pairs: Vec<bool>,
    first: Vec<bool>,
}

impl Dictionary {
    fn new(forms: &BTreeSet<Vec<u8>>) -> Dictionary {
        let size: usize = forms.iter().map(Vec::len).sum();
        let kind = if size < FAST { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let automaton = AhoCorasick::builder().kind(Some(kind)).prefilter(false).build(forms);
        let (mut pairs, mut first) = (vec![false; 1 << 16], vec![false; 1 << 8]);
        for form in forms {
            pairs[usize::from(form[0]) << 8 | usize::from(form[1])] = true;
            first[usize::from(form[0])] = true;
        }
        Dictionary {
            automaton: Some(automaton.expect("a few secrets fit into an automaton")),
            longest: forms.iter().map(Vec::len).max().unwrap_or(0),
            lines: forms.iter().any(|form| form.contains(&b'\n')),
            forms: forms.iter().cloned().collect(),
            pairs,
            first,
        }
    }

    /// A text without the secrets in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let (mut stream, mut out) = (Stream::default(), Vec::new());
        stream.push(self, text.as_bytes(), &mut out);
        stream.finish(self, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Where in `text` the longest end begins that could still become a form.
    fn may_become(&self, text: &[u8]) -> usize {
        let mut start = text.len().saturating_sub(self.longest.saturating_sub(1));
        if !self.lines
            && let Some(feed) = text[start..].iter().rposition(|&byte| byte == b'\n')
        {
            start += feed + 1;
        }
        (start..text.len()).find(|&at| self.begins(&text[at..])).unwrap_or(text.len())
    }

    /// Whether some form begins with `end` and goes on.
    fn begins(&self, end: &[u8]) -> bool {
        match end {
            [] => false,
            [one] => self.first[usize::from(*one)],
            [one, two, ..] if !self.pairs[usize::from(*one) << 8 | usize::from(*two)] => false,
            _ => {
                let next = self.forms.partition_point(|form| form.as_slice() <= end);
                self.forms.get(next).is_some_and(|form| form.starts_with(end))
            }
        }
    }
}

/// One stream that is being masked.
#[derive(Debug, Default)]
pub struct Stream {
    /// What has not been given out yet.
    held: Vec<u8>,
    /// What of it is not seen.
    cuts: Vec<Range<usize>>,
    lexer: Lexer,
    /// How much of it has been given out as `***` already.
    covered: usize,
}

impl Stream {
    /// Whether what comes goes out as it is: there is nothing to mask.
    #[must_use]
    pub fn is_open(&self, dictionary: &Dictionary) -> bool {
        dictionary.automaton.is_none() && self.held.is_empty()
    }

    /// Takes the next chunk, and appends to `out` what can be given out.
    pub fn push(&mut self, dictionary: &Dictionary, chunk: &[u8], out: &mut Vec<u8>) {
        if self.is_open(dictionary) {
            out.extend_from_slice(chunk);
            return;
        }
        let from = self.held.len();
        self.held.extend_from_slice(chunk);
        self.lexer.read(&self.held, from, &mut self.cuts);
        let decided = self.held.len() - self.lexer.undecided();
        self.give(dictionary, decided, false, out);
    }

    /// No more comes: gives out the rest.
    pub fn finish(&mut self, dictionary: &Dictionary, out: &mut Vec<u8>) {
        self.lexer.finish();
        self.give(dictionary, self.held.len(), true, out);
        *self = Stream::default();
    }

    fn give(&mut self, dictionary: &Dictionary, decided: usize, last: bool, out: &mut Vec<u8>) {
        let copy;
        let seen = if self.cuts.is_empty() {
            &self.held[..decided]
        } else {
            copy = without(&self.held[..decided], &self.cuts);
            &copy
        };
        let found = spans(dictionary, seen);
        let places = Places::new(&self.cuts);
        let hold = if last { seen.len() } else { dictionary.may_become(seen) };
        let mut keep_from = if hold == seen.len() { decided } else { places.of(hold) };
        if decided - keep_from > HELD + dictionary.longest {
            keep_from = decided;
        }
        let mut at = self.covered;
        for span in found {
            let (start, end) = (places.of(span.start), places.of(span.end - 1) + 1);
            if start < at {
                at = at.max(end);
            } else if start >= keep_from {
                break;
            } else {
                out.extend_from_slice(&self.held[at..start]);
                out.extend_from_slice(SHOWN);
                at = end;
            }
        }
        if at < keep_from {
            out.extend_from_slice(&self.held[at..keep_from]);
            at = keep_from;
        }
        self.covered = at - keep_from;
        self.held.drain(..keep_from);
        self.cuts.retain(|cut| cut.start >= keep_from);
        self.cuts.iter_mut().for_each(|cut| *cut = cut.start - keep_from..cut.end - keep_from);
    }
}

/// From places in what is seen to places in what is held: for every cut, where it is in what is seen, and how many
/// bytes are cut out up to its end.
struct Places(Vec<(usize, usize)>);

impl Places {
    fn new(cuts: &[Range<usize>]) -> Places {
        let mut removed = 0;
        let place = |cut: &Range<usize>| {
            let seen = cut.start - removed;
            removed += cut.len();
            (seen, removed)
        };
        Places(cuts.iter().map(place).collect())
    }

    fn of(&self, seen: usize) -> usize {
        let before = self.0.partition_point(|&(at, _)| at <= seen);
        seen + before.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// Where forms stand in `seen`, those that overlap in one.
fn spans(dictionary: &Dictionary, seen: &[u8]) -> Vec<Range<usize>> {
    let Some(automaton) = &dictionary.automaton else { return Vec::new() };
    let mut found: Vec<Range<usize>> = automaton.find_overlapping_iter(seen).map(|found| found.range()).collect();
    found.sort_unstable_by_key(|span| span.start);
    let mut out: Vec<Range<usize>> = Vec::new();
    for span in found {
        match out.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}
