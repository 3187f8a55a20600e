//! What ranges leave of a table's rows, where the least and the greatest value of the column are known: values are taken to be
//! spread evenly between them (System R). Two bounds of one column are one interval, not two independent conditions.

use datafusion_common::ScalarValue;
use datafusion_expr::{Expr, LogicalPlan, Operator};

use super::{nth_column, selectivity};
use crate::catalog::{Column, Table};
use crate::pgsem::{PgFunc, SqlForm};
use crate::pgtype::{PgType, oid};
use crate::source::{CatalogTable, FragmentRelation};

/// Smallest share that a range is taken to leave.
const LEAST: f64 = 1e-4;

/// The part of a column's values that is left, from 0 to 1.
struct Interval<'p> {
    table: &'p Table,
    column: usize,
    low: f64,
    high: f64,
}

/// What all of the conditions together leave.
pub(super) fn conjunction(conditions: &[&Expr], input: &LogicalPlan) -> f64 {
    let mut intervals: Vec<Interval<'_>> = Vec::new();
    let mut rest = 1.0;
    for condition in conditions {
        let bounds = bounds(condition, input);
        if bounds.is_empty() {
            rest *= selectivity(condition, input);
        }
        for new in bounds {
            match intervals.iter_mut().find(|i| std::ptr::eq(i.table, new.table) && i.column == new.column) {
                Some(known) => (known.low, known.high) = (known.low.max(new.low), known.high.min(new.high)),
                None => intervals.push(new),
            }
        }
    }
    rest * intervals.iter().map(|i| (i.high - i.low).clamp(LEAST, 1.0)).product::<f64>()
}

/// What the condition says of a column, if it is a range of one whose extremes are known.
fn bounds<'p>(condition: &Expr, input: &'p LogicalPlan) -> Vec<Interval<'p>> {
    match condition {
        Expr::BinaryExpr(b) => {
            let upwards = match b.op {
                Operator::Lt | Operator::LtEq => false,
                Operator::Gt | Operator::GtEq => true,
                _ => return vec![],
            };
            let found = match (b.left.as_ref(), b.right.as_ref()) {
                (column, Expr::Literal(value, _)) => at(column, value, input).map(|i| half(i, upwards)),
                (Expr::Literal(value, _), column) => at(column, value, input).map(|i| half(i, !upwards)),
                _ => None,
            };
            found.into_iter().collect()
        }
        Expr::Between(b) if !b.negated => match (b.low.as_ref(), b.high.as_ref()) {
            (Expr::Literal(low, _), Expr::Literal(high, _)) => {
                let (low, high) = (at(&b.expr, low, input), at(&b.expr, high, input));
                low.zip(high).map_or(vec![], |(low, high)| vec![half(low, true), half(high, false)])
            }
            _ => vec![],
        },
        _ => vec![],
    }
}

/// The part above or below a point.
fn half(point: Interval<'_>, upwards: bool) -> Interval<'_> {
    match upwards {
        true => Interval { high: 1.0, ..point },
        false => Interval { low: 0.0, ..point },
    }
}

/// Where a value lies between the extremes of a column.
fn at<'p>(expr: &Expr, value: &ScalarValue, input: &'p LogicalPlan) -> Option<Interval<'p>> {
    let (table, column) = base_column(expr, input)?;
    let stats = &table.table.columns[column].stats;
    let ty = table.table.columns[column].ty;
    let (min, max) = (number_of_text(stats.min.as_deref()?, ty)?, number_of_text(stats.max.as_deref()?, ty)?);
    let share = if max > min { ((number(value)? - min) / (max - min)).clamp(0.0, 1.0) } else { return None };
    Some(Interval { table: &table.table, column, low: share, high: share })
}

/// The table's column an expression is, seen through comparison keys, renaming and relations.
fn base_column<'p>(expr: &Expr, plan: &'p LogicalPlan) -> Option<(&'p CatalogTable, usize)> {
    match expr {
        Expr::Alias(a) => base_column(&a.expr, plan),
        Expr::ScalarFunction(f) => {
            let transparent = PgFunc::of(&f.func)?.def.sql == SqlForm::Transparent;
            transparent.then(|| base_column(f.args.first()?, plan)).flatten()
        }
        Expr::Column(column) => match plan {
            LogicalPlan::TableScan(scan) => {
                if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                    return Some((table, table.table.columns.iter().position(|c| c.name == column.name)?));
                }
                let relation = scan.source.downcast_ref::<FragmentRelation>()?;
                let origin = relation.origin.as_ref()?;
                let i = *origin.outputs.get(relation.schema.index_of(&column.name).ok()?)?;
                base_column(&nth_column(&origin.plan, i), &origin.plan)
            }
            LogicalPlan::Projection(p) => {
                let i = p.schema.maybe_index_of_column(column)?;
                base_column(p.expr.get(i)?, &p.input)
            }
            LogicalPlan::SubqueryAlias(a) => {
                base_column(&nth_column(&a.input, a.schema.maybe_index_of_column(column)?), &a.input)
            }
            // Its inputs' extremes are different ones.
            LogicalPlan::Union(_) => None,
            other => other
                .inputs()
                .into_iter()
                .find(|input| input.schema().has_column(column))
                .and_then(|input| base_column(expr, input)),
        },
        _ => None,
    }
}

/// How many whole numbers or days lie between a column's extremes.
pub(super) fn whole_numbers(column: &Column) -> Option<f64> {
    if !matches!(column.ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::DATE) {
        return None;
    }
    let extreme = |text: &Option<String>| number_of_text(text.as_deref()?, column.ty);
    Some(extreme(&column.stats.max)? - extreme(&column.stats.min)? + 1.0)
}

fn number(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Int16(v) => v.map(f64::from),
        ScalarValue::Int32(v) | ScalarValue::Date32(v) => v.map(f64::from),
        ScalarValue::Int64(v) | ScalarValue::TimestampMicrosecond(v, _) => v.map(|v| v as f64),
        ScalarValue::Float32(v) => v.map(f64::from),
        ScalarValue::Float64(v) => *v,
        ScalarValue::Decimal128(v, _, scale) => v.map(|v| v as f64 / 10f64.powi(i32::from(*scale))),
        _ => None,
    }
}

/// On the scale of [`number`].
fn number_of_text(text: &str, ty: PgType) -> Option<f64> {
    let date = |text: &str| text.parse::<chrono::NaiveDate>().ok();
    match ty.oid {
        oid::DATE => {
            let epoch = chrono::NaiveDate::default();
            Some(date(text)?.signed_duration_since(epoch).num_days() as f64)
        }
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            let plain = text.trim_end_matches("+00");
            let time = chrono::NaiveDateTime::parse_from_str(plain, "%Y-%m-%d %H:%M:%S%.f").ok()?;
            Some(time.and_utc().timestamp_micros() as f64)
        }
        _ if ty.is_integer() || ty.is_float() || ty.oid == oid::NUMERIC => text.parse().ok(),
        _ => None,
    }
}
