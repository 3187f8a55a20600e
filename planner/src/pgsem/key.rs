//! The *key* of a value: an expression whose native DataFusion equality, order and hash are PostgreSQL's.
//!
//! For most types a value is its own key. Where it is not (floats: two zeros, many NaNs; numeric: display scales; interval:
//! '1 month' = '30 days'; jsonb: numbers; arrays: NULL elements), values that compare equal may look different, so grouping goes by the key and
//! keeps a value of the group ([`super::aggregate::first_of`]).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryViewArray, Decimal128Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;

use super::array_key::{self, ElementKeys};
use super::func::{FuncDef, SqlForm, Typed};
use super::kernel::Call;
use super::numeric::carrier::{self, Fixed};
use super::{float, integer, json};
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid};

pub use super::numeric::carrier::{to_dynamic, unify_repr};

/// How values of a type get their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyForm {
    Identity,
    Float,
    DynamicNumeric,
    Interval,
    Array,
    Jsonb,
}

fn form(ty: PgType, repr: &DataType) -> Result<KeyForm> {
    let missing = || {
        let message = format!("could not identify an ordering operator for type {ty}");
        Err(Error::new(state::UNDEFINED_FUNCTION, message))
    };
    Ok(match ty.oid {
        oid::FLOAT4 | oid::FLOAT8 => KeyForm::Float,
        oid::NUMERIC if Fixed::of(repr).is_none() => KeyForm::DynamicNumeric,
        oid::INTERVAL => KeyForm::Interval,
        oid::JSON => return missing(),
        oid::INET | oid::TIMETZ | oid::BIT | oid::RECORD => {
            return Err(Error::unsupported(format!("comparing values of type {ty}")));
        }
        oid::JSONB => KeyForm::Jsonb,
        _ if ty.is_array() => KeyForm::Array,
        _ => KeyForm::Identity,
    })
}

/// Whether the value is its own key. Types without an order have none.
pub fn key_is_identity(typed: &Typed) -> bool {
    matches!(form(typed.ty, &typed.repr), Ok(KeyForm::Identity))
}

/// The key of a value; its PostgreSQL type stays, its carrier may be another.
pub fn key(typed: Typed) -> Result<Typed> {
    Ok(match form(typed.ty, &typed.repr)? {
        KeyForm::Identity => typed,
        KeyForm::Float => float::key(typed),
        KeyForm::DynamicNumeric => carrier::dynamic_key(typed),
        KeyForm::Interval => interval_key(typed),
        KeyForm::Jsonb => json::key::key(typed),
        KeyForm::Array => {
            let ty = typed.ty;
            array_key::check(ty)?;
            ARRAY.call(vec![typed], ty, DataType::BinaryView, "")
        }
    })
}

/// Both sides of a comparison as keys of one carrier. Types are equal or have a comparison operator of their own (integers of
/// different width, real and double precision).
pub fn comparable(left: Typed, right: Typed) -> Result<(Expr, Expr)> {
    let (l, r) = comparable_typed(left, right)?;
    Ok((l.expr, r.expr))
}

pub(super) fn comparable_typed(left: Typed, right: Typed) -> Result<(Typed, Typed)> {
    let (l, r) = (left.ty, right.ty);
    if l.oid == oid::NUMERIC && r.oid == oid::NUMERIC {
        return carrier::comparable(left, right);
    }
    if l.is_integer() && r.is_integer() && l.oid != r.oid {
        return Ok(integers(left, right));
    }
    if l.is_float() && r.is_float() && l.oid != r.oid {
        return Ok((key(to_float8(left))?, key(to_float8(right))?));
    }
    Ok((key(left)?, key(right)?))
}

static WIDEN2: FuncDef = FuncDef::new("int2_widen", SqlForm::Transparent, super::number_casts::INT2_INT4.kernel);
static WIDEN28: FuncDef = FuncDef::new("int28_widen", SqlForm::Transparent, super::number_casts::INT2_INT8.kernel);
static WIDEN4: FuncDef = FuncDef::new("int4_widen", SqlForm::Transparent, super::number_casts::INT4_INT8.kernel);
static WIDEN_FLOAT: FuncDef =
    FuncDef::new("float4_widen", SqlForm::Transparent, super::number_casts::FLOAT4_FLOAT8.kernel);

/// A constant takes the column's type if that holds it, so that the column stays bare; otherwise the narrower side is widened.
fn integers(left: Typed, right: Typed) -> (Typed, Typed) {
    let as_type = |constant: &Typed, ty| integer::literal(integer::literal_i64(constant)?, ty);
    if left.as_literal().is_none()
        && let Some(right) = as_type(&right, left.ty)
    {
        return (left, right);
    }
    if right.as_literal().is_none()
        && let Some(left) = as_type(&left, right.ty)
    {
        return (left, right);
    }
    let rank = |t: &Typed| [oid::INT2, oid::INT4, oid::INT8].iter().position(|o| *o == t.ty.oid);
    let ty = if rank(&left) > rank(&right) { left.ty } else { right.ty };
    (widen(left, ty), widen(right, ty))
}

fn widen(typed: Typed, ty: PgType) -> Typed {
    if typed.ty == ty {
        return typed;
    }
    if carrier::is_null_literal(&typed) {
        return Typed::null(ty);
    }
    if let Some(constant) = integer::literal_i64(&typed).and_then(|v| integer::literal(v, ty)) {
        return constant;
    }
    let def = match (typed.ty.oid, ty.oid) {
        (oid::INT2, oid::INT4) => &WIDEN2,
        (oid::INT2, _) => &WIDEN28,
        _ => &WIDEN4,
    };
    def.apply(vec![typed], ty)
}

fn to_float8(typed: Typed) -> Typed {
    match typed.as_literal() {
        _ if typed.ty == PgType::FLOAT8 => typed,
        Some(ScalarValue::Float32(v)) => Typed::literal(ScalarValue::Float64(v.map(f64::from)), PgType::FLOAT8),
        _ => WIDEN_FLOAT.apply(vec![typed], PgType::FLOAT8),
    }
}

const MICROS_PER_DAY: i128 = 86_400_000_000;

/// An interval's length as it compares: months of 30 days of 24 hours, in microseconds.
pub fn interval_micros(value: IntervalMonthDayNano) -> i128 {
    (i128::from(value.months) * 30 + i128::from(value.days)) * MICROS_PER_DAY + i128::from(value.nanoseconds / 1000)
}

const INTERVAL_KEY: DataType = DataType::Decimal128(38, 0);

static INTERVAL: FuncDef = FuncDef::new("interval_key", SqlForm::Transparent, |call: &Call<'_>| {
    let keys: Decimal128Array = call.args[0].as_primitive::<IntervalMonthDayNanoType>().unary(interval_micros);
    Ok(Arc::new(keys.with_data_type(INTERVAL_KEY)) as ArrayRef)
});

fn interval_key(typed: Typed) -> Typed {
    let ty = typed.ty;
    match typed.as_literal() {
        Some(ScalarValue::IntervalMonthDayNano(v)) => {
            Typed::literal(ScalarValue::Decimal128(v.map(interval_micros), 38, 0), ty)
        }
        _ => INTERVAL.call(vec![typed], ty, INTERVAL_KEY, ""),
    }
}

static ARRAY: FuncDef = FuncDef::new("array_key", SqlForm::Transparent, |call: &Call<'_>| {
    let lists = call.args[0].as_list::<i32>();
    let element = call.func.arg_types[0].element().unwrap_or(PgType::TEXT);
    let keys = ElementKeys::new(element, lists.values())?;
    let mut all = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let at = call.row(0, row);
        all.push((!call.is_null(0, row)).then(|| {
            let offsets = lists.value_offsets();
            keys.of_range(offsets[at] as usize..offsets[at + 1] as usize)
        }));
    }
    Ok(Arc::new(BinaryViewArray::from_iter(all)) as ArrayRef)
});
