//! How the steps of a query find each other: the tickets under which each has its rows and keys for others.

use std::collections::{BTreeMap, BTreeSet};

use planner::plan::QueryPlan;
use planner::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::run::Sources;
use super::schedule::Reads;
use crate::step::{Input, KeyOffer, Origin};
use crate::wire::Ticket;

pub(super) struct Wiring {
    rows: BTreeMap<usize, Ticket>,
    /// By fragment and column.
    keys: BTreeMap<(usize, usize), Ticket>,
    /// Which fragments' sites have been asked for them.
    asked: Vec<CancellationToken>,
}

impl Wiring {
    pub fn of(plan: &QueryPlan, reads: &Reads) -> Self {
        let filters = reads.fragments.keys().flat_map(|f| &plan.fragments[*f].key_filters);
        let offered = filters.filter(|filter| reads.by_steps.contains(&filter.from)).map(|f| (f.from, f.from_column));
        Self {
            rows: reads.by_steps.iter().map(|f| (*f, Ticket::random())).collect(),
            keys: offered.collect::<BTreeSet<_>>().into_iter().map(|column| (column, Ticket::random())).collect(),
            asked: plan.fragments.iter().map(|_| CancellationToken::new()).collect(),
        }
    }

    /// Where a fragment's rows are for others, if a step reads it.
    pub fn rows(&self, fragment: usize) -> Option<Ticket> {
        self.rows.get(&fragment).copied()
    }

    /// Where the keys of a fragment's column are, if its rows do not come to this process.
    pub fn keys(&self, fragment: usize, column: usize) -> Option<Ticket> {
        self.keys.get(&(fragment, column)).copied()
    }

    pub fn offers(&self, fragment: usize) -> Vec<KeyOffer> {
        let own = self.keys.range((fragment, 0)..(fragment + 1, 0));
        own.map(|((_, column), ticket)| KeyOffer { ticket: *ticket, column: *column }).collect()
    }

    pub fn asked(&self, fragment: usize) {
        self.asked[fragment].cancel();
    }

    /// Until all that a fragment comes for elsewhere has been asked for there: nobody waits for what nobody has heard of.
    pub async fn ready(&self, plan: &QueryPlan, fragment: usize) {
        let fragment = &plan.fragments[fragment];
        let filters = fragment.key_filters.iter().map(|filter| filter.from);
        for other in fragment.inputs.iter().copied().chain(filters).filter(|f| self.rows.contains_key(f)) {
            self.asked[other].cancelled().await;
        }
    }

    pub fn inputs(&self, plan: &QueryPlan, fragment: usize, sources: &dyn Sources) -> Result<Vec<Input>> {
        let input = |number: &usize| {
            let read = &plan.fragments[*number];
            let origin = origin(plan, *number, fragment, sources);
            let (Some(origin), Some(ticket)) = (origin, self.rows(*number)) else {
                let (from, to) = (&read.site, &plan.fragments[fragment].site);
                return Err(Error::internal(format!("site {to} does not reach site {from}, from which it is to read")));
            };
            let (columns, schema) = (read.columns.clone(), read.schema.clone());
            Ok(Input { origin, ticket, columns, schema, estimated_rows: read.estimated_rows })
        };
        plan.fragments[fragment].inputs.iter().map(input).collect()
    }
}

/// Where one fragment's rows are, for the site of another.
pub(super) fn origin(plan: &QueryPlan, from: usize, to: usize, sources: &dyn Sources) -> Option<Origin> {
    let (from, to) = (&plan.fragments[from].site, &plan.fragments[to].site);
    if from == to { Some(Origin::Here) } else { sources.peer(from, to).map(Origin::Peer) }
}
