//! The values of one relation's column, which filter the rows of another.
//!
//! Few of them are a list, which an engine takes as a condition of its statement and may use an index for. Many are a
//! [`Bloom`] filter, by which the site of the filtered relation drops rows before they move. The answer is the same without either,
//! so whatever goes wrong with keys is no error: the rows just stay.

mod bloom;
mod collect;
mod message;

use datafusion::common::ScalarValue;
use planner::emit::KeyValues;

pub(crate) use bloom::Bloom;
pub(crate) use collect::{collect, listed};
pub(crate) use message::{batch, read, schema};

/// What is known of the values.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// Each once, none NULL: integers as `Int64`, dates as `Date32`, texts as `Utf8View`.
    Listed(Vec<ScalarValue>),
    Bloom(Bloom),
    TooMany,
}

/// In the counts of a measurement: there were too many to list.
pub(crate) const NOT_LISTED: u64 = u64::MAX;

impl Keys {
    pub fn values(&self) -> KeyValues {
        match self {
            Self::Listed(values) => KeyValues::Listed(values.clone()),
            Self::Bloom(_) | Self::TooMany => KeyValues::Unlisted,
        }
    }

    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Listed(values) => Some(values.len()),
            Self::Bloom(_) | Self::TooMany => None,
        }
    }
}
