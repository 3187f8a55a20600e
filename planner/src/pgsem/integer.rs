//! smallint, integer, bigint: PostgreSQL's operators with its overflow and division errors.

use arrow::array::{ArrayRef, ArrowPrimitiveType};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use num_integer::Integer;
use num_traits::{CheckedDiv, CheckedMul, CheckedNeg, CheckedRem};

use super::errors::{division_by_zero, out_of_range};
use super::func::{FuncDef, SqlForm, Typed};
use super::kernel::Call;
use super::primitive::{unary, zip, zip_flagged};
use super::registry::{CastDef, Signature};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::{PgType, oid};

/// A native integer and its type's SQL name.
trait Integral: Integer + CheckedMul + CheckedDiv + CheckedRem + CheckedNeg + Copy + Send + Sync + 'static {
    const SQL: &'static str;
}

impl Integral for i16 {
    const SQL: &'static str = "smallint";
}
impl Integral for i32 {
    const SQL: &'static str = "integer";
}
impl Integral for i64 {
    const SQL: &'static str = "bigint";
}

fn in_range<T: Integral>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| out_of_range(T::SQL))
}

fn div<T: Integral>(a: T, b: T) -> Result<T> {
    if b.is_zero() { Err(division_by_zero()) } else { in_range(a.checked_div(&b)) }
}

fn rem<T: Integral>(a: T, b: T) -> Result<T> {
    if b.is_zero() {
        return Err(division_by_zero());
    }
    // The smallest value % -1 is 0, though the quotient overflows.
    Ok(a.checked_rem(&b).unwrap_or_else(T::zero))
}

fn neg<T: Integral>(a: T) -> Result<T> {
    in_range(a.checked_neg())
}

fn abs<T: Integral>(a: T) -> Result<T> {
    if a < T::zero() { neg(a) } else { Ok(a) }
}

fn gcd<T: Integral>(a: T, b: T) -> Result<T> {
    // Euclid on the values as they are: only the result must have a positive counterpart.
    let (mut a, mut b) = (a, b);
    while !b.is_zero() {
        (a, b) = (b, a.checked_rem(&b).unwrap_or_else(T::zero));
    }
    abs(a)
}

fn lcm<T: Integral>(a: T, b: T) -> Result<T> {
    if a.is_zero() || b.is_zero() {
        return Ok(T::zero());
    }
    abs(in_range((a / gcd(a, b)?).checked_mul(&b))?)
}

/// `f` in the wider of the two argument types, which is also the result's.
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

/// The same for what reports overflow by a flag.
fn overflowing<A, B, O>(call: &Call<'_>, f: impl Fn(O::Native, O::Native) -> (O::Native, bool)) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
    O::Native: Integral,
    A::Native: Into<O::Native>,
    B::Native: Into<O::Native>,
{
    zip_flagged::<A, B, O>(call, |a, b| f(a.into(), b.into()), || out_of_range(O::Native::SQL))
}

/// `+ - * /` of one pair of types; the names are PostgreSQL's.
macro_rules! arithmetic {
    ($out:ident, $a:ty, $b:ty, $o:ty, [$left:expr, $right:expr] -> $ret:expr, $pl:literal, $mi:literal, $mul:literal, $div:literal) => {{
        static PL: FuncDef =
            FuncDef::failing($pl, SqlForm::Infix("+"), |c| overflowing::<$a, $b, $o>(c, |x, y| x.overflowing_add(y)));
        static MI: FuncDef =
            FuncDef::failing($mi, SqlForm::Infix("-"), |c| overflowing::<$a, $b, $o>(c, |x, y| x.overflowing_sub(y)));
        static MUL: FuncDef =
            FuncDef::failing($mul, SqlForm::Infix("*"), |c| overflowing::<$a, $b, $o>(c, |x, y| x.overflowing_mul(y)));
        static DIV: FuncDef = FuncDef::failing($div, SqlForm::Infix("/"), |c| arith::<$a, $b, $o>(c, div));
        $out.extend([
            Signature::func("+", &[$left, $right], $ret, &PL),
            Signature::func("-", &[$left, $right], $ret, &MI),
            Signature::func("*", &[$left, $right], $ret, &MUL),
            Signature::func("/", &[$left, $right], $ret, &DIV),
        ]);
    }};
}

/// What exists once per type.
macro_rules! per_type {
    ($out:ident, $t:ty, $oid:expr, $prefix:literal) => {{
        static MOD: FuncDef =
            FuncDef::failing(concat!($prefix, "mod"), SqlForm::Infix("%"), |c| arith::<$t, $t, $t>(c, rem));
        static NEG: FuncDef =
            FuncDef::failing(concat!($prefix, "um"), SqlForm::Prefix("-"), |c| unary::<$t, $t>(c, neg));
        static ABS: FuncDef =
            FuncDef::failing(concat!($prefix, "abs"), SqlForm::Call("abs"), |c| unary::<$t, $t>(c, abs));
        static AND: FuncDef =
            FuncDef::new(concat!($prefix, "and"), SqlForm::Infix("&"), |c| zip::<$t, $t, $t>(c, |a, b| Ok(a & b)));
        static OR: FuncDef =
            FuncDef::new(concat!($prefix, "or"), SqlForm::Infix("|"), |c| zip::<$t, $t, $t>(c, |a, b| Ok(a | b)));
        static XOR: FuncDef =
            FuncDef::new(concat!($prefix, "xor"), SqlForm::Infix("#"), |c| zip::<$t, $t, $t>(c, |a, b| Ok(a ^ b)));
        static NOT: FuncDef =
            FuncDef::new(concat!($prefix, "not"), SqlForm::Prefix("~"), |c| unary::<$t, $t>(c, |a| Ok(!a)));
        $out.extend([
            Signature::func("%", &[$oid, $oid], $oid, &MOD),
            Signature::func("mod", &[$oid, $oid], $oid, &MOD),
            Signature::build("-", &[$oid], $oid, |_, args| Ok(negate(args, &NEG))),
            Signature::build("+", &[$oid], $oid, plus),
            Signature::func("@", &[$oid], $oid, &ABS),
            Signature::func("abs", &[$oid], $oid, &ABS),
            Signature::func("&", &[$oid, $oid], $oid, &AND),
            Signature::func("|", &[$oid, $oid], $oid, &OR),
            Signature::func("#", &[$oid, $oid], $oid, &XOR),
            Signature::func("~", &[$oid], $oid, &NOT),
        ]);
    }};
}

/// `-1` is a constant.
fn negate(mut args: Vec<Typed>, def: &'static FuncDef) -> Typed {
    let arg = args.remove(0);
    let negated = arg.as_literal().filter(|v| !v.is_null()).and_then(|v| v.arithmetic_negate().ok());
    match negated {
        Some(value) => Typed::literal(value, arg.ty),
        None => {
            let ty = arg.ty;
            def.apply(vec![arg], ty)
        }
    }
}

fn plus(_: &QueryContext, mut args: Vec<Typed>) -> Result<Typed> {
    Ok(args.remove(0))
}

// C shifts by the count's low bits; smallint is shifted as an int and cut.
static INT2_SHL: FuncDef = FuncDef::new("int2shl", SqlForm::Infix("<<"), |c| {
    zip::<Int16Type, Int32Type, Int16Type>(c, |a, n| Ok(i32::from(a).wrapping_shl(n as u32) as i16))
});
static INT2_SHR: FuncDef = FuncDef::new("int2shr", SqlForm::Infix(">>"), |c| {
    zip::<Int16Type, Int32Type, Int16Type>(c, |a, n| Ok(i32::from(a).wrapping_shr(n as u32) as i16))
});
static INT4_SHL: FuncDef = FuncDef::new("int4shl", SqlForm::Infix("<<"), |c| {
    zip::<Int32Type, Int32Type, Int32Type>(c, |a, n| Ok(a.wrapping_shl(n as u32)))
});
static INT4_SHR: FuncDef = FuncDef::new("int4shr", SqlForm::Infix(">>"), |c| {
    zip::<Int32Type, Int32Type, Int32Type>(c, |a, n| Ok(a.wrapping_shr(n as u32)))
});
static INT8_SHL: FuncDef = FuncDef::new("int8shl", SqlForm::Infix("<<"), |c| {
    zip::<Int64Type, Int32Type, Int64Type>(c, |a, n| Ok(a.wrapping_shl(n as u32)))
});
static INT8_SHR: FuncDef = FuncDef::new("int8shr", SqlForm::Infix(">>"), |c| {
    zip::<Int64Type, Int32Type, Int64Type>(c, |a, n| Ok(a.wrapping_shr(n as u32)))
});
static INT4_GCD: FuncDef =
    FuncDef::failing("int4gcd", SqlForm::Call("gcd"), |c| arith::<Int32Type, Int32Type, Int32Type>(c, gcd));
static INT8_GCD: FuncDef =
    FuncDef::failing("int8gcd", SqlForm::Call("gcd"), |c| arith::<Int64Type, Int64Type, Int64Type>(c, gcd));
static INT4_LCM: FuncDef =
    FuncDef::failing("int4lcm", SqlForm::Call("lcm"), |c| arith::<Int32Type, Int32Type, Int32Type>(c, lcm));
static INT8_LCM: FuncDef =
    FuncDef::failing("int8lcm", SqlForm::Call("lcm"), |c| arith::<Int64Type, Int64Type, Int64Type>(c, lcm));

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    use oid::{INT2, INT4, INT8};
    let mut out = vec![
        Signature::func("<<", &[INT2, INT4], INT2, &INT2_SHL),
        Signature::func(">>", &[INT2, INT4], INT2, &INT2_SHR),
        Signature::func("<<", &[INT4, INT4], INT4, &INT4_SHL),
        Signature::func(">>", &[INT4, INT4], INT4, &INT4_SHR),
        Signature::func("<<", &[INT8, INT4], INT8, &INT8_SHL),
        Signature::func(">>", &[INT8, INT4], INT8, &INT8_SHR),
        Signature::func("gcd", &[INT4, INT4], INT4, &INT4_GCD),
        Signature::func("gcd", &[INT8, INT8], INT8, &INT8_GCD),
        Signature::func("lcm", &[INT4, INT4], INT4, &INT4_LCM),
        Signature::func("lcm", &[INT8, INT8], INT8, &INT8_LCM),
    ];
    arithmetic!(out, Int16Type, Int16Type, Int16Type, [INT2, INT2] -> INT2, "int2pl", "int2mi", "int2mul", "int2div");
    arithmetic!(out, Int32Type, Int32Type, Int32Type, [INT4, INT4] -> INT4, "int4pl", "int4mi", "int4mul", "int4div");
    arithmetic!(out, Int64Type, Int64Type, Int64Type, [INT8, INT8] -> INT8, "int8pl", "int8mi", "int8mul", "int8div");
    arithmetic!(out, Int16Type, Int32Type, Int32Type, [INT2, INT4] -> INT4, "int24pl", "int24mi", "int24mul", "int24div");
    arithmetic!(out, Int32Type, Int16Type, Int32Type, [INT4, INT2] -> INT4, "int42pl", "int42mi", "int42mul", "int42div");
    arithmetic!(out, Int16Type, Int64Type, Int64Type, [INT2, INT8] -> INT8, "int28pl", "int28mi", "int28mul", "int28div");
    arithmetic!(out, Int64Type, Int16Type, Int64Type, [INT8, INT2] -> INT8, "int82pl", "int82mi", "int82mul", "int82div");
    arithmetic!(out, Int32Type, Int64Type, Int64Type, [INT4, INT8] -> INT8, "int48pl", "int48mi", "int48mul", "int48div");
    arithmetic!(out, Int64Type, Int32Type, Int64Type, [INT8, INT4] -> INT8, "int84pl", "int84mi", "int84mul", "int84div");
    per_type!(out, Int16Type, INT2, "int2");
    per_type!(out, Int32Type, INT4, "int4");
    per_type!(out, Int64Type, INT8, "int8");
    (out, Vec::new())
}

/// The value of an integer constant.
pub fn literal_i64(typed: &Typed) -> Option<i64> {
    use datafusion_common::ScalarValue::{Int16, Int32, Int64};
    match typed.as_literal()? {
        Int16(Some(v)) => Some(i64::from(*v)),
        Int32(Some(v)) => Some(i64::from(*v)),
        Int64(Some(v)) => Some(*v),
        _ => None,
    }
}

/// A constant of an integer type, if the type holds the value.
pub fn literal(value: i64, ty: PgType) -> Option<Typed> {
    let scalar = match ty.oid {
        oid::INT2 => i16::try_from(value).ok()?.into(),
        oid::INT4 => i32::try_from(value).ok()?.into(),
        _ => value.into(),
    };
    Some(Typed::literal(scalar, ty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::state;

    #[test]
    fn edges_of_the_range() {
        assert_eq!(div(i32::MIN, -1).unwrap_err().message(), "integer out of range");
        assert_eq!(div(1i16, 0).unwrap_err().sqlstate(), state::DIVISION_BY_ZERO);
        assert_eq!(rem(i64::MIN, -1).unwrap(), 0);
        assert_eq!(rem(-7i32, 3).unwrap(), -1);
        assert_eq!(abs(i64::MIN).unwrap_err().message(), "bigint out of range");
        assert_eq!(neg(i16::MIN).unwrap_err().message(), "smallint out of range");
        assert_eq!(gcd(i32::MIN, 6).unwrap(), 2);
        assert_eq!(gcd(i32::MIN, 0).unwrap_err().message(), "integer out of range");
        assert_eq!(gcd(i32::MIN, -1).unwrap(), 1);
        assert_eq!(lcm(-4i64, 6).unwrap(), 12);
        assert_eq!(lcm(i32::MAX, 2).unwrap_err().message(), "integer out of range");
    }
}
