//! Leaves out row groups and pages in which no row can pass the filters.
//!
//! The filter itself stays above the scan: this only saves reading, so whatever is not understood here is simply kept.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::stats::{Ranges, bound_conversion, converter, row_group_ranges};
use super::table::ParquetPart;

/// A condition on one column, which some row must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    /// Number of the column in the table.
    column: usize,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Compare(Operator, ScalarValue),
    Among(Vec<ScalarValue>),
}

/// The conditions in a filter that statistics can answer. `column` finds a column by its name.
pub(super) fn bounds(filter: &Expr, column: &dyn Fn(&str) -> Option<usize>, found: &mut Vec<Bound>) {
    let of_column = |expr: &Expr| match expr {
        Expr::Column(c) => column(&c.name),
        _ => None,
    };
    let constant = |expr: &Expr| match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value.clone()),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            bounds(left, column, found);
            bounds(right, column, found);
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let one_of = |side: &Expr| {
                let mut found = Vec::new();
                bounds(side, column, &mut found);
                match <[Bound; 1]>::try_from(found) {
                    Ok([Bound { column, test: Test::Compare(Operator::Eq, value) }]) => Some((column, vec![value])),
                    Ok([Bound { column, test: Test::Among(values) }]) => Some((column, values)),
                    _ => None,
                }
            };
            if let (Some((column, mut values)), Some((other, more))) = (one_of(left), one_of(right))
                && column == other
            {
                values.extend(more);
                found.push(Bound { column, test: Test::Among(values) });
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (side, value, op) = match (of_column(left), constant(right), of_column(right), constant(left)) {
                (Some(c), Some(v), ..) => (c, v, Some(*op)),
                (_, _, Some(c), Some(v)) => (c, v, op.swap()),
                _ => return,
            };
            if let Some(op @ (Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)) = op {
                found.push(Bound { column: side, test: Test::Compare(op, value) });
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            for (op, end) in [(Operator::GtEq, low), (Operator::LtEq, high)] {
                if let (Some(column), Some(value)) = (of_column(expr), constant(end)) {
                    found.push(Bound { column, test: Test::Compare(op, value) });
                }
            }
        }
        Expr::InList(list) if !list.negated => {
            let values = list.list.iter().map(constant).collect::<Option<Vec<_>>>();
            if let (Some(column), Some(values)) = (of_column(&list.expr), values) {
                found.push(Bound { column, test: Test::Among(values) });
            }
        }
        _ => {}
    }
}

impl Test {
    /// Whether a value between these two can satisfy it; an unknown end is no end.
    fn may_hold(&self, min: &ScalarValue, max: &ScalarValue) -> bool {
        // `partial_cmp` of different types is `None`: nothing is concluded.
        let above = |value: &ScalarValue, strict: bool| match max.partial_cmp(value) {
            _ if max.is_null() => true,
            Some(Ordering::Less) => false,
            Some(Ordering::Equal) => !strict,
            _ => true,
        };
        let below = |value: &ScalarValue, strict: bool| match min.partial_cmp(value) {
            _ if min.is_null() => true,
            Some(Ordering::Greater) => false,
            Some(Ordering::Equal) => !strict,
            _ => true,
        };
        match self {
            Self::Compare(Operator::Eq, v) => above(v, false) && below(v, false),
            Self::Compare(Operator::Gt, v) => above(v, true),
            Self::Compare(Operator::GtEq, v) => above(v, false),
            Self::Compare(Operator::Lt, v) => below(v, true),
            Self::Compare(Operator::LtEq, v) => below(v, false),
            Self::Compare(..) => true,
            Self::Among(values) => values.iter().any(|v| above(v, false) && below(v, false)),
        }
    }
}

fn scalar(array: &ArrayRef, row: usize) -> ScalarValue {
    ScalarValue::try_from_array(array, row).unwrap_or(ScalarValue::Null)
}

/// A row group to be read, and which of its rows (`None`: all).
pub(super) struct Group {
    pub number: usize,
    pub selection: Option<RowSelection>,
}

/// The row groups of a file that may have matching rows.
pub(super) fn groups(part: &ParquetPart, bounds: &[Bound]) -> Vec<Group> {
    let metadata = part.file.metadata();
    let ranges: Vec<Option<Ranges>> = bounds.iter().map(|b| row_group_ranges(part, b.column)).collect();
    let may_match = |group: usize| {
        let holds = |(bound, ranges): (&Bound, &Option<Ranges>)| match ranges {
            Some(r) => bound.test.may_hold(&scalar(&r.min, group), &scalar(&r.max, group)),
            None => true,
        };
        bounds.iter().zip(&ranges).all(holds)
    };
    let mut kept = Vec::new();
    for number in (0..metadata.num_row_groups()).filter(|g| may_match(*g)) {
        let known = bounds.iter().zip(&ranges).filter(|(_, r)| r.is_some()).map(|(b, _)| b);
        let selections = known.filter_map(|b| pages(part, number, b));
        let selection = selections.reduce(|a, b| a.intersection(&b));
        if selection.as_ref().is_none_or(|s| s.selects_any()) {
            kept.push(Group { number, selection });
        }
    }
    kept
}

/// The rows of a row group whose pages may have matches, if the file has a page index.
fn pages(part: &ParquetPart, group: usize, bound: &Bound) -> Option<RowSelection> {
    let (root, convert) = &part.columns[bound.column];
    let metadata = part.file.metadata();
    let (columns, offsets) = (metadata.column_index()?, metadata.offset_index()?);
    let converter = converter(part, *root)?;
    let leaf = converter.parquet_column_index()?;
    let convert = bound_conversion(convert);
    let min = convert.apply(&converter.data_page_mins(columns, offsets, [&group]).ok()?).ok()?;
    let max = convert.apply(&converter.data_page_maxes(columns, offsets, [&group]).ok()?).ok()?;
    let starts: Vec<usize> =
        offsets.get(group)?.get(leaf)?.page_locations().iter().map(|p| p.first_row_index as usize).collect();
    if starts.len() != min.len() || starts.len() != max.len() {
        return None;
    }
    let rows = metadata.row_group(group).num_rows() as usize;
    let ends = starts.iter().skip(1).copied().chain([rows]);
    let selectors = starts.iter().zip(ends).enumerate().map(|(page, (start, end))| {
        let keep = bound.test.may_hold(&scalar(&min, page), &scalar(&max, page));
        let length = end.saturating_sub(*start);
        if keep { RowSelector::select(length) } else { RowSelector::skip(length) }
    });
    Some(selectors.collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_holds_unless_the_range_excludes_it() {
        let int = |v: i64| ScalarValue::Int64(Some(v));
        let none = ScalarValue::Int64(None);
        let compare = |op, v| Test::Compare(op, int(v));
        let cases = [
            (compare(Operator::Eq, 5), [true, false, false]),
            (compare(Operator::Gt, 10), [false, true, false]),
            (compare(Operator::GtEq, 10), [true, true, false]),
            (compare(Operator::Lt, 0), [false, false, true]),
            (compare(Operator::LtEq, 0), [true, false, true]),
            (Test::Among(vec![int(-5), int(12)]), [false, true, true]),
        ];
        for (test, expected) in cases {
            let ranges = [(0, 10), (11, 20), (-9, -1)];
            assert_eq!(ranges.map(|(min, max)| test.may_hold(&int(min), &int(max))), expected, "{test:?}");
            assert!(test.may_hold(&none, &none), "nothing is known");
            assert!(test.may_hold(&ScalarValue::Int32(Some(1)), &ScalarValue::Int32(Some(1))), "another type");
        }
    }
}
