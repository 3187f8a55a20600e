//! `COPY … TO STDOUT`: each row is one `CopyData` message.

use std::ops::Range;

use arrow::array::RecordBatch;
use planner::Result;
use planner::context::TimeZone;
use planner::plan::OutputColumn;

use super::super::sql::{CopyFormat, CopyOptions, ForceQuote};
use super::super::wire::backend::end_message;
use super::column::Column;
use super::{ColumnFormat, columns};

/// Signature, flags, length of the header's extension.
const BINARY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

#[derive(Clone, Debug)]
pub struct CopyEncoder {
    options: CopyOptions,
    columns: Vec<ColumnFormat>,
    names: Vec<String>,
    force_quote: Vec<bool>,
    zone: TimeZone,
}

impl CopyEncoder {
    pub fn new(options: CopyOptions, output: &[OutputColumn], zone: TimeZone) -> Result<Self> {
        let binary = options.format == CopyFormat::Binary;
        let columns = output.iter().map(|c| ColumnFormat { ty: c.ty, binary }).collect();
        let names: Vec<String> = output.iter().map(|c| c.name.clone()).collect();
        let force_quote = force_quote(&options, &names)?;
        Ok(Self { options, columns, names, force_quote, zone })
    }

    pub fn is_binary(&self) -> bool {
        self.options.format == CopyFormat::Binary
    }

    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// What comes before the first row.
    pub fn start(&self, out: &mut Vec<u8>) {
        if self.is_binary() {
            copy_data(out, |out| out.extend_from_slice(BINARY_HEADER));
        } else if self.options.header {
            copy_data(out, |out| {
                for (i, name) in self.names.iter().enumerate() {
                    self.delimiter(i, out);
                    match self.options.format {
                        CopyFormat::Csv => self.csv(name.as_bytes(), false, out),
                        _ => self.text(name.as_bytes(), out),
                    }
                }
                out.push(b'\n');
            });
        }
    }

    /// What comes after the last row.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.is_binary() {
            copy_data(out, |out| out.extend_from_slice(&[0xff, 0xff]));
        }
    }

    /// Appends the rows; stops after the row that makes `out` longer than `limit`. Returns how many were written.
    pub fn encode(&self, batch: &RecordBatch, rows: Range<usize>, limit: usize, out: &mut Vec<u8>) -> Result<usize> {
        let columns = columns(batch, &self.columns, self.zone)?;
        let (mut scratch, mut cell) = (String::new(), Vec::new());
        let (start, end) = (rows.start, rows.end);
        for row in rows {
            out.push(b'd');
            let message = out.len();
            out.extend_from_slice(&[0; 4]);
            if self.is_binary() {
                out.extend_from_slice(&(columns.len() as i16).to_be_bytes());
                for column in &columns {
                    column.field(row, &mut scratch, out)?;
                }
            } else {
                for (i, column) in columns.iter().enumerate() {
                    self.delimiter(i, out);
                    self.cell(i, column, row, &mut scratch, &mut cell, out)?;
                }
                out.push(b'\n');
            }
            end_message(out, message);
            if out.len() > limit {
                return Ok(row + 1 - start);
            }
        }
        Ok(end - start)
    }

    fn delimiter(&self, column: usize, out: &mut Vec<u8>) {
        if column > 0 {
            out.push(self.options.delimiter);
        }
    }

    fn cell(
        &self,
        i: usize,
        column: &Column<'_>,
        row: usize,
        scratch: &mut String,
        cell: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if column.is_null(row) {
            out.extend_from_slice(self.options.null.as_bytes());
            return Ok(());
        }
        cell.clear();
        column.value(row, scratch, cell)?;
        match self.options.format {
            CopyFormat::Csv => self.csv(cell, self.force_quote[i], out),
            _ => self.text(cell, out),
        }
        Ok(())
    }

    /// Backslash escapes (`CopyAttributeOutText`).
    fn text(&self, value: &[u8], out: &mut Vec<u8>) {
        let delimiter = self.options.delimiter;
        if !value.iter().any(|b| *b < 0x20 || *b == b'\\' || *b == delimiter) {
            out.extend_from_slice(value);
            return;
        }
        for &byte in value {
            let escaped = match byte {
                8 => b'b',
                12 => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                11 => b'v',
                b'\\' => b'\\',
                _ if byte == delimiter => byte,
                _ => {
                    out.push(byte);
                    continue;
                }
            };
            out.push(b'\\');
            out.push(escaped);
        }
    }

    /// Quotes where needed (`CopyAttributeOutCSV`).
    fn csv(&self, value: &[u8], force: bool, out: &mut Vec<u8>) {
        let CopyOptions { delimiter, quote, escape, ref null, .. } = self.options;
        let single = self.columns.len() == 1;
        let quoted = force
            || value == null.as_bytes()
            || (single && value == b"\\.")
            || value.iter().any(|b| *b == delimiter || *b == quote || matches!(b, b'\n' | b'\r'));
        if !quoted {
            out.extend_from_slice(value);
            return;
        }
        out.push(quote);
        for &byte in value {
            if byte == quote || byte == escape {
                out.push(escape);
            }
            out.push(byte);
        }
        out.push(quote);
    }
}

fn copy_data(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'd');
    let message = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    end_message(out, message);
}

fn force_quote(options: &CopyOptions, names: &[String]) -> Result<Vec<bool>> {
    use planner::Error;
    use planner::error::state;
    match &options.force_quote {
        ForceQuote::None => Ok(vec![false; names.len()]),
        ForceQuote::All => Ok(vec![true; names.len()]),
        ForceQuote::Columns(columns) => {
            if let Some(unknown) = columns.iter().find(|c| !names.contains(c)) {
                let message = format!("column \"{unknown}\" does not exist");
                return Err(Error::new(state::UNDEFINED_COLUMN, message));
            }
            Ok(names.iter().map(|n| columns.contains(n)).collect())
        }
    }
}
