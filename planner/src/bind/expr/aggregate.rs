//! Aggregate calls (`transformAggregateCall`).

use datafusion_expr::Expr;
use datafusion_expr::expr::{AggregateFunction, Sort};
use datafusion_functions_aggregate::grouping::grouping_udaf;
use sqlparser::ast;

use super::super::order::sort_expr;
use super::super::{Binder, Clause, Scope};
use super::function::{Written, holds_aggregate, holds_window};
use crate::error::{Error, Result, state};
use crate::pgsem::builtin::Kind;
use crate::pgsem::registry::AggregateCall;
use crate::pgsem::resolve::Choice;
use crate::pgsem::{Typed, key};
use crate::pgtype::{PgType, oid};

fn grouping_error(message: impl Into<String>) -> Error {
    Error::new(state::GROUPING_ERROR, message)
}

fn wrong_object(message: String) -> Error {
    Error::new(state::WRONG_OBJECT_TYPE, message)
}

impl Binder<'_> {
    pub(super) fn aggregate_call(
        &mut self,
        call: &Written<'_>,
        choice: &Choice,
        args: Vec<Typed>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        check_form(call, choice)?;
        let args = self.coerce_arguments(choice, args)?;
        if call.over.is_some() {
            return self.window_aggregate(call, choice, args, scope, clause);
        }
        if !clause.allows_aggregates() {
            return Err(grouping_error(format!("aggregate functions are not allowed in {}", clause.name())));
        }
        let direct = args.len() - call.within_group.len();
        let order_by = if call.within_group.is_empty() {
            self.bind_sort(call.order_by, scope, clause)?
        } else {
            let sorted = args[direct..].iter().zip(call.within_group);
            sorted.map(|(typed, item)| sort_expr(typed, &item.options)).collect::<Result<Vec<Sort>>>()?
        };
        if call.distinct {
            check_distinct(&args, &order_by)?;
        }
        let filter = match call.filter {
            Some(e) => Some(self.bind_expr(e, scope, Clause::Filter)?.expr),
            None => None,
        };
        let inside = || args.iter().map(|a| &a.expr).chain(order_by.iter().map(|s| &s.expr));
        if inside().any(holds_aggregate) {
            return Err(grouping_error("aggregate function calls cannot be nested"));
        }
        if inside().any(holds_window) {
            return Err(grouping_error("aggregate function calls cannot contain window function calls"));
        }
        if belongs_outside(inside().chain(&filter)) {
            return Err(Error::unsupported("an aggregate of an enclosing query"));
        }
        let call = AggregateCall {
            args,
            distinct: call.distinct,
            filter,
            order_by,
            within_group: !call.within_group.is_empty(),
        };
        self.build_aggregate(choice, call)
    }

    pub(super) fn build_aggregate(&mut self, choice: &Choice, call: AggregateCall) -> Result<Typed> {
        let Some(signature) = choice.aggregate() else { return Err(Error::unsupported(choice.described())) };
        let padded = call.args.iter().map(|a| a.ty).find(|t| t.oid == oid::BPCHAR);
        let mut typed = (signature.build)(self.ctx, call)?;
        // The blanks of char(n) are known by its modifier only.
        if let Some(padded) = padded.filter(|_| typed.ty.oid == oid::BPCHAR) {
            typed.ty = padded;
        }
        Ok(typed)
    }

    /// `GROUPING(a, b)`: which of the grouping expressions are not grouped by in a row.
    pub(super) fn grouping(&mut self, args: &[&ast::Expr], scope: &Scope<'_>, clause: Clause) -> Result<Typed> {
        if !clause.allows_aggregates() {
            return Err(grouping_error(format!("grouping operations are not allowed in {}", clause.name())));
        }
        let args = self.exprs(args.iter().copied(), scope, clause)?;
        if args.len() > 31 {
            return Err(Error::new(state::TOO_MANY_ARGUMENTS, "GROUPING must have fewer than 32 arguments"));
        }
        let args = args.into_iter().map(|a| a.expr).collect();
        let leaf = AggregateFunction::new_udf(grouping_udaf(), args, false, None, Vec::new(), None);
        Ok(Typed::new(Expr::AggregateFunction(leaf), PgType::INT4))
    }
}

/// Which clauses the aggregate takes.
fn check_form(call: &Written<'_>, choice: &Choice) -> Result<()> {
    let name = &call.name;
    let ordered_set = choice.candidate.kind == Kind::OrderedSet;
    if call.args.is_empty() && !call.star && !ordered_set {
        return Err(wrong_object(format!("{name}(*) must be used to call a parameterless aggregate function")));
    }
    if ordered_set && call.within_group.is_empty() {
        return Err(wrong_object(format!("WITHIN GROUP is required for ordered-set aggregate {name}")));
    }
    if !ordered_set && !call.within_group.is_empty() {
        let message = format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP");
        return Err(wrong_object(message));
    }
    if ordered_set && call.over.is_some() {
        return Err(Error::unsupported(format!("OVER for ordered-set aggregate {name}")));
    }
    if ordered_set && (call.distinct || !call.order_by.is_empty()) {
        return Err(Error::new(state::SYNTAX_ERROR, "cannot use DISTINCT with WITHIN GROUP"));
    }
    Ok(())
}

fn check_distinct(args: &[Typed], order_by: &[Sort]) -> Result<()> {
    for arg in args {
        if arg.ty.element().unwrap_or(arg.ty).oid == oid::JSON {
            let message = format!("could not identify an equality operator for type {}", arg.ty);
            return Err(Error::new(state::UNDEFINED_FUNCTION, message));
        }
    }
    let keys = args.iter().cloned().map(key::key).collect::<Result<Vec<_>>>()?;
    if order_by.iter().all(|sort| keys.iter().any(|k| k.expr == sort.expr)) {
        return Ok(());
    }
    let message = "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list";
    Err(Error::new(state::INVALID_COLUMN_REFERENCE, message))
}

/// An aggregate over columns of an enclosing query alone is computed there.
fn belongs_outside<'e>(exprs: impl Iterator<Item = &'e Expr>) -> bool {
    let (mut own, mut outer) = (false, false);
    for expr in exprs {
        own |= expr.any_column_refs();
        outer |= expr.contains_outer();
    }
    outer && !own
}
