//! The xtask of this repository. What it can do besides is in `tasks.rs`.

mod tasks;

fn main() -> std::process::ExitCode {
    ciao::main(tasks::all())
}
