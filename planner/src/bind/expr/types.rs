//! Type names as they are written.

use sqlparser::ast::{
    self, ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, IntervalFields, TimezoneInfo,
};

use super::super::scope::fold;
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid, type_by_name};

/// The type a data type names, with its modifier.
pub(crate) fn pg_type(ty: &DataType) -> Result<PgType> {
    Ok(match ty {
        DataType::Character(n) | DataType::Char(n) => PgType::char(length(n.as_ref(), "char")?.unwrap_or(1)),
        DataType::CharacterVarying(n) | DataType::CharVarying(n) | DataType::Varchar(n) => {
            length(n.as_ref(), "varchar")?.map_or(PgType::VARCHAR, PgType::varchar)
        }
        DataType::Text => PgType::TEXT,
        DataType::Uuid => PgType::UUID,
        DataType::Bytea => PgType::BYTEA,
        DataType::Bool | DataType::Boolean => PgType::BOOL,
        DataType::Int2(None) | DataType::SmallInt(None) => PgType::INT2,
        DataType::Int(None) | DataType::Int4(None) | DataType::Integer(None) => PgType::INT4,
        DataType::Int8(None) | DataType::BigInt(None) => PgType::INT8,
        DataType::Float4 | DataType::Real => PgType::FLOAT4,
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) => PgType::FLOAT8,
        DataType::Float(info) => float(info)?,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info)?,
        DataType::Date => PgType::DATE,
        DataType::Time(p, zone) => with_precision(*p, *zone, oid::TIME, oid::TIMETZ),
        DataType::Timestamp(p, zone) => with_precision(*p, *zone, oid::TIMESTAMP, oid::TIMESTAMPTZ),
        DataType::Interval { fields, precision } => {
            PgType { typmod: interval_typmod(fields.as_ref().map(interval_mask), *precision), ..PgType::INTERVAL }
        }
        DataType::JSON => PgType::JSON,
        DataType::JSONB => PgType::JSONB,
        DataType::Regclass => PgType::of(oid::REGCLASS),
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => {
            let element = pg_type(element)?;
            // An array of arrays is the same type: dimensions are not part of it.
            let array = if element.is_array() { Some(element) } else { element.array_of() };
            array.ok_or_else(|| Error::unsupported(format!("type {}[]", element.sql_name())))?
        }
        DataType::Bit(_) | DataType::BitVarying(_) | DataType::VarBit(_) => {
            return Err(Error::unsupported("type bit"));
        }
        DataType::Custom(name, modifiers) => custom(name, modifiers)?,
        other => return Err(does_not_exist(&other.to_string().to_lowercase())),
    })
}

fn does_not_exist(name: &str) -> Error {
    Error::new(state::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
}

fn invalid(message: String) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn length(n: Option<&CharacterLength>, name: &str) -> Result<Option<u32>> {
    const MAX: u64 = 10_485_760;
    match n {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length: 0, .. }) => {
            Err(invalid(format!("length for type {name} must be at least 1")))
        }
        Some(CharacterLength::IntegerLength { length, .. }) if *length <= MAX => Ok(Some(*length as u32)),
        Some(_) => Err(invalid(format!("length for type {name} cannot exceed {MAX}"))),
    }
}

fn float(info: &ExactNumberInfo) -> Result<PgType> {
    match info {
        ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53) => Ok(PgType::FLOAT8),
        ExactNumberInfo::Precision(1..=24) => Ok(PgType::FLOAT4),
        ExactNumberInfo::Precision(0) => Err(invalid("precision for type float must be at least 1 bit".into())),
        _ => Err(invalid("precision for type float must be less than 54 bits".into())),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<PgType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(PgType::NUMERIC),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    if !(1..=1000).contains(&precision) {
        return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and 1000")));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
    }
    Ok(PgType::numeric(precision as u32, scale as i32))
}

fn with_precision(precision: Option<u64>, zone: TimezoneInfo, plain: u32, zoned: u32) -> PgType {
    let oid = match zone {
        TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => plain,
        TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => zoned,
    };
    // PostgreSQL takes more than 6 digits as 6, with a warning.
    PgType { oid, typmod: precision.map_or(-1, |p| p.min(6) as i32) }
}

/// Bits of `INTERVAL_MASK` (`utils/timestamp.h`).
const YEAR: i32 = 1 << 2;
const MONTH: i32 = 1 << 1;
const DAY: i32 = 1 << 3;
const HOUR: i32 = 1 << 10;
const MINUTE: i32 = 1 << 11;
const SECOND: i32 = 1 << 12;

fn interval_mask(fields: &IntervalFields) -> i32 {
    match fields {
        IntervalFields::Year => YEAR,
        IntervalFields::Month => MONTH,
        IntervalFields::Day => DAY,
        IntervalFields::Hour => HOUR,
        IntervalFields::Minute => MINUTE,
        IntervalFields::Second => SECOND,
        IntervalFields::YearToMonth => YEAR | MONTH,
        IntervalFields::DayToHour => DAY | HOUR,
        IntervalFields::DayToMinute => DAY | HOUR | MINUTE,
        IntervalFields::DayToSecond => DAY | HOUR | MINUTE | SECOND,
        IntervalFields::HourToMinute => HOUR | MINUTE,
        IntervalFields::HourToSecond => HOUR | MINUTE | SECOND,
        IntervalFields::MinuteToSecond => MINUTE | SECOND,
    }
}

fn interval_typmod(mask: Option<i32>, precision: Option<u64>) -> i32 {
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    if mask.is_none() && precision.is_none() {
        return -1;
    }
    let precision = precision.map_or(FULL_PRECISION, |p| p.min(6) as i32);
    mask.unwrap_or(FULL_RANGE) << 16 | precision
}

/// The type of `interval '…' first TO last (precision)`.
pub(super) fn interval_type(
    first: Option<&ast::DateTimeField>,
    last: Option<&ast::DateTimeField>,
    precision: Option<u64>,
) -> Result<PgType> {
    use ast::DateTimeField as F;
    let fields = match (first, last) {
        (None, _) => None,
        (Some(F::Year), None) => Some(IntervalFields::Year),
        (Some(F::Month), None) => Some(IntervalFields::Month),
        (Some(F::Day), None) => Some(IntervalFields::Day),
        (Some(F::Hour), None) => Some(IntervalFields::Hour),
        (Some(F::Minute), None) => Some(IntervalFields::Minute),
        (Some(F::Second), None) => Some(IntervalFields::Second),
        (Some(F::Year), Some(F::Month)) => Some(IntervalFields::YearToMonth),
        (Some(F::Day), Some(F::Hour)) => Some(IntervalFields::DayToHour),
        (Some(F::Day), Some(F::Minute)) => Some(IntervalFields::DayToMinute),
        (Some(F::Day), Some(F::Second)) => Some(IntervalFields::DayToSecond),
        (Some(F::Hour), Some(F::Minute)) => Some(IntervalFields::HourToMinute),
        (Some(F::Hour), Some(F::Second)) => Some(IntervalFields::HourToSecond),
        (Some(F::Minute), Some(F::Second)) => Some(IntervalFields::MinuteToSecond),
        (Some(field), _) => {
            return Err(Error::new(state::SYNTAX_ERROR, format!("syntax error at or near \"{field}\"")));
        }
    };
    Ok(PgType { typmod: interval_typmod(fields.as_ref().map(interval_mask), precision), ..PgType::INTERVAL })
}

/// A type that is not a keyword: `name`, `oid`, `pg_catalog.regtype`, `"char"`.
fn custom(name: &ast::ObjectName, modifiers: &[String]) -> Result<PgType> {
    let parts: Vec<&ast::Ident> = name.0.iter().filter_map(|p| p.as_ident()).collect();
    let (ident, qualified) = match parts[..] {
        [ident] => (ident, false),
        [schema, ident] if fold(schema) == "pg_catalog" => (ident, true),
        _ => return Err(does_not_exist(&name.to_string())),
    };
    let folded = fold(ident);
    // `"char"` is not `char`; as a member of pg_catalog it needs no quotes.
    if folded == "char" && (qualified || ident.quote_style.is_some()) {
        return Ok(PgType::CHAR);
    }
    let keyword = matches!(folded.as_str(), "dec" | "decimal" | "float" | "int" | "integer" | "nchar");
    if keyword && (qualified || ident.quote_style.is_some()) {
        return Err(does_not_exist(&folded));
    }
    let info = type_by_name(&folded).filter(|t| t.category != 'P' && t.oid != oid::UNKNOWN && t.sql_name != folded);
    let info = info.or_else(|| crate::pgtype::all_types().find(|t| t.name == folded && t.category != 'P'));
    let Some(info) = info else { return Err(does_not_exist(&folded)) };
    let ty = PgType::of(info.oid);
    let numbers: Vec<u64> = modifiers.iter().filter_map(|m| m.trim().parse().ok()).collect();
    if numbers.len() != modifiers.len() {
        return Err(Error::new(state::INVALID_PARAMETER_VALUE, "type modifiers must be simple constants"));
    }
    match (ty.oid, &numbers[..]) {
        (_, []) => Ok(ty),
        (oid::NUMERIC, [p]) => numeric(&ExactNumberInfo::Precision(*p)),
        (oid::NUMERIC, [p, s]) => numeric(&ExactNumberInfo::PrecisionAndScale(*p, *s as i64)),
        (oid::VARCHAR | oid::BPCHAR, [n]) => {
            let n = length(Some(&CharacterLength::IntegerLength { length: *n, unit: None }), &folded)?.unwrap_or(1);
            Ok(if ty.oid == oid::VARCHAR { PgType::varchar(n) } else { PgType::char(n) })
        }
        (oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ, [p]) => {
            Ok(PgType { typmod: (*p).min(6) as i32, ..ty })
        }
        _ => {
            Err(Error::new(state::SYNTAX_ERROR, format!("type modifier is not allowed for type \"{}\"", ty.sql_name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::parser::Parser;

    use super::*;

    fn named(sql: &str) -> String {
        let ty = Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).unwrap().parse_data_type().unwrap();
        match pg_type(&ty) {
            Ok(ty) => ty.sql_name(),
            Err(e) => e.message().to_string(),
        }
    }

    #[test]
    fn names_mean_what_postgresql_means() {
        let cases = [
            ("int", "integer"),
            ("INT8", "bigint"),
            ("char", "character(1)"),
            ("\"char\"", "\"char\""),
            ("pg_catalog.\"char\"", "\"char\""),
            ("bpchar", "character"),
            ("varchar(3)", "character varying(3)"),
            ("numeric(5)", "numeric(5,0)"),
            ("decimal(5, 2)", "numeric(5,2)"),
            ("float(3)", "real"),
            ("float", "double precision"),
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("timestamptz", "timestamp with time zone"),
            ("time(1)", "time(1) without time zone"),
            ("int[][]", "integer[]"),
            ("name", "name"),
            ("pg_catalog.regtype", "regtype"),
            ("pg_catalog.int4", "integer"),
            ("varchar(0)", "length for type varchar must be at least 1"),
            ("numeric(2000)", "NUMERIC precision 2000 must be between 1 and 1000"),
            ("nosuchtype", "type \"nosuchtype\" does not exist"),
            ("tinyint", "type \"tinyint\" does not exist"),
        ];
        for (sql, expected) in cases {
            assert_eq!(named(sql), expected, "{sql}");
        }
    }

    #[test]
    fn interval_modifiers_are_packed_as_in_postgresql() {
        let day_to_second = interval_type(Some(&ast::DateTimeField::Day), Some(&ast::DateTimeField::Second), Some(3));
        assert_eq!(day_to_second.unwrap().typmod, ((8 | 1024 | 2048 | 4096) << 16) | 3);
        assert_eq!(interval_type(None, None, None).unwrap().typmod, -1);
    }
}
