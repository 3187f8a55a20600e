//! What an aggregate remembers of its rows, and how that travels between partial and final aggregation.

use std::fmt::Debug;

use arrow::array::ArrayRef;

use super::udaf::Instance;
use crate::error::{Error, Result};
use crate::pgsem::kernel::Value;
use crate::pgsem::numeric::int::Int;

/// The memory of one group. Rows with a NULL argument never get here: all our aggregates are strict.
pub trait State: Default + Debug + Send + Sync + 'static {
    /// The arguments of a batch.
    type Input<'a>;

    /// Memory that each row adds, roughly.
    const BYTES_PER_ROW: usize = 0;

    fn open<'a>(args: &'a [ArrayRef], instance: &Instance) -> Result<Self::Input<'a>>;
    fn update(&mut self, input: &Self::Input<'_>, row: usize) -> Result<()>;
    fn write(&self, out: &mut Vec<u8>);
    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()>;
}

/// An aggregate: a memory and what comes of it.
pub trait Aggregate: Debug + Send + Sync + 'static {
    type State: State;

    /// One result per state.
    fn finish(states: &[Self::State], instance: &Instance) -> Result<ArrayRef>;
}

/// Builds the results one by one.
pub fn build<S, R: Value>(
    states: &[S],
    instance: &Instance,
    f: impl Fn(&S) -> Result<Option<R::Owned>>,
) -> Result<ArrayRef> {
    let mut builder = R::builder(states.len(), &instance.repr);
    for state in states {
        R::append(&mut builder, f(state)?)?;
    }
    Ok(R::finish(builder))
}

pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_i64(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

pub fn put_int(out: &mut Vec<u8>, value: &Int) {
    match value {
        Int::Small(v) => put_bytes(out, &v.to_le_bytes()),
        Int::Big(v) => put_bytes(out, &v.to_signed_bytes_le()),
    }
}

/// Reads what the `put` functions wrote.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) =
            self.0.split_at_checked(n).ok_or_else(|| Error::internal("an aggregate's state is damaged"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Error::internal("an aggregate's state is damaged"))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.i64()?).map_err(|_| Error::internal("an aggregate's state is damaged"))?;
        self.take(length)
    }

    pub fn int(&mut self) -> Result<Int> {
        Ok(Int::from_big(num_bigint::BigInt::from_signed_bytes_le(self.bytes()?)))
    }
}
