//! A gateway in a thread of its own, on free ports.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cost_model::SystemClock;
use gateway::config::Config;
use gateway::pg::Shared;
use gateway::process::{Gateway, install_tls, system};
use gateway::queries::Queries;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::engine::Canned;

pub struct Server {
    pub address: SocketAddr,
    pub http: SocketAddr,
    pub engine: Arc<Canned>,
    pub shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Lines of `[gateway]` and further tables.
pub fn start(gateway: &str) -> Server {
    start_with(gateway, "")
}

pub fn start_with(gateway: &str, tables: &str) -> Server {
    install_tls();
    let drain = if gateway.contains("drain_timeout") { "" } else { "drain_timeout = \"300ms\"" };
    let text = format!(
        "config_version = 1\n[gateway]\nlisten = \"127.0.0.1:0\"\nhttp_listen = \"127.0.0.1:0\"\n{drain}\n{gateway}\n{tables}"
    );
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/narrows.toml");
    let config = Config::parse(&text, &folder).unwrap();
    let engine = Arc::new(Canned::default());
    let (ready, started) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let canned = engine.clone();
    let thread = std::thread::spawn(move || {
        system().unwrap().block_on(async move {
            let clock = SystemClock::shared();
            let queries = Queries::new(clock.clone(), None);
            let arbiter = actix_rt::System::current().arbiter().clone();
            let metrics = PrometheusBuilder::new().build_recorder().handle();
            let gateway = Gateway::start(config, canned, queries, clock, arbiter, metrics).await.unwrap();
            ready.send((gateway.pg_address, gateway.http_address, gateway.shared.clone())).unwrap();
            let _ = stopped.await;
            gateway.stop(std::future::pending()).await;
        });
    });
    let (address, http, shared) = started.recv_timeout(Duration::from_secs(10)).unwrap();
    Server { address, http, engine, shared, stop: Some(stop), thread: Some(thread) }
}

impl Server {
    /// Begins to stop; returns at once.
    pub fn begin_stop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    /// `extra`: further connection parameters.
    pub fn url(&self, extra: &str) -> String {
        format!("host=127.0.0.1 port={} user=ana dbname=narrows {extra}", self.address.port())
    }

    pub async fn connect(&self) -> Client {
        self.connect_as("").await.unwrap()
    }

    pub async fn connect_as(&self, extra: &str) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(extra), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Waits until no stream is open any more.
    pub async fn quiet(&self, within: Duration) {
        let since = Instant::now();
        while self.engine.open.load(Ordering::SeqCst) > 0 {
            assert!(since.elapsed() < within, "a query still runs after {within:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(self.shared.queries.list().is_empty());
    }

    /// Waits until so many streams are open.
    pub async fn busy(&self, streams: usize) {
        wait_for(&self.engine.open, streams).await;
    }
}

pub async fn wait_for(count: &AtomicUsize, at_least: usize) {
    let since = Instant::now();
    while count.load(Ordering::SeqCst) < at_least {
        assert!(since.elapsed() < Duration::from_secs(10), "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// SQLSTATE of the error.
pub fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}

/// Rows of simple-protocol answers, cells joined by `|`, NULL as `∅`.
pub fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    let cell = |row: &tokio_postgres::SimpleQueryRow, i| row.get(i).unwrap_or("∅").to_string();
    let row = |m: &SimpleQueryMessage| match m {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| cell(row, i)).collect::<Vec<_>>().join("|")),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// The simple protocol's answer to a statement, rows only.
pub async fn ask(client: &Client, sql: &str) -> Vec<String> {
    rows(&client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}")))
}

/// The SQLSTATE a statement fails with.
pub async fn fails(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql} did not fail"),
        Err(error) => code(&error).to_string(),
    }
}
