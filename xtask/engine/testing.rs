//! For the tests of a repository that has pipelines: the order of its steps, held by snapshots.
//!
//! The comparison is insta's, in the crate of the test: the engine itself does not depend on it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::finding::{Code, Finding, listed};
use crate::repository::Repository;
use crate::show::{self, word::Side};
use crate::sources::root_of;
use crate::task::Tasks;

pub use crate::template::snapshot;
use crate::template::{ACCEPT, ORDER_ONLY};

/// Compares the steps of every listed environment, in their order and with names in place of values, with
/// `tests/snapshots/step-order-<environment>.snap`. All that differ are told at once, with how to accept them; and what
/// would refuse a deployment.
#[macro_export]
macro_rules! assert_step_order {
    ($tasks:expr) => {{
        let started_for = std::env::var("CARGO_MANIFEST_DIR").ok();
        if let Some(elsewhere) = $crate::testing::built_elsewhere(env!("CARGO_MANIFEST_DIR"), started_for.as_deref()) {
            panic!("\n{elsewhere}\n");
        }
        let order = $crate::testing::StepOrder::read(env!("CARGO_MANIFEST_DIR"), &$tasks);
        let mut wrong = order.refused.clone();
        wrong.extend(order.stale());
        let before = wrong.len();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&order.folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (environment, skeleton) in order.environments.iter().filter(|_| order.compared) {
            let name = $crate::testing::snapshot(environment);
            let compare = || settings.bind(|| insta::assert_snapshot!(name.as_str(), skeleton));
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).is_err() {
                wrong.push(format!("the steps of `{environment}` are not those of {}/{name}.snap", order.folder));
            }
        }
        if wrong.len() > before {
            wrong.push($crate::testing::accepted());
        }
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }};
}

/// What to do when a snapshot differs.
#[must_use]
pub fn accepted() -> String {
    format!("if that is how it shall be: {ACCEPT}, then look at the difference and commit it")
}

/// The steps of every listed environment.
pub struct StepOrder {
    /// Where the snapshots are.
    pub folder: Utf8PathBuf,
    /// By name, in the order listed; without those that have no plan.
    pub environments: Vec<(String, String)>,
    /// Why deployments would be refused.
    pub refused: Vec<String>,
    /// Whether the snapshots are asked: an upgrade compares the plans of both versions, which may write them otherwise.
    pub compared: bool,
}

/// Says that a test was built for another repository than the one cargo starts it for: two copies that share a build folder
/// have one program of this name, and the steps of the other one would be compared.
#[must_use]
pub fn built_elsewhere(built_for: &str, started_for: Option<&str>) -> Option<String> {
    let started_for = started_for?;
    let real = |folder: &str| Utf8Path::new(folder).canonicalize_utf8().ok();
    if built_for == started_for || (real(built_for).is_some() && real(built_for) == real(started_for)) {
        return None;
    }
    Some(format!(
        "this test was built for {built_for}, and is run for {started_for}: give each repository a build folder of its own\n\
         (`CARGO_TARGET_DIR`, `build.target-dir`); where it has been moved: `touch tests/step_order.rs`"
    ))
}

impl StepOrder {
    /// Reads the repository that a folder belongs to.
    ///
    /// # Panics
    /// If it lists no environment: then there is nothing that a test could hold.
    #[must_use]
    pub fn read(folder: &str, tasks: &Tasks) -> StepOrder {
        let root = root_of(Utf8Path::new(folder));
        let repository = Repository::read(&root);
        let examined = repository.examine_for(tasks, |_| false);
        let names: Vec<&str> = repository.declarations.orchestration.names().collect();
        assert!(!names.is_empty(), "{root} lists no environment: see `cargo xtask check`");
        let skeleton = |name: &str| {
            let plan = repository.skeleton(name, tasks)?;
            Some((name.to_owned(), show::plan::text(&plan, Side::Skeleton, tasks)))
        };
        let environments: Vec<(String, String)> = names.iter().filter_map(|name| skeleton(name)).collect();
        // The test of a package at the root knows no tasks: what they are made with is the xtask's.
        let unknown = |finding: &Finding| tasks.iter().next().is_none() && finding.code == Code::UnknownTask;
        let counts = |finding: &&Finding, name: &str| finding.stops(name) && !unknown(finding);
        let stops = |name: &&&str| examined.findings.iter().any(|finding| counts(&finding, name));
        let stopped: Vec<&str> = names.iter().filter(stops).copied().collect();
        let mut refused = Vec::new();
        let compared = std::env::var_os(ORDER_ONLY).is_none();
        if !stopped.is_empty() && (compared || environments.len() < names.len()) {
            let all = examined.findings.iter().filter(|finding| stopped.iter().any(|name| counts(finding, name)));
            let text = show::findings::text(all, &|file| repository.text(file), false);
            let stopped = listed(stopped);
            refused.push(format!("a deployment of {stopped} would be refused: see `cargo xtask check`\n{text}"));
        }
        StepOrder { folder: root.join("tests/snapshots"), environments, refused, compared }
    }

    /// The snapshots of environments that there are no more.
    #[must_use]
    pub fn stale(&self) -> Vec<String> {
        let known = |name: &str| self.environments.iter().any(|(environment, _)| snapshot(environment) == name);
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut stale: Vec<String> = names
            .filter(|name| {
                let stem = name.strip_suffix(".snap").filter(|stem| stem.starts_with("step-order-"));
                stem.is_some_and(|stem| !known(stem))
            })
            .map(|name| format!("{}/{name} is of an environment that is not listed: delete it", self.folder))
            .collect();
        stale.sort();
        stale
    }
}
