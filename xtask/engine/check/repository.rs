//! A repository, read and checked: the straight line from a folder to plans and findings that every command begins with.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::inspect::{Facts, Found, inspect};
use crate::{self as check, Check};
use ciao_base::task::Tasks;
use ciao_declare::finding::{Code, Finding};
use ciao_declare::sources::{Content, Sources};
use ciao_declare::{DEPLOYMENTS, Declarations, PERSONAL, glob};
use ciao_plan::build::{Files, Inputs, build, files, skeleton};
use ciao_plan::named::{Candidate, Named};
use ciao_plan::{NamedFile, Plan};

/// What stands in the files.
pub struct Repository {
    pub root: Utf8PathBuf,
    pub sources: Sources,
    pub declarations: Declarations,
    /// Of reading.
    findings: Vec<Finding>,
    files: Files,
}

/// What is to be in the release, from the root.
pub struct Deployed<'a> {
    /// Files that pipelines are made of or name.
    files: BTreeSet<&'a Utf8Path>,
    /// Files that match a pattern of `uses`; one may match several.
    used: Vec<&'a Utf8Path>,
    /// Files beside pipelines.
    pub beside: Vec<&'a Utf8Path>,
    /// Of those beside pipelines, which ones are said to be reached by nothing.
    forgotten: BTreeSet<&'a Utf8Path>,
    patterns: Vec<Utf8PathBuf>,
}

impl<'a> Deployed<'a> {
    /// All of these but those beside pipelines.
    pub fn files(&self) -> impl Iterator<Item = &'a Utf8Path> {
        self.files.iter().chain(&self.used).copied()
    }

    /// Whether it holds a file, also one that nobody has looked at.
    #[must_use]
    pub fn holds(&self, file: &Utf8Path) -> bool {
        self.files.contains(file)
            || (file.starts_with(DEPLOYMENTS) && !self.forgotten.contains(file))
            || self.patterns.iter().any(|pattern| glob::matches(pattern, file))
    }
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
        let text = self.sources.text(file.as_str()).or_else(|| self.sources.nearby.get(file)?.text());
        text.or_else(|| self.sources.shown.get(file).map(String::as_str))
    }

    /// Whether the list of environments itself could not be read: then nobody can say which there are.
    #[must_use]
    pub fn unreadable(&self) -> bool {
        let files = [ciao_declare::ORCHESTRATION, ciao_declare::PIPELINES];
        self.findings.iter().any(|finding| files.contains(&finding.place.file.as_str()))
    }

    /// What is to be in the release: the files that these plans are made of and name, but for what is a person's own, and
    /// those that a pipeline uses or that lie beside it.
    #[must_use]
    pub fn deployed<'a>(&'a self, plans: impl Iterator<Item = &'a Plan>) -> Deployed<'a> {
        let patterns: Vec<Utf8PathBuf> = used(&self.declarations).into_values().flatten().collect();
        let nearby = &self.sources.nearby;
        let declared = self.sources.texts.keys().map(|file| &**file).filter(|file| !file.starts_with(PERSONAL));
        let named = plans.filter(|plan| !plan.personal).flat_map(Plan::files);
        let used = patterns.iter().flat_map(|pattern| {
            let folder = glob::folder(pattern);
            let all = folder == ".";
            let below = nearby.range(if all { Utf8PathBuf::new() } else { folder.clone() }..).map(|(path, _)| &**path);
            let below = below.take_while(move |path| all || path.as_str().starts_with(folder.as_str()));
            below.filter(|path| glob::matches(pattern, path))
        });
        let accepted = self.declarations.environment.accept.iter();
        let forgotten: BTreeSet<&Utf8Path> = accepted
            .filter(|accepted| *accepted.code.value == *Code::ForgottenFile.name())
            .map(|accepted| Utf8Path::new(&*accepted.at))
            .collect();
        // What an editor or a file manager leaves is hidden, and no text.
        let is_ours = |path: &Utf8Path, content: &Content| {
            path.starts_with(DEPLOYMENTS)
                && !forgotten.contains(path)
                && (content.text().is_some() || !path.file_name().unwrap_or_default().starts_with('.'))
        };
        Deployed {
            beside: nearby.iter().filter(|(path, content)| is_ours(path, content)).map(|(path, _)| &**path).collect(),
            used: used.collect(),
            files: declared.chain(named).collect(),
            forgotten,
            patterns,
        }
    }

    /// The plan of an environment without any value; none where its order has a cycle or a file cannot be read.
    #[must_use]
    pub fn skeleton(&self, environment: &str, tasks: &Tasks) -> Option<Plan> {
        let inputs = Inputs { declarations: &self.declarations, tasks, sources: &self.sources };
        skeleton(inputs, environment, &self.files)
    }

    /// Makes all plans and checks everything.
    #[must_use]
    pub fn examine(&self, tasks: &Tasks) -> Examined {
        self.examine_for(tasks, |_| true)
    }

    /// Checks everything, and keeps the plans of some environments only: 50 of a thousand steps are many megabytes.
    #[must_use]
    pub fn examine_for(&self, tasks: &Tasks, kept: impl Fn(&str) -> bool) -> Examined {
        let inputs = Inputs { declarations: &self.declarations, tasks, sources: &self.sources };
        let mut findings = self.findings.clone();
        let (mut plans, mut named, mut facts) = (Vec::new(), Named::default(), Facts::new());
        let mut check = Check::new(&self.declarations, &self.sources);
        let used = used(&self.declarations);
        for environment in self.declarations.environments() {
            let (built, found) = build(inputs, environment, &self.files);
            findings.extend(found);
            let Some(built) = built else { continue };
            let (paths, folders) = (named.paths.len(), named.folders.len());
            let candidates = named.of(&built.plan);
            inspect(&self.root, named.paths[paths..].iter().chain(&named.folders[folders..]), &mut facts);
            check.plan(&built, &named, &candidates, &facts);
            if kept(environment) && !built.cyclic {
                plans.push((environment.to_owned(), attach(built.plan, candidates, &named, &facts, &used)));
            }
        }
        findings.extend(check.finish(&named));
        let mut findings = check::merged(findings, &self.declarations);
        let accepted = check::accept::accept(&self.declarations, &mut findings);
        Examined { plans, findings, accepted }
    }
}

/// Adds to every step the files that it names and that are there.
fn attach(mut plan: Plan, candidates: Vec<Vec<Candidate>>, named: &Named, facts: &Facts, used: &Used) -> Plan {
    let found: Vec<_> = named.paths.iter().map(|path| facts.get(path.as_str())).collect();
    for (step, mut candidates) in plan.steps.iter_mut().zip(candidates) {
        // One that is deployed before the same one that is not.
        candidates.sort_unstable_by_key(|candidate| (candidate.path, !candidate.deployed));
        candidates.dedup_by_key(|candidate| candidate.path);
        for candidate in candidates {
            let found = found[candidate.path as usize];
            if !matches!(found, Some(Found::File(_) | Found::Outside)) {
                continue;
            }
            let path = &named.paths[candidate.path as usize];
            let patterns = used.get(&*step.file).map(Vec::as_slice).unwrap_or_default();
            // What an argument names elsewhere may be what a deployment makes, and is not what is deployed.
            let is_released = candidate.deployed
                || path.starts_with("pipelines")
                || patterns.iter().any(|pattern| glob::matches(pattern, path));
            match found {
                Some(Found::File(file)) if is_released => {
                    step.files.push(NamedFile { path: path.clone(), sha256: file.sha256.clone() })
                }
                Some(Found::Outside) if is_released => _ = plan.outside.insert(path.clone()),
                _ => {}
            }
        }
        step.files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    }
    plan
}

/// The patterns of `uses` of every pipeline that has some, by its file.
type Used = std::collections::HashMap<Utf8PathBuf, Vec<Utf8PathBuf>>;

fn used(declarations: &Declarations) -> Used {
    let with = declarations.pipelines.iter().filter(|(_, pipeline)| !pipeline.uses.is_empty());
    with.map(|(name, pipeline)| {
        let patterns = check::forgotten::patterns(name, pipeline).filter_map(|(_, path)| path);
        (ciao_declare::pipeline_file(name), patterns.collect())
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
