use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};

use super::*;

/// One value as a column of that type.
fn decoded(ty: PgType, value: Value, lenient: bool) -> Result<ArrayRef> {
    let carrier = ty.repr();
    let field = arrow::datatypes::Field::new("c0", carrier, true);
    let schema: SchemaRef = Arc::new(arrow::datatypes::Schema::new(vec![field]));
    let columns = columns(&schema, &[ty])?;
    let [mut column] = <[Builder; 1]>::try_from(columns).map_err(|_| Error::internal("one column"))?;
    append(&mut column, value, lenient)?;
    Ok(finish(column))
}

fn primitive<T: ArrowPrimitiveType>(ty: PgType, value: Value) -> Option<T::Native> {
    decoded(ty, value, false).unwrap().as_primitive::<T>().iter().next().unwrap()
}

fn refused(ty: PgType, value: Value) -> planner::error::SqlState {
    decoded(ty, value, false).unwrap_err().sqlstate()
}

fn text(value: &str) -> Value {
    Value::Bytes(value.as_bytes().to_vec())
}

#[test]
fn integers_keep_their_value_or_fail() {
    assert_eq!(primitive::<Int16Type>(PgType::INT2, Value::Int(-32768)), Some(i16::MIN));
    assert_eq!(primitive::<Int32Type>(PgType::INT4, Value::UInt(2_147_483_647)), Some(i32::MAX));
    assert_eq!(primitive::<Int64Type>(PgType::INT8, Value::Int(i64::MIN)), Some(i64::MIN));
    assert_eq!(primitive::<Int64Type>(PgType::INT8, text("-7")), Some(-7));
    assert_eq!(primitive::<Int64Type>(PgType::INT8, Value::NULL), None);
    assert_eq!(refused(PgType::INT2, Value::Int(32768)), state::NUMERIC_VALUE_OUT_OF_RANGE);
    assert_eq!(refused(PgType::INT8, Value::UInt(u64::MAX)), state::NUMERIC_VALUE_OUT_OF_RANGE);
    for wrong in [text("1.5"), text("x"), Value::Double(1.0), Value::Date(2024, 1, 1, 0, 0, 0, 0)] {
        assert_eq!(refused(PgType::INT4, wrong), state::FDW_ERROR);
    }
}

#[test]
fn decimals_keep_every_digit_or_fail() {
    assert_eq!(scaled(b"-12.5", 7, 2).unwrap(), -1250);
    assert_eq!(scaled(b"0.050", 7, 2).unwrap(), 5);
    assert_eq!(scaled(b"7", 7, 2).unwrap(), 700);
    assert_eq!(scaled(b"99999.99", 7, 2).unwrap(), 9_999_999);
    for beyond in [&b"0.055"[..], b"100000", b"1e3", b"--1", b"1.2.3"] {
        assert_eq!(scaled(beyond, 7, 2).unwrap_err().sqlstate(), state::NUMERIC_VALUE_OUT_OF_RANGE);
    }
    let widest = PgType::numeric(38, 0);
    let nines = "9".repeat(38);
    assert_eq!(primitive::<Decimal128Type>(widest, text(&nines)), Some(10i128.pow(38) - 1));
    assert_eq!(primitive::<Decimal128Type>(PgType::numeric(20, 0), Value::UInt(u64::MAX)), Some(u64::MAX.into()));
    assert_eq!(refused(widest, text(&format!("{nines}9"))), state::NUMERIC_VALUE_OUT_OF_RANGE);
    assert_eq!(refused(widest, Value::Double(1.0)), state::FDW_ERROR);
    let dynamic = decoded(PgType::NUMERIC, text("-0.0120"), false).unwrap();
    assert_eq!(Numeric::decode(dynamic.as_binary_view().value(0)).unwrap().to_string(), "-0.0120");
}

#[test]
fn floats_and_booleans() {
    assert_eq!(primitive::<Float32Type>(PgType::FLOAT4, Value::Float(1e-45)), Some(1e-45));
    assert_eq!(
        primitive::<Float64Type>(PgType::FLOAT8, Value::Double(-0.0)).map(f64::to_bits),
        Some((-0.0f64).to_bits())
    );
    assert_eq!(refused(PgType::FLOAT4, Value::Double(1e300)), state::FDW_ERROR);
    for (value, expected) in [(Value::Bytes(vec![1]), true), (Value::Bytes(vec![0]), false), (Value::Int(2), true)] {
        assert_eq!(decoded(PgType::BOOL, value, false).unwrap().as_boolean().value(0), expected);
    }
}

#[test]
fn texts_and_bytes() {
    let one = |ty, value| decoded(ty, value, false).unwrap().as_string_view().value(0).to_string();
    assert_eq!(one(PgType::TEXT, text("ab  ")), "ab  ");
    assert_eq!(one(PgType::char(5), text("ab  ")), "ab");
    assert_eq!(refused(PgType::TEXT, text("a\0b")), state::CHARACTER_NOT_IN_REPERTOIRE);
    assert_eq!(refused(PgType::TEXT, Value::Bytes(vec![0xff])), state::CHARACTER_NOT_IN_REPERTOIRE);
    let bytes = decoded(PgType::BYTEA, Value::Bytes(vec![0, 0xff]), false).unwrap();
    assert_eq!(bytes.as_binary_view().value(0), [0, 0xff]);
    assert_eq!(refused(PgType::BYTEA, Value::Int(1)), state::FDW_ERROR);
}

#[test]
fn days_of_the_calendar_only() {
    assert_eq!(days(1970, 1, 2, false).unwrap(), Some(1));
    assert_eq!(days(2024, 2, 29, false).unwrap(), Some(19_782));
    for (y, m, d) in [(0, 0, 0), (2024, 0, 1), (2024, 1, 0), (0, 1, 1), (2023, 2, 29), (2024, 2, 31), (2024, 4, 31)] {
        assert_eq!(days(y, m, d, true).unwrap(), None);
        assert_eq!(days(y, m, d, false).unwrap_err().sqlstate(), state::INVALID_DATETIME_FORMAT);
    }
    assert_eq!(primitive::<Date32Type>(PgType::DATE, Value::Date(1, 1, 1, 0, 0, 0, 0)), Some(-719_162));
    let moment = Value::Date(1970, 1, 1, 0, 0, 1, 2);
    assert_eq!(primitive::<TimestampMicrosecondType>(PgType::TIMESTAMP, moment), Some(1_000_002));
    assert_eq!(refused(PgType::DATE, Value::Int(1)), state::FDW_ERROR);
}

#[test]
fn times_of_one_day_only() {
    let time = |negative, days, hours| Value::Time(negative, days, hours, 0, 0, 0);
    assert_eq!(primitive::<Time64MicrosecondType>(PgType::TIME, time(true, 0, 0)), Some(0));
    assert_eq!(primitive::<Time64MicrosecondType>(PgType::TIME, time(false, 1, 0)), Some(MICROS_PER_DAY));
    for beyond in [time(true, 0, 1), time(false, 1, 1), time(false, 34, 22)] {
        assert_eq!(decoded(PgType::TIME, beyond.clone(), true).unwrap().null_count(), 1);
        assert_eq!(refused(PgType::TIME, beyond), state::DATETIME_FIELD_OVERFLOW);
    }
}
