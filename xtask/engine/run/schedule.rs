//! Which step may start now: a state machine, events in, decisions out.
//!
//! Pure: it starts nothing, waits for nothing and has no clock. It knows nothing of what a step is, of retries or
//! guards. Its work is linear in the nodes and edges of the graph, and nothing in it recurses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ciao_plan::Graph;

/// The order of a deployment while it happens.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// For every node how many of its needs are not done yet.
    missing: Vec<u32>,
    /// Where the nodes that need node n begin in `dependents`; one entry more than there are nodes.
    starts: Vec<u32>,
    dependents: Vec<u32>,
    /// Joins and steps that need not run: done as soon as their needs are.
    passes: Vec<bool>,
    /// The lowest first, so that the order is the plan's and the same on every machine.
    ready: BinaryHeap<Reverse<u32>>,
    running: usize,
    limit: usize,
    stopped: bool,
}

impl Schedule {
    /// `runs` says for every step whether it is to run: the others (done already, switched off, not chosen, skipped)
    /// count as done as soon as what they need is, so that order holds across them. At most `limit` steps run at once.
    #[must_use]
    pub fn new(graph: &Graph, runs: impl Fn(usize) -> bool, limit: usize) -> Schedule {
        let nodes = graph.needs.len();
        let passes: Vec<bool> = (0..nodes).map(|node| node >= graph.steps || !runs(node)).collect();
        let mut starts = vec![0_u32; nodes + 1];
        for &need in graph.needs.iter().flatten() {
            starts[need as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut dependents = vec![0_u32; starts[nodes] as usize];
        for (node, needs) in graph.needs.iter().enumerate() {
            for &need in needs {
                dependents[next[need as usize] as usize] = node as u32;
                next[need as usize] += 1;
            }
        }
        let mut schedule = Schedule {
            missing: graph.needs.iter().map(|needs| needs.len() as u32).collect(),
            starts,
            dependents,
            passes,
            ready: BinaryHeap::new(),
            running: 0,
            limit: limit.max(1),
            stopped: false,
        };
        let free: Vec<u32> = (0..nodes as u32).filter(|&node| schedule.missing[node as usize] == 0).collect();
        schedule.free(free);
        schedule
    }

    /// The next step to start now. It counts as running until [`Schedule::ended`].
    pub fn start_next(&mut self) -> Option<usize> {
        if self.stopped || self.running >= self.limit {
            return None;
        }
        let Reverse(step) = self.ready.pop()?;
        self.running += 1;
        Some(step as usize)
    }

    /// The step that would be started next if `step`, which runs, ended well now: something to prepare meanwhile.
    #[must_use]
    pub fn next_after(&self, step: usize) -> Option<usize> {
        let mut open = vec![step as u32];
        while let Some(node) = open.pop() {
            for &dependent in self.dependents_of(node) {
                match (self.missing[dependent as usize], self.passes[dependent as usize]) {
                    (1, true) => open.push(dependent),
                    (1, false) => return self.ready.is_empty().then_some(dependent as usize),
                    _ => {}
                }
            }
        }
        None
    }

    /// A running step has ended. If it is not `good`, nothing new starts.
    pub fn ended(&mut self, step: usize, good: bool) {
        self.running -= 1;
        if good {
            self.complete(step as u32);
        } else {
            self.stop();
        }
    }

    /// Nothing new starts from now on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether nothing new starts any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether nothing runs and nothing will.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.running == 0 && (self.stopped || self.ready.is_empty())
    }

    fn complete(&mut self, node: u32) {
        let freed = self.satisfy(node);
        self.free(freed);
    }

    /// These nodes need nothing any more: steps are ready, what passes is done, and so may free others.
    fn free(&mut self, mut open: Vec<u32>) {
        while let Some(node) = open.pop() {
            if self.passes[node as usize] {
                open.extend(self.satisfy(node));
            } else {
                self.ready.push(Reverse(node));
            }
        }
    }

    /// Node is done: which others need nothing any more because of that.
    fn satisfy(&mut self, node: u32) -> Vec<u32> {
        let mut freed = Vec::new();
        for at in self.starts[node as usize]..self.starts[node as usize + 1] {
            let dependent = self.dependents[at as usize];
            self.missing[dependent as usize] -= 1;
            if self.missing[dependent as usize] == 0 {
                freed.push(dependent);
            }
        }
        freed
    }

    fn dependents_of(&self, node: u32) -> &[u32] {
        &self.dependents[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}
