//! For the tests of a repository that has pipelines: the order of its steps, held by snapshots.
//!
//! The comparison is insta's, in the crate of the test: the engine itself does not depend on it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use crate::repository::Repository;
use crate::show::{self, word::Side};
use crate::sources::root_of;
use crate::task::Tasks;

pub use crate::template::snapshot;

/// Compares the steps of every listed environment, in their order and with names in place of values, with
/// `tests/snapshots/step-order-<environment>.snap`. All that differ are told at once, with how to accept them.
#[macro_export]
macro_rules! assert_step_order {
    ($tasks:expr) => {{
        let order = $crate::testing::StepOrder::read(env!("CARGO_MANIFEST_DIR"), &$tasks);
        let mut wrong = order.stale();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&order.folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (environment, skeleton) in &order.environments {
            let name = $crate::testing::snapshot(environment);
            let compare = || settings.bind(|| insta::assert_snapshot!(name.as_str(), skeleton));
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).is_err() {
                wrong.push(format!("the steps of `{environment}` are not those of {}/{name}.snap", order.folder));
            }
        }
        assert!(wrong.is_empty(), "\n{}\n{}\n", wrong.join("\n"), $crate::testing::ACCEPT);
    }};
}

/// What to do when a snapshot differs.
pub const ACCEPT: &str = "if that is how it shall be: INSTA_UPDATE=always cargo test --test step_order, \
                          then look at the difference and commit it";

/// The steps of every listed environment.
pub struct StepOrder {
    /// Where the snapshots are.
    pub folder: Utf8PathBuf,
    /// By name, in the order listed.
    pub environments: Vec<(String, String)>,
}

impl StepOrder {
    /// Reads the repository that a folder belongs to.
    ///
    /// # Panics
    /// If it lists no environment, or one of them has no plan: then there is nothing that a test could hold.
    #[must_use]
    pub fn read(folder: &str, tasks: &Tasks) -> StepOrder {
        let root = root_of(Utf8Path::new(folder));
        let repository = Repository::read(&root);
        let names: Vec<&str> = repository.declarations.orchestration.names().collect();
        assert!(!names.is_empty(), "{root} lists no environment: see `cargo xtask check`");
        let skeleton = |name: &str| match repository.skeleton(name, tasks) {
            Some(plan) => show::plan::text(&plan, Side::Skeleton, tasks),
            None => {
                let examined = repository.examine(tasks);
                let findings = examined.stopping(name);
                panic!("{}", show::findings::text(findings, &|file| repository.text(file), false))
            }
        };
        let environments = names.into_iter().map(|name| (name.to_owned(), skeleton(name))).collect();
        StepOrder { folder: root.join("tests/snapshots"), environments }
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
