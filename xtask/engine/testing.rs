//! What a repository's own tests call. The work is here, so that a copy's test of the step order stays three lines.

use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::Plan;
use crate::repository::Repository;
use crate::show::plan::text;
use crate::show::word::Side;
use crate::sources::root_of;
use crate::task::Tasks;

/// The listed environments of this repository, each with the order of its steps: names in place of values, so that a
/// corrected value changes nothing here.
///
/// # Panics
/// If an environment has no plan: its order has a cycle, or is nowhere to be read.
#[must_use]
pub fn step_orders() -> Vec<(String, String)> {
    let here = std::env::current_dir().ok().and_then(|here| Utf8PathBuf::from_path_buf(here).ok());
    orders(&root_of(&here.expect("tests run in a folder whose name is UTF-8")))
}

/// The same for the repository at `root`.
///
/// # Panics
/// If an environment has no plan.
#[must_use]
pub fn orders(root: &Utf8Path) -> Vec<(String, String)> {
    let repository = Repository::read(root);
    let examined = repository.examine(&Tasks::new());
    let names = repository.declarations.orchestration.names();
    names
        .map(|name| {
            let plan = examined
                .plan(name)
                .unwrap_or_else(|| panic!("there is no plan for {name}: `cargo xtask check` says why"));
            (name.to_owned(), order(plan))
        })
        .collect()
}

fn order(plan: &Plan) -> String {
    text(plan, Side::Skeleton, &Tasks::new())
}
