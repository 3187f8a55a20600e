//! WITH ORDINALITY: row numbers as one more list that advances with the others.

use std::sync::Arc;

use arrow::array::builder::{Int64Builder, ListBuilder};
use arrow::array::{Array, ArrayRef, ListArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_expr::Expr;

use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Call;
use crate::pgtype::PgType;

static ORDINALITY: FuncDef = FuncDef::new("ordinality", SqlForm::Local, ordinality).not_strict();

/// The list 1, 2, … as long as the longest of `lists`.
pub(super) fn numbers(lists: Vec<Typed>) -> Expr {
    ORDINALITY.apply(lists, INT8_ARRAY).expr
}

const INT8_ARRAY: PgType = PgType::of(1016);

fn ordinality(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call
        .args
        .iter()
        .map(|a| a.as_any().downcast_ref::<ListArray>().ok_or_else(|| Error::internal("ordinality of a scalar")))
        .collect::<Result<Vec<_>>>()?;
    let mut builder = ListBuilder::new(Int64Builder::new()).with_field(list_field());
    for row in 0..call.rows {
        let lengths = lists
            .iter()
            .enumerate()
            .map(|(arg, list)| if call.is_null(arg, row) { 0 } else { list.value_length(call.row(arg, row)) });
        for n in 1..=lengths.max().unwrap_or(0) {
            builder.values().append_value(i64::from(n));
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

fn list_field() -> FieldRef {
    match INT8_ARRAY.repr() {
        DataType::List(field) => field,
        other => Arc::new(Field::new_list_field(other, true)),
    }
}
