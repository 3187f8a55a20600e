//! Which of our types stands for which of PostgreSQL's: the table in the [module's documentation](super).

use std::collections::HashMap;

use planner::PgType;
use planner::pgtype::{oid, type_info};
use postgres_types::{Kind, Type};

use crate::engine::UnsupportedTypes;

/// What `pg_type` says of a type.
#[derive(Clone, Copy, Debug)]
pub struct RemoteType {
    /// `typtype`: b base, d domain, e enum, …
    pub kind: char,
    pub base: u32,
    pub base_typmod: i32,
    pub element: u32,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapped {
    /// Read as it is.
    As(PgType),
    /// Read through a cast.
    Cast(PgType),
    Null,
    Skipped,
}

/// Types whose binary form the decoder knows.
fn is_known(ty: u32) -> bool {
    matches!(
        ty,
        oid::BOOL
            | oid::BYTEA
            | oid::CHAR
            | oid::NAME
            | oid::INT8
            | oid::INT2
            | oid::INT4
            | oid::TEXT
            | oid::OID
            | oid::JSON
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::INET
            | oid::BPCHAR
            | oid::VARCHAR
            | oid::DATE
            | oid::TIME
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::NUMERIC
            | oid::UUID
            | oid::JSONB
    )
}

fn known(ty: PgType) -> Option<PgType> {
    let element = type_info(ty.oid).map_or(0, |info| info.element);
    is_known(if element == 0 { ty.oid } else { element }).then_some(ty)
}

/// By the server's own table of types.
pub fn map(ty: PgType, types: &HashMap<u32, RemoteType>, policy: UnsupportedTypes) -> Mapped {
    let resolved = resolve(ty, types);
    match resolved {
        Some(mapped) => mapped,
        None => match policy {
            UnsupportedTypes::Text => Mapped::Cast(PgType::TEXT),
            UnsupportedTypes::Null => Mapped::Null,
            UnsupportedTypes::Error => Mapped::Skipped,
        },
    }
}

fn resolve(ty: PgType, types: &HashMap<u32, RemoteType>) -> Option<Mapped> {
    if let Some(ty) = known(ty) {
        return Some(Mapped::As(ty));
    }
    let remote = types.get(&ty.oid)?;
    match remote.kind {
        // A domain's own modifier does not exist; its base's does. Its values are sent as the base type's.
        'd' => resolve(PgType { oid: remote.base, typmod: remote.base_typmod }, types),
        'e' => Some(Mapped::Cast(PgType::TEXT)),
        'b' if remote.element != 0 => match resolve(PgType { oid: remote.element, typmod: ty.typmod }, types)? {
            Mapped::As(element) | Mapped::Cast(element) => element.array_of().map(Mapped::Cast),
            Mapped::Null | Mapped::Skipped => None,
        },
        _ => None,
    }
}

/// Of a pass-through statement's result column, by what the driver knows of its type.
pub fn result_type(ty: &Type, typmod: i32, policy: UnsupportedTypes) -> Option<PgType> {
    let direct = known(PgType { oid: ty.oid(), typmod });
    direct
        .or_else(|| match ty.kind() {
            Kind::Enum(_) => Some(PgType::TEXT),
            Kind::Domain(base) => result_type(base, typmod, policy),
            Kind::Array(element) => result_type(element, typmod, UnsupportedTypes::Error)?.array_of(),
            _ => None,
        })
        .or(match policy {
            UnsupportedTypes::Text | UnsupportedTypes::Null => Some(PgType::TEXT),
            UnsupportedTypes::Error => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_resolve_through_domains_arrays_and_enums() {
        let (positive, mood, moods, price, prices, money, point_array) = (9001, 9002, 9003, 9004, 9005, 790, 1017);
        let remote = |kind, base, base_typmod, element| RemoteType { kind, base, base_typmod, element };
        let numeric = PgType::numeric(10, 2);
        let types = HashMap::from([
            (positive, remote('d', oid::INT4, -1, 0)),
            (mood, remote('e', 0, -1, 0)),
            (moods, remote('b', 0, -1, mood)),
            (price, remote('d', oid::NUMERIC, numeric.typmod, 0)),
            (prices, remote('b', 0, -1, price)),
            (money, remote('b', 0, -1, 0)),
            (point_array, remote('b', 0, -1, 600)),
        ]);
        let map = |oid| map(PgType::of(oid), &types, UnsupportedTypes::Error);
        assert_eq!(map(positive), Mapped::As(PgType::INT4));
        assert_eq!(map(mood), Mapped::Cast(PgType::TEXT));
        assert_eq!(map(moods), Mapped::Cast(PgType::TEXT.array_of().unwrap()));
        assert_eq!(map(price), Mapped::As(numeric));
        assert_eq!(map(prices), Mapped::Cast(numeric.array_of().unwrap()));
        assert_eq!(map(oid::TIMETZ), Mapped::Skipped);
        assert_eq!(map(money), Mapped::Skipped);
        assert_eq!(map(point_array), Mapped::Skipped);
        assert_eq!(super::map(PgType::of(money), &types, UnsupportedTypes::Text), Mapped::Cast(PgType::TEXT));
        assert_eq!(super::map(PgType::of(money), &types, UnsupportedTypes::Null), Mapped::Null);
    }
}
