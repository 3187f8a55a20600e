//! The framing of `COPY … (FORMAT binary)`.
//!
//! PostgreSQL sends one message per row, but nothing in the protocol promises that; a row cut in two is put together again.

use arrow::array::RecordBatch;
use planner::Result;

use super::{RowDecoder, unexpected};

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The flag of files with OIDs, which PostgreSQL gave up in version 12; the other high bits are as incompatible.
const CRITICAL_FLAGS: u32 = 0xffff_0000;

pub struct CopyReader {
    decoder: RowDecoder,
    /// The beginning of something whose rest has not come yet.
    pending: Vec<u8>,
    /// Start and length of each field of the current row; -1 is NULL.
    fields: Vec<(usize, i32)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    Ended,
}

impl CopyReader {
    pub fn new(decoder: RowDecoder) -> Self {
        let fields = Vec::with_capacity(decoder.width());
        Self { decoder, pending: Vec::new(), fields, state: State::Header }
    }

    /// Reads what came next.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        if self.pending.is_empty() {
            let used = self.consume(chunk)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut whole = std::mem::take(&mut self.pending);
            whole.extend_from_slice(chunk);
            let used = self.consume(&whole)?;
            whole.drain(..used);
            self.pending = whole;
        }
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.decoder.is_full()
    }

    pub fn take(&mut self) -> Result<RecordBatch> {
        self.decoder.take()
    }

    /// The last rows, if the data came to their proper end.
    pub fn finish(mut self) -> Result<Option<RecordBatch>> {
        if self.state != State::Ended {
            return Err(unexpected("the data of a COPY ended too early".into()));
        }
        if self.decoder.is_empty() { Ok(None) } else { self.decoder.take().map(Some) }
    }

    /// Reads all that is complete; returns how many bytes that was.
    fn consume(&mut self, data: &[u8]) -> Result<usize> {
        let mut used = 0;
        while let Some(length) = match self.state {
            State::Header => header(data)?,
            State::Rows => self.row(&data[used..])?,
            State::Ended if data.len() > used => {
                return Err(unexpected("data after the end of a COPY".into()));
            }
            State::Ended => None,
        } {
            used += length;
            if self.state == State::Header {
                self.state = State::Rows;
            }
        }
        Ok(used)
    }

    /// Decodes one row, if it is complete.
    fn row(&mut self, data: &[u8]) -> Result<Option<usize>> {
        let Some((count, _)) = data.split_first_chunk() else { return Ok(None) };
        let count = i16::from_be_bytes(*count);
        if count == -1 {
            self.state = State::Ended;
            return Ok(Some(2));
        }
        if usize::try_from(count) != Ok(self.decoder.width()) {
            let expected = self.decoder.width();
            return Err(unexpected(format!("a row of a COPY has {count} columns instead of {expected}")));
        }
        self.fields.clear();
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = data.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            let length = i32::from_be_bytes(*length);
            at += 4;
            self.fields.push((at, length));
            at += usize::try_from(length).unwrap_or(0);
        }
        if at > data.len() {
            return Ok(None);
        }
        let fields = self.fields.iter().map(|(start, length)| {
            let length = usize::try_from(*length).ok()?;
            Some(&data[*start..*start + length])
        });
        self.decoder.row(fields)?;
        Ok(Some(at))
    }
}

fn header(data: &[u8]) -> Result<Option<usize>> {
    let fixed = SIGNATURE.len() + 8;
    if data.len() < fixed {
        return Ok(None);
    }
    let (signature, rest) = data.split_at(SIGNATURE.len());
    let number = |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    if signature != SIGNATURE || number(0) & CRITICAL_FLAGS != 0 {
        return Err(unexpected("the data of a COPY are not in the binary format".into()));
    }
    let length = fixed + number(4) as usize;
    Ok((data.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use planner::PgType;
    use planner::pgtype::oid;

    use super::*;

    fn reader() -> CopyReader {
        let fields = vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8View, true)];
        let types = [PgType::INT4, PgType::TEXT];
        CopyReader::new(RowDecoder::new(Arc::new(Schema::new(fields)), &types, &[oid::INT4, oid::TEXT]).unwrap())
    }

    fn data() -> Vec<u8> {
        let mut data = SIGNATURE.to_vec();
        data.extend([0, 0, 0, 0, 0, 0, 0, 3, 9, 9, 9]); // flags, and a header extension to skip
        data.extend([0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 2, b'h', b'i']);
        data.extend([0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        data.extend([0xff, 0xff]);
        data
    }

    #[test]
    fn rows_may_be_cut_anywhere() {
        for size in 1..=data().len() {
            let mut reader = reader();
            for chunk in data().chunks(size) {
                reader.feed(chunk).unwrap();
            }
            let batch = reader.finish().unwrap().unwrap();
            assert_eq!(batch.column(0).as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(7), None]);
            assert_eq!(batch.column(1).as_string_view().iter().collect::<Vec<_>>(), [Some("hi"), None]);
        }
    }

    #[test]
    fn damaged_data_are_an_error() {
        let whole = data();
        let read = |data: &[u8]| {
            let mut reader = reader();
            reader.feed(data)?;
            reader.finish()
        };
        assert!(read(&whole).is_ok());
        assert!(read(&whole[..whole.len() - 2]).is_err(), "no end");
        assert!(read(&[whole.as_slice(), &[0, 2]].concat()).is_err(), "something after the end");
        for (at, byte) in [(0, b'X'), (11, 1), (23, 3), (27, 5)] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }
}
