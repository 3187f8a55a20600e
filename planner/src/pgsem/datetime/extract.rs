//! `extract` (numeric) and `date_part` (double precision).
//!
//! Both read the same [`Part`]; each turns it into its own kind of number the way PostgreSQL computes it. Fields that are NULL
//! for infinity have a fixed scale and a decimal carrier; those that become infinite need the dynamic one.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;

use super::convert::date_to_timestamp;
use super::field::{Field, grows};
use super::keywords::{Unit, field_keyword};
use super::part::Part;
use super::session::{self, Zoned, zoned};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Call, Date, F64, Interval, Text, Time, Timestamp, Value};
use crate::pgsem::numeric::Num;
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

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
