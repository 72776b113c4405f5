//! Showing: plans and findings as text and as JSON. Pure: what is shown is returned, and printed elsewhere.

#![forbid(unsafe_code)]

pub mod diff;
pub mod findings;
pub mod json;
pub mod plan;
pub mod usage;
pub mod word;
