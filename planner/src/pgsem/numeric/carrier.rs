//! Which Arrow type carries a numeric expression.
//!
//! A *fixed* carrier (`Decimal128`/`Decimal256`) is used where every value provably has the carrier's scale as its display scale
//! and fits its precision; arithmetic then needs no overflow checks, because the result's precision is wide enough by
//! construction. Everything else is *dynamic*.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type};
use datafusion_common::ScalarValue;

use super::column::{NumericColumn, i256_of_int};
use super::encoding;
use super::int::Rounding;
use super::{Finite, Num, Numeric};
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Call;
use crate::pgtype::{PgType, decimal_repr};

/// Precision and scale of a fixed carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    pub precision: u32,
    pub scale: u32,
}

impl Fixed {
    /// `None` for the dynamic carrier.
    pub fn of(repr: &DataType) -> Option<Self> {
        match repr {
            DataType::Decimal128(p, s) | DataType::Decimal256(p, s) if *s >= 0 => {
                Some(Self { precision: u32::from(*p), scale: *s as u32 })
            }
            _ => None,
        }
    }

    pub fn integer_digits(self) -> u32 {
        self.precision.saturating_sub(self.scale)
    }

    pub fn with_digits(integer_digits: u32, scale: u32) -> Self {
        Self { precision: (integer_digits + scale).max(1), scale }
    }

    /// The Arrow type, if there is one that wide.
    pub fn repr(self) -> Option<DataType> {
        decimal_repr(self.precision, self.scale as i32)
    }

    /// Holds the values of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self::with_digits(self.integer_digits().max(other.integer_digits()), self.scale.max(other.scale))
    }

    /// Of `a + b` and `a - b`.
    #[must_use]
    pub fn sum(self, other: Self) -> Self {
        let both = self.union(other);
        Self { precision: both.precision + 1, ..both }
    }

    #[must_use]
    pub fn product(self, other: Self) -> Self {
        Self { precision: self.precision + other.precision, scale: self.scale + other.scale }
    }

    /// Of `a % b`: smaller than `b`, not larger than `a`.
    #[must_use]
    pub fn remainder(self, other: Self) -> Self {
        Self::with_digits(self.integer_digits().min(other.integer_digits()), self.scale.max(other.scale))
    }

    /// Of rounding to `places` digits after the point, which may carry into one more digit before it.
    #[must_use]
    pub fn rounded(self, places: u32) -> Self {
        Self::with_digits(self.integer_digits() + u32::from(places < self.scale), places)
    }

    /// Whether the value can be carried with exactly this scale.
    pub fn holds(self, value: &Finite) -> bool {
        let moved = value.rescale(self.scale as i32, Rounding::Trunc);
        moved == *value && moved.unscaled.digits() <= self.precision
    }
}

/// Narrowest fixed carrier that shows the value's own display scale.
fn fixed_of(value: &Finite) -> Fixed {
    let scale = value.scale.max(0) as u32;
    Fixed { precision: value.unscaled.digits().max(scale).max(1), scale }
}

fn decimal_scalar(value: &Finite, fixed: Fixed) -> Option<ScalarValue> {
    let unscaled = value.rescale(fixed.scale as i32, Rounding::Trunc).unscaled;
    match fixed.repr()? {
        DataType::Decimal128(p, s) => Some(ScalarValue::Decimal128(Some(unscaled.to_i128()?), p, s)),
        DataType::Decimal256(p, s) => Some(ScalarValue::Decimal256(Some(i256_of_int(&unscaled)?), p, s)),
        _ => None,
    }
}

/// A constant, fixed if it can be.
pub fn literal(value: &Numeric, ty: PgType) -> Typed {
    let scalar = value.finite().and_then(|v| decimal_scalar(v, fixed_of(v)));
    Typed::literal(scalar.unwrap_or_else(|| ScalarValue::BinaryView(Some(value.to_bytes()))), ty)
}

/// The value of a constant that is not NULL.
pub fn literal_value(typed: &Typed) -> Option<Numeric> {
    let scalar = typed.as_literal()?;
    if scalar.is_null() {
        return None;
    }
    let array = scalar.to_array().ok()?;
    NumericColumn::new(&array).ok()?.value(0).ok()
}

pub fn is_null_literal(typed: &Typed) -> bool {
    typed.as_literal().is_some_and(ScalarValue::is_null)
}

fn null_of(ty: PgType, repr: DataType) -> Typed {
    let scalar = ScalarValue::try_from(&repr).unwrap_or(ScalarValue::Null);
    Typed::with_repr(datafusion_expr::Expr::Literal(scalar, None), ty, repr)
}

/// Moves values to another carrier without changing them (the display scale may grow).
static CARRY: FuncDef = FuncDef::new("numeric_carry", SqlForm::Transparent, carry);

fn carry(call: &Call<'_>) -> Result<arrow::array::ArrayRef> {
    match super::fixed::widen(call)? {
        Some(array) => Ok(array),
        None => call.map1::<Num, Num>(Ok),
    }
}

/// The same values in the dynamic carrier, each with its display scale.
pub fn to_dynamic(typed: Typed) -> Typed {
    if typed.repr == DataType::BinaryView {
        return typed;
    }
    let ty = typed.ty;
    if is_null_literal(&typed) {
        return null_of(ty, DataType::BinaryView);
    }
    match literal_value(&typed) {
        Some(value) => Typed::literal(ScalarValue::BinaryView(Some(value.to_bytes())), ty),
        None => CARRY.call(vec![typed], ty, DataType::BinaryView, ""),
    }
}

/// The same values in a fixed carrier that holds them all. A larger scale shows: for comparison only, unless the scale stays.
pub fn to_fixed(typed: Typed, fixed: Fixed) -> Result<Typed> {
    let repr = fixed.repr().ok_or_else(|| Error::internal("no decimal is that wide"))?;
    if typed.repr == repr {
        return Ok(typed);
    }
    let ty = typed.ty;
    if is_null_literal(&typed) {
        return Ok(null_of(ty, repr));
    }
    if let Some(scalar) = literal_value(&typed).and_then(|v| decimal_scalar(v.finite()?, fixed)) {
        return Ok(Typed::literal(scalar, ty));
    }
    Ok(CARRY.call(vec![typed], ty, repr, ""))
}

/// The same values in `Decimal256`, however few digits they have.
pub fn to_wide(typed: Typed, fixed: Fixed) -> Typed {
    let ty = typed.ty;
    CARRY.call(vec![typed], ty, DataType::Decimal256(fixed.precision as u8, fixed.scale as i8), "")
}

/// Brings the branches of CASE, COALESCE, UNION, VALUES or ARRAY to one carrier. Every value keeps its own display scale: only
/// branches of one scale stay fixed.
pub fn unify_repr(branches: Vec<Typed>) -> Vec<Typed> {
    let typed = || branches.iter().filter(|b| !is_null_literal(b));
    let mut common = typed().next().and_then(|b| Fixed::of(&b.repr));
    for branch in typed() {
        common = match (common, Fixed::of(&branch.repr)) {
            (Some(a), Some(b)) if a.scale == b.scale => Some(a.union(b)),
            _ => None,
        };
    }
    let unified: Option<Vec<Typed>> =
        common.and_then(|fixed| branches.iter().map(|b| to_fixed(b.clone(), fixed).ok()).collect());
    unified.unwrap_or_else(|| branches.into_iter().map(to_dynamic).collect())
}

/// Removes the display scale from dynamic bytes: equal values have equal keys, and keys sort as values do.
static KEY: FuncDef = FuncDef::new("numeric_key", SqlForm::Transparent, key_bytes);

fn key_bytes(call: &Call<'_>) -> Result<arrow::array::ArrayRef> {
    let bytes = call.args[0].as_binary_view();
    let keys = (0..call.rows).map(|i| (!call.is_null(0, i)).then(|| encoding::key_of(bytes.value(call.row(0, i)))));
    Ok(std::sync::Arc::new(arrow::array::BinaryViewArray::from_iter(keys)))
}

/// The comparison key of a dynamic numeric.
pub fn dynamic_key(typed: Typed) -> Typed {
    let typed = to_dynamic(typed);
    let ty = typed.ty;
    match typed.as_literal() {
        Some(ScalarValue::BinaryView(Some(bytes))) => {
            Typed::literal(ScalarValue::BinaryView(Some(encoding::key_of(bytes).to_vec())), ty)
        }
        Some(_) => typed,
        None => KEY.call(vec![typed], ty, DataType::BinaryView, ""),
    }
}

/// Both sides in one carrier whose native order and equality are numeric's. A constant moves to the column's carrier where that
/// is exact, so that `column = constant` stays what engines and Parquet statistics understand.
pub fn comparable(left: Typed, right: Typed) -> Result<(Typed, Typed)> {
    let (l, r) = (Fixed::of(&left.repr), Fixed::of(&right.repr));
    // A NULL takes the other side's carrier.
    if is_null_literal(&left) && !is_null_literal(&right) {
        let (right, left) = comparable_null(right, left)?;
        return Ok((left, right));
    }
    if is_null_literal(&right) {
        return comparable_null(left, right);
    }
    if let (Some(l), Some(r)) = (l, r) {
        let constant_fits = |constant: &Typed, column: Fixed| {
            literal_value(constant).is_some_and(|v| v.finite().is_some_and(|v| column.holds(v)))
        };
        let common = if constant_fits(&right, l) && left.as_literal().is_none() {
            l
        } else if constant_fits(&left, r) && right.as_literal().is_none() {
            r
        } else {
            l.union(r)
        };
        if common.repr().is_some() {
            return Ok((to_fixed(left, common)?, to_fixed(right, common)?));
        }
    }
    Ok((dynamic_key(left), dynamic_key(right)))
}

fn comparable_null(side: Typed, null: Typed) -> Result<(Typed, Typed)> {
    let side = if Fixed::of(&side.repr).is_some() { side } else { dynamic_key(side) };
    let null = null_of(null.ty, side.repr.clone());
    Ok((side, null))
}

/// Whether the numeric array's values can be read with units of a fixed scale without decoding each.
pub(super) fn is_decimal(array: &dyn Array) -> bool {
    matches!(array.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// Values of a fixed array as `Decimal128`, if that is what it is.
pub(super) fn as_decimal128(array: &dyn Array) -> Option<&arrow::array::PrimitiveArray<Decimal128Type>> {
    array.as_primitive_opt::<Decimal128Type>()
}

pub(super) fn as_decimal256(array: &dyn Array) -> Option<&arrow::array::PrimitiveArray<Decimal256Type>> {
    array.as_primitive_opt::<Decimal256Type>()
}
