//! Order of evaluation where it shows.
//!
//! `x <> 0 AND 1 / x > 1` is no error in PostgreSQL for the rows where `x` is 0: it evaluates from left to right and stops as
//! soon as the answer is known. DataFusion evaluates both sides on all rows. So a call that may fail is wrapped, on the right
//! of a condition, in `CASE guard WHEN TRUE THEN call END`: where the guard decides the answer alone, the call is NULL and NULL
//! changes nothing. The form with an operand is used because the optimiser rewrites `CASE WHEN` over booleans into AND and OR.

use std::collections::BTreeSet;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::utils::{conjunction, disjunction, split_binary};
use datafusion_expr::{Case, Expr, Operator, lit};

use crate::error::Result;
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::PgType;

/// Guards that may fail themselves are repeated inside the guards of what follows them, so there must be few.
const MAX_FAILING_GUARDS: usize = 3;

/// Whether some row may make it raise an error that a guard would prevent.
pub(super) fn may_fail(expr: &Expr) -> bool {
    expr.exists(|e| Ok(fails(e))).unwrap_or(true)
}

fn fails(expr: &Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else { return false };
    let Some(func) = PgFunc::of(&call.func) else { return false };
    if !func.def.can_fail {
        return false;
    }
    let constant = |i: usize| matches!(call.args.get(i), Some(Expr::Literal(..)));
    let others_constant = || (1..call.args.len()).all(constant);
    match func.def.sql {
        // They fail by overflow only, which nobody guards against.
        SqlForm::Infix("+" | "-" | "*") => func.ty == PgType::JSONB,
        SqlForm::Prefix(_) => false,
        SqlForm::Infix("/" | "%") => !call.args.get(1).is_some_and(is_nonzero),
        // Whether a pattern, a field, a length or a format is well-formed does not depend on the row if it is constant.
        SqlForm::Infix(op) if op.contains("LIKE") || op.contains('~') => !others_constant(),
        SqlForm::Special("extract") => false,
        SqlForm::Call("date_trunc" | "date_part") => !constant(0),
        SqlForm::Call(
            "substring" | "substr" | "lpad" | "rpad" | "repeat" | "split_part" | "to_char" | "round" | "trunc",
        ) => !others_constant(),
        _ => true,
    }
}

/// A divisor nothing can be divided by wrongly (`-1` overflows).
fn is_nonzero(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    match value {
        ScalarValue::Int16(Some(v)) => *v != 0,
        ScalarValue::Int32(Some(v)) => *v != 0,
        ScalarValue::Int64(Some(v)) => *v != 0,
        ScalarValue::Float32(Some(v)) => *v != 0.0,
        ScalarValue::Float64(Some(v)) => *v != 0.0,
        ScalarValue::Decimal128(Some(v), ..) => *v != 0,
        ScalarValue::Decimal256(Some(v), ..) => *v != arrow::datatypes::i256::ZERO,
        _ => false,
    }
}

fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|e| {
        Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)))
    })
    .unwrap_or(true)
}

/// What may stand in a guard: it is evaluated once more.
fn is_guard(expr: &Expr) -> bool {
    !has_subquery(expr) && !expr.is_volatile() && !matches!(expr, Expr::Literal(..))
}

/// `right` of `left AND right` (or OR), such that its errors do not show where `left` decides alone.
pub(super) fn after(left: &Expr, right: Expr, and: bool) -> Result<Expr> {
    if !may_fail(&right) {
        return Ok(right);
    }
    let parts = split(left, and);
    let guards: Vec<Expr> = choose(parts.into_iter().filter(is_guard));
    let guard = if and { conjunction(guards) } else { disjunction(guards) };
    match guard {
        // AND: evaluated unless the left side is false. OR: unless it is true.
        Some(guard) => wrap(right, &guard, !and),
        None => Ok(right),
    }
}

/// Conditions that must all be true for a row to count: each call that may fail is evaluated only where the conditions before
/// it are true, as far as they read no other relations than the call does. So a condition still belongs to its relations only.
pub(super) fn conditions(all: Vec<Expr>) -> Result<Vec<Expr>> {
    let mut before: Vec<Expr> = Vec::with_capacity(all.len());
    for condition in all {
        let guarded = if may_fail(&condition) { after_conditions(&before, condition)? } else { condition };
        before.push(guarded);
    }
    Ok(before)
}

fn after_conditions(before: &[Expr], condition: Expr) -> Result<Expr> {
    Ok(condition
        .transform_down(|e| {
            if !fails(&e) {
                return Ok(Transformed::no(e));
            }
            let reads = relations(&e);
            let near = before.iter().filter(|g| is_guard(g) && relations(g).is_subset(&reads)).cloned();
            Ok(match conjunction(choose(near)) {
                Some(guard) => Transformed::new(only_where_true(e, guard), true, TreeNodeRecursion::Jump),
                None => Transformed::no(e),
            })
        })?
        .data)
}

/// All guards that cannot fail, and the first few that can.
fn choose(guards: impl Iterator<Item = Expr>) -> Vec<Expr> {
    let mut failing = 0;
    guards
        .filter(|g| {
            failing += usize::from(may_fail(g));
            !may_fail(g) || failing <= MAX_FAILING_GUARDS
        })
        .collect()
}

fn split(expr: &Expr, and: bool) -> Vec<Expr> {
    let op = if and { Operator::And } else { Operator::Or };
    split_binary(expr, op).into_iter().cloned().collect()
}

/// Where the guard has the value `skip`, failing calls are NULL instead.
fn wrap(expr: Expr, guard: &Expr, skip: bool) -> Result<Expr> {
    Ok(expr
        .transform_down(|e| {
            if !fails(&e) {
                return Ok(Transformed::no(e));
            }
            let case = Case {
                expr: Some(Box::new(guard.clone())),
                when_then_expr: vec![(Box::new(lit(skip)), Box::new(null_like(&e)))],
                else_expr: Some(Box::new(e)),
            };
            Ok(Transformed::new(Expr::Case(case), true, TreeNodeRecursion::Jump))
        })?
        .data)
}

/// The conjuncts of a filter that was merged from several, in an order and form in which none fails on a row that another
/// one leaves out: PostgreSQL evaluates a subquery's conditions before those above it, push-down puts them behind.
pub(crate) fn merged_filter(filter: Expr) -> Result<Expr> {
    if !may_fail(&filter) {
        return Ok(filter);
    }
    let (failing, safe): (Vec<Expr>, Vec<Expr>) = split(&filter, true).into_iter().partition(may_fail);
    let guards: Vec<Expr> = safe.iter().filter(|e| is_guard(e)).cloned().collect();
    let guarded = failing.into_iter().map(|e| below_guards(e, &guards)).collect::<Result<Vec<_>>>()?;
    Ok(conjunction(safe.into_iter().chain(guarded)).unwrap_or(filter))
}

/// Adds these conditions to the guards of all calls that may fail.
fn below_guards(expr: Expr, guards: &[Expr]) -> Result<Expr> {
    Ok(expr
        .transform_down(|e| match e {
            Expr::Case(case) if is_only_where_true(&case) => {
                let known = case.expr.iter().flat_map(|g| split(g, true)).collect::<Vec<_>>();
                let more = guards.iter().filter(|g| !known.contains(g)).cloned();
                let guard = conjunction(more.chain(known.iter().cloned()));
                let guarded = Case { expr: guard.map(Box::new), ..case };
                Ok(Transformed::new(Expr::Case(guarded), true, TreeNodeRecursion::Jump))
            }
            call if fails(&call) => Ok(match conjunction(guards.iter().cloned()) {
                Some(guard) => Transformed::new(only_where_true(call, guard), true, TreeNodeRecursion::Jump),
                None => Transformed::no(call),
            }),
            other => Ok(Transformed::no(other)),
        })?
        .data)
}

fn is_only_where_true(case: &Case) -> bool {
    case.expr.is_some()
        && case.else_expr.is_none()
        && matches!(&case.when_then_expr[..], [(when, _)] if **when == lit(true))
}

fn only_where_true(call: Expr, guard: Expr) -> Expr {
    Expr::Case(Case {
        expr: Some(Box::new(guard)),
        when_then_expr: vec![(Box::new(lit(true)), Box::new(call))],
        else_expr: None,
    })
}

fn null_like(call: &Expr) -> Expr {
    let repr = match call {
        Expr::ScalarFunction(f) => PgFunc::of(&f.func).map(|f| f.repr.clone()),
        _ => None,
    };
    let null = repr.and_then(|r| ScalarValue::try_from(&r).ok()).unwrap_or(ScalarValue::Null);
    Expr::Literal(null, None)
}

/// The relations an expression reads; columns of none count as one.
fn relations(expr: &Expr) -> BTreeSet<String> {
    let name = |c: &Column| c.relation.as_ref().map(ToString::to_string).unwrap_or_default();
    expr.column_refs().into_iter().map(name).collect()
}

/// A boolean CASE with branches that may fail, in the form the optimiser leaves alone.
pub(super) fn keep_case(case: Case) -> Case {
    let branches_fail = case.when_then_expr.iter().any(|(when, then)| may_fail(when) || may_fail(then))
        || case.else_expr.as_deref().is_some_and(may_fail);
    if case.expr.is_none() && branches_fail { Case { expr: Some(Box::new(lit(true))), ..case } } else { case }
}
