//! All pairs of connected, disjoint sets that are connected to each other: what dynamic programming must look at and no more
//! (DPccp, Moerkotte and Neumann 2006).

use super::sets::{RelSet, first, members, single, subsets};
use super::shape::Shape;

pub(super) type Pair = (RelSet, RelSet);

struct Enumeration<'a> {
    shape: &'a Shape,
    pairs: Vec<Pair>,
    limit: usize,
    /// Steps that find no pair must come to an end as well.
    steps: usize,
}

/// Every pair once. `None` if there are more than `limit`.
pub(super) fn connected_pairs(shape: &Shape, limit: usize) -> Option<Vec<Pair>> {
    let mut all = Enumeration { shape, pairs: Vec::new(), limit, steps: 0 };
    for i in (0..shape.neighbours.len()).rev() {
        all.partners(single(i))?;
        all.grow(single(i), first(i + 1), &mut |all, set| all.partners(set))?;
    }
    all.pairs.retain(|(a, b)| shape.is_allowed(*a) && shape.is_allowed(*b) && shape.is_allowed(a | b));
    Some(all.pairs)
}

impl Enumeration<'_> {
    fn neighbours(&self, set: RelSet) -> RelSet {
        members(set).fold(0, |all, i| all | self.shape.neighbours[i]) & !set
    }

    /// Visits every connected superset of `set` without relations of `excluded`.
    fn grow(
        &mut self,
        set: RelSet,
        excluded: RelSet,
        visit: &mut dyn FnMut(&mut Self, RelSet) -> Option<()>,
    ) -> Option<()> {
        let around = self.neighbours(set) & !excluded;
        self.steps += 1;
        if self.steps > 8 * self.limit {
            return None;
        }
        for more in subsets(around) {
            visit(self, set | more)?;
        }
        for more in subsets(around) {
            self.grow(set | more, excluded | around, visit)?;
        }
        Some(())
    }

    /// All sets that `set` can be joined with and that begin with a later relation.
    fn partners(&mut self, set: RelSet) -> Option<()> {
        let excluded = first(set.trailing_zeros() as usize + 1) | set;
        let around = self.neighbours(set) & !excluded;
        let mut rest = around;
        while rest != 0 {
            let i = 63 - rest.leading_zeros() as usize;
            rest &= !single(i);
            self.push(set, single(i))?;
            let excluded = excluded | (around & first(i + 1));
            self.grow(single(i), excluded, &mut |all, partner| all.push(set, partner))?;
        }
        Some(())
    }

    fn push(&mut self, a: RelSet, b: RelSet) -> Option<()> {
        self.pairs.push((a, b));
        (self.pairs.len() <= self.limit).then_some(())
    }
}
