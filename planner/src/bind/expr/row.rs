//! Row values: comparisons of `(a, b)` are expanded into comparisons of their fields, three-valued logic included.

use datafusion_expr::utils::{conjunction, disjunction};
use datafusion_expr::{Expr, Operator, lit};
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::super::scope::fold;
use super::super::{Binder, Clause, Scope};
use super::compare::comparison;
use super::logic::binary;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::resolve;
use crate::pgsem::resolve::FunctionChoice;
use crate::pgtype::PgType;

/// The fields of `(a, b)` or `ROW(a, b)`.
pub(super) fn row_fields(e: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match e {
        ast::Expr::Nested(inner) => row_fields(inner),
        ast::Expr::Tuple(fields) => Some(fields.iter().collect()),
        ast::Expr::Function(f) if is_row_constructor(f) => match &f.args {
            FunctionArguments::List(list) => list
                .args
                .iter()
                .map(|a| match a {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
                    _ => None,
                })
                .collect(),
            _ => None,
        },
        _ => None,
    }
}

fn is_row_constructor(f: &ast::Function) -> bool {
    f.over.is_none()
        && f.filter.is_none()
        && matches!(f.name.0.as_slice(), [ast::ObjectNamePart::Identifier(i)] if i.quote_style.is_none() && fold(i) == "row")
}

fn unequal() -> Error {
    Error::new(state::SYNTAX_ERROR, "unequal number of entries in row expressions")
}

impl Binder<'_> {
    /// The fields of both sides, bound, pair by pair.
    fn field_pairs(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Vec<(Typed, Typed)>> {
        let (Some(l), Some(r)) = (row_fields(left), row_fields(right)) else {
            return Err(Error::unsupported("a comparison of a row with another expression"));
        };
        if l.len() != r.len() {
            return Err(unequal());
        }
        let mut pairs = Vec::with_capacity(l.len());
        for (l, r) in l.into_iter().zip(r) {
            pairs.push((self.expr(l, scope, clause)?, self.expr(r, scope, clause)?));
        }
        Ok(pairs)
    }

    pub(super) fn compare_rows(
        &mut self,
        left: &ast::Expr,
        name: &str,
        right: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let pairs = self.field_pairs(left, right, scope, clause)?;
        self.compare_fields(name, pairs)
    }

    /// `=` holds if all fields are equal, `<>` if any differs, an order is that of the first fields that differ.
    pub(super) fn compare_fields(&mut self, name: &str, pairs: Vec<(Typed, Typed)>) -> Result<Typed> {
        let Some(native) = comparison(name) else {
            return Err(Error::unsupported(format!("operator {name} over rows")));
        };
        if pairs.is_empty() {
            return Err(Error::unsupported("a comparison of empty rows"));
        }
        let expr = match native {
            Operator::Eq | Operator::NotEq => {
                let mut each = Vec::with_capacity(pairs.len());
                for (l, r) in pairs {
                    each.push(self.compare(name, l, r)?.expr);
                }
                if native == Operator::Eq { conjunction(each) } else { disjunction(each) }.unwrap_or(lit(true))
            }
            _ => self.order_fields(native, pairs)?,
        };
        Ok(Typed::new(expr, PgType::BOOL))
    }

    /// `a1 < b1 OR (a1 = b1 AND (a2 < b2 OR …))`, from the last field on.
    fn order_fields(&mut self, native: Operator, pairs: Vec<(Typed, Typed)>) -> Result<Expr> {
        let (strict, name) = match native {
            Operator::Lt | Operator::LtEq => (Operator::Lt, "<"),
            _ => (Operator::Gt, ">"),
        };
        let mut result: Option<Expr> = None;
        for (l, r) in pairs.into_iter().rev() {
            let (l, r) = self.sides(name, l, r)?;
            result = Some(match result {
                None => binary(l, native, r),
                Some(rest) => binary(l.clone(), strict, r.clone()).or(binary(l, Operator::Eq, r).and(rest)),
            });
        }
        Ok(result.unwrap_or(lit(true)))
    }

    pub(super) fn rows_distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        distinct: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let native = if distinct { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
        let mut each = Vec::new();
        for (l, r) in self.field_pairs(left, right, scope, clause)? {
            let (l, r) = self.sides("=", l, r)?;
            each.push(binary(l, native, r));
        }
        let all = if distinct { disjunction(each) } else { conjunction(each) };
        Ok(Typed::new(all.unwrap_or(lit(!distinct)), PgType::BOOL))
    }

    /// `(start, end) OVERLAPS (start, end)`.
    pub(super) fn overlaps(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let (Some(l), Some(r)) = (row_fields(left), row_fields(right)) else {
            return Err(Error::new(state::SYNTAX_ERROR, "syntax error at or near \"OVERLAPS\""));
        };
        for (side, fields) in [("left", &l), ("right", &r)] {
            if fields.len() != 2 {
                let message = format!("wrong number of parameters on {side} side of OVERLAPS expression");
                return Err(Error::new(state::SYNTAX_ERROR, message));
            }
        }
        let mut args = Vec::with_capacity(4);
        for field in l.into_iter().chain(r) {
            args.push(self.expr(field, scope, clause)?);
        }
        let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
        match resolve::function("overlaps", &types, &[])? {
            FunctionChoice::Call(choice) => self.call(&choice, args),
            FunctionChoice::Cast(_) => Err(Error::internal("overlaps is no type")),
        }
    }
}
