//! Which of several placements with the same rows a query reads.
//!
//! First one whose source answers; then where the query's other tables are, so that few sites take part and joins can be done
//! there; then the nearest; then the first in the configuration.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use datafusion_common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion_expr::LogicalPlan;

use crate::catalog::{Catalog, EngineKind, Placement, Table};
use crate::context::QueryContext;
use crate::error::Result;
use crate::source::{CatalogTable, PassthroughQuery};

/// A scan of rows that are at several placements.
struct Choice {
    /// Its alias: no other scan of the plan has it.
    scan: String,
    table: Arc<Table>,
    replicas: Vec<Placement>,
}

/// Puts the chosen placement under every scan.
pub(crate) fn choose(plan: LogicalPlan, catalog: &Catalog, ctx: &QueryContext) -> Result<LogicalPlan> {
    let (choices, fixed) = read(&plan, catalog)?;
    if choices.is_empty() {
        return Ok(plan);
    }
    let chosen = Chooser { catalog, ctx, used: fixed }.decide(choices);
    let plan = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        Ok(match chosen.get(scan.table_name.table()) {
            Some(source) => {
                scan.source = source.clone();
                Transformed::yes(LogicalPlan::TableScan(scan))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    })?;
    Ok(plan.data)
}

/// What is to be chosen, and the sources that take part whatever is chosen.
fn read(plan: &LogicalPlan, catalog: &Catalog) -> Result<(Vec<Choice>, BTreeSet<SourceId>)> {
    let (mut choices, mut fixed) = (Vec::<Choice>::new(), BTreeSet::new());
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(TreeNodeRecursion::Continue) };
        if let Some(query) = scan.source.downcast_ref::<PassthroughQuery>() {
            fixed.insert(query.source.clone());
        }
        if let Some(CatalogTable { table, placement, .. }) = scan.source.downcast_ref::<CatalogTable>() {
            let whole = catalog.schemas.get(&table.schema).and_then(|tables| tables.get(&table.name));
            let replicas = whole.into_iter().flat_map(|t| t.replicas(placement.replica_group).cloned());
            let replicas: Vec<Placement> = replicas.collect();
            let name = scan.table_name.table();
            if replicas.len() < 2 {
                fixed.insert(placement.source.clone());
            } else if !choices.iter().any(|c| c.scan == name) {
                choices.push(Choice { scan: name.to_string(), table: table.clone(), replicas });
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let remote = |id: &SourceId| catalog.sources.get(id).is_some_and(|s| s.kind != EngineKind::System);
    fixed.retain(remote);
    Ok((choices, fixed))
}

struct Chooser<'a> {
    catalog: &'a Catalog,
    ctx: &'a QueryContext,
    /// Sources that take part.
    used: BTreeSet<SourceId>,
}

impl Chooser<'_> {
    /// One scan after the other, always the one that can be decided best.
    fn decide(mut self, mut choices: Vec<Choice>) -> BTreeMap<String, Arc<CatalogTable>> {
        let mut chosen = BTreeMap::new();
        while let Some((scan, replica)) = self.best(&choices) {
            let choice = choices.remove(scan);
            let placement = choice.replicas[replica].clone();
            self.used.insert(placement.source.clone());
            chosen.insert(choice.scan, Arc::new(CatalogTable::new(choice.table, placement)));
        }
        chosen
    }

    /// Positions of a scan and of the placement for it.
    fn best(&self, choices: &[Choice]) -> Option<(usize, usize)> {
        let used_sites: BTreeSet<&SiteId> = self.used.iter().filter_map(|id| self.site(id)).collect();
        let holds = |c: &&Choice, found: &dyn Fn(&SourceId) -> bool| c.replicas.iter().any(|p| found(&p.source));
        let candidates = choices.iter().enumerate().flat_map(|(scan, choice)| {
            choice.replicas.iter().enumerate().map(move |(replica, placement)| (scan, replica, &placement.source))
        });
        candidates
            .map(|(scan, replica, source)| {
                let site = self.site(source);
                let same_site = |other: &SourceId| self.site(other) == site;
                let at_site = choices.iter().filter(|c| holds(c, &same_site)).count();
                let at_source = choices.iter().filter(|c| holds(c, &|other| other == source)).count();
                let new_site = !site.is_some_and(|site| used_sites.contains(site));
                let new_source = !self.used.contains(source);
                let rank =
                    (self.doubts(source), new_site, new_source, Reverse(at_site), Reverse(at_source), self.far(source));
                (rank, replica, scan)
            })
            .min()
            .map(|(_, replica, scan)| (scan, replica))
    }

    /// 0 if nothing speaks against a source.
    fn doubts(&self, source: &SourceId) -> u8 {
        let unknown = self.catalog.unavailable.contains_key(source) || !self.catalog.sources.contains_key(source);
        2 * u8::from(self.ctx.avoid.contains(source)) + u8::from(unknown)
    }

    fn site(&self, source: &SourceId) -> Option<&SiteId> {
        self.catalog.sources.get(source).map(|s| &s.site)
    }

    /// Round-trip time from here in nanoseconds.
    fn far(&self, source: &SourceId) -> u64 {
        let network = &self.catalog.network;
        // Rows come from there. What is inside the gateway's process is at home.
        let link = self.site(source).and_then(|site| network.links.link(network.position(site), network.home));
        link.map_or(u64::MAX, |link| (link.rtt * 1e9) as u64)
    }
}
