//! CSV files, by the rules of PostgreSQL's `COPY … (FORMAT csv)`.
//!
//! A field without quotes that is empty (or equals the configured `null`) is NULL; a quoted one is text, also if it is empty.
//! Quotes are doubled inside quotes, lines end with LF or CRLF, a byte-order mark is skipped.
//!
//! A column's type is inferred from all values of all files of the table: the first of *boolean, bigint, numeric, double
//! precision, date, timestamp, timestamptz* in which every value is written as PostgreSQL would write it, otherwise *text*. So
//! nothing is lost: a postal code `01234` or a phone number `+49…` keeps its column text. `true`/`false` count as boolean and
//! exponents make a number a double precision. A numeric gets a scale if all values have the same.

mod infer;
mod parser;
mod reader;

use serde::Deserialize;

pub(super) use infer::{CsvType, Inference};
pub(super) use reader::{CsvReader, header};

/// How a source's CSV files are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// The first line has the names of the columns; otherwise they are `column1`, `column2`, …
    pub header: bool,
    /// One ASCII character.
    pub delimiter: char,
    /// What stands for NULL if it is not quoted.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { header: true, delimiter: ',', null: String::new() }
    }
}
