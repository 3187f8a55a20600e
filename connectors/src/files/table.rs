//! A table: a file, or a folder of files of one kind.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use planner::catalog::{Column, ColumnStats, SourceTable, TableKind};
use planner::error::state;
use planner::{Error, PgType, Result};

use super::config::FilesConfig;
use super::convert::{Convert, Step};
use super::csv::{CsvReader, CsvType, Inference, header};
use super::identity::FileIdentity;
use super::parquet_file::ParquetFile;
use super::stats;
use super::types::{Mapping, map_column};

/// The one schema of a source of files.
pub(super) const SCHEMA: &str = "public";

/// A Parquet file of a table: where each of the table's columns is in it.
#[derive(Clone)]
pub(super) struct ParquetPart {
    pub file: Arc<ParquetFile>,
    pub columns: Vec<(usize, Convert)>,
}

#[derive(Clone)]
pub(super) enum Parts {
    Parquet(Vec<ParquetPart>),
    Csv { files: Vec<FileIdentity>, types: Vec<CsvType> },
}

/// A table as it was looked at.
#[derive(Clone)]
pub(super) struct FilesTable {
    pub columns: Vec<Column>,
    pub skipped: Vec<(String, String)>,
    pub rows: u64,
    pub parts: Parts,
    /// The files it was made of, in order.
    pub listing: Vec<FileIdentity>,
}

/// What a folder says there is, before looking inside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub name: String,
    pub format: Format,
    pub files: Vec<FileIdentity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
}

impl Format {
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl FilesTable {
    /// Looks into all files. Footers of files that `before` has seen in the same state are taken from there.
    pub fn inspect(candidate: &Candidate, config: &FilesConfig, before: Option<&Self>) -> Result<Self> {
        match candidate.format {
            Format::Parquet => Self::inspect_parquet(candidate, config, before),
            Format::Csv => Self::inspect_csv(candidate, config),
        }
    }

    fn inspect_parquet(candidate: &Candidate, config: &FilesConfig, before: Option<&Self>) -> Result<Self> {
        let seen = match before.map(|b| &b.parts) {
            Some(Parts::Parquet(parts)) => parts.as_slice(),
            _ => &[],
        };
        let footer = |identity: &FileIdentity| match seen.iter().find(|p| p.file.identity == *identity) {
            Some(part) => Ok(part.file.clone()),
            None => ParquetFile::inspect(identity.clone()).map(Arc::new),
        };
        let files = candidate.files.iter().map(footer).collect::<Result<Vec<_>>>()?;
        let Some(first) = files.first() else {
            return Err(Error::internal("a table without files"));
        };
        let (mut columns, skipped, mappings) = parquet_columns(first, config);
        let mut parts = vec![ParquetPart { file: first.clone(), columns: mappings }];
        for file in &files[1..] {
            let (other, other_skipped, _) = parquet_columns(file, config);
            let names = |c: &[Column], s: &[(String, String)]| {
                let typed = c.iter().map(|c| (c.name.clone(), Some(c.ty), c.always_null));
                typed.chain(s.iter().map(|(name, _)| (name.clone(), None, false))).collect::<HashSet<_>>()
            };
            if names(&columns, &skipped) != names(&other, &other_skipped) {
                return Err(differs(&first.identity.path, &file.identity.path));
            }
            parts.push(ParquetPart { file: file.clone(), columns: in_order(&columns, file, config)? });
        }
        for (i, column) in columns.iter_mut().enumerate() {
            column.nullable = parts.iter().any(|p| p.file.reader.schema().field(p.columns[i].0).is_nullable());
            column.stats = stats::of_parquet(&parts, i, column.ty);
        }
        let rows = files.iter().map(|f| f.rows()).sum();
        Ok(Self { columns, skipped, rows, parts: Parts::Parquet(parts), listing: candidate.files.clone() })
    }

    fn inspect_csv(candidate: &Candidate, config: &FilesConfig) -> Result<Self> {
        let mut names: Option<(Vec<String>, &FileIdentity)> = None;
        let mut inferences: Vec<Inference> = Vec::new();
        let mut nulls: Vec<u64> = Vec::new();
        let mut rows = 0;
        for file in &candidate.files {
            let Some(found) = header(file, &config.csv)? else { continue };
            match &names {
                None => {
                    unique(&found, &file.path)?;
                    inferences = vec![Inference::default(); found.len()];
                    nulls = vec![0; found.len()];
                    names = Some((found, file));
                }
                Some((expected, first)) if *expected != found => return Err(differs(&first.path, &file.path)),
                Some(_) => {}
            }
            rows +=
                CsvReader::open(file.clone(), &config.csv, inferences.len())?.visit(|column, value| match value {
                    Some(text) => inferences[column].see(text),
                    None => nulls[column] += 1,
                })?;
        }
        let Some((names, _)) = names else {
            let path = candidate.files.first().map(|f| f.path.display().to_string()).unwrap_or_default();
            return Err(Error::new(state::FDW_ERROR, format!("file \"{path}\" is empty")));
        };
        let types: Vec<_> = inferences.iter().map(Inference::result).collect();
        let columns = names.into_iter().zip(&types).zip(nulls).map(|((name, ty), nulls)| {
            let share = if rows == 0 { None } else { Some(nulls as f64 / rows as f64) };
            let stats = ColumnStats { null_fraction: share, ..ColumnStats::default() };
            Column { nullable: nulls > 0, stats, ..column(name, ty.pg_type(), "csv".into()) }
        });
        Ok(Self {
            columns: columns.collect(),
            skipped: Vec::new(),
            rows,
            parts: Parts::Csv { files: candidate.files.clone(), types },
            listing: candidate.files.clone(),
        })
    }

    pub fn bytes(&self) -> u64 {
        self.listing.iter().map(|f| f.size).sum()
    }

    /// The same columns of the same types: a plan made for one is right for the other.
    pub fn has_columns_of(&self, other: &Self) -> bool {
        let same = |a: &Column, b: &Column| (&a.name, a.ty, a.always_null) == (&b.name, b.ty, b.always_null);
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(|(a, b)| same(a, b))
    }

    pub fn describe(&self, name: &str) -> SourceTable {
        SourceTable {
            remote_schema: SCHEMA.into(),
            remote_name: name.into(),
            kind: TableKind::Table,
            columns: self.columns.clone(),
            keys: Vec::new(),
            rows: Some(self.rows as f64),
            bytes: Some(self.bytes() as f64),
            comment: None,
            skipped: self.skipped.clone(),
        }
    }
}

/// Columns, skipped columns, and where each column is.
fn parquet_columns(
    file: &ParquetFile,
    config: &FilesConfig,
) -> (Vec<Column>, Vec<(String, String)>, Vec<(usize, Convert)>) {
    let (mut columns, mut skipped, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let mut names = HashSet::new();
    let descriptor = file.metadata().file_metadata().schema_descr();
    for (root, field) in file.reader.schema().fields().iter().enumerate() {
        let name = field.name().clone();
        if !names.insert(name.clone()) {
            skipped.push((name, "the file has another column of that name".into()));
            continue;
        }
        match map_column(field, descriptor, root, config.unsupported_types) {
            Mapping::Column { ty, convert } => {
                let always_null = convert.step == Step::Null;
                columns.push(Column { always_null, ..column(name, ty, field.data_type().to_string()) });
                places.push((root, convert));
            }
            Mapping::Skipped(reason) => skipped.push((name, reason)),
        }
    }
    (columns, skipped, places)
}

/// Where a file has the columns of another one: by name, the order may differ.
fn in_order(columns: &[Column], file: &ParquetFile, config: &FilesConfig) -> Result<Vec<(usize, Convert)>> {
    let (own, _, places) = parquet_columns(file, config);
    let place = |c: &Column| own.iter().position(|o| o.name == c.name).map(|at| places[at].clone());
    let missing = || Error::internal("a file lost a column");
    columns.iter().map(|c| place(c).ok_or_else(missing)).collect()
}

fn column(name: String, ty: PgType, remote_type: String) -> Column {
    Column {
        remote_name: name.clone(),
        name,
        ty,
        remote_type,
        nullable: true,
        opaque: false,
        always_null: false,
        collation: None,
        comment: None,
        stats: ColumnStats::default(),
    }
}

fn unique(names: &[String], path: &Path) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => {
            Err(Error::new(state::FDW_ERROR, format!("file \"{}\" has two columns \"{twice}\"", path.display())))
        }
    }
}

fn differs(a: &Path, b: &Path) -> Error {
    let message = format!("files \"{}\" and \"{}\" of one table have different columns", a.display(), b.display());
    Error::new(state::FDW_ERROR, message)
}
