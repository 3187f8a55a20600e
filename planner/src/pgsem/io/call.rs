//! Functions whose work is input or output of values of any type.

use super::environment::{cast_detail, output_detail};
use super::{CellWriter, formatter, zone_of};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, Typed};
use crate::pgsem::kernel::Call;
use crate::pgtype::PgType;

/// A text function that prints its arguments.
pub fn output_call(def: &'static FuncDef, ctx: &QueryContext, args: Vec<Typed>) -> Typed {
    output_call_as(def, ctx, args, PgType::TEXT)
}

/// A function of another result type that prints its arguments.
pub fn output_call_as(def: &'static FuncDef, ctx: &QueryContext, args: Vec<Typed>, ty: PgType) -> Typed {
    let detail = output_detail(ctx, args.iter().map(|a| a.ty));
    def.call(args, ty, ty.repr(), &detail)
}

/// A function that reads values of type `ty` from text.
pub fn input_call(def: &'static FuncDef, ctx: &QueryContext, args: Vec<Typed>, ty: PgType) -> Typed {
    let detail = cast_detail(ctx, PgType::TEXT, ty);
    def.call(args, ty, ty.repr(), &detail)
}

/// A writer for each argument from `first` on. Rows are the argument's own: see [`Call::row`].
pub fn argument_writers<'a>(call: &'a Call<'_>, first: usize) -> Result<Vec<CellWriter<'a>>> {
    let zone = zone_of(&call.func.detail);
    let types = &call.func.arg_types;
    (first..call.args.len()).map(|arg| formatter(call.args[arg].as_ref(), types[arg], zone)).collect()
}
