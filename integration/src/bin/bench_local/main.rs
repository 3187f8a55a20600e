//! `make bench-local`: what the gateway costs over asking one engine directly, on one machine, in one run.
//!
//! Every figure is a pair, taken in turns, and what counts is the ratio: these machines are noisy and differ, ratios less so.

mod memory;
mod pair;
mod point;
mod scan;
mod tpch;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use integration::gateway::{GatewayConfig, TestGateway};
use integration::servers::{TestMariaDb, TestPostgres};
use integration::tpch::{TABLES, load_mariadb, load_postgres, write_csv_files};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Whole-table scans of lineitem
    Scan,
    /// The 22 TPC-H queries over PostgreSQL and MariaDB
    Tpch,
    /// Point queries by key
    Point,
    /// The gateway's memory while a slow client reads
    Memory,
}

/// Compares the gateway with the engines behind it.
#[derive(Parser)]
struct Args {
    /// What to measure; everything by default
    parts: Vec<Part>,
    /// TPC-H scale factor
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// How often each pair is measured
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds for each kind of point query
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// The engines, all tables in each, and a gateway over both.
struct Bench {
    postgres: TestPostgres,
    mariadb: TestMariaDb,
    gateway: TestGateway,
    runtime: tokio::runtime::Runtime,
    args: Args,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-local: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let parts = if args.parts.is_empty() { Part::value_variants().to_vec() } else { args.parts.clone() };
    let bench = prepare(args)?;
    for part in parts {
        match part {
            Part::Scan => scan::run(&bench)?,
            Part::Tpch => tpch::run(&bench)?,
            Part::Point => point::run(&bench)?,
            Part::Memory => memory::run(&bench)?,
        }
    }
    Ok(())
}

fn prepare(args: Args) -> Result<Bench> {
    let started = Instant::now();
    println!("Generating and loading TPC-H, scale factor {}, into PostgreSQL and MariaDB", args.scale);
    let csv = tempfile::tempdir()?;
    write_csv_files(csv.path(), args.scale, &TABLES)?;
    let postgres = TestPostgres::start(&[])?;
    load_postgres(&postgres, csv.path(), &TABLES)?;
    postgres.sql("vacuum")?;
    println!("  PostgreSQL is loaded after {:.0} s", started.elapsed().as_secs_f64());
    let mariadb = TestMariaDb::start(&["innodb-buffer-pool-size=4G"])?;
    load_mariadb(&mariadb, csv.path(), &TABLES)?;
    println!("  MariaDB is loaded after {:.0} s", started.elapsed().as_secs_f64());
    let mut config = gateway_config(&postgres, &mariadb);
    for table in TABLES {
        let source = if tpch::IN_POSTGRES.contains(&table) { "pg" } else { "my" };
        config = config.table("tpch", table, source, table);
    }
    let gateway = TestGateway::start(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    Ok(Bench { postgres, mariadb, gateway, runtime, args })
}

fn gateway_config(postgres: &TestPostgres, mariadb: &TestMariaDb) -> GatewayConfig {
    GatewayConfig::default().site("local").postgres("pg", "local", postgres).mariadb("my", "local", mariadb)
}
