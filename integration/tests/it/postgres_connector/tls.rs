//! `sslmode`, against servers with certificates of their own making.

use std::path::{Path, PathBuf};
use std::process::Command;

use connectors::postgres::SslMode;
use planner::error::state;

use super::*;

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").current_dir(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority and a certificate it signed for this host name.
fn certificates(dir: &Path, host: &str) {
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(
        dir,
        &[new.as_slice(), &["-subj", "/CN=Test authority", "-addext", "basicConstraints=critical,CA:TRUE"]].concat(),
    );
    openssl(
        dir,
        &["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server"],
    );
    std::fs::write(dir.join("ext"), format!("subjectAltName={host}\nbasicConstraints=CA:FALSE\n")).unwrap();
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(dir, &[sign.as_slice(), &["-days", "2", "-out", "server.crt", "-extfile", "ext"]].concat());
}

fn tls_server(dir: &Path) -> TestPostgres {
    TestPostgres::start_with_certificate(&dir.join("server.crt"), &dir.join("server.key")).unwrap()
}

async fn encrypted(server: &TestPostgres, mode: SslMode, root: Option<PathBuf>) -> Result<bool> {
    let mut config = config(server, "tls");
    (config.ssl_mode, config.ssl_root_cert) = (mode, root);
    let engine = PostgresEngine::new(config, clock(), Handle::current())?;
    let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ssl = column(&engine, sql, PgType::BOOL, FEW).await?;
    Ok(arrow::array::AsArray::as_boolean(&ssl).value(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_as_the_mode_says() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), "IP:127.0.0.1");
    let server = tls_server(dir.path());
    let ca = || Some(dir.path().join("ca.crt"));
    let other = tempfile::tempdir().unwrap();
    certificates(other.path(), "DNS:elsewhere.example");
    let other_ca = || Some(other.path().join("ca.crt"));
    assert!(!encrypted(&server, SslMode::Disable, None).await.unwrap());
    assert!(encrypted(&server, SslMode::Prefer, None).await.unwrap());
    assert!(encrypted(&server, SslMode::Require, None).await.unwrap(), "a certificate nobody knows will do");
    assert!(encrypted(&server, SslMode::Require, ca()).await.unwrap());
    assert!(encrypted(&server, SslMode::VerifyCa, ca()).await.unwrap());
    assert!(encrypted(&server, SslMode::VerifyFull, ca()).await.unwrap());
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        let error = encrypted(&server, mode, other_ca()).await.unwrap_err();
        assert_eq!(error.sqlstate(), state::CANNOT_CONNECT, "{error}");
        assert!(error.message().contains("certificate"), "{error}");
    }
    assert!(encrypted(&server, SslMode::VerifyFull, None).await.is_err(), "the system does not know this authority");
    assert!(encrypted(&server, SslMode::VerifyCa, Some("/nowhere".into())).await.is_err());

    let elsewhere = tls_server(other.path());
    assert!(encrypted(&elsewhere, SslMode::VerifyCa, other_ca()).await.unwrap(), "the name does not matter");
    assert!(encrypted(&elsewhere, SslMode::VerifyFull, other_ca()).await.is_err(), "the name matters");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    assert!(!encrypted(server(), SslMode::Prefer, None).await.unwrap());
    let error = encrypted(server(), SslMode::Require, None).await.unwrap_err();
    assert_eq!(error.sqlstate(), state::CANNOT_CONNECT);
    assert!(error.message().contains("TLS"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_works_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), "IP:127.0.0.1");
    let server = tls_server(dir.path());
    let mut config = config(&server, "tls-cancel");
    (config.ssl_mode, config.ssl_root_cert) = (SslMode::VerifyFull, Some(dir.path().join("ca.crt")));
    let engine = engine(config);
    let session = open(&engine, 1, false).await;
    let _stream = session.scan(scan("select 1 from pg_sleep(60)", &[PgType::INT4], MANY)).await.unwrap();
    eventually("running", || processes(&server, "tls-cancel", "state = 'active'") == 1).await;
    session.cancel().await;
    let gone = eventually("stopped", || processes(&server, "tls-cancel", "state = 'active'") == 0).await;
    assert!(gone < Duration::from_secs(1), "{gone:?}");
}
