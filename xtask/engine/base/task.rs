//! Rust tasks: functions of the repository's owner that steps call by name.
//!
//! A task runs in a process of its own, as commands do: it can be timed out, killed and masked like them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a task may fail with. Any error converts into it with `?`.
pub type TaskResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

type Call = Box<dyn Fn(serde_json::Value) -> TaskResult<serde_json::Value> + Send + Sync>;
type Verify = Box<dyn Fn(serde_json::Value) -> Result<(), String> + Send + Sync>;

/// A registered task: its help, the check of its arguments, the function.
pub struct Task {
    pub help: String,
    pub verify: Verify,
    pub call: Call,
}

/// The tasks that steps may call, by name. The repository's owner registers them in `src/tasks.rs`.
#[derive(Default)]
pub struct Tasks {
    tasks: BTreeMap<String, Task>,
}

impl Tasks {
    #[must_use]
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// Registers `function` under `name`. `help` is one line for people who look for it; `A` is what `with`
    /// must hold (derive `Deserialize` and add `#[serde(deny_unknown_fields)]`), and is checked when the files are
    /// read. What the function returns becomes the step's output, if the step names one.
    ///
    /// # Panics
    /// If the name is registered already.
    #[must_use]
    pub fn add<A, R>(mut self, name: &str, help: &str, function: fn(A) -> TaskResult<R>) -> Tasks
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let task = Task {
            help: help.to_owned(),
            verify: Box::new(|with| serde_json::from_value::<A>(with).map(drop).map_err(|error| error.to_string())),
            call: Box::new(move |with| {
                let arguments = serde_json::from_value::<A>(with)?;
                Ok(serde_json::to_value(function(arguments)?)?)
            }),
        };
        assert!(self.tasks.insert(name.to_owned(), task).is_none(), "task {name} is registered twice");
        self
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Task> {
        self.tasks.get(name)
    }

    /// Name and help of each, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Task)> {
        self.tasks.iter().map(|(name, task)| (name.as_str(), task))
    }
}
