//! Files beside a pipeline that no step reaches: written, delivered, and never run.
//!
//! A file is reached when a step or a value names it or its folder, or a file does that is reached itself. A name is
//! looked for as a word; the languages that it stands in are not understood.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::Check;
use super::script::{self, Language};
use super::walk::{self, Spot, Visitor};
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::glob;
use ciao_declare::template::Part;
use ciao_declare::{DEPLOYMENTS, Pipeline, pipeline_file};
use ciao_mask::Words;
use ciao_plan::build::{Built, Origin};
use ciao_plan::named::Named;
use ciao_plan::path::normalised;

/// Files that a program reads in the folder it works in, without being told.
const CONVENTIONS: [(&[&str], &[&str]); 7] = [
    (&["make", "gmake"], &["Makefile", "makefile", "GNUmakefile", "*.mk"]),
    (&["docker", "podman", "docker-compose"], &["*compose*.y*ml", "Dockerfile", "Containerfile"]),
    (&["terraform", "tofu", "terragrunt", "packer"], &["*.tf", "*.tfvars", "*.hcl", "*.tf.json"]),
    (&["npm", "npx", "yarn", "pnpm", "node", "bun"], &["package*.json", "*lock*", "*.config.*"]),
    (&["cargo"], &["Cargo.*", "*.rs"]),
    (&["ansible-playbook", "ansible"], &["ansible.cfg", "*.ini"]),
    (&["kustomize", "helm", "helmfile", "skaffold", "just", "mise", "task"], &["*.y*ml", "justfile", "*.toml"]),
];

/// Finds `forgotten-file`, and patterns of `uses` that name nothing.
pub fn check(subject: &Check<'_>, paths: &Named, findings: &mut Vec<Finding>) {
    let all = paths.paths.iter().chain(&subject.folders);
    let named: HashSet<&str> = all.map(|path| path.as_str()).collect();
    for (name, pipeline) in &subject.declarations.pipelines {
        used_files(subject, name, pipeline, findings);
        let folder = Utf8Path::new(DEPLOYMENTS).join(&**name);
        let below = format!("{folder}/");
        let beside = subject.sources.nearby.range(folder.clone()..).map(|(path, _)| &**path);
        let beside = beside.take_while(|path| path.as_str().starts_with(&*below) || *path == folder);
        let is_named = |path: &Utf8Path| {
            path.ancestors()
                .take_while(|path| path.as_str().starts_with(folder.as_str()))
                .any(|path| named.contains(path.as_str()))
        };
        let files: Vec<&Utf8Path> = beside.filter(|path| !is_exempt(path)).collect();
        let (reached, open): (Vec<&Utf8Path>, Vec<&Utf8Path>) = files.into_iter().partition(|path| is_named(path));
        if open.is_empty() || !subject.any_plan {
            continue;
        }
        for path in Search::new(subject, name, pipeline, open).run(paths, reached) {
            let message = format!("no step reaches `{}`", path.strip_prefix(&folder).unwrap_or(path));
            let help = "let a step run or name it; or remove it, or move it away from the pipeline";
            findings.push(Finding::error(Code::ForgottenFile, Place::start_of(path), message, help));
        }
    }
}

/// The folders in which the steps of a plan say that they work.
pub fn folders(built: &Built<'_>) -> impl Iterator<Item = Utf8PathBuf> {
    let says_where = |origin: &Origin<'_>| origin.declared.cwd.is_some() || origin.pipeline.cwd.is_some();
    let steps = built.plan.steps.iter().zip(&built.origins).filter(move |(_, origin)| says_where(origin));
    let named = steps.filter_map(|(step, _)| Some((step.file.parent(), step.cwd.path()?)));
    named.filter(|(folder, cwd)| folder.is_none_or(|folder| folder != cwd)).map(|(_, cwd)| cwd)
}

fn is_exempt(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.starts_with('.') || name.starts_with("README") || name.starts_with("LICENSE")
}

/// The patterns of `uses`, from the root.
pub fn patterns<'p>(
    name: &str,
    pipeline: &'p Pipeline,
) -> impl Iterator<Item = (&'p ciao_declare::literal::Spanned<Arc<str>>, Option<Utf8PathBuf>)> {
    let folder = Utf8Path::new(DEPLOYMENTS).join(name);
    pipeline.uses.iter().map(move |pattern| (pattern, normalised(&folder.join(&*pattern.value))))
}

fn used_files(subject: &Check<'_>, name: &str, pipeline: &Pipeline, findings: &mut Vec<Finding>) {
    for (pattern, path) in patterns(name, pipeline) {
        let place = Place { file: pipeline_file(name).as_path().into(), span: pattern.span };
        let (what, help) = match path.filter(|_| !pattern.value.starts_with('/')) {
            None => ("leads out of the repository", "name files of the repository, from the folder of this file"),
            Some(path) if path == "." => (
                "is the whole repository",
                "name the files and folders in it that the pipeline works on: `../../../db/**`",
            ),
            Some(path)
                if !subject
                    .sources
                    .nearby
                    .keys()
                    .chain(subject.sources.texts.keys())
                    .any(|file| glob::matches(&path, file)) =>
            {
                (
                    "fits no file",
                    "correct it: it is taken from the folder of this file, and `**` stands for any folders",
                )
            }
            Some(_) => continue,
        };
        findings.push(Finding::error(Code::BadValue, place, format!("`{}` {what}", pattern.value), help));
    }
}

/// The search for the names of files that are not reached yet.
struct Search<'a> {
    subject: &'a Check<'a>,
    pipeline: &'a Pipeline,
    name: &'a str,
    open: Vec<Option<&'a Utf8Path>>,
    /// For every word the file that it stands for.
    owners: Vec<usize>,
    words: Words,
}

/// All strings of a pipeline, a line each.
#[derive(Default)]
struct Strings(String);

impl Visitor for Strings {
    fn spot(&mut self, spot: &Spot<'_>) {
        for part in &*spot.parts {
            self.0.push_str(match part {
                Part::Literal(text) => text,
                Part::Reference { .. } => "*",
            });
        }
        self.0.push('\n');
    }
}

impl<'a> Search<'a> {
    fn new(subject: &'a Check<'a>, name: &'a str, pipeline: &'a Pipeline, open: Vec<&'a Utf8Path>) -> Search<'a> {
        let folder = Utf8Path::new(DEPLOYMENTS).join(name);
        let mut words = Vec::new();
        let mut owners = Vec::new();
        for (index, path) in open.iter().enumerate() {
            let inside = path.strip_prefix(&folder).unwrap_or(path);
            for part in inside.components() {
                words.push(part.as_str().into());
                owners.push(index);
            }
            // `import steps`
            if inside.extension() == Some("py") {
                words.push(inside.file_stem().unwrap_or_default().into());
                owners.push(index);
            }
        }
        let open = open.into_iter().map(Some).collect();
        Search { subject, pipeline, name, open, owners, words: Words::new(words) }
    }

    /// What is still open when all that can be reached has been read.
    fn run(mut self, paths: &'a Named, reached: Vec<&'a Utf8Path>) -> Vec<&'a Utf8Path> {
        let mut strings = Strings::default();
        walk::pipeline(self.name, self.pipeline, &mut strings);
        let strings_only = Utf8Path::new("strings.txt");
        let mut next = self.mentioned(strings_only, &strings.0);
        next.extend(self.conventional(&strings.0));
        for file in self.subject.declarations.values.keys().map(|name| ciao_declare::values_file(name)) {
            next.extend(self.mentioned(&file, self.subject.sources.text(file.as_str()).unwrap_or_default()));
        }
        let patterns: Vec<Utf8PathBuf> = patterns(self.name, self.pipeline).filter_map(|(_, path)| path).collect();
        let nearby = self.subject.sources.nearby.keys().map(|path| &**path);
        next.extend(reached);
        next.extend(nearby.filter(|path| patterns.iter().any(|pattern| glob::matches(pattern, path))));
        // Scripts elsewhere may name what is here.
        next.extend(paths.paths.iter().map(|path| &**path).filter(|path| !path.starts_with(DEPLOYMENTS)));
        let mut seen = BTreeSet::new();
        while let Some(path) = next.pop() {
            if !seen.insert(path) {
                continue;
            }
            self.open.iter_mut().filter(|open| **open == Some(path)).for_each(|open| *open = None);
            if let Some(text) = self.subject.sources.nearby.get(path).and_then(|content| content.text()) {
                next.extend(self.mentioned(path, text));
            }
        }
        self.open.into_iter().flatten().collect()
    }

    /// The open files that a text names: they are open no longer. What stands in a script's comment is done by nobody.
    fn mentioned(&mut self, path: &Utf8Path, text: &str) -> Vec<&'a Utf8Path> {
        let mut found = Vec::new();
        let language = script::language(path, text);
        let is_script = matches!(language, Language::Shell | Language::Python | Language::Sql);
        let in_comment = |at: usize| {
            let (start, line) = script::line_at(text, at);
            // It says what a line reads that names a variable only.
            let tells = line.contains("shellcheck source=");
            is_script && !tells && script::comment(language, line).is_some_and(|comment| comment <= at - start)
        };
        let bytes = text.as_bytes();
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        for (hit, word) in self.words.find(bytes) {
            let before = hit.start.checked_sub(1).map(|at| &bytes[at]);
            let open = &mut self.open[self.owners[word]];
            if open.is_some() && !is_word(before) && !is_word(bytes.get(hit.end)) && !in_comment(hit.start) {
                found.extend(open.take());
            }
        }
        let is_break = |char: char| char.is_whitespace() || "\"'`;,()=".contains(char);
        let patterns: BTreeSet<&str> = text
            .match_indices('*')
            .filter(|(at, _)| !in_comment(*at))
            .map(|(at, _)| {
                let start = text[..at].rfind(|char| is_break(char) || char == '/').map_or(0, |at| at + 1);
                let end = text[at..].find(|char| is_break(char) || char == '/').map_or(text.len(), |end| at + end);
                text.get(start..end).unwrap_or_default()
            })
            .filter(|pattern| pattern.contains(char::is_alphanumeric) && pattern.len() < 256)
            .collect();
        for pattern in patterns {
            let fits = |open: &&mut Option<&Utf8Path>| {
                open.and_then(Utf8Path::file_name).is_some_and(|name| glob::name_matches(pattern, name))
            };
            found.extend(self.open.iter_mut().filter(fits).filter_map(Option::take));
        }
        found
    }

    /// The open files that a program reads without being told.
    fn conventional(&mut self, strings: &str) -> Vec<&'a Utf8Path> {
        let mut found = Vec::new();
        for (programs, names) in CONVENTIONS {
            if !strings.lines().any(|line| programs.contains(&line.rsplit('/').next().unwrap_or(line))) {
                continue;
            }
            let fits = |open: &&mut Option<&Utf8Path>| {
                let name = open.and_then(Utf8Path::file_name);
                name.is_some_and(|name| names.iter().any(|pattern| glob::name_matches(pattern, name)))
            };
            found.extend(self.open.iter_mut().filter(fits).filter_map(Option::take));
        }
        found
    }
}
