//! Input functions by column.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::array::ArrayParser;
use super::inet::parse_inet;
use super::simple::{bpchar, parse_bool, parse_bytea, parse_char, parse_name, parse_uuid, truncate_chars};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::datetime::{parse_date, parse_interval, parse_time, parse_timestamp, parse_timestamptz};
use crate::pgsem::json;
use crate::pgsem::kernel::{Bool, Bytes, Date, F32, F64, I16, I32, I64, Interval, Text, Time, Timestamp, Value};
use crate::pgsem::number_io::{parse_float4, parse_float8, parse_int2, parse_int4, parse_int8, parse_oid};
use crate::pgsem::numeric::{Num, parse_numeric};
use crate::pgtype::{PgType, oid};

/// Takes texts into an array of the type's carrier.
pub trait Parser {
    fn append(&mut self, text: Option<&str>) -> Result<()>;
    fn finish(self: Box<Self>) -> ArrayRef;
}

struct ValueParser<V: Value, F> {
    builder: V::Builder,
    read: F,
}

impl<V: Value, F: Fn(&str) -> Result<V::Owned>> Parser for ValueParser<V, F> {
    fn append(&mut self, text: Option<&str>) -> Result<()> {
        let value = text.map(&self.read).transpose()?;
        V::append(&mut self.builder, value)
    }

    fn finish(self: Box<Self>) -> ArrayRef {
        V::finish(self.builder)
    }
}

fn by<V>(repr: &DataType, read: impl Fn(&str) -> Result<V::Owned> + 'static) -> Box<dyn Parser>
where
    V: Value + 'static,
    V::Builder: 'static,
{
    Box::new(ValueParser::<V, _> { builder: V::builder(0, repr), read })
}

/// The input function of a type. Its modifier applies as in an explicit cast.
pub fn parser(ty: PgType, ctx: &QueryContext) -> Result<Box<dyn Parser>> {
    if let Some(element) = ty.element() {
        return Ok(Box::new(ArrayParser::new(parser(element, ctx)?)));
    }
    let repr = &ty.repr();
    let length = ty.length_typmod();
    let typmod = ty.typmod;
    let ctx = ctx.clone();
    Ok(match ty.oid {
        oid::BOOL => by::<Bool>(repr, parse_bool),
        oid::INT2 => by::<I16>(repr, parse_int2),
        oid::INT4 => by::<I32>(repr, parse_int4),
        oid::INT8 => by::<I64>(repr, parse_int8),
        oid::OID => by::<I64>(repr, parse_oid),
        oid::FLOAT4 => by::<F32>(repr, parse_float4),
        oid::FLOAT8 => by::<F64>(repr, parse_float8),
        oid::NUMERIC => by::<Num>(repr, move |s| parse_numeric(s)?.with_typmod(ty)),
        oid::BYTEA => by::<Bytes>(repr, parse_bytea),
        oid::TEXT | oid::UNKNOWN => by::<Text>(repr, |s| Ok(s.to_string())),
        oid::VARCHAR => by::<Text>(repr, move |s| Ok(truncate_chars(s, length).to_string())),
        oid::BPCHAR => by::<Text>(repr, move |s| Ok(bpchar(s, length).to_string())),
        oid::CHAR => by::<Text>(repr, parse_char),
        oid::NAME => by::<Text>(repr, |s| Ok(parse_name(s))),
        oid::UUID => by::<Text>(repr, parse_uuid),
        oid::INET => by::<Text>(repr, parse_inet),
        oid::JSON => by::<Text>(repr, |s| json::validate(s).map(|()| s.to_string())),
        oid::JSONB => by::<Text>(repr, json::canonical),
        oid::DATE => by::<Date>(repr, move |s| parse_date(s, &ctx)),
        oid::TIME => by::<Time>(repr, move |s| parse_time(s, typmod, &ctx)),
        oid::TIMESTAMP => by::<Timestamp>(repr, move |s| parse_timestamp(s, typmod, &ctx)),
        oid::TIMESTAMPTZ => by::<Timestamp>(repr, move |s| parse_timestamptz(s, typmod, &ctx)),
        oid::INTERVAL => by::<Interval>(repr, move |s| parse_interval(s, typmod)),
        _ => return Err(Error::unsupported(format!("text as a value of type {ty}"))),
    })
}
