//! `now()`: a constant, fixed when the statement is bound. `current_date` and its like are casts of it.

use std::time::{SystemTime, UNIX_EPOCH};

use datafusion_common::ScalarValue;

use crate::context::QueryContext;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::Timestamp;
use crate::pgsem::registry::Signature;
use crate::pgtype::{PgType, oid};

fn now(ctx: &QueryContext, _args: Vec<Typed>) -> Result<Typed> {
    let value = ScalarValue::TimestampMicrosecond(Some(ctx.now.micros()), Some("UTC".into()));
    Ok(Typed::literal(value, PgType::TIMESTAMPTZ))
}

/// The only clock that is read while a query runs.
fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX - 1))
}

static CLOCK_TIMESTAMP: FuncDef =
    FuncDef::new("clock_timestamp", SqlForm::Local, |c| c.build::<Timestamp>(|_| Ok(Some(wall_clock())))).volatile();

pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::build("now", &[], oid::TIMESTAMPTZ, now),
        Signature::build("transaction_timestamp", &[], oid::TIMESTAMPTZ, now),
        Signature::build("statement_timestamp", &[], oid::TIMESTAMPTZ, now),
        Signature::func("clock_timestamp", &[], oid::TIMESTAMPTZ, &CLOCK_TIMESTAMP),
    ]
}
