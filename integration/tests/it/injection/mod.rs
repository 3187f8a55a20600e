//! What a value or a name could do to the statement it stands in. Each goes as literal, parameter, pattern, table and column name
//! to every engine, and none may change what a statement means: rows come back as they are, and only those asked for.
//!
//! The servers' own settings are the worst ones: `standard_conforming_strings = off`, `NO_BACKSLASH_ESCAPES,ANSI_QUOTES`.

mod corpus;
mod identifiers;
mod literals;
mod passthrough;

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, Int32Array, StringArray};
use integration::gateway::{Answer, GatewayConfig, TestGateway, ask};
use integration::servers::{TestMariaDb, TestPostgres};

use corpus::{names, values};

use crate::client::rows;
use crate::conformance::subject::write;

// `tame`: a database of PostgreSQL with its own defaults; `wild`: with every setting that changes how text is read.
// `my`: MariaDB, whose defaults a test may change at any time; `files`: Parquet.
struct Prey {
    postgres: TestPostgres,
    mariadb: TestMariaDb,
    gateway: TestGateway,
    _files: tempfile::TempDir,
}

fn prey() -> &'static Prey {
    static PREY: OnceLock<Prey> = OnceLock::new();
    PREY.get_or_init(|| {
        let postgres = TestPostgres::start(&[]).unwrap();
        for database in ["tame", "wild"] {
            postgres.sql(&format!("create database {database}")).unwrap();
            let script = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(script.path(), setup_postgres()).unwrap();
            let psql = postgres.psql().args(["-d", database, "-f"]).arg(script.path()).output().unwrap();
            assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
        }
        for setting in [
            "standard_conforming_strings = off",
            "backslash_quote = on",
            "escape_string_warning = off",
            "bytea_output = escape",
            "datestyle = 'SQL, DMY'",
            "transform_null_equals = on",
        ] {
            postgres.sql(&format!("alter database wild set {setting}")).unwrap();
        }
        let mariadb = TestMariaDb::start(&[]).unwrap();
        mariadb.sql(&setup_mariadb()).unwrap();
        let files = tempfile::tempdir().unwrap();
        setup_files(files.path());
        let pg = |name: &str| {
            format!(
                "[[source]]\nname = \"{name}\"\nengine = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\n\
                 database = \"{name}\"\nuser = \"postgres\"\nsslmode = \"disable\"",
                postgres.port
            )
        };
        let config = GatewayConfig::default()
            .site("local")
            .section(&pg("tame"))
            .section(&pg("wild"))
            .mariadb("my", "local", &mariadb)
            .files("files", "local", files.path());
        let gateway = TestGateway::start(&config).unwrap();
        Prey { postgres, mariadb, gateway, _files: files }
    })
}

impl Prey {
    /// Runs the test once with MariaDB as it comes and once with other defaults.
    fn with_each_mode(&self, test: impl Fn(&str)) {
        for mode in ["STRICT_TRANS_TABLES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH"]
        {
            self.mariadb.sql(&format!("set global sql_mode = '{mode}'")).unwrap();
            test(mode);
        }
    }

    /// The tables that everything here would like to drop.
    fn canaries_live(&self) {
        for database in ["tame", "wild"] {
            let psql = self.postgres.psql().args(["-d", database, "-c", "select count(*) from canary"]).output();
            assert_eq!(String::from_utf8_lossy(&psql.unwrap().stdout).trim(), "1");
        }
        assert_eq!(self.mariadb.sql("select count(*) from canary").unwrap().trim(), "1");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

/// PostgreSQL's spelling of a name.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal as a careful client writes it.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn setup_postgres() -> String {
    let text = |value: &str| format!("convert_from(decode('{}', 'hex'), 'UTF8')", hex(value));
    let mut sql =
        "create table canary (a int); insert into canary values (1); create table corpus (id int, v text);".to_string();
    for (id, value) in values().iter().enumerate() {
        sql += &format!("insert into corpus values ({id}, {});", text(value));
    }
    for name in names("tame") {
        let (table, column) = (quoted(name), quoted(name));
        sql +=
            &format!("create table {table} (id int, {column} text); insert into {table} values (1, {});", text(name));
    }
    sql
}

fn setup_mariadb() -> String {
    let text = |value: &str| format!("convert(x'{}' using utf8mb4)", hex(value));
    let mut sql = "create table canary (a int); insert into canary values (1);\n\
        create table corpus (id int, v longtext) collate utf8mb4_bin;\n"
        .to_string();
    for (id, value) in values().iter().enumerate() {
        sql += &format!("insert into corpus values ({id}, {});\n", text(value));
    }
    for name in names("my") {
        let name_there = format!("`{}`", name.replace('`', "``"));
        sql += &format!("create table {name_there} (id int, {name_there} text) collate utf8mb4_bin;\n");
        sql += &format!("insert into {name_there} values (1, {});\n", text(name));
    }
    sql
}

fn setup_files(dir: &std::path::Path) {
    let table = |name: &str, column: &str, values: Vec<String>| {
        let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(0..values.len() as i32));
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        write(&dir.join(format!("{name}.parquet")), vec![("id", ids), (column, values)]);
    };
    table("corpus", "v", values());
    for name in names("files") {
        table(name, name, vec![name.to_string()]);
    }
}
