//! LIKE, ILIKE, SIMILAR TO.

use sqlparser::ast;

use super::super::{Binder, Clause, Scope};
use super::literal::unknown;
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;

impl Binder<'_> {
    /// LIKE and ILIKE are the operators `~~`, `!~~`, `~~*`, `!~~*`.
    pub(super) fn like(
        &mut self,
        e: &ast::Expr,
        operator: &str,
        pattern: &ast::Expr,
        escape: Option<&ast::ValueWithSpan>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let value = self.expr(e, scope, clause)?;
        let mut pattern = self.expr(pattern, scope, clause)?;
        if let Some(escape) = escape {
            let escape = self.literal(&escape.value)?;
            pattern = self.function_call("like_escape", vec![pattern, escape])?;
        }
        self.operator(operator, vec![value, pattern])
    }

    /// SIMILAR TO is `~` with a translated pattern.
    pub(super) fn similar(
        &mut self,
        e: &ast::Expr,
        negated: bool,
        pattern: &ast::Expr,
        escape: Option<&ast::ValueWithSpan>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let value = self.expr(e, scope, clause)?;
        let mut args = vec![self.expr(pattern, scope, clause)?];
        if let Some(escape) = escape {
            args.push(self.literal(&escape.value)?);
        }
        let pattern = self.function_call("similar_to_escape", args)?;
        self.operator(if negated { "!~" } else { "~" }, vec![value, pattern])
    }

    pub(super) fn is_normalized(
        &mut self,
        e: &ast::Expr,
        form: Option<&ast::NormalizationForm>,
        negated: bool,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let value = self.expr(e, scope, clause)?;
        let form = form.map_or_else(|| "NFC".to_string(), ToString::to_string);
        let typed = self.function_call("is_normalized", vec![value, unknown(&form)])?;
        Ok(if negated { super::logic::negate(typed) } else { typed })
    }

    /// Collation C is the only one, under its several names.
    pub(super) fn collate(
        &mut self,
        e: &ast::Expr,
        collation: &ast::ObjectName,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let typed = self.expr(e, scope, clause)?;
        let typed = self.settle(typed)?;
        if !typed.ty.is_string() && typed.ty.element().is_none_or(|t| !t.is_string()) {
            let message = format!("collations are not supported by type {}", typed.ty.without_typmod());
            return Err(Error::new(state::DATATYPE_MISMATCH, message));
        }
        let parts: Vec<String> =
            collation.0.iter().filter_map(|p| p.as_ident()).map(super::super::scope::fold).collect();
        let names: Vec<&str> = parts.iter().map(String::as_str).collect();
        match names[..] {
            ["C" | "POSIX" | "default" | "ucs_basic"] | ["pg_catalog", "C" | "POSIX" | "default" | "ucs_basic"] => {
                Ok(typed)
            }
            _ => Err(Error::unsupported(format!("collation \"{}\"", names.join(".")))),
        }
    }
}
