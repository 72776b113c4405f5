//! The test that a repository's owner has, tested: what is new, changed and stale fails, and says what to do.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ciao::Tasks;
use ciao::testing::{StepOrder, snapshot};
use support::Repo;

const TWO: &str = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
[[environment]]
name = "prod"
-- environment.toml --
[parameters]
host = { type = "host" }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
host = "dev.example"
-- environments/prod.toml --
host = "example"
-- environments/personal/me.toml --
like = "dev"
-- deployments/a/pipeline.toml --
step = [{ name = "one", run = ["x", "${host}"] }, { name = "two", run = ["y"] }]
"#;

#[test]
fn listed_environments_are_compared_and_personal_ones_are_not() {
    let repo = Repo::bare(TWO);
    let order = StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new());
    let names: Vec<&str> = order.environments.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["dev", "prod"]);
    assert_eq!(order.folder.as_str(), repo.path("tests/snapshots").to_str().unwrap());
    assert!(order.environments[1].1.contains("x ${host}"), "names in place of values");
}

#[test]
fn a_snapshot_of_an_environment_that_is_gone_is_told() {
    let repo = Repo::bare(TWO);
    for name in ["step-order-dev.snap", "step-order-old.snap", "other.snap", "step-order-dev.snap.new"] {
        repo.write(&format!("tests/snapshots/{name}"), "");
    }
    let order = StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new());
    let stale = order.stale();
    assert_eq!(stale.len(), 1, "{stale:?}");
    assert!(stale[0].contains("step-order-old.snap is of an environment that is not listed: delete it"));
    assert_eq!(snapshot("dev"), "step-order-dev");
}

#[test]
fn no_environment_is_not_nothing_to_compare() {
    let repo = Repo::bare("");
    assert!(catch_unwind(AssertUnwindSafe(|| StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new()))).is_err());
    let cyclic = TWO.replace("run = [\"y\"]", "run = [\"y\"], needs = [\"two\"]");
    let repo = Repo::bare(&cyclic);
    let read = || StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new()).environments.len();
    let panicked = catch_unwind(AssertUnwindSafe(read)).unwrap_err();
    let message = panicked.downcast_ref::<String>().unwrap();
    assert!(message.contains("step `two` needs itself"), "{message}");
}
