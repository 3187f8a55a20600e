//! A fragment to run, as a message.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use planner::plan::SingleTable;
use planner::{PgType, Result};

use super::{Ticket, malformed, proto};
use crate::engine::ScanRequest;

impl proto::Scan {
    pub(super) fn of(lease: u64, ticket: Ticket, compression: proto::Compression, scan: ScanRequest) -> Result<Self> {
        Ok(Self {
            lease,
            ticket: ticket.0.to_vec(),
            schema: schema_message(&scan.schema)?,
            sql: scan.sql,
            columns: scan.columns.into_iter().map(Into::into).collect(),
            estimated_rows: scan.estimated_rows,
            single_table: scan.single_table.map(Into::into),
            conditions_at: scan.conditions_at.map(|at| at as u64),
            passthrough: scan.passthrough,
            compression: compression.into(),
            ..Self::default()
        })
    }

    /// Its statement, without what it has to do with others.
    pub(super) fn request(self) -> Result<ScanRequest> {
        let inside = |at: u64| usize::try_from(at).ok().filter(|at| self.sql.is_char_boundary(*at));
        let conditions_at = self.conditions_at.map(|at| inside(at).ok_or_else(|| malformed("a scan"))).transpose()?;
        Ok(ScanRequest {
            conditions_at,
            columns: self.columns.iter().map(PgType::from).collect(),
            schema: read_schema(&self.schema)?,
            estimated_rows: self.estimated_rows,
            single_table: self.single_table.map(Into::into),
            passthrough: self.passthrough,
            sql: self.sql,
        })
    }
}

impl From<SingleTable> for proto::SingleTable {
    fn from(table: SingleTable) -> Self {
        let SingleTable { remote_schema, remote_name, alias, estimated_rows } = table;
        Self { remote_schema, remote_name, alias, estimated_rows }
    }
}

impl From<proto::SingleTable> for SingleTable {
    fn from(table: proto::SingleTable) -> Self {
        let proto::SingleTable { remote_schema, remote_name, alias, estimated_rows } = table;
        Self { remote_schema, remote_name, alias, estimated_rows }
    }
}

/// An encapsulated IPC message.
pub(super) fn schema_message(schema: &Schema) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(true);
    let encoded = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options);
    let mut message = Vec::new();
    arrow::ipc::writer::write_message(&mut message, encoded, &options)?;
    Ok(message)
}

pub(super) fn read_schema(message: &[u8]) -> Result<SchemaRef> {
    try_schema_from_ipc_buffer(message).map(Arc::new).map_err(|_| malformed("a schema"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

    use super::*;

    #[test]
    fn a_scan_arrives_as_it_was_sent() {
        let types = [
            DataType::Utf8View,
            DataType::BinaryView,
            DataType::Decimal256(50, 3),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::List(Arc::new(Field::new("item", DataType::Int32, true))),
        ];
        let fields = types.iter().enumerate().map(|(i, ty)| Field::new(format!("c{i}"), ty.clone(), true));
        let scan = ScanRequest {
            sql: "SELECT 'ü' WHERE true".into(),
            columns: vec![PgType::TEXT; 6],
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            estimated_rows: Some(5.0),
            single_table: None,
            conditions_at: Some(22),
            passthrough: true,
        };
        let ticket = Ticket::random();
        let sent = proto::Scan::of(7, ticket, proto::Compression::Lz4, scan.clone()).unwrap();
        assert_eq!(Ticket::read(&sent.ticket).unwrap().0, ticket.0);
        assert_eq!(format!("{:?}", sent.clone().request().unwrap()), format!("{scan:?}"));
        let bad = proto::Scan { conditions_at: Some(9), ..sent };
        assert!(bad.request().is_err(), "in the middle of a character");
    }
}
