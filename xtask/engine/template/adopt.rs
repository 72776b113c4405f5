//! `init --from SCRIPTS`: a folder of scripts becomes a pipeline, a step each, in the order that the owner states.
//!
//! It proposes and proves nothing: what looks environmental is declared as a parameter without a value, so that `check` asks
//! for it. The scripts are copied as they are.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use ciao_base::variables::danger;

use super::Refusal;
use super::edit::quoted as string;
use super::literals::{Literal, lines_with_secrets, literals};
use ciao_declare::parameter::BUILT_IN;

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

impl Found {
    /// What can be searched: a program that was compiled is not.
    fn text(&self) -> String {
        if self.content.contains(&0) { String::new() } else { String::from_utf8_lossy(&self.content).into_owned() }
    }
}

/// Reads the folder.
///
/// # Errors
/// If there is no script in it, or their order is not stated.
pub fn read(folder: &Utf8Path, order: &[String]) -> Result<Adopted, Refusal> {
    let (mut found, mut left) = (Vec::new(), Vec::new());
    collect(folder, Utf8Path::new(""), &mut found, &mut left)?;
    found.sort_by(|left, right| left.path.cmp(&right.path));
    if !found.iter().any(|file| file.script) {
        let help = "name a folder of scripts: files with a `#!` line, the x bit, or a name as in deploy.sh";
        return Err(Refusal::new(format!("there is no script in {folder}"), help));
    }
    if found.iter().any(|file| file.path == "pipeline.toml") {
        let help = "that name is the pipeline's own: rename it, and where the scripts name it";
        return Err(Refusal::new(format!("there is a file pipeline.toml in {folder}"), help));
    }
    let (order, source) = stated(&found, order)?;
    let real = folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned());
    let name = Some(step_name(real.file_name().unwrap_or_default())).filter(|name| !name.is_empty());
    let mut adopted = adopted(name.unwrap_or_else(|| "app".to_owned()), &found, &order, &source);
    if !left.is_empty() {
        let what = "what is no file, as links are, is not copied: deliver what they lead to";
        adopted.notes.push(format!("left out: {}; {what}", left.join(", ")));
    }
    Ok(adopted)
}

/// Every file below the folder, and the names of what is neither file nor folder.
fn collect(root: &Utf8Path, folder: &Utf8Path, found: &mut Vec<Found>, left: &mut Vec<String>) -> Result<(), Refusal> {
    let full = root.join(folder);
    let failed =
        |error: std::io::Error| Refusal::new(format!("failed to read {full}: {error}"), "name a folder of scripts");
    for entry in fs::read_dir(&full).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().ok().filter(|name| !name.contains(char::is_control));
        let Some(name) = name else {
            let message = format!("{full} holds the name {:?}", entry.file_name());
            return Err(Refusal::new(
                message,
                "rename it: names are text without control characters, in TOML, plans and JSON",
            ));
        };
        let path = folder.join(&name);
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if name != ".git" {
                collect(root, &path, found, left)?;
            }
        } else if kind.is_file() {
            let content = fs::read(entry.path()).map_err(failed)?;
            let runs = entry.metadata().map_err(failed)?.permissions().mode() & 0o111 != 0;
            let named = matches!(path.extension(), Some("sh" | "bash" | "ksh" | "zsh" | "py" | "pl" | "rb"));
            let script = content.starts_with(b"#!") || named || (runs && !is_text(&path));
            found.push(Found { script, path, content });
        } else {
            left.push(path.into_string());
        }
    }
    left.sort();
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
    // One argument, whatever stands in the names.
    let option = shell_words::quote(&format!("--order={}", names.join(","))).into_owned();
    let readme = found.iter().filter(|file| !file.script && is_readme(&file.path)).find_map(|file| {
        let named = named_in(&file.text(), &scripts);
        (!named.is_empty()).then_some((file, named))
    });
    match (order, readme) {
        ([], _) if scripts.len() == 1 => Ok((scripts, "that of the one script".to_owned())),
        ([], Some((file, named))) => {
            let named: Vec<&str> = named.iter().map(|script| script.path.as_str()).collect();
            let help = format!(
                "{} names them in this order, which nothing has proved: {}\nto state that one: --order readme\n\
                 to state another one: {option}",
                file.path,
                named.join(", ")
            );
            Err(Refusal::new("the order of the scripts is yours to state", help))
        }
        ([], None) => {
            let help = format!("list them in the order in which they must run: {option}");
            Err(Refusal::new("the order of the scripts is yours to state; their names tell nothing", help))
        }
        ([one], Some((file, named))) if one == "readme" => Ok((named, format!("as {} names them", file.path))),
        ([one], None) if one == "readme" => {
            let help = format!("list the scripts: {option}");
            Err(Refusal::new("there is no readme that names the scripts", help))
        }
        (order, _) => Ok((listed(&scripts, &order.join(","))?, "as stated when they were adopted".to_owned())),
    }
}

/// The scripts of a list with commas between them; a comma may stand in a name too.
fn listed<'f>(scripts: &[&'f Found], mut list: &str) -> Result<Vec<&'f Found>, Refusal> {
    let mut stated: Vec<&Found> = Vec::new();
    loop {
        let here = list.strip_prefix("./").unwrap_or(list);
        let rest = |script: &&&Found| {
            let rest = here.strip_prefix(script.path.as_str())?;
            if rest.is_empty() { Some("") } else { rest.strip_prefix(',') }
        };
        let new = |script: &&&Found| !stated.iter().any(|other| other.path == script.path);
        let script = scripts.iter().filter(new).filter(|script| rest(script).is_some());
        let Some(script) = script.max_by_key(|script| script.path.as_str().len()) else {
            let names: Vec<&str> = scripts.iter().map(|script| script.path.as_str()).collect();
            let (help, name) =
                (format!("the scripts are {}", names.join(", ")), list.split(',').next().unwrap_or(list));
            return Err(Refusal::new(format!("{name} in --order is not one of the scripts, or listed twice"), help));
        };
        stated.push(script);
        list = &here[(script.path.as_str().len() + 1).min(here.len())..];
        if list.is_empty() {
            return Ok(stated);
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
        // `deploy` is not named where `deploy.sh` or `deploy/run.sh` is.
        let alone = |at: &usize| {
            let mut rest = text[at + name.len()..].chars();
            let next = rest.next();
            let longer = matches!(next, Some('.' | '/')) && letter(rest.next());
            !letter(text[..*at].chars().next_back()) && !letter(next) && !longer
        };
        text.match_indices(name).map(|(at, _)| at).find(alone)
    };
    let mut named: Vec<(usize, &Found)> = scripts.iter().filter_map(|script| Some((first(script)?, *script))).collect();
    named.sort_by_key(|(at, _)| *at);
    // A table or a list may have numbers, in any order.
    let number = |at: usize| -> Option<u32> {
        let line = text[..at].rsplit('\n').next()?.trim_start_matches(|char: char| !char.is_alphanumeric());
        line[..line.find(|char: char| !char.is_ascii_digit())?].parse().ok()
    };
    if named.iter().all(|(at, _)| number(*at).is_some()) {
        named.sort_by_key(|(at, _)| number(*at));
    }
    named.into_iter().map(|(_, script)| script).collect()
}

/// A name as steps and pipelines have it.
pub fn step_name(text: &str) -> String {
    let dashed: String =
        text.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    // With room for a number.
    words.join("-").chars().take(60).collect::<String>().trim_end_matches('-').to_owned()
}

/// The name, or with the first number behind it that nobody has.
fn free(base: &str, sign: char, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{base}{sign}{number}"));
    std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

fn adopted(name: String, found: &[Found], order: &[&Found], source: &str) -> Adopted {
    let mut adopted = Adopted { files: Vec::new(), notes: Vec::new(), parameters: Vec::new(), name };
    let mut pipeline = format!(
        "#:schema ../../../xtask/engine/template/schema/pipeline.json\n\n\
         # The order is {source}. Nothing proves it yet: say what each step `provides` and `requires`, and `check` does.\n\
         help = {}\n",
        string(&format!("Adopted from {}", adopted.name))
    );
    let mut names: BTreeSet<String> = BTreeSet::new();
    for script in order {
        let base = Some(step_name(script.path.with_extension("").as_str())).filter(|name| !name.is_empty());
        let step = free(&base.unwrap_or_else(|| "script".to_owned()), '-', |name| names.contains(name));
        names.insert(step.clone());
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
    // No step can give a file a variable; whoever knows what reads it decides. A script that is no step gets those of the one
    // that calls it.
    let is_step = |file: &Found| order.iter().any(|script| script.path == file.path);
    for file in found.iter().filter(|file| !is_step(file) && !is_readme(&file.path)) {
        let advice =
            if file.script { "let it read a variable of the step that calls it" } else { "let a step write it there" };
        for literal in literals(&file.text()) {
            let (path, line, what) = (&file.path, literal.line, literal.shown());
            adopted.notes.push(format!("{path} line {line}: {what} looks environmental: {advice}"));
        }
    }
    let secrets: Vec<String> = found.iter().filter_map(with_secrets).collect();
    if !secrets.is_empty() {
        adopted.notes.push(format!("secrets stand in {}: take them out before you commit", secrets.join("; ")));
    }
    let folder = Utf8PathBuf::from(ciao_declare::DEPLOYMENTS).join(&adopted.name);
    adopted.files.push((folder.join("pipeline.toml"), pipeline.into_bytes(), false));
    adopted.files.extend(found.iter().map(|file| (folder.join(&file.path), file.content.clone(), file.script)));
    adopted
}

/// A file with the lines in which a secret stands.
fn with_secrets(file: &Found) -> Option<String> {
    let lines: Vec<String> = lines_with_secrets(&file.text()).iter().map(ToString::to_string).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    (!lines.is_empty()).then(|| format!("{} {word} {}", file.path, lines.join(", ")))
}

impl Adopted {
    /// The group of its parameters.
    fn group(&self) -> String {
        let group = self.name.replace('-', "_");
        let letter = group.starts_with(|first: char| first.is_ascii_lowercase());
        if letter && !BUILT_IN.contains(&&*group) { group } else { format!("adopted_{group}") }
    }

    /// `env` of a step, with what each variable stands for in its script; new literals become parameters.
    fn variables(&mut self, script: &Found) -> String {
        let group = self.group();
        let mut lines: Vec<(String, String)> = Vec::new();
        for literal in literals(&script.text()) {
            // One value is one parameter, whatever each script calls it.
            let same = |parameter: &&Parameter| {
                (&parameter.literal.value, parameter.literal.kind) == (&literal.value, literal.kind)
            };
            let name = self.parameters.iter().find(same).map(|parameter| parameter.name.clone());
            let name = name.unwrap_or_else(|| self.parameter(&literal, script));
            let mut variable = name.to_ascii_uppercase();
            if danger(&variable).is_some() {
                // `ENV`, say, which a shell would run.
                variable = format!("VALUE_OF_{variable}");
            }
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
        let name = free(&base, '_', |name| self.parameters.iter().any(|parameter| parameter.name == name));
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

/// The values of the starter without the one that its own declarations ask for.
pub fn without_title(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("title = ")).map(|line| format!("{line}\n")).collect()
}
