//! The paths between the sites, from what the configuration says, what heartbeats measured, and what has to be assumed: the
//! network that plans are made for, and the addresses by which sites reach each other.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use connectors::remote::RemoteSite;
use connectors::step::Peer;
use cost_model::{Link, Links, SiteId};
use planner::search::network::Network;
use planner::search::sets::{MAX_SITES, single};

use super::sources::Connectors;
use crate::config::{Config, LinkConfig};

/// Bytes a second of a link that nothing is known of: 100 Mbit/s.
const ASSUMED_BANDWIDTH: f64 = 100e6 / 8.0;
/// Seconds.
const ASSUMED_RTT: f64 = 0.05;

/// A site as plans see it: the gateway's own, or one elsewhere. What else is inside the gateway is at its own.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: SiteId,
    pub home: bool,
    /// It is connected and computes what the gateway computes.
    computes: bool,
    /// Of the last heartbeat.
    round_trip: Option<Duration>,
    /// The same for sites that ask the same of whoever connects: each knows its own token only.
    entry: usize,
}

/// Where a path's numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Configured,
    /// The round trip is; the bandwidth is assumed.
    Measured,
    Assumed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured => "configured",
            Self::Measured => "measured",
            Self::Assumed => "assumed",
        })
    }
}

/// One direction between two nodes, by their position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    pub from: usize,
    pub to: usize,
    /// Without bandwidth: nothing may be sent.
    pub link: Link,
    pub origin: Origin,
}

/// In the order of the configuration; a gateway's own site that is not configured comes first.
pub fn nodes(connectors: &Connectors) -> Vec<Node> {
    let own = || Node { name: connectors.home.clone(), home: true, computes: true, round_trip: None, entry: 0 };
    let remotes = || connectors.sites.iter().filter_map(|site| site.remote.as_ref());
    let elsewhere = |name: &SiteId, remote: &RemoteSite| Node {
        name: name.clone(),
        home: false,
        computes: remote.computes(),
        round_trip: remote.round_trip(),
        entry: remotes().position(|other| remote.options().asks_the_same(other.options())).unwrap_or_default(),
    };
    let configured = connectors.sites.iter().filter_map(|site| match &site.remote {
        Some(remote) => Some(elsewhere(&site.name, remote)),
        None => (site.name == connectors.home).then(own),
    });
    let configured: Vec<Node> = configured.collect();
    match configured.iter().any(|n| n.home) {
        true => configured,
        false => std::iter::once(own()).chain(configured).collect(),
    }
}

/// The paths between all of them.
pub fn paths(nodes: &[Node], links: &[LinkConfig]) -> Vec<Path> {
    let pairs = (0..nodes.len()).flat_map(|from| (0..nodes.len()).map(move |to| (from, to)));
    pairs.filter(|(from, to)| from != to).map(|(from, to)| path(nodes, links, from, to)).collect()
}

fn path(nodes: &[Node], links: &[LinkConfig], from: usize, to: usize) -> Path {
    let (a, b) = (&nodes[from], &nodes[to]);
    let trips = [a, b].map(|n| n.round_trip.map(rounded));
    let measured = if a.home || b.home { trips.into_iter().flatten().next() } else { None };
    // Between two sites elsewhere the way is taken to be no longer than the longer one to the gateway.
    let longer = || Some(f64::max(trips[0]?, trips[1]?));
    let rtt = measured.or_else(longer).unwrap_or(ASSUMED_RTT);
    let configured = links.iter().find(|l| a.name.as_str() == l.from && b.name.as_str() == l.to);
    Path {
        from,
        to,
        link: Link {
            bandwidth: configured.and_then(|l| l.bandwidth).unwrap_or(ASSUMED_BANDWIDTH),
            rtt: configured.and_then(|l| l.rtt).map_or(rtt, |rtt| rtt.as_secs_f64()),
            price_per_gb: configured.map_or(0.0, |l| l.price_per_gb),
        },
        origin: match (configured, measured) {
            (Some(_), _) => Origin::Configured,
            (None, Some(_)) => Origin::Measured,
            (None, None) => Origin::Assumed,
        },
    }
}

/// In seconds. Round trips are never twice the same, and a plan need not change with every one.
fn rounded(rtt: Duration) -> f64 {
    let ms = rtt.as_secs_f64() * 1e3;
    let step = if ms >= 25.0 {
        5.0
    } else if ms >= 5.0 {
        1.0
    } else {
        0.2
    };
    (ms / step).round().max(1.0) * step / 1e3
}

/// What plans are made for. No site fetches rows from the gateway, nor from a site that it cannot show what that one asks for:
/// there is no link.
pub fn network(nodes: &[Node], links: &[LinkConfig]) -> Network {
    let home = nodes.iter().position(|n| n.home).unwrap_or_default();
    let mut matrix = Links::new(nodes.iter().map(|n| n.name.clone()).collect());
    let knows = |p: &Path| nodes[p.from].entry == nodes[p.to].entry;
    for path in paths(nodes, links).into_iter().filter(|p| p.from != home && (p.to == home || knows(p))) {
        matrix.set(path.from, path.to, path.link);
    }
    let computes = nodes.iter().take(MAX_SITES).enumerate().filter(|(_, n)| n.computes);
    Network { links: matrix, computes: computes.fold(0, |all, (i, _)| all | single(i)), home }
}

/// How each site elsewhere (the first) is reached by each other one (the second).
pub fn peers(connectors: &Connectors) -> HashMap<(SiteId, SiteId), Peer> {
    let nodes = nodes(connectors);
    let network = network(&nodes, &connectors.links);
    let fetches = |site: &SiteId| nodes.iter().any(|node| node.name == *site && node.computes);
    let peer = |((of, from), address): (&(SiteId, SiteId), &String)| {
        if !fetches(from) {
            return None;
        }
        let link = network.links.link(network.links.position(of)?, network.links.position(from)?)?;
        let peer = Peer { site: of.clone(), address: address.clone(), link: Some(link) };
        Some(((of.clone(), from.clone()), peer))
    };
    connectors.addresses.iter().filter_map(peer).collect()
}

/// By which address the second site's process reaches the first, for all that are elsewhere and may send to each other.
pub fn addresses(config: &Config) -> HashMap<(SiteId, SiteId), String> {
    let elsewhere = || config.sites.iter().filter_map(|s| Some((&s.name, &s.remote.as_ref()?.address)));
    let mut addresses = HashMap::new();
    for (of, address) in elsewhere() {
        for (from, _) in elsewhere().filter(|(from, _)| *from != of) {
            let link = config.links.iter().find(|l| l.from == *of && l.to == *from);
            if link.is_none_or(|l| l.bandwidth != Some(0.0)) {
                let address = link.and_then(|l| l.address.as_ref()).unwrap_or(address);
                addresses.insert((SiteId::new(of), SiteId::new(from)), address.clone());
            }
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, round_trip: Option<u64>) -> Node {
        Node {
            name: name.into(),
            home: name == "local",
            computes: name != "old",
            round_trip: round_trip.map(Duration::from_micros),
            entry: usize::from(name == "other"),
        }
    }

    fn link(from: &str, to: &str) -> LinkConfig {
        LinkConfig { from: from.into(), to: to.into(), bandwidth: None, rtt: None, price_per_gb: 0.0, address: None }
    }

    #[test]
    fn what_is_not_configured_is_measured_or_assumed() {
        let nodes = [node("local", None), node("eu", Some(12_300)), node("us", Some(91_000)), node("old", None)];
        let links = [LinkConfig { bandwidth: Some(1e6), ..link("us", "eu") }];
        let path = |from, to| {
            let all = paths(&nodes, &links);
            let path = all.iter().find(|p| (p.from, p.to) == (from, to)).unwrap();
            (path.link.bandwidth, (path.link.rtt * 1e4).round() / 10.0, path.origin)
        };
        assert_eq!(path(1, 0), (ASSUMED_BANDWIDTH, 12.0, Origin::Measured));
        assert_eq!(path(0, 2), (ASSUMED_BANDWIDTH, 90.0, Origin::Measured));
        assert_eq!(path(1, 2), (ASSUMED_BANDWIDTH, 90.0, Origin::Assumed));
        assert_eq!(path(2, 1), (1e6, 90.0, Origin::Configured));
        assert_eq!(path(3, 1), (ASSUMED_BANDWIDTH, 50.0, Origin::Assumed));
        assert_eq!(paths(&nodes, &links).len(), 12);
    }

    #[test]
    fn no_rows_go_from_the_gateway_nor_where_it_is_forbidden() {
        let nodes = [node("eu", None), node("local", None), node("old", None)];
        let links = [LinkConfig { bandwidth: Some(0.0), ..link("eu", "old") }, link("local", "eu")];
        let network = network(&nodes, &links);
        assert_eq!((network.home, network.computes), (1, 0b011));
        let linked =
            |from: &str, to: &str| network.links.link(network.position(&from.into()), network.position(&to.into()));
        assert!(linked("local", "eu").is_none() && linked("eu", "local").is_some());
        assert!(linked("eu", "old").is_none() && linked("old", "eu").is_some());
        let nodes = [node("eu", None), node("local", None), node("other", None)];
        let network = super::network(&nodes, &[]);
        assert!(network.links.link(0, 2).is_none() && network.links.link(2, 1).is_some(), "another token");
        assert_eq!(network.position(&"another inside the gateway".into()), 1);
    }

    #[test]
    fn small_changes_of_a_round_trip_are_none() {
        let ms = |ms: f64| (rounded(Duration::from_secs_f64(ms / 1e3)) * 1e4).round() / 10.0;
        assert_eq!([ms(0.04), ms(0.31), ms(7.4), ms(83.0), ms(86.9)], [0.2, 0.4, 7.0, 85.0, 85.0]);
    }
}
