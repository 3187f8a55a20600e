//! The list of everything that binds. Which entry a call means is decided in [`super::resolve`].
//!
//! Operators are functions whose SQL name is the operator (`+`), unary ones included (one argument). Each area of semantics
//! contributes its signatures in its own `signatures()`; [`registry`] joins them once per process.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion_expr::{Expr, SortExpr};

use super::func::{FuncDef, Typed, Verdict};
use crate::context::QueryContext;
use crate::error::Result;
use crate::pgtype::PgType;

/// Builds the expression for arguments that already have the signature's types (casts applied; numeric arguments may have
/// either carrier).
pub type Build = fn(&QueryContext, Vec<Typed>) -> Result<Typed>;

/// How a chosen signature becomes an expression.
#[derive(Clone, Copy)]
pub enum Target {
    /// Call this function; result has the ordinary carrier of the result type.
    Func(&'static FuncDef),
    /// Anything else: DataFusion's own operators, numeric carriers, hidden arguments (time zone).
    Build(Build),
}

/// One overload of a function or operator.
#[derive(Clone, Copy)]
pub struct Signature {
    /// SQL name: `abs`, `+`.
    pub name: &'static str,
    /// Argument type OIDs; may contain `oid::ANY`, `ANYELEMENT`, `ANYARRAY`.
    pub args: &'static [u32],
    /// The last argument may repeat (any number of times, at least once).
    pub variadic: bool,
    /// Result type OID (`ANYELEMENT`/`ANYARRAY`: as matched).
    pub ret: u32,
    pub verdict: Verdict,
    pub target: Target,
}

impl Signature {
    pub const fn func(name: &'static str, args: &'static [u32], ret: u32, def: &'static FuncDef) -> Self {
        Self { name, args, variadic: false, ret, verdict: Verdict::Replaced, target: Target::Func(def) }
    }

    pub const fn build(name: &'static str, args: &'static [u32], ret: u32, build: Build) -> Self {
        Self { name, args, variadic: false, ret, verdict: Verdict::Replaced, target: Target::Build(build) }
    }

    pub const fn exact(self) -> Self {
        Self { verdict: Verdict::Exact, ..self }
    }

    pub const fn variadic(self) -> Self {
        Self { variadic: true, ..self }
    }
}

/// When a cast may be applied without being written (`pg_cast.castcontext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// Casts a value whose type is exactly `from` to `to` (typmod included; `-1` applies none).
pub type BuildCast = fn(&QueryContext, Typed, PgType) -> Result<Typed>;

/// One entry of `pg_cast`, plus the I/O casts from and to text, which are `Explicit` (from) and `Assignment` (to).
#[derive(Clone, Copy)]
pub struct CastDef {
    pub from: u32,
    pub to: u32,
    /// The weakest context in which it applies by itself.
    pub context: CastContext,
    pub build: BuildCast,
}

/// One call of an aggregate. Arguments already have the signature's types (numeric ones either carrier).
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// With `WITHIN GROUP`: the direct arguments, then the sorted ones (the order in which `pg_proc` lists them).
    pub args: Vec<Typed>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    /// `ORDER BY` inside the call or of `WITHIN GROUP`, over key forms.
    pub order_by: Vec<SortExpr>,
    pub within_group: bool,
}

/// One overload of an aggregate.
#[derive(Clone, Copy)]
pub struct AggregateSignature {
    pub name: &'static str,
    /// Argument type OIDs as in [`Signature::args`]; empty for `count(*)`.
    pub args: &'static [u32],
    pub variadic: bool,
    pub ret: u32,
    /// Needs `WITHIN GROUP` (ordered-set aggregate).
    pub within_group: bool,
    /// The result holds one or more `Expr::AggregateFunction` leaves under ordinary expressions; the binder lifts the leaves
    /// into an `Aggregate` node or turns each into a window function over the frame.
    pub build: fn(&QueryContext, AggregateCall) -> Result<Typed>,
}

impl AggregateSignature {
    pub const fn new(
        name: &'static str,
        args: &'static [u32],
        ret: u32,
        build: fn(&QueryContext, AggregateCall) -> Result<Typed>,
    ) -> Self {
        Self { name, args, variadic: false, ret, within_group: false, build }
    }

    pub const fn variadic(self) -> Self {
        Self { variadic: true, ..self }
    }

    pub const fn within_group(self) -> Self {
        Self { within_group: true, ..self }
    }
}

/// All signatures by name, all casts by (from, to).
pub struct Registry {
    pub functions: HashMap<&'static str, Vec<Signature>>,
    pub aggregates: HashMap<&'static str, Vec<AggregateSignature>>,
    pub casts: HashMap<(u32, u32), CastDef>,
}

/// Where the areas of semantics hand in what they implement.
const AREAS: &[fn() -> (Vec<Signature>, Vec<CastDef>)] = &[
    super::array::signatures,
    super::bytea::signatures,
    super::cast::signatures,
    super::compare::area,
    super::datetime::area,
    super::float_functions::area,
    super::integer::area,
    super::json::signatures,
    super::number_casts::area,
    super::number_template::area,
    super::numeric::area,
    super::regex::signatures,
    super::size::area,
    super::text::signatures,
    super::uuid::signatures,
];

/// Where they hand in their aggregates.
const AGGREGATE_AREAS: &[fn() -> Vec<AggregateSignature>] = &[super::aggregate::signatures, super::collect::signatures];

pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let mut functions: HashMap<&'static str, Vec<Signature>> = HashMap::new();
        let mut casts = HashMap::new();
        for area in AREAS {
            let (signatures, area_casts) = area();
            for signature in signatures {
                functions.entry(signature.name).or_default().push(signature);
            }
            for cast in area_casts {
                casts.insert((cast.from, cast.to), cast);
            }
        }
        let mut aggregates: HashMap<&'static str, Vec<AggregateSignature>> = HashMap::new();
        for area in AGGREGATE_AREAS {
            for signature in area() {
                aggregates.entry(signature.name).or_default().push(signature);
            }
        }
        Registry { functions, aggregates, casts }
    });
    &REGISTRY
}

impl Registry {
    /// A number that two builds share only if the same names, arguments and results bind in both: SQL that one of them wrote for
    /// the other's functions means the same there (FNV-1a over sorted signatures and the version).
    pub fn fingerprint(&self) -> u64 {
        let functions = self.functions.values().flatten().map(|s| format!("f {} {:?} {}", s.name, s.args, s.ret));
        let aggregates = self.aggregates.values().flatten().map(|s| format!("a {} {:?} {}", s.name, s.args, s.ret));
        let casts = self.casts.keys().map(|(from, to)| format!("c {from} {to}"));
        let mut all: Vec<String> = functions.chain(aggregates).chain(casts).collect();
        all.push(format!("v {}", env!("CARGO_PKG_VERSION")));
        all.sort_unstable();
        let bytes = all.iter().flat_map(|line| line.bytes().chain([0]));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_registered_twice() {
        for (name, all) in &registry().functions {
            for (i, s) in all.iter().enumerate() {
                assert!(all[..i].iter().all(|t| t.args != s.args), "{name}{:?}", s.args);
            }
        }
        for (name, all) in &registry().aggregates {
            for (i, s) in all.iter().enumerate() {
                assert!(all[..i].iter().all(|t| t.args != s.args), "{name}{:?}", s.args);
            }
        }
    }
}
