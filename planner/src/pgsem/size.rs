//! `pg_size_pretty`: sizes for people (`dbsize.c`).

use super::func::{FuncDef, SqlForm};
use super::kernel::{I64, Text};
use super::registry::{CastDef, Signature};
use crate::pgtype::oid;

pub fn area() -> (Vec<Signature>, Vec<CastDef>) {
    (vec![Signature::func("pg_size_pretty", &[oid::INT8], oid::TEXT, &PRETTY)], Vec::new())
}

static PRETTY: FuncDef = FuncDef::new("pg_size_pretty", SqlForm::Call("pg_size_pretty"), |call| {
    call.map1::<I64, Text>(|size| Ok(size_pretty(size)))
});

/// Name, and the number from which the next unit is used.
const UNITS: &[(&str, u64)] =
    &[("bytes", 10 * 1024), ("kB", 20 * 1024 - 1), ("MB", 20 * 1024 - 1), ("GB", 20 * 1024 - 1), ("TB", 20 * 1024 - 1)];
const LAST: &str = "PB";

/// One bit more than the unit needs is kept until the end, to round by it.
fn size_pretty(mut size: i64) -> String {
    let half_rounded = |size: i64| (size + if size < 0 { -1 } else { 1 }) / 2;
    for (i, (unit, limit)) in UNITS.iter().enumerate() {
        if size.unsigned_abs() < *limit {
            let shown = if i == 0 { size } else { half_rounded(size) };
            return format!("{shown} {unit}");
        }
        size /= if i == 0 { 1 << 9 } else { 1 << 10 };
    }
    format!("{} {LAST}", half_rounded(size))
}

#[cfg(test)]
mod tests {
    use super::size_pretty;

    /// PostgreSQL's answers.
    #[test]
    fn sizes_are_rounded_as_postgresql_does() {
        let answers = [
            (0, "0 bytes"),
            (1, "1 bytes"),
            (-1, "-1 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (-10240, "-10 kB"),
            (10752, "11 kB"),
            (20000, "20 kB"),
            (10485247, "10239 kB"),
            (10485248, "10 MB"),
            (10486000, "10 MB"),
            (-10486000, "-10 MB"),
            (20970000, "20 MB"),
            (21474836480, "20 GB"),
            (123456789012, "115 GB"),
            (22517998136852480, "20 PB"),
            (9223372036854775807, "8192 PB"),
            (-9223372036854775807, "-8192 PB"),
        ];
        for (size, shown) in answers {
            assert_eq!(size_pretty(size), shown);
        }
    }
}
