//! `[[table]]`, checked: where a table's rows are, and which placements hold the same ones.

use super::model::{Table, TablePlacement};

#[derive(Clone, Debug)]
pub struct TableConfig {
    pub schema: String,
    pub name: String,
    /// At least one.
    pub placements: Vec<PlacementConfig>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlacementConfig {
    pub source: String,
    /// With the schema, if it is not the source's default.
    pub remote: String,
    /// What is true for every row there.
    pub predicate: Option<String>,
    /// Placements with the same number hold the same rows.
    pub part: u32,
}

/// A table's placements, or what is wrong with them.
pub(super) fn table_placements(table: &Table) -> Result<Vec<PlacementConfig>, String> {
    let placements = match (&table.source, &table.remote, &table.placement) {
        (Some(source), Some(remote), None) => {
            let (source, remote) = (source.clone(), remote.clone());
            return Ok(vec![PlacementConfig { source, remote, predicate: None, part: 0 }]);
        }
        (None, None, Some(placements)) if !placements.is_empty() => placements,
        (_, _, Some(_)) => return Err("give either \"source\" and \"remote\" or [[table.placement]]".to_string()),
        (Some(_), None, None) => return Err("\"source\" needs \"remote\": the table's name there".to_string()),
        (None, Some(_), None) => return Err("\"remote\" needs \"source\": who holds the table".to_string()),
        (None, None, None) => {
            return Err("where its rows are is missing: \"source\" and \"remote\", or [[table.placement]]".to_string());
        }
    };
    let mut out: Vec<PlacementConfig> = Vec::new();
    for (i, placement) in placements.iter().enumerate() {
        let TablePlacement { source, remote, r#where, part } = placement;
        let (number, same_rows) = (i + 1, |other: &TablePlacement| rows(other) == rows(placement));
        if r#where.as_ref().is_some_and(|w| w.trim().is_empty()) || part.as_ref().is_some_and(String::is_empty) {
            return Err(format!("placement {number}: \"where\" and \"part\" must not be empty"));
        }
        if rows(placement) == Rows::All
            && let Some(other) = placements.iter().position(|other| rows(other) != Rows::All)
        {
            return Err(format!(
                "placement {number} has neither \"where\" nor \"part\", so it holds all rows, but placement {} holds some \
                 of them only",
                other + 1
            ));
        }
        if placements[..i].iter().any(|other| other.source == *source && other.remote == *remote) {
            return Err(format!("placement {number}: \"{remote}\" of source \"{source}\" is there already"));
        }
        let first = placements.iter().position(same_rows).unwrap_or(i);
        if predicate(&placements[first]) != predicate(placement) {
            return Err(format!(
                "placements {} and {number} are the same part, but their \"where\" differs",
                first + 1
            ));
        }
        let parts = out.iter().map(|p| p.part + 1).max().unwrap_or(0);
        let part = out.get(first).map_or(parts, |p| p.part);
        out.push(PlacementConfig {
            source: source.clone(),
            remote: remote.clone(),
            predicate: predicate(placement),
            part,
        });
    }
    Ok(out)
}

/// What a placement says of the rows it holds.
#[derive(PartialEq)]
enum Rows<'a> {
    All,
    Part(&'a str),
    Where(&'a str),
}

fn predicate(placement: &TablePlacement) -> Option<String> {
    placement.r#where.as_ref().map(|text| text.trim().to_string())
}

fn rows(placement: &TablePlacement) -> Rows<'_> {
    match (&placement.part, &placement.r#where) {
        (Some(part), _) => Rows::Part(part),
        (None, Some(predicate)) => Rows::Where(predicate.trim()),
        (None, None) => Rows::All,
    }
}
