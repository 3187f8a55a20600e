//! Expressions: from syntax to a typed expression by PostgreSQL's rules (`parse_expr.c`).
//!
//! Types decide everything, so each construct first binds its parts, then asks `pgsem::resolve` what is meant, then casts the
//! parts. Errors carry the position of the smallest syntax node that knows one.

mod aggregate;
mod array;
mod case;
mod coerce;
mod compare;
mod definition;
mod fold;
mod function;
mod guard;
mod literal;
mod logic;
mod operator;
mod pattern;
mod row;
mod special;
mod subquery;
mod system;
mod types;
mod window;

use datafusion_expr::Expr;
use sqlparser::ast::{self, CastKind, Spanned};

use super::{Binder, Clause, Scope};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::registry::CastContext;

pub(crate) use guard::merged_filter;
pub(crate) use types::pg_type;

impl Binder<'_> {
    /// Binds an expression. Aggregate calls are left in it as `Expr::AggregateFunction`, window calls as
    /// `Expr::WindowFunction` (over what `bind_window` gives), `grouping(…)` as the aggregate of that name, set-returning calls
    /// as `Expr::Unnest` of a list with the element's type. What WHERE, HAVING, ON and FILTER hold is boolean.
    pub fn bind_expr(&mut self, e: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        match clause {
            Clause::Where | Clause::Having | Clause::JoinOn | Clause::Filter => self.condition(e, scope, clause),
            _ => self.expr(e, scope, clause),
        }
    }

    /// One node of an expression.
    fn expr(&mut self, e: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        self.nested(|binder| binder.at(e, |b| b.node(e, scope, clause)))
    }

    /// Gives errors the node's position, unless something inside knew a better one.
    fn at<T>(&mut self, e: &ast::Expr, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        f(self).map_err(|error| error.or_position(self.position(e.span())))
    }

    fn exprs<'e>(
        &mut self,
        all: impl IntoIterator<Item = &'e ast::Expr>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Vec<Typed>> {
        all.into_iter().map(|e| self.expr(e, scope, clause)).collect()
    }

    fn node(&mut self, e: &ast::Expr, scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        use ast::Expr as E;
        match e {
            E::Identifier(ident) => self.column(std::slice::from_ref(ident), scope),
            E::CompoundIdentifier(parts) => self.column(parts, scope),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope, clause),
            E::Nested(inner) => self.expr(inner, scope, clause),
            E::Value(value) => self.literal(&value.value),
            E::TypedString(typed) => self.typed_string(typed),
            E::Interval(interval) => self.interval(interval, scope, clause),
            E::BinaryOp { left, op, right } => self.binary_op(left, op, right, scope, clause),
            E::UnaryOp { op, expr } => self.unary_op(*op, expr, scope, clause),
            E::IsTrue(e) => self.truth_test(e, "IS TRUE", Expr::IsTrue, scope, clause),
            E::IsNotTrue(e) => self.truth_test(e, "IS NOT TRUE", Expr::IsNotTrue, scope, clause),
            E::IsFalse(e) => self.truth_test(e, "IS FALSE", Expr::IsFalse, scope, clause),
            E::IsNotFalse(e) => self.truth_test(e, "IS NOT FALSE", Expr::IsNotFalse, scope, clause),
            E::IsUnknown(e) => self.truth_test(e, "IS UNKNOWN", Expr::IsNull, scope, clause),
            E::IsNotUnknown(e) => self.truth_test(e, "IS NOT UNKNOWN", Expr::IsNotNull, scope, clause),
            E::IsNull(e) => self.null_test(e, true, scope, clause),
            E::IsNotNull(e) => self.null_test(e, false, scope, clause),
            E::IsDistinctFrom(l, r) => self.distinct_from(l, r, true, scope, clause),
            E::IsNotDistinctFrom(l, r) => self.distinct_from(l, r, false, scope, clause),
            E::IsNormalized { expr, form, negated } => self.is_normalized(expr, form.as_ref(), *negated, scope, clause),
            E::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope, clause),
            E::InSubquery { expr, subquery, negated } => {
                self.in_subquery(expr, subquery, *negated, false, scope, clause)
            }
            E::Between { expr, negated, low, high } => self.between(expr, low, high, *negated, scope, clause),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, if *negated { "!~~" } else { "~~" }, pattern, escape_char.as_ref(), scope, clause)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, if *negated { "!~~*" } else { "~~*" }, pattern, escape_char.as_ref(), scope, clause)
            }
            E::Like { negated, any: true, expr, pattern, escape_char: None } => {
                self.quantified(expr, if *negated { "!~~" } else { "~~" }, pattern, false, scope, clause)
            }
            E::ILike { negated, any: true, expr, pattern, escape_char: None } => {
                self.quantified(expr, if *negated { "!~~*" } else { "~~*" }, pattern, false, scope, clause)
            }
            E::SimilarTo { negated, expr, pattern, escape_char } => {
                self.similar(expr, *negated, pattern, escape_char.as_ref(), scope, clause)
            }
            E::AnyOp { left, compare_op, right, .. } => {
                self.quantified(left, &operator::operator_name(compare_op)?, right, false, scope, clause)
            }
            E::AllOp { left, compare_op, right } => {
                self.quantified(left, &operator::operator_name(compare_op)?, right, true, scope, clause)
            }
            E::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, array: false, format: None } => {
                self.written_cast(expr, data_type, scope, clause)
            }
            E::AtTimeZone { timestamp, time_zone } => {
                let args = self.exprs([time_zone.as_ref(), timestamp.as_ref()], scope, clause)?;
                self.function_call("timezone", args)
            }
            E::Extract { field, expr, .. } => self.extract(field, expr, scope, clause),
            E::Ceil { expr, field } => self.ceil_floor("ceil", expr, field, scope, clause),
            E::Floor { expr, field } => self.ceil_floor("floor", expr, field, scope, clause),
            E::Position { expr, r#in } => {
                let args = self.exprs([r#in.as_ref(), expr.as_ref()], scope, clause)?;
                self.function_call("position", args)
            }
            E::Substring { expr, substring_from, substring_for, shorthand, .. } => {
                let name = if *shorthand { "substr" } else { "substring" };
                self.substring(expr, substring_from.as_deref(), substring_for.as_deref(), name, scope, clause)
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(*trim_where, trim_what.as_deref(), expr, trim_characters.as_deref(), scope, clause)
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.overlay([expr, overlay_what, overlay_from], overlay_for.as_deref(), scope, clause)
            }
            E::Collate { expr, collation } => self.collate(expr, collation, scope, clause),
            E::Function(function) => self.function(function, scope, clause),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope, clause)
            }
            E::Exists { subquery, negated } => self.exists(subquery, *negated, scope),
            E::Subquery(query) => self.scalar_subquery(query, scope),
            E::Array(array) => self.array(&array.elem, None, scope, clause),
            E::Tuple(_) => Err(Error::unsupported("a row as a value")),
            other => Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{other}\""))),
        }
    }

    fn column(&mut self, parts: &[ast::Ident], scope: &Scope<'_>) -> Result<Typed> {
        if let [ident] = parts
            && ident.quote_style.is_none()
            && let Some(value) = self.value_function(&ident.value.to_lowercase(), None)?
        {
            return Ok(value);
        }
        scope.resolve(parts)
    }

    fn written_cast(
        &mut self,
        e: &ast::Expr,
        data_type: &ast::DataType,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let ty = pg_type(data_type)?;
        let typed = match unparenthesised(e) {
            ast::Expr::Array(array) if ty.is_array() => self.array(&array.elem, Some(ty), scope, clause)?,
            _ => self.expr(e, scope, clause)?,
        };
        // A vector as an array still counts from 0, which no other array does.
        if typed.ty.is_vector() && typed.ty.element() == ty.element() {
            return Ok(typed);
        }
        self.at(e, |b| b.coerce(typed, ty, CastContext::Explicit))
    }
}

fn unparenthesised(e: &ast::Expr) -> &ast::Expr {
    match e {
        ast::Expr::Nested(inner) => unparenthesised(inner),
        other => other,
    }
}
