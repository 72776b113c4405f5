//! The files: is everything there that the declarations name, and can it be run?

use std::sync::Arc;

use camino::Utf8Path;

use crate::inspect::{Facts, FileFacts, Found, interpreter};
use ciao_declare::environment::meet;
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::parameter::{BUILT_IN, Parameter};
use ciao_declare::template::Template;
use ciao_declare::{self as declare, Declarations, ORCHESTRATION};
use ciao_plan::build::{Built, Origin};
use ciao_plan::named::{Candidate, Named};
use ciao_plan::scope::normalised;
use ciao_plan::{Action, Argument, Stdin, Step, Text};

/// Listed environments have a file, and files a listed environment.
pub fn environments(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let orchestration = &declarations.orchestration;
    for environment in &orchestration.environments {
        let name = &environment.name.value;
        if !declarations.values.contains_key(name) && !declarations.is_broken(declare::values_file(name)) {
            let place = Place { file: Utf8Path::new(ORCHESTRATION).into(), span: environment.name.span };
            let message = format!("environment `{name}` has no file of values");
            let help = format!("create {}", declare::values_file(name));
            findings.push(Finding::error(Code::UnknownEnvironment, place, message, help).only_in(name));
        }
    }
    let list_is_known = !declarations.is_broken(ORCHESTRATION);
    for (name, values) in declarations.values.iter().filter(|_| list_is_known) {
        if orchestration.get(name).is_none() {
            let known: Vec<&str> = orchestration.names().collect();
            let mut help =
                format!("list it in {ORCHESTRATION}: `[[environment]]`, `name = \"{name}\"`; or remove the file");
            if let Some(near) = ciao_declare::finding::did_you_mean(name, known) {
                help = format!("did you mean `{near}`? else {help}");
            }
            let message = format!("environment `{name}` is not listed");
            let finding = Finding::error(Code::UnlistedEnvironment, Place::start_of(&values.file), message, help);
            findings.push(finding.only_in(name));
        }
    }
    for (name, values) in &declarations.personal {
        if orchestration.get(name).is_some() {
            let message = format!("the personal environment `{name}` has the name of a listed one");
            let finding =
                Finding::error(Code::DuplicateName, Place::start_of(&values.file), message, "rename the file");
            findings.push(finding.only_in(name));
        }
    }
    for (name, file) in
        declarations.values.iter().chain(&declarations.personal).map(|(name, values)| (name, &values.file))
    {
        if !declare::read::NameRule::Dashed.permits(name) {
            let message = format!("{name:?} cannot be the name of an environment");
            let help = "use lower-case letters, digits and `-`, at most 63, beginning with a letter or digit";
            findings.push(Finding::error(Code::BadName, Place::start_of(file), message, help).only_in(name));
        }
    }
}

/// An output has a name of its own: where another thing has it too, no step could ever read the output.
pub fn outputs(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let environment: Arc<Utf8Path> = Utf8Path::new(declare::ENVIRONMENT).into();
    let shared = &declarations.environment;
    for (pipeline, declared) in &declarations.pipelines {
        let file: Arc<Utf8Path> = declare::pipeline_file(pipeline).as_path().into();
        for output in declared.steps.iter().filter_map(|step| step.output.as_ref()) {
            let name = &*output.name.value;
            let place = |file: &Arc<Utf8Path>, span| Place { file: Arc::clone(file), span };
            let parameter = |parameters: &[Parameter], file| {
                let found = parameters.iter().find(|parameter| meet(&parameter.name, name));
                found.map(|parameter| ("parameter", place(file, parameter.span)))
            };
            let constant = || {
                let found = shared.constants.iter().find(|(constant, _)| meet(constant, name));
                found.map(|(_, value)| ("constant", place(&environment, value.span)))
            };
            let other = parameter(&declared.parameters, &file)
                .or_else(|| parameter(&shared.parameters, &environment))
                .or_else(constant);
            let message = match &other {
                Some((what, _)) => format!("`{name}` is an output, and a {what} or a group of them"),
                None if BUILT_IN.contains(&name) => format!("`{name}` is a built-in name"),
                None => continue,
            };
            let here = place(&file, output.name.span);
            let finding = Finding::error(Code::DuplicateName, here, message, "give the output another name");
            findings.push(match other {
                Some((what, place)) => finding.related(place, format!("the {what}")),
                None => finding,
            });
        }
    }
}

/// By number, whether a path is that of a program that can be run, and whether there is nothing there.
#[derive(Default)]
pub struct Fine(Vec<(bool, bool)>);

impl Fine {
    /// Looks at the paths that are new.
    pub fn add(&mut self, named: &Named, facts: &Facts) {
        let new = &named.paths[self.0.len()..];
        self.0.extend(new.iter().map(|path| match facts.get(path.as_str()) {
            Some(Found::File(file)) => (file.executable && unrunnable(path.as_str(), file).is_none(), false),
            Some(Found::Missing) => (false, true),
            _ => (false, false),
        }));
    }

    /// Whether nothing can be found about any of these.
    fn all(&self, candidates: &[Candidate]) -> bool {
        candidates.iter().all(|candidate| {
            let (program, missing) = self.0[candidate.path as usize];
            program || (missing && !candidate.deployed)
        })
    }
}

/// The files that the steps of a plan name.
pub fn named(
    built: &Built<'_>,
    candidates: &[Vec<Candidate>],
    fine: &Fine,
    facts: &Facts,
    findings: &mut Vec<Finding>,
) {
    for ((step, origin), candidates) in built.plan.steps.iter().zip(&built.origins).zip(candidates) {
        let declared = origin.declared;
        if declared.cwd.is_none() && fine.all(candidates) {
            continue;
        }
        script(step, &step.action, &declared.action, origin, facts, findings);
        if let (Some(finally), Some(written)) = (&step.finally, &declared.finally) {
            script(step, &finally.action, &written.action, origin, facts, findings);
        }
        if let (Some(Stdin::File(path)), Some(declare::step::Stdin::File(written))) = (&step.stdin, &declared.stdin) {
            let found = path.known().and_then(|path| facts.get(&*path));
            if let Some((path, why)) = path.known().zip(found.and_then(absence)) {
                let message = format!("`{path}`, the standard input of step `{}`, {why}", step.name);
                let place = place(origin.file, written);
                findings.push(Finding::error(Code::MissingScript, place, message, "name a file of the repository"));
            }
        }
        folder(step, origin, facts, findings);
        run(step, origin, facts, findings);
    }
}

fn place(file: &Arc<Utf8Path>, template: &Template) -> Place {
    Place { file: Arc::clone(file), span: template.span }
}

/// Why something that is found is not a file, as the end of a sentence.
fn absence(found: &Found) -> Option<String> {
    Some(match found {
        Found::Missing => "does not exist".to_owned(),
        Found::Dangling => "is a link to nothing".to_owned(),
        Found::Outside => "leads out of the repository".to_owned(),
        Found::Folder => "is a folder".to_owned(),
        Found::Unusable(why) => format!("cannot be used: {why}"),
        Found::File(_) => return None,
    })
}

fn script(
    step: &Step,
    action: &Action,
    written: &declare::step::Action,
    origin: &Origin<'_>,
    facts: &Facts,
    findings: &mut Vec<Finding>,
) {
    let (Action::Script { path, .. }, declare::step::Action::Script { path: written, .. }) = (action, written) else {
        return;
    };
    let Some(path) = path.known() else { return };
    let Some(found) = facts.get(&*path) else { return };
    let place = place(origin.file, written);
    let error = |code, message: String, help: String| Finding::error(code, place.clone(), message, help).of(&step.name);
    if let Some(why) = absence(found) {
        let help = match found {
            Found::Missing => format!("create {path}, or correct the name; it is taken from the folder of this file"),
            _ => "name a file of the repository".to_owned(),
        };
        findings.push(error(Code::MissingScript, format!("script `{path}` {why}"), help));
        return;
    }
    let Found::File(file) = found else { return };
    if let Some((why, help)) = unrunnable(&path, file) {
        findings.push(error(Code::BadCommand, format!("script `{path}` {why}"), help));
    }
    if !file.executable {
        let help = format!(
            "run `chmod +x {0}`, and `git update-index --chmod=+x {0}` where files have no modes",
            quoted(&path)
        );
        findings.push(error(Code::NotExecutable, format!("script `{path}` is not executable"), help));
    }
}

/// Why the system would not run a file, in words and not as an error number.
fn unrunnable(path: &str, file: &FileFacts) -> Option<(String, String)> {
    let shebang = "begin it with a line as `#!/bin/sh`, which names its interpreter".to_owned();
    if file.empty {
        return Some(("is empty".to_owned(), shebang));
    }
    if file.binary {
        return None;
    }
    let line = file.first_line.as_deref().unwrap_or_default();
    if line.starts_with('\u{feff}') {
        let help = format!("remove it: `sed -i '1s/^\\xEF\\xBB\\xBF//' {}`", quoted(path));
        return Some(("begins with a byte order mark, so that its `#!` line is not seen".to_owned(), help));
    }
    if !line.starts_with("#!") {
        return Some(("has no `#!` line".to_owned(), shebang));
    }
    if line.ends_with('\r') {
        let help = format!(
            "convert it: `sed -i 's/\\r$//' {}`, and keep it so with `*.sh text eol=lf` in .gitattributes",
            quoted(path)
        );
        return Some(("has Windows line ends, which belong to the name of its interpreter".to_owned(), help));
    }
    let Some(interpreter) = interpreter(line) else {
        return Some(("has a `#!` line that names no interpreter".to_owned(), shebang));
    };
    if !interpreter.starts_with('/') {
        let message = format!("has a `#!` line whose interpreter, `{interpreter}`, is not an absolute path");
        return Some((message, format!("write `#!/usr/bin/env {interpreter}`")));
    }
    (!file.interpreter_found).then(|| {
        (
            format!("names the interpreter `{interpreter}`, which is not on this machine"),
            "install it, or correct the `#!` line".to_owned(),
        )
    })
}

fn quoted(path: &str) -> String {
    shell_words::quote(path).into_owned()
}

/// The folder that a step works in. One that a value names may be made by an earlier step.
fn folder(step: &Step, origin: &Origin<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(written) = origin.declared.cwd.as_ref().filter(|cwd| cwd.as_literal().is_some()) else { return };
    let Some(path) = step.cwd.known() else { return };
    if normalised(Utf8Path::new(&*path)).is_none() {
        // Found when the plan was made.
        return;
    }
    let why = match facts.get(&*path) {
        Some(Found::Folder) | None => return,
        Some(Found::File(_)) => "is a file".to_owned(),
        Some(other) => absence(other).unwrap_or_default(),
    };
    let message = format!("folder `{path}`, in which step `{}` runs, {why}", step.name);
    let help = "name a folder from the folder of this file; for one that a step makes, use `${work}` or a parameter";
    findings.push(Finding::error(Code::BadValue, place(origin.file, written), message, help).of(&step.name));
}

/// A program that is named by a path and is there must be one. One that is not there may be built by an earlier step.
fn run(step: &Step, origin: &Origin<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    let (Action::Run(arguments), declare::step::Action::Run(written)) = (&step.action, &origin.declared.action) else {
        return;
    };
    let program = match arguments.first() {
        Some(Argument::One(text)) => Text::known(text),
        _ => None,
    };
    let (Some(program), Some(cwd)) = (program.filter(|program| program.contains('/')), step.cwd.known()) else {
        return;
    };
    let path = ciao_plan::scope::normalised(&Utf8Path::new(&*cwd).join(&*program));
    let Some(found) = path.as_ref().and_then(|path| facts.get(path.as_str())) else { return };
    let place = place(origin.file, &written[0]);
    match found {
        Found::File(file) if !file.executable => {
            let help = format!("run `chmod +x {}`", quoted(path.as_deref().map_or("", Utf8Path::as_str)));
            let message = format!("program `{program}` is not executable");
            findings.push(Finding::error(Code::NotExecutable, place, message, help).of(&step.name));
        }
        Found::File(file) => {
            if let Some((why, help)) = unrunnable(&program, file) {
                findings.push(
                    Finding::error(Code::BadCommand, place, format!("program `{program}` {why}"), help).of(&step.name),
                );
            }
        }
        Found::Folder | Found::Dangling | Found::Outside => {
            let message = format!("program `{program}` {}", absence(found).unwrap_or_default());
            findings.push(Finding::error(Code::BadCommand, place, message, "name a program").of(&step.name));
        }
        Found::Missing | Found::Unusable(_) => {}
    }
}
