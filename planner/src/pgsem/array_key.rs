//! Bytes that sort as PostgreSQL sorts arrays: element by element, NULL behind every value, a prefix before what continues it.
//!
//! Each element is a marker (1 value, 2 NULL) and its own bytes, each array ends in a zero byte. Elements of fixed width are
//! big-endian with the sign turned; text and bytes escape zeros, because zero ends them.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};

use super::float::key_of;
use super::json;
use super::key::interval_micros;
use super::numeric::column::NumericColumn;
use super::numeric::encoding;
use crate::error::{Error, Result};
use crate::pgtype::{PgType, oid};

fn incomparable(ty: PgType) -> Error {
    Error::unsupported(format!("comparing values of type {ty}"))
}

/// Whether arrays of that type can be compared.
pub fn check(ty: PgType) -> Result<()> {
    if ty.element().is_some_and(has_key) { Ok(()) } else { Err(incomparable(ty)) }
}

/// Whether [`ElementKeys`] knows the type.
pub fn check_element(ty: PgType) -> Result<()> {
    if has_key(ty) { Ok(()) } else { Err(incomparable(ty)) }
}

fn has_key(ty: PgType) -> bool {
    ty.is_string()
        || matches!(
            ty.oid,
            oid::BOOL
                | oid::INT2
                | oid::INT4
                | oid::INT8
                | oid::OID
                | oid::FLOAT4
                | oid::FLOAT8
                | oid::NUMERIC
                | oid::CHAR
                | oid::BYTEA
                | oid::DATE
                | oid::TIME
                | oid::TIMESTAMP
                | oid::TIMESTAMPTZ
                | oid::INTERVAL
                | oid::JSONB
                | oid::UUID
        )
}

/// The keys of all elements of a column of arrays.
pub struct ElementKeys(Vec<Vec<u8>>);

impl ElementKeys {
    pub fn new(element: PgType, values: &ArrayRef) -> Result<Self> {
        let keys = match values.data_type() {
            // Two arrays may have different carriers, so all of them have one key.
            _ if element.oid == oid::NUMERIC => {
                let a = NumericColumn::new(values)?;
                each(values, |i, out| {
                    out.extend_from_slice(encoding::key_of(&a.value(i)?.to_bytes()));
                    Ok(())
                })
            }
            DataType::Utf8View if element.oid == oid::JSONB => {
                let a = values.as_string_view();
                each(values, |i, out| {
                    out.extend(json::key::key_of(a.value(i))?);
                    Ok(())
                })
            }
            DataType::Boolean => {
                let a = values.as_boolean();
                each(values, |i, out| {
                    out.push(u8::from(a.value(i)));
                    Ok(())
                })
            }
            DataType::Int16 => signed::<Int16Type>(values, |v| v.into()),
            DataType::Int32 => signed::<Int32Type>(values, |v| v.into()),
            DataType::Int64 => signed::<Int64Type>(values, |v| v.into()),
            DataType::Date32 => signed::<Date32Type>(values, |v| v.into()),
            DataType::Time64(_) => signed::<Time64MicrosecondType>(values, |v| v.into()),
            DataType::Timestamp(..) => signed::<TimestampMicrosecondType>(values, |v| v.into()),
            DataType::Interval(_) => signed::<IntervalMonthDayNanoType>(values, interval_micros),
            DataType::Float32 => {
                let a = values.as_primitive::<Float32Type>();
                each(values, |i, out| {
                    out.extend_from_slice(&float_bytes(f64::from(key_of(a.value(i)))));
                    Ok(())
                })
            }
            DataType::Float64 => {
                let a = values.as_primitive::<Float64Type>();
                each(values, |i, out| {
                    out.extend_from_slice(&float_bytes(key_of(a.value(i))));
                    Ok(())
                })
            }
            DataType::Utf8View => {
                let a = values.as_string_view();
                each(values, |i, out| {
                    terminated(a.value(i).as_bytes(), out);
                    Ok(())
                })
            }
            DataType::BinaryView => {
                let a = values.as_binary_view();
                each(values, |i, out| {
                    terminated(a.value(i), out);
                    Ok(())
                })
            }
            other => Err(Error::internal(format!("no key for elements carried as {other}"))),
        };
        Ok(Self(keys?))
    }

    /// The key of one element, its marker in front; NULL has one too.
    pub fn of(&self, element: usize) -> &[u8] {
        &self.0[element]
    }

    /// The key of the array that has these elements.
    pub fn of_range(&self, elements: Range<usize>) -> Vec<u8> {
        let mut key = self.0[elements].concat();
        key.push(0);
        key
    }
}

fn each(values: &ArrayRef, encode: impl Fn(usize, &mut Vec<u8>) -> Result<()>) -> Result<Vec<Vec<u8>>> {
    let one = |row: usize| {
        if values.is_null(row) {
            return Ok(vec![2]);
        }
        let mut key = Vec::with_capacity(20);
        key.push(1);
        encode(row, &mut key).map(|()| key)
    };
    (0..values.len()).map(one).collect()
}

fn signed<T: ArrowPrimitiveType>(values: &ArrayRef, wide: fn(T::Native) -> i128) -> Result<Vec<Vec<u8>>> {
    let a: &PrimitiveArray<T> = values.as_primitive();
    each(values, |i, out| {
        out.extend_from_slice(&(wide(a.value(i)) ^ i128::MIN).to_be_bytes());
        Ok(())
    })
}

/// IEEE's total order as bytes.
fn float_bytes(value: f64) -> [u8; 8] {
    let bits = value.to_bits();
    (if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }).to_be_bytes()
}

fn terminated(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, Int32Array, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn arrays_sort_as_in_postgres() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(-5), Some(1)]));
        let keys = ElementKeys::new(PgType::INT4, &values).unwrap();
        // {} < {-5} < {1} < {1,2} < {1,NULL} < {2} < {NULL}
        let ranked = [0..0, 3..4, 0..1, 0..2, 1..2, 2..3].map(|r| keys.of_range(r));
        assert!(ranked.is_sorted_by(|a, b| a < b));
        assert_eq!(keys.of_range(0..1), keys.of_range(4..5));
    }

    #[test]
    fn elements_do_not_run_into_each_other() {
        let values: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b", "ab", "", "a\0"]));
        let keys = ElementKeys::new(PgType::TEXT, &values).unwrap();
        assert!(keys.of_range(0..2) < keys.of_range(2..3));
        assert!(keys.of_range(0..1) < keys.of_range(4..5));
        assert!(keys.of_range(3..4) < keys.of_range(0..1));
    }

    #[test]
    fn floats_of_either_sign() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![
            f64::NEG_INFINITY,
            -2.0,
            -0.0,
            0.0,
            1e-300,
            f64::INFINITY,
            f64::NAN,
            -f64::NAN,
        ]));
        let keys = ElementKeys::new(PgType::FLOAT8, &values).unwrap();
        let k: Vec<_> = (0..8).map(|i| keys.of_range(i..i + 1)).collect();
        assert_eq!((&k[2], &k[6]), (&k[3], &k[7]));
        assert!([&k[0], &k[1], &k[2], &k[4], &k[5], &k[6]].is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn numbers_of_any_carrier_have_one_key() {
        let fixed = |units: i128, scale: i8| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![units]).with_precision_and_scale(10, scale).unwrap())
        };
        let key = |a: &ArrayRef| ElementKeys::new(PgType::NUMERIC, a).unwrap().of(0).to_vec();
        assert_eq!(key(&fixed(150, 2)), key(&fixed(15, 1)));
        assert!(key(&fixed(-150, 2)) < key(&fixed(-1, 0)));
    }
}
