//! Orchestrated: the order is proved. What a step requires, and every output that it uses, comes before it in every
//! permitted order, not only in the listed one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ciao_base::map;
use ciao_declare::finding::{Code, Finding, Place, Span, and_then, suggest};
use ciao_plan::build::Built;
use ciao_plan::graph::Reach;

/// The steps that provide one thing: instances of one declaration count as one.
#[derive(Default)]
struct Providers<'a> {
    by_declaration: BTreeMap<(usize, u32), Vec<u32>>,
    /// Switched off: they provide nothing.
    off: Vec<&'a str>,
}

/// Proves the order of one plan.
pub fn proofs(built: &Built<'_>, findings: &mut Vec<Finding>) {
    let steps = &built.plan.steps;
    if built.uses.is_empty() && steps.iter().all(|step| step.requires.is_empty() && step.provides.is_empty()) {
        return;
    }
    let mut providers: HashMap<&str, Providers<'_>> = HashMap::new();
    for (index, (step, origin)) in steps.iter().zip(&built.origins).enumerate() {
        for label in &step.provides {
            let provided = providers.entry(label).or_default();
            if step.runs {
                let declaration = (origin.deploy, origin.declared.span.start);
                provided.by_declaration.entry(declaration).or_default().push(index as u32);
            } else {
                provided.off.push(&step.id);
            }
        }
    }
    two_providers(built, &providers, findings);
    let reach = Reach::new(&built.plan.graph.needs);
    // Where the order has a cycle, that is to be mended first.
    let is_late = |provider, user| !built.cyclic && !reach.is_before(provider, user);
    for (index, (step, origin)) in steps.iter().zip(&built.origins).enumerate().filter(|(_, (step, _))| step.runs) {
        for label in &origin.declared.requires {
            let place = Place { file: Arc::clone(origin.file), span: label.span };
            let Some(provided) = providers.get(&*label.value).filter(|provided| !provided.by_declaration.is_empty())
            else {
                findings.push(missing_provider(&step.id, &label.value, place, &providers));
                continue;
            };
            // An instance sees its own.
            let all: Vec<u32> = provided.by_declaration.values().flatten().copied().collect();
            let own: Vec<u32> =
                all.iter().copied().filter(|provider| steps[*provider as usize].call == step.call).collect();
            let late = if own.is_empty() { &all } else { &own };
            if let Some(late) = late.iter().find(|provider| is_late(**provider, index as u32)) {
                let what = format!("which provides `{}`", label.value);
                findings.push(out_of_order(built, &reach, (index as u32, *late), &what, place));
            }
        }
    }
    for used in &built.uses {
        if steps[used.user as usize].runs && is_late(used.maker, used.user) {
            let what = format!("which makes `{}`", used.output);
            findings.push(out_of_order(built, &reach, (used.user, used.maker), &what, used.place.clone()));
        }
    }
}

fn provide_place(built: &Built<'_>, step: u32, label: &str) -> Place {
    let origin = &built.origins[step as usize];
    let span = origin
        .declared
        .provides
        .iter()
        .find(|provided| &*provided.value == label)
        .map_or(Span::default(), |provided| provided.span);
    Place { file: Arc::clone(origin.file), span }
}

fn two_providers(built: &Built<'_>, providers: &HashMap<&str, Providers<'_>>, findings: &mut Vec<Finding>) {
    for (label, provided) in map(providers) {
        let mut firsts = provided.by_declaration.values().filter_map(|steps| steps.first());
        let Some(first) = firsts.next() else { continue };
        for other in firsts {
            let step = |index: u32| &built.plan.steps[index as usize].id;
            let message = format!("`{label}` is provided by `{}` and by `{}`", step(*first), step(*other));
            let help = "give one of them another name: a requirer must know whom it waits for";
            let finding =
                Finding::error(Code::TwoProviders, provide_place(built, *other, label), message, help).of(&**label);
            findings.push(finding.related(provide_place(built, *first, label), "the first one"));
        }
    }
}

fn missing_provider(step: &str, label: &str, place: Place, providers: &HashMap<&str, Providers<'_>>) -> Finding {
    let known: BTreeSet<&str> =
        providers.iter().filter(|(_, provided)| !provided.by_declaration.is_empty()).map(|(label, _)| *label).collect();
    let off = providers.get(label).and_then(|provided| provided.off.first());
    let help = match off {
        Some(_) => "switch this step off by the same `when`".to_owned(),
        None => and_then(
            &suggest(label, "things provided", known),
            &format!("a step provides it with `provides = [\"{label}\"]`"),
        ),
    };
    let message = match off {
        Some(off) => format!("`{step}` requires `{label}`, which only `{off}` provides, and that is switched off"),
        None => format!("`{step}` requires `{label}`, which no step provides"),
    };
    Finding::error(Code::MissingProvider, place, message, help).of(step)
}

fn out_of_order(built: &Built<'_>, reach: &Reach<'_>, (user, maker): (u32, u32), what: &str, place: Place) -> Finding {
    let steps = &built.plan.steps;
    let (id, other) = (&steps[user as usize].id, &steps[maker as usize].id);
    if user == maker {
        let message = format!("`{id}` would have to run before itself: it is the step {what}");
        return Finding::error(Code::OutOfOrder, place, message, "remove one of the two")
            .of(&steps[user as usize].name);
    }
    let mut order: Vec<&str> = reach
        .order_with(user, maker)
        .into_iter()
        .filter_map(|node| steps.get(node as usize))
        .map(|step| &*step.id)
        .collect();
    let at = order.iter().position(|step| step == id).unwrap_or_default();
    if order.len() > 16 {
        // The two are what matters; the beginning of a long order is not.
        let from = at.saturating_sub(3);
        order = order[from..].iter().copied().take(8).chain(["…", other]).collect();
        if from > 0 {
            order.insert(0, "…");
        }
    }
    let help = if steps[user as usize].call == steps[maker as usize].call {
        format!("list `{}` before it, or add it to its `needs`", steps[maker as usize].name)
    } else {
        let calls =
            (&built.plan.calls[steps[maker as usize].call].name, &built.plan.calls[steps[user as usize].call].name);
        format!("call `{}` before `{}` in pipelines/environment.toml, or add it to its `needs`", calls.0, calls.1)
    };
    Finding::error(Code::OutOfOrder, place, format!("`{id}` may run before `{other}`, {what}"), help)
        .of(&steps[user as usize].name)
        .note(format!("a permitted order: {}", order.join(", ")))
}
