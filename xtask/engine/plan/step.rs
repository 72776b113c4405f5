//! One step of the plan, from its declaration and the names that it may use.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::scope::{Scope, normalised};
use super::{Action, Argument, Call, Finally, Output, Retries, Stdin, Step, Text, Tree};
use crate::declare::Pipeline;
use crate::declare::literal::Spanned;
use crate::declare::step::{self as declared, Given};
use crate::declare::template::Template;
use crate::finding::{Code, Finding, Place, Span, and_then, suggest};
use crate::task::Tasks;

impl Scope<'_> {
    /// The step with all its strings. Who it is among its instances is for `build::identify` to say.
    pub fn step(&mut self, declared: &declared::Step, pipeline: &Pipeline, tasks: &Tasks) -> Step {
        let folder = Arc::clone(&self.file);
        let folder = folder.parent().unwrap_or(Utf8Path::new(""));
        let cwd = match declared.cwd.as_ref().or(pipeline.cwd.as_ref()) {
            Some(template) => self.path(template, folder),
            None => Text::literal(folder.as_str()),
        };
        let action = self.action(&declared.action, folder, tasks);
        let env = self.env(&declared.env);
        let stdin = declared.stdin.as_ref().map(|stdin| self.stdin(stdin, folder));
        let unless = declared.unless.as_ref().map(|unless| self.arguments(unless));
        self.in_finally = true;
        let finally = declared.finally.as_ref().map(|finally| {
            Box::new(Finally {
                action: self.action(&finally.action, folder, tasks),
                env: self.env(&finally.env),
                cwd: finally.cwd.as_ref().map_or_else(|| cwd.clone(), |template| self.path(template, folder)),
                stdin: finally.stdin.as_ref().map(|stdin| self.stdin(stdin, folder)),
                timeout: finally.timeout,
            })
        });
        self.in_finally = false;
        let strings = |names: &[Spanned<Arc<str>>]| names.iter().map(|name| name.value.to_string()).collect();
        Step {
            id: String::new(),
            call: self.call,
            name: declared.name.value.to_string(),
            each: None,
            action,
            env,
            cwd,
            stdin,
            runs: self.runs,
            needs: declared.needs.as_ref().map(|needs| strings(needs)),
            parallel: declared.parallel,
            when: Vec::new(),
            provides: strings(&declared.provides),
            requires: strings(&declared.requires),
            unless,
            output: declared.output.as_ref().map(|output| Output {
                name: output.name.value.to_string(),
                json: output.json,
                secret: output.secret,
            }),
            finally,
            retries: declared.retries.map(|retries| Retries {
                attempts: retries.attempts,
                delay: retries.delay,
                backoff: retries.backoff,
            }),
            timeout: declared.timeout,
            detach: declared.detach,
            verify: declared.verify,
            parameters: self.used.clone(),
            secrets: self.secrets.clone(),
            files: Vec::new(),
            file: Utf8PathBuf::new(),
            line: 0,
        }
    }

    fn action(&mut self, action: &declared::Action, folder: &Utf8Path, tasks: &Tasks) -> Action {
        match action {
            declared::Action::Run(run) => Action::Run(self.arguments(run)),
            declared::Action::Script { path, args } => {
                Action::Script { path: self.script(path, folder), args: self.arguments(args) }
            }
            declared::Action::Task { name, with, with_span } => {
                let with = Given::Table(with.clone(), *with_span);
                let tree = self.given(&with);
                self.task(name, &tree, *with_span, tasks);
                Action::Task { name: name.value.to_string(), with: tree }
            }
        }
    }

    fn script(&mut self, template: &Template, folder: &Utf8Path) -> Text {
        if template.as_literal().is_some_and(|path| path.is_empty() || path.starts_with(['/', '~'])) {
            let message = format!("`{}` is not a file of the repository", template.as_literal().unwrap_or_default());
            let help = "name it from the folder of this file; a program of the machine is run with `run`";
            self.report(Code::MissingScript, template.span, message, help);
            return Text::default();
        }
        let before = self.findings.len();
        let text = self.path(template, folder);
        for finding in &mut self.findings[before..] {
            if finding.code == Code::BadValue {
                finding.code = Code::MissingScript;
            }
        }
        text
    }

    fn stdin(&mut self, stdin: &declared::Stdin, folder: &Utf8Path) -> Stdin {
        match stdin {
            declared::Stdin::Text(template) => Stdin::Text(self.text(template)),
            declared::Stdin::File(template) => Stdin::File(self.path(template, folder)),
        }
    }

    /// Whether the task is there and takes these arguments: found now, and not when the step runs.
    fn task(&mut self, name: &Spanned<Arc<str>>, with: &Tree, span: Span, tasks: &Tasks) {
        let place = |span| Place { file: Arc::clone(&self.file), span };
        let Some(task) = tasks.get(&name.value) else {
            let names: Vec<&str> = tasks.iter().map(|(name, _)| name).collect();
            let help = suggest(&name.value, "tasks", names);
            let help = and_then(&help, "tasks are registered in xtask/src/tasks.rs");
            let message = format!("no task `{}` is registered", name.value);
            let mut finding = Finding::error(Code::UnknownTask, place(name.span), message, help);
            finding.notes = tasks.iter().map(|(name, task)| format!("{name}: {}", task.help)).collect();
            self.findings.push(finding);
            return;
        };
        // What is not known yet is a string as far as anybody can say; JSON outputs may be anything.
        let mut anything = false;
        with.each_text(&mut |text| {
            text.each_leaf(&mut |piece| {
                anything |= matches!(piece, super::Piece::Output { .. } | super::Piece::Missing)
            });
        });
        if anything {
            return;
        }
        let json = with.to_json(&|text| text.known().unwrap_or_else(|| "unknown".to_owned()).into(), &|_, _| None);
        if let Err(why) = (task.verify)(json) {
            let message = format!("task `{}` does not take these arguments: {why}", name.value);
            let help = format!("{}: {}", name.value, task.help);
            self.findings.push(Finding::error(Code::BadTaskArguments, place(span), message, help));
        }
    }

    /// Names the step among its instances.
    pub fn identify(&self, step: &mut Step, call: &Call, own: Option<&str>, outer: Option<&str>) {
        step.id = match own {
            Some(item) => format!("{}/{}[{item}]", call.id, step.name),
            None => format!("{}/{}", call.id, step.name),
        };
        step.each = own.or(outer).map(str::to_owned);
    }
}

impl Step {
    /// The files of the repository that it may name, from the root: its script, its standard input, and every
    /// argument that could be a path. Whether they are there is for others to find out.
    #[must_use]
    pub fn candidates(&self) -> BTreeSet<Utf8PathBuf> {
        let mut found = BTreeSet::new();
        let cwd = self.cwd.known().unwrap_or_else(|| "/".to_owned());
        let mut action = |action: &Action, cwd: &str| match action {
            Action::Run(arguments) => arguments_in(arguments, cwd, &mut found),
            Action::Script { args, .. } => arguments_in(args, cwd, &mut found),
            Action::Task { .. } => {}
        };
        action(&self.action, &cwd);
        if let Some(finally) = &self.finally {
            action(&finally.action, &finally.cwd.known().unwrap_or_else(|| "/".to_owned()));
        }
        arguments_in(self.unless.as_deref().unwrap_or_default(), &cwd, &mut found);
        found.extend(self.scripts());
        found
    }

    /// The scripts that it runs and the files that it reads as standard input: what is deployed, wherever it stands.
    #[must_use]
    pub fn scripts(&self) -> BTreeSet<Utf8PathBuf> {
        let finally = self.finally.as_deref();
        let actions = std::iter::once(&self.action).chain(finally.map(|finally| &finally.action));
        let scripts = actions.filter_map(|action| match action {
            Action::Script { path, .. } => Some(path),
            Action::Run(_) | Action::Task { .. } => None,
        });
        let inputs = self.stdin.iter().chain(finally.and_then(|finally| finally.stdin.as_ref()));
        let files = inputs.filter_map(|stdin| match stdin {
            Stdin::File(path) => Some(path),
            Stdin::Text(_) => None,
        });
        scripts.chain(files).filter_map(|path| normalised(Utf8Path::new(&path.known()?))).collect()
    }
}

fn arguments_in(arguments: &[Argument], cwd: &str, found: &mut BTreeSet<Utf8PathBuf>) {
    for text in arguments.iter().flat_map(Argument::texts) {
        let Some(argument) = text.known() else { continue };
        // `--file=data.sql` names data.sql.
        let path = match argument.split_once('=') {
            Some((option, value)) if option.starts_with('-') => value,
            _ => &argument,
        };
        if !path.is_empty() && path.len() < 4096 && !path.starts_with('-') && !path.contains('\n') {
            found.extend(normalised(&Utf8Path::new(cwd).join(path)).filter(|path| path != "."));
        }
    }
}
