//! The sites as the search sees them: who can join, where the answer must be, and the cheapest way between any two.

use cost_model::analytic::{Constants, Transfer};
use cost_model::{Links, SiteId};

use super::sets::{MAX_SITES, SiteSet, contains};

#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// At most [`MAX_SITES`] sites.
    pub links: Links,
    /// Sites with a process of ours: they can join and filter. The gateway's own is always one.
    pub computes: SiteSet,
    /// The gateway's site, where the answer must be.
    pub home: usize,
}

/// The gateway alone.
impl Default for Network {
    fn default() -> Self {
        Self { links: Links::new(vec!["local".into()]), computes: 1, home: 0 }
    }
}

impl Network {
    /// Where a site is in it. All that it does not list are inside the gateway.
    pub fn position(&self, site: &SiteId) -> usize {
        self.links.position(site).unwrap_or(self.home)
    }
}

/// A way from one site to another, directly or over a third. Over a third, bytes flow through without a stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Route {
    pub via: Option<usize>,
    pub rtt_seconds: f64,
    /// With its price in seconds.
    pub cost_per_byte: f64,
}

impl Route {
    #[inline(always)]
    pub fn cost(&self, bytes: f64) -> f64 {
        self.rtt_seconds + bytes * self.cost_per_byte
    }
}

pub(super) struct Routes {
    sites: usize,
    /// Where each pair's routes begin in `routes`; row by row, with the end behind the last.
    starts: Vec<u32>,
    routes: Vec<Route>,
}

impl Routes {
    /// `price_weight`: seconds that one unit of price is worth.
    pub fn new(links: &Links, constants: &Constants, price_weight: f64, relay: bool) -> Self {
        let sites = links.sites().len().min(MAX_SITES);
        let hop = |from, to| links.link(from, to).map(|l| constants.transfer(&l));
        let mut starts = vec![0];
        let mut routes: Vec<Route> = Vec::new();
        for (from, to) in (0..sites * sites).map(|i| (i / sites, i % sites)) {
            let begin = routes.len();
            let direct = hop(from, to).map(|t| route(None, &[t], price_weight));
            routes.extend(direct);
            let others = (0..sites).filter(|via| relay && from != to && *via != from && *via != to);
            for via in others {
                let (Some(one), Some(two)) = (hop(from, via), hop(via, to)) else { continue };
                let relayed = route(Some(via), &[one, two], price_weight);
                let no_better =
                    |r: &Route| r.rtt_seconds <= relayed.rtt_seconds && r.cost_per_byte <= relayed.cost_per_byte;
                // Kept whether or not it is forbidden to some: only the direct way is open to all.
                if !direct.as_ref().is_some_and(no_better) {
                    routes.push(relayed);
                }
            }
            debug_assert!(from != to || routes.len() == begin + 1);
            starts.push(routes.len() as u32);
        }
        Self { sites, starts, routes }
    }

    pub fn sites(&self) -> usize {
        self.sites
    }

    /// The cheapest way for that many bytes that may be at these sites only. The ends are the caller's to check.
    #[inline(always)]
    pub fn cheapest(&self, from: usize, to: usize, bytes: f64, allowed: SiteSet) -> Option<(f64, Route)> {
        let at = from * self.sites + to;
        let mut best: Option<(f64, Route)> = None;
        for route in &self.routes[self.starts[at] as usize..self.starts[at + 1] as usize] {
            let cost = route.cost(bytes);
            if best.is_none_or(|(b, _)| cost < b) && route.via.is_none_or(|via| contains(allowed, via)) {
                best = Some((cost, *route));
            }
        }
        best
    }

    #[inline(always)]
    pub fn cost(&self, from: usize, to: usize, bytes: f64, allowed: SiteSet) -> f64 {
        self.cheapest(from, to, bytes, allowed).map_or(f64::INFINITY, |(cost, _)| cost)
    }
}

fn route(via: Option<usize>, hops: &[Transfer], price_weight: f64) -> Route {
    let slowest = hops.iter().map(|h| h.seconds_per_byte).fold(0.0, f64::max);
    let price: f64 = hops.iter().map(|h| h.price_per_byte).sum();
    Route { via, rtt_seconds: hops.iter().map(|h| h.rtt_seconds).sum(), cost_per_byte: slowest + price * price_weight }
}
