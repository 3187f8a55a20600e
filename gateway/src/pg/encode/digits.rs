//! Numbers, dates and times as text, straight into the output buffer.

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Two digits; `n` is below 100.
#[inline(always)]
pub fn push_two(n: u32, out: &mut Vec<u8>) {
    let at = n as usize * 2;
    out.extend_from_slice(&PAIRS[at..at + 2]);
}

/// Decimal digits of `n` at the end of `buffer`; returns where they start.
#[inline(always)]
fn digits(mut n: u64, buffer: &mut [u8; 40], mut at: usize) -> usize {
    while n >= 100 {
        let pair = (n % 100) as usize * 2;
        n /= 100;
        at -= 2;
        buffer[at] = PAIRS[pair];
        buffer[at + 1] = PAIRS[pair + 1];
    }
    if n >= 10 {
        let pair = n as usize * 2;
        at -= 2;
        buffer[at] = PAIRS[pair];
        buffer[at + 1] = PAIRS[pair + 1];
    } else {
        at -= 1;
        buffer[at] = b'0' + n as u8;
    }
    at
}

pub fn push_i64(n: i64, out: &mut Vec<u8>) {
    let mut buffer = [0; 40];
    let mut at = digits(n.unsigned_abs(), &mut buffer, 40);
    if n < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    out.extend_from_slice(&buffer[at..]);
}

/// `unscaled / 10^scale` with exactly `scale` digits after the point.
pub fn push_decimal(unscaled: i128, scale: usize, out: &mut Vec<u8>) {
    const CHUNK: u128 = 10_000_000_000_000_000_000; // 10^19
    let magnitude = unscaled.unsigned_abs();
    let mut buffer = [b'0'; 40];
    let mut at = if magnitude < CHUNK {
        digits(magnitude as u64, &mut buffer, 40)
    } else {
        digits((magnitude % CHUNK) as u64, &mut buffer, 40);
        let high = magnitude / CHUNK;
        // What stands before the low 19 digits; 38 digits at most, so the rest fits u64 twice.
        if high < CHUNK { digits(high as u64, &mut buffer, 21) } else { 20 }
    };
    if scale == 0 {
        if unscaled < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&buffer[at..]);
        return;
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    // At least one digit before the point; the buffer is filled with zeros.
    at = at.min(40usize.saturating_sub(scale + 1));
    let point = 40 - scale.min(39);
    out.extend_from_slice(&buffer[at..point]);
    out.push(b'.');
    out.extend_from_slice(&buffer[point..]);
}

/// Year, month, day of days since 1970-01-01 (proleptic Gregorian).
#[inline(always)]
pub fn civil(days: i32) -> (i32, u32, u32) {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    ((yoe + era * 400) as i32 + i32::from(month <= 2), month, day)
}

/// Days that print as `YYYY-MM-DD`: years 1 to 9999.
pub fn is_plain_date(days: i32) -> bool {
    (-719_162..=2_932_896).contains(&days)
}

/// A plain date.
pub fn push_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    let year = year as u32;
    let hundreds = (year / 100 % 100) as usize * 2;
    let rest = (year % 100) as usize * 2;
    let (m, d) = (month as usize * 2, day as usize * 2);
    out.extend_from_slice(&[
        PAIRS[hundreds],
        PAIRS[hundreds + 1],
        PAIRS[rest],
        PAIRS[rest + 1],
        b'-',
        PAIRS[m],
        PAIRS[m + 1],
        b'-',
        PAIRS[d],
        PAIRS[d + 1],
    ]);
}

/// Time of day with as many fractional digits as it needs.
pub fn push_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = (micros / 1_000_000) as u32;
    let mut fraction = (micros % 1_000_000) as u32;
    push_two(seconds / 3600, out);
    out.push(b':');
    push_two(seconds / 60 % 60, out);
    out.push(b':');
    push_two(seconds % 60, out);
    if fraction > 0 {
        out.push(b'.');
        let start = out.len();
        push_two(fraction / 10_000, out);
        fraction %= 10_000;
        push_two(fraction / 100, out);
        push_two(fraction % 100, out);
        while out.len() > start && out[out.len() - 1] == b'0' {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_and_decimals() {
        for n in [0, 7, 10, 99, 100, 12_345, -1, i64::MAX, i64::MIN] {
            assert_eq!(text(|o| push_i64(n, o)), n.to_string());
        }
        for (unscaled, scale, shown) in [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (1234, 2, "12.34"),
            (-1234, 3, "-1.234"),
            (1234, 10, "0.0000001234"),
            (12_345_678_901_234_567_890_123_456_789, 9, "12345678901234567890.123456789"),
            (10i128.pow(38) - 1, 38, "0.99999999999999999999999999999999999999"),
            (-(10i128.pow(38) - 1), 0, "-99999999999999999999999999999999999999"),
            (10i128.pow(19), 0, "10000000000000000000"),
            (10i128.pow(19) + 3, 1, "1000000000000000000.3"),
        ] {
            assert_eq!(text(|o| push_decimal(unscaled, scale, o)), shown);
        }
    }

    #[test]
    fn dates_and_times() {
        for (days, shown) in [
            (0, "1970-01-01"),
            (-719_162, "0001-01-01"),
            (2_932_896, "9999-12-31"),
            (11_016, "2000-02-29"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(text(|o| push_date(days, o)), shown);
        }
        for (micros, shown) in
            [(0, "00:00:00"), (MICROS_PER_DAY, "24:00:00"), (3_723_000_001, "01:02:03.000001"), (500_000, "00:00:00.5")]
        {
            assert_eq!(text(|o| push_time(micros, o)), shown);
        }
    }
}
