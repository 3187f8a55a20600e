//! The gateway's resident memory while all of lineitem streams to a client that reads slowly.

use std::time::{Duration, Instant};

use futures::StreamExt;
use integration::gateway::{TestGateway, connect};

use super::{Bench, Result, gateway_config};

/// Rows a second the client takes.
const PACE: u64 = 200_000;

fn resident_mib(pid: u32, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with(field)).ok_or("no such field in /proc")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no value")?.parse()?;
    Ok(kib / 1024.0)
}

pub fn run(bench: &Bench) -> Result<()> {
    println!("\nMemory while lineitem streams to a client that takes {PACE} rows a second  bar: flat, < 300 MiB");
    for (name, table) in [("PostgreSQL", "pg.lineitem"), ("MariaDB", "my.lineitem")] {
        // A gateway of its own: nothing is left of earlier queries.
        let gateway = TestGateway::start(&gateway_config(&bench.postgres, &bench.mariadb))?;
        bench.runtime.block_on(async {
            let client = connect(&gateway.url()).await?;
            let before = resident_mib(gateway.pid(), "VmRSS")?;
            let no_parameters: [i32; 0] = [];
            let rows = client.query_raw(&format!("select * from {table}"), no_parameters).await?;
            let mut rows = std::pin::pin!(rows);
            let (mut count, mut samples, started) = (0u64, Vec::new(), Instant::now());
            while let Some(row) = rows.next().await {
                row?;
                count += 1;
                if count % (PACE / 20) == 0 {
                    let due = Duration::from_secs_f64(count as f64 / PACE as f64);
                    tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
                    samples.push(resident_mib(gateway.pid(), "VmRSS")?);
                }
            }
            let tenth = |i: usize| samples[samples.len() * i / 10];
            println!(
                "{name}: {count} rows in {:.0} s; before {before:.0} MiB, at 10 % {:.0}, 50 % {:.0}, 90 % {:.0}, peak {:.0} MiB",
                started.elapsed().as_secs_f64(),
                tenth(1),
                tenth(5),
                tenth(9),
                resident_mib(gateway.pid(), "VmHWM")?
            );
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
    }
    Ok(())
}
