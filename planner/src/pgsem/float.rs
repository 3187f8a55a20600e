//! real and double precision: operators with PostgreSQL's overflow, underflow and division errors.
//!
//! Every NaN that leaves here is the one positive NaN: arithmetic on x86 makes negative ones, which Arrow's total order would
//! put before -infinity.

use arrow::array::{ArrayRef, ArrowPrimitiveType};
use arrow::datatypes::{Float32Type, Float64Type};
use num_traits::Float;

use super::errors::{division_by_zero, float_overflow, float_underflow};
use super::func::{FuncDef, SqlForm, Typed};
use super::kernel::Call;
use super::primitive::{unary, zip};
use super::registry::Signature;
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::{PgType, oid};

/// The one NaN and the value itself otherwise.
pub fn canonical<T: Float>(value: T) -> T {
    if value.is_nan() { T::nan() } else { value }
}

fn finite_unless<T: Float>(value: T, inputs_infinite: bool) -> Result<T> {
    if value.is_infinite() && !inputs_infinite { Err(float_overflow()) } else { Ok(canonical(value)) }
}

pub fn add<T: Float>(a: T, b: T) -> Result<T> {
    finite_unless(a + b, a.is_infinite() || b.is_infinite())
}

fn sub<T: Float>(a: T, b: T) -> Result<T> {
    finite_unless(a - b, a.is_infinite() || b.is_infinite())
}

fn mul<T: Float>(a: T, b: T) -> Result<T> {
    let product = a * b;
    if product.is_zero() && !a.is_zero() && !b.is_zero() {
        return Err(float_underflow());
    }
    finite_unless(product, a.is_infinite() || b.is_infinite())
}

pub fn div<T: Float>(a: T, b: T) -> Result<T> {
    if b.is_zero() && !a.is_nan() {
        return Err(division_by_zero());
    }
    let quotient = a / b;
    if quotient.is_zero() && !a.is_zero() && !b.is_infinite() {
        return Err(float_underflow());
    }
    finite_unless(quotient, a.is_infinite())
}

fn neg<T: Float>(a: T) -> Result<T> {
    Ok(canonical(-a))
}

fn abs<T: Float>(a: T) -> Result<T> {
    Ok(canonical(a.abs()))
}

fn arith<A, B, O>(call: &Call<'_>, f: fn(O::Native, O::Native) -> Result<O::Native>) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
    A::Native: Into<O::Native>,
    B::Native: Into<O::Native>,
{
    zip::<A, B, O>(call, |a, b| f(a.into(), b.into()))
}

macro_rules! arithmetic {
    ($out:ident, $a:ty, $b:ty, $o:ty, [$left:expr, $right:expr] -> $ret:expr, $prefix:literal) => {{
        static PL: FuncDef =
            FuncDef::failing(concat!($prefix, "pl"), SqlForm::Infix("+"), |c| arith::<$a, $b, $o>(c, add));
        static MI: FuncDef =
            FuncDef::failing(concat!($prefix, "mi"), SqlForm::Infix("-"), |c| arith::<$a, $b, $o>(c, sub));
        static MUL: FuncDef =
            FuncDef::failing(concat!($prefix, "mul"), SqlForm::Infix("*"), |c| arith::<$a, $b, $o>(c, mul));
        static DIV: FuncDef =
            FuncDef::failing(concat!($prefix, "div"), SqlForm::Infix("/"), |c| arith::<$a, $b, $o>(c, div));
        $out.extend([
            Signature::func("+", &[$left, $right], $ret, &PL),
            Signature::func("-", &[$left, $right], $ret, &MI),
            Signature::func("*", &[$left, $right], $ret, &MUL),
            Signature::func("/", &[$left, $right], $ret, &DIV),
        ]);
    }};
}

macro_rules! per_type {
    ($out:ident, $t:ty, $oid:expr, $prefix:literal) => {{
        static NEG: FuncDef = FuncDef::new(concat!($prefix, "um"), SqlForm::Prefix("-"), |c| unary::<$t, $t>(c, neg));
        static ABS: FuncDef = FuncDef::new(concat!($prefix, "abs"), SqlForm::Call("abs"), |c| unary::<$t, $t>(c, abs));
        $out.extend([
            Signature::func("-", &[$oid], $oid, &NEG),
            Signature::build("+", &[$oid], $oid, plus),
            Signature::func("@", &[$oid], $oid, &ABS),
            Signature::func("abs", &[$oid], $oid, &ABS),
        ]);
    }};
}

fn plus(_: &QueryContext, mut args: Vec<Typed>) -> Result<Typed> {
    Ok(args.remove(0))
}

pub fn operators() -> Vec<Signature> {
    use oid::{FLOAT4, FLOAT8};
    let mut out = Vec::new();
    arithmetic!(out, Float32Type, Float32Type, Float32Type, [FLOAT4, FLOAT4] -> FLOAT4, "float4");
    arithmetic!(out, Float64Type, Float64Type, Float64Type, [FLOAT8, FLOAT8] -> FLOAT8, "float8");
    arithmetic!(out, Float32Type, Float64Type, Float64Type, [FLOAT4, FLOAT8] -> FLOAT8, "float48");
    arithmetic!(out, Float64Type, Float32Type, Float64Type, [FLOAT8, FLOAT4] -> FLOAT8, "float84");
    per_type!(out, Float32Type, FLOAT4, "float4");
    per_type!(out, Float64Type, FLOAT8, "float8");
    out
}

/// Whether a constant float equals another value only if the bits do: no zero, no NaN.
pub fn is_plain_literal(typed: &Typed) -> bool {
    use datafusion_common::ScalarValue::{Float32, Float64};
    match typed.as_literal() {
        Some(Float32(Some(v))) => *v != 0.0 && !v.is_nan(),
        Some(Float64(Some(v))) => *v != 0.0 && !v.is_nan(),
        _ => false,
    }
}

static KEY4: FuncDef =
    FuncDef::new("float4_key", SqlForm::Transparent, |c| unary::<Float32Type, Float32Type>(c, |v| Ok(key_of(v))));
static KEY8: FuncDef =
    FuncDef::new("float8_key", SqlForm::Transparent, |c| unary::<Float64Type, Float64Type>(c, |v| Ok(key_of(v))));

/// Equal floats get equal bits.
pub fn key_of<T: Float>(value: T) -> T {
    if value.is_zero() { T::zero() } else { canonical(value) }
}

/// A float whose total order is PostgreSQL's order: no negative zero, one NaN.
pub fn key(typed: Typed) -> Typed {
    use datafusion_common::ScalarValue::{Float32, Float64};
    let ty = typed.ty;
    match typed.as_literal() {
        Some(Float32(v)) => Typed::literal(Float32(v.map(key_of)), ty),
        Some(Float64(v)) => Typed::literal(Float64(v.map(key_of)), ty),
        _ if ty == PgType::FLOAT4 => KEY4.apply(vec![typed], ty),
        _ => KEY8.apply(vec![typed], ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_postgres() {
        assert_eq!(mul(1e308f64, 10.0).unwrap_err().message(), "value out of range: overflow");
        assert_eq!(mul(1e-308f64, 1e-308).unwrap_err().message(), "value out of range: underflow");
        assert_eq!(div(1e-200f64, 1e200).unwrap_err().message(), "value out of range: underflow");
        assert_eq!(div(1f64, 0.0).unwrap_err().message(), "division by zero");
        assert!(div(f64::NAN, 0.0).unwrap().is_nan());
        assert_eq!(div(1f64, f64::INFINITY).unwrap(), 0.0);
        assert!(add(f64::INFINITY, f64::NEG_INFINITY).unwrap().is_sign_positive());
        assert_eq!(add(f32::MAX, f32::MAX).unwrap_err().message(), "value out of range: overflow");
    }

    #[test]
    fn one_zero_and_one_nan() {
        assert_eq!(key_of(-0.0f64).to_bits(), 0);
        assert_eq!(key_of(-f64::NAN).to_bits(), f64::NAN.to_bits());
        assert_eq!(key_of(-f32::INFINITY), f32::NEG_INFINITY);
    }
}
