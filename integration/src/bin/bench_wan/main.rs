//! `make bench-wan`: TPC-H over three sites behind an emulated wide-area network, under what the planner may send where.
//!
//! Every query runs in each mode in turns, with the same sites, links and compression; what counts is the ratio of bytes and of
//! seconds. Bytes are those the emulator carried, both directions of every link, control included.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use integration::gateway::{Answer, GatewayConfig, TestGateway, ask, connect};
use integration::median;
use integration::oracle::difference;
use integration::plot::bars;
use integration::servers::{TestMariaDb, TestPostgres};
use integration::site::TestSite;
use integration::tpch::{TABLES, load_mariadb, load_postgres, query, write_csv_files, write_parquet_files};
use integration::wan::{Rate, Topology, Wan};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Which source has nation, region, part, supplier, partsupp, customer, orders, lineitem.
const PLACEMENT: [&str; 8] = ["pg", "pg", "files", "my", "files", "pg", "pg", "my"];
/// Queries whose tables are all at one site then: nothing can be gained.
const ONE_SITE: [usize; 5] = [1, 6, 13, 15, 22];
/// Site, source, round trip to the gateway in ms.
const SITES: [(&str, &str, u64); 3] = [("eu", "pg", 30), ("us", "my", 90), ("ap", "files", 150)];
/// Round trips between sites in ms.
const BETWEEN: [(&str, &str, u64); 3] = [("eu", "us", 85), ("eu", "ap", 160), ("us", "ap", 180)];
const HOME: &str = "local";

struct Mode {
    name: &'static str,
    pushdown: &'static str,
    /// And aggregation before movement.
    reduction: &'static str,
    placement: &'static str,
}

impl Mode {
    fn settings(&self) -> String {
        let Self { pushdown, reduction, placement, .. } = self;
        format!(
            "set narrows.pushdown = {pushdown}; set narrows.reduction = {reduction}; \
             set narrows.aggregation = {reduction}; set narrows.placement = {placement}"
        )
    }
}

/// The second one is what the others are compared with.
const MODES: [Mode; 4] = [
    Mode { name: "everything", pushdown: "off", reduction: "off", placement: "off" },
    Mode { name: "pushdown", pushdown: "full", reduction: "off", placement: "off" },
    Mode { name: "reduction", pushdown: "full", reduction: "on", placement: "off" },
    Mode { name: "sites", pushdown: "full", reduction: "on", placement: "on" },
];
const BASE: usize = 1;

/// Measures TPC-H over three sites of an emulated wide-area network.
#[derive(Parser)]
struct Args {
    /// TPC-H scale factor
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Mbit/s of every link, each way
    #[arg(long, default_value_t = 100.0)]
    mbit: f64,
    /// How often each query runs in each mode
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Queries, by number; all 22 by default
    queries: Vec<usize>,
    /// Also ship whole tables (slow)
    #[arg(long)]
    everything: bool,
    /// Go on serving afterwards, for a psql of your own, until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// Print each query's EXPLAIN ANALYZE under the last mode
    #[arg(long)]
    explain: bool,
    /// Folder for two charts, wan-bytes.svg and wan-seconds.svg
    #[arg(long)]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-wan: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The engines with all tables, a site process beside each, and a gateway behind the emulated links.
struct Bench {
    postgres: TestPostgres,
    _mariadb: TestMariaDb,
    _files: tempfile::TempDir,
    _sites: Vec<TestSite>,
    wan: Wan,
    gateway: TestGateway,
}

fn prepare(args: &Args) -> Result<Bench> {
    println!("Loading TPC-H, scale factor {}, into PostgreSQL, MariaDB and Parquet files", args.scale);
    let csv = tempfile::tempdir()?;
    write_csv_files(csv.path(), args.scale, &TABLES)?;
    let files = tempfile::tempdir()?;
    write_parquet_files(files.path(), args.scale, &TABLES)?;
    let postgres = TestPostgres::start(&[])?;
    load_postgres(&postgres, csv.path(), &TABLES)?;
    let mariadb = TestMariaDb::start(&["innodb-buffer-pool-size=2G"])?;
    load_mariadb(&mariadb, csv.path(), &TABLES)?;

    let topology = SITES.iter().fold(Topology::new(), |topology, (site, _, round_trip)| {
        topology.pair(HOME, site, Rate::mbit(args.mbit), Duration::from_millis(*round_trip))
    });
    let topology = BETWEEN.iter().fold(topology, |topology, (a, b, round_trip)| {
        topology.pair(a, b, Rate::mbit(args.mbit), Duration::from_millis(*round_trip))
    });
    let wan = topology.start()?;
    let mut sites: Vec<TestSite> = Vec::new();
    let mut config = GatewayConfig::default();
    for (site, source, _) in SITES {
        let sources = GatewayConfig::default();
        let sources = match source {
            "pg" => sources.postgres(source, site, &postgres),
            "my" => sources.mariadb(source, site, &mariadb),
            _ => sources.files(source, site, files.path()),
        };
        let process = TestSite::start(site, &sources)?;
        let address = wan.listen(HOME, site, SocketAddr::from(([127, 0, 0, 1], process.port)))?;
        config = config.remote_site_at(&process, address.port());
        sites.push(process);
    }
    let link = |from: &str, to: &str, rtt: u64, address: String| {
        let mbit = args.mbit;
        format!("[[link]]\nfrom = \"{from}\"\nto = \"{to}\"\nmbit = {mbit}\nrtt = \"{rtt}ms\"\n{address}\n")
    };
    for (site, _, rtt) in SITES {
        config = config.section(&link(site, HOME, rtt, String::new()));
    }
    for (a, b, rtt) in BETWEEN {
        for (from, to) in [(a, b), (b, a)] {
            let port = sites.iter().find(|site| site.name == from).map(|site| site.port).ok_or("a site is missing")?;
            let address = wan.listen(to, from, SocketAddr::from(([127, 0, 0, 1], port)))?;
            config = config.section(&link(from, to, rtt, format!("address = \"{address}\"")));
        }
    }
    for (table, source) in TABLES.iter().zip(PLACEMENT) {
        config = config.table("tpch", table, source, table);
    }
    let gateway = TestGateway::start(&config)?;
    Ok(Bench { postgres, _mariadb: mariadb, _files: files, _sites: sites, wan, gateway })
}

/// Bytes and seconds of one run.
#[derive(Clone, Copy)]
struct Cost {
    bytes: f64,
    seconds: f64,
}

fn run(args: &Args) -> Result<()> {
    let bench = prepare(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        measure(args, &bench).await?;
        if args.stay {
            println!("psql '{}'   until Ctrl-C", bench.gateway.url());
            tokio::signal::ctrl_c().await?;
        }
        Ok(())
    })
}

async fn measure(args: &Args, bench: &Bench) -> Result<()> {
    let oracle = connect(&bench.postgres.url()).await?;
    let client = connect(&bench.gateway.url()).await?;
    ask(&client, "set search_path = tpch").await;
    let computing = "select count(*) from narrows.sites where computes";
    let ready = Answer::Rows(vec![vec![Some(SITES.len().to_string())]]);
    while ask(&client, computing).await != ready {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let modes: Vec<usize> = (0..MODES.len()).filter(|m| args.everything || *m >= BASE).collect();
    let numbers: Vec<usize> = if args.queries.is_empty() { (1..=22).collect() } else { args.queries.clone() };
    println!(
        "\n{} Mbit/s, round trips {:?} ms; medians of {} runs; MB over all links",
        args.mbit,
        SITES.map(|s| s.2),
        args.runs
    );
    print!("query");
    modes.iter().for_each(|m| print!("  {:>10} MB        s", MODES[*m].name));
    println!("   bytes  time");
    let mut ratios: Vec<(f64, f64)> = Vec::new();
    let (mut bytes, mut seconds) = (Vec::new(), Vec::new());
    for number in numbers {
        let sql = query(number)?;
        let Answer::Rows(expected) = ask(&oracle, &sql).await else {
            return Err(format!("the oracle refuses Q{number}").into());
        };
        let mut costs = vec![Vec::new(); MODES.len()];
        for _ in 0..args.runs.max(1) {
            for mode in &modes {
                ask(&client, &MODES[*mode].settings()).await;
                let (before, started) = (bench.wan.bytes(), Instant::now());
                let rows = match ask(&client, &sql).await {
                    Answer::Rows(rows) => rows,
                    Answer::Error { sqlstate, message } => {
                        let mode = MODES[*mode].name;
                        return Err(format!("Q{number} failed with {mode}: {sqlstate} {message}").into());
                    }
                };
                let cost =
                    Cost { seconds: started.elapsed().as_secs_f64(), bytes: (bench.wan.bytes() - before) as f64 };
                if let Some(difference) = difference(&expected, &rows, false, &[]) {
                    return Err(format!("Q{number} is wrong with {}: {difference}", MODES[*mode].name).into());
                }
                costs[*mode].push(cost);
            }
        }
        let typical = |mode: usize| Cost {
            bytes: median(costs[mode].iter().map(|c| c.bytes).collect()),
            seconds: median(costs[mode].iter().map(|c| c.seconds).collect()),
        };
        let (base, last) = (typical(BASE), typical(MODES.len() - 1));
        print!("Q{number:<4}");
        for mode in &modes {
            let cost = typical(*mode);
            print!("  {:>13.3} {:>8.3}", cost.bytes / 1e6, cost.seconds);
        }
        println!("  {:>6.3} {:>5.2}", last.bytes / base.bytes, last.seconds / base.seconds);
        if args.explain
            && let Answer::Rows(lines) = ask(&client, &format!("explain analyze {sql}")).await
        {
            lines.iter().flatten().flatten().for_each(|line| println!("    {line}"));
        }
        if !ONE_SITE.contains(&number) {
            ratios.push((last.bytes / base.bytes, last.seconds / base.seconds));
        }
        bytes.push((format!("Q{number}"), modes.iter().map(|mode| typical(*mode).bytes / 1e6).collect::<Vec<_>>()));
        seconds.push((format!("Q{number}"), modes.iter().map(|mode| typical(*mode).seconds).collect::<Vec<_>>()));
    }
    if let Some(folder) = &args.svg {
        let names: Vec<&str> = modes.iter().map(|mode| MODES[*mode].name).collect();
        let title = format!("TPC-H SF {} over three sites, {} Mbit/s", args.scale, args.mbit);
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("wan-bytes.svg"), bars(&title, "MB over all links", &names, &bytes))?;
        std::fs::write(folder.join("wan-seconds.svg"), bars(&title, "seconds", &names, &seconds))?;
    }
    let mean = |values: Vec<f64>| (values.iter().map(|v| v.ln()).sum::<f64>() / values.len() as f64).exp();
    println!(
        "geometric means of {} / {} over the {} that read several sites: bytes {:.3}, time {:.3}; all answers equal",
        MODES[MODES.len() - 1].name,
        MODES[BASE].name,
        ratios.len(),
        mean(ratios.iter().map(|r| r.0).collect()),
        mean(ratios.iter().map(|r| r.1).collect())
    );
    Ok(())
}
