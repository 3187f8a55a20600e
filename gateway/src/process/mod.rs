//! The life of a gateway process: start, reload, drain, end.

mod data_dir;
mod http;
mod logging;
mod signals;
pub mod site;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::{ArbiterHandle, System};
use cost_model::{Clock, SystemClock};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::admission::{Admission, Limits};
use crate::config::Config;
use crate::coordinator::{self, QueryEngine};
use crate::pg::{Live, Shared};
use crate::queries::Queries;

/// How long sessions may take to say good-bye after the drain time-out.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A gateway that accepts clients.
pub struct Gateway {
    pub shared: Arc<Shared>,
    pub pg_address: SocketAddr,
    pub http_address: SocketAddr,
    engine: Arc<dyn QueryEngine>,
    config: Arc<Config>,
    sessions: JoinHandle<()>,
    http: JoinHandle<()>,
}

impl Gateway {
    /// Opens the listeners. Actors live on `arbiter`.
    pub async fn start(
        config: Config,
        engine: Arc<dyn QueryEngine>,
        queries: Arc<Queries>,
        clock: Arc<dyn Clock>,
        arbiter: ArbiterHandle,
        metrics: PrometheusHandle,
    ) -> Result<Self, String> {
        let live = Live::new(&config)?;
        let admission = Arc::new(Admission::start(arbiter, Limits::from(&config)));
        let listener = listen("listen", config.gateway.listen).await?;
        let http_listener = listen("http_listen", config.gateway.http_listen).await?;
        let address = |l: &TcpListener| l.local_addr().map_err(|e| format!("cannot tell the listener's address: {e}"));
        let (pg_address, http_address) = (address(&listener)?, address(&http_listener)?);
        let shared = Arc::new(Shared::new(engine.clone(), admission, queries, clock, live));
        let sessions = tokio::spawn(crate::pg::serve(shared.clone(), listener));
        let http = tokio::spawn(http::serve(shared.clone(), http_listener, metrics));
        Ok(Self { shared, pg_address, http_address, engine, config: Arc::new(config), sessions, http })
    }

    /// Reads the configuration file again; a bad one changes nothing.
    pub async fn reload(&mut self) {
        let path = self.config.path.clone();
        let loaded = Config::read(&path).map_err(|e| e.to_string());
        match loaded.and_then(|config| Live::new(&config).map(|live| (config, live))) {
            Ok((config, live)) => self.apply(config, live).await,
            Err(error) => tracing::error!("configuration not reloaded: {error}"),
        }
    }

    async fn apply(&mut self, config: Config, live: Live) {
        let (old, new) = (&self.config.gateway, &config.gateway);
        let fixed = [
            ("listen", old.listen != new.listen),
            ("http_listen", old.http_listen != new.http_listen),
            ("data_dir", old.data_dir != new.data_dir),
            ("memory_limit", old.memory_limit != new.memory_limit),
            ("spill_limit", old.spill_limit != new.spill_limit),
            ("log", old.log != new.log),
            ("log_format", old.log_format != new.log_format),
        ];
        for (key, _) in fixed.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("{key} has changed in the configuration file; it takes effect after a restart");
        }
        self.shared.admission.set_limits(Limits::from(&config));
        self.shared.queries.set_slow(config.gateway.slow_query.limit());
        self.shared.live.store(Arc::new(live));
        self.config = Arc::new(config);
        self.engine.reload(self.config.clone()).await;
        tracing::info!(path = %self.config.path.display(), "configuration reloaded");
    }

    /// Lets running queries finish, for a while; `hurry` ends the patience.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        let shutdown = self.shared.shutdown.clone();
        shutdown.drain.cancel();
        let patience = self.config.gateway.drain_timeout.0;
        let mut sessions = self.sessions;
        tokio::select! {
            _ = &mut sessions => {}
            () = tokio::time::sleep(patience) => {
                tracing::warn!(queries = self.shared.queries.list().len(), "drain_timeout is over, cancelling what still runs");
                shutdown.kill.cancel();
                let _ = tokio::time::timeout(LAST_WORDS, &mut sessions).await;
            }
            () = hurry => {
                shutdown.kill.cancel();
                let _ = tokio::time::timeout(LAST_WORDS, &mut sessions).await;
            }
        }
        self.http.abort();
    }
}

async fn listen(key: &str, address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{key} = \"{address}\": the address is in use. Is another server running there? \
             Choose another one."
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{key} = \"{address}\": not allowed; ports below 1024 need privileges")
        }
        io::ErrorKind::AddrNotAvailable => format!("{key} = \"{address}\": this machine has no such address"),
        _ => format!("{key} = \"{address}\": {error}"),
    })
}

/// Installs the one TLS implementation; both `ring` and `aws-lc-rs` may be linked, and rustls does not choose.
pub fn install_tls() {
    // An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// `narrows gateway`: runs until a signal.
pub fn run(config_path: &Path) -> ExitCode {
    install_tls();
    let result = Config::read(config_path).map_err(|e| e.to_string()).and_then(|config| {
        logging::start(&config.gateway.log, config.gateway.log_format)?;
        // The lock lives as long as the process serves.
        let _data_dir = data_dir::claim(&config.gateway.data_dir)?;
        system()?.block_on(serve(config))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("narrows: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Actors on this thread, everything that moves data on a pool of threads.
pub fn system() -> Result<actix_rt::SystemRunner, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("narrows-io")
        // Plans are trees, walked by recursion.
        .thread_stack_size(32 << 20)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the runtime: {e}"))?;
    Ok(System::with_tokio_rt(|| runtime))
}

async fn serve(config: Config) -> Result<(), String> {
    let clock = SystemClock::shared();
    let queries = Queries::new(clock.clone(), config.gateway.slow_query.limit());
    let metrics = http::recorder()?;
    let arbiter = System::current().arbiter().clone();
    let engine = coordinator::start(&config, queries.clone(), clock.clone()).await.map_err(|e| e.to_string())?;
    let mut signals = signals::Signals::new().map_err(|e| format!("cannot listen for signals: {e}"))?;
    let mut gateway = Gateway::start(config, engine, queries, clock, arbiter, metrics).await?;
    tracing::info!(listen = %gateway.pg_address, http = %gateway.http_address, version = env!("CARGO_PKG_VERSION"), "ready");
    while let signals::Signal::Reload = signals.next().await {
        gateway.reload().await;
    }
    tracing::info!("stopping: running queries may finish");
    gateway.stop(signals.stop()).await;
    tracing::info!("stopped");
    Ok(())
}
