//! Records to columns.

use std::fs::File;

use arrow::array::builder::StringViewBuilder;
use arrow::array::{ArrayRef, StringViewArray};
use planner::{Error, Result};

use super::super::identity::{FileIdentity, corrupt, file_error};
use super::CsvOptions;
use super::infer::CsvType;
use super::parser::{Defect, Parser, Record};

/// Reads one file from its start.
pub struct CsvReader {
    identity: FileIdentity,
    /// To be asked whether it was written to meanwhile.
    file: File,
    parser: Parser<File>,
    null: Vec<u8>,
    columns: usize,
    record: Record,
}

/// The names of a file's columns; `None` if there is nothing in it.
pub fn header(identity: &FileIdentity, options: &CsvOptions) -> Result<Option<Vec<String>>> {
    let (file, mut parser) = open(identity, options)?;
    let mut record = Record::default();
    if !parser.read(&mut record).map_err(|d| explain(identity, d))? {
        return Ok(None);
    }
    identity.check(&file)?;
    let names = (0..record.len()).map(|i| match options.header {
        true => utf8(identity, &record, i).map(str::to_string),
        false => Ok(format!("column{}", i + 1)),
    });
    names.collect::<Result<_>>().map(Some)
}

fn open(identity: &FileIdentity, options: &CsvOptions) -> Result<(File, Parser<File>)> {
    let file = identity.open()?;
    let reading = file.try_clone().map_err(|e| file_error(&identity.path, &e))?;
    let delimiter = u8::try_from(options.delimiter).unwrap_or(b',');
    let parser = Parser::new(reading, delimiter).map_err(|d| explain(identity, d))?;
    Ok((file, parser))
}

impl CsvReader {
    pub fn open(identity: FileIdentity, options: &CsvOptions, columns: usize) -> Result<Self> {
        let (file, parser) = open(&identity, options)?;
        let null = options.null.clone().into_bytes();
        let mut reader = Self { identity, file, parser, null, columns, record: Record::default() };
        if options.header {
            reader.next()?;
        }
        Ok(reader)
    }

    /// The next record; false at the end.
    fn next(&mut self) -> Result<bool> {
        loop {
            if !self.parser.read(&mut self.record).map_err(|d| explain(&self.identity, d))? {
                self.identity.check(&self.file)?;
                return Ok(false);
            }
            if self.record.is_blank() && self.columns != 1 {
                continue;
            }
            if self.record.len() == self.columns {
                return Ok(true);
            }
            let (line, found) = (self.record.line, self.record.len());
            return Err(corrupt(
                &self.identity.path,
                format!("line {line} has {found} fields instead of {}", self.columns),
            ));
        }
    }

    fn value(&self, column: usize) -> Result<Option<&str>> {
        let (bytes, quoted) = self.record.field(column);
        if !quoted && bytes == self.null {
            return Ok(None);
        }
        utf8(&self.identity, &self.record, column).map(Some)
    }

    /// Looks at every value: `see(column, value)`. Returns the number of records.
    pub fn visit(&mut self, mut see: impl FnMut(usize, Option<&str>)) -> Result<u64> {
        let mut rows = 0;
        while self.next()? {
            rows += 1;
            for column in 0..self.columns {
                see(column, self.value(column)?);
            }
        }
        Ok(rows)
    }

    /// Up to `rows` records of the wanted columns, and how many there were; 0 at the end.
    pub fn batch(&mut self, wanted: &[(usize, CsvType)], rows: usize) -> Result<(Vec<ArrayRef>, usize)> {
        let mut texts: Vec<_> = wanted.iter().map(|_| StringViewBuilder::with_capacity(rows)).collect();
        let first_line = self.record.line;
        let mut count = 0;
        while count < rows && self.next()? {
            count += 1;
            for ((column, _), texts) in wanted.iter().zip(&mut texts) {
                texts.append_option(self.value(*column)?);
            }
        }
        let convert = |((_, ty), mut texts): (&(usize, CsvType), StringViewBuilder)| {
            let texts: StringViewArray = texts.finish();
            ty.convert(&texts).map_err(|e: Error| {
                e.with_detail(format!("File \"{}\", after line {first_line}.", self.identity.path.display()))
            })
        };
        let columns = wanted.iter().zip(texts).map(convert).collect::<Result<Vec<_>>>()?;
        Ok((columns, count))
    }
}

fn utf8<'r>(identity: &FileIdentity, record: &'r Record, field: usize) -> Result<&'r str> {
    let (bytes, _) = record.field(field);
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Ok(text),
        _ => Err(corrupt(&identity.path, format!("line {} is not UTF-8 text", record.line))),
    }
}

fn explain(identity: &FileIdentity, defect: Defect) -> Error {
    match defect {
        Defect::Io(e) => file_error(&identity.path, &e),
        Defect::OpenQuote(line) => corrupt(&identity.path, format!("the quote in line {line} is not closed")),
    }
}
