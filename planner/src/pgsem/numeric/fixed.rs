//! Tight loops for fixed carriers: what a scan of millions of prices runs through.
//!
//! Precisions are chosen so that no result can overflow its native integer (see [`super::carrier`]); the loops therefore wrap
//! and run over NULL slots too. Each function answers `None` where the carriers are not fixed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::binary;
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Int16Type, Int32Type, Int64Type, i256};

use super::carrier::{Fixed, as_decimal128, as_decimal256, is_decimal};
use super::int::pow10_i128;
use crate::error::Result;
use crate::pgsem::kernel::Call;

/// Units of a decimal as the widest native integer.
trait Wide: Copy {
    fn wide(self) -> i256;
}

impl Wide for i128 {
    fn wide(self) -> i256 {
        i256::from_i128(self)
    }
}

impl Wide for i256 {
    fn wide(self) -> i256 {
        self
    }
}

fn pow10_i256(n: u32) -> i256 {
    match pow10_i128(n) {
        Some(p) => i256::from_i128(p),
        None => i256::from_i128(10).wrapping_pow(n),
    }
}

fn done<T: ArrowPrimitiveType>(array: PrimitiveArray<T>, repr: &DataType) -> Option<ArrayRef> {
    Some(Arc::new(array.with_data_type(repr.clone())))
}

/// `f` over two columns of which one may be constant.
fn zip<A: ArrowPrimitiveType, B: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    call: &Call<'_>,
    a: &PrimitiveArray<A>,
    b: &PrimitiveArray<B>,
    f: impl Fn(A::Native, B::Native) -> O::Native,
) -> Result<PrimitiveArray<O>> {
    Ok(match (call.scalars[0], call.scalars[1]) {
        (true, false) if a.is_null(0) => PrimitiveArray::new_null(call.rows),
        (false, true) if b.is_null(0) => PrimitiveArray::new_null(call.rows),
        (true, false) => {
            let x = a.value(0);
            b.unary(|y| f(x, y))
        }
        (false, true) => {
            let y = b.value(0);
            a.unary(|x| f(x, y))
        }
        _ => binary(a, b, f)?,
    })
}

/// `f` over two decimal columns as the widest integers.
fn zip_wide(call: &Call<'_>, f: impl Fn(i256, i256) -> i256 + Copy) -> Result<PrimitiveArray<Decimal256Type>> {
    let (l, r) = (call.args[0].as_ref(), call.args[1].as_ref());
    match (as_decimal128(l), as_decimal128(r), as_decimal256(l), as_decimal256(r)) {
        (Some(a), Some(b), ..) => zip(call, a, b, |x, y| f(x.wide(), y.wide())),
        (Some(a), _, _, Some(b)) => zip(call, a, b, |x, y| f(x.wide(), y)),
        (_, Some(b), Some(a), _) => zip(call, a, b, |x, y| f(x, y.wide())),
        (_, _, Some(a), Some(b)) => zip(call, a, b, f),
        _ => Err(crate::error::Error::internal("not a decimal")),
    }
}

/// Carriers of the two arguments and the result if all are fixed.
fn all_fixed(call: &Call<'_>) -> Option<(Fixed, Fixed, Fixed)> {
    let (l, r) = (call.args[0].data_type(), call.args[1].data_type());
    Some((Fixed::of(l)?, Fixed::of(r)?, Fixed::of(&call.func.repr)?))
}

pub fn add(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    linear(call, 1)
}

pub fn sub(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    linear(call, -1)
}

/// `a + sign * b`
fn linear(call: &Call<'_>, sign: i128) -> Result<Option<ArrayRef>> {
    let Some((l, r, out)) = all_fixed(call) else { return Ok(None) };
    let (up_l, up_r) = (out.scale - l.scale, out.scale - r.scale);
    let repr = &call.func.repr;
    let narrow = (as_decimal128(&call.args[0]), as_decimal128(&call.args[1]));
    if let (DataType::Decimal128(..), (Some(a), Some(b))) = (repr, narrow)
        && let (Some(m), Some(n)) = (pow10_i128(up_l), pow10_i128(up_r))
    {
        let n = n * sign;
        let sum = match (m, n) {
            (1, 1) => zip::<_, _, Decimal128Type>(call, a, b, |x, y| x.wrapping_add(y))?,
            (1, -1) => zip(call, a, b, |x, y| x.wrapping_sub(y))?,
            _ => zip(call, a, b, |x, y| x.wrapping_mul(m).wrapping_add(y.wrapping_mul(n)))?,
        };
        return Ok(done(sum, repr));
    }
    let (m, n) = (pow10_i256(up_l), pow10_i256(up_r).wrapping_mul(i256::from_i128(sign)));
    let sum = zip_wide(call, |x, y| x.wrapping_mul(m).wrapping_add(y.wrapping_mul(n)))?;
    Ok(done(sum, repr))
}

pub fn mul(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    if all_fixed(call).is_none() {
        return Ok(None);
    }
    let repr = &call.func.repr;
    let product = match (repr, as_decimal128(&call.args[0]), as_decimal128(&call.args[1])) {
        (DataType::Decimal128(..), Some(a), Some(b)) => {
            return Ok(done(zip::<_, _, Decimal128Type>(call, a, b, i128::wrapping_mul)?, repr));
        }
        // Most factors are narrow even where the carrier must be wide.
        (_, Some(a), Some(b)) => zip(call, a, b, |x, y| match (i64::try_from(x), i64::try_from(y)) {
            (Ok(x), Ok(y)) => (i128::from(x) * i128::from(y)).wide(),
            _ => x.wide().wrapping_mul(y.wide()),
        })?,
        _ => zip_wide(call, i256::wrapping_mul)?,
    };
    Ok(done(product, repr))
}

/// `f` over the units of one argument whose carrier has the width of the result's.
fn map_units(call: &Call<'_>, narrow: impl Fn(i128) -> i128, wide: impl Fn(i256) -> i256) -> Result<Option<ArrayRef>> {
    let (arg, repr) = (call.args[0].as_ref(), &call.func.repr);
    Ok(match (repr, as_decimal128(arg), as_decimal256(arg)) {
        (DataType::Decimal128(..), Some(a), _) => done(a.unary::<_, Decimal128Type>(narrow), repr),
        (DataType::Decimal256(..), _, Some(a)) => done(a.unary::<_, Decimal256Type>(wide), repr),
        _ => None,
    })
}

pub fn neg(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    map_units(call, i128::wrapping_neg, i256::wrapping_neg)
}

pub fn abs(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    map_units(call, i128::wrapping_abs, i256::wrapping_abs)
}

/// The same values with the same or more digits after the point, from decimals or integers.
pub fn widen(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    let (arg, repr) = (call.args[0].as_ref(), &call.func.repr);
    let scale = if is_decimal(arg) { Fixed::of(arg.data_type()).map(|f| f.scale) } else { Some(0) };
    let (Some(scale), Some(out)) = (scale, Fixed::of(repr)) else { return Ok(None) };
    let Some(up) = out.scale.checked_sub(scale) else { return Ok(None) };
    if let (DataType::Decimal128(..), Some(factor)) = (repr, pow10_i128(up)) {
        let times = |v: i128| v.wrapping_mul(factor);
        return Ok(match arg.data_type() {
            DataType::Decimal128(..) if up == 0 => done(arg.as_primitive::<Decimal128Type>().clone(), repr),
            DataType::Decimal128(..) => {
                done(arg.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(times), repr)
            }
            DataType::Int16 => {
                done(arg.as_primitive::<Int16Type>().unary::<_, Decimal128Type>(|v| times(v.into())), repr)
            }
            DataType::Int32 => {
                done(arg.as_primitive::<Int32Type>().unary::<_, Decimal128Type>(|v| times(v.into())), repr)
            }
            DataType::Int64 => {
                done(arg.as_primitive::<Int64Type>().unary::<_, Decimal128Type>(|v| times(v.into())), repr)
            }
            _ => None,
        });
    }
    let factor = pow10_i256(up);
    Ok(match (as_decimal128(arg), as_decimal256(arg)) {
        (Some(a), _) => done(a.unary::<_, Decimal256Type>(|v| v.wide().wrapping_mul(factor)), repr),
        (_, Some(a)) => done(a.unary::<_, Decimal256Type>(|v| v.wrapping_mul(factor)), repr),
        _ => None,
    })
}

/// Rounding half away from zero to the result's scale, which is not larger than the argument's.
pub fn round(call: &Call<'_>) -> Result<Option<ArrayRef>> {
    let (arg, repr) = (call.args[0].as_ref(), &call.func.repr);
    let (Some(from), Some(to)) = (Fixed::of(arg.data_type()), Fixed::of(repr)) else { return Ok(None) };
    let divisor = from.scale.checked_sub(to.scale).and_then(pow10_i128);
    let (Some(a), Some(divisor), DataType::Decimal128(..)) = (as_decimal128(arg), divisor, repr) else {
        return Ok(None);
    };
    let half = divisor / 2;
    let rounded = a.unary::<_, Decimal128Type>(|v| {
        let (quotient, rest) = (v / divisor, v % divisor);
        quotient + i128::from(divisor > 1 && rest >= half) - i128::from(divisor > 1 && rest <= -half)
    });
    Ok(done(rounded, repr))
}
