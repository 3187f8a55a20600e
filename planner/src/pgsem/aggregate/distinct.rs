//! DISTINCT inside an aggregate: each different row once, in ascending order, as PostgreSQL feeds them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::marker::PhantomData;

use arrow::array::ArrayRef;

use super::payload;
use super::state::{Aggregate, Reader, State, put_bytes, put_i64};
use super::udaf::Instance;
use crate::error::Result;
use crate::pgsem::array_key::ElementKeys;

/// The same aggregate over distinct rows.
#[derive(Debug)]
pub struct Distinct<A>(PhantomData<A>);

/// One row's arguments as bytes.
pub type Row = Vec<Vec<u8>>;

/// The first row of each set of equal ones, by comparison key.
#[derive(Debug, Default)]
pub struct DistinctRows {
    rows: BTreeMap<Vec<u8>, Row>,
}

/// Runs an aggregate's state over rows that were kept as bytes.
pub fn replay<A: Aggregate>(rows: &[&Row], instance: &Instance) -> Result<A::State> {
    let mut state = A::State::default();
    let columns: Vec<ArrayRef> = instance
        .arg_reprs
        .iter()
        .enumerate()
        .map(|(i, repr)| payload::decode(&rows.iter().map(|r| Some(r[i].as_slice())).collect::<Vec<_>>(), repr))
        .collect::<Result<_>>()?;
    let input = A::State::open(&columns, instance)?;
    for row in 0..rows.len() {
        state.update(&input, row)?;
    }
    Ok(state)
}

impl State for DistinctRows {
    type Input<'a> = (Vec<ElementKeys>, &'a [ArrayRef]);

    const BYTES_PER_ROW: usize = 96;

    fn open<'a>(args: &'a [ArrayRef], instance: &Instance) -> Result<Self::Input<'a>> {
        let keys = instance.arg_types.iter().zip(args).map(|(ty, array)| ElementKeys::new(*ty, array));
        Ok((keys.collect::<Result<_>>()?, args))
    }

    fn update(&mut self, (keys, args): &Self::Input<'_>, row: usize) -> Result<()> {
        let key: Vec<u8> = keys.iter().flat_map(|k| k.of(row)).copied().collect();
        if let Entry::Vacant(entry) = self.rows.entry(key) {
            let values = args.iter().map(|a| payload::encode(a, row)).collect::<Result<_>>()?;
            entry.insert(values);
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (key, row) in &self.rows {
            put_bytes(out, key);
            put_i64(out, row.len() as i64);
            row.iter().for_each(|value| put_bytes(out, value));
        }
    }

    fn merge(&mut self, other: &mut Reader<'_>) -> Result<()> {
        while !other.is_empty() {
            let key = other.bytes()?.to_vec();
            let row = (0..other.i64()?).map(|_| other.bytes().map(<[u8]>::to_vec)).collect::<Result<_>>()?;
            self.rows.entry(key).or_insert(row);
        }
        Ok(())
    }
}

impl<A: Aggregate> Aggregate for Distinct<A> {
    type State = DistinctRows;

    fn finish(states: &[DistinctRows], instance: &Instance) -> Result<ArrayRef> {
        let inner = states.iter().map(|s| replay::<A>(&s.rows.values().collect::<Vec<_>>(), instance));
        A::finish(&inner.collect::<Result<Vec<_>>>()?, instance)
    }
}
