//! Subqueries in expressions: EXISTS, IN, ANY, ALL, ARRAY and scalar ones.

use std::sync::Arc;

use arrow::array::ListArray;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier, Sort};
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Aggregate, Case, Expr, Filter, Limit, LogicalPlan, Operator, Projection, Subquery, lit};
use sqlparser::ast;

use super::super::{Binder, BoundSubquery, Clause, Scope};
use super::compare::comparison;
use super::logic::binary;
use super::row::row_fields;
use crate::error::{Error, Result, state};
use crate::pgsem::registry::AggregateCall;
use crate::pgsem::resolve::{self, FunctionChoice};
use crate::pgsem::{Typed, conditional};
use crate::pgtype::PgType;

fn syntax(message: &str) -> Error {
    Error::new(state::SYNTAX_ERROR, message)
}

fn boolean(expr: Expr) -> Typed {
    Typed::new(expr, PgType::BOOL)
}

fn subquery(plan: LogicalPlan) -> Subquery {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: Default::default() }
}

impl Binder<'_> {
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<Typed> {
        let bound = self.bind_subquery(query, scope)?;
        let column = only_column(&bound)?;
        Ok(Typed::with_repr(Expr::ScalarSubquery(bound.into_subquery()), column.ty, column.repr))
    }

    pub(super) fn exists(&mut self, query: &ast::Query, negated: bool, scope: &Scope<'_>) -> Result<Typed> {
        let subquery = self.bind_subquery(query, scope)?.into_subquery();
        Ok(boolean(Expr::Exists(Exists { subquery, negated })))
    }

    /// `e [NOT] IN (query)`. `plain`: it stands where NULL and false are the same.
    pub(super) fn in_subquery(
        &mut self,
        e: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        plain: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let fields = row_fields(e).unwrap_or_else(|| vec![e]);
        let values = self.exprs(fields, scope, clause)?;
        let bound = self.bind_subquery(query, scope)?;
        if bound.columns.len() < values.len() {
            return Err(syntax("subquery has too few columns"));
        }
        if bound.columns.len() > values.len() {
            return Err(syntax("subquery has too many columns"));
        }
        if let [value] = &values[..] {
            let (expr, plan) = self.against("=", value.clone(), bound)?;
            let found = InSubquery { expr: Box::new(expr), subquery: subquery(plan), negated };
            return Ok(boolean(Expr::InSubquery(found)));
        }
        let found = self.row_in(values, bound, plain && !negated, scope)?;
        Ok(if negated { boolean(Expr::Not(Box::new(found.expr))) } else { found })
    }

    /// `(a, b) IN (query)`: whether a row is equal; else NULL if one may be, that is if the comparison is NULL.
    fn row_in(&mut self, values: Vec<Typed>, bound: BoundSubquery, plain: bool, scope: &Scope<'_>) -> Result<Typed> {
        let mut equal = Vec::with_capacity(values.len());
        for (value, column) in values.into_iter().zip(&bound.columns) {
            let value = from_inside(value, scope)?;
            let (l, r) = self.sides("=", value, column.typed.clone())?;
            equal.push(binary(l, Operator::Eq, r));
        }
        let equal = conjunction(equal).unwrap_or(lit(true));
        let exists = |condition: Expr| -> Result<Expr> {
            let filtered = Filter::try_new(condition, Arc::new(bound.plan.clone()))?;
            Ok(Expr::Exists(Exists { subquery: subquery(LogicalPlan::Filter(filtered)), negated: false }))
        };
        if plain {
            return Ok(boolean(exists(equal)?));
        }
        let null = Expr::Literal(ScalarValue::Boolean(None), None);
        Ok(boolean(Expr::Case(Case {
            expr: None,
            when_then_expr: vec![
                (Box::new(exists(equal.clone())?), Box::new(lit(true))),
                (Box::new(exists(equal.is_null())?), Box::new(null)),
            ],
            else_expr: Some(Box::new(lit(false))),
        })))
    }

    /// `left op ANY (query)`, `left op ALL (query)`.
    pub(super) fn quantified_subquery(
        &mut self,
        left: &ast::Expr,
        name: &str,
        query: &ast::Query,
        all: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        match (name, all) {
            ("=", false) => return self.in_subquery(left, query, false, false, scope, clause),
            ("<>", true) => return self.in_subquery(left, query, true, false, scope, clause),
            _ => {}
        }
        let Some(op) = comparison(name).filter(|_| row_fields(left).is_none()) else {
            return Err(Error::unsupported(format!("operator {name} with ANY or ALL over a subquery")));
        };
        let value = self.expr(left, scope, clause)?;
        let bound = self.bind_subquery(query, scope)?;
        only_column(&bound)?;
        let (expr, plan) = self.against(name, value, bound)?;
        let quantifier = if all { SetQuantifier::All } else { SetQuantifier::Any };
        Ok(boolean(Expr::SetComparison(SetComparison::new(Box::new(expr), subquery(plan), op, quantifier))))
    }

    /// A value and the only column of a subquery as keys of one carrier.
    fn against(&mut self, name: &str, value: Typed, bound: BoundSubquery) -> Result<(Expr, LogicalPlan)> {
        let column = only_column(&bound)?;
        let (value, key) = self.sides(name, value, column.clone())?;
        if key == column.expr {
            return Ok((value, bound.plan));
        }
        let key = key.alias(self.fresh_column().name);
        let plan = LogicalPlan::Projection(Projection::try_new(vec![key], Arc::new(bound.plan))?);
        Ok((value, plan))
    }

    /// `ARRAY(query)`: the rows in the query's order; empty if there are none.
    pub(super) fn array_subquery(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<Typed> {
        let bound = self.bind_subquery(query, scope)?;
        let column = only_column(&bound)?;
        let (plan, order_by) = self.with_order(bound.plan)?;
        let FunctionChoice::Call(choice) = resolve::function("array_agg", &[column.ty.oid], &[])? else {
            return Err(Error::internal("array_agg is no type"));
        };
        let Some(aggregate) = choice.aggregate() else { return Err(Error::unsupported(choice.described())) };
        let call = AggregateCall { args: vec![column], distinct: false, filter: None, order_by, within_group: false };
        let list = (aggregate.build)(self.ctx, call)?;
        let (ty, repr) = (list.ty, list.repr);
        let (aggregates, list) = self.take_aggregates(list.expr)?;
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), Vec::new(), aggregates)?);
        let list = list.alias(self.fresh_column().name);
        let plan = LogicalPlan::Projection(Projection::try_new(vec![list], Arc::new(plan))?);
        let found = Typed::with_repr(Expr::ScalarSubquery(subquery(plan)), ty, repr.clone());
        let empty = Typed::literal(empty_list(&repr)?, ty);
        Ok(conditional::coalesce(vec![found, empty]))
    }

    fn take_aggregates(&mut self, expr: Expr) -> Result<(Vec<Expr>, Expr)> {
        let mut found = Vec::new();
        let rest = expr.transform_down(|e| {
            if !matches!(e, Expr::AggregateFunction(_)) {
                return Ok(Transformed::no(e));
            }
            let name = self.fresh_column();
            found.push(e.alias(name.name.clone()));
            Ok(Transformed::new(Expr::Column(name), true, datafusion_common::tree_node::TreeNodeRecursion::Jump))
        })?;
        Ok((found, rest.data))
    }

    /// What a query is sorted by, as columns of it: a plan that is read by an aggregate has no order of its own.
    fn with_order(&mut self, plan: LogicalPlan) -> Result<(LogicalPlan, Vec<Sort>)> {
        Ok(match plan {
            LogicalPlan::Sort(sort) => {
                let keys = sort.expr.clone();
                (LogicalPlan::Sort(sort), keys)
            }
            LogicalPlan::Limit(limit) => {
                let (input, keys) = self.with_order(Arc::unwrap_or_clone(limit.input))?;
                (LogicalPlan::Limit(Limit { input: Arc::new(input), ..limit }), keys)
            }
            LogicalPlan::Projection(projection) => {
                let (input, keys) = self.with_order(Arc::unwrap_or_clone(projection.input))?;
                let mut exprs = projection.expr;
                let mut visible = Vec::with_capacity(keys.len());
                for key in keys {
                    let name = self.fresh_column();
                    exprs.push(key.expr.alias(name.name.clone()));
                    visible.push(Sort { expr: Expr::Column(name), ..key });
                }
                (LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), visible)
            }
            other => (other, Vec::new()),
        })
    }
}

fn empty_list(repr: &DataType) -> Result<ScalarValue> {
    let DataType::List(field) = repr else { return Err(Error::internal("an array is a list")) };
    let values = arrow::array::new_empty_array(field.data_type());
    let list = ListArray::try_new(field.clone(), OffsetBuffer::from_lengths([0]), values, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

fn only_column(bound: &BoundSubquery) -> Result<Typed> {
    match bound.columns.as_slice() {
        [column] => Ok(column.typed.clone()),
        _ => Err(syntax("subquery must return only one column")),
    }
}

/// An expression over this level's columns, seen from a subquery.
fn from_inside(value: Typed, scope: &Scope<'_>) -> Result<Typed> {
    let repr_of = |column: &Column| {
        let all = scope.columns.iter().chain(scope.relations.iter().flat_map(|r| &r.columns));
        all.map(|c| &c.typed).find(|t| matches!(&t.expr, Expr::Column(c) if c == column)).map(|t| t.repr.clone())
    };
    let expr = value.expr.transform_up(|e| {
        let Expr::Column(column) = e else { return Ok(Transformed::no(e)) };
        let Some(repr) = repr_of(&column) else {
            return Err(Error::internal(format!("column {column} is not in scope")).into());
        };
        let field = Field::new(&column.name, repr, true);
        Ok(Transformed::yes(Expr::OuterReferenceColumn(field.into(), column)))
    })?;
    Ok(Typed { expr: expr.data, ..value })
}
