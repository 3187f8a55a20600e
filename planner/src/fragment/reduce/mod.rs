//! What is small filters what is large before it moves: the keys of one fragment's result go into another one's statement.
//!
//! A join drops the rows without a partner. Where it does, the values of the one side's key, known once that side is read, may
//! be a condition of the other side's statement (`k IN (…)`): the engine then uses its index, and rows without a partner never
//! travel. Such a filter changes nothing if it is lost, so it is sent only where it pays and left out if the keys turn out to be
//! too many.
//!
//! Fragments are read in one order, the smallest first, and only those that come before filter those that come after: no cycle,
//! and a fragment that was filtered filters the next one the better (predicate transfer: Yang et al., CIDR 2024; the order is
//! the small-to-large one of Robust Predicate Transfer's LargestRoot, SIGMOD 2025).

mod possible;

use std::collections::{BTreeMap, BTreeSet};

use cost_model::analytic::{Constants, MOST_KEYS};
use datafusion_common::Column;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::{Expr, LogicalPlan};

use super::{Cutter, Remote};
use crate::context::Reduction;
use crate::search::sets::contains;
use crate::stats;
use possible::{possible, relation};

/// A column of a fragment, both by number.
pub(super) type FragmentColumn = (usize, usize);

/// The values of `from` may filter the rows of `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Transfer {
    pub from: FragmentColumn,
    pub to: FragmentColumn,
}

/// A transfer that is made, and the share of the rows that it probably keeps.
pub(super) type Chosen = (Transfer, f64);

/// Fewer rows than this are read as fast as a list of keys is made.
const WORTH_FILTERING: f64 = 2_000.0;
/// Of rows that do not move, a filter must leave out this share.
const WORTH_LEAVING_OUT: f64 = 0.5;
/// More keys than this make no Bloom filter that is worth its memory.
const MOST_BLOOM_KEYS: f64 = 10e6;

/// What is known of the fragments while transfers are chosen.
struct Fragments<'a> {
    all: &'a [Remote],
    rows: Vec<f64>,
    /// Site of each, and the site where it is read, by their positions in the network.
    sites: Vec<usize>,
    readers: Vec<usize>,
    /// Values that filtered columns still have.
    values: BTreeMap<FragmentColumn, f64>,
    constants: Constants,
}

impl Cutter<'_> {
    /// The transfers that pay, and the order in which the fragments are read: the position of each. `shell`: what reads those
    /// that no step reads.
    pub(super) fn transfers(&self, shell: Option<&LogicalPlan>) -> (Vec<Chosen>, Vec<usize>) {
        let all = self.fragments.as_slice();
        let (mut chosen, mut position) = (Vec::new(), vec![0; all.len()]);
        if self.reduction == Reduction::Off {
            return (chosen, position);
        }
        let inputs: Vec<BTreeSet<usize>> = all.iter().map(inputs).collect();
        let mut possible = possible(shell, all);
        possible.retain(|t| self.residency.allows_keys(&all[t.from.0].plan, t.from.1, &all[t.to.0].source));
        let sites: Vec<usize> = all.iter().map(|f| self.position_of(&f.source.site)).collect();
        let reader =
            |f: usize| inputs.iter().position(|i| i.contains(&f)).map_or(self.network.home, |step| sites[step]);
        let mut fragments = Fragments {
            all,
            rows: all.iter().map(|f| self.rows(f).unwrap_or(f64::INFINITY)).collect(),
            readers: (0..all.len()).map(reader).collect(),
            sites,
            values: BTreeMap::new(),
            constants: Constants::default(),
        };
        let mut left: Vec<usize> = (0..all.len()).collect();
        let mut next = 0;
        loop {
            // A step comes after all it reads.
            let ready = |at: &usize| left.iter().all(|f| !inputs[left[*at]].contains(f));
            let by_rows = |a: &usize, b: &usize| fragments.rows[left[*a]].total_cmp(&fragments.rows[left[*b]]);
            let Some(at) = (0..left.len()).filter(ready).min_by(by_rows) else { break };
            let from = left.remove(at);
            position[from] = next;
            next += 1;
            for transfer in possible.iter().filter(|t| t.from.0 == from && left.contains(&t.to.0)) {
                if self.reduction == Reduction::Force {
                    chosen.push((*transfer, 1.0));
                } else if let Some(kept) = self.pays(*transfer, &fragments) {
                    fragments.filtered(*transfer, kept);
                    chosen.push((*transfer, kept));
                }
            }
        }
        (chosen, position)
    }

    /// What a transfer keeps, if it is worth it.
    fn pays(&self, transfer: Transfer, fragments: &Fragments<'_>) -> Option<f64> {
        let ((from, _), (to, _)) = (transfer.from, transfer.to);
        let keys = fragments.values(transfer.from).unwrap_or(f64::INFINITY).min(fragments.rows[from]);
        let mut kept = (keys / fragments.values(transfer.to)?).min(1.0);
        let rows = fragments.rows[to];
        if !rows.is_finite() || rows < WORTH_FILTERING {
            return None;
        }
        let home = self.network.home;
        let (a, b, reader) = (fragments.sites[from], fragments.sites[to], fragments.readers[to]);
        // Only sites that compute fetch keys from each other, and filter by what is too long for a list.
        let computes = |site: usize| site != home && contains(self.network.computes, site);
        let between_sites = computes(a) && computes(b);
        let bloom = keys > MOST_KEYS as f64;
        if bloom {
            kept += fragments.constants.bloom_false;
        }
        if bloom && (!between_sites || keys > MOST_BLOOM_KEYS) {
            return None;
        }
        if b == reader {
            return (kept <= 1.0 - WORTH_LEAVING_OUT).then_some(kept);
        }
        let constants = &fragments.constants;
        let move_link = constants.transfer(&self.network.links.link(b, reader)?);
        // A list that the gateway hands on comes to it first, and takes as long to the other site as an answer from there.
        let direct = self.network.links.link(a, b).filter(|_| between_sites).map(|link| vec![link]);
        let via_home = || Some(vec![self.network.links.link(a, home)?, self.network.links.link(b, home)?]);
        let key_links = direct.or_else(via_home).unwrap_or_default();
        let key_bytes = constants.key_filter(keys, 8.0).bytes;
        let sending: f64 = key_links.iter().map(|link| link.rtt / 2.0 + key_bytes / link.bandwidth).sum();
        let work = constants.reduce(fragments.rows[from], keys, rows);
        let width = stats::row_width(&fragments.all[to].plan);
        let saved = rows * (1.0 - kept) * width * move_link.seconds_per_byte;
        (kept < constants.worthless && saved > sending + work).then_some(kept)
    }
}

impl Fragments<'_> {
    /// How many different values a fragment's column has.
    fn values(&self, column: FragmentColumn) -> Option<f64> {
        if let Some(left) = self.values.get(&column) {
            return Some(*left);
        }
        let remote = self.all.get(column.0)?;
        let rows = self.rows.get(column.0).copied().filter(|rows| rows.is_finite())?;
        let expr = Expr::Column(Column::from(remote.plan.schema().qualified_field(column.1)));
        Some(stats::distinct_of(&expr, &remote.plan).unwrap_or(rows).max(1.0))
    }

    fn filtered(&mut self, transfer: Transfer, kept: f64) {
        let (to, column) = (transfer.to.0, transfer.to);
        self.rows[to] = (self.rows[to] * kept).max(1.0);
        let left = self.values(column).map(|values| (values * kept).max(1.0));
        self.values.extend(left.map(|left| (column, left)));
    }
}

/// The relations a fragment reads.
fn inputs(remote: &Remote) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    if remote.source.id.is_compute() {
        let visited = remote.plan.apply(|node| {
            found.extend(relation(node).map(|relation| relation.fragment));
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(visited.is_ok(), "the closure never fails");
    }
    found
}
