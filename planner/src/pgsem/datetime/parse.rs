//! Input of the date and time types.

use arrow::datatypes::IntervalMonthDayNano;

use crate::context::QueryContext;
use crate::error::{Error, Result};

fn pending(what: &str) -> Error {
    Error::unsupported(format!("text as {what}"))
}

/// Days since 1970-01-01.
pub fn parse_date(_text: &str, _ctx: &QueryContext) -> Result<i32> {
    Err(pending("date"))
}

/// Microseconds since midnight; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_time(_text: &str, _typmod: i32, _ctx: &QueryContext) -> Result<i64> {
    Err(pending("time"))
}

/// Microseconds since 1970-01-01; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_timestamp(_text: &str, _typmod: i32, _ctx: &QueryContext) -> Result<i64> {
    Err(pending("timestamp"))
}

/// Microseconds since 1970-01-01 UTC; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_timestamptz(_text: &str, _typmod: i32, _ctx: &QueryContext) -> Result<i64> {
    Err(pending("timestamptz"))
}

/// An interval; `typmod` as PostgreSQL packs fields and precision, -1 for none.
pub fn parse_interval(_text: &str, _typmod: i32, _ctx: &QueryContext) -> Result<IntervalMonthDayNano> {
    Err(pending("interval"))
}
