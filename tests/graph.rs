//! Properties of the order, against the obvious and slow way to the same answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciao::declare::literal::Spanned;
use ciao::plan::graph::{Problem, Reach, direct_needs, run_order};
use proptest::prelude::*;

/// For each node, which come before it.
fn closure(needs: &[Vec<u32>]) -> Vec<Vec<bool>> {
    let count = needs.len();
    let mut before = vec![vec![false; count]; count];
    for (node, own) in needs.iter().enumerate() {
        own.iter().for_each(|need| before[node][*need as usize] = true);
    }
    for middle in 0..count {
        for node in 0..count {
            if before[node][middle] {
                let through = before[middle].clone();
                before[node].iter_mut().zip(through).for_each(|(known, more)| *known |= more);
            }
        }
    }
    before
}

/// `needs` as written: none, or any others by their number.
fn written(count: usize) -> impl Strategy<Value = Vec<Option<Vec<usize>>>> {
    let names = prop::collection::vec(0..count, 0..4);
    prop::collection::vec(prop::option::weighted(0.7, names), count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn needs_are_reduced_to_the_direct_ones(written in (1_usize..12).prop_flat_map(written)) {
        let name = |index: usize| Arc::<str>::from(format!("s{index}"));
        let names: Vec<Arc<str>> = (0..written.len()).map(name).collect();
        let lists: Vec<Option<Vec<Spanned<Arc<str>>>>> = written
            .iter()
            .map(|own| own.as_ref().map(|own| own.iter().map(|need| Spanned::new(name(*need), 0..0)).collect()))
            .collect();
        let items: Vec<_> = names.iter().zip(&lists).map(|(name, needs)| (name, needs.as_deref())).collect();
        let all: Vec<Vec<u32>> = written
            .iter()
            .enumerate()
            .map(|(index, own)| match own {
                Some(own) => own.iter().map(|need| *need as u32).collect(),
                None => (0..index as u32).collect(),
            })
            .collect();
        let before = closure(&all);
        let cyclic = (0..all.len()).any(|node| before[node][node]);
        let (direct, problems) = direct_needs(&items);
        prop_assert_eq!(cyclic, !problems.is_empty());
        prop_assert!(run_order(&direct, direct.len()).is_some(), "what is cut has an order");
        // Nodes that need each other make a circle, and each circle is told once, by a path through it alone.
        let first_of_circle = |node: usize| (0..all.len()).find(|other| before[node][*other] && before[*other][node]);
        let mut open: BTreeSet<usize> = (0..all.len()).filter_map(first_of_circle).collect();
        for problem in problems {
            let Problem::Cycle(cycle) = problem else { panic!("all names are there") };
            for (at, node) in cycle.iter().enumerate() {
                prop_assert!(all[*node].contains(&(cycle[(at + 1) % cycle.len()] as u32)), "s{} in {:?}", node, cycle);
            }
            prop_assert!(open.remove(&first_of_circle(cycle[0]).unwrap()), "{:?}", cycle);
        }
        prop_assert!(open.is_empty(), "{:?}", open);
        if cyclic {
            return Ok(());
        }
        for (node, own) in direct.iter().enumerate() {
            let expected: Vec<u32> = (0..all.len())
                .filter(|need| before[node][*need] && !(0..all.len()).any(|other| before[node][other] && before[other][*need]))
                .map(|need| need as u32)
                .collect();
            prop_assert_eq!(own, &expected, "of s{}", node);
        }
        let reach = Reach::new(&direct);
        for (node, known) in before.iter().enumerate() {
            for (other, expected) in known.iter().enumerate() {
                prop_assert_eq!(reach.is_before(other as u32, node as u32), *expected);
            }
        }
        let order = run_order(&direct, direct.len()).unwrap();
        let position = |node: u32| order.iter().position(|other| *other == node);
        for (node, own) in direct.iter().enumerate() {
            prop_assert!(own.iter().all(|need| position(*need) < position(node as u32)));
        }
    }
}

/// `c` comes after `e`, and `e` after `b`: so `d`, which needs all above it, needs `c` alone.
#[test]
fn a_need_listed_below_can_make_one_above_follow() {
    let names = ["a", "b", "c", "d", "e"].map(Arc::<str>::from);
    let one = |name: &str| Some(vec![Spanned::new(Arc::from(name), 0..0)]);
    let lists: [Option<Vec<Spanned<Arc<str>>>>; 5] = [None, None, one("e"), None, one("b")];
    let items: Vec<_> = names.iter().zip(&lists).map(|(name, needs)| (name, needs.as_deref())).collect();
    assert_eq!(direct_needs(&items).0, [vec![], vec![0], vec![4], vec![2], vec![1]]);
}
