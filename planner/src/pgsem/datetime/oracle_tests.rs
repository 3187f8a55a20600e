//! PostgreSQL 15's own answers (`oracle.tsv`: TimeZone, DateStyle's order, kind, name, argument types and values, result or
//! `!SQLSTATE message`), reached through overload resolution, the registry and DataFusion's evaluation.

use arrow::array::{Array, AsArray};
use datafusion_common::ScalarValue;

use super::zone_name;
use crate::context::{DateOrder, Now, QueryContext};
use crate::error::{Error, Result};
use crate::pgsem::cast::cast;
use crate::pgsem::evaluate;
use crate::pgsem::func::Typed;
use crate::pgsem::io;
use crate::pgsem::registry::Target;
use crate::pgsem::resolve::{self, FunctionChoice};
use crate::pgtype::{PgType, oid, type_by_name};

/// A type name with an optional type modifier: `timestamp:3`.
fn pg_type(name: &str) -> PgType {
    let (name, typmod) = name.split_once(':').unwrap_or((name, "-1"));
    PgType { oid: type_by_name(name).unwrap().oid, typmod: typmod.parse().unwrap() }
}

fn literal(ty: &str, text: &str, ctx: &QueryContext) -> Result<Typed> {
    let ty = pg_type(ty);
    if text == "NULL" {
        return Ok(Typed::null(ty));
    }
    let value = match ty.oid {
        oid::TEXT => ScalarValue::Utf8View(Some(text.into())),
        oid::INT4 => ScalarValue::Int32(Some(text.parse().unwrap())),
        oid::FLOAT8 => ScalarValue::Float64(Some(text.parse().unwrap())),
        _ => io::parse(text, ty, ctx)?,
    };
    Ok(Typed::literal(value, ty))
}

fn bind(ctx: &QueryContext, kind: &str, name: &str, mut args: Vec<Typed>) -> Result<Typed> {
    if kind == "cast" {
        return cast(ctx, args.remove(0), pg_type(name));
    }
    let types: Vec<u32> = args.iter().map(|a| a.ty.oid).collect();
    let choice = match kind {
        "infix" => resolve::infix(name, types[0], types[1])?,
        "prefix" => resolve::prefix(name, types[0])?,
        _ => match resolve::function(name, &types, &[])? {
            FunctionChoice::Call(choice) => choice,
            FunctionChoice::Cast(to) => return cast(ctx, args.remove(0), to),
        },
    };
    let signature = choice.scalar().ok_or_else(|| Error::unsupported(choice.described()))?;
    let args = args.into_iter().zip(&choice.args).map(|(a, ty)| cast(ctx, a, *ty)).collect::<Result<_>>()?;
    match signature.target {
        Target::Func(def) => Ok(def.apply(args, PgType::of(signature.ret))),
        Target::Build(build) => build(ctx, args),
    }
}

fn answer(ctx: &QueryContext, fields: &[&str]) -> Result<String> {
    let args = fields[2..].chunks(2).map(|pair| literal(pair[0], pair[1], ctx)).collect::<Result<_>>()?;
    let typed = bind(ctx, fields[0], fields[1], args)?;
    let text = evaluate::evaluate(&cast(ctx, typed, PgType::TEXT)?.expr, &[], 1)?;
    let text = text.as_string_view();
    Ok(if text.is_null(0) { "NULL".into() } else { text.value(0).into() })
}

#[test]
fn every_answer_is_postgres() {
    let mut wrong = Vec::new();
    for line in include_str!("oracle.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (zone, order, call, expected) =
            (fields[0], fields[1], &fields[2..fields.len() - 1], fields[fields.len() - 1]);
        let ctx = QueryContext {
            time_zone: zone_name::session_time_zone(zone).unwrap(),
            date_order: match order {
                "DMY" => DateOrder::Dmy,
                "YMD" => DateOrder::Ymd,
                _ => DateOrder::Mdy,
            },
            ..QueryContext::default()
        };
        let actual = answer(&ctx, call).unwrap_or_else(|e| format!("!{} {}", e.sqlstate(), e.message()));
        if actual != expected {
            wrong.push(format!("{line}\n    is {actual}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

/// What PostgreSQL computes and our carriers cannot hold is refused, never changed.
#[test]
fn beyond_the_carriers_is_refused() {
    let ctx = QueryContext::default();
    for (ty, text) in [
        ("interval", "2562048 hours"),
        ("timestamp", "294276-12-31 23:59:59"),
        ("timestamptz", "294250-01-01 00:00+00"),
    ] {
        let error = literal(ty, text, &ctx).unwrap_err();
        assert_eq!(error.sqlstate(), crate::error::state::FEATURE_NOT_SUPPORTED, "{text}");
    }
}

#[test]
fn words_for_the_current_time_mean_the_transactions_start() {
    // 2024-03-10 04:30 UTC, still 9 March in New York.
    let zone = zone_name::session_time_zone("America/New_York").unwrap();
    let ctx = QueryContext { time_zone: zone, now: Now::at(1_710_045_000_000_000), ..QueryContext::default() };
    let date = |text| super::parse_date(text, &ctx).unwrap();
    let today = date("2024-03-09");
    assert_eq!((date("today"), date("now"), date("yesterday"), date("tomorrow")), (today, today, today - 1, today + 1));
    assert_eq!(super::parse_timestamptz("now", -1, &ctx).unwrap(), ctx.now.micros());
    assert_eq!(answer(&ctx, &["function", "now"]).unwrap(), "2024-03-09 23:30:00-05");
}
