//! What a name means where it stands, and strings with their names replaced.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use camino::Utf8Path;

use super::names::{Named, Names, pieces_of};
use super::value;
use super::{Argument, Builtin, EnvValue, Piece, Text, Tree};
use ciao_base::map;
use ciao_declare::finding::{Code, Finding, Place, Span, suggest};
use ciao_declare::given::Given;
use ciao_declare::parameter::Parameter;
use ciao_declare::step::Variable;
use ciao_declare::template::{Part, Template};

/// A step that makes an output.
#[derive(Debug, Clone)]
pub struct Maker {
    pub step: u32,
    pub call: usize,
    pub deploy: usize,
    pub in_call_instance: bool,
    pub in_step_instance: bool,
    pub runs: bool,
    pub json: bool,
    pub secret: bool,
    pub name: String,
}

/// `user` uses what `maker` makes, both indices of steps.
#[derive(Debug, Clone)]
pub struct Use {
    pub user: u32,
    pub maker: u32,
    pub output: Arc<str>,
    pub place: Place,
}

/// The names that can be used at one place, and what was found while they were.
pub struct Scope<'a> {
    pub environment: &'a str,
    pub names: &'a Names,
    pub file: Arc<Utf8Path>,
    pub runs: bool,
    pub own: Option<&'a HashMap<Arc<str>, Named>>,
    pub each: Option<Arc<Named>>,
    pub makers: Option<&'a HashMap<Arc<str>, Vec<Maker>>>,
    /// The step and the call that the string belongs to.
    pub step: u32,
    pub call: usize,
    /// Whether a step may use its own output: only in its `finally`.
    pub in_finally: bool,
    pub findings: Vec<Finding>,
    pub used: BTreeSet<Arc<str>>,
    pub secrets: BTreeSet<Arc<str>>,
    pub uses: Vec<Use>,
}

/// What a name stands for.
enum Found {
    Pieces(Arc<[Piece]>),
    /// It has a value that cannot stand in a string: a list, or a table of what only a running step knows.
    List,
    Table,
    Nothing,
}

impl<'a> Scope<'a> {
    #[must_use]
    pub fn new(environment: &'a str, names: &'a Names, file: &Arc<Utf8Path>, runs: bool) -> Scope<'a> {
        Scope {
            environment,
            names,
            file: Arc::clone(file),
            runs,
            own: None,
            each: None,
            makers: None,
            step: 0,
            call: 0,
            in_finally: false,
            findings: Vec::new(),
            used: BTreeSet::new(),
            secrets: BTreeSet::new(),
            uses: Vec::new(),
        }
    }

    pub fn place(&self, span: Span) -> Place {
        Place { file: Arc::clone(&self.file), span }
    }

    pub fn report(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::error(code, self.place(span), message, help));
    }

    /// The parameter, constant or item of this name, with its value.
    fn named(&mut self, name: &Arc<str>) -> Option<Cow<'a, Named>> {
        if let Some(named) = self.own.and_then(|own| own.get(name)) {
            self.used.insert(Arc::clone(name));
            return Some(Cow::Borrowed(named));
        }
        let names = self.names;
        if let Some(named) = names.by_name.get(name) {
            if !named.constant {
                self.used.insert(Arc::clone(name));
            }
            return Some(Cow::Borrowed(named));
        }
        let each = self.each.clone()?;
        let path = match &**name {
            "each" => "",
            name => name.strip_prefix("each.")?,
        };
        let Some(mut tree) = each.tree.as_ref() else {
            return Some(Cow::Owned(Named::new(Arc::clone(name), None)));
        };
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let Tree::Table(table) = tree else { return None };
            tree = table.get(part)?;
        }
        Some(Cow::Owned(Named::new(Arc::clone(name), Some(tree.clone()))))
    }

    fn find(&mut self, name: &Arc<str>, span: Span) -> Found {
        if let Some(named) = self.named(name) {
            return match (&named.tree, &named.pieces) {
                (_, Some(pieces)) => Found::Pieces(Arc::clone(pieces)),
                (None, None) => Found::Pieces([Piece::Missing].into()),
                (Some(Tree::Table(_)), None) => Found::Table,
                (Some(_), None) => Found::List,
            };
        }
        if let Some(piece) = self.output(name, span) {
            return piece.map_or(Found::Nothing, |piece| Found::Pieces([piece].into()));
        }
        if &**name == "environment" {
            return Found::Pieces([Piece::Literal(self.environment.into())].into());
        }
        if let Some((_, builtin)) = Builtin::ALL.iter().find(|(known, _)| *known == &**name) {
            return Found::Pieces([Piece::Builtin(*builtin)].into());
        }
        self.unknown(name, span);
        Found::Nothing
    }

    fn unknown(&mut self, name: &Arc<str>, span: Span) {
        let group = format!("{name}.");
        let message;
        let help;
        if name.starts_with("each") && (&**name == "each" || name.starts_with("each.")) {
            message = if self.each.is_some() {
                format!("the item has no `{name}`")
            } else {
                "there is no item here".to_owned()
            };
            help = "`${each}` is the item of a `for_each`, `${each.field}` a field of it".to_owned();
        } else if self.names.by_name.keys().any(|known| known.starts_with(&group)) {
            message = format!("`{name}` is a group of parameters");
            let members: Vec<&str> =
                self.names.by_name.keys().filter(|known| known.starts_with(&group)).map(|known| &**known).collect();
            help = suggest(&group, "parameters in it", sorted(members));
        } else {
            let own = self.own.into_iter().flat_map(HashMap::keys);
            let outputs = self.makers.into_iter().flat_map(HashMap::keys);
            let known: Vec<&str> = own.chain(self.names.by_name.keys()).chain(outputs).map(|known| &**known).collect();
            let built_in = ["environment", "release", "commit", "repo", "work"];
            message = format!("no parameter, constant or output `{name}`");
            help = suggest(name, "names", sorted(known.into_iter().chain(built_in).collect::<Vec<_>>()));
        }
        let finding = Finding::error(Code::UnknownParameter, self.place(span), message, help);
        self.findings.push(finding.of(&**name));
    }

    /// `Some(None)`: it is an output that cannot be used here, and a finding says so.
    fn output(&mut self, name: &Arc<str>, span: Span) -> Option<Option<Piece>> {
        let (first, path) = name.split_once('.').map_or((&**name, None), |(first, path)| (first, Some(path)));
        let makers = self.makers?.get(first)?;
        let own: Vec<&Maker> = makers.iter().filter(|maker| maker.call == self.call).collect();
        let candidates = if own.is_empty() { makers.iter().collect() } else { own };
        let declared: BTreeSet<(usize, &str)> = candidates.iter().map(|maker| (maker.deploy, &*maker.name)).collect();
        if declared.len() > 1 {
            // Those of one pipeline are found where they are made.
            if !declared.iter().all(|(deploy, _)| *deploy == candidates[0].deploy) {
                let message = format!("`{first}` is the output of {} steps", declared.len());
                self.report(Code::TwoProviders, span, message, "give one of the outputs another name");
            }
            return Some(None);
        }
        let maker = candidates.iter().find(|maker| maker.step == self.step).or(candidates.first())?;
        let inside = maker.call == self.call;
        let itself = maker.step == self.step && self.in_finally;
        if (maker.in_call_instance && !inside) || (maker.in_step_instance && !itself) {
            let message =
                format!("`{first}` is made in every instance of `{}`, and cannot be used outside of it", maker.name);
            self.report(
                Code::UnknownParameter,
                span,
                message,
                "use it in the same instance, or make it in a step without `for_each`",
            );
            return Some(None);
        }
        if !maker.runs && self.runs {
            let message = format!("step `{}`, which makes `{first}`, is switched off", maker.name);
            let finding = Finding::error(
                Code::MissingProvider,
                self.place(span),
                message,
                "switch this step off by the same `when`",
            );
            self.findings.push(finding.only_in(self.environment));
            return Some(None);
        }
        if path.is_some() && !maker.json {
            let message = format!("`{first}` is not JSON, so it has no `{}`", path.unwrap_or_default());
            let help = format!("declare it so: `output = {{ name = \"{first}\", json = true }}`");
            self.report(Code::UnknownParameter, span, message, help);
            return Some(None);
        }
        if !itself {
            let place = self.place(span);
            self.uses.push(Use { user: self.step, maker: maker.step, output: first.into(), place });
        }
        let path = path.map(|path| path.split('.').map(str::to_owned).collect()).unwrap_or_default();
        Some(Some(Piece::Output { step: maker.step, path, secret: maker.secret }))
    }

    /// The string with its names replaced.
    pub fn text(&mut self, template: &Template) -> Text {
        let mut pieces = Vec::with_capacity(template.parts.len());
        for part in &template.parts {
            match part {
                Part::Literal(text) => pieces.push(Piece::Literal(Arc::clone(text))),
                Part::Reference { name, spread: true, span } => {
                    let help = "write it alone, `\"${name...}\"`: as an argument of its own, or in a list of a `with`";
                    self.report(Code::WrongType, *span, format!("`${{{name}...}}` is several arguments"), help);
                }
                Part::Reference { name, spread: false, span } => match self.find(name, *span) {
                    Found::Pieces(value) => {
                        self.note_secrets(&value);
                        pieces.push(Piece::Reference { name: Arc::clone(name), value });
                    }
                    found => {
                        if matches!(found, Found::List) {
                            let help = format!(
                                "write `\"${{{name}...}}\"` as an argument of its own, one an item: a list stands in no string"
                            );
                            self.report(Code::WrongType, *span, format!("`{name}` is a list"), help);
                        }
                        if matches!(found, Found::Table) {
                            let message = format!(
                                "table `{name}` holds a secret or an output, so that no JSON can be made of it yet"
                            );
                            let help = "give each value on by itself, or the whole to a task in its `with`";
                            self.report(Code::WrongType, *span, message, help);
                        }
                        // In a plan it stands as it is written, as what has no value does.
                        pieces.push(Piece::Reference { name: Arc::clone(name), value: [Piece::Missing].into() });
                    }
                },
            }
        }
        Text { pieces }
    }

    fn note_secrets(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Secret(name) => _ = self.secrets.insert(Arc::clone(name)),
                Piece::Reference { value, .. } => self.note_secrets(&Arc::clone(value)),
                _ => {}
            }
        }
    }

    /// A list of arguments. Secrets do not belong there: anyone on the machine can read them.
    pub fn arguments(&mut self, templates: &[Template]) -> Vec<Argument> {
        let mut arguments = Vec::with_capacity(templates.len());
        for template in templates {
            let argument = match template.parts.as_slice() {
                [Part::Reference { name, spread: true, span }] => self.spread(name, *span),
                _ => Some(Argument::One(self.text(template))),
            };
            let Some(argument) = argument else { continue };
            if argument.texts().iter().any(Text::holds_secret) {
                let span = template.references().map(|(_, span)| span).next().unwrap_or(template.span);
                let message = "a secret stands in an argument, where anyone on the machine can read it";
                self.report(Code::SecretInArguments, span, message, "pass it by `env` or `stdin`");
            }
            arguments.push(argument);
        }
        arguments
    }

    fn spread(&mut self, name: &Arc<str>, span: Span) -> Option<Argument> {
        let list = self.list(name, span)?;
        let items = match &list {
            Tree::List(items) => items.as_slice(),
            unknown => std::slice::from_ref(unknown),
        };
        let items = items.iter().filter_map(pieces_of).map(|pieces| Text { pieces: pieces.to_vec() }).collect();
        Some(Argument::Spread { name: Arc::clone(name), items })
    }

    /// The list of this name; as it is written where it has no value.
    fn list(&mut self, name: &Arc<str>, span: Span) -> Option<Tree> {
        let Some(named) = self.named(name) else {
            let finding = Finding::error(
                Code::UnknownParameter,
                self.place(span),
                format!("no list `{name}`"),
                "`${name...}` takes a parameter or constant that is a list",
            );
            self.findings.push(finding.of(&**name));
            return None;
        };
        match &named.tree {
            None => {
                let written = format!("{name}...").into();
                let piece = Piece::Reference { name: written, value: [Piece::Missing].into() };
                Some(Tree::Text(Text { pieces: vec![piece] }))
            }
            Some(list @ Tree::List(_)) => {
                list.each_text(&mut |text| self.note_secrets(&text.pieces));
                Some(list.clone())
            }
            Some(_) => {
                self.report(Code::WrongType, span, format!("`{name}` is not a list"), format!("write `${{{name}}}`"));
                None
            }
        }
    }

    /// An element of a list in a `with`: `"${name...}"` stands for all items of the list.
    fn element(&mut self, given: &Given) -> Tree {
        if let Given::Text(template) = given
            && let [Part::Reference { name, spread: true, span }] = template.parts.as_slice()
        {
            let value = self.list(name, *span).unwrap_or_else(|| Tree::List(Vec::new()));
            return Tree::Typed { name: format!("{name}...").into(), value: Box::new(value) };
        }
        self.given(given)
    }

    /// An argument of `with`. A string that is exactly one `${name}` keeps its type.
    pub fn given(&mut self, given: &Given) -> Tree {
        match given {
            Given::Text(template) => {
                if let [Part::Reference { name, spread: false, .. }] = template.parts.as_slice()
                    && let Some(named) = self.named(name)
                    && let Some(value) = named.tree.clone()
                {
                    value.each_text(&mut |text| self.note_secrets(&text.pieces));
                    return Tree::Typed { name: Arc::clone(name), value: Box::new(value) };
                }
                Tree::Text(self.text(template))
            }
            Given::Plain(literal) => value::tree(&literal.value),
            Given::List(items, _) => Tree::List(items.iter().map(|item| self.element(item)).collect()),
            Given::Table(entries, _) => {
                Tree::Table(map(entries.iter().map(|(key, value)| (key.value.to_string(), self.given(value)))))
            }
        }
    }

    /// An argument for a parameter that the pipeline declares itself, checked against the declaration where it is known.
    pub fn argument(&mut self, given: &Given, parameter: &Parameter, declared: &Arc<Utf8Path>) -> Option<Tree> {
        let before = self.findings.len();
        let tree = self.given(given);
        if self.findings.len() > before {
            return None;
        }
        let mut secret = false;
        tree.each_text(&mut |text| secret |= text.holds_secret());
        if parameter.secret && !secret {
            let message = format!("`{}` is a secret, and stands here in plain text", parameter.name);
            let help = "give it a parameter that is declared with `secret = true`";
            self.report(Code::PlainSecret, given.span(), message, help);
            return None;
        }
        let Some(literal) = value::written(given, &tree) else { return Some(tree) };
        let file = Arc::clone(&self.file);
        let pipeline = ciao_declare::EnvironmentPipeline::default();
        let mut shapes = value::Shapes {
            file: &file,
            declared,
            pipeline: &pipeline,
            environment: self.environment,
            findings: &mut self.findings,
            secrets: &mut BTreeMap::new(),
        };
        let before = shapes.findings.len();
        let checked = shapes.check(parameter, &parameter.name, &literal);
        // The value is this environment's: another one's may be right, and must not be stopped by it.
        for finding in &mut self.findings[before..] {
            finding.environments = Some(vec![self.environment.to_owned()]);
            if let (Code::WrongType, Some(name)) = (finding.code, given.named_at(finding.place.span)) {
                finding.help = format!("`${{{name}}}` alone keeps its type: declare this parameter with the same one");
            }
        }
        checked.map(|_| tree)
    }

    /// Variables with their values.
    pub fn env(&mut self, variables: &BTreeMap<String, Variable>) -> BTreeMap<String, EnvValue> {
        map(variables.iter().map(|(name, variable)| {
            let text = self.text(variable.template());
            let value = match variable {
                Variable::Text(..) => EnvValue::Text(text),
                Variable::File(..) => EnvValue::File(text),
            };
            (name.clone(), value)
        }))
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}
