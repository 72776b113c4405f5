//! Findings: small repositories in, the text that a user sees out.

#[path = "findings/accepted.rs"]
mod accepted;
#[path = "findings/corpus.rs"]
mod corpus;
#[path = "findings/declared.rs"]
mod declared;
#[path = "findings/files.rs"]
mod files;
#[path = "findings/fixture.rs"]
mod fixture;
#[path = "findings/given.rs"]
mod given;
#[path = "findings/input.rs"]
mod input;
#[path = "findings/quiet.rs"]
mod quiet;
#[path = "support/repo.rs"]
mod repo;
#[path = "findings/values.rs"]
mod values;
#[path = "findings/whole.rs"]
mod whole;
