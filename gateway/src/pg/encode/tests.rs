use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Field, Schema};

use super::super::sql::{Command, parse};
use super::*;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// The fields of all rows, `None` for NULL.
fn rows(encoder: &RowEncoder, batch: &RecordBatch) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut out = Vec::new();
    assert_eq!(encoder.encode(batch, 0..batch.num_rows(), usize::MAX, &mut out).unwrap(), batch.num_rows());
    let mut at = &out[..];
    let mut rows = Vec::new();
    let take = |at: &mut &[u8], n: usize| {
        let (head, tail) = at.split_at(n);
        *at = tail;
        head.to_vec()
    };
    let int = |b: Vec<u8>| b.iter().fold(0i64, |n, b| n << 8 | i64::from(*b));
    while !at.is_empty() {
        assert_eq!(take(&mut at, 1), b"D");
        let length = int(take(&mut at, 4)) as usize;
        let mut body = &take(&mut at, length - 4)[..];
        let n = int(take(&mut body, 2));
        let fields = (0..n).map(|_| match int(take(&mut body, 4)) as u32 as i32 {
            -1 => None,
            n => Some(take(&mut body, n as usize)),
        });
        rows.push(fields.collect());
        assert!(body.is_empty());
    }
    rows
}

fn texts(ty: PgType, array: ArrayRef, zone: TimeZone) -> Vec<Option<String>> {
    let encoder = RowEncoder::new(vec![ColumnFormat { ty, binary: false }], zone);
    let rows = rows(&encoder, &batch(vec![array]));
    rows.into_iter().map(|mut r| r.remove(0).map(|b| String::from_utf8(b).unwrap())).collect()
}

fn utc() -> TimeZone {
    TimeZone::Named(chrono_tz::Tz::UTC)
}

fn some(list: &[&str]) -> Vec<Option<String>> {
    list.iter().map(|s| Some(s.to_string())).collect()
}

#[test]
fn text_format() {
    assert_eq!(
        texts(PgType::BOOL, Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), utc()),
        [Some("t".into()), None, Some("f".into())]
    );
    assert_eq!(texts(PgType::INT4, Arc::new(Int32Array::from(vec![i32::MIN, 0])), utc()), some(&["-2147483648", "0"]));
    let decimals = Decimal128Array::from(vec![1, -12_345]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(texts(PgType::numeric(10, 2), Arc::new(decimals), utc()), some(&["0.01", "-123.45"]));
    assert_eq!(
        texts(PgType::char(4), Arc::new(StringViewArray::from(vec!["é", "abcd"])), utc()),
        some(&["é   ", "abcd"])
    );
    assert_eq!(
        texts(PgType::DATE, Arc::new(Date32Array::from(vec![0, 11_016])), utc()),
        some(&["1970-01-01", "2000-02-29"])
    );
    let stamps = |tz: Option<&str>| Arc::new(TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone_opt(tz));
    assert_eq!(texts(PgType::TIMESTAMP, stamps(None), utc()), some(&["1970-01-01 00:00:01.5"]));
    assert_eq!(texts(PgType::TIMESTAMPTZ, stamps(Some("UTC")), utc()), some(&["1970-01-01 00:00:01.5+00"]));
    assert_eq!(
        texts(PgType::TIMESTAMPTZ, stamps(Some("UTC")), TimeZone::Fixed(-12_600)),
        some(&["1969-12-31 20:30:01.5-03:30"])
    );
}

#[test]
fn binary_format() {
    let one = |ty: PgType, array: ArrayRef| {
        rows(&RowEncoder::new(vec![ColumnFormat { ty, binary: true }], utc()), &batch(vec![array]))
            .remove(0)
            .remove(0)
            .unwrap()
    };
    assert_eq!(one(PgType::INT8, Arc::new(Int64Array::from(vec![-2]))), (-2i64).to_be_bytes());
    assert_eq!(one(PgType::DATE, Arc::new(Date32Array::from(vec![10_958]))), 1i32.to_be_bytes());
    assert_eq!(one(PgType::DATE, Arc::new(Date32Array::from(vec![i32::MAX]))), i32::MAX.to_be_bytes());
    assert_eq!(
        one(PgType::TIMESTAMP, Arc::new(TimestampMicrosecondArray::from(vec![946_684_800_000_001]))),
        1i64.to_be_bytes()
    );
    let uuid = one(PgType::UUID, Arc::new(StringViewArray::from(vec!["00112233-4455-6677-8899-aabbccddeeff"])));
    assert_eq!(uuid, [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
    assert_eq!(one(PgType::JSONB, Arc::new(StringViewArray::from(vec!["{}"]))), b"\x01{}");
    let list: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([Some(7), None])]));
    let array = one(PgType::INT4.array_of().unwrap(), list);
    let expected: Vec<u8> = [1, 1, 23, 2, 1, 4, 7, -1].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
    assert_eq!(array, expected);
}

#[test]
fn encoding_stops_at_the_limit_and_goes_on() {
    let encoder = RowEncoder::new(vec![ColumnFormat { ty: PgType::INT4, binary: false }], utc());
    let batch = batch(vec![Arc::new(Int32Array::from_iter_values(0..100))]);
    let (mut at, mut all) = (0, Vec::new());
    while at < 100 {
        let mut out = Vec::new();
        let n = encoder.encode(&batch, at..100, 64, &mut out).unwrap();
        assert!(n > 0 && out.len() < 128);
        at += n;
        all.extend(out);
    }
    let mut whole = Vec::new();
    encoder.encode(&batch, 0..100, usize::MAX, &mut whole).unwrap();
    assert_eq!(all, whole);
}

#[test]
fn a_column_that_is_not_what_the_plan_said_is_an_error() {
    let encoder = RowEncoder::new(vec![ColumnFormat { ty: PgType::INT4, binary: false }], utc());
    let wrong = batch(vec![Arc::new(Int64Array::from(vec![1]))]);
    assert!(encoder.encode(&wrong, 0..1, usize::MAX, &mut Vec::new()).is_err());
}

fn copied(sql: &str, values: Vec<Option<&str>>) -> String {
    let Command::Copy { options, .. } = parse(sql).unwrap().remove(0).command else { panic!("{sql}") };
    let columns = ["a", "b"].map(|name| planner::plan::OutputColumn {
        name: name.into(),
        ty: PgType::TEXT,
        table_oid: 0,
        column_number: 0,
    });
    let encoder = CopyEncoder::new(options, &columns, utc()).unwrap();
    let data: ArrayRef = Arc::new(StringViewArray::from(values));
    let batch = batch(vec![data.clone(), data]);
    let mut out = Vec::new();
    encoder.start(&mut out);
    encoder.encode(&batch, 0..batch.num_rows(), usize::MAX, &mut out).unwrap();
    encoder.end(&mut out);
    let (mut at, mut text) = (&out[..], String::new());
    while let [b'd', a, b, c, d, rest @ ..] = at {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        text.push_str(std::str::from_utf8(&rest[..length]).unwrap());
        at = &rest[length..];
    }
    text
}

#[test]
fn copy_formats() {
    assert_eq!(copied("copy t to stdout", vec![Some("a\tb\\\n"), None]), "a\\tb\\\\\\n\ta\\tb\\\\\\n\n\\N\t\\N\n");
    assert_eq!(copied("copy t to stdout (delimiter '|', null 'x')", vec![Some("a|"), None]), "a\\||a\\|\nx|x\n");
    assert_eq!(
        copied("copy t to stdout (format csv, header)", vec![Some("a,\"b"), None, Some("")]),
        "a,b\n\"a,\"\"b\",\"a,\"\"b\"\n,\n\"\",\"\"\n"
    );
    assert_eq!(
        copied("copy t to stdout (format csv, quote '~', escape '/', force_quote (b))", vec![Some("x~/")]),
        "~x/~//~,~x/~//~\n"
    );
    assert_eq!(copied("copy t to stdout (format csv, force_quote (b))", vec![Some("x"), None]), "x,\"x\"\n,\n");
}
