//! What a statement is bound against besides the catalog: fixed for the whole query, so that every engine and every plan sees
//! one `now()`, one time zone, one search path.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono_tz::Tz;
use cost_model::SourceId;

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

/// Whether the keys of one fragment filter another one (`narrows.reduction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    Off,
    /// Where it pays.
    #[default]
    On,
    /// Wherever it changes no answer.
    Force,
}

/// Where joins across sites take place (`narrows.placement`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// In the gateway, all of them.
    Off,
    /// Where it is predicted to be fastest.
    #[default]
    On,
    /// Anywhere: this number picks orders and sites by chance, the same ones each time. All answers must be the same.
    Random(u64),
}

/// Whether rows are aggregated at their sources before they are joined or united with others (`narrows.aggregation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Aggregation {
    Off,
    /// Where it pays.
    #[default]
    On,
    /// Wherever it changes no answer and the source takes it.
    Force,
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
    /// Start of the transaction.
    pub now: Now,
    pub pushdown: Pushdown,
    pub reduction: Reduction,
    pub placement: Placement,
    pub aggregation: Aggregation,
    /// Sources that have just failed: rows that another one has, too, are read there.
    pub avoid: BTreeSet<SourceId>,
}

/// The moment `now()` stands for, in µs since 1970-01-01 UTC. It remembers whether anything has looked: a plan made without is
/// good at any other moment.
#[derive(Clone, Debug)]
pub struct Now {
    micros: i64,
    read: Arc<AtomicBool>,
}

impl Now {
    pub fn at(micros: i64) -> Self {
        Self { micros, read: Arc::default() }
    }

    pub fn micros(&self) -> i64 {
        self.read.store(true, Ordering::Relaxed);
        self.micros
    }

    pub fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// The same moment, not looked at yet.
    #[must_use]
    pub fn unread(&self) -> Self {
        Self::at(self.micros)
    }
}

impl PartialEq for Now {
    fn eq(&self, other: &Self) -> bool {
        self.micros == other.micros
    }
}

impl Eq for Now {}

impl Hash for Now {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.micros.hash(state);
    }
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
            now: Now::at(0),
            pushdown: Pushdown::Full,
            reduction: Reduction::On,
            placement: Placement::On,
            aggregation: Aggregation::On,
            avoid: BTreeSet::new(),
        }
    }
}
