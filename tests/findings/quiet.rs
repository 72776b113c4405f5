//! What must not be found.

use crate::fixture::quiet;

#[test]
fn a_sound_repository() {
    quiet("");
}
