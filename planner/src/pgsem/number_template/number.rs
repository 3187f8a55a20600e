//! Numbers prepared for a template: rounded to its places, as digits.

use super::{Description, Template};
use crate::error::Result;
use crate::pgsem::errors::out_of_range;
use crate::pgsem::numeric::Numeric;
use crate::pgsem::numeric::int::Rounding;

#[derive(Debug)]
pub(super) struct Prepared {
    /// The description, adjusted to the number.
    pub description: Description,
    pub text: String,
    pub negative: bool,
    /// Blanks in front of the digits.
    pub pre_spaces: i32,
}

impl Prepared {
    fn whole(template: &Template, text: String) -> Self {
        Self { description: template.description.clone(), text, negative: false, pre_spaces: 0 }
    }

    /// Splits the sign off, and pads or gives up (`###`) by the digits before the point.
    fn digits(description: Description, text: &str) -> Self {
        let negative = text.starts_with('-');
        let mut text = text.trim_start_matches('-').to_string();
        let pre_length = text.find('.').unwrap_or(text.len()) as i32;
        let pre_spaces = (description.pre - pre_length).max(0);
        if pre_length > description.pre {
            text = format!("{}.{}", hashes(description.pre), hashes(description.post));
        }
        Self { description, text, negative, pre_spaces }
    }
}

fn hashes(n: i32) -> String {
    "#".repeat(n.max(0) as usize)
}

/// What is no roman numeral becomes a row of hashes.
fn roman(value: i32) -> String {
    const STEPS: [(i32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&value) {
        return hashes(15);
    }
    let (mut rest, mut text) = (value, String::new());
    for (step, letters) in STEPS {
        while rest >= step {
            text.push_str(letters);
            rest -= step;
        }
    }
    text
}

/// ` 1.23e+45`: a blank or a minus, an exponent of at least two digits.
fn scientific(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    format!("{blank}{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// What cannot be written with an exponent.
fn not_scientific(d: &Description) -> String {
    format!(" {}.{}", hashes(d.pre), hashes(d.post + 4))
}

pub(super) fn numeric(template: &Template, value: &Numeric) -> Result<Prepared> {
    let mut d = template.description.clone();
    if d.roman {
        let whole = i32::try_from(value.to_i64("integer")?).map_err(|_| out_of_range("integer"))?;
        return Ok(Prepared::whole(template, roman(whole)));
    }
    if d.exponent {
        let text = match value.finite() {
            Some(_) => scientific(&numeric_scientific(value, d.post)?),
            None => not_scientific(&d),
        };
        return Ok(Prepared::whole(template, text));
    }
    let mut value = value.clone();
    if d.multiplies {
        value = value.mul(&Numeric::from(10i64).power(&Numeric::from(i64::from(d.multiply)))?)?;
        d.pre += d.multiply;
    }
    let text = value.round(d.post, Rounding::HalfAway)?.to_string();
    Ok(Prepared::digits(d, &text))
}

/// The significand is rounded after the exponent is chosen, so it may become 10.
fn numeric_scientific(value: &Numeric, places: i32) -> Result<String> {
    let Some(v) = value.finite() else { return Ok(value.to_string()) };
    let exponent = if v.is_zero() { 0 } else { v.unscaled.digits() as i32 - 1 - v.scale };
    let mut significand = v.clone();
    significand.scale += exponent;
    Ok(format!("{}e{exponent}", significand.rescale(places, Rounding::HalfAway)))
}

pub(super) fn int4(template: &Template, value: i32) -> Result<Prepared> {
    let mut d = template.description.clone();
    if d.roman {
        return Ok(Prepared::whole(template, roman(value)));
    }
    if d.exponent {
        return Ok(Prepared::whole(template, scientific(&format!("{:.*e}", d.post as usize, f64::from(value)))));
    }
    let mut value = value;
    if d.multiplies {
        // As C does it: the product wraps, and a factor that does not fit becomes the smallest integer.
        let factor = 10f64.powi(d.multiply);
        value = value.wrapping_mul(if factor < 2_147_483_648.0 { factor as i32 } else { i32::MIN });
        d.pre += d.multiply;
    }
    Ok(Prepared::digits(d.clone(), &with_zeros(&value.to_string(), d.post)))
}

pub(super) fn int8(template: &Template, value: i64) -> Result<Prepared> {
    let mut d = template.description.clone();
    if d.roman {
        let value = i32::try_from(value).map_err(|_| out_of_range("integer"))?;
        return Ok(Prepared::whole(template, roman(value)));
    }
    if d.exponent {
        let text = numeric_scientific(&Numeric::from(value), d.post)?;
        return Ok(Prepared::whole(template, scientific(&text)));
    }
    let mut value = value;
    if d.multiplies {
        let factor = 10i64.checked_pow(d.multiply.unsigned_abs());
        let product = factor.and_then(|f| value.checked_mul(f));
        value = product.ok_or_else(|| out_of_range("bigint"))?;
        d.pre += d.multiply;
    }
    Ok(Prepared::digits(d.clone(), &with_zeros(&value.to_string(), d.post)))
}

fn with_zeros(whole: &str, post: i32) -> String {
    if post > 0 { format!("{whole}.{}", "0".repeat(post as usize)) } else { whole.to_string() }
}

/// `digits`: significant digits of the type, beyond which nothing is shown.
pub(super) fn float(template: &Template, value: f64, digits: i32, multiply: fn(f64, i32) -> f64) -> Result<Prepared> {
    let mut d = template.description.clone();
    if d.roman {
        // A conversion in C: what does not fit is no roman numeral anyway.
        return Ok(Prepared::whole(template, roman(value.round_ties_even() as i32)));
    }
    if d.exponent {
        let text = match value.is_finite() {
            true => scientific(&format!("{value:.*e}", d.post as usize)),
            false => not_scientific(&d),
        };
        return Ok(Prepared::whole(template, text));
    }
    let mut value = value;
    if d.multiplies {
        value = multiply(value, d.multiply);
        d.pre += d.multiply;
    }
    let whole = fixed_point(value.abs(), 0).len() as i32;
    d.post = d.post.min((digits - whole).max(0));
    Ok(Prepared::digits(d.clone(), &fixed_point(value, d.post)))
}

/// C's `%.{places}f`, with PostgreSQL's names for what is not finite.
fn fixed_point(value: f64, places: i32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    format!("{value:.*}", places as usize)
}
