//! Functions of the engine, one by one: `cargo bench --profile dev --bench micro`, because people run the dev profile.

fn main() {
    divan::main();
}
