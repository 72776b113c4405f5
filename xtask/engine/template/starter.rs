//! The files that a new owner starts with. They are real files below `starter/`, so that editors and tests read them too.

/// A file of the owner's.
pub struct Starter {
    /// Where it goes, from the root of the copy.
    pub path: &'static str,
    pub text: &'static str,
    pub executable: bool,
}

macro_rules! starter {
    ($path:literal, $file:literal) => {
        Starter { path: $path, text: include_str!(concat!("starter/", $file)), executable: false }
    };
    (executable $path:literal, $file:literal) => {
        Starter { executable: true, ..starter!($path, $file) }
    };
}

pub const CODE: [Starter; 2] =
    [starter!("xtask/src/main.rs", "src/main.rs"), starter!("xtask/src/tasks.rs", "src/tasks.rs")];

pub const TEST: Starter = starter!("tests/step_order.rs", "tests/step_order.rs");
/// Where a package stands at the root the test is one of that package, which has not what the tasks are made with.
pub const TEST_OF_ROOT: &str = include_str!("starter/tests/step_order_of_root.rs");

pub const ORCHESTRATION: Starter = starter!("pipelines/orchestration.toml", "pipelines/orchestration.toml");
pub const ENVIRONMENT: Starter = starter!("pipelines/environment.toml", "pipelines/environment.toml");

pub const VALUES: [Starter; 3] = [
    starter!("pipelines/environments/dev.toml", "pipelines/environments/dev.toml"),
    starter!("pipelines/environments/test.toml", "pipelines/environments/test.toml"),
    starter!("pipelines/environments/prod.toml", "pipelines/environments/prod.toml"),
];

pub const APP: [Starter; 2] = [
    starter!("pipelines/deployments/app/pipeline.toml", "pipelines/deployments/app/pipeline.toml"),
    starter!(executable "pipelines/deployments/app/verify.sh", "pipelines/deployments/app/verify.sh"),
];

pub const CI: Starter = starter!(executable ".ci/run", "ci/run");
pub const WORKFLOW: Starter = starter!(".github/workflows/deployments.yml", "ci/workflow.yml");
