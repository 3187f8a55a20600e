//! One type for several expressions: UNION, CASE, VALUES, ARRAY, COALESCE, IN (`select_common_type` of `parse_coerce.c`).

use super::super::registry::CastContext;
use super::coerce::{can_coerce, category, is_preferred};
use crate::pgtype::oid;

/// Why there is none: the types that do not fit, and which of the expressions has the second one.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub types: (u32, u32),
    pub index: usize,
}

/// The type that all of `types` become; text if all are unknown.
pub fn common_type(types: &[u32]) -> Result<u32, Mismatch> {
    let Some((&first, rest)) = types.split_first() else { return Ok(oid::TEXT) };
    if first != oid::UNKNOWN && rest.iter().all(|&t| t == first) {
        return Ok(first);
    }
    let mut best = first;
    for (i, &next) in rest.iter().enumerate() {
        if next == oid::UNKNOWN || next == best {
            continue;
        }
        if best == oid::UNKNOWN {
            best = next;
        } else if category(next) != category(best) {
            return Err(Mismatch { types: (best, next), index: i + 1 });
        } else if !is_preferred(best)
            && can_coerce(&[best], &[next], CastContext::Implicit)
            && !can_coerce(&[next], &[best], CastContext::Implicit)
        {
            best = next;
        }
    }
    Ok(if best == oid::UNKNOWN { oid::TEXT } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wider_type_of_a_category_wins() {
        assert_eq!(common_type(&[oid::INT4, oid::NUMERIC]), Ok(oid::NUMERIC));
        assert_eq!(common_type(&[oid::INT8, oid::INT2, oid::UNKNOWN]), Ok(oid::INT8));
        assert_eq!(common_type(&[oid::FLOAT4, oid::NUMERIC]), Ok(oid::FLOAT4));
        assert_eq!(common_type(&[oid::UNKNOWN, oid::UNKNOWN]), Ok(oid::TEXT));
        assert_eq!(common_type(&[oid::UNKNOWN, oid::DATE, oid::TIMESTAMPTZ]), Ok(oid::TIMESTAMPTZ));
        assert_eq!(common_type(&[oid::VARCHAR, oid::BPCHAR]), Ok(oid::VARCHAR));
        assert_eq!(common_type(&[oid::INT4, oid::TEXT]), Err(Mismatch { types: (oid::INT4, oid::TEXT), index: 1 }));
    }
}
