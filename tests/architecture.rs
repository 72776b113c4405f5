//! The rules of ARCHITECTURE.md, held by reading the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What deciding, checking and rendering is made of: no file, process, environment, network or clock.
const PURE: &[&str] = &[
    "base/",
    "check/",
    "declare/",
    "ledger/gate.rs",
    "ledger/state.rs",
    "mask/",
    "plan/",
    "run/schedule.rs",
    "show/",
    "template/edit.rs",
    "template/literals.rs",
    "template/lock.rs",
    "template/manifest.rs",
    "template/starter.rs",
];

/// What in them is not: the files are read and looked at beside the parts that say what is in them.
const NOT_PURE: &[&str] = &["check/inspect.rs", "declare/sources.rs"];

/// What reaches outside. A time may be given in; it is asked for elsewhere.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "xshell",
    "rustix",
    "signal_hook",
];

/// Which packages of the engine a package may use. What is on the right knows what is on the left, not the other way round.
const DIRECTION: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("mask", &[]),
    ("process", &["base"]),
    ("ledger", &["base", "process"]),
    ("declare", &["base"]),
    ("plan", &["base", "declare"]),
    ("check", &["base", "declare", "mask", "plan"]),
    ("show", &["base", "declare", "plan"]),
    ("template", &["base", "check", "declare", "plan", "show"]),
    ("run", &["base", "mask", "plan", "process", "show"]),
];

/// Which modules of its own package a module may use. What is not here is free.
const INSIDE: &[(&str, &[&str])] = &[
    ("base/event", &[]),
    ("base/task", &[]),
    ("base/variables", &[]),
    ("check/inspect", &[]),
    ("declare/finding", &[]),
    ("declare/glob", &[]),
];

/// Words that DESIGN.md does not use: none of our names has them.
const WORDS: &[&str] = &["job", "stage", "profile", "manager", "context", "handler", "helper", "util", "utils"];

/// Longer than they should be; they may become shorter, and nothing may be added.
const LONG_FILES: &[(&str, usize)] = &[];
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];
const OLD_NAMES: &[(&str, &str)] = &[];

const FILE: usize = 500;
const FUNCTION: usize = 70;

struct Source {
    /// Below `xtask/engine`.
    path: String,
    text: String,
}

impl Source {
    /// The lines before the tests, without comments and strings that are whole lines.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        code.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(number, line)| (number + 1, line))
    }

    fn module(&self) -> &str {
        self.path.trim_end_matches(".rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn engine() -> Vec<Source> {
    let folder = root().join("xtask/engine");
    let mut sources = Vec::new();
    let mut open = vec![folder.clone()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source { path: path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), text });
            }
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(sources.len() > 30, "the engine is read");
    sources
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn pure_modules_reach_nothing_outside() {
    let mut wrong = Vec::new();
    for source in engine() {
        let pure = PURE.iter().any(|pure| source.path.starts_with(pure)) && !NOT_PURE.contains(&&*source.path);
        for (line, code) in source.code().filter(|_| pure) {
            for outside in OUTSIDE.iter().filter(|outside| code.contains(*outside)) {
                wrong.push(format!("xtask/engine/{}:{line}: {outside} in a pure module", source.path));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = engine().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(&silent.map(|source| format!("xtask/engine/{} does not open with `//!`", source.path)).collect::<Vec<_>>());
}

#[test]
fn small_things_are_kept_small() {
    let mut wrong = Vec::new();
    for source in engine() {
        let allowed = LONG_FILES.iter().find(|(path, _)| *path == source.path).map_or(FILE, |(_, lines)| *lines);
        let lines = source.text.lines().count();
        if lines > allowed {
            wrong.push(format!("xtask/engine/{} has {lines} lines, and may have {allowed}", source.path));
        }
        for (name, line, length) in functions(&source) {
            let long = LONG_FUNCTIONS.iter().find(|(path, function, _)| *path == source.path && *function == name);
            let allowed = long.map_or(FUNCTION, |(_, _, lines)| *lines);
            if length > allowed {
                wrong.push(format!(
                    "xtask/engine/{}:{line}: {name} has {length} lines, and may have {allowed}",
                    source.path
                ));
            }
        }
    }
    none(&wrong);
}

/// Name, line and length of every function; rustfmt puts the end where it begins.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((before, after)) = line.split_once("fn ").filter(|(before, _)| {
            before
                .split_whitespace()
                .all(|word| word.starts_with("pub") || ["const", "async", "unsafe"].contains(&word))
        }) else {
            continue;
        };
        let _ = before;
        let name = after.split(['(', '<']).next().unwrap_or_default();
        let end = format!("{}}}", " ".repeat(indent));
        let one_line = line.ends_with('}') || line.ends_with(';');
        let length = if one_line { Some(0) } else { lines[number..].iter().position(|line| *line == end) };
        found.push((name.to_owned(), number + 1, length.unwrap_or(0) + 1));
    }
    found
}

/// The packages of the engine, each with its manifest.
fn packages() -> Vec<(String, String)> {
    let folders = fs::read_dir(root().join("xtask/engine")).unwrap().map(|entry| entry.unwrap().path());
    let read = |folder: PathBuf| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
        Some((folder.file_name()?.to_str()?.to_owned(), manifest))
    };
    let mut packages: Vec<(String, String)> = folders.filter_map(read).collect();
    packages.sort();
    packages
}

/// The compiler holds it between packages, so their manifests are all there is to see.
#[test]
fn packages_use_each_other_in_one_direction() {
    let mut wrong = Vec::new();
    let packages = packages();
    assert_eq!(packages.len(), DIRECTION.len(), "every package has its line in DIRECTION");
    for (package, manifest) in packages {
        let (_, may) = DIRECTION.iter().find(|(name, _)| *name == package).expect("it has its line");
        let used = manifest.lines().filter_map(|line| line.strip_prefix("ciao-")?.split([' ', '.']).next());
        wrong.extend(used.filter(|used| !may.contains(used)).map(|used| format!("{package} uses {used}")));
    }
    none(&wrong);
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let mut wrong = Vec::new();
    for source in engine() {
        let Some((module, may)) = INSIDE.iter().find(|(module, _)| *module == source.module()) else { continue };
        for (line, code) in source.code() {
            for used in
                code.match_indices("crate::").filter_map(|(at, _)| code[at + 7..].split([':', ';', ' ', ',']).next())
            {
                if !may.contains(&used) && used.starts_with(|char: char| char.is_ascii_lowercase()) {
                    wrong.push(format!("xtask/engine/{}:{line}: {module} uses {used}", source.path));
                }
            }
        }
    }
    none(&wrong);
}

/// What two files take from each other belongs into a third. A `mod.rs` is the face of what is below it, and not looked at.
#[test]
fn no_two_files_use_each_other() {
    let sources = engine();
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let uses: BTreeMap<&str, BTreeSet<&str>> =
        sources.iter().map(|source| (source.path.as_str(), used_files(source, &paths))).collect();
    assert!(uses.values().filter(|used| !used.is_empty()).count() > 50, "uses are seen");
    let mut wrong = Vec::new();
    for (path, used) in &uses {
        let (mut open, mut seen) = (used.iter().collect::<Vec<_>>(), BTreeSet::new());
        while let Some(next) = open.pop() {
            if next == path {
                wrong.push(format!("xtask/engine/{path} is used by what it uses, by way of {seen:?}"));
                break;
            }
            if seen.insert(*next) {
                open.extend(&uses[next]);
            }
        }
    }
    none(&wrong);
}

/// The files that a file names by `super::` or `crate::`.
fn used_files<'p>(source: &Source, paths: &BTreeSet<&'p str>) -> BTreeSet<&'p str> {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let package = packages().into_iter().map(|(name, _)| name).find(|name| name == source.module());
    let text: String = source.code().map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    for (prefix, base) in
        [("super::super::", above), ("super::", folder), ("crate::", package.as_deref().unwrap_or_default())]
    {
        for (at, _) in text.match_indices(prefix).filter(|(at, _)| !text[..*at].ends_with("super::")) {
            for name in first_names(&text[at + prefix.len()..]) {
                let file = if base.is_empty() { format!("{name}.rs") } else { format!("{base}/{name}.rs") };
                let own = source.path == file || source.path.ends_with("mod.rs");
                used.extend(paths.get(file.as_str()).filter(|_| !own));
            }
        }
    }
    used
}

/// `a` of `a::b`, and `a` and `c` of `{a::b, c}`.
fn first_names(text: &str) -> Vec<&str> {
    let name =
        |text: &str| text.len() - text.trim_start_matches(|char: char| char.is_alphanumeric() || char == '_').len();
    let Some(list) = text.strip_prefix('{') else { return vec![&text[..name(text)]] };
    let (mut names, mut depth, mut begins) = (Vec::new(), 0_usize, true);
    for (at, char) in list.char_indices() {
        match char {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => begins = true,
            ' ' => {}
            _ if begins => {
                names.push(&list[at..at + name(&list[at..])]);
                begins = false;
            }
            _ => {}
        }
    }
    names
}

/// They are one engine: a copy has all of one version, and the ledger records which.
#[test]
fn packages_have_one_version_and_no_unsafe_code() {
    let line = |manifest: &str| manifest.lines().find(|line| line.starts_with("version = ")).map(str::to_owned);
    let version = line(&fs::read_to_string(root().join("xtask/Cargo.toml")).unwrap());
    assert!(version.is_some());
    for (package, manifest) in packages() {
        assert_eq!(line(&manifest), version, "the version of {package}");
        let path = manifest.lines().find_map(|line| line.strip_prefix("path = ")).expect("it has a library");
        let source = root().join("xtask/engine").join(&package).join(path.trim_matches('"'));
        assert!(fs::read_to_string(source).unwrap().contains("#![forbid(unsafe_code)]"), "{package}");
    }
}

#[test]
fn our_names_are_the_words_of_the_design() {
    let mut wrong = Vec::new();
    for source in engine() {
        for (line, code) in source.code() {
            for name in names(code) {
                let words: BTreeSet<String> = words(name);
                let old = OLD_NAMES.contains(&(source.path.as_str(), name));
                for word in WORDS.iter().filter(|word| words.contains(**word) && !old) {
                    wrong.push(format!("xtask/engine/{}:{line}: `{name}` has the word {word}", source.path));
                }
            }
        }
    }
    none(&wrong);
}

/// The names that a line declares.
fn names(code: &str) -> impl Iterator<Item = &str> {
    ["fn ", "struct ", "enum ", "mod ", "trait ", "type ", "const ", "static ", "let ", "let mut "]
        .into_iter()
        .filter_map(|keyword| {
            let rest =
                code.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix(keyword)?;
            rest.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').next()
        })
}

/// `run_owed_steps` and `RunOwedSteps` are the words run, owed, steps.
fn words(name: &str) -> BTreeSet<String> {
    let mut spaced = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() || char == '_' {
            spaced.push(' ');
        }
        spaced.extend(char.to_lowercase().filter(|char| *char != '_'));
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let own = fs::read_to_string(root().join("xtask/Cargo.toml")).unwrap();
    let mut wrong = Vec::new();
    for (package, manifest) in packages().into_iter().chain([("xtask".to_owned(), own)]) {
        let mut section = "";
        let mut previous = "";
        for line in manifest.lines() {
            // The engine's own parts may have one reason together.
            let together = line.starts_with("ciao-") && previous.starts_with("ciao-");
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && line.contains('=')
                && !previous.starts_with('#')
                && !together
            {
                wrong.push(format!("{package}/Cargo.toml: no reason beside {line}"));
            }
            previous = line;
        }
    }
    none(&wrong);
}
