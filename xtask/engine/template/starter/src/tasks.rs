//! The Rust tasks of this repository. A step calls one by its name: `task = "greet"`, `with = { name = "${title}" }`.
//!
//! Most steps are scripts and commands; a task is for what deserves types and tests. This file is yours: `upgrade` leaves it.

use ciao::Tasks;

/// Every task that steps may call.
pub fn all() -> Tasks {
    Tasks::new()
    // .add("greet", "Greets by name", greet)
}

// #[derive(serde::Deserialize)]
// #[serde(deny_unknown_fields)]
// struct Greet {
//     name: String,
// }
//
// fn greet(Greet { name }: Greet) -> ciao::TaskResult {
//     println!("hello, {name}");
//     Ok(())
// }
