//! Casts between numeric and the other number types, and to `numeric(p, s)`.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::carrier::{self, Fixed};
use super::{Num, Numeric, fixed};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::errors::out_of_range;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Call, F32, F64, I16, I32, I64};
use crate::pgsem::registry::{BuildCast, CastContext, CastDef};
use crate::pgtype::{PgType, oid};

pub static FROM_INT: FuncDef = FuncDef::new("int_numeric", SqlForm::Cast, |c| match fixed::widen(c)? {
    Some(array) => Ok(array),
    None => Err(Error::internal("an integer becomes a decimal")),
});
static FROM_FLOAT8: FuncDef = FuncDef::new("float8_numeric", SqlForm::Cast, |c| c.map1::<F64, Num>(Numeric::from_f64));
static FROM_FLOAT4: FuncDef = FuncDef::new("float4_numeric", SqlForm::Cast, |c| c.map1::<F32, Num>(Numeric::from_f32));
static TO_INT2: FuncDef = FuncDef::failing("numeric_int2", SqlForm::Cast, |c| {
    c.map1::<Num, I16>(|v| v.to_i64("smallint")?.try_into().map_err(|_| out_of_range("smallint")))
});
static TO_INT4: FuncDef = FuncDef::failing("numeric_int4", SqlForm::Cast, |c| {
    c.map1::<Num, I32>(|v| v.to_i64("integer")?.try_into().map_err(|_| out_of_range("integer")))
});
static TO_INT8: FuncDef =
    FuncDef::failing("numeric_int8", SqlForm::Cast, |c| c.map1::<Num, I64>(|v| v.to_i64("bigint")));
static TO_FLOAT8: FuncDef = FuncDef::failing("numeric_float8", SqlForm::Cast, |c| c.map1::<Num, F64>(|v| v.to_f64()));
static TO_FLOAT4: FuncDef = FuncDef::failing("numeric_float4", SqlForm::Cast, |c| c.map1::<Num, F32>(|v| v.to_f32()));
static TYPMOD: FuncDef = FuncDef::failing("numeric", SqlForm::Cast, typmod_kernel);

fn typmod_kernel(call: &Call<'_>) -> Result<ArrayRef> {
    let ty = call.func.ty;
    let (from, to) = (Fixed::of(call.args[0].data_type()), Fixed::of(&call.func.repr));
    // Where no value can overflow, the loop need not look.
    if let (Some(from), Some(to)) = (from, to) {
        let room = to.integer_digits() >= from.integer_digits() + u32::from(to.scale < from.scale);
        let fast = match room {
            true if to.scale >= from.scale => fixed::widen(call)?,
            true => fixed::round(call)?,
            false => None,
        };
        if let Some(array) = fast {
            return Ok(array);
        }
    }
    call.map1::<Num, Num>(|v| v.with_typmod(ty))
}

/// Applies the modifier of `to`. What is dynamic stays so: it may be NaN, which `numeric(p, s)` holds and a decimal does not.
fn to_numeric(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    if to.numeric_typmod().is_none() || arg.ty == to {
        return Ok(Typed { ty: to, ..arg });
    }
    if carrier::is_null_literal(&arg) {
        return Ok(Typed::null(to));
    }
    // An error of a constant is raised when it is evaluated, if ever.
    if let Some(Ok(value)) = carrier::literal_value(&arg).map(|v| v.with_typmod(to)) {
        return Ok(declared_literal(&value, to));
    }
    let repr = if Fixed::of(&arg.repr).is_some() { to.repr() } else { DataType::BinaryView };
    let detail = to.sql_name();
    Ok(TYPMOD.call(vec![arg], to, repr, &detail))
}

/// A constant in the carrier that columns of its declared type have.
fn declared_literal(value: &Numeric, ty: PgType) -> Typed {
    let literal = carrier::literal(value, ty);
    match (Fixed::of(&literal.repr), Fixed::of(&ty.repr())) {
        (Some(_), Some(declared)) => carrier::to_fixed(literal.clone(), declared).unwrap_or(literal),
        _ => literal,
    }
}

/// Most digits an integer type has.
fn integer_digits(oid: u32) -> u32 {
    match oid {
        oid::INT2 => 5,
        oid::INT4 => 10,
        _ => 19,
    }
}

pub fn from_int(context: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    let plain = match carrier::literal_value(&arg) {
        Some(value) => carrier::literal(&value, PgType::NUMERIC),
        None if carrier::is_null_literal(&arg) => Typed::null(PgType::NUMERIC),
        None => {
            let repr = Fixed { precision: integer_digits(arg.ty.oid), scale: 0 }.repr();
            let repr = repr.ok_or_else(|| Error::internal("integers fit a decimal"))?;
            FROM_INT.call(vec![arg], PgType::NUMERIC, repr, "")
        }
    };
    to_numeric(context, plain, to)
}

fn from_float8(context: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    to_numeric(context, FROM_FLOAT8.apply(vec![arg], PgType::NUMERIC), to)
}

fn from_float4(context: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    to_numeric(context, FROM_FLOAT4.apply(vec![arg], PgType::NUMERIC), to)
}

fn to_int2(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    Ok(TO_INT2.apply(vec![arg], to))
}

fn to_int4(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    Ok(TO_INT4.apply(vec![arg], to))
}

fn to_int8(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    Ok(TO_INT8.apply(vec![arg], to))
}

/// A constant becomes a float constant, so that `float column = 1.5` compares with one.
fn to_float8(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    match carrier::literal_value(&arg).map(|v| v.to_f64()) {
        Some(Ok(value)) => Ok(Typed::literal(value.into(), to)),
        _ => Ok(TO_FLOAT8.apply(vec![arg], to)),
    }
}

fn to_float4(_: &QueryContext, arg: Typed, to: PgType) -> Result<Typed> {
    match carrier::literal_value(&arg).map(|v| v.to_f32()) {
        Some(Ok(value)) => Ok(Typed::literal(value.into(), to)),
        _ => Ok(TO_FLOAT4.apply(vec![arg], to)),
    }
}

pub fn casts() -> Vec<CastDef> {
    use CastContext::{Assignment, Implicit};
    let cast = |from, to, context, build: BuildCast| CastDef { from, to, context, build };
    vec![
        cast(oid::INT2, oid::NUMERIC, Implicit, from_int),
        cast(oid::INT4, oid::NUMERIC, Implicit, from_int),
        cast(oid::INT8, oid::NUMERIC, Implicit, from_int),
        cast(oid::FLOAT4, oid::NUMERIC, Assignment, from_float4),
        cast(oid::FLOAT8, oid::NUMERIC, Assignment, from_float8),
        cast(oid::NUMERIC, oid::INT2, Assignment, to_int2),
        cast(oid::NUMERIC, oid::INT4, Assignment, to_int4),
        cast(oid::NUMERIC, oid::INT8, Assignment, to_int8),
        cast(oid::NUMERIC, oid::FLOAT4, Implicit, to_float4),
        cast(oid::NUMERIC, oid::FLOAT8, Implicit, to_float8),
        cast(oid::NUMERIC, oid::NUMERIC, Implicit, to_numeric),
    ]
}
