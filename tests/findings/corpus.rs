//! The mutation corpus: each environment's literal in place of each use of a parameter, one at a time, in every form.

use std::collections::BTreeMap;

use ciao::Tasks;
use ciao::check::sentinel;
use ciao::declare::Declarations;
use ciao::declare::literal::Literal;
use ciao::finding::Code;
use ciao::plan::Plan;
use ciao::plan::build::{Inputs, build, files as pipeline_files};
use ciao::repository::Repository;
use ciao::sources::Sources;

use crate::fixture::{Folder, SOUND, files};
use crate::repo::entries;

const SHOP: &str = include_str!("shop.txt");

fn folder(text: &str) -> Folder {
    Folder::of(&entries(text))
}

/// The literals of a parameter in the listed environments; what is the same in all of them is none.
fn literals(repository: &Repository, parameter: &str) -> Vec<(String, &'static str)> {
    let declarations = &repository.declarations;
    let declared = declarations.environment.parameters.iter().find(|declared| &*declared.name == parameter).unwrap();
    let mut found = Vec::new();
    for environment in declarations.orchestration.names() {
        let value = &declarations.values_of(environment).unwrap().get(parameter).unwrap().value;
        let items = match value {
            Literal::List(items) => items.iter().map(|item| &item.value).collect(),
            other => vec![other],
        };
        for item in items {
            found.push((ciao::plan::value::plain(item), declared.kind.name()));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Places in a file where a parameter is used, and what is written there.
fn uses(path: &str, content: &str, variables: &BTreeMap<&str, &str>) -> Vec<(std::ops::Range<usize>, String)> {
    let mut found = Vec::new();
    if path.ends_with("pipeline.toml") {
        for (at, _) in content.match_indices("${") {
            let end = at + content[at..].find('}').unwrap() + 1;
            let name = content[at + 2..end - 1].trim_end_matches("...");
            if name != "region" && name != "each" {
                found.push((at..end, name.to_owned()));
            }
        }
    } else {
        for (variable, parameter) in variables {
            for written in [format!("${{{variable}}}"), format!("${variable}"), format!("os.environ[\"{variable}\"]")] {
                let whole = |at: &usize| {
                    !content
                        .as_bytes()
                        .get(at + written.len())
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                };
                let places = content.match_indices(&written).map(|(at, _)| at).filter(whole);
                found.extend(places.map(|at| (at..at + written.len(), (*parameter).to_owned())));
            }
        }
    }
    found
}

/// The ways in which a value may be written; those that come out the same are tried once.
fn forms(value: &str, python: bool) -> Vec<(&'static str, String)> {
    let json = serde_json::Value::from(value).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let encoded: String = value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let host = value.split("://").last().unwrap().split(['/', ':']).next().unwrap().to_owned();
    let quoted = |text: &str| if python { format!("\"{text}\"") } else { text.to_owned() };
    let mut forms = vec![("as it is", quoted(value))];
    let mut add = |form, text: String| {
        if !forms.iter().any(|(_, other)| *other == text) {
            forms.push((form, text));
        }
    };
    add("escaped for JSON", quoted(&json));
    add("URL-encoded", quoted(&encoded));
    if host.contains('.') {
        add("its host", quoted(&host));
    }
    if python && value.len() > 6 && value.is_char_boundary(value.len() / 2) && !value.contains('"') {
        let (left, right) = value.split_at(value.len() / 2);
        add("split over two literals", format!("\"{left}\" + \"{right}\""));
    }
    forms
}

#[derive(Default)]
struct Row {
    made: usize,
    found: usize,
    missed: Vec<String>,
}

/// What is found of one repository's mutations, by form and type.
fn mutate(text: &str, rows: &mut BTreeMap<(&'static str, String), Row>) {
    let folder = folder(text);
    let repository = Repository::read(&folder.0);
    let variables: BTreeMap<&str, &str> = BTreeMap::from([
        ("SITE_HOST", "site.host"),
        ("SITE_PORT", "site.port"),
        ("SITE_URL", "site.url"),
        ("SITE_TITLE", "site.title"),
        ("LOG_LEVEL", "site.log_level"),
        ("FOLDER", "site.folder"),
        ("PGHOST", "database.host"),
        ("PGDATABASE", "database.name"),
        ("DB_ADDRESS", "database.address"),
        ("DB_POOL", "database.pool"),
        ("BANNER", "site.banner"),
    ]);
    let known =
        |name: &str| repository.declarations.environment.parameters.iter().any(|parameter| &*parameter.name == name);
    for (path, content) in files(text).iter().filter(|(path, _)| path.contains("deployments")) {
        for (range, parameter) in uses(path, content, &variables).into_iter().filter(|(_, name)| known(name)) {
            for (value, kind) in literals(&repository, &parameter) {
                let python = path.ends_with(".py");
                for (form, written) in forms(&value, python) {
                    // In TOML a quote ends the string.
                    let written = if path.ends_with(".toml") {
                        written.replace('\\', "\\\\").replace('"', "\\\"")
                    } else {
                        written
                    };
                    let mutant = format!("{}{written}{}", &content[..range.start], &content[range.end..]);
                    folder.write(path, &mutant);
                    let line = 1 + content[..range.start].matches('\n').count();
                    let (read, examined) = folder.examine();
                    let is_found = examined.findings.iter().any(|finding| {
                        let at = |text| ciao::show::findings::position(text, finding.place.span.start).0;
                        finding.code == Code::HardCodedValue
                            && finding.place.file.as_str() == path
                            && read.text(&finding.place.file).map(at) == Some(line)
                    });
                    let row = rows.entry((form, kind.to_owned())).or_default();
                    row.made += 1;
                    row.found += usize::from(is_found);
                    if !is_found {
                        row.missed.push(format!("{path}:{line} {parameter} {written}"));
                    }
                }
            }
            folder.write(path, content);
        }
    }
}

#[test]
fn mutations_are_found() {
    let mut rows = BTreeMap::new();
    mutate(SHOP, &mut rows);
    mutate(SOUND, &mut rows);
    let mut shown = String::new();
    let (mut made, mut found) = (0, 0);
    for ((form, kind), row) in &rows {
        shown += &format!("{form:<25} {kind:<8} {:>4} of {:>4}\n", row.found, row.made);
        row.missed.iter().for_each(|missed| shown += &format!("    {missed}\n"));
        // A boolean can be looked for by nobody: `true` stands for everything.
        if kind != "boolean" {
            made += row.made;
            found += row.found;
        }
    }
    println!("{shown}{found} of {made}");
    assert!(found * 100 >= made * 95, "{shown}{found} of {made}");
}

#[test]
fn nothing_is_found_without_a_mutation() {
    for text in [SHOP, SOUND] {
        assert_eq!(folder(text).findings(), "");
    }
}

fn plan_of(sources: &Sources, environment: &str) -> Plan {
    let (declarations, findings) = Declarations::read(sources);
    assert!(findings.is_empty(), "{findings:?}");
    let files = pipeline_files(&declarations);
    let tasks = Tasks::new();
    let inputs = Inputs { declarations: &declarations, tasks: &tasks, sources };
    let (built, findings) = build(inputs, environment, &files);
    assert!(findings.is_empty(), "{findings:?}");
    built.unwrap().plan
}

/// By other means than the search: what differs between two environments is what differs between two that nobody made.
#[test]
fn what_differs_between_environments_are_their_values() {
    for text in [SHOP, SOUND] {
        let folder = folder(text);
        let repository = Repository::read(&folder.0);
        let names: Vec<&str> = repository.declarations.orchestration.names().collect();
        let sentinels = [1, 2]
            .map(|seed| plan_of(&sentinel::sources(&repository.sources, &repository.declarations, seed), names[0]));
        let explained = sentinel::differences(&sentinels[0], &sentinels[1]);
        for pair in names.windows(2) {
            let real = [0, 1].map(|index| plan_of(&repository.sources, pair[index]));
            let differs = sentinel::differences(&real[0], &real[1]);
            let is_boolean = |what: &str| what == "env BANNER" || what == " argument 1";
            let unexplained: Vec<_> = differs.difference(&explained).filter(|(_, what)| !is_boolean(what)).collect();
            assert!(unexplained.is_empty(), "{unexplained:?}");
        }
        assert_eq!(sentinel::unreached(&repository.declarations, &sentinels[0], 1), Vec::<String>::new());
    }
}

/// A parameter that reaches nothing is found by both.
#[test]
fn an_unused_parameter_reaches_nothing() {
    let changed = SOUND.replace("${site.title}", "a title");
    let folder = folder(&changed);
    let repository = Repository::read(&folder.0);
    let sources = sentinel::sources(&repository.sources, &repository.declarations, 1);
    let unreached = sentinel::unreached(&repository.declarations, &plan_of(&sources, "dev"), 1);
    assert_eq!(unreached, ["site.title"]);
    let (_, examined) = folder.examine();
    let unused: Vec<_> = examined.findings.iter().filter(|finding| finding.code == Code::UnusedParameter).collect();
    assert_eq!(unused.len(), 1);
    assert_eq!(unused[0].of.as_deref(), Some("site.title"));
}
