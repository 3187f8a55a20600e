//! From a part of a plan to one SQL statement of an engine.
//!
//! What an engine is sent is decided here and nowhere else: a [`Block`](block::Block) is a SELECT under construction, each plan
//! node is merged into it or refused, and each expression is written by a [`Dialect`] or refused. *What cannot be written
//! exactly is not pushed*: refusal is the capability check. No name from the query reaches an engine except those of tables and
//! columns; literals and identifiers are escaped by the dialect, never by a general-purpose printer.

pub mod block;
pub mod expr;
mod keys;
pub mod literal;
pub mod mysql;
pub mod postgres;
pub(crate) mod template;

use crate::catalog::{EngineKind, Source};
use crate::pgsem::PgFunc;
use crate::pgtype::PgType;
use datafusion_common::ScalarValue;
use datafusion_expr::JoinType;

pub use template::{KeyColumn, KeyValues, Statement, complete, fill, finish, render};

/// Why something stays in the gateway; shown by `EXPLAIN (VERBOSE)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal(pub String);

impl Refusal {
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

pub type Written<T = Sql> = Result<T, Refusal>;

/// Transparent functions after which a result is decoded as the same value: they only widen or carry it.
const SAME_VALUE: &[&str] =
    &["int2_widen", "int28_widen", "int4_widen", "float4_widen", "numeric_carry", "numeric_array_carry"];

/// A piece of SQL, the type PostgreSQL would give it, and how tightly it binds.
#[derive(Clone, Debug, PartialEq)]
pub struct Sql {
    pub text: String,
    pub ty: PgType,
    /// A bare column or output reference: cheap to repeat, needs no parentheses.
    pub simple: bool,
    /// Something only comparisons, grouping and aggregates inside the engine may read: a comparison key, whose value in SQL is
    /// not the one the plan computes with.
    pub key: bool,
}

impl Sql {
    /// Whether GROUP BY and ORDER BY would read it as a column's number, or refuse it as a bad one: a constant that an inner
    /// column stands for is written in its place.
    pub fn is_position(&self) -> bool {
        let bare = self.text.trim_matches(['(', ')']);
        matches!(bare, "TRUE" | "FALSE" | "NULL")
            || bare.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    }

    pub fn new(text: impl Into<String>, ty: PgType) -> Self {
        Self { text: text.into(), ty, simple: false, key: false }
    }

    /// The operand after an [`SqlForm::Transparent`](crate::pgsem::SqlForm) function.
    pub fn through(self, func: &PgFunc) -> Self {
        Self { key: !SAME_VALUE.contains(&func.def.name), ..self }
    }

    pub fn simple(text: impl Into<String>, ty: PgType) -> Self {
        Self { text: text.into(), ty, simple: true, key: false }
    }
}

/// Comparison operators, native in every plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Distinct,
    NotDistinct,
}

impl Comparison {
    pub fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }

    /// Whether the result depends on an order and not only on equality.
    pub fn is_ordering(self) -> bool {
        matches!(self, Self::Lt | Self::LtEq | Self::Gt | Self::GtEq)
    }
}

/// An aggregate call with its arguments already written.
#[derive(Debug)]
pub struct AggregateSql<'a> {
    pub name: &'a str,
    pub args: Vec<Sql>,
    pub distinct: bool,
    pub filter: Option<Sql>,
    pub order_by: Vec<String>,
    /// The type the plan expects.
    pub ty: PgType,
}

/// How one engine writes what it computes exactly as PostgreSQL does.
pub trait Dialect: Sync {
    fn identifier(&self, name: &str) -> Written<String>;

    /// A non-NULL value as a literal of that type.
    fn literal(&self, value: &ScalarValue, ty: PgType) -> Written<String>;

    fn null(&self, ty: PgType) -> Written<String>;

    /// Whether text is compared with a list of keys, written by [`Dialect::untyped`].
    fn takes_text_keys(&self) -> bool {
        false
    }

    /// A string constant that takes the type and the collation of what it is compared with.
    fn untyped(&self, _text: &str) -> Written<String> {
        Err(Refusal::new("a text without a type"))
    }

    /// A column of a table, as an operand.
    fn column(&self, source: &Source, text: String, column: &crate::catalog::Column) -> Written;

    /// A result column, in a form the connector decodes as `ty`.
    fn output(&self, value: Sql, ty: PgType) -> Written<String>;

    fn comparison(&self, source: &Source, op: Comparison, left: Sql, right: Sql) -> Written;

    /// Whether a value is NULL, or is not.
    fn null_test(&self, value: &Sql, negated: bool) -> String {
        format!("({} IS {}NULL)", value.text, if negated { "NOT " } else { "" })
    }

    fn function(&self, source: &Source, func: &PgFunc, args: Vec<Sql>) -> Written;

    fn aggregate(&self, source: &Source, call: AggregateSql<'_>) -> Written;

    /// Whether window functions of this name may be written over these arguments.
    fn window(&self, name: &str) -> Written<()>;

    /// The value as GROUP BY, DISTINCT or a set operation compares it: equal exactly where PostgreSQL's values are.
    fn group_key(&self, source: &Source, value: Sql) -> Written;

    /// One ORDER BY item.
    fn sort_key(&self, source: &Source, value: Sql, ascending: bool, nulls_first: bool) -> Written<String>;

    fn join(&self, kind: JoinType) -> Written<()>;

    /// Whether rows with these columns come out of a UNION ALL as they went in.
    fn union_all(&self, _columns: &[Sql]) -> Written<()> {
        Ok(())
    }

    /// Whether the engine can read one table in ranges, given a place for their conditions.
    fn takes_ranges(&self) -> bool {
        false
    }

    /// Whether `AS t(c0, c1)` may name the columns of a derived table.
    fn renames_derived_columns(&self) -> bool {
        true
    }

    fn limit(&self, fetch: Option<usize>, skip: usize) -> String;

    fn table_name(&self, schema: &str, name: &str) -> Written<String> {
        Ok(format!("{}.{}", self.identifier(schema)?, self.identifier(name)?))
    }
}

/// The dialect of an engine; system tables have none.
pub fn dialect(kind: EngineKind) -> Option<&'static dyn Dialect> {
    match kind {
        EngineKind::Postgres => Some(&postgres::Postgres { narrows: false }),
        EngineKind::Files | EngineKind::Site => Some(&postgres::Postgres { narrows: true }),
        EngineKind::MySql => Some(&mysql::MySql),
        EngineKind::System => None,
    }
}
