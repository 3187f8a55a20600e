//! `make demo`: what Narrows does, on a machine that has nothing but Rust.
//!
//! TPC-H tables are generated as Parquet files and spread over three sites, each a process of its own behind an emulated
//! wide-area link; one query that needs all three runs through the PostgreSQL port, as any client's would. All of it then stays,
//! for a psql of the user's own.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use integration::gateway::{Answer, Running, ask, connect, narrows_program};
use integration::tpch::write_parquet_files;
use integration::wan::{Rate, Topology, Wan};
use tokio_postgres::Client;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the gateway is.
const HOME: &str = "paris";

/// Sites, the round trip from the gateway in ms, the source at each, and its tables.
const SITES: [(&str, u64, &str, &[&str]); 3] = [
    ("frankfurt", 12, "crm", &["customer", "nation", "region"]),
    ("virginia", 85, "sales", &["orders", "lineitem"]),
    ("singapore", 160, "supply", &["part", "supplier", "partsupp"]),
];

/// Round trips between the sites in ms.
const BETWEEN: [(&str, &str, u64); 3] =
    [("frankfurt", "virginia", 90), ("frankfurt", "singapore", 155), ("virginia", "singapore", 220)];

/// Mbit/s of every link.
const MBIT: f64 = 100.0;

const QUERY: &str = "\
SELECT n_name AS nation, count(DISTINCT o_orderkey) AS orders,
       sum(l_extendedprice * (1 - l_discount)) AS revenue
  FROM crm.region
  JOIN crm.nation ON n_regionkey = r_regionkey
  JOIN crm.customer ON c_nationkey = n_nationkey
  JOIN sales.orders ON o_custkey = c_custkey
  JOIN sales.lineitem ON l_orderkey = o_orderkey
  JOIN supply.supplier ON s_suppkey = l_suppkey AND s_nationkey = c_nationkey
 WHERE r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'
 GROUP BY n_name
 ORDER BY revenue DESC";

/// Starts a gateway and three sites with generated TPC-H tables, far apart, and runs one query over all of them.
#[derive(Parser)]
struct Args {
    /// Folder for the tables, the configuration and the gateway's log; kept and used again
    #[arg(long)]
    dir: PathBuf,
    /// TPC-H scale factor: 1 is 6 million rows of lineitem, about 1 GB
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Port to listen on; by default 5432, or any free one if that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Exit after the query instead of waiting for Ctrl-C
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let tables = tables(&args.dir, args.scale)?;
    let port = match args.port {
        Some(port) => port,
        None => TcpListener::bind(("127.0.0.1", 5432))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?
            .local_addr()?
            .port(),
    };
    let topology = SITES.iter().fold(Topology::new(), |topology, (site, round_trip, ..)| {
        topology.pair(HOME, site, Rate::mbit(MBIT), Duration::from_millis(*round_trip))
    });
    let topology = BETWEEN.iter().fold(topology, |topology, (a, b, round_trip)| {
        topology.pair(a, b, Rate::mbit(MBIT), Duration::from_millis(*round_trip))
    });
    let wan = topology.start()?;
    let sites = SITES.iter().map(|site| start_site(args, &tables, *site, &wan)).collect::<Result<Vec<_>>>()?;
    let config = args.dir.join("narrows.toml");
    fs::write(&config, configuration(&args.dir, &sites, &wan, port)?)?;
    println!("Starting narrows gateway --config {}", config.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut gateway = Running::start(&narrows_program()?, &config, &args.dir.join("gateway.log"), port)?;
    runtime.block_on(async {
        let client = connect(&format!("host=127.0.0.1 port={port} user=demo dbname=narrows")).await?;
        show(&client, &wan).await?;
        println!(
            "\nConnect with   psql -h 127.0.0.1 -p {port} -U demo narrows\n\
             and try        \\dt *.*    SELECT * FROM narrows.sites;    EXPLAIN SELECT ...;"
        );
        if args.check {
            return Ok(());
        }
        println!("Running until Ctrl-C.");
        loop {
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => return Ok(pressed?),
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    if let Some(status) = gateway.ended()? {
                        return Err(format!("the gateway ended: {status}; its log is in {}", args.dir.display()).into());
                    }
                }
            }
        }
    })
}

/// Generates the tables unless they are there; each source's files are in a folder of its own.
fn tables(dir: &Path, scale: f64) -> Result<PathBuf> {
    let done = dir.join(format!("tpch-{scale}"));
    if done.is_dir() {
        return Ok(done);
    }
    let unfinished = dir.join(format!("tpch-{scale}.unfinished"));
    for (site, _, source, tables) in SITES {
        println!("Generating {} for {source} at {site} (TPC-H, scale factor {scale})", tables.join(", "));
        let folder = unfinished.join(source);
        fs::create_dir_all(&folder)?;
        write_parquet_files(&folder, scale, tables)?;
    }
    fs::rename(&unfinished, &done)?;
    Ok(done)
}

/// A site's process and where the gateway reaches it.
struct Site {
    name: &'static str,
    own: SocketAddr,
    address: SocketAddr,
    _process: Running,
}

fn start_site(args: &Args, tables: &Path, site: (&'static str, u64, &str, &[&str]), wan: &Wan) -> Result<Site> {
    let (name, round_trip, source, _) = site;
    let dir = args.dir.join(name);
    fs::create_dir_all(&dir)?;
    let own = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let text = format!(
        "# Written by the demo.\nconfig_version = 1\n\n[site]\nname = \"{name}\"\nlisten = \"{own}\"\ndata_dir = {:?}\n\n\
         [[source]]\nname = \"{source}\"\nengine = \"files\"\npath = {:?}\n",
        dir.join("data"),
        tables.join(source)
    );
    let config = dir.join("site.toml");
    fs::write(&config, text)?;
    println!("Starting narrows site --config {}  ({round_trip} ms away, {MBIT} Mbit/s)", config.display());
    let process = Running::start_role(&narrows_program()?, "site", &config, &dir.join("site.log"), own.port())?;
    Ok(Site { name, own, address: wan.listen(HOME, name, own)?, _process: process })
}

fn configuration(dir: &Path, sites: &[Site], wan: &Wan, port: u16) -> Result<String> {
    let http = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut text = format!(
        "# Written by the demo: three sites behind emulated links, each with a folder of Parquet files.\nconfig_version = 1\n\n\
         [gateway]\nlisten = \"127.0.0.1:{port}\"\nhttp_listen = \"127.0.0.1:{http}\"\ndata_dir = {:?}\n",
        dir.join("data")
    );
    for site in sites {
        text += &format!("\n[[site]]\nname = \"{}\"\naddress = \"{}\"\n", site.name, site.address);
    }
    // How the sites reach each other: rows go straight from one to the other.
    for (a, b, round_trip) in BETWEEN {
        for (from, to) in [(a, b), (b, a)] {
            let site = sites.iter().find(|site| site.name == from).ok_or("a site is missing")?;
            let address = wan.listen(to, from, site.own)?;
            text += &format!(
                "\n[[link]]\nfrom = \"{from}\"\nto = \"{to}\"\nmbit = {MBIT}\nrtt = \"{round_trip}ms\"\naddress = \"{address}\"\n"
            );
        }
    }
    Ok(text)
}

/// The gateway serves before all sites have answered.
async fn until_all_compute(client: &Client) -> Result<()> {
    let ready = Answer::Rows(vec![vec![Some(SITES.len().to_string())]]);
    for _ in 0..100 {
        if ask(client, "SELECT count(*) FROM narrows.sites WHERE computes").await == ready {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the sites do not answer".into())
}

async fn show(client: &Client, wan: &Wan) -> Result<()> {
    println!("\n{QUERY};\n");
    until_all_compute(client).await?;
    let (before, started) = (wan.bytes(), Instant::now());
    let messages = client.simple_query(QUERY).await?;
    let (took, moved) = (started.elapsed(), wan.bytes() - before);
    let rows: Vec<&tokio_postgres::SimpleQueryRow> = messages
        .iter()
        .filter_map(|m| match m {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .collect();
    let Some(first) = rows.first() else { return Err("the query returned nothing".into()) };
    let names: Vec<&str> = first.columns().iter().map(|c| c.name()).collect();
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(str::len).max().unwrap_or(0).max(names[i].len());
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(c, w)| format!(" {c:<w$} "));
        println!("{}", cells.collect::<Vec<_>>().join("|"));
    };
    line(names.clone());
    println!("{}", widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("+"));
    rows.iter().for_each(|row| line((0..names.len()).map(|i| row.get(i).unwrap_or("")).collect()));
    println!(
        "({} rows in {:.0} ms; {:.1} MB crossed the links)",
        rows.len(),
        took.as_secs_f64() * 1e3,
        moved as f64 / 1e6
    );
    ask(client, "SET narrows.placement = off").await;
    let (before, started) = (wan.bytes(), Instant::now());
    ask(client, QUERY).await;
    println!(
        "With all joins in the gateway (SET narrows.placement = off): {:.0} ms, {:.1} MB\n\nEXPLAIN ANALYZE of it:\n",
        started.elapsed().as_secs_f64() * 1e3,
        (wan.bytes() - before) as f64 / 1e6
    );
    ask(client, "SET narrows.placement = on").await;
    match ask(client, &format!("EXPLAIN ANALYZE {QUERY}")).await {
        Answer::Rows(lines) => lines.iter().flatten().flatten().for_each(|line| println!("{line}")),
        Answer::Error { sqlstate, message } => return Err(format!("{sqlstate} {message}").into()),
    }
    std::io::stdout().flush()?;
    Ok(())
}
