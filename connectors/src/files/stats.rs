//! What footers say of a column's values.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::basic::Type as PhysicalType;
use planner::PgType;
use planner::catalog::ColumnStats;
use planner::context::QueryContext;
use planner::pgsem::datetime::{format_date, format_timestamp, format_timestamptz};

use super::convert::{Convert, Step};
use super::table::ParquetPart;

/// Smallest and largest value of each row group, in carriers; `None` where the footer's order is not PostgreSQL's.
pub(super) struct Ranges {
    pub min: ArrayRef,
    pub max: ArrayRef,
}

/// Whether a smaller raw value is a smaller PostgreSQL value. Floats are not: NaN is in no statistics and sorts last.
pub(super) fn is_ordered(convert: &Convert) -> bool {
    let plain = |ty: &arrow::datatypes::DataType| ty.is_integer() || ty.is_decimal();
    match convert.step {
        Step::Cast => plain(&convert.target),
        Step::Text | Step::Decimal | Step::Date | Step::Time | Step::Timestamp => true,
        Step::Uuid | Step::Duration | Step::List(_) | Step::Json | Step::Null => false,
    }
}

/// A value that does not fit its type has no place among the bounds.
pub(super) fn bound_conversion(convert: &Convert) -> Convert {
    Convert { lenient: true, ..convert.clone() }
}

/// The ranges of a column in every row group of a file.
pub(super) fn row_group_ranges(part: &ParquetPart, column: usize) -> Option<Ranges> {
    let (root, convert) = &part.columns[column];
    if !is_ordered(convert) {
        return None;
    }
    let metadata = part.file.metadata();
    let converter = converter(part, *root)?;
    let leaf = converter.parquet_column_index()?;
    // Files of old writers compare bytes as signed numbers.
    let bytes = metadata.file_metadata().schema_descr().column(leaf).physical_type();
    let signed = |g: &parquet::file::metadata::RowGroupMetaData| {
        g.column(leaf).statistics().is_some_and(|s| s.is_min_max_deprecated())
    };
    let by_bytes = matches!(bytes, PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY);
    let unsigned = matches!(part.file.reader.schema().field(*root).data_type(), arrow::datatypes::DataType::UInt64);
    if (by_bytes || unsigned) && metadata.row_groups().iter().any(signed) {
        return None;
    }
    let convert = bound_conversion(convert);
    let min = converter.row_group_mins(metadata.row_groups()).ok()?;
    let max = converter.row_group_maxes(metadata.row_groups()).ok()?;
    Some(Ranges { min: convert.apply(&min).ok()?, max: convert.apply(&max).ok()? })
}

pub(super) fn converter(part: &ParquetPart, root: usize) -> Option<StatisticsConverter<'_>> {
    let schema = part.file.reader.schema();
    let name = schema.field(root).name();
    StatisticsConverter::try_new(name, schema, part.file.metadata().file_metadata().schema_descr()).ok()
}

/// Statistics of a column over all files.
pub(super) fn of_parquet(parts: &[ParquetPart], column: usize, ty: PgType) -> ColumnStats {
    let (mut rows, mut nulls, mut size) = (0u64, Some(0u64), 0i64);
    let (mut min, mut max) = (Some(None), Some(None));
    for part in parts {
        rows += part.file.rows();
        let root = part.columns[column].0;
        let descriptor = part.file.metadata().file_metadata().schema_descr();
        let leaves: Vec<_> =
            (0..descriptor.num_columns()).filter(|i| descriptor.get_column_root_idx(*i) == root).collect();
        for group in part.file.metadata().row_groups() {
            size += leaves.iter().map(|i| group.column(*i).uncompressed_size()).sum::<i64>();
            let count = match leaves.as_slice() {
                [one] => group.column(*one).statistics().and_then(|s| s.null_count_opt()),
                _ => None,
            };
            nulls = nulls.zip(count).map(|(a, b)| a + b);
        }
        match row_group_ranges(part, column) {
            Some(ranges) => {
                merge(&mut min, &ranges.min, Ordering::Less);
                merge(&mut max, &ranges.max, Ordering::Greater);
            }
            None => (min, max) = (None, None),
        }
    }
    let per_row = |n: f64| if rows == 0 { None } else { Some(n / rows as f64) };
    ColumnStats {
        distinct: None,
        null_fraction: nulls.and_then(|n| per_row(n as f64)),
        width: per_row(size as f64),
        min: min.flatten().and_then(|v| text(&v, ty)),
        max: max.flatten().and_then(|v| text(&v, ty)),
    }
}

/// Keeps the extreme value; `None` once some row group does not say.
fn merge(extreme: &mut Option<Option<ScalarValue>>, values: &ArrayRef, wanted: Ordering) {
    for row in 0..values.len() {
        let Some(so_far) = extreme else { return };
        match ScalarValue::try_from_array(values, row) {
            Ok(value) if !value.is_null() => {
                if so_far.as_ref().is_none_or(|old| value.partial_cmp(old) == Some(wanted)) {
                    *so_far = Some(value);
                }
            }
            _ => *extreme = None,
        }
    }
}

/// PostgreSQL's text form.
fn text(value: &ScalarValue, ty: PgType) -> Option<String> {
    let mut text = String::new();
    match value {
        ScalarValue::Date32(Some(days)) => format_date(*days, &mut text),
        ScalarValue::TimestampMicrosecond(Some(micros), None) => format_timestamp(*micros, &mut text),
        ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => {
            format_timestamptz(*micros, QueryContext::default().time_zone, &mut text);
        }
        ScalarValue::Decimal128(..) | ScalarValue::Decimal256(..) => {
            let array = value.to_array().ok()?;
            return arrow::util::display::array_value_to_string(&array, 0).ok();
        }
        _ if ty.is_integer() || ty.is_string() => text = value.to_string(),
        _ => return None,
    }
    Some(text)
}
