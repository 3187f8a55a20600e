//! The statements of the fragments, once it is known what is read of each: columns that nobody reads are never selected.
//!
//! From the top down. The shell's scans say what the shell reads; the statement of a step at a site says what that step reads of
//! the relations below it. Fragments are numbered anew in that order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use cost_model::SiteId;
use cost_model::analytic::Constants;
use datafusion_common::Column;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::{Expr, LogicalPlan, Projection, TableScanBuilder};

use super::leaf::{relation_name, relation_schema, relation_types};
use super::reduce::Chosen;
use super::{Cutter, Remote, fragment, reads_passthrough};
use crate::emit::template::{relations, with_relations};
use crate::emit::{Refusal, finish};
use crate::error::{Error, Result};
use crate::pgtype::PgType;
use crate::plan::{Fragment, KeyFilter};
use crate::source::{FragmentRelation, Origin};
use crate::stats;

/// A fragment whose columns are known and whose statement is not written yet.
struct Pending {
    /// Its number while cutting.
    old: usize,
    outputs: Vec<(usize, PgType)>,
    schema: SchemaRef,
    /// The columns it reads of other fragments, by their numbers while cutting.
    reads: BTreeMap<usize, BTreeSet<usize>>,
}

fn refused(Refusal(why): Refusal) -> Error {
    Error::internal(format!("a fragment could not be written: {why}"))
}

impl Cutter<'_> {
    /// The whole query is one fragment, with these result types.
    pub(super) fn whole(&mut self, remote: Remote, types: &[PgType]) -> Result<(LogicalPlan, Vec<Fragment>)> {
        self.fragments.push(remote);
        let outputs: Vec<(usize, PgType)> = types.iter().copied().enumerate().collect();
        let pending = vec![self.pending(self.fragments.len() - 1, outputs)?];
        let relation = self.read(&pending[0], 0);
        let shell = LogicalPlan::TableScan(TableScanBuilder::new(relation_name(0), Arc::new(relation)).build()?);
        Ok((shell, self.write_all(pending, None)?))
    }

    /// Writes the statements of a pruned shell's fragments, and binds its scans to what they return.
    pub(super) fn finish(&self, shell: LogicalPlan) -> Result<(LogicalPlan, Vec<Fragment>)> {
        let before = shell.clone();
        let mut pending: Vec<Pending> = Vec::new();
        let shell = shell.transform_up_with_subqueries(|plan| {
            let LogicalPlan::TableScan(scan) = &plan else { return Ok(Transformed::no(plan)) };
            let Some(relation) = scan.source.downcast_ref::<FragmentRelation>() else {
                return Ok(Transformed::no(plan));
            };
            let wanted = scan.projection.clone().unwrap_or_else(|| (0..relation.columns.len()).collect());
            // A result without columns has no rows to count: a column stands for them.
            let read = if wanted.is_empty() { vec![self.stands_for_rows(relation.fragment)] } else { wanted.clone() };
            let outputs = read.iter().filter_map(|i| Some((*i, *relation.columns.get(*i)?))).collect();
            let number = pending.len();
            pending.push(self.pending(relation.fragment, outputs)?);
            let name = relation_name(number);
            let new = TableScanBuilder::new(name.clone(), Arc::new(self.read(&pending[number], number))).build()?;
            // Positions shift with the columns that are not read; the shell keeps the old names.
            let names = wanted.iter().enumerate().map(|(n, old)| {
                Expr::Column(Column::new(Some(name.clone()), format!("c{n}")))
                    .alias_qualified(Some(scan.table_name.clone()), format!("c{old}"))
            });
            let new = Arc::new(LogicalPlan::TableScan(new));
            Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(names.collect(), new)?)))
        })?;
        Ok((shell.data, self.write_all(pending, Some(&before))?))
    }

    /// A column that may be read to count a fragment's rows by.
    fn stands_for_rows(&self, fragment: usize) -> usize {
        let remote = &self.fragments[fragment];
        self.residency.harmless(&remote.plan, remote.block.columns.len(), self.residency.home()).unwrap_or(0)
    }

    fn pending(&self, old: usize, outputs: Vec<(usize, PgType)>) -> Result<Pending> {
        let remote = &self.fragments[old];
        let schema = relation_schema(remote, &outputs.iter().map(|(i, _)| *i).collect::<Vec<_>>());
        let text = self.emitter(&remote.source)?.select(&remote.block, Some(&outputs)).map_err(refused)?;
        Ok(Pending { old, outputs, schema, reads: relations(&text) })
    }

    /// A fragment's result, as the shell reads it.
    fn read(&self, pending: &Pending, number: usize) -> FragmentRelation {
        let remote = &self.fragments[pending.old];
        FragmentRelation {
            fragment: number,
            columns: pending.outputs.iter().map(|(_, ty)| *ty).collect(),
            schema: pending.schema.clone(),
            estimated_rows: self.rows(remote),
            origin: Some(Origin {
                plan: Arc::new(remote.plan.clone()),
                outputs: pending.outputs.iter().map(|(i, _)| *i).collect(),
            }),
        }
    }

    /// `shell`: what reads the first ones, as it was before they had new numbers.
    fn write_all(&self, mut pending: Vec<Pending>, shell: Option<&LogicalPlan>) -> Result<Vec<Fragment>> {
        let mut reader = 0;
        while reader < pending.len() {
            for (old, columns) in pending[reader].reads.clone() {
                let types = relation_types(&self.fragments[old]);
                let first = columns.is_empty().then(|| self.stands_for_rows(old));
                let outputs = columns.into_iter().chain(first).map(|i| (i, types[i])).collect();
                pending.push(self.pending(old, outputs)?);
            }
            reader += 1;
        }
        let (transfers, positions) = self.transfers(shell);
        pending.iter().map(|p| self.write(p, &pending, &transfers, positions[p.old])).collect()
    }

    /// A fragment's statement, with room for the keys of those that filter it.
    fn write(&self, wanted: &Pending, all: &[Pending], transfers: &[Chosen], position: usize) -> Result<Fragment> {
        let remote = &self.fragments[wanted.old];
        let reader = all.iter().find(|p| p.reads.contains_key(&wanted.old)).map(|p| &self.fragments[p.old].source.site);
        let goes_to = reader.map_or(self.network.home, |site| self.position_of(site));
        self.residency.check(&remote.plan, wanted.outputs.iter().map(|(i, _)| *i), goes_to)?;
        let emitter = self.emitter(&remote.source)?;
        let mut block = remote.block.clone();
        let mut key_filters = Vec::new();
        let number = |old: usize| all.iter().position(|p| p.old == old);
        // Types of a statement of the client's own are a guess as good as a result's description allows.
        let ours = !reads_passthrough(&remote.plan);
        for (transfer, kept) in transfers.iter().filter(|(t, _)| ours && t.to.0 == wanted.old) {
            let from_column = |n: usize| all[n].outputs.iter().position(|(i, _)| *i == transfer.from.1);
            let from = number(transfer.from.0);
            let Some((from, from_column)) = from.and_then(|n| Some((n, from_column(n)?))) else { continue };
            let Some((filtered, sql)) = emitter.key_filter(&block, transfer.to.1, key_filters.len()) else { continue };
            let reads = |(old, columns): (&usize, &BTreeSet<usize>)| {
                wanted.reads.get(old).is_some_and(|known| columns.is_subset(known))
            };
            if !relations(&sql).iter().all(reads) {
                continue;
            }
            block = filtered;
            key_filters.push(KeyFilter {
                from,
                from_column,
                sql: with_relations(&sql, &wanted.reads),
                column: wanted.outputs.iter().position(|(i, _)| *i == transfer.to.1),
                ty: remote.block.columns[transfer.to.1].ty,
                kept: *kept,
            });
        }
        let text = emitter.select(&block, Some(&wanted.outputs)).map_err(refused)?;
        let text = with_relations(&text, &wanted.reads);
        let columns = wanted.outputs.iter().map(|(_, ty)| *ty).collect();
        let fragment =
            fragment(remote, finish(&text).map_err(refused)?, columns, wanted.schema.clone(), self.rows(remote));
        let inputs = wanted.reads.keys().filter_map(|old| number(*old)).collect();
        let (estimated_bytes, estimated_seconds) = self.estimates(remote, wanted, &key_filters, reader).unzip();
        Ok(Fragment { inputs, key_filters, position, estimated_bytes, estimated_seconds, ..fragment })
    }

    /// Bytes of a fragment's result, and seconds until its reader (a site, or else the gateway) has it.
    fn estimates(
        &self,
        remote: &Remote,
        wanted: &Pending,
        filters: &[KeyFilter],
        reader: Option<&SiteId>,
    ) -> Option<(f64, f64)> {
        let constants = Constants::default();
        let rows = self.rows(remote)?;
        let kept: f64 = filters.iter().map(|f| f.kept).product();
        let width: f64 = wanted.outputs.iter().map(|(i, _)| stats::column_width(&remote.plan, *i)).sum();
        let bytes = (rows * kept * width).round();
        let to = reader.map_or(self.network.home, |site| self.position_of(site));
        let link = self.network.links.link(self.position_of(&remote.source.site), to)?;
        let seconds = constants.scan(remote.source.kind, rows * kept, bytes) + constants.transfer(&link).seconds(bytes);
        Some((bytes, seconds))
    }
}
