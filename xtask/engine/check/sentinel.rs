//! Sentinel environments: values that nobody gave, one of its own for every parameter, and of the right type. Plans that
//! are made with them show what a value reaches, by other means than the rules that look for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use ciao_declare::parameter::{Parameter, Type};
use ciao_declare::sources::Sources;
use ciao_declare::{Declarations, values_file};
use ciao_plan::{Action, EnvValue, Plan, Stdin, Text};

/// The same files with sentinel values in every listed environment. Two seeds share no value, but for `choices` and booleans.
#[must_use]
pub fn sources(sources: &Sources, declarations: &Declarations, seed: u32) -> Sources {
    let mut text = String::new();
    // Quoted dotted keys: no group has to be opened, in whatever order.
    for (index, parameter) in declarations.environment.parameters.iter().enumerate() {
        let key: Vec<String> = parameter.name.split('.').map(|part| format!("\"{part}\"")).collect();
        let _infallible = writeln!(text, "{} = {}", key.join("."), value(parameter, seed, index));
    }
    let mut texts = sources.texts.clone();
    for name in declarations.orchestration.names() {
        texts.insert(values_file(name), text.clone());
    }
    Sources { texts, ..Sources::default() }
}

/// The text that stands for a parameter.
fn mark(seed: u32, index: usize) -> String {
    format!("s{seed}n{index}q")
}

fn value(parameter: &Parameter, seed: u32, index: usize) -> String {
    if parameter.list {
        // Two, so that what is made for each is made more than once.
        let items = [index * 2, index * 2 + 1].map(|index| item(parameter, seed, 1000 + index));
        return format!("[{}]", items.join(", "));
    }
    item(parameter, seed, index)
}

fn item(parameter: &Parameter, seed: u32, index: usize) -> String {
    let mark = mark(seed, index);
    if parameter.secret {
        return format!("{{ env = \"{mark}\" }}");
    }
    if let Some(choice) =
        parameter.choices.as_ref().and_then(|choices| choices.get(seed as usize % choices.len().max(1)))
    {
        return match &choice.value {
            ciao_declare::literal::Literal::String(text) => toml_string(text),
            other => ciao_plan::value::plain(other),
        };
    }
    let number = i64::from(seed) * 10_000 + 20_000 + index as i64;
    match parameter.kind {
        Type::String => toml_string(&sized(&mark, parameter)),
        Type::Host => toml_string(&format!("{mark}.invalid")),
        Type::Url => toml_string(&format!("https://{mark}.invalid/")),
        Type::Path => toml_string(&format!("/sentinel/{mark}")),
        Type::Boolean => "true".to_owned(),
        Type::Port => number.clamp(parameter.min.unwrap_or(1), parameter.max.unwrap_or(65_535)).to_string(),
        Type::Integer => match (parameter.min, parameter.max) {
            (min, Some(max)) if max < number => {
                (max - (number - min.unwrap_or(0)) % (max - min.unwrap_or(0) + 1).max(1)).to_string()
            }
            (min, _) => number.max(min.unwrap_or(number)).to_string(),
        },
        Type::Table if !parameter.fields.is_empty() => {
            let fields = parameter.fields.iter().enumerate();
            let fields: Vec<String> =
                fields.map(|(at, field)| format!("{} = {}", field.name, value(field, seed, index * 50 + at))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Type::Table => format!("{{ any = \"{mark}\" }}"),
    }
}

fn sized(mark: &str, parameter: &Parameter) -> String {
    let least = parameter.min.and_then(|min| usize::try_from(min).ok()).unwrap_or(0).min(10_000);
    let most = parameter.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let mut text = mark.to_owned();
    while text.len() < least {
        text.push('x');
    }
    text.truncate(most);
    text
}

fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where a value can go: the step as declared, and which of its strings.
pub type Spot = (String, String);

/// All strings of a plan by where they go, with the values of all instances.
#[must_use]
pub fn strings(plan: &Plan) -> BTreeMap<Spot, BTreeSet<String>> {
    let mut found: BTreeMap<Spot, BTreeSet<String>> = BTreeMap::new();
    for step in &plan.steps {
        let id = format!("{}/{}", plan.calls[step.call].name, step.name);
        let mut add = |what: String, text: &Text| {
            let mut value = String::new();
            text.each_leaf(&mut |piece| _ = write!(value, "{}", leaf(piece)));
            found.entry((id.clone(), what)).or_default().insert(value);
        };
        let action = |what: &str, action: &Action, add: &mut dyn FnMut(String, &Text)| match action {
            Action::Run(arguments) | Action::Script { args: arguments, .. } => {
                if let Action::Script { path, .. } = action {
                    add(format!("{what} script"), path);
                }
                arguments.iter().enumerate().for_each(|(index, argument)| {
                    argument.texts().iter().for_each(|text| add(format!("{what} argument {index}"), text));
                });
            }
            Action::Task { with, .. } => {
                let json = with.to_json(&|text| text.known().unwrap_or_default().as_ref().into(), &|_, _| None);
                add(format!("{what} with"), &Text::literal(json.to_string()));
            }
        };
        action("", &step.action, &mut add);
        if let Some(finally) = &step.finally {
            action("finally", &finally.action, &mut add);
        }
        for argument in step.unless.iter().flatten().enumerate() {
            argument.1.texts().iter().for_each(|text| add(format!("unless {}", argument.0), text));
        }
        for (name, value) in plan.env_of(step) {
            let (EnvValue::Text(text) | EnvValue::File(text)) = value;
            add(format!("env {name}"), text);
        }
        if let Some(Stdin::Text(text) | Stdin::File(text)) = &step.stdin {
            add("stdin".to_owned(), text);
        }
        add("cwd".to_owned(), &step.cwd);
    }
    found
}

fn leaf(piece: &ciao_plan::Piece) -> String {
    match piece {
        ciao_plan::Piece::Literal(text) => text.to_string(),
        ciao_plan::Piece::Secret(name) => format!("<secret {name}>"),
        other => format!("<{other:?}>"),
    }
}

/// Where two plans differ.
#[must_use]
pub fn differences(left: &Plan, right: &Plan) -> BTreeSet<Spot> {
    let (left, right) = (strings(left), strings(right));
    left.iter()
        .filter(|(spot, values)| right.get(*spot).is_some_and(|other| other != *values))
        .map(|(spot, _)| spot.clone())
        .collect()
}

/// The parameters whose sentinel reaches no string of a plan. Booleans, choices and secrets have none.
#[must_use]
pub fn unreached(declarations: &Declarations, plan: &Plan, seed: u32) -> Vec<String> {
    let all: String =
        strings(plan).into_values().flatten().chain(plan.steps.iter().map(|step| step.id.clone())).collect();
    let parameters = declarations.environment.parameters.iter().enumerate();
    let marked = parameters.filter(|(_, parameter)| {
        !parameter.secret
            && parameter.choices.is_none()
            && !matches!(parameter.kind, Type::Boolean)
            && parameter.fields.is_empty()
    });
    marked
        .filter(|(index, parameter)| {
            let written = value(parameter, seed, *index);
            let sought = written
                .split(['"', '[', ']', ',', ' '])
                .find(|part| part.contains(char::is_alphanumeric) && *part != "any");
            !sought.is_some_and(|sought| all.contains(sought))
        })
        .map(|(_, parameter)| parameter.name.to_string())
        .collect()
}
