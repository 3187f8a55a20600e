//! `char(n)` is carried without its trailing blanks; the few functions that see them put them back here.

use std::fmt::Write;

use datafusion_common::ScalarValue;

use super::measure::chars;
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Text;
use crate::pgtype::{PgType, oid};

/// A `char(n)` as a text with all its blanks; other types as they are.
pub fn padded(arg: Typed) -> Result<Typed> {
    if arg.ty.oid != oid::BPCHAR {
        return Ok(arg);
    }
    if arg.as_literal().is_some_and(ScalarValue::is_null) {
        return Ok(Typed::null(PgType::TEXT));
    }
    let length = declared_length(arg.ty)?;
    Ok(PAD.call(vec![arg], PgType::TEXT, PgType::TEXT.repr(), &length.to_string()))
}

/// The `n` of `char(n)`. Without it nobody knows how many blanks the value had.
pub fn declared_length(ty: PgType) -> Result<usize> {
    ty.length_typmod().ok_or_else(|| Error::unsupported("a value of type character without a declared length here"))
}

pub fn push_padded(value: &str, length: usize, out: &mut String) {
    let missing = length.saturating_sub(chars(value) as usize);
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}{:missing$}", "");
}

static PAD: FuncDef = FuncDef::new("bpchar_pad", SqlForm::Transparent, |c| {
    let length = declared_length(c.func.arg_types[0])?;
    c.map1::<Text, Text>(|s| {
        let mut out = String::with_capacity(length);
        push_padded(s, length, &mut out);
        Ok(out)
    })
});
