//! One row by its key: what the gateway adds to the latency, and how many a second it answers with many clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use integration::gateway::connect;
use integration::median;
use tokio_postgres::Client;

use super::{Bench, Result};

#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// One prepared statement, executed again and again.
    Prepared,
    /// Text the gateway has not seen before, simple protocol.
    UnseenText,
}

pub fn run(bench: &Bench) -> Result<()> {
    println!("\nPoint queries by key (orders), {} s each", bench.args.seconds);
    let keys = (1_500_000.0 * bench.args.scale) as i64;
    bench.runtime.block_on(async {
        for (protocol, bar) in [(Protocol::Prepared, "<= 0.5 ms"), (Protocol::UnseenText, "<= 2 ms")] {
            let direct = connect(&bench.postgres.url()).await?;
            let gateway = connect(&bench.gateway.url()).await?;
            let (mut d, mut g) = (Vec::new(), Vec::new());
            let end = Instant::now() + Duration::from_secs(bench.args.seconds * 2);
            while Instant::now() < end {
                d.extend(burst(&direct, "orders", protocol, keys).await?);
                g.extend(burst(&gateway, "pg.orders", protocol, keys).await?);
            }
            let (d, g) = (median(d) * 1e3, median(g) * 1e3);
            println!(
                "{protocol:?}: 1 client, p50: direct {d:.3} ms  gateway {g:.3} ms  added {:.3} ms  bar: {bar}",
                g - d
            );
        }
        for protocol in [Protocol::Prepared, Protocol::UnseenText] {
            let d = many(&bench.postgres.url(), "orders", protocol, keys, bench.args.seconds).await?;
            let g = many(&bench.gateway.url(), "pg.orders", protocol, keys, bench.args.seconds).await?;
            println!("{protocol:?}: 64 clients: direct {d:.0}/s  gateway {g:.0}/s  ratio {:.2}", g / d);
        }
        Ok(())
    })
}

fn key(at: u64, keys: i64) -> i64 {
    // Keys are sparse: eight of every 32 exist. Any number does, found or not.
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (keys.max(1) as u64 * 4)) as i64
}

static NEXT: AtomicU64 = AtomicU64::new(1);

async fn one(client: &Client, statement: Option<&tokio_postgres::Statement>, table: &str, keys: i64) -> Result<()> {
    let key = key(NEXT.fetch_add(1, Ordering::Relaxed), keys);
    match statement {
        Some(statement) => drop(client.query(statement, &[&key]).await?),
        None => {
            let sql = format!("select o_custkey, o_totalprice, o_comment from {table} where o_orderkey = {key}");
            client.simple_query(&sql).await?;
        }
    }
    Ok(())
}

async fn prepare(client: &Client, table: &str, protocol: Protocol) -> Result<Option<tokio_postgres::Statement>> {
    let sql = format!("select o_custkey, o_clerk, o_comment from {table} where o_orderkey = $1");
    Ok(match protocol {
        Protocol::Prepared => Some(client.prepare(&sql).await?),
        Protocol::UnseenText => None,
    })
}

/// Seconds of each of a few hundred queries.
async fn burst(client: &Client, table: &str, protocol: Protocol, keys: i64) -> Result<Vec<f64>> {
    let statement = prepare(client, table, protocol).await?;
    let mut took = Vec::new();
    for _ in 0..300 {
        let started = Instant::now();
        one(client, statement.as_ref(), table, keys).await?;
        took.push(started.elapsed().as_secs_f64());
    }
    Ok(took)
}

/// Queries a second of 64 clients.
async fn many(url: &str, table: &'static str, protocol: Protocol, keys: i64, seconds: u64) -> Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut clients = Vec::new();
    for _ in 0..64 {
        let client = connect(url).await?;
        let done = done.clone();
        clients.push(tokio::spawn(async move {
            let statement = prepare(&client, table, protocol).await.map_err(|e| e.to_string())?;
            while Instant::now() < end {
                one(&client, statement.as_ref(), table, keys).await.map_err(|e| e.to_string())?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, String>(())
        }));
    }
    let started = Instant::now();
    for client in clients {
        client.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}
