//! The seam between shell and fragments: a fragment's result appears in the shell as a scan, and columns that the shell does not
//! read are never selected.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::tree_node::Transformed;
use datafusion_common::{Column, DFSchema, TableReference};
use datafusion_expr::{Expr, LogicalPlan, Projection, TableScanBuilder};

use super::reduce::{Chosen, choose};
use super::{Cutter, Part, Remote, fragment, reads_passthrough};
use crate::emit::literal::type_of_carrier;
use crate::emit::{Refusal, Sql, finish};
use crate::error::{Error, Result};
use crate::pgtype::{PgType, oid};
use crate::plan::{Fragment, KeyFilter};
use crate::source::FragmentRelation;

fn relation_name(fragment: usize) -> TableReference {
    TableReference::bare(format!("fragment{fragment}"))
}

fn relation_schema(remote: &Remote, columns: &[usize]) -> SchemaRef {
    let fields = remote.block.schema.fields();
    let field = |(n, i): (usize, &usize)| Field::new(format!("c{n}"), fields[*i].data_type().clone(), true);
    Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()))
}

fn refused(Refusal(why): Refusal) -> Error {
    Error::internal(format!("a fragment could not be written: {why}"))
}

/// The type a column is decoded as. A comparison key may carry a wider integer or float than the value behind it.
fn decoded_as(ty: PgType, carrier: &DataType) -> PgType {
    match ty.oid {
        oid::UNKNOWN => PgType::TEXT,
        oid::INT2 | oid::INT4 | oid::FLOAT4 if *carrier != ty.repr() => type_of_carrier(carrier).unwrap_or(ty),
        _ => ty,
    }
}

/// A fragment whose columns are known and whose statement is not written yet.
struct Pending {
    /// Its number while cutting.
    old: usize,
    outputs: Vec<(usize, PgType)>,
    schema: SchemaRef,
}

impl Cutter<'_> {
    /// As a plan of the shell. A remote part becomes a fragment.
    pub(super) fn localise(&mut self, part: Part) -> Result<LogicalPlan> {
        let mut remote = match part {
            Part::Local(plan) => return Ok(plan),
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
        let schema = relation_schema(&remote, &all);
        let decoded = |(c, f): (&Sql, &Arc<Field>)| decoded_as(c.ty, f.data_type());
        let columns = remote.block.columns.iter().zip(schema.fields()).map(decoded).collect();
        let relation = FragmentRelation { fragment: number, columns, schema, estimated_rows: remote.estimated_rows() };
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

    /// The whole query is one fragment.
    pub(super) fn whole(&self, remote: Remote, types: &[PgType]) -> Result<(LogicalPlan, Fragment)> {
        let outputs: Vec<(usize, PgType)> = types.iter().copied().enumerate().collect();
        let all: Vec<usize> = (0..types.len()).collect();
        self.residency.check(&remote.plan, all.iter().copied(), self.residency.home())?;
        let schema = relation_schema(&remote, &all);
        let text = self.emitter(&remote.source)?.select(&remote.block, Some(&outputs)).map_err(refused)?;
        let fragment = fragment(&remote, finish(&text).map_err(refused)?, types.to_vec(), schema.clone());
        let relation =
            FragmentRelation { fragment: 0, columns: types.to_vec(), schema, estimated_rows: fragment.estimated_rows };
        let scan = TableScanBuilder::new(relation_name(0), Arc::new(relation)).build()?;
        Ok((LogicalPlan::TableScan(scan), fragment))
    }

    /// Writes the statements of a pruned shell's fragments, and binds its scans to what they return.
    pub(super) fn finish(&self, shell: LogicalPlan) -> Result<(LogicalPlan, Vec<Fragment>)> {
        let (transfers, positions) = choose(&shell, &self.fragments, self.reduction, self.residency);
        let mut pending: Vec<Pending> = Vec::new();
        let shell = shell.transform_up_with_subqueries(|plan| {
            let LogicalPlan::TableScan(scan) = &plan else { return Ok(Transformed::no(plan)) };
            let Some(relation) = scan.source.downcast_ref::<FragmentRelation>() else {
                return Ok(Transformed::no(plan));
            };
            let remote = &self.fragments[relation.fragment];
            let wanted = scan.projection.clone().unwrap_or_else(|| (0..relation.columns.len()).collect());
            // A result without columns has no rows to count: a column stands for them.
            let stands_for = || self.residency.harmless(&remote.plan, relation.columns.len(), self.residency.home());
            let read = if wanted.is_empty() { vec![stands_for().unwrap_or(0)] } else { wanted.clone() };
            let outputs: Vec<(usize, PgType)> =
                read.iter().filter_map(|i| Some((*i, *relation.columns.get(*i)?))).collect();
            let schema = relation_schema(remote, &outputs.iter().map(|(i, _)| *i).collect::<Vec<_>>());
            let columns: Vec<PgType> = outputs.iter().map(|(_, ty)| *ty).collect();
            let (number, estimated_rows) = (pending.len(), remote.estimated_rows());
            pending.push(Pending { old: relation.fragment, outputs, schema: schema.clone() });
            let relation = FragmentRelation { fragment: number, columns, schema, estimated_rows };
            let name = relation_name(number);
            let new = TableScanBuilder::new(name.clone(), Arc::new(relation)).build()?;
            let new = LogicalPlan::TableScan(new);
            // Positions shift with the columns that are not read; the shell keeps the old names.
            let names = wanted.iter().enumerate().map(|(n, old)| {
                Expr::Column(Column::new(Some(name.clone()), format!("c{n}")))
                    .alias_qualified(Some(scan.table_name.clone()), format!("c{old}"))
            });
            Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(names.collect(), Arc::new(new))?)))
        })?;
        let fragments = pending.iter().map(|p| self.write(p, &pending, &transfers, positions[p.old]));
        Ok((shell.data, fragments.collect::<Result<_>>()?))
    }

    /// A fragment's statement, with room for the keys of those that filter it.
    fn write(&self, wanted: &Pending, all: &[Pending], transfers: &[Chosen], position: usize) -> Result<Fragment> {
        let remote = &self.fragments[wanted.old];
        self.residency.check(&remote.plan, wanted.outputs.iter().map(|(i, _)| *i), self.residency.home())?;
        let emitter = self.emitter(&remote.source)?;
        let mut block = remote.block.clone();
        let mut key_filters = Vec::new();
        // Types of a statement of the client's own are a guess as good as a result's description allows.
        let ours = !reads_passthrough(&remote.plan);
        for (transfer, kept) in transfers.iter().filter(|(t, _)| ours && t.to.0 == wanted.old) {
            let from = all.iter().position(|p| p.old == transfer.from.0);
            let from_column = |n: usize| all[n].outputs.iter().position(|(i, _)| *i == transfer.from.1);
            let Some((from, from_column)) = from.and_then(|n| Some((n, from_column(n)?))) else { continue };
            if let Some((filtered, sql)) = emitter.key_filter(&block, transfer.to.1, key_filters.len()) {
                block = filtered;
                key_filters.push(KeyFilter {
                    from,
                    from_column,
                    sql,
                    column: wanted.outputs.iter().position(|(i, _)| *i == transfer.to.1),
                    ty: remote.block.columns[transfer.to.1].ty,
                    kept: *kept,
                });
            }
        }
        let text = emitter.select(&block, Some(&wanted.outputs)).map_err(refused)?;
        let columns = wanted.outputs.iter().map(|(_, ty)| *ty).collect();
        let fragment = fragment(remote, finish(&text).map_err(refused)?, columns, wanted.schema.clone());
        Ok(Fragment { key_filters, position, ..fragment })
    }
}
