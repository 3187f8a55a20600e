//! How many rows a plan returns, from the catalog's statistics: a first guess that picks row or bulk protocol, orders joins and
//! shows in EXPLAIN. Textbook rules (System R): independence, uniformity, containment.

mod range;

use std::sync::Arc;

use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{BinaryExpr, EmptyRelation, Expr, JoinType, LogicalPlan, Operator};

use crate::catalog::ColumnStats;
use crate::pgsem::{PgFunc, SqlForm};
use crate::source::{CatalogTable, FragmentRelation};

const RANGE: f64 = 1.0 / 3.0;
const EQUALITY: f64 = 0.005;
const OTHER: f64 = 0.25;
/// Bytes of a value of variable length.
const UNKNOWN_WIDTH: f64 = 24.0;

/// An estimate of a plan's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub rows: f64,
}

/// `None` where some table below has no statistics.
pub fn estimate(plan: &LogicalPlan) -> Option<Estimate> {
    rows(plan).map(|rows| Estimate { rows: rows.max(1.0).round() })
}

fn rows(plan: &LogicalPlan) -> Option<f64> {
    Some(match plan {
        LogicalPlan::TableScan(scan) => {
            if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                table.table.rows?
            } else {
                scan.source.downcast_ref::<FragmentRelation>()?.estimated_rows?
            }
        }
        LogicalPlan::Filter(f) => {
            let input = rows(&f.input)?;
            input * range::conjunction(&split_conjunction(&f.predicate), &f.input)
        }
        LogicalPlan::Join(j) => {
            let (left, right) = (rows(&j.left)?, rows(&j.right)?);
            let mut matches = left * right;
            for (l, r) in &j.on {
                matches /= common_values(l, &j.left, r, &j.right).unwrap_or(left.max(right)).max(1.0);
            }
            for condition in j.filter.iter().flat_map(split_conjunction) {
                matches *= match condition {
                    Expr::BinaryExpr(BinaryExpr { left: l, op: Operator::Eq, right: r }) => {
                        1.0 / common_values(l, plan, r, plan).unwrap_or(left.max(right)).max(1.0)
                    }
                    other => selectivity(other, plan),
                };
            }
            match j.join_type {
                JoinType::Inner => matches,
                JoinType::Left => matches.max(left),
                JoinType::Right => matches.max(right),
                JoinType::Full => matches.max(left + right),
                JoinType::LeftMark => left,
                JoinType::LeftSemi | JoinType::LeftAnti => left * 0.5,
                JoinType::RightSemi | JoinType::RightAnti => right * 0.5,
                _ => left,
            }
        }
        LogicalPlan::Aggregate(a) => {
            if a.group_expr.is_empty() {
                return Some(1.0);
            }
            let input = rows(&a.input)?;
            let groups: f64 = a.group_expr.iter().map(|e| distinct(e, &a.input).unwrap_or(input.sqrt())).product();
            groups.min(input)
        }
        LogicalPlan::Limit(l) => {
            let input = l.input.as_ref();
            match (l.get_fetch_type().ok()?, rows(input)) {
                (datafusion_expr::FetchType::Literal(Some(n)), known) => known.unwrap_or(f64::MAX).min(n as f64),
                (_, known) => known?,
            }
        }
        LogicalPlan::Sort(s) => match (s.fetch, rows(&s.input)) {
            (Some(n), known) => known.unwrap_or(f64::MAX).min(n as f64),
            (None, known) => known?,
        },
        LogicalPlan::Union(u) => u.inputs.iter().map(|i| rows(i)).sum::<Option<f64>>()?,
        LogicalPlan::Values(v) => v.values.len() as f64,
        LogicalPlan::EmptyRelation(e) => f64::from(u8::from(e.produce_one_row)),
        other => match other.inputs().as_slice() {
            [input] => rows(input)?,
            _ => return None,
        },
    })
}

/// Bytes per row, as far as the columns' statistics say; else what their carriers take.
pub fn row_width(plan: &LogicalPlan) -> f64 {
    (0..plan.schema().fields().len()).map(|i| column_width(plan, i)).sum()
}

/// Bytes per value of a column of the result.
pub fn column_width(plan: &LogicalPlan, column: usize) -> f64 {
    // Rows without columns are counted by a constant.
    let Some((qualifier, field)) = plan.schema().iter().nth(column) else { return 0.0 };
    let measured = known(&Expr::Column(Column::from((qualifier, field))), plan).and_then(|k| k.width);
    measured.unwrap_or_else(|| field.data_type().primitive_width().map_or(UNKNOWN_WIDTH, |w| w as f64))
}

/// What a condition between relations leaves of their product, if nothing is known of its columns.
pub fn guess(condition: &Expr) -> f64 {
    let nothing = EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) };
    selectivity(condition, &LogicalPlan::EmptyRelation(nothing))
}

/// Values of an expression in its table, and the rows of that table.
pub fn key_values(expr: &Expr, plan: &LogicalPlan) -> (Option<f64>, Option<f64>) {
    (distinct(expr, plan), known(expr, plan).and_then(|k| k.rows))
}

fn selectivity(predicate: &Expr, input: &LogicalPlan) -> f64 {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => selectivity(left, input) * selectivity(right, input),
            Operator::Or => (selectivity(left, input) + selectivity(right, input)).min(1.0),
            Operator::Eq => distinct(left, input).or_else(|| distinct(right, input)).map_or(EQUALITY, |d| 1.0 / d),
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => RANGE,
            Operator::NotEq => 1.0 - EQUALITY,
            _ => OTHER,
        },
        Expr::InList(list) if !list.negated => {
            let each = distinct(&list.expr, input).map_or(EQUALITY, |d| 1.0 / d);
            (each * list.list.len() as f64).min(1.0)
        }
        Expr::IsNull(e) => known(e, input).and_then(|k| k.null_fraction).unwrap_or(0.05),
        Expr::IsNotNull(e) => 1.0 - known(e, input).and_then(|k| k.null_fraction).unwrap_or(0.05),
        Expr::Not(e) => 1.0 - selectivity(e, input),
        _ => OTHER,
    }
}

/// At most so many different values an expression has, by those of its columns. `None`: nothing is known of one of them.
pub fn values(expr: &Expr, plan: &LogicalPlan) -> Option<f64> {
    let of_columns = || expr.column_refs().into_iter().map(|c| distinct(&Expr::Column(c.clone()), plan)).product();
    distinct(expr, plan).or_else(of_columns)
}

/// How many groups the rows of a plan make by these expressions. `None` where nothing is known of one of them.
pub fn groups(by: &[Expr], plan: &LogicalPlan) -> Option<f64> {
    let all = by.iter().map(|e| values(e, plan)).product::<Option<f64>>()?;
    Some(drawn(rows(plan)?, all))
}

/// How many of `values` different values are among so many rows, if each row has any of them (Cardenas).
pub fn drawn(rows: f64, values: f64) -> f64 {
    let values = values.max(1.0);
    -values * (-rows / values).exp_m1()
}

/// How many different values an expression has, where it is a column whose table says so, or nothing but the key of its table.
pub fn distinct_of(expr: &Expr, plan: &LogicalPlan) -> Option<f64> {
    distinct(expr, plan)
}

fn distinct(expr: &Expr, plan: &LogicalPlan) -> Option<f64> {
    known(expr, plan)?.distinct.filter(|d| *d >= 1.0)
}

/// How many values the two sides of an equality have between them: every value of the side with fewer is on the other too.
/// Where neither side's number is known, one of them is taken for a key, that of the smaller table.
fn common_values(l: &Expr, left: &LogicalPlan, r: &Expr, right: &LogicalPlan) -> Option<f64> {
    let both = distinct(l, left).into_iter().chain(distinct(r, right)).reduce(f64::max);
    let rows_of_table = |e, plan| known(e, plan)?.rows;
    both.or_else(|| Some(rows_of_table(l, left)?.min(rows_of_table(r, right)?)))
}

/// What is known of an expression that is a table's column, seen through comparison keys and renaming.
#[derive(Clone, Copy)]
struct Known {
    /// Of the table.
    rows: Option<f64>,
    distinct: Option<f64>,
    null_fraction: Option<f64>,
    width: Option<f64>,
}

impl Known {
    fn of(table: &CatalogTable, column: usize) -> Self {
        let (rows, column) = (table.table.rows, &table.table.columns[column]);
        let ColumnStats { distinct, null_fraction, width, .. } = column.stats;
        // Whole numbers: no more than lie between the least and the greatest.
        let bound = || Some(range::whole_numbers(column)?.min(rows?).max(1.0));
        Self { rows, distinct: distinct.or_else(bound), null_fraction, width }
    }

    /// The rows of both together.
    fn beside(self, other: Self) -> Self {
        let both = |a: Option<f64>, b: Option<f64>| a.zip(b);
        let rows = both(self.rows, other.rows);
        // Keys are different in both, other values are the same ones.
        let keys = |k: &Self| both(k.distinct, k.rows).is_some_and(|(distinct, rows)| distinct >= 0.9 * rows);
        let add = keys(&self) && keys(&other);
        let share = rows.map_or(0.5, |(a, b)| a / (a + b).max(1.0));
        let mean = |a, b| both(a, b).map(|(a, b)| share * a + (1.0 - share) * b);
        Self {
            rows: rows.map(|(a, b)| a + b),
            distinct: both(self.distinct, other.distinct).map(|(a, b)| if add { a + b } else { a.max(b) }),
            null_fraction: mean(self.null_fraction, other.null_fraction),
            width: mean(self.width, other.width),
        }
    }
}

fn known(expr: &Expr, plan: &LogicalPlan) -> Option<Known> {
    match expr {
        Expr::Alias(a) => known(&a.expr, plan),
        Expr::ScalarFunction(f) => {
            let transparent = PgFunc::of(&f.func)?.def.sql == SqlForm::Transparent;
            transparent.then(|| known(f.args.first()?, plan)).flatten()
        }
        Expr::Column(column) => match plan {
            LogicalPlan::TableScan(scan) => {
                if let Some(table) = scan.source.downcast_ref::<CatalogTable>() {
                    return Some(Known::of(table, table.table.columns.iter().position(|c| c.name == column.name)?));
                }
                let relation = scan.source.downcast_ref::<FragmentRelation>()?;
                let origin = relation.origin.as_ref()?;
                let i = *origin.outputs.get(relation.schema.index_of(&column.name).ok()?)?;
                known(&nth_column(&origin.plan, i), &origin.plan)
            }
            LogicalPlan::Projection(p) => {
                let i = p.schema.maybe_index_of_column(column)?;
                known(p.expr.get(i)?, &p.input)
            }
            LogicalPlan::SubqueryAlias(a) => {
                known(&nth_column(&a.input, a.schema.maybe_index_of_column(column)?), &a.input)
            }
            LogicalPlan::Union(u) => {
                let i = u.schema.maybe_index_of_column(column)?;
                let all: Option<Vec<Known>> =
                    u.inputs.iter().map(|input| known(&nth_column(input, i), input)).collect();
                all?.into_iter().reduce(Known::beside)
            }
            other => other
                .inputs()
                .into_iter()
                .find(|input| input.schema().has_column(column))
                .and_then(|input| known(expr, input)),
        },
        _ => None,
    }
}

fn nth_column(plan: &LogicalPlan, i: usize) -> Expr {
    let column = plan.schema().iter().nth(i).map(|field| Expr::Column(Column::from(field)));
    column.unwrap_or(Expr::Literal(ScalarValue::Null, None))
}
