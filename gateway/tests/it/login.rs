use gateway::pg::auth::Verifier;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::harness::{ask, code, start, start_with};

fn users() -> String {
    format!("[[user]]\nname = \"ana\"\npassword_verifier = \"{}\"", Verifier::from_password("gut€n tag"))
}

#[tokio::test]
async fn scram() {
    let server = start_with("", &users());
    let client = server.connect_as("password='gut€n tag'").await.unwrap();
    assert_eq!(ask(&client, "select local(1)").await.len(), 1);
    for (wrong, user) in
        [("password=wrong", "ana"), ("password='gut€n tag' user=bob", "bob"), ("password=x user=''", "")]
    {
        let error = server.connect_as(wrong).await.err().unwrap();
        if user.is_empty() {
            continue;
        }
        let error = error.as_db_error().unwrap();
        assert_eq!((error.severity(), error.code().code()), ("FATAL", "28P01"));
        assert_eq!(error.message(), format!("password authentication failed for user \"{user}\""));
    }
}

#[tokio::test]
async fn without_users_everybody_here_is_trusted() {
    let server = start("");
    let client = server.connect_as("user=whoever dbname=any").await.unwrap();
    let context = ask(&client, "select context").await;
    assert!(context[0].starts_with("whoever|any|whoever,public|"), "{context:?}");
}

fn tls() -> MakeRustlsConnect {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("tls/server.crt")).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    MakeRustlsConnect::new(config)
}

#[tokio::test]
async fn tls_asked_for_and_direct_with_channel_binding() {
    let server =
        start_with("tls_cert = \"tls/server.crt\"\ntls_key = \"tls/server.key\"\ntls_required = true", &users());
    for extra in ["sslmode=require", "sslmode=require sslnegotiation=direct", "sslmode=require channel_binding=require"]
    {
        let mut config: tokio_postgres::Config =
            format!("user=ana port={} {extra}", server.address.port()).parse().unwrap();
        config.host("localhost").hostaddr(server.address.ip()).password("gut€n tag");
        let (client, connection) = config.connect(tls()).await.unwrap_or_else(|e| panic!("{extra}: {e:?}"));
        tokio::spawn(connection);
        assert_eq!(ask(&client, "select numbers(5000)").await.len(), 5000);
        // A cancel request may come without encryption, as old clients send it.
        client.cancel_token().cancel_query(tls()).await.unwrap();
    }
    let mut config: tokio_postgres::Config = server.url("password='gut€n tag'").parse().unwrap();
    config.ssl_mode(SslMode::Disable);
    let error = config.connect(tokio_postgres::NoTls).await.err().unwrap();
    assert_eq!(code(&error), "28000");
}

#[tokio::test]
async fn clients_that_would_like_tls_go_on_without() {
    let server = start("");
    let config: tokio_postgres::Config = server.url("sslmode=prefer").parse().unwrap();
    let (client, connection) = config.connect(tls()).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(ask(&client, "select local(1)").await.len(), 1);
}
