//! The seam between a fragment and its reader: its result appears there as a scan of a relation.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::{Column, DFSchema, TableReference};
use datafusion_expr::{Expr, LogicalPlan, Projection, TableScanBuilder};

use super::{Cutter, Part, Remote};
use crate::emit::Sql;
use crate::emit::literal::type_of_carrier;
use crate::error::Result;
use crate::pgtype::{PgType, oid};
use crate::source::{FragmentRelation, Origin};

pub(super) fn relation_name(fragment: usize) -> TableReference {
    TableReference::bare(format!("fragment{fragment}"))
}

pub(super) fn relation_schema(remote: &Remote, columns: &[usize]) -> SchemaRef {
    let fields = remote.block.schema.fields();
    let field = |(n, i): (usize, &usize)| Field::new(format!("c{n}"), fields[*i].data_type().clone(), true);
    Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// The type a column is decoded as. A comparison key may carry a wider integer or float than the value behind it.
fn decoded_as(ty: PgType, carrier: &DataType) -> PgType {
    match ty.oid {
        oid::UNKNOWN => PgType::TEXT,
        oid::INT2 | oid::INT4 | oid::FLOAT4 if *carrier != ty.repr() => type_of_carrier(carrier).unwrap_or(ty),
        _ => ty,
    }
}

/// The types of a fragment's result, all its columns.
pub(super) fn relation_types(remote: &Remote) -> Vec<PgType> {
    let decoded = |(c, f): (&Sql, &Arc<Field>)| decoded_as(c.ty, f.data_type());
    remote.block.columns.iter().zip(remote.block.schema.fields()).map(decoded).collect()
}

impl Cutter<'_> {
    /// As a plan of the shell. A remote part becomes a fragment.
    pub(super) fn localise(&mut self, part: Part) -> Result<LogicalPlan> {
        let mut remote = match part {
            Part::Local(plan) => return Ok(plan),
            Part::Remote(remote) if remote.moved => return Ok(remote.plan),
            Part::Remote(remote) if remote.block.columns.iter().any(|c| c.key) => {
                let outside = std::mem::replace(&mut self.keys_stay, true);
                let part = self.cut(&remote.plan);
                self.keys_stay = outside;
                return self.localise(part?);
            }
            Part::Remote(remote) => *remote,
        };
        let names: Vec<(Option<TableReference>, String)> =
            remote.block.schema.iter().map(|(q, f)| (q.cloned(), f.name().clone())).collect();
        if names.is_empty() {
            // Rows without columns: a constant is there to count them by.
            remote.block.columns = vec![Sql::simple("1".to_string(), PgType::INT4)];
            let one = Arc::new(Field::new("one", DataType::Int32, false));
            remote.block.schema = Arc::new(DFSchema::new_with_metadata(vec![(None, one)], HashMap::new())?);
        }
        let number = self.fragments.len();
        let all: Vec<usize> = (0..remote.block.columns.len()).collect();
        let relation = FragmentRelation {
            fragment: number,
            columns: relation_types(&remote),
            schema: relation_schema(&remote, &all),
            estimated_rows: self.rows(&remote),
            origin: Some(Origin { plan: Arc::new(remote.plan.clone()), outputs: all }),
        };
        let name = relation_name(number);
        let scan = TableScanBuilder::new(name.clone(), Arc::new(relation)).build()?;
        // The shell goes on calling the columns what the plan called them.
        let names = names.into_iter().enumerate().map(|(i, (qualifier, called))| {
            Expr::Column(Column::new(Some(name.clone()), format!("c{i}"))).alias_qualified(qualifier, called)
        });
        let projection = Projection::try_new(names.collect(), Arc::new(LogicalPlan::TableScan(scan)))?;
        self.fragments.push(remote);
        Ok(LogicalPlan::Projection(projection))
    }
}
