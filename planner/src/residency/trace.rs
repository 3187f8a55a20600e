//! From a plan's columns back to the columns of tables that their values come from.
//!
//! Bottom-up and for all columns at once, so that a plan costs one visit of each node. Only columns that some rule is about are
//! kept. An aggregate that makes one value of many is remembered as such; one that collects values, a group's key and a window
//! function are not: single values come out of them.

use std::collections::BTreeSet;

use cost_model::SourceId;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::{Aggregate, Distinct, Expr, Join, JoinType, LogicalPlan, TableScan};

use super::{Leave, Residency, Rule};
use crate::pgsem::PgFunc;
use crate::pgsem::aggregate::udaf::{AggregateSql, PgAggregate};
use crate::pgtype::{PgType, oid};
use crate::source::{CatalogTable, FragmentRelation, PassthroughQuery};

/// Functions whose only error says that a pattern is no pattern, without quoting it or what it is compared with.
const QUOTES_NOTHING: &[&str] = &["textlike", "textnlike", "texticlike", "texticnlike", "bytealike", "byteanlike"];

/// Aggregates whose result is one of many values' at most by chance, by their SQL names.
const SUMMARIES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "variance",
    "var_pop",
    "var_samp",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
];

/// Something protected that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub source: SourceId,
    /// As an error calls it.
    pub what: String,
    pub leave: Leave,
    /// The rule's table and columns.
    pub rule: String,
    /// Only through an aggregate over it.
    pub aggregated: bool,
}

pub(super) type Origins = BTreeSet<Origin>;

/// What a plan's result has in it.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// One for each column.
    pub columns: Vec<Origins>,
    /// What the text of an error could tell.
    pub told: Origins,
}

impl Trace {
    /// A result may have a constant where the plan has no column.
    pub fn column(&self, i: usize) -> &Origins {
        static NOTHING: Origins = Origins::new();
        self.columns.get(i).unwrap_or(&NOTHING)
    }
}

/// The inputs of a node, for the columns of its expressions.
struct Scope<'p> {
    inputs: Vec<(&'p DFSchema, Vec<Origins>)>,
    unknown: Origins,
}

impl Scope<'_> {
    fn column(&self, column: &Column) -> &Origins {
        let found = |(schema, columns): &'_ (&DFSchema, Vec<Origins>)| {
            schema.maybe_index_of_column(column).filter(|i| *i < columns.len())
        };
        let mut found = self.inputs.iter().filter_map(|input| Some(&input.1[found(input)?]));
        found.next().unwrap_or(&self.unknown)
    }

    fn all(&self) -> Origins {
        self.inputs.iter().flat_map(|(_, columns)| columns).flatten().cloned().collect()
    }
}

impl Residency<'_> {
    pub(super) fn trace(&self, plan: &LogicalPlan) -> Trace {
        if let LogicalPlan::TableScan(scan) = plan {
            return self.scan(scan);
        }
        let (mut told, mut inputs) = (Origins::new(), Vec::new());
        for input in plan.inputs() {
            let trace = self.trace(input);
            told.extend(trace.told);
            inputs.push((input.schema().as_ref(), trace.columns));
        }
        let scope = Scope { inputs, unknown: self.everything() };
        for expr in plan.expressions() {
            self.tell(&expr, &scope, &mut told);
        }
        Trace { columns: self.columns(plan, scope), told }
    }

    fn columns(&self, plan: &LogicalPlan, mut scope: Scope<'_>) -> Vec<Origins> {
        match plan {
            LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Distinct(Distinct::All(_)) => scope.inputs.swap_remove(0).1,
            LogicalPlan::Projection(p) => p.expr.iter().map(|e| self.origins(e, &scope)).collect(),
            LogicalPlan::Aggregate(a) if a.schema.fields().len() == a.group_expr.len() + a.aggr_expr.len() => {
                self.aggregate(a, &scope)
            }
            LogicalPlan::Window(w) => {
                let calls: Vec<Origins> = w.window_expr.iter().map(|e| self.origins(e, &scope)).collect();
                scope.inputs.swap_remove(0).1.into_iter().chain(calls).collect()
            }
            LogicalPlan::Join(j) => self.join(j, scope),
            LogicalPlan::Union(_) => {
                let mut inputs = scope.inputs.into_iter().map(|(_, columns)| columns);
                let first = inputs.next().unwrap_or_default();
                inputs.fold(first, |all, more| all.into_iter().zip(more).map(|(a, b)| &a | &b).collect())
            }
            // Whatever it is: anything may be in any column.
            other => {
                let mut any = scope.all();
                any.extend(other.expressions().iter().flat_map(|e| self.origins(e, &scope)));
                vec![any; other.schema().fields().len()]
            }
        }
    }

    fn aggregate(&self, a: &Aggregate, scope: &Scope<'_>) -> Vec<Origins> {
        let keys = a.group_expr.iter().map(|e| self.origins(e, scope));
        let calls = a.aggr_expr.iter().map(|e| {
            let origins = self.origins(e, scope);
            if !is_summary(e) {
                return origins;
            }
            origins.into_iter().map(|o| Origin { aggregated: true, ..o }).collect()
        });
        keys.chain(calls).collect()
    }

    fn join(&self, j: &Join, mut scope: Scope<'_>) -> Vec<Origins> {
        // A mark says whether there is a partner: an expression of all that was compared.
        let compared = |scope: &Scope<'_>| {
            let exprs = j.on.iter().flat_map(|(l, r)| [l, r]).chain(&j.filter);
            exprs.flat_map(|e| self.origins(e, scope)).collect::<Origins>()
        };
        let mark = match j.join_type {
            JoinType::LeftMark | JoinType::RightMark => Some(compared(&scope)),
            _ => None,
        };
        let right = scope.inputs.pop().map(|(_, columns)| columns).unwrap_or_default();
        let left = scope.inputs.pop().map(|(_, columns)| columns).unwrap_or_default();
        match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left.into_iter().chain(mark).collect(),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right.into_iter().chain(mark).collect(),
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                left.into_iter().chain(right).collect()
            }
        }
    }

    fn scan(&self, scan: &TableScan) -> Trace {
        if let Some(query) = scan.source.downcast_ref::<PassthroughQuery>() {
            // Nobody knows what a statement of the client's own reads, and its errors tell what it likes.
            let what = format!("what a statement of narrows.query reads at source \"{}\"", query.source);
            let any: Origins =
                self.rules_of(&query.source).map(|rule| origin(&query.source, what.clone(), rule)).collect();
            return Trace { columns: vec![any.clone(); scan.projected_schema.fields().len()], told: any };
        }
        if let Some(origin) = scan.source.downcast_ref::<FragmentRelation>().and_then(|r| r.origin.as_ref()) {
            let trace = self.trace(&origin.plan);
            let shown = |i: usize| scan.projection.as_ref().map_or(Some(i), |p| p.get(i).copied());
            let column = |i| shown(i).and_then(|i| origin.outputs.get(i)).map(|i| trace.column(*i).clone());
            let columns =
                (0..scan.projected_schema.fields().len()).map(|i| column(i).unwrap_or_else(|| self.everything()));
            return Trace { columns: columns.collect(), told: trace.told.clone() };
        }
        let Some(table) = scan.source.downcast_ref::<CatalogTable>() else {
            return Trace {
                columns: vec![self.everything(); scan.projected_schema.fields().len()],
                told: Origins::new(),
            };
        };
        let placement = &table.placement;
        let of_column = |i: usize| -> Origins {
            let Some(column) = table.table.columns.get(i) else { return self.everything() };
            let what = || format!("column \"{}\" of table {}.{}", column.name, table.table.schema, table.table.name);
            let rules = self
                .rules_of(&placement.source)
                .filter(|rule| rule.is_about(&placement.remote_schema, &placement.remote_name, &column.remote_name));
            rules.map(|rule| origin(&placement.source, what(), rule)).collect()
        };
        let all: Vec<Origins> = (0..table.table.columns.len()).map(of_column).collect();
        let scope = Scope { inputs: Vec::new(), unknown: all.iter().flatten().cloned().collect() };
        let mut told = Origins::new();
        scan.filters.iter().for_each(|e| self.tell(e, &scope, &mut told));
        let columns = match &scan.projection {
            Some(wanted) => wanted.iter().map(|i| all.get(*i).cloned().unwrap_or_else(|| self.everything())).collect(),
            None => all,
        };
        Trace { columns, told }
    }

    fn rules_of(&self, source: &SourceId) -> impl Iterator<Item = &Rule> {
        self.rules.get(source).into_iter().flatten()
    }

    /// All that any rule protects.
    fn everything(&self) -> Origins {
        let of_source = |(source, rules): (&SourceId, &Vec<Rule>)| -> Origins {
            rules.iter().map(|rule| origin(source, format!("something of source \"{source}\""), rule)).collect()
        };
        self.rules.iter().flat_map(of_source).collect()
    }

    /// What an expression's value is made of.
    fn origins(&self, expr: &Expr, scope: &Scope<'_>) -> Origins {
        let mut found = Origins::new();
        let visited = expr.apply(|e| {
            match e {
                Expr::Column(column) => found.extend(scope.column(column).iter().cloned()),
                Expr::OuterReferenceColumn(..) => found.extend(scope.unknown.iter().cloned()),
                _ => {}
            }
            if let Some(subquery) = subquery(e) {
                found.extend(self.trace(subquery).columns.into_iter().flatten());
            }
            Ok(TreeNodeRecursion::Continue)
        });
        if visited.is_err() {
            found.extend(scope.unknown.iter().cloned());
        }
        found
    }

    /// Adds what errors of an expression could tell: a text that is not a number is part of the message that says so.
    fn tell(&self, expr: &Expr, scope: &Scope<'_>, told: &mut Origins) {
        let visited = expr.apply(|e| {
            if let Expr::ScalarFunction(call) = e {
                let quotes = |f: &&PgFunc| f.def.can_fail && !QUOTES_NOTHING.contains(&f.def.name);
                let types = PgFunc::of(&call.func).filter(quotes).map(|f| &f.arg_types);
                let quoted = call.args.iter().zip(types.into_iter().flatten()).filter(|(_, ty)| is_quoted(**ty));
                quoted.for_each(|(arg, _)| told.extend(self.origins(arg, scope)));
            }
            if let Some(subquery) = subquery(e) {
                told.extend(self.trace(subquery).told);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        if visited.is_err() {
            told.extend(scope.unknown.iter().cloned());
        }
    }
}

fn origin(source: &SourceId, what: String, rule: &Rule) -> Origin {
    let columns = rule.columns.as_ref().map_or(String::new(), |c| format!(", columns {}", c.join(", ")));
    let about = format!("table {}.{}{columns}", rule.schema, rule.table);
    Origin { source: source.clone(), what, leave: rule.leave.clone(), rule: about, aggregated: false }
}

fn subquery(expr: &Expr) -> Option<&LogicalPlan> {
    match expr {
        Expr::ScalarSubquery(s) => Some(&s.subquery),
        Expr::Exists(e) => Some(&e.subquery.subquery),
        Expr::InSubquery(s) => Some(&s.subquery.subquery),
        Expr::SetComparison(s) => Some(&s.subquery.subquery),
        _ => None,
    }
}

/// Whether errors of functions quote arguments of that type. Numbers and times are only said to be out of range.
fn is_quoted(ty: PgType) -> bool {
    use oid::*;
    !matches!(
        ty.oid,
        BOOL | INT2 | INT4 | INT8 | FLOAT4 | FLOAT8 | NUMERIC | DATE | TIME | TIMESTAMP | TIMESTAMPTZ | INTERVAL
    )
}

fn is_summary(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_summary(&alias.expr),
        Expr::AggregateFunction(call) => SUMMARIES.contains(&sql_name(call)),
        _ => false,
    }
}

fn sql_name(call: &AggregateFunction) -> &str {
    match PgAggregate::of(&call.func).map(|a| a.def.sql) {
        Some(AggregateSql::Call(name) | AggregateSql::WithinGroup(name)) => name,
        None => call.func.name(),
    }
}
