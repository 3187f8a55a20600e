//! Changes by name become changes by number, and happen.

use std::io;
use std::time::Duration;

use super::{Network, Signal};
use crate::wan::change::{Change, Fault};
use crate::wan::flow::FlowId;
use crate::wan::rate::Rate;

/// A [`Change`] whose names have been looked up.
#[derive(Clone, Copy, Debug)]
pub(in crate::wan) enum Command {
    Rate(usize, Rate),
    Delay(usize, Duration),
    Egress(usize, Rate),
    Ingress(usize, Rate),
    /// The links between two sites: one for each way.
    Fault([usize; 2], Fault),
}

impl Network {
    fn site(&self, name: &str) -> io::Result<usize> {
        self.sites
            .iter()
            .position(|s| s.name == name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no site {name} in this network")))
    }

    /// The directed link between two sites.
    pub(in crate::wan) fn link(&self, from: &str, to: &str) -> io::Result<usize> {
        let ends = (self.site(from)?, self.site(to)?);
        self.links.iter().position(|l| (l.from, l.to) == ends).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no link from {from} to {to} in this network"))
        })
    }

    pub(in crate::wan) fn ends(&self, link: usize) -> (usize, usize) {
        (self.links[link].from, self.links[link].to)
    }

    pub(in crate::wan) fn command(&self, change: &Change) -> io::Result<Command> {
        Ok(match change {
            Change::Rate { from, to, rate } => Command::Rate(self.link(from, to)?, *rate),
            Change::Delay { from, to, delay } => Command::Delay(self.link(from, to)?, *delay),
            Change::Egress { site, rate } => Command::Egress(self.site(site)?, *rate),
            Change::Ingress { site, rate } => Command::Ingress(self.site(site)?, *rate),
            Change::Fault { between: (a, b), fault } => Command::Fault([self.link(a, b)?, self.link(b, a)?], *fault),
        })
    }

    pub(super) fn execute(&mut self, command: Command, now: Duration, signals: &mut Vec<Signal>) {
        match command {
            Command::Rate(link, rate) => self.links[link].bucket.set_rate(rate, now),
            Command::Delay(link, delay) => self.links[link].delay = delay,
            Command::Egress(site, rate) => self.sites[site].egress.set_rate(rate, now),
            Command::Ingress(site, rate) => self.sites[site].ingress.set_rate(rate, now),
            Command::Fault(links, fault) => {
                for link in links {
                    self.fault(link, fault, now, signals);
                }
            }
        }
    }

    fn fault(&mut self, link: usize, fault: Fault, now: Duration, signals: &mut Vec<Signal>) {
        let (from, to) = self.ends(link);
        match fault {
            Fault::Cut | Fault::Reset => {
                let dialled = self.flows.iter().filter(|(id, flow)| id.forward && flow.link == link);
                signals.extend(dialled.map(|(id, _)| Signal::Broken(id.connection, fault)));
                if fault == Fault::Cut {
                    self.links[link].refused = true;
                    signals.push(Signal::Accept(from, to, false));
                }
            }
            Fault::BlackHole => self.links[link].held = true,
            Fault::Mend => {
                if std::mem::take(&mut self.links[link].refused) {
                    signals.push(Signal::Accept(from, to, true));
                }
                if std::mem::take(&mut self.links[link].held) {
                    self.release(link, now, signals);
                }
            }
        }
    }

    /// What a black hole held arrives at once, as if sent again; nothing else makes up for the time.
    fn release(&mut self, link: usize, now: Duration, signals: &mut Vec<Signal>) {
        self.links[link].bucket.resume(now);
        let flows = self.flows.iter_mut().filter(|(_, flow)| flow.link == link);
        signals
            .extend(flows.filter_map(|(id, flow)| flow.arrive_late(now).then_some(Signal::Arrived(FlowId { ..*id }))));
    }
}
