//! An engine that goes away and comes back.

use std::time::{Duration, Instant};

use connectors::connector::{Circuit, ConnectorHandle, Health};
use futures::StreamExt;
use planner::Error;

use super::for_each_engine;
use super::proxy::Proxy;
use super::subject::{Kind, Options, engines, eventually, query, request};

for_each_engine!(the_circuit_opens_and_closes_by_itself);

/// The way to an engine: a network path, or a folder's name.
enum Path {
    Network(Proxy),
    Folder(tempfile::TempDir),
}

impl Path {
    async fn to(kind: Kind) -> (Self, Options) {
        match kind.port() {
            Some(port) => {
                let proxy = Proxy::start(port).await;
                let options = Options { port: Some(proxy.port), ..Options::default() };
                (Self::Network(proxy), options)
            }
            None => {
                let dir = tempfile::tempdir().unwrap();
                std::fs::create_dir(dir.path().join("tables")).unwrap();
                std::fs::copy(engines().files.path().join("item.parquet"), dir.path().join("tables/item.parquet"))
                    .unwrap();
                let options = Options { folder: Some(dir.path().join("tables")), ..Options::default() };
                (Self::Folder(dir), options)
            }
        }
    }

    fn cut(&self) {
        match self {
            Self::Network(proxy) => proxy.cut(),
            Self::Folder(dir) => std::fs::rename(dir.path().join("tables"), dir.path().join("away")).unwrap(),
        }
    }

    fn mend(&self) {
        match self {
            Self::Network(proxy) => proxy.mend(),
            Self::Folder(dir) => std::fs::rename(dir.path().join("away"), dir.path().join("tables")).unwrap(),
        }
    }
}

async fn ask(connector: &ConnectorHandle, kind: Kind) -> planner::Result<()> {
    if kind == Kind::Files {
        return connector.ping().await;
    }
    let session = connector.open_session(request(query())).await?;
    let mut rows = session.scan(kind.one()).await?;
    rows.next().await.expect("a row or an error").map(drop).map_err(Error::from)
}

async fn the_circuit_opens_and_closes_by_itself(kind: Kind) {
    let (path, options) = Path::to(kind).await;
    let connector = kind.connector(options);
    ask(&connector, kind).await.unwrap();
    eventually("healthy", || connector.status().health == Health::Healthy).await;

    let mut broken = None;
    if kind != Kind::Files {
        let session = connector.open_session(request(query())).await.unwrap();
        let mut rows = session.scan(kind.endless()).await.unwrap();
        rows.next().await.unwrap().unwrap();
        broken = Some(rows);
    }
    path.cut();
    if let Some(mut rows) = broken {
        let error = loop {
            match rows.next().await.expect("rows that just end") {
                Ok(_) => {}
                Err(e) => break Error::from(e),
            }
        };
        assert_eq!(error.sqlstate().as_str(), "08006", "{error}");
        assert!(error.message().contains("source \"src\""), "{error}");
    }
    for _ in 0..4 {
        let error = ask(&connector, kind).await.unwrap_err();
        assert_eq!(&error.sqlstate().as_str()[..2], "08", "{error}");
        assert_eq!(error.source_id().map(|s| s.as_str()), Some("src"), "{error}");
    }
    assert_eq!(connector.status().health, Health::Unavailable);
    assert_ne!(connector.status().circuit, Circuit::Closed);
    let started = Instant::now();
    let refused = ask(&connector, kind).await.unwrap_err();
    assert!(refused.message().contains("source \"src\" is unavailable"), "{refused}");
    assert!(started.elapsed() < Duration::from_millis(100), "refused without trying");

    path.mend();
    eventually("back", || connector.status().health == Health::Healthy).await;
    ask(&connector, kind).await.unwrap();
    assert_eq!((connector.status().circuit, connector.status().consecutive_failures), (Circuit::Closed, 0));
}
