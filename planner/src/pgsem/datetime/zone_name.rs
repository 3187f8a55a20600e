//! Names of time zones: IANA names, abbreviations and POSIX's fixed offsets.
//!
//! The abbreviations are PostgreSQL's set `Default`. Those in the second table changed their meaning over time and follow a zone.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono_tz::{TZ_VARIANTS, Tz};

use super::zone;
use crate::context::TimeZone;
use crate::error::{Error, Result, state};

/// What an abbreviation stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abbreviation {
    /// Seconds east of UTC.
    Fixed {
        east: i32,
        daylight: bool,
    },
    Dynamic {
        name: &'static str,
        zone: TimeZone,
    },
}

/// Any name that `AT TIME ZONE` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneName {
    Abbreviation(Abbreviation),
    Full(TimeZone),
}

/// Standard time: name and seconds east.
#[rustfmt::skip]
const STANDARD: &[(&str, i32)] = &[
    ("acst", 34200), ("act", -18000), ("acwst", 31500), ("aest", 36000), ("aft", 16200), ("akst", -32400),
    ("almst", 25200), ("almt", 21600), ("amt", -14400), ("ast", -14400), ("awst", 28800), ("azot", -3600),
    ("bdt", 21600), ("bnt", 28800), ("bort", 28800), ("bot", -14400), ("bra", -10800), ("brt", -10800),
    ("btt", 21600), ("cast", 34200), ("cct", 28800), ("cet", 3600), ("chast", 45900), ("chut", 36000),
    ("cot", -18000), ("cst", -21600), ("cxt", 25200), ("ddut", 36000), ("eat", 10800), ("eet", 7200), ("egt", -3600),
    ("est", -18000), ("fet", 10800), ("fjt", 43200), ("fnt", -7200), ("galt", -21600), ("gamt", -32400),
    ("gft", -10800), ("gilt", 43200), ("gmt", 0), ("hkt", 28800), ("hst", -36000), ("ict", 25200), ("irt", 12600),
    ("ist", 7200), ("jayt", 32400), ("jst", 32400), ("kst", 32400), ("lhst", 37800), ("ligt", 36000),
    ("mart", -34200), ("met", 3600), ("mez", 3600), ("mht", 43200), ("mmt", 23400), ("mpt", 36000), ("mst", -25200),
    ("mut", 14400), ("mvt", 18000), ("myt", 28800), ("nft", -12600), ("npt", 20700), ("nst", -12600), ("nzst", 43200),
    ("nzt", 43200), ("pet", -18000), ("pgt", 36000), ("pht", 28800), ("pkt", 18000), ("pmst", -10800),
    ("pont", 39600), ("pst", -28800), ("pwt", 32400), ("ret", 14400), ("sast", 7200), ("sct", 14400),
    ("taht", -36000), ("tft", 18000), ("tjt", 18000), ("tot", 46800), ("trut", 36000), ("tvt", 43200), ("uct", 0),
    ("ut", 0), ("utc", 0), ("uyt", -10800), ("uzt", 18000), ("vut", 39600), ("wakt", 43200), ("wast", 25200),
    ("wat", 3600), ("wet", 0), ("wft", 43200), ("wgt", -10800), ("xjt", 21600), ("yapt", 36000), ("z", 0),
    ("zulu", 0),
];

/// Daylight-saving time: name and seconds east.
#[rustfmt::skip]
const DAYLIGHT: &[(&str, i32)] = &[
    ("acdt", 37800), ("acsst", 37800), ("adt", -10800), ("aedt", 39600), ("aesst", 39600), ("akdt", -28800),
    ("awsst", 32400), ("azost", 0), ("bdst", 7200), ("brst", -7200), ("bst", 3600), ("cadt", 37800), ("cdt", -18000),
    ("cest", 7200), ("cetdst", 7200), ("chadt", 49500), ("clst", -10800), ("edt", -14400), ("eest", 10800),
    ("eetdst", 10800), ("egst", 0), ("fjst", 46800), ("fnst", -3600), ("idt", 10800), ("kdt", 36000), ("kgst", 21600),
    ("mdt", -21600), ("mest", 7200), ("mesz", 7200), ("metdst", 7200), ("msd", 14400), ("must", 18000),
    ("ndt", -9000), ("nzdt", 46800), ("pdt", -25200), ("pkst", 21600), ("pmdt", -7200), ("pyst", -10800),
    ("sadt", 37800), ("ulast", 32400), ("uyst", -7200), ("uzst", 21600), ("wadt", 28800), ("wdt", 32400),
    ("wetdst", 3600), ("wgst", -7200), ("yekst", 21600),
];

#[rustfmt::skip]
const DYNAMIC: &[(&str, Tz)] = &[
    ("amst", Tz::Asia__Yerevan), ("anast", Tz::Asia__Anadyr), ("anat", Tz::Asia__Anadyr),
    ("arst", Tz::America__Argentina__Buenos_Aires), ("art", Tz::America__Argentina__Buenos_Aires),
    ("azst", Tz::Asia__Baku), ("azt", Tz::Asia__Baku), ("ckt", Tz::Pacific__Rarotonga),
    ("clt", Tz::America__Santiago), ("davt", Tz::Antarctica__Davis), ("easst", Tz::Pacific__Easter),
    ("east", Tz::Pacific__Easter), ("fkst", Tz::Atlantic__Stanley), ("fkt", Tz::Atlantic__Stanley),
    ("gest", Tz::Asia__Tbilisi), ("get", Tz::Asia__Tbilisi), ("gyt", Tz::America__Guyana),
    ("iot", Tz::Indian__Chagos), ("irkst", Tz::Asia__Irkutsk), ("irkt", Tz::Asia__Irkutsk),
    ("kgt", Tz::Asia__Bishkek), ("kost", Tz::Pacific__Kosrae), ("krast", Tz::Asia__Krasnoyarsk),
    ("krat", Tz::Asia__Krasnoyarsk), ("lhdt", Tz::Australia__Lord_Howe), ("lint", Tz::Pacific__Kiritimati),
    ("lkt", Tz::Asia__Colombo), ("magst", Tz::Asia__Magadan), ("magt", Tz::Asia__Magadan),
    ("mawt", Tz::Antarctica__Mawson), ("msk", Tz::Europe__Moscow), ("novst", Tz::Asia__Novosibirsk),
    ("novt", Tz::Asia__Novosibirsk), ("nut", Tz::Pacific__Niue), ("omsst", Tz::Asia__Omsk), ("omst", Tz::Asia__Omsk),
    ("petst", Tz::Asia__Kamchatka), ("pett", Tz::Asia__Kamchatka), ("pyt", Tz::America__Asuncion),
    ("sgt", Tz::Asia__Singapore), ("tkt", Tz::Pacific__Fakaofo), ("tmt", Tz::Asia__Ashgabat),
    ("ulat", Tz::Asia__Ulaanbaatar), ("vet", Tz::America__Caracas), ("vlast", Tz::Asia__Vladivostok),
    ("vlat", Tz::Asia__Vladivostok), ("volt", Tz::Europe__Volgograd), ("yakst", Tz::Asia__Yakutsk),
    ("yakt", Tz::Asia__Yakutsk), ("yekt", Tz::Asia__Yekaterinburg),
];

/// An abbreviation, lower case.
pub fn abbreviation(name: &str) -> Option<Abbreviation> {
    static TABLE: LazyLock<HashMap<&'static str, Abbreviation>> = LazyLock::new(|| {
        let fixed =
            |daylight| move |&(name, east): &(&'static str, i32)| (name, Abbreviation::Fixed { east, daylight });
        let dynamic =
            |&(name, tz): &(&'static str, Tz)| (name, Abbreviation::Dynamic { name, zone: TimeZone::Named(tz) });
        STANDARD
            .iter()
            .map(fixed(false))
            .chain(DAYLIGHT.iter().map(fixed(true)))
            .chain(DYNAMIC.iter().map(dynamic))
            .collect()
    });
    TABLE.get(name).copied()
}

fn not_recognized(name: &str) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"))
}

/// A full name, or POSIX text like `UTC+3`; `None` if it is neither (`pg_tzset`).
pub fn full_name_if_known(name: &str) -> Result<Option<TimeZone>> {
    static NAMES: LazyLock<HashMap<String, Tz>> =
        LazyLock::new(|| TZ_VARIANTS.iter().map(|tz| (tz.name().to_ascii_lowercase(), *tz)).collect());
    match NAMES.get(&name.to_ascii_lowercase()) {
        Some(tz) => Ok(Some(TimeZone::Named(*tz))),
        None => posix(name),
    }
}

pub fn full_name(name: &str) -> Result<TimeZone> {
    full_name_if_known(name)?.ok_or_else(|| not_recognized(name))
}

/// An abbreviation or a full name, as `AT TIME ZONE` looks it up.
pub fn any_name(name: &str) -> Result<ZoneName> {
    match abbreviation(&name.to_ascii_lowercase()) {
        Some(abbreviation) => Ok(ZoneName::Abbreviation(abbreviation)),
        None => full_name(name).map(ZoneName::Full),
    }
}

/// The value of `SET TimeZone`: a name, or hours east of UTC as a number.
pub fn session_time_zone(text: &str) -> Result<TimeZone> {
    if let Ok(hours) = text.trim_start().parse::<f64>()
        && hours.is_finite()
    {
        return Ok(TimeZone::Fixed((hours * 3600.0) as i32));
    }
    full_name(text).map_err(|e| {
        if e.sqlstate() != state::INVALID_PARAMETER_VALUE {
            return e;
        }
        Error::new(state::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"TimeZone\": \"{text}\""))
    })
}

/// POSIX text: a name and an offset *west* of UTC. One with daylight-saving time is refused.
fn posix(text: &str) -> Result<Option<TimeZone>> {
    let Some((west, rest)) = posix_name(text).and_then(posix_offset) else { return Ok(None) };
    if rest.is_empty() {
        return Ok(Some(TimeZone::Fixed(-west)));
    }
    let rules = match posix_name(rest) {
        None | Some("") => Some(""),
        Some(rest) if rest.starts_with([',', ';']) => Some(rest),
        Some(rest) => posix_offset(rest).map(|(_, rest)| rest),
    };
    let named = !rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, ',' | '-' | '+'));
    match rules {
        Some(rules) if named && (rules.is_empty() || rules.starts_with([',', ';'])) => {
            Err(Error::unsupported(format!("time zone \"{text}\" with daylight-saving rules")))
        }
        _ => Ok(None),
    }
}

/// What follows the name of a zone, quoted or not; nothing if the quote is not closed.
fn posix_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map(|(_, rest)| rest),
        None => Some(text.trim_start_matches(|c: char| !c.is_ascii_digit() && !matches!(c, ',' | '-' | '+'))),
    }
}

/// `[+-]hh[:mm[:ss]]` in seconds, and the rest.
fn posix_offset(text: &str) -> Option<(i32, &str)> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let mut seconds = 0;
    for (unit, limit) in [(3600, 24 * 7 - 1), (60, 59), (1, 60)] {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(length);
        seconds += number.parse::<i32>().ok().filter(|n| *n <= limit)? * unit;
        match after.strip_prefix(':') {
            Some(next) if unit > 1 => rest = next,
            _ => return Some((sign * seconds, after)),
        }
    }
    None
}

/// Seconds east that an abbreviation means at a local time.
pub fn dynamic_offset_of_local(name: &str, zone: TimeZone, local: i64) -> i32 {
    let offset = zone::offset_of_local(zone, local);
    zone::meaning_of_abbreviation(zone, &name.to_ascii_uppercase(), local - i64::from(offset)).unwrap_or(offset)
}

/// Seconds east that an abbreviation means at an instant.
pub fn dynamic_offset_at(name: &str, zone: TimeZone, utc: i64) -> i32 {
    zone::meaning_of_abbreviation(zone, &name.to_ascii_uppercase(), utc).unwrap_or_else(|| {
        let local = utc + i64::from(zone::offset_at(zone, utc));
        zone::offset_of_local(zone, local)
    })
}
