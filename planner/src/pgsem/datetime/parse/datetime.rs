//! Text with a date and perhaps a time and a zone (`DecodeDateTime`).

use super::fields::{Decoded, mask, offset_west};
use super::number::{fraction_micros, int_field};
use super::token::{Field, Kind};
use super::{DecodeError, Input, ZoneSpec};
use crate::pgsem::datetime::calendar::{MICROS_PER_DAY, j2date, split_time};
use crate::pgsem::datetime::keywords::{Keyword, Reserved, Unit, date_keyword};
use crate::pgsem::datetime::zone;
use crate::pgsem::datetime::zone_name::{self, Abbreviation};

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The decoded fields; `west` is final.
    Fields,
    Epoch,
    Infinity,
    NegInfinity,
}

/// Fields of date and time input decoded one after the other.
#[derive(Debug, Default)]
pub struct State {
    pub decoded: Decoded,
    pub seen: u32,
    /// The unit that the next number has: `j2451187`, or `t` before a time.
    pub prefix: Option<Prefix>,
    pub pm: Option<bool>,
    pub text_month: bool,
    pub zone: Option<ZoneSpec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Unit(Unit),
    Time,
}

pub fn decode(fields: &[Field], input: &Input<'_>) -> Result<(Named, Decoded), DecodeError> {
    let mut state = State::default();
    let mut named = Named::Fields;
    for (i, field) in fields.iter().enumerate() {
        let text = field.text.as_str();
        let found = match field.kind {
            Kind::Date => state.date_or_zone(text, input)?,
            Kind::Time => {
                if state.prefix.take().is_some_and(|p| p != Prefix::Time) {
                    return Err(DecodeError::BadFormat);
                }
                state.decoded.time(text)?;
                if super::time_overflows(&state.decoded.tm) {
                    return Err(DecodeError::FieldOverflow);
                }
                mask::TIME
            }
            Kind::Offset => {
                state.decoded.west = offset_west(text)?;
                mask::ZONE
            }
            Kind::Number => match state.prefix.take() {
                Some(prefix) => {
                    named = Named::Fields;
                    state.labelled(prefix, text)?
                }
                None => state.plain_number(text, input)?,
            },
            Kind::Text | Kind::Special => {
                let next = fields.get(i + 1).map(|f| f.kind);
                match state.word(text, next, input)? {
                    Word::Ignored => continue,
                    Word::Found(found) => found,
                    Word::Value(value) => {
                        named = match value {
                            Reserved::Epoch => Named::Epoch,
                            Reserved::Infinity => Named::Infinity,
                            Reserved::NegInfinity => Named::NegInfinity,
                            _ => Named::Fields,
                        };
                        state.value(value, input)
                    }
                }
            }
        };
        if state.seen & found != 0 {
            return Err(DecodeError::BadFormat);
        }
        state.seen |= found;
    }
    state.decoded.validate_date(state.seen)?;
    state.apply_meridiem()?;
    if named == Named::Fields {
        if state.seen & mask::DATE != mask::DATE {
            return Err(DecodeError::BadFormat);
        }
        state.apply_zone(input)?;
    }
    Ok((named, state.decoded))
}

/// What a word turned out to be.
pub enum Word {
    Ignored,
    Found(u32),
    Value(Reserved),
}

impl State {
    /// A date, or a zone's name, or a time run together with an offset.
    fn date_or_zone(&mut self, text: &str, input: &Input<'_>) -> Result<u32, DecodeError> {
        const MONTH_DAY: u32 = mask::MONTH | mask::DAY;
        if self.prefix == Some(Prefix::Unit(Unit::Julian)) {
            // A Julian day with an offset.
            self.prefix = None;
            let (day, rest) = int_field(text)?;
            self.decoded.set_julian(day);
            self.decoded.west = offset_west(rest)?;
            return Ok(mask::DATE | mask::TIME | mask::ZONE);
        }
        if self.prefix.is_none() && self.seen & MONTH_DAY != MONTH_DAY {
            return self.decoded.date(text, self.seen, input);
        }
        if self.prefix.is_none() && !text.as_bytes()[0].is_ascii_digit() {
            self.zone = Some(ZoneSpec::Full(zone_name::full_name(text)?));
            return Ok(mask::ZONE);
        }
        if self.prefix.take().is_some_and(|p| p != Prefix::Time) || self.seen & mask::TIME == mask::TIME {
            return Err(DecodeError::BadFormat);
        }
        let (time, offset) = text.split_at(text.find('-').ok_or(DecodeError::BadFormat)?);
        self.decoded.west = offset_west(offset)?;
        Ok(self.decoded.run_together(time, self.seen)? | mask::ZONE)
    }

    /// A number after its unit: `y2001m02d04`, `j2451187.5`, `t040506`.
    pub fn labelled(&mut self, prefix: Prefix, text: &str) -> Result<u32, DecodeError> {
        let (value, rest) = int_field(text)?;
        let may_have_fraction =
            matches!(prefix, Prefix::Time | Prefix::Unit(Unit::Julian) | Prefix::Unit(Unit::Second));
        if !(rest.is_empty() || rest.starts_with('.') && may_have_fraction) {
            return Err(DecodeError::BadFormat);
        }
        let unit = match prefix {
            Prefix::Unit(unit) => unit,
            Prefix::Time => {
                let found = self.decoded.run_together(text, self.seen | mask::DATE)?;
                return if found == mask::TIME { Ok(found) } else { Err(DecodeError::BadFormat) };
            }
        };
        let tm = &mut self.decoded.tm;
        Ok(match unit {
            Unit::Year => {
                tm.year = value;
                mask::YEAR
            }
            // After a month and an hour, m is minutes.
            Unit::Month if self.seen & mask::MONTH != 0 && self.seen & mask::HOUR != 0 => {
                tm.minute = value;
                mask::MINUTE
            }
            Unit::Month => {
                tm.month = value;
                mask::MONTH
            }
            Unit::Day => {
                tm.day = value;
                mask::DAY
            }
            Unit::Hour => {
                tm.hour = value;
                mask::HOUR
            }
            Unit::Minute => {
                tm.minute = value;
                mask::MINUTE
            }
            Unit::Second => {
                tm.second = value;
                if rest.is_empty() {
                    mask::SECOND
                } else {
                    tm.micros = fraction_micros(rest)?;
                    mask::SECONDS
                }
            }
            Unit::Julian => {
                self.decoded.set_julian(value);
                if rest.is_empty() {
                    mask::DATE
                } else {
                    let time = super::number::fraction(rest)? * MICROS_PER_DAY as f64;
                    let tm = &mut self.decoded.tm;
                    (tm.hour, tm.minute, tm.second, tm.micros) = split_time(time as i64);
                    mask::DATE | mask::TIME
                }
            }
            _ => return Err(DecodeError::BadFormat),
        })
    }

    fn plain_number(&mut self, text: &str, input: &Input<'_>) -> Result<u32, DecodeError> {
        let point = text.find('.');
        if point.is_some() && self.seen & mask::DATE == 0 {
            self.decoded.date(text, self.seen, input)
        } else if point.is_some_and(|at| at > 2)
            || text.len() >= 6 && (self.seen & mask::DATE == 0 || self.seen & mask::TIME == 0)
        {
            self.decoded.run_together(text, self.seen)
        } else {
            self.decoded.number(text, self.text_month, self.seen, input)
        }
    }

    /// A word; `next` is the kind of the field after it.
    pub fn word(&mut self, text: &str, next: Option<Kind>, input: &Input<'_>) -> Result<Word, DecodeError> {
        // Abbreviations of zones come before key words.
        if let Some(abbreviation) = zone_name::abbreviation(text) {
            return Ok(Word::Found(match abbreviation {
                Abbreviation::Fixed { east, daylight } => {
                    self.decoded.west = -east;
                    if daylight { mask::DAYLIGHT_ZONE | mask::ZONE } else { mask::ZONE }
                }
                Abbreviation::Dynamic { name, zone } => {
                    self.zone = Some(ZoneSpec::Dynamic { name, zone });
                    mask::DYNAMIC_ZONE | mask::ZONE
                }
            }));
        }
        let Some(keyword) = date_keyword(text) else {
            self.zone = Some(ZoneSpec::Full(zone_name::full_name_if_known(text)?.ok_or(DecodeError::BadFormat)?));
            return Ok(Word::Found(mask::ZONE));
        };
        Ok(Word::Found(match keyword {
            Keyword::Ignore => return Ok(Word::Ignored),
            Keyword::Reserved(value) => return Ok(Word::Value(value)),
            Keyword::Month(month) => {
                let tm = &mut self.decoded.tm;
                // A number taken for the month was the day.
                let swap = self.seen & mask::MONTH != 0
                    && !self.text_month
                    && self.seen & mask::DAY == 0
                    && (1..=31).contains(&tm.month);
                if swap {
                    tm.day = tm.month;
                }
                tm.month = month;
                self.text_month = true;
                if swap { mask::DAY } else { mask::MONTH }
            }
            Keyword::Daylight => {
                self.decoded.west -= 3600;
                mask::DAYLIGHT_MODIFIER | mask::DAYLIGHT_ZONE
            }
            Keyword::Pm(pm) => {
                self.pm = Some(pm);
                mask::MERIDIEM
            }
            Keyword::Bc(bc) => {
                self.decoded.bc = bc;
                mask::ERA
            }
            Keyword::Weekday => mask::WEEKDAY,
            Keyword::Unit(unit) => {
                self.prefix = Some(Prefix::Unit(unit));
                0
            }
            Keyword::IsoTime => {
                let date_needed = !input.time_only && self.seen & mask::DATE != mask::DATE;
                if date_needed || !matches!(next, Some(Kind::Number | Kind::Time | Kind::Date)) {
                    return Err(DecodeError::BadFormat);
                }
                self.prefix = Some(Prefix::Time);
                0
            }
            Keyword::Ago => return Err(DecodeError::BadFormat),
        }))
    }

    /// A word that stands for a date or time.
    fn value(&mut self, value: Reserved, input: &Input<'_>) -> u32 {
        let (now, west) = input.now();
        let tm = &mut self.decoded.tm;
        match value {
            Reserved::Now => {
                *tm = now;
                self.decoded.west = west;
                mask::DATE | mask::TIME | mask::ZONE
            }
            Reserved::Today | Reserved::Tomorrow | Reserved::Yesterday => {
                let shift = match value {
                    Reserved::Tomorrow => 1,
                    Reserved::Yesterday => -1,
                    _ => 0,
                };
                let date = j2date(now.julian() + shift);
                (tm.year, tm.month, tm.day) = (date.year, date.month, date.day);
                mask::DATE
            }
            Reserved::AllBalls => {
                (tm.hour, tm.minute, tm.second) = (0, 0, 0);
                self.decoded.west = 0;
                mask::TIME | mask::ZONE
            }
            Reserved::Epoch | Reserved::Infinity | Reserved::NegInfinity => mask::RESERVED,
        }
    }

    pub fn apply_meridiem(&mut self) -> Result<(), DecodeError> {
        let hour = &mut self.decoded.tm.hour;
        match self.pm {
            Some(_) if *hour > 12 => return Err(DecodeError::FieldOverflow),
            Some(false) if *hour == 12 => *hour = 0,
            Some(true) if *hour != 12 => *hour += 12,
            _ => {}
        }
        Ok(())
    }

    /// The offset that the named zone, or else the session's, has at the decoded local time.
    fn apply_zone(&mut self, input: &Input<'_>) -> Result<(), DecodeError> {
        let spec = match self.zone.take() {
            Some(spec) => spec,
            None if self.seen & mask::ZONE == 0 => ZoneSpec::Full(input.zone),
            None => return Ok(()),
        };
        if self.seen & mask::DAYLIGHT_MODIFIER != 0 {
            return Err(DecodeError::BadFormat);
        }
        let Some(local) = self.decoded.tm.epoch_micros() else {
            // Out of the calendar: PostgreSQL takes UTC and complains later.
            self.decoded.west = 0;
            return Ok(());
        };
        let seconds = local.div_euclid(1_000_000) as i64;
        self.decoded.west = -match spec {
            ZoneSpec::Full(zone) => zone::offset_of_local(zone, seconds),
            ZoneSpec::Dynamic { name, zone } => zone_name::dynamic_offset_of_local(name, zone, seconds),
        };
        Ok(())
    }
}
