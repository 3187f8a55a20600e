//! CASE, COALESCE, NULLIF, GREATEST and LEAST.

use datafusion_common::ScalarValue;
use datafusion_expr::{Case, Expr};
use sqlparser::ast;

use super::super::{Binder, Clause, Scope};
use super::guard;
use super::logic::binary;
use crate::error::{Error, Result};
use crate::pgsem::conditional;
use crate::pgsem::registry::CastContext;
use crate::pgsem::{Typed, resolve};
use datafusion_expr::Operator;

impl Binder<'_> {
    pub(super) fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let operand = match operand {
            Some(e) => {
                let typed = self.expr(e, scope, clause)?;
                Some(self.settle(typed)?)
            }
            None => None,
        };
        let mut tests = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for branch in branches {
            let when = self.expr(&branch.condition, scope, clause)?;
            tests.push(match &operand {
                Some(operand) => self.at(&branch.condition, |b| b.sides("=", operand.clone(), when))?,
                None => {
                    let when = self.at(&branch.condition, |b| b.coerce_boolean(when, "CASE/WHEN"))?;
                    (Expr::Literal(ScalarValue::Boolean(Some(true)), None), when.expr)
                }
            });
        }
        // PostgreSQL looks at ELSE first when it chooses the type.
        results.push(match otherwise {
            Some(e) => self.expr(e, scope, clause)?,
            None => super::literal::unknown_null(),
        });
        for branch in branches {
            results.push(self.expr(&branch.result, scope, clause)?);
        }
        let mut results = self.unify(results, "CASE")?.into_iter();
        let Some(first) = results.next() else { return Err(Error::internal("CASE without a result")) };
        let (ty, repr) = (first.ty, first.repr.clone());
        let else_expr = otherwise.map(|_| Box::new(first.expr));
        let thens: Vec<Expr> = results.map(|t| t.expr).collect();
        let case = assemble(operand.is_some(), tests, thens, else_expr);
        Ok(Typed::with_repr(Expr::Case(guard::keep_case(case)), ty, repr))
    }

    pub(super) fn coalesce(&mut self, args: Vec<Typed>) -> Result<Typed> {
        let args = self.unify(args, "COALESCE")?;
        // An argument that may fail must not be computed for the rows that do not need it.
        if args.iter().skip(1).all(|a| !guard::may_fail(&a.expr)) {
            return Ok(super::fold::fold(conditional::coalesce(args)));
        }
        let Some((last, first)) = args.split_last() else { return Err(Error::internal("COALESCE of nothing")) };
        let branch = |t: &Typed| (Box::new(t.expr.clone().is_not_null()), Box::new(t.expr.clone()));
        let case = Case {
            expr: None,
            when_then_expr: first.iter().map(branch).collect(),
            else_expr: Some(Box::new(last.expr.clone())),
        };
        Ok(Typed::with_repr(Expr::Case(guard::keep_case(case)), last.ty, last.repr.clone()))
    }

    /// The first argument, unless both are equal by the operator `=` that PostgreSQL chooses.
    pub(super) fn nullif(&mut self, left: Typed, right: Typed) -> Result<Typed> {
        let choice = resolve::infix("=", left.ty.oid, right.ty.oid)?;
        let value = self.coerce(left.clone(), choice.args[0], CastContext::Implicit)?;
        let (l, r) = self.sides("=", left, right)?;
        let null = ScalarValue::try_from(&value.repr).unwrap_or(ScalarValue::Null);
        let case = Case {
            expr: None,
            when_then_expr: vec![(Box::new(binary(l, Operator::Eq, r)), Box::new(Expr::Literal(null, None)))],
            else_expr: Some(Box::new(value.expr)),
        };
        Ok(Typed::with_repr(Expr::Case(guard::keep_case(case)), value.ty, value.repr))
    }

    pub(super) fn extreme(&mut self, args: Vec<Typed>, greatest: bool) -> Result<Typed> {
        let args = self.unify(args, if greatest { "GREATEST" } else { "LEAST" })?;
        Ok(super::fold::fold(conditional::extreme(args, greatest)?))
    }
}

/// With an operand that is the same key in each comparison it is computed once; otherwise each branch has its own condition.
fn assemble(has_operand: bool, tests: Vec<(Expr, Expr)>, thens: Vec<Expr>, else_expr: Option<Box<Expr>>) -> Case {
    let same = tests.windows(2).all(|w| w[0].0 == w[1].0);
    let operand = tests.first().filter(|_| has_operand && same).map(|(key, _)| Box::new(key.clone()));
    let when = |(key, value): (Expr, Expr)| match (&operand, has_operand) {
        (None, true) => binary(key, Operator::Eq, value),
        _ => value,
    };
    let when_then_expr = tests.into_iter().zip(thens).map(|(t, then)| (Box::new(when(t)), Box::new(then))).collect();
    Case { expr: operand, when_then_expr, else_expr }
}
