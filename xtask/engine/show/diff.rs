//! Two environments side by side: their values, and the steps that only one of them runs, with the reason. Pure.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::findings::printable;
use ciao_base::map;
use ciao_declare::Declarations;
use ciao_declare::literal::Literal;
use ciao_declare::step::ForEach;
use ciao_plan::Plan;

/// What differs. Empty if nothing does.
#[must_use]
pub fn text(declarations: &Declarations, left: &Plan, right: &Plan) -> String {
    let names = (&*left.environment, &*right.environment);
    let rows = values(declarations, names);
    let mut shown = table(names, &rows);
    for (only, other) in [(left, right), (right, left)] {
        let steps = only_in(declarations, only, other);
        if !steps.is_empty() {
            let gap = if shown.is_empty() { "" } else { "\n" };
            let _infallible = writeln!(shown, "{gap}only {} runs", only.environment);
            let width = steps.iter().map(|(id, _)| id.chars().count()).max().unwrap_or_default();
            for (id, why) in steps {
                let _infallible = writeln!(shown, "  {id:<width$}  {why}");
            }
        }
    }
    shown
}

type Row = (String, String, String);

/// The parameters whose values differ.
fn values(declarations: &Declarations, (left, right): (&str, &str)) -> Vec<Row> {
    let value = |environment: &str, parameter: &ciao_declare::parameter::Parameter| {
        let values = declarations.values_of(environment);
        let like = values.and_then(|values| values.like.as_ref()).filter(|_| !parameter.distinct);
        let given = values
            .and_then(|values| values.get(&parameter.name))
            .or_else(|| declarations.values.get(&like?.value)?.get(&parameter.name));
        given.or(parameter.default.as_ref()).map_or_else(|| "(none)".to_owned(), |value| literal(&value.value))
    };
    let parameters = declarations.environment.parameters.iter();
    parameters
        .map(|parameter| (parameter.name.to_string(), value(left, parameter), value(right, parameter)))
        .filter(|(_, left, right)| left != right)
        .collect()
}

/// A value on one line, as it would be written. The source of a secret is no secret.
fn literal(value: &Literal) -> String {
    match value {
        Literal::String(text) => printable(&serde_json::Value::from(&**text).to_string()),
        Literal::List(items) => {
            format!("[{}]", items.iter().map(|item| literal(&item.value)).collect::<Vec<_>>().join(", "))
        }
        Literal::Table(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{} = {}", key.value, literal(&value.value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Literal::Datetime(date) => date.clone(),
        other => ciao_plan::value::plain(other),
    }
}

/// A column wider than this moves what follows it by as much, and no other line.
const WIDEST: usize = 48;

fn table((left, right): (&str, &str), rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| text.chars().count()).max().unwrap_or_default().min(WIDEST)
    };
    let first = width(&mut rows.iter().map(|(name, ..)| &**name));
    let second = width(&mut rows.iter().map(|(_, left, _)| &**left).chain([left]));
    let mut shown = format!("{:<first$}  {left:<second$}  {right}\n", "");
    for (name, left, right) in rows {
        let _infallible = writeln!(shown, "{name:<first$}  {left:<second$}  {right}");
    }
    shown
}

/// The steps that one plan runs and the other does not, instances apart, and why.
fn only_in<'p>(declarations: &Declarations, only: &'p Plan, other: &Plan) -> Vec<(&'p str, String)> {
    let running = |plan: &Plan| -> BTreeSet<String> {
        plan.steps.iter().filter(|step| step.runs).map(|step| step.id.clone()).collect()
    };
    let others = running(other);
    let whens = map(other.steps.iter().map(|step| (&*step.id, &*step.when)));
    let missing = only.steps.iter().filter(|step| step.runs && !others.contains(&step.id));
    missing
        .map(|step| {
            let why = match (whens.get(&*step.id), &step.each) {
                (Some(when), _) => format!("switched off by `when = \"{}\"`", when.join("\", \"")),
                (None, Some(each)) => match list(declarations, only, step) {
                    Some(list) => format!("`{each}` is not in `{list}` there"),
                    None => format!("there is no `{each}` there"),
                },
                (None, None) => "the plans differ".to_owned(),
            };
            (&*step.id, why)
        })
        .collect()
}

/// The list that makes the instances of a step.
fn list<'d>(declarations: &'d Declarations, plan: &Plan, step: &ciao_plan::Step) -> Option<&'d str> {
    let call = &plan.calls[step.call];
    let deploy = declarations.environment.deploy.iter().find(|deploy| *deploy.name.value == *call.name)?;
    let declared =
        declarations.pipelines.get(&deploy.pipeline.value)?.steps.iter().find(|own| *own.name.value == *step.name)?;
    match declared.for_each.as_ref().or(deploy.for_each.as_ref())? {
        ForEach::Name(name) => Some(&name.value),
        ForEach::Items(..) => None,
    }
}
