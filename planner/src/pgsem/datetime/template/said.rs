//! What a text said by a template, and the date and time that makes (`do_to_timestamp`).

use super::pattern::{Convention, Keyword};
use crate::error::{Error, Result, state};
use crate::pgsem::datetime::calendar::{Tm, days_in_month, is_leap, iso_week_to_julian, j2date};
use crate::pgsem::datetime::parse::{field_overflow, zone_overflow};

pub fn invalid(message: String) -> Error {
    Error::new(state::INVALID_DATETIME_FORMAT, message)
}

/// What the fields of a template said; 0 is "not said", as in PostgreSQL (`TmFromChar`).
#[derive(Debug, Default)]
pub struct Said {
    pub convention: Option<Convention>,
    pub hour: i32,
    pub pm: i32,
    pub twelve_hours: bool,
    pub minute: i32,
    pub second: i32,
    pub second_of_day: i32,
    /// Sunday is 1.
    pub weekday: i32,
    pub day: i32,
    pub day_of_year: i32,
    pub month: i32,
    pub millis: i32,
    pub micros: i32,
    pub fraction_digits: i32,
    pub year: i32,
    pub year_digits: u32,
    pub bc: i32,
    pub week: i32,
    pub week_of_month: i32,
    pub century: i32,
    pub julian: i32,
    pub offset_sign: i32,
    pub offset_hour: i32,
    pub offset_minute: i32,
}

/// A text read by a template.
#[derive(Debug)]
pub struct Read {
    pub tm: Tm,
    /// Digits of `FFn`, 0 if there was none.
    pub fraction_digits: i32,
    /// Seconds east of UTC, if said.
    pub east: Option<i32>,
}

impl Said {
    pub fn set_convention(&mut self, keyword: &Keyword) -> Result<()> {
        match (self.convention, keyword.convention) {
            (None, given) => self.convention = given,
            (Some(old), Some(new)) if old != new => {
                return Err(invalid("invalid combination of date conventions".into())
                    .with_hint("Do not mix Gregorian and ISO week date conventions in a formatting template."));
            }
            _ => {}
        }
        Ok(())
    }

    pub fn finish(mut self, text: &str) -> Result<Read> {
        let overflow = || field_overflow(text);
        let mut tm = Tm { month: 1, day: 1, ..Tm::default() };
        if self.second_of_day != 0 {
            let s = self.second_of_day;
            (tm.hour, tm.minute, tm.second) = (s / 3600, s % 3600 / 60, s % 60);
        }
        for (slot, said) in [(&mut tm.second, self.second), (&mut tm.minute, self.minute), (&mut tm.hour, self.hour)] {
            if said != 0 {
                *slot = said;
            }
        }
        self.apply_meridiem(&mut tm)?;
        let (mut has_year, mut has_month, mut has_day) = (self.apply_year(&mut tm), false, false);
        if self.julian != 0 {
            set_date(&mut tm, self.julian);
            (has_year, has_month, has_day) = (true, true, true);
        }
        if self.week != 0 {
            if self.convention == Some(Convention::IsoWeek) {
                let monday = iso_week_to_julian(tm.year, self.week);
                // Sunday, day 1, ends the week.
                let day = match self.weekday {
                    0 => 0,
                    day @ 2.. => day - 2,
                    _ => 6,
                };
                set_date(&mut tm, monday.wrapping_add(day));
                (has_year, has_month, has_day) = (true, true, true);
            } else {
                self.day_of_year = weeks(self.week).ok_or_else(overflow)?;
            }
        }
        if self.week_of_month != 0 {
            self.day = weeks(self.week_of_month).ok_or_else(overflow)?;
        }
        if self.day != 0 {
            (tm.day, has_day) = (self.day, true);
        }
        if self.month != 0 {
            (tm.month, has_month) = (self.month, true);
        }
        if self.day_of_year != 0 && (tm.month <= 1 || tm.day <= 1) {
            if tm.year == 0 && self.bc == 0 {
                return Err(invalid("cannot calculate day of year without year information".into()));
            }
            if self.convention == Some(Convention::IsoWeek) {
                let before = iso_week_to_julian(tm.year, 1).wrapping_sub(1);
                set_date(&mut tm, before.wrapping_add(self.day_of_year));
                has_year = true;
            } else {
                self.apply_day_of_year(&mut tm);
            }
            (has_month, has_day) = (true, true);
        }
        let micros = i64::from(self.millis) * 1000 + i64::from(self.micros);
        let valid_date = (!has_month || (1..=12).contains(&tm.month))
            && (!has_day || (1..=31).contains(&tm.day))
            && (!(has_year && has_month && has_day) || tm.day <= days_in_month(tm.year, tm.month));
        let valid_time = (0..24).contains(&tm.hour)
            && (0..60).contains(&tm.minute)
            && (0..60).contains(&tm.second)
            && (0..1_000_000).contains(&micros);
        if !valid_date || !valid_time {
            return Err(overflow());
        }
        tm.micros = micros as i32;
        Ok(Read { tm, fraction_digits: self.fraction_digits, east: self.offset(text)? })
    }

    fn apply_meridiem(&self, tm: &mut Tm) -> Result<()> {
        if !self.twelve_hours {
            return Ok(());
        }
        if !(1..=12).contains(&tm.hour) {
            return Err(invalid(format!("hour \"{}\" is invalid for the 12-hour clock", tm.hour))
                .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        match (self.pm != 0, tm.hour) {
            (true, 1..12) => tm.hour += 12,
            (false, 12) => tm.hour = 0,
            _ => {}
        }
        Ok(())
    }

    /// Sets the year from its digits and the century; whether anything was said.
    fn apply_year(&self, tm: &mut Tm) -> bool {
        let century = if self.bc != 0 { self.century.wrapping_neg() } else { self.century };
        let centuries = |n: i32| n.wrapping_mul(100);
        if self.year != 0 {
            if self.century != 0 && self.year_digits <= 2 {
                let year = self.year % 100;
                tm.year = match (year, century >= 0) {
                    (0, true) => centuries(century),
                    (0, false) => centuries(century).wrapping_add(1),
                    (_, true) => centuries(century.wrapping_sub(1)).wrapping_add(year),
                    (_, false) => centuries(century.wrapping_add(1)).wrapping_sub(year).wrapping_add(1),
                };
            } else {
                tm.year = if self.bc != 0 { self.year.wrapping_neg() } else { self.year };
                if tm.year < 0 {
                    tm.year += 1;
                }
            }
            return true;
        }
        if self.century != 0 {
            tm.year =
                if century >= 0 { centuries(century.wrapping_sub(1)) } else { centuries(century) }.wrapping_add(1);
            return true;
        }
        false
    }

    /// Month and day from the day of the year, each unless already said.
    fn apply_day_of_year(&self, tm: &mut Tm) {
        let mut month = 1;
        let mut before = 0;
        while month <= 12 {
            let length = if month == 2 { 28 + i32::from(is_leap(tm.year)) } else { days_in_month(1, month) };
            if self.day_of_year <= before + length {
                break;
            }
            before += length;
            month += 1;
        }
        if tm.month <= 1 {
            tm.month = month;
        }
        if tm.day <= 1 {
            tm.day = self.day_of_year - before;
        }
    }

    fn offset(&self, text: &str) -> Result<Option<i32>> {
        if self.offset_sign == 0 {
            return Ok(None);
        }
        if !(0..=15).contains(&self.offset_hour) || !(0..60).contains(&self.offset_minute) {
            return Err(zone_overflow(text));
        }
        Ok(Some(self.offset_sign * (self.offset_hour * 3600 + self.offset_minute * 60)))
    }
}

fn set_date(tm: &mut Tm, julian: i32) {
    let date = j2date(julian);
    (tm.year, tm.month, tm.day) = (date.year, date.month, date.day);
}

/// First day of a week counted from 1.
fn weeks(week: i32) -> Option<i32> {
    week.checked_sub(1)?.checked_mul(7)?.checked_add(1)
}
