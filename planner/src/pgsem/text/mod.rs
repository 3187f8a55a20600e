//! Text: functions and operators over `text` as PostgreSQL with collation C and UTF-8 has them. `varchar` and `name` arrive
//! here as text; `char(n)` too, without its blanks, except where [`pad`] puts them back.

mod concat;
mod digest;
mod edit;
mod format;
mod like;
pub mod measure;
pub mod pad;
pub mod quote;
pub mod slice;

use super::registry::{CastDef, Signature};
use crate::error::SqlState;
use crate::pgtype::oid;

const TEXT: u32 = oid::TEXT;

/// `ERRCODE_SUBSTRING_ERROR`
pub const SUBSTRING_ERROR: SqlState = SqlState::new("22011");

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    let areas = [
        concat::signatures(),
        digest::signatures(),
        edit::signatures(),
        format::signatures(),
        like::signatures(),
        measure::signatures(),
        quote::signatures(),
        slice::signatures(),
    ];
    (areas.into_iter().flatten().collect(), Vec::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("../testdata/text.tsv"));
    }
}
