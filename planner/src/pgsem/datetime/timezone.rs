//! `AT TIME ZONE`: the function `timezone`.

use super::calendar::{MICROS_PER_SECOND, checked_timestamp, is_finite_timestamp};
use super::format_interval;
use super::session::sig;
use super::span::Span;
use super::zone;
use super::zone_name::{self, Abbreviation, ZoneName};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Interval, Text, Timestamp};
use crate::pgsem::registry::Signature;

fn shifted(micros: i64, seconds: i64) -> Result<i64> {
    checked_timestamp(i128::from(micros) + i128::from(seconds) * i128::from(MICROS_PER_SECOND))
}

/// The instant at which the zone's clock shows a timestamp.
fn timestamp_in_zone(name: &str, micros: i64) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let local = micros.div_euclid(MICROS_PER_SECOND);
    let east = match zone_name::any_name(name)? {
        ZoneName::Abbreviation(Abbreviation::Fixed { east, .. }) => east,
        ZoneName::Abbreviation(Abbreviation::Dynamic { name, zone }) => {
            zone_name::dynamic_offset_of_local(name, zone, local)
        }
        ZoneName::Full(zone) => zone::offset_of_local(zone, local),
    };
    shifted(micros, -i64::from(east))
}

/// What the zone's clock shows at an instant.
fn timestamptz_in_zone(name: &str, micros: i64) -> Result<i64> {
    if !is_finite_timestamp(micros) {
        return Ok(micros);
    }
    let utc = micros.div_euclid(MICROS_PER_SECOND);
    let east = match zone_name::any_name(name)? {
        ZoneName::Abbreviation(Abbreviation::Fixed { east, .. }) => east,
        ZoneName::Abbreviation(Abbreviation::Dynamic { name, zone }) => zone_name::dynamic_offset_at(name, zone, utc),
        ZoneName::Full(zone) => zone::offset_at(zone, utc),
    };
    shifted(micros, east.into())
}

/// Seconds east that an interval stands for.
fn interval_offset(span: Span) -> Result<i64> {
    if span.months != 0 || span.days != 0 {
        let mut text = String::new();
        format_interval(span.carrier()?, &mut text);
        let message = format!("interval time zone \"{text}\" must not include months or days");
        return Err(Error::new(state::INVALID_PARAMETER_VALUE, message));
    }
    Ok(span.micros / MICROS_PER_SECOND)
}

fn in_interval(span: Span, micros: i64, sign: i64) -> Result<i64> {
    if is_finite_timestamp(micros) { shifted(micros, sign * interval_offset(span)?) } else { Ok(micros) }
}

/// Engines have other editions of the zone tables: only the gateway computes these.
pub fn signatures() -> Vec<Signature> {
    vec![
        sig!("timezone", [TEXT, TIMESTAMP] -> TIMESTAMPTZ, FuncDef::failing("timestamp_zone", SqlForm::Local, |c| {
            c.map2::<Text, Timestamp, Timestamp>(timestamp_in_zone)
        })),
        sig!("timezone", [TEXT, TIMESTAMPTZ] -> TIMESTAMP, FuncDef::failing("timestamptz_zone", SqlForm::Local, |c| {
            c.map2::<Text, Timestamp, Timestamp>(timestamptz_in_zone)
        })),
        sig!("timezone", [INTERVAL, TIMESTAMP] -> TIMESTAMPTZ, FuncDef::failing("timestamp_izone", SqlForm::Local, |c| {
            c.map2::<Interval, Timestamp, Timestamp>(|i, t| in_interval(i.into(), t, -1))
        })),
        sig!("timezone", [INTERVAL, TIMESTAMPTZ] -> TIMESTAMP, FuncDef::failing("timestamptz_izone", SqlForm::Local, |c| {
            c.map2::<Interval, Timestamp, Timestamp>(|i, t| in_interval(i.into(), t, 1))
        })),
    ]
}
