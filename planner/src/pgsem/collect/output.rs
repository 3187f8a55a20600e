//! From the rows of each group to its result.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::row::{RowConverter, SortField};

use super::Plan;
use super::rows::Taken;
use crate::error::{Error, Result, state};
use crate::pgsem::array::Assembler;
use crate::pgsem::array_key::ElementKeys;
use crate::pgsem::json::build::jsonb_object;
use crate::pgsem::json::print;
use crate::pgsem::json::write::{JsonWriter, Style, json_writer, key_text, printed};
use crate::pgtype::PgType;

/// What becomes of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Array,
    Text,
    Bytes,
    JsonArray,
    JsonbArray,
    JsonObject,
    JsonbObject,
}

/// The rows of each group as lists, one for each argument.
pub fn states(taken: &Taken) -> Result<Vec<ArrayRef>> {
    let groups = taken.by_group(0..taken.group_of.len());
    let lists = taken.columns.iter().map(|column| {
        let mut out = Assembler::new(vec![column.as_ref()]);
        for group in &groups {
            out.extend(0, group.iter().copied());
            out.end();
        }
        out.finish()
    });
    lists.collect()
}

pub fn finish(plan: &Plan, taken: &Taken) -> Result<ArrayRef> {
    let groups = ordered(plan, taken)?;
    match plan.output {
        Output::Array => array(taken, &groups),
        Output::Text => {
            let (values, separators) = (taken.columns[0].as_string_view(), taken.columns[1].as_string_view());
            let mut builder = StringViewBuilder::with_capacity(groups.len());
            for group in &groups {
                let parts = joined(group, values, separators, |row| values.value(row), |row| separators.value(row));
                builder.append_option(parts.map(|parts| parts.concat()));
            }
            Ok(Arc::new(builder.finish()))
        }
        Output::Bytes => {
            let (values, separators) = (taken.columns[0].as_binary_view(), taken.columns[1].as_binary_view());
            let mut builder = BinaryViewBuilder::with_capacity(groups.len());
            for group in &groups {
                let parts = joined(group, values, separators, |row| values.value(row), |row| separators.value(row));
                builder.append_option(parts.map(|parts| parts.concat()));
            }
            Ok(Arc::new(builder.finish()))
        }
        Output::JsonArray => json_array(plan, taken, &groups, Style::Json),
        Output::JsonbArray => json_array(plan, taken, &groups, Style::Jsonb),
        Output::JsonObject | Output::JsonbObject => json_object(plan, taken, &groups),
    }
}

/// The rows of each group in the order asked for, doubles left out if the aggregate is distinct. `DISTINCT` alone sorts by the
/// arguments; `ORDER BY` beside it names arguments only, so equal rows stand together either way.
fn ordered(plan: &Plan, taken: &Taken) -> Result<Vec<Vec<usize>>> {
    let mut groups = taken.by_group(0..taken.group_of.len());
    let (values, sort_keys) = taken.columns.split_at(plan.arg_types.len());
    let sorted = if sort_keys.is_empty() {
        None
    } else {
        let field =
            |(column, options): (&ArrayRef, _)| SortField::new_with_options(column.data_type().clone(), options);
        let fields = sort_keys.iter().zip(plan.order.iter().copied()).map(field).collect();
        Some(RowConverter::new(fields)?.convert_columns(sort_keys)?)
    };
    let keys = if plan.distinct {
        plan.arg_types.iter().zip(values).map(|(ty, v)| ElementKeys::new(*ty, v)).collect::<Result<Vec<_>>>()?
    } else {
        Vec::new()
    };
    let by_keys = |a: usize, b: usize| keys.iter().map(|k| k.of(a).cmp(k.of(b))).find(|o| o.is_ne());
    let compare = |&a: &usize, &b: &usize| {
        let first = sorted.as_ref().map_or(Ordering::Equal, |rows| rows.row(a).cmp(&rows.row(b)));
        first.then_with(|| by_keys(a, b).unwrap_or(Ordering::Equal))
    };
    for group in &mut groups {
        group.sort_by(compare);
        if plan.distinct {
            group.dedup_by(|a, b| by_keys(*a, *b).is_none());
        }
    }
    Ok(groups)
}

fn array(taken: &Taken, groups: &[Vec<usize>]) -> Result<ArrayRef> {
    let mut out = Assembler::new(vec![taken.columns[0].as_ref()]);
    for group in groups {
        if group.is_empty() {
            out.null();
        } else {
            out.extend(0, group.iter().copied());
            out.end();
        }
    }
    out.finish()
}

/// The values that are not NULL, from the second on with the separator of their own row before them.
fn joined<P>(
    group: &[usize],
    values: &dyn Array,
    separators: &dyn Array,
    value: impl Fn(usize) -> P,
    separator: impl Fn(usize) -> P,
) -> Option<Vec<P>> {
    let mut parts = Vec::with_capacity(group.len() * 2);
    for &row in group.iter().filter(|&&row| values.is_valid(row)) {
        if !parts.is_empty() && separators.is_valid(row) {
            parts.push(separator(row));
        }
        parts.push(value(row));
    }
    (!parts.is_empty()).then_some(parts)
}

fn push(write: &JsonWriter<'_>, column: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    if column.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    write(row, out)
}

fn json_array(plan: &Plan, taken: &Taken, groups: &[Vec<usize>], style: Style) -> Result<ArrayRef> {
    let (column, ty) = (&taken.columns[0], plan.arg_types[0]);
    let write = json_writer(column.as_ref(), ty, plan.zone, style)?;
    let break_lines = style == Style::Json && ty.is_array();
    texts(groups, |group| {
        let mut out = String::from("[");
        for (i, &row) in group.iter().enumerate() {
            if i > 0 {
                out.push_str(if break_lines && column.is_valid(row) { ", \n " } else { ", " });
            }
            push(&write, column, row, &mut out)?;
        }
        out.push(']');
        Ok(out)
    })
}

fn json_object(plan: &Plan, taken: &Taken, groups: &[Vec<usize>]) -> Result<ArrayRef> {
    let style = if plan.output == Output::JsonObject { Style::Json } else { Style::Jsonb };
    let (keys, values) = (&taken.columns[0], &taken.columns[1]);
    let types: [PgType; 2] = [plan.arg_types[0], plan.arg_types[1]];
    let key = key_text(keys.as_ref(), types[0], plan.zone)?;
    let write = json_writer(values.as_ref(), types[1], plan.zone, style)?;
    texts(groups, |group| {
        let mut members = Vec::with_capacity(group.len());
        for &row in group {
            if keys.is_null(row) {
                return Err(Error::new(state::INVALID_PARAMETER_VALUE, "field name must not be null"));
            }
            let mut value = String::new();
            push(&write, values, row, &mut value)?;
            members.push((printed(&key, row), value));
        }
        if style == Style::Jsonb {
            return Ok(jsonb_object(members));
        }
        let mut out = String::from("{ ");
        for (i, (key, value)) in members.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            print::push_string(key, &mut out);
            out.push_str(" : ");
            out.push_str(value);
        }
        out.push_str(" }");
        Ok(out)
    })
}

/// A text for each group that has rows.
fn texts(groups: &[Vec<usize>], text: impl Fn(&[usize]) -> Result<String>) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(groups.len());
    for group in groups {
        builder.append_option(if group.is_empty() { None } else { Some(text(group)?) });
    }
    Ok(Arc::new(builder.finish()))
}
