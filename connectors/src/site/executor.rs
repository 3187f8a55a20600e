//! Runs query plans.
//!
//! One task per query drives the shell on the compute threads, one task per lane reads fragments. All of them end with the
//! query: by themselves, or because its [`RunState`] says stop.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cost_model::{Clock, SourceId};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use planner::plan::{ParameterValue, QueryPlan};
use planner::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::compute::{Compute, caught};
use super::error::translate;
use super::fragment::{self, Scan};
use super::held::Holder;
use super::leaves::Leaves;
use super::measure::Meter;
use super::memory::{QueryPool, SitePool};
use super::planning::Session;
use super::relation::{CHANNEL, Delivery, Relation};
use super::run::{OpenSession, QueryRun, RunState, Sources, SystemTables, watch};
use super::schedule::{Reading, Reads, bare_fragment, lanes, of_source, wanted_connections};
use super::spill::{SpillArea, SpillFiles};
use super::stream::{Notes, Operators, QueryStream};
use super::{RuntimeSettings, parameters};
use crate::engine::{EngineSession, SessionRequest};

/// A process's compute: threads, memory, spill space.
pub struct Executor {
    shared: Arc<Shared>,
    compute: Compute,
    clock: Arc<dyn Clock>,
}

/// What queries use of it.
pub(crate) struct Shared {
    pub settings: RuntimeSettings,
    pub memory: Arc<SitePool>,
    pub spill: Arc<SpillArea>,
}

impl Shared {
    pub fn query_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::new(QueryPool::new(self.memory.clone()))
    }

    pub fn query_env(&self, pool: Arc<dyn MemoryPool>) -> Result<Arc<RuntimeEnv>> {
        let files = DiskManagerBuilder::default().with_temp_file_factory(Arc::new(SpillFiles(self.spill.clone())));
        RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_disk_manager_builder(files)
            .build_arc()
            .map_err(translate)
    }
}

impl Executor {
    /// Starts the threads and clears what earlier processes spilled.
    pub fn start(settings: RuntimeSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let compute = Compute::new(settings.target_partitions)?;
        let (memory, spill) = (SitePool::new(settings.memory_limit), SpillArea::open(&settings)?);
        Ok(Self { shared: Arc::new(Shared { settings, memory, spill }), compute, clock })
    }

    pub fn settings(&self) -> &RuntimeSettings {
        &self.shared.settings
    }

    /// Bytes of memory and of disk that queries hold now.
    pub fn usage(&self) -> (usize, u64) {
        (self.shared.memory.used(), self.shared.spill.used())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn compute(&self) -> &Handle {
        self.compute.handle()
    }

    /// Starts a query. Must be called within a tokio runtime, which then watches over it: not the compute threads, which may be
    /// busy when a cancel comes.
    pub fn execute(
        &self,
        plan: Arc<QueryPlan>,
        parameters: &[ParameterValue],
        run: QueryRun,
        sources: Arc<dyn Sources>,
        system: Arc<dyn SystemTables>,
    ) -> Result<QueryStream> {
        let control = Handle::try_current().map_err(|_| Error::internal("a query must start within a tokio runtime"))?;
        let schema: SchemaRef = plan.shell.schema().inner().clone();
        let state = RunState::new(run, self.shared.query_pool());
        let notes = Arc::new(Notes::default());
        let (client, receiver) = mpsc::channel(CHANNEL);
        let job = Job {
            shared: self.shared.clone(),
            plan,
            parameters: parameters.to_vec(),
            state: state.clone(),
            notes: notes.clone(),
            sources,
            system,
        };
        let work = self.compute.handle().spawn(job.run(client));
        control.spawn(watch(state.clone(), work.abort_handle(), self.clock.clone()));
        Ok(QueryStream::new(schema, receiver, state, notes))
    }
}

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
struct Job {
    shared: Arc<Shared>,
    plan: Arc<QueryPlan>,
    parameters: Vec<ParameterValue>,
    state: Arc<RunState>,
    notes: Arc<Notes>,
    sources: Arc<dyn Sources>,
    system: Arc<dyn SystemTables>,
}

impl Job {
    async fn run(self, client: mpsc::Sender<Delivery>) {
        let _finish = Finish(self.state.clone(), self.notes.clone());
        match caught(self.drive(&client)).await {
            Ok(()) => drop(client.send(Delivery::End).await),
            Err(error) => self.state.fail(error),
        }
    }

    async fn drive(&self, client: &mpsc::Sender<Delivery>) -> Result<()> {
        let reads = Reads::of(&self.plan)?;
        let sources = self.open_sources(&reads).await?;
        if let (Some(fragment), [source]) = (bare_fragment(&self.plan), sources.as_slice()) {
            let scan = self.scan(Reading { fragment, held: false }, source)?;
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
        let session = Session::new(&self.shared.settings, env, self.state.stop.clone(), &shell);
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
            let lease = self.sources.lease(id, request.clone()).await.map_err(|e| blame(e, id))?;
            self.state.keep_lease(lease.guard);
            leases.push((id, lease.opener, SessionRequest { connections: lease.connections, ..request }));
        }
        try_join_all(leases.into_iter().map(|(id, opener, request)| self.open(id, opener, request))).await
    }

    async fn open(&self, id: &SourceId, opener: Arc<dyn OpenSession>, request: SessionRequest) -> Result<OpenSource> {
        let connections = request.connections;
        let session = opener.open(request).await.map_err(|e| blame(e, id))?;
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
            for lane in lanes(&self.plan, reads, &source.id, concurrent, source.connections) {
                work.push((source, lane));
            }
        }
        let held = work.iter().flat_map(|(_, lane)| lane).filter(|r| r.held).count();
        // Half of the memory is left for the operators, whatever is held.
        let held_limit = self.shared.settings.memory_limit / 2 / held.max(1);
        for (source, lane) in work {
            let mut outlets = Vec::with_capacity(lane.len());
            for reading in lane {
                let (outlet, relation) = if reading.held {
                    let schema = self.plan.fragments[reading.fragment].schema.clone();
                    let (sealed, relation) = Relation::held();
                    let holder = Holder::new(schema, held_limit, &self.state.pool, env.clone());
                    (Outlet::Held(holder, sealed), relation)
                } else {
                    let (sender, relation) = Relation::piped();
                    (Outlet::Piped(sender), relation)
                };
                relations[reading.fragment] = Some(relation);
                outlets.push((reading, outlet));
            }
            let source = OpenSource { id: source.id.clone(), session: source.session.clone(), ..*source };
            readers.spawn(self.clone().read_lane(source, outlets));
        }
        Ok(relations)
    }

    /// Reads fragments into their relations, one after another.
    async fn read_lane(self, source: OpenSource, outlets: Vec<(Reading, Outlet)>) {
        let lane = async {
            for (reading, outlet) in outlets {
                self.fill(&source, reading, outlet).await?;
            }
            Ok(())
        };
        if let Err(error) = caught(lane).await {
            self.state.fail(error);
        }
    }

    async fn fill(&self, source: &OpenSource, reading: Reading, outlet: Outlet) -> Result<()> {
        let scan = self.scan(reading, source)?;
        match outlet {
            Outlet::Piped(sender) => {
                self.forward(source, scan, &sender).await?;
                let _ = sender.send(Delivery::End).await;
            }
            Outlet::Held(mut holder, sealed) => {
                let meter = scan.meter.clone();
                let mut rows = self.read(source, scan).await?;
                while let Some(batch) = rows.next().await {
                    holder.add(batch.map_err(|e| blame(e, &source.id))?)?;
                }
                sealed.send_replace(Some(Arc::new(holder.seal(&meter)?)));
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

    fn scan(&self, reading: Reading, source: &OpenSource) -> Result<Scan> {
        let fragment = &self.plan.fragments[reading.fragment];
        let meter = Meter::start(reading.fragment, source.id.clone(), source.connections, reading.held);
        self.notes.meters.lock().push(meter.clone());
        Ok(Scan { request: fragment::request(fragment, &self.parameters)?, meter })
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
    Held(Holder, tokio::sync::watch::Sender<Option<Arc<super::held::Held>>>),
}

fn blame(error: Error, source: &SourceId) -> Error {
    if error.source_id().is_some() { error } else { error.with_source_id(source.clone()) }
}
