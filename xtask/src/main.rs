//! The entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    ciao::process::reentry(&arguments, &ciao::Tasks::new()).unwrap_or(ExitCode::FAILURE)
}
