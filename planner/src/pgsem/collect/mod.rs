//! Aggregates that keep all their rows: `array_agg`, `string_agg`, `json_agg`, `json_object_agg` and their `jsonb` twins.
//!
//! Their result depends on order, so `DISTINCT` and `ORDER BY` are part of the function: the sort keys are passed as further
//! arguments, and nothing depends on how DataFusion orders or splits the input. (Its own ordered aggregates refuse two different
//! orders in one query.)

mod accumulator;
mod output;
mod rows;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::Result as DfResult;
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, TypeSignature, Volatility,
};

use accumulator::{Grouped, Single};
use output::Output;

use super::array::list_of;
use super::func::Typed;
use super::io;
use super::key;
use super::registry::{AggregateCall, AggregateSignature};
use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid};

/// What all instances of one aggregate share. Lives in a `static`.
pub struct CollectDef {
    /// As SQL writes it.
    pub name: &'static str,
    output: Output,
}

impl fmt::Debug for CollectDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One instance, as DataFusion sees it. Its arguments are the values and behind them the sort keys.
#[derive(Debug)]
pub struct PgCollect {
    pub def: &'static CollectDef,
    pub arg_types: Vec<PgType>,
    pub ty: PgType,
    pub repr: DataType,
    pub distinct: bool,
    /// One for each sort key.
    pub order: Vec<SortOptions>,
    zone: TimeZone,
    name: String,
    signature: Signature,
}

impl PgCollect {
    /// The instance behind a DataFusion aggregate, if it is one of these.
    pub fn of(udaf: &AggregateUDF) -> Option<&PgCollect> {
        udaf.inner().as_ref().downcast_ref::<PgCollect>()
    }
}

impl PartialEq for PgCollect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arg_types == other.arg_types && self.repr == other.repr
    }
}

impl Eq for PgCollect {}

impl Hash for PgCollect {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.arg_types.hash(state);
    }
}

impl AggregateUDFImpl for PgCollect {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The binder has already chosen: nothing is coerced here.
    fn coerce_types(&self, arg_types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DfResult<DataType> {
        Ok(self.repr.clone())
    }

    /// A list of each argument's values.
    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        let field = |(i, arg): (usize, &FieldRef)| {
            let name = format_state_name(args.name, &format!("argument{i}"));
            Arc::new(Field::new(name, list_of(arg.data_type().clone()), true))
        };
        Ok(args.input_fields.iter().enumerate().map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        let types = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Single::new(self.plan(), types)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn GroupsAccumulator>> {
        let types = args.expr_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Box::new(Grouped::new(self.plan(), types)))
    }
}

/// What the accumulators need of the instance.
#[derive(Clone, Debug)]
struct Plan {
    output: Output,
    arg_types: Vec<PgType>,
    distinct: bool,
    order: Vec<SortOptions>,
    zone: TimeZone,
}

impl PgCollect {
    fn plan(&self) -> Plan {
        Plan {
            output: self.def.output,
            arg_types: self.arg_types.clone(),
            distinct: self.distinct,
            order: self.order.clone(),
            zone: self.zone,
        }
    }
}

impl CollectDef {
    fn call(&'static self, ctx: &QueryContext, call: AggregateCall, ty: PgType, repr: DataType) -> Result<Typed> {
        if call.distinct {
            // Types without equality cannot be distinct.
            call.args.iter().try_for_each(|arg| key::key(arg.clone()).map(drop))?;
        }
        let order: Vec<SortOptions> = call
            .order_by
            .iter()
            .map(|sort| SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first })
            .collect();
        let mut name = self.name.to_string();
        if call.distinct {
            name.push_str("[distinct]");
        }
        for SortOptions { descending, nulls_first } in &order {
            name.push_str(if *descending { "[desc" } else { "[asc" });
            name.push_str(if *nulls_first { " nulls first]" } else { " nulls last]" });
        }
        let zone = io::output_detail(ctx, call.args.iter().map(|a| a.ty));
        if !zone.is_empty() {
            name.push_str(&format!("[{zone}]"));
        }
        let udaf = PgCollect {
            def: self,
            arg_types: call.args.iter().map(|a| a.ty).collect(),
            ty,
            repr: repr.clone(),
            distinct: call.distinct,
            order,
            zone: ctx.time_zone,
            name,
            signature: Signature::new(TypeSignature::UserDefined, Volatility::Immutable),
        };
        let args = call.args.into_iter().map(|a| a.expr).chain(call.order_by.into_iter().map(|sort| sort.expr));
        let udaf = Arc::new(AggregateUDF::new_from_impl(udaf));
        let filter = call.filter.map(Box::new);
        let leaf = AggregateFunction::new_udf(udaf, args.collect(), false, filter, Vec::new(), None);
        Ok(Typed::with_repr(Expr::AggregateFunction(leaf), ty, repr))
    }
}

static ARRAY_AGG: CollectDef = CollectDef { name: "array_agg", output: Output::Array };
static STRING_AGG: CollectDef = CollectDef { name: "string_agg", output: Output::Text };
static BYTEA_AGG: CollectDef = CollectDef { name: "string_agg", output: Output::Bytes };
static JSON_AGG: CollectDef = CollectDef { name: "json_agg", output: Output::JsonArray };
static JSONB_AGG: CollectDef = CollectDef { name: "jsonb_agg", output: Output::JsonbArray };
static JSON_OBJECT_AGG: CollectDef = CollectDef { name: "json_object_agg", output: Output::JsonObject };
static JSONB_OBJECT_AGG: CollectDef = CollectDef { name: "jsonb_object_agg", output: Output::JsonbObject };

pub fn signatures() -> Vec<AggregateSignature> {
    const ANY: u32 = oid::ANY;
    const ELEMENT: u32 = oid::ANYELEMENT;
    let new = AggregateSignature::new;
    vec![
        new("array_agg", &[oid::ANYNONARRAY], oid::ANYARRAY, array_agg),
        new("string_agg", &[oid::TEXT, oid::TEXT], oid::TEXT, |ctx, call| text(&STRING_AGG, ctx, call, PgType::TEXT)),
        new("string_agg", &[oid::BYTEA, oid::BYTEA], oid::BYTEA, |ctx, call| {
            text(&BYTEA_AGG, ctx, call, PgType::BYTEA)
        }),
        new("json_agg", &[ELEMENT], oid::JSON, |ctx, call| text(&JSON_AGG, ctx, call, PgType::JSON)),
        new("jsonb_agg", &[ELEMENT], oid::JSONB, |ctx, call| text(&JSONB_AGG, ctx, call, PgType::JSONB)),
        new("json_object_agg", &[ANY, ANY], oid::JSON, |ctx, call| text(&JSON_OBJECT_AGG, ctx, call, PgType::JSON)),
        new("jsonb_object_agg", &[ANY, ANY], oid::JSONB, |ctx, call| text(&JSONB_OBJECT_AGG, ctx, call, PgType::JSONB)),
    ]
}

fn text(def: &'static CollectDef, ctx: &QueryContext, call: AggregateCall, ty: PgType) -> Result<Typed> {
    def.call(ctx, call, ty, ty.repr())
}

fn array_agg(ctx: &QueryContext, call: AggregateCall) -> Result<Typed> {
    let element = call.args.first().ok_or_else(|| Error::internal("array_agg takes an argument"))?;
    let ty = element.ty.array_of().ok_or_else(|| {
        Error::new(state::UNDEFINED_OBJECT, format!("could not find array type for data type {}", element.ty))
    })?;
    let repr = list_of(element.repr.clone());
    ARRAY_AGG.call(ctx, call, ty, repr)
}

#[cfg(test)]
mod tests;
