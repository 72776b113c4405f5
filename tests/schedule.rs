//! The promise of the scheduler, under every interleaving of small graphs and many of large ones.

use std::collections::BTreeSet;

use proptest::prelude::*;

use ciao::plan::Graph;
use ciao::run::schedule::Schedule;

/// `"a: ; b: a; c: a b"`, one letter a node; capital letters are joins and come last.
fn graph(text: &str) -> Graph {
    let nodes: Vec<(&str, &str)> = text.split(';').filter_map(|node| node.trim().split_once(':')).collect();
    let index = |name: &str| nodes.iter().position(|(node, _)| *node == name).expect("a node") as u32;
    let needs = nodes.iter().map(|(_, needs)| needs.split_ascii_whitespace().map(index).collect()).collect();
    let steps = nodes.iter().filter(|(name, _)| name.chars().all(char::is_lowercase)).count();
    Graph { needs, steps }
}

/// All steps that must be done before each, through joins and steps that do not run.
fn before(graph: &Graph) -> Vec<BTreeSet<usize>> {
    let closure = |start: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(node) = open.pop() {
            for &need in &graph.needs[node] {
                if seen.insert(need as usize) {
                    open.push(need as usize);
                }
            }
        }
        seen
    };
    (0..graph.steps).map(|step| closure(step).into_iter().filter(|&node| node < graph.steps).collect()).collect()
}

/// What has happened so far in one interleaving.
#[derive(Clone)]
struct World {
    schedule: Schedule,
    /// The same, where any number of steps may run: what may start next in it has all that it needs.
    unlimited: Schedule,
    running: Vec<usize>,
    good: BTreeSet<usize>,
    failed: bool,
}

impl World {
    fn new(graph: &Graph, off: &BTreeSet<usize>, limit: usize) -> World {
        let schedule = |limit| Schedule::new(graph, |step| !off.contains(&step), limit);
        let (schedule, unlimited) = (schedule(limit), schedule(usize::MAX));
        World { schedule, unlimited, running: Vec::new(), good: BTreeSet::new(), failed: false }
    }

    fn start(&mut self, before: &[BTreeSet<usize>], off: &BTreeSet<usize>, limit: usize) {
        while self.unlimited.start_next().is_some() {}
        while let Some(step) = self.schedule.start_next() {
            assert!(!self.failed, "{step} started after a failure");
            assert!(!off.contains(&step), "{step} does not run");
            let open: Vec<_> =
                before[step].iter().filter(|need| !off.contains(need) && !self.good.contains(need)).collect();
            assert!(open.is_empty(), "{step} started before {open:?}");
            self.running.push(step);
        }
        assert!(self.running.len() <= limit);
    }

    fn end(&mut self, which: usize, good: bool) {
        let step = self.running.remove(which);
        self.schedule.ended(step, good);
        self.unlimited.ended(step, good);
        if good {
            self.good.insert(step);
        }
        self.failed |= !good;
    }
}

/// Every order in which running steps can end, each well or badly.
fn every_interleaving(text: &str, off: &[usize], limit: usize) -> usize {
    let graph = graph(text);
    let (before, off) = (before(&graph), off.iter().copied().collect());
    let mut open = vec![World::new(&graph, &off, limit)];
    let mut ends = 0;
    while let Some(mut world) = open.pop() {
        world.start(&before, &off, limit);
        assert_eq!(world.schedule.is_over(), world.running.is_empty());
        if world.running.is_empty() {
            ends += 1;
            assert!(world.failed || world.good.len() == graph.steps - off.len(), "not everything ran");
        }
        for which in 0..world.running.len() {
            for good in [true, false] {
                let mut next = world.clone();
                let foreseen = next.schedule.next_after(next.running[which]).filter(|_| good);
                next.end(which, good);
                let mut unlimited = next.unlimited.clone();
                let started: Vec<usize> = std::iter::from_fn(|| unlimited.start_next()).collect();
                assert!(
                    foreseen.is_none_or(|step| next.failed || started.contains(&step)),
                    "{foreseen:?} may not start"
                );
                open.push(next);
            }
        }
    }
    ends
}

#[test]
fn no_step_starts_early_under_any_interleaving() {
    for limit in 1..=3 {
        assert!(every_interleaving("a:; b: a; c: b", &[], limit) >= 4);
        every_interleaving("a:; b:; c:; d: a b; e: d c", &[], limit);
        every_interleaving("a:; b:; c: J; d: J; J: a b", &[], limit);
        every_interleaving("a:; b: a; c: b; d: b", &[1], limit);
        every_interleaving("a:; b: J; c: K; d: c; J: a; K: J b", &[0, 2], limit);
        every_interleaving("a:; b:; c:; d:", &[], limit);
    }
    assert_eq!(every_interleaving("a:; b: a", &[0, 1], 1), 1, "nothing to run is over at once");
}

#[test]
fn the_order_is_the_plans_when_nothing_else_decides() {
    let mut schedule = Schedule::new(&graph("a:; b:; c:"), |_| true, 9);
    let order: Vec<_> = std::iter::from_fn(|| schedule.start_next()).collect();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn what_comes_next_in_a_chain_is_foreseen() {
    let mut schedule = Schedule::new(&graph("a:; b: a; c: J; d: J a; J: b"), |step| step != 1, 2);
    assert_eq!(schedule.start_next(), Some(0));
    assert_eq!(schedule.next_after(0), Some(2), "b need not run, so it is as good as done with a");
    schedule.ended(0, true);
    assert_eq!(schedule.start_next(), Some(2));
    assert_eq!(schedule.next_after(2), None, "d is ready already");
}

/// FAULTS 65.
#[test]
fn fault_65_a_hundred_thousand_steps_in_a_chain_or_wide() {
    let count = 100_000_u32;
    let chain = Graph {
        needs: (0..count).map(|node| node.checked_sub(1).into_iter().collect()).collect(),
        steps: count as usize,
    };
    let wide = Graph { needs: vec![Vec::new(); count as usize], steps: count as usize };
    for graph in [chain, wide] {
        for runs in [true, false] {
            let mut schedule = Schedule::new(&graph, |_| runs, 2);
            let mut ran = 0;
            while let Some(step) = schedule.start_next() {
                schedule.ended(step, true);
                ran += 1;
            }
            assert_eq!(ran, if runs { count } else { 0 });
            assert!(schedule.is_over());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_step_starts_before_what_it_needs(
        edges in prop::collection::vec((0_usize..40, 0_usize..40), 0..120),
        off in prop::collection::btree_set(0_usize..30, 0..10),
        limit in 1_usize..6,
        ends in prop::collection::vec((any::<usize>(), 0_u8..30), 1..60),
    ) {
        // Thirty steps, ten joins; edges go from a lower place to a higher one in a fixed mixture of both.
        let place = |node: usize| (node * 17) % 40;
        let mut needs = vec![BTreeSet::new(); 40];
        for (one, other) in edges {
            if place(one) < place(other) {
                needs[other].insert(one as u32);
            }
        }
        let graph = Graph { needs: needs.into_iter().map(|needs| needs.into_iter().collect()).collect(), steps: 30 };
        let before = before(&graph);
        let mut world = World::new(&graph, &off, limit);
        for (which, luck) in ends.iter().cycle() {
            world.start(&before, &off, limit);
            if world.running.is_empty() {
                break;
            }
            world.end(which % world.running.len(), *luck != 0);
        }
        prop_assert!(world.schedule.is_over());
        prop_assert!(world.failed || world.good.len() == 30 - off.len());
    }
}
