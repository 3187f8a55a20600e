//! Partial aggregates below UNION ALL: a table whose rows are at several sources is aggregated at each of them.

use std::sync::Arc;

use datafusion_common::Column;
use datafusion_expr::{Aggregate, Distinct, Expr, LogicalPlan, Union};

use super::look_through::{Grouped, columns, look_through, restate};
use super::{Pass, estimated_rows, shrinks, sources, split};
use crate::error::Result;
use crate::stats;

/// `Aggregate(a UNION ALL b)` as an aggregate over the union of the inputs' aggregates. Groups of which nothing is known are taken
/// to be few, as they mostly are.
pub(super) fn aggregate(pass: &Pass<'_>, original: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Grouped { group, calls, input } = look_through(original)?;
    let LogicalPlan::Union(union) = input else { return Ok(None) };
    let keys: Vec<_> = group.iter().map(|_| pass.fresh()).collect();
    let results: Vec<_> = calls.iter().map(|_| pass.fresh()).collect();
    let totals = calls.iter().zip(&results).map(|(call, column)| split::total(call, &union.schema, column));
    let Some(totals) = totals.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let (mut parts, mut pushed, mut pays) = (Vec::new(), false, pass.force);
    for input in &union.inputs {
        let own = columns(input);
        let named = |exprs: &[Expr], names: &[Column]| -> Result<Vec<Expr>> {
            let exprs = restate(exprs.to_vec(), &union.schema, &own)?;
            Ok(exprs.into_iter().zip(names).map(|(e, name)| e.alias(&name.name)).collect())
        };
        let part = Aggregate::try_new(input.clone(), named(&group, &keys)?, named(&calls, &results)?)?;
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
    Ok(Some(pass.total(original, parts, keys.into_iter().map(Expr::Column).collect(), totals)?))
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
