//! `extract` (numeric) and `date_part` (double precision).
//!
//! Both read the same [`Part`]; each turns it into its own kind of number the way PostgreSQL computes it. Fields that are NULL
//! for infinity have a fixed scale and a decimal carrier; those that become infinite need the dynamic one.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;

use super::calendar::{
    EPOCH_JULIAN, MICROS_PER_DAY, Tm, civil, date2j, is_finite_date, is_finite_timestamp, iso_week, split_time,
    timestamp_to_tm, weekday,
};
use super::convert::{date_to_timestamp, local_micros};
use super::keywords::{Unit, field_keyword};
use super::session::{self, Zoned, zoned};
use super::span::Span;
use super::zone;
use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Call, Date, F64, Interval, Text, Time, Timestamp, Value};
use crate::pgsem::numeric::{Finite, Num, Numeric};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

/// The value of one field.
#[derive(Clone, Copy, Debug)]
enum Part {
    Null,
    Integer(i64),
    /// Microseconds shown as milliseconds, with three digits.
    Milliseconds(i64),
    /// Microseconds of a minute shown as seconds.
    Seconds(i64),
    /// Microseconds since 1970 shown as seconds.
    Epoch(i64),
    IntervalEpoch(Span),
    Julian {
        day: i32,
        micros: i64,
    },
    Infinity {
        negative: bool,
    },
}

impl Part {
    fn numeric(self) -> Result<Option<Numeric>> {
        let decimal = |unscaled: i128, scale| Finite::new(unscaled, scale).finish().map(Some);
        match self {
            Self::Null => Ok(None),
            Self::Integer(v) => decimal(v.into(), 0),
            Self::Milliseconds(micros) => decimal(micros.into(), 3),
            Self::Seconds(micros) | Self::Epoch(micros) => decimal(micros.into(), 6),
            Self::IntervalEpoch(span) => {
                // A year is 365.25 days, the months left over have 30.
                let years = i128::from(span.months / 12) * 31_557_600;
                let days = i128::from(span.months % 12) * 30 + i128::from(span.days);
                decimal((years + days * 86_400) * 1_000_000 + i128::from(span.micros), 6)
            }
            Self::Julian { day, micros } => {
                let fraction = Finite::new(micros, 0).finish()?.div(&Finite::new(MICROS_PER_DAY, 0).finish()?)?;
                Finite::new(i64::from(day), 0).finish()?.add(&fraction).map(Some)
            }
            Self::Infinity { negative } => {
                Ok(Some(if negative { Numeric::NegativeInfinity } else { Numeric::Infinity }))
            }
        }
    }

    fn float(self) -> Option<f64> {
        let fraction = |micros: i64| (micros % 1_000_000) as f64;
        Some(match self {
            Self::Null => return None,
            Self::Integer(v) => v as f64,
            Self::Milliseconds(micros) => (micros / 1_000_000) as f64 * 1000.0 + fraction(micros) / 1000.0,
            Self::Seconds(micros) => (micros / 1_000_000) as f64 + fraction(micros) / 1_000_000.0,
            Self::Epoch(micros) => micros as f64 / 1_000_000.0,
            Self::IntervalEpoch(span) => {
                let mut seconds = span.micros as f64 / 1_000_000.0;
                seconds += (365.25 * 86_400.0) * f64::from(span.months / 12);
                seconds += (30.0 * 86_400.0) * f64::from(span.months % 12);
                seconds + 86_400.0 * f64::from(span.days)
            }
            Self::Julian { day, micros } => {
                let (hour, minute, second, fraction) = split_time(micros);
                let whole = f64::from((hour * 60 + minute) * 60 + second);
                f64::from(day) + (whole + f64::from(fraction) / 1_000_000.0) / 86_400.0
            }
            Self::Infinity { negative } => {
                if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                }
            }
        })
    }
}

pub fn unit_not_supported(field: &str, ty: PgType) -> Error {
    Error::new(state::FEATURE_NOT_SUPPORTED, format!("unit \"{field}\" not supported for type {}", ty.sql_name()))
}

pub fn unit_not_recognized(field: &str, ty: PgType) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, format!("unit \"{field}\" not recognized for type {}", ty.sql_name()))
}

/// A field's name as written, and its meaning.
struct Field {
    name: String,
    unit: Unit,
    ty: PgType,
}

impl Field {
    fn new(text: &str, ty: PgType) -> Result<Self> {
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

    fn of_date(&self, days: i32) -> Result<Part> {
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

    fn of_timestamp(&self, micros: i64) -> Result<Part> {
        if !is_finite_timestamp(micros) {
            return Ok(self.of_infinity(micros < 0));
        }
        self.of_local(&timestamp_to_tm(micros), micros).ok_or_else(|| self.not_supported())
    }

    fn of_timestamptz(&self, micros: i64, zone: TimeZone) -> Result<Part> {
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

    fn of_time(&self, micros: i64) -> Result<Part> {
        let (hour, minute, second, fraction) = split_time(micros);
        match self.unit {
            Unit::Epoch => Ok(Part::Epoch(micros)),
            _ => self.of_clock(hour.into(), minute, second, fraction).ok_or_else(|| self.not_supported()),
        }
    }

    fn of_interval(&self, span: Span) -> Result<Part> {
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
fn grows(unit: Unit) -> bool {
    matches!(
        unit,
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium | Unit::Julian | Unit::IsoYear | Unit::Epoch
    )
}

/// The carrier of an extracted field: fixed where its scale and size are known.
fn carrier(field: &Typed, source: u32) -> DataType {
    let unit = match field.as_literal() {
        Some(ScalarValue::Utf8View(Some(text))) => field_keyword(&text.to_ascii_lowercase()),
        _ => None,
    };
    match unit {
        None => DataType::BinaryView,
        Some(unit) if grows(unit) && !matches!(source, oid::INTERVAL | oid::TIME) => DataType::BinaryView,
        Some(Unit::Epoch) => DataType::Decimal128(25, 6),
        Some(Unit::Microsecond) => DataType::Decimal128(8, 0),
        Some(Unit::Millisecond) => DataType::Decimal128(8, 3),
        Some(Unit::Second) => DataType::Decimal128(8, 6),
        Some(_) => DataType::Decimal128(10, 0),
    }
}

/// Runs `part` over the second argument with the field of `ty` named by the first.
fn parts<V: Value, R: Value>(
    call: &Call<'_>,
    ty: PgType,
    part: impl for<'a> Fn(&Field, V::Ref<'a>) -> Result<Part>,
    number: impl Fn(Part) -> Result<Option<R::Owned>>,
) -> Result<ArrayRef> {
    let (names, values) = (call.column::<Text>(0)?, call.column::<V>(1)?);
    let constant = match call.scalars[0] && !call.is_null(0, 0) && call.rows > 0 {
        true => Some(Field::new(Text::get(&names, 0), ty)?),
        false => None,
    };
    call.build::<R>(|row| {
        let (Some(name), Some(value)) = (call.get::<Text>(&names, 0, row), call.get::<V>(&values, 1, row)) else {
            return Ok(None);
        };
        let found = match &constant {
            Some(field) => part(field, value)?,
            None => part(&Field::new(name, ty)?, value)?,
        };
        number(found)
    })
}

macro_rules! pair {
    ($extract:ident, $date_part:ident, $name:literal, $ty:expr, $value:ty, $part:expr) => {
        static $extract: FuncDef = FuncDef::failing(concat!("extract_", $name), SqlForm::Special("extract"), |c| {
            parts::<$value, Num>(c, $ty, $part, Part::numeric)
        });
        static $date_part: FuncDef = FuncDef::failing(concat!("date_part_", $name), SqlForm::Call("date_part"), |c| {
            parts::<$value, F64>(c, $ty, $part, |p| Ok(p.float()))
        });
    };
}

pair!(EXTRACT_TIME, PART_TIME, "time", PgType::TIME, Time, |f, t| f.of_time(t));
pair!(EXTRACT_TIMESTAMP, PART_TIMESTAMP, "timestamp", PgType::TIMESTAMP, Timestamp, |f, t| f.of_timestamp(t));
pair!(EXTRACT_INTERVAL, PART_INTERVAL, "interval", PgType::INTERVAL, Interval, |f, i| f.of_interval(i.into()));

static EXTRACT_DATE: FuncDef = FuncDef::failing("extract_date", SqlForm::Special("extract"), |c| {
    parts::<Date, Num>(c, PgType::DATE, |f, d| f.of_date(d), Part::numeric)
});

/// PostgreSQL has it as `date_part` of the date as a timestamp.
static PART_DATE: FuncDef = FuncDef::failing("date_part_date", SqlForm::Call("date_part"), |c| {
    parts::<Date, F64>(c, PgType::TIMESTAMP, |f, d| f.of_timestamp(date_to_timestamp(d)?), |p| Ok(p.float()))
});

fn extract_timestamptz() -> Zoned {
    zoned!("extract_timestamptz", SqlForm::Special("extract"), |c| {
        let zone = session::zone(c.func)?;
        parts::<Timestamp, Num>(c, PgType::TIMESTAMPTZ, |f, t| f.of_timestamptz(t, zone), Part::numeric)
    })
}

fn date_part_timestamptz() -> Zoned {
    zoned!("date_part_timestamptz", SqlForm::Call("date_part"), |c| {
        let zone = session::zone(c.func)?;
        parts::<Timestamp, F64>(c, PgType::TIMESTAMPTZ, |f, t| f.of_timestamptz(t, zone), |p| Ok(p.float()))
    })
}

/// `extract(field, value)`; a field that the type does not have is an error even without rows.
fn extract(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let source = args[1].ty;
    if let Some(ScalarValue::Utf8View(Some(text))) = args[0].as_literal() {
        Field::new(text, source.without_typmod())?;
    }
    let repr = carrier(&args[0], source.oid);
    let def = match source.oid {
        oid::DATE => &EXTRACT_DATE,
        oid::TIME => &EXTRACT_TIME,
        oid::TIMESTAMP => &EXTRACT_TIMESTAMP,
        oid::INTERVAL => &EXTRACT_INTERVAL,
        _ => return Ok(extract_timestamptz().call_as(ctx, args, PgType::NUMERIC, repr)),
    };
    Ok(def.call(args, PgType::NUMERIC, repr, ""))
}

pub fn signatures() -> Vec<Signature> {
    let mut list: Vec<Signature> = Vec::new();
    const SOURCES: &[(&[u32], Option<&FuncDef>)] = &[
        (&[oid::TEXT, oid::DATE], Some(&PART_DATE)),
        (&[oid::TEXT, oid::TIME], Some(&PART_TIME)),
        (&[oid::TEXT, oid::TIMESTAMP], Some(&PART_TIMESTAMP)),
        (&[oid::TEXT, oid::TIMESTAMPTZ], None),
        (&[oid::TEXT, oid::INTERVAL], Some(&PART_INTERVAL)),
    ];
    for &(args, date_part) in SOURCES {
        list.push(Signature::build("extract", args, oid::NUMERIC, extract));
        list.push(match date_part {
            Some(def) => Signature::func("date_part", args, oid::FLOAT8, def),
            None => Signature::build("date_part", args, oid::FLOAT8, |ctx, args| {
                Ok(date_part_timestamptz().call(ctx, args, PgType::FLOAT8))
            }),
        });
    }
    list
}
