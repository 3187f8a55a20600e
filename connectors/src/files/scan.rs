//! Reads a table's files as a DataFusion operator, in carriers.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DfResult, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use planner::{Error, Result};

use super::config::FilesConfig;
use super::convert::{Convert, Step};
use super::csv::CsvReader;
use super::identity::corrupt;
use super::parquet_file::Bytewise;
use super::prune::{Bound, groups};
use super::table::{FilesTable, ParquetPart, Parts};

/// What one partition reads, in order.
#[derive(Clone)]
enum Piece {
    Parquet { part: usize, groups: Vec<usize>, selection: Option<RowSelection> },
    Csv { file: usize },
}

/// A scan of some columns of a table.
#[derive(Clone)]
pub(super) struct FilesExec {
    name: String,
    config: Arc<FilesConfig>,
    table: Arc<FilesTable>,
    projection: Arc<Vec<usize>>,
    partitions: Arc<Vec<Vec<Piece>>>,
    rows: Precision<usize>,
    batch_size: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FilesExec {
    /// `schema` is that of the projected columns. Rows that satisfy the bounds are read, and perhaps others.
    pub fn new(
        name: &str,
        config: Arc<FilesConfig>,
        table: Arc<FilesTable>,
        schema: SchemaRef,
        projection: Vec<usize>,
        bounds: &[Bound],
        (partitions, batch_size): (usize, usize),
    ) -> Self {
        let partitions = match &table.parts {
            Parts::Parquet(parts) => parquet_pieces(parts, bounds, partitions),
            Parts::Csv { files, .. } => {
                let mut pieces = vec![Vec::new(); partitions.clamp(1, files.len().max(1))];
                let count = pieces.len();
                (0..files.len()).for_each(|file| pieces[file % count].push(Piece::Csv { file }));
                pieces
            }
        };
        // A footer's count is exact, a text file's may be of another day.
        let all = table.rows as usize;
        let exact = bounds.is_empty() && matches!(table.parts, Parts::Parquet(_));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            name: name.into(),
            config,
            table,
            projection: Arc::new(projection),
            partitions: Arc::new(partitions),
            rows: if exact { Precision::Exact(all) } else { Precision::Inexact(all) },
            batch_size,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn read(&self, piece: Piece) -> BoxStream<'static, Result<RecordBatch>> {
        let exec = self.clone();
        let opened = async move {
            match piece {
                Piece::Parquet { part, groups, selection } => exec.read_parquet(part, groups, selection).await,
                Piece::Csv { file } => exec.read_csv(file),
            }
        };
        futures::stream::once(opened).try_flatten().boxed()
    }

    async fn read_parquet(
        &self,
        part: usize,
        groups: Vec<usize>,
        selection: Option<RowSelection>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Parts::Parquet(parts) = &self.table.parts else {
            return Err(Error::internal("a Parquet piece of a CSV table"));
        };
        let part = &parts[part];
        let path = part.file.identity.path.clone();
        let explain = move |e: ParquetError| match e {
            ParquetError::External(inner) => match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(other) => corrupt(&path, other),
            },
            other => corrupt(&path, other),
        };
        let source = part.file.clone();
        let opening = tokio::task::spawn_blocking(move || Bytewise::open(source)).await;
        let reader = opening.map_err(|e| Error::internal(e.to_string()))??;
        let places: Vec<_> = self.projection.iter().map(|column| part.columns[*column].clone()).collect();
        let mut roots: Vec<_> = places.iter().filter(|(_, c)| c.step != Step::Null).map(|(root, _)| *root).collect();
        roots.sort_unstable();
        let mask = ProjectionMask::roots(part.file.metadata().file_metadata().schema_descr(), roots.iter().copied());
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, part.file.reader.clone())
            .with_batch_size(self.batch_size)
            .with_projection(mask)
            .with_row_groups(groups);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let batches = builder.build().map_err(&explain)?;
        let (schema, path) = (self.schema(), part.file.identity.path.clone());
        let converted = batches.map(move |batch| {
            let batch = batch.map_err(&explain)?;
            let file = || format!("File \"{}\".", path.display());
            to_carriers(&batch, &places, &roots, &schema).map_err(|e| e.with_detail(file()))
        });
        Ok(converted.boxed())
    }

    fn read_csv(&self, file: usize) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Parts::Csv { files, types } = &self.table.parts else {
            return Err(Error::internal("a CSV piece of a Parquet table"));
        };
        let wanted: Arc<Vec<_>> = Arc::new(self.projection.iter().map(|c| (*c, types[*c])).collect());
        let (identity, config, columns) = (files[file].clone(), self.config.clone(), types.len());
        let (schema, rows) = (self.schema(), self.batch_size);
        let batches = futures::stream::try_unfold(None, move |reader: Option<CsvReader>| {
            let (wanted, identity, config) = (wanted.clone(), identity.clone(), config.clone());
            let schema = schema.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || {
                    let mut reader = match reader {
                        Some(reader) => reader,
                        None => CsvReader::open(identity, &config.csv, columns)?,
                    };
                    let (columns, count) = reader.batch(&wanted, rows)?;
                    Ok::<_, Error>((reader, columns, count))
                });
                let (reader, columns, count) = read.await.map_err(|e| Error::internal(e.to_string()))??;
                if count == 0 {
                    return Ok(None);
                }
                Ok(Some((batch(schema, columns, count)?, Some(reader))))
            }
        });
        Ok(batches.boxed())
    }
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// `roots` are the file's columns in `raw`, in order; `places` says which of them each output column is.
fn to_carriers(
    raw: &RecordBatch,
    places: &[(usize, Convert)],
    roots: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let columns = places.iter().map(|(root, convert)| match roots.binary_search(root) {
        Ok(at) => convert.apply(raw.column(at)),
        Err(_) => Ok(new_null_array(&convert.target, raw.num_rows())),
    });
    batch(schema.clone(), columns.collect::<Result<_>>()?, raw.num_rows())
}

/// Deals row groups out, in order, so that partitions have about the same bytes.
fn parquet_pieces(parts: &[ParquetPart], bounds: &[Bound], partitions: usize) -> Vec<Vec<Piece>> {
    let size = |part: usize, group: usize| parts[part].file.metadata().row_group(group).total_byte_size().max(1) as u64;
    let found = parts.iter().enumerate().map(|(number, part)| (number, groups(part, bounds)));
    let todo: Vec<_> = found.flat_map(|(part, groups)| groups.into_iter().map(move |g| (part, g))).collect();
    let share = todo.iter().map(|(p, g)| size(*p, g.number)).sum::<u64>().div_ceil(partitions.max(1) as u64);
    let mut dealt: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut filled = 0;
    for (part, group) in todo {
        if filled >= share {
            dealt.push(Vec::new());
            filled = 0;
        }
        filled += size(part, group.number);
        let rows = |g: usize| parts[part].file.metadata().row_group(g).num_rows() as usize;
        let all = |g: usize| RowSelection::from(vec![RowSelector::select(rows(g))]);
        let Some(last) = dealt.last_mut() else { continue };
        match last.last_mut() {
            Some(Piece::Parquet { part: p, groups, selection }) if *p == part => {
                if selection.is_some() || group.selection.is_some() {
                    let before = selection.take().unwrap_or_else(|| {
                        RowSelection::from(groups.iter().map(|g| RowSelector::select(rows(*g))).collect::<Vec<_>>())
                    });
                    let own = group.selection.unwrap_or_else(|| all(group.number));
                    let both: Vec<RowSelector> = before.iter().chain(own.iter()).copied().collect();
                    *selection = Some(both.into());
                }
                groups.push(group.number);
            }
            _ => last.push(Piece::Parquet { part, groups: vec![group.number], selection: group.selection }),
        }
    }
    dealt
}

impl fmt::Debug for FilesExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilesExec({})", self.name)
    }
}

impl DisplayAs for FilesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilesExec: table={}, partitions={}", self.name, self.partitions.len())?;
        if let Parts::Parquet(parts) = &self.table.parts {
            let read = self.partitions.iter().flatten().map(|piece| match piece {
                Piece::Parquet { groups, .. } => groups.len(),
                Piece::Csv { .. } => 0,
            });
            let all = parts.iter().map(|p| p.file.metadata().num_row_groups()).sum::<usize>();
            write!(f, ", row_groups={} of {all}", read.sum::<usize>())?;
        }
        Ok(())
    }
}

impl ExecutionPlan for FilesExec {
    fn name(&self) -> &str {
        "FilesExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let counted = BaselineMetrics::new(&self.metrics, partition);
        let exec = self.clone();
        let pieces = self.partitions.get(partition).cloned().unwrap_or_default();
        let rows = futures::stream::iter(pieces).map(move |piece| exec.read(piece)).flatten();
        let rows = rows.inspect_ok(move |batch| counted.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows.map_err(DataFusionError::from))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> DfResult<Arc<Statistics>> {
        let schema = self.schema();
        let width: usize = schema.fields().iter().map(|f| width_of(f.data_type())).sum();
        let bytes = self.rows.get_value().map_or(0, |rows| rows.saturating_mul(width));
        let statistics = Statistics::new_unknown(&schema).with_num_rows(self.rows);
        Ok(Arc::new(statistics.with_total_byte_size(Precision::Inexact(bytes))))
    }
}

fn width_of(ty: &DataType) -> usize {
    ty.primitive_width().unwrap_or(32)
}
