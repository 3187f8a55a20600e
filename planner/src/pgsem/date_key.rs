//! Dates among timestamps, for comparison only: a date later than any timestamp is later than all of them, not an error.

use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};
use datafusion_common::ScalarValue;

use super::func::{FuncDef, SqlForm, Typed};
use super::primitive::unary;
use crate::pgtype::{PgType, oid};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Between the largest timestamp (year 294276) and infinity.
const LATER_THAN_ANY: i64 = i64::MAX - 1;

fn micros(date: i32) -> i64 {
    match date {
        i32::MIN => i64::MIN,
        i32::MAX => i64::MAX,
        days => i64::from(days).checked_mul(MICROS_PER_DAY).unwrap_or(LATER_THAN_ANY),
    }
}

static AS_TIMESTAMP: FuncDef = FuncDef::new("date_as_timestamp", SqlForm::Transparent, |c| {
    unary::<Date32Type, TimestampMicrosecondType>(c, |d| Ok(micros(d)))
});

/// A date as the timestamp of its midnight; a timestamp as it is.
pub fn as_timestamp(typed: Typed) -> Typed {
    match typed.as_literal() {
        _ if typed.ty.oid != oid::DATE => typed,
        Some(ScalarValue::Date32(d)) => {
            Typed::literal(ScalarValue::TimestampMicrosecond(d.map(micros), None), PgType::TIMESTAMP)
        }
        _ => AS_TIMESTAMP.call(vec![typed], PgType::TIMESTAMP, DataType::Timestamp(TimeUnit::Microsecond, None), ""),
    }
}
