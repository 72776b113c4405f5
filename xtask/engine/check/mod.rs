//! Checking: from declarations and plans to findings. Pure: what is in the files was read before.
//!
//! The four pillars have a file each: comprehensive (with `forgotten`), idempotent, audited, orchestrated (with `search`
//! and what it is made of: `value`, `name`, `script`; `same`, `code`, and `variables` with `shell`).

pub mod accept;
mod audited;
mod code;
mod comprehensive;
mod files;
pub(crate) mod forgotten;
mod idempotent;
mod name;
mod orchestrated;
mod same;
mod script;
mod search;
pub mod sentinel;
mod shell;
mod value;
mod variables;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::declare::{DEPLOYMENTS, Declarations, ENVIRONMENTS};
use crate::finding::{Code, Finding, Place};
use crate::inspect::Facts;
use crate::plan::build::Built;
use crate::sources::{Sources, Wanted};

/// What is checked: everything that was read and made of it.
pub struct Subject<'a> {
    pub declarations: &'a Declarations,
    pub sources: &'a Sources,
    /// The plan of every environment that has one, in the order listed.
    pub plans: &'a [(String, Built<'a>)],
    /// The files that each step of each plan may name.
    pub named: &'a [Vec<BTreeSet<Utf8PathBuf>>],
    pub facts: &'a Facts,
}

impl Subject<'_> {
    fn plan(&self, environment: &str) -> Option<&Built<'_>> {
        self.plans.iter().find(|(name, _)| name == environment).map(|(_, built)| built)
    }
}

/// The files that must be read before anything can be checked.
#[must_use]
pub fn wanted(declarations: &Declarations) -> Wanted {
    let pipelines = &declarations.pipelines;
    Wanted {
        folders: pipelines.keys().map(|name| Utf8Path::new(DEPLOYMENTS).join(&**name)).collect(),
        patterns: pipelines
            .iter()
            .flat_map(|(name, pipeline)| forgotten::patterns(name, pipeline).filter_map(|(_, path)| path))
            .collect(),
        files: variables::scripts(declarations),
    }
}

/// All findings of all rules that look at more than one file or at files that a plan names.
#[must_use]
pub fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let declarations = subject.declarations;
    files::environments(declarations, &mut findings);
    for (environment, built) in subject.plans {
        let mut own = Vec::new();
        files::named(built, subject.facts, &mut own);
        orchestrated::proofs(built, &mut own);
        findings.extend(own.into_iter().map(|finding| finding.only_in(environment)));
    }
    comprehensive::check(subject, &mut findings);
    forgotten::check(subject, &mut findings);
    idempotent::check(declarations, &mut findings);
    audited::check(declarations, subject.sources, &mut findings);
    search::search(declarations, subject.sources, &mut findings);
    name::environment_files(declarations, &mut findings);
    same::check(declarations, &mut findings);
    variables::check(declarations, subject.sources, &mut findings);
    code::check(declarations, &mut findings);
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
    drop_consequences(&mut merged);
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

/// What follows from a file that cannot be read would only hide it.
fn drop_consequences(findings: &mut Vec<Finding>) {
    let broken = findings.iter().filter(|finding| finding.code == Code::Syntax);
    let broken: BTreeSet<Utf8PathBuf> = broken.map(|finding| finding.place.file.to_path_buf()).collect();
    let shared = broken.iter().any(|file| !file.starts_with(ENVIRONMENTS));
    findings.retain(|finding| {
        let of_whole = matches!(
            finding.code,
            Code::UnusedParameter
                | Code::UnknownValue
                | Code::ForgottenFile
                | Code::ForgottenPipeline
                | Code::NoVerification
                | Code::FirstRunIn
                | Code::MissingProvider
                | Code::UnlistedEnvironment
                | Code::UnknownPipeline
                | Code::UnknownParameter
        );
        finding.code == Code::Syntax || !(broken.contains(&*finding.place.file) || (shared && of_whole))
    });
}
