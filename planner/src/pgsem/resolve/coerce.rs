//! Which types may become which, and in what context (`find_coercion_pathway`, `can_coerce_type` of `parse_coerce.c`).

use super::super::builtin::{CastMethod, builtin};
use super::super::registry::CastContext;
use super::polymorphic;
use crate::pgtype::{PgType, oid};

/// How a value of one type becomes one of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CastPath {
    Same,
    /// The same value under another type.
    Relabel,
    Function,
    /// Through the text form.
    Io,
    /// Each element by itself.
    Array,
}

pub fn category(ty: u32) -> char {
    PgType::of(ty).info().category
}

pub fn is_preferred(ty: u32) -> bool {
    PgType::of(ty).info().preferred
}

pub fn is_polymorphic(ty: u32) -> bool {
    use oid::*;
    matches!(
        ty,
        ANYELEMENT | ANYARRAY | ANYNONARRAY | ANYENUM | ANYCOMPATIBLE | ANYCOMPATIBLEARRAY | ANYCOMPATIBLENONARRAY
    )
}

/// The way from one type to another that `context` allows, if any.
pub fn cast_path(from: u32, to: u32, context: CastContext) -> Option<CastPath> {
    if from == to {
        return Some(CastPath::Same);
    }
    if let Some((needs, method)) = builtin().casts.get(&(from, to)) {
        return (context >= *needs).then_some(match method {
            CastMethod::Function => CastPath::Function,
            CastMethod::Binary => CastPath::Relabel,
            CastMethod::Io => CastPath::Io,
        });
    }
    if let (Some(a), Some(b)) = (PgType::of(from).element(), PgType::of(to).element()) {
        return cast_path(a.oid, b.oid, context).map(|_| CastPath::Array);
    }
    let to_text = context >= CastContext::Assignment && category(to) == 'S';
    let from_text = context >= CastContext::Explicit && category(from) == 'S';
    (to_text || from_text).then_some(CastPath::Io)
}

/// Whether arguments of these types may be passed where those are declared.
pub fn can_coerce(from: &[u32], to: &[u32], context: CastContext) -> bool {
    let each = from.iter().zip(to).all(|(&from, &to)| {
        from == to
            || from == oid::UNKNOWN
            || to == oid::ANY
            || is_polymorphic(to)
            || cast_path(from, to, context).is_some()
    });
    each && polymorphic::consistent(to, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_those_of_pg_cast() {
        use CastContext::*;
        assert_eq!(cast_path(oid::INT4, oid::NUMERIC, Implicit), Some(CastPath::Function));
        assert_eq!(cast_path(oid::NUMERIC, oid::INT4, Implicit), None);
        assert_eq!(cast_path(oid::NUMERIC, oid::INT4, Assignment), Some(CastPath::Function));
        assert_eq!(cast_path(oid::VARCHAR, oid::TEXT, Implicit), Some(CastPath::Relabel));
        assert_eq!(cast_path(oid::INT4, oid::TEXT, Implicit), None);
        assert_eq!(cast_path(oid::INT4, oid::TEXT, Assignment), Some(CastPath::Io));
        assert_eq!(cast_path(oid::TEXT, oid::INT4, Assignment), None);
        assert_eq!(cast_path(oid::TEXT, oid::INT4, Explicit), Some(CastPath::Io));
        assert_eq!(cast_path(1007, 1016, Implicit), Some(CastPath::Array));
        assert_eq!(cast_path(oid::INT4, oid::DATE, Explicit), None);
    }
}
