//! A Rust task in a process of its own: `with` comes as JSON on standard input, what it returns goes as JSON to
//! standard output, and what it prints to standard error.
//!
//! It knows nothing of the step that it is.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use ciao_base::task::{TaskResult, Tasks};

/// The hidden first argument that makes this executable run the task that the second one names.
pub const TASK: &str = "__task";
/// The third one if the step names what the task returns. Otherwise it would be noise among what was printed.
pub const WANTED: &str = "result";
/// The same, where the step reads it as JSON: then a string keeps its quotes.
pub const WANTED_JSON: &str = "json";

/// The whole life of such a process.
pub fn main(name: &str, wanted: Option<&str>, tasks: &Tasks) -> ExitCode {
    match run(name, wanted, tasks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, wanted: Option<&str>, tasks: &Tasks) -> TaskResult {
    let task = tasks.get(name).ok_or_else(|| format!("no task is called `{name}`"))?;
    let mut with = String::new();
    io::stdin().read_to_string(&mut with)?;
    let with = serde_json::from_str(&with).map_err(|error| format!("its arguments are no JSON: {error}"))?;
    // What the function prints is output like any other; what it returns is what the step produces.
    let result_to = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    let result = (task.call)(with)?;
    io::stdout().flush()?;
    let mut to = std::fs::File::from(result_to);
    match (wanted, result) {
        (None, _) | (_, serde_json::Value::Null) => {}
        (Some(WANTED), serde_json::Value::String(text)) => to.write_all(text.as_bytes())?,
        (Some(_), result) => to.write_all(&serde_json::to_vec(&result)?)?,
    }
    Ok(())
}
