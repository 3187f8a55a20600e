//! DISTINCT and DISTINCT ON.

use std::sync::Arc;

use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::{Aggregate, Distinct, Expr, LogicalPlan, lit};
use datafusion_functions_aggregate::first_last::first_value_udaf;
use datafusion_functions_window::row_number::row_number_udwf;
use sqlparser::ast;

use super::Clause;
use super::binder::{Binder, syntax};
use super::keys;
use super::node::{self, filter};
use super::order::{OrderKey, sort_exprs};
use super::query::Body;
use super::scope::{Scope, ScopeColumn};
use super::target::Targets;
use super::window::{add_windows, ranking};
use crate::error::{Error, Result, state};

/// What DISTINCT asks for; columns are numbers of targets.
#[derive(Debug)]
pub(super) enum BoundDistinct {
    No,
    Rows,
    On(Vec<usize>),
}

impl Binder<'_> {
    pub(super) fn bind_distinct(
        &mut self,
        distinct: Option<&ast::Distinct>,
        targets: &mut Targets,
        scope: &Scope<'_>,
        order: &[OrderKey],
    ) -> Result<BoundDistinct> {
        match distinct {
            None | Some(ast::Distinct::All) => Ok(BoundDistinct::No),
            Some(ast::Distinct::Distinct) => {
                if order.iter().any(|key| key.column >= targets.visible) {
                    return Err(Error::new(
                        state::INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                    ));
                }
                Ok(BoundDistinct::Rows)
            }
            Some(ast::Distinct::On(exprs)) => {
                let mut on = Vec::with_capacity(exprs.len());
                for expr in exprs {
                    let column = self.find_target(expr, targets, scope, Clause::DistinctOn)?;
                    if !on.contains(&column) {
                        on.push(column);
                    }
                }
                let initial = order.iter().take_while(|key| on.contains(&key.column)).count();
                if initial < on.len() && initial < order.len() {
                    return Err(Error::new(
                        state::INVALID_COLUMN_REFERENCE,
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    ));
                }
                Ok(BoundDistinct::On(on))
            }
        }
    }

    /// Takes out the double rows. Afterwards the targets are columns of the plan.
    pub(super) fn make_distinct(
        &mut self,
        plan: LogicalPlan,
        distinct: BoundDistinct,
        targets: &mut Targets,
        order: Vec<OrderKey>,
    ) -> Result<(LogicalPlan, Vec<OrderKey>)> {
        let plan = match distinct {
            BoundDistinct::No => plan,
            BoundDistinct::Rows => {
                let columns = std::mem::take(&mut targets.columns).into_iter().take(targets.visible).collect();
                let (plan, columns) = self.materialize(Body { plan, columns })?;
                let (plan, columns) = self.distinct_rows(plan, columns)?;
                targets.columns = columns;
                plan
            }
            BoundDistinct::On(on) => {
                let columns = std::mem::take(&mut targets.columns);
                let (plan, columns) = self.materialize(Body { plan, columns })?;
                let mut partition_by = Vec::with_capacity(on.len());
                for index in on {
                    keys::check_equality(columns[index].typed.ty)?;
                    partition_by.push(keys::key(&columns[index].typed)?);
                }
                let row = self.fresh_column();
                let first = ranking(row_number_udwf(), partition_by, sort_exprs(&order, &columns)?);
                let plan = add_windows(plan, vec![node::named(first, &row)])?;
                targets.columns = columns;
                filter(plan, node::column(&row).eq(lit(1u64)))?
            }
        };
        Ok((plan, order))
    }

    /// One row for each set of equal rows. `columns` are all columns of the plan.
    pub(super) fn distinct_rows(
        &mut self,
        plan: LogicalPlan,
        columns: Vec<ScopeColumn>,
    ) -> Result<(LogicalPlan, Vec<ScopeColumn>)> {
        if columns.is_empty() {
            return Err(syntax("SELECT DISTINCT must have at least one column"));
        }
        for column in &columns {
            keys::check_equality(column.typed.ty)?;
        }
        if columns.iter().all(|c| keys::is_identity(&c.typed)) {
            return Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(plan))), columns));
        }
        let (mut group, mut values) = (Vec::new(), Vec::new());
        let mut columns = columns;
        for column in &mut columns {
            let key = keys::key(&column.typed)?;
            if keys::is_identity(&column.typed) {
                group.push(key);
                continue;
            }
            group.push(node::named(key, &self.fresh_column()));
            let name = self.fresh_column();
            values.push(node::named(any_of_group(column.typed.expr.clone()), &name));
            column.typed.expr = Expr::Column(name);
        }
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), group, values)?);
        Ok((plan, columns))
    }
}

/// The value of one row of a group whose keys are equal: it stands for the group.
pub(super) fn any_of_group(expr: Expr) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(first_value_udaf(), vec![expr], false, None, Vec::new(), None))
}
