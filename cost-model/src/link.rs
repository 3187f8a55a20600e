//! What lies between the sites: the directed matrix of links.
//!
//! A link's numbers are what a transfer may expect, whoever says so: configuration on the first day, forecasts later. A site to
//! itself costs nothing, and where there is no link, nothing can be sent.

use crate::ids::SiteId;

/// The network path from one site to another, in one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Bytes a second that one query's transfers achieve together.
    pub bandwidth: f64,
    /// Seconds from a request to the first byte of its answer.
    pub rtt: f64,
    /// What 10⁹ bytes cost, in whatever currency the operator counts.
    pub price_per_gb: f64,
}

impl Link {
    /// From a site to itself.
    pub const LOCAL: Self = Self { bandwidth: f64::INFINITY, rtt: 0.0, price_per_gb: 0.0 };
}

/// All links between a number of sites, which are called by their position here.
#[derive(Clone, Debug, PartialEq)]
pub struct Links {
    sites: Vec<SiteId>,
    /// Row by row: all links from the first site, then all from the second.
    links: Vec<Option<Link>>,
    egress: Vec<f64>,
    ingress: Vec<f64>,
}

impl Links {
    /// Sites without any link between them.
    pub fn new(sites: Vec<SiteId>) -> Self {
        let n = sites.len();
        let links = (0..n * n).map(|i| (i / n == i % n).then_some(Link::LOCAL)).collect();
        Self { sites, links, egress: vec![f64::INFINITY; n], ingress: vec![f64::INFINITY; n] }
    }

    pub fn sites(&self) -> &[SiteId] {
        &self.sites
    }

    pub fn position(&self, site: &SiteId) -> Option<usize> {
        self.sites.iter().position(|s| s == site)
    }

    /// `None`: nothing gets from one to the other.
    pub fn link(&self, from: usize, to: usize) -> Option<Link> {
        self.links[from * self.sites.len() + to]
    }

    /// A site's link to itself stays what it is. A link without bandwidth is none.
    pub fn set(&mut self, from: usize, to: usize, link: Link) {
        if from != to {
            self.links[from * self.sites.len() + to] = (link.bandwidth > 0.0).then_some(link);
        }
    }

    /// Bytes a second that all links from a site carry together; infinite unless set.
    pub fn egress(&self, site: usize) -> f64 {
        self.egress[site]
    }

    pub fn ingress(&self, site: usize) -> f64 {
        self.ingress[site]
    }

    pub fn limit_site(&mut self, site: usize, egress: f64, ingress: f64) {
        self.egress[site] = egress;
        self.ingress[site] = ingress;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_set_connects_two_sites() {
        let mut links = Links::new(vec!["eu".into(), "us".into()]);
        let link = Link { bandwidth: 1e6, rtt: 0.1, price_per_gb: 0.02 };
        links.set(0, 1, link);
        links.set(1, 1, link);
        links.set(1, 0, Link { bandwidth: 0.0, ..link });
        assert_eq!(links.link(0, 1), Some(link));
        assert_eq!(links.link(1, 0), None);
        assert_eq!(links.link(1, 1), Some(Link::LOCAL));
        assert_eq!(links.position(&"us".into()), Some(1));
    }
}
