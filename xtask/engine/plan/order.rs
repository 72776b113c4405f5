//! From the `needs` of calls and steps to one graph over all steps of a plan.

use std::collections::HashMap;
use std::sync::Arc;

use camino::Utf8Path;

use super::build::{Builder, environment_place};
use super::graph::{self, Problem, run_order};
use super::instances::{Draft, Instance};
use crate::declare;
use crate::declare::literal::Spanned;
use crate::finding::{Code, Finding, Place, Span, suggest};

impl<'d> Builder<'d, '_> {
    /// The graph over the steps as listed, with joins behind them; `None` if there is a cycle.
    pub fn order(&mut self, instances: &[Instance<'d>], drafts: &[Draft<'d>]) -> Option<Vec<Vec<u32>>> {
        let deploy = &self.inputs.declarations.environment.deploy;
        let items: Vec<graph::Item<'_>> = deploy.iter().map(|call| (&call.name.value, call.needs.as_deref())).collect();
        let spans: Vec<Span> = deploy.iter().map(|call| call.name.span).collect();
        let calls = self.direct(&items, &spans, &environment_place(Span::default()).file, "call")?;
        let mut within: HashMap<&Utf8Path, Vec<Vec<u32>>> = HashMap::new();
        for instance in instances {
            if within.contains_key(&**instance.file) {
                continue;
            }
            let steps = &instance.pipeline.steps;
            let items: Vec<graph::Item<'_>> =
                steps.iter().map(|step| (&step.name.value, step.needs.as_deref())).collect();
            let spans: Vec<Span> = steps.iter().map(|step| step.name.span).collect();
            within.insert(instance.file, self.direct(&items, &spans, instance.file, "step")?);
        }
        let mut joins = Joins { needs: vec![Vec::new(); drafts.len()] };
        let mut ends: Vec<Option<u32>> = vec![None; deploy.len()];
        let members = Members::new(deploy.len(), instances, drafts);
        let call_order = run_order(&calls, calls.len())?;
        for call in call_order {
            let start = joins.all(calls[call as usize].iter().filter_map(|need| ends[*need as usize]).collect());
            let parallel = deploy[call as usize].parallel;
            let mut last = start;
            let mut exits = Vec::new();
            for instance in &members.calls[call as usize] {
                let Instance { pipeline, file, .. } = &instances[*instance];
                let entry = if parallel { start } else { last };
                let exit = joins.pipeline(&within[&***file], pipeline, &members.steps[*instance], entry);
                exits.extend(exit);
                last = exit.or(last);
            }
            let end = if parallel { joins.all(exits) } else { last };
            ends[call as usize] = end.or(start);
        }
        Some(joins.needs)
    }

    /// The direct needs within one file. What is wrong with them is a finding.
    fn direct(
        &mut self,
        items: &[graph::Item<'_>],
        spans: &[Span],
        file: &Arc<Utf8Path>,
        what: &str,
    ) -> Option<Vec<Vec<u32>>> {
        let (needs, problems) = graph::direct_needs(items);
        let mut sound = true;
        for problem in problems {
            let place = |span| Place { file: Arc::clone(file), span };
            match problem {
                Problem::Unknown { of, need } => {
                    let need: &Spanned<Arc<str>> = &items[of].1.unwrap_or_default()[need];
                    let names: Vec<&str> =
                        items.iter().map(|(name, _)| &***name).filter(|name| *name != &**items[of].0).collect();
                    let plural = format!("other {what}s of this file");
                    let message = format!("{what} `{}` needs `{}`, which is not in this file", items[of].0, need.value);
                    let finding = Finding::error(
                        Code::UnknownNeed,
                        place(need.span),
                        message,
                        suggest(&need.value, &plural, names),
                    );
                    self.findings.push(finding.of(&**items[of].0));
                }
                Problem::Cycle(cycle) => {
                    sound = false;
                    let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|index| &**items[*index].0).collect();
                    let message = if cycle.len() == 1 {
                        format!("{what} `{}` needs itself", names[0])
                    } else {
                        format!("the {what}s need each other in a circle")
                    };
                    let path = shortened(&names);
                    let help = "remove one of these needs; what has no `needs` needs everything listed above it";
                    let finding = Finding::error(Code::Cycle, place(spans[cycle[0]]), message, help).of(names[0]);
                    self.findings.push(finding.note(format!("each needs the next: {path}")));
                }
            }
        }
        sound.then_some(needs)
    }
}

/// A long path with its middle left out.
fn shortened(names: &[&str]) -> String {
    if names.len() <= 24 {
        return names.join(" → ");
    }
    let (first, last) = (names[..12].join(" → "), names[names.len() - 12..].join(" → "));
    format!("{first} → … {} more … → {last}", names.len() - 24)
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
        direct: &[Vec<u32>],
        pipeline: &declare::Pipeline,
        members: &[Vec<u32>],
        entry: Option<u32>,
    ) -> Option<u32> {
        let mut ends: Vec<Option<u32>> = vec![None; members.len()];
        let mut is_needed = vec![false; members.len()];
        let order = run_order(direct, direct.len())?;
        for step in order {
            let step = step as usize;
            direct[step].iter().for_each(|need| is_needed[*need as usize] = true);
            let before: Vec<u32> = direct[step].iter().filter_map(|need| ends[*need as usize]).collect();
            let single = members[step].len() == 1;
            // A single step takes the nodes as they are; several instances share one join.
            let mut start = match before.len() {
                0 => entry.into_iter().collect(),
                _ if single => before,
                _ => self.all(before).into_iter().collect::<Vec<u32>>(),
            };
            start.sort_unstable();
            start.dedup();
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
