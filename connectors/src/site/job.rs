//! Runs one query.
//!
//! One task drives the shell on the compute threads, one task per lane reads fragments. All of them end with the query: by
//! themselves, or because its [`RunState`] says stop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::record_batch::RecordBatch;
use cost_model::SourceId;
use cost_model::analytic::MOST_KEYS;
use datafusion::common::ScalarValue;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use planner::plan::{ParameterValue, QueryPlan};
use planner::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::compute::caught;
use super::error::translate;
use super::executor::Shared;
use super::fragment::{self, Scan};
use super::keys;
use super::leaves::Leaves;
use super::measure::Meter;
use super::parameters;
use super::planning::{Session, is_pipeline};
use super::relation::{Delivery, Relation};
use super::run::{Lease, RunState, Sources, SystemTables};
use super::schedule::{self, Reading, Reads, bare_fragment, of_source, wanted_connections};
use super::stream::{Notes, Operators};
use crate::engine::{EngineSession, SessionRequest};
use crate::exchange::{HeldRelation, Writer};

/// Gives everything back when a query's work ends, also if it is aborted.
struct Finish(Arc<RunState>, Arc<Notes>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.1.end();
        self.0.release();
        self.0.done.cancel();
    }
}

/// A source with the query's session at it.
struct OpenSource {
    id: SourceId,
    session: Arc<dyn EngineSession>,
    connections: usize,
}

#[derive(Clone)]
pub(super) struct Job {
    pub shared: Arc<Shared>,
    pub plan: Arc<QueryPlan>,
    pub parameters: Vec<ParameterValue>,
    pub state: Arc<RunState>,
    pub notes: Arc<Notes>,
    pub sources: Arc<dyn Sources>,
    pub system: Arc<dyn SystemTables>,
}

impl Job {
    pub async fn run(self, client: mpsc::Sender<Delivery>) {
        let finish = Finish(self.state.clone(), self.notes.clone());
        match caught(self.drive(&client)).await {
            Ok(()) => {
                // A reader that takes its time over the last rows keeps no connection busy.
                drop(finish);
                let _ = client.send(Delivery::End).await;
            }
            Err(error) => self.state.fail(error),
        }
    }

    async fn drive(&self, client: &mpsc::Sender<Delivery>) -> Result<()> {
        let reads = Reads::of(&self.plan)?;
        let sources = self.open_sources(&reads).await?;
        if let (Some(fragment), [source]) = (bare_fragment(&self.plan), sources.as_slice()) {
            let scan = self.scan(Reading { fragment, held: false }, source, Vec::new())?;
            return self.forward(source, scan, client).await;
        }

        // Aborted, and with them the engines' statements, when the shell has ended or is itself aborted.
        let mut readers = JoinSet::new();
        let env = self.shared.query_env(self.state.pool.clone())?;
        let relations = self.start_reading(&reads, &sources, &env, &mut readers)?;
        let mut system = HashMap::new();
        for (schema, name) in &reads.system {
            let rows = self.system.rows(schema, name, &self.state.run.principal).await?;
            system.insert((schema.clone(), name.clone()), rows);
        }

        let shell = parameters::fill(&self.plan.shell, &self.parameters)?;
        let settings = &self.shared.settings;
        // A filter or projection of one relation keeps the order in which it arrives.
        let partitions = if is_pipeline(&shell) { 1 } else { settings.target_partitions };
        let session = Session::new(settings, env, self.state.stop.clone(), &shell, partitions);
        let shell = session.optimize(shell)?;
        let operators = session.plan(&shell, Arc::new(Leaves { relations, system })).await?;
        *self.notes.operators.lock() = Operators::Running(operators.clone());
        let rows = execute_stream(operators, session.state.task_ctx()).map_err(translate)?;
        let mut rows = make_cooperative(rows);
        while let Some(batch) = rows.next().await {
            if !self.deliver(client, batch.map_err(translate)?).await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes permits source by source, then opens all sessions at once.
    async fn open_sources(&self, reads: &Reads) -> Result<Vec<OpenSource>> {
        let ids: BTreeSet<_> = reads.fragments.keys().map(|f| &self.plan.fragments[*f].source).collect();
        let mut leases = Vec::with_capacity(ids.len());
        for id in ids {
            let fragments = of_source(&self.plan, reads, id);
            let request = SessionRequest {
                query: self.state.run.query,
                principal: self.state.run.principal.clone(),
                connections: wanted_connections(&self.plan, &fragments, self.shared.settings.target_partitions),
                snapshot: fragments.len() > 1,
                deadline: self.state.run.deadline,
            };
            let lease = self.sources.lease(id, &request).await.map_err(|e| blame(e, id))?;
            self.state.keep_lease(lease.clone());
            leases.push((id, lease, request));
        }
        try_join_all(leases.into_iter().map(|(id, lease, request)| self.open(id, lease, request))).await
    }

    async fn open(&self, id: &SourceId, lease: Arc<dyn Lease>, request: SessionRequest) -> Result<OpenSource> {
        let connections = lease.connections();
        let session = lease.open(SessionRequest { connections, ..request }).await.map_err(|e| blame(e, id))?;
        self.state.keep(session.clone()).await;
        Ok(OpenSource { id: id.clone(), session, connections })
    }

    fn start_reading(
        &self,
        reads: &Reads,
        sources: &[OpenSource],
        env: &Arc<RuntimeEnv>,
        readers: &mut JoinSet<()>,
    ) -> Result<Vec<Option<Arc<Relation>>>> {
        let mut relations = vec![None; self.plan.fragments.len()];
        let mut work = Vec::new();
        for source in sources {
            let concurrent = source.session.concurrent_scans();
            for lane in schedule::lanes(&self.plan, reads, &source.id, concurrent, source.connections) {
                work.push((source, lane));
            }
        }
        let held = work.iter().flat_map(|(_, lane)| lane).filter(|r| r.held).count();
        // Half of the memory is left for the operators, whatever is held.
        let held_limit = self.shared.settings.memory_limit / 2 / held.max(1);
        let mut lanes = Vec::with_capacity(work.len());
        for (source, lane) in work {
            let mut outlets = Vec::with_capacity(lane.len());
            for reading in lane {
                let (outlet, relation) = if reading.held {
                    let schema = self.plan.fragments[reading.fragment].schema.clone();
                    let (writer, held) = HeldRelation::start(schema, &self.state.pool, env.clone(), held_limit);
                    (Outlet::Held(Box::new(writer)), Arc::new(Relation::Held(held)))
                } else {
                    let (sender, relation) = Relation::piped();
                    (Outlet::Piped(sender), relation)
                };
                relations[reading.fragment] = Some(relation);
                outlets.push((reading, outlet));
            }
            let source = OpenSource { id: source.id.clone(), session: source.session.clone(), ..*source };
            lanes.push((source, outlets));
        }
        let known = Arc::new(relations.clone());
        for (source, outlets) in lanes {
            readers.spawn(self.clone().read_lane(source, outlets, known.clone()));
        }
        Ok(relations)
    }

    /// Reads fragments into their relations, one after another.
    async fn read_lane(
        self,
        source: OpenSource,
        outlets: Vec<(Reading, Outlet)>,
        relations: Arc<Vec<Option<Arc<Relation>>>>,
    ) {
        let lane = async {
            for (reading, outlet) in outlets {
                self.fill(&source, reading, outlet, &relations).await?;
            }
            Ok(())
        };
        if let Err(error) = caught(lane).await {
            self.state.fail(error);
        }
    }

    async fn fill(
        &self,
        source: &OpenSource,
        reading: Reading,
        outlet: Outlet,
        relations: &[Option<Arc<Relation>>],
    ) -> Result<()> {
        // Whoever waits for these rows hears of a failure when the outlet is dropped: not before the query knows its cause.
        let failed = |error: &Error| self.state.fail(error.clone());
        match outlet {
            Outlet::Piped(sender) => {
                let work = async {
                    let scan = self.scan(reading, source, self.keys(reading.fragment, relations).await?)?;
                    self.forward(source, scan, &sender).await
                };
                work.await.inspect_err(failed)?;
                let _ = sender.send(Delivery::End).await;
            }
            Outlet::Held(mut writer) => {
                let work = async {
                    let scan = self.scan(reading, source, self.keys(reading.fragment, relations).await?)?;
                    let meter = scan.meter.clone();
                    let mut rows = self.read(source, scan).await?;
                    while let Some(batch) = rows.next().await {
                        writer.push(&batch.map_err(|e| blame(e, &source.id))?)?;
                    }
                    Ok(meter)
                };
                let meter = work.await.inspect_err(failed)?;
                let amount = writer.seal().inspect_err(failed)?;
                meter.spilled.store(amount.spilled_bytes, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Reads until the end, or until nobody listens.
    async fn forward(&self, source: &OpenSource, scan: Scan, to: &mpsc::Sender<Delivery>) -> Result<()> {
        let mut rows = self.read(source, scan).await?;
        while let Some(batch) = rows.next().await {
            if !self.deliver(to, batch.map_err(|e| blame(e, &source.id))?).await? {
                break;
            }
        }
        Ok(())
    }

    /// For each of a fragment's key filters the values, as soon as the fragment that has them is read.
    async fn keys(
        &self,
        fragment: usize,
        relations: &[Option<Arc<Relation>>],
    ) -> Result<Vec<Option<Vec<ScalarValue>>>> {
        let mut lists = Vec::new();
        for filter in &self.plan.fragments[fragment].key_filters {
            let relation = relations.get(filter.from).and_then(Option::as_ref);
            lists.push(match relation {
                Some(relation) => keys::distinct(relation, filter.from_column, MOST_KEYS).await?,
                None => None,
            });
        }
        Ok(lists)
    }

    fn scan(&self, reading: Reading, source: &OpenSource, keys: Vec<Option<Vec<ScalarValue>>>) -> Result<Scan> {
        let fragment = &self.plan.fragments[reading.fragment];
        let sent = keys.iter().map(|list| list.as_ref().map(Vec::len)).collect();
        let meter = Meter::start(reading.fragment, source.id.clone(), source.connections, reading.held, sent);
        self.notes.meters.lock().push(meter.clone());
        Ok(Scan { request: fragment::request(fragment, &self.parameters, &keys)?, meter })
    }

    async fn read(&self, source: &OpenSource, scan: Scan) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        fragment::read(source.session.as_ref(), scan).await.map_err(|e| blame(e, &source.id))
    }

    /// Waits until there is room; false if nobody listens any more.
    async fn deliver(&self, to: &mpsc::Sender<Delivery>, batch: RecordBatch) -> Result<bool> {
        let Ok(place) = to.reserve().await else { return Ok(false) };
        place.send(Delivery::Batch(self.state.parcel(batch)));
        Ok(true)
    }
}

enum Outlet {
    Piped(mpsc::Sender<Delivery>),
    Held(Box<Writer>),
}

fn blame(error: Error, source: &SourceId) -> Error {
    if error.source_id().is_some() { error } else { error.with_source_id(source.clone()) }
}
