//! What a coordinator asks of a site: a scan at one of its sources, or a statement of its own compute over relations.
//!
//! Whoever sends the steps of a query waits for nothing that comes of them at sites: a ticket is made up for every relation and
//! every list of keys before anybody has it, and who needs one comes for it to where it is made, early enough to be there when it
//! is ready. So a chain of steps costs one way over each link, and no round trip to the gateway. Only what passes through the
//! coordinator is waited for there: keys of rows that it reads itself, and such rows where a source sends one result at a time.

use std::fmt;

use arrow::datatypes::SchemaRef;
use cost_model::{Link, SiteId};
use planner::PgType;
use planner::emit::KeyColumn;
use tokio::sync::watch;

use crate::engine::ScanRequest;
use crate::wire::Ticket;

/// One statement with what it needs from others and what others need from it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its statement has a hole for each of `filters` ([`planner::emit::fill`]), and is complete without any. For a step of the
    /// site's compute the tables are `r0`, `r1`, …, one for each of `inputs`.
    pub scan: ScanRequest,
    pub inputs: Vec<Input>,
    pub filters: Vec<StepFilter>,
    pub offers: Vec<KeyOffer>,
    /// It is read to its end whether or not somebody fetches its rows: others wait for its keys, or for its connection.
    pub hold: bool,
}

impl Step {
    /// A statement that has nothing to do with others.
    pub fn alone(scan: ScanRequest) -> Self {
        Self { scan, inputs: Vec::new(), filters: Vec::new(), offers: Vec::new(), hold: false }
    }
}

/// Where something waits to be fetched.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// At the site that is asked.
    Here,
    Peer(Peer),
}

/// A site, as another one sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    pub site: SiteId,
    /// Host and port.
    pub address: String,
    /// What is expected of the way from it.
    pub link: Option<Link>,
}

/// A relation that a step reads. Its producer holds it.
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

/// The different values of a column of the result, as a relation of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyOffer {
    pub ticket: Ticket,
    pub column: usize,
}

/// What has become of a step whose rows others fetch, as its site says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    pub rows: u64,
    /// Of Arrow data.
    pub bytes: u64,
    pub spilled_bytes: u64,
    /// Since the site was asked.
    pub seconds: f64,
    /// It has ended: all of it is there (`sealed`), or it was stopped or has failed.
    pub done: bool,
    pub sealed: bool,
    /// For each of its filters the keys there were; `None`: too many to list.
    pub keys: Vec<Option<usize>>,
}

/// A step that runs elsewhere. Dropping this ends the interest in it, not the step.
pub struct Produced {
    made: watch::Receiver<Made>,
    _watched: Box<dyn Send + Sync>,
}

impl Produced {
    pub(crate) fn new(made: watch::Receiver<Made>, watched: impl Send + Sync + 'static) -> Self {
        Self { made, _watched: Box::new(watched) }
    }

    pub fn made(&self) -> Made {
        self.made.borrow().clone()
    }

    /// Until it has ended, and its site has said so.
    pub async fn done(&self) {
        let _ = self.made.clone().wait_for(|made| made.done).await;
    }
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.made().fmt(f)
    }
}
