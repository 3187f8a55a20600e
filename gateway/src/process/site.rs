//! `narrows site`: the sources of one datacenter, served to gateways elsewhere.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use connectors::remote::RemoteTls;
use connectors::server::{PeerOptions, ServerTls, SiteOptions, serve};
use connectors::site::{Executor, RuntimeSettings, SourceHandle};
use cost_model::{Epoch, SiteId, SystemClock};
use tokio_util::sync::CancellationToken;

use super::signals::{Signal, Signals};
use super::{data_dir, install_tls, listen, logging, system};
use crate::config::SiteProcessConfig;
use crate::coordinator::sources::start_local;

/// Runs until a signal.
pub fn run(config_path: &Path) -> ExitCode {
    install_tls();
    let result = SiteProcessConfig::read(config_path).map_err(|e| e.to_string()).and_then(|config| {
        logging::start(&config.site.log, config.site.log_format)?;
        // The lock lives as long as the process serves.
        let _data_dir = data_dir::claim(&config.site.data_dir)?;
        system()?.block_on(run_site(config))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("narrows: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run_site(config: SiteProcessConfig) -> Result<(), String> {
    let clock = SystemClock::shared();
    let site = &config.site;
    let settings = RuntimeSettings {
        memory_limit: usize::try_from(site.memory_limit.0).unwrap_or(usize::MAX),
        spill_limit: site.spill_limit.0,
        ..RuntimeSettings::new(&site.data_dir, Epoch(clock.unix_micros() as u64))
    };
    let executor = Arc::new(Executor::start(settings, clock.clone()).map_err(|e| e.to_string())?);
    let connectors = start_local(&config.sources, &executor, &clock).map_err(|e| e.to_string())?;
    let sources = connectors.into_iter().map(|(id, handle)| (id, Arc::new(handle) as Arc<dyn SourceHandle>)).collect();
    let (tls, peers) = (tls(&config)?, peers(&config)?);
    let options = SiteOptions { site: SiteId::new(&site.name), token: config.token.clone(), tls, peers };
    let mut signals = Signals::new().map_err(|e| format!("cannot listen for signals: {e}"))?;
    let listener = listen("listen", site.listen).await?;
    let address = listener.local_addr().map_err(|e| format!("cannot tell the listener's address: {e}"))?;
    let stop = CancellationToken::new();
    let serving = serve(options, listener, sources, &executor, clock, stop.clone());
    tracing::info!(site = site.name, listen = %address, version = env!("CARGO_PKG_VERSION"), "ready");
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(|e| e.to_string()),
            signal = signals.next(), if !stop.is_cancelled() => match signal {
                Signal::Reload => tracing::warn!("a site reads its configuration when it starts: restart it"),
                Signal::Stop => {
                    tracing::info!("stopping: what runs for gateways is cancelled");
                    stop.cancel();
                }
            },
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// How it connects to other sites: as it is connected to itself.
fn peers(config: &SiteProcessConfig) -> Result<Option<PeerOptions>, String> {
    let token = config.token.clone();
    let Some(files) = &config.tls else { return Ok(Some(PeerOptions { token, tls: None })) };
    let Some(authority) = config.site.tls_ca.as_deref().or(config.site.tls_client_ca.as_deref()) else {
        tracing::warn!(
            "without tls_ca this site cannot fetch rows from others: joins across sites take place elsewhere"
        );
        return Ok(None);
    };
    let identity = (read(&files.certificate)?, String::from_utf8_lossy(&read(&files.key)?).into_owned().into());
    Ok(Some(PeerOptions { token, tls: Some(RemoteTls { authority: read(authority)?, identity: Some(identity) }) }))
}

fn tls(config: &SiteProcessConfig) -> Result<Option<ServerTls>, String> {
    let Some(files) = &config.tls else { return Ok(None) };
    Ok(Some(ServerTls {
        certificate: read(&files.certificate)?,
        key: String::from_utf8_lossy(&read(&files.key)?).into_owned().into(),
        client_authority: config.site.tls_client_ca.as_deref().map(read).transpose()?,
    }))
}
