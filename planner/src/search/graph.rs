//! What is to be joined: relations with their places and sizes, and the conditions between them.

use cost_model::EngineKind;

use super::sets::{RelSet, SiteSet, single};

/// Where rows are before anything is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Copy {
    pub site: usize,
    pub engine: EngineKind,
}

/// The result of a fragment.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Any one will do.
    pub copies: Vec<Copy>,
    pub rows: f64,
    /// Rows of the table it comes from before its own filters: no key of it has more values.
    pub table_rows: f64,
    /// Bytes per row.
    pub width: f64,
    /// Sites that its rows and keys may be at besides those they are at already; `None`: all.
    pub leave: Option<SiteSet>,
    /// Its engine takes a list of keys and returns only the rows that have one of them.
    pub takes_keys: bool,
}

/// One side of an equality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    pub relation: usize,
    /// Values it has in the table, before any filter: the domain that the other side's values are taken to be from.
    pub distinct: f64,
    /// Bytes per value.
    pub width: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    Equal { left: Key, right: Key },
    Other { reads: RelSet, selectivity: f64 },
}

impl Condition {
    pub fn reads(&self) -> RelSet {
        match self {
            Self::Equal { left, right } => single(left.relation) | single(right.relation),
            Self::Other { reads, .. } => *reads,
        }
    }
}

/// How a join treats rows without partner; the left side is the one whose rows stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    Semi,
    Anti,
    /// `NOT IN`: one NULL on the right empties the answer, so the right side must be whole.
    NullAwareAnti,
    Left,
}

/// A join that is not inner. It happens once, between exactly `right` and any set that has all of `requires`: the relations
/// its conditions read on the left, and those whose rows an earlier outer join may null-extend. Full joins have no place here:
/// they end a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// Not [`JoinKind::Inner`].
    pub kind: JoinKind,
    pub right: RelSet,
    pub requires: RelSet,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct JoinGraph {
    /// At most [`super::sets::MAX_RELATIONS`].
    pub relations: Vec<Relation>,
    pub conditions: Vec<Condition>,
    pub dependents: Vec<Dependent>,
    /// Bytes of the complete join as it goes home, if something above it (a partial aggregate) makes it smaller first.
    pub result_bytes: Option<f64>,
}

impl JoinGraph {
    pub fn all(&self) -> RelSet {
        super::sets::first(self.relations.len())
    }
}
