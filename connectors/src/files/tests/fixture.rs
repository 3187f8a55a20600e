//! A folder of files, and questions to it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use cost_model::{Epoch, QueryId, SystemClock};
use futures::TryStreamExt;
use planner::catalog::SourceTable;
use planner::{Error, Result};

use crate::engine::{Engine, EngineSession, ScanRequest, SessionRequest, UnsupportedTypes};
use crate::files::{CsvOptions, FilesConfig, FilesEngine};
use crate::site::{Executor, RuntimeSettings};

pub struct Fixture {
    pub engine: FilesEngine,
    pub dir: tempfile::TempDir,
    pub executor: Executor,
    _data: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(UnsupportedTypes::Error, CsvOptions::default())
    }

    pub fn with(unsupported_types: UnsupportedTypes, csv: CsvOptions) -> Self {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settings = RuntimeSettings { target_partitions: 2, ..RuntimeSettings::new(data.path(), Epoch(1)) };
        let clock = SystemClock::shared();
        let executor = Executor::start(settings, clock.clone()).unwrap();
        let folder = dir.path().to_owned();
        let config = FilesConfig { source: "files".into(), site: "here".into(), folder, csv, unsupported_types };
        Self { engine: FilesEngine::new(config, &executor, clock), dir, executor, _data: data }
    }

    pub fn parquet(&self, name: &str, batch: &RecordBatch) {
        self.parquet_with(name, batch, WriterProperties::default());
    }

    pub fn parquet_with(&self, name: &str, batch: &RecordBatch, properties: WriterProperties) {
        write_parquet(&self.dir.path().join(name), batch, properties);
    }

    pub fn text(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub async fn table(&self, name: &str) -> SourceTable {
        let schema = self.engine.introspect().await.unwrap();
        schema.tables.into_iter().find(|t| t.remote_name == name).unwrap_or_else(|| panic!("no table {name}"))
    }

    pub async fn session(&self) -> Arc<dyn EngineSession> {
        let request = SessionRequest {
            query: QueryId::at(0),
            principal: "tester".into(),
            connections: 1,
            snapshot: false,
            deadline: None,
        };
        self.engine.session(request).await.unwrap()
    }

    /// As a coordinator that planned the statement would ask.
    pub fn request(&self, sql: &str) -> Result<ScanRequest> {
        let (bound, _) = self.engine.0.bind(sql)?;
        Ok(ScanRequest {
            sql: sql.into(),
            columns: bound.columns.iter().map(|c| c.ty).collect(),
            schema: bound.plan.schema().inner().clone(),
            estimated_rows: None,
            single_table: None,
            passthrough: false,
            conditions_at: None,
        })
    }

    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let stream = self.session().await.scan(self.request(sql)?).await?;
        stream.try_collect().await.map_err(Error::from)
    }

    /// Rows of a statement whose columns are all text; `-` is NULL.
    pub async fn rows(&self, sql: &str) -> Result<Vec<String>> {
        let batches = self.query(sql).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let cell = |c: &arrow::array::ArrayRef| match c.is_null(row) {
                    true => "-".to_string(),
                    false => c.as_string_view().value(row).to_string(),
                };
                rows.push(batch.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
            }
        }
        Ok(rows)
    }
}

pub fn write_parquet(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A batch of named columns.
pub fn batch<const N: usize>(columns: [(&str, arrow::array::ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}
