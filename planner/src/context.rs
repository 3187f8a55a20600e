//! What a statement is bound against besides the catalog: fixed for the whole query, so that every engine and every plan sees
//! one `now()`, one time zone, one search path.

use std::sync::Arc;

use chrono_tz::Tz;

/// How much of a query the sources may answer (`narrows.pushdown`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pushdown {
    /// Whole fragments: joins, aggregates, sorts.
    #[default]
    Full,
    /// Column lists and filters of single tables.
    Filter,
    /// Whole tables only.
    Off,
}

/// The immutable surroundings of one query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryContext {
    /// The user the query runs as.
    pub principal: Arc<str>,
    /// Name of the database the client connected to (`current_database()`).
    pub database: Arc<str>,
    /// Schemas searched for unqualified names; `pg_catalog` is always searched first.
    pub search_path: Vec<String>,
    /// `TimeZone`.
    pub time_zone: TimeZone,
    /// `DateStyle`: only the order of ambiguous input, output is always ISO.
    pub date_order: DateOrder,
    /// Start of the transaction, µs since 1970-01-01 UTC: `now()`.
    pub now_micros: i64,
    pub pushdown: Pushdown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DateOrder {
    #[default]
    Mdy,
    Dmy,
    Ymd,
}

/// A session's time zone: an IANA name or a fixed offset in seconds east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeZone {
    Named(Tz),
    Fixed(i32),
}

impl Default for QueryContext {
    fn default() -> Self {
        Self {
            principal: "narrows".into(),
            database: "narrows".into(),
            search_path: vec!["public".into()],
            time_zone: TimeZone::Named(Tz::UTC),
            date_order: DateOrder::Mdy,
            now_micros: 0,
            pushdown: Pushdown::Full,
        }
    }
}
