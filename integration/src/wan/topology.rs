//! Which sites there are, and what lies between them.

use std::io;
use std::time::Duration;

use super::Wan;
use super::rate::Rate;
use super::window::Tcp;

#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) egress: Rate,
    pub(super) ingress: Rate,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) rate: Rate,
    pub(super) delay: Duration,
}

/// A network in the making. A site exists once it is named.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    pub(super) sites: Vec<Site>,
    pub(super) links: Vec<Link>,
    pub(super) tcp: Tcp,
}

impl Topology {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every two of these sites, with the same rate each way and the same round-trip time.
    #[must_use]
    pub fn mesh(mut self, sites: &[&str], rate: Rate, round_trip: Duration) -> Self {
        for (i, a) in sites.iter().enumerate() {
            for b in &sites[i + 1..] {
                self = self.pair(a, b, rate, round_trip);
            }
        }
        self
    }

    /// Links both ways, each with half of the round-trip time.
    #[must_use]
    pub fn pair(self, a: &str, b: &str, rate: Rate, round_trip: Duration) -> Self {
        self.link(a, b, rate, round_trip / 2).link(b, a, rate, round_trip / 2)
    }

    /// One directed link; replaces what was said of it before.
    #[must_use]
    pub fn link(mut self, from: &str, to: &str, rate: Rate, delay: Duration) -> Self {
        let link = Link { from: self.site(from), to: self.site(to), rate, delay };
        match self.links.iter_mut().find(|l| (l.from, l.to) == (link.from, link.to)) {
            Some(known) => *known = link,
            None => self.links.push(link),
        }
        self
    }

    /// What all links from a site carry together.
    #[must_use]
    pub fn egress(mut self, site: &str, rate: Rate) -> Self {
        let site = self.site(site);
        self.sites[site].egress = rate;
        self
    }

    /// What all links to a site carry together.
    #[must_use]
    pub fn ingress(mut self, site: &str, rate: Rate) -> Self {
        let site = self.site(site);
        self.sites[site].ingress = rate;
        self
    }

    #[must_use]
    pub fn tcp(mut self, tcp: Tcp) -> Self {
        self.tcp = tcp;
        self
    }

    pub fn start(&self) -> io::Result<Wan> {
        Wan::start(self)
    }

    fn site(&mut self, name: &str) -> usize {
        self.sites.iter().position(|s| s.name == name).unwrap_or_else(|| {
            self.sites.push(Site { name: name.into(), egress: Rate::UNLIMITED, ingress: Rate::UNLIMITED });
            self.sites.len() - 1
        })
    }
}
