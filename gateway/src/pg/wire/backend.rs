//! What the server sends, appended to a buffer.

use planner::plan::OutputColumn;
use planner::{Error, PgType};

/// `BackendKeyData`'s length and the like never exceed these types; rows may.
fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    end_message(out, start);
}

/// Writes the length of the message whose length field is at `start`.
pub fn end_message(out: &mut [u8], start: usize) {
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_i16(out: &mut Vec<u8>, n: i16) {
    out.extend_from_slice(&n.to_be_bytes());
}

fn put_i32(out: &mut Vec<u8>, n: i32) {
    out.extend_from_slice(&n.to_be_bytes());
}

/// Text up to the first NUL, which could not be part of it.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.split('\0').next().unwrap_or("").as_bytes());
    out.push(0);
}

pub fn authentication_ok(out: &mut Vec<u8>) {
    message(out, b'R', |b| put_i32(b, 0));
}

pub fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    message(out, b'R', |b| {
        put_i32(b, 10);
        mechanisms.iter().for_each(|m| put_string(b, m));
        b.push(0);
    });
}

pub fn authentication_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'R', |b| {
        put_i32(b, 11);
        b.extend_from_slice(data);
    });
}

pub fn authentication_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'R', |b| {
        put_i32(b, 12);
        b.extend_from_slice(data);
    });
}

/// The newest minor version of protocol 3 spoken here, and the options that are not known.
pub fn negotiate_protocol_version(out: &mut Vec<u8>, minor: i32, unknown: &[&str]) {
    message(out, b'v', |b| {
        put_i32(b, minor);
        put_i32(b, unknown.len() as i32);
        unknown.iter().for_each(|o| put_string(b, o));
    });
}

pub fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, b'S', |b| {
        put_string(b, name);
        put_string(b, value);
    });
}

pub fn backend_key_data(out: &mut Vec<u8>, pid: i32, secret: &[u8]) {
    message(out, b'K', |b| {
        put_i32(b, pid);
        b.extend_from_slice(secret);
    });
}

/// `status`: I idle, T in a transaction, E in a failed one.
pub fn ready_for_query(out: &mut Vec<u8>, status: u8) {
    message(out, b'Z', |b| b.push(status));
}

pub fn command_complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |b| put_string(b, tag));
}

pub fn empty_query(out: &mut Vec<u8>) {
    message(out, b'I', |_| {});
}

pub fn parse_complete(out: &mut Vec<u8>) {
    message(out, b'1', |_| {});
}

pub fn bind_complete(out: &mut Vec<u8>) {
    message(out, b'2', |_| {});
}

pub fn close_complete(out: &mut Vec<u8>) {
    message(out, b'3', |_| {});
}

pub fn portal_suspended(out: &mut Vec<u8>) {
    message(out, b's', |_| {});
}

pub fn no_data(out: &mut Vec<u8>) {
    message(out, b'n', |_| {});
}

pub fn parameter_description(out: &mut Vec<u8>, types: &[PgType]) {
    message(out, b't', |b| {
        put_i16(b, types.len() as i16);
        types.iter().for_each(|t| put_i32(b, t.oid as i32));
    });
}

/// `binary(i)` tells the format of column `i`.
pub fn row_description(out: &mut Vec<u8>, columns: &[OutputColumn], binary: impl Fn(usize) -> bool) {
    message(out, b'T', |b| {
        put_i16(b, columns.len() as i16);
        for (i, column) in columns.iter().enumerate() {
            put_string(b, &column.name);
            put_i32(b, column.table_oid as i32);
            put_i16(b, column.column_number);
            put_i32(b, column.ty.oid as i32);
            put_i16(b, column.ty.info().len);
            put_i32(b, column.ty.typmod);
            put_i16(b, i16::from(binary(i)));
        }
    });
}

pub fn copy_out_response(out: &mut Vec<u8>, binary: bool, columns: usize) {
    message(out, b'H', |b| {
        b.push(u8::from(binary));
        put_i16(b, columns as i16);
        (0..columns).for_each(|_| put_i16(b, i16::from(binary)));
    });
}

pub fn copy_done(out: &mut Vec<u8>) {
    message(out, b'c', |_| {});
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Fatal,
    Error,
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
        }
    }
}

/// `ErrorResponse` or `NoticeResponse` with every field the error has.
pub fn report(out: &mut Vec<u8>, severity: Severity, error: &Error) {
    let tag = if matches!(severity, Severity::Fatal | Severity::Error) { b'E' } else { b'N' };
    message(out, tag, |b| {
        let mut field = |code: u8, text: &str| {
            b.push(code);
            put_string(b, text);
        };
        field(b'S', severity.as_str());
        field(b'V', severity.as_str());
        field(b'C', error.sqlstate().as_str());
        field(b'M', error.message());
        if let Some(detail) = error.detail() {
            field(b'D', detail);
        }
        if let Some(hint) = error.hint() {
            field(b'H', hint);
        }
        if let Some(position) = error.position() {
            field(b'P', &position.to_string());
        }
        match (error.source_id(), error.site()) {
            (Some(source), Some(site)) => field(b'W', &format!("source \"{source}\" at site \"{site}\"")),
            (Some(source), None) => field(b'W', &format!("source \"{source}\"")),
            (None, Some(site)) => field(b'W', &format!("site \"{site}\"")),
            (None, None) => {}
        }
        b.push(0);
    });
}
