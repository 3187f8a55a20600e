//! Rows of a system table, written column by column: what nobody says is NULL, or zero where the column may not be NULL.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use planner::catalog::Table;
use planner::{Error, Result};

/// One value, whatever carries it in its column.
#[derive(Clone, Debug)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Cell>),
}

macro_rules! cells {
    ($($from:ty => $cell:expr;)*) => {$(
        impl From<$from> for Cell {
            fn from(value: $from) -> Self {
                $cell(value)
            }
        }
    )*};
}

cells! {
    bool => Cell::Bool;
    i16 => |v| Cell::Int(i64::from(v));
    i32 => |v| Cell::Int(i64::from(v));
    i64 => Cell::Int;
    u32 => |v| Cell::Int(i64::from(v));
    usize => |v| Cell::Int(v as i64);
    f64 => Cell::Float;
    String => Cell::Text;
    &str => |v: &str| Cell::Text(v.to_string());
    &String => |v: &String| Cell::Text(v.clone());
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl<T: Into<Cell>> From<Vec<T>> for Cell {
    fn from(values: Vec<T>) -> Self {
        Cell::List(values.into_iter().map(Into::into).collect())
    }
}

pub struct Rows {
    table: &'static Table,
    count: usize,
    columns: HashMap<&'static str, Vec<Cell>>,
}

impl Rows {
    pub fn of(table: &'static Table) -> Self {
        Self { table, count: 0, columns: HashMap::new() }
    }

    /// A column's values; the first one says how many rows there are.
    #[must_use]
    pub fn with<T: Into<Cell>>(mut self, column: &'static str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<Cell> = values.into_iter().map(Into::into).collect();
        self.count = self.count.max(values.len());
        self.columns.insert(column, values);
        self
    }

    /// The same value in every row so far.
    #[must_use]
    pub fn all(mut self, column: &'static str, value: impl Into<Cell>) -> Self {
        self.columns.insert(column, vec![value.into(); self.count]);
        self
    }

    pub fn batch(mut self) -> Result<RecordBatch> {
        let table = self.table;
        let mut arrays = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let repr = column.ty.repr();
            arrays.push(match self.columns.remove(column.name.as_str()) {
                Some(cells) => array(&repr, cells)?,
                None if self.count == 0 => new_empty_array(&repr),
                None if column.nullable => ScalarValue::try_from(&repr)?.to_array_of_size(self.count)?,
                None => zero(&repr)?.to_array_of_size(self.count)?,
            });
        }
        if let Some(unknown) = self.columns.keys().next() {
            return Err(Error::internal(format!("table {} has no column {unknown}", table.name)));
        }
        let fields = table.columns.iter().map(|c| Field::new(&c.name, c.ty.repr(), true));
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays)?)
    }
}

fn array(repr: &DataType, cells: Vec<Cell>) -> Result<ArrayRef> {
    if cells.is_empty() {
        return Ok(new_empty_array(repr));
    }
    let scalars = cells.into_iter().map(|cell| scalar(repr, cell)).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::iter_to_array(scalars)?)
}

fn scalar(repr: &DataType, cell: Cell) -> Result<ScalarValue> {
    Ok(match (repr, cell) {
        (repr, Cell::Null) => ScalarValue::try_from(repr)?,
        (DataType::Boolean, Cell::Bool(v)) => ScalarValue::Boolean(Some(v)),
        (DataType::Int16, Cell::Int(v)) => ScalarValue::Int16(Some(v as i16)),
        (DataType::Int32, Cell::Int(v)) => ScalarValue::Int32(Some(v as i32)),
        (DataType::Int64, Cell::Int(v)) => ScalarValue::Int64(Some(v)),
        (DataType::Float32, Cell::Float(v)) => ScalarValue::Float32(Some(v as f32)),
        (DataType::Float64, Cell::Float(v)) => ScalarValue::Float64(Some(v)),
        (DataType::Utf8View, Cell::Text(v)) => ScalarValue::Utf8View(Some(v)),
        (DataType::Timestamp(_, zone), Cell::Int(v)) => ScalarValue::TimestampMicrosecond(Some(v), zone.clone()),
        (DataType::List(field), Cell::List(cells)) => {
            let repr = field.data_type();
            let values = cells.into_iter().map(|cell| scalar(repr, cell)).collect::<Result<Vec<_>>>()?;
            ScalarValue::List(ScalarValue::new_list_nullable(&values, repr))
        }
        (repr, cell) => return Err(Error::internal(format!("{cell:?} in a column carried by {repr}"))),
    })
}

fn zero(repr: &DataType) -> Result<ScalarValue> {
    scalar(
        repr,
        match repr {
            DataType::Boolean => Cell::Bool(false),
            DataType::Float32 | DataType::Float64 => Cell::Float(0.0),
            DataType::Utf8View => Cell::Text(String::new()),
            DataType::List(_) => Cell::List(Vec::new()),
            _ => Cell::Int(0),
        },
    )
}
