//! Comparisons and what is made of them: IS DISTINCT FROM, BETWEEN, IN. The registry's comparisons are DataFusion's own operators
//! over keys; other constructs take the keys from there.

use datafusion_expr::expr::InList;
use datafusion_expr::utils::disjunction;
use datafusion_expr::{Expr, Operator};
use sqlparser::ast::{self, UnaryOperator};

use super::super::{Binder, Clause, Scope};
use super::logic::{binary, negate};
use super::row::row_fields;
use crate::error::{Error, Result};
use crate::pgsem::registry::CastContext;
use crate::pgsem::{Typed, resolve};
use crate::pgtype::{PgType, oid};

/// The native operator behind a comparison's name.
pub(super) fn comparison(name: &str) -> Option<Operator> {
    Some(match name {
        "=" => Operator::Eq,
        "<>" | "!=" => Operator::NotEq,
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        ">=" => Operator::GtEq,
        _ => return None,
    })
}

fn boolean(expr: Expr) -> Typed {
    Typed::new(expr, PgType::BOOL)
}

impl Binder<'_> {
    /// `left op right` as PostgreSQL resolves it.
    pub(super) fn compare(&mut self, name: &str, left: Typed, right: Typed) -> Result<Typed> {
        let choice = resolve::infix(name, left.ty.oid, right.ty.oid)?;
        self.call(&choice, vec![left, right])
    }

    /// What `left op right` compares natively: both sides as keys of one carrier.
    pub(super) fn sides(&mut self, name: &str, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
        let choice = resolve::infix(name, left.ty.oid, right.ty.oid)?;
        match self.call_unfolded(&choice, vec![left, right])?.expr {
            Expr::BinaryExpr(b) => Ok((*b.left, *b.right)),
            _ => Err(Error::unsupported(format!("{} here", choice.described()))),
        }
    }

    pub(super) fn distinct_from(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        distinct: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let native = if distinct { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
        if row_fields(left).is_some() || row_fields(right).is_some() {
            return self.rows_distinct(left, right, distinct, scope, clause);
        }
        let l = self.expr(left, scope, clause)?;
        let r = self.expr(right, scope, clause)?;
        let (l, r) = self.sides("=", l, r)?;
        Ok(boolean(binary(l, native, r)))
    }

    pub(super) fn between(
        &mut self,
        e: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        match without_symmetric(low) {
            Some(low) => self.between_symmetric(e, &low, high, negated, scope, clause),
            None => self.between_bounds(e, low, high, negated, scope, clause),
        }
    }

    fn between_bounds(
        &mut self,
        e: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let rows = row_fields(e).is_some();
        let (first, second, join) = if negated { ("<", ">", Operator::Or) } else { (">=", "<=", Operator::And) };
        let (l, r) = if rows {
            (self.compare_rows(e, first, low, scope, clause)?, self.compare_rows(e, second, high, scope, clause)?)
        } else {
            let value = self.expr(e, scope, clause)?;
            let low = self.expr(low, scope, clause)?;
            let high = self.expr(high, scope, clause)?;
            self.between_values(value, low, high, negated)?
        };
        Ok(boolean(binary(l.expr, join, r.expr)))
    }

    fn between_values(&mut self, value: Typed, low: Typed, high: Typed, negated: bool) -> Result<(Typed, Typed)> {
        let (first, second) = if negated { ("<", ">") } else { (">=", "<=") };
        let l = self.compare(first, value.clone(), low)?;
        let r = self.compare(second, value, high)?;
        Ok((l, r))
    }

    /// `BETWEEN SYMMETRIC`: between the bounds in either order.
    fn between_symmetric(
        &mut self,
        e: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let one = self.between_bounds(e, low, high, negated, scope, clause)?;
        let other = self.between_bounds(e, high, low, negated, scope, clause)?;
        let join = if negated { Operator::And } else { Operator::Or };
        Ok(boolean(binary(one.expr, join, other.expr)))
    }

    /// `e [NOT] IN (list)` (`transformAExprIn`).
    pub(super) fn in_list(
        &mut self,
        e: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        if row_fields(e).is_some() {
            let mut equal = Vec::with_capacity(list.len());
            for item in list {
                equal.push(self.compare_rows(e, "=", item, scope, clause)?);
            }
            return Ok(finish_in(any_of(equal), negated));
        }
        let value = self.expr(e, scope, clause)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.expr(item, scope, clause)?);
        }
        let found = self.in_values(value, items)?;
        Ok(finish_in(found, negated))
    }

    /// Whether a value equals one of several.
    pub(super) fn in_values(&mut self, value: Typed, items: Vec<Typed>) -> Result<Typed> {
        let items = self.in_common_type(&value, items)?;
        let mut sides = Vec::with_capacity(items.len());
        for item in items {
            sides.push(self.sides("=", value.clone(), item)?);
        }
        let same_key = sides.windows(2).all(|w| w[0].0 == w[1].0);
        let constants = sides.iter().all(|(_, item)| matches!(item, Expr::Literal(..)));
        if same_key
            && constants
            && let Some((key, _)) = sides.first()
        {
            let key = key.clone();
            let list = sides.into_iter().map(|(_, item)| item).collect();
            return Ok(boolean(Expr::InList(InList::new(Box::new(key), list, false))));
        }
        Ok(any_of(sides.into_iter().map(|(l, r)| boolean(binary(l, Operator::Eq, r))).collect()))
    }

    /// Constants of a list get one type together with the value, if there is one; else each is compared by itself.
    fn in_common_type(&mut self, value: &Typed, items: Vec<Typed>) -> Result<Vec<Typed>> {
        let reads_row = |t: &Typed| t.expr.any_column_refs() || t.expr.contains_outer();
        let constants = items.iter().filter(|t| !reads_row(t)).count();
        if constants < 2 {
            return Ok(items);
        }
        let all: Vec<u32> =
            std::iter::once(value).chain(items.iter().filter(|t| !reads_row(t))).map(|t| t.ty.oid).collect();
        let Ok(ty) = resolve::common::common_type(&all) else { return Ok(items) };
        if !resolve::coerce::can_coerce(&all, &vec![ty; all.len()], CastContext::Implicit) || ty == oid::RECORD {
            return Ok(items);
        }
        let coerce =
            |t: Typed| if reads_row(&t) { Ok(t) } else { self.coerce(t, PgType::of(ty), CastContext::Implicit) };
        items.into_iter().map(coerce).collect()
    }
}

/// The bound behind the mark of `BETWEEN SYMMETRIC` (`respell`), which the parser ties to the bound's first operand.
fn without_symmetric(low: &ast::Expr) -> Option<ast::Expr> {
    match low {
        ast::Expr::UnaryOp { op: UnaryOperator::PGPrefixFactorial, expr } => Some(expr.as_ref().clone()),
        ast::Expr::BinaryOp { left, op, right } => {
            Some(ast::Expr::BinaryOp { left: Box::new(without_symmetric(left)?), op: op.clone(), right: right.clone() })
        }
        _ => None,
    }
}

fn finish_in(found: Typed, negated: bool) -> Typed {
    if negated { negate(found) } else { found }
}

/// A disjunction of little depth.
pub(super) fn any_of(mut tests: Vec<Typed>) -> Typed {
    while tests.len() > 2 {
        let pairs = tests.chunks(2).map(|pair| boolean(join(pair)));
        tests = pairs.collect();
    }
    boolean(join(&tests))
}

fn join(tests: &[Typed]) -> Expr {
    disjunction(tests.iter().map(|t| t.expr.clone())).unwrap_or(datafusion_expr::lit(false))
}
