//! The Rust tasks that the steps of this repository's pipelines call.

use ciao::Tasks;

/// Every task, by the name that steps use.
#[must_use]
pub fn all() -> Tasks {
    Tasks::new()
}
