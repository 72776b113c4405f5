//! Lines of output with a name before each, made in one pass.
//!
//! Pure. It is no masking; it stands here because every byte that is shown goes through it too.

const EACH: u64 = 0x0101_0101_0101_0101;

/// Where in `text` the first byte is that is no visible ASCII; its length if there is none.
#[must_use]
pub fn first_unusual(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // In seven bits nothing carries over to the next byte: what is below a blank does not reach the highest bit with
        // the first sum, and only DEL does with the second.
        let low = word & (EACH * 0x7f);
        let marks = (!(low + EACH * 0x60) | (low + EACH) | word) & (EACH * 0x80);
        if marks != 0 {
            return place * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let unusual = rest.iter().position(|byte| !(b' '..0x7f).contains(byte));
    unusual.map_or(text.len(), |place| words.len() * 8 + place)
}

/// Appends every line of `lines` to `to`, with `prefix` before it. What is more than visible ASCII in a line is for
/// `neutral` to append, which gets it without its line feed.
pub fn prefixed(prefix: &[u8], lines: &[u8], to: &mut Vec<u8>, neutral: &mut dyn FnMut(&[u8], &mut Vec<u8>)) {
    let mut rest = lines;
    while !rest.is_empty() {
        to.extend_from_slice(prefix);
        let usual = first_unusual(rest);
        if rest.get(usual) == Some(&b'\n') {
            to.extend_from_slice(&rest[..=usual]);
            rest = &rest[usual + 1..];
        } else {
            let end = super::find(b'\n', rest).unwrap_or(rest.len());
            if usual == end {
                to.extend_from_slice(&rest[..end])
            } else {
                neutral(&rest[..end], to)
            }
            to.push(b'\n');
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
}
