//! Runs one query.
//!
//! One task drives the shell on the compute threads, one task per lane reads fragments. All of them end with the query: by
//! themselves, or because its [`RunState`] says stop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::record_batch::RecordBatch;
use cost_model::SourceId;
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

use super::asking::Others;
use super::compute::caught;
use super::error::translate;
use super::executor::Shared;
use super::fragment::{self, Scan};
use super::leaves::Leaves;
use super::parameters;
use super::planning::{Session, is_pipeline};
use super::relation::{Delivery, Relation};
use super::run::{Lease, RunState, Sources, SystemTables};
use super::schedule::{self, Reading, Reads, bare_fragment, of_source, wanted_connections};
use super::stream::{Notes, Operators};
use super::wiring::Wiring;
use crate::engine::{EngineSession, SessionRequest};
use crate::exchange::{HeldRelation, Writer};
use crate::wire::Ticket;

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
#[derive(Clone)]
pub(super) struct OpenSource {
    pub id: SourceId,
    pub session: Arc<dyn EngineSession>,
    pub connections: usize,
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
            let reading = Reading { fragment, held: false };
            let scan = self.scan(reading, source, &Others::default()).await?;
            return self.forward(source, scan, client).await;
        }

        // Aborted, and with them the engines' statements, when the shell has ended or is itself aborted.
        let mut readers = JoinSet::new();
        let env = self.shared.query_env(self.state.pool.clone())?;
        let relations = self.start_reading(&reads, &sources, &env, &mut readers)?;
        self.watch_sites(&reads, &sources, &mut readers);
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

    /// Takes permits, then opens all sessions at once.
    async fn open_sources(&self, reads: &Reads) -> Result<Vec<OpenSource>> {
        let ids: BTreeSet<_> = reads.fragments.keys().map(|f| &self.plan.fragments[*f].source).collect();
        let request = |id| {
            let fragments = of_source(&self.plan, reads, id);
            let request = SessionRequest {
                query: self.state.run.query,
                principal: self.state.run.principal.clone(),
                connections: wanted_connections(&self.plan, &fragments, self.shared.settings.target_partitions),
                snapshot: fragments.len() > 1,
                deadline: self.state.run.deadline,
            };
            (id, request)
        };
        let requests: Vec<_> = ids.into_iter().map(request).collect();
        let leases = self.leases(&requests).await?;
        leases.iter().for_each(|lease| self.state.keep_lease(lease.clone()));
        let opening = requests.into_iter().zip(leases).map(|((id, request), lease)| self.open(id, lease, request));
        try_join_all(opening).await
    }

    /// From all sources at once if each has some free. Otherwise source by source, in the order of their names, which is the same
    /// for every query: so no two of them wait for each other.
    async fn leases(&self, requests: &[(&SourceId, SessionRequest)]) -> Result<Vec<Arc<dyn Lease>>> {
        if requests.len() > 1 {
            let free = requests.iter().map(|(id, request)| async move {
                self.sources.try_lease(id, request).await.map_err(|e| blame(e, id))
            });
            // Those that were granted go back if another one was not.
            if let Some(leases) = try_join_all(free).await?.into_iter().collect::<Option<Vec<_>>>() {
                return Ok(leases);
            }
        }
        let mut leases = Vec::with_capacity(requests.len());
        for (id, request) in requests {
            leases.push(self.sources.lease(id, request).await.map_err(|e| blame(e, id))?);
        }
        Ok(leases)
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
        let wiring = Wiring::of(&self.plan, reads);
        let here = |r: &&Reading| !reads.by_steps.contains(&r.fragment);
        let held = work.iter().flat_map(|(_, lane)| lane).filter(here).filter(|r| r.held).count();
        // Half of the memory is left for the operators, whatever is held.
        let held_limit = self.shared.settings.memory_limit / 2 / held.max(1);
        let mut lanes = Vec::with_capacity(work.len());
        for (source, lane) in work {
            let mut outlets = Vec::with_capacity(lane.len());
            for reading in lane {
                if let Some(ticket) = wiring.rows(reading.fragment) {
                    outlets.push((reading, Outlet::Elsewhere(ticket)));
                    continue;
                }
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
            lanes.push((source.clone(), outlets));
        }
        let sessions = sources.iter().map(|source| (source.id.clone(), source.session.clone())).collect();
        let others = Arc::new(Others { relations: relations.clone(), wiring: Some(wiring), sessions });
        for (source, outlets) in lanes {
            readers.spawn(self.clone().read_lane(source, outlets, others.clone()));
        }
        Ok(relations)
    }

    /// A site that is lost is noticed even if nothing is read from it here.
    fn watch_sites(&self, reads: &Reads, sources: &[OpenSource], readers: &mut JoinSet<()>) {
        let used = |id: &SourceId| reads.by_steps.iter().any(|f| self.plan.fragments[*f].source == *id);
        for source in sources.iter().filter(|source| used(&source.id)) {
            let (source, state) = (source.clone(), self.state.clone());
            readers.spawn(async move { state.fail(blame(source.session.lost().await, &source.id)) });
        }
    }

    /// Reads fragments into their relations, one after another.
    async fn read_lane(self, source: OpenSource, outlets: Vec<(Reading, Outlet)>, others: Arc<Others>) {
        let lane = async {
            for (reading, outlet) in outlets {
                self.fill(&source, reading, outlet, &others).await?;
            }
            Ok(())
        };
        if let Err(error) = caught(lane).await {
            self.state.fail(error);
        }
    }

    async fn fill(&self, source: &OpenSource, reading: Reading, outlet: Outlet, others: &Others) -> Result<()> {
        // Whoever waits for these rows hears of a failure when the outlet is dropped: not before the query knows its cause.
        let failed = |error: &Error| self.state.fail(error.clone());
        match outlet {
            Outlet::Elsewhere(ticket) => {
                let scan = self.scan(reading, source, others).await?;
                scan.meter.made_by(source.session.produce(ticket, scan.step).map_err(|e| blame(e, &source.id))?);
                others.asked(reading.fragment);
            }
            Outlet::Piped(sender) => {
                let work = async {
                    let scan = self.scan(reading, source, others).await?;
                    self.forward(source, scan, &sender).await
                };
                work.await.inspect_err(failed)?;
                let _ = sender.send(Delivery::End).await;
            }
            Outlet::Held(mut writer) => {
                let work = async {
                    let scan = self.scan(reading, source, others).await?;
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
    /// It is held at its site, for the step that reads it.
    Elsewhere(Ticket),
}

fn blame(error: Error, source: &SourceId) -> Error {
    if error.source_id().is_some() { error } else { error.with_source_id(source.clone()) }
}
