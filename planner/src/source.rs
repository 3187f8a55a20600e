//! The leaves of a plan: what stands behind a DataFusion `TableScan`.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use cost_model::SourceId;
use datafusion_expr::{LogicalPlan, TableSource};

use crate::catalog::{Placement, Table};
use crate::pgtype::PgType;

/// A catalog table as it is at one placement, as the binder puts it under a plan. Field names are the client's column names.
#[derive(Debug)]
pub struct CatalogTable {
    pub table: Arc<Table>,
    pub placement: Placement,
    schema: SchemaRef,
}

impl CatalogTable {
    pub fn new(table: Arc<Table>, placement: Placement) -> Self {
        let table = placement.part.as_ref().map_or(table, |part| part.table.clone());
        let fields = table.columns.iter().map(|c| Field::new(&c.name, c.ty.repr(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { table, placement, schema }
    }
}

impl TableSource for CatalogTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// A statement passed through to one source as it is (`narrows.query('source', $$…$$)`).
#[derive(Debug)]
pub struct PassthroughQuery {
    pub source: SourceId,
    pub sql: String,
    pub columns: Vec<(String, PgType)>,
    schema: SchemaRef,
}

impl PassthroughQuery {
    /// Field names are `c1`, `c2`, …: the statement's own need not be unique.
    pub fn new(source: SourceId, sql: String, columns: Vec<(String, PgType)>) -> Self {
        let fields = columns.iter().enumerate().map(|(i, (_, ty))| Field::new(format!("c{}", i + 1), ty.repr(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { source, sql, columns, schema }
    }
}

impl TableSource for PassthroughQuery {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// Inside the recursive term of a `RecursiveQuery` of the same name: the rows of the previous round. Whoever runs the plan puts
/// DataFusion's `CteWorkTable` in its place.
#[derive(Debug)]
pub struct WorkTable {
    pub name: String,
    schema: SchemaRef,
}

impl WorkTable {
    pub fn new(name: impl Into<String>, schema: &Schema) -> Self {
        let fields = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        Self { name: name.into(), schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())) }
    }
}

impl TableSource for WorkTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// The result of a fragment, as the shell reads it.
#[derive(Debug)]
pub struct FragmentRelation {
    /// Index into `QueryPlan::fragments`.
    pub fragment: usize,
    pub columns: Vec<PgType>,
    pub schema: SchemaRef,
    pub estimated_rows: Option<f64>,
    /// What it is the result of, as far as this process planned it.
    pub origin: Option<Origin>,
}

/// A plan, and the columns of its result that a relation has.
#[derive(Clone, Debug)]
pub struct Origin {
    pub plan: Arc<LogicalPlan>,
    pub outputs: Vec<usize>,
}

impl TableSource for FragmentRelation {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
