//! From the `needs` of calls and steps to one graph over all steps of a plan.

use std::sync::Arc;

use camino::Utf8Path;

use super::draft::{Builder, Draft, Instance, Within, environment_place};
use super::graph::{self, Problem, run_order};
use ciao_declare as declare;
use ciao_declare::finding::{Code, Finding, Place, Span, suggest};
use ciao_declare::literal::Spanned;

impl<'d> Builder<'d, '_> {
    /// The graph over the steps as listed, with joins behind them, and whether it is without the needs of a cycle.
    pub fn order(&mut self, instances: &[Instance<'d>], drafts: &[Draft<'d>]) -> (Vec<Vec<u32>>, bool) {
        let deploy = &self.inputs.declarations.environment.deploy;
        let items: Vec<graph::Item<'_>> = deploy.iter().map(|call| (&call.name.value, call.needs.as_deref())).collect();
        let spans: Vec<Span> = deploy.iter().map(|call| call.name.span).collect();
        let mut calls = direct(&items, &spans, &environment_place(Span::default()).file, "call");
        self.findings.append(&mut calls.findings);
        let mut cyclic = calls.cyclic;
        for instance in instances {
            let within = instance.file.within.get_or_init(|| {
                let steps = &instance.pipeline.steps;
                let items: Vec<graph::Item<'_>> =
                    steps.iter().map(|step| (&step.name.value, step.needs.as_deref())).collect();
                let spans: Vec<Span> = steps.iter().map(|step| step.name.span).collect();
                direct(&items, &spans, &instance.file.path, "step")
            });
            self.findings.extend_from_slice(&within.findings);
            cyclic |= within.cyclic;
        }
        let mut joins = Joins { needs: vec![Vec::new(); drafts.len()] };
        let mut ends: Vec<Option<u32>> = vec![None; deploy.len()];
        let members = Members::new(deploy.len(), instances, drafts);
        for call in calls.order {
            let start = joins.all(calls.needs[call as usize].iter().filter_map(|need| ends[*need as usize]).collect());
            let parallel = deploy[call as usize].parallel;
            let mut last = start;
            let mut exits = Vec::new();
            for instance in &members.calls[call as usize] {
                let Instance { pipeline, file, .. } = &instances[*instance];
                let entry = if parallel { start } else { last };
                let within = file.within.get_or_init(Within::default);
                let exit = joins.pipeline(within, pipeline, &members.steps[*instance], entry);
                exits.extend(exit);
                last = exit.or(last);
            }
            let end = if parallel { joins.all(exits) } else { last };
            ends[call as usize] = end.or(start);
        }
        (joins.needs, cyclic)
    }
}

fn direct(items: &[graph::Item<'_>], spans: &[Span], file: &Arc<Utf8Path>, what: &str) -> Within {
    let (needs, problems) = graph::direct_needs(items);
    let (mut findings, mut cyclic) = (Vec::new(), false);
    for problem in problems {
        let place = |span| Place { file: Arc::clone(file), span };
        match problem {
            Problem::Unknown { of, need } => {
                let need: &Spanned<Arc<str>> = &items[of].1.unwrap_or_default()[need];
                let names: Vec<&str> =
                    items.iter().map(|(name, _)| &***name).filter(|name| *name != &**items[of].0).collect();
                let help = suggest(&need.value, &format!("other {what}s of this file"), names);
                let message = format!("{what} `{}` needs `{}`, which is not in this file", items[of].0, need.value);
                let finding = Finding::error(Code::UnknownNeed, place(need.span), message, help);
                findings.push(finding.of(&**items[of].0));
            }
            Problem::Cycle(cycle) => {
                cyclic = true;
                let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|index| &**items[*index].0).collect();
                let message = if cycle.len() == 1 {
                    format!("{what} `{}` needs itself", names[0])
                } else {
                    format!("the {what}s need each other in a circle")
                };
                let help = "remove one of these needs; what has no `needs` needs everything listed above it";
                let finding = Finding::error(Code::Cycle, place(spans[cycle[0]]), message, help).of(names[0]);
                findings.push(finding.note(format!("each needs the next: {}", names.join(" → "))));
            }
        }
    }
    let order = run_order(&needs, needs.len()).unwrap_or_default();
    Within { order, needs, cyclic, findings }
}

/// The instances of every call, and the drafts of every step of every instance, in their order.
struct Members {
    calls: Vec<Vec<usize>>,
    steps: Vec<Vec<Vec<u32>>>,
}

impl Members {
    fn new(count: usize, instances: &[Instance<'_>], drafts: &[Draft<'_>]) -> Members {
        let mut calls = vec![Vec::new(); count];
        instances.iter().enumerate().for_each(|(index, instance)| calls[instance.deploy].push(index));
        let mut steps: Vec<Vec<Vec<u32>>> =
            instances.iter().map(|instance| vec![Vec::new(); instance.pipeline.steps.len()]).collect();
        for (index, draft) in drafts.iter().enumerate() {
            steps[draft.call][draft.index].push(index as u32);
        }
        Members { calls, steps }
    }
}

/// The graph while joins are added to it.
struct Joins {
    needs: Vec<Vec<u32>>,
}

impl Joins {
    /// One node that stands for all of these; none for none.
    fn all(&mut self, mut nodes: Vec<u32>) -> Option<u32> {
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.len() < 2 {
            return nodes.first().copied();
        }
        self.needs.push(nodes);
        Some(self.needs.len() as u32 - 1)
    }

    /// Orders the steps of one instance of a pipeline behind `entry`; gives what stands for all of them.
    fn pipeline(
        &mut self,
        within: &Within,
        pipeline: &declare::Pipeline,
        members: &[Vec<u32>],
        entry: Option<u32>,
    ) -> Option<u32> {
        let mut ends: Vec<Option<u32>> = vec![None; members.len()];
        let mut is_needed = vec![false; members.len()];
        for step in &within.order {
            let step = *step as usize;
            let mut before = Vec::with_capacity(within.needs[step].len());
            for need in &within.needs[step] {
                is_needed[*need as usize] = true;
                before.extend(ends[*need as usize]);
            }
            // A single step takes the nodes as they are; several instances share one join.
            let mut start = if before.is_empty() { entry.into_iter().collect() } else { before };
            start.sort_unstable();
            start.dedup();
            if let [single] = &*members[step] {
                self.needs[*single as usize] = start;
                ends[step] = Some(*single);
                continue;
            }
            let start: Vec<u32> = self.all(start).into_iter().collect();
            let mut last = start.clone();
            for member in &members[step] {
                self.needs[*member as usize] = if pipeline.steps[step].parallel { start.clone() } else { last };
                last = vec![*member];
            }
            ends[step] = match members[step].as_slice() {
                [] => self.all(start),
                many if pipeline.steps[step].parallel => self.all(many.to_vec()),
                [.., last] => Some(*last),
            };
        }
        let exits = (0..members.len()).filter(|step| !is_needed[*step]).filter_map(|step| ends[step]).collect();
        self.all(exits)
    }
}
