//! Rules about where values may be, and the check that no statement's result breaks one.
//!
//! Data protection is why people keep sites apart, so a rule is a hard constraint: what would break one is refused. Binder,
//! optimiser and cutter know nothing of rules. Whatever they made of a query, the columns that each fragment returns are traced
//! back to the columns of tables that their values come from ([`trace`]), and held against the rules. What cannot be traced counts
//! as everything that could be in it.
//!
//! Filtering by a value is not showing it: conditions, join conditions and orders that a source applies by itself are free.

mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;

use cost_model::{SiteId, SourceId};
use datafusion_expr::LogicalPlan;

use crate::catalog::{Catalog, Source};
use crate::error::{Error, Result, state};
use crate::search::network::Network;
use crate::search::sets::{SiteSet, single};
use trace::Origin;

/// How far values may go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leave {
    /// They stay at their site, and clients do not see them.
    Never,
    /// The same, but aggregates over them may leave.
    Aggregates,
    /// These sites, and their own. Clients see them if the gateway's site is among these.
    Sites(Vec<SiteId>),
}

/// What may leave, of one table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Names at the source.
    pub schema: String,
    pub table: String,
    /// `None`: all columns.
    pub columns: Option<Vec<String>>,
    pub leave: Leave,
}

/// All rules, by the source of their table. A column may have several: each holds.
pub type Rules = BTreeMap<SourceId, Vec<Rule>>;

/// The rules and what they are about.
#[derive(Clone, Copy)]
pub struct Residency<'a> {
    rules: &'a Rules,
    sources: &'a BTreeMap<SourceId, Arc<Source>>,
    network: &'a Network,
}

impl<'a> Residency<'a> {
    pub fn of(catalog: &'a Catalog) -> Self {
        Self { rules: &catalog.residency, sources: &catalog.sources, network: &catalog.network }
    }

    pub fn home(&self) -> usize {
        self.network.home
    }

    /// Whether these columns of a plan may be at a site, by its position: at the gateway's own, where clients see them, or with the
    /// compute of another. What an error of the plan could tell goes to the gateway.
    pub fn check(&self, plan: &LogicalPlan, columns: impl IntoIterator<Item = usize>, at: usize) -> Result<()> {
        if self.rules.is_empty() {
            return Ok(());
        }
        let trace = self.trace(plan);
        let shown = columns.into_iter().flat_map(|i| trace.column(i)).find(|o| !self.allows(o, at));
        let told = || trace.told.iter().find(|o| !self.allows(o, self.network.home));
        match shown.map(|o| (o, at)).or_else(|| told().map(|o| (o, self.network.home))) {
            None => Ok(()),
            Some((origin, at)) => Err(self.refusal(origin, at)),
        }
    }

    /// The same for the values of one column, on their way to a source as keys.
    pub fn allows_keys(&self, plan: &LogicalPlan, column: usize, to: &Source) -> bool {
        let at = self.network.position(&to.site);
        self.rules.is_empty() || self.trace(plan).column(column).iter().all(|o| self.allows(o, at))
    }

    /// The first of these columns that may be there: it stands for rows of which no column is wanted.
    pub fn harmless(&self, plan: &LogicalPlan, columns: usize, at: usize) -> Option<usize> {
        let trace = (!self.rules.is_empty()).then(|| self.trace(plan));
        let allowed = |i: &usize| trace.as_ref().is_none_or(|t| t.column(*i).iter().all(|o| self.allows(o, at)));
        (0..columns).find(allowed)
    }

    /// Sites that a plan's rows may be at, their own included; `None`: all. It says nothing of clients: at the gateway's own site
    /// there may be rows that they must not see.
    pub fn allowed_sites(&self, plan: &LogicalPlan) -> Option<SiteSet> {
        if self.rules.is_empty() {
            return None;
        }
        let trace = self.trace(plan);
        let origins = trace.columns.iter().flatten().filter(|o| !(o.aggregated && o.leave == Leave::Aggregates));
        origins.map(|o| self.sites(o)).reduce(|a, b| a & b)
    }

    fn sites(&self, origin: &Origin) -> SiteSet {
        let listed: &[SiteId] = if let Leave::Sites(sites) = &origin.leave { sites } else { &[] };
        let known = |site: &SiteId| Some(self.network.position(site)).filter(|p| *p < SiteSet::BITS as usize);
        listed.iter().chain(self.own_site(origin)).filter_map(known).fold(0, |all, site| all | single(site))
    }

    fn own_site(&self, origin: &Origin) -> Option<&SiteId> {
        self.sources.get(&origin.source).map(|s| &s.site)
    }

    fn allows(&self, origin: &Origin, at: usize) -> bool {
        let is_there = |site: &SiteId| self.network.position(site) == at;
        match &origin.leave {
            Leave::Aggregates if origin.aggregated => true,
            Leave::Sites(sites) if sites.iter().any(is_there) => true,
            // What is at the gateway's own site is not with clients yet, but in the process that they talk to.
            _ => at != self.network.home && self.own_site(origin).is_some_and(is_there),
        }
    }

    fn refusal(&self, origin: &Origin, at: usize) -> Error {
        let Origin { what, leave, source, rule, .. } = origin;
        let (may_not, hint) = match leave {
            Leave::Never => {
                ("must not leave its site".to_string(), "Conditions on it are allowed where its source evaluates them.")
            }
            Leave::Aggregates => (
                "may leave its site in aggregates only".to_string(),
                "Its source has to compute the count, sum, avg, min or max by itself, over its own tables.",
            ),
            Leave::Sites(_) => {
                let site = self.network.links.sites().get(at).map_or("?", SiteId::as_str);
                (format!("must not be at site \"{site}\""), "The rule lists the sites where it may be.")
            }
        };
        Error::new(state::INSUFFICIENT_PRIVILEGE, format!("{what} {may_not} (leave = {leave})"))
            .with_detail(format!(
                "The gateway's configuration says so in a [[residency]] of source \"{source}\", {rule}."
            ))
            .with_hint(hint)
            .with_source_id(source.clone())
    }
}

impl std::fmt::Display for Leave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => f.write_str("\"never\""),
            Self::Aggregates => f.write_str("\"aggregates\""),
            Self::Sites(sites) => {
                let sites: Vec<String> = sites.iter().map(|s| format!("\"{s}\"")).collect();
                write!(f, "[{}]", sites.join(", "))
            }
        }
    }
}

impl Rule {
    fn is_about(&self, schema: &str, table: &str, column: &str) -> bool {
        let has = |columns: &Vec<String>| columns.iter().any(|c| c == column);
        self.schema == schema && self.table == table && self.columns.as_ref().is_none_or(has)
    }
}
