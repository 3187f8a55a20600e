//! Keeps the catalog: asks the sources what they hold, at start, by interval and on demand, and publishes immutable snapshots.
//!
//! A source that does not answer keeps its last known tables; one that never answered has none, and a query that misses a table
//! is told so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cost_model::SourceId;
use futures::future::join_all;
use parking_lot::Mutex;
use planner::catalog::Catalog;
use planner::{Error, Result};
use tokio::sync::Notify;

use super::names::{Found, catalog};
use super::sources::Connectors;
use crate::config::{Config, Table};

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
}

struct State {
    connectors: Connectors,
    tables: Vec<Table>,
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
    wake: Notify,
}

impl CatalogKeeper {
    /// Reads all sources once, then keeps reading in the background.
    pub async fn start(config: &Config, connectors: Connectors) -> Arc<Self> {
        let keeper = Arc::new(Self {
            published: ArcSwap::from_pointee(Catalog::default()),
            connectors: ArcSwap::from_pointee(connectors.clone()),
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
        let reading = tokio::spawn(async move { first.ask(Which::All).await });
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
    pub async fn reconfigure(&self, config: &Config, connectors: Connectors) {
        {
            let mut state = self.state.lock();
            state.found.schemas.retain(|id, _| connectors.by_id.contains_key(id));
            state.found.unavailable.retain(|id, _| connectors.by_id.contains_key(id));
            state.connectors = connectors.clone();
            state.tables = config.tables.clone();
            state.users = user_names(config);
            state.interval = config.gateway.catalog_refresh.limit();
        }
        self.connectors.store(Arc::new(connectors));
        // What was removed is gone whatever the others answer.
        self.publish();
        self.ask(Which::All).await;
        self.wake.notify_one();
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
            };
            (state.asked, connectors.order.iter().filter(wanted).cloned().collect())
        };
        let connectors = &connectors;
        let failures = join_all(asked.iter().map(|id| async move {
            let connector = connectors.by_id.get(id)?;
            let answer = connector.handle.introspect().await;
            let mut state = self.state.lock();
            if state.answered.get(id).is_some_and(|newest| *newest > question) {
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

/// The background refresh; it ends with the keeper.
async fn keep(keeper: std::sync::Weak<CatalogKeeper>) {
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
