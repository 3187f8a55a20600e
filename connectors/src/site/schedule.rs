//! Which fragments run at once, and which are held.
//!
//! No deadlock: all permits of all sources are taken before anything starts, all at once or in the order of source names, which is
//! the same for every query; and no two streams that one connection must send are ever open together.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use cost_model::SourceId;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use planner::plan::QueryPlan;
use planner::source::{CatalogTable, FragmentRelation};
use planner::{Error, Result};

/// What is read in a plan.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// How often each fragment is read; what a recursive term reads counts as more than once.
    pub fragments: BTreeMap<usize, usize>,
    /// Those that others read, at their sites: the rest is read by the shell.
    pub by_steps: BTreeSet<usize>,
    /// System tables: (schema, name).
    pub system: BTreeSet<(String, String)>,
}

impl Reads {
    pub fn of(plan: &QueryPlan) -> Result<Self> {
        let mut reads = Self::default();
        reads.visit(&plan.shell, 1);
        let mut readers: Vec<usize> = reads.fragments.keys().copied().collect();
        while let Some(reader) = readers.pop() {
            for input in plan.fragments.get(reader).iter().flat_map(|f| &f.inputs) {
                *reads.fragments.entry(*input).or_default() += 1;
                reads.by_steps.insert(*input);
                readers.push(*input);
            }
        }
        match reads.fragments.keys().find(|f| **f >= plan.fragments.len()) {
            Some(_) => Err(Error::internal("the shell reads a fragment the plan does not have")),
            None => Ok(reads),
        }
    }

    fn visit(&mut self, plan: &LogicalPlan, times: usize) {
        let _ = plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::RecursiveQuery(query) => {
                    self.visit(&query.static_term, times);
                    self.visit(&query.recursive_term, 2 * times);
                    return Ok(TreeNodeRecursion::Jump);
                }
                LogicalPlan::TableScan(scan) => {
                    if let Some(relation) = scan.source.downcast_ref::<FragmentRelation>() {
                        *self.fragments.entry(relation.fragment).or_default() += times;
                    } else if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                        self.system.insert((table.table.schema.clone(), table.table.name.clone()));
                    }
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
}

/// The one fragment that is the whole query.
pub(super) fn bare_fragment(plan: &QueryPlan) -> Option<usize> {
    match (&plan.shell, plan.fragments.len()) {
        (LogicalPlan::TableScan(scan), 1) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let relation = scan.source.downcast_ref::<FragmentRelation>()?;
            let all = |p: &Vec<usize>| p.iter().copied().eq(0..relation.schema.fields().len());
            (relation.fragment == 0 && scan.projection.as_ref().is_none_or(all)).then_some(0)
        }
        _ => None,
    }
}

/// A fragment that is about to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub fragment: usize,
    pub held: bool,
}

/// Fragments whose keys filter others: they are read to their end before those start.
fn filters_others(plan: &QueryPlan) -> BTreeSet<usize> {
    plan.fragments.iter().flat_map(|f| &f.key_filters).map(|filter| filter.from).collect()
}

/// The fragments of one source: each inner list is read one after another, the lists at the same time.
pub(super) fn lanes(
    plan: &QueryPlan,
    reads: &Reads,
    source: &SourceId,
    concurrent: bool,
    connections: usize,
) -> Vec<Vec<Reading>> {
    let filters = filters_others(plan);
    let once = |f: &usize| reads.fragments[f] == 1 && !filters.contains(f);
    let mut fragments: Vec<usize> = of_source(plan, reads, source);
    if fragments.len() == 1 || (concurrent && connections >= fragments.len()) {
        return fragments.into_iter().map(|f| vec![Reading { fragment: f, held: !once(&f) }]).collect();
    }
    // The last one has the connection for itself and need not be held: the one that is probably the largest. Those that filter
    // others come before them, in the one order that all lanes share, so that no two lanes wait for each other.
    let key = |f: &usize| {
        let fragment = &plan.fragments[*f];
        (fragment.position, fragment.estimated_rows.unwrap_or(f64::INFINITY))
    };
    let filtered = plan.fragments.iter().any(|f| !f.key_filters.is_empty());
    let by_use = |a: &usize, b: &usize| if filtered { Ordering::Equal } else { once(a).cmp(&once(b)) };
    fragments.sort_by(|a, b| by_use(a, b).then(key(a).0.cmp(&key(b).0)).then(key(a).1.total_cmp(&key(b).1)));
    let last = fragments.len() - 1;
    let lane = fragments.iter().enumerate();
    vec![lane.map(|(i, f)| Reading { fragment: *f, held: i < last || !once(f) }).collect()]
}

pub(super) fn of_source(plan: &QueryPlan, reads: &Reads, source: &SourceId) -> Vec<usize> {
    reads.fragments.keys().copied().filter(|f| plan.fragments[*f].source == *source).collect()
}

/// Connections worth asking for: one for each fragment, more for the parallel ranges of a single large table.
pub(super) fn wanted_connections(plan: &QueryPlan, fragments: &[usize], cores: usize) -> usize {
    const LARGE: f64 = 500_000.0;
    const MOST: usize = 4;
    match fragments {
        [one] => {
            let rows = plan.fragments[*one].single_table.as_ref().and_then(|t| t.estimated_rows);
            if rows.is_some_and(|r| r >= LARGE) { cores.clamp(1, MOST) } else { 1 }
        }
        several => several.len(),
    }
}
