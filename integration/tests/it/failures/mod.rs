//! What goes wrong between a client and the engines, through the whole gateway: one clear error that names the source, a gateway
//! that lives on, and answers again as soon as there are any.

mod changed;
mod servers;
mod sites;
mod stopped;

use std::time::{Duration, Instant};

use integration::gateway::{Answer, TestGateway, ask};
use tokio_postgres::Client;

use crate::client::{error, rows};
use crate::conformance::subject::eventually;

async fn answers(client: &Client, sql: &str, expected: &str) -> Duration {
    let started = Instant::now();
    let mut last = None;
    while started.elapsed() < Duration::from_secs(30) {
        let answer = ask(client, sql).await;
        if matches!(&answer, Answer::Rows(rows) if rows[0][0].as_deref() == Some(expected)) {
            return started.elapsed();
        }
        last = Some(answer);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never {expected}: {sql}: {last:?}");
}

/// Reads the configuration, and with it the catalog, again.
pub fn reload(gateway: &TestGateway) {
    let status = std::process::Command::new("kill").arg("-HUP").arg(gateway.pid().to_string()).status().unwrap();
    assert!(status.success());
}
