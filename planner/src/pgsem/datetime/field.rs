//! Fields of dates, times, timestamps and intervals (`extract`'s first argument).

use super::calendar::{
    EPOCH_JULIAN, Tm, civil, date2j, is_finite_date, is_finite_timestamp, iso_week, split_time, timestamp_to_tm,
    weekday,
};
use super::convert::local_micros;
use super::keywords::{Unit, field_keyword};
use super::part::Part;
use super::span::Span;
use super::zone;
use crate::context::TimeZone;
use crate::error::{Error, Result, state};
use crate::pgtype::PgType;

pub fn unit_not_supported(field: &str, ty: PgType) -> Error {
    Error::new(state::FEATURE_NOT_SUPPORTED, format!("unit \"{field}\" not supported for type {}", ty.sql_name()))
}

pub fn unit_not_recognized(field: &str, ty: PgType) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, format!("unit \"{field}\" not recognized for type {}", ty.sql_name()))
}

/// A field's name as written, and its meaning.
pub struct Field {
    name: String,
    unit: Unit,
    ty: PgType,
}

impl Field {
    pub fn new(text: &str, ty: PgType) -> Result<Self> {
        let name = text.to_ascii_lowercase();
        let unit = field_keyword(&name).ok_or_else(|| unit_not_recognized(&name, ty))?;
        Ok(Self { name, unit, ty })
    }

    fn not_supported(&self) -> Error {
        unit_not_supported(&self.name, self.ty)
    }

    /// Fields of a clock: hour to microsecond. `None`: another field.
    fn of_clock(&self, hour: i64, minute: i32, second: i32, micros: i32) -> Option<Part> {
        let total = i64::from(second) * 1_000_000 + i64::from(micros);
        Some(match self.unit {
            Unit::Microsecond => Part::Integer(total),
            Unit::Millisecond => Part::Milliseconds(total),
            Unit::Second => Part::Seconds(total),
            Unit::Minute => Part::Integer(minute.into()),
            Unit::Hour => Part::Integer(hour),
            _ => return None,
        })
    }

    /// Fields of a day. `None`: another field.
    fn of_day(&self, tm: &Tm) -> Option<Part> {
        let year = tm.year;
        let number = match self.unit {
            Unit::Day => tm.day,
            Unit::Month => tm.month,
            Unit::Quarter => (tm.month - 1) / 3 + 1,
            Unit::Week => iso_week(tm.civil()).0,
            Unit::Year => {
                if year > 0 {
                    year
                } else {
                    year - 1
                }
            }
            Unit::Decade => {
                if year >= 0 {
                    year / 10
                } else {
                    -((8 - (year - 1)) / 10)
                }
            }
            Unit::Century => {
                if year > 0 {
                    (year + 99) / 100
                } else {
                    -((99 - (year - 1)) / 100)
                }
            }
            Unit::Millennium => {
                if year > 0 {
                    (year + 999) / 1000
                } else {
                    -((999 - (year - 1)) / 1000)
                }
            }
            Unit::IsoYear => match iso_week(tm.civil()).1 {
                year if year > 0 => year,
                year => year - 1,
            },
            Unit::DayOfWeek => weekday(tm.julian()),
            Unit::IsoDayOfWeek => match weekday(tm.julian()) {
                0 => 7,
                day => day,
            },
            Unit::DayOfYear => tm.julian() - date2j(year, 1, 1) + 1,
            _ => return None,
        };
        Some(Part::Integer(number.into()))
    }

    /// What infinity has: nothing where fields go round, infinity where they grow.
    fn of_infinity(&self, negative: bool) -> Part {
        if grows(self.unit) { Part::Infinity { negative } } else { Part::Null }
    }

    pub fn of_date(&self, days: i32) -> Result<Part> {
        match self.unit {
            Unit::Microsecond
            | Unit::Millisecond
            | Unit::Second
            | Unit::Minute
            | Unit::Hour
            | Unit::TimeZone
            | Unit::TimeZoneHour
            | Unit::TimeZoneMinute => Err(self.not_supported()),
            _ if !is_finite_date(days) => Ok(self.of_infinity(days < 0)),
            Unit::Epoch => Ok(Part::Integer(i64::from(days) * 86_400)),
            Unit::Julian => Ok(Part::Integer(i64::from(days) + i64::from(EPOCH_JULIAN))),
            _ => {
                let date = civil(days);
                let tm = Tm { year: date.year, month: date.month, day: date.day, ..Tm::default() };
                self.of_day(&tm).ok_or_else(|| self.not_supported())
            }
        }
    }

    fn of_local(&self, tm: &Tm, epoch: i64) -> Option<Part> {
        match self.unit {
            Unit::Epoch => Some(Part::Epoch(epoch)),
            Unit::Julian => Some(Part::Julian { day: tm.julian(), micros: tm.time_micros() }),
            _ => self.of_clock(tm.hour.into(), tm.minute, tm.second, tm.micros).or_else(|| self.of_day(tm)),
        }
    }

    pub fn of_timestamp(&self, micros: i64) -> Result<Part> {
        if !is_finite_timestamp(micros) {
            return Ok(self.of_infinity(micros < 0));
        }
        self.of_local(&timestamp_to_tm(micros), micros).ok_or_else(|| self.not_supported())
    }

    pub fn of_timestamptz(&self, micros: i64, zone: TimeZone) -> Result<Part> {
        if !is_finite_timestamp(micros) {
            return Ok(self.of_infinity(micros < 0));
        }
        let offset = || i64::from(zone::offset_at(zone, micros.div_euclid(1_000_000)));
        match self.unit {
            Unit::TimeZone => Ok(Part::Integer(offset())),
            Unit::TimeZoneHour => Ok(Part::Integer(offset() / 3600)),
            Unit::TimeZoneMinute => Ok(Part::Integer(offset() / 60 % 60)),
            _ => {
                let tm = timestamp_to_tm(local_micros(micros, zone)?);
                self.of_local(&tm, micros).ok_or_else(|| self.not_supported())
            }
        }
    }

    pub fn of_time(&self, micros: i64) -> Result<Part> {
        let (hour, minute, second, fraction) = split_time(micros);
        match self.unit {
            Unit::Epoch => Ok(Part::Epoch(micros)),
            _ => self.of_clock(hour.into(), minute, second, fraction).ok_or_else(|| self.not_supported()),
        }
    }

    pub fn of_interval(&self, span: Span) -> Result<Part> {
        let f = span.fields();
        let number = match self.unit {
            Unit::Epoch => return Ok(Part::IntervalEpoch(span)),
            Unit::Day => f.days,
            Unit::Month => f.months,
            Unit::Quarter => f.months / 3 + 1,
            Unit::Year => f.years,
            Unit::Decade => f.years / 10,
            Unit::Century => f.years / 100,
            Unit::Millennium => f.years / 1000,
            _ => {
                return self.of_clock(f.hours, f.minutes, f.seconds, f.micros).ok_or_else(|| self.not_supported());
            }
        };
        Ok(Part::Integer(number.into()))
    }
}

/// Fields that grow with time, so that infinity has them.
pub fn grows(unit: Unit) -> bool {
    matches!(
        unit,
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::IsoYear | Unit::Epoch
    )
}
