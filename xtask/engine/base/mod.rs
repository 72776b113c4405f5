//! What more than one part of the engine speaks of and none owns. Pure; it knows none of them.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

pub mod checksum;
pub mod event;
pub mod json;
pub mod task;
pub mod variables;

/// A map of these; the last one of a key counts. Collecting would sort them first, with a sort of its own for every kind of
/// iterator: ten thousand bytes of code each.
#[must_use]
pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
