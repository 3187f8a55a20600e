//! What a `[[table]]` of the configuration becomes, once it is known what its sources hold.
//!
//! The placements of a table must agree on its columns; each keeps its own names and statistics of them. What contradicts the
//! configuration leaves the table out, with the reason, for a table that is only nearly right gives wrong answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use cost_model::SourceId;
use datafusion::logical_expr::Expr;
use planner::PgType;
use planner::bind::bind_predicate;
use planner::catalog::{
    Column, ColumnStats, Key, KeyKind, Part, Placement, SourceTable, Table as CatalogTable, TableKind,
};
use planner::pgtype::oid;
use planner::prune::contradict;

use super::names::Found;
use crate::config::{PlacementConfig, TableConfig};

/// Why there is no such table.
pub(super) enum Missing {
    /// A source has not said yet what it holds.
    Unknown(String),
    /// Configuration and sources contradict each other.
    Wrong(String),
}

impl Missing {
    pub fn reason(self) -> String {
        match self {
            Self::Unknown(why) | Self::Wrong(why) => why,
        }
    }
}

/// A placement that was found.
struct Located<'a> {
    config: &'a PlacementConfig,
    source: SourceId,
    table: &'a SourceTable,
}

impl Located<'_> {
    fn placement(&self) -> Placement {
        Placement {
            source: self.source.clone(),
            remote_schema: self.table.remote_schema.clone(),
            remote_name: self.table.remote_name.clone(),
            predicate: self.config.predicate.clone(),
            replica_group: self.config.part,
            part: None,
        }
    }
}

/// A table that is one table of one source.
pub(super) fn whole(schema: String, name: String, source: &SourceId, table: &SourceTable) -> CatalogTable {
    let placement = Placement {
        source: source.clone(),
        remote_schema: table.remote_schema.clone(),
        remote_name: table.remote_name.clone(),
        predicate: None,
        replica_group: 0,
        part: None,
    };
    CatalogTable {
        schema,
        name,
        kind: table.kind,
        columns: table.columns.clone(),
        keys: table.keys.clone(),
        placements: vec![placement],
        rows: table.rows,
        bytes: table.bytes,
        comment: table.comment.clone(),
        skipped: table.skipped.clone(),
        oid: 0,
        key_oids: Vec::new(),
    }
}

/// The configured table, without its OID.
pub(super) fn table(wanted: &TableConfig, found: &Found) -> Result<CatalogTable, Missing> {
    let located = locate(wanted, found)?;
    let (schema, name) = (wanted.schema.clone(), wanted.name.clone());
    match located.as_slice() {
        [only] if only.config.predicate.is_none() && wanted.placements.len() == 1 => {
            Ok(whole(schema, name, &only.source, only.table))
        }
        _ => in_parts(schema, name, &located).map_err(Missing::Wrong),
    }
}

/// The placements whose sources are known: of every part at least one.
fn locate<'a>(wanted: &'a TableConfig, found: &'a Found) -> Result<Vec<Located<'a>>, Missing> {
    let mut located = Vec::new();
    let mut unknown = Vec::new();
    for config in &wanted.placements {
        let source = SourceId::new(&config.source);
        let Some(schema) = found.schemas.get(&source) else {
            unknown.push(config);
            continue;
        };
        let (remote_schema, remote_name) = match config.remote.split_once('.') {
            Some((schema, name)) => (schema, name),
            None => (schema.default_schema.as_str(), config.remote.as_str()),
        };
        let is_it = |t: &&SourceTable| t.remote_schema == remote_schema && t.remote_name == remote_name;
        let Some(table) = schema.tables.iter().find(is_it) else {
            return Err(Missing::Wrong(format!("source \"{source}\" has no table \"{}\"", config.remote)));
        };
        located.push(Located { config, source, table });
    }
    match unknown.iter().find(|u| located.iter().all(|l| l.config.part != u.part)) {
        Some(config) => {
            let id = SourceId::new(&config.source);
            let why = found.unavailable.get(&id).map_or("it has not said what it holds".to_string(), Clone::clone);
            Err(Missing::Unknown(format!("source \"{id}\" is not available: {why}")))
        }
        None => Ok(located),
    }
}

fn in_parts(schema: String, name: String, located: &[Located<'_>]) -> Result<CatalogTable, String> {
    let first = located.first().ok_or("it has no placement")?;
    let columns = common_columns(located)?;
    let groups: BTreeSet<u32> = located.iter().map(|l| l.config.part).collect();
    let of_group = |group: u32| located.iter().filter(move |l| l.config.part == group);
    // Of replicas the first that says so.
    let sum = |number: fn(&SourceTable) -> Option<f64>| {
        groups.iter().map(|group| of_group(*group).find_map(|l| number(l.table))).sum::<Option<f64>>()
    };
    let skipped = first.table.skipped.iter().filter(|(c, _)| located.iter().all(|l| skips(l.table, c)));
    let mut table = CatalogTable {
        schema,
        name,
        kind: first.table.kind,
        columns,
        keys: Vec::new(),
        placements: located.iter().map(Located::placement).collect(),
        rows: sum(|t| t.rows),
        bytes: sum(|t| t.bytes),
        comment: located.iter().find_map(|l| l.table.comment.clone()),
        skipped: skipped.cloned().collect(),
        oid: 0,
        key_oids: Vec::new(),
    };
    if located.iter().any(|l| l.table.kind == TableKind::View) {
        table.kind = TableKind::View;
    }
    let as_columns = Arc::new(table.clone());
    let mut keys_of_groups = Vec::new();
    for group in &groups {
        let Some(one) = of_group(*group).next() else { continue };
        let bind = |text: &String| bind_predicate(text, &as_columns).map_err(|e| format!("where = \"{text}\": {e}"));
        let holds = one.config.predicate.as_ref().map(bind).transpose()?;
        let keys = common_keys(of_group(*group).map(|l| l.table.keys.as_slice()));
        for (located, placement) in located.iter().zip(&mut table.placements) {
            if located.config.part == *group {
                let part = part_table(&as_columns, located.table, keys.clone())?;
                placement.part = Some(Arc::new(Part { table: Arc::new(part), holds: holds.clone() }));
            }
        }
        keys_of_groups.push((keys, holds));
    }
    let keys = common_keys(keys_of_groups.iter().map(|(keys, _)| keys.as_slice()));
    let apart = |a: usize, b: usize, key: &Key| {
        let holds = |i: usize| keys_of_groups[i].1.as_ref().filter(|e| tells_apart(e, key, &table.columns));
        holds(a).zip(holds(b)).is_some_and(|(a, b)| contradict(a, b))
    };
    let n = keys_of_groups.len();
    let unique = |key: &Key| (0..n).all(|a| (a + 1..n).all(|b| apart(a, b, key)));
    table.keys = keys.into_iter().filter(unique).collect();
    Ok(table)
}

fn skips(table: &SourceTable, column: &str) -> bool {
    table.skipped.iter().any(|(name, _)| name == column)
}

/// Rows of two parts with predicates that contradict each other differ in this key: the predicates are about nothing else, and
/// values of the key's types that are equal are the same in every respect.
fn tells_apart(holds: &Expr, key: &Key, columns: &[Column]) -> bool {
    let exact = |ty: PgType| {
        ty.is_integer()
            || matches!(
                ty.oid,
                oid::TEXT | oid::VARCHAR | oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::UUID | oid::BOOL
            )
    };
    let in_key =
        |name: &str| key.columns.iter().any(|c| c == name) && columns.iter().any(|c| c.name == name && exact(c.ty));
    holds.column_refs().iter().all(|column| in_key(&column.name))
}

/// Keys that all have, whatever they call them.
fn common_keys<'k>(mut all: impl Iterator<Item = &'k [Key]>) -> Vec<Key> {
    let Some(first) = all.next() else { return Vec::new() };
    let mut keys = first.to_vec();
    for others in all {
        keys.retain_mut(|key| {
            let columns: BTreeSet<&String> = key.columns.iter().collect();
            let same = |other: &&Key| other.columns.iter().collect::<BTreeSet<_>>() == columns;
            let Some(other) = others.iter().find(same) else { return false };
            if other.kind == KeyKind::Unique {
                key.kind = KeyKind::Unique;
            }
            true
        });
    }
    keys
}

/// The columns of the first placement, with types that suit all.
fn common_columns(located: &[Located<'_>]) -> Result<Vec<Column>, String> {
    let (first, others) = located.split_first().ok_or("it has no placement")?;
    let mut columns = first.table.columns.clone();
    let mut differences = Vec::new();
    for other in others {
        let known = |columns: &[Column], name: &str| columns.iter().any(|c| c.name == name);
        let only = |here: &Located<'_>, there: &Located<'_>| -> Vec<String> {
            let missing = here.table.columns.iter().filter(|c| !known(&there.table.columns, &c.name));
            let left_out = |name: &str| match there.table.skipped.iter().find(|(skipped, _)| skipped == name) {
                Some((_, why)) => format!(" (left out there: {why})"),
                None => String::new(),
            };
            missing
                .map(|c| {
                    let (here, there) = (&here.source, &there.source);
                    format!("\"{}\" is at \"{here}\" but not at \"{there}\"{}", c.name, left_out(&c.name))
                })
                .collect()
        };
        differences.extend(only(first, other).into_iter().chain(only(other, first)));
        for column in &mut columns {
            let Some(theirs) = other.table.columns.iter().find(|c| c.name == column.name) else { continue };
            match common_type(column.ty, theirs.ty) {
                Some(ty) => column.ty = ty,
                None => differences.push(format!(
                    "\"{}\" is {} at \"{}\" but {} at \"{}\"",
                    column.name, column.ty, first.source, theirs.ty, other.source
                )),
            }
            column.nullable |= theirs.nullable;
            column.opaque |= theirs.opaque;
            column.always_null |= theirs.always_null;
        }
    }
    if !differences.is_empty() {
        return Err(format!("the columns of its placements differ: {}", differences.join("; ")));
    }
    columns.iter_mut().filter(|_| located.len() > 1).for_each(|c| c.stats = ColumnStats::default());
    Ok(columns)
}

/// Values of both types are values of this one, without any conversion.
fn common_type(a: PgType, b: PgType) -> Option<PgType> {
    let text = |t: PgType| matches!(t.oid, oid::TEXT | oid::VARCHAR);
    if a == b {
        return Some(a);
    }
    let ty = match a.oid == b.oid {
        true => a.without_typmod(),
        false if text(a) && text(b) => PgType::TEXT,
        false => return None,
    };
    // Without its length, char(n) does not say how many blanks a value ends in.
    (ty.oid != oid::BPCHAR && ty.repr() == a.repr() && ty.repr() == b.repr()).then_some(ty)
}

/// The table as one of its placements has it.
fn part_table(table: &CatalogTable, here: &SourceTable, keys: Vec<Key>) -> Result<CatalogTable, String> {
    let column = |wanted: &Column| {
        let theirs = here.columns.iter().find(|c| c.name == wanted.name);
        theirs.map(|theirs| Column { ty: wanted.ty, ..theirs.clone() }).ok_or("a column is missing")
    };
    Ok(CatalogTable {
        columns: table.columns.iter().map(column).collect::<Result<_, _>>()?,
        keys,
        placements: Vec::new(),
        rows: here.rows,
        bytes: here.bytes,
        ..table.clone()
    })
}
