//! Functions of double precision: PostgreSQL computes them with the C library, and so does Rust's standard library; what is
//! PostgreSQL's own are the errors.
//!
//! `cbrt`, `asinh`, `acosh` and `atanh` are not here: for those Rust has its own formulas, whose last digit often differs. Nor
//! are the functions of degrees.

use std::f64::consts::PI;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::Float64Type;

use super::errors::{float_overflow, float_underflow, out_of_range};
use super::float::{canonical, div};
use super::func::{FuncDef, SqlForm};
use super::kernel::{Call, F64, I32};
use super::numeric::width_bucket::invalid_width_bucket;
use super::primitive::{unary, zip};
use super::registry::{CastDef, Signature};
use crate::error::{Error, Result, state};
use crate::pgtype::oid::{FLOAT8, INT4};

fn input_out_of_range() -> Error {
    Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

/// NaN stays NaN; otherwise `f`, whose result may be infinite only if `x` is.
fn checked(x: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let y = canonical(f(x));
    if y.is_infinite() && !x.is_infinite() { Err(float_overflow()) } else { Ok(y) }
}

/// `f` of an angle, which must be finite.
fn of_angle(x: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    if x.is_infinite() { Err(input_out_of_range()) } else { Ok(canonical(f(x))) }
}

/// `f` where it is defined; NaN stays NaN.
fn within(x: f64, defined: bool, f: impl Fn(f64) -> f64) -> Result<f64> {
    if x.is_nan() || defined { Ok(canonical(f(x))) } else { Err(input_out_of_range()) }
}

fn sqrt(x: f64) -> Result<f64> {
    if x < 0.0 {
        return Err(Error::new(state::INVALID_ARGUMENT_FOR_POWER, "cannot take square root of a negative number"));
    }
    Ok(canonical(x.sqrt()))
}

fn exp(x: f64) -> Result<f64> {
    let y = checked(x, f64::exp)?;
    if y == 0.0 && x.is_finite() { Err(float_underflow()) } else { Ok(y) }
}

fn logarithm(x: f64, f: impl Fn(f64) -> f64) -> Result<f64> {
    let refuse =
        |what: &str| Err(Error::new(state::INVALID_ARGUMENT_FOR_LOG, format!("cannot take logarithm of {what}")));
    if x == 0.0 {
        return refuse("zero");
    }
    if x < 0.0 {
        return refuse("a negative number");
    }
    Ok(canonical(f(x)))
}

fn power(x: f64, y: f64) -> Result<f64> {
    let invalid = |message: &str| Err(Error::new(state::INVALID_ARGUMENT_FOR_POWER, message));
    // NaN is 1 to the power 0, and 1 is 1 to any power.
    if x.is_nan() || y.is_nan() {
        return Ok(if y == 0.0 || x == 1.0 { 1.0 } else { f64::NAN });
    }
    if x == 0.0 && y < 0.0 {
        return invalid("zero raised to a negative power is undefined");
    }
    if x < 0.0 && y.floor() != y {
        return invalid("a negative number raised to a non-integer power yields a complex result");
    }
    let result = x.powf(y);
    if x.is_finite() && y.is_finite() {
        if result.is_infinite() {
            return Err(float_overflow());
        }
        if result == 0.0 && x != 0.0 {
            return Err(float_underflow());
        }
    }
    Ok(canonical(result))
}

fn cot(x: f64) -> Result<f64> {
    of_angle(x, |x| 1.0 / x.tan())
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn width_bucket(x: f64, low: f64, high: f64, count: i32) -> Result<i32> {
    if count <= 0 {
        return Err(invalid_width_bucket("count must be greater than zero"));
    }
    if x.is_nan() || low.is_nan() || high.is_nan() {
        return Err(invalid_width_bucket("operand, lower bound, and upper bound cannot be NaN"));
    }
    if low.is_infinite() || high.is_infinite() {
        return Err(invalid_width_bucket("lower and upper bounds must be finite"));
    }
    let past_last = || count.checked_add(1).ok_or_else(|| out_of_range("integer"));
    let inside = |offset: f64, width: f64| {
        let bucket = f64::from(count) * offset / width + 1.0;
        // PostgreSQL converts what is no int4 either, with whatever result.
        if bucket < 2_147_483_648.0 {
            Ok(bucket as i32)
        } else {
            Err(Error::unsupported("width_bucket over such a range"))
        }
    };
    if low < high {
        match x {
            x if x < low => Ok(0),
            x if x >= high => past_last(),
            _ => inside(x - low, high - low),
        }
    } else if low > high {
        match x {
            x if x > low => Ok(0),
            x if x <= high => past_last(),
            _ => inside(low - x, low - high),
        }
    } else {
        Err(invalid_width_bucket("lower bound cannot equal upper bound"))
    }
}

fn of(call: &Call<'_>, f: fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    unary::<Float64Type, Float64Type>(call, f)
}

/// A constant without arguments, or random values.
fn generate(call: &Call<'_>, f: impl Fn() -> f64) -> Result<ArrayRef> {
    Ok(Arc::new(Float64Array::from_iter_values((0..call.rows).map(|_| f()))))
}

/// One function of one argument under one or more names.
macro_rules! function {
    ($out:ident, $proc:literal, $new:ident, [$first:literal $(, $name:literal)*], $f:expr) => {{
        static DEF: FuncDef = FuncDef::$new($proc, SqlForm::Call($first), |c| of(c, $f));
        $out.push(Signature::func($first, &[FLOAT8], FLOAT8, &DEF));
        $($out.push(Signature::func($name, &[FLOAT8], FLOAT8, &DEF));)*
    }};
}

static POWER: FuncDef =
    FuncDef::failing("dpow", SqlForm::Call("power"), |c| zip::<Float64Type, Float64Type, Float64Type>(c, power));
static ATAN2: FuncDef = FuncDef::new("datan2", SqlForm::Call("atan2"), |c| {
    zip::<Float64Type, Float64Type, Float64Type>(c, |y, x| Ok(canonical(y.atan2(x))))
});
static PI_VALUE: FuncDef = FuncDef::new("dpi", SqlForm::Call("pi"), |c| generate(c, || PI));
static RANDOM: FuncDef = FuncDef::new("drandom", SqlForm::Call("random"), |c| generate(c, rand::random)).volatile();
static WIDTH_BUCKET: FuncDef = FuncDef::failing("width_bucket_float8", SqlForm::Call("width_bucket"), |c| {
    c.map4::<F64, F64, F64, I32, I32>(width_bucket)
});

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    let mut out = super::float::operators();
    function!(out, "dround", new, ["round"], |x| Ok(canonical(x.round_ties_even())));
    function!(out, "dceil", new, ["ceil", "ceiling"], |x| Ok(canonical(x.ceil())));
    function!(out, "dfloor", new, ["floor"], |x| Ok(canonical(x.floor())));
    function!(out, "dtrunc", new, ["trunc"], |x| Ok(canonical(x.trunc())));
    function!(out, "dsign", new, ["sign"], |x| Ok(sign(x)));
    function!(out, "dsqrt", failing, ["sqrt", "|/"], sqrt);
    function!(out, "dexp", failing, ["exp"], exp);
    function!(out, "dlog1", failing, ["ln"], |x| logarithm(x, f64::ln));
    function!(out, "dlog10", failing, ["log", "log10"], |x| logarithm(x, f64::log10));
    function!(out, "dsin", failing, ["sin"], |x| of_angle(x, f64::sin));
    function!(out, "dcos", failing, ["cos"], |x| of_angle(x, f64::cos));
    function!(out, "dtan", failing, ["tan"], |x| of_angle(x, f64::tan));
    function!(out, "dcot", failing, ["cot"], cot);
    function!(out, "dasin", failing, ["asin"], |x| within(x, x.abs() <= 1.0, f64::asin));
    function!(out, "dacos", failing, ["acos"], |x| within(x, x.abs() <= 1.0, f64::acos));
    function!(out, "datan", new, ["atan"], |x| Ok(canonical(x.atan())));
    function!(out, "dsinh", new, ["sinh"], |x| Ok(canonical(x.sinh())));
    function!(out, "dcosh", new, ["cosh"], |x| Ok(canonical(x.cosh())));
    function!(out, "dtanh", new, ["tanh"], |x| Ok(canonical(x.tanh())));
    function!(out, "degrees", failing, ["degrees"], |x| div(x, PI / 180.0));
    function!(out, "radians", failing, ["radians"], |x| checked(x, |x| x * (PI / 180.0)));
    out.extend([
        Signature::func("^", &[FLOAT8, FLOAT8], FLOAT8, &POWER),
        Signature::func("atan2", &[FLOAT8, FLOAT8], FLOAT8, &ATAN2),
        Signature::func("pi", &[], FLOAT8, &PI_VALUE),
        Signature::func("pow", &[FLOAT8, FLOAT8], FLOAT8, &POWER),
        Signature::func("power", &[FLOAT8, FLOAT8], FLOAT8, &POWER),
        Signature::func("random", &[], FLOAT8, &RANDOM),
        Signature::func("width_bucket", &[FLOAT8, FLOAT8, FLOAT8, INT4], INT4, &WIDTH_BUCKET),
    ]);
    (out, Vec::new())
}
