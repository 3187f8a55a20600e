//! PostgreSQL 15's own answers (`oracle.tsv`: TimeZone, DateStyle's order, kind, name, argument types and values, result or
//! `!SQLSTATE message`), reached through overload resolution, the registry and DataFusion's evaluation.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{
    Date32Type, Float64Type, Int32Type, IntervalMonthDayNanoType, Schema, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_physical_expr::create_physical_expr;

use super::{format_date, format_interval, format_time, format_timestamp, format_timestamptz, zone_name};
use crate::context::{DateOrder, QueryContext};
use crate::error::{Error, Result};
use crate::pgsem::func::Typed;
use crate::pgsem::io;
use crate::pgsem::numeric::column::NumericColumn;
use crate::pgsem::registry::{Target, registry};
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

fn cast(ctx: &QueryContext, value: Typed, to: PgType) -> Result<Typed> {
    if value.ty == to {
        return Ok(value);
    }
    if let (Some(ScalarValue::Int32(n)), oid::FLOAT8) = (value.as_literal(), to.oid) {
        return Ok(Typed::literal(ScalarValue::Float64(n.map(f64::from)), to));
    }
    (registry().casts[&(value.ty.oid, to.oid)].build)(ctx, value, to)
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

fn show(array: &dyn Array, ty: PgType, ctx: &QueryContext) -> String {
    if array.is_null(0) {
        return "NULL".into();
    }
    let mut out = String::new();
    match ty.oid {
        oid::DATE => format_date(array.as_primitive::<Date32Type>().value(0), &mut out),
        oid::TIME => format_time(array.as_primitive::<Time64MicrosecondType>().value(0), &mut out),
        oid::TIMESTAMP => format_timestamp(array.as_primitive::<TimestampMicrosecondType>().value(0), &mut out),
        oid::TIMESTAMPTZ => {
            format_timestamptz(array.as_primitive::<TimestampMicrosecondType>().value(0), ctx.time_zone, &mut out);
        }
        oid::INTERVAL => format_interval(array.as_primitive::<IntervalMonthDayNanoType>().value(0), &mut out),
        oid::BOOL => out = array.as_boolean().value(0).to_string(),
        oid::INT4 => out = array.as_primitive::<Int32Type>().value(0).to_string(),
        oid::FLOAT8 => out = format!("{:e}", array.as_primitive::<Float64Type>().value(0)),
        oid::NUMERIC => out = NumericColumn::new(array).unwrap().value(0).unwrap().to_string(),
        oid::TEXT | oid::VARCHAR => out = array.as_string_view().value(0).to_string(),
        _ => {
            let list = array.as_list::<i32>().value(0);
            let element = ty.element().unwrap();
            let shown: Vec<_> =
                (0..list.len()).map(|i| format!("\"{}\"", show(&list.slice(i, 1), element, ctx))).collect();
            out = format!("{{{}}}", shown.join(","));
        }
    }
    out
}

fn evaluate(ctx: &QueryContext, fields: &[&str]) -> Result<(String, PgType)> {
    let args = fields[2..].chunks(2).map(|pair| literal(pair[0], pair[1], ctx)).collect::<Result<_>>()?;
    let typed = bind(ctx, fields[0], fields[1], args)?;
    let expr = create_physical_expr(&typed.expr, &DFSchema::empty(), &ExecutionProps::new(), &Default::default())?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &one_row)?;
    let result = expr.evaluate(&batch)?.into_array(1)?;
    assert_eq!(result.data_type(), &typed.repr, "{fields:?}");
    Ok((show(&result, typed.ty, ctx), typed.ty))
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
        let (actual, expected) = match evaluate(&ctx, call) {
            // The text form of floats is tested elsewhere.
            Ok((actual, PgType::FLOAT8)) if expected != "NULL" => {
                (actual, expected.parse::<f64>().map_or(expected.to_string(), |v| format!("{v:e}")))
            }
            Ok((actual, _)) => (actual, expected.to_string()),
            Err(e) => (format!("!{} {}", e.sqlstate(), e.message()), expected.to_string()),
        };
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
    let ctx = QueryContext { time_zone: zone, now_micros: 1_710_045_000_000_000, ..QueryContext::default() };
    let date = |text| super::parse_date(text, &ctx).unwrap();
    let today = date("2024-03-09");
    assert_eq!((date("today"), date("now"), date("yesterday"), date("tomorrow")), (today, today, today - 1, today + 1));
    assert_eq!(super::parse_timestamptz("now", -1, &ctx).unwrap(), ctx.now_micros);
    let shown = |kind: &str, name: &str| evaluate(&ctx, &[kind, name]).unwrap().0;
    assert_eq!(shown("function", "current_date"), "2024-03-09");
    assert_eq!(shown("function", "localtimestamp"), "2024-03-09 23:30:00");
    assert_eq!(shown("function", "now"), "2024-03-09 23:30:00-05");
}
