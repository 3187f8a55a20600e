//! PostgreSQL's date, time, timestamp, timestamptz and interval: input, output, arithmetic and functions.
//!
//! Arrow's kernels and `chrono` differ in range, rounding, infinity and messages, so nothing of them is used but the time zone
//! tables. timetz does not bind.

pub mod calendar;
mod format;
mod keywords;
mod parse;
mod span;
mod typmod;
pub mod zone;
pub mod zone_name;

pub use format::{format_date, format_interval, format_time, format_timestamp, format_timestamptz};
pub use parse::{parse_date, parse_interval, parse_time, parse_timestamp, parse_timestamptz};
pub use span::Span;
