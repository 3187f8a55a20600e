//! Partial aggregates below UNION ALL: a table whose rows are at several sources is aggregated at each of them.

use std::sync::Arc;

use datafusion_common::{Column, DFSchema};
use datafusion_expr::{Aggregate, Distinct, Expr, LogicalPlan, Union};

use super::look_through::{Grouped, columns, look_through, restate};
use super::split::{self, Total};
use super::{Pass, estimated_rows, shrinks, sources};
use crate::error::Result;
use crate::pgsem::{PgFunc, SqlForm};
use crate::stats;

/// `Aggregate(a UNION ALL b)` as an aggregate over the union of the inputs' aggregates. Groups of which nothing is known are taken
/// to be few, as they mostly are.
pub(super) fn aggregate(pass: &Pass<'_>, original: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Grouped { group, calls, input } = look_through(original)?;
    let LogicalPlan::Union(union) = input else { return Ok(None) };
    let Some(steps) = Steps::new(pass, &group, &calls, &union.schema)? else { return Ok(None) };
    let (mut parts, mut pushed, mut pays) = (Vec::new(), false, pass.force);
    for input in &union.inputs {
        let own = columns(input);
        let named = |exprs: &[(Expr, Column)]| -> Result<Vec<Expr>> {
            let (exprs, names): (Vec<Expr>, Vec<&Column>) = exprs.iter().map(|(e, name)| (e.clone(), name)).unzip();
            let exprs = restate(exprs, &union.schema, &own)?.into_iter().zip(names);
            Ok(exprs.map(|(e, name)| e.alias(&name.name)).collect())
        };
        let part = Aggregate::try_new(input.clone(), named(&steps.keys)?, named(&steps.parts)?)?;
        pays |= match (estimated_rows(input), stats::groups(&part.group_expr, input)) {
            (Some(rows), Some(groups)) => shrinks(rows, groups),
            _ => !calls.is_empty(),
        };
        let at_sources = pass.at_sources(&part)?;
        pushed |= at_sources.is_some();
        parts.push(Arc::new(at_sources.unwrap_or(LogicalPlan::Aggregate(part))));
    }
    let same_types = |p: &Arc<LogicalPlan>| p.schema().logically_equivalent_names_and_types(parts[0].schema());
    if !pushed || !pays || !parts.iter().all(same_types) {
        return Ok(None);
    }
    let parts = LogicalPlan::Union(Union::try_new(parts)?);
    Ok(Some(pass.total(original, parts, steps.groups, steps.totals)?))
}

/// What is computed below the union, each with its name, and what of that above.
#[derive(Default)]
struct Steps {
    keys: Vec<(Expr, Column)>,
    parts: Vec<(Expr, Column)>,
    groups: Vec<Expr>,
    totals: Vec<Total>,
}

impl Steps {
    fn new(pass: &Pass<'_>, group: &[Expr], calls: &[Expr], schema: &DFSchema) -> Result<Option<Self>> {
        let mut steps = Self::default();
        for expr in group {
            let above = match is_comparison_key(expr) {
                true => steps.computed_above(pass, expr, schema)?,
                false => steps.key(pass, expr.clone()),
            };
            steps.groups.push(above);
        }
        for call in calls {
            if split::is_any_of_group(call) {
                let above = steps.computed_above(pass, call, schema)?;
                steps.totals.push(Total::unchanged(above));
                continue;
            }
            let name = pass.fresh();
            let Some(total) = split::total(call, schema, &name) else { return Ok(None) };
            steps.totals.push(total);
            steps.parts.push((call.clone(), name));
        }
        Ok(Some(steps))
    }

    /// The column of what the parts are grouped by.
    fn key(&mut self, pass: &Pass<'_>, expr: Expr) -> Expr {
        if let Some((_, name)) = self.keys.iter().find(|(known, _)| *known == expr) {
            return Expr::Column(name.clone());
        }
        let name = pass.fresh();
        self.keys.push((expr, name.clone()));
        Expr::Column(name)
    }

    /// Where a group's key is not its value, the parts are grouped by the columns that both are computed of.
    fn computed_above(&mut self, pass: &Pass<'_>, expr: &Expr, schema: &DFSchema) -> Result<Expr> {
        let read = expr.column_refs();
        let own = schema.columns().into_iter();
        let values: Vec<Expr> =
            own.map(|c| if read.contains(&c) { self.key(pass, Expr::Column(c)) } else { Expr::Column(c) }).collect();
        Ok(restate(vec![expr.clone()], schema, &values)?.remove(0))
    }
}

/// Whether groups are made by something else than their value.
fn is_comparison_key(expr: &Expr) -> bool {
    let Expr::ScalarFunction(f) = expr else { return false };
    PgFunc::of(&f.func).is_some_and(|f| f.def.sql == SqlForm::Transparent)
}

/// DISTINCT over UNION ALL leaves out what is twice in one input before it moves. A source would sort whole rows for it, so
/// something must be known of them.
pub(super) fn distinct(pass: &Pass<'_>, input: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Union(union) = input else { return Ok(None) };
    if sources(input).is_some_and(|all| all.len() < 2) {
        return Ok(None);
    }
    let (mut inputs, mut changed) = (Vec::new(), false);
    for input in &union.inputs {
        let part = LogicalPlan::Distinct(Distinct::All(input.clone()));
        let known = estimated_rows(input).zip(stats::groups(&columns(input), input));
        let pays = pass.force || known.is_some_and(|(rows, groups)| shrinks(rows, groups));
        let taken = pays && pass.takes(&part, part.schema().fields().len());
        changed |= taken;
        inputs.push(if taken { Arc::new(part) } else { input.clone() });
    }
    if !changed {
        return Ok(None);
    }
    let union = Union { inputs, schema: union.schema.clone() };
    Ok(Some(LogicalPlan::Distinct(Distinct::All(Arc::new(LogicalPlan::Union(union))))))
}
