//! Functions that answer from the catalog: names, definitions, comments and sizes of objects by their OIDs.
//!
//! Kernels see values only, so what such a function may be asked is taken from the snapshot when it is bound. Plans are kept
//! per catalog version, and so is this.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use super::func::{FuncDef, SqlForm};
use super::kernel::{Bool, Call, I32, I64, Text, Value};
use crate::error::{Error, Result};

/// Text by OID and subordinate number (0: the object itself).
#[derive(Debug)]
pub struct Lookup {
    name: String,
    answers: HashMap<(i64, i32), String>,
    missing: fn(i64) -> Option<String>,
}

impl Lookup {
    /// `name` tells it apart from every other one of that catalog version.
    pub fn new(name: &str, catalog_version: u64, answers: impl IntoIterator<Item = ((u32, i32), String)>) -> Self {
        let answers = answers.into_iter().map(|((oid, sub), text)| ((i64::from(oid), sub), text)).collect();
        Self { name: format!("{name} {catalog_version}"), answers, missing: |_| None }
    }

    /// What is said of an OID that nothing has.
    #[must_use]
    pub fn or(self, missing: fn(i64) -> Option<String>) -> Self {
        Self { missing, ..self }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, oid: i64, sub: i32) -> Option<String> {
        self.answers.get(&(oid, sub)).cloned().or_else(|| (self.missing)(oid))
    }
}

/// `function(oid)` or `function(oid, subordinate)`.
pub static TEXT_OF: FuncDef =
    FuncDef::new("catalog_text", SqlForm::Local, |call| each::<Text>(call, |text| Some(text.to_string())));
pub static NUMBER_OF: FuncDef =
    FuncDef::new("catalog_number", SqlForm::Local, |call| each::<I64>(call, |t| t.parse().ok()));
pub static TRUTH_OF: FuncDef =
    FuncDef::new("catalog_truth", SqlForm::Local, |call| each::<Bool>(call, |t| Some(t == "t")));

fn each<R: Value>(call: &Call<'_>, read: fn(&str) -> Option<R::Owned>) -> Result<ArrayRef> {
    let Some(lookup) = &call.func.lookup else { return Err(Error::internal("a catalog function without a catalog")) };
    let objects = call.column::<I64>(0)?;
    let parts = if call.args.len() > 1 { Some(call.column::<I32>(1)?) } else { None };
    call.build::<R>(|row| {
        let Some(oid) = call.get::<I64>(&objects, 0, row) else { return Ok(None) };
        let sub = match &parts {
            Some(parts) => match call.get::<I32>(parts, 1, row) {
                Some(sub) => sub,
                None => return Ok(None),
            },
            None => 0,
        };
        Ok(lookup.get(oid, sub).as_deref().and_then(read))
    })
}
