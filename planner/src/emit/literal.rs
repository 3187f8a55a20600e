//! Values as PostgreSQL text, the common part of all dialects' literals.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;

use super::{Refusal, Written};
use crate::context::TimeZone;
use crate::pgtype::{PgType, oid};

/// The value's text form as PostgreSQL's output function prints it (timestamps in UTC). Refuses a carrier that does not belong
/// to the type: such a literal was made for something else, for example a comparison key.
pub fn text_of(value: &ScalarValue, ty: PgType) -> Written<String> {
    if !carrier_fits(&value.data_type(), ty) {
        return Err(Refusal::new(format!("a literal of type {ty} carried as {}", value.data_type())));
    }
    let array = value.to_array().map_err(|e| Refusal::new(e.to_string()))?;
    let mut text = String::new();
    crate::pgsem::io::format(array.as_ref(), 0, ty.without_typmod(), TimeZone::Named(chrono_tz::Tz::UTC), &mut text)
        .map_err(|e| Refusal::new(e.to_string()))?;
    Ok(text)
}

fn carrier_fits(carrier: &DataType, ty: PgType) -> bool {
    match carrier {
        DataType::Decimal128(..) | DataType::Decimal256(..) => ty.oid == oid::NUMERIC,
        DataType::BinaryView => matches!(ty.oid, oid::NUMERIC | oid::BYTEA),
        DataType::List(_) => ty.is_array(),
        other => *other == ty.repr(),
    }
}

/// The type a literal has when nothing around it says otherwise.
pub fn type_of_carrier(carrier: &DataType) -> Option<PgType> {
    Some(match carrier {
        DataType::Boolean => PgType::BOOL,
        DataType::Int16 => PgType::INT2,
        DataType::Int32 => PgType::INT4,
        DataType::Int64 => PgType::INT8,
        DataType::Float32 => PgType::FLOAT4,
        DataType::Float64 => PgType::FLOAT8,
        DataType::Decimal128(..) | DataType::Decimal256(..) => PgType::NUMERIC,
        DataType::Utf8View => PgType::TEXT,
        DataType::Date32 => PgType::DATE,
        DataType::Time64(_) => PgType::TIME,
        DataType::Timestamp(_, None) => PgType::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => PgType::TIMESTAMPTZ,
        DataType::Interval(_) => PgType::INTERVAL,
        DataType::List(element) => type_of_carrier(element.data_type())?.array_of()?,
        _ => return None,
    })
}
