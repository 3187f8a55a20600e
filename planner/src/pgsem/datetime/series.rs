//! `generate_series` over timestamps, as a list for the binder to unnest.

use arrow::array::builder::{ListBuilder, TimestampMicrosecondBuilder};
use arrow::array::{ArrayBuilder as _, ArrayRef};
use std::sync::Arc;

use super::arithmetic::{timestamp_plus, timestamptz_plus};
use super::calendar::is_finite_timestamp;
use super::session::{self, Zoned, zoned};
use super::span::Span;
use crate::error::{Error, Result, state};
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Call, Interval, Timestamp};
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

/// A list is made at once: more would not fit in memory.
const MAX_ROWS: usize = 20_000_000;

fn series(call: &Call<'_>, plus: impl Fn(i64, Span) -> Result<i64>) -> Result<ArrayRef> {
    let (starts, stops) = (call.column::<Timestamp>(0)?, call.column::<Timestamp>(1)?);
    let steps = call.column::<Interval>(2)?;
    let element = call.func.ty.element().unwrap_or(PgType::TIMESTAMP).repr();
    let mut lists = ListBuilder::new(TimestampMicrosecondBuilder::new().with_data_type(element));
    for row in 0..call.rows {
        let args = (
            call.get::<Timestamp>(&starts, 0, row),
            call.get::<Timestamp>(&stops, 1, row),
            call.get::<Interval>(&steps, 2, row),
        );
        let (Some(start), Some(stop), Some(step)) = args else {
            lists.append_null();
            continue;
        };
        let step = Span::from(step);
        let direction = step.cmp_value().signum();
        if direction == 0 {
            return Err(Error::new(state::INVALID_PARAMETER_VALUE, "step size cannot equal zero"));
        }
        let inside = |at: i64| if direction > 0 { at <= stop } else { at >= stop };
        let mut at = start;
        while inside(at) {
            if lists.values().len() >= MAX_ROWS || !is_finite_timestamp(at) {
                return Err(Error::new(state::PROGRAM_LIMIT_EXCEEDED, "generate_series makes too many rows"));
            }
            lists.values().append_value(at);
            at = plus(at, step)?;
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

static TIMESTAMP_SERIES: FuncDef =
    FuncDef::failing("generate_series_timestamp", SqlForm::Local, |c| series(c, timestamp_plus));

fn timestamptz_series() -> Zoned {
    zoned!("generate_series_timestamptz", SqlForm::Local, |c| {
        let zone = session::zone(c.func)?;
        series(c, |at, step| timestamptz_plus(at, step, zone))
    })
}

pub fn signatures() -> Vec<Signature> {
    const TIMESTAMPS: u32 = 1115;
    const TIMESTAMPTZS: u32 = 1185;
    const NAME: &str = "generate_series_list";
    vec![
        Signature::func(NAME, &[oid::TIMESTAMP, oid::TIMESTAMP, oid::INTERVAL], TIMESTAMPS, &TIMESTAMP_SERIES),
        Signature::build(NAME, &[oid::TIMESTAMPTZ, oid::TIMESTAMPTZ, oid::INTERVAL], TIMESTAMPTZS, |ctx, args| {
            Ok(timestamptz_series().call(ctx, args, PgType::of(TIMESTAMPTZS)))
        }),
    ]
}
