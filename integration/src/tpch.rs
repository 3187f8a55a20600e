//! TPC-H data and queries, the same rows in every engine. Results here are no TPC-H results in the TPC's sense.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatchReader;
use arrow::util::display::array_value_to_string;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tpchgen::csv::{CustomerCsv, LineItemCsv, NationCsv, OrderCsv, PartCsv, PartSuppCsv, RegionCsv, SupplierCsv};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

use crate::servers::{TestMariaDb, TestPostgres};

pub const TABLES: [&str; 8] = ["nation", "region", "part", "supplier", "partsupp", "customer", "orders", "lineitem"];

/// Columns and primary key, valid in PostgreSQL and MariaDB.
fn columns(table: &str) -> &'static str {
    match table {
        "nation" => {
            "n_nationkey bigint primary key, n_name varchar(25) not null, n_regionkey bigint not null, n_comment varchar(152)"
        }
        "region" => "r_regionkey bigint primary key, r_name varchar(25) not null, r_comment varchar(152)",
        "part" => {
            "p_partkey bigint primary key, p_name varchar(55) not null, p_mfgr varchar(25) not null, p_brand varchar(10) not null, \
             p_type varchar(25) not null, p_size int not null, p_container varchar(10) not null, \
             p_retailprice decimal(15,2) not null, p_comment varchar(23) not null"
        }
        "supplier" => {
            "s_suppkey bigint primary key, s_name varchar(25) not null, s_address varchar(40) not null, s_nationkey bigint not null, \
             s_phone varchar(15) not null, s_acctbal decimal(15,2) not null, s_comment varchar(101) not null"
        }
        "partsupp" => {
            "ps_partkey bigint not null, ps_suppkey bigint not null, ps_availqty int not null, \
             ps_supplycost decimal(15,2) not null, ps_comment varchar(199) not null, primary key (ps_partkey, ps_suppkey)"
        }
        "customer" => {
            "c_custkey bigint primary key, c_name varchar(25) not null, c_address varchar(40) not null, c_nationkey bigint not null, \
             c_phone varchar(15) not null, c_acctbal decimal(15,2) not null, c_mktsegment varchar(10) not null, \
             c_comment varchar(117) not null"
        }
        "orders" => {
            "o_orderkey bigint primary key, o_custkey bigint not null, o_orderstatus varchar(1) not null, \
             o_totalprice decimal(15,2) not null, o_orderdate date not null, o_orderpriority varchar(15) not null, \
             o_clerk varchar(15) not null, o_shippriority int not null, o_comment varchar(79) not null"
        }
        _ => {
            "l_orderkey bigint not null, l_partkey bigint not null, l_suppkey bigint not null, l_linenumber int not null, \
             l_quantity decimal(15,2) not null, l_extendedprice decimal(15,2) not null, l_discount decimal(15,2) not null, \
             l_tax decimal(15,2) not null, l_returnflag varchar(1) not null, l_linestatus varchar(1) not null, \
             l_shipdate date not null, l_commitdate date not null, l_receiptdate date not null, \
             l_shipinstruct varchar(25) not null, l_shipmode varchar(10) not null, l_comment varchar(44) not null, \
             primary key (l_orderkey, l_linenumber)"
        }
    }
}

/// Indexes besides the primary keys, as a tuned installation has them.
const INDEXES: [&str; 6] = [
    "create index l_partkey_suppkey on lineitem (l_partkey, l_suppkey)",
    "create index o_custkey on orders (o_custkey)",
    "create index ps_suppkey on partsupp (ps_suppkey)",
    "create index c_nationkey on customer (c_nationkey)",
    "create index s_nationkey on supplier (s_nationkey)",
    "create index n_regionkey on nation (n_regionkey)",
];

/// The text of query 1 to 22.
pub fn query(number: usize) -> io::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tpch/q{number:02}.sql"));
    std::fs::read_to_string(path)
}

fn write_rows<T: Display>(out: &mut impl Write, rows: impl Iterator<Item = T>) -> io::Result<()> {
    for row in rows {
        writeln!(out, "{row}")?;
    }
    Ok(())
}

fn write_csv(table: &str, scale: f64, out: &mut impl Write) -> io::Result<()> {
    match table {
        "nation" => write_rows(out, NationGenerator::new(scale, 1, 1).iter().map(NationCsv::new)),
        "region" => write_rows(out, RegionGenerator::new(scale, 1, 1).iter().map(RegionCsv::new)),
        "part" => write_rows(out, PartGenerator::new(scale, 1, 1).iter().map(PartCsv::new)),
        "supplier" => write_rows(out, SupplierGenerator::new(scale, 1, 1).iter().map(SupplierCsv::new)),
        "partsupp" => write_rows(out, PartSuppGenerator::new(scale, 1, 1).iter().map(PartSuppCsv::new)),
        "customer" => write_rows(out, CustomerGenerator::new(scale, 1, 1).iter().map(CustomerCsv::new)),
        "orders" => write_rows(out, OrderGenerator::new(scale, 1, 1).iter().map(OrderCsv::new)),
        _ => write_rows(out, LineItemGenerator::new(scale, 1, 1).iter().map(LineItemCsv::new)),
    }
}

/// One CSV file per table, without a header.
pub fn write_csv_files(dir: &Path, scale: f64, tables: &[&str]) -> io::Result<()> {
    for table in tables {
        let mut out = BufWriter::new(File::create(dir.join(format!("{table}.csv")))?);
        write_csv(table, scale, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

fn write_batches(path: &Path, reader: impl RecordBatchReader) -> io::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(io::Error::other)?))
        .set_max_row_group_row_count(Some(131_072))
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(path)?, reader.schema(), Some(properties)).map_err(io::Error::other)?;
    for batch in reader {
        writer.write(&batch.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// One Parquet file per table.
pub fn write_parquet_files(dir: &Path, scale: f64, tables: &[&str]) -> io::Result<()> {
    for table in tables {
        let path = dir.join(format!("{table}.parquet"));
        match *table {
            "nation" => write_batches(&path, NationArrow::new(NationGenerator::new(scale, 1, 1)))?,
            "region" => write_batches(&path, RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?,
            "part" => write_batches(&path, PartArrow::new(PartGenerator::new(scale, 1, 1)))?,
            "supplier" => write_batches(&path, SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))?,
            "partsupp" => write_batches(&path, PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)))?,
            "customer" => write_batches(&path, CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))?,
            "orders" => write_batches(&path, OrderArrow::new(OrderGenerator::new(scale, 1, 1)))?,
            _ => write_batches(&path, LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)))?,
        }
    }
    Ok(())
}

/// A Parquet file with those rows of another one whose values in a column are kept; values as PostgreSQL writes them.
pub fn filter_parquet_file(from: &Path, to: &Path, column: &str, kept: impl Fn(&str) -> bool) -> io::Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(from)?).map_err(io::Error::other)?;
    let schema = reader.schema().clone();
    let mut writer = ArrowWriter::try_new(File::create(to)?, schema, None).map_err(io::Error::other)?;
    for batch in reader.build().map_err(io::Error::other)? {
        let batch = batch.map_err(io::Error::other)?;
        let values = batch.column_by_name(column).ok_or_else(|| io::Error::other(format!("no column {column}")))?;
        let text = |row| array_value_to_string(values, row).map_err(io::Error::other);
        let mask =
            (0..batch.num_rows()).map(|row| Ok(Some(kept(&text(row)?)))).collect::<io::Result<BooleanArray>>()?;
        writer.write(&filter_record_batch(&batch, &mask).map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// Creates and fills the tables in the default schema.
pub fn load_postgres(server: &TestPostgres, csv: &Path, tables: &[&str]) -> io::Result<()> {
    let mut script = String::new();
    for table in tables {
        script += &format!("create table {table} ({});\n", columns(table));
        script += &format!("\\copy {table} from '{}' csv\n", csv.join(format!("{table}.csv")).display());
    }
    for index in indexes(tables) {
        script += &format!("{index};\n");
    }
    script += "analyze;\n";
    let file = csv.join("load.sql");
    std::fs::write(&file, script)?;
    let output = server.psql().arg("-f").arg(file).output()?;
    if output.status.success() { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&output.stderr))) }
}

/// Creates and fills the tables in database `test`.
pub fn load_mariadb(server: &TestMariaDb, csv: &Path, tables: &[&str]) -> io::Result<()> {
    let mut script = String::new();
    for table in tables {
        script += &format!("create table {table} ({}) collate utf8mb4_bin;\n", columns(table));
        script += &format!(
            "load data local infile '{}' into table {table} character set utf8mb4 \
             fields terminated by ',' optionally enclosed by '\"';\n",
            csv.join(format!("{table}.csv")).display()
        );
    }
    for index in indexes(tables) {
        script += &format!("{index};\n");
    }
    for table in tables {
        script += &format!("analyze table {table} persistent for all;\n");
    }
    server.sql(&script).map(drop)
}

fn indexes<'t>(tables: &'t [&str]) -> impl Iterator<Item = &'static str> + 't {
    INDEXES.into_iter().filter(|index| tables.iter().any(|t| index.contains(&format!(" on {t} "))))
}
