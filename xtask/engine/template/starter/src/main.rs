//! `cargo xtask`: the engine in `../engine`, with the tasks of this repository.

mod tasks;

fn main() -> std::process::ExitCode {
    ciao::main(tasks::all())
}
