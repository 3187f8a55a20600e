//! Casts that are also functions named after their target: `text(true)`, `int4(jsonb)`.

use super::cast;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::pgsem::func::Typed;
use crate::pgsem::registry::{Build, Signature};
use crate::pgtype::PgType;
use crate::pgtype::oid::*;

pub fn signatures() -> Vec<Signature> {
    let calls: [(&str, u32, &[&'static [u32]], Build); 11] = [
        ("text", TEXT, &[&[BOOL], &[BPCHAR], &[CHAR], &[INET], &[NAME]], |c, a| to(c, a, PgType::TEXT)),
        ("varchar", VARCHAR, &[&[NAME]], |c, a| to(c, a, PgType::VARCHAR)),
        ("bpchar", BPCHAR, &[&[CHAR], &[NAME]], |c, a| to(c, a, PgType::BPCHAR)),
        ("name", NAME, &[&[TEXT], &[VARCHAR], &[BPCHAR]], |c, a| to(c, a, PgType::NAME)),
        ("char", CHAR, &[&[TEXT]], |c, a| to(c, a, PgType::CHAR)),
        ("bool", BOOL, &[&[JSONB]], |c, a| to(c, a, PgType::BOOL)),
        ("int2", INT2, &[&[JSONB]], |c, a| to(c, a, PgType::INT2)),
        ("int4", INT4, &[&[JSONB], &[CHAR]], |c, a| to(c, a, PgType::INT4)),
        ("int8", INT8, &[&[JSONB]], |c, a| to(c, a, PgType::INT8)),
        ("float8", FLOAT8, &[&[JSONB]], |c, a| to(c, a, PgType::FLOAT8)),
        ("numeric", NUMERIC, &[&[JSONB]], |c, a| to(c, a, PgType::NUMERIC)),
    ];
    let each = |(name, ret, from, build): (&'static str, u32, &[&'static [u32]], Build)| -> Vec<Signature> {
        from.iter().map(|args| Signature::build(name, args, ret, build)).collect()
    };
    calls.into_iter().flat_map(each).collect()
}

fn to(ctx: &QueryContext, args: Vec<Typed>, ty: PgType) -> Result<Typed> {
    let arg = args.into_iter().next().ok_or_else(|| Error::internal("a cast of nothing"))?;
    cast(ctx, arg, ty)
}
