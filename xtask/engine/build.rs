//! How the program is linked; it knows nothing of what it does.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=engine/build.rs");
    let target = |part: &str| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    // At an address that is known when it is linked, so that no program start has to put tens of thousands of addresses right:
    // that is a quarter of what `--help` takes, and every guardian is such a start. Libraries, heap and stack stay where nobody
    // knows.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
