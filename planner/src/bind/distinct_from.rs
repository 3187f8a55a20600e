//! `a IS DISTINCT FROM b AND c`: the parser takes `b AND c` for the operand, PostgreSQL takes `b`.
//!
//! What an operand swallowed is given back, from the innermost expression outwards: AND and OR bind less tightly than IS, and
//! NOT lies between. Parentheses the user wrote are nodes of their own, so nothing else looks like a swallowed operand.

use std::mem;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value, VisitMut, visit_expressions_mut};

pub(super) fn release_operands(parsed: &mut impl VisitMut) {
    let _ = visit_expressions_mut(parsed, |expr| {
        release(expr);
        ControlFlow::<()>::Continue(())
    });
}

fn release(expr: &mut Expr) {
    use BinaryOperator::{And, Or};
    let (operand, looser): (&mut Expr, &[BinaryOperator]) = match expr {
        Expr::IsDistinctFrom(_, operand) | Expr::IsNotDistinctFrom(_, operand) => (operand, &[And, Or]),
        Expr::UnaryOp { op: UnaryOperator::Not, expr: operand } => (operand, &[And, Or]),
        Expr::BinaryOp { op: And, right, .. } => (right, &[Or]),
        _ => return,
    };
    if !is_one_of(operand, looser) {
        return;
    }
    // The operand's tree moves up; the operator takes the place of its leftmost leaf, over that leaf.
    let mut tree = mem::replace(operand, placeholder());
    let mut leaf = &mut tree;
    while is_one_of(leaf, looser) {
        let Expr::BinaryOp { left, .. } = leaf else { return };
        leaf = left;
    }
    mem::swap(operand, leaf);
    // Now the operator has its own operand, and the leaf is the placeholder.
    *leaf = mem::replace(expr, placeholder());
    *expr = tree;
}

fn is_one_of(expr: &Expr, operators: &[BinaryOperator]) -> bool {
    matches!(expr, Expr::BinaryOp { op, .. } if operators.contains(op))
}

fn placeholder() -> Expr {
    Expr::Value(Value::Null.into())
}
