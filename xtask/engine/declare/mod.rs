//! Declarations: the four kinds of file as written, with the place of everything in them.
//!
//! Each file is read on its own; nothing here knows what another file says. Pure: text in, values and findings out.

#![forbid(unsafe_code)]

pub mod environment;
pub mod finding;
pub mod given;
pub mod glob;
pub mod literal;
pub mod orchestration;
pub mod parameter;
pub mod pipeline;
pub mod read;
pub mod shape;
pub mod sources;
pub mod step;
pub mod template;
pub mod values;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::finding::{Code, Finding, Place};
use crate::sources::Sources;

pub use environment::EnvironmentPipeline;
pub use orchestration::Orchestration;
pub use pipeline::Pipeline;
pub use values::Values;

pub const PIPELINES: &str = "pipelines";
pub const ORCHESTRATION: &str = "pipelines/orchestration.toml";
pub const ENVIRONMENT: &str = "pipelines/environment.toml";
pub const ENVIRONMENTS: &str = "pipelines/environments";
pub const PERSONAL: &str = "pipelines/environments/personal";
pub const DEPLOYMENTS: &str = "pipelines/deployments";

/// All files, as written.
#[derive(Debug)]
pub struct Declarations {
    pub orchestration: Orchestration,
    pub environment: EnvironmentPipeline,
    /// By name.
    pub pipelines: BTreeMap<Arc<str>, Pipeline>,
    /// Of the listed environments, by name.
    pub values: BTreeMap<Arc<str>, Values>,
    /// Of the personal ones.
    pub personal: BTreeMap<Arc<str>, Values>,
    /// The files that are not there, cannot be read or are no TOML. What would follow from that is not reported.
    pub broken: BTreeSet<Arc<Utf8Path>>,
}

impl Declarations {
    /// Reads every file. Findings about what is not there, or is there and should not be, come with them.
    #[must_use]
    pub fn read(sources: &Sources) -> (Declarations, Vec<Finding>) {
        let mut findings = sources.problems.clone();
        let orchestration = match sources.text(ORCHESTRATION) {
            Some(text) => orchestration::read(Utf8Path::new(ORCHESTRATION), text, &mut findings),
            None => absent(ORCHESTRATION, "it lists the environments", sources, &mut findings),
        };
        let environment = match sources.text(ENVIRONMENT) {
            Some(text) => environment::read(Utf8Path::new(ENVIRONMENT), text, &mut findings),
            None => absent(ENVIRONMENT, "it calls the deployment pipelines", sources, &mut findings),
        };
        let mut declarations = Declarations {
            orchestration,
            environment,
            pipelines: BTreeMap::new(),
            values: BTreeMap::new(),
            personal: BTreeMap::new(),
            broken: BTreeSet::new(),
        };
        for (path, text) in &sources.texts {
            declarations.read_one(path, text, &mut findings);
        }
        let broken = findings.iter().filter(|finding| finding.code == Code::Syntax);
        declarations.broken = broken.map(|finding| Arc::clone(&finding.place.file)).collect();
        (declarations, findings)
    }

    fn read_one(&mut self, path: &Utf8Path, text: &str, findings: &mut Vec<Finding>) {
        let Some(folder) = path.parent() else { return };
        let stem = path.file_stem().unwrap_or_default();
        if folder == ENVIRONMENTS || folder == PERSONAL {
            let personal = folder == PERSONAL;
            // Only what stands in the file itself stops nobody else's deployment.
            let mut own = Vec::new();
            let values = values::read(path, text, personal, &mut own);
            findings.extend(own.into_iter().map(|finding| finding.only_in(stem)));
            let all = if personal { &mut self.personal } else { &mut self.values };
            all.insert(stem.into(), values);
        } else if path.file_name() == Some("pipeline.toml")
            && let Some(name) = folder.strip_prefix(DEPLOYMENTS).ok().filter(|name| name.components().count() == 1)
        {
            self.pipelines.insert(name.as_str().into(), pipeline::read(path, text, findings));
        }
    }

    #[must_use]
    pub fn is_broken(&self, file: impl AsRef<Utf8Path>) -> bool {
        self.broken.contains(file.as_ref())
    }

    /// The values of an environment, listed or personal.
    #[must_use]
    pub fn values_of(&self, environment: &str) -> Option<&Values> {
        self.values.get(environment).or_else(|| self.personal.get(environment))
    }

    /// Whether it is a personal environment: it has values of its own and is not listed.
    #[must_use]
    pub fn is_personal(&self, environment: &str) -> bool {
        self.orchestration.get(environment).is_none() && self.personal.contains_key(environment)
    }

    /// Listed environments in their order, then the personal ones.
    pub fn environments(&self) -> impl Iterator<Item = &str> + Clone {
        let personal = self.personal.keys().map(|name| &**name).filter(|name| self.is_personal(name));
        self.orchestration.names().chain(personal)
    }
}

/// Where a pipeline's file stands.
#[must_use]
pub fn pipeline_file(name: &str) -> Utf8PathBuf {
    Utf8Path::new(DEPLOYMENTS).join(name).join("pipeline.toml")
}

/// Where a listed environment's values stand.
#[must_use]
pub fn values_file(name: &str) -> Utf8PathBuf {
    Utf8Path::new(ENVIRONMENTS).join(format!("{name}.toml"))
}

fn absent<T: Default>(file: &str, what: &str, sources: &Sources, findings: &mut Vec<Finding>) -> T {
    // A file that is there and cannot be read is reported as that.
    if !sources.problems.iter().any(|problem| [file, PIPELINES].contains(&problem.place.file.as_str())) {
        let help = format!("create it: {what}; `cargo xtask init` writes a first one");
        findings.push(Finding::error(Code::Syntax, Place::start_of(file), format!("{file} does not exist"), help));
    }
    T::default()
}
