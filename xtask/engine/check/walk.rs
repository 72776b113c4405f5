//! Every string of the declarations that becomes part of a step, with what it is there. The rules look at these, and
//! not at the files' text: `help`, `reason`, `choices`, `default`, `min`, `max`, names and comments are none of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;

use ciao_declare::finding::Span;
use ciao_declare::given::Given;
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::step::{Action, ForEach, Stdin, Step, Variable, When};
use ciao_declare::template::{Part, Template};
use ciao_declare::{Declarations, ENVIRONMENT, Pipeline, pipeline_file};

/// What a string is where it stands.
#[derive(Clone, Copy)]
pub enum Role<'a> {
    /// Of a command, a guard, or what a script is given: which one of all.
    Argument(&'a [Template], usize),
    /// Of a script: the arguments have no program before them.
    ScriptArgument(&'a [Template], usize),
    Script,
    Variable(&'a str),
    Given(&'a str),
    Stdin,
    StdinFile,
    Cwd,
    Item,
    Constant(&'a str),
}

/// A string, or a number, and where it stands.
pub struct Spot<'a> {
    pub file: &'a Arc<Utf8Path>,
    pub parts: Cow<'a, [Part]>,
    pub span: Span,
    pub role: Role<'a>,
    pub step: Option<&'a Step>,
}

/// What a visit is told: strings, and names that stand outside of strings.
pub trait Visitor {
    fn spot(&mut self, spot: &Spot<'_>);
    /// The name of a `when` or a `for_each`.
    fn name(&mut self, _name: &Arc<str>) {}
}

/// Where a walk is.
struct Walk<'a, 'v> {
    file: &'a Arc<Utf8Path>,
    step: Option<&'a Step>,
    visitor: &'v mut dyn Visitor,
}

/// Visits everything of `environment.toml`.
pub fn environment(declarations: &Declarations, visitor: &mut dyn Visitor) {
    let file: Arc<Utf8Path> = Utf8Path::new(ENVIRONMENT).into();
    let environment = &declarations.environment;
    let mut walk = Walk { file: &file, step: None, visitor };
    environment.constants.iter().for_each(|(name, value)| walk.literal(value, Role::Constant(name)));
    walk.env(&environment.env);
    environment.sources.values().for_each(|run| walk.command(run));
    for deploy in &environment.deploy {
        walk.named(deploy.when.as_ref(), deploy.for_each.as_ref());
        deploy.with.iter().for_each(|(key, given)| walk.given(&key.value, given));
    }
}

/// Visits everything of one pipeline.
pub fn pipeline(name: &str, pipeline: &Pipeline, visitor: &mut dyn Visitor) {
    let file: Arc<Utf8Path> = pipeline_file(name).as_path().into();
    let mut walk = Walk { file: &file, step: None, visitor };
    walk.env(&pipeline.env);
    walk.template(pipeline.cwd.as_ref(), Role::Cwd);
    for step in &pipeline.steps {
        walk.step = Some(step);
        walk.named(step.when.as_ref(), step.for_each.as_ref());
        walk.action(&step.action);
        walk.env(&step.env);
        walk.template(step.cwd.as_ref(), Role::Cwd);
        walk.stdin(step.stdin.as_ref());
        walk.command(step.unless.as_deref().unwrap_or_default());
        if let Some(finally) = &step.finally {
            walk.action(&finally.action);
            walk.env(&finally.env);
            walk.template(finally.cwd.as_ref(), Role::Cwd);
            walk.stdin(finally.stdin.as_ref());
        }
    }
}

/// Visits everything of all of them.
pub fn everything(declarations: &Declarations, visitor: &mut dyn Visitor) {
    environment(declarations, visitor);
    declarations.pipelines.iter().for_each(|(name, declared)| pipeline(name, declared, visitor));
}

impl<'a> Walk<'a, '_> {
    fn template(&mut self, template: Option<&'a Template>, role: Role<'a>) {
        let Some(template) = template else { return };
        let parts = Cow::Borrowed(template.parts.as_slice());
        self.visitor.spot(&Spot { file: self.file, parts, span: template.span, role, step: self.step });
    }

    fn action(&mut self, action: &'a Action) {
        match action {
            Action::Run(run) => self.command(run),
            Action::Script { path, args } => {
                self.template(Some(path), Role::Script);
                for (index, argument) in args.iter().enumerate() {
                    self.template(Some(argument), Role::ScriptArgument(args, index));
                }
            }
            Action::Task { with, .. } => with.iter().for_each(|(key, given)| self.given(&key.value, given)),
        }
    }

    fn command(&mut self, command: &'a [Template]) {
        for (index, argument) in command.iter().enumerate() {
            self.template(Some(argument), Role::Argument(command, index));
        }
    }

    fn env(&mut self, env: &'a BTreeMap<String, Variable>) {
        env.iter().for_each(|(name, variable)| self.template(Some(variable.template()), Role::Variable(name)));
    }

    fn stdin(&mut self, stdin: Option<&'a Stdin>) {
        match stdin {
            Some(Stdin::Text(template)) => self.template(Some(template), Role::Stdin),
            Some(Stdin::File(template)) => self.template(Some(template), Role::StdinFile),
            None => {}
        }
    }

    fn named(&mut self, when: Option<&'a When>, for_each: Option<&'a ForEach>) {
        if let Some(when) = when {
            self.visitor.name(&when.name);
        }
        match for_each {
            Some(ForEach::Name(name)) => self.visitor.name(&name.value),
            Some(ForEach::Items(items, _)) => items.iter().for_each(|item| self.literal(item, Role::Item)),
            None => {}
        }
    }

    fn given(&mut self, key: &'a str, given: &'a Given) {
        match given {
            Given::Text(template) => self.template(Some(template), Role::Given(key)),
            Given::Plain(literal) => self.literal(literal, Role::Given(key)),
            Given::List(items, _) => items.iter().for_each(|item| self.given(key, item)),
            Given::Table(entries, _) => entries.iter().for_each(|(key, given)| self.given(&key.value, given)),
        }
    }

    fn literal(&mut self, literal: &'a Spanned<Literal>, role: Role<'a>) {
        let text: Arc<str> = match &literal.value {
            Literal::String(text) => Arc::clone(text),
            Literal::Integer(integer) => integer.to_string().into(),
            Literal::Float(float) => float.to_string().into(),
            Literal::OddInteger(_) | Literal::Boolean(_) | Literal::Datetime(_) => return,
            Literal::List(items) => return items.iter().for_each(|item| self.literal(item, role)),
            Literal::Table(entries) => return entries.iter().for_each(|(_, value)| self.literal(value, role)),
        };
        let parts = Cow::Owned(vec![Part::Literal(text)]);
        self.visitor.spot(&Spot { file: self.file, parts, span: literal.span, role, step: self.step });
    }
}
