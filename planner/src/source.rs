//! The leaves of a plan: what stands behind a DataFusion `TableScan`.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion_expr::TableSource;

use crate::catalog::{Placement, Table};
use crate::pgtype::PgType;

/// A catalog table at one placement, as the binder puts it under a plan. Field names are the client's column names.
#[derive(Debug)]
pub struct CatalogTable {
    pub table: Arc<Table>,
    pub placement: Placement,
    schema: SchemaRef,
}

impl CatalogTable {
    pub fn new(table: Arc<Table>, placement: Placement) -> Self {
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

/// The result of a fragment, as the shell reads it.
#[derive(Debug)]
pub struct FragmentRelation {
    /// Index into `QueryPlan::fragments`.
    pub fragment: usize,
    pub columns: Vec<PgType>,
    pub schema: SchemaRef,
    pub estimated_rows: Option<f64>,
}

impl TableSource for FragmentRelation {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
