//! The input and output functions of every type: what a literal means and what psql shows.
//!
//! Work is done by column: [`Parser`] takes texts one by one into an array, [`formatter`] looks at type and carrier once and
//! gives a closure for the cells. [`parse`] and [`format`] are the same for one value.

mod array;
mod call;
mod environment;
mod inet;
mod input;
mod output;
mod simple;

use arrow::array::Array;
use datafusion_common::ScalarValue;

pub use array::{list, span};
pub use call::{argument_writers, input_call, output_call, output_call_as};
pub use environment::{cast_detail, context_of, needs_session, output_detail, session_detail, zone_of};
pub use input::{Parser, parser};
pub use output::{CellWriter, formatter};
pub use simple::{bpchar, parse_bool, parse_bytea, parse_char, parse_name, parse_uuid, push_bytea, truncate_chars};

use crate::context::{QueryContext, TimeZone};
use crate::error::Result;
use crate::pgtype::PgType;

/// The type's input function. A type modifier applies as in an explicit cast: `varchar(n)` truncates, `numeric(p, s)` rounds.
pub fn parse(text: &str, ty: PgType, ctx: &QueryContext) -> Result<ScalarValue> {
    let mut parser = parser(ty, ctx)?;
    parser.append(Some(text))?;
    Ok(ScalarValue::try_from_array(&parser.finish(), 0)?)
}

/// The type's output function; the row must not be NULL.
pub fn format(array: &dyn Array, row: usize, ty: PgType, time_zone: TimeZone, out: &mut String) -> Result<()> {
    formatter(array, ty, time_zone)?(row, out);
    Ok(())
}

/// `isspace` of the C locale.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("../testdata/io.tsv"));
    }
}
