//! `to_char`, `to_date` and `to_timestamp`.

use arrow::array::ArrayRef;
use datafusion_common::ScalarValue;

use super::from_char::read;
use super::pattern::Shown;
use super::said::Read;
use super::{Node, parse, to_char};
use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result, state};
use crate::pgsem::datetime::calendar::{
    EPOCH_JULIAN, MICROS_PER_SECOND, Tm, checked_date, checked_timestamp, date2j, is_finite_timestamp, is_valid_julian,
    timestamp_out_of_range, timestamp_to_tm, weekday,
};
use crate::pgsem::datetime::convert::local_micros;
use crate::pgsem::datetime::session::{self, Zoned, zoned, zoned_sig};
use crate::pgsem::datetime::span::Span;
use crate::pgsem::datetime::{typmod, zone};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Call, Date, Interval, Text, Timestamp, Value};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

fn shown_timestamp(tm: &Tm) -> Shown {
    let julian = tm.julian();
    Shown {
        date: tm.civil(),
        hour: tm.hour.into(),
        minute: tm.minute,
        second: tm.second,
        micros: tm.micros,
        weekday: weekday(julian),
        day_of_year: julian - date2j(tm.year, 1, 1) + 1,
        ..Shown::default()
    }
}

fn shown_timestamptz(micros: i64, zone: TimeZone) -> Result<Shown> {
    let utc = micros.div_euclid(MICROS_PER_SECOND);
    Ok(Shown {
        offset: zone::offset_at(zone, utc),
        zone: Some(zone::abbreviation_at(zone, utc)),
        ..shown_timestamp(&timestamp_to_tm(local_micros(micros, zone)?))
    })
}

fn shown_interval(span: Span) -> Shown {
    let f = span.fields();
    let date = crate::pgsem::datetime::calendar::Civil { year: f.years, month: f.months, day: f.days };
    Shown {
        date,
        hour: f.hours,
        minute: f.minutes,
        second: f.seconds,
        micros: f.micros,
        day_of_year: span.months.wrapping_mul(30).wrapping_add(f.days),
        interval: true,
        ..Shown::default()
    }
}

/// The template of a call: parsed once if it is constant.
struct Templates<'c> {
    column: &'c arrow::array::StringViewArray,
    constant: Option<Vec<Node>>,
}

impl<'c> Templates<'c> {
    fn new(call: &'c Call<'_>, arg: usize) -> Result<Self> {
        let column = call.column::<Text>(arg)?;
        let constant = (call.scalars[arg] && !call.is_null(arg, 0)).then(|| parse(Text::get(&column, 0)));
        Ok(Self { column, constant })
    }

    fn with<T>(&self, call: &Call<'_>, arg: usize, row: usize, f: impl FnOnce(&[Node]) -> Result<T>) -> Result<T> {
        match &self.constant {
            Some(nodes) => f(nodes),
            None => f(&parse(Text::get(&self.column, call.row(arg, row)))),
        }
    }
}

/// NULL for an empty template or if `shown` has nothing to show.
fn write<V: Value>(call: &Call<'_>, shown: impl for<'a> Fn(V::Ref<'a>) -> Result<Option<Shown>>) -> Result<ArrayRef> {
    let values = call.column::<V>(0)?;
    let templates = Templates::new(call, 1)?;
    call.build::<Text>(|row| {
        let Some(value) = call.get::<V>(&values, 0, row) else { return Ok(None) };
        if call.is_null(1, row) || Text::get(&templates.column, call.row(1, row)).is_empty() {
            return Ok(None);
        }
        let Some(shown) = shown(value)? else { return Ok(None) };
        templates.with(call, 1, row, |nodes| {
            let mut out = String::new();
            to_char::write(nodes, &shown, &mut out)?;
            Ok(Some(out))
        })
    })
}

fn timestamp_to_char(call: &Call<'_>) -> Result<ArrayRef> {
    write::<Timestamp>(call, |t| Ok(is_finite_timestamp(t).then(|| shown_timestamp(&timestamp_to_tm(t)))))
}

fn interval_to_char(call: &Call<'_>) -> Result<ArrayRef> {
    write::<Interval>(call, |i| Ok(Some(shown_interval(i.into()))))
}

const TO_CHAR: SqlForm = SqlForm::Call("to_char");

static TIMESTAMP_TO_CHAR: FuncDef = FuncDef::failing("timestamp_to_char", TO_CHAR, timestamp_to_char);
static TIMESTAMP_TO_CHAR_LOCAL: FuncDef =
    FuncDef::failing("timestamp_to_char_local", SqlForm::Local, timestamp_to_char);
static INTERVAL_TO_CHAR: FuncDef = FuncDef::failing("interval_to_char", TO_CHAR, interval_to_char);

fn timestamptz_to_char() -> Zoned {
    zoned!("timestamptz_to_char", TO_CHAR, |c| {
        let zone = session::zone(c.func)?;
        write::<Timestamp>(c, |t| if is_finite_timestamp(t) { shown_timestamptz(t, zone).map(Some) } else { Ok(None) })
    })
}

/// Whether an engine would write the same: its locale must not matter, which it does for `TM`.
fn is_portable(template: &Typed) -> bool {
    match template.as_literal() {
        Some(ScalarValue::Utf8View(Some(text))) => {
            parse(text).iter().all(|node| !matches!(node, Node::Field(field) if field.translated))
        }
        _ => false,
    }
}

fn to_char_timestamp(_ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let def = if is_portable(&args[1]) { &TIMESTAMP_TO_CHAR } else { &TIMESTAMP_TO_CHAR_LOCAL };
    Ok(def.apply(args, PgType::TEXT))
}

fn to_char_timestamptz(ctx: &QueryContext, args: Vec<Typed>) -> Result<Typed> {
    let zoned = timestamptz_to_char();
    let zoned = if is_portable(&args[1]) { zoned } else { Zoned { utc: zoned.local, ..zoned } };
    Ok(zoned.call(ctx, args, PgType::TEXT))
}

/// Runs `result` over what the template of the second argument reads from the first.
fn read_by<R: Value>(call: &Call<'_>, result: impl Fn(Read, &str) -> Result<R::Owned>) -> Result<ArrayRef> {
    let texts = call.column::<Text>(0)?;
    let templates = Templates::new(call, 1)?;
    call.build::<R>(|row| match call.get::<Text>(&texts, 0, row) {
        Some(text) if !call.is_null(1, row) => {
            templates.with(call, 1, row, |nodes| result(read(nodes, text)?, text)).map(Some)
        }
        _ => Ok(None),
    })
}

static TO_DATE: FuncDef = FuncDef::failing("to_date", SqlForm::Call("to_date"), |c| {
    read_by::<Date>(c, |read, text| {
        let tm = read.tm;
        let out_of_range = || Error::new(state::DATETIME_FIELD_OVERFLOW, format!("date out of range: \"{text}\""));
        if !is_valid_julian(tm.year, tm.month) {
            return Err(out_of_range());
        }
        checked_date(i64::from(tm.julian()) - i64::from(EPOCH_JULIAN)).map_err(|_| out_of_range())
    })
});

fn to_timestamp() -> Zoned {
    zoned!("to_timestamp", SqlForm::Call("to_timestamp"), |c| {
        let zone = session::zone(c.func)?;
        read_by::<Timestamp>(c, |read, _| {
            let local = read.tm.epoch_micros().ok_or_else(timestamp_out_of_range)?;
            let utc = match read.east {
                Some(east) => local - i128::from(east) * i128::from(MICROS_PER_SECOND),
                None => zone::to_utc(zone, local),
            };
            let digits = if read.fraction_digits == 0 { -1 } else { read.fraction_digits };
            Ok(typmod::round_timestamp(checked_timestamp(utc)?, digits))
        })
    })
}

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::build("to_char", &[oid::TIMESTAMP, oid::TEXT], oid::TEXT, to_char_timestamp),
        Signature::build("to_char", &[oid::TIMESTAMPTZ, oid::TEXT], oid::TEXT, to_char_timestamptz),
        Signature::func("to_char", &[oid::INTERVAL, oid::TEXT], oid::TEXT, &INTERVAL_TO_CHAR),
        Signature::func("to_date", &[oid::TEXT, oid::TEXT], oid::DATE, &TO_DATE),
        zoned_sig!("to_timestamp", [TEXT, TEXT] -> TIMESTAMPTZ, to_timestamp()),
    ]
}
