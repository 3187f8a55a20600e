//! What a process computes with, and the start of a query.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use cost_model::Clock;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use planner::plan::{ParameterValue, QueryPlan};
use planner::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::RuntimeSettings;
use super::compute::Compute;
use super::error::translate;
use super::job::Job;
use super::memory::{HeldPool, QueryPool, SitePool};
use super::relation::CHANNEL;
use super::run::{QueryRun, RunState, Sources, SystemTables, watch};
use super::schedule::bare_fragment;
use super::spill::{SpillArea, SpillFiles};
use super::stream::{Notes, QueryStream};

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
    /// The part of it that relations held for other sites may have.
    held: Arc<SitePool>,
    pub spill: Arc<SpillArea>,
}

impl Shared {
    pub fn query_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::new(QueryPool::new(self.memory.clone()))
    }

    /// For relations that are held for other sites.
    pub fn held_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::new(HeldPool::new(self.held.clone(), self.memory.clone()))
    }

    pub fn query_env(&self, pool: Arc<dyn MemoryPool>) -> Result<Arc<RuntimeEnv>> {
        let files = DiskManagerBuilder::default().with_temp_file_factory(Arc::new(SpillFiles(self.spill.clone())));
        RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(files).build_arc().map_err(translate)
    }
}

/// A handful of rows straight from an engine: changing threads would take longer than handling them.
fn is_short(plan: &QueryPlan) -> bool {
    const HANDFUL: f64 = 1_000.0;
    bare_fragment(plan).is_some_and(|f| plan.fragments[f].estimated_rows.is_some_and(|rows| rows <= HANDFUL))
}

impl Executor {
    /// Starts the threads and clears what earlier processes spilled.
    pub fn start(settings: RuntimeSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let compute = Compute::new(settings.target_partitions)?;
        let (memory, held) = (SitePool::new(settings.memory_limit), SitePool::new(settings.memory_limit / 2));
        let spill = SpillArea::open(&settings)?;
        Ok(Self { shared: Arc::new(Shared { settings, memory, held, spill }), compute, clock })
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
        let control =
            Handle::try_current().map_err(|_| Error::internal("a query must start within a tokio runtime"))?;
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
        let runtime = if is_short(&job.plan) { &control } else { self.compute.handle() };
        let work = runtime.spawn(job.run(client));
        control.spawn(watch(state.clone(), work.abort_handle(), self.clock.clone()));
        Ok(QueryStream::new(schema, receiver, state, notes))
    }
}
