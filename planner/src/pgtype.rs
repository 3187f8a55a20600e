//! PostgreSQL's types and the one Arrow type that carries each of them inside Narrows.
//!
//! The binder derives a [`PgType`] for every expression; Arrow field metadata is never trusted. `numeric` has two carriers: a
//! decimal of fixed scale where every value of the column provably has that display scale, and otherwise the
//! order-preserving bytes of `pgsem::numeric` (any precision, NaN, infinity, per-value display scale).

use std::fmt;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

/// OIDs of PostgreSQL's built-in types (`pg_type.dat`).
pub mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT2VECTOR: u32 = 22;
    pub const INT4: u32 = 23;
    pub const REGPROC: u32 = 24;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const OIDVECTOR: u32 = 30;
    pub const JSON: u32 = 114;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const INET: u32 = 869;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const INTERVAL: u32 = 1186;
    pub const TIMETZ: u32 = 1266;
    pub const BIT: u32 = 1560;
    pub const NUMERIC: u32 = 1700;
    pub const REGCLASS: u32 = 2205;
    pub const REGTYPE: u32 = 2206;
    pub const RECORD: u32 = 2249;
    pub const ANY: u32 = 2276;
    pub const ANYARRAY: u32 = 2277;
    pub const VOID: u32 = 2278;
    pub const ANYELEMENT: u32 = 2283;
    pub const ANYNONARRAY: u32 = 2776;
    pub const UUID: u32 = 2950;
    pub const ANYENUM: u32 = 3500;
    pub const JSONB: u32 = 3802;
    pub const REGNAMESPACE: u32 = 4089;
    pub const ANYCOMPATIBLE: u32 = 5077;
    pub const ANYCOMPATIBLEARRAY: u32 = 5078;
    pub const ANYCOMPATIBLENONARRAY: u32 = 5079;
}

/// A PostgreSQL type: OID and type modifier (`-1`: none), exactly as `pg_attribute` has them. An array has its array type's OID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PgType {
    pub oid: u32,
    pub typmod: i32,
}

/// What the type system knows of a type (`pg_type`).
#[derive(Debug)]
pub struct TypeInfo {
    pub oid: u32,
    /// Internal name (`int4`).
    pub name: &'static str,
    /// SQL name as `format_type` prints it (`integer`).
    pub sql_name: &'static str,
    /// `typcategory`: B boolean, N numeric, S string, D date/time, T timespan, A array, U user, X unknown, P pseudo, I network.
    pub category: char,
    pub preferred: bool,
    /// OID of its array type, 0 if none.
    pub array: u32,
    /// OID of the element type, 0 if not an array.
    pub element: u32,
    /// `typlen`: bytes, -1 variable.
    pub len: i16,
}

macro_rules! types {
    ($($oid:literal $name:literal $sql:literal $cat:literal $pref:literal $arr:literal $len:literal;)*) => {
        const SCALARS: &[TypeInfo] = &[$(TypeInfo { oid: $oid, name: $name, sql_name: $sql, category: $cat, preferred: $pref, array: $arr, element: 0, len: $len }),*];
        const ARRAYS: &[TypeInfo] = &[$(TypeInfo { oid: $arr, name: concat!("_", $name), sql_name: concat!($sql, "[]"), category: 'A', preferred: false, array: 0, element: $oid, len: -1 }),*];
    };
}

types! {
    16 "bool" "boolean" 'B' true 1000 1;
    17 "bytea" "bytea" 'U' false 1001 -1;
    18 "char" "\"char\"" 'Z' false 1002 1;
    19 "name" "name" 'S' false 1003 64;
    20 "int8" "bigint" 'N' false 1016 8;
    21 "int2" "smallint" 'N' false 1005 2;
    23 "int4" "integer" 'N' false 1007 4;
    24 "regproc" "regproc" 'N' false 1008 4;
    25 "text" "text" 'S' true 1009 -1;
    26 "oid" "oid" 'N' true 1028 4;
    114 "json" "json" 'U' false 199 -1;
    700 "float4" "real" 'N' false 1021 4;
    701 "float8" "double precision" 'N' true 1022 8;
    869 "inet" "inet" 'I' true 1041 -1;
    1042 "bpchar" "character" 'S' false 1014 -1;
    1043 "varchar" "character varying" 'S' false 1015 -1;
    1082 "date" "date" 'D' false 1182 4;
    1083 "time" "time without time zone" 'D' false 1183 8;
    1114 "timestamp" "timestamp without time zone" 'D' false 1115 8;
    1184 "timestamptz" "timestamp with time zone" 'D' true 1185 8;
    1186 "interval" "interval" 'T' true 1187 16;
    1266 "timetz" "time with time zone" 'D' false 1270 12;
    1560 "bit" "bit" 'V' false 1561 -1;
    1700 "numeric" "numeric" 'N' false 1231 -1;
    2205 "regclass" "regclass" 'N' false 2210 4;
    2206 "regtype" "regtype" 'N' false 2211 4;
    2249 "record" "record" 'P' false 2287 -1;
    2950 "uuid" "uuid" 'U' false 2951 16;
    3802 "jsonb" "jsonb" 'U' false 3807 -1;
    4089 "regnamespace" "regnamespace" 'N' false 4090 4;
}

const fn pseudo(oid: u32, name: &'static str, sql_name: &'static str, category: char, len: i16) -> TypeInfo {
    TypeInfo { oid, name, sql_name, category, preferred: false, array: 0, element: 0, len }
}

const fn vector(oid: u32, name: &'static str, array: u32, element: u32) -> TypeInfo {
    TypeInfo { oid, name, sql_name: name, category: 'A', preferred: false, array, element, len: -1 }
}

/// Arrays of the system catalogs that count from 0.
const VECTORS: &[TypeInfo] =
    &[vector(oid::INT2VECTOR, "int2vector", 1006, oid::INT2), vector(oid::OIDVECTOR, "oidvector", 1013, oid::OID)];

const PSEUDO: &[TypeInfo] = &[
    pseudo(oid::UNKNOWN, "unknown", "unknown", 'X', -2),
    pseudo(oid::ANY, "any", "\"any\"", 'P', 4),
    pseudo(oid::VOID, "void", "void", 'P', 4),
    pseudo(oid::ANYARRAY, "anyarray", "anyarray", 'P', -1),
    pseudo(oid::ANYELEMENT, "anyelement", "anyelement", 'P', 4),
    pseudo(oid::ANYNONARRAY, "anynonarray", "anynonarray", 'P', 4),
    pseudo(oid::ANYENUM, "anyenum", "anyenum", 'P', 4),
    pseudo(oid::ANYCOMPATIBLE, "anycompatible", "anycompatible", 'P', 4),
    pseudo(oid::ANYCOMPATIBLEARRAY, "anycompatiblearray", "anycompatiblearray", 'P', -1),
    pseudo(oid::ANYCOMPATIBLENONARRAY, "anycompatiblenonarray", "anycompatiblenonarray", 'P', 4),
];

/// Every type Narrows knows.
pub fn all_types() -> impl Iterator<Item = &'static TypeInfo> {
    SCALARS.iter().chain(ARRAYS).chain(VECTORS).chain(PSEUDO)
}

pub fn type_info(oid: u32) -> Option<&'static TypeInfo> {
    all_types().find(|t| t.oid == oid)
}

/// By internal name or `format_type` name, lower case, without modifiers.
pub fn type_by_name(name: &str) -> Option<&'static TypeInfo> {
    let alias = match name {
        "int" => "int4",
        "decimal" | "dec" => "numeric",
        "char" | "nchar" => "bpchar",
        "timestamp" => "timestamp",
        "float" => "float8",
        "\"char\"" => return type_info(oid::CHAR),
        other => other,
    };
    all_types().find(|t| t.name == alias || t.sql_name == alias)
}

impl PgType {
    pub const BOOL: Self = Self::of(oid::BOOL);
    pub const INT2: Self = Self::of(oid::INT2);
    pub const INT4: Self = Self::of(oid::INT4);
    pub const INT8: Self = Self::of(oid::INT8);
    pub const OID: Self = Self::of(oid::OID);
    pub const FLOAT4: Self = Self::of(oid::FLOAT4);
    pub const FLOAT8: Self = Self::of(oid::FLOAT8);
    pub const NUMERIC: Self = Self::of(oid::NUMERIC);
    pub const TEXT: Self = Self::of(oid::TEXT);
    pub const NAME: Self = Self::of(oid::NAME);
    pub const CHAR: Self = Self::of(oid::CHAR);
    pub const VARCHAR: Self = Self::of(oid::VARCHAR);
    pub const BPCHAR: Self = Self::of(oid::BPCHAR);
    pub const BYTEA: Self = Self::of(oid::BYTEA);
    pub const DATE: Self = Self::of(oid::DATE);
    pub const TIME: Self = Self::of(oid::TIME);
    pub const TIMESTAMP: Self = Self::of(oid::TIMESTAMP);
    pub const TIMESTAMPTZ: Self = Self::of(oid::TIMESTAMPTZ);
    pub const INTERVAL: Self = Self::of(oid::INTERVAL);
    pub const UUID: Self = Self::of(oid::UUID);
    pub const JSON: Self = Self::of(oid::JSON);
    pub const JSONB: Self = Self::of(oid::JSONB);
    pub const UNKNOWN: Self = Self::of(oid::UNKNOWN);
    pub const RECORD: Self = Self::of(oid::RECORD);

    pub const fn of(oid: u32) -> Self {
        Self { oid, typmod: -1 }
    }

    /// `numeric(precision, scale)`; typmod as PostgreSQL packs it.
    pub const fn numeric(precision: u32, scale: i32) -> Self {
        Self { oid: oid::NUMERIC, typmod: ((precision as i32) << 16 | (scale & 0x7ff)) + 4 }
    }

    pub const fn char(length: u32) -> Self {
        Self { oid: oid::BPCHAR, typmod: length as i32 + 4 }
    }

    pub const fn varchar(length: u32) -> Self {
        Self { oid: oid::VARCHAR, typmod: length as i32 + 4 }
    }

    #[must_use]
    pub const fn without_typmod(self) -> Self {
        Self::of(self.oid)
    }

    pub fn info(self) -> &'static TypeInfo {
        // Every PgType is made from a known OID; text stands in for one from a newer peer.
        type_info(self.oid).unwrap_or_else(|| type_info(oid::TEXT).expect("text is in the table"))
    }

    pub fn is_array(self) -> bool {
        self.info().element != 0
    }

    /// Number of an array's first element.
    pub fn lower_bound(self) -> i32 {
        i32::from(!self.is_vector())
    }

    pub fn is_vector(self) -> bool {
        matches!(self.oid, oid::INT2VECTOR | oid::OIDVECTOR)
    }

    pub fn element(self) -> Option<Self> {
        match self.info().element {
            0 => None,
            element => Some(Self { oid: element, typmod: self.typmod }),
        }
    }

    pub fn array_of(self) -> Option<Self> {
        match self.info().array {
            0 => None,
            array => Some(Self { oid: array, typmod: self.typmod }),
        }
    }

    /// text, varchar, bpchar, name: carried as UTF-8 and compared by bytes (collation C).
    pub fn is_string(self) -> bool {
        matches!(self.oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME)
    }

    pub fn is_integer(self) -> bool {
        matches!(self.oid, oid::INT2 | oid::INT4 | oid::INT8)
    }

    pub fn is_float(self) -> bool {
        matches!(self.oid, oid::FLOAT4 | oid::FLOAT8)
    }

    /// Declared precision and scale of a `numeric(p, s)`.
    pub fn numeric_typmod(self) -> Option<(u32, i32)> {
        if self.oid != oid::NUMERIC || self.typmod < 4 {
            return None;
        }
        let packed = self.typmod - 4;
        let scale = (packed & 0x7ff) << 21 >> 21; // 11-bit two's complement
        Some(((packed >> 16) as u32 & 0xffff, scale))
    }

    /// Declared length of `char(n)` or `varchar(n)`.
    pub fn length_typmod(self) -> Option<usize> {
        (matches!(self.oid, oid::BPCHAR | oid::VARCHAR) && self.typmod >= 4).then(|| (self.typmod - 4) as usize)
    }

    /// The Arrow type that carries a *column* of this declared type. Expressions of type numeric may have a narrower carrier:
    /// `Typed::repr` tells.
    pub fn repr(self) -> DataType {
        match self.oid {
            oid::BOOL => DataType::Boolean,
            oid::INT2 => DataType::Int16,
            oid::INT4 => DataType::Int32,
            oid::INT8 | oid::OID | oid::REGCLASS | oid::REGTYPE | oid::REGNAMESPACE | oid::REGPROC => DataType::Int64,
            oid::FLOAT4 => DataType::Float32,
            oid::FLOAT8 => DataType::Float64,
            oid::NUMERIC => match self.numeric_typmod() {
                Some((p, s)) => decimal_repr(p, s).unwrap_or(DataType::BinaryView),
                None => DataType::BinaryView,
            },
            oid::BYTEA => DataType::BinaryView,
            oid::DATE => DataType::Date32,
            oid::TIME => DataType::Time64(TimeUnit::Microsecond),
            oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
            oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
            _ => match self.element() {
                Some(element) => DataType::List(Field::new_list_field(element.repr(), true).into()),
                None => DataType::Utf8View,
            },
        }
    }

    /// As `format_type(oid, typmod)` prints it.
    pub fn sql_name(self) -> String {
        let info = self.info();
        if let Some(element) = self.element() {
            return format!("{}[]", element.sql_name());
        }
        match (self.oid, self.typmod) {
            (oid::NUMERIC, t) if t >= 4 => {
                let (p, s) = self.numeric_typmod().unwrap_or((0, 0));
                format!("numeric({p},{s})")
            }
            (oid::BPCHAR | oid::VARCHAR, t) if t >= 4 => format!("{}({})", info.sql_name, t - 4),
            (oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIMETZ, t) if t >= 0 => {
                let (head, tail) = info.sql_name.split_once(' ').unwrap_or((info.sql_name, ""));
                format!("{head}({t}) {tail}")
            }
            _ => info.sql_name.to_string(),
        }
    }
}

/// The fixed-scale carrier of `numeric(precision, scale)`, if there is one.
pub fn decimal_repr(precision: u32, scale: i32) -> Option<DataType> {
    if scale < 0 || scale as u32 > precision {
        return None;
    }
    match precision {
        1..=38 => Some(DataType::Decimal128(precision as u8, scale as i8)),
        39..=76 => Some(DataType::Decimal256(precision as u8, scale as i8)),
        _ => None,
    }
}

impl fmt::Display for PgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql_name())
    }
}

impl fmt::Debug for PgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql_name())
    }
}
