//! One Parquet file: its footer, and reading its bytes.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use planner::Result;

use super::identity::{FileIdentity, corrupt, file_error};
use super::types::read_field;

/// A file's footer, with the schema in which it is read.
pub(super) struct ParquetFile {
    pub identity: FileIdentity,
    pub reader: ArrowReaderMetadata,
}

impl ParquetFile {
    pub fn inspect(identity: FileIdentity) -> Result<Self> {
        let file = identity.open()?;
        let damaged = |e: ParquetError| corrupt(&identity.path, e);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let own = ArrowReaderMetadata::load(&file, options).map_err(damaged)?;
        let fields = own.schema().fields().iter().map(read_field).collect::<Vec<_>>();
        let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
        let reader = ArrowReaderMetadata::try_new(own.metadata().clone(), options).map_err(damaged)?;
        identity.check(&file)?;
        Ok(Self { identity, reader })
    }

    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.reader.metadata()
    }

    pub fn rows(&self) -> u64 {
        self.metadata().row_groups().iter().map(|g| g.num_rows().max(0) as u64).sum()
    }
}

/// Reads byte ranges of a local file, on the threads for blocking work.
pub(super) struct Bytewise {
    file: Arc<File>,
    source: Arc<ParquetFile>,
}

impl Bytewise {
    pub fn open(source: Arc<ParquetFile>) -> Result<Self> {
        Ok(Self { file: Arc::new(source.identity.open()?), source })
    }
}

impl AsyncFileReader for Bytewise {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let ranges = self.get_byte_ranges(vec![range]);
        async { ranges.await?.pop().ok_or_else(|| ParquetError::EOF("no bytes".into())) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        let (file, source) = (self.file.clone(), self.source.clone());
        async move {
            let read = tokio::task::spawn_blocking(move || {
                let read = ranges.into_iter().map(|range| read_range(&file, &source.identity, range));
                let bytes = read.collect::<Result<Vec<_>>>();
                // Also when the read failed: a file that was cut short is first of all one that changed.
                source.identity.check(&file)?;
                bytes
            });
            let bytes = read.await.map_err(|e| ParquetError::External(Box::new(e)))?;
            bytes.map_err(|e| ParquetError::External(Box::new(e)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        futures::future::ready(Ok(self.source.metadata().clone())).boxed()
    }
}

fn read_range(file: &File, identity: &FileIdentity, range: Range<u64>) -> Result<Bytes> {
    if range.end > identity.size || range.start > range.end {
        return Err(corrupt(&identity.path, "its footer points behind its end"));
    }
    let mut bytes = vec![0; (range.end - range.start) as usize];
    read_exact_at(file, &mut bytes, range.start).map_err(|e| file_error(&identity.path, &e))?;
    Ok(bytes.into())
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, bytes: &mut [u8], at: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}
