//! Every type of the documented tables, with its extremes and NULL: the text PostgreSQL prints for it, its type, and a comparison
//! with it that finds it, under each push-down.

use integration::gateway::{GatewayConfig, TestGateway, connect};
use tokio_postgres::Client;

use super::subject::engines;
use crate::client::{column, error, rows};

/// A column type, the type it becomes, and values with what they look like; `=`: as they are written.
type Round = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const MARIADB: &[Round] = &[
    ("tinyint", "int2", &[("-128", "="), ("127", "="), ("0", "=")]),
    ("tinyint unsigned", "int2", &[("255", "=")]),
    ("tinyint(1)", "int2", &[("0", "="), ("1", "="), ("2", "=")]),
    ("boolean", "int2", &[("true", "1"), ("false", "0")]),
    ("smallint", "int2", &[("-32768", "="), ("32767", "=")]),
    ("smallint unsigned", "int4", &[("65535", "=")]),
    ("mediumint", "int4", &[("-8388608", "="), ("8388607", "=")]),
    ("mediumint unsigned", "int4", &[("16777215", "=")]),
    ("int", "int4", &[("-2147483648", "="), ("2147483647", "=")]),
    ("int unsigned", "int8", &[("4294967295", "=")]),
    ("bigint", "int8", &[("-9223372036854775808", "="), ("9223372036854775807", "=")]),
    ("bigint unsigned", "numeric", &[("0", "="), ("9223372036854775808", "="), ("18446744073709551615", "=")]),
    ("year", "int2", &[("1901", "="), ("2155", "="), ("0", "=")]),
    (
        "decimal(38,0)",
        "numeric",
        &[
            ("99999999999999999999999999999999999999", "="),
            ("-99999999999999999999999999999999999999", "="),
            ("0", "="),
        ],
    ),
    (
        "decimal(65,30)",
        "numeric",
        &[
            ("99999999999999999999999999999999999.999999999999999999999999999999", "="),
            ("-99999999999999999999999999999999999.999999999999999999999999999999", "="),
            ("0.000000000000000000000000000001", "="),
        ],
    ),
    ("decimal(65,0)", "numeric", &[("99999999999999999999999999999999999999999999999999999999999999999", "=")]),
    ("decimal(10,4)", "numeric", &[("-0.0001", "="), ("1.5", "1.5000"), ("0", "0.0000")]),
    ("decimal(5,5)", "numeric", &[("0.99999", "="), ("-0.00001", "=")]),
    ("float", "float4", &[("0.1", "="), ("-3.40282e38", "-3.40282e+38"), ("1.17549e-38", "="), ("0", "=")]),
    (
        "double",
        "float8",
        &[
            ("0.1", "="),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("2.2250738585072014e-308", "="),
            ("-1e-300", "="),
        ],
    ),
    ("bit(1)", "bool", &[("b'1'", "t"), ("b'0'", "f")]),
    ("char(5)", "bpchar", &[("'ab'", "ab   "), ("''", "     "), ("'ß🦀'", "ß🦀   ")]),
    (
        "varchar(20)",
        "varchar",
        &[("'ab  '", "ab  "), ("''", ""), ("'it''s'", "it's"), ("'\\\\'", "\\"), ("'👩‍👩‍👧'", "👩‍👩‍👧")],
    ),
    ("varchar(20) character set latin1", "varchar", &[("'Größe'", "Größe")]),
    ("tinytext", "text", &[("'a\\nb\\tc'", "a\nb\tc")]),
    ("text character set utf16", "text", &[("'ß🦀'", "ß🦀")]),
    ("longtext", "text", &[("'x'", "x")]),
    ("enum('sad','o''k','')", "text", &[("'sad'", "sad"), ("'o''k'", "o'k"), ("''", "")]),
    ("set('a','b')", "text", &[("'a,b'", "a,b"), ("''", "")]),
    ("json", "text", &[("'{\"a\" : [1, null]}'", "{\"a\" : [1, null]}")]),
    ("uuid", "text", &[("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    ("inet4", "text", &[("'10.0.0.1'", "10.0.0.1")]),
    ("inet6", "text", &[("'2001:db8::1'", "2001:db8::1")]),
    ("binary(4)", "bytea", &[("x'01'", "\\x01000000"), ("x'00ff5c27'", "\\x00ff5c27")]),
    ("varbinary(10)", "bytea", &[("x''", "\\x"), ("x'0020'", "\\x0020"), ("'it''s'", "\\x69742773")]),
    ("blob", "bytea", &[("x'00010a0d1a22275c7f80ff'", "\\x00010a0d1a22275c7f80ff")]),
    (
        "date",
        "date",
        &[
            ("'1000-01-01'", "1000-01-01"),
            ("'9999-12-31'", "9999-12-31"),
            ("'0001-01-01'", "0001-01-01"),
            ("'2024-02-29'", "2024-02-29"),
        ],
    ),
    ("datetime", "timestamp", &[("'1969-12-31 23:59:59'", "1969-12-31 23:59:59")]),
    (
        "datetime(6)",
        "timestamp",
        &[
            ("'1000-01-01 00:00:00.000001'", "1000-01-01 00:00:00.000001"),
            ("'9999-12-31 23:59:59.999999'", "9999-12-31 23:59:59.999999"),
            ("'2024-03-31 02:30:00.5'", "2024-03-31 02:30:00.5"),
        ],
    ),
    (
        "timestamp(6)",
        "timestamptz",
        &[
            ("'1970-01-01 00:00:01.000001'", "1970-01-01 00:00:01.000001+00"),
            ("'2038-01-19 03:14:07.999999'", "2038-01-19 03:14:07.999999+00"),
        ],
    ),
    (
        "time(6)",
        "time",
        &[("'00:00:00'", "00:00:00"), ("'23:59:59.999999'", "23:59:59.999999"), ("'24:00:00'", "24:00:00")],
    ),
];

/// PostgreSQL is its own oracle: the gateway must print what it prints.
const POSTGRES: &[(&str, &[&str])] = &[
    ("smallint", &["'-32768'", "'32767'"]),
    ("integer", &["'-2147483648'", "'2147483647'"]),
    ("bigint", &["'-9223372036854775808'", "'9223372036854775807'"]),
    ("real", &["'NaN'", "'-infinity'", "'infinity'", "'1e-45'", "'3.4028235e38'", "'-0'", "'0.1'"]),
    ("double precision", &["'NaN'", "'-infinity'", "'infinity'", "'5e-324'", "'1.7976931348623157e308'", "'-0'"]),
    ("numeric(38,0)", &["repeat('9', 38)::numeric", "-repeat('9', 38)::numeric"]),
    ("numeric(38,38)", &["'0.00000000000000000000000000000000000001'"]),
    ("numeric(76,10)", &["repeat('9', 66)::numeric"]),
    ("numeric(100,50)", &["repeat('9', 50)::numeric", "'1e-50'"]),
    ("numeric", &["'NaN'", "'Infinity'", "'-Infinity'", "'1e200'", "'1.500'", "'-1e-200'", "'0.000'"]),
    ("boolean", &["true", "false"]),
    ("text", &["''", "' a '", "E'\\\\\\n\\t'", "'👩‍👩‍👧'", "repeat('ß', 1000)"]),
    ("varchar(5)", &["'ab  '"]),
    ("char(5)", &["'ab'", "''"]),
    ("name", &["'pg_class'"]),
    ("\"char\"", &["'x'", "''"]),
    ("bytea", &["'\\x'", "decode(string_agg(lpad(to_hex(i), 2, '0'), ''), 'hex') from generate_series(0, 255) i"]),
    ("date", &["'4713-01-01 BC'", "'0001-12-31 BC'", "'9999-12-31'", "'5874897-12-31'", "'infinity'", "'-infinity'"]),
    ("time(3)", &["'00:00'", "'24:00'", "'23:59:59.999'"]),
    (
        "timestamp",
        &[
            "'4714-11-24 BC'",
            "'294246-12-31 23:59:59.999999'",
            "'infinity'",
            "'-infinity'",
            "'2024-02-29 1:2:3.000004'",
        ],
    ),
    ("timestamptz", &["'4713-01-01 BC'", "'294246-12-31 23:59:59.999999'", "'infinity'", "'2024-03-31 02:30+02'"]),
    ("interval", &["'-1 mon 2 days -00:00:00.000003'", "'178000000 years'", "'0'"]),
    ("json", &["'{\"a\" : [1, null]}'"]),
    ("jsonb", &["'{\"b\":1.50, \"a\" : [1, null]}'"]),
    ("uuid", &["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
    ("inet", &["'10.1.0.0/16'", "'2001:db8::/32'", "'::1'"]),
    ("oid", &["4294967295"]),
    ("int[]", &["'{1,null,-3}'", "'{}'"]),
    ("text[]", &["array['a', null, '{\"', '', 'NULL']"]),
    ("numeric(5,2)[]", &["'{1.5,-999.99}'"]),
    ("odd_values.mood", &["'sad'", "'o''k'"]),
    ("odd_values.price", &["1.5"]),
];

fn start() -> TestGateway {
    let engines = engines();
    let mut my = "create database round_trips character set utf8mb4 collate utf8mb4_bin; use round_trips; set time_zone = '+00:00';\n".to_string();
    for (i, (ty, _, values)) in MARIADB.iter().enumerate() {
        my += &format!("create table v{i} (id int, v {ty});\n");
        for (id, (value, _)) in values.iter().enumerate() {
            my += &format!("insert into v{i} values ({id}, {value});\n");
        }
        my += &format!("insert into v{i} values (1000, null);\n");
    }
    my += "create table big (v longtext, n text); insert into big values (repeat('ß', 524288), concat('a', char(0), 'b'));\n";
    engines.mariadb.sql(&my).unwrap();
    let mut pg = "create schema odd_values; create type odd_values.mood as enum ('sad', 'o''k'); \
                  create domain odd_values.price as numeric(10,2);"
        .to_string();
    for (i, (ty, values)) in POSTGRES.iter().enumerate() {
        pg += &format!("create table odd_values.v{i} (id int, v {ty});");
        for (id, value) in values.iter().enumerate() {
            pg += &format!("insert into odd_values.v{i} select {id}, {value};");
        }
        pg += &format!("insert into odd_values.v{i} values (1000, null);");
    }
    engines.postgres.sql(&pg).unwrap();
    let my = format!(
        "[[source]]\nname = \"my\"\nengine = \"mysql\"\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"round_trips\"\n\
         user = \"narrows\"\npassword = \"narrows\"\nsslmode = \"disable\"\nschemas = [\"round_trips\"]",
        engines.mariadb.port
    );
    let config = GatewayConfig::default().site("local").section(&my).postgres("pg", "local", &engines.postgres);
    TestGateway::start(&config).unwrap()
}

/// All values in order, and each found by its own text.
async fn check(client: &Client, table: &str, expected: &[Option<String>], what: &str) {
    for pushdown in ["full", "filter", "off"] {
        rows(client, &format!("set narrows.pushdown = {pushdown}")).await;
        let got = column(client, &format!("select v from {table} order by id")).await;
        assert_eq!(got, expected, "{what}, pushdown {pushdown}");
        if ["json", "inet", "oid"].contains(&what) {
            // No equality, or no literal.
            continue;
        }
        for (id, value) in expected.iter().enumerate() {
            let Some(value) = value else { continue };
            let sql = format!("select id from {table} where v = '{}'", value.replace('\'', "''"));
            let found = column(client, &sql).await;
            assert_eq!(found, [Some(id.to_string())], "{what}, pushdown {pushdown}: {sql}");
        }
        assert_eq!(
            column(client, &format!("select id from {table} where v is null")).await,
            [Some("1000".to_string())],
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_with_its_extremes() {
    let gateway = start();
    let client = connect(&gateway.url()).await.unwrap();
    rows(&client, "set timezone = 'UTC'").await;
    for (i, (ty, becomes, values)) in MARIADB.iter().enumerate() {
        let table = format!("my.v{i}");
        let statement = client.prepare(&format!("select v from {table}")).await.unwrap();
        assert_eq!(statement.columns()[0].type_().name(), *becomes, "{ty}");
        let shown =
            values.iter().map(|(written, shown)| Some(if *shown == "=" { *written } else { *shown }.to_string()));
        let expected: Vec<_> = shown.chain([None]).collect();
        check(&client, &table, &expected, ty).await;
    }
    let direct = connect(&engines().postgres.url()).await.unwrap();
    rows(&direct, "set timezone = 'UTC'").await;
    for (i, (ty, _)) in POSTGRES.iter().enumerate() {
        let expected = column(&direct, &format!("select v from odd_values.v{i} order by id")).await;
        check(&client, &format!("pg_odd_values.v{i}"), &expected, ty).await;
    }

    let big = column(&client, "select v from my.big").await;
    assert_eq!(big[0].as_deref(), Some("ß".repeat(524_288).as_str()), "a text of 1 MiB");
    let (code, text) = error(&client, "select n from my.big").await;
    assert_eq!(code, "22021", "a NUL in a text: {text}");
}
