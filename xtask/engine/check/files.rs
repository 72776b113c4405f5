//! The files: is everything there that the declarations name, and can it be run?

use std::collections::HashMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::inspect::{Facts, FileFacts, Found, interpreter};
use ciao_declare::environment::meet;
use ciao_declare::finding::{Code, Finding, Place};
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::{BUILT_IN, Parameter};
use ciao_declare::step::Step as Declared;
use ciao_declare::template::Template;
use ciao_declare::{self as declare, Declarations, ORCHESTRATION};
use ciao_plan::build::{Built, Origin};
use ciao_plan::named::{Candidate, Named};
use ciao_plan::path::{ROOT, located};
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
    // That none is listed is said there.
    let list_is_known = !declarations.is_broken(ORCHESTRATION) && !orchestration.environments.is_empty();
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

/// The name of a pipeline is that of its folder.
pub fn pipelines(declarations: &Declarations, findings: &mut Vec<Finding>) {
    for name in declarations.pipelines.keys().filter(|name| !declare::read::NameRule::Dashed.permits(name)) {
        let message = format!("{name:?} cannot be the name of a pipeline");
        let help =
            "rename its folder: lower-case letters, digits and `-`, at most 63, beginning with a letter or digit";
        let place = Place::start_of(declare::pipeline_file(name));
        findings.push(Finding::error(Code::BadName, place, message, help));
    }
}

/// Values, and what is the same everywhere, are taken as they stand: `${name}` in one would reach a program like that.
pub fn literals(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let shared = &declarations.environment;
    let environment: Arc<Utf8Path> = Utf8Path::new(declare::ENVIRONMENT).into();
    let known = |name: &str, own: &[Parameter]| {
        let parameters = shared.parameters.iter().chain(own);
        BUILT_IN.contains(&name)
            || parameters.into_iter().any(|parameter| *parameter.name == *name)
            || shared.constants.contains_key(name)
    };
    let look = |what: &str, value, file: &Arc<Utf8Path>, own: &[Parameter]| {
        let (mut open, mut found): (Vec<&Spanned<Literal>>, Vec<Finding>) = (vec![value], Vec::new());
        while let Some(value) = open.pop() {
            match &value.value {
                Literal::List(items) => open.extend(items),
                Literal::Table(entries) => open.extend(entries.iter().map(|(_, value)| value)),
                Literal::String(text) if text.contains("${") => {
                    let mut names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
                    if let Some((name, _)) = names.find(|(name, _)| known(name, own)) {
                        let message = format!("`${{{name}}}` is not replaced in {what}");
                        let help = "constants, defaults and values are taken as they stand: put them together where they \
                                    are used, in a step, in `env` or in `with`";
                        let place = Place { file: Arc::clone(file), span: value.span };
                        found.push(Finding::error(Code::BadValue, place, message, help));
                    }
                }
                _ => {}
            }
        }
        found
    };
    for (name, values) in declarations.values.iter().chain(&declarations.personal) {
        let Literal::Table(entries) = &values.table else { continue };
        let found =
            entries.iter().flat_map(|(key, value)| look(&format!("value `{}`", key.value), value, &values.file, &[]));
        findings.extend(found.map(|finding| finding.only_in(name)));
    }
    for (name, value) in &shared.constants {
        findings.append(&mut look(&format!("constant `{name}`"), value, &environment, &[]));
    }
    let pipelines = declarations
        .pipelines
        .iter()
        .map(|(name, pipeline)| (declare::pipeline_file(name).as_path().into(), pipeline.parameters.as_slice()));
    for (file, parameters) in pipelines.chain([(environment.clone(), shared.parameters.as_slice())]) {
        for parameter in parameters {
            let Some(default) = &parameter.default else { continue };
            findings.append(&mut look(&format!("the default of `{}`", parameter.name), default, &file, parameters));
        }
    }
}

/// An output has a name of its own: where another thing has it too, no step could ever read the output.
pub fn outputs(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let environment: Arc<Utf8Path> = Utf8Path::new(declare::ENVIRONMENT).into();
    let shared = &declarations.environment;
    for (pipeline, declared) in &declarations.pipelines {
        let file: Arc<Utf8Path> = declare::pipeline_file(pipeline).as_path().into();
        let mut makers: HashMap<&str, &Declared> = HashMap::new();
        for (step, output) in declared.steps.iter().filter_map(|step| Some((step, step.output.as_ref()?))) {
            let name = &*output.name.value;
            let place = |file: &Arc<Utf8Path>, span| Place { file: Arc::clone(file), span };
            if let Some((first, made)) = makers.insert(name, step).and_then(|step| Some((step, step.output.as_ref()?)))
            {
                let message =
                    format!("`{name}` is the output of step `{}` and of `{}`", first.name.value, step.name.value);
                let help = "give one of the outputs another name";
                let finding = Finding::error(Code::TwoProviders, place(&file, output.name.span), message, help);
                findings.push(finding.of(name).related(place(&file, made.name.span), "the first one"));
            }
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
            Some(Found::File(file)) => {
                let fine = file.executable && file.not_in_path.is_none() && unrunnable(path.as_str(), file).is_none();
                (fine, false)
            }
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
        let finally = step.finally.as_deref().zip(declared.finally.as_deref());
        let says_where = declared.cwd.is_some()
            || origin.pipeline.cwd.is_some()
            || finally.is_some_and(|(_, written)| written.cwd.is_some());
        if !says_where && fine.all(candidates) {
            continue;
        }
        script(step, &step.action, &declared.action, origin, facts, findings);
        if let Some((finally, written)) = finally {
            script(step, &finally.action, &written.action, origin, facts, findings);
            let what = format_args!("the `finally` of step `{}`", step.name);
            let found = folder(&finally.cwd, written.cwd.as_ref(), what, origin, facts);
            findings.extend(found.map(|finding| finding.of(&step.name)));
        }
        if let (Some(Stdin::File(path)), Some(declare::step::Stdin::File(written))) = (&step.stdin, &declared.stdin) {
            let path = path.path();
            let found = path.as_ref().and_then(|path| facts.get(path.as_str()));
            if let Some((path, why)) = path.as_ref().zip(found.and_then(absence)) {
                let message = format!("`{path}`, the standard input of step `{}`, {why}", step.name);
                let place = place(origin.file, written);
                findings.push(Finding::error(Code::MissingScript, place, message, "name a file of the repository"));
            }
        }
        let found = match &declared.cwd {
            Some(own) => folder(&step.cwd, Some(own), format_args!("step `{}`", step.name), origin, facts),
            None => folder(&step.cwd, origin.pipeline.cwd.as_ref(), format_args!("a step"), origin, facts),
        };
        findings.extend(found.map(|finding| if declared.cwd.is_some() { finding.of(&step.name) } else { finding }));
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
    let Some(path) = path.path().map(Utf8PathBuf::into_string) else { return };
    let Some(found) = facts.get(&path) else { return };
    let place = place(origin.file, written);
    let error = |code, message: String, help: String| Finding::error(code, place.clone(), message, help).of(&step.name);
    if let Some(why) = absence(found) {
        let help = match found {
            Found::Missing => format!("create {path}, or correct the name; it is taken from the folder of this file"),
            Found::Unusable(_) => "make it a file that whoever deploys may read".to_owned(),
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
    findings.extend(not_in_path(&path, file, place).map(|finding| finding.of(&step.name)));
}

/// A warning: another machine may have it, and an earlier step may install it.
fn not_in_path(path: &str, file: &FileFacts, place: Place) -> Option<Finding> {
    // One with a blank in it is wrong on every machine.
    let name = file.not_in_path.as_ref().filter(|name| !name.contains([' ', '\t']))?;
    let message = format!("`{path}` is run by `{name}`, which is not on the PATH of this machine");
    let help = "install it where it is deployed from, unless an earlier step does, or correct the `#!` line";
    Some(Finding::warning(Code::BadCommand, place, message, help))
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
    if let Some(name) = file.not_in_path.as_deref().filter(|name| name.contains([' ', '\t'])) {
        let message = format!("has a `#!` line by which `env` looks for one program named `{name}`");
        return Some((message, format!("write `#!{interpreter} -S {name}`")));
    }
    let why = match (file.interpreter_found, file.interpreter_runs) {
        (false, _) => "is not on this machine",
        (true, false) => "is no program that can be run",
        (true, true) => return None,
    };
    let message = format!("names the interpreter `{interpreter}`, which {why}");
    Some((message, "install it, or correct the `#!` line".to_owned()))
}

fn quoted(path: &str) -> String {
    shell_words::quote(path).into_owned()
}

/// The folder that something works in.
fn folder(
    cwd: &Text,
    written: Option<&Template>,
    what: std::fmt::Arguments<'_>,
    origin: &Origin<'_>,
    facts: &Facts,
) -> Option<Finding> {
    // What leads out was found when the plan was made.
    let (written, path) = (written?, cwd.path()?);
    let why = match facts.get(path.as_str())? {
        Found::Folder => return None,
        Found::File(_) => "is a file".to_owned(),
        other => absence(other).unwrap_or_default(),
    };
    let message = format!("folder `{path}`, in which {what} runs, {why}");
    let help = "name a folder from the folder of this file; for one that a step makes, use `${work}`";
    Some(Finding::error(Code::BadValue, place(origin.file, written), message, help))
}

/// The programs of a step: its command and its guard.
fn run(step: &Step, origin: &Origin<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    if let (Action::Run(arguments), declare::step::Action::Run(written)) = (&step.action, &origin.declared.action) {
        let place = written.first().map(|written| place(origin.file, written));
        place.into_iter().for_each(|place| program(step, arguments, place, facts, findings));
    }
    if let (Some(arguments), Some([written, ..])) = (&step.unless, origin.declared.unless.as_deref()) {
        program(step, arguments, place(origin.file, written), facts, findings);
    }
}

/// A program that is named by a path and is there must be one. One that is not there may be built by an earlier step.
fn program(step: &Step, arguments: &[Argument], place: Place, facts: &Facts, findings: &mut Vec<Finding>) {
    let program = match arguments.first() {
        Some(Argument::One(text)) => Text::known_in_repo(text),
        _ => None,
    };
    let (Some(program), Some(cwd)) = (program.filter(|program| program.contains('/')), step.cwd.path()) else {
        return;
    };
    let path = located(&cwd, &program);
    let Some(found) = path.as_ref().and_then(|path| facts.get(path.as_str())) else { return };
    let program = program.replace(ROOT, "${repo}");
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
            } else {
                findings.extend(not_in_path(&program, file, place).map(|finding| finding.of(&step.name)));
            }
        }
        Found::Folder | Found::Dangling | Found::Outside => {
            let message = format!("program `{program}` {}", absence(found).unwrap_or_default());
            findings.push(Finding::error(Code::BadCommand, place, message, "name a program").of(&step.name));
        }
        Found::Missing | Found::Unusable(_) => {}
    }
}
