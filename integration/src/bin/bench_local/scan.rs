//! Reading all of lineitem: into Arrow in the gateway, and through it to a client.

use std::process::Command;

use super::pair::{Pair, measure, timed};
use super::{Bench, Result};

/// All 16 columns are read, and counted where they arrive.
const COUNT_ALL: &str = "select count(l_orderkey), count(l_partkey), count(l_suppkey), count(l_linenumber), count(l_quantity), \
     count(l_extendedprice), count(l_discount), count(l_tax), count(l_returnflag), count(l_linestatus), count(l_shipdate), \
     count(l_commitdate), count(l_receiptdate), count(l_shipinstruct), count(l_shipmode), count(l_comment)";

fn with(mut command: Command, script: &[&str]) -> Command {
    for line in script {
        command.args(["-c", line]);
    }
    command
}

pub fn run(bench: &Bench) -> Result<()> {
    let runs = bench.args.runs;
    let (postgres, gateway) = (|| bench.postgres.psql(), || bench.gateway.psql());
    let rows: f64 = bench.postgres.sql("select count(*) from lineitem")?.trim().parse()?;
    let report = |what: &str, bar: &str, pair: &Pair| {
        println!(
            "{what:<58} direct {:7.2} s  gateway {:7.2} s  time ratio {:5.2}  rate ratio {:5.2}  ({:.2} M rows/s)  {bar}",
            pair.direct,
            pair.gateway,
            pair.ratio(),
            1.0 / pair.ratio(),
            rows / pair.gateway / 1e6
        );
    };
    println!("\nlineitem, {rows} rows, medians of {runs}");
    let off = "set narrows.pushdown = off";
    let pair = measure(
        runs,
        || timed(&mut with(postgres(), &["copy lineitem to stdout (format binary)"])),
        || timed(&mut with(gateway(), &[off, &format!("{COUNT_ALL} from pg.lineitem")])),
    )?;
    report("PostgreSQL into Arrow, against COPY (FORMAT binary)", "bar: time ratio <= 1.3", &pair);
    let pair = measure(
        runs,
        || timed(&mut with(postgres(), &["copy lineitem to stdout"])),
        || timed(&mut with(gateway(), &["copy (select * from pg.lineitem) to stdout"])),
    )?;
    report("PostgreSQL as text, COPY TO STDOUT", "bar: rate ratio >= 0.6", &pair);
    let fetch = |mut psql: Command, sql: &str| {
        psql.args(["-v", "FETCH_COUNT=10000", "-c", sql]);
        timed(&mut psql)
    };
    let pair = measure(
        runs,
        || fetch(postgres(), "select * from lineitem"),
        || fetch(gateway(), "select * from pg.lineitem"),
    )?;
    report("PostgreSQL as text, psql with a cursor", "bar: rate ratio >= 0.6", &pair);
    let mariadb = || {
        let mut client = bench.mariadb.client();
        client.args(["--quick", "--batch", "-e", "select * from lineitem"]);
        client
    };
    let pair = measure(
        runs,
        || timed(&mut mariadb()),
        || timed(&mut with(gateway(), &[off, &format!("{COUNT_ALL} from my.lineitem")])),
    )?;
    report("MariaDB into Arrow, against mariadb --quick", "", &pair);
    let pair = measure(
        runs,
        || timed(&mut mariadb()),
        || timed(&mut with(gateway(), &["copy (select * from my.lineitem) to stdout"])),
    )?;
    report("MariaDB as text, COPY TO STDOUT against mariadb --quick", "", &pair);
    Ok(())
}
