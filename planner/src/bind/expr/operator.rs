//! Operators (`transformAExprOp`, `make_op`).

use sqlparser::ast::{self, BinaryOperator, UnaryOperator};

use super::super::{Binder, Clause, Scope};
use super::compare::comparison;
use super::fold::fold;
use super::literal::number;
use super::row::row_fields;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::registry::{CastContext, Target};
use crate::pgsem::resolve::{self, Choice};
use crate::pgtype::oid;

impl Binder<'_> {
    pub(super) fn binary_op(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        match op {
            BinaryOperator::And | BinaryOperator::Or => return self.logical(left, op, right, scope, clause),
            BinaryOperator::Overlaps => return self.overlaps(left, right, scope, clause),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                if let Some(regrouped) = regroup_prefix(left, op, right) {
                    return self.expr(&regrouped, scope, clause);
                }
            }
            _ => {}
        }
        let name = operator_name(op)?;
        if comparison(&name).is_some() && (row_fields(left).is_some() || row_fields(right).is_some()) {
            return self.compare_rows(left, &name, right, scope, clause);
        }
        let l = self.expr(left, scope, clause)?;
        let r = self.expr(right, scope, clause)?;
        self.operator(&name, vec![l, r])
    }

    /// An operator over bound operands, chosen as if it were written between them.
    pub fn operator(&mut self, name: &str, operands: Vec<Typed>) -> Result<Typed> {
        let name = if name == "!=" { "<>" } else { name };
        let choice = match &operands[..] {
            [one] => resolve::prefix(name, one.ty.oid)?,
            [l, r] => resolve::infix(name, l.ty.oid, r.ty.oid)?,
            _ => return Err(Error::internal("an operator has one or two operands")),
        };
        self.call(&choice, operands)
    }

    pub(super) fn unary_op(
        &mut self,
        op: UnaryOperator,
        operand: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let name = match op {
            UnaryOperator::Not => return self.not(operand, scope, clause),
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            other => {
                return Err(Error::new(state::UNDEFINED_FUNCTION, format!("operator does not exist: {other}")));
            }
        };
        if name == "-" || name == "+" {
            if let Some(regrouped) = regroup_sign(op, operand) {
                return self.expr(&regrouped, scope, clause);
            }
            if let ast::Expr::Value(v) = operand
                && let ast::Value::Number(digits, _) = &v.value
                && name == "-"
            {
                return number(&format!("-{}", digits.replace('_', "")));
            }
        }
        let typed = self.expr(operand, scope, clause)?;
        self.operator(name, vec![typed])
    }

    /// The call of an operator or scalar function that has been chosen.
    pub(super) fn call(&mut self, choice: &Choice, args: Vec<Typed>) -> Result<Typed> {
        self.call_unfolded(choice, args).map(fold)
    }

    pub(super) fn call_unfolded(&mut self, choice: &Choice, args: Vec<Typed>) -> Result<Typed> {
        let Some(signature) = choice.scalar() else { return Err(Error::unsupported(choice.described())) };
        let args = self.coerce_arguments(choice, args)?;
        let mut typed = match signature.target {
            Target::Func(def) => def.apply(args, choice.ret),
            Target::Build(build) => build(self.ctx, args)?,
        };
        if typed.ty.oid != choice.ret.oid {
            typed.ty = choice.ret;
        }
        Ok(typed)
    }

    pub(super) fn coerce_arguments(&mut self, choice: &Choice, args: Vec<Typed>) -> Result<Vec<Typed>> {
        let mut coerced = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(&choice.args) {
            let anything = ty.oid == oid::ANY && arg.ty.oid != oid::UNKNOWN;
            coerced.push(if anything { arg } else { self.coerce(arg, *ty, CastContext::Implicit)? });
        }
        Ok(coerced)
    }
}

/// An operator's name; `OPERATOR(pg_catalog.+)` may be qualified.
pub(super) fn operator_name(op: &BinaryOperator) -> Result<String> {
    match op {
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [name] => Ok(name.clone()),
            [schema, name] if schema.eq_ignore_ascii_case("pg_catalog") => Ok(name.clone()),
            _ => Err(Error::new(state::UNDEFINED_FUNCTION, format!("operator does not exist: {}", parts.join(".")))),
        },
        other => Ok(other.to_string()),
    }
}

fn unary(op: UnaryOperator, expr: ast::Expr) -> ast::Expr {
    ast::Expr::UnaryOp { op, expr: Box::new(expr) }
}

/// A sign binds more tightly than `^`, AT TIME ZONE and COLLATE bind more tightly than a sign: the parser has only the latter.
fn regroup_sign(op: UnaryOperator, operand: &ast::Expr) -> Option<ast::Expr> {
    let ast::Expr::BinaryOp { left, op: power @ (BinaryOperator::PGExp | BinaryOperator::BitwiseXor), right } = operand
    else {
        return None;
    };
    let left = unary(op, left.as_ref().clone());
    Some(ast::Expr::BinaryOp { left: Box::new(left), op: power.clone(), right: right.clone() })
}

/// Prefix operators other than signs bind less tightly than `+` and `-`: `~ 1 + 2 - 3` is `~ (1 + 2 - 3)`. The parser reads
/// `((~ 1) + 2) - 3`.
fn regroup_prefix(left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Option<ast::Expr> {
    /// Sums longer than this are not looked through.
    const MAX_TERMS: usize = 32;
    use UnaryOperator::{BitwiseNot, PGAbs, PGCubeRoot, PGSquareRoot};
    let mut terms = vec![(op, right)];
    let mut first = left;
    let prefix = loop {
        match first {
            ast::Expr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right }
                if terms.len() < MAX_TERMS =>
            {
                terms.push((op, right.as_ref()));
                first = left;
            }
            ast::Expr::UnaryOp { op: prefix @ (BitwiseNot | PGAbs | PGSquareRoot | PGCubeRoot), expr } => {
                first = expr;
                break *prefix;
            }
            _ => return None,
        }
    };
    let sum = terms.into_iter().rev().fold(first.clone(), |sum, (op, term)| ast::Expr::BinaryOp {
        left: Box::new(sum),
        op: op.clone(),
        right: Box::new(term.clone()),
    });
    Some(unary(prefix, sum))
}
