//! A small database in memory: the binder above, DataFusion below, nothing between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::LogicalPlan;
use datafusion_optimizer::Optimizer;
use planner::bind::{BoundQuery, Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::context::Now;
use planner::pgsem::{evaluate, io, key};
use planner::plan::OutputColumn;
use planner::source::CatalogTable;
use planner::{PgType, QueryContext, Result, optimize};

pub type Row = Vec<Option<String>>;

pub struct Answer {
    pub columns: Vec<OutputColumn>,
    pub rows: Vec<Row>,
}

/// Tables and the session that asks.
pub struct Local {
    pub ctx: QueryContext,
    catalog: Catalog,
    contents: HashMap<String, Arc<MemTable>>,
    runtime: tokio::runtime::Runtime,
}

/// Enough of the system catalogs for their names.
fn system() -> BTreeMap<String, BTreeMap<String, Arc<Table>>> {
    let known = [("pg_class", 1259), ("pg_type", 1247)];
    let tables = known.map(|(name, oid)| (name.to_string(), Arc::new(table("pg_catalog", name, Vec::new(), oid))));
    BTreeMap::from([("pg_catalog".to_string(), BTreeMap::from(tables))])
}

fn table(schema: &str, name: &str, columns: Vec<Column>, oid: u32) -> Table {
    Table {
        schema: schema.into(),
        name: name.into(),
        kind: TableKind::Table,
        columns,
        keys: Vec::new(),
        placements: vec![Placement {
            source: "memory".into(),
            remote_schema: schema.into(),
            remote_name: name.into(),
            predicate: None,
            replica_group: 0,
            part: None,
        }],
        rows: None,
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid,
        key_oids: Vec::new(),
    }
}

impl Local {
    pub fn new() -> Self {
        let source = Source {
            id: "memory".into(),
            site: "here".into(),
            kind: EngineKind::System,
            version: "1".into(),
            c_collation: true,
            snapshots: true,
        };
        let sources = BTreeMap::from([(source.id.clone(), Arc::new(source))]);
        let schema_oids = BTreeMap::from([("pg_catalog".to_string(), 11)]);
        Self {
            ctx: QueryContext { now: Now::at(1_704_067_200_000_000), ..QueryContext::default() },
            catalog: Catalog { sources, schemas: system(), schema_oids, ..Catalog::default() },
            contents: HashMap::new(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    /// Makes a table of a query's result.
    pub fn create(&mut self, name: &str, query: &str) -> Result<()> {
        let (columns, batches) = self.run(query)?;
        let described = columns.iter().map(|c| Column {
            name: c.name.clone(),
            remote_name: c.name.clone(),
            ty: c.ty,
            remote_type: c.ty.sql_name(),
            nullable: true,
            opaque: false,
            always_null: false,
            collation: None,
            comment: None,
            stats: ColumnStats::default(),
        });
        let table = table("public", name, described.collect(), 16_384 + self.contents.len() as u32);
        let scan = CatalogTable::new(Arc::new(table.clone()), table.placements[0].clone());
        let schema = datafusion_expr::TableSource::schema(&scan);
        let mut stored = Vec::new();
        for batch in batches {
            let arrays = columns.iter().zip(batch.columns()).map(|(c, array)| as_stored(c.ty, array));
            stored.push(RecordBatch::try_new(schema.clone(), arrays.collect::<Result<_>>()?)?);
        }
        self.contents.insert(name.into(), Arc::new(MemTable::try_new(schema, vec![stored])?));
        self.catalog.schemas.entry("public".into()).or_default().insert(name.into(), Arc::new(table));
        Ok(())
    }

    pub fn ask(&self, sql: &str) -> Result<Answer> {
        let (columns, batches) = self.run(sql)?;
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let mut cells = Vec::new();
                for (column, array) in columns.iter().zip(batch.columns()) {
                    cells.push(if array.is_null(row) {
                        None
                    } else {
                        let mut text = String::new();
                        io::format(array.as_ref(), row, column.ty, self.ctx.time_zone, &mut text)?;
                        Some(text)
                    });
                }
                rows.push(cells);
            }
        }
        Ok(Answer { columns, rows })
    }

    pub fn bind(&self, sql: &str) -> Result<BoundQuery> {
        let statements = parse(sql)?;
        bind(&statements[0].statement, &self.catalog, &self.ctx, sql, &[], &Passthrough::default())
    }

    fn run(&self, sql: &str) -> Result<(Vec<OutputColumn>, Vec<RecordBatch>)> {
        let bound = self.bind(sql)?;
        let plan = optimize::optimize_shell(optimize::optimize(bound.plan)?)?;
        let plan = self.with_contents(plan)?;
        let batches = self.runtime.block_on(async {
            let mut config = SessionConfig::new().with_target_partitions(1);
            *config.options_mut() = optimize::options();
            config.options_mut().execution.skip_physical_aggregate_schema_check = true;
            config.options_mut().execution.target_partitions = 1;
            let state = SessionStateBuilder::new()
                .with_config(config)
                .with_analyzer_rules(Vec::new())
                .with_optimizer_rules(Vec::new())
                .with_default_features()
                .build();
            let plan = Optimizer::with_rules(optimize::local_rules()).optimize(plan, &state, |_, _| ())?;
            let physical: Arc<dyn ExecutionPlan> =
                DefaultPhysicalPlanner::default().create_physical_plan(&plan, &state).await?;
            collect(physical, state.task_ctx()).await
        })?;
        Ok((bound.columns, batches))
    }

    fn with_contents(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let replaced = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
            if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                scan.source = provider_as_source(self.contents[&table.table.name].clone());
            }
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })?;
        Ok(replaced.data)
    }
}

/// A table carries unconstrained numerics dynamically.
fn as_stored(ty: PgType, array: &ArrayRef) -> Result<ArrayRef> {
    if *array.data_type() == ty.repr() {
        return Ok(array.clone());
    }
    let column = evaluate::column("value", ty, array.data_type().clone());
    evaluate::evaluate(&key::to_dynamic(column).expr, &[("value", array.clone())], array.len())
}
