//! Values that must be an environment's own: what is `distinct`, and where secrets come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciao_declare::finding::{Code, Finding, Place, listed};
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::Parameter;
use ciao_declare::template::Part;
use ciao_declare::{Declarations, Values};
use ciao_plan as plan;

/// One value of one environment.
struct Given<'d> {
    environment: &'d str,
    values: &'d Values,
    value: &'d Spanned<Literal>,
}

/// Finds `same-value`.
pub fn check(declarations: &Declarations, findings: &mut Vec<Finding>) {
    for parameter in &declarations.environment.parameters {
        if parameter.distinct {
            let given = given(declarations, parameter, true);
            distinct(declarations, &parameter.name, &given, findings);
        } else if parameter.secret {
            shared(declarations, parameter, findings);
        }
        for field in parameter.fields.iter().filter(|field| field.distinct) {
            let all = given(declarations, parameter, true);
            let fields = all.iter().flat_map(|given| {
                match &given.value.value {
                    Literal::List(items) => items.iter().filter_map(|item| item.value.get(&field.name)).collect(),
                    _ => Vec::new(),
                }
                .into_iter()
                .map(|value| Given { value, ..*given })
            });
            distinct(
                declarations,
                &format!("{}.{}", parameter.name, field.name),
                &fields.collect::<Vec<_>>(),
                findings,
            );
        }
    }
}

/// What the environments give themselves, the listed ones first.
fn given<'d>(declarations: &'d Declarations, parameter: &Parameter, personal: bool) -> Vec<Given<'d>> {
    let environments = declarations.environments().filter(|name| personal || !declarations.is_personal(name));
    environments
        .filter_map(|environment| {
            let values = declarations.values_of(environment)?;
            Some(Given { environment, values, value: values.get(&parameter.name)? })
        })
        .collect()
}

/// A value as text that is equal for equal values; places do not matter.
fn text(value: &Literal) -> String {
    match value {
        Literal::List(items) => items.iter().map(|item| text(&item.value) + "\u{1}").collect(),
        Literal::Table(entries) => {
            entries.iter().map(|(key, value)| format!("{}\u{2}{}\u{3}", key.value, text(&value.value))).collect()
        }
        other => format!("{}{}", other.kind(), plan::value::plain(other)),
    }
}

fn distinct(declarations: &Declarations, name: &str, given: &[Given<'_>], findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<String, &Given<'_>> = BTreeMap::new();
    for own in given {
        let key = text(&own.value.value);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, own);
            continue;
        };
        let place = |given: &Given<'_>| Place { file: Arc::clone(&given.values.file), span: given.value.span };
        let message = if own.environment == first.environment {
            format!("`{name}` has the same value twice in `{}`", own.environment)
        } else {
            format!("`{name}` has the same value in `{}` and in `{}`", first.environment, own.environment)
        };
        let help = "give each environment its own: it is declared with `distinct = true`";
        let mut finding = Finding::error(Code::SameValue, place(own), message, help).of(name);
        finding = finding.related(place(first), "the same value");
        finding.environments = Some(vec![own.environment.to_owned()]);
        // A personal file must not stop anybody else's deployment.
        if !declarations.is_personal(own.environment) {
            finding.environments.get_or_insert_default().push(first.environment.to_owned());
        }
        findings.push(finding);
    }
}

/// A secret that two environments read from the same place is known in both. A warning: it may be meant so.
fn shared(declarations: &Declarations, parameter: &Parameter, findings: &mut Vec<Finding>) {
    let mut by_source: BTreeMap<String, Vec<Given<'_>>> = BTreeMap::new();
    for own in given(declarations, parameter, false) {
        let Literal::Table(entries) = &own.value.value else { continue };
        let by_environment = entries.iter().any(|(source, _)| {
            declarations.environment.sources.get(&source.value).is_some_and(|run| {
                run.iter()
                    .flat_map(|word| &word.parts)
                    .any(|part| matches!(part, Part::Reference { name, .. } if &**name == "environment"))
            })
        });
        if !by_environment {
            by_source.entry(text(&own.value.value)).or_default().push(own);
        }
    }
    for sharing in by_source.into_values() {
        let [first, second, ..] = sharing.as_slice() else { continue };
        let names = listed(sharing.iter().map(|given| given.environment));
        let place = |given: &Given<'_>| Place { file: Arc::clone(&given.values.file), span: given.value.span };
        let message = format!("secret `{}` is read from the same place in {names}", parameter.name);
        let help = "give each environment a secret of its own: who knows the one of a test knows this one too";
        let finding = Finding::warning(Code::SameValue, place(second), message, help).of(&*parameter.name);
        findings.push(finding.related(place(first), "the same place"));
    }
}
