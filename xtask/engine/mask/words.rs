//! Many texts searched for at once.
//!
//! Pure. It is no masking; it stands here because `check` reads every file with it too. An automaton would not have to look
//! back, but takes long to be compiled, and megabytes where texts are many or long; this takes no more than the texts.

use std::ops::Range;

/// How many bytes of a word are hashed at most.
const HASHED: usize = 4;

/// The texts, ready for searching. They have at least one byte.
pub struct Words {
    /// Sorted.
    words: Vec<Word>,
    /// Of the hashes that there are, which ones some word begins with.
    filter: Vec<u64>,
    /// Leaves of a hash as many bits as the filter has room for.
    shift: u32,
    /// Leaves of four bytes as many as the shortest word has.
    hashed: u32,
}

struct Word {
    /// Its first eight bytes: comparing them decides nearly always.
    key: u64,
    text: Vec<u8>,
    /// Its place in what was given.
    number: usize,
    /// Of those before it, the last one that it begins with.
    shorter: Option<usize>,
}

impl Default for Words {
    fn default() -> Words {
        Words::new(Vec::new())
    }
}

fn key(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let known = text.len().min(8);
    first[..known].copy_from_slice(&text[..known]);
    u64::from_be_bytes(first)
}

impl Words {
    #[must_use]
    pub fn new(texts: Vec<Vec<u8>>) -> Words {
        let word = |(number, text): (usize, Vec<u8>)| Word { key: key(&text), text, number, shorter: None };
        let mut words: Vec<Word> = texts.into_iter().enumerate().map(word).collect();
        words.sort_unstable_by(|one, other| (one.key, &one.text).cmp(&(other.key, &other.text)));
        let mut open: Vec<usize> = Vec::new();
        for place in 0..words.len() {
            while open.last().is_some_and(|&last| !words[place].text.starts_with(&words[last].text)) {
                open.pop();
            }
            words[place].shorter = open.last().copied();
            open.push(place);
        }
        let shortest = words.iter().map(|word| word.text.len()).min().unwrap_or(0).min(HASHED);
        // So many that hardly any place is looked at in vain.
        let bits = (words.len() * 32).next_power_of_two().max(1 << 12);
        let mut all = Words {
            filter: vec![0; bits / 64],
            shift: u32::BITS - bits.trailing_zeros(),
            hashed: if shortest == HASHED { u32::MAX } else { (1 << (shortest * 8)) - 1 },
            words: Vec::new(),
        };
        for word in &words {
            let hash = all.hash(&word.key.to_be_bytes());
            all.filter[hash / 64] |= 1 << (hash % 64);
        }
        all.words = words;
        all
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    #[inline]
    fn hash(&self, first: &[u8]) -> usize {
        let first = u32::from_le_bytes([first[0], first[1], first[2], first[3]]);
        ((first & self.hashed).wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }

    /// Whether a word may begin with these four bytes.
    #[inline]
    fn may_begin(&self, first: &[u8]) -> bool {
        let hash = self.hash(first);
        self.filter[hash / 64] >> (hash % 64) & 1 == 1
    }

    /// Where in `text` a word may begin.
    fn places<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = usize> + 't {
        let tail = text.len().saturating_sub(HASHED - 1)..text.len();
        let windows = text.windows(HASHED).enumerate().filter(|(_, first)| self.may_begin(first));
        windows.map(|(at, _)| at).chain(tail)
    }

    /// The word that would come last of those up to `text`: those that `text` begins with are the ones that it begins with.
    fn last(&self, text: &[u8]) -> Option<usize> {
        let key = key(text);
        let up_to = |word: &Word| word.key < key || (word.key == key && *word.text <= *text);
        self.words.partition_point(up_to).checked_sub(1)
    }

    /// The words that `text` begins with, the longest first.
    fn starts<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = &'t Word> + 't {
        let all = std::iter::successors(self.last(text), |&place| self.words[place].shorter);
        all.map(|place| &self.words[place]).filter(|word| text.starts_with(&word.text))
    }

    /// Where words stand in `text`, those that overlap in one.
    #[must_use]
    pub fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut out: Vec<Range<usize>> = Vec::new();
        for at in self.places(text) {
            let Some(longest) = self.starts(&text[at..]).next() else { continue };
            let end = at + longest.text.len();
            match out.last_mut() {
                Some(last) if at < last.end => last.end = last.end.max(end),
                _ => out.push(at..end),
            }
        }
        out
    }

    /// Where each word stands in `text` that has no letter of ASCII, digit or `_` before it, and its number.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<(Range<usize>, usize)> {
        let inside = |at: usize| at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_');
        let mut out = Vec::new();
        for at in self.places(text).filter(|&at| !inside(at)) {
            out.extend(self.starts(&text[at..]).map(|word| (at..at + word.text.len(), word.number)));
        }
        out
    }

    /// Whether some word begins with `end` and goes on.
    #[must_use]
    pub fn begins(&self, end: &[u8]) -> bool {
        if end.len() >= HASHED && !self.may_begin(end) {
            return false;
        }
        let next = self.last(end).map_or(0, |last| last + 1);
        self.words.get(next).is_some_and(|word| word.text.starts_with(end))
    }
}
