//! Casts from a `jsonb` number or boolean.

use arrow::array::ArrayRef;

use super::JSONB;
use super::document::{Kind, Node};
use crate::error::{Error, Result, state};
use crate::pgsem::errors::out_of_range;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Bool, Call, F32, F64, I16, I32, I64, Text};
use crate::pgsem::numeric::{Num, Numeric, parse_numeric};
use crate::pgsem::registry::{BuildCast, CastContext, CastDef};
use crate::pgtype::oid;

pub fn casts() -> Vec<CastDef> {
    let explicit = |to: u32, build: BuildCast| CastDef { from: JSONB, to, context: CastContext::Explicit, build };
    vec![
        explicit(oid::BOOL, |_, value, to| Ok(TO_BOOL.apply(vec![value], to))),
        explicit(oid::INT2, |_, value, to| Ok(TO_INT2.apply(vec![value], to))),
        explicit(oid::INT4, |_, value, to| Ok(TO_INT4.apply(vec![value], to))),
        explicit(oid::INT8, |_, value, to| Ok(TO_INT8.apply(vec![value], to))),
        explicit(oid::FLOAT4, |_, value, to| Ok(TO_FLOAT4.apply(vec![value], to))),
        explicit(oid::FLOAT8, |_, value, to| Ok(TO_FLOAT8.apply(vec![value], to))),
        explicit(oid::NUMERIC, |_, value, to| Ok(TO_NUMERIC.call(vec![value], to, to.repr(), &to.sql_name()))),
    ]
}

fn not_castable(node: &Node<'_>, ty: &str) -> Error {
    let kind = match node.kind {
        Kind::Number => "numeric",
        _ => node.type_name(),
    };
    Error::new(state::INVALID_PARAMETER_VALUE, format!("cannot cast jsonb {kind} to type {ty}"))
}

fn number(text: &str, ty: &str) -> Result<Numeric> {
    let node = Node::parse(text)?;
    match node.kind {
        Kind::Number => parse_numeric(node.text),
        _ => Err(not_castable(&node, ty)),
    }
}

static TO_BOOL: FuncDef = FuncDef::failing("jsonb_bool", SqlForm::Cast, |c| {
    c.map1::<Text, Bool>(|s| {
        let node = Node::parse(s)?;
        match node.kind {
            Kind::Bool(value) => Ok(value),
            _ => Err(not_castable(&node, "boolean")),
        }
    })
});
static TO_INT2: FuncDef =
    FuncDef::failing("jsonb_int2", SqlForm::Cast, |c| c.map1::<Text, I16>(|s| integer(s, "smallint")));
static TO_INT4: FuncDef =
    FuncDef::failing("jsonb_int4", SqlForm::Cast, |c| c.map1::<Text, I32>(|s| integer(s, "integer")));
static TO_INT8: FuncDef =
    FuncDef::failing("jsonb_int8", SqlForm::Cast, |c| c.map1::<Text, I64>(|s| integer(s, "bigint")));
static TO_FLOAT4: FuncDef =
    FuncDef::failing("jsonb_float4", SqlForm::Cast, |c| c.map1::<Text, F32>(|s| number(s, "real")?.to_f32()));
static TO_FLOAT8: FuncDef = FuncDef::failing("jsonb_float8", SqlForm::Cast, |c| {
    c.map1::<Text, F64>(|s| number(s, "double precision")?.to_f64())
});
static TO_NUMERIC: FuncDef = FuncDef::failing("jsonb_numeric", SqlForm::Cast, to_numeric);

fn integer<I: TryFrom<i64>>(text: &str, ty: &str) -> Result<I> {
    I::try_from(number(text, ty)?.to_i64(ty)?).map_err(|_| out_of_range(ty))
}

fn to_numeric(call: &Call<'_>) -> Result<ArrayRef> {
    let ty = call.func.ty;
    call.map1::<Text, Num>(|s| number(s, "numeric")?.with_typmod(ty))
}
