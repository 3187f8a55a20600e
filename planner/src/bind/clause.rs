//! Where an expression stands: it decides whether aggregates, window functions and set-returning functions are allowed, and
//! names the clause in PostgreSQL's messages (`ParseExprKindName`, `check_agglevels_and_constraints`).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    Select,
    DistinctOn,
    Where,
    GroupBy,
    Having,
    OrderBy,
    JoinOn,
    /// Arguments of a function in FROM.
    FromFunction,
    Values,
    Limit,
    Offset,
    /// `FILTER (WHERE …)` of an aggregate.
    Filter,
    WindowPartition,
    WindowOrder,
    /// Offset of a window frame.
    WindowFrame,
}

impl Clause {
    /// As it reads in "aggregate functions are not allowed in …".
    pub fn name(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::DistinctOn => "DISTINCT ON",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::OrderBy => "ORDER BY",
            Clause::JoinOn => "JOIN conditions",
            Clause::FromFunction => "functions in FROM",
            Clause::Values => "VALUES",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Filter => "FILTER",
            Clause::WindowPartition => "window definitions",
            Clause::WindowOrder => "window definitions",
            Clause::WindowFrame => "window RANGE",
        }
    }

    pub fn allows_aggregates(self) -> bool {
        use Clause::*;
        matches!(self, Select | DistinctOn | Having | OrderBy | WindowPartition | WindowOrder)
    }

    pub fn allows_windows(self) -> bool {
        matches!(self, Clause::Select | Clause::DistinctOn | Clause::OrderBy)
    }

    pub fn allows_set_returning(self) -> bool {
        use Clause::*;
        matches!(self, Select | DistinctOn | GroupBy | OrderBy | FromFunction)
    }
}
