//! What tests of the files have in common: repositories written as one text, on a disk or without one.
#![allow(dead_code, reason = "each target uses another part of it")]

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use ciao::declare::Declarations;
use ciao::finding::Finding;
use ciao::plan::build::Built;
use ciao::plan::named::Named;
use ciao::sources::Sources;

mod repo;

#[allow(unused_imports)]
pub use repo::{Repo, entries, script};

/// The TOML files of a text, without a disk.
#[must_use]
pub fn sources(text: &str) -> Sources {
    let entries =
        repo::completed(text).into_iter().filter(|entry| entry.path.extension().is_some_and(|end| end == "toml"));
    let texts: BTreeMap<Utf8PathBuf, String> =
        entries.map(|entry| (Utf8PathBuf::try_from(entry.path).unwrap(), entry.text)).collect();
    Sources { texts, ..Default::default() }
}

/// Everything that is wrong, as far as it can be said without a disk.
#[must_use]
pub fn check(declarations: &Declarations, sources: &Sources, plans: &[(String, Built<'_>)]) -> Vec<Finding> {
    let (mut named, mut check) = (Named::default(), ciao::check::Check::new(declarations, sources));
    for (_, built) in plans {
        let candidates = named.of(&built.plan);
        check.plan(built, &named, &candidates, &Default::default());
    }
    check.finish(&named)
}
