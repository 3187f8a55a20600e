//! Casts among the date and time types.

use super::calendar::{MICROS_PER_DAY, is_finite_timestamp};
use super::convert::{
    date_to_timestamp, date_to_timestamptz, local_micros, timestamp_to_date, timestamp_to_time,
    timestamp_to_timestamptz, timestamptz_to_date, timestamptz_to_timestamp,
};
use super::session::{self, Zoned, sig, zoned, zoned_sig};
use super::span::Span;
use super::typmod;
use crate::error::Result;
use crate::pgsem::func::{FuncDef, SqlForm, Typed};
use crate::pgsem::kernel::{Date, Interval, Time, Timestamp};
use crate::pgsem::registry::{CastContext, CastDef, Signature};
use crate::pgtype::{PgType, oid};

static DATE_TIMESTAMP: FuncDef =
    FuncDef::failing("date_timestamp", SqlForm::Cast, |c| c.map1::<Date, Timestamp>(date_to_timestamp));
static TIMESTAMP_DATE: FuncDef =
    FuncDef::failing("timestamp_date", SqlForm::Cast, |c| c.map1::<Timestamp, Date>(timestamp_to_date));
static TIMESTAMP_TIME: FuncDef = FuncDef::new("timestamp_time", SqlForm::Cast, |c| {
    let a = c.column::<Timestamp>(0)?;
    c.build::<Time>(|i| Ok(c.get::<Timestamp>(&a, 0, i).and_then(timestamp_to_time)))
});
static TIME_INTERVAL: FuncDef =
    FuncDef::new("time_interval", SqlForm::Cast, |c| c.map1::<Time, Interval>(|t| Span::new(0, 0, t).carrier()));
static INTERVAL_TIME: FuncDef = FuncDef::new("interval_time", SqlForm::Cast, |c| {
    c.map1::<Interval, Time>(|v| Ok(Span::from(v).micros.rem_euclid(MICROS_PER_DAY)))
});

fn date_timestamptz() -> Zoned {
    zoned!("date_timestamptz", SqlForm::Cast, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Date, Timestamp>(|d| date_to_timestamptz(d, zone))
    })
}

fn timestamp_timestamptz() -> Zoned {
    zoned!("timestamp_timestamptz", SqlForm::Cast, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Timestamp, Timestamp>(|t| timestamp_to_timestamptz(t, zone))
    })
}

fn timestamptz_timestamp() -> Zoned {
    zoned!("timestamptz_timestamp", SqlForm::Cast, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Timestamp, Timestamp>(|t| timestamptz_to_timestamp(t, zone))
    })
}

fn timestamptz_date() -> Zoned {
    zoned!("timestamptz_date", SqlForm::Cast, |c| {
        let zone = session::zone(c.func)?;
        c.map1::<Timestamp, Date>(|t| timestamptz_to_date(t, zone))
    })
}

fn timestamptz_time() -> Zoned {
    zoned!("timestamptz_time", SqlForm::Cast, |c| {
        let zone = session::zone(c.func)?;
        let a = c.column::<Timestamp>(0)?;
        c.build::<Time>(|i| match c.get::<Timestamp>(&a, 0, i) {
            Some(t) if is_finite_timestamp(t) => Ok(timestamp_to_time(local_micros(t, zone)?)),
            _ => Ok(None),
        })
    })
}

/// Rounding to a type modifier.
static ROUND_TIME: FuncDef = FuncDef::new("time_scale", SqlForm::Cast, |c| {
    let digits = c.func.ty.typmod;
    c.map1::<Time, Time>(|t| Ok(typmod::round_time(t, digits)))
});
static ROUND_TIMESTAMP: FuncDef = FuncDef::new("timestamp_scale", SqlForm::Cast, |c| {
    let digits = c.func.ty.typmod;
    c.map1::<Timestamp, Timestamp>(|t| Ok(typmod::round_timestamp(t, digits)))
});
static ROUND_INTERVAL: FuncDef = FuncDef::failing("interval_scale", SqlForm::Cast, |c| {
    let modifier = c.func.ty.typmod;
    c.map1::<Interval, Interval>(|v| typmod::round_interval(v.into(), modifier)?.carrier())
});

/// Applies the modifier of a type to a value of that type.
pub fn apply_typmod(value: Typed, to: PgType) -> Typed {
    let def = match to.oid {
        _ if to.typmod < 0 || value.ty.typmod == to.typmod => return Typed { ty: to, ..value },
        oid::TIME => &ROUND_TIME,
        oid::TIMESTAMP | oid::TIMESTAMPTZ => &ROUND_TIMESTAMP,
        oid::INTERVAL => &ROUND_INTERVAL,
        _ => return value,
    };
    def.call(vec![value], to, to.repr(), &to.typmod.to_string())
}

fn then_typmod(value: Typed, to: PgType) -> Result<Typed> {
    Ok(apply_typmod(value, to))
}

pub fn casts() -> Vec<CastDef> {
    use CastContext::{Assignment, Implicit};
    let cast = |from, to, context, build| CastDef { from, to, context, build };
    let mut casts = vec![
        cast(oid::DATE, oid::TIMESTAMP, Implicit, |_, v, to| Ok(DATE_TIMESTAMP.apply(vec![v], to))),
        cast(oid::DATE, oid::TIMESTAMPTZ, Implicit, |ctx, v, to| {
            then_typmod(date_timestamptz().call(ctx, vec![v], PgType::TIMESTAMPTZ), to)
        }),
        cast(oid::TIME, oid::INTERVAL, Implicit, |_, v, to| {
            then_typmod(TIME_INTERVAL.apply(vec![v], PgType::INTERVAL), to)
        }),
        cast(oid::TIMESTAMP, oid::DATE, Assignment, |_, v, to| Ok(TIMESTAMP_DATE.apply(vec![v], to))),
        cast(oid::TIMESTAMP, oid::TIME, Assignment, |_, v, to| {
            then_typmod(TIMESTAMP_TIME.apply(vec![v], PgType::TIME), to)
        }),
        cast(oid::TIMESTAMP, oid::TIMESTAMPTZ, Implicit, |ctx, v, to| {
            then_typmod(timestamp_timestamptz().call(ctx, vec![v], PgType::TIMESTAMPTZ), to)
        }),
        cast(oid::TIMESTAMPTZ, oid::DATE, Assignment, |ctx, v, to| Ok(timestamptz_date().call(ctx, vec![v], to))),
        cast(oid::TIMESTAMPTZ, oid::TIME, Assignment, |ctx, v, to| {
            then_typmod(timestamptz_time().call(ctx, vec![v], PgType::TIME), to)
        }),
        cast(oid::TIMESTAMPTZ, oid::TIMESTAMP, Assignment, |ctx, v, to| {
            then_typmod(timestamptz_timestamp().call(ctx, vec![v], PgType::TIMESTAMP), to)
        }),
        cast(oid::INTERVAL, oid::TIME, Assignment, |_, v, to| {
            then_typmod(INTERVAL_TIME.apply(vec![v], PgType::TIME), to)
        }),
    ];
    for ty in [oid::TIME, oid::TIMESTAMP, oid::TIMESTAMPTZ, oid::INTERVAL] {
        casts.push(cast(ty, ty, Implicit, |_, v, to| then_typmod(v, to)));
    }
    casts
}

/// The same conversions written as functions: `date(now())`.
pub fn signatures() -> Vec<Signature> {
    vec![
        Signature::func("date", &[oid::TIMESTAMP], oid::DATE, &TIMESTAMP_DATE),
        Signature::func("time", &[oid::TIMESTAMP], oid::TIME, &TIMESTAMP_TIME),
        Signature::func("time", &[oid::INTERVAL], oid::TIME, &INTERVAL_TIME),
        Signature::func("timestamp", &[oid::DATE], oid::TIMESTAMP, &DATE_TIMESTAMP),
        Signature::func("interval", &[oid::TIME], oid::INTERVAL, &TIME_INTERVAL),
        zoned_sig!("date", [TIMESTAMPTZ] -> DATE, timestamptz_date()),
        zoned_sig!("time", [TIMESTAMPTZ] -> TIME, timestamptz_time()),
        zoned_sig!("timestamp", [TIMESTAMPTZ] -> TIMESTAMP, timestamptz_timestamp()),
        zoned_sig!("timestamptz", [DATE] -> TIMESTAMPTZ, date_timestamptz()),
        zoned_sig!("timestamptz", [TIMESTAMP] -> TIMESTAMPTZ, timestamp_timestamptz()),
        sig!("timestamp", [DATE, TIME] -> TIMESTAMP, super::arithmetic::DATETIME_TIMESTAMP),
    ]
}
