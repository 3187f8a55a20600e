//! Which PostgreSQL type a column of a Parquet file gets. The table is in the module's own documentation ([`super`]).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::schema::types::{SchemaDescriptor, Type};
use planner::PgType;
use planner::pgtype::decimal_repr;

use super::convert::{Convert, INTERVAL, Step};
use crate::engine::UnsupportedTypes;

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mapping {
    Column {
        ty: PgType,
        convert: Convert,
    },
    /// Left out, with the reason.
    Skipped(String),
}

/// The type to ask the reader for: views and no dictionaries, which saves a copy. Structs and maps stay as they are.
pub(super) fn read_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(read_type(field.data_type())))
}

fn read_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Dictionary(_, value) => read_type(value),
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(f) => DataType::List(read_field(f)),
        DataType::LargeList(f) => DataType::LargeList(read_field(f)),
        other => other.clone(),
    }
}

/// The mapping of column `root` of a file, whose field is already that of [`read_field`].
pub(super) fn map_column(field: &Field, schema: &SchemaDescriptor, root: usize, policy: UnsupportedTypes) -> Mapping {
    let node = &schema.root_schema().get_fields()[root];
    if let Some(physical) = inexact_leaf(node) {
        // What the reader gives for these is not what the file says: no policy can make it right.
        let reason = format!("Parquet's {physical} cannot be read exactly");
        return match policy {
            UnsupportedTypes::Null => null_column(),
            _ => Mapping::Skipped(reason),
        };
    }
    let lenient = policy == UnsupportedTypes::Null;
    if let Some((ty, convert)) = scalar(field.data_type(), Some(node), lenient) {
        return Mapping::Column { ty, convert };
    }
    if let Some((ty, convert)) = list(field.data_type(), lenient) {
        return Mapping::Column { ty, convert };
    }
    match policy {
        UnsupportedTypes::Null => null_column(),
        UnsupportedTypes::Text if is_nested(field.data_type()) => {
            let convert = Convert { step: Step::Json, target: DataType::Utf8View, lenient };
            Mapping::Column { ty: PgType::JSON, convert }
        }
        _ => Mapping::Skipped(format!("type {} has no PostgreSQL counterpart", field.data_type())),
    }
}

fn null_column() -> Mapping {
    let convert = Convert { step: Step::Null, target: DataType::Utf8View, lenient: true };
    Mapping::Column { ty: PgType::TEXT, convert }
}

/// INT96 holds nanoseconds over a range that 64 bits do not, and INTERVAL's months are dropped by the reader.
fn inexact_leaf(node: &Type) -> Option<&'static str> {
    match node {
        Type::PrimitiveType { physical_type: PhysicalType::INT96, .. } => Some("INT96"),
        Type::PrimitiveType { basic_info, .. }
            if basic_info.converted_type() == parquet::basic::ConvertedType::INTERVAL =>
        {
            Some("INTERVAL")
        }
        Type::GroupType { fields, .. } => fields.iter().find_map(|f| inexact_leaf(f)),
        Type::PrimitiveType { .. } => None,
    }
}

fn is_nested(ty: &DataType) -> bool {
    use DataType::*;
    matches!(ty, Struct(_) | Map(..) | List(_) | LargeList(_) | FixedSizeList(..) | ListView(_) | LargeListView(_))
}

fn scalar(ty: &DataType, node: Option<&Type>, lenient: bool) -> Option<(PgType, Convert)> {
    let logical = node.and_then(|n| n.get_basic_info().logical_type_ref().cloned());
    let (ty, step) = match ty {
        DataType::Boolean => (PgType::BOOL, Step::Cast),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => (PgType::INT2, Step::Cast),
        DataType::UInt16 | DataType::Int32 => (PgType::INT4, Step::Cast),
        DataType::UInt32 | DataType::Int64 => (PgType::INT8, Step::Cast),
        DataType::UInt64 => (PgType::numeric(20, 0), Step::Cast),
        DataType::Float16 | DataType::Float32 => (PgType::FLOAT4, Step::Cast),
        DataType::Float64 => (PgType::FLOAT8, Step::Cast),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            // Digits left of the point that a negative scale leaves out are zeros.
            let precision = u32::from(*p) + (-i32::from(*s)).max(0) as u32;
            let scale = i32::from(*s).max(0);
            decimal_repr(precision, scale)?;
            (PgType::numeric(precision, scale), Step::Decimal)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => match logical {
            Some(LogicalType::Json) => (PgType::JSON, Step::Text),
            _ => (PgType::TEXT, Step::Text),
        },
        DataType::FixedSizeBinary(16) if matches!(logical, Some(LogicalType::Uuid)) => (PgType::UUID, Step::Uuid),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            (PgType::BYTEA, Step::Cast)
        }
        DataType::Date32 | DataType::Date64 => (PgType::DATE, Step::Date),
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond)
        | DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => (PgType::TIME, Step::Time),
        DataType::Timestamp(_, None) => (PgType::TIMESTAMP, Step::Timestamp),
        DataType::Timestamp(_, Some(_)) => (PgType::TIMESTAMPTZ, Step::Timestamp),
        DataType::Duration(_) => (PgType::INTERVAL, Step::Duration),
        DataType::Null => (PgType::TEXT, Step::Null),
        _ => return None,
    };
    let target = if ty == PgType::INTERVAL { INTERVAL } else { ty.repr() };
    Some((ty, Convert { step, target, lenient }))
}

/// One dimension of supported scalars.
fn list(ty: &DataType, lenient: bool) -> Option<(PgType, Convert)> {
    let element = match ty {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f,
        DataType::ListView(f) | DataType::LargeListView(f) => f,
        _ => return None,
    };
    let (element, convert) = scalar(element.data_type(), None, lenient)?;
    let ty = element.array_of()?;
    Some((ty, Convert { step: Step::List(Box::new(convert)), target: ty.repr(), lenient }))
}
