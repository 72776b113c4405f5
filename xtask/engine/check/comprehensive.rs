//! Comprehensive: nothing is left out, forgotten, unused, or run for the first time where it matters most.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use camino::Utf8Path;

use super::Check;
use super::walk::{self, Spot, Visitor};
use ciao_declare::environment::{Deploy, meet};
use ciao_declare::finding::{Code, Finding, Place, listed};
use ciao_declare::orchestration::Environment;
use ciao_declare::parameter::Parameter;
use ciao_declare::step::ForEach;
use ciao_declare::template::Part;
use ciao_declare::{Declarations, ENVIRONMENT, ORCHESTRATION, pipeline_file};
use ciao_plan::build::Built;
use ciao_plan::{Argument, Step};

/// The rules of this pillar that look at no plan, but for forgotten files.
pub fn check(declarations: &Declarations, findings: &mut Vec<Finding>) {
    unused_parameters(declarations, findings);
    forgotten_pipelines(declarations, findings);
}

/// Those that look at the plan of a listed environment. The environments before it were here before it.
pub fn plan(check: &mut Check<'_>, built: &Built<'_>) {
    let declarations = check.declarations;
    let Some(listed) = declarations.orchestration.get(&built.plan.environment) else { return };
    let follower =
        declarations.orchestration.environments.iter().find(|other| other.after.contains(&listed.name.value));
    if let Some(follower) = follower {
        no_verification(listed, follower, built, &mut check.findings);
    }
    if follower.is_some() || !listed.after.is_empty() {
        first_runs(check, built, listed);
    }
}

#[derive(Default)]
struct Used {
    /// The names that are used, wherever that is.
    names: BTreeSet<Arc<str>>,
    /// Those of them that stand in strings.
    in_strings: BTreeSet<Arc<str>>,
}

impl Visitor for Used {
    fn spot(&mut self, spot: &Spot<'_>) {
        for part in &*spot.parts {
            if let Part::Reference { name, .. } = part {
                self.names.insert(Arc::clone(name));
                self.in_strings.insert(Arc::clone(name));
            }
        }
    }

    fn name(&mut self, name: &Arc<str>) {
        self.names.insert(Arc::clone(name));
    }
}

/// Parameters that no string, condition or list refers to, in any environment.
fn unused_parameters(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let mut used = Used::default();
    walk::environment(declarations, &mut used);
    for (name, pipeline) in &declarations.pipelines {
        let mut own = Used::default();
        walk::pipeline(name, pipeline, &mut own);
        for parameter in &pipeline.parameters {
            if !own.names.contains(&parameter.name) {
                let place = Place { file: pipeline_file(name).as_path().into(), span: parameter.span };
                findings.push(unused(place, &parameter.name, "no step of this pipeline uses it"));
            }
        }
        unused_fields(&own, &pipeline.parameters, &pipeline_file(name), findings);
        // What it has a parameter of its own for is not what the environments give under that name.
        let is_own = |name: &Arc<str>| pipeline.parameters.iter().any(|parameter| parameter.name == *name);
        own.names.retain(|name| !is_own(name));
        own.in_strings.retain(|name| !is_own(name));
        used.names.append(&mut own.names);
        used.in_strings.append(&mut own.in_strings);
    }
    unused_fields(&used, &declarations.environment.parameters, Utf8Path::new(ENVIRONMENT), findings);
    for parameter in
        declarations.environment.parameters.iter().filter(|parameter| !used.names.contains(&parameter.name))
    {
        let place = Place { file: Utf8Path::new(ENVIRONMENT).into(), span: parameter.span };
        findings.push(unused(place, &parameter.name, "no pipeline uses it"));
    }
}

/// Fields of a list that is only gone through item by item, which no string reads. Which list an item is of is not asked.
fn unused_fields(used: &Used, parameters: &[Parameter], file: &Utf8Path, findings: &mut Vec<Finding>) {
    let Used { names, in_strings: strings } = used;
    let is_read = |field: &str| {
        let whole = format!("each.{field}");
        strings.contains("each") || strings.iter().any(|name| meet(name, &whole))
    };
    for list in parameters.iter().filter(|list| names.contains(&list.name) && !strings.contains(&list.name)) {
        for field in list.fields.iter().filter(|field| list.key.as_ref() != Some(&field.name) && !is_read(&field.name))
        {
            let place = Place { file: file.into(), span: field.span };
            let message = format!("field `{}` of `{}` changes nothing: no string reads it", field.name, list.name);
            let help = format!("use it, `${{each.{}}}`, where its value is meant to go; or remove it", field.name);
            findings.push(Finding::error(Code::UnusedParameter, place, message, help).of(&*list.name));
        }
    }
}

fn unused(place: Place, name: &str, why: &str) -> Finding {
    let help = format!("use it, `${{{name}}}`, where its value is meant to go; or remove it and its values");
    let message = format!("parameter `{name}` changes nothing: {why}");
    Finding::error(Code::UnusedParameter, place, message, help).of(name)
}

fn forgotten_pipelines(declarations: &Declarations, findings: &mut Vec<Finding>) {
    let called: BTreeSet<&str> = declarations.environment.deploy.iter().map(|deploy| &*deploy.pipeline.value).collect();
    for name in declarations.pipelines.keys().filter(|name| !called.contains(&***name)) {
        let message = format!("nothing calls pipeline `{name}`, so it is never deployed");
        let help = format!("call it in {ENVIRONMENT}: `[[deploy]]`, `pipeline = \"{name}\"`; or remove its folder");
        let place = Place::start_of(pipeline_file(name));
        findings.push(Finding::error(Code::ForgottenPipeline, place, message, help).of(&**name));
    }
}

/// A deployment that nothing verified opens a gate that says nothing.
fn no_verification(environment: &Environment, follower: &Environment, built: &Built<'_>, findings: &mut Vec<Finding>) {
    if built.plan.steps.iter().any(|step| step.verify && step.runs) {
        return;
    }
    let name = &environment.name.value;
    let message =
        format!("nothing verifies that `{name}` works, and its success opens the gate of `{}`", follower.name.value);
    let help = "add a last step with `verify = true` that fails if the environment does not work";
    let place = Place { file: Utf8Path::new(ORCHESTRATION).into(), span: environment.name.span };
    findings.push(Finding::error(Code::NoVerification, place, message, help).of(&**name).only_in(name));
}

/// For every `[[deploy]]`, which steps of its pipeline a plan runs, or those before it.
pub type Runs = Vec<Vec<bool>>;

fn runs(declarations: &Declarations, built: &Built<'_>) -> Runs {
    let steps = |deploy: &Deploy| declarations.pipelines.get(&deploy.pipeline.value).map_or(0, |own| own.steps.len());
    let mut runs: Runs = declarations.environment.deploy.iter().map(|deploy| vec![false; steps(deploy)]).collect();
    for (step, origin) in built.plan.steps.iter().zip(&built.origins) {
        runs[origin.deploy][origin.index] |= step.runs && !is_done_already(step);
    }
    runs
}

/// Steps that an environment runs and none before it along `after` does.
fn first_runs(check: &mut Check<'_>, built: &Built<'_>, environment: &Environment) {
    let name = &environment.name.value;
    let own = runs(check.declarations, built);
    let mut proved: Runs = own.iter().map(|steps| vec![environment.after.is_empty(); steps.len()]).collect();
    for before in &environment.after {
        // Of one that has no plan nobody knows.
        let Some(runs) = check.runs.get(&**before) else { return };
        let all = proved.iter_mut().flatten().zip(runs.iter().flatten());
        all.for_each(|(proved, runs)| *proved |= runs);
    }
    for (step, origin) in built.plan.steps.iter().zip(&built.origins) {
        let proved = &mut proved[origin.deploy][origin.index];
        if !own[origin.deploy][origin.index] || std::mem::replace(proved, true) {
            continue;
        }
        let before = before(check.declarations, name);
        let message = format!("step `{}` would run for the first time in `{name}`", step.name);
        let help = "let an environment before it run the step too, so that it has been proved by then";
        let place = Place { file: Arc::clone(origin.file), span: origin.declared.name.span };
        let finding = Finding::error(Code::FirstRunIn, place, message, help).of(&*step.name).only_in(name);
        let verb = if before.len() == 1 { "does not run it" } else { "do not run it" };
        let before = listed(before.iter().map(|other| &**other));
        let why = why_not(check.declarations, built, step, origin.deploy, origin.declared);
        check.findings.push(finding.note(format!("{before} {verb}: {why}")));
    }
    let proved = if environment.after.is_empty() { own } else { proved };
    check.runs.insert(built.plan.environment.clone(), proved);
}

/// All environments that come before one along `after`, in the order listed.
fn before(declarations: &Declarations, name: &Arc<str>) -> Vec<Arc<str>> {
    let mut wanted: BTreeSet<&Arc<str>> = BTreeSet::from([name]);
    let mut found = Vec::new();
    // Each names only environments that are listed before it.
    for environment in declarations.orchestration.environments.iter().rev() {
        if wanted.contains(&environment.name.value) {
            wanted.extend(&environment.after);
            if environment.name.value != *name {
                found.push(Arc::clone(&environment.name.value));
            }
        }
    }
    found.reverse();
    found
}

fn why_not(
    declarations: &Declarations,
    built: &Built<'_>,
    step: &Step,
    deploy: usize,
    declared: &ciao_declare::step::Step,
) -> String {
    let list = |for_each: &Option<ForEach>| match for_each {
        Some(ForEach::Name(name)) => Some(name.value.to_string()),
        _ => None,
    };
    let call = &declarations.environment.deploy[deploy];
    let lists: Vec<String> = [list(&call.for_each), list(&declared.for_each)].into_iter().flatten().collect();
    match (step.when.as_slice(), lists.as_slice()) {
        ([], []) if step.unless.is_some() => "its guard is always true there".to_owned(),
        ([], []) => format!("the plan of `{}` differs", built.plan.environment),
        ([], lists) => format!("{} is empty there", listed(lists.iter().map(String::as_str))),
        (when, []) => format!("`when = \"{}\"`", when.join("\", \"")),
        (when, lists) => {
            format!(
                "`when = \"{}\"`, or {} is empty there",
                when.join("\", \""),
                listed(lists.iter().map(String::as_str))
            )
        }
    }
}

/// Whether a guard can be seen to be true whatever the state: `true`, or `test` on two known strings.
fn is_done_already(step: &Step) -> bool {
    let Some(guard) = &step.unless else { return false };
    let words: Option<Vec<Cow<'_, str>>> = guard
        .iter()
        .map(|argument| match argument {
            Argument::One(text) => text.known(),
            Argument::Spread { .. } => None,
        })
        .collect();
    let words = words.unwrap_or_default();
    match words.iter().map(|word| &**word).collect::<Vec<_>>().as_slice() {
        ["true"] => true,
        ["test", left, sign, right] | ["[", left, sign, right, "]"] => match *sign {
            "=" | "==" => left == right,
            "!=" => left != right,
            _ => false,
        },
        _ => false,
    }
}
