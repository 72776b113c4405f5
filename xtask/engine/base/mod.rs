//! What more than one part of the engine speaks of and none owns. Pure; it knows none of them.

#![forbid(unsafe_code)]

pub mod checksum;
pub mod event;
pub mod json;
pub mod task;
pub mod variables;

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
