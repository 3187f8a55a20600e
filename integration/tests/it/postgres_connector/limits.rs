//! Connection limits, a server that goes away and comes back, credentials.

use std::sync::atomic::{AtomicUsize, Ordering};

use connectors::connector::{ConnectorHandle, ConnectorOptions, EngineFactory, Health};
use futures::future::join_all;
use planner::error::state;
use secrecy::SecretString;

use super::*;
use crate::conformance::subject::arbiter;

fn connector(config: PostgresConfig) -> ConnectorHandle {
    let (clock, io) = (clock(), Handle::current());
    let mut options = ConnectorOptions::new(config.source.clone());
    options.max_connections = config.max_connections;
    options.retry_after = (Duration::from_millis(100), Duration::from_millis(500));
    let factory: EngineFactory = {
        let (clock, io) = (clock.clone(), io.clone());
        Arc::new(move || Ok(Arc::new(PostgresEngine::new(config.clone(), clock.clone(), io.clone())?)))
    };
    ConnectorHandle::start(options, factory, clock, arbiter(), io).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_never_sees_more_connections_than_allowed() {
    let mut config = config(server(), "limited");
    config.max_connections = 3;
    let connector = connector(config);
    let most = Arc::new(AtomicUsize::new(0));
    let watcher = tokio::task::spawn_blocking({
        let most = most.clone();
        move || {
            for _ in 0..60 {
                most.fetch_max(processes(server(), "limited", "true"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let queries = (0..40).map(|i| {
        let connector = connector.clone();
        async move {
            let session = connector.open_session(request(1 + i % 2, i % 3 == 0)).await.unwrap();
            let mut stream = session.scan(scan("select 1 from pg_sleep(0.05)", &[PgType::INT4], FEW)).await.unwrap();
            if i % 5 == 0 {
                return; // dropped: cancelled, its connection closed
            }
            assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 1);
        }
    });
    join_all(queries).await;
    watcher.await.unwrap();
    let most = most.load(Ordering::Relaxed);
    assert!((2..=3).contains(&most), "{most} connections at once");
    assert_eq!(connector.status().permits_in_use, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back() {
    let first = TestPostgres::start(&[]).unwrap();
    let mut config = config(&first, "gone");
    config.connect_timeout = Duration::from_secs(2);
    let connector = connector(config);
    let one = async || -> Result<usize> {
        let session = connector.open_session(request(1, false)).await?;
        Ok(collect(session.scan(scan("select 1", &[PgType::INT4], FEW)).await?).await?.num_rows())
    };
    assert_eq!(one().await.unwrap(), 1);
    assert_eq!(connector.status().health, Health::Healthy);
    let session = connector.open_session(request(1, false)).await.unwrap();
    let mut stream = session.scan(scan("select 1 from pg_sleep(60)", &[PgType::INT4], FEW)).await.unwrap();
    eventually("running", || processes(&first, "gone", "state = 'active'") == 1).await;

    let port = first.port;
    drop(first);
    let error = Error::from(stream.next().await.unwrap().unwrap_err());
    assert_eq!(error.sqlstate(), state::CONNECTION_FAILURE, "{error}");
    assert!(error.message().contains("source \"pg\""), "{error}");
    for _ in 0..5 {
        let error = one().await.unwrap_err();
        assert_eq!(error.sqlstate(), state::CANNOT_CONNECT, "{error}");
    }
    assert_eq!(connector.status().health, Health::Unavailable);
    let started = Instant::now();
    assert!(one().await.unwrap_err().message().contains("is unavailable"));
    assert!(started.elapsed() < Duration::from_millis(100), "refused without trying");

    let _second = TestPostgres::start_at(port, &[]).unwrap();
    eventually("back", || connector.status().health == Health::Healthy).await;
    assert_eq!(one().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_down_at_the_start_is_a_state_not_an_error() {
    let mut config = config(server(), "down");
    config.port = integration::servers::free_port().unwrap();
    let connector = connector(config);
    eventually("unavailable", || connector.status().consecutive_failures > 0).await;
    let error = connector.introspect().await.unwrap_err();
    assert_eq!(error.sqlstate(), state::CANNOT_CONNECT);
    assert!(error.message().contains("source \"pg\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let hba = dir.path().join("pg_hba.conf");
    std::fs::write(&hba, "host all secured 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n").unwrap();
    world_readable(dir.path());
    let server = TestPostgres::start(&[&format!("hba_file={}", hba.display())]).unwrap();
    server.sql("set password_encryption = 'scram-sha-256'; create role secured login password 'right'").unwrap();
    let with = |password: Option<&str>| {
        let mut config = config(&server, "password");
        config.user = "secured".into();
        config.password = password.map(|p| SecretString::from(p.to_string()));
        engine(config)
    };
    with(Some("right")).ping().await.unwrap();
    let error = with(Some("wrong")).ping().await.unwrap_err();
    assert_eq!(error.sqlstate(), state::INVALID_PASSWORD);
    assert!(error.message().contains("source \"pg\""), "{error}");
    assert!(!format!("{error:?}").contains("wrong"));
    assert_eq!(with(None).ping().await.unwrap_err().sqlstate(), state::CANNOT_CONNECT);
}

/// Servers run as another user when the tests run as root.
fn world_readable(dir: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_used_again_and_closed_in_time() {
    let mut config = config(server(), "idle");
    config.idle_timeout = Duration::from_millis(300);
    let engine = engine(config);
    let pid = "select pg_backend_pid()";
    let get = async || column(&engine, pid, PgType::INT4, FEW).await.unwrap();
    let first = get().await;
    assert_eq!(&get().await, &first, "the same connection");
    assert_eq!(processes(server(), "idle", "true"), 1);
    eventually("closed", || processes(server(), "idle", "true") == 0).await;
    assert_ne!(&get().await, &first);
}
