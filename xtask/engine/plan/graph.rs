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
        own.iter().for_each(|need| covered[*need as usize] = true);
        frontier.push(index as u32);
        needs.push(own);
    }
    if let Some(cycle) = cycle(&needs) {
        problems.push(Problem::Cycle(cycle));
    } else if several {
        let reach = Reach::new(&needs);
        needs = needs.iter().map(|own| reach.reduced(own)).collect();
    }
    (needs, problems)
}

/// A cycle, if there is one: each of it needs the next.
fn cycle(needs: &[Vec<u32>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnPath,
        Done,
    }
    let mut seen = vec![Seen::No; needs.len()];
    for start in 0..needs.len() {
        if seen[start] != Seen::No {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        seen[start] = Seen::OnPath;
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(need) = needs[node].get(*next).map(|need| *need as usize) else {
                seen[node] = Seen::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match seen[need] {
                Seen::No => {
                    seen[need] = Seen::OnPath;
                    path.push((need, 0));
                }
                Seen::OnPath => {
                    let from = path.iter().position(|(node, _)| *node == need)?;
                    return Some(path[from..].iter().map(|(node, _)| *node).collect());
                }
                Seen::Done => {}
            }
        }
    }
    None
}

/// An order in which every node comes after all that it needs; among those that may come next, the one with the
/// smallest number does. Nodes from `steps` on are joins, which come as soon as they may. `None` if there is a cycle.
#[must_use]
pub fn run_order(needs: &[Vec<u32>], steps: usize) -> Option<Vec<u32>> {
    // Where each needs only what is above it, the order listed is that order.
    let is_above = |(node, own): (usize, &Vec<u32>)| own.iter().all(|need| (*need as usize) < node);
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
