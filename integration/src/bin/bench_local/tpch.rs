//! The 22 queries with customer, orders, nation and region in PostgreSQL and the other tables in MariaDB; beside them the same
//! queries on a PostgreSQL that has all tables.

use integration::gateway::{Answer, ask, connect};
use integration::median;
use integration::oracle::difference;
use integration::tpch::query;
use std::time::Instant;

use super::{Bench, Result};

pub const IN_POSTGRES: [&str; 4] = ["customer", "orders", "nation", "region"];

pub fn run(bench: &Bench) -> Result<()> {
    println!("\nTPC-H over PostgreSQL ({}) and MariaDB (the others), against PostgreSQL alone", IN_POSTGRES.join(", "));
    let (mut direct_sum, mut gateway_sum) = (0.0, 0.0);
    bench.runtime.block_on(async {
        let direct = connect(&bench.postgres.url()).await?;
        let gateway = connect(&bench.gateway.url()).await?;
        ask(&gateway, "set search_path = tpch").await;
        for number in 1..=22 {
            let sql = query(number)?;
            let (mut d, mut g) = (Vec::new(), Vec::new());
            for _ in 0..bench.args.runs.max(1) {
                let started = Instant::now();
                let expected = ask(&direct, &sql).await;
                d.push(started.elapsed().as_secs_f64());
                let started = Instant::now();
                let actual = ask(&gateway, &sql).await;
                g.push(started.elapsed().as_secs_f64());
                let (Answer::Rows(expected), Answer::Rows(actual)) = (&expected, &actual) else {
                    return Err(format!("Q{number}: {actual:?} instead of {expected:?}").into());
                };
                if let Some(difference) = difference(expected, actual, false, &[]) {
                    return Err(format!("Q{number} is wrong: {difference}").into());
                }
            }
            let (d, g) = (median(d), median(g));
            direct_sum += d;
            gateway_sum += g;
            println!("Q{number:<3} PostgreSQL alone {d:8.3} s  gateway {g:8.3} s  time ratio {:6.2}", g / d);
        }
        println!("sum  PostgreSQL alone {direct_sum:8.3} s  gateway {gateway_sum:8.3} s  all answers equal");
        Ok(())
    })
}
