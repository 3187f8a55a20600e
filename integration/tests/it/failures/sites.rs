//! Sites that are processes of their own: away, killed, silent, wrong, and gateways that leave work behind at them.

use integration::gateway::{GatewayConfig, connect};
use integration::servers::TestPostgres;
use integration::site::TestSite;

use super::*;

fn with_table() -> TestPostgres {
    let postgres = TestPostgres::start(&[]).unwrap();
    postgres.sql("create table t (a int); insert into t values (42);").unwrap();
    postgres
}

fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

fn statements(postgres: &TestPostgres, mark: &str) -> usize {
    let sql = format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '/* narrows query=%{mark}%'"
    );
    postgres.sql(&sql).unwrap().trim().parse().unwrap()
}

const ENDLESS: &str = "select * from narrows.query('pg', $$select a.n, b.n as m from generate_series(1, 30000) a(n), \
                       generate_series(1, 30000) b(n) where a.n <> -71$$) t";
const ASLEEP: &str = "select * from narrows.query('pg', $$select 1 as s from pg_sleep(72)$$) t";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_dies_is_an_error_until_it_is_back() {
    let postgres = with_table();
    let mut site = TestSite::prepare("eu", &GatewayConfig::default().postgres("pg", "eu", &postgres)).unwrap();
    let gateway = TestGateway::start(&GatewayConfig::default().remote_site(&site)).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    // Never reached: what it has is not known.
    let failed = client.simple_query("select a from pg.t").await.unwrap_err();
    let failed = failed.as_db_error().unwrap();
    assert!(failed.hint().is_some_and(|h| h.contains("Site \"eu\" has not answered")), "{failed:?}");
    answers(&client, "select state from narrows.sites", "lost").await;

    site.run().unwrap();
    answers(&client, "select a from pg.t", "42").await;
    answers(&client, "select state || ' ' || sources from narrows.sites", "connected 1").await;
    let rtt = rows(&client, "select round_trip_ms > 0 and round_trip_ms < 2000 from narrows.sites").await;
    assert_eq!(rtt[0][0].as_deref(), Some("t"));

    for sql in [ENDLESS, ASLEEP] {
        let (other, sql) = (connect(&gateway.url()).await.unwrap(), sql.to_string());
        let running = tokio::spawn(async move { error(&other, &sql).await });
        eventually("at work", || statements(&postgres, "") == 1).await;
        site.kill();
        let (code, text) = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
        assert!(code == "08006" || code == "08001", "{code} {text}");
        assert!(text.contains("site \"eu\""), "{text}");
        let (code, text) = error(&client, "select a from pg.t").await;
        assert!(code.starts_with("08") && text.contains("site \"eu\""), "{code} {text}");
        site.run().unwrap();
        answers(&client, "select a from pg.t", "42").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_falls_silent_is_lost_within_its_timeout() {
    let postgres = with_table();
    let site = TestSite::start("eu", &GatewayConfig::default().postgres("pg", "eu", &postgres)).unwrap();
    let gateway = TestGateway::start(&GatewayConfig::default().remote_site(&site)).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    answers(&client, "select a from pg.t", "42").await;
    let other = connect(&gateway.url()).await.unwrap();
    let running = tokio::spawn(async move { error(&other, ASLEEP).await });
    eventually("at work", || statements(&postgres, "pg_sleep(72)") == 1).await;
    let pid = site.pid().unwrap();
    signal(pid, "STOP");
    let silent = Instant::now();
    let (code, text) = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    assert!(code == "08006" && text.contains("site \"eu\""), "{code} {text}");
    // The timeout of these tests is 2 s, asked four times in it.
    assert!(silent.elapsed() < Duration::from_secs(5), "{:?}", silent.elapsed());
    signal(pid, "CONT");
    answers(&client, "select a from pg.t", "42").await;
    eventually("the old statement is gone", || statements(&postgres, "pg_sleep(72)") == 0).await;
}

/// Killed, or only silent: two leases later nothing of it is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_gone_leaves_nothing_at_the_site() {
    let postgres = with_table();
    let site = TestSite::start("eu", &GatewayConfig::default().postgres("pg", "eu", &postgres)).unwrap();
    for how in ["KILL", "STOP"] {
        for sql in [ENDLESS, ASLEEP] {
            let gateway = TestGateway::start(&GatewayConfig::default().remote_site(&site)).unwrap();
            let client = connect(&gateway.url()).await.unwrap();
            let running = tokio::spawn(async move { drop(client.simple_query(sql).await) });
            eventually("at work", || statements(&postgres, "") == 1).await;
            signal(gateway.pid(), how);
            let gone = eventually("gone", || statements(&postgres, "") == 0).await;
            assert!(gone < Duration::from_secs(4), "{how}: {gone:?}");
            running.abort();
        }
    }
    let gateway = TestGateway::start(&GatewayConfig::default().remote_site(&site)).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    answers(&client, "select a from pg.t", "42").await;
    answers(&client, "select connections_in_use + running_statements from narrows.sources", "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_serves_only_whom_it_knows() {
    let postgres = with_table();
    let site = TestSite::start("eu", &GatewayConfig::default().postgres("pg", "eu", &postgres)).unwrap();
    let address = format!("address = \"127.0.0.1:{}\"", site.port);
    let token = format!("token_file = \"{}\"", site.token_file().display());
    for (name, auth, complaint) in
        [("eu", "", "token"), ("us", token.as_str(), "it is site \"eu\", not \"us\""), ("eu", &token, "")]
    {
        let config = GatewayConfig::default().section(&format!("[[site]]\nname = \"{name}\"\n{address}\n{auth}"));
        let gateway = TestGateway::start(&config).unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        if complaint.is_empty() {
            answers(&client, "select a from pg.t", "42").await;
        } else {
            answers(&client, "select state from narrows.sites", "lost").await;
            let said = rows(&client, "select last_error from narrows.sites").await[0][0].clone().unwrap();
            assert!(said.contains(complaint), "{said}");
            assert_eq!(error(&client, "select a from pg.t").await.0, "42P01");
        }
    }
}

/// A key and a certificate for loopback, signed by the authority of that folder.
fn certificate(dir: &std::path::Path, name: &str) {
    let openssl = |args: &[&str]| {
        let output = std::process::Command::new("openssl").current_dir(dir).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let (key_file, file, request) = (format!("{name}.key"), format!("{name}.pem"), format!("{name}.csr"));
    if name == "ca" {
        let own = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2"];
        return openssl(&[&["req", "-x509"], &key[..], &own[..]].concat());
    }
    openssl(&[&["req"], &key[..], &["-keyout", &key_file, "-out", &request, "-subj", "/CN=loopback"]].concat());
    std::fs::write(dir.join("ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"];
    openssl(&[&["x509", "-req", "-in", &request, "-out", &file], &signed[..]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_asked_for_on_both_ends() {
    let postgres = with_table();
    let dir = tempfile::tempdir().unwrap();
    for name in ["ca", "site", "gateway"] {
        certificate(dir.path(), name);
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let keys = |name: &str| {
        format!("tls_cert = \"{}\"\ntls_key = \"{}\"", path(&format!("{name}.pem")), path(&format!("{name}.key")))
    };
    let own = format!("{}\ntls_client_ca = \"{}\"", keys("site"), path("ca.pem"));
    let sources = GatewayConfig::default().postgres("pg", "eu", &postgres);
    let mut site = TestSite::prepare_with("eu", &sources, &own).unwrap();
    site.run().unwrap();
    let there = format!("[[site]]\nname = \"eu\"\naddress = \"127.0.0.1:{}\"", site.port);
    let authority = format!("tls_ca = \"{}\"", path("ca.pem"));
    for (tls, connected) in
        [(String::new(), false), (authority.clone(), false), (format!("{authority}\n{}", keys("gateway")), true)]
    {
        let gateway = TestGateway::start(&GatewayConfig::default().section(&format!("{there}\n{tls}"))).unwrap();
        let client = connect(&gateway.url()).await.unwrap();
        answers(&client, "select state from narrows.sites", if connected { "connected" } else { "lost" }).await;
        if connected {
            answers(&client, "select a from pg.t", "42").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_that_join_show_each_other_their_certificates() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ca", "site", "gateway"] {
        certificate(dir.path(), name);
    }
    let path = |name: &str| dir.path().join(name).display().to_string();
    let keys = |name: &str| {
        format!("tls_cert = \"{}\"\ntls_key = \"{}\"", path(&format!("{name}.pem")), path(&format!("{name}.key")))
    };
    let own = format!("{}\ntls_client_ca = \"{}\"", keys("site"), path("ca.pem"));
    let (mut config, mut running) = (GatewayConfig::default(), Vec::new());
    for name in ["eu", "us"] {
        let postgres = TestPostgres::start(&[]).unwrap();
        postgres.sql("create table t as select i as a from generate_series(1, 500) i; analyze t").unwrap();
        let sources = GatewayConfig::default().postgres(&format!("pg_{name}"), name, &postgres);
        let mut site = TestSite::prepare_with(name, &sources, &own).unwrap();
        site.run().unwrap();
        let there = format!("[[site]]\nname = \"{name}\"\naddress = \"127.0.0.1:{}\"\n", site.port);
        config = config.section(&format!("{there}tls_ca = \"{}\"\n{}", path("ca.pem"), keys("gateway")));
        running.push((postgres, site));
    }
    let gateway = TestGateway::start(&config).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    answers(&client, "select count(*) from narrows.sites where computes", "2").await;
    let join = "select count(*) from pg_eu.t x join pg_us.t y on x.a = y.a";
    for seed in 1..200 {
        ask(&client, &format!("set narrows.placement_seed = {seed}")).await;
        let plan = rows(&client, &format!("explain {join}")).await;
        if plan.iter().flatten().flatten().any(|line| line.contains(", from ")) {
            answers(&client, join, "500").await;
            return;
        }
    }
    panic!("no plan joins at a site");
}
