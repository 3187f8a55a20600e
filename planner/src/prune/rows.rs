//! Which rows a condition can be true for: the values that expressions over a row have there.
//!
//! What is not understood says nothing: the answer may be "maybe" for a row that the condition is not true for, never "no" for
//! one that it is true for.

use std::collections::HashMap;

use datafusion_common::ScalarValue;
use datafusion_expr::expr::InList;
use datafusion_expr::{BinaryExpr, Expr, Operator};

use super::values::Values;
use crate::pgsem::PgFunc;

const WIDENING: [&str; 3] = ["int2_widen", "int28_widen", "int4_widen"];
const RED_ZONE: usize = 128 * 1024;
const STACK_SEGMENT: usize = 2 * 1024 * 1024;

/// Rows in which all of these expressions have one of these values; an expression that is not there has any.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows(HashMap<Expr, Values>);

impl Rows {
    /// The rows for which the condition may have this truth value (never NULL). `None`: there are none.
    pub fn of(condition: &Expr, truth: bool) -> Option<Self> {
        stacker::maybe_grow(RED_ZONE, STACK_SEGMENT, || match condition {
            Expr::Alias(alias) => Self::of(&alias.expr, truth),
            Expr::Not(inner) => Self::of(inner, !truth),
            Expr::Literal(ScalarValue::Boolean(Some(value)), _) => (*value == truth).then(Self::default),
            Expr::Literal(value, _) if value.is_null() => None,
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => Self::of_operator(condition, left, *op, right, truth),
            Expr::InList(list) => Self::of_list(list, truth),
            Expr::IsNull(e) if truth => Self::only(e, Values::null()),
            Expr::IsNotNull(e) if !truth => Self::only(e, Values::null()),
            Expr::IsNull(e) | Expr::IsNotNull(e) => Self::only(e, Values::not_null()),
            Expr::IsTrue(e) if truth => Self::of(e, true),
            Expr::IsFalse(e) if truth => Self::of(e, false),
            Expr::IsNotTrue(e) if !truth => Self::of(e, true),
            Expr::IsNotFalse(e) if !truth => Self::of(e, false),
            Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsNotTrue(_) | Expr::IsNotFalse(_) => Some(Self::default()),
            _ => Self::of_itself(condition, truth),
        })
    }

    /// Rows that are among both. `None`: there are none.
    pub fn and(mut self, other: Self) -> Option<Self> {
        for (expr, values) in other.0 {
            let both = match self.0.get(&expr) {
                Some(known) => known.and(&values),
                None => values,
            };
            if both.is_empty() {
                return None;
            }
            self.0.insert(expr, both);
        }
        Some(self)
    }

    /// Those of these rows for which the condition may have this truth value. Of alternatives each is asked by itself, together
    /// with what is known: all at once they say only what is common to them. `None`: there are none.
    pub fn narrowed(self, condition: &Expr, truth: bool) -> Option<Self> {
        stacker::maybe_grow(RED_ZONE, STACK_SEGMENT, || match condition {
            Expr::Alias(alias) => self.narrowed(&alias.expr, truth),
            Expr::Not(inner) => self.narrowed(inner, !truth),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (op, truth) {
                (Operator::And, true) | (Operator::Or, false) => self.narrowed(left, truth)?.narrowed(right, truth),
                (Operator::Or, true) | (Operator::And, false) => {
                    match (self.clone().narrowed(left, truth), self.narrowed(right, truth)) {
                        (Some(l), Some(r)) => Some(l.or(r)),
                        (one, other) => one.or(other),
                    }
                }
                _ => self.and(Self::of(condition, truth)?),
            },
            _ => self.and(Self::of(condition, truth)?),
        })
    }

    fn or(self, mut other: Self) -> Self {
        let either = self.0.into_iter().filter_map(|(expr, values)| {
            let more = other.0.remove(&expr)?;
            Some((expr, values.or(more)))
        });
        Self(either.collect())
    }

    fn only(expr: &Expr, values: Values) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let expr = unwidened(expr);
        // What differs each time it is asked has no value.
        Some(if expr.is_volatile() { Self::default() } else { Self(HashMap::from([(expr.clone(), values)])) })
    }

    fn of_itself(condition: &Expr, truth: bool) -> Option<Self> {
        let value = ScalarValue::Boolean(Some(truth));
        Self::only(condition, Values::compared(Operator::Eq, &value)?)
    }

    fn of_operator(condition: &Expr, left: &Expr, op: Operator, right: &Expr, truth: bool) -> Option<Self> {
        match (op, truth) {
            (Operator::And, true) | (Operator::Or, false) => Self::of(left, truth)?.and(Self::of(right, truth)?),
            (Operator::Or, true) | (Operator::And, false) => match (Self::of(left, truth), Self::of(right, truth)) {
                (Some(l), Some(r)) => Some(l.or(r)),
                (one, other) => one.or(other),
            },
            _ => match (left, right) {
                (Expr::Literal(..), Expr::Literal(..)) => Self::of_itself(condition, truth),
                (e, Expr::Literal(value, _)) => Self::of_comparison(condition, e, op, value, truth),
                (Expr::Literal(value, _), e) => match op.swap() {
                    Some(op) => Self::of_comparison(condition, e, op, value, truth),
                    None => Self::of_itself(condition, truth),
                },
                _ => Self::of_itself(condition, truth),
            },
        }
    }

    fn of_comparison(condition: &Expr, e: &Expr, op: Operator, value: &ScalarValue, truth: bool) -> Option<Self> {
        let (same, other) = (Operator::IsNotDistinctFrom, Operator::IsDistinctFrom);
        if op == same || op == other {
            let is_same = (op == same) == truth;
            let values = match (value.is_null(), is_same) {
                (true, true) => Values::null(),
                (true, false) => Values::not_null(),
                (false, true) => Values::compared(Operator::Eq, value)?,
                (false, false) => Values::compared(Operator::NotEq, value)?.or_null(),
            };
            return Self::only(e, values);
        }
        let op = if truth { Some(op) } else { op.negate() };
        match op.and_then(|op| Values::compared(op, value)) {
            // NULL is the answer, whatever the row.
            Some(_) if value.is_null() => None,
            Some(values) => Self::only(e, values),
            None => Self::of_itself(condition, truth),
        }
    }

    fn of_list(list: &InList, truth: bool) -> Option<Self> {
        let constants: Option<Vec<&ScalarValue>> = list
            .list
            .iter()
            .map(|item| match item {
                Expr::Literal(value, _) => Some(value),
                _ => None,
            })
            .collect();
        let Some(constants) = constants else { return Self::only(&list.expr, Values::not_null()) };
        let filled = constants.iter().filter(|value| !value.is_null());
        if list.negated != truth {
            let values = filled.filter_map(|value| Values::compared(Operator::Eq, value));
            return Self::only(&list.expr, values.reduce(Values::or)?);
        }
        // Different from NULL is not true.
        if constants.iter().any(|value| value.is_null()) {
            return None;
        }
        let values = filled.filter_map(|value| Values::compared(Operator::NotEq, value));
        Self::only(&list.expr, values.fold(Values::not_null(), |all, other| all.and(&other)))
    }
}

/// The integer under what only widens it: values of all widths are compared as `Int64`.
fn unwidened(expr: &Expr) -> &Expr {
    match expr {
        Expr::ScalarFunction(call) if PgFunc::of(&call.func).is_some_and(|f| WIDENING.contains(&f.def.name)) => {
            call.args.first().map_or(expr, unwidened)
        }
        Expr::Alias(alias) => unwidened(&alias.expr),
        _ => expr,
    }
}
