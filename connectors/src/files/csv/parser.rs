//! Bytes to records.

use std::io::{self, Read};

/// One record: fields end to end, and which of them were quoted.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    /// End of each field in `bytes`, and whether it had quotes.
    fields: Vec<(usize, bool)>,
    /// Number of the line it starts in, from 1.
    pub line: u64,
}

impl Record {
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// The field's bytes, and whether it had quotes.
    pub fn field(&self, number: usize) -> (&[u8], bool) {
        let start = number.checked_sub(1).map_or(0, |before| self.fields[before].0);
        let (end, quoted) = self.fields[number];
        (&self.bytes[start..end], quoted)
    }

    /// A line with nothing in it.
    pub fn is_blank(&self) -> bool {
        self.fields.len() == 1 && self.bytes.is_empty() && !self.fields[0].1
    }
}

/// Why a file is no CSV.
#[derive(Debug)]
pub(super) enum Defect {
    Io(io::Error),
    /// The file ends in the quoted field of a record that starts in this line.
    OpenQuote(u64),
}

/// Splits a file into records.
pub(super) struct Parser<R> {
    input: R,
    delimiter: u8,
    buffer: Vec<u8>,
    at: usize,
    line: u64,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the start of a field or outside of quotes.
    Plain,
    Quoted,
    /// Behind a quote that ends the field or is the first of two.
    QuoteInQuotes,
}

const CHUNK: usize = 256 << 10;

impl<R: Read> Parser<R> {
    pub fn new(input: R, delimiter: u8) -> Result<Self, Defect> {
        let mut parser = Self { input, delimiter, buffer: Vec::new(), at: 0, line: 1, ended: false };
        parser.fill()?;
        if parser.buffer.starts_with(b"\xef\xbb\xbf") {
            parser.at = 3;
        }
        Ok(parser)
    }

    fn fill(&mut self) -> Result<bool, Defect> {
        self.buffer.resize(CHUNK, 0);
        self.at = 0;
        let mut filled = 0;
        // The byte-order mark must not be split.
        while filled < 3 {
            match self.input.read(&mut self.buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Defect::Io(e)),
            }
        }
        self.buffer.truncate(filled);
        Ok(filled > 0)
    }

    fn next_byte(&mut self) -> Result<Option<u8>, Defect> {
        if self.at == self.buffer.len() && (self.ended || !self.fill()?) {
            self.ended = true;
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(self.buffer[self.at - 1]))
    }

    /// Reads the next record; false at the end of the file.
    pub fn read(&mut self, record: &mut Record) -> Result<bool, Defect> {
        record.bytes.clear();
        record.fields.clear();
        record.line = self.line;
        let mut state = State::Plain;
        let mut quoted = false;
        let mut any = false;
        loop {
            let Some(byte) = self.next_byte()? else {
                if state == State::Quoted {
                    return Err(Defect::OpenQuote(record.line));
                }
                if any {
                    record.fields.push((record.bytes.len(), quoted));
                }
                return Ok(any);
            };
            any = true;
            if byte == b'\n' {
                self.line += 1;
            }
            match (state, byte) {
                (State::Quoted, b'"') => state = State::QuoteInQuotes,
                (State::Quoted, _) => record.bytes.push(byte),
                (State::QuoteInQuotes, b'"') => {
                    record.bytes.push(byte);
                    state = State::Quoted;
                }
                (_, b'"') => {
                    state = State::Quoted;
                    quoted = true;
                }
                (_, b'\n') => {
                    // The carriage return of CRLF, unless it was inside of quotes.
                    let start = record.fields.last().map_or(0, |(end, _)| *end);
                    if state == State::Plain && record.bytes.len() > start && record.bytes.ends_with(b"\r") {
                        record.bytes.pop();
                    }
                    record.fields.push((record.bytes.len(), quoted));
                    return Ok(true);
                }
                (_, b'\r') if state == State::QuoteInQuotes => {}
                (_, _) if byte == self.delimiter => {
                    record.fields.push((record.bytes.len(), quoted));
                    (state, quoted) = (State::Plain, false);
                }
                (_, _) => {
                    record.bytes.push(byte);
                    state = State::Plain;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Vec<(String, bool)>> {
        let mut parser = Parser::new(text.as_bytes(), b',').unwrap();
        let (mut record, mut all) = (Record::default(), Vec::new());
        while parser.read(&mut record).unwrap() {
            let field = |i| {
                let (bytes, quoted) = record.field(i);
                (String::from_utf8(bytes.to_vec()).unwrap(), quoted)
            };
            all.push((0..record.len()).map(field).collect());
        }
        all
    }

    fn plain(fields: &[&str]) -> Vec<(String, bool)> {
        fields.iter().map(|f| (f.to_string(), false)).collect()
    }

    #[test]
    fn lines_and_quotes() {
        assert_eq!(parse("a,b\n1,2\r\n3,4"), [plain(&["a", "b"]), plain(&["1", "2"]), plain(&["3", "4"])]);
        assert_eq!(parse("\u{feff}a,\n,\n"), [plain(&["a", ""]), plain(&["", ""])]);
        let quoted = vec![("x,\n\"y\"\r".to_string(), true), (String::new(), true), (String::new(), false)];
        assert_eq!(parse("\"x,\n\"\"y\"\"\r\",\"\",\r\n"), [quoted]);
        assert_eq!(parse("\"a\"\r\n\"b\"\n"), [vec![("a".into(), true)], vec![("b".into(), true)]]);
        assert!(parse("").is_empty());
    }

    #[test]
    fn lines_are_counted_and_open_quotes_found() {
        let mut parser = Parser::new("\"a\nb\",1\nc,2\n\"x".as_bytes(), b',').unwrap();
        let mut record = Record::default();
        let mut lines = Vec::new();
        for _ in 0..2 {
            assert!(parser.read(&mut record).unwrap());
            lines.push(record.line);
        }
        assert_eq!(lines, [1, 3]);
        assert!(matches!(parser.read(&mut record), Err(Defect::OpenQuote(4))));
    }
}
