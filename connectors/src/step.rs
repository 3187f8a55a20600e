//! What a coordinator asks of a site: a scan at one of its sources, or a step of its own compute over relations.
//!
//! All steps of a query are sent at once. Nothing of them is waited for by whoever sends them: a ticket is made up for every
//! relation and every list of keys before anybody has it, and who needs one comes for it to where it is made, early enough to be
//! there when it is ready. So a chain of steps costs one way over each link, and no round trip to the gateway.

use arrow::datatypes::SchemaRef;
use cost_model::SiteId;
use planner::PgType;
use planner::emit::KeyColumn;

use crate::engine::ScanRequest;
use crate::wire::Ticket;

/// One statement with what it needs from others and what others need from it.
#[derive(Clone, Debug)]
pub struct Step {
    /// As [`planner::emit::render`] writes it: with a hole for each of `filters`. For a step of the site's compute the tables are
    /// `r0`, `r1`, …, one for each of `inputs`.
    pub sql: String,
    /// All but the statement.
    pub scan: ScanRequest,
    pub inputs: Vec<Input>,
    pub filters: Vec<StepFilter>,
    pub offers: Vec<KeyOffer>,
    /// It is read to its end whether or not somebody fetches its rows: others wait for its keys, or for its connection.
    pub hold: bool,
}

/// Where something waits to be fetched.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// At the site that is asked.
    Here,
    Peer {
        site: SiteId,
        /// Host and port by which the site that is asked reaches it.
        address: String,
    },
}

/// A relation that a step reads.
#[derive(Clone, Debug)]
pub struct Input {
    pub origin: Origin,
    pub ticket: Ticket,
    pub columns: Vec<PgType>,
    pub schema: SchemaRef,
    pub estimated_rows: Option<f64>,
}

/// A filter by the keys of another relation. Without it the answer is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFilter {
    pub keys: Ticket,
    pub origin: Origin,
    /// The column in the statement, for a list of keys.
    pub column: KeyColumn,
    /// The column of the result, for keys that the engine is not sent. `None`: such keys filter nothing.
    pub output: Option<usize>,
    /// Share of the rows that it probably keeps.
    pub kept: f64,
}

/// The different values of a column of the result, fetched once by one other step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyOffer {
    pub ticket: Ticket,
    pub column: usize,
}
