//! Which PostgreSQL type a column of MySQL or MariaDB becomes.
//!
//! | MySQL / MariaDB | PostgreSQL | note |
//! |---|---|---|
//! | `tinyint`, `smallint`, `year`, `tinyint unsigned` | `smallint` | `boolean` is `tinyint(1)` there and may hold 2 |
//! | `mediumint`, `int`, `smallint unsigned`, `mediumint unsigned` | `integer` | |
//! | `bigint`, `int unsigned` | `bigint` | |
//! | `bigint unsigned` | `numeric(20,0)` | |
//! | `decimal(p,s)` | `numeric(p,s)` | up to 65 digits |
//! | `float`, `double` | `real`, `double precision` | |
//! | `bit(1)` | `boolean` | not compared at the source |
//! | `char(n)` | `character(n)` | |
//! | `varchar(n)` | `character varying(n)` | |
//! | `tinytext` … `longtext` | `text` | |
//! | `enum`, `set`, `json`, `uuid`, `inet4`, `inet6` | `text` | not compared at the source: its order is another one |
//! | `binary`, `varbinary`, `tinyblob` … `longblob` | `bytea` | |
//! | `date` | `date` | a zero date or 31 February is an error, or NULL under `unsupported_types = "null"` |
//! | `datetime(f)` | `timestamp(f)` | |
//! | `timestamp(f)` | `timestamp(f) with time zone` | |
//! | `time(f)` | `time(f)` | outside 00:00 to 24:00: as zero dates |
//! | `bit(n)`, geometry | by policy: left out (`error`), `text`, NULL (`null`) | as `0101`, as `POINT(1 2)`; not compared at the source |
//! | anything else | by policy: left out (`error`, `text`), NULL (`null`) | |
//!
//! A text with a NUL character is an error, as PostgreSQL has none. Under `null`, dates and times are not compared at the source:
//! values that are NULL here are none there.

use mysql_async::Column;
use mysql_async::consts::{ColumnFlags, ColumnType};
use planner::PgType;
use planner::pgtype::oid;

/// What `information_schema.columns` says of a column's type.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub data_type: String,
    /// With length and `unsigned`.
    pub column_type: String,
    pub length: Option<u64>,
    pub precision: Option<u64>,
    pub scale: Option<u64>,
    pub fraction: Option<u64>,
}

/// A mapping, and whether the source may compare values of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapped {
    pub ty: PgType,
    pub opaque: bool,
}

fn plain(ty: PgType) -> Option<Mapped> {
    Some(Mapped { ty, opaque: false })
}

fn opaque(ty: PgType) -> Option<Mapped> {
    Some(Mapped { ty, opaque: true })
}

fn with_fraction(oid: u32, fraction: Option<u64>) -> PgType {
    let fraction = fraction.unwrap_or(0) as i32;
    PgType { oid, typmod: if fraction >= 6 { -1 } else { fraction } }
}

pub fn of_declared(d: &Declared) -> Option<Mapped> {
    let unsigned = d.column_type.contains("unsigned");
    match d.data_type.as_str() {
        "tinyint" | "year" => plain(PgType::INT2),
        "smallint" if !unsigned => plain(PgType::INT2),
        "smallint" | "mediumint" => plain(PgType::INT4),
        "int" | "integer" if !unsigned => plain(PgType::INT4),
        "bigint" if unsigned => plain(PgType::numeric(20, 0)),
        "int" | "integer" | "bigint" => plain(PgType::INT8),
        "decimal" | "numeric" => plain(PgType::numeric(d.precision? as u32, d.scale? as i32)),
        "float" => plain(PgType::FLOAT4),
        "double" => plain(PgType::FLOAT8),
        "bit" if d.precision == Some(1) => opaque(PgType::BOOL),
        "char" => plain(PgType::char(d.length?.max(1) as u32)),
        "varchar" if d.length? > 0 => plain(PgType::varchar(d.length? as u32)),
        "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => plain(PgType::TEXT),
        "enum" | "set" | "json" | "uuid" | "inet4" | "inet6" => opaque(PgType::TEXT),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => plain(PgType::BYTEA),
        "date" => plain(PgType::DATE),
        "datetime" => plain(with_fraction(oid::TIMESTAMP, d.fraction)),
        "timestamp" => plain(with_fraction(oid::TIMESTAMPTZ, d.fraction)),
        "time" => plain(with_fraction(oid::TIME, d.fraction)),
        _ => None,
    }
}

/// Name and type of a column of a prepared statement's result.
pub fn of_result_column(column: &Column) -> (String, PgType) {
    const BINARY: u16 = 63;
    let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let ty = match column.column_type() {
        ColumnType::MYSQL_TYPE_TINY | ColumnType::MYSQL_TYPE_YEAR => PgType::INT2,
        ColumnType::MYSQL_TYPE_SHORT if unsigned => PgType::INT4,
        ColumnType::MYSQL_TYPE_SHORT => PgType::INT2,
        ColumnType::MYSQL_TYPE_INT24 => PgType::INT4,
        ColumnType::MYSQL_TYPE_LONG if unsigned => PgType::INT8,
        ColumnType::MYSQL_TYPE_LONG => PgType::INT4,
        ColumnType::MYSQL_TYPE_LONGLONG if unsigned => PgType::numeric(20, 0),
        ColumnType::MYSQL_TYPE_LONGLONG => PgType::INT8,
        ColumnType::MYSQL_TYPE_FLOAT => PgType::FLOAT4,
        ColumnType::MYSQL_TYPE_DOUBLE => PgType::FLOAT8,
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => {
            let scale = u32::from(column.decimals());
            let signs = u32::from(!unsigned) + u32::from(scale > 0);
            PgType::numeric(column.column_length().saturating_sub(signs).clamp(scale.max(1), 65), scale as i32)
        }
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => PgType::DATE,
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => PgType::TIMESTAMP,
        ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2 => PgType::TIMESTAMPTZ,
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => PgType::TIME,
        _ if column.character_set() == BINARY => PgType::BYTEA,
        _ => PgType::TEXT,
    };
    (column.name_str().into_owned(), ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(column_type: &str, precision: Option<u64>, scale: Option<u64>, length: Option<u64>) -> Declared {
        let data_type = column_type.split(['(', ' ']).next().unwrap().to_string();
        Declared { data_type, column_type: column_type.to_string(), length, precision, scale, fraction: Some(0) }
    }

    #[test]
    fn widths_follow_the_sign() {
        let ty = |d: Declared| of_declared(&d).unwrap().ty;
        assert_eq!(ty(declared("bigint(20) unsigned", Some(20), Some(0), None)), PgType::numeric(20, 0));
        assert_eq!(ty(declared("int(10) unsigned", Some(10), Some(0), None)), PgType::INT8);
        assert_eq!(ty(declared("smallint(5) unsigned", Some(5), Some(0), None)), PgType::INT4);
        assert_eq!(ty(declared("decimal(65,30)", Some(65), Some(30), None)), PgType::numeric(65, 30));
        assert_eq!(of_declared(&declared("point", None, None, None)), None);
        assert!(of_declared(&declared("enum('a')", None, None, Some(1))).unwrap().opaque);
    }
}
