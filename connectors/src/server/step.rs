//! Runs one step: waits for the keys that filter it, starts its statement, and hands its rows on.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use cost_model::{EngineKind, SourceId};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use planner::emit::{complete, fill};
use planner::{Error, Result};
use tokio::time::Instant;

use super::Site;
use super::control::Conversation;
use super::held::{Held, Turn, given_up};
use super::inputs::{Inputs, open};
use crate::engine::ScanRequest;
use crate::exchange::{HeldRelation, Rows, Writer};
use crate::keys::{self, Keys};
use crate::site::{QueryRun, SystemTables, caught, input_source, plan_step, result, translate};
use crate::step::{KeyOffer, Step, StepFilter};
use crate::wire::Ticket;
use crate::wire::proto::{self, from_site};

/// How often a gateway hears of what is made for it.
const PROGRESS: Duration = Duration::from_millis(200);

/// One step of a query at one of its sources.
pub struct Work {
    pub conversation: Conversation,
    pub held: Arc<Held>,
    pub ticket: Ticket,
    pub started: Instant,
}

impl Work {
    /// Its rows go to whoever fetches them, while they are made.
    pub fn pipe(self, step: Step, compression: proto::Compression) {
        let Some(offer) = self.site().exchange.offer(self.ticket) else { return };
        let turn = self.held.turn();
        tokio::spawn(async move {
            let rows = async {
                let start = async {
                    turn.come().await;
                    self.start(step).await
                };
                let (batches, _) =
                    self.held.stop.run_until_cancelled(start).await.unwrap_or_else(|| Err(given_up()))?;
                Ok(Rows { batches: in_turn(batches, turn), compression, stop: self.held.stop.clone() })
            };
            offer.send(caught(rows).await);
        });
    }

    /// Its rows are kept for whoever comes for them, and their keys.
    pub fn hold(self, mut step: Step) -> Result<()> {
        let offers = std::mem::take(&mut step.offers);
        let (writer, relation) = self.relation(step.scan.schema.clone())?;
        if !self.site().exchange.offer_held(self.ticket, relation.clone()) {
            return Err(Error::internal("a ticket was used twice"));
        }
        for offer in offers {
            self.offer_keys(offer, relation.clone())?;
        }
        let turn = self.held.turn();
        let this = Arc::new(self);
        let (keys, known) = tokio::sync::watch::channel(Vec::new());
        tokio::spawn(this.clone().report(relation, known));
        tokio::spawn(async move {
            let start = async {
                turn.come().await;
                this.start(step).await
            };
            let started =
                caught(async { this.held.stop.run_until_cancelled(start).await.unwrap_or_else(|| Err(given_up())) });
            match started.await {
                Ok((rows, counts)) => {
                    keys.send_replace(counts);
                    // Chunks are copied together: not on the threads that answer heartbeats.
                    let stop = this.held.stop.clone();
                    this.site()
                        .compute
                        .spawn(async move { stop.run_until_cancelled(collect(rows, writer, turn)).await });
                }
                Err(error) => writer.fail(error),
            }
        });
        Ok(())
    }

    fn site(&self) -> &Arc<Site> {
        &self.conversation.site
    }

    fn relation(&self, schema: arrow::datatypes::SchemaRef) -> Result<(Writer, Arc<HeldRelation>)> {
        let shared = self.site().executor.shared();
        let pool = shared.held_pool();
        let env = shared.query_env(pool.clone())?;
        Ok(HeldRelation::start(schema, &pool, env, usize::MAX))
    }

    fn offer_keys(&self, offer: KeyOffer, relation: Arc<HeldRelation>) -> Result<()> {
        let (mut writer, offered) = self.relation(keys::schema())?;
        self.held.add(offer.ticket);
        if !self.site().exchange.offer_held(offer.ticket, offered) {
            return Err(Error::internal("a ticket was used twice"));
        }
        let stop = self.held.stop.clone();
        self.site().compute.spawn(async move {
            let collected = stop.run_until_cancelled(keys::collect(&relation, offer.column)).await;
            match collected.unwrap_or_else(|| Err(given_up())).and_then(|keys| keys::batch(&keys)) {
                // An error of the file is the relation's.
                Ok(batch) => drop(writer.push(&batch).and_then(|()| writer.seal())),
                Err(error) => writer.fail(error),
            }
        });
        Ok(())
    }

    /// The rows, and how many keys there were of each filter.
    async fn start(&self, step: Step) -> Result<(SendableRecordBatchStream, Vec<u64>)> {
        let Step { scan, inputs, filters, .. } = step;
        let keys = join_all(filters.iter().map(|filter| self.keys(filter))).await;
        let counts: Vec<u64> = keys.iter().map(|k| k.count().map_or(keys::NOT_LISTED, |n| n as u64)).collect();
        if !filters.is_empty() {
            self.tell(proto::RelationProgress { keys: counts.clone(), ..proto::RelationProgress::default() }).await;
        }
        let kind = if self.held.source.is_compute() {
            EngineKind::Site
        } else {
            self.site().source(self.held.source.as_str())?.kind()
        };
        let request = filtered(scan, kind, &filters, &keys)?;
        let schema = request.schema.clone();
        let rows = match kind {
            EngineKind::Site => self.compute(request, inputs).await?,
            _ => self.held.session().await?.scan(request).await?,
        };
        let blooms: Vec<(keys::Bloom, usize)> = filters
            .iter()
            .zip(keys)
            .filter_map(
                |(filter, keys)| if let Keys::Bloom(bloom) = keys { Some((bloom, filter.output?)) } else { None },
            )
            .collect();
        if blooms.is_empty() {
            return Ok((rows, counts));
        }
        let kept = rows.map(move |batch| {
            let filter = |batch: RecordBatch, (bloom, column): &(keys::Bloom, usize)| bloom.filter(&batch, *column);
            batch.and_then(|batch| blooms.iter().try_fold(batch, filter).map_err(DataFusionError::from))
        });
        Ok((Box::pin(RecordBatchStreamAdapter::new(schema, kept)), counts))
    }

    /// What keeps them from coming keeps no row away.
    async fn keys(&self, filter: &StepFilter) -> Keys {
        let wait = async {
            let rows =
                open(self.site(), &filter.origin, filter.keys, keys::schema(), Some(0.0), &self.held.stop).await?;
            keys::read(rows, filter.column.ty).await
        };
        wait.await.unwrap_or_else(|error| {
            tracing::debug!(query = %self.held.query(), %error, "keys that would filter a step did not come");
            Keys::TooMany
        })
    }

    /// The site's own compute answers.
    async fn compute(
        &self,
        request: ScanRequest,
        inputs: Vec<crate::step::Input>,
    ) -> Result<SendableRecordBatchStream> {
        let (site, held) = (self.site().clone(), &self.held);
        let (name, now, sql, read) = (site.name.clone(), site.clock.unix_micros(), request.sql, inputs.clone());
        // The binder's recursion wants the deep stacks of those threads.
        let planned = site.compute.spawn(caught(async move { plan_step(&sql, &read, &name, now) })).await;
        let plan = planned.unwrap_or_else(|_| Err(given_up()))?;
        let run = QueryRun {
            query: held.query(),
            principal: held.request.principal.clone(),
            deadline: held.request.deadline,
            cancel: held.stop.clone(),
        };
        let sources = Inputs { site: site.clone(), stop: held.stop.clone(), inputs };
        let inputs = sources.inputs.len();
        let rows = site.executor.execute(Arc::new(plan), &[], run, Arc::new(sources), Arc::new(NoSystemTables))?;
        let (schema, columns, wanted) = (request.schema.clone(), request.columns, request.schema);
        let source = held.source.clone();
        let rows = rows.map(move |batch| {
            let batch = batch.and_then(|batch| result::conform(batch, &columns, &wanted));
            batch.map_err(|error| DataFusionError::from(of_step(error, inputs, &source)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    async fn tell(&self, progress: proto::RelationProgress) {
        let ticket = self.ticket.0.to_vec();
        let elapsed_us = self.started.elapsed().as_micros() as u64;
        let relations = vec![proto::RelationProgress { ticket, elapsed_us, ..progress }];
        self.conversation.say(from_site::Message::Progress(proto::Progress { relations })).await;
    }

    /// Until the relation has ended.
    async fn report(self: Arc<Self>, relation: Arc<HeldRelation>, keys: tokio::sync::watch::Receiver<Vec<u64>>) {
        let mut told = None;
        loop {
            let ended = tokio::select! {
                biased;
                ended = relation.sealed() => Some(ended.is_ok()),
                () = self.held.stop.cancelled() => Some(false),
                () = tokio::time::sleep(PROGRESS) => None,
            };
            let amount = relation.amount();
            if ended.is_some() || told != Some(amount) {
                told = Some(amount);
                let progress = proto::RelationProgress {
                    rows: amount.rows,
                    bytes: amount.bytes,
                    spilled_bytes: amount.spilled_bytes,
                    done: ended.is_some(),
                    sealed: ended == Some(true),
                    keys: keys.borrow().clone(),
                    ..proto::RelationProgress::default()
                };
                self.tell(progress).await;
            }
            if ended.is_some() {
                return;
            }
        }
    }
}

/// An input is no source that anybody else knows: what went wrong with it did so in the step.
fn of_step(error: Error, inputs: usize, step: &SourceId) -> Error {
    let of_input = |id: &SourceId| (0..inputs).any(|number| input_source(number) == *id);
    if error.source_id().is_some_and(of_input) { error.with_source_id(step.clone()) } else { error }
}

/// The turn lasts as long as the rows come.
fn in_turn(rows: SendableRecordBatchStream, turn: Turn) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let rows = rows.inspect(move |_| {
        let _ = &turn;
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

async fn collect(mut rows: SendableRecordBatchStream, mut writer: Writer, _turn: Turn) {
    let copied = caught(async {
        while let Some(batch) = rows.try_next().await.map_err(translate)? {
            writer.push(&batch)?;
        }
        Ok(())
    });
    match copied.await {
        // An error of the file is the relation's.
        Ok(()) => drop(writer.seal()),
        Err(error) => writer.fail(error),
    }
}

/// The statement with the keys there are.
fn filtered(scan: ScanRequest, engine: EngineKind, filters: &[StepFilter], keys: &[Keys]) -> Result<ScanRequest> {
    if filters.is_empty() {
        return Ok(scan);
    }
    let columns = filters.iter().map(|filter| filter.column.clone());
    let known: Vec<_> = columns.zip(keys.iter().map(Keys::values)).collect();
    let statement = complete(&fill(&scan.sql, engine, &known)?)?;
    let listed: Vec<f64> =
        filters.iter().zip(keys).filter(|(_, keys)| keys.count().is_some()).map(|(filter, _)| filter.kept).collect();
    Ok(ScanRequest {
        sql: statement.sql,
        conditions_at: statement.conditions_at,
        estimated_rows: scan.estimated_rows.map(|rows| rows * listed.iter().product::<f64>()),
        single_table: scan.single_table.filter(|_| listed.is_empty()),
        ..scan
    })
}

/// A step reads relations only.
struct NoSystemTables;

#[async_trait]
impl SystemTables for NoSystemTables {
    async fn rows(&self, schema: &str, name: &str, _: &str) -> Result<Vec<RecordBatch>> {
        Err(Error::internal(format!("a step reads the system table {schema}.{name}")))
    }
}
