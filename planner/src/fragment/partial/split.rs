//! Aggregate calls in two steps: which calls can be computed over parts first, and how the parts' results combine.
//!
//! A call is its own part; what combines the parts has exactly its type and carrier, and no rounding: integers, decimals of one
//! scale, least and greatest values, truth. Averages are sums and counts before they get here. Not among them: sums of floats,
//! which depend on the order; sums of numerics without a scale, which no source is sent; DISTINCT, ORDER BY inside the call.

use arrow::datatypes::DataType;
use datafusion_common::{Column, DFSchema, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion_expr::{Expr, ExprSchemable};
use datafusion_functions_aggregate::sum::sum_udaf;

use crate::error::Result;
use crate::pgsem::numeric::carrier::{self, Fixed};
use crate::pgsem::{Typed, conditional};
use crate::pgtype::PgType;

/// What combines the parts' results of one call.
pub(super) struct Total {
    /// The aggregate over the parts' results.
    pub call: Expr,
    finish: Finish,
}

enum Finish {
    Nothing,
    /// Of no parts it is NULL, which a count never is.
    Count,
    /// DataFusion's sum of decimals has more digits than its values.
    Digits(Fixed),
}

impl Total {
    /// A call that stays as it is.
    pub fn unchanged(call: Expr) -> Self {
        Self { call, finish: Finish::Nothing }
    }

    /// The result of the original call, from the column that holds that of [`Self::call`], and its carrier.
    pub fn finish(&self, column: Column, repr: &DataType) -> Result<Expr> {
        let value = Expr::Column(column);
        Ok(match self.finish {
            Finish::Nothing => value,
            Finish::Count => {
                let zero = Typed::literal(ScalarValue::Int64(Some(0)), PgType::INT8);
                conditional::coalesce(vec![Typed::new(value, PgType::INT8), zero]).expr
            }
            Finish::Digits(fixed) => {
                carrier::to_fixed(Typed::with_repr(value, PgType::NUMERIC, repr.clone()), fixed)?.expr
            }
        })
    }
}

/// A call that may be computed in two steps if its arguments are there.
fn plain(call: &Expr) -> Option<&AggregateFunction> {
    let Expr::AggregateFunction(f) = call else { return None };
    let AggregateFunctionParams { distinct, order_by, null_treatment, .. } = &f.params;
    (!distinct && order_by.is_empty() && null_treatment.is_none()).then_some(f)
}

/// How the results of a call over parts of its input, in the column `part`, combine.
pub(super) fn total(call: &Expr, input: &DFSchema, part: &Column) -> Option<Total> {
    let f = plain(call)?;
    let over =
        |udaf, args| Expr::AggregateFunction(AggregateFunction::new_udf(udaf, args, false, None, Vec::new(), None));
    let parts = vec![Expr::Column(part.clone())];
    let (call, finish) = match f.func.name() {
        "count" => (over(sum_udaf(), parts), Finish::Count),
        "sum" => match call.get_type(input).ok()? {
            DataType::Int64 => (over(sum_udaf(), parts), Finish::Nothing),
            decimal => (over(sum_udaf(), parts), Finish::Digits(Fixed::of(&decimal)?)),
        },
        "min" | "max" | "bool_and" | "bool_or" => (over(f.func.clone(), parts), Finish::Nothing),
        _ => return None,
    };
    Some(Total { call, finish })
}

/// Whether it makes no difference how often a row is seen.
pub(super) fn is_idempotent(call: &Expr) -> bool {
    is_any_of_group(call)
        || plain(call).is_some_and(|f| matches!(f.func.name(), "min" | "max" | "bool_and" | "bool_or"))
}

/// The value that stands for a group whose key is not its value: it is computed of what is grouped by.
pub(super) fn is_any_of_group(call: &Expr) -> bool {
    plain(call).is_some_and(|f| f.func.name() == "first_value")
}

/// The expressions a call evaluates for each row.
pub(super) fn evaluated(call: &Expr) -> impl Iterator<Item = &Expr> {
    let Expr::AggregateFunction(f) = call else { return [].iter().chain(None) };
    f.params.args.iter().chain(f.params.filter.as_deref())
}
