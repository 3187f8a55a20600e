//! What is shown to fetch rows: a ticket, and how much of it is wanted.

use std::fmt;

use planner::Result;
use prost::Message;
use uuid::Uuid;

use super::{malformed, proto};
use crate::exchange::Portion;

/// 16 bytes that nobody can guess: who knows them may fetch the rows of one relation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub [u8; 16]);

/// A ticket in a log would let its reader have the rows.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

impl Ticket {
    pub fn random() -> Self {
        // Version 4: 122 bits from the operating system.
        Self(Uuid::new_v4().into_bytes())
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        Ok(Self(bytes.try_into().map_err(|_| malformed("a ticket"))?))
    }
}

/// What stands in the ticket of a `DoGet`: the 16 bytes alone for all rows as their producer packs them, with a message behind
/// them otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    pub ticket: Ticket,
    pub portion: Portion,
    pub compression: Option<proto::Compression>,
}

impl Order {
    pub fn bytes(&self) -> Vec<u8> {
        let Portion { from, part, parts } = self.portion;
        let more = proto::Order {
            from_chunk: from,
            part,
            parts: if parts == 1 { 0 } else { parts },
            compression: self.compression.map(Into::into),
        };
        let mut bytes = self.ticket.0.to_vec();
        bytes.extend(more.encode_to_vec());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (ticket, more) = bytes.split_at_checked(16).ok_or_else(|| malformed("a ticket"))?;
        let more = proto::Order::decode(more).map_err(|_| malformed("a ticket"))?;
        let portion = Portion::new(more.from_chunk, more.part, more.parts.max(1));
        Ok(Self {
            ticket: Ticket::read(ticket)?,
            portion: portion.ok_or_else(|| malformed("a ticket"))?,
            // One that this build does not know: the producer's then.
            compression: more.compression.and_then(|c| c.try_into().ok()),
        })
    }
}

/// What a held relation ends with. A stream without it has broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub chunks: u64,
    pub rows: u64,
}

impl Ending {
    pub fn bytes(&self) -> Vec<u8> {
        [self.chunks.to_be_bytes(), self.rows.to_be_bytes()].concat()
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        let numbers = bytes.split_first_chunk().and_then(|(chunks, rest)| Some((*chunks, rest.try_into().ok()?)));
        let (chunks, rows) = numbers.ok_or_else(|| malformed("the end of a relation"))?;
        Ok(Self { chunks: u64::from_be_bytes(chunks), rows: u64::from_be_bytes(rows) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let ticket = Ticket::random();
        let all = Order { ticket, portion: Portion::ALL, compression: None };
        assert_eq!(all.bytes(), ticket.0, "as builds before orders write it");
        let part =
            Order { portion: Portion::new(1 << 40, 2, 3).unwrap(), compression: Some(proto::Compression::None), ..all };
        for order in [all, part] {
            assert_eq!(Order::read(&order.bytes()).unwrap(), order);
        }
        assert!(Order::read(&ticket.0[..15]).is_err());
        let beyond = Order { portion: Portion { from: 0, part: 3, parts: 3 }, ..all };
        assert!(Order::read(&beyond.bytes()).is_err());
    }
}
