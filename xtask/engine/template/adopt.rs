//! `init --from SCRIPTS`: a folder of scripts becomes a pipeline, a step each, in the order that the owner states.
//!
//! It proposes and proves nothing: what looks environmental is declared as a parameter without a value, so that `check` asks
//! for it. The scripts are copied as they are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::Refusal;
use super::edit::quoted as string;
use super::literals::{Literal, literals};

/// What a folder of scripts becomes.
pub struct Adopted {
    /// The name of the pipeline.
    name: String,
    /// What is written: path from the root, content, whether it can be run.
    pub files: Vec<(Utf8PathBuf, Vec<u8>, bool)>,
    pub notes: Vec<String>,
    parameters: Vec<Parameter>,
}

/// A literal that looks environmental, as a parameter.
struct Parameter {
    name: String,
    literal: Literal,
    /// The script that it was found in first, with the line.
    at: String,
}

/// A file of the folder.
struct Found {
    /// From the folder.
    path: Utf8PathBuf,
    content: Vec<u8>,
    script: bool,
}

/// Reads the folder.
///
/// # Errors
/// If there is no script in it, or their order is not stated.
pub fn read(folder: &Utf8Path, order: &[String]) -> Result<Adopted, Refusal> {
    let mut found = Vec::new();
    collect(folder, Utf8Path::new(""), &mut found)
        .map_err(|error| Refusal::new(format!("failed to read {folder}: {error}"), "name a folder of scripts"))?;
    found.sort_by(|left, right| left.path.cmp(&right.path));
    if !found.iter().any(|file| file.script) {
        let help = "name a folder of scripts: files with a `#!` line, the x bit, or a name as in deploy.sh";
        return Err(Refusal::new(format!("there is no script in {folder}"), help));
    }
    let (order, source) = stated(&found, order)?;
    let real = folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned());
    let name = Some(step_name(real.file_name().unwrap_or_default())).filter(|name| !name.is_empty());
    Ok(adopted(name.unwrap_or_else(|| "app".to_owned()), &found, &order, &source))
}

fn collect(root: &Utf8Path, folder: &Utf8Path, found: &mut Vec<Found>) -> std::io::Result<()> {
    for entry in root.join(folder).read_dir_utf8()? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != ".git" {
            collect(root, &path, found)?;
        } else if kind.is_file() {
            let content = fs::read(entry.path())?;
            let runs = fs::metadata(entry.path())?.permissions().mode() & 0o111 != 0;
            let named = matches!(path.extension(), Some("sh" | "bash" | "ksh" | "zsh" | "py" | "pl" | "rb"));
            found.push(Found {
                script: content.starts_with(b"#!") || named || (runs && !is_text(&path)),
                path,
                content,
            });
        }
    }
    Ok(())
}

/// Files that some systems mark as executable and nobody runs.
fn is_text(path: &Utf8Path) -> bool {
    is_readme(path)
        || matches!(
            path.extension(),
            Some("sql" | "md" | "txt" | "json" | "yaml" | "yml" | "toml" | "xml" | "csv" | "conf")
        )
}

fn is_readme(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("readme") || name.starts_with("install")
}

/// The scripts in the order stated, and who stated it.
fn stated<'f>(found: &'f [Found], order: &[String]) -> Result<(Vec<&'f Found>, String), Refusal> {
    let scripts: Vec<&Found> = found.iter().filter(|file| file.script).collect();
    let names: Vec<&str> = scripts.iter().map(|script| script.path.as_str()).collect();
    let readme = found.iter().filter(|file| !file.script && is_readme(&file.path)).find_map(|file| {
        let named = named_in(&String::from_utf8_lossy(&file.content), &scripts);
        (!named.is_empty()).then_some((file, named))
    });
    match (order, readme) {
        ([], Some((file, named))) => {
            let named: Vec<&str> = named.iter().map(|script| script.path.as_str()).collect();
            let help = format!(
                "{} names them in this order, which nothing has proved: {}\nto state that one: --order readme\n\
                 to state another one: --order {}",
                file.path,
                named.join(", "),
                names.join(",")
            );
            Err(Refusal::new("the order of the scripts is yours to state", help))
        }
        ([], None) => {
            let help = format!("list them in the order in which they must run: --order {}", names.join(","));
            Err(Refusal::new("the order of the scripts is yours to state; their names tell nothing", help))
        }
        ([one], Some((file, named))) if one == "readme" => Ok((named, format!("as {} names them", file.path))),
        ([one], None) if one == "readme" => {
            let help = format!("list the scripts: --order {}", names.join(","));
            Err(Refusal::new("there is no readme that names the scripts", help))
        }
        (order, _) => {
            let mut stated: Vec<&Found> = Vec::new();
            for name in order {
                let script = scripts.iter().find(|script| script.path == name.trim_start_matches("./"));
                let Some(script) = script.filter(|script| !stated.iter().any(|other| other.path == script.path)) else {
                    let help = format!("the scripts are {}", names.join(", "));
                    return Err(Refusal::new(
                        format!("{name} in --order is not one of the scripts, or listed twice"),
                        help,
                    ));
                };
                stated.push(script);
            }
            Ok((stated, "as stated when they were adopted".to_owned()))
        }
    }
}

/// The scripts that a text names, in the order in which it does so first.
fn named_in<'f>(text: &str, scripts: &[&'f Found]) -> Vec<&'f Found> {
    let first = |script: &Found| {
        let file = script.path.file_name().unwrap_or_default();
        let alike = scripts.iter().filter(|other| other.path.file_name() == Some(file)).count();
        let name = if alike > 1 { script.path.as_str() } else { file };
        let letter = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || "_-".contains(char));
        let alone =
            |at: &usize| !letter(text[..*at].chars().next_back()) && !letter(text[at + name.len()..].chars().next());
        text.match_indices(name).map(|(at, _)| at).find(alone)
    };
    let mut named: Vec<(usize, &Found)> = scripts.iter().filter_map(|script| Some((first(script)?, *script))).collect();
    named.sort_by_key(|(at, _)| *at);
    named.into_iter().map(|(_, script)| script).collect()
}

/// A name as steps and pipelines have it.
pub fn step_name(text: &str) -> String {
    let dashed: String =
        text.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-").chars().take(63).collect()
}

fn adopted(name: String, found: &[Found], order: &[&Found], source: &str) -> Adopted {
    let mut adopted = Adopted { files: Vec::new(), notes: Vec::new(), parameters: Vec::new(), name };
    let mut pipeline = format!(
        "#:schema ../../../xtask/engine/template/schema/pipeline.json\n\n\
         # The order is {source}. Nothing proves it yet: say what each step `provides` and `requires`, and `check` does.\n\
         help = {}\n",
        string(&format!("Adopted from {}", adopted.name))
    );
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for script in order {
        let mut step = step_name(script.path.with_extension("").as_str());
        let count = names.entry(step.clone()).or_default();
        *count += 1;
        if *count > 1 {
            step += &format!("-{count}");
        }
        pipeline += &format!("\n[[step]]\nname = {}\nscript = {}\n", string(&step), string(script.path.as_str()));
        pipeline += "# provides = [\"…\"]    # unproved: what later steps need from it\n# requires = [\"…\"]\n";
        pipeline += &adopted.variables(script);
    }
    pipeline += "\n# Does the environment work? Without such a step no gate opens for the next one.\n\
                 # [[step]]\n# name = \"verify\"\n# run = [\"curl\", \"--fail\", \"http://${site.host}/health\"]\n# verify = true\n";
    let left: Vec<&str> = found
        .iter()
        .filter(|file| file.script && !order.iter().any(|script| script.path == file.path))
        .map(|file| file.path.as_str())
        .collect();
    if !left.is_empty() {
        adopted.notes.push(format!("not in the order, and so no step: {}", left.join(", ")));
    }
    for parameter in &adopted.parameters {
        let name = format!("{}.{}", adopted.group(), parameter.name);
        let what = parameter.literal.shown();
        adopted.notes.push(format!("{}: {what} looks environmental: proposed as parameter `{name}`", parameter.at));
    }
    // No step can give a file a variable; whoever knows what reads it decides.
    for file in found.iter().filter(|file| !file.script && !is_readme(&file.path)) {
        for literal in std::str::from_utf8(&file.content).map(literals).unwrap_or_default() {
            let (line, what) = (literal.line, literal.shown());
            adopted
                .notes
                .push(format!("{} line {line}: {what} looks environmental: let a step write it there", file.path));
        }
    }
    let secret = |file: &&Found| {
        let literals = std::str::from_utf8(&file.content).map(literals).unwrap_or_default();
        literals.iter().any(|literal| literal.secret)
    };
    let secrets: Vec<&str> = found.iter().filter(secret).map(|file| file.path.as_str()).collect();
    if !secrets.is_empty() {
        adopted.notes.push(format!("secrets stand in {}: take them out before you commit", secrets.join(", ")));
    }
    let folder = Utf8PathBuf::from(ciao_declare::DEPLOYMENTS).join(&adopted.name);
    adopted.files.push((folder.join("pipeline.toml"), pipeline.into_bytes(), false));
    adopted.files.extend(found.iter().map(|file| (folder.join(&file.path), file.content.clone(), file.script)));
    adopted
}

impl Adopted {
    /// The group of its parameters.
    fn group(&self) -> String {
        let group = self.name.replace('-', "_");
        let letter = group.starts_with(|first: char| first.is_ascii_lowercase());
        if letter { group } else { format!("adopted_{group}") }
    }

    /// `env` of a step, with what each variable stands for in its script; new literals become parameters.
    fn variables(&mut self, script: &Found) -> String {
        let group = self.group();
        let mut lines: Vec<(String, String)> = Vec::new();
        for literal in literals(&String::from_utf8_lossy(&script.content)) {
            // One value is one parameter, whatever each script calls it.
            let same = |parameter: &&Parameter| {
                (&parameter.literal.value, parameter.literal.kind) == (&literal.value, literal.kind)
            };
            let name = self.parameters.iter().find(same).map(|parameter| parameter.name.clone());
            let name = name.unwrap_or_else(|| self.parameter(&literal, script));
            let variable = name.to_ascii_uppercase();
            let (line, what) = (literal.line, literal.shown());
            if !lines.iter().any(|(known, _)| *known == variable) {
                let comment = format!("line {line} has {what}: let it read ${variable}");
                let entry = format!("env.{variable} = \"${{{group}.{name}}}\"    # {comment}\n");
                lines.push((variable, entry));
            }
        }
        lines.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Declares a parameter for a literal, and gives its name.
    fn parameter(&mut self, literal: &Literal, script: &Found) -> String {
        let base = literal.name.to_ascii_lowercase();
        let free = |name: &String| !self.parameters.iter().any(|parameter| parameter.name == *name);
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(free).unwrap_or_default();
        let at = format!("{} line {}", script.path, literal.line);
        self.parameters.push(Parameter { name: name.clone(), literal: literal.clone(), at });
        name
    }

    /// The environment pipeline of the starter, with its call and its parameters.
    #[must_use]
    pub fn environment(&self, starter: &str) -> String {
        let mut declared = String::new();
        for Parameter { name, literal, at } in &self.parameters {
            declared += &match literal.secret {
                true => {
                    format!("{name} = {{ type = \"string\", secret = true, help = {} }}\n", string(&format!("in {at}")))
                }
                false => {
                    let help = string(&format!("{} in {at}", literal.value));
                    format!("{name} = {{ type = \"{}\", help = {help} }}\n", literal.kind)
                }
            };
        }
        if !declared.is_empty() {
            declared =
                format!("# Proposed, from what stands in the scripts.\n[parameters.{}]\n{declared}\n", self.group());
        }
        let called = starter.replace("pipeline = \"app\"", &format!("pipeline = {}", string(&self.name)));
        without_title(&called).replace("# The deployment pipelines", &format!("{declared}# The deployment pipelines"))
    }

    /// The values of the starter: which ones are still to be given.
    #[must_use]
    pub fn values(&self, starter: &str) -> String {
        let mut text = without_title(starter);
        if !self.parameters.is_empty() {
            text += &format!("\n# Still to be given:\n# [{}]\n", self.group());
        }
        for Parameter { name, literal, at } in &self.parameters {
            let example = match literal.kind {
                _ if literal.secret => "{ env = \"…\" }".to_owned(),
                "port" => literal.value.clone(),
                _ => string(&literal.value),
            };
            text += &format!("# {name} = {example}    # {at}\n");
        }
        text
    }
}

fn without_title(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("title = ")).map(|line| format!("{line}\n")).collect()
}
