//! Prepared statements and portals; a cursor is a portal made by DECLARE.

use std::sync::Arc;

use planner::error::state;
use planner::plan::{OutputColumn, ParameterValue, QueryPlan};
use planner::{Error, PgType, QueryContext, Result};

use super::rows::RowSource;
use crate::pg::sql::Statement;

/// A parsed statement, by PREPARE or `Parse`.
#[derive(Debug)]
pub struct Prepared {
    pub statement: Statement,
    /// What the client said of the parameters' types.
    pub given_types: Vec<Option<PgType>>,
    /// For queries: the plan it was described by, and the context of that plan.
    pub planned: Option<(Arc<QueryPlan>, QueryContext)>,
}

impl Prepared {
    pub fn parameters(&self) -> &[PgType] {
        self.planned.as_ref().map_or(&[], |(plan, _)| &plan.parameters)
    }
}

pub enum PortalState {
    /// Bound, not run.
    Fresh,
    /// Rows are left.
    Open { columns: Arc<[OutputColumn]>, source: RowSource, verb: &'static str },
    /// At its end, or run once if it returns no rows.
    Done { columns: Option<Arc<[OutputColumn]>>, verb: &'static str },
}

pub struct Portal {
    pub prepared: Arc<Prepared>,
    pub parameters: Vec<ParameterValue>,
    pub formats: Formats,
    pub state: PortalState,
    /// Rows fetched so far.
    pub position: u64,
    /// Made by DECLARE.
    pub cursor: bool,
    /// WITH HOLD.
    pub hold: bool,
    /// Its transaction has ended.
    pub committed: bool,
    /// Savepoints there were when it was made.
    pub depth: usize,
}

impl Portal {
    pub fn new(prepared: Arc<Prepared>, parameters: Vec<ParameterValue>, formats: Formats, depth: usize) -> Self {
        let state = PortalState::Fresh;
        Self { prepared, parameters, formats, state, position: 0, cursor: false, hold: false, committed: false, depth }
    }

    pub fn survives(&self, commit: bool) -> bool {
        self.hold && (commit || self.committed)
    }
}

/// Result formats as `Bind` gives them: none, one for all, or one per column.
#[derive(Clone, Debug, Default)]
pub struct Formats(Vec<bool>);

impl Formats {
    pub fn new(codes: &[i16]) -> Result<Self> {
        codes.iter().map(|code| format_code(*code)).collect::<Result<_>>().map(Self)
    }

    pub fn all(binary: bool) -> Self {
        Self(vec![binary])
    }

    pub fn is_binary(&self, column: usize) -> bool {
        match self.0.as_slice() {
            [] => false,
            [all] => *all,
            each => each.get(column).copied().unwrap_or(false),
        }
    }

    pub fn check(&self, columns: usize) -> Result<()> {
        if self.0.len() <= 1 || self.0.len() == columns {
            return Ok(());
        }
        let message = format!("bind message has {} result formats but query has {columns} columns", self.0.len());
        Err(Error::new(state::PROTOCOL_VIOLATION, message))
    }
}

pub fn format_code(code: i16) -> Result<bool> {
    match code {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::new(state::INVALID_PARAMETER_VALUE, format!("unsupported format code: {other}"))),
    }
}
