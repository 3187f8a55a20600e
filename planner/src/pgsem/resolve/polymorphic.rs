//! `anyelement`, `anyarray`, `anycompatible` and their relatives (`check_generic_type_consistency`,
//! `enforce_generic_type_consistency` of `parse_coerce.c`).

use super::super::registry::CastContext;
use super::coerce::{can_coerce, is_polymorphic};
use super::common::common_type;
use crate::error::{Error, Result, state};
use crate::pgtype::{PgType, oid};

/// What the polymorphic names of one call stand for; 0 while undecided.
#[derive(Default)]
struct Binding {
    element: u32,
    array: u32,
    common: u32,
}

fn is_element(ty: u32) -> bool {
    matches!(ty, oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYENUM)
}

fn is_compatible(ty: u32) -> bool {
    matches!(ty, oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY)
}

fn element_of(ty: u32) -> Option<u32> {
    PgType::of(ty).element().map(|e| e.oid)
}

fn array_of(ty: u32) -> Option<u32> {
    PgType::of(ty).array_of().map(|a| a.oid)
}

/// `None`: the arguments contradict each other.
fn bind(declared: &[u32], actual: &[u32]) -> Option<Binding> {
    let mut b = Binding::default();
    let (mut nonarray, mut compatible, mut wants_common) = (false, Vec::new(), false);
    for (&d, &a) in declared.iter().zip(actual) {
        wants_common |= is_compatible(d) || d == oid::ANYCOMPATIBLEARRAY;
        if d == oid::ANYENUM {
            return None;
        }
        if a == oid::UNKNOWN {
            continue;
        }
        if is_element(d) {
            if b.element != 0 && b.element != a {
                return None;
            }
            b.element = a;
            nonarray |= d == oid::ANYNONARRAY;
        } else if d == oid::ANYARRAY {
            if b.array != 0 && b.array != a {
                return None;
            }
            b.array = a;
        } else if is_compatible(d) {
            if d == oid::ANYCOMPATIBLENONARRAY && element_of(a).is_some() {
                return None;
            }
            compatible.push(a);
        } else if d == oid::ANYCOMPATIBLEARRAY {
            compatible.push(element_of(a)?);
        }
    }
    if b.array != 0 {
        let element = element_of(b.array)?;
        if b.element != 0 && b.element != element {
            return None;
        }
        b.element = element;
    } else if b.element != 0 {
        b.array = array_of(b.element).unwrap_or(0);
    }
    if nonarray && element_of(b.element).is_some() {
        return None;
    }
    if wants_common {
        b.common = common_type(&compatible).ok()?;
        if !compatible.iter().all(|&t| can_coerce(&[t], &[b.common], CastContext::Implicit)) {
            return None;
        }
    }
    Some(b)
}

/// Whether arguments of these types fit the polymorphic ones among the declared.
pub fn consistent(declared: &[u32], actual: &[u32]) -> bool {
    !declared.iter().any(|&d| is_polymorphic(d)) || bind(declared, actual).is_some()
}

/// The argument types and result type of one call, without polymorphic names. `"any"` takes what it gets.
pub fn decide(declared: &[u32], actual: &[u32], ret: u32) -> Result<(Vec<u32>, u32)> {
    if !is_polymorphic(ret) && !declared.iter().any(|&d| is_polymorphic(d)) {
        return Ok((declared.to_vec(), ret));
    }
    let b = bind(declared, actual).ok_or_else(|| {
        Error::new(state::DATATYPE_MISMATCH, "arguments declared of polymorphic types are not all alike")
    })?;
    let undecided =
        || Error::new(state::DATATYPE_MISMATCH, "could not determine polymorphic type because input has type unknown");
    let no_array = |ty: u32| {
        let name = PgType::of(ty).sql_name();
        Error::new(state::UNDEFINED_OBJECT, format!("could not find array type for data type {name}"))
    };
    let one = |d: u32| -> Result<u32> {
        match d {
            oid::ANYARRAY if b.array != 0 => Ok(b.array),
            oid::ANYARRAY if b.element != 0 => Err(no_array(b.element)),
            oid::ANYCOMPATIBLEARRAY => array_of(b.common).ok_or_else(|| no_array(b.common)),
            d if is_compatible(d) => Ok(b.common),
            d if is_element(d) && b.element != 0 => Ok(b.element),
            d if is_polymorphic(d) => Err(undecided()),
            d => Ok(d),
        }
    };
    let args = declared.iter().map(|&d| one(d)).collect::<Result<_>>()?;
    Ok((args, one(ret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT4_ARRAY: u32 = 1007;
    const NUMERIC_ARRAY: u32 = 1231;

    #[test]
    fn elements_and_arrays_agree() {
        let declared = [oid::ANYARRAY, oid::ANYELEMENT];
        assert!(consistent(&declared, &[INT4_ARRAY, oid::INT4]));
        assert!(!consistent(&declared, &[INT4_ARRAY, oid::INT8]));
        assert!(!consistent(&declared, &[oid::INT4, oid::INT4]));
        let (args, ret) = decide(&declared, &[INT4_ARRAY, oid::UNKNOWN], oid::ANYELEMENT).unwrap();
        assert_eq!((args, ret), (vec![INT4_ARRAY, oid::INT4], oid::INT4));
    }

    #[test]
    fn compatible_arguments_meet_in_one_type() {
        let declared = [oid::ANYCOMPATIBLEARRAY, oid::ANYCOMPATIBLE];
        let (args, ret) = decide(&declared, &[INT4_ARRAY, oid::NUMERIC], oid::ANYCOMPATIBLEARRAY).unwrap();
        assert_eq!((args, ret), (vec![NUMERIC_ARRAY, oid::NUMERIC], NUMERIC_ARRAY));
        assert!(!consistent(&declared, &[INT4_ARRAY, oid::TEXT]));
    }

    #[test]
    fn an_unknown_literal_alone_decides_nothing() {
        let e = decide(&[oid::ANYELEMENT], &[oid::UNKNOWN], oid::ANYARRAY).unwrap_err();
        assert_eq!(e.sqlstate(), state::DATATYPE_MISMATCH);
    }
}
