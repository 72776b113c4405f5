//! The ledger over real git repositories: faults 22 to 60, and what must hold whatever happens.

#[path = "ledger/beside.rs"]
mod beside;
#[path = "ledger/damaged.rs"]
mod damaged;
#[path = "ledger/faults.rs"]
mod faults;
#[path = "ledger/fixture.rs"]
mod fixture;
#[path = "ledger/forged.rs"]
mod forged;
#[path = "ledger/git_killed.rs"]
mod git_killed;
#[path = "ledger/killed.rs"]
mod killed;
#[path = "ledger/life.rs"]
mod life;
#[path = "ledger/lost.rs"]
mod lost;
#[path = "ledger/measure.rs"]
mod measure;
#[path = "ledger/model.rs"]
mod model;
#[path = "ledger/moved.rs"]
mod moved;
#[path = "ledger/objects.rs"]
mod objects;
#[path = "ledger/races.rs"]
mod races;
#[path = "ledger/reached.rs"]
mod reached;
#[path = "ledger/releases.rs"]
mod releases;
#[path = "support/repo.rs"]
mod repo;
#[path = "ledger/shown.rs"]
mod shown;
#[path = "ledger/storm.rs"]
mod storm;
#[path = "support/strace.rs"]
mod strace;
#[path = "ledger/surroundings.rs"]
mod surroundings;
#[path = "ledger/words.rs"]
mod words;
