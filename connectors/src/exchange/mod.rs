//! Relations on their way from those who make them to those who need them, in this process or elsewhere.
//!
//! *Piped*: one consumer, read while it is made, never stored. *Held*: kept until it is released, for several consumers, for one
//! that reads it again, and for one that lost its connection and goes on where it stopped. A held relation's contract:
//!
//! 1. Its producer's rows are cut into chunks 0..n of about [`MESSAGE_BYTES`](crate::wire::MESSAGE_BYTES). A chunk is never
//!    empty and never changes; where it is kept (memory, then a spill file) may change, and nobody sees that.
//! 2. It ends once: sealed with its number of chunks, failed with its producer's error, or released. A producer that vanishes has
//!    failed. Only what is sealed has an end for readers; everything else ends them with an error.
//! 3. A reader gets the chunks of its [`Portion`] in order, each once, also while later ones are still made. The chunks before it
//!    stay: as many readers as like may begin anywhere, at any time.
//! 4. The parts `0..n` of n streams have no chunk in common and every chunk together. A consumer counts chunks by their numbers
//!    ([`Ledger`]), so what it is sent twice it takes once, and it is done only when it has as many as were sealed.
//! 5. A producer never waits for readers, so it may be held where a pipe would deadlock.
//! 6. Release frees memory at once, and the file with the last reader of a chunk and the producer, who both hear of it.
//!
//! [`Exchange`] is where consumers find relations, by tickets.

mod chunk_file;
mod chunks;
mod held;
mod ledger;
#[cfg(test)]
mod tests;
mod tickets;

pub(crate) use chunks::{batch_bytes, compact, conform, split};
pub(crate) use held::producer_failed;
pub use held::{Amount, HeldRelation, Writer};
pub use ledger::{Ledger, Portion};
pub use tickets::{Claimed, Exchange, Offer, Rows};
