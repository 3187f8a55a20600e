//! Text with a time only (`DecodeTimeOnly`). A zone is read and ignored, as PostgreSQL does for `time`.

use super::datetime::{State, Word};
use super::fields::{Decoded, mask, offset_west};
use super::token::{Field, Kind};
use super::{DecodeError, Input, ZoneSpec};
use crate::pgsem::datetime::keywords::Reserved;
use crate::pgsem::datetime::zone;
use crate::pgsem::datetime::zone_name;

pub fn decode(fields: &[Field], input: &Input<'_>) -> Result<Decoded, DecodeError> {
    let mut state = State::default();
    for (i, field) in fields.iter().enumerate() {
        let text = field.text.as_str();
        let last = fields[fields.len() - 1].kind;
        let found = match field.kind {
            Kind::Date if i == 0 && fields.len() >= 2 && (last == Kind::Date || fields[1].kind == Kind::Time) => {
                state.decoded.date(text, state.seen, input)?
            }
            Kind::Date if text.as_bytes()[0].is_ascii_digit() => {
                if state.seen & mask::TIME == mask::TIME {
                    return Err(DecodeError::BadFormat);
                }
                let (time, offset) = text.split_at(text.find('-').ok_or(DecodeError::BadFormat)?);
                state.decoded.west = offset_west(offset)?;
                state.decoded.run_together(time, state.seen | mask::DATE)? | mask::ZONE
            }
            Kind::Date => {
                state.zone = Some(ZoneSpec::Full(zone_name::full_name(text)?));
                mask::ZONE
            }
            Kind::Time => {
                state.decoded.time(text)?;
                mask::TIME
            }
            Kind::Offset => {
                state.decoded.west = offset_west(text)?;
                mask::ZONE
            }
            Kind::Number => match state.prefix.take() {
                Some(prefix) => state.labelled(prefix, text)?,
                None => plain_number(&mut state, text, i == 0 && fields.len() >= 2 && last == Kind::Date, input)?,
            },
            Kind::Text | Kind::Special => match state.word(text, fields.get(i + 1).map(|f| f.kind), input)? {
                Word::Ignored => continue,
                Word::Found(mask::MONTH | mask::DAY | mask::WEEKDAY) => return Err(DecodeError::BadFormat),
                Word::Found(found) => found,
                Word::Value(Reserved::Now) => {
                    let (now, _) = input.now();
                    let tm = &mut state.decoded.tm;
                    (tm.hour, tm.minute, tm.second, tm.micros) = (now.hour, now.minute, now.second, now.micros);
                    // Like PostgreSQL, which fills in the date without saying so.
                    (tm.year, tm.month, tm.day) = (now.year, now.month, now.day);
                    mask::TIME
                }
                Word::Value(Reserved::AllBalls) => {
                    let tm = &mut state.decoded.tm;
                    (tm.hour, tm.minute, tm.second) = (0, 0, 0);
                    mask::TIME | mask::ZONE
                }
                Word::Value(_) => return Err(DecodeError::BadFormat),
            },
        };
        if state.seen & found != 0 {
            return Err(DecodeError::BadFormat);
        }
        state.seen |= found;
    }
    state.decoded.validate_date(state.seen)?;
    state.apply_meridiem()?;
    if super::time_overflows(&state.decoded.tm) {
        return Err(DecodeError::FieldOverflow);
    }
    if state.seen & mask::TIME != mask::TIME {
        return Err(DecodeError::BadFormat);
    }
    check_zone(&state)?;
    Ok(state.decoded)
}

fn plain_number(state: &mut State, text: &str, may_be_date: bool, input: &Input<'_>) -> Result<u32, DecodeError> {
    let decoded = &mut state.decoded;
    match text.find('.') {
        Some(_) if may_be_date => decoded.date(text, state.seen, input),
        Some(at) if at > 2 => decoded.run_together(text, state.seen | mask::DATE),
        Some(_) => Err(DecodeError::BadFormat),
        None if text.len() > 4 => decoded.run_together(text, state.seen | mask::DATE),
        None => decoded.number(text, false, state.seen | mask::DATE, input),
    }
}

/// The zone has no effect, but must make sense: a zone that changes its clocks needs a date.
fn check_zone(state: &State) -> Result<(), DecodeError> {
    let date = state.seen & mask::DATE;
    let daylight = state.seen & mask::DAYLIGHT_MODIFIER != 0;
    let valid = match &state.zone {
        Some(ZoneSpec::Full(zone)) => !daylight && (date == mask::DATE || zone::is_fixed(*zone)),
        Some(ZoneSpec::Dynamic { .. }) => !daylight && (date == 0 || date == mask::DATE),
        None if state.seen & mask::ZONE == 0 => !daylight && (date == 0 || date == mask::DATE),
        None => true,
    };
    if valid { Ok(()) } else { Err(DecodeError::BadFormat) }
}
