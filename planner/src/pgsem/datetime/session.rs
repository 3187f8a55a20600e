//! What a function takes from the session: its time zone.
//!
//! It travels in a [`PgFunc`]'s detail, so that the same call in another zone is another function. While the zone is UTC, which
//! is what engines are pinned to, they may compute the call themselves.

use arrow::datatypes::DataType;
use chrono_tz::Tz;

use crate::context::{QueryContext, TimeZone};
use crate::error::{Error, Result};
use crate::pgsem::func::{FuncDef, PgFunc, Typed};
use crate::pgtype::PgType;

fn zone_text(zone: TimeZone) -> String {
    match zone {
        TimeZone::Named(tz) => tz.name().to_string(),
        TimeZone::Fixed(seconds) => format!("{seconds:+}"),
    }
}

fn zone_from(text: &str) -> Result<TimeZone> {
    let zone = if text.starts_with(['+', '-']) {
        text.parse().ok().map(TimeZone::Fixed)
    } else {
        text.parse::<Tz>().ok().map(TimeZone::Named)
    };
    zone.ok_or_else(|| Error::internal(format!("no time zone in \"{text}\"")))
}

pub fn is_utc(zone: TimeZone) -> bool {
    match zone {
        TimeZone::Fixed(seconds) => seconds == 0,
        TimeZone::Named(tz) => {
            matches!(tz, Tz::UTC | Tz::Etc__UTC | Tz::UCT | Tz::Etc__UCT | Tz::Zulu | Tz::Etc__Zulu | Tz::Universal)
        }
    }
}

/// A function in two forms: what engines may compute in UTC, and what only the gateway computes.
#[derive(Clone, Copy)]
pub struct Zoned {
    pub utc: &'static FuncDef,
    pub local: &'static FuncDef,
}

impl Zoned {
    pub fn call(self, ctx: &QueryContext, args: Vec<Typed>, ty: PgType) -> Typed {
        self.call_as(ctx, args, ty, ty.repr())
    }

    /// The same with another carrier than the type's ordinary one.
    pub fn call_as(self, ctx: &QueryContext, args: Vec<Typed>, ty: PgType, repr: DataType) -> Typed {
        let def = if is_utc(ctx.time_zone) { self.utc } else { self.local };
        def.call(args, ty, repr, &zone_text(ctx.time_zone))
    }
}

/// The zone a kernel was bound with.
pub fn zone(func: &PgFunc) -> Result<TimeZone> {
    zone_from(&func.detail)
}

/// One overload computed by a kernel: `sig!("+", [DATE, INT4] -> DATE, FuncDef::failing(…))`.
macro_rules! sig {
    ($name:literal, [$($arg:ident),*] -> $ret:ident, $def:expr) => {
        $crate::pgsem::registry::Signature::func($name, &[$($crate::pgtype::oid::$arg),*], $crate::pgtype::oid::$ret, {
            static DEF: $crate::pgsem::func::FuncDef = $def;
            &DEF
        })
    };
}

/// The two forms of a function that needs the session's zone: `zoned!("timestamptz_date", SqlForm::Cast, kernel)`; `new`
/// before the name: it cannot fail.
macro_rules! zoned {
    ($proname:literal, $sql:expr, $kernel:expr) => {
        zoned!(failing, $proname, $sql, $kernel)
    };
    ($new:ident, $proname:literal, $sql:expr, $kernel:expr) => {{
        static UTC: $crate::pgsem::func::FuncDef =
            $crate::pgsem::func::FuncDef::$new(concat!($proname, "_utc"), $sql, $kernel);
        static LOCAL: $crate::pgsem::func::FuncDef =
            $crate::pgsem::func::FuncDef::$new($proname, $crate::pgsem::func::SqlForm::Local, $kernel);
        $crate::pgsem::datetime::session::Zoned { utc: &UTC, local: &LOCAL }
    }};
}

/// One overload that needs the session's zone: `zoned_sig!("age", [TIMESTAMPTZ] -> INTERVAL, zoned!(…))`.
macro_rules! zoned_sig {
    ($name:literal, [$($arg:ident),*] -> $ret:ident, $zoned:expr) => {
        $crate::pgsem::registry::Signature::build(
            $name,
            &[$($crate::pgtype::oid::$arg),*],
            $crate::pgtype::oid::$ret,
            |ctx, args| Ok($zoned.call(ctx, args, $crate::pgtype::PgType::of($crate::pgtype::oid::$ret))),
        )
    };
}

pub(super) use {sig, zoned, zoned_sig};
