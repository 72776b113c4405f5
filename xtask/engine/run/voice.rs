//! What a step prints, on its way out: masked, into its log, as lines to who shows them, and the last of it kept.
//!
//! It knows nothing of processes. Its memory does not grow with what is printed.

use camino::Utf8Path;

use super::logs::Log;
use super::mask::{Dictionary, Stream};

/// A longer line is shown in pieces.
const LONGEST_LINE: usize = 8 << 10;
/// How much of the end is kept for the message about a failure.
const LAST: usize = 16 << 10;
/// What a step may produce.
const LARGEST_OUTPUT: usize = 16 << 20;

/// The output of one step over all its processes.
pub struct Voice {
    printed: Stream,
    captured: Stream,
    /// What it produces, as it is: not masked, never shown.
    produced: Vec<u8>,
    /// Whether what it produces is kept out of logs too.
    hushed: bool,
    masked: Vec<u8>,
    line: Vec<u8>,
    last: Vec<u8>,
    pub log: Log,
}

/// Takes whole lines to be shown, and words about a log that cannot be written.
pub trait Listener {
    fn lines(&mut self, lines: &[u8]);
    fn trouble(&mut self, words: &str);
}

impl Voice {
    #[must_use]
    pub fn new(logs: &Utf8Path, name: &str, hushed: bool) -> Voice {
        Voice {
            printed: Stream::default(),
            captured: Stream::default(),
            produced: Vec::new(),
            hushed,
            masked: Vec::new(),
            line: Vec::new(),
            last: Vec::new(),
            log: Log::new(logs, name),
        }
    }

    /// The step has printed something.
    pub fn hear(&mut self, dictionary: &Dictionary, captured: bool, bytes: &[u8], to: &mut dyn Listener) {
        if captured {
            let room = (LARGEST_OUTPUT + 1).saturating_sub(self.produced.len());
            self.produced.extend_from_slice(&bytes[..room.min(bytes.len())]);
            if self.hushed {
                return;
            }
        }
        let stream = if captured { &mut self.captured } else { &mut self.printed };
        if stream.is_open(dictionary) {
            return self.out(bytes, to);
        }
        let mut masked = std::mem::take(&mut self.masked);
        masked.clear();
        stream.push(dictionary, bytes, &mut masked);
        self.out(&masked, to);
        self.masked = masked;
    }

    /// A process of it is over: nothing is held back any more.
    pub fn pause(&mut self, dictionary: &Dictionary, to: &mut dyn Listener) {
        for captured in [true, false] {
            let mut masked = Vec::new();
            let stream = if captured { &mut self.captured } else { &mut self.printed };
            stream.finish(dictionary, &mut masked);
            self.out(&masked, to);
        }
        if !self.line.is_empty() {
            self.line.push(b'\n');
            to.lines(&self.line);
            self.line.clear();
        }
    }

    /// What it has produced since this was last asked; `None` if that is too much.
    pub fn produced(&mut self) -> Option<Vec<u8>> {
        let produced = std::mem::take(&mut self.produced);
        (produced.len() <= LARGEST_OUTPUT).then_some(produced)
    }

    /// The last of what was printed.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    fn out(&mut self, masked: &[u8], to: &mut dyn Listener) {
        if masked.is_empty() {
            return;
        }
        if let Some(words) = self.log.write(masked) {
            to.trouble(&words);
        }
        self.last.extend_from_slice(&masked[masked.len().saturating_sub(LAST)..]);
        if self.last.len() > 2 * LAST {
            self.last.drain(..self.last.len() - LAST);
        }
        self.lines(masked, to);
    }

    fn lines(&mut self, masked: &[u8], to: &mut dyn Listener) {
        let mut rest = masked;
        if !self.line.is_empty() {
            // Only so far that one line is whole again; the rest need not be copied.
            let end = super::mask::find(b'\n', rest).map_or(rest.len(), |at| at + 1);
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            if self.line.ends_with(b"\n") {
                to.lines(&self.line);
                self.line.clear();
            }
        }
        let whole = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole > 0 {
            to.lines(&rest[..whole]);
        }
        self.line.extend_from_slice(&rest[whole..]);
        while self.line.len() > LONGEST_LINE {
            let mut piece: Vec<u8> = self.line.drain(..LONGEST_LINE).collect();
            piece.push(b'\n');
            to.lines(&piece);
        }
    }
}
