//! A PostgreSQL aggregate as a DataFusion aggregate.
//!
//! As with [`PgFunc`](crate::pgsem::PgFunc), one [`PgAggregate`] is one instance with fixed types, and the emitter reads from
//! its [`AggregateDef`] how SQL writes it. Sums of fixed carriers, counts and most minima are DataFusion's own aggregates
//! instead, because those are exact and fast.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::Result as DfResult;
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::utils::format_state_name;
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, TypeSignature, Volatility,
};

use super::accumulator::{Grouped, Single};
use super::distinct::Distinct;
use super::sliding::Sliding;
use super::state::Aggregate;
use crate::pgsem::func::Typed;
use crate::pgsem::registry::AggregateCall;
use crate::pgtype::PgType;

/// How SQL text writes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateSql {
    /// `name([DISTINCT] a, b)`
    Call(&'static str),
    /// `name(direct) WITHIN GROUP (ORDER BY sorted [DESC])`; the last argument is the sorted one.
    WithinGroup(&'static str),
}

/// What an instance knows of its types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    pub arg_types: Vec<PgType>,
    pub arg_reprs: Vec<DataType>,
    pub ty: PgType,
    pub repr: DataType,
    /// `WITHIN GROUP (ORDER BY x DESC)`
    pub descending: bool,
}

type MakeAccumulator = fn(Arc<Instance>) -> Box<dyn Accumulator>;
type MakeGroups = fn(Arc<Instance>) -> Box<dyn GroupsAccumulator>;

/// What all instances of one aggregate share. Lives in a `static`.
pub struct AggregateDef {
    /// Unique over all aggregates.
    pub name: &'static str,
    pub sql: AggregateSql,
    single: MakeAccumulator,
    single_distinct: MakeAccumulator,
    sliding: MakeAccumulator,
    grouped: MakeGroups,
    grouped_distinct: MakeGroups,
}

fn boxed<T: Accumulator>(accumulator: T) -> Box<dyn Accumulator> {
    Box::new(accumulator)
}

impl AggregateDef {
    pub const fn new<A: Aggregate>(name: &'static str, sql: AggregateSql) -> Self {
        Self {
            name,
            sql,
            single: |instance| boxed(Single::<A>::new(instance)),
            single_distinct: |instance| boxed(Single::<Distinct<A>>::new(instance)),
            sliding: |instance| boxed(Sliding::<A>::new(instance)),
            grouped: |instance| Box::new(Grouped::<A>::new(instance)),
            grouped_distinct: |instance| Box::new(Grouped::<Distinct<A>>::new(instance)),
        }
    }

    /// An instance applied to the arguments of a call.
    pub fn call(&'static self, call: AggregateCall, ty: PgType, repr: DataType) -> Typed {
        let instance = Instance {
            arg_types: call.args.iter().map(|a| a.ty).collect(),
            arg_reprs: call.args.iter().map(|a| a.repr.clone()).collect(),
            ty,
            repr: repr.clone(),
            descending: call.within_group && call.order_by.first().is_some_and(|s| !s.asc),
        };
        let udaf = AggregateUDF::new_from_impl(PgAggregate::new(self, instance));
        Typed::with_repr(leaf(Arc::new(udaf), call), ty, repr)
    }
}

/// The leaf of a call of any aggregate. What the order of rows cannot change is not told of it.
pub fn leaf(udaf: Arc<AggregateUDF>, call: AggregateCall) -> Expr {
    let args = call.args.into_iter().map(|a| a.expr).collect();
    let filter = call.filter.map(Box::new);
    Expr::AggregateFunction(AggregateFunction::new_udf(udaf, args, call.distinct, filter, Vec::new(), None))
}

impl fmt::Debug for AggregateDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One instance of an aggregate, as DataFusion sees it.
#[derive(Debug)]
pub struct PgAggregate {
    pub def: &'static AggregateDef,
    pub instance: Arc<Instance>,
    name: String,
    signature: Signature,
}

impl PgAggregate {
    fn new(def: &'static AggregateDef, instance: Instance) -> Self {
        let name = if instance.descending { format!("{}[desc]", def.name) } else { def.name.to_string() };
        let signature = Signature::new(TypeSignature::UserDefined, Volatility::Immutable);
        Self { def, instance: Arc::new(instance), name, signature }
    }

    /// The instance behind a DataFusion aggregate, if it is one of ours.
    pub fn of(udaf: &AggregateUDF) -> Option<&PgAggregate> {
        udaf.inner().as_ref().downcast_ref::<PgAggregate>()
    }
}

impl PartialEq for PgAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.instance == other.instance
    }
}

impl Eq for PgAggregate {}

impl Hash for PgAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.instance.hash(state);
    }
}

impl AggregateUDFImpl for PgAggregate {
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
        Ok(self.instance.repr.clone())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "state"), DataType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        let make = if args.is_distinct { self.def.single_distinct } else { self.def.single };
        Ok(make(self.instance.clone()))
    }

    fn create_sliding_accumulator(&self, _args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        Ok((self.def.sliding)(self.instance.clone()))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn GroupsAccumulator>> {
        let make = if args.is_distinct { self.def.grouped_distinct } else { self.def.grouped };
        Ok(make(self.instance.clone()))
    }
}
