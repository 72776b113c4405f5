//! The values of one environment by name: parameters and constants, checked and with defaults.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::value::Shapes;
use super::{Piece, Secret, Tree};
use ciao_declare::finding::{Code, Finding, Place, Span, did_you_mean, listed, suggest};
use ciao_declare::literal::Literal;
use ciao_declare::parameter::Parameter;
use ciao_declare::{self as declare, Declarations, EnvironmentPipeline, Values};

/// What a name stands for in an environment.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: Arc<str>,
    /// `None`: it has no value, or a wrong one.
    pub tree: Option<Tree>,
    /// What it is in a string; `None` if it cannot stand in one.
    pub pieces: Option<Arc<[Piece]>>,
    /// It should have a value and has none; who uses it decides whether that is a fault.
    pub missing: bool,
    /// Of a list of tables: the field that names an instance.
    pub key: Option<Arc<str>>,
    pub constant: bool,
}

impl Named {
    #[must_use]
    pub fn new(name: Arc<str>, tree: Option<Tree>) -> Named {
        let pieces = tree.as_ref().and_then(pieces_of);
        Named { name, tree, pieces, missing: false, key: None, constant: false }
    }

    pub fn forget_value(&mut self) {
        (self.tree, self.pieces) = (None, None);
    }
}

/// All names of an environment.
#[derive(Debug, Default)]
pub struct Names {
    pub by_name: HashMap<Arc<str>, Named>,
    pub secrets: BTreeMap<Arc<str>, Secret>,
}

impl Names {
    /// Leaves of every name only that there is one.
    pub fn forget_values(&mut self) {
        self.by_name.values_mut().for_each(Named::forget_value);
    }
}

/// What a value is in a string: lists are nothing there, tables are JSON.
#[must_use]
pub fn pieces_of(tree: &Tree) -> Option<Arc<[Piece]>> {
    let literal = |text: String| Arc::from([Piece::Literal(text.into())]);
    match tree {
        Tree::Boolean(boolean) => Some(literal(boolean.to_string())),
        Tree::Integer(integer) => Some(literal(integer.to_string())),
        Tree::Float(float) => Some(literal(float.to_string())),
        Tree::Text(text) => Some(text.pieces.clone().into()),
        Tree::Typed { value, .. } => pieces_of(value),
        Tree::Table(_) => tree.as_json().map(|json| literal(json.to_string())),
        Tree::List(_) => None,
    }
}

/// The values of an environment. Findings are about that environment only, unless they are in a shared file.
pub fn names(declarations: &Declarations, environment: &str, values: &Values, findings: &mut Vec<Finding>) -> Names {
    let mut names = Names::default();
    let pipeline = &declarations.environment;
    constants(pipeline, environment, &mut names, findings);
    let like = like(declarations, values, environment, findings);
    let mut own = Vec::new();
    unknown_values(pipeline, values, &mut own);
    for parameter in &pipeline.parameters {
        let inherited = like.filter(|_| !parameter.distinct).and_then(|like| Some((like, like.get(&parameter.name)?)));
        let shared: Arc<camino::Utf8Path> = camino::Utf8Path::new(declare::ENVIRONMENT).into();
        let (file, value) = match (values.get(&parameter.name), inherited, &parameter.default) {
            (Some(value), ..) => (&values.file, Some(value)),
            (None, Some((like, value)), _) => (&like.file, Some(value)),
            (None, None, default) => (&shared, default.as_ref()),
        };
        let mut shapes =
            Shapes { file, declared: &shared, pipeline, environment, findings: &mut own, secrets: &mut names.secrets };
        let tree = value.and_then(|value| shapes.check(parameter, &parameter.name, value));
        if let (Some(default), true) = (&parameter.default, *file != shared) {
            // It is wrong where it stands, also while every environment has a value of its own.
            let secrets = &mut BTreeMap::new();
            let mut shapes =
                Shapes { file: &shared, declared: &shared, pipeline, environment, findings: &mut own, secrets };
            shapes.check(parameter, &parameter.name, default);
        }
        let mut named = Named::new(Arc::clone(&parameter.name), tree);
        // What would come from an environment that is not there is not missing here.
        named.missing = value.is_none() && (values.like.is_none() || like.is_some() || parameter.distinct);
        named.key.clone_from(&parameter.key);
        names.by_name.insert(Arc::clone(&parameter.name), named);
    }
    findings.extend(own.into_iter().map(|finding| {
        if *finding.place.file == declare::ENVIRONMENT { finding } else { finding.only_in(environment) }
    }));
    names
}

fn constants(pipeline: &EnvironmentPipeline, environment: &str, names: &mut Names, findings: &mut Vec<Finding>) {
    let file = camino::Utf8Path::new(declare::ENVIRONMENT).into();
    let secrets = &mut BTreeMap::new();
    for (name, value) in &pipeline.constants {
        let mut shapes = Shapes { file: &file, declared: &file, pipeline, environment, findings, secrets };
        let mut named = Named::new(Arc::clone(name), shapes.any(name, value));
        named.constant = true;
        names.by_name.insert(Arc::clone(name), named);
    }
}

fn like<'d>(
    declarations: &'d Declarations,
    values: &Values,
    environment: &str,
    findings: &mut Vec<Finding>,
) -> Option<&'d Values> {
    let like = values.like.as_ref()?;
    let found = declarations.values.get(&like.value);
    if found.is_none() {
        let place = Place { file: Arc::clone(&values.file), span: like.span };
        let known: Vec<&str> = declarations.values.keys().map(|name| &**name).collect();
        let help = suggest(&like.value, "environments", known);
        let message = format!("there is no environment `{}` to be like", like.value);
        findings.push(Finding::error(Code::UnknownEnvironment, place, message, help).only_in(environment));
    }
    found
}

/// Values that no declaration asks for.
fn unknown_values(pipeline: &EnvironmentPipeline, values: &Values, findings: &mut Vec<Finding>) {
    let Literal::Table(entries) = &values.table else { return };
    let mut open: Vec<_> = entries.iter().map(|(key, value)| (key.value.to_string(), key, value)).collect();
    // The declared names and groups, to know each name at once and not by a search.
    let mut groups = std::collections::HashSet::new();
    let mut declared: HashMap<&str, &Parameter> = HashMap::new();
    for parameter in &pipeline.parameters {
        declared.insert(&parameter.name, parameter);
        groups.extend(parameter.name.match_indices('.').map(|(dot, _)| &parameter.name[..dot]));
    }
    while let Some((name, key, value)) = open.pop() {
        // A dot between quotes makes no group.
        let quoted = key.value.contains('.');
        if declared.contains_key(name.as_str()) && !quoted {
            continue;
        }
        let place = |span: Span| Place { file: Arc::clone(&values.file), span };
        match &value.value {
            _ if quoted => {
                let message = format!("`{:?}` is one name with a dot in it, and no parameter's", key.value);
                let help = "write it without the quotes, where each dot begins what is in a group";
                findings.push(Finding::error(Code::UnknownValue, place(key.span), message, help).of(&*name));
                let secret = declared.get(name.as_str()).is_some_and(|parameter| parameter.secret);
                if secret && !matches!(value.value, Literal::Table(_)) {
                    let message = format!("`{name}` is a secret, and stands here in plain text");
                    let help = "change it, for it is in the history now, and write where it is read from";
                    findings.push(Finding::error(Code::PlainSecret, place(value.span), message, help).of(name));
                }
            }
            Literal::Table(inner) if groups.contains(name.as_str()) => {
                open.extend(inner.iter().map(|(key, value)| (format!("{name}.{}", key.value), key, value)));
            }
            other if groups.contains(name.as_str()) => {
                let message = format!("`{name}` is a group of parameters, not {}", other.kind());
                let help = format!("write `[{name}]` and its values below it");
                findings.push(Finding::error(Code::WrongType, place(value.span), message, help).of(name));
            }
            other => {
                let mut all: Vec<&str> = pipeline.parameters.iter().map(|parameter| &*parameter.name).collect();
                if matches!(other, Literal::Table(_)) && did_you_mean(&name, groups.iter().copied()).is_some() {
                    all = groups.iter().copied().collect();
                    all.sort_unstable();
                }
                let mut help = if pipeline.constants.contains_key(name.as_str()) {
                    format!("`{name}` is a constant, the same everywhere: remove it here")
                } else if values.like.is_none() && name.ends_with(".like") && values.file.starts_with(declare::PERSONAL)
                {
                    "write `like` above the first `[group]`".to_owned()
                } else if name == "like" {
                    format!("only a personal environment is like another: its file stands in {}", declare::PERSONAL)
                } else {
                    suggest(&name, "parameters", all.iter().copied())
                };
                if all.is_empty() {
                    help = format!(
                        "declare it in {}: `[parameters]`, `{name} = {{ type = \"string\" }}`",
                        declare::ENVIRONMENT
                    );
                }
                let message = format!("no parameter `{name}` is declared");
                findings.push(Finding::error(Code::UnknownValue, place(key.span), message, help).of(name));
            }
        }
    }
}

/// The findings for values that are not there: one for each place where they are to be written.
#[must_use]
pub fn missing(declarations: &Declarations, values: &Values, environment: &str, names: &[Arc<str>]) -> Vec<Finding> {
    let find = |name: &str| declarations.environment.parameters.iter().find(|parameter| &*parameter.name == name);
    let mut places: Vec<(Span, Vec<&str>)> = Vec::new();
    for name in names {
        let span = values.nearest(name);
        match places.iter_mut().find(|(other, _)| *other == span) {
            Some((_, names)) => names.push(name),
            None => places.push((span, vec![name])),
        }
    }
    let finding = |(span, names): (Span, Vec<&str>)| {
        let place = Place { file: Arc::clone(&values.file), span };
        let message = format!("environment `{environment}` gives no value for {}", listed(names.iter().copied()));
        let help = format!("add {}: {}", if names.len() == 1 { "it" } else { "them" }, lines(&names));
        let mut finding = Finding::error(Code::MissingValue, place, message, help).only_in(environment);
        if let [name] = *names {
            finding = finding.of(name);
        }
        names.iter().filter_map(|name| find(name)).fold(finding, |finding, parameter| {
            let declared = Place { file: camino::Utf8Path::new(declare::ENVIRONMENT).into(), span: parameter.span };
            let help = parameter.help.as_deref();
            finding.related(
                declared,
                help.map_or_else(|| "declared here".to_owned(), |help| format!("declared here: {help}")),
            )
        })
    };
    places.into_iter().map(finding).collect()
}

/// What to write for values of these names, each group once.
fn lines(names: &[&str]) -> String {
    let mut written = Vec::new();
    let mut last = "";
    for name in names {
        let (group, key) = name.rsplit_once('.').unwrap_or(("", name));
        if group != last {
            written.push(format!("`[{group}]`"));
            last = group;
        }
        written.push(format!("`{key} = …`"));
    }
    written.join(", ")
}
