//! Dates and times from their parts: `make_date` and its siblings, `to_timestamp(double precision)`, `isfinite`.

use arrow::array::ArrayRef;

use super::calendar::{
    EPOCH_JULIAN, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, SECONDS_PER_DAY, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, checked_date, checked_timestamp, date2j, days_in_month, is_finite_date,
    is_finite_timestamp, is_valid_julian,
};
use super::parse::numeric_zone;
use super::session::{self, Zoned, sig, zoned, zoned_sig};
use super::span::{Span, interval_out_of_range};
use super::zone;
use super::zone_name::{self, Abbreviation, ZoneName};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Bool, Call, Date, F64, I32, Interval, Text, Time, Timestamp};
use crate::pgsem::registry::Signature;

fn overflow(message: String) -> Error {
    Error::new(state::DATETIME_FIELD_OVERFLOW, message)
}

/// Julian day of a date whose year is negative before Christ; `shown` is the year as messages show it.
fn julian(year: i32, month: i32, day: i32, shown: impl Fn(i32) -> i32) -> Result<i32> {
    // No year zero: -1 is 1 BC.
    let astronomical = if year < 0 && year != i32::MIN { year + 1 } else { year };
    let date = || format!("{}-{month:02}-{day:02}", shown(astronomical));
    let valid = year != 0 && year != i32::MIN && (1..=12).contains(&month) && day >= 1;
    if !valid || day > days_in_month(astronomical, month) {
        return Err(overflow(format!("date field value out of range: {}", date())));
    }
    if !is_valid_julian(astronomical, month) {
        return Err(overflow(format!("date out of range: {}", date())));
    }
    Ok(date2j(astronomical, month, day))
}

fn make_date(year: i32, month: i32, day: i32) -> Result<i32> {
    let julian = i64::from(julian(year, month, day, |astronomical| astronomical)?);
    checked_date(julian - i64::from(EPOCH_JULIAN))
        .map_err(|_| overflow(format!("date out of range: {year}-{month:02}-{day:02}")))
}

/// `%02g`, as far as seconds need it.
fn shown_seconds(seconds: f64) -> String {
    let text = if seconds.is_finite() {
        let rounded = format!("{seconds:.5e}");
        match rounded.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>().unwrap_or(0))) {
            Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
                let digits = digits.trim_end_matches('0').trim_end_matches('.');
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{digits}e{sign}{:02}", exponent.abs())
            }
            Some((_, exponent)) => {
                let fixed = format!("{seconds:.*}", (5 - exponent) as usize);
                if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_string() } else { fixed }
            }
            None => rounded,
        }
    } else if seconds.is_nan() {
        "NaN".to_string()
    } else {
        (if seconds < 0.0 { "-Infinity" } else { "Infinity" }).to_string()
    };
    format!("{text:0>2}")
}

/// Time of day; `None` if it is none (`float_time_overflows`).
fn time_of_day(hour: i32, minute: i32, seconds: f64) -> Option<i64> {
    let micros = (seconds * 1_000_000.0).round_ties_even();
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60_000_000.0).contains(&micros);
    if !valid {
        return None;
    }
    let total = i64::from(hour) * MICROS_PER_HOUR + i64::from(minute) * MICROS_PER_MINUTE + micros as i64;
    (total <= MICROS_PER_DAY).then_some(total)
}

fn make_time(hour: i32, minute: i32, seconds: f64) -> Result<i64> {
    time_of_day(hour, minute, seconds).ok_or_else(|| {
        overflow(format!("time field value out of range: {hour}:{minute:02}:{}", shown_seconds(seconds)))
    })
}

/// The six number arguments of `make_timestamp`.
fn timestamp_args(call: &Call<'_>, row: usize) -> Result<Option<i64>> {
    let ints: [_; 5] = [0, 1, 2, 3, 4].map(|arg| call.column::<I32>(arg).map(|c| call.get::<I32>(&c, arg, row)));
    let [year, month, day, hour, minute] = ints;
    let seconds = call.get::<F64>(&call.column::<F64>(5)?, 5, row);
    let (Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(seconds)) =
        (year?, month?, day?, hour?, minute?, seconds)
    else {
        return Ok(None);
    };
    let days = i128::from(julian(year, month, day, |_| year)?) - i128::from(EPOCH_JULIAN);
    let micros = days * i128::from(MICROS_PER_DAY) + i128::from(make_time(hour, minute, seconds)?);
    checked_timestamp(micros).map(Some).map_err(|e| {
        if e.sqlstate() != state::DATETIME_FIELD_OVERFLOW {
            return e;
        }
        let time = format!("{hour}:{minute:02}:{}", shown_seconds(seconds));
        overflow(format!("timestamp out of range: {year}-{month:02}-{day:02} {time}"))
    })
}

fn make_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    call.build::<Timestamp>(|row| timestamp_args(call, row))
}

fn make_timestamptz() -> Zoned {
    zoned!("make_timestamptz", SqlForm::Call("make_timestamptz"), |c| {
        let zone = session::zone(c.func)?;
        c.build::<Timestamp>(|row| match timestamp_args(c, row)? {
            Some(local) => checked_timestamp(zone::to_utc(zone, local.into())).map(Some),
            None => Ok(None),
        })
    })
}

/// Seconds east of a zone given as text: `+05:30`, an abbreviation or a name.
fn sane_zone_offset(text: &str, local: i64) -> Result<i32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!("invalid input syntax for type numeric time zone: \"{text}\"");
        return Err(Error::new(state::INVALID_PARAMETER_VALUE, message)
            .with_hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    if let Some(west) = numeric_zone(text)? {
        return Ok(-west);
    }
    let seconds = local.div_euclid(1_000_000);
    Ok(match zone_name::any_name(text)? {
        ZoneName::Abbreviation(Abbreviation::Fixed { east, .. }) => east,
        ZoneName::Abbreviation(Abbreviation::Dynamic { name, zone }) => {
            zone_name::dynamic_offset_of_local(name, zone, seconds)
        }
        ZoneName::Full(zone) => zone::offset_of_local(zone, seconds),
    })
}

fn make_timestamptz_at(call: &Call<'_>) -> Result<ArrayRef> {
    let zones = call.column::<Text>(6)?;
    call.build::<Timestamp>(|row| {
        let Some(zone) = call.get::<Text>(&zones, 6, row) else { return Ok(None) };
        match timestamp_args(call, row)? {
            Some(local) => {
                let east = i128::from(sane_zone_offset(zone, local)?);
                checked_timestamp(i128::from(local) - east * 1_000_000).map(Some)
            }
            None => Ok(None),
        }
    })
}

fn make_interval(call: &Call<'_>) -> Result<ArrayRef> {
    call.build::<Interval>(|row| {
        let mut parts = [0_i64; 6];
        for (arg, part) in parts.iter_mut().enumerate() {
            match call.get::<I32>(&call.column::<I32>(arg)?, arg, row) {
                Some(value) => *part = value.into(),
                None => return Ok(None),
            }
        }
        let Some(seconds) = call.get::<F64>(&call.column::<F64>(6)?, 6, row) else { return Ok(None) };
        let [years, months, weeks, days, hours, minutes] = parts;
        let micros = (seconds * 1_000_000.0).round_ties_even();
        if !(-9.2e18..=9.2e18).contains(&micros) {
            return Err(interval_out_of_range());
        }
        let narrow = |value: i64| i32::try_from(value).map_err(|_| interval_out_of_range());
        let clock = hours * MICROS_PER_HOUR + minutes * MICROS_PER_MINUTE;
        let span = Span::new(
            narrow(years * 12 + months)?,
            narrow(weeks * 7 + days)?,
            clock.checked_add(micros as i64).ok_or_else(interval_out_of_range)?,
        );
        span.carrier().map(Some)
    })
}

/// Seconds since 1970.
fn timestamp_of_epoch(seconds: f64) -> Result<i64> {
    const SECONDS_1970_TO_2000: f64 = 946_684_800.0;
    if seconds.is_nan() {
        return Err(overflow("timestamp cannot be NaN".into()));
    }
    if seconds.is_infinite() {
        return Ok(if seconds < 0.0 { TIMESTAMP_NEG_INFINITY } else { TIMESTAMP_INFINITY });
    }
    let out_of_range =
        || overflow(format!("timestamp out of range: \"{}\"", shown_seconds(seconds).trim_start_matches('0')));
    let day = SECONDS_PER_DAY as f64;
    if seconds < day * -f64::from(EPOCH_JULIAN) || seconds >= day * 106_762_940.0 {
        return Err(out_of_range());
    }
    // Counted from 2000 like PostgreSQL's own, because that is what gets rounded.
    let micros = ((seconds - SECONDS_1970_TO_2000) * 1_000_000.0).round_ties_even() as i128;
    checked_timestamp(micros + SECONDS_1970_TO_2000 as i128 * 1_000_000)
        .map_err(|e| if e.sqlstate() == state::DATETIME_FIELD_OVERFLOW { out_of_range() } else { e })
}

pub fn signatures() -> Vec<Signature> {
    vec![
        sig!("make_date", [INT4, INT4, INT4] -> DATE, FuncDef::failing("make_date", SqlForm::Call("make_date"), |c| {
            c.map3::<I32, I32, I32, Date>(make_date)
        })),
        sig!("make_time", [INT4, INT4, FLOAT8] -> TIME, FuncDef::failing("make_time", SqlForm::Call("make_time"), |c| {
            c.map3::<I32, I32, F64, Time>(make_time)
        })),
        sig!("make_timestamp", [INT4, INT4, INT4, INT4, INT4, FLOAT8] -> TIMESTAMP,
            FuncDef::failing("make_timestamp", SqlForm::Call("make_timestamp"), make_timestamp)),
        zoned_sig!("make_timestamptz", [INT4, INT4, INT4, INT4, INT4, FLOAT8] -> TIMESTAMPTZ, make_timestamptz()),
        sig!("make_timestamptz", [INT4, INT4, INT4, INT4, INT4, FLOAT8, TEXT] -> TIMESTAMPTZ,
            FuncDef::failing("make_timestamptz_at_timezone", SqlForm::Local, make_timestamptz_at)),
        sig!("make_interval", [INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8] -> INTERVAL,
            FuncDef::failing("make_interval", SqlForm::Call("make_interval"), make_interval)),
        sig!("to_timestamp", [FLOAT8] -> TIMESTAMPTZ,
        FuncDef::failing("float8_timestamptz", SqlForm::Call("to_timestamp"), |c| {
            c.map1::<F64, Timestamp>(timestamp_of_epoch)
        })),
        sig!("isfinite", [DATE] -> BOOL, FuncDef::new("date_finite", SqlForm::Call("isfinite"), |c| {
            c.map1::<Date, Bool>(|d| Ok(is_finite_date(d)))
        })),
        sig!("isfinite", [TIMESTAMP] -> BOOL, FuncDef::new("timestamp_finite", SqlForm::Call("isfinite"), |c| {
            c.map1::<Timestamp, Bool>(|t| Ok(is_finite_timestamp(t)))
        })),
        sig!("isfinite", [TIMESTAMPTZ] -> BOOL, FuncDef::new("timestamptz_finite", SqlForm::Call("isfinite"), |c| {
            c.map1::<Timestamp, Bool>(|t| Ok(is_finite_timestamp(t)))
        })),
        sig!("isfinite", [INTERVAL] -> BOOL, FuncDef::new("interval_finite", SqlForm::Call("isfinite"), |c| {
            c.map1::<Interval, Bool>(|_| Ok(true))
        })),
    ]
}
