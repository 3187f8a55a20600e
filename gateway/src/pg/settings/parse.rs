//! From what the client wrote to the form SHOW prints; errors are PostgreSQL's.

use planner::context::{DateOrder, TimeZone};
use planner::error::state;
use planner::pgsem::datetime::zone_name::session_time_zone;
use planner::{Error, Result};

use super::table::{Kind, Setting, Unit};

/// The canonical text of a new value. `list` has one entry per comma the client wrote.
pub fn canonical(setting: &Setting, list: &[String]) -> Result<String> {
    let single = || match list {
        [one] => Ok(one.as_str()),
        _ => Err(invalid_message(format!("SET {} takes only one argument", setting.name))),
    };
    match setting.kind {
        Kind::Internal => Err(Error::new(
            state::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{}\" cannot be changed", setting.name),
        )),
        Kind::Bool => boolean(single()?)
            .map(|b| if b { "on" } else { "off" }.to_string())
            .ok_or_else(|| invalid_message(format!("parameter \"{}\" requires a Boolean value", setting.name))),
        Kind::Int { min, max, unit } => {
            let n = integer(setting, single()?, unit)?;
            if setting.name == "extra_float_digits" && n < 1 {
                return Err(Error::unsupported("extra_float_digits below 1"));
            }
            in_range(setting, n as f64, min as f64, max as f64)?;
            Ok(show_integer(n, unit))
        }
        Kind::Real { min, max } => {
            let text = single()?;
            let n: f64 = text.trim().parse().map_err(|_| invalid(setting, text))?;
            in_range(setting, n, min, max)?;
            Ok(n.to_string())
        }
        Kind::Enum(values) => {
            let text = single()?;
            let text = if values.contains(&"on") { on_off(text) } else { text };
            match values.iter().find(|v| v.eq_ignore_ascii_case(text)) {
                Some(value) => Ok(value.to_string()),
                None => Err(invalid(setting, text).with_hint(format!("Available values: {}.", values.join(", ")))),
            }
        }
        Kind::Only(values) => {
            let text = single()?;
            let text = if values.contains(&"on") || values.contains(&"off") { on_off(text) } else { text };
            match values.iter().find(|v| v.eq_ignore_ascii_case(text)) {
                Some(value) => Ok(value.to_string()),
                None => Err(Error::unsupported(format!("{} = \"{text}\"", setting.name))),
            }
        }
        Kind::Text => Ok(list.join(", ")),
        Kind::TimeZone => {
            let text = single()?;
            time_zone(text).map(|(_, shown)| shown)
        }
        Kind::DateStyle => date_style(setting, list),
        Kind::SearchPath => Ok(list.iter().map(|s| quote_identifier(s)).collect::<Vec<_>>().join(", ")),
        Kind::ClientEncoding => {
            let text = single()?;
            match text.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
                "utf8" | "unicode" => Ok("UTF8".to_string()),
                _ => Err(Error::unsupported(format!("client encoding \"{text}\""))
                    .with_hint("Use UTF8, as the server does.")),
            }
        }
    }
}

fn invalid_message(message: String) -> Error {
    Error::new(state::INVALID_PARAMETER_VALUE, message)
}

fn invalid(setting: &Setting, text: &str) -> Error {
    invalid_message(format!("invalid value for parameter \"{}\": \"{text}\"", setting.name))
}

/// Unique prefixes of true, false, yes, no; on, off; 1, 0.
pub fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let prefix = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match () {
        () if prefix("true", 1) || prefix("yes", 1) || text == "on" || text == "1" => Some(true),
        () if prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || text == "0" => Some(false),
        () => None,
    }
}

fn on_off(text: &str) -> &str {
    match boolean(text) {
        Some(true) => "on",
        Some(false) => "off",
        None => text,
    }
}

fn in_range(setting: &Setting, n: f64, min: f64, max: f64) -> Result<()> {
    if n >= min && n <= max {
        return Ok(());
    }
    let message = format!("{n} is outside the valid range for parameter \"{}\" ({min} .. {max})", setting.name);
    Err(invalid_message(message))
}

/// Name and number of base units of each unit, largest first.
fn units(unit: Unit) -> &'static [(&'static str, f64)] {
    match unit {
        Unit::None => &[],
        Unit::Milliseconds => {
            &[("d", 86_400_000.0), ("h", 3_600_000.0), ("min", 60_000.0), ("s", 1000.0), ("ms", 1.0), ("us", 0.001)]
        }
        Unit::Seconds => &[("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001)],
        Unit::Kilobytes => {
            &[("TB", 1_073_741_824.0), ("GB", 1_048_576.0), ("MB", 1024.0), ("kB", 1.0), ("B", 1.0 / 1024.0)]
        }
        Unit::Pages => &[("TB", 134_217_728.0), ("GB", 131_072.0), ("MB", 128.0), ("kB", 0.125), ("B", 1.0 / 8192.0)],
    }
}

fn integer(setting: &Setting, text: &str, unit: Unit) -> Result<i64> {
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(trimmed.len());
    let number: f64 = trimmed[..end].parse().map_err(|_| invalid(setting, text))?;
    let factor = match trimmed[end..].trim() {
        "" => 1.0,
        name => match units(unit).iter().find(|(n, _)| *n == name) {
            Some((_, factor)) => *factor,
            None => {
                let hint = match unit {
                    Unit::None => return Err(invalid(setting, text)),
                    Unit::Milliseconds | Unit::Seconds => {
                        "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"."
                    }
                    Unit::Kilobytes | Unit::Pages => {
                        "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"."
                    }
                };
                return Err(invalid(setting, text).with_hint(hint));
            }
        },
    };
    Ok((number * factor).round_ties_even() as i64)
}

/// In the largest unit that divides the value.
fn show_integer(n: i64, unit: Unit) -> String {
    if n > 0 {
        for (name, factor) in units(unit) {
            if *factor >= 1.0 && n as f64 % factor == 0.0 {
                return format!("{}{name}", n / *factor as i64);
            }
            if *factor == 0.125 {
                return format!("{}{name}", n * 8);
            }
        }
    }
    n.to_string()
}

/// Milliseconds of a canonical time value.
pub fn milliseconds(canonical: &str) -> u64 {
    let end = canonical.find(|c: char| !c.is_ascii_digit()).unwrap_or(canonical.len());
    let n: f64 = canonical[..end].parse().unwrap_or(0.0);
    let factor = units(Unit::Milliseconds).iter().find(|(name, _)| *name == &canonical[end..]).map_or(1.0, |(_, f)| *f);
    (n * factor) as u64
}

/// A zone and how SHOW prints it.
pub fn time_zone(text: &str) -> Result<(TimeZone, String)> {
    let zone = session_time_zone(text)?;
    let shown = match zone {
        TimeZone::Named(tz) => tz.name().to_string(),
        TimeZone::Fixed(seconds) if text.trim().parse::<f64>().is_ok() => hours_east(seconds),
        TimeZone::Fixed(_) => text.to_string(),
    };
    Ok((zone, shown))
}

/// PostgreSQL shows a number of hours as a POSIX zone: `<+02>-02`.
fn hours_east(seconds: i32) -> String {
    let (h, m, s) = (seconds.abs() / 3600, seconds.abs() / 60 % 60, seconds.abs() % 60);
    let clock = match (m, s) {
        (0, 0) => format!("{h:02}"),
        (_, 0) => format!("{h:02}:{m:02}"),
        _ => format!("{h:02}:{m:02}:{s:02}"),
    };
    if seconds < 0 { format!("<-{clock}>+{clock}") } else { format!("<+{clock}>-{clock}") }
}

/// Output is always ISO; the order of ambiguous input may be chosen.
fn date_style(setting: &Setting, list: &[String]) -> Result<String> {
    let mut order = None;
    for word in list.iter().flat_map(|s| s.split(',')).map(str::trim) {
        let known = match word.to_ascii_lowercase().as_str() {
            "iso" | "default" => None,
            w if w.starts_with("sql") || w.starts_with("postgres") || w.starts_with("german") => {
                return Err(
                    Error::unsupported(format!("DateStyle \"{word}\"")).with_hint("The output format is always ISO.")
                );
            }
            "ymd" => Some("YMD"),
            w if w == "dmy" || w.starts_with("euro") => Some("DMY"),
            w if w == "mdy" || w.starts_with("noneuro") || w == "us" => Some("MDY"),
            _ => return Err(invalid(setting, &list.join(", "))),
        };
        match (known, order) {
            (Some(new), Some(old)) if new != old => {
                return Err(invalid(setting, &list.join(", ")).with_detail("Conflicting \"datestyle\" specifications."));
            }
            (Some(new), _) => order = Some(new),
            (None, _) => {}
        }
    }
    Ok(format!("ISO, {}", order.unwrap_or("MDY")))
}

pub fn date_order(canonical: &str) -> DateOrder {
    match canonical.rsplit(' ').next() {
        Some("DMY") => DateOrder::Dmy,
        Some("YMD") => DateOrder::Ymd,
        _ => DateOrder::Mdy,
    }
}

fn quote_identifier(name: &str) -> String {
    let plain =
        name.bytes().enumerate().all(|(i, b)| b.is_ascii_lowercase() || b == b'_' || (i > 0 && b.is_ascii_digit()));
    if plain && !name.is_empty() { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The schemas of a canonical search path; `"$user"` is the user's name.
pub fn search_path(canonical: &str, user: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = canonical.trim_start();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut name = String::new();
                let mut chars = quoted.char_indices().peekable();
                let mut end = quoted.len();
                while let Some((i, c)) = chars.next() {
                    if c == '"' {
                        if chars.peek().is_some_and(|(_, n)| *n == '"') {
                            chars.next();
                        } else {
                            end = i + 1;
                            break;
                        }
                    }
                    name.push(c);
                }
                (name, &quoted[end..])
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if name == "$user" {
            out.push(user.to_string());
        } else if !name.is_empty() {
            out.push(name);
        }
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::table::{SETTINGS, find};
    use super::*;

    fn set(name: &str, value: &str) -> Result<String> {
        canonical(find(name).unwrap(), &[value.to_string()])
    }

    #[test]
    fn every_default_is_a_value_its_setting_takes() {
        for setting in
            SETTINGS.iter().filter(|s| !matches!(s.kind, Kind::Internal | Kind::SearchPath | Kind::DateStyle))
        {
            assert_eq!(
                canonical(setting, &[setting.default.to_string()]).unwrap(),
                setting.default,
                "{}",
                setting.name
            );
        }
    }

    #[test]
    fn times_and_sizes_are_shown_in_their_largest_unit() {
        for (given, shown, millis) in [
            ("1500", "1500ms", 1500),
            ("2min", "2min", 120_000),
            ("60s", "1min", 60_000),
            ("0", "0", 0),
            ("1.5h", "90min", 5_400_000),
        ] {
            assert_eq!(set("statement_timeout", given).unwrap(), shown);
            assert_eq!(milliseconds(shown), millis);
        }
        assert_eq!(set("work_mem", "65536").unwrap(), "64MB");
        assert_eq!(set("temp_buffers", "100").unwrap(), "800kB");
        let error = set("statement_timeout", "5 parsecs").unwrap_err();
        assert_eq!(error.message(), "invalid value for parameter \"statement_timeout\": \"5 parsecs\"");
        assert!(error.hint().unwrap().contains("\"min\""));
        assert!(set("statement_timeout", "-1").unwrap_err().message().contains("outside the valid range"));
    }

    #[test]
    fn time_zones() {
        // What PostgreSQL 15 shows.
        for (given, shown, seconds) in [
            ("+2", "<+02>-02", 7200),
            ("-3.5", "<-03:30>+03:30", -12_600),
            ("+05:30", "+05:30", -19_800),
            ("<+02>-02", "<+02>-02", 7200),
            ("UTC+3", "UTC+3", -10_800),
        ] {
            assert_eq!(time_zone(given).unwrap(), (TimeZone::Fixed(seconds), shown.to_string()), "{given}");
            assert_eq!(time_zone(shown).unwrap().0, TimeZone::Fixed(seconds), "{shown}");
        }
        assert_eq!(set("timezone", "europe/rome").unwrap(), "Europe/Rome");
        assert_eq!(set("TimeZone", "Foo").unwrap_err().message(), "invalid value for parameter \"TimeZone\": \"Foo\"");
    }

    #[test]
    fn what_would_change_results_is_refused_and_the_rest_accepted() {
        for (name, value) in [
            ("standard_conforming_strings", "off"),
            ("IntervalStyle", "iso_8601"),
            ("client_encoding", "LATIN1"),
            ("DateStyle", "German"),
            ("extra_float_digits", "0"),
        ] {
            assert_eq!(set(name, value).unwrap_err().sqlstate(), state::FEATURE_NOT_SUPPORTED, "{name}");
        }
        for (name, value, shown) in [
            ("client_encoding", "utf-8", "UTF8"),
            ("datestyle", "iso, dmy", "ISO, DMY"),
            ("extra_float_digits", "3", "3"),
            ("jit", "f", "off"),
            ("synchronous_commit", "true", "on"),
            ("Narrows.Pushdown", "OFF", "off"),
        ] {
            assert_eq!(set(name, value).unwrap(), shown, "{name}");
        }
        assert!(set("narrows.pushdown", "some").unwrap_err().hint().unwrap().contains("full, filter, off"));
        assert_eq!(set("server_version", "16").unwrap_err().sqlstate(), state::CANT_CHANGE_RUNTIME_PARAM);
    }

    #[test]
    fn search_paths() {
        assert_eq!(search_path("\"$user\", public", "ana"), ["ana", "public"]);
        assert_eq!(search_path("\"A \"\"b\", c", "ana"), ["A \"b", "c"]);
        let path = canonical(find("search_path").unwrap(), &["A b".into(), "c".into(), String::new()]).unwrap();
        assert_eq!(path, "\"A b\", c, \"\"");
        assert_eq!(search_path(&path, "x"), ["A b", "c"]);
    }
}
