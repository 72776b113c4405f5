//! The manifest of the xtask, which belongs to its owner and to the engine, when both have changed it.

use super::arg;
use super::shapes::{make, new_folder, read, write, xtask};
use super::upgrade::older_copy;

/// A line of the owner's beside one of the engine's was a conflict, and the help sent them to the origin with it.
#[test]
fn dependencies_of_the_owners_tasks_could_not_be_merged() {
    let folder = new_folder();
    let root = make("no rust", &folder.0);
    let (path, now) = ("xtask/Cargo.toml", "# What a task returns may be any JSON.\n");
    older_copy(&root, path, now, "# JSON.\nsha2 = \"0.10\"\n");
    let features =
        "serde_json = { version = \"1.0\", default-features = false, features = [\"std\", \"preserve_order\"] }";
    let engines = "serde_json = { version = \"1.0\", default-features = false, features = [\"std\"] }";
    let theirs = read(&root, path).replace(engines, features);
    write(&root, path, theirs.replace("[dependencies]\n", "[dependencies]\n# Ours.\nmine = { path = \"../mine\" }\n"));
    let (code, said) = xtask(&["upgrade", arg(&root), "--unchecked"]);
    assert!(code == 0 && said.contains("xtask/Cargo.toml was edited there: merged"), "{said}");
    let merged = read(&root, path);
    assert!(merged.contains(features) && !merged.contains(engines) && !merged.contains("sha2 = "), "{merged}");
    assert!(merged.contains("\n# Ours.\nmine = { path = \"../mine\" }\n"), "{merged}");
}

/// Dependencies as they are there, as they were copied and as they are copied now; and what becomes of them.
#[track_caller]
fn dependencies(there: &str, base: &str, ours: &str, wanted: Result<&str, &str>) {
    use ciao::template::manifest::{apart, joined};
    let all = |lines: &str| format!("[package]\n\n[dependencies]\n{lines}\n[features]\nx = []\n");
    let (there, base, ours) = (all(there), all(base), all(ours));
    let (rest, own) = apart(&there, &base).expect("it is TOML");
    assert_eq!(rest, base, "what is left is the engine's");
    match (joined(&ours, &own, &there, &base, &ours), wanted) {
        (Ok(joined), Ok(wanted)) => assert_eq!(joined, all(wanted)),
        (Err(said), Err(wanted)) => assert!(said.contains(wanted), "{said}"),
        (joined, _) => panic!("{joined:?}"),
    }
}

#[test]
fn dependencies_are_merged_by_their_names() {
    let base = "a = \"1\"\n# Ours.\nb = { version = \"1\", features = [\"x\"] }\n";
    let ours = "b = { version = \"2\", features = [\"x\", \"y\"] }\nc = \"1\"\n";
    dependencies(base, base, ours, Ok(ours));
    // What the engine needs no more, and tasks do.
    dependencies(&base.replace("\"1\"\n#", "\"1.1\"\n#"), base, ours, Ok(&format!("{ours}a = \"1.1\"\n")));
    let added = base.replace("\"x\"", "\"x\", \"z\"");
    dependencies(&added, base, ours, Ok(&ours.replace("\"y\"", "\"y\", \"z\"")));
    dependencies(&added, base, base, Ok(&added));
    let explained = base.replace("# Ours.", "# Another reason.");
    dependencies(&added, base, &explained, Ok(&added.replace("# Ours.", "# Another reason.")));
    dependencies(&added.replace("# Ours.", "# Mine."), base, &explained, Ok(&added.replace("# Ours.", "# Mine.")));
    dependencies(&format!("{base}# Mine.\nc = \"1\"\n"), base, ours, Ok(ours));
    // What its owner took out and the engine needs.
    dependencies("a = \"1\"\n", base, ours, Ok(ours));
    let other = base.replace("b = { version = \"1\"", "b = { version = \"1.5\"");
    dependencies(&other, base, ours, Err("||||||| as copied\n# Ours.\nb = { version = \"1\""));
    let several = format!("{base}d.path = \"../d\"\nd.features = [\n  \"q\",\n]\n");
    dependencies(&several, base, ours, Ok(&format!("{ours}d.path = \"../d\"\nd.features = [\n  \"q\",\n]\n")));
}
