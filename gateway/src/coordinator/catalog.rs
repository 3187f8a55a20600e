//! Keeps the catalog: asks the sources what they hold, at start, by interval and on demand, and publishes immutable snapshots.
//!
//! A source that does not answer keeps its last known tables; one that never answered has none, and a query that misses a table
//! is told so.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use connectors::remote::SiteState;
use cost_model::{SiteId, SourceId};
use futures::future::join_all;
use parking_lot::Mutex;
use planner::catalog::Catalog;
use planner::{Error, Result};
use tokio::sync::{Notify, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::names::{Found, catalog};
use super::sources::Connectors;
use crate::config::{Config, TableConfig};

/// How long the start waits for sources.
const START_WAIT: Duration = Duration::from_secs(10);
/// How often a source that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(2);

/// Which sources to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    All,
    /// Those that did not answer the last time.
    Unavailable,
    One(SourceId),
    /// Those of one site.
    Site(SiteId),
}

struct State {
    connectors: Connectors,
    tables: Vec<TableConfig>,
    users: Vec<String>,
    found: Found,
    /// Questions asked so far, and by source the newest that was answered: an older answer that comes later is out of date.
    asked: u64,
    answered: HashMap<SourceId, u64>,
    interval: Option<Duration>,
}

pub struct CatalogKeeper {
    state: Mutex<State>,
    published: ArcSwap<Catalog>,
    connectors: ArcSwap<Connectors>,
    followers: Mutex<Vec<AbortOnDropHandle<()>>>,
    wake: Notify,
}

impl CatalogKeeper {
    /// Reads all sources once, then keeps reading in the background.
    pub async fn start(config: &Config, connectors: Connectors) -> Arc<Self> {
        let keeper = Arc::new(Self {
            published: ArcSwap::from_pointee(Catalog::default()),
            connectors: ArcSwap::from_pointee(connectors.clone()),
            followers: Mutex::default(),
            wake: Notify::new(),
            state: Mutex::new(State {
                connectors,
                tables: config.tables.clone(),
                users: user_names(config),
                found: Found::default(),
                asked: 0,
                answered: HashMap::new(),
                interval: config.gateway.catalog_refresh.limit(),
            }),
        });
        keeper.publish();
        let first = keeper.clone();
        let sites = keeper.follow_sites();
        let reading = tokio::spawn(async move { tokio::join!(first.ask(Which::All), join_all(sites)) });
        if tokio::time::timeout(START_WAIT, reading).await.is_err() {
            tracing::warn!("some sources have not answered yet; their tables appear when they do");
        }
        tokio::spawn(keep(Arc::downgrade(&keeper)));
        keeper
    }

    pub fn snapshot(&self) -> Arc<Catalog> {
        self.published.load_full()
    }

    pub fn connectors(&self) -> Arc<Connectors> {
        self.connectors.load_full()
    }

    /// Other sources or tables from now on.
    pub async fn reconfigure(self: &Arc<Self>, config: &Config, connectors: Connectors) {
        self.followers.lock().clear();
        {
            let mut state = self.state.lock();
            state.found.schemas.retain(|id, _| connectors.by_id.contains_key(id));
            state.found.unavailable.retain(|id, _| connectors.by_id.contains_key(id));
            state.found.unavailable_sites.retain(|id, _| connectors.sites.iter().any(|s| s.name == *id));
            state.connectors = connectors.clone();
            state.tables = config.tables.clone();
            state.users = user_names(config);
            state.interval = config.gateway.catalog_refresh.limit();
            self.connectors.store(Arc::new(connectors));
        }
        // What was removed is gone whatever the others answer.
        self.publish();
        self.follow_sites();
        self.ask(Which::All).await;
        self.wake.notify_one();
    }

    /// Listens from now on to what becomes of the sites elsewhere. The receivers fire when a site's first news have been taken in.
    fn follow_sites(self: &Arc<Self>) -> Vec<oneshot::Receiver<()>> {
        let connectors = self.connectors();
        let mut followers = self.followers.lock();
        followers.clear();
        let remote = connectors.sites.iter().filter_map(|s| Some((s.name.clone(), s.remote.as_ref()?.watch())));
        let follow = |(site, state)| {
            let (first, known) = oneshot::channel();
            let follower = tokio::spawn(follow(Arc::downgrade(self), site, state, first));
            followers.push(AbortOnDropHandle::new(follower));
            known
        };
        remote.map(follow).collect()
    }

    /// A site has come or gone: its sources with it.
    async fn site_changed(&self, site: &SiteId, now: &SiteState) {
        {
            let mut state = self.state.lock();
            let (connectors, problems) = state.connectors.with_sites_sources();
            for problem in problems {
                tracing::error!("{problem}");
            }
            let of_site = |id: &&SourceId| connectors.by_id.get(*id).is_some_and(|c| c.site == *site);
            let sources: Vec<SourceId> = connectors.order.iter().filter(of_site).cloned().collect();
            state.found.schemas.retain(|id, _| connectors.by_id.contains_key(id));
            state.found.unavailable.retain(|id, _| connectors.by_id.contains_key(id));
            state.connectors = connectors.clone();
            self.connectors.store(Arc::new(connectors));
            match now {
                SiteState::Lost(error) if sources.is_empty() => {
                    state.found.unavailable_sites.insert(site.clone(), error.to_string());
                }
                SiteState::Lost(error) => {
                    let lost = sources.into_iter().map(|id| (id, error.to_string()));
                    state.found.unavailable.extend(lost);
                }
                SiteState::Connected(_) | SiteState::Connecting => drop(state.found.unavailable_sites.remove(site)),
            }
        }
        self.publish();
        if matches!(now, SiteState::Connected(_)) {
            self.ask(Which::Site(site.clone())).await;
        }
    }

    /// Reads one source again, or all; says which did not answer. Their last known tables stay.
    pub async fn refresh(&self, source: Option<SourceId>) -> Result<Vec<(SourceId, Error)>> {
        let which = match source {
            Some(id) => Which::One(self.connectors().get(&id).map(|_| id)?),
            None => Which::All,
        };
        Ok(self.ask(which).await)
    }

    async fn ask(&self, which: Which) -> Vec<(SourceId, Error)> {
        let connectors = self.connectors.load_full();
        let (question, asked): (u64, Vec<_>) = {
            let mut state = self.state.lock();
            state.asked += 1;
            let wanted = |id: &&SourceId| match &which {
                Which::All => true,
                Which::Unavailable => state.found.unavailable.contains_key(*id),
                Which::One(one) => one == *id,
                Which::Site(site) => connectors.by_id.get(*id).is_some_and(|c| c.site == *site),
            };
            (state.asked, connectors.order.iter().filter(wanted).cloned().collect())
        };
        let connectors = &connectors;
        let failures = join_all(asked.iter().map(|id| async move {
            let connector = connectors.by_id.get(id)?;
            let answer = connector.handle.introspect().await;
            let mut state = self.state.lock();
            let gone = !state.connectors.by_id.contains_key(id);
            if gone || state.answered.get(id).is_some_and(|newest| *newest > question) {
                return answer.err().map(|error| (id.clone(), error));
            }
            state.answered.insert(id.clone(), question);
            let unchanged = answer.as_ref().is_err_and(|e| state.found.unavailable.get(id) == Some(&e.to_string()));
            let failure = match answer {
                Ok(schema) => {
                    if state.found.unavailable.remove(id).is_some() {
                        tracing::info!(source = %id, tables = schema.tables.len(), "source is back");
                    }
                    state.found.schemas.insert(id.clone(), Arc::new(schema));
                    None
                }
                Err(error) => {
                    if !state.found.unavailable.contains_key(id) {
                        tracing::warn!(source = %id, %error, "source does not answer");
                    }
                    state.found.unavailable.insert(id.clone(), error.to_string());
                    Some((id.clone(), error))
                }
            };
            drop(state);
            // A new version makes all plans anew: not for a source that is still as unreachable as before.
            if !unchanged {
                self.publish();
            }
            failure
        }))
        .await;
        failures.into_iter().flatten().collect()
    }

    fn publish(&self) {
        let state = self.state.lock();
        let version = self.published.load().version + 1;
        let (snapshot, problems) = catalog(version, &state.found, &state.connectors, &state.tables, &state.users);
        for problem in problems {
            tracing::error!("{problem}");
        }
        self.published.store(Arc::new(snapshot));
    }

    /// How long to wait, and whom to ask then. `since`: the last time all were asked.
    fn pause(&self, since: Duration) -> (Duration, Which) {
        let state = self.state.lock();
        let all_in = state.interval.map(|interval| interval.saturating_sub(since));
        match (state.found.unavailable.is_empty(), all_in) {
            (false, Some(all_in)) if all_in < RETRY => (all_in, Which::All),
            (false, _) => (RETRY, Which::Unavailable),
            (true, Some(all_in)) => (all_in, Which::All),
            (true, None) => (Duration::from_secs(3600), Which::Unavailable),
        }
    }
}

fn user_names(config: &Config) -> Vec<String> {
    config.users.iter().map(|u| u.name.clone()).collect()
}

/// Tells the keeper what becomes of a site; ends with either.
async fn follow(
    keeper: Weak<CatalogKeeper>,
    site: SiteId,
    mut state: watch::Receiver<SiteState>,
    first: oneshot::Sender<()>,
) {
    let mut first = Some(first);
    let mut was_lost = false;
    loop {
        let now = state.borrow_and_update().clone();
        let lost = matches!(now, SiteState::Lost(_));
        // A site that is tried again in vain is as lost as before.
        let nothing_new = matches!(now, SiteState::Connecting) || lost && was_lost;
        if !nothing_new {
            let Some(keeper) = keeper.upgrade() else { return };
            keeper.site_changed(&site, &now).await;
            first.take().map(|first| first.send(()));
        }
        was_lost = lost;
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// The background refresh; it ends with the keeper.
async fn keep(keeper: Weak<CatalogKeeper>) {
    let mut all_asked = tokio::time::Instant::now();
    loop {
        let Some(strong) = keeper.upgrade() else { return };
        let (pause, which) = strong.pause(all_asked.elapsed());
        tokio::select! {
            () = tokio::time::sleep(pause) => {
                if which == Which::All {
                    all_asked = tokio::time::Instant::now();
                }
                strong.ask(which).await;
            }
            () = strong.wake.notified() => {}
        }
    }
}
