//! Comprehensive: nothing is left out, forgotten, unused, or run for the first time where it matters most.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use camino::Utf8Path;

use super::Subject;
use super::walk::{self, Spot, Visitor};
use crate::declare::step::ForEach;
use crate::declare::template::Part;
use crate::declare::{Declarations, ENVIRONMENT, ORCHESTRATION, pipeline_file};
use crate::finding::{Code, Finding, Place, listed};
use crate::plan::build::Built;
use crate::plan::{Argument, Step};

/// All rules of this pillar but forgotten files.
pub fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    unused_parameters(subject.declarations, findings);
    forgotten_pipelines(subject.declarations, findings);
    no_verification(subject, findings);
    first_runs(subject, findings);
}

/// The names that are used, wherever that is.
#[derive(Default)]
struct Used(BTreeSet<Arc<str>>);

impl Visitor for Used {
    fn spot(&mut self, spot: &Spot<'_>) {
        for part in &*spot.parts {
            if let Part::Reference { name, .. } = part {
                self.0.insert(Arc::clone(name));
            }
        }
    }

    fn name(&mut self, name: &Arc<str>) {
        self.0.insert(Arc::clone(name));
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
            if !own.0.remove(&parameter.name) {
                let place = Place { file: pipeline_file(name).as_path().into(), span: parameter.span };
                findings.push(unused(place, &parameter.name, "no step of this pipeline uses it"));
            }
        }
        used.0.append(&mut own.0);
    }
    for parameter in declarations.environment.parameters.iter().filter(|parameter| !used.0.contains(&parameter.name)) {
        let place = Place { file: Utf8Path::new(ENVIRONMENT).into(), span: parameter.span };
        findings.push(unused(place, &parameter.name, "no pipeline uses it"));
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
fn no_verification(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let environments = &subject.declarations.orchestration.environments;
    for environment in environments {
        let name = &environment.name.value;
        let Some(follower) = environments.iter().find(|other| other.after.contains(name)) else { continue };
        let Some(built) = subject.plan(name) else { continue };
        if built.plan.steps.iter().any(|step| step.verify && step.runs) {
            continue;
        }
        let message = format!(
            "nothing verifies that `{name}` works, and its success opens the gate of `{}`",
            follower.name.value
        );
        let help = "add a last step with `verify = true` that fails if the environment does not work";
        let place = Place { file: Utf8Path::new(ORCHESTRATION).into(), span: environment.name.span };
        findings.push(Finding::error(Code::NoVerification, place, message, help).of(&**name).only_in(name));
    }
}

/// The declaration of a step: the call it belongs to, and where it begins in its file.
type Declared = (usize, u32);

/// Steps that an environment runs and none before it along `after` does.
fn first_runs(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let mut runs: BTreeMap<&str, HashSet<Declared>> = BTreeMap::new();
    for (environment, built) in subject.plans {
        let steps = built.plan.steps.iter().zip(&built.origins);
        let running = steps.filter(|(step, _)| step.runs && !is_done_already(step));
        runs.insert(environment, running.map(|(_, origin)| (origin.deploy, origin.declared.span.start)).collect());
    }
    for environment in &subject.declarations.orchestration.environments {
        let name = &environment.name.value;
        let before = before(subject.declarations, name);
        let Some(built) = subject.plan(name).filter(|_| !before.is_empty()) else { continue };
        let Some(others) = before.iter().map(|other| runs.get(&**other)).collect::<Option<Vec<_>>>() else { continue };
        let mut seen = HashSet::new();
        for (step, origin) in built.plan.steps.iter().zip(&built.origins) {
            let declared = (origin.deploy, origin.declared.span.start);
            if !runs[&**name].contains(&declared)
                || others.iter().any(|ran| ran.contains(&declared))
                || !seen.insert(declared)
            {
                continue;
            }
            let message = format!("step `{}` would run for the first time in `{name}`", step.name);
            let help = "let an environment before it run the step too, so that it has been proved by then";
            let place = Place { file: Arc::clone(origin.file), span: origin.declared.name.span };
            let before = listed(before.iter().map(|other| &**other));
            let mut finding = Finding::error(Code::FirstRunIn, place, message, help).of(&*step.name).only_in(name);
            let verb = if others.len() == 1 { "does not run it" } else { "do not run it" };
            finding = finding
                .note(format!("{before} {verb}: {}", why_not(subject, built, step, origin.deploy, origin.declared)));
            findings.push(finding);
        }
    }
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
    subject: &Subject<'_>,
    built: &Built<'_>,
    step: &Step,
    deploy: usize,
    declared: &crate::declare::step::Step,
) -> String {
    let list = |for_each: &Option<ForEach>| match for_each {
        Some(ForEach::Name(name)) => Some(name.value.to_string()),
        _ => None,
    };
    let call = &subject.declarations.environment.deploy[deploy];
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
    let words: Option<Vec<String>> = guard
        .iter()
        .map(|argument| match argument {
            Argument::One(text) => text.known(),
            Argument::Spread { .. } => None,
        })
        .collect();
    let words = words.unwrap_or_default();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["true"] => true,
        ["test", left, sign, right] | ["[", left, sign, right, "]"] => match *sign {
            "=" | "==" => left == right,
            "!=" => left != right,
            _ => false,
        },
        _ => false,
    }
}
