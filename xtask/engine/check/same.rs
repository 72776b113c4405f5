//! Values that must be an environment's own: what is `distinct`, and where secrets come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;

use ciao_declare::finding::{Code, Finding, Place, listed};
use ciao_declare::literal::{Literal, Spanned};
use ciao_declare::parameter::{Parameter, Type};
use ciao_declare::template::Part;
use ciao_declare::{Declarations, ENVIRONMENT};
use ciao_plan as plan;

/// One value of one environment.
struct Given<'d> {
    environment: &'d str,
    parameter: &'d Arc<str>,
    file: Arc<Utf8Path>,
    value: &'d Spanned<Literal>,
}

impl Given<'_> {
    fn place(&self) -> Place {
        Place { file: Arc::clone(&self.file), span: self.value.span }
    }
}

/// Finds `same-value`.
pub fn check(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let shared_file: Arc<Utf8Path> = Utf8Path::new(ENVIRONMENT).into();
    shared(declarations, findings);
    for parameter in &declarations.environment.parameters {
        if parameter.distinct {
            let given = given(declarations, parameter, true);
            distinct(declarations, (parameter.kind, &parameter.name), &given, findings);
        }
        for field in parameter.fields.iter().filter(|field| field.distinct) {
            let all = given(declarations, parameter, true);
            let fields = all.iter().flat_map(|given| {
                let items = match &given.value.value {
                    Literal::List(items) => items.as_slice(),
                    _ => &[],
                };
                items.iter().filter_map(|item| {
                    let own = item.value.get(&field.name).map(|value| (&given.file, value));
                    let (file, value) = own.or_else(|| Some((&shared_file, field.default.as_ref()?)))?;
                    Some(Given { value, file: Arc::clone(file), ..*given })
                })
            });
            distinct(
                declarations,
                (field.kind, &format!("{}.{}", parameter.name, field.name)),
                &fields.collect::<Vec<_>>(),
                findings,
            );
        }
    }
}

/// What the environments give themselves or have by default, the listed ones first.
fn given<'d>(declarations: &'d Declarations, parameter: &'d Parameter, personal: bool) -> Vec<Given<'d>> {
    let environments = declarations.environments().filter(|name| personal || !declarations.is_personal(name));
    environments
        .filter_map(|environment| {
            let values = declarations.values_of(environment)?;
            let (file, value) = match values.get(&parameter.name) {
                Some(value) => (Arc::clone(&values.file), value),
                None => (Utf8Path::new(ENVIRONMENT).into(), parameter.default.as_ref()?),
            };
            Some(Given { environment, parameter: &parameter.name, file, value })
        })
        .collect()
}

/// A value as text that is equal for equal values; places do not matter.
fn text(kind: Type, value: &Literal) -> String {
    match value {
        Literal::List(items) => items.iter().map(|item| text(kind, &item.value) + "\u{1}").collect(),
        Literal::Table(entries) => {
            entries.iter().map(|(key, value)| format!("{}\u{2}{}\u{3}", key.value, text(kind, &value.value))).collect()
        }
        Literal::String(text) => kind.canonical(text).into_owned(),
        other => format!("{}{}", other.kind(), plan::value::plain(other)),
    }
}

fn distinct(declarations: &Declarations, (kind, name): (Type, &str), given: &[Given<'_>], findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<String, &Given<'_>> = BTreeMap::new();
    for own in given {
        let key = text(kind, &own.value.value);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, own);
            continue;
        };
        let message = if own.environment == first.environment {
            format!("`{name}` has the same value twice in `{}`", own.environment)
        } else {
            format!("`{name}` has the same value in `{}` and in `{}`", first.environment, own.environment)
        };
        let help = "give each environment its own: it is declared with `distinct = true`";
        let mut finding = Finding::error(Code::SameValue, own.place(), message, help).of(name);
        if own.place() != first.place() {
            finding = finding.related(first.place(), "the same value");
        }
        finding.environments = Some(vec![own.environment.to_owned()]);
        // A personal file must not stop anybody else's deployment.
        if !declarations.is_personal(own.environment) {
            finding.environments.get_or_insert_default().push(first.environment.to_owned());
        }
        findings.push(finding);
    }
}

/// A secret that two environments read from the same place is known in both. A warning: it may be meant so.
fn shared(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let mut by_source: BTreeMap<String, Vec<Given<'_>>> = BTreeMap::new();
    let secret = declarations.environment.parameters.iter().filter(|parameter| parameter.secret);
    for own in secret.flat_map(|parameter| given(declarations, parameter, false)) {
        let Literal::Table(entries) = &own.value.value else { continue };
        let by_environment = entries.iter().any(|(source, _)| {
            declarations.environment.sources.get(&source.value).is_some_and(|run| {
                run.iter()
                    .flat_map(|word| &word.parts)
                    .any(|part| matches!(part, Part::Reference { name, .. } if &**name == "environment"))
            })
        });
        if !by_environment {
            by_source.entry(text(Type::String, &own.value.value)).or_default().push(own);
        }
    }
    let help = "give each environment a secret of its own: who knows the one of a test knows this one too";
    for sharing in by_source.into_values() {
        let before = findings.len();
        for same in sharing.chunk_by(|one, other| one.parameter == other.parameter) {
            let [first, second, ..] = same else { continue };
            let names = listed(same.iter().map(|given| given.environment));
            let message = format!("secret `{}` is read from the same place in {names}", first.parameter);
            let finding = Finding::warning(Code::SameValue, second.place(), message, help).of(&**first.parameter);
            findings.push(finding.related(first.place(), "the same place"));
        }
        let first = &sharing[0];
        if let Some(other) = sharing.iter().find(|other| other.environment != first.environment)
            && findings.len() == before
        {
            let message = format!(
                "secret `{}` of `{}` is read from the same place as `{}` of `{}`",
                other.parameter, other.environment, first.parameter, first.environment
            );
            let finding = Finding::warning(Code::SameValue, other.place(), message, help).of(&**other.parameter);
            findings.push(finding.related(first.place(), "the same place"));
        }
    }
}
