//! Casts among text, varchar, char(n), name and "char". They share a carrier, but not their meaning in an engine: only
//! `varchar` and `text` are the same to every operator, so all others stay visible in the expression.

use std::sync::Arc;

use super::super::func::{FuncDef, SqlForm, Typed};
use super::super::io::{bpchar, parse_char, parse_name, truncate_chars};
use super::super::kernel::{I32, Text};
use super::super::registry::{BuildCast, CastContext, CastDef};
use crate::context::QueryContext;
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid};

pub fn casts() -> Vec<CastDef> {
    use CastContext::{Assignment, Explicit, Implicit};
    let entry = |from: u32, to: u32, context, build: BuildCast| CastDef { from, to, context, build };
    let mut all = vec![
        entry(oid::CHAR, oid::TEXT, Implicit, same_text),
        entry(oid::NAME, oid::TEXT, Implicit, same_text),
        entry(oid::CHAR, oid::INT4, Explicit, |_, value, to| Ok(CHAR_TO_INT4.apply(vec![value], to))),
        entry(oid::INT4, oid::CHAR, Explicit, |_, value, to| Ok(INT4_TO_CHAR.apply(vec![value], to))),
    ];
    for from in [oid::TEXT, oid::VARCHAR, oid::BPCHAR] {
        all.push(entry(from, oid::TEXT, Implicit, same_text));
        all.push(entry(from, oid::VARCHAR, Implicit, to_varchar));
        all.push(entry(from, oid::BPCHAR, Implicit, to_bpchar));
        all.push(entry(from, oid::NAME, Implicit, |_, value, to| Ok(TO_NAME.apply(vec![value], to))));
        all.push(entry(from, oid::CHAR, Assignment, |_, value, to| Ok(TO_CHAR.apply(vec![value], to))));
    }
    for from in [oid::NAME, oid::CHAR] {
        all.push(entry(from, oid::VARCHAR, Assignment, to_varchar));
        all.push(entry(from, oid::BPCHAR, Assignment, to_bpchar));
    }
    all
}

static SAME: FuncDef = FuncDef::new("string_relabel", SqlForm::Cast, |c| Ok(Arc::clone(&c.args[0])));
static TRUNCATE: FuncDef = FuncDef::new("varchar", SqlForm::Cast, |c| {
    let length = c.func.ty.length_typmod();
    c.map1::<Text, Text>(|s| Ok(truncate_chars(s, length).to_string()))
});
static BPCHAR: FuncDef = FuncDef::new("bpchar", SqlForm::Cast, |c| {
    let length = c.func.ty.length_typmod();
    c.map1::<Text, Text>(|s| Ok(bpchar(s, length).to_string()))
});
static TO_NAME: FuncDef = FuncDef::new("text_name", SqlForm::Cast, |c| c.map1::<Text, Text>(|s| Ok(parse_name(s))));
static TO_CHAR: FuncDef = FuncDef::failing("text_char", SqlForm::Cast, |c| c.map1::<Text, Text>(parse_char));
static CHAR_TO_INT4: FuncDef =
    FuncDef::new("chartoi4", SqlForm::Cast, |c| c.map1::<Text, I32>(|s| Ok(s.bytes().next().map_or(0, i32::from))));
static INT4_TO_CHAR: FuncDef = FuncDef::failing("i4tochar", SqlForm::Cast, |c| {
    c.map1::<I32, Text>(|code| match code {
        0 => Ok(String::new()),
        1..=127 => Ok(char::from(code as u8).to_string()),
        -128..0 => Err(Error::unsupported("a \"char\" value beyond ASCII")),
        _ => Err(Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range")),
    })
});

/// The same characters under another type.
pub fn relabel(value: Typed, to: PgType) -> Typed {
    let detail = to.sql_name();
    SAME.call(vec![value], to, to.repr(), &detail)
}

fn is_text_or_varchar(ty: PgType) -> bool {
    matches!(ty.oid, oid::TEXT | oid::VARCHAR)
}

fn same_text(_: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    if is_text_or_varchar(value.ty) {
        return Ok(Typed { ty: to, ..value });
    }
    Ok(relabel(value, to))
}

fn to_varchar(_: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    let fits = match (value.ty.length_typmod(), to.length_typmod()) {
        (_, None) => true,
        (Some(has), Some(wants)) => has <= wants,
        (None, Some(_)) => false,
    };
    Ok(match (fits, is_text_or_varchar(value.ty)) {
        (true, true) => Typed { ty: to, ..value },
        (true, false) => relabel(value, to),
        (false, _) => TRUNCATE.call(vec![value], to, to.repr(), &to.sql_name()),
    })
}

fn to_bpchar(_: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    if value.ty.oid == oid::BPCHAR {
        match (value.ty.length_typmod(), to.length_typmod()) {
            (_, None) => return Ok(value),
            (Some(has), Some(wants)) if has == wants => return Ok(value),
            _ => {}
        }
    }
    Ok(BPCHAR.call(vec![value], to, to.repr(), &to.sql_name()))
}
