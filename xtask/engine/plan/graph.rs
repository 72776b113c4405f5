//! Order as a graph: from `needs` as written to direct needs, a run order, and who comes before whom.
//!
//! Nothing here recurses: a chain may be 100,000 long.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use ciao_declare::literal::Spanned;

/// What is wrong with the `needs` of one file.
#[derive(Debug)]
pub enum Problem {
    /// Item `of` needs a name that no item has.
    Unknown { of: usize, need: usize },
    /// Each needs the next one, the last one the first.
    Cycle(Vec<usize>),
}

/// An item of a file: its name, and its `needs` if it has any.
pub type Item<'a> = (&'a Arc<str>, Option<&'a [Spanned<Arc<str>>]>);

/// The direct needs of every item: of those written, or of all listed above it, without what follows from the others.
/// What needs each other is told, and then has no order, so that everything else can be looked at.
#[must_use]
pub fn direct_needs(items: &[Item<'_>]) -> (Vec<Vec<u32>>, Vec<Problem>) {
    let mut by_name: HashMap<&str, u32> = HashMap::new();
    if items.iter().any(|(_, written)| written.is_some_and(|written| !written.is_empty())) {
        by_name.reserve(items.len());
        by_name.extend(items.iter().enumerate().map(|(index, (name, _))| (&***name, index as u32)));
    }
    let mut problems = Vec::new();
    let mut needs: Vec<Vec<u32>> = Vec::with_capacity(items.len());
    // Items above that no other item above needs: "all above" is these.
    let mut frontier: Vec<u32> = Vec::new();
    let mut covered = vec![false; items.len()];
    let mut several = false;
    for (index, (_, written)) in items.iter().enumerate() {
        let own: Vec<u32> = match written {
            None => {
                frontier.retain(|above| !covered[*above as usize]);
                std::mem::take(&mut frontier)
            }
            Some(written) => {
                let mut own = Vec::with_capacity(written.len());
                for (position, need) in written.iter().enumerate() {
                    match by_name.get(&*need.value) {
                        Some(need) => own.push(*need),
                        None => problems.push(Problem::Unknown { of: index, need: position }),
                    }
                }
                own.sort_unstable();
                own.dedup();
                // One listed below may bring in what is above, so that "all above" is not direct any more.
                several |= own.len() > 1 || own.last().is_some_and(|last| *last as usize > index);
                own
            }
        };
        // By one listed below it, an item would be covered by what may need it in a circle.
        own.iter().filter(|need| (**need as usize) < index).for_each(|need| covered[*need as usize] = true);
        frontier.push(index as u32);
        needs.push(own);
    }
    problems.extend(cut(&mut needs).into_iter().map(Problem::Cycle));
    if several {
        let reach = Reach::new(&needs);
        needs = needs.iter().map(|own| reach.reduced(own)).collect();
    }
    (needs, problems)
}

/// Takes the needs away that make nodes need each other: a cycle of each set of them, from its first node on; each of it
/// needs the next.
fn cut(needs: &mut [Vec<u32>]) -> Vec<Vec<usize>> {
    if needs.iter().enumerate().all(is_above) {
        return Vec::new();
    }
    let circles = circles(needs);
    let mut circle = vec![usize::MAX; needs.len()];
    circles.iter().enumerate().for_each(|(number, nodes)| nodes.iter().for_each(|node| circle[*node] = number));
    let mut cycles: Vec<Vec<usize>> = circles.iter().filter_map(|nodes| cycle(needs, nodes, &circle)).collect();
    cycles.sort_unstable();
    for node in circles.into_iter().flatten() {
        needs[node].retain(|need| circle[*need as usize] != circle[node]);
    }
    cycles
}

/// A cycle among nodes that need each other: from one to the next until one comes again.
fn cycle(needs: &[Vec<u32>], nodes: &[usize], circle: &[usize]) -> Option<Vec<usize>> {
    let mut node = *nodes.iter().min()?;
    let (mut path, mut place) = (Vec::new(), HashMap::new());
    while !place.contains_key(&node) {
        place.insert(node, path.len());
        path.push(node);
        node = *needs[node].iter().find(|need| circle[**need as usize] == circle[node])? as usize;
    }
    let mut cycle = path.split_off(place[&node]);
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at])?;
    cycle.rotate_left(first);
    Some(cycle)
}

/// Which nodes need each other, each set of them once: Tarjan, "Depth-first search and linear graph algorithms", 1972.
fn circles(needs: &[Vec<u32>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    // When a node was met; the earliest that can be met again from it; whether its set is still open.
    let (mut met, mut low, mut open) = (vec![NEW; needs.len()], vec![NEW; needs.len()], vec![false; needs.len()]);
    let (mut clock, mut stack, mut found) = (0, Vec::new(), Vec::new());
    for start in 0..needs.len() {
        let mut path: Vec<(usize, usize)> = if met[start] == NEW { vec![(start, 0)] } else { Vec::new() };
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if *next == 0 {
                (met[node], low[node], open[node]) = (clock, clock, true);
                clock += 1;
                stack.push(node);
            }
            if let Some(need) = needs[node].get(*next).map(|need| *need as usize) {
                *next += 1;
                if met[need] == NEW {
                    path.push((need, 0));
                } else if open[need] {
                    low[node] = low[node].min(met[need]);
                }
                continue;
            }
            path.pop();
            if let Some((above, _)) = path.last() {
                low[*above] = low[*above].min(low[node]);
            }
            if low[node] == met[node] {
                let from = stack.iter().rposition(|other| *other == node).unwrap_or_default();
                let set = stack.split_off(from);
                set.iter().for_each(|member| open[*member] = false);
                if set.len() > 1 || needs[node].contains(&(node as u32)) {
                    found.push(set);
                }
            }
        }
    }
    found
}

fn is_above((node, own): (usize, &Vec<u32>)) -> bool {
    own.iter().all(|need| (*need as usize) < node)
}

/// An order in which every node comes after all that it needs; among those that may come next, the one with the
/// smallest number does. Nodes from `steps` on are joins, which come as soon as they may. `None` if there is a cycle.
#[must_use]
pub fn run_order(needs: &[Vec<u32>], steps: usize) -> Option<Vec<u32>> {
    // Where each needs only what is above it, the order listed is that order.
    if needs.len() == steps && needs.iter().enumerate().all(is_above) {
        return Some((0..steps as u32).collect());
    }
    let mut open: Vec<u32> = needs.iter().map(|own| own.len() as u32).collect();
    let dependents = Dependents::new(needs);
    let rank = |node: u32| Reverse(((node as usize) < steps, node));
    let mut ready: BinaryHeap<Reverse<(bool, u32)>> =
        (0..needs.len() as u32).filter(|node| open[*node as usize] == 0).map(rank).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse((_, node))) = ready.pop() {
        order.push(node);
        for dependent in dependents.of(node) {
            open[*dependent as usize] -= 1;
            if open[*dependent as usize] == 0 {
                ready.push(rank(*dependent));
            }
        }
    }
    (order.len() == needs.len()).then_some(order)
}

/// The edges the other way round.
#[derive(Debug)]
pub struct Dependents {
    start: Vec<u32>,
    all: Vec<u32>,
}

impl Dependents {
    #[must_use]
    pub fn new(needs: &[Vec<u32>]) -> Dependents {
        let mut start = vec![0_u32; needs.len() + 1];
        for need in needs.iter().flatten() {
            start[*need as usize + 1] += 1;
        }
        for index in 1..start.len() {
            start[index] += start[index - 1];
        }
        let mut next = start.clone();
        let mut all = vec![0; start.last().map_or(0, |count| *count as usize)];
        for (node, own) in needs.iter().enumerate() {
            for need in own {
                all[next[*need as usize] as usize] = node as u32;
                next[*need as usize] += 1;
            }
        }
        Dependents { start, all }
    }

    /// The nodes that need this one.
    #[must_use]
    pub fn of(&self, node: u32) -> &[u32] {
        &self.all[self.start[node as usize] as usize..self.start[node as usize + 1] as usize]
    }
}

/// Answers which nodes come before which in every permitted order.
///
/// Most answers cost one comparison: a node at the same level or above is never before; one on the path of a spanning
/// tree always is. What remains is searched, between the two levels only.
#[derive(Debug)]
pub struct Reach<'a> {
    needs: &'a [Vec<u32>],
    level: Vec<u32>,
    /// Of a depth-first walk of the spanning tree: when a node is entered, and when it is left.
    entered: Vec<u32>,
    left: Vec<u32>,
}

impl<'a> Reach<'a> {
    /// # Panics
    /// If there is a cycle.
    #[must_use]
    pub fn new(needs: &'a [Vec<u32>]) -> Reach<'a> {
        let order = run_order(needs, needs.len()).expect("cycles are refused before");
        let mut level = vec![0_u32; needs.len()];
        let mut parent: Vec<Vec<u32>> = vec![Vec::new(); needs.len()];
        for node in &order {
            let node = *node as usize;
            if let Some(deepest) = needs[node].iter().max_by_key(|need| level[**need as usize]) {
                level[node] = level[*deepest as usize] + 1;
                parent[node].push(*deepest);
            }
        }
        let children = Dependents::new(&parent);
        let (mut entered, mut left) = (vec![0; needs.len()], vec![0; needs.len()]);
        let mut clock = 0;
        for root in order.iter().filter(|node| parent[**node as usize].is_empty()) {
            let mut path = vec![(*root, 0)];
            entered[*root as usize] = clock;
            while let Some((node, next)) = path.last_mut() {
                clock += 1;
                if let Some(child) = children.of(*node).get(*next) {
                    *next += 1;
                    entered[*child as usize] = clock;
                    path.push((*child, 0));
                } else {
                    left[*node as usize] = clock;
                    path.pop();
                }
            }
            clock += 1;
        }
        Reach { needs, level, entered, left }
    }

    fn on_tree(&self, before: u32, after: u32) -> bool {
        let (before, after) = (before as usize, after as usize);
        self.entered[before] <= self.entered[after] && self.left[after] <= self.left[before]
    }

    /// Whether `before` is done before `after` starts, in every permitted order.
    #[must_use]
    pub fn is_before(&self, before: u32, after: u32) -> bool {
        let level = self.level[before as usize];
        if before == after || level >= self.level[after as usize] {
            return false;
        }
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![after];
        while let Some(node) = open.pop() {
            if self.on_tree(before, node) {
                return true;
            }
            for need in &self.needs[node as usize] {
                if *need == before {
                    return true;
                }
                if self.level[*need as usize] > level && seen.insert(*need) {
                    open.push(*need);
                }
            }
        }
        false
    }

    /// Without those that another one of them comes after.
    #[must_use]
    pub fn reduced(&self, nodes: &[u32]) -> Vec<u32> {
        // Pairs are cheap one by one, and too many in long lists: those are marked in one walk.
        if nodes.len() < 32 {
            let follows = |node: &u32| nodes.iter().any(|other| self.is_before(*node, *other));
            return nodes.iter().copied().filter(|node| !follows(node)).collect();
        }
        let lowest = nodes.iter().map(|node| self.level[*node as usize]).min().unwrap_or_default();
        let mut before = std::collections::HashSet::new();
        let mut open = nodes.to_vec();
        while let Some(node) = open.pop() {
            for need in &self.needs[node as usize] {
                if self.level[*need as usize] >= lowest && before.insert(*need) {
                    open.push(*need);
                }
            }
        }
        nodes.iter().copied().filter(|node| !before.contains(node)).collect()
    }

    /// A permitted order in which `last` comes only after `first`: all that `first` needs, `first`, the rest up to
    /// and with `last`. For showing what may go wrong.
    #[must_use]
    pub fn order_with(&self, first: u32, last: u32) -> Vec<u32> {
        let mut order = Vec::new();
        let mut placed = std::collections::HashSet::new();
        for goal in [first, last] {
            let mut needed = std::collections::HashSet::from([goal]);
            let mut open = vec![goal];
            while let Some(node) = open.pop() {
                for need in &self.needs[node as usize] {
                    if !placed.contains(need) && needed.insert(*need) {
                        open.push(*need);
                    }
                }
            }
            let mut needed: Vec<u32> = needed.into_iter().collect();
            // Levels grow along every edge; nodes of one level are independent.
            needed.sort_unstable_by_key(|node| (self.level[*node as usize], *node));
            placed.extend(needed.iter().copied());
            order.extend(needed);
        }
        order
    }
}
