//! Keeps the catalog: asks the sources what they hold, at start, by interval and on demand, and publishes immutable snapshots.
//!
//! A source that does not answer keeps its last known tables; one that never answered has none, and a query that misses a table
//! is told so.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use parking_lot::Mutex;
use planner::catalog::Catalog;
use tokio::sync::Notify;

use super::names::{Found, catalog};
use super::sources::Connectors;
use crate::config::{Config, Table};

/// How long the start waits for sources.
const START_WAIT: Duration = Duration::from_secs(10);
/// How often a source that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(2);

struct State {
    connectors: Connectors,
    tables: Vec<Table>,
    users: Vec<String>,
    found: Found,
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
                interval: config.gateway.catalog_refresh.limit(),
            }),
        });
        keeper.publish();
        let first = keeper.clone();
        let reading = tokio::spawn(async move { first.refresh(false).await });
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
        self.refresh(false).await;
        self.wake.notify_one();
    }

    /// Asks the sources, all or only those that did not answer the last time, each as it can.
    pub async fn refresh(&self, only_unavailable: bool) {
        let connectors = self.connectors.load_full();
        let missing: Vec<_> = {
            let state = self.state.lock();
            let wanted = |id: &&cost_model::SourceId| !only_unavailable || state.found.unavailable.contains_key(*id);
            connectors.order.iter().filter(wanted).cloned().collect()
        };
        let connectors = &connectors;
        join_all(missing.iter().map(|id| async move {
            let Some(connector) = connectors.by_id.get(id) else { return };
            let answer = connector.handle.introspect().await;
            let mut state = self.state.lock();
            let unchanged = answer.as_ref().is_err_and(|e| state.found.unavailable.get(id) == Some(&e.to_string()));
            match answer {
                Ok(schema) => {
                    if state.found.unavailable.remove(id).is_some() {
                        tracing::info!(source = %id, tables = schema.tables.len(), "source is back");
                    }
                    state.found.schemas.insert(id.clone(), Arc::new(schema));
                }
                Err(error) => {
                    if !state.found.unavailable.contains_key(id) {
                        tracing::warn!(source = %id, %error, "source does not answer");
                    }
                    state.found.unavailable.insert(id.clone(), error.to_string());
                }
            }
            drop(state);
            // A new version makes all plans anew: not for a source that is still as unreachable as before.
            if !unchanged {
                self.publish();
            }
        }))
        .await;
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

    /// How long to wait, and whether then to ask only the sources that did not answer. `since`: the last time all were asked.
    fn pause(&self, since: Duration) -> (Duration, bool) {
        let state = self.state.lock();
        let all_in = state.interval.map(|interval| interval.saturating_sub(since));
        match (state.found.unavailable.is_empty(), all_in) {
            (false, Some(all_in)) if all_in < RETRY => (all_in, false),
            (false, _) => (RETRY, true),
            (true, Some(all_in)) => (all_in, false),
            (true, None) => (Duration::from_secs(3600), true),
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
        let (pause, only_unavailable) = strong.pause(all_asked.elapsed());
        tokio::select! {
            () = tokio::time::sleep(pause) => {
                strong.refresh(only_unavailable).await;
                if !only_unavailable {
                    all_asked = tokio::time::Instant::now();
                }
            }
            () = strong.wake.notified() => {}
        }
    }
}
