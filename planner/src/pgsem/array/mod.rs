//! Arrays: lists of one dimension whose first index is 1. Others are refused where they would come into being.

pub mod cast;
mod construct;
mod expand;
mod list;
mod measure;
mod quantified;
mod search;
mod series;
mod subscript;

pub use construct::array_construct;
pub use expand::{expand_array, field};
pub use list::{Assembler, element_of, list_of};
pub use quantified::{operator_of, quantified};
pub use subscript::{array_slice, array_subscript};

use super::registry::{CastDef, Signature};

pub fn signatures() -> (Vec<Signature>, Vec<CastDef>) {
    let areas = [construct::signatures(), measure::signatures(), search::signatures(), series::signatures()];
    (areas.into_iter().flatten().collect(), Vec::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_are_postgres() {
        crate::pgsem::answers::check(include_str!("../testdata/array.tsv"));
    }
}
