//! PostgreSQL's own answers to awkward statements (`cases/`), and their three tables in every engine.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion_common::ScalarValue;
use parquet::arrow::ArrowWriter;
use planner::{PgType, QueryContext};
use serde::Deserialize;
use serde_json::Value;

use crate::servers::{TestMariaDb, TestPostgres};

/// One statement and what PostgreSQL 15 answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub id: u32,
    pub topic: String,
    pub sql: String,
    /// A statement to run first.
    pub set: Option<String>,
    pub tables: Vec<String>,
    /// Engines whose copy of the tables lacks a column the case needs.
    pub missing_in: Vec<String>,
    pub ordered: bool,
    pub sqlstate: Option<String>,
    #[serde(default)]
    pub types: Vec<String>,
    #[serde(default)]
    pub names: Vec<String>,
    #[serde(default)]
    pub rows: Vec<Vec<Option<String>>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Column {
    name: String,
    postgres: Option<String>,
    mariadb: Option<String>,
    parquet: Option<String>,
}

fn quoted(name: &str, quote: char) -> String {
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

impl Column {
    fn quoted(&self, quote: char) -> String {
        quoted(&self.name, quote)
    }
}

fn read(name: &str) -> io::Result<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(name))
}

pub fn cases() -> io::Result<Vec<Case>> {
    let mut all = Vec::new();
    for file in ["postgres-answers.json", "structure-answers.json"] {
        let cases: Vec<Case> = serde_json::from_str(&read(file)?).map_err(io::Error::other)?;
        all.extend(cases);
    }
    Ok(all)
}

fn tables() -> io::Result<Vec<(String, Table)>> {
    let mut all = Vec::new();
    for file in ["tables.json", "structure-tables.json", "trap-tables.json"] {
        let tables: serde_json::Map<String, Value> = serde_json::from_str(&read(file)?).map_err(io::Error::other)?;
        for (name, table) in tables {
            all.push((name, serde_json::from_value(table).map_err(io::Error::other)?));
        }
    }
    Ok(all)
}

fn bytes(value: &Value) -> Option<&str> {
    value.get("bytes_hex").and_then(Value::as_str)
}

/// PostgreSQL's text form of a value.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|v| text(v).unwrap_or_else(|| "NULL".into())).collect();
            format!("{{{}}}", items.join(","))
        }
        other => match bytes(other) {
            Some(hex) => format!("\\x{hex}"),
            None => other.to_string(),
        },
    })
}

fn create(table: &str, types: &[(String, &str)], rows: impl Iterator<Item = Vec<String>>, suffix: &str) -> String {
    let columns: Vec<String> = types.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    let rows: Vec<String> = rows.map(|values| format!("({})", values.join(", "))).collect();
    let create = format!("create table {table} ({}){suffix};\n", columns.join(", "));
    if rows.is_empty() { create } else { format!("{create}insert into {table} values {};\n", rows.join(",\n")) }
}

pub fn load_postgres(server: &TestPostgres) -> io::Result<()> {
    for (name, table) in tables()? {
        let types: Vec<_> =
            table.columns.iter().filter_map(|c| Some((c.quoted('"'), c.postgres.as_deref()?))).collect();
        let quote = |v: &Value| text(v).map_or("null".to_string(), |t| format!("'{}'", t.replace('\'', "''")));
        let rows = table.rows.iter().map(|row| row.iter().map(quote).collect());
        server.sql(&create(&quoted(&name, '"'), &types, rows, ""))?;
    }
    server.sql("analyze").map(drop)
}

pub fn load_mariadb(server: &TestMariaDb) -> io::Result<()> {
    for (name, table) in tables()? {
        let kept: Vec<usize> = (0..table.columns.len()).filter(|i| table.columns[*i].mariadb.is_some()).collect();
        let columns = kept.iter().map(|i| &table.columns[*i]);
        let types: Vec<_> = columns.map(|c| (c.quoted('`'), c.mariadb.as_deref().unwrap_or_default())).collect();
        let quote = |v: &Value| match bytes(v) {
            Some(hex) => format!("X'{hex}'"),
            None => {
                text(v).map_or("null".to_string(), |t| format!("'{}'", t.replace('\\', "\\\\").replace('\'', "''")))
            }
        };
        let rows = table.rows.iter().map(|row| kept.iter().map(|i| quote(&row[*i])).collect());
        server.sql(&format!(
            "set names utf8mb4;\n{}",
            create(&quoted(&name, '`'), &types, rows, " character set utf8mb4")
        ))?;
    }
    Ok(())
}

/// One Parquet file per table.
pub fn write_parquet(dir: &Path) -> io::Result<()> {
    for (name, table) in tables()? {
        let mut fields = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (i, column) in table.columns.iter().enumerate() {
            let Some(ty) = column.parquet.as_deref() else { continue };
            let values = table.rows.iter().map(|row| &row[i]);
            let array = parquet_column(ty, values)?;
            fields.push(Field::new(&column.name, array.data_type().clone(), true));
            columns.push(array);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(io::Error::other)?;
        let file = File::create(dir.join(format!("{name}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        writer.close().map_err(io::Error::other)?;
    }
    Ok(())
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect()
}

fn parquet_column<'v>(ty: &str, values: impl Iterator<Item = &'v Value>) -> io::Result<ArrayRef> {
    let pg = match ty {
        "varchar" => return Ok(Arc::new(values.map(text).collect::<StringArray>())),
        "blob" => {
            let values = values.map(|v| bytes(v).map(unhex));
            return Ok(Arc::new(values.collect::<BinaryArray>()));
        }
        "integer[]" => {
            let values = values
                .map(|v| v.as_array().map(|a| a.iter().map(|x| x.as_i64().map(|n| n as i32)).collect::<Vec<_>>()));
            return Ok(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values)));
        }
        "smallint" => PgType::INT2,
        "integer" => PgType::INT4,
        "bigint" => PgType::INT8,
        "decimal(7,2)" => PgType::numeric(7, 2),
        "decimal(38,10)" => PgType::numeric(38, 10),
        "float" => PgType::FLOAT4,
        "double" => PgType::FLOAT8,
        "boolean" => PgType::BOOL,
        "date" => PgType::DATE,
        "time" => PgType::TIME,
        "timestamp" => PgType::TIMESTAMP,
        "timestamptz" => PgType::TIMESTAMPTZ,
        other => return Err(io::Error::other(format!("no Parquet type for {other}"))),
    };
    let ctx = QueryContext::default();
    let null = ScalarValue::try_from(&pg.repr()).map_err(io::Error::other)?;
    let values: Vec<ScalarValue> = values
        .map(|v| text(v).map_or(Ok(null.clone()), |t| planner::pgsem::io::parse(&t, pg, &ctx)))
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(&pg.repr()));
    }
    let array = ScalarValue::iter_to_array(values).map_err(io::Error::other)?;
    // Dynamic carriers never reach a file: all numerics here are declared with a scale.
    if matches!(array.data_type(), DataType::BinaryView) {
        return Err(io::Error::other(format!("no Parquet column for {pg}")));
    }
    Ok(array)
}
