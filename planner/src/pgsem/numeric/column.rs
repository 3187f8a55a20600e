//! Numerics in Arrow columns, whichever carrier they have.

use std::sync::Arc;

use arrow::array::builder::{BinaryViewBuilder, Decimal128Builder, Decimal256Builder};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, Decimal128Array, Decimal256Array, Int16Array, Int32Array, Int64Array,
};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, DecimalType, Int16Type, Int32Type, Int64Type, i256};
use num_bigint::BigInt;

use super::int::{Int, Rounding};
use super::{Finite, Numeric};
use crate::error::{Error, Result};
use crate::pgsem::errors::out_of_range;
use crate::pgsem::kernel::Value;

/// The [`Value`] of numeric: reads any carrier and integers, writes the carrier of the result.
#[derive(Debug)]
pub struct Num;

#[derive(Debug)]
pub enum NumericColumn<'a> {
    Decimal128(&'a Decimal128Array, i32),
    Decimal256(&'a Decimal256Array, i32),
    Dynamic(&'a BinaryViewArray),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
}

impl<'a> NumericColumn<'a> {
    pub fn new(array: &'a dyn Array) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Decimal128(_, s) => Self::Decimal128(array.as_primitive::<Decimal128Type>(), i32::from(*s)),
            DataType::Decimal256(_, s) => Self::Decimal256(array.as_primitive::<Decimal256Type>(), i32::from(*s)),
            DataType::BinaryView => Self::Dynamic(array.as_binary_view()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            other => return Err(Error::internal(format!("{other} carries no numeric"))),
        })
    }

    pub fn value(&self, row: usize) -> Result<Numeric> {
        let finite = match self {
            Self::Decimal128(a, scale) => Finite::new(a.value(row), *scale),
            Self::Decimal256(a, scale) => Finite { unscaled: int_of_i256(a.value(row)), scale: *scale },
            Self::Dynamic(a) => return Numeric::decode(a.value(row)),
            Self::Int16(a) => Finite::new(i64::from(a.value(row)), 0),
            Self::Int32(a) => Finite::new(i64::from(a.value(row)), 0),
            Self::Int64(a) => Finite::new(a.value(row), 0),
        };
        Ok(Numeric::Finite(finite))
    }
}

pub fn int_of_i256(value: i256) -> Int {
    match value.to_i128() {
        Some(small) => Int::Small(small),
        None => Int::from_big(BigInt::from_signed_bytes_le(&value.to_le_bytes())),
    }
}

pub fn i256_of_int(value: &Int) -> Option<i256> {
    match value {
        Int::Small(v) => Some(i256::from_i128(*v)),
        Int::Big(v) => {
            let bytes = v.to_signed_bytes_le();
            if bytes.len() > 32 {
                return None;
            }
            let mut padded = [if super::Int::is_negative(value) { 0xff } else { 0 }; 32];
            padded[..bytes.len()].copy_from_slice(&bytes);
            Some(i256::from_le_bytes(padded))
        }
    }
}

#[derive(Debug)]
pub enum NumericBuilder {
    Decimal128(Decimal128Builder, u8, i8),
    Decimal256(Decimal256Builder, u8, i8),
    Dynamic(BinaryViewBuilder, Vec<u8>),
}

impl NumericBuilder {
    pub fn new(rows: usize, repr: &DataType) -> Self {
        match repr {
            DataType::Decimal128(p, s) => {
                Self::Decimal128(Decimal128Builder::with_capacity(rows).with_data_type(repr.clone()), *p, *s)
            }
            DataType::Decimal256(p, s) => {
                Self::Decimal256(Decimal256Builder::with_capacity(rows).with_data_type(repr.clone()), *p, *s)
            }
            _ => Self::Dynamic(BinaryViewBuilder::with_capacity(rows), Vec::with_capacity(32)),
        }
    }

    pub fn append(&mut self, value: Option<&Numeric>) -> Result<()> {
        match (self, value) {
            (Self::Decimal128(b, ..), None) => b.append_null(),
            (Self::Decimal256(b, ..), None) => b.append_null(),
            (Self::Dynamic(b, _), None) => b.append_null(),
            (Self::Dynamic(b, buffer), Some(value)) => {
                buffer.clear();
                value.encode(buffer);
                b.append_value(&buffer);
            }
            (Self::Decimal128(b, p, s), Some(value)) => {
                let units = units_at(value, i32::from(*s))?;
                let units = units.to_i128().filter(|v| Decimal128Type::is_valid_decimal_precision(*v, *p));
                b.append_value(units.ok_or_else(|| out_of_range("numeric"))?);
            }
            (Self::Decimal256(b, p, s), Some(value)) => {
                let units = i256_of_int(&units_at(value, i32::from(*s))?);
                let units = units.filter(|v| Decimal256Type::is_valid_decimal_precision(*v, *p));
                b.append_value(units.ok_or_else(|| out_of_range("numeric"))?);
            }
        }
        Ok(())
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Decimal128(mut b, ..) => Arc::new(b.finish()),
            Self::Decimal256(mut b, ..) => Arc::new(b.finish()),
            Self::Dynamic(mut b, _) => Arc::new(b.finish()),
        }
    }
}

/// A fixed carrier holds values of its own scale only.
fn units_at(value: &Numeric, scale: i32) -> Result<Int> {
    match value {
        Numeric::Finite(v) => {
            let moved = v.rescale(scale, Rounding::Trunc);
            if moved == *v {
                return Ok(moved.unscaled);
            }
            Err(Error::internal(format!("{v} does not fit a decimal of scale {scale}")))
        }
        special => Err(Error::internal(format!("{special} does not fit a decimal"))),
    }
}

impl Value for Num {
    type Ref<'a> = Numeric;
    type Owned = Numeric;
    type Column<'a> = NumericColumn<'a>;
    type Builder = NumericBuilder;

    fn column(array: &dyn Array) -> Result<Self::Column<'_>> {
        NumericColumn::new(array)
    }
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a> {
        // Bytes that no encoder wrote: NaN makes the damage visible without a panic.
        column.value(row).unwrap_or(Numeric::NaN)
    }
    fn builder(rows: usize, repr: &DataType) -> Self::Builder {
        NumericBuilder::new(rows, repr)
    }
    fn append(builder: &mut Self::Builder, value: Option<Numeric>) -> Result<()> {
        builder.append(value.as_ref())
    }
    fn finish(builder: Self::Builder) -> ArrayRef {
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::state;
    use crate::pgsem::numeric::parse_numeric;

    fn round_trip(repr: &DataType, texts: &[&str]) -> Result<Vec<String>> {
        let mut builder = NumericBuilder::new(4, repr);
        for text in texts {
            builder.append(Some(&parse_numeric(text)?))?;
        }
        builder.append(None)?;
        let array = builder.finish();
        assert_eq!(array.data_type(), repr);
        assert!(array.is_null(texts.len()));
        let column = NumericColumn::new(&array)?;
        (0..texts.len()).map(|i| column.value(i).map(|v| v.to_string())).collect()
    }

    #[test]
    fn carriers_keep_values_and_scales() {
        let two = ["1.50", "-0.01", "99999999999999999999.99"];
        assert_eq!(round_trip(&DataType::Decimal128(22, 2), &two).unwrap(), two);
        assert_eq!(round_trip(&DataType::Decimal256(60, 2), &two).unwrap(), two);
        let any = ["NaN", "-Infinity", "1.5", "1.50", "-12345678901234567890123456789012345678901234567890.5"];
        assert_eq!(round_trip(&DataType::BinaryView, &any).unwrap(), any);
        let wide = ["-1234567890123456789012345678901234567890123456789012345678901234567890.123456"];
        assert_eq!(round_trip(&DataType::Decimal256(76, 6), &wide).unwrap(), wide);
    }

    #[test]
    fn a_fixed_carrier_refuses_what_it_cannot_hold() {
        let e = round_trip(&DataType::Decimal128(3, 1), &["100.0"]).unwrap_err();
        assert_eq!(e.sqlstate(), state::NUMERIC_VALUE_OUT_OF_RANGE);
        assert_eq!(round_trip(&DataType::Decimal128(3, 1), &["1.05"]).unwrap_err().sqlstate(), state::INTERNAL_ERROR);
        assert!(round_trip(&DataType::Decimal256(70, 1), &["NaN"]).is_err());
    }
}
