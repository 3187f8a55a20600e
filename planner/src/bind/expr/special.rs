//! Functions with a syntax of their own: each is an ordinary function by another spelling (`gram.y`).

use sqlparser::ast::{self, DateTimeField, TrimWhereField};

use super::super::{Binder, Clause, Scope};
use super::literal::{int4, text};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::registry::CastContext;
use crate::pgtype::{PgType, oid};

impl Binder<'_> {
    pub(super) fn extract(
        &mut self,
        field: &DateTimeField,
        e: &ast::Expr,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let name = match field {
            DateTimeField::Custom(ident) => ident.value.to_lowercase(),
            other => other.to_string().to_lowercase(),
        };
        let value = self.expr(e, scope, clause)?;
        self.function_call("extract", vec![text(&name), value])
    }

    pub(super) fn substring(
        &mut self,
        e: &ast::Expr,
        from: Option<&ast::Expr>,
        count: Option<&ast::Expr>,
        name: &str,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let mut args = vec![self.expr(e, scope, clause)?];
        match (from, count) {
            (Some(from), count) => {
                args.push(self.expr(from, scope, clause)?);
                if let Some(count) = count {
                    args.push(self.expr(count, scope, clause)?);
                }
            }
            (None, Some(count)) => {
                args.push(int4(1));
                let count = self.expr(count, scope, clause)?;
                args.push(self.coerce(count, PgType::INT4, CastContext::Explicit)?);
            }
            (None, None) => {}
        }
        self.function_call(name, args)
    }

    pub(super) fn overlay(
        &mut self,
        args: [&ast::Expr; 3],
        count: Option<&ast::Expr>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let args: Vec<&ast::Expr> = args.into_iter().chain(count).collect();
        let args = self.exprs(args, scope, clause)?;
        self.function_call("overlay", args)
    }

    pub(super) fn trim(
        &mut self,
        side: Option<TrimWhereField>,
        what: Option<&ast::Expr>,
        e: &ast::Expr,
        characters: Option<&[ast::Expr]>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let name = match side {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            Some(TrimWhereField::Both) | None => "btrim",
        };
        let args: Vec<&ast::Expr> = std::iter::once(e).chain(what).chain(characters.into_iter().flatten()).collect();
        let args = self.exprs(args, scope, clause)?;
        self.function_call(name, args)
    }

    pub(super) fn ceil_floor(
        &mut self,
        name: &str,
        e: &ast::Expr,
        kind: &ast::CeilFloorKind,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let mut args = vec![self.expr(e, scope, clause)?];
        match kind {
            ast::CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
            ast::CeilFloorKind::Scale(scale) => args.push(self.literal(&scale.value)?),
            ast::CeilFloorKind::DateTimeField(_) => {
                return Err(Error::new(state::SYNTAX_ERROR, "syntax error at or near \"TO\""));
            }
        }
        self.function_call(name, args)
    }

    /// `current_date` and the other functions without parentheses.
    pub(super) fn value_function(&mut self, name: &str, precision: Option<i32>) -> Result<Option<Typed>> {
        let ty = match name {
            "current_date" => PgType::DATE,
            "current_timestamp" => PgType::TIMESTAMPTZ,
            "localtimestamp" => PgType::TIMESTAMP,
            "localtime" => PgType::TIME,
            "current_time" => PgType::of(oid::TIMETZ),
            _ => return self.session_value(name),
        };
        let now = self.function_call("now", Vec::new())?;
        let ty = PgType { typmod: precision.map_or(-1, |p| p.clamp(0, 6)), ..ty };
        self.coerce(now, ty, CastContext::Explicit).map(Some)
    }
}
