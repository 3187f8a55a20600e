//! A statement of a site's compute over relations, as a plan that the executor runs like any query's: the relations are its
//! fragments.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use cost_model::{SiteId, SourceId};
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use planner::bind::{BoundQuery, Passthrough, bind, parse};
use planner::catalog::{Catalog, Column, ColumnStats, EngineKind, Placement, Source, Table, TableKind};
use planner::context::{Now, QueryContext};
use planner::pgtype::oid;
use planner::plan::{Fragment, QueryPlan, SqlTemplate};
use planner::source::{CatalogTable, FragmentRelation};
use planner::{Error, PgType, Result, optimize};

use super::error::translate;
use crate::step::Input;

const SCHEMA: &str = "public";

/// The source that stands for one of a step's inputs.
pub(crate) fn input_source(number: usize) -> SourceId {
    SourceId::new(format!("r{number}"))
}

/// Binds the statement over `r0`, `r1`, … with the gateway's own semantics. `unix_micros`: now.
pub(crate) fn plan(sql: &str, inputs: &[Input], site: &SiteId, unix_micros: i64) -> Result<QueryPlan> {
    let context = QueryContext { now: Now::at(unix_micros), ..QueryContext::default() };
    let mut statements = parse(sql)?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(Error::internal("a step is not one statement"));
    };
    let catalog = catalog(inputs, site);
    let BoundQuery { plan, columns, .. } =
        bind(&statement.statement, &catalog, &context, sql, &[], &Passthrough::default())?;
    let plan = optimize::optimize_shell(optimize::optimize(plan)?)?;
    let shell = plan.transform_up_with_subqueries(|node| Ok(relation(node, inputs)?)).map_err(translate)?.data;
    Ok(QueryPlan {
        columns,
        parameters: Vec::new(),
        fragments: inputs.iter().enumerate().map(|(number, input)| fragment(number, input, site)).collect(),
        shell,
        local: Vec::new(),
        residency: Arc::default(),
        placements: Vec::new(),
        questions: Vec::new(),
    })
}

fn catalog(inputs: &[Input], site: &SiteId) -> Catalog {
    let (mut sources, mut tables) = (BTreeMap::new(), BTreeMap::new());
    for (number, input) in inputs.iter().enumerate() {
        let id = input_source(number);
        let source = Source {
            id: id.clone(),
            site: site.clone(),
            kind: EngineKind::Files,
            version: String::new(),
            c_collation: true,
            snapshots: false,
        };
        let table = table(id.as_str(), input);
        sources.insert(id, Arc::new(source));
        tables.insert(table.name.clone(), Arc::new(table));
    }
    Catalog { sources, schemas: BTreeMap::from([(SCHEMA.to_string(), tables)]), ..Catalog::default() }
}

fn table(name: &str, input: &Input) -> Table {
    let column = |(field, ty): (&Arc<arrow::datatypes::Field>, &PgType)| {
        let ty = typed(*ty, field.data_type());
        Column {
            name: field.name().clone(),
            remote_name: field.name().clone(),
            ty,
            remote_type: ty.sql_name(),
            nullable: true,
            opaque: false,
            always_null: false,
            collation: None,
            comment: None,
            stats: ColumnStats::default(),
        }
    };
    Table {
        schema: SCHEMA.into(),
        name: name.into(),
        kind: TableKind::Table,
        columns: input.schema.fields().iter().zip(&input.columns).map(column).collect(),
        keys: Vec::new(),
        placements: vec![Placement {
            source: SourceId::new(name),
            remote_schema: SCHEMA.into(),
            remote_name: name.into(),
            predicate: None,
            replica_group: 0,
            part: None,
        }],
        rows: input.estimated_rows,
        bytes: None,
        comment: None,
        skipped: Vec::new(),
        oid: 0,
        key_oids: Vec::new(),
    }
}

/// The type under which a column has the carrier in which it comes: a numeric whose values all have one scale says which, any
/// other says nothing.
fn typed(ty: PgType, carrier: &DataType) -> PgType {
    match carrier {
        _ if ty.oid != oid::NUMERIC => ty,
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => PgType::numeric(u32::from(*p), i32::from(*s)),
        _ => PgType::NUMERIC,
    }
}

/// A scan of an input, read from where the input comes.
fn relation(node: LogicalPlan, inputs: &[Input]) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
    let Some(table) = scan.source.downcast_ref::<CatalogTable>() else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let number = (0..inputs.len()).find(|n| input_source(*n) == table.placement.source);
    let (Some(number), true) = (number, scan.filters.is_empty()) else {
        return Err(Error::internal("a step reads a table that is none of its inputs"));
    };
    let input = &inputs[number];
    let (bound, comes) = (scan.source.schema(), &input.schema);
    if let Some((a, b)) = bound.fields().iter().zip(comes.fields()).find(|(a, b)| a.data_type() != b.data_type()) {
        let message = format!("a step's input has {} as {} instead of {}", b.name(), b.data_type(), a.data_type());
        return Err(Error::internal(message));
    }
    scan.source = Arc::new(FragmentRelation {
        fragment: number,
        columns: input.columns.clone(),
        schema: input.schema.clone(),
        estimated_rows: input.estimated_rows,
        origin: None,
    });
    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
}

fn fragment(number: usize, input: &Input, site: &SiteId) -> Fragment {
    Fragment {
        source: input_source(number),
        site: site.clone(),
        engine: EngineKind::Files,
        sql: SqlTemplate(Vec::new()),
        columns: input.columns.clone(),
        schema: input.schema.clone(),
        estimated_rows: input.estimated_rows,
        estimated_bytes: None,
        estimated_seconds: None,
        single_table: None,
        passthrough: false,
        inputs: Vec::new(),
        key_filters: Vec::new(),
        position: 0,
    }
}
