//! Checking: from declarations and plans to findings. Pure: what is in the files was read before.
//!
//! The four pillars have a file each: comprehensive, idempotent, audited, orchestrated.

mod files;
mod orchestrated;

use std::collections::BTreeMap;

use crate::declare::Declarations;
use crate::finding::{Code, Finding, Place};
use crate::inspect::Facts;
use crate::plan::build::Built;

/// What is checked: everything that was read and made of it.
pub struct Subject<'a> {
    pub declarations: &'a Declarations,
    /// The plan of every environment that has one, in the order listed.
    pub plans: &'a [(String, Built<'a>)],
    pub facts: &'a Facts,
}

/// All findings of all rules that look at more than one file or at files that a plan names.
#[must_use]
pub fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    files::environments(subject.declarations, &mut findings);
    for (environment, built) in subject.plans {
        let mut own = Vec::new();
        files::named(built, subject.facts, &mut own);
        orchestrated::proofs(built, &mut own);
        findings.extend(own.into_iter().map(|finding| finding.only_in(environment)));
    }
    findings
}

/// Each finding once, in the order of the files; what is found in every environment is about all of them.
#[must_use]
pub fn merged(findings: Vec<Finding>, declarations: &Declarations) -> Vec<Finding> {
    let all: Vec<&str> = declarations.environments().collect();
    let mut merged: BTreeMap<(Place, Code, String), Finding> = BTreeMap::new();
    for finding in findings {
        let key = (finding.place.clone(), finding.code, finding.message.clone());
        match merged.get_mut(&key) {
            None => _ = merged.insert(key, finding),
            Some(first) => match (&mut first.environments, finding.environments) {
                (Some(names), Some(more)) => {
                    names.extend(more);
                    names.sort();
                    names.dedup();
                }
                (environments, None) => *environments = None,
                (None, _) => {}
            },
        }
    }
    let mut merged: Vec<Finding> = merged.into_values().collect();
    for finding in &mut merged {
        if finding
            .environments
            .as_ref()
            .is_some_and(|names| all.iter().all(|name| names.iter().any(|other| other == name)))
        {
            finding.environments = None;
        }
    }
    merged
}
