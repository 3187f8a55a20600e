//! What the planner hands to whoever runs a query: fragments for the sources and the shell above them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use cost_model::{SiteId, SourceId};
use datafusion_common::ScalarValue;
use datafusion_expr::LogicalPlan;

use crate::catalog::EngineKind;
use crate::pgtype::PgType;
use crate::residency::Rules;

/// A column of the result as the client is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    pub name: String,
    pub ty: PgType,
    /// OID of the table and number of the column it comes from unchanged, 0 if computed.
    pub table_oid: u32,
    pub column_number: i16,
}

/// A complete plan, without parameter values; immutable and cacheable.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    pub columns: Vec<OutputColumn>,
    /// Types of `$1`, `$2`, …
    pub parameters: Vec<PgType>,
    pub fragments: Vec<Fragment>,
    /// Leaves are [`crate::source::FragmentRelation`] and system tables ([`crate::source::CatalogTable`]). If the whole query is
    /// one fragment, the shell is its bare scan.
    pub shell: LogicalPlan,
    /// What the sources were not given, and why: a line each for `EXPLAIN (VERBOSE)`.
    pub local: Vec<String>,
    /// The rules it obeys.
    pub residency: Arc<Rules>,
    /// What the placement search found, for each group of joins it was asked about.
    pub placements: Vec<Considered>,
    /// What sources could be asked to make a better plan; nothing if it would not pay.
    pub questions: Vec<Question>,
}

/// How many rows a source expects a statement to return.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    pub source: SourceId,
    pub sql: String,
}

/// A group of joins: the plan that was chosen for it, and those that came close, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Considered {
    pub chosen: Candidate,
    pub others: Vec<Candidate>,
}

/// An order of joins with their sites: `((customer orders)@eu lineitem)@us`.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub shape: String,
    /// Predicted, until the result is at home.
    pub seconds: f64,
    /// Compressed bytes on all links.
    pub wan_bytes: f64,
}

/// A maximal part of a query that one source answers exactly.
#[derive(Clone, Debug)]
pub struct Fragment {
    pub source: SourceId,
    pub site: SiteId,
    pub engine: EngineKind,
    pub sql: SqlTemplate,
    pub columns: Vec<PgType>,
    pub schema: SchemaRef,
    pub estimated_rows: Option<f64>,
    /// Bytes of the result, and seconds until its reader has all of it: the engine's work and the way over the link. `None` where
    /// the rows are not known.
    pub estimated_bytes: Option<f64>,
    pub estimated_seconds: Option<f64>,
    /// Set if the fragment is a filter and projection of one table of that many estimated rows: the connector may read it in
    /// parallel ranges.
    pub single_table: Option<SingleTable>,
    /// A statement of the client's own is part of it: it may change the settings of the connection it runs on.
    pub passthrough: bool,
    /// The fragments whose results its statement reads as tables `r0`, `r1`, … with columns `c0`, `c1`, …, in this order. Only a
    /// site's compute ([`EngineKind::Site`]) has any. Each fragment is read by one other or by the shell.
    pub inputs: Vec<usize>,
    /// What other fragments' results may leave out of this one's.
    pub key_filters: Vec<KeyFilter>,
    /// Place in the order in which the fragments are read: a fragment comes after those that filter it.
    pub position: usize,
}

/// A condition with the values of another fragment's column: `column IN (…)`. Without it the answer is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFilter {
    /// The other fragment, and the column of its result.
    pub from: usize,
    pub from_column: usize,
    /// The column of this fragment's statement.
    pub sql: String,
    /// The column of this fragment's result that has the same values, for filters that its engine cannot take. `None`: it is
    /// not among them.
    pub column: Option<usize>,
    pub ty: PgType,
    /// Share of the rows that it probably keeps.
    pub kept: f64,
}

/// The one table a splittable fragment reads.
#[derive(Clone, Debug, PartialEq)]
pub struct SingleTable {
    pub remote_schema: String,
    pub remote_name: String,
    /// Alias the SQL text uses for it.
    pub alias: String,
    pub estimated_rows: Option<f64>,
}

/// SQL of an engine's dialect with holes for parameter values, which are written as literals by the dialect's own escaping.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlTemplate(pub Vec<SqlPiece>);

#[derive(Clone, Debug, PartialEq)]
pub enum SqlPiece {
    Text(String),
    /// `$index` (from 1) as a literal of this type.
    Parameter {
        index: usize,
        ty: PgType,
    },
    /// The condition of this one of the fragment's `key_filters`.
    Keys(usize),
    /// Renders as nothing. It stands inside the WHERE clause of a fragment that has a `single_table`, after a complete
    /// (parenthesised) condition: a connector that reads the table in ranges inserts ` AND …` here.
    Conditions,
}

/// A value for `$n`.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterValue {
    pub ty: PgType,
    pub value: ScalarValue,
}
