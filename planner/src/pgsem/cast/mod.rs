//! Casts: among the string types, through the text form of any type, and element by element.
//!
//! [`cast`] performs any cast there is; areas register theirs in [`super::registry`]. Whether a cast may be applied without being
//! written is [`super::resolve::coerce`]'s question. All casts are explicit ones: too long text is cut to `varchar(n)`.

mod calls;
mod strings;
mod through_text;

pub use through_text::to_text;

use super::array;
use super::func::Typed;
use super::registry::{CastContext, CastDef, Signature, registry};
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    let mut casts = through_text::casts();
    // Later entries win: what pg_cast has beats the way through text.
    casts.extend(strings::casts());
    (calls::signatures(), casts)
}

/// `CAST(value AS to)`, typmod included. An untyped literal is read by the type's input function.
pub fn cast(ctx: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    if let Some(literal) = through_text::literal(ctx, &value, to)? {
        return Ok(literal);
    }
    if let Some(cast) = registry().casts.get(&(value.ty.oid, to.oid)) {
        return (cast.build)(ctx, value, to);
    }
    if value.ty.oid == to.oid && (to.typmod == -1 || to.typmod == value.ty.typmod) {
        return Ok(value);
    }
    if value.ty.is_array() && to.is_array() {
        return array::cast::elementwise(ctx, value, to);
    }
    Err(no_cast(value.ty, to))
}

fn no_cast(from: PgType, to: PgType) -> Error {
    let message = format!("cannot cast type {} to {}", from.without_typmod(), to.without_typmod());
    let known = super::resolve::coerce::cast_path(from.oid, to.oid, CastContext::Explicit).is_some();
    Error::new(if known { state::FEATURE_NOT_SUPPORTED } else { state::CANNOT_COERCE }, message)
}
