//! Columns of fixed width.

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::datatypes::IntervalMonthDayNano;
use std::sync::Arc;

use super::BATCH_ROWS;
use super::sink::Problem;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Validity, one flag per row; no memory is spent while there is no NULL.
#[derive(Default)]
pub struct Validity {
    rows: usize,
    flags: Vec<bool>,
}

impl Validity {
    #[inline]
    pub fn valid(&mut self) {
        self.rows += 1;
        if !self.flags.is_empty() {
            self.flags.push(true);
        }
    }

    pub fn null(&mut self) {
        self.flags.resize(self.rows, true);
        self.flags.push(false);
        self.rows += 1;
    }

    pub fn finish(&mut self) -> Option<NullBuffer> {
        self.rows = 0;
        let flags = std::mem::take(&mut self.flags);
        (!flags.is_empty()).then(|| NullBuffer::from(flags))
    }
}

pub struct Fixed<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    validity: Validity,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> Fixed<T> {
    pub fn new(data_type: &DataType) -> Self {
        Self { values: Vec::new(), validity: Validity::default(), data_type: data_type.clone() }
    }

    #[inline]
    pub fn push(&mut self, value: T::Native) {
        self.values.push(value);
        self.validity.valid();
    }

    pub fn null(&mut self) {
        self.values.push(T::Native::default());
        self.validity.null();
    }

    pub fn finish(&mut self) -> ArrayRef {
        let capacity = if self.values.len() >= BATCH_ROWS { BATCH_ROWS } else { 0 };
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(capacity));
        let array = PrimitiveArray::<T>::new(values.into(), self.validity.finish());
        Arc::new(array.with_data_type(self.data_type.clone()))
    }
}

/// The bytes of a field that must have exactly `N`.
#[inline]
pub fn exactly<const N: usize>(field: &[u8]) -> Result<[u8; N], Problem> {
    field.try_into().map_err(|_| Problem::Length(field.len()))
}

pub fn boolean(field: &[u8]) -> Result<bool, Problem> {
    Ok(exactly::<1>(field)? != [0])
}

#[inline]
pub fn date(field: &[u8]) -> Result<i32, Problem> {
    match i32::from_be_bytes(exactly(field)?) {
        infinite @ (i32::MIN | i32::MAX) => Ok(infinite),
        days => days.checked_add(EPOCH_DAYS).filter(|d| *d != i32::MAX).ok_or(Problem::Range("date")),
    }
}

/// The last few centuries of PostgreSQL's range are beyond microseconds counted from 1970.
#[inline]
pub fn timestamp(field: &[u8]) -> Result<i64, Problem> {
    match i64::from_be_bytes(exactly(field)?) {
        infinite @ (i64::MIN | i64::MAX) => Ok(infinite),
        micros => micros.checked_add(EPOCH_MICROS).filter(|t| *t != i64::MAX).ok_or(Problem::Range("timestamp")),
    }
}

pub fn interval(field: &[u8]) -> Result<IntervalMonthDayNano, Problem> {
    let bytes: [u8; 16] = exactly(field)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, months @ ..] = bytes;
    let micros = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let nanoseconds = micros.checked_mul(1000).ok_or(Problem::Range("interval"))?;
    Ok(IntervalMonthDayNano { months: i32::from_be_bytes(months), days: i32::from_be_bytes([i, j, k, l]), nanoseconds })
}
