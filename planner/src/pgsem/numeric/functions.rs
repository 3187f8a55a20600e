//! Operators and functions over numeric, as the registry lists them.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::carrier::{self, Fixed};
use super::int::Rounding;
use super::{Num, Numeric, fixed};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Call, I32, I64};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

const N: u32 = oid::NUMERIC;

static ADD: FuncDef = FuncDef::new("numeric_add", SqlForm::Infix("+"), |c| match fixed::add(c)? {
    Some(array) => Ok(array),
    None => c.map2::<Num, Num, Num>(|a, b| a.add(&b)),
});
static SUB: FuncDef = FuncDef::new("numeric_sub", SqlForm::Infix("-"), |c| match fixed::sub(c)? {
    Some(array) => Ok(array),
    None => c.map2::<Num, Num, Num>(|a, b| a.sub(&b)),
});
static MUL: FuncDef = FuncDef::new("numeric_mul", SqlForm::Infix("*"), |c| match fixed::mul(c)? {
    Some(array) => Ok(array),
    None => c.map2::<Num, Num, Num>(|a, b| a.mul(&b)),
});
static DIV: FuncDef =
    FuncDef::failing("numeric_div", SqlForm::Infix("/"), |c| c.map2::<Num, Num, Num>(|a, b| a.div(&b)));
static REM: FuncDef =
    FuncDef::failing("numeric_mod", SqlForm::Infix("%"), |c| c.map2::<Num, Num, Num>(|a, b| a.rem(&b)));
static NEG: FuncDef = FuncDef::new("numeric_uminus", SqlForm::Prefix("-"), |c| match fixed::neg(c)? {
    Some(array) => Ok(array),
    None => c.map1::<Num, Num>(|a| Ok(a.neg())),
});
static ABS: FuncDef = FuncDef::new("numeric_abs", SqlForm::Call("abs"), |c| match fixed::abs(c)? {
    Some(array) => Ok(array),
    None => c.map1::<Num, Num>(|a| Ok(a.abs())),
});
static SIGN: FuncDef = FuncDef::new("numeric_sign", SqlForm::Call("sign"), |c| c.map1::<Num, Num>(|a| Ok(a.sign())));
static ROUND: FuncDef = FuncDef::failing("numeric_round", SqlForm::Call("round"), round_kernel);
static TRUNC: FuncDef = FuncDef::failing("numeric_trunc", SqlForm::Call("trunc"), |c| to_places(c, Rounding::Trunc));
static CEIL: FuncDef =
    FuncDef::new("numeric_ceil", SqlForm::Call("ceil"), |c| c.map1::<Num, Num>(|a| a.round(0, Rounding::Ceil)));
static FLOOR: FuncDef =
    FuncDef::new("numeric_floor", SqlForm::Call("floor"), |c| c.map1::<Num, Num>(|a| a.round(0, Rounding::Floor)));
static DIV_TRUNC: FuncDef =
    FuncDef::failing("numeric_div_trunc", SqlForm::Call("div"), |c| c.map2::<Num, Num, Num>(|a, b| a.div_trunc(&b)));
static GCD: FuncDef = FuncDef::new("numeric_gcd", SqlForm::Call("gcd"), |c| c.map2::<Num, Num, Num>(|a, b| a.gcd(&b)));
static LCM: FuncDef =
    FuncDef::failing("numeric_lcm", SqlForm::Call("lcm"), |c| c.map2::<Num, Num, Num>(|a, b| a.lcm(&b)));
static POWER: FuncDef =
    FuncDef::failing("numeric_power", SqlForm::Call("power"), |c| c.map2::<Num, Num, Num>(|a, b| a.power(&b)));
static SQRT: FuncDef = FuncDef::failing("numeric_sqrt", SqlForm::Call("sqrt"), |c| c.map1::<Num, Num>(|a| a.sqrt()));
static EXP: FuncDef = FuncDef::failing("numeric_exp", SqlForm::Call("exp"), |c| c.map1::<Num, Num>(|a| a.exp()));
static LN: FuncDef = FuncDef::failing("numeric_ln", SqlForm::Call("ln"), |c| c.map1::<Num, Num>(|a| a.ln()));
static LOG: FuncDef =
    FuncDef::failing("numeric_log", SqlForm::Call("log"), |c| c.map2::<Num, Num, Num>(|base, a| a.log(&base)));
static LOG10: FuncDef =
    FuncDef::failing("numeric_log10", SqlForm::Call("log"), |c| c.map1::<Num, Num>(|a| a.log(&Numeric::from(10i64))));
static SCALE: FuncDef = FuncDef::new("numeric_scale", SqlForm::Call("scale"), |c| scale_of(c, |v| v.scale));
static MIN_SCALE: FuncDef =
    FuncDef::new("numeric_min_scale", SqlForm::Call("min_scale"), |c| scale_of(c, super::Finite::min_scale));
static TRIM_SCALE: FuncDef =
    FuncDef::new("numeric_trim_scale", SqlForm::Call("trim_scale"), |c| c.map1::<Num, Num>(|a| a.trim_scale()));
static WIDTH_BUCKET: FuncDef = FuncDef::failing("width_bucket_numeric", SqlForm::Call("width_bucket"), |c| {
    c.map4::<Num, Num, Num, I32, I32>(|x, low, high, count| x.width_bucket(&low, &high, count))
});
static FACTORIAL: FuncDef =
    FuncDef::failing("numeric_fac", SqlForm::Call("factorial"), |c| c.map1::<I64, Num>(Numeric::factorial));

/// `NULL` for NaN and infinities.
fn scale_of(call: &Call<'_>, f: fn(&super::Finite) -> i32) -> Result<ArrayRef> {
    let a = call.column::<Num>(0)?;
    call.build::<I32>(|i| Ok(call.get::<Num>(&a, 0, i).and_then(|v| v.finite().map(f))))
}

fn round_kernel(call: &Call<'_>) -> Result<ArrayRef> {
    let constant = call.args.len() == 1 || call.scalars[1] && !call.is_null(1, 0);
    let fast = if constant { fixed::round(call)? } else { None };
    match fast {
        Some(array) => Ok(array),
        None => to_places(call, Rounding::HalfAway),
    }
}

/// One argument: to whole numbers; two: to that many places.
fn to_places(call: &Call<'_>, rounding: Rounding) -> Result<ArrayRef> {
    if call.args.len() == 1 {
        return call.map1::<Num, Num>(|a| a.round(0, rounding));
    }
    call.map2::<Num, I32, Num>(|a, places| a.round(places, rounding))
}

/// The result carrier where both arguments' carriers are fixed and the rule's precision exists.
fn fixed_or_dynamic(args: &[Typed], rule: impl Fn(&[Fixed]) -> Option<Fixed>) -> DataType {
    let fixed: Option<Vec<Fixed>> = args.iter().filter(|a| a.ty.oid == N).map(|a| Fixed::of(&a.repr)).collect();
    fixed.and_then(|f| rule(&f)).and_then(Fixed::repr).unwrap_or(DataType::BinaryView)
}

fn call(def: &'static FuncDef, args: Vec<Typed>, rule: impl Fn(&[Fixed]) -> Option<Fixed>) -> Result<Typed> {
    let repr = fixed_or_dynamic(&args, rule);
    Ok(def.call(args, PgType::NUMERIC, repr, ""))
}

/// A literal number of places that keeps or creates digits after the point.
fn literal_places(args: &[Typed]) -> Option<u32> {
    match args.get(1) {
        None => Some(0),
        Some(places) => match places.as_literal()? {
            datafusion_common::ScalarValue::Int32(Some(n)) => u32::try_from(*n).ok(),
            _ => None,
        },
    }
}

fn add(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&ADD, args, |f| Some(f[0].sum(f[1])))
}

fn sub(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&SUB, args, |f| Some(f[0].sum(f[1])))
}

fn mul(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&MUL, args, |f| Some(f[0].product(f[1])))
}

/// `a / b`; also what `avg` is made of.
pub fn divide(args: Vec<Typed>) -> Typed {
    DIV.call(args, PgType::NUMERIC, DataType::BinaryView, "")
}

fn div(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    Ok(divide(args))
}

fn rem(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&REM, args, |f| Some(f[0].remainder(f[1])))
}

fn plus(_: &QueryContext, mut args: Vec<Typed>) -> Result<Typed> {
    let arg = args.remove(0);
    Ok(Typed { ty: PgType::NUMERIC, ..arg })
}

fn neg(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    // -1.5 is a constant, not a function of one.
    match carrier::literal_value(&args[0]) {
        Some(value) => Ok(carrier::literal(&value.neg(), PgType::NUMERIC)),
        None => call(&NEG, args, |f| Some(f[0])),
    }
}

fn abs(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&ABS, args, |f| Some(f[0]))
}

fn sign(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&SIGN, args, |_| Some(Fixed { precision: 1, scale: 0 }))
}

fn round(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let places = literal_places(&args);
    call(&ROUND, args, |f| Some(f[0].rounded(places?)))
}

fn trunc(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let places = literal_places(&args);
    call(&TRUNC, args, |f| Some(Fixed::with_digits(f[0].integer_digits(), places?)))
}

fn ceil(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&CEIL, args, |f| Some(f[0].rounded(0)))
}

fn floor(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&FLOOR, args, |f| Some(f[0].rounded(0)))
}

fn gcd(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&GCD, args, |f| Some(f[0].union(f[1])))
}

fn lcm(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&LCM, args, |_| None)
}

fn div_trunc(_: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    call(&DIV_TRUNC, args, |f| Some(Fixed::with_digits(f[0].integer_digits() + f[1].scale, 0)))
}

pub fn signatures() -> Vec<Signature> {
    let build = Signature::build;
    let func = Signature::func;
    vec![
        build("%", &[N, N], N, rem),
        build("*", &[N, N], N, mul),
        build("+", &[N, N], N, add),
        build("+", &[N], N, plus),
        build("-", &[N, N], N, sub),
        build("-", &[N], N, neg),
        build("/", &[N, N], N, div),
        build("@", &[N], N, abs),
        func("^", &[N, N], N, &POWER),
        build("abs", &[N], N, abs),
        build("ceil", &[N], N, ceil),
        build("ceiling", &[N], N, ceil),
        build("div", &[N, N], N, div_trunc),
        func("exp", &[N], N, &EXP),
        func("factorial", &[oid::INT8], N, &FACTORIAL),
        build("floor", &[N], N, floor),
        build("gcd", &[N, N], N, gcd),
        build("lcm", &[N, N], N, lcm),
        func("ln", &[N], N, &LN),
        func("log", &[N], N, &LOG10),
        func("log", &[N, N], N, &LOG),
        func("log10", &[N], N, &LOG10),
        func("min_scale", &[N], oid::INT4, &MIN_SCALE),
        build("mod", &[N, N], N, rem),
        build("numeric_div_trunc", &[N, N], N, div_trunc),
        func("pow", &[N, N], N, &POWER),
        func("power", &[N, N], N, &POWER),
        build("round", &[N], N, round),
        build("round", &[N, oid::INT4], N, round),
        func("scale", &[N], oid::INT4, &SCALE),
        build("sign", &[N], N, sign),
        func("sqrt", &[N], N, &SQRT),
        func("trim_scale", &[N], N, &TRIM_SCALE),
        build("trunc", &[N], N, trunc),
        build("trunc", &[N, oid::INT4], N, trunc),
        func("width_bucket", &[N, N, N, oid::INT4], oid::INT4, &WIDTH_BUCKET),
    ]
}
