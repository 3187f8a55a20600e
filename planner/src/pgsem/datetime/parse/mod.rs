//! Input of the date and time types: the same texts, the same readings and the same errors as `datetime.c`.

use arrow::datatypes::IntervalMonthDayNano;

use self::datetime::Named;
use self::fields::Decoded;
use super::calendar::{
    self, DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, Tm, checked_timestamp, timestamp_to_tm,
};
use super::span::{Span, interval_out_of_range};
use super::{typmod, zone};
use crate::context::{DateOrder, Now, QueryContext, TimeZone};
use crate::error::{Error, Result, SqlState, state};

mod datetime;
mod fields;
mod interval;
mod iso8601;
mod number;
mod time;
mod token;

const INTERVAL_FIELD_OVERFLOW: SqlState = SqlState::new("22015");
const INVALID_TIME_ZONE_DISPLACEMENT: SqlState = SqlState::new("22009");

/// Why a text is refused (`DTERR_…`).
#[derive(Debug)]
pub(super) enum DecodeError {
    BadFormat,
    FieldOverflow,
    MonthDayOverflow,
    ZoneOverflow,
    /// An error with its own message.
    Other(Error),
}

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl DecodeError {
    fn into_error(self, text: &str, type_name: &str) -> Error {
        match self {
            Self::BadFormat => Error::new(
                state::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Self::FieldOverflow => field_overflow(text),
            Self::MonthDayOverflow => {
                field_overflow(text).with_hint("Perhaps you need a different \"datestyle\" setting.")
            }
            Self::ZoneOverflow => zone_overflow(text),
            Self::Other(error) => error,
        }
    }
}

pub(super) fn field_overflow(text: &str) -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
}

pub(super) fn zone_overflow(text: &str) -> Error {
    Error::new(INVALID_TIME_ZONE_DISPLACEMENT, format!("time zone displacement out of range: \"{text}\""))
}

/// A zone named in the text, resolved once the date is known.
#[derive(Clone, Debug)]
pub(super) enum ZoneSpec {
    Full(TimeZone),
    /// An abbreviation whose meaning changed over time.
    Dynamic {
        name: &'static str,
        zone: TimeZone,
    },
}

/// What the reading of a text depends on besides the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub zone: TimeZone,
    pub order: DateOrder,
    pub now: &'a Now,
    pub time_only: bool,
}

impl<'a> From<&'a QueryContext> for Input<'a> {
    fn from(ctx: &'a QueryContext) -> Self {
        Self { zone: ctx.time_zone, order: ctx.date_order, now: &ctx.now, time_only: false }
    }
}

impl Input<'_> {
    /// The session's clock at the start of the transaction, and its offset west of UTC.
    fn now(&self) -> (Tm, i32) {
        let now = self.now.micros();
        let (local, east) = zone::to_local(self.zone, now);
        (timestamp_to_tm(i64::try_from(local).unwrap_or(now)), -east)
    }
}

/// The fields of a time of day are out of range, or more than 24:00:00.
fn time_overflows(tm: &Tm) -> bool {
    !(0..=24).contains(&tm.hour)
        || !(0..60).contains(&tm.minute)
        || !(0..=60).contains(&tm.second)
        || !(0..=1_000_000).contains(&tm.micros)
        || tm.time_micros() > MICROS_PER_DAY
}

/// Days since 1970-01-01.
pub fn parse_date(text: &str, ctx: &QueryContext) -> Result<i32> {
    let decode = || {
        let fields = token::tokenize(text, 129)?;
        datetime::decode(&fields, &Input::from(ctx))
    };
    let (named, decoded) = decode().map_err(|e: DecodeError| e.into_error(text, "date"))?;
    Ok(match named {
        Named::Epoch => 0,
        Named::Infinity => DATE_INFINITY,
        Named::NegInfinity => DATE_NEG_INFINITY,
        Named::Fields => {
            let tm = decoded.tm;
            Some(tm)
                .filter(|tm| calendar::is_valid_julian(tm.year, tm.month))
                .and_then(|tm| calendar::checked_date(i64::from(tm.julian()) - i64::from(calendar::EPOCH_JULIAN)).ok())
                .ok_or_else(|| Error::new(state::DATETIME_FIELD_OVERFLOW, format!("date out of range: \"{text}\"")))?
        }
    })
}

/// Microseconds since midnight; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_time(text: &str, typmod: i32, ctx: &QueryContext) -> Result<i64> {
    let decode = || {
        let fields = token::tokenize(text, 129)?;
        time::decode(&fields, &Input { time_only: true, ..Input::from(ctx) })
    };
    let decoded = decode().map_err(|e: DecodeError| e.into_error(text, "time"))?;
    Ok(typmod::round_time(decoded.tm.time_micros(), typmod))
}

/// Microseconds since 1970-01-01; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_timestamp(text: &str, typmod: i32, ctx: &QueryContext) -> Result<i64> {
    timestamp(text, typmod, ctx, "timestamp", |_| 0)
}

/// Microseconds since 1970-01-01 UTC; `typmod` is the number of fractional digits, -1 for all.
pub fn parse_timestamptz(text: &str, typmod: i32, ctx: &QueryContext) -> Result<i64> {
    timestamp(text, typmod, ctx, "timestamp with time zone", |decoded| decoded.west)
}

fn timestamp(text: &str, typmod: i32, ctx: &QueryContext, type_name: &str, west: fn(&Decoded) -> i32) -> Result<i64> {
    let decode = || {
        let fields = token::tokenize(text, 153)?;
        datetime::decode(&fields, &Input::from(ctx))
    };
    let (named, decoded) = decode().map_err(|e: DecodeError| e.into_error(text, type_name))?;
    let micros = match named {
        Named::Epoch => 0,
        Named::Infinity => return Ok(TIMESTAMP_INFINITY),
        Named::NegInfinity => return Ok(TIMESTAMP_NEG_INFINITY),
        Named::Fields => {
            let out_of_range =
                || Error::new(state::DATETIME_FIELD_OVERFLOW, format!("timestamp out of range: \"{text}\""));
            let local = decoded.tm.epoch_micros().ok_or_else(out_of_range)?;
            let utc = local + i128::from(west(&decoded)) * i128::from(MICROS_PER_SECOND);
            checked_timestamp(utc)
                .map_err(|e| if e.sqlstate() == state::DATETIME_FIELD_OVERFLOW { out_of_range() } else { e })?
        }
    };
    Ok(typmod::round_timestamp(micros, typmod))
}

/// An interval; `typmod` as PostgreSQL packs fields and precision, -1 for none.
pub fn parse_interval(text: &str, typmod: i32) -> Result<IntervalMonthDayNano> {
    let decode = || {
        let fields = token::tokenize(text, 256)?;
        interval::decode(&fields, typmod::interval_fields(typmod))
    };
    let parts = match decode() {
        Err(DecodeError::BadFormat) => iso8601::decode(text),
        other => other,
    };
    let parts = parts.map_err(|e| match e {
        DecodeError::FieldOverflow => {
            Error::new(INTERVAL_FIELD_OVERFLOW, format!("interval field value out of range: \"{text}\""))
        }
        e => e.into_error(text, "interval"),
    })?;
    let months = i64::from(parts.years) * 12 + i64::from(parts.months);
    let months = i32::try_from(months).map_err(|_| interval_out_of_range())?;
    typmod::round_interval(Span::new(months, parts.days, parts.micros), typmod)?.carrier()
}

/// `+05:30` as seconds west of UTC; `None` if it is no number with a sign.
pub(super) fn numeric_zone(text: &str) -> Result<Option<i32>> {
    match fields::offset_west(text) {
        Ok(west) => Ok(Some(west)),
        Err(DecodeError::ZoneOverflow) => {
            Err(Error::new(state::INVALID_PARAMETER_VALUE, format!("numeric time zone \"{text}\" out of range")))
        }
        Err(_) => Ok(None),
    }
}
