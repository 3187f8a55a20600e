//! PostgreSQL's date, time, timestamp, timestamptz and interval: input, output, arithmetic and functions.
//!
//! Arrow's kernels and `chrono` differ in range, rounding, infinity and messages, so nothing of them is used but the time zone
//! tables. timetz does not bind.

mod age;
mod arithmetic;
pub mod calendar;
mod casts;
mod compare;
mod convert;
mod current;
mod extract;
mod field;
mod format;
pub mod interval_arithmetic;
mod keywords;
mod make;
#[cfg(test)]
mod oracle_tests;
mod overlaps;
mod parse;
mod part;
#[cfg(test)]
mod round_trip_tests;
mod series;
mod session;
mod span;
mod template;
mod timezone;
mod trunc;
mod typmod;
pub mod zone;
pub mod zone_name;

pub use casts::apply_typmod;
pub use format::{format_date, format_interval, format_time, format_timestamp, format_timestamptz};
pub use parse::{parse_date, parse_interval, parse_time, parse_timestamp, parse_timestamptz};
pub use session::is_utc;
pub use span::Span;

use super::registry::{CastDef, Signature};

/// What this area hands in to the registry.
pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    let signatures = [
        age::signatures(),
        arithmetic::signatures(),
        casts::signatures(),
        compare::signatures(),
        current::signatures(),
        extract::signatures(),
        interval_arithmetic::signatures(),
        make::signatures(),
        overlaps::signatures(),
        series::signatures(),
        template::signatures(),
        timezone::signatures(),
        trunc::signatures(),
    ];
    (signatures.concat(), casts::casts())
}
