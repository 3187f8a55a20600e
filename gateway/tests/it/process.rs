//! Draining and the pages for machines.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Server, ask, code, start};

async fn page(server: &Server, path: &str) -> String {
    page_with(server, path, "x: y").await
}

async fn page_with(server: &Server, path: &str, header: &str) -> String {
    let mut socket = TcpStream::connect(server.http).await.unwrap();
    socket
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let server = start("");
    let health = page(&server, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("\"status\":\"ok\""), "{health}");
    assert!(page(&server, "/metrics").await.starts_with("HTTP/1.1 200"));
    assert!(page(&server, "/").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn pages_ask_for_their_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "open sesame\n").unwrap();
    let server = start(&format!("http_token_file = \"{}\"", file.path().display()));
    for path in ["/metrics", "/health"] {
        let refused = page(&server, path).await;
        assert!(refused.starts_with("HTTP/1.1 401") && refused.ends_with("\r\n\r\n"), "{refused}");
        for wrong in ["open", "open sesame!", ""] {
            let refused = page_with(&server, path, &format!("authorization: Bearer {wrong}")).await;
            assert!(refused.starts_with("HTTP/1.1 401"), "{wrong}: {refused}");
        }
        let page = page_with(&server, path, "authorization: Bearer open sesame").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    }
}

#[tokio::test]
async fn draining_ends_idle_sessions_at_once_and_running_queries_in_time() {
    let mut server = start("");
    let (idle, busy) = (server.connect().await, server.connect().await);
    let running = tokio::spawn(async move {
        let error = busy.simple_query("select stall(10)").await.unwrap_err();
        code(&error).to_string()
    });
    server.busy(1).await;
    let since = Instant::now();
    server.begin_stop();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(idle.is_closed());
    assert!(server.connect_as("").await.is_err());
    assert!(page(&server, "/health").await.starts_with("HTTP/1.1 503"));
    assert_eq!(running.await.unwrap(), "57P01");
    assert!(since.elapsed() >= Duration::from_millis(300) && since.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_query_that_ends_while_draining_is_answered() {
    let mut server = start("drain_timeout = \"30s\"");
    let client = server.connect().await;
    let query = tokio::spawn(async move { ask(&client, "select numbers(200000)").await.len() });
    server.busy(1).await;
    server.begin_stop();
    assert_eq!(query.await.unwrap(), 200_000);
}
