//! One step of the plan, from its declaration and the names that it may use.

use std::sync::Arc;

use camino::Utf8Path;

use super::draft::Item;
use super::scope::Scope;
use super::{Action, Call, Finally, Output, Piece, Retries, Stdin, Step, Text, Tree};
use ciao_base::task::Tasks;
use ciao_declare::Pipeline;
use ciao_declare::finding::{Code, Finding, Place, Span, and_then, suggest};
use ciao_declare::given::Given;
use ciao_declare::literal::Spanned;
use ciao_declare::step::{self as declared, ForEach};
use ciao_declare::template::Template;

impl Scope<'_> {
    /// The step with all its strings. Who it is among its instances is for `build::identify` to say.
    pub fn step(&mut self, declared: &declared::Step, pipeline: &Pipeline, within: &Arc<str>, tasks: &Tasks) -> Step {
        let folder = Utf8Path::new(&**within);
        let cwd = match declared.cwd.as_ref().or(pipeline.cwd.as_ref()) {
            Some(template) => self.path(template, folder),
            None => Text { pieces: vec![Piece::Literal(Arc::clone(within))] },
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
            for_each: declared.for_each.as_ref().map(ForEach::written),
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
            parameters: std::mem::take(&mut self.used),
            secrets: std::mem::take(&mut self.secrets),
            files: Vec::new(),
            file: Arc::clone(&self.file),
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
        let home = |path: &str| path == "~" || path.starts_with('~') && path.contains('/');
        if template.as_literal().is_some_and(|path| path.is_empty() || path.starts_with('/') || home(path)) {
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
            text.each_leaf(&mut |piece| anything |= matches!(piece, Piece::Output { .. } | Piece::Missing));
        });
        if anything {
            return;
        }
        let json = with.to_json(&|text| text.known().as_deref().unwrap_or("unknown").into(), &|_, _| None);
        if let Err(why) = (task.verify)(json) {
            let message = format!("task `{}` does not take these arguments: {why}", name.value);
            let help = "correct `with`: it gives the fields of the task's arguments, in xtask/src/tasks.rs";
            let finding = Finding::error(Code::BadTaskArguments, place(span), message, help);
            let finding = finding.note(format!("{}: {}", name.value, task.help));
            self.findings.push(finding.only_in(self.environment));
        }
    }

    /// Names the step among its instances.
    pub fn identify(&self, step: &mut Step, call: &Call, own: Option<&Item>, outer: Option<&Item>) {
        step.id = [&*call.id, "/", &*step.name].concat();
        if let Some(item) = own {
            step.id += &item.in_brackets();
        }
        step.each = own.or(outer).and_then(|item| item.name.clone());
    }
}
