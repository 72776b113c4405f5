//! A repository, read and checked: the straight line from a folder to plans and findings that every command begins with.

use std::collections::{BTreeSet, HashSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::check::{self, Subject};
use crate::declare::Declarations;
use crate::finding::Finding;
use crate::inspect::{Facts, Found, inspect};
use crate::plan::build::{Built, Files, Inputs, build, files};
use crate::plan::{NamedFile, Plan};
use crate::sources::Sources;
use crate::task::Tasks;

/// What stands in the files.
pub struct Repository {
    pub root: Utf8PathBuf,
    pub sources: Sources,
    pub declarations: Declarations,
    /// Of reading.
    findings: Vec<Finding>,
    files: Files,
}

/// What follows from it: the plans, and everything that is wrong.
pub struct Examined {
    /// Of every environment whose order has no cycle, in the order listed.
    pub plans: Vec<(String, Plan)>,
    pub findings: Vec<Finding>,
    /// What `[[accept]]` took out of the findings: a gate asks for the accepted `first-run-in`.
    pub accepted: Vec<Finding>,
}

impl Repository {
    #[must_use]
    pub fn read(root: &Utf8Path) -> Repository {
        let mut sources = Sources::load(root);
        let (declarations, mut findings) = Declarations::read(&sources);
        let read = sources.problems.len();
        sources.load_nearby(root, &check::wanted(&declarations));
        findings.extend_from_slice(&sources.problems[read..]);
        let files = files(&declarations);
        Repository { root: root.to_owned(), sources, declarations, findings, files }
    }

    /// The text of a file that a finding is about.
    #[must_use]
    pub fn text(&self, file: &Utf8Path) -> Option<&str> {
        self.sources.text(file.as_str()).or_else(|| self.sources.nearby.get(file)?.text())
    }

    /// Whether the list of environments itself could not be read: then nobody can say which there are.
    #[must_use]
    pub fn unreadable(&self) -> bool {
        self.findings.iter().any(|finding| finding.place.file.as_str() == crate::declare::ORCHESTRATION)
    }

    /// Makes all plans and checks everything.
    #[must_use]
    pub fn examine(&self, tasks: &Tasks) -> Examined {
        let inputs = Inputs { declarations: &self.declarations, tasks, sources: &self.sources };
        let mut findings = self.findings.clone();
        let mut plans: Vec<(String, Built<'_>)> = Vec::new();
        let environments: Vec<&str> = self.declarations.environments().collect();
        for environment in environments {
            let (built, found) = build(inputs, environment, &self.files);
            findings.extend(found);
            plans.extend(built.map(|built| (environment.to_owned(), built)));
        }
        let named: Vec<Vec<BTreeSet<Utf8PathBuf>>> = plans
            .iter()
            .map(|(_, built)| built.plan.steps.iter().map(crate::plan::Step::candidates).collect())
            .collect();
        // The same few in every environment: told apart before they are sorted.
        let distinct: HashSet<&str> = named.iter().flatten().flatten().map(|path| path.as_str()).collect();
        let mut wanted: BTreeSet<Utf8PathBuf> = distinct.into_iter().map(Utf8PathBuf::from).collect();
        let steps = plans.iter().flat_map(|(_, built)| &built.plan.steps);
        let folders: HashSet<String> = steps.filter_map(|step| step.cwd.known()).collect();
        wanted.extend(folders.into_iter().map(Utf8PathBuf::from));
        let facts = inspect(&self.root, &wanted);
        findings.extend(check::check(&Subject {
            declarations: &self.declarations,
            sources: &self.sources,
            plans: &plans,
            named: &named,
            facts: &facts,
        }));
        let mut findings = check::merged(findings, &self.declarations);
        let accepted = check::accept::accept(&self.declarations, &mut findings);
        let used = used(&self.declarations);
        let plans = plans
            .into_iter()
            .zip(named)
            .map(|((environment, built), named)| (environment, attach(built.plan, &named, &facts, &used)))
            .collect();
        Examined { plans, findings, accepted }
    }
}

/// Adds to every step the files that it names and that are there.
fn attach(mut plan: Plan, named: &[BTreeSet<Utf8PathBuf>], facts: &Facts, used: &Used) -> Plan {
    for (step, named) in plan.steps.iter_mut().zip(named) {
        let always = step.scripts();
        let patterns = used.get(&step.file).map(Vec::as_slice).unwrap_or_default();
        // What an argument names elsewhere may be what a deployment makes, and is not what is deployed.
        let released = |path: &Utf8Path| {
            always.contains(path)
                || path.starts_with("pipelines")
                || patterns.iter().any(|pattern| crate::glob::matches(pattern, path))
        };
        let files = named.iter().filter(|path| released(path)).filter_map(|path| match facts.get(path.as_str()) {
            Some(Found::File(file)) => Some(NamedFile { path: path.clone(), sha256: file.sha256.clone() }),
            _ => None,
        });
        let files = files.collect();
        step.files = files;
    }
    plan
}

/// The patterns of `uses` of every pipeline that has some, by its file.
type Used = std::collections::HashMap<Utf8PathBuf, Vec<Utf8PathBuf>>;

fn used(declarations: &Declarations) -> Used {
    let with = declarations.pipelines.iter().filter(|(_, pipeline)| !pipeline.uses.is_empty());
    with.map(|(name, pipeline)| {
        let patterns = check::forgotten::patterns(name, pipeline).filter_map(|(_, path)| path);
        (crate::declare::pipeline_file(name), patterns.collect())
    })
    .collect()
}

impl Examined {
    #[must_use]
    pub fn plan(&self, environment: &str) -> Option<&Plan> {
        self.plans.iter().find(|(name, _)| name == environment).map(|(_, plan)| plan)
    }

    /// The findings that stop a deployment of this environment.
    pub fn stopping<'a>(&'a self, environment: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |finding| finding.stops(environment))
    }
}
