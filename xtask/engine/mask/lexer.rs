//! What the masker does not see of a stream: colour codes, backslashes, and line breaks that only wrap a long word.
//!
//! Pure, and the same for every way of cutting the stream. It knows nothing of secrets. A backslash says how to read what
//! comes after it, and every shell, serialiser and language has its own rules for where it must stand, also several deep:
//! without it, all of them print the same. A break after at least
//! [`WRAPPED`] bytes without a blank is taken for one that a tool has put into base64 or hex to make it narrow (`base64`
//! wraps at 76, PEM at 64, `xxd -p` at 60), and so is one after [`NARROW`] digits of them; any other ends a line, so that a line of a log need not wait for the next one.

use std::io::BufRead;
use std::ops::Range;

/// From how many bytes without a blank on the end of a line may be the middle of a word.
pub const WRAPPED: usize = 60;
/// The same of digits of base64 or hex only: narrow columns are made of nothing else.
const NARROW: usize = 16;
/// A longer colour code is none.
const LONGEST_CODE: usize = 64;

/// Where in a colour code or line break the stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// After `\r`.
    Return,
    /// After the escape character.
    Escape,
    /// In a control sequence: after `ESC [`.
    Code,
}

/// Finds what is cut out of a stream.
#[derive(Debug, Clone, Default)]
pub struct Lexer {
    place: Place,
    /// How many bytes are not decided yet: those since the `\r` or the escape character.
    undecided: usize,
    /// How many bytes without a blank there are at the end.
    run: usize,
    /// How many digits of base64 or hex there are at the end.
    digits: usize,
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-')
}

impl Lexer {
    /// As if a long word came before.
    #[must_use]
    pub fn after_a_long_word() -> Lexer {
        Lexer { run: WRAPPED, digits: NARROW, ..Lexer::default() }
    }

    /// Reads `text[from..]` and appends to `cuts` what is cut out.
    pub fn read(&mut self, text: &[u8], from: usize, cuts: &mut Vec<Range<usize>>) {
        let mut at = from;
        // Three fast searches of the whole chunk save three short ones a line.
        let codes = find(b'\x1b', &text[from..]).is_some();
        let returns = find(b'\r', &text[from..]).is_some();
        let slashes = find(b'\\', &text[from..]).is_some();
        while at < text.len() {
            if self.place != Place::Text {
                self.byte(text[at], at, cuts);
                at += 1;
                continue;
            }
            let mut end = find(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
            if codes {
                end = find(b'\x1b', &text[at..end]).map_or(end, |length| at + length);
            }
            if returns {
                end = find(b'\r', &text[at..end]).map_or(end, |length| at + length);
            }
            if slashes {
                end = find(b'\\', &text[at..end]).map_or(end, |length| at + length);
            }
            self.words(&text[at..end]);
            at = end;
            if at < text.len() {
                self.byte(text[at], at, cuts);
                at += 1;
            }
        }
    }

    /// How many bytes at the end are not decided yet.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.undecided
    }

    /// No more comes: what is not decided is text.
    pub fn finish(&mut self) {
        self.text();
    }

    fn text(&mut self) {
        self.place = Place::Text;
        self.undecided = 0;
    }

    fn words(&mut self, text: &[u8]) {
        let tail = &text[text.len().saturating_sub(WRAPPED)..];
        let word = tail.iter().rev().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
        self.run = if word == text.len() { WRAPPED.min(self.run + word) } else { word };
        let tail = &text[text.len().saturating_sub(NARROW)..];
        let digits = tail.iter().rev().take_while(|byte| is_digit(**byte)).count();
        self.digits = if digits == text.len() { NARROW.min(self.digits + digits) } else { digits };
    }

    /// A line break from `start` to the line feed at `end`.
    fn line_feed(&mut self, start: usize, end: usize, cuts: &mut Vec<Range<usize>>) {
        let wraps = self.run >= WRAPPED || self.digits >= NARROW;
        (self.run, self.digits) = (0, 0);
        if wraps {
            cuts.push(start..end + 1);
        } else if start < end {
            cuts.push(start..end);
        }
    }

    fn byte(&mut self, byte: u8, at: usize, cuts: &mut Vec<Range<usize>>) {
        match (self.place, byte) {
            (Place::Return, b'\n') => {
                self.line_feed(at - self.undecided, at, cuts);
                self.text();
            }
            (Place::Escape, b'[') => {
                self.place = Place::Code;
                self.undecided += 1;
            }
            (Place::Code, b' '..=b'?') if self.undecided < LONGEST_CODE => self.undecided += 1,
            (Place::Code, b'@'..=b'~') => {
                cuts.push(at - self.undecided..at + 1);
                self.text();
            }
            (place, _) => {
                // What came was no code and no line break after all, but text.
                if place != Place::Text {
                    self.run = WRAPPED.min(self.run + self.undecided);
                    self.digits = 0;
                    self.text();
                }
                match byte {
                    b'\n' => self.line_feed(at, at, cuts),
                    b'\\' => cuts.push(at..at + 1),
                    b'\r' => (self.place, self.undecided) = (Place::Return, 1),
                    b'\x1b' => (self.place, self.undecided) = (Place::Escape, 1),
                    b' ' | b'\t' => (self.run, self.digits) = (0, 0),
                    _ => {
                        self.run = WRAPPED.min(self.run + 1);
                        self.digits = if is_digit(byte) { NARROW.min(self.digits + 1) } else { 0 };
                    }
                }
            }
        }
    }
}

/// Where `byte` is first. The standard library's own fast search is behind this reader.
#[must_use]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let count = rest.skip_until(byte).ok()?;
    (count > 0 && text[count - 1] == byte).then(|| count - 1)
}
