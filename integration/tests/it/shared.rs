//! The servers that most tests read from: one PostgreSQL (also the oracle), one MariaDB, one folder of Parquet files, each with
//! all TPC-H tables (SF 0.01) and the tables of the cases.

use std::sync::OnceLock;

use integration::cases;
use integration::gateway::GatewayConfig;
use integration::servers::{TestMariaDb, TestPostgres};
use integration::site::TestSite;
use integration::tpch::{TABLES, load_mariadb, load_postgres, write_csv_files, write_parquet_files};

pub struct Shared {
    pub postgres: TestPostgres,
    pub mariadb: TestMariaDb,
    pub files: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
}

/// All three as sources of those names, at one site.
pub fn sources() -> GatewayConfig {
    let shared = shared();
    GatewayConfig::default()
        .site("local")
        .postgres("postgres", "local", &shared.postgres)
        .mariadb("mariadb", "local", &shared.mariadb)
        .files("parquet", "local", shared.files.path())
}

/// All three as sources of those names, each at a site that is a process of its own.
pub fn sources_at_sites() -> (Vec<TestSite>, GatewayConfig) {
    let shared = shared();
    let sites = [
        ("eu", GatewayConfig::default().postgres("postgres", "eu", &shared.postgres)),
        ("us", GatewayConfig::default().mariadb("mariadb", "us", &shared.mariadb)),
        ("ap", GatewayConfig::default().files("parquet", "ap", shared.files.path())),
    ];
    let sites: Vec<TestSite> = sites.map(|(name, sources)| TestSite::start(name, &sources).unwrap()).into();
    let config = sites.iter().fold(GatewayConfig::default(), GatewayConfig::remote_site);
    (sites, config)
}

pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let csv = tempfile::tempdir().unwrap();
        write_csv_files(csv.path(), 0.01, &TABLES).unwrap();
        let files = tempfile::tempdir().unwrap();
        write_parquet_files(files.path(), 0.01, &TABLES).unwrap();
        cases::write_parquet(files.path()).unwrap();
        let (postgres, mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
        load_postgres(&postgres, csv.path(), &TABLES).unwrap();
        load_mariadb(&mariadb, csv.path(), &TABLES).unwrap();
        cases::load_postgres(&postgres).unwrap();
        cases::load_mariadb(&mariadb).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Shared { postgres, mariadb, files, runtime }
    })
}
