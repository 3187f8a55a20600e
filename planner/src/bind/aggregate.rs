//! Grouping: moves aggregate calls out of expressions into an Aggregate node, and checks that what is left over is known for
//! a whole group (`check_ungrouped_columns` in `parse_agg.c`).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, Case, GroupingSet};
use datafusion_expr::{Aggregate, BinaryExpr, Cast, Expr, ExprSchemable, JoinType, LogicalPlan, Operator, lit};

use super::binder::Binder;
use super::distinct::any_of_group;
pub(super) use super::group::Grouping;
use super::hoist::hoist_subqueries;
use super::join::join;
use super::keys;
use super::node::{self, project};
use super::scope::{Scope, ScopeColumn};
use crate::catalog::KeyKind;
use crate::error::{Error, Result, state};

/// Name of the leaf that stands for `grouping(…)`.
const GROUPING: &str = "grouping";

/// Whether an expression holds an aggregate call of its own level.
pub(super) fn has_aggregate(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::AggregateFunction(_)))).unwrap_or(false)
}

impl Binder<'_> {
    /// Groups `plan` and rewrites `exprs`, which see the groups only.
    pub(super) fn lift_aggregates<'e>(
        &mut self,
        plan: LogicalPlan,
        grouping: Grouping,
        exprs: impl Iterator<Item = &'e mut Expr>,
        scope: &Scope<'_>,
    ) -> Result<LogicalPlan> {
        let mut lifter = Lifter::new(self, grouping, scope)?;
        for expr in exprs {
            let taken = std::mem::take(expr);
            *expr = lifter.rewrite(taken)?;
        }
        lifter.build(plan)
    }
}

/// One expression that is grouped by.
struct Item {
    /// As it stands in the query.
    expr: Expr,
    key: Expr,
    /// Column of the Aggregate node that holds the key.
    key_column: Column,
    /// Column that holds the value: the key's if the key is the value.
    value_column: Column,
}

struct Lifter<'l, 'a> {
    binder: &'l mut Binder<'a>,
    scope: &'l Scope<'l>,
    items: Vec<Item>,
    sets: Vec<Vec<usize>>,
    /// Aggregate calls and the columns they become.
    calls: Vec<(Expr, Column)>,
    /// Columns of a table whose primary key is grouped by.
    dependent: Vec<Column>,
}

impl<'l, 'a> Lifter<'l, 'a> {
    fn new(binder: &'l mut Binder<'a>, grouping: Grouping, scope: &'l Scope<'l>) -> Result<Self> {
        let mut items = Vec::with_capacity(grouping.items.len());
        for typed in grouping.items {
            let key = keys::key(&typed)?;
            let identity = keys::is_identity(&typed);
            let key_column = match &key {
                Expr::Column(column) if identity => column.clone(),
                _ => binder.fresh_column(),
            };
            let value_column = if identity { key_column.clone() } else { binder.fresh_column() };
            items.push(Item { expr: typed.expr, key, key_column, value_column });
        }
        Ok(Self { binder, scope, items, sets: grouping.sets, calls: Vec::new(), dependent: Vec::new() })
    }

    /// Replaces what is grouped by and aggregate calls by columns.
    fn rewrite(&mut self, expr: Expr) -> Result<Expr> {
        let mut error = None;
        let rewritten = expr.transform_down(|e| {
            Ok(match self.replace(&e) {
                Ok(Some(new)) => Transformed::new(new, true, TreeNodeRecursion::Jump),
                Ok(None) => self.rewrite_subquery(e)?,
                Err(e2) => {
                    error = Some(e2);
                    Transformed::new(e, false, TreeNodeRecursion::Stop)
                }
            })
        })?;
        match error {
            Some(error) => Err(error),
            None => Ok(rewritten.data),
        }
    }

    fn replace(&mut self, expr: &Expr) -> Result<Option<Expr>> {
        // A constant is the same in every group; a group by one says nothing of the others like it.
        if !matches!(expr, Expr::Literal(..))
            && let Some(item) = self.items.iter().find(|item| item.expr == *expr)
        {
            return Ok(Some(node::column(&item.value_column)));
        }
        match expr {
            Expr::AggregateFunction(call) if call.func.name() == GROUPING => self.grouping(call).map(Some),
            Expr::AggregateFunction(_) => self.call(expr).map(Some),
            Expr::Column(column) => self.plain_column(column).map(|()| Some(expr.clone())),
            _ => Ok(None),
        }
    }

    /// The column an aggregate call becomes.
    fn call(&mut self, call: &Expr) -> Result<Expr> {
        if let Some((_, column)) = self.calls.iter().find(|(c, _)| c == call) {
            return Ok(node::column(column));
        }
        let within = |what: fn(&Expr) -> bool| -> Result<bool> {
            let mut found = false;
            call.apply_children(|child| {
                found |= child.exists(|e| Ok(what(e)))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
            Ok(found)
        };
        if within(|e| matches!(e, Expr::AggregateFunction(_)))? {
            return Err(Error::new(state::GROUPING_ERROR, "aggregate function calls cannot be nested"));
        }
        if within(|e| matches!(e, Expr::WindowFunction(_)))? {
            return Err(Error::new(
                state::GROUPING_ERROR,
                "aggregate function calls cannot contain window function calls",
            ));
        }
        if within(|e| matches!(e, Expr::Unnest(_)))? {
            return Err(Error::new(
                state::FEATURE_NOT_SUPPORTED,
                "aggregate function calls cannot contain set-returning function calls",
            ));
        }
        if call.contains_outer() && call.column_refs().is_empty() {
            return Err(Error::unsupported("an aggregate of an outer query"));
        }
        let column = self.binder.fresh_column();
        self.calls.push((call.clone(), column.clone()));
        Ok(node::column(&column))
    }

    /// 42803 unless a group determines the column.
    fn plain_column(&mut self, column: &Column) -> Result<()> {
        if self.dependent.contains(column) {
            return Ok(());
        }
        if self.is_determined(column) {
            self.dependent.push(column.clone());
            return Ok(());
        }
        Err(Error::new(
            state::GROUPING_ERROR,
            format!(
                "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function",
                self.scope.display_name(column)
            ),
        )
        .or_position(self.binder.column_position(column)))
    }

    /// Whether the column's table has a primary key that is grouped by.
    fn is_determined(&self, column: &Column) -> bool {
        let [set] = self.sets.as_slice() else { return false };
        let grouped = |c: &ScopeColumn| set.iter().any(|i| self.items[*i].expr == c.typed.expr);
        self.scope.relations.iter().any(|relation| {
            let Some(table) = &relation.table else { return false };
            let Some(key) = table.keys.iter().find(|k| k.kind == KeyKind::Primary) else { return false };
            // By position: an alias may have renamed the columns.
            let in_key = |i: usize| key.columns.contains(&table.columns[i].name);
            relation.columns.iter().any(|c| c.column() == Some(column))
                && relation.columns.iter().enumerate().filter(|(i, _)| in_key(*i)).all(|(_, c)| grouped(c))
        })
    }

    /// `grouping(a, b)`: a bit for each argument, set where the row's grouping set leaves it out.
    fn grouping(&mut self, call: &AggregateFunction) -> Result<Expr> {
        let mut value: Option<Expr> = None;
        let order = self.key_order();
        for arg in &call.params.args {
            let Some(item) = self.items.iter().position(|item| item.expr == *arg) else {
                return Err(Error::new(
                    state::GROUPING_ERROR,
                    "arguments to GROUPING must be grouping expressions of the associated query level",
                ));
            };
            let bit = if self.sets.len() == 1 {
                lit(0i64)
            } else {
                let place = order.iter().position(|i| *i == item).unwrap_or(0);
                let id = Expr::Cast(Cast::new(Box::new(grouping_id()), DataType::Int64));
                let shifted = binary(id, Operator::BitwiseShiftRight, lit((order.len() - 1 - place) as i64));
                binary(shifted, Operator::BitwiseAnd, lit(1i64))
            };
            value = Some(match value {
                None => bit,
                Some(value) => binary(binary(value, Operator::BitwiseShiftLeft, lit(1i64)), Operator::BitwiseOr, bit),
            });
        }
        let value = value.unwrap_or_else(|| lit(0i64));
        Ok(Expr::Cast(Cast::new(Box::new(value), DataType::Int32)))
    }

    /// Items in the order in which the Aggregate node puts them out: by first use.
    fn key_order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        for item in self.sets.iter().flatten() {
            if !order.contains(item) {
                order.push(*item);
            }
        }
        order
    }

    /// A subquery may mention columns of this level only if they are grouped by.
    fn rewrite_subquery(&mut self, expr: Expr) -> datafusion_common::Result<Transformed<Expr>> {
        if !node::is_subquery(&expr) {
            return Ok(Transformed::no(expr));
        }
        node::map_outer_columns(expr, &mut |column, field| {
            let local = self.scope.relations.iter().flat_map(|r| &r.columns).chain(&self.scope.columns);
            if !local.into_iter().any(|c| c.column() == Some(column)) {
                return Ok(None);
            }
            let own = Expr::Column(column.clone());
            if let Some(item) = self.items.iter().find(|item| item.expr == own) {
                let field = field.as_ref().clone().with_name(&item.value_column.name);
                return Ok(Some(Expr::OuterReferenceColumn(field.into(), item.value_column.clone())));
            }
            if self.plain_column(column).is_ok() {
                return Ok(None);
            }
            Err(Error::new(
                state::GROUPING_ERROR,
                format!("subquery uses ungrouped column \"{}\" from outer query", self.scope.display_name(column)),
            ))
        })
    }

    fn build(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if self.sets.len() == 1 { self.build_single(plan) } else { self.build_sets(plan) }
    }

    fn build_single(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut group = Vec::with_capacity(self.items.len());
        let mut values = Vec::new();
        for item in &self.items {
            group.push(item.named_key());
            if item.value_column != item.key_column {
                values.push(node::named(any_of_group(item.expr.clone()), &item.value_column));
            }
        }
        group.extend(self.dependent.iter().map(node::column));
        values.extend(self.calls.into_iter().map(|(call, column)| node::named(call, &column)));
        if group.is_empty() && values.is_empty() {
            // One group, and nothing is asked about it.
            return Ok(node::one_row());
        }
        let plan = hoist_subqueries(self.binder, plan, &mut group, &DFSchema::empty())?;
        let plan = hoist_subqueries(self.binder, plan, &mut values, &DFSchema::empty())?;
        Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), group, values)?))
    }

    fn build_sets(self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let empty = self.sets.iter().filter(|set| set.is_empty()).count();
        if empty > 1 {
            return Err(Error::unsupported("more than one empty grouping set"));
        }
        let mut below = node::all_columns(&plan);
        for item in &self.items {
            if node::column(&item.key_column) != item.key {
                below.push(node::named(item.key.clone(), &item.key_column));
            }
        }
        let plan = project(plan, below)?;
        let sets = self.sets.iter().map(|set| set.iter().map(|i| node::column(&self.items[*i].key_column)).collect());
        let group = vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets.collect()))];
        let order = self.key_order();
        // Values of groups whose keys are not values; they mean something only where the set has the item.
        let mut kept = Vec::new();
        let mut values = Vec::new();
        for (place, index) in order.iter().enumerate() {
            let item = &self.items[*index];
            if item.value_column != item.key_column {
                let any = self.binder.fresh_column();
                values.push(node::named(any_of_group(item.expr.clone()), &any));
                kept.push((item.value_column.clone(), any, order.len() - 1 - place));
            }
        }
        values.extend(self.calls.iter().map(|(call, column)| node::named(call.clone(), column)));
        let plan = hoist_subqueries(self.binder, plan, &mut values, &DFSchema::empty())?;
        let schema = plan.schema().clone();
        let mut plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), group, values)?);
        if empty > 0 {
            plan = self.with_total(plan, order.len(), &schema)?;
        }
        if kept.is_empty() {
            return Ok(plan);
        }
        let mut exprs = node::all_columns(&plan);
        for (value, any, shift) in kept {
            let id = Expr::Cast(Cast::new(Box::new(grouping_id()), DataType::Int64));
            let shifted = binary(id, Operator::BitwiseShiftRight, lit(shift as i64));
            let used = binary(shifted, Operator::BitwiseAnd, lit(1i64)).eq(lit(0i64));
            exprs.push(node::named(when(used, node::column(&any), None), &value));
        }
        project(plan, exprs)
    }

    /// The total (the empty set) has a row even if there are no input rows, when the Aggregate node puts out none.
    fn with_total(&self, plan: LogicalPlan, items: usize, input: &datafusion_common::DFSchema) -> Result<LogicalPlan> {
        let id_type = grouping_id().get_type(plan.schema())?;
        let none = grouping_id().is_null();
        let all_left_out = ScalarValue::UInt64(Some((1u64 << items) - 1)).cast_to(&id_type)?;
        let mut exprs = Vec::new();
        for column in plan.schema().columns() {
            let own = Expr::Column(column.clone());
            let missing = if own == grouping_id() {
                Some(all_left_out.clone())
            } else {
                match self.calls.iter().find(|(_, c)| *c == column) {
                    Some((Expr::AggregateFunction(call), _)) => {
                        let ty = Expr::AggregateFunction(call.clone()).get_type(input)?;
                        Some(call.func.default_value(&ty)?).filter(|v| !v.is_null())
                    }
                    _ => None,
                }
            };
            exprs.push(match missing {
                Some(value) => when(none.clone(), lit(value), Some(own)).alias_qualified(column.relation, column.name),
                None => own,
            });
        }
        let one = project(node::one_row(), vec![lit(true).alias("#one")])?;
        let joined = join(one, plan, JoinType::Left, Some(lit(true)))?;
        project(joined, exprs)
    }
}

impl Item {
    fn named_key(&self) -> Expr {
        let column = node::column(&self.key_column);
        if column == self.key { column } else { node::named(self.key.clone(), &self.key_column) }
    }
}

fn grouping_id() -> Expr {
    Expr::Column(Column::new_unqualified(Aggregate::INTERNAL_GROUPING_ID))
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn when(condition: Expr, then: Expr, otherwise: Option<Expr>) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(condition), Box::new(then))],
        else_expr: otherwise.map(Box::new),
    })
}
