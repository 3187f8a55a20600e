//! `date_trunc` and `date_bin`.

use arrow::array::ArrayRef;

use super::calendar::{
    MICROS_PER_DAY, Tm, checked_timestamp, is_finite_timestamp, iso_week, iso_week_to_julian, j2date,
    timestamp_out_of_range, timestamp_to_tm,
};
use super::convert::local_micros;
use super::field::{unit_not_recognized, unit_not_supported};
use super::keywords::{Keyword, Unit, interval_keyword};
use super::session::{self, Zoned, sig, zoned};
use super::span::{Fields, Span, interval_out_of_range};
use super::zone;
use super::zone_name::{self, Abbreviation, ZoneName};
use crate::context::TimeZone;
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, Interval, Text, Timestamp};
use crate::pgsem::registry::Signature;
use crate::pgtype::PgType;

fn unit(text: &str, ty: PgType) -> Result<Unit> {
    let name = text.to_ascii_lowercase();
    match interval_keyword(&name) {
        Some(Keyword::Unit(unit)) => Ok(unit),
        _ => Err(unit_not_recognized(&name, ty)),
    }
}

/// Sets what is smaller than the unit to its start. `false`: no such unit for timestamps.
fn truncate(tm: &mut Tm, unit: Unit) -> bool {
    if unit == Unit::Week {
        let (week, year) = iso_week(tm.civil());
        let monday = j2date(iso_week_to_julian(year, week));
        *tm = Tm { year: monday.year, month: monday.month, day: monday.day, ..Tm::default() };
        return true;
    }
    let Some(rank) = rank(unit) else { return false };
    let year = tm.year;
    match unit {
        Unit::Millennium if year > 0 => tm.year = (year + 999) / 1000 * 1000 - 999,
        Unit::Millennium => tm.year = -((999 - (year - 1)) / 1000) * 1000 + 1,
        Unit::Century if year > 0 => tm.year = (year + 99) / 100 * 100 - 99,
        Unit::Century => tm.year = -((99 - (year - 1)) / 100) * 100 + 1,
        Unit::Decade if year > 0 => tm.year = year / 10 * 10,
        Unit::Decade => tm.year = -((8 - (year - 1)) / 10) * 10,
        Unit::Quarter => tm.month = (tm.month - 1) / 3 * 3 + 1,
        Unit::Millisecond => tm.micros = tm.micros / 1000 * 1000,
        _ => {}
    }
    if rank >= 7 {
        tm.month = 1;
    }
    if rank >= 5 {
        tm.day = 1;
    }
    if rank >= 4 {
        tm.hour = 0;
    }
    if rank >= 3 {
        tm.minute = 0;
    }
    if rank >= 2 {
        tm.second = 0;
    }
    if rank >= 1 {
        tm.micros = 0;
    }
    true
}

/// Units by size: second 1, minute 2, hour 3, day 4, month 5, quarter 6, year and longer 7.
fn rank(unit: Unit) -> Option<u32> {
    Some(match unit {
        Unit::Microsecond | Unit::Millisecond => 0,
        Unit::Second => 1,
        Unit::Minute => 2,
        Unit::Hour => 3,
        Unit::Day => 4,
        Unit::Month => 5,
        Unit::Quarter => 6,
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => 7,
        _ => return None,
    })
}

fn trunc_timestamp(text: &str, micros: i64) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let unit = unit(text, PgType::TIMESTAMP)?;
    let mut tm = timestamp_to_tm(micros);
    if !truncate(&mut tm, unit) {
        return Err(unit_not_supported(&text.to_ascii_lowercase(), PgType::TIMESTAMP));
    }
    tm.timestamp()
}

fn trunc_timestamptz(text: &str, micros: i64, zone: TimeZone) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let unit = unit(text, PgType::TIMESTAMPTZ)?;
    let mut tm = timestamp_to_tm(local_micros(micros, zone)?);
    if !truncate(&mut tm, unit) {
        return Err(unit_not_supported(&text.to_ascii_lowercase(), PgType::TIMESTAMPTZ));
    }
    let local = tm.epoch_micros().ok_or_else(timestamp_out_of_range)?;
    // Days and longer begin by the clock of their own day; less keeps the offset it has.
    let utc = if unit == Unit::Week || rank(unit).is_some_and(|r| r >= 4) {
        zone::to_utc(zone, local)
    } else {
        local - i128::from(zone::offset_at(zone, micros.div_euclid(1_000_000))) * 1_000_000
    };
    checked_timestamp(utc)
}

fn trunc_interval(text: &str, span: Span) -> Result<Span> {
    let unit = unit(text, PgType::INTERVAL)?;
    let Some(rank) = rank(unit) else {
        let error = unit_not_supported(&text.to_ascii_lowercase(), PgType::INTERVAL);
        return Err(if unit == Unit::Week {
            error.with_detail("Months usually have fractional weeks.")
        } else {
            error
        });
    };
    let Fields { mut years, mut months, mut days, .. } = span.fields();
    match unit {
        Unit::Millennium => years = years / 1000 * 1000,
        Unit::Century => years = years / 100 * 100,
        Unit::Decade => years = years / 10 * 10,
        Unit::Quarter => months = months / 3 * 3,
        _ => {}
    }
    if rank >= 7 {
        months = 0;
    }
    if rank >= 5 {
        days = 0;
    }
    let size = match unit {
        Unit::Microsecond => 1,
        Unit::Millisecond => 1000,
        Unit::Second => 1_000_000,
        Unit::Minute => 60_000_000,
        Unit::Hour => 3_600_000_000,
        _ => i64::MAX,
    };
    Ok(Span::new(years * 12 + months, days, span.micros / size * size))
}

fn bin(stride: Span, micros: i64, origin: i64) -> Result<i64> {
    let overflow = |message| Err(Error::new(state::DATETIME_FIELD_OVERFLOW, message));
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    if !is_finite_timestamp(origin) {
        return overflow("origin out of range");
    }
    if stride.months != 0 {
        return Err(Error::new(
            state::FEATURE_NOT_SUPPORTED,
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let size = i64::from(stride.days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|days| days.checked_add(stride.micros))
        .ok_or_else(interval_out_of_range)?;
    if size <= 0 {
        return overflow("stride must be greater than zero");
    }
    let distance = micros.checked_sub(origin).ok_or_else(interval_out_of_range)?;
    checked_timestamp(i128::from(origin) + i128::from(distance.div_euclid(size)) * i128::from(size))
}

/// The zone that `date_trunc`'s third argument names.
fn named_zone(text: &str) -> Result<TimeZone> {
    Ok(match zone_name::any_name(text)? {
        ZoneName::Full(zone) | ZoneName::Abbreviation(Abbreviation::Dynamic { zone, .. }) => zone,
        ZoneName::Abbreviation(Abbreviation::Fixed { east, .. }) => TimeZone::Fixed(east),
    })
}

fn trunc_in_named_zone(call: &Call<'_>) -> Result<ArrayRef> {
    call.map3::<Text, Timestamp, Text, Timestamp>(|unit, t, zone| {
        if is_finite_timestamp(t) { trunc_timestamptz(unit, t, named_zone(zone)?) } else { Ok(t) }
    })
}

const TRUNC: SqlForm = SqlForm::Call("date_trunc");

fn date_trunc_timestamptz() -> Zoned {
    zoned!("date_trunc_timestamptz", TRUNC, |c| {
        let zone = session::zone(c.func)?;
        c.map2::<Text, Timestamp, Timestamp>(|unit, t| trunc_timestamptz(unit, t, zone))
    })
}

pub fn signatures() -> Vec<Signature> {
    vec![
        sig!("date_trunc", [TEXT, TIMESTAMP] -> TIMESTAMP, FuncDef::failing("date_trunc_timestamp", TRUNC, |c| {
            c.map2::<Text, Timestamp, Timestamp>(trunc_timestamp)
        })),
        super::session::zoned_sig!("date_trunc", [TEXT, TIMESTAMPTZ] -> TIMESTAMPTZ, date_trunc_timestamptz()),
        sig!("date_trunc", [TEXT, TIMESTAMPTZ, TEXT] -> TIMESTAMPTZ,
            FuncDef::failing("date_trunc_timestamptz_zone", SqlForm::Local, trunc_in_named_zone)),
        sig!("date_trunc", [TEXT, INTERVAL] -> INTERVAL, FuncDef::failing("date_trunc_interval", TRUNC, |c| {
            c.map2::<Text, Interval, Interval>(|unit, i| trunc_interval(unit, i.into())?.carrier())
        })),
        sig!("date_bin", [INTERVAL, TIMESTAMP, TIMESTAMP] -> TIMESTAMP,
        FuncDef::failing("timestamp_bin", SqlForm::Call("date_bin"), |c| {
            c.map3::<Interval, Timestamp, Timestamp, Timestamp>(|i, t, o| bin(i.into(), t, o))
        })),
        sig!("date_bin", [INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ] -> TIMESTAMPTZ,
        FuncDef::failing("timestamptz_bin", SqlForm::Call("date_bin"), |c| {
            c.map3::<Interval, Timestamp, Timestamp, Timestamp>(|i, t, o| bin(i.into(), t, o))
        })),
    ]
}
