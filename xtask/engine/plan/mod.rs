//! The plan: everything that a deployment of one environment will do, as a value.
//!
//! It is made by [`build`], shown by `show` and run by `run`: what is shown is what runs.
//! It holds no secret, no time, no absolute path, and knows nothing of processes, files or git.

#![forbid(unsafe_code)]

pub mod build;
mod draft;
pub mod graph;
mod instances;
pub mod named;
pub mod names;
mod order;
pub mod path;
pub mod scope;
mod step;
mod text;
pub mod value;

use ciao_base::map;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

pub use ciao_declare::parameter::Type;
pub use text::{Argument, Builtin, Piece, Text, Tree};

/// What a comprehensive deployment of one environment consists of.
#[derive(Debug)]
pub struct Plan {
    pub environment: String,
    /// Whether the environment is a personal one: no gate, and it opens none.
    pub personal: bool,
    /// `[env]` of environment.toml: for every step.
    pub env: BTreeMap<String, EnvValue>,
    /// The calls of pipelines, instances apart, in the order listed.
    pub calls: Vec<Call>,
    /// In an order in which they may run one after the other, the same on every machine.
    pub steps: Vec<Step>,
    pub graph: Graph,
    /// Where the secrets come from that a step of this plan uses, by name.
    pub secrets: BTreeMap<Arc<str>, Secret>,
    /// What steps name below `pipelines` or in `uses`, and a link leads to outside of the repository.
    pub outside: BTreeSet<Utf8PathBuf>,
}

/// One call of a deployment pipeline, or one instance of a call with `for_each`.
#[derive(Debug)]
pub struct Call {
    /// `web`, or `web[eu-west]` for an instance.
    pub id: String,
    pub name: String,
    pub each: Option<String>,
    /// The list of its `for_each`, as written.
    pub for_each: Option<Arc<str>>,
    /// The calls that it needs, by name; `None` where it needs all above.
    pub needs: Option<Vec<String>>,
    /// Whether its instances run side by side.
    pub parallel: bool,
    /// Of its pipeline: for all its steps.
    pub env: BTreeMap<String, EnvValue>,
    pub pipeline: Arc<Utf8Path>,
}

/// Who must be done before whom. The first nodes are the steps, in the plan's order; the others are
/// joins, which stand for "all of these", so that n steps after m others cost n + m and not n × m.
#[derive(Debug, Default)]
pub struct Graph {
    /// For every node the nodes that must be done before it.
    pub needs: Vec<Vec<u32>>,
    /// How many of the nodes are steps.
    pub steps: usize,
}

#[derive(Debug)]
pub struct Step {
    /// `database/load-data`, `web[eu-west]/install` or `web/install[eu-west]`.
    pub id: String,
    /// Index into [`Plan::calls`].
    pub call: usize,
    pub name: String,
    /// The item of its own `for_each`, else that of its call's.
    pub each: Option<String>,
    /// The list of its own `for_each`, as written.
    pub for_each: Option<Arc<str>>,
    pub action: Action,
    /// Its own variables only; [`Plan::env_of`] merges them with those of its pipeline and of all.
    pub env: BTreeMap<String, EnvValue>,
    /// From the root of the repository; `.` is the root.
    pub cwd: Text,
    pub stdin: Option<Stdin>,
    /// False if `when` switches it off: it counts as done.
    pub runs: bool,
    /// The steps that it needs, as written; `None` where it needs all above. [`Plan::direct_needs`] has what follows.
    pub needs: Option<Vec<String>>,
    /// Whether its instances run side by side.
    pub parallel: bool,
    /// The conditions, as written, of the call and of the step.
    pub when: Vec<String>,
    pub provides: Vec<String>,
    pub requires: Vec<String>,
    /// The guard: exit 0 means that the step is done already.
    pub unless: Option<Vec<Argument>>,
    pub output: Option<Output>,
    pub finally: Option<Box<Finally>>,
    pub retries: Option<Retries>,
    pub timeout: Duration,
    pub detach: bool,
    pub verify: bool,
    /// The parameters that it uses, sorted.
    pub parameters: BTreeSet<Arc<str>>,
    /// The secrets that it uses, sorted.
    pub secrets: BTreeSet<Arc<str>>,
    /// The files that it names and the digest of each, compared right before it starts.
    pub files: Vec<NamedFile>,
    /// Where it stands in the files.
    pub file: Arc<Utf8Path>,
    pub line: usize,
}

/// What a step does. Exactly one of the three is written in a `[[step]]`.
#[derive(Debug, Clone)]
pub enum Action {
    /// A command, run without a shell. The first argument is the program.
    Run(Vec<Argument>),
    /// A file of the repository, run as it is. `path` is from the root.
    Script { path: Text, args: Vec<Argument> },
    /// A Rust function that the repository's xtask registers.
    Task { name: String, with: Tree },
}

/// The value of an environment variable.
#[derive(Debug, Clone)]
pub enum EnvValue {
    Text(Text),
    /// `{ file = "…" }`: the content of a private file that exists while the step runs; the variable is its path.
    File(Text),
}

#[derive(Debug, Clone)]
pub enum Stdin {
    Text(Text),
    /// A file of the repository, from the root.
    File(Text),
}

/// What a step produces. Others use it as `${name}` or, if it is JSON, also `${name.key}`.
#[derive(Debug, Clone)]
pub struct Output {
    pub name: String,
    pub json: bool,
    pub secret: bool,
}

/// Work owed from the moment that its step starts.
#[derive(Debug, Clone)]
pub struct Finally {
    pub action: Action,
    pub env: BTreeMap<String, EnvValue>,
    pub cwd: Text,
    pub stdin: Option<Stdin>,
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    /// In all, the first one included.
    pub attempts: u32,
    pub delay: Duration,
    /// What the delay is multiplied by after each attempt.
    pub backoff: f64,
}

/// A secret, as it is known before it is read.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What it must be when it is read.
    pub kind: Type,
    pub source: SecretSource,
}

/// Where a secret is read from, after the lock is taken and before the first step.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// A variable of the caller's environment.
    Env(String),
    /// A file; from the root of the repository if relative.
    File(String),
    /// A command whose standard output is the secret; `source` is its name in `[secrets]`.
    Command { source: String, run: Vec<String> },
}

/// A file of the repository that a step names, and the SHA-256 of its content when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub path: Utf8PathBuf,
    pub sha256: String,
}

impl Plan {
    /// A plan without steps, where the files make none.
    #[must_use]
    pub fn empty(environment: &str, personal: bool) -> Plan {
        Plan {
            environment: environment.to_owned(),
            personal,
            env: BTreeMap::new(),
            calls: Vec::new(),
            steps: Vec::new(),
            graph: Graph::default(),
            secrets: BTreeMap::new(),
            outside: BTreeSet::new(),
        }
    }

    /// Every file that its steps name, compared right before they start, once.
    #[must_use]
    pub fn files(&self) -> BTreeSet<&Utf8Path> {
        let named = self.steps.iter().flat_map(|step| &step.files).map(|file| &*file.path);
        named.chain(self.outside.iter().map(|path| &**path)).collect()
    }

    /// All variables that the files set for a step: `[env]`, its pipeline's, its own; the last one counts.
    #[must_use]
    pub fn env_of<'a>(&'a self, step: &'a Step) -> BTreeMap<&'a str, &'a EnvValue> {
        let scopes = [&self.env, &self.calls[step.call].env, &step.env];
        map(scopes.into_iter().flatten().map(|(name, value)| (name.as_str(), value)))
    }

    /// The steps that must be done right before this one: its needs with the joins resolved.
    #[must_use]
    pub fn direct_needs(&self, step: usize) -> Vec<usize> {
        let own = &self.graph.needs[step];
        if let [only] = own.as_slice()
            && (*only as usize) < self.graph.steps
        {
            return vec![*only as usize];
        }
        let mut found = BTreeSet::new();
        let mut open = own.clone();
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            if (node as usize) < self.graph.steps {
                found.insert(node as usize);
            } else if seen.insert(node) {
                open.extend(&self.graph.needs[node as usize]);
            }
        }
        found.into_iter().collect()
    }
}
