//! Parts of a table that hold no row a query asks for are not asked.
//!
//! A placement's predicate is true for every row there. Where a filter over it is true for none of the rows that the predicate
//! is true for, the part is empty for this query. Filters are just above the scans when this runs: they were pushed down.

mod rows;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use datafusion_common::Column;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{EmptyRelation, Expr, LogicalPlan};

use crate::error::Result;
use crate::source::CatalogTable;
use rows::Rows;

/// Whether no row satisfies both conditions, as far as that can be told.
pub fn contradict(one: &Expr, other: &Expr) -> bool {
    // Once more, with what the other has said of the alternatives of the first.
    let rows = |a, b| [a, b, a, b].into_iter().try_fold(Rows::default(), |rows, e: &Expr| rows.narrowed(e, true));
    rows(one, other).is_none() || rows(other, one).is_none()
}

/// Leaves out the parts of tables that the filters above them contradict.
pub(crate) fn parts(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    Ok(plan.transform_down_with_subqueries(|node| {
        Ok(match is_contradicted(&node)? {
            true => {
                let schema = node.schema().clone();
                Transformed::yes(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }))
            }
            false => Transformed::no(node),
        })
    })?)
}

fn is_contradicted(node: &LogicalPlan) -> Result<bool> {
    let LogicalPlan::Filter(filter) = node else { return Ok(false) };
    let LogicalPlan::TableScan(scan) = filter.input.as_ref() else { return Ok(false) };
    let table = scan.source.downcast_ref::<CatalogTable>();
    let part = table.and_then(|table| table.placement.part.as_ref());
    let Some(holds) = part.and_then(|part| part.holds.as_ref()) else { return Ok(false) };
    let unqualified = filter.predicate.clone().transform(|e| {
        Ok(match e {
            Expr::Column(c) if c.relation.as_ref() == Some(&scan.table_name) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(c.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(contradict(holds, &unqualified.data))
}

/// How many parts of tables with placements of their own a plan reads, by schema and name of the table.
pub(crate) fn count(plan: &LogicalPlan) -> Result<BTreeMap<(String, String), usize>> {
    let mut counts = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(CatalogTable { table, placement, .. }) = scan.source.downcast_ref::<CatalogTable>()
            && placement.part.is_some()
        {
            *counts.entry((table.schema.clone(), table.name.clone())).or_default() += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(counts)
}

/// A line for each table of which only some parts are left, for `EXPLAIN (VERBOSE)`.
pub(crate) fn notes(before: &BTreeMap<(String, String), usize>, after: &LogicalPlan) -> Result<Vec<String>> {
    let after = count(after)?;
    let left = |table| after.get(table).copied().unwrap_or_default();
    let pruned = before.iter().filter(|(table, all)| left(table) < **all);
    Ok(pruned.map(|(t, all)| format!("Partitions of {}.{}: {} of {all}", t.0, t.1, left(t))).collect())
}
