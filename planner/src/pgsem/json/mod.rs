//! `json` and `jsonb`. A `json` is carried as it was written, a `jsonb` as its canonical text.

mod access;
pub mod build;
mod contain;
mod document;
pub mod key;
mod lexer;
mod modify;
pub mod print;
mod scalar;
pub mod write;

pub use document::{Kind, Node, validate};
pub use print::canonical;

use super::registry::{CastDef, Signature};
use crate::pgtype::oid;

const TEXT: u32 = oid::TEXT;
const TEXTS: u32 = 1009;
const JSON: u32 = oid::JSON;
const JSONB: u32 = oid::JSONB;

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    let areas = [access::signatures(), build::signatures(), contain::signatures(), modify::signatures()];
    (areas.into_iter().flatten().collect(), scalar::casts())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("../testdata/json.tsv"));
    }
}
