//! Comparison keys: what `=`, GROUP BY, DISTINCT, ORDER BY and joins compare instead of the value.
//!
//! PostgreSQL calls two values equal that may look different (`1.0` and `1.00`, `-0` and `0`, `1 day` and `24 hours`). DataFusion
//! compares representations, so it gets a key; where the key is not the value, the value of one member stands for its group.

use datafusion_expr::Expr;
use datafusion_expr::expr::Sort;

use crate::error::{Error, Result, state};
use crate::pgsem::{Typed, key};
use crate::pgtype::{PgType, oid};

/// Whether equal values are the same value, so that the value is its own key.
pub(super) fn is_identity(typed: &Typed) -> bool {
    key::key_is_identity(typed)
}

/// The key of a value.
pub(super) fn key(typed: &Typed) -> Result<Expr> {
    Ok(key::key(typed.clone())?.expr)
}

/// A sort key in PostgreSQL's order: NULLs are larger than everything.
pub(super) fn sort_key(typed: &Typed, ascending: bool, nulls_first: Option<bool>) -> Result<Sort> {
    check_ordering(typed.ty)?;
    Ok(Sort::new(key(typed)?, ascending, nulls_first.unwrap_or(!ascending)))
}

/// 42883 for a type without `=` (`json`).
pub(super) fn check_equality(ty: PgType) -> Result<()> {
    if is_incomparable(ty) {
        return Err(Error::new(
            state::UNDEFINED_FUNCTION,
            format!("could not identify an equality operator for type {}", ty.without_typmod()),
        ));
    }
    Ok(())
}

/// 42883 for a type without `<`.
pub(super) fn check_ordering(ty: PgType) -> Result<()> {
    if is_incomparable(ty) {
        return Err(Error::new(
            state::UNDEFINED_FUNCTION,
            format!("could not identify an ordering operator for type {}", ty.without_typmod()),
        )
        .with_hint("Use an explicit ordering operator or modify the query."));
    }
    Ok(())
}

fn is_incomparable(ty: PgType) -> bool {
    ty.element().unwrap_or(ty).oid == oid::JSON
}
