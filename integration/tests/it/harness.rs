//! The harness itself: servers start, take TPC-H data, and leave nothing behind.

use integration::servers::{TestMariaDb, TestPostgres};
use integration::tpch;

#[test]
fn both_servers_hold_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    tpch::write_csv_files(dir.path(), 0.01, &tpch::TABLES).unwrap();
    tpch::write_parquet_files(dir.path(), 0.01, &tpch::TABLES).unwrap();
    let (postgres, mariadb) = (TestPostgres::start(&[]).unwrap(), TestMariaDb::start(&[]).unwrap());
    tpch::load_postgres(&postgres, dir.path(), &tpch::TABLES).unwrap();
    tpch::load_mariadb(&mariadb, dir.path(), &tpch::TABLES).unwrap();
    for query in ["select count(*), sum(l_extendedprice) from lineitem", "select max(o_comment), count(*) from orders"]
    {
        let (ours, theirs) = (postgres.sql(query).unwrap(), mariadb.sql(query).unwrap());
        assert_eq!(ours.replace('|', "\t"), theirs);
        assert_ne!(ours, "");
    }
    let server_dir = postgres.dir().to_path_buf();
    drop(postgres);
    assert!(!server_dir.exists(), "the server left its directory behind");
}
