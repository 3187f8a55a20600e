//! What a fragment's source is asked for, once all is known that the fragment needs of the others of its query.

use std::collections::HashMap;
use std::sync::Arc;

use cost_model::SourceId;
use datafusion::common::ScalarValue;
use planner::emit::{KeyColumn, KeyValues};
use planner::plan::KeyFilter;
use planner::{Error, Result};

use super::fragment::{self, Scan};
use super::job::{Job, OpenSource};
use super::measure::{KeysSent, Meter};
use super::relation::Relation;
use super::schedule::Reading;
use super::wiring::{self, Wiring};
use crate::engine::EngineSession;
use crate::keys::{self, Keys};
use crate::step::{Step, StepFilter};

/// What is known of a key filter.
enum Known {
    /// `None`: too many values, or none to be had.
    Values(Option<Vec<ScalarValue>>),
    /// Its site fetches them.
    Elsewhere(StepFilter),
    /// The same, with its place among them.
    Later(usize),
}

/// What a fragment has to do with the others of its query.
#[derive(Default)]
pub(super) struct Others {
    /// Those whose rows come to this process.
    pub relations: Vec<Option<Arc<Relation>>>,
    pub wiring: Option<Wiring>,
    pub sessions: HashMap<SourceId, Arc<dyn EngineSession>>,
}

impl Others {
    pub fn asked(&self, fragment: usize) {
        if let Some(wiring) = &self.wiring {
            wiring.asked(fragment);
        }
    }
}

impl Job {
    /// What to ask a fragment's source for, as soon as all is known of it that is known here.
    pub(super) async fn scan(&self, reading: Reading, source: &OpenSource, others: &Others) -> Result<Scan> {
        let number = reading.fragment;
        let fragment = &self.plan.fragments[number];
        let (mut filters, mut keys) = (Vec::new(), Vec::new());
        for filter in &fragment.key_filters {
            let known = self.keys(number, filter, source, others).await?;
            let Known::Elsewhere(sent) = known else {
                keys.push(known);
                continue;
            };
            keys.push(Known::Later(filters.len()));
            filters.push(sent);
        }
        let sent = keys.iter().map(|known| match known {
            Known::Values(values) => KeysSent::Here(values.as_ref().map(Vec::len)),
            Known::Later(_) | Known::Elsewhere(_) => KeysSent::Elsewhere,
        });
        let meter = Meter::start(number, source.id.clone(), source.connections, reading.held, sent.collect());
        let values = keys.into_iter().map(|known| match known {
            Known::Values(Some(values)) => KeyValues::Listed(values),
            Known::Later(hole) => KeyValues::Later(hole),
            Known::Values(None) | Known::Elsewhere(_) => KeyValues::Unlisted,
        });
        let mut step = Step::alone(fragment::request(fragment, &self.parameters, values.collect())?);
        step.filters = filters;
        if let Some(wiring) = &others.wiring {
            wiring.ready(&self.plan, number).await;
            step.inputs = wiring.inputs(&self.plan, number, self.sources.as_ref())?;
            step.offers = wiring.offers(number);
            step.hold = wiring.rows(number).is_some();
        }
        self.notes.meters.lock().push(meter.clone());
        Ok(Scan { step, meter })
    }

    /// The values of a key filter, as soon as the fragment that has them is read, or where its site will find them.
    async fn keys(&self, number: usize, filter: &KeyFilter, source: &OpenSource, others: &Others) -> Result<Known> {
        if let Some(relation) = others.relations.get(filter.from).and_then(Option::as_ref) {
            let Relation::Held(held) = relation.as_ref() else { return Ok(Known::Values(None)) };
            if held.sealed().await.is_err() {
                // Its producer failed, and says so itself, or was told to stop: the query has ended, and this ends with it.
                return std::future::pending().await;
            }
            return Ok(Known::Values(keys::listed(held, filter.from_column).await?));
        }
        let wiring = others.wiring.as_ref();
        let Some((wiring, ticket)) = wiring.and_then(|w| Some((w, w.keys(filter.from, filter.from_column)?))) else {
            return Ok(Known::Values(None));
        };
        let origin = wiring::origin(&self.plan, filter.from, number, self.sources.as_ref());
        let Some(origin) = origin.filter(|_| source.session.is_elsewhere()) else {
            // By way of this process, as a list.
            wiring.ready(&self.plan, number).await;
            let session = others.sessions.get(&self.plan.fragments[filter.from].source);
            let session = session.ok_or_else(|| Error::internal("a filter's keys are nowhere"))?;
            let keys = match session.keys(ticket).await {
                Ok(rows) => keys::read(rows, filter.ty).await,
                Err(error) => Err(error),
            };
            // A producer that has failed says so to whoever reads its rows.
            return Ok(Known::Values(match keys {
                Ok(Keys::Listed(values)) => Some(values),
                Ok(Keys::Bloom(_) | Keys::TooMany) | Err(_) => None,
            }));
        };
        let column = KeyColumn { sql: filter.sql.clone(), ty: filter.ty };
        let (output, kept) = (filter.column, filter.kept);
        Ok(Known::Elsewhere(StepFilter { keys: ticket, origin, column, output, kept }))
    }
}
