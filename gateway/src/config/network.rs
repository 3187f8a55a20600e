//! What lies between the sites, and what may not pass there: `[[link]]` and `[[residency]]`, checked.

use std::collections::HashSet;
use std::time::Duration;

use super::load::{Located, nearest};
use super::model::{LeaveName, Link, Residency};
use super::validate::{Checker, SiteConfig, SourceConfig, is_address};

/// The gateway's own site, if no site without an address is configured.
const LOCAL: &str = "local";

/// One direction between two sites. Sites inside the gateway are all called by the name of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    pub from: String,
    pub to: String,
    /// Bytes a second; `None`: not known. Zero: nothing may be sent.
    pub bandwidth: Option<f64>,
    pub rtt: Option<Duration>,
    pub price_per_gb: f64,
    /// By which a process at `to` reaches `from`, if not by that site's own address.
    pub address: Option<String>,
}

/// A rule as it was written; the names of its table and columns are looked up when its source has told what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidencyConfig {
    pub source: String,
    pub table: String,
    pub columns: Option<Vec<String>>,
    pub leave: LeaveName,
}

impl Checker {
    /// The name of the gateway's own site: of the first that has no address.
    pub(super) fn home(
        &mut self,
        sites: &[SiteConfig],
        links: &[Located<Link>],
        rules: &[Located<Residency>],
    ) -> String {
        if let Some(embedded) = sites.iter().find(|s| s.remote.is_none()) {
            return embedded.name.clone();
        }
        let users = links.first().map(|l| l.line).or_else(|| rules.first().map(|r| r.line));
        if let Some(line) = users.filter(|_| sites.iter().any(|s| s.name == LOCAL)) {
            let message =
                "site \"local\" is elsewhere: give the gateway's own site a name by a [[site]] without address";
            self.problem(line, message);
        }
        LOCAL.to_string()
    }

    pub(super) fn links(&mut self, links: &[Located<Link>], sites: &[SiteConfig], home: &str) -> Vec<LinkConfig> {
        let mut seen = HashSet::new();
        let mut out = Vec::new();
        for link in links {
            let what = format!("link from \"{}\" to \"{}\"", link.from, link.to);
            let ends = [&link.from, &link.to].map(|name| self.end(link.line, &what, name, sites, home));
            let [Some(from), Some(to)] = ends else { continue };
            if from == to {
                let why =
                    if link.from == link.to { "a site needs no link to itself" } else { "both are inside the gateway" };
                self.problem(link.line, format!("{what}: {why}"));
                continue;
            }
            if link.mbit.is_some_and(|mbit| !(0.0..f64::INFINITY).contains(&mbit)) {
                self.problem(link.line, format!("{what}: mbit must be a number from 0 on"));
            }
            if !(0.0..f64::INFINITY).contains(&link.price_per_gb) {
                self.problem(link.line, format!("{what}: price_per_gb must be a number from 0 on"));
            }
            match &link.address {
                Some(_) if from == home || to == home => {
                    let why =
                        "the gateway reaches a site by the address of its [[site]], and no site reaches the gateway";
                    self.problem(link.line, format!("{what} has an address: {why}"));
                }
                Some(address) if !is_address(address) => {
                    self.problem(link.line, format!("{what}: address = \"{address}\" is not a host and a port"));
                }
                _ => {}
            }
            let there = LinkConfig {
                from: from.clone(),
                to: to.clone(),
                bandwidth: if link.blocked { Some(0.0) } else { link.mbit.map(|mbit| mbit * 1e6 / 8.0) },
                rtt: link.rtt.map(|rtt| rtt.0),
                price_per_gb: link.price_per_gb,
                address: link.address.clone(),
            };
            let back = LinkConfig { from: to, to: from, address: None, ..there.clone() };
            for direction in [there].into_iter().chain(link.both.then_some(back)) {
                if !seen.insert((direction.from.clone(), direction.to.clone())) {
                    let message = format!("there are two links from \"{}\" to \"{}\"", direction.from, direction.to);
                    self.problem(link.line, message);
                }
                out.push(direction);
            }
        }
        out
    }

    /// An end of a link: the gateway's own site for all that are inside it.
    fn end(&mut self, line: usize, what: &str, name: &str, sites: &[SiteConfig], home: &str) -> Option<String> {
        match sites.iter().find(|s| s.name == name) {
            Some(site) if site.remote.is_some() => Some(name.to_string()),
            Some(_) => Some(home.to_string()),
            None if name == home => Some(home.to_string()),
            None => {
                self.no_site(line, what, name, sites, home);
                None
            }
        }
    }

    fn no_site(&mut self, line: usize, what: &str, name: &str, sites: &[SiteConfig], home: &str) {
        let hint = nearest(name, sites.iter().map(|s| s.name.as_str()).chain([home]));
        self.problem(line, format!("{what}: there is no [[site]] \"{name}\"{hint}"));
    }

    pub(super) fn residency(
        &mut self,
        rules: Vec<Located<Residency>>,
        sources: &[SourceConfig],
        sites: &[SiteConfig],
        home: &str,
    ) -> Vec<ResidencyConfig> {
        // Sources that are not known yet may turn up at sites elsewhere.
        let all_known = sites.iter().all(|s| s.remote.is_none());
        for rule in &rules {
            let what = format!("residency of \"{}\" at source \"{}\"", rule.table, rule.source);
            if all_known && !sources.iter().any(|s| s.name == rule.source) {
                let hint = nearest(&rule.source, sources.iter().map(|s| s.name.as_str()));
                self.problem(rule.line, format!("{what}: there is no such [[source]]{hint}"));
            }
            if rule.columns.as_ref().is_some_and(Vec::is_empty) {
                self.problem(rule.line, format!("{what}: columns is empty; leave it out to mean all columns"));
            }
            if let LeaveName::Sites(allowed) = &rule.leave {
                if allowed.is_empty() {
                    self.problem(rule.line, format!("{what}: leave lists no site; write \"never\""));
                }
                for site in allowed.iter().filter(|a| **a != home && !sites.iter().any(|s| s.name == **a)) {
                    self.no_site(rule.line, &what, site, sites, home);
                }
            }
        }
        let checked = |rule: Located<Residency>| {
            let Residency { source, table, columns, leave } = rule.value;
            ResidencyConfig { source, table, columns, leave }
        };
        rules.into_iter().map(checked).collect()
    }
}
