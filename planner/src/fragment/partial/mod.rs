//! Aggregation before movement: rows are aggregated where they are, and only the parts' results move.
//!
//! An aggregate over tables of several sources would have all their rows brought together first. Two rewrites of the logical
//! plan put an aggregate of its own over what one source holds: below UNION ALL ([`union`]) and below joins ([`join`], eager
//! aggregation: Yan and Larson, VLDB 1995). The cutter then finds a subtree that one source answers. What remains on top
//! combines the parts' results ([`split`]).
//!
//! Only what is exactly the same is rewritten: calls whose parts combine without rounding and whose arguments raise no error on
//! rows that a join would have left out. And only what the source takes: a part that stays in the gateway is work for nothing.

mod join;
mod look_through;
mod split;
mod union;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use cost_model::SourceId;
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_common::{Column, ExprSchema};
use datafusion_expr::{Aggregate, Distinct, Expr, LogicalPlan, Projection};

use self::split::Total;
use crate::catalog::Catalog;
use crate::context::{Aggregation, Pushdown, QueryContext};
use crate::emit::block::Emitter;
use crate::emit::dialect;
use crate::emit::expr::Scopes;
use crate::error::Result;
use crate::pgsem::{Typed, key};
use crate::pgtype::PgType;
use crate::source::{CatalogTable, PassthroughQuery};
use crate::stats;

/// A part must leave out this share of its rows.
const WORTH_LEAVING_OUT: f64 = 0.5;

/// Puts partial aggregates over what one source holds, where that pays.
pub(super) fn rewrite(
    plan: LogicalPlan,
    catalog: &Catalog,
    parameters: &[PgType],
    context: &QueryContext,
) -> Result<LogicalPlan> {
    if context.pushdown != Pushdown::Full || context.aggregation == Aggregation::Off {
        return Ok(plan);
    }
    let force = context.aggregation == Aggregation::Force;
    let pass = Pass { catalog, parameters, force, names: Cell::new(0) };
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let new = match &node {
            LogicalPlan::Aggregate(aggregate) => pass.aggregate(aggregate)?,
            LogicalPlan::Distinct(Distinct::All(input)) => union::distinct(&pass, input)?,
            _ => None,
        };
        Ok(new.map_or_else(|| Transformed::no(node), Transformed::yes))
    })?;
    Ok(rewritten.data)
}

struct Pass<'a> {
    catalog: &'a Catalog,
    /// Types of `$1`, `$2`, …
    parameters: &'a [PgType],
    force: bool,
    names: Cell<usize>,
}

impl Pass<'_> {
    /// The same answer with partial aggregates below.
    fn aggregate(&self, aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
        let grouping_sets = aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
        if grouping_sets || sources(&aggregate.input).is_some_and(|all| all.len() < 2) {
            return Ok(None);
        }
        match union::aggregate(self, aggregate)? {
            Some(plan) => Ok(Some(plan)),
            None => join::aggregate(self, aggregate),
        }
    }

    /// A partial aggregate that a source takes, or several of them where its input is at several sources.
    fn at_sources(&self, partial: &Aggregate) -> Result<Option<LogicalPlan>> {
        let plan = LogicalPlan::Aggregate(partial.clone());
        if self.takes(&plan, partial.group_expr.len()) { Ok(Some(plan)) } else { self.aggregate(partial) }
    }

    /// Whether one source answers the plan, and its first columns group rows by what the plan groups them by: where equal values
    /// may look different, a group of the engine's would be one of ours only by its key.
    fn takes(&self, plan: &LogicalPlan, keys: usize) -> bool {
        let Some(id) = sources(plan).and_then(|all| all.into_iter().next()) else { return false };
        let Some(source) = self.catalog.sources.get(&id) else { return false };
        let Some(dialect) = dialect(source.kind) else { return false };
        let emitter = Emitter::new(dialect, source, self.parameters);
        let Ok(block) = emitter.block(plan, &Scopes::default()) else { return false };
        let is_value = |(column, sql): (Column, &crate::emit::Sql)| {
            let carrier = plan.schema().field_from_column(&column).map(|f| f.data_type().clone());
            carrier.is_ok_and(|c| key::key_is_identity(&Typed::with_repr(Expr::Column(column), sql.ty, c)))
        };
        block.columns.iter().all(|c| !c.key)
            && plan.schema().columns().into_iter().zip(&block.columns).take(keys).all(is_value)
    }

    /// A name that no other column has: the binder's are `#` and a number.
    fn fresh(&self) -> Column {
        let number = self.names.get();
        self.names.set(number + 1);
        Column::new_unqualified(format!("#p{number}"))
    }

    /// The aggregate over the parts' results in the place of `original`, whose columns' names it keeps.
    fn total(
        &self,
        original: &Aggregate,
        parts: LogicalPlan,
        group: Vec<Expr>,
        totals: Vec<Total>,
    ) -> Result<LogicalPlan> {
        let name = |e: Expr| if matches!(e, Expr::Column(_)) { e } else { e.alias(self.fresh().name) };
        let keys = group.len();
        let calls = totals.iter().map(|t| name(t.call.clone())).collect();
        let aggregate = Aggregate::try_new(Arc::new(parts), group.into_iter().map(name).collect(), calls)?;
        let columns = aggregate.schema.iter().enumerate();
        let values =
            columns.map(|(i, (qualifier, field))| match i.checked_sub(keys).and_then(|call| totals.get(call)) {
                Some(total) => total.finish(Column::from((qualifier, field)), field.data_type()),
                None => Ok(Expr::Column(Column::from((qualifier, field)))),
            });
        let named = values
            .zip(original.schema.iter())
            .map(|(value, (qualifier, field))| Ok(value?.alias_qualified(qualifier.cloned(), field.name())));
        let projection =
            Projection::try_new(named.collect::<Result<_>>()?, Arc::new(LogicalPlan::Aggregate(aggregate)))?;
        Ok(LogicalPlan::Projection(projection))
    }
}

/// Rows, and the groups they probably make, as far as the statistics tell.
fn shrinks(rows: f64, groups: f64) -> bool {
    groups <= rows * (1.0 - WORTH_LEAVING_OUT)
}

fn estimated_rows(plan: &LogicalPlan) -> Option<f64> {
    stats::estimate(plan).map(|e| e.rows)
}

/// The sources whose tables a plan reads. `None`: it reads something else, too.
fn sources(plan: &LogicalPlan) -> Option<BTreeSet<SourceId>> {
    let (mut found, mut known) = (BTreeSet::new(), true);
    let visited = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => match scan.source.downcast_ref::<CatalogTable>() {
                Some(table) => drop(found.insert(table.placement.source.clone())),
                None => match scan.source.downcast_ref::<PassthroughQuery>() {
                    Some(query) => drop(found.insert(query.source.clone())),
                    None => known = false,
                },
            },
            LogicalPlan::RecursiveQuery(_) => known = false,
            _ => {}
        }
        Ok(if known { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    (known && visited.is_ok()).then_some(found)
}
