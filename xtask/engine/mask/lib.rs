//! Masking: every secret, in every form that it is likely to be printed in, becomes `***`.
//!
//! Pure, and the output is the same for every way of cutting the stream into chunks. It knows nothing of steps, files
//! or terminals. What it cannot catch is in `docs/secrets.md`.

#![forbid(unsafe_code)]

mod encodings;
mod lexer;
mod lines;
mod words;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use encodings::is_dump;
pub use encodings::{SHORTEST, forms, is_short};
use lexer::Lexer;
pub use lexer::find;
pub use lines::{first_unusual, prefixed};
pub use words::Words;

/// What is shown instead.
pub const SHOWN: &[u8] = b"***";

/// No form is shorter once colour codes are taken away: it would garble everything else.
const SHORTEST_FORM: usize = 4;
/// What is held back at most: a form cannot be told from endless colour codes for ever.
const HELD: usize = 1 << 20;

/// All secrets known so far. It is asked for its [`Dictionary`] before every chunk, because steps produce new ones.
#[derive(Default)]
pub struct Mask {
    secrets: Vec<Vec<u8>>,
    forms: Vec<Vec<u8>>,
    dictionary: Arc<Dictionary>,
}

impl Mask {
    /// Masks these too from now on.
    pub fn add<'a>(&mut self, secrets: impl IntoIterator<Item = &'a [u8]>) {
        let known = self.secrets.len();
        for secret in secrets {
            if !secret.is_empty() && !self.secrets.iter().any(|known| known == secret) {
                self.secrets.push(secret.to_vec());
                forms(secret).into_iter().for_each(|form| self.add_form(form));
            }
        }
        if self.secrets.len() > known {
            // Without backslashes many are the same.
            self.forms.sort_unstable();
            self.forms.dedup();
            self.dictionary = Arc::new(Dictionary::new(&self.forms));
        }
    }

    /// Adds it as the stream is seen: without colour codes and wrapping. Whether the first line break wraps depends on what
    /// comes before it.
    fn add_form(&mut self, form: Vec<u8>) {
        // Nearly all.
        if !form.iter().any(|byte| b"\n\r\x1b\\".contains(byte)) {
            return self.forms.extend(Some(form).filter(|form| form.len() >= SHORTEST_FORM));
        }
        let seen = [Lexer::default(), Lexer::after_a_long_word()].map(|lexer| see(&form, lexer));
        self.forms.extend(seen.into_iter().filter(|seen| seen.len() >= SHORTEST_FORM));
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
    forms: Words,
    longest: usize,
    /// Whether some form has a line feed in it.
    lines: bool,
}

impl Dictionary {
    fn new(forms: &[Vec<u8>]) -> Dictionary {
        Dictionary {
            forms: Words::new(forms.to_vec()),
            longest: forms.iter().map(Vec::len).max().unwrap_or(0),
            lines: forms.iter().any(|form| form.contains(&b'\n')),
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
        (start..text.len()).find(|&at| self.forms.begins(&text[at..])).unwrap_or(text.len())
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
    /// Beside what a dump shows of a secret in hex, the end of the line shows it in letters.
    to_line_end: bool,
}

impl Stream {
    /// Whether what comes goes out as it is: there is nothing to mask.
    #[must_use]
    pub fn is_open(&self, dictionary: &Dictionary) -> bool {
        dictionary.forms.is_empty() && self.held.is_empty()
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
        let found = dictionary.forms.spans(seen);
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
                show(&self.held[at..start], &mut self.to_line_end, out);
                if !self.to_line_end {
                    out.extend_from_slice(SHOWN);
                }
                self.to_line_end |= is_dump(&seen[span]);
                at = end;
            }
        }
        if at < keep_from {
            show(&self.held[at..keep_from], &mut self.to_line_end, out);
            at = keep_from;
        }
        self.covered = at - keep_from;
        self.held.drain(..keep_from);
        self.cuts.retain(|cut| cut.start >= keep_from);
        self.cuts.iter_mut().for_each(|cut| *cut = cut.start - keep_from..cut.end - keep_from);
    }
}

/// Gives out what is no secret, unless it is to be left out to the end of the line.
fn show(mut text: &[u8], to_line_end: &mut bool, out: &mut Vec<u8>) {
    if *to_line_end {
        let Some(end) = find(b'\n', text) else { return };
        *to_line_end = false;
        text = &text[end..];
    }
    out.extend_from_slice(text);
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
