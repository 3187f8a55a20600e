//! PostgreSQL's catalogs as psql and drivers read them: the same questions to PostgreSQL and to a gateway over its tables have
//! the same answers, up to what is only the gateway's.

use std::process::Command;
use std::sync::OnceLock;

use integration::gateway::{GatewayConfig, TestGateway};

use crate::shared::{Shared, shared};

/// Tables, keys and comments that only these tests look at. The gateway shows them under the same names.
const SCHEMA: &str = r#"
CREATE SCHEMA meta;
CREATE TABLE meta.pairs (b int NOT NULL, a text NOT NULL, "Odd Name" varchar(7), amount numeric(12,3) UNIQUE, PRIMARY KEY (a, b));
CREATE TABLE meta.kinds (s int2, l int8, f float4, d float8, n numeric, t text, c char(3), day date, at time(3), stamp timestamp,
    zoned timestamptz(0), span interval, yes bool, raw bytea, doc json, docb jsonb, id uuid, many int[], words text[]);
CREATE VIEW meta.shown AS SELECT a, amount FROM meta.pairs;
COMMENT ON TABLE meta.pairs IS 'pairs of it''s own';
COMMENT ON COLUMN meta.pairs.a IS 'the first half';
ANALYZE meta.pairs;
"#;

fn gateway() -> &'static (&'static Shared, TestGateway) {
    static GATEWAY: OnceLock<(&'static Shared, TestGateway)> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let shared = shared();
        run(Command::new("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", SCHEMA, &shared.postgres.url()]));
        let mut config = GatewayConfig::default()
            .site("local")
            .postgres("shop", "local", &shared.postgres)
            .mariadb("mariadb", "local", &shared.mariadb)
            .files("parquet", "local", shared.files.path());
        for name in ["region", "orders", "lineitem"] {
            config = config.table("public", name, "shop", name);
        }
        for name in ["pairs", "kinds", "shown"] {
            config = config.table("meta", name, "shop", &format!("meta.{name}"));
        }
        (shared, TestGateway::start(&config).unwrap())
    })
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // psql also says there that a list is empty.
    assert!(output.status.success() && !err.contains("ERROR"), "{command:?}: {err}");
    out.into_owned()
}

fn psql(url: &str, command: &str) -> String {
    run(Command::new("psql").args(["-X", "-v", "ON_ERROR_STOP=1", "-c", command, url]))
}

/// The gateway's answer. The user is called as the owner of everything at the oracle.
fn here(command: &str) -> String {
    psql(&format!("host=127.0.0.1 port={} user=postgres dbname=postgres", gateway().1.port), command)
}

fn oracle(command: &str) -> String {
    psql(&gateway().0.postgres.url(), command)
}

#[test]
fn tables_are_described_as_postgresql_does() {
    for command in [
        r"\d meta.pairs",
        r"\d+ meta.pairs",
        r"\d meta.kinds",
        r"\d+ meta.kinds",
        r"\d meta.shown",
        r"\d meta.pairs_pkey",
        r"\d region",
        r"\d+ region",
        r"\dt meta.*",
        r"\dv meta.*",
        r"\di meta.*",
        r"\d meta.*",
        r"\dn meta",
        r"\df meta.*",
    ] {
        assert_eq!(here(command), oracle(command), "{command}");
    }
}

#[test]
fn drivers_get_postgresqls_answers() {
    let statements = include_str!("../../cases/catalog.sql").split("\n\n").skip(1);
    let mut wrong = Vec::new();
    for statement in statements {
        let (here, oracle) = (here(statement), oracle(statement));
        if here != oracle {
            wrong.push(format!("{statement}\n--- PostgreSQL\n{oracle}--- Narrows\n{here}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_catalog_can_be_read() {
    let all = "SELECT 'TABLE ' || n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'v') AND n.nspname IN ('pg_catalog', 'information_schema', 'narrows')";
    let list = here(all);
    let tables: Vec<&str> = list.lines().map(str::trim).filter(|l| l.starts_with("TABLE ")).collect();
    assert!(tables.len() > 150, "{list}");
    for table in tables {
        here(table);
    }
}

/// Their lists are the gateway's own, or empty; that they come at all is what matters.
#[test]
fn every_command_is_answered() {
    for command in [
        r"\d",
        r"\dS",
        r"\d+",
        r"\da",
        r"\dA",
        r"\db",
        r"\dc",
        r"\dC",
        r"\dD",
        r"\dd",
        r"\ddp",
        r"\dE",
        r"\des",
        r"\det",
        r"\deu",
        r"\dew",
        r"\df",
        r"\dF",
        r"\dg",
        r"\di+",
        r"\dl",
        r"\dL",
        r"\dm",
        r"\dn+",
        r"\do",
        r"\dO",
        r"\dp",
        r"\dP",
        r"\drds",
        r"\dRp",
        r"\dRs",
        r"\ds",
        r"\dt+",
        r"\dT",
        r"\dT+",
        r"\du",
        r"\du+",
        r"\dv+",
        r"\dx",
        r"\dX",
        r"\dy",
        r"\l",
        r"\l+",
        r"\z",
        r"\conninfo",
        r"\d narrows.sources",
        r"\d+ narrows.queries",
        r"\d pg_class",
        r"\d+ information_schema.columns",
        r"\dt mariadb.*",
    ] {
        here(command);
    }
}

#[test]
fn lists_show_what_the_gateway_has() {
    let tables = here(r"\dt *.orders");
    for schema in ["mariadb", "parquet", "shop", "public"] {
        assert!(tables.contains(&format!(" {schema} ")), "{tables}");
    }
    assert!(tables.contains("(4 rows)"), "{tables}");
    let schemas = here(r"\dn");
    for schema in ["mariadb", "meta", "narrows", "parquet", "shop", "public"] {
        assert!(schemas.contains(&format!(" {schema} ")), "{schemas}");
    }
    let visible = here(r"\d");
    assert!(visible.contains(" region ") && visible.contains("(3 rows)"), "{visible}");
    assert!(here(r"\l").contains("(1 row)"));
    assert!(here(r"\du").contains(" postgres "));
    let key = here(r"\d mariadb.orders");
    assert!(key.contains("\"orders_pkey\" PRIMARY KEY, btree (o_orderkey)"), "{key}");
    assert!(here(r"\d narrows.sources").contains("View \"narrows.sources\""));
}
