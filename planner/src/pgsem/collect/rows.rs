//! The rows of all groups as they came: whole batches, and for each row its group.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, new_empty_array};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use datafusion_expr::EmitTo;

use crate::error::Result;

#[derive(Clone, Copy, Debug)]
struct Row {
    group: usize,
    batch: usize,
    at: usize,
}

#[derive(Debug)]
pub struct Rows {
    types: Vec<DataType>,
    batches: Vec<Vec<ArrayRef>>,
    rows: Vec<Row>,
}

impl Rows {
    pub fn new(types: Vec<DataType>) -> Self {
        Self { types, batches: Vec::new(), rows: Vec::new() }
    }

    /// Adds the rows of a batch that pass the filter.
    pub fn add(&mut self, args: &[ArrayRef], group_of: impl Fn(usize) -> usize, filter: Option<&BooleanArray>) {
        let batch = self.batches.len();
        let passes = |row: usize| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        let length = args.first().map_or(0, |a| a.len());
        let rows = (0..length).filter(|&row| passes(row));
        self.rows.extend(rows.map(|at| Row { group: group_of(at), batch, at }));
        self.batches.push(args.to_vec());
    }

    /// Adds partial states: lists of each argument's values.
    pub fn merge(&mut self, states: &[ArrayRef], group_of: impl Fn(usize) -> usize) {
        let lists: Vec<&ListArray> = states.iter().map(|s| s.as_list::<i32>()).collect();
        let Some(first) = lists.first() else { return };
        let batch = self.batches.len();
        for row in (0..first.len()).filter(|&row| first.is_valid(row)) {
            let group = group_of(row);
            self.rows.extend(crate::pgsem::io::span(first, row).map(|at| Row { group, batch, at }));
        }
        self.batches.push(lists.iter().map(|l| l.values().clone()).collect());
    }

    /// Takes the oldest rows away.
    pub fn retract(&mut self, count: usize) {
        self.rows.drain(..count.min(self.rows.len()));
        let unused = self.rows.first().map_or(self.batches.len(), |row| row.batch);
        self.batches.drain(..unused);
        self.rows.iter_mut().for_each(|row| row.batch -= unused);
    }

    /// The groups that are asked for, counted from 0; the others stay.
    pub fn emit(&mut self, emit: EmitTo, groups: &mut usize) -> Result<Taken> {
        let (taken, count) = match emit {
            EmitTo::All => (std::mem::take(&mut self.rows), std::mem::take(groups)),
            EmitTo::First(n) => {
                let (taken, mut kept): (Vec<Row>, Vec<Row>) = self.rows.iter().partition(|row| row.group < n);
                kept.iter_mut().for_each(|row| row.group -= n);
                self.rows = kept;
                *groups -= n;
                (taken, n)
            }
        };
        let result = self.taken(&taken, count)?;
        if self.rows.is_empty() {
            self.batches.clear();
        }
        Ok(result)
    }

    /// The rows of one group that there is, without taking them.
    pub fn peek(&self) -> Result<Taken> {
        self.taken(&self.rows, 1)
    }

    fn taken(&self, rows: &[Row], groups: usize) -> Result<Taken> {
        let picks: Vec<(usize, usize)> = rows.iter().map(|row| (row.batch, row.at)).collect();
        let column = |arg: usize| -> Result<ArrayRef> {
            if picks.is_empty() {
                return Ok(new_empty_array(&self.types[arg]));
            }
            let sources: Vec<&dyn Array> = self.batches.iter().map(|b| b[arg].as_ref()).collect();
            Ok(interleave(&sources, &picks)?)
        };
        Ok(Taken {
            columns: (0..self.types.len()).map(column).collect::<Result<_>>()?,
            group_of: rows.iter().map(|row| row.group).collect(),
            groups,
        })
    }

    pub fn size(&self) -> usize {
        let batches: usize = self.batches.iter().flatten().map(|a| a.get_array_memory_size()).sum();
        batches + self.rows.capacity() * size_of::<Row>()
    }
}

/// Rows of groups `0..groups`, in the order in which they came.
#[derive(Debug)]
pub struct Taken {
    pub columns: Vec<ArrayRef>,
    pub group_of: Vec<usize>,
    pub groups: usize,
}

impl Taken {
    /// Row numbers by group.
    pub fn by_group(&self, order: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new(); self.groups];
        for row in order {
            all[self.group_of[row]].push(row);
        }
        all
    }
}
