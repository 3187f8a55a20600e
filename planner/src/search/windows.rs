//! The neighbourhood of a plan: below each of its joins, a few parts joined in every order.
//!
//! A window is a subtree cut off at its largest parts (iterative dynamic programming, Kossmann and Stocker 2000). What is wrong
//! with a plan is mostly wrong within a few joins.

use super::beam::{Pairs, touch};
use super::placed::Placed;
use super::sets::{RelSet, subsets};
use super::space::Space;

/// Parts in a window: at most 301 pairs of sets.
const PARTS: usize = 6;

/// A subtree's relations and its inputs.
enum Tree {
    Leaf(RelSet),
    Join(RelSet, Box<[Tree; 2]>),
}

impl Tree {
    fn new(plan: &Placed) -> Self {
        match plan {
            Placed::Relation { relation, .. } => Self::Leaf(1 << relation),
            Placed::Join(join) => {
                let inputs = [Self::new(&join.left), Self::new(&join.right)];
                Self::Join(inputs[0].set() | inputs[1].set(), Box::new(inputs))
            }
        }
    }

    fn set(&self) -> RelSet {
        match self {
            Self::Leaf(set) | Self::Join(set, _) => *set,
        }
    }
}

/// Adds all pairs within the windows of a plan.
pub(super) fn add(space: &Space<'_>, plan: &Placed, pairs: &mut Pairs) {
    let tree = Tree::new(plan);
    let mut roots = vec![&tree];
    while let Some(root) = roots.pop() {
        if let Tree::Join(_, inputs) = root {
            add_window(space, root, pairs);
            roots.extend(inputs.iter());
        }
    }
}

fn add_window(space: &Space<'_>, root: &Tree, pairs: &mut Pairs) {
    let mut parts = vec![root];
    while parts.len() < PARTS {
        // The first of the largest.
        let largest = (0..parts.len()).rev().max_by_key(|i| parts[*i].set().count_ones());
        let Some((at, Tree::Join(_, inputs))) = largest.map(|at| (at, parts[at])) else { break };
        parts.splice(at..=at, inputs.iter());
    }
    let shape = &space.shape;
    // By subset of the parts: the relations, if they are connected.
    let mut sets: Vec<Option<RelSet>> = vec![None; 1 << parts.len()];
    for chosen in 1..sets.len() as u64 {
        if chosen.is_power_of_two() {
            sets[chosen as usize] = Some(parts[chosen.trailing_zeros() as usize].set());
            continue;
        }
        for some in subsets(chosen).filter(|s| s & 1 << chosen.trailing_zeros() != 0 && *s != chosen) {
            let (Some(a), Some(b)) = (sets[some as usize], sets[(chosen & !some) as usize]) else { continue };
            if touch(space, a, b) && shape.is_allowed(a | b) && shape.kind(a, b).is_some() {
                sets[chosen as usize] = Some(a | b);
                pairs.add(a, b);
            }
        }
    }
}
