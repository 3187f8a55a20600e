//! AND, OR, NOT, IS [NOT] TRUE/FALSE/UNKNOWN/NULL/DISTINCT FROM, and conditions.

use datafusion_expr::utils::conjunction;
use datafusion_expr::{BinaryExpr, Expr, Operator, lit};
use sqlparser::ast::{self, BinaryOperator};

use super::super::{Binder, Clause, Scope};
use super::guard;
use super::row::row_fields;
use crate::error::Result;
use crate::pgsem::Typed;
use crate::pgtype::PgType;

fn boolean(expr: Expr) -> Typed {
    Typed::new(expr, PgType::BOOL)
}

pub(super) fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// The conditions joined by AND, from left to right.
fn conjuncts<'e>(e: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    let mut spine = Vec::new();
    let mut e = e;
    loop {
        match e {
            ast::Expr::Nested(inner) => e = inner,
            ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                spine.push(right.as_ref());
                e = left;
            }
            _ => break,
        }
    }
    out.push(e);
    for right in spine.into_iter().rev() {
        match right {
            ast::Expr::Nested(_) => conjuncts(right, out),
            other => out.push(other),
        }
    }
}

impl Binder<'_> {
    /// WHERE, HAVING, ON, FILTER: what must be true for a row to count.
    pub(super) fn condition(&mut self, e: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        let what = match clause {
            Clause::JoinOn => "JOIN/ON",
            other => other.name(),
        };
        let mut parts = Vec::new();
        conjuncts(e, &mut parts);
        let what = if parts.len() == 1 { what } else { "AND" };
        let mut bound = Vec::with_capacity(parts.len());
        for part in parts {
            let typed = self.expr(part, scope, clause)?;
            bound.push(self.at(part, |b| b.coerce_boolean(typed, what))?.expr);
        }
        Ok(boolean(conjunction(guard::conditions(bound)?).unwrap_or(lit(true))))
    }

    pub(super) fn logical(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let and = *op == BinaryOperator::And;
        let what = if and { "AND" } else { "OR" };
        let l = self.expr(left, scope, clause)?;
        let l = self.at(left, |b| b.coerce_boolean(l, what))?.expr;
        let r = self.expr(right, scope, clause)?;
        let r = self.at(right, |b| b.coerce_boolean(r, what))?.expr;
        let r = guard::after(&l, r, and)?;
        Ok(boolean(binary(l, if and { Operator::And } else { Operator::Or }, r)))
    }

    pub(super) fn not(&mut self, e: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        let typed = self.expr(e, scope, clause)?;
        let typed = self.at(e, |b| b.coerce_boolean(typed, "NOT"))?;
        Ok(negate(typed))
    }

    /// `IS TRUE` and its kin.
    pub(super) fn truth_test(
        &mut self,
        e: &ast::Expr,
        what: &str,
        test: fn(Box<Expr>) -> Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let typed = self.expr(e, scope, clause)?;
        let typed = self.at(e, |b| b.coerce_boolean(typed, what))?;
        Ok(boolean(test(Box::new(typed.expr))))
    }

    /// A row is NULL if all its fields are, and NOT NULL if none is.
    pub(super) fn null_test(
        &mut self,
        e: &ast::Expr,
        is_null: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let test = |e: Expr| if is_null { e.is_null() } else { e.is_not_null() };
        let Some(fields) = row_fields(e) else {
            let typed = self.expr(e, scope, clause)?;
            let typed = self.settle(typed)?;
            return Ok(boolean(test(typed.expr)));
        };
        let mut tests = Vec::with_capacity(fields.len());
        for field in fields {
            let typed = self.expr(field, scope, clause)?;
            tests.push(test(self.settle(typed)?.expr));
        }
        Ok(boolean(conjunction(tests).unwrap_or(lit(true))))
    }
}

pub(super) fn negate(typed: Typed) -> Typed {
    boolean(match typed.expr {
        Expr::InSubquery(s) => Expr::InSubquery(datafusion_expr::expr::InSubquery { negated: !s.negated, ..s }),
        Expr::Exists(s) => Expr::Exists(datafusion_expr::expr::Exists { negated: !s.negated, ..s }),
        Expr::InList(s) => Expr::InList(datafusion_expr::expr::InList { negated: !s.negated, ..s }),
        other => Expr::Not(Box::new(other)),
    })
}
