//! Checking: from declarations and plans to findings. Pure: what is in the files was read before.
//!
//! The four pillars have a file each: comprehensive (with `forgotten`), idempotent, audited, orchestrated (with `search`
//! and what it is made of: `value`, `name`, `script`; `same`, `code`, and `variables` with `shell`). `files` and `size` say
//! what could not be started.

#![forbid(unsafe_code)]

pub mod accept;
mod audited;
mod code;
mod comprehensive;
mod files;
pub mod forgotten;
mod idempotent;
pub mod inspect;
mod name;
mod orchestrated;
pub mod repository;
mod same;
mod script;
mod search;
pub mod sentinel;
mod shell;
mod size;
mod value;
mod variables;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::inspect::Facts;
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::sources::{Sources, Wanted};
use ciao_declare::{DEPLOYMENTS, Declarations, ENVIRONMENTS};
use ciao_plan::build::Built;
use ciao_plan::named::{Candidate, Named};

/// A check while it is made: first of the plans one by one, in the order of the environments, so that none has to be
/// kept; then of everything.
pub struct Check<'a> {
    declarations: &'a Declarations,
    sources: &'a Sources,
    findings: Vec<Finding>,
    /// What each environment and those before it run.
    runs: BTreeMap<String, comprehensive::Runs>,
    /// The folders that steps say they work in.
    folders: BTreeSet<Utf8PathBuf>,
    fine: files::Fine,
    any_plan: bool,
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

impl<'a> Check<'a> {
    #[must_use]
    pub fn new(declarations: &'a Declarations, sources: &'a Sources) -> Check<'a> {
        let (findings, folders) = (Vec::new(), BTreeSet::new());
        let (runs, fine) = (BTreeMap::new(), files::Fine::default());
        Check { declarations, sources, findings, runs, folders, fine, any_plan: false }
    }

    /// All findings about one plan and the files that its steps name.
    pub fn plan(&mut self, built: &Built<'_>, named: &Named, candidates: &[Vec<Candidate>], facts: &Facts) {
        self.any_plan = true;
        let mut own = Vec::new();
        self.fine.add(named, facts);
        files::named(built, candidates, &self.fine, facts, &mut own);
        size::check(built, &mut own);
        orchestrated::proofs(built, &mut own);
        let environment = &built.plan.environment;
        self.findings.extend(own.into_iter().map(|finding| finding.only_in(environment)));
        comprehensive::plan(self, built);
        self.folders.extend(forgotten::folders(built));
    }

    /// With all findings of the rules that look at more than one file.
    #[must_use]
    pub fn finish(mut self, named: &Named) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.findings);
        let declarations = self.declarations;
        files::environments(declarations, &mut findings);
        files::pipelines(declarations, &mut findings);
        files::outputs(declarations, &mut findings);
        files::literals(declarations, &mut findings);
        comprehensive::check(declarations, &mut findings);
        forgotten::check(&self, named, &mut findings);
        idempotent::check(declarations, &mut findings);
        audited::check(declarations, self.sources, &mut findings);
        search::search(declarations, self.sources, &mut findings);
        name::environment_files(declarations, &mut findings);
        same::check(declarations, &mut findings);
        variables::check(declarations, self.sources, &mut findings);
        code::check(declarations, &mut findings);
        findings
    }
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
