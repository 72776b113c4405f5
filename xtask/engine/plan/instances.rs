//! The calls and steps of an environment, one for each item where there is a `for_each`, and which of them run.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use camino::Utf8Path;

use super::Tree;
use super::draft::{Builder, Draft, Files, Instance, Item, environment_place};
use super::names::Named;
use super::scope::Scope;
use super::value::Shapes;
use ciao_declare::environment::Deploy;
use ciao_declare::finding::{Code, Finding, Place, Span, and_then, suggest};
use ciao_declare::given::Given;
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::Parameter;
use ciao_declare::step::{ForEach, When};
use ciao_declare::{self as declare, pipeline_file};

impl<'d> Builder<'d, '_> {
    /// The calls, one for each item where there is a `for_each`.
    pub fn instances(&mut self) -> Vec<Instance<'d>> {
        let declarations = self.inputs.declarations;
        let mut instances = Vec::new();
        for (index, deploy) in declarations.environment.deploy.iter().enumerate() {
            let Some((name, pipeline)) = declarations.pipelines.get_key_value(&deploy.pipeline.value) else {
                let names = declarations.pipelines.keys().map(|name| &**name).collect::<Vec<_>>();
                let message = format!("there is no pipeline `{}`", deploy.pipeline.value);
                let help = suggest(&deploy.pipeline.value, "pipelines", names);
                let file = pipeline_file(&deploy.pipeline.value);
                let help = and_then(&help, &format!("it would stand in {file}"));
                let place = environment_place(deploy.pipeline.span);
                self.findings.push(Finding::error(Code::UnknownPipeline, place, message, help));
                continue;
            };
            let runs = self.when(deploy.when.as_ref(), &HashMap::new(), &environment_place(deploy.span).file, true);
            let files: &'d Files = self.files;
            let file = &files[name];
            for item in
                self.items(deploy.for_each.as_ref(), &HashMap::new(), &environment_place(Span::default()).file, runs)
            {
                let own = self.own(deploy, pipeline, &file.path, item.as_ref(), runs);
                instances.push(Instance { deploy: index, item, own, runs, pipeline, file });
            }
        }
        instances
    }

    /// Whether a condition holds. Without a value it is taken to hold: the missing value is a finding of its own.
    fn when(&mut self, when: Option<&When>, own: &HashMap<Arc<str>, Named>, file: &Arc<Utf8Path>, outer: bool) -> bool {
        let Some(when) = when else { return outer };
        if !own.contains_key(&when.name) && self.names.by_name.contains_key(&when.name) {
            self.use_name(&when.name, outer);
        }
        let place = Place { file: Arc::clone(file), span: when.span };
        let holds = match own.get(&when.name).or_else(|| self.names.by_name.get(&when.name)) {
            None => {
                let names: Vec<&str> = own.keys().chain(self.names.by_name.keys()).map(|name| &**name).collect();
                let help = suggest(&when.name, "parameters", sorted(names));
                let message = format!("no parameter or constant `{}`", when.name);
                self.findings.push(Finding::error(Code::UnknownParameter, place, message, help));
                true
            }
            Some(named) => match &named.tree {
                Some(Tree::Boolean(value)) => *value != when.opposite,
                None => true,
                Some(_) => {
                    let message = format!("`{}` is not a boolean", when.name);
                    let help = "name a boolean parameter or constant; there are no expressions";
                    self.findings.push(Finding::error(Code::WrongType, place, message, help));
                    true
                }
            },
        };
        outer && holds
    }

    /// The items of a `for_each`; one `None` without it.
    fn items(
        &mut self,
        for_each: Option<&ForEach>,
        own: &HashMap<Arc<str>, Named>,
        file: &Arc<Utf8Path>,
        runs: bool,
    ) -> Vec<Option<Item>> {
        let (items, key) = match for_each {
            None => return vec![None],
            Some(ForEach::Items(..)) if self.skeleton => (None, None),
            Some(ForEach::Items(items, _)) => {
                let place = |span| Place { file: Arc::clone(file), span };
                let trees = items.iter().map(|item| (plain_tree(&item.value), place(item.span))).collect();
                (Some(trees), None)
            }
            Some(ForEach::Name(name)) => {
                if !own.contains_key(&name.value) && self.names.by_name.contains_key(&name.value) {
                    self.use_name(&name.value, runs);
                }
                let found = own.get(&name.value).or_else(|| self.names.by_name.get(&name.value));
                let place = Place { file: Arc::clone(file), span: name.span };
                match found.map(|named| (&named.tree, &named.key)) {
                    Some((Some(Tree::List(items)), key)) => {
                        let values = self.inputs.declarations.values_of(self.environment);
                        let written = values.filter(|_| !own.contains_key(&name.value)).and_then(|values| {
                            let Literal::List(items) = &values.get(&name.value)?.value else { return None };
                            Some((&values.file, items))
                        });
                        let place = |index: usize| match written {
                            Some((file, items)) => Place { file: Arc::clone(file), span: items[index].span },
                            None => place.clone(),
                        };
                        let items = items.iter().enumerate();
                        let items = items.map(|(index, item)| (Some(item.clone()), place(index))).collect();
                        (Some(items), key.clone())
                    }
                    Some((None, _)) => (None, None),
                    Some((Some(_), _)) => {
                        let message = format!("`{}` is not a list", name.value);
                        let help = "name a parameter with `list = true`, or write the list here";
                        self.findings.push(Finding::error(Code::WrongType, place, message, help));
                        (None, None)
                    }
                    None => {
                        let names: Vec<&str> =
                            own.keys().chain(self.names.by_name.keys()).map(|name| &**name).collect();
                        let help = suggest(&name.value, "parameters", sorted(names));
                        let message = format!("no parameter or constant `{}`", name.value);
                        self.findings.push(Finding::error(Code::UnknownParameter, place, message, help));
                        (None, None)
                    }
                }
            }
        };
        match items {
            Some(items) => self.named_items(items, key.as_deref()),
            None => vec![Some(Item::new(None, None))],
        }
    }

    fn named_items(&mut self, items: Vec<(Option<Tree>, Place)>, key: Option<&str>) -> Vec<Option<Item>> {
        let mut found: Vec<Option<Item>> = Vec::new();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut misnamed = false;
        for (tree, place) in items {
            let name = tree.as_ref().and_then(|tree| match (tree, key) {
                (Tree::Text(text), _) => text.known().map(Cow::into_owned),
                (Tree::Integer(integer), _) => Some(integer.to_string()),
                (Tree::Table(table), Some(key)) => match table.get(key) {
                    Some(Tree::Text(text)) => text.known().map(Cow::into_owned),
                    Some(Tree::Integer(integer)) => Some(integer.to_string()),
                    _ => None,
                },
                _ => None,
            });
            let (Some(name), Some(tree)) = (name, tree) else {
                let help = "an item is a string, an integer, or a table whose parameter declares `key = \"field\"`";
                self.findings.push(Finding::error(Code::BadValue, place, "an item of the list has no name", help));
                misnamed = true;
                continue;
            };
            if !is_item(&name) {
                let message = format!("{name:?} cannot name an instance");
                let help = if name.contains("${") {
                    "nothing is replaced in it: name a list alone, `for_each = \"name\"`; a call puts one together, \
                     `with = { name = [\"a\", \"${others...}\"] }`"
                } else {
                    "use letters, digits, `.`, `_` and `-`, at most 128, beginning with a letter or digit"
                };
                self.findings.push(Finding::error(Code::BadName, place, message, help).only_in(self.environment));
                misnamed = true;
            } else if let Some(first) = seen.insert(name.to_ascii_lowercase(), name.clone()) {
                // Not every file system tells the logs of two such apart.
                let (message, help) = if first == name {
                    (format!("`{name}` stands in the list twice"), "remove one of the two")
                } else {
                    (format!("`{first}` and `{name}` in the list differ in case only"), "rename one of the two")
                };
                let finding = Finding::error(Code::DuplicateName, place, message, help);
                self.findings.push(finding.only_in(self.environment));
            } else {
                found.push(Some(Item::new(Some(name), Some(tree))));
            }
        }
        // What has no name is there all the same, and nothing else should follow from its absence.
        found.extend(misnamed.then(|| Some(Item::new(None, None))));
        found
    }

    /// The pipeline's own parameters for one call.
    fn own(
        &mut self,
        deploy: &'d Deploy,
        pipeline: &'d declare::Pipeline,
        file: &Arc<Utf8Path>,
        item: Option<&Item>,
        runs: bool,
    ) -> HashMap<Arc<str>, Named> {
        let place = environment_place(deploy.span);
        let known = || pipeline.parameters.iter().map(|parameter| &*parameter.name);
        let mut with = Vec::new();
        flatten("", &deploy.with, &pipeline.parameters, &mut with);
        for (key, _) in with.iter().filter(|(key, _)| !known().any(|name| name == &*key.value)) {
            let message = format!("pipeline `{}` declares no parameter `{}`", deploy.pipeline.value, key.value);
            let help = suggest(&key.value, "parameters of the pipeline", known().collect::<Vec<_>>());
            let place = environment_place(key.span);
            self.findings.push(Finding::error(Code::UnknownParameter, place, message, help).of(&*key.value));
        }
        let mut scope = Scope::new(self.environment, &self.names, &place.file, runs);
        scope.each = item.map(|item| Arc::clone(&item.tree));
        let mut own = HashMap::new();
        let mut secrets = BTreeMap::new();
        for parameter in &pipeline.parameters {
            let given = with.iter().find(|(key, _)| key.value == parameter.name);
            let tree = match (given, &parameter.default) {
                (Some((_, given)), _) => scope.argument(given, parameter, file),
                (None, Some(default)) => {
                    let pipeline = &self.inputs.declarations.environment;
                    let findings = &mut scope.findings;
                    Shapes {
                        file,
                        declared: file,
                        pipeline,
                        environment: self.environment,
                        findings,
                        secrets: &mut secrets,
                    }
                    .check(parameter, &parameter.name, default)
                }
                (None, None) => {
                    let message = format!("the call of `{}` gives no `{}`", deploy.pipeline.value, parameter.name);
                    let help = format!("add it: `with = {{ {} = … }}`", parameter.name);
                    let declared = Place { file: Arc::clone(file), span: parameter.span };
                    let finding = Finding::error(Code::MissingValue, place.clone(), message, help).of(&*parameter.name);
                    scope.findings.push(finding.related(declared, "declared here"));
                    None
                }
            };
            let mut named = Named::new(Arc::clone(&parameter.name), tree.map(Tree::bare));
            if self.skeleton {
                named.forget_value();
            }
            named.key.clone_from(&parameter.key);
            own.insert(Arc::clone(&parameter.name), named);
        }
        let (findings, used) = (scope.findings, scope.used);
        let findings = self.too_early(findings);
        self.findings.extend(findings);
        used.iter().for_each(|name| self.use_name(name, runs));
        own
    }

    pub fn drafts(&mut self, instances: &[Instance<'d>]) -> Vec<Draft<'d>> {
        let mut drafts = Vec::with_capacity(instances.iter().map(|instance| instance.pipeline.steps.len()).sum());
        for (call, instance) in instances.iter().enumerate() {
            for (index, declared) in instance.pipeline.steps.iter().enumerate() {
                let (own, file) = (&instance.own, &instance.file.path);
                let runs = self.when(declared.when.as_ref(), own, file, instance.runs);
                for item in self.items(declared.for_each.as_ref(), own, file, runs) {
                    drafts.push(Draft { call, index, declared, item, runs });
                }
            }
        }
        drafts
    }
}

/// What is given, with the names of the groups that it is in.
fn flatten<'g>(
    prefix: &str,
    with: &'g [(Spanned<Arc<str>>, Given)],
    parameters: &[Parameter],
    found: &mut Vec<(Spanned<Arc<str>>, &'g Given)>,
) {
    for (key, given) in with {
        let name = format!("{prefix}{}", key.value);
        let group = format!("{name}.");
        match given {
            Given::Table(entries, _) if parameters.iter().any(|parameter| parameter.name.starts_with(&group)) => {
                flatten(&group, entries, parameters, found);
            }
            _ => found.push((Spanned { value: name.into(), span: key.span }, given)),
        }
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

/// `[A-Za-z0-9][A-Za-z0-9._-]*`, so that an instance's id can be a file's name.
fn is_item(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn plain_tree(literal: &Literal) -> Option<Tree> {
    match literal {
        Literal::String(text) => Some(Tree::Text(super::Text::literal(Arc::clone(text)))),
        Literal::Integer(integer) => Some(Tree::Integer(*integer)),
        _ => None,
    }
}
