//! Window calls (`transformWindowFuncCall`).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{Cast, WindowFunction, WindowFunctionParams};
use datafusion_expr::{Expr, WindowFunctionDefinition, WindowUDF};
use datafusion_functions_window::{cume_dist, lead_lag, nth_value, ntile, rank, row_number};

use super::super::window::BoundWindow;
use super::super::{Binder, Clause, Scope};
use super::function::{Written, holds_window};
use crate::error::{Error, Result, state};
use crate::pgsem::registry::AggregateCall;
use crate::pgsem::resolve::Choice;
use crate::pgsem::{Typed, key};
use crate::pgtype::oid;

fn windowing(message: impl Into<String>) -> Error {
    Error::new(state::WINDOWING_ERROR, message)
}

fn window_expr(
    fun: impl Into<WindowFunctionDefinition>,
    args: Vec<Expr>,
    window: &BoundWindow,
    filter: Option<Box<Expr>>,
) -> Expr {
    Expr::from(WindowFunction {
        fun: fun.into(),
        params: WindowFunctionParams {
            args,
            partition_by: window.partition_by.clone(),
            order_by: window.order_by.clone(),
            window_frame: window.frame.clone(),
            filter,
            null_treatment: None,
            distinct: false,
        },
    })
}

impl Binder<'_> {
    /// What stands behind OVER, after the checks that all window calls share.
    fn window_of(
        &mut self,
        call: &Written<'_>,
        args: &[Typed],
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<BoundWindow> {
        let Some(over) = call.over else {
            let message = format!("window function {} requires an OVER clause", call.name);
            return Err(Error::new(state::WRONG_OBJECT_TYPE, message));
        };
        if !clause.allows_windows() {
            return Err(windowing(format!("window functions are not allowed in {}", clause.name())));
        }
        if args.iter().any(|a| holds_window(&a.expr)) {
            return Err(windowing("window function calls cannot be nested"));
        }
        if call.distinct {
            return Err(Error::unsupported("DISTINCT for a window function"));
        }
        if !call.order_by.is_empty() {
            return Err(Error::unsupported("ORDER BY inside a window function"));
        }
        self.bind_window(over, scope)
    }

    /// An aggregate over a frame.
    pub(super) fn window_aggregate(
        &mut self,
        call: &Written<'_>,
        choice: &Choice,
        args: Vec<Typed>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let window = self.window_of(call, &args, scope, clause)?;
        let filter = match call.filter {
            Some(e) => Some(self.bind_expr(e, scope, Clause::Filter)?.expr),
            None => None,
        };
        let call = AggregateCall { args, distinct: false, filter, order_by: Vec::new(), within_group: false };
        let typed = self.build_aggregate(choice, call)?;
        let expr = typed.expr.transform_down(|e| {
            Ok(match e {
                Expr::AggregateFunction(a) => {
                    if a.params.distinct || !a.params.order_by.is_empty() {
                        return Err(Error::unsupported(format!("{} as a window function", choice.described())).into());
                    }
                    let fun = WindowFunctionDefinition::AggregateUDF(a.func);
                    let over = window_expr(fun, a.params.args, &window, a.params.filter);
                    Transformed::new(over, true, TreeNodeRecursion::Jump)
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(Typed { expr: expr.data, ..typed })
    }

    /// `row_number`, `lag` and the others that only exist with OVER.
    pub(super) fn window_function(
        &mut self,
        call: &Written<'_>,
        choice: &Choice,
        args: Vec<Typed>,
        scope: &Scope<'_>,
        clause: Clause,
    ) -> Result<Typed> {
        let args = self.coerce_arguments(choice, args)?;
        let window = self.window_of(call, &args, scope, clause)?;
        if call.filter.is_some() {
            return Err(Error::unsupported("FILTER for a window function that is not an aggregate"));
        }
        let value_repr = args.first().map(|a| a.repr.clone());
        let same = value_repr.unwrap_or(DataType::Null);
        // The blanks of a `char(n)` are known by its type alone, so it keeps the n.
        let blanks = args.first().map(|a| a.ty).filter(|ty| ty.oid == oid::BPCHAR && choice.ret.oid == oid::BPCHAR);
        if blanks.is_some() && args.len() > 2 {
            return Err(Error::unsupported(format!("{} of character values with a default", choice.name)));
        }
        let (udf, args, repr): (Arc<WindowUDF>, Vec<Typed>, DataType) = match choice.name {
            "row_number" => (row_number::row_number_udwf(), args, DataType::UInt64),
            "rank" => (rank::rank_udwf(), args, DataType::UInt64),
            "dense_rank" => (rank::dense_rank_udwf(), args, DataType::UInt64),
            "percent_rank" => (rank::percent_rank_udwf(), args, DataType::Float64),
            "cume_dist" => (cume_dist::cume_dist_udwf(), args, DataType::Float64),
            "ntile" => (ntile::ntile_udwf(), vec![count(args.first(), "ntile", true)?], DataType::UInt64),
            "lag" => (lead_lag::lag_udwf(), shift(args)?, same),
            "lead" => (lead_lag::lead_udwf(), shift(args)?, same),
            "first_value" => (nth_value::first_value_udwf(), args, same),
            "last_value" => (nth_value::last_value_udwf(), args, same),
            "nth_value" => {
                let n = count(args.get(1), "nth_value", true)?;
                (nth_value::nth_value_udwf(), args.into_iter().take(1).chain([n]).collect(), same)
            }
            _ => return Err(Error::unsupported(choice.described())),
        };
        let expr = window_expr(udf, args.into_iter().map(|a| a.expr).collect(), &window, None);
        let wanted = if choice.ret.oid == oid::NUMERIC { repr.clone() } else { choice.ret.repr() };
        let wanted = if matches!(repr, DataType::UInt64) { wanted } else { repr.clone() };
        let expr = if wanted == repr { expr } else { Expr::Cast(Cast::new(Box::new(expr), wanted.clone())) };
        Ok(Typed::with_repr(expr, blanks.unwrap_or(choice.ret), wanted))
    }
}

/// The constant number of `ntile(n)`, `nth_value(x, n)`.
fn count(arg: Option<&Typed>, name: &str, positive: bool) -> Result<Typed> {
    match arg.and_then(Typed::as_literal) {
        Some(ScalarValue::Int32(Some(n))) if *n > 0 || !positive => {
            Ok(Typed::literal(ScalarValue::Int64(Some(i64::from(*n))), crate::pgtype::PgType::INT8))
        }
        Some(ScalarValue::Int32(Some(_))) => {
            let code = if name == "ntile" { "22014" } else { "22016" };
            let message = format!("argument of {name} must be greater than zero");
            Err(Error::new(crate::error::SqlState::new(code), message))
        }
        _ => Err(Error::unsupported(format!("{name} with an argument that is not a constant"))),
    }
}

/// The arguments of lag and lead: the offset a constant, value and default in one carrier.
fn shift(args: Vec<Typed>) -> Result<Vec<Typed>> {
    let mut args = args.into_iter();
    let (Some(value), offset, default) = (args.next(), args.next(), args.next()) else {
        return Err(Error::internal("a shift of nothing"));
    };
    let mut all = vec![value];
    if let Some(offset) = offset {
        all.push(count(Some(&offset), "lag", false)?);
    }
    if let Some(default) = default {
        if default.as_literal().is_none() {
            return Err(Error::unsupported("a default of lag or lead that is not a constant"));
        }
        if all[0].ty.oid != oid::NUMERIC {
            all.push(default);
            return Ok(all);
        }
        let mut pair = key::unify_repr(vec![all[0].clone(), default]);
        if pair[0].repr != all[0].repr {
            all[0] = pair.remove(0);
            all.push(pair.remove(0));
        } else {
            all.push(pair.remove(1));
        }
    }
    Ok(all)
}
