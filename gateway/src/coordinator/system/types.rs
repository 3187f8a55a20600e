//! Catalogs whose rows are the same in every PostgreSQL 15: types, the functions behind them, languages, collations.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use planner::catalog::Table;
use planner::pgsem::io;
use planner::pgtype::oid;
use planner::{Error, PgType, QueryContext, Result};

use super::relations::relations;

/// By table.
type Fixed = HashMap<String, RecordBatch>;

/// The rows of a table that has such ones.
pub fn fixed(table: &Table) -> Result<Option<RecordBatch>> {
    static FIXED: LazyLock<Result<Fixed>> = LazyLock::new(read);
    FIXED.as_ref().map(|all| all.get(&table.name).cloned()).map_err(Clone::clone)
}

fn read() -> Result<Fixed> {
    let mut lines: HashMap<&str, Vec<Vec<&str>>> = HashMap::new();
    for line in include_str!("rows.tsv").lines().filter(|l| !l.starts_with('#')) {
        if let Some((table, row)) = line.split_once('\t') {
            lines.entry(table).or_default().push(row.split('\t').collect());
        }
    }
    let functions: HashMap<&str, &str> = lines.get("pg_proc").into_iter().flatten().map(|f| (f[1], f[0])).collect();
    let mut fixed = Fixed::new();
    for (name, rows) in &lines {
        let table = relations().iter().find(|t| t.name == *name);
        let table = table.ok_or_else(|| Error::internal(format!("rows of {name}, which is no table")))?;
        fixed.insert((*name).to_string(), batch(table, rows, &functions)?);
    }
    Ok(fixed)
}

fn batch(table: &Table, rows: &[Vec<&str>], functions: &HashMap<&str, &str>) -> Result<RecordBatch> {
    let columns = &table.columns;
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        let cells = rows.iter().map(|row| match row.get(i).copied() {
            None | Some("\\N") => Ok(ScalarValue::try_from(&column.ty.repr())?),
            Some(text) if column.ty.oid == oid::REGPROC => {
                let number = functions.get(text).copied().unwrap_or("0");
                io::parse(number, PgType::OID, &QueryContext::default())
            }
            // Vectors are written without braces.
            Some(text) if column.ty.is_array() && !text.starts_with('{') => {
                io::parse(&format!("{{{}}}", text.replace(' ', ",")), column.ty, &QueryContext::default())
            }
            Some(text) => io::parse(text, column.ty, &QueryContext::default()),
        });
        arrays.push(ScalarValue::iter_to_array(cells.collect::<Result<Vec<_>>>()?)?);
    }
    let fields = columns.iter().map(|c| Field::new(&c.name, c.ty.repr(), true));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays)?)
}

#[cfg(test)]
mod tests {
    use super::super::relations::relation;
    use super::*;

    #[test]
    fn all_rows_can_be_read() {
        for (table, rows) in [("pg_type", 74), ("pg_am", 7), ("pg_collation", 3)] {
            let batch = fixed(relation("pg_catalog", table).unwrap()).unwrap().unwrap();
            assert_eq!(batch.num_rows(), rows, "{table}");
        }
        assert!(fixed(relation("pg_catalog", "pg_class").unwrap()).unwrap().is_none());
    }
}
