//! The test that a repository's owner has, tested: what is new, changed and stale fails, and says what to do.

mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ciao::testing::{StepOrder, built_elsewhere, snapshot};
use ciao::{TaskResult, Tasks};
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
    let order = StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new());
    assert!(
        order.environments.is_empty() && order.refused[0].contains("step `two` needs itself"),
        "{:?}",
        order.refused
    );
}

/// `check` told it, and the test that README calls the proof was green.
#[test]
fn an_environment_that_would_be_refused_passed_the_test() {
    let verified =
        TWO.replace("{ name = \"two\", run = [\"y\"] }", "{ name = \"two\", run = [\"true\"], verify = true }");
    let repo = Repo::bare(&verified.replace("\"x\"", "\"echo\""));
    let read = || StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new());
    assert_eq!(read().refused, [""; 0]);
    repo.write("pipelines/environments/prod.toml", "");
    let order = read();
    assert_eq!(order.environments.len(), 2);
    let said = order.refused.join("\n");
    assert!(said.contains("a deployment of `prod` would be refused: see `cargo xtask check`"), "{said}");
    assert!(said.contains("gives no value for `host`"), "{said}");
    // The test of a package at the root does not know the tasks, and says nothing of them.
    repo.write("pipelines/environments/prod.toml", "host = \"example\"\n");
    let pipeline = "[[step]]\nname = \"t\"\ntask = \"greet\"\nwith = { name = \"${host}\" }\n[[step]]\nname = \"v\"\nrun = [\"true\"]\nverify = true\n";
    repo.write("pipelines/deployments/a/pipeline.toml", pipeline);
    assert_eq!(read().refused, [""; 0]);
    let other = Tasks::new().add("other", "Another one", |_: BTreeMap<String, String>| -> TaskResult { Ok(()) });
    let said = StepOrder::read(repo.root.to_str().unwrap(), &other).refused.join("\n");
    assert!(said.contains("greet"), "{said}");
}

/// With a shared build folder cargo runs the test of one repository for another one.
#[test]
fn a_test_that_was_built_for_another_repository_was_green() {
    let (one, two) = (Repo::bare(TWO), Repo::bare(TWO));
    let (one, two) = (one.root.to_str().unwrap(), two.root.to_str().unwrap());
    let said = built_elsewhere(one, Some(two)).unwrap();
    assert!(
        said.contains(&format!("built for {one}, and is run for {two}")) && said.contains("CARGO_TARGET_DIR"),
        "{said}"
    );
    assert_eq!(built_elsewhere(one, Some(&format!("{one}/."))), None);
    // Started by hand.
    assert_eq!(built_elsewhere(one, None), None);
    assert!(built_elsewhere("/not/there/any/more", Some(two)).is_some());
}

/// A version that writes the same order in another way could not be proved: its test compared texts.
#[test]
fn the_snapshots_of_another_version_were_asked_while_it_was_replaced() {
    let repo = Repo::bare(TWO);
    let compared = StepOrder::read(repo.root.to_str().unwrap(), &Tasks::new()).compared;
    if std::env::var_os(ciao::template::ORDER_ONLY).is_some() {
        return assert!(!compared);
    }
    assert!(compared);
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "the_snapshots_of_another_version_were_asked_while_it_was_replaced"]);
    assert!(again.env(ciao::template::ORDER_ONLY, "1").output().unwrap().status.success());
}
