//! Where that is done what no source can do for itself: at a site, over relations that it has or fetches, or in the gateway.
//!
//! Inner joins of several relations are placed by the search ([`super::order`]); here is the choice for all other nodes, one at a
//! time from the bottom up: the site at which the node's result is at home the soonest.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cost_model::analytic::Constants;
use cost_model::{SiteId, SourceId};
use datafusion_expr::LogicalPlan;

use super::{Cutter, Part, Remote, has_subquery, same_source};
use crate::catalog::{Catalog, EngineKind, Source};
use crate::context::{Placement, Pushdown, QueryContext};
use crate::emit::Refusal;
use crate::error::{Error, Result};
use crate::search::sets::{SiteSet, contains, members};
use crate::stats;

/// How sites are chosen.
pub(super) enum Choice {
    Cheapest,
    /// The state of a generator of numbers.
    Random(Cell<u64>),
}

impl Choice {
    pub fn of(ctx: &QueryContext) -> Self {
        match ctx.placement {
            Placement::Off | Placement::On => Self::Cheapest,
            Placement::Random(seed) => Self::Random(Cell::new(seed)),
        }
    }

    /// One of that many, if chance decides.
    pub fn random(&self, of: usize) -> Option<usize> {
        let Self::Random(state) = self else { return None };
        // SplitMix64 (Steele, Lea, Flood 2014).
        state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(((z ^ (z >> 31)) % of.max(1) as u64) as usize)
    }
}

/// The sources, and the compute of each site that may be used.
pub(super) fn with_computes(catalog: &Catalog, ctx: &QueryContext) -> BTreeMap<SourceId, Arc<Source>> {
    let mut sources = catalog.sources.clone();
    if ctx.pushdown == Pushdown::Full && ctx.placement != Placement::Off {
        let network = &catalog.network;
        for site in members(network.computes).filter(|s| *s != network.home) {
            let Some(site) = network.links.sites().get(site) else { continue };
            let id = SourceId::compute(site);
            if ctx.avoid.contains(&id) {
                continue;
            }
            let (site, kind) = (site.clone(), EngineKind::Site);
            let source =
                Source { id: id.clone(), site, kind, version: String::new(), c_collation: true, snapshots: false };
            sources.insert(id, Arc::new(source));
        }
    }
    sources
}

/// Nodes that return less than they read, or let such a one follow.
fn may_shrink(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Filter(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Projection(_) => true,
        LogicalPlan::Sort(sort) => sort.fetch.is_some(),
        _ => false,
    }
}

/// Bytes of a plan's result.
pub(super) fn bytes(plan: &LogicalPlan) -> Option<f64> {
    Some(stats::estimate(plan)?.rows * stats::row_width(plan))
}

impl Cutter<'_> {
    pub(super) fn compute(&self, site: &SiteId) -> Option<Arc<Source>> {
        self.sources.get(&SourceId::compute(site)).cloned()
    }

    /// Where the part's rows are, in the network. What a process of ours has that is no site of its own is at home.
    pub(super) fn position(&self, part: &Part) -> usize {
        match part {
            Part::Remote(remote) => self.position_of(&remote.source.site),
            Part::Local(_) => self.network.home,
        }
    }

    pub(super) fn position_of(&self, site: &SiteId) -> usize {
        self.network.links.position(site).unwrap_or(self.network.home)
    }

    /// The site at which the node is done that its parts' sources cannot do; `None`: in the gateway.
    pub(super) fn site_for(&self, node: &LogicalPlan, parts: &[Part]) -> Option<SiteId> {
        if self.pushdown != Pushdown::Full || node.expressions().iter().any(has_subquery) {
            return None;
        }
        let remotes: Vec<&Remote> = parts.iter().map(|p| p.remote()).collect::<Option<_>>()?;
        match remotes.as_slice() {
            [] => None,
            [one] => {
                let site = &one.source.site;
                let useful = !one.source.id.is_compute() && may_shrink(node) && self.compute(site).is_some();
                let taken = self.placement.random(2).is_none_or(|coin| coin == 0);
                (useful && taken).then(|| site.clone())
            }
            [first, ..] if first.source.id.is_compute() && same_source(parts).is_some() => None,
            _ => self.soonest(node, &remotes),
        }
    }

    fn soonest(&self, node: &LogicalPlan, remotes: &[&Remote]) -> Option<SiteId> {
        let home = self.network.home;
        let reaches = |site: usize| remotes.iter().all(|r| self.link_seconds(r, site, 0.0).is_some());
        let sites: BTreeSet<&SiteId> = remotes.iter().map(|r| &r.source.site).collect();
        let allowed =
            remotes.iter().filter_map(|r| self.residency.allowed_sites(&r.plan)).fold(SiteSet::MAX, |a, b| a & b);
        let usable = |s: &&SiteId| {
            let at = self.position_of(s);
            self.compute(s).is_some() && reaches(at) && contains(allowed, at)
        };
        let sites: Vec<&SiteId> = sites.into_iter().filter(usable).collect();
        if let Some(chosen) = self.placement.random(sites.len() + 1) {
            return sites.get(chosen).map(|s| (*s).clone());
        }
        let sizes: Option<Vec<f64>> = remotes.iter().map(|r| self.bytes(r)).collect();
        let (Some(sizes), Some(result)) = (sizes, bytes(node)) else {
            // Nothing is known of the sizes: where all of it is already, none of it moves.
            return sites.into_iter().find(|s| remotes.iter().all(|r| r.source.site == **s)).cloned();
        };
        let result = self.result_bytes.map_or(result, |less| less.min(result));
        let ready = |site: usize| {
            let moves = remotes.iter().zip(&sizes).map(|(r, size)| self.link_seconds(r, site, *size));
            moves.collect::<Option<Vec<f64>>>().map(|all| all.into_iter().fold(0.0, f64::max))
        };
        let at_home = ready(home).filter(|_| contains(allowed, home)).unwrap_or(f64::INFINITY);
        let total = |site: &SiteId| {
            let site = self.position_of(site);
            let back = self.network.links.link(site, home).map(|l| Constants::default().transfer(&l).seconds(result));
            ready(site).zip(back).map(|(moves, back)| moves + back)
        };
        let best = sites.into_iter().filter_map(|s| Some((total(s)?, s))).min_by(|a, b| a.0.total_cmp(&b.0))?;
        // What comes next may shrink it there.
        (best.0 <= at_home * 1.001).then(|| best.1.clone())
    }

    fn link_seconds(&self, remote: &Remote, to: usize, bytes: f64) -> Option<f64> {
        let link = self.network.links.link(self.position_of(&remote.source.site), to)?;
        Some(Constants::default().transfer(&link).seconds(bytes))
    }

    pub(super) fn moved_all(&mut self, parts: Vec<Part>, site: &SiteId) -> Result<Vec<Part>> {
        parts.into_iter().map(|part| self.moved(part, site)).collect()
    }

    /// The part as the site's compute has it. What cannot be had there is left to the gateway.
    pub(super) fn moved(&mut self, part: Part, site: &SiteId) -> Result<Part> {
        let source = self.compute(site).ok_or_else(|| Error::internal(format!("site {site} computes nothing")))?;
        match part {
            Part::Remote(remote) if remote.source.id == source.id => Ok(Part::Remote(remote)),
            Part::Local(plan) => Ok(Part::Local(plan)),
            part => {
                let plan = self.localise(part)?;
                match self.emitter(&source)?.block(&plan, &Default::default()) {
                    Ok(block) => Ok(Part::Remote(Box::new(Remote { source, block, plan, moved: true }))),
                    Err(Refusal(why)) => {
                        self.refuse(&source, &plan, &why);
                        Ok(Part::Local(plan))
                    }
                }
            }
        }
    }
}
