//! Every mapped type, with its extremes and NULL, through both protocols.

use arrow::array::AsArray;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, i256,
};
use planner::PgType;
use planner::error::state;
use planner::pgsem::numeric::Numeric;
use planner::pgtype::oid;

use super::*;

macro_rules! numbers {
    ($engine:expr, $estimate:expr, $sql:literal, $ty:expr, $arrow:ty, $expected:expr) => {
        let column = column($engine, $sql, $ty, $estimate).await.unwrap();
        assert_eq!(column.as_primitive::<$arrow>().iter().collect::<Vec<_>>(), $expected, "{}", $sql);
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_times_arrive_unchanged() {
    let e = &engine(config(server(), "values"));
    for n in [FEW, MANY] {
        numbers!(
            e,
            n,
            "values ((-32768)::int2), (32767::int2), (null)",
            PgType::INT2,
            Int16Type,
            [Some(-32768), Some(32767), None]
        );
        numbers!(e, n, "values ((-2147483648)::int4), (null)", PgType::INT4, Int32Type, [Some(i32::MIN), None]);
        numbers!(
            e,
            n,
            "values (null), ((-9223372036854775808)::int8)",
            PgType::INT8,
            Int64Type,
            [None, Some(i64::MIN)]
        );
        numbers!(e, n, "values (4294967295::oid), (null)", PgType::OID, Int64Type, [Some(4_294_967_295), None]);
        numbers!(
            e,
            n,
            "values ('-infinity'::float4), (1e-45), (null)",
            PgType::FLOAT4,
            Float32Type,
            [Some(f32::NEG_INFINITY), Some(1e-45), None]
        );
        let floats = column(e, "values (0.1::float8), ('-0'), ('NaN')", PgType::FLOAT8, n).await.unwrap();
        let bits: Vec<u64> = floats.as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits[..2], [0.1f64.to_bits(), (-0.0f64).to_bits()]);
        assert!(f64::from_bits(bits[2]).is_nan());
        numbers!(
            e,
            n,
            "values ('-infinity'::date), ('infinity'), ('1970-01-02'), ('4713-01-01 BC'), ('5874897-12-31'), (null)",
            PgType::DATE,
            Date32Type,
            [Some(i32::MIN), Some(i32::MAX), Some(1), Some(-2_440_550), Some(2_145_042_905), None]
        );
        numbers!(
            e,
            n,
            "values ('00:00'::time), ('24:00:00'), ('12:34:56.789012'), (null)",
            PgType::TIME,
            Time64MicrosecondType,
            [Some(0), Some(86_400_000_000), Some(45_296_789_012), None]
        );
        numbers!(
            e,
            n,
            "values ('-infinity'::timestamp), ('infinity'), ('1970-01-01 00:00:00.000001'), ('1969-12-31 23:59:59.999999'), \
            ('294247-01-10 04:00:54.775806'), ('4714-11-24 BC'), (null)",
            PgType::TIMESTAMP,
            TimestampMicrosecondType,
            [
                Some(i64::MIN),
                Some(i64::MAX),
                Some(1),
                Some(-1),
                Some(i64::MAX - 1),
                Some(-210_866_803_200_000_000),
                None
            ]
        );
        numbers!(
            e,
            n,
            "values ('1970-01-01 01:00:00+01'::timestamptz), (null)",
            PgType::TIMESTAMPTZ,
            TimestampMicrosecondType,
            [Some(0), None]
        );
        numbers!(
            e,
            n,
            "values ('-1 mon 2 days -00:00:00.000003'::interval), (null)",
            PgType::INTERVAL,
            IntervalMonthDayNanoType,
            [Some(IntervalMonthDayNano::new(-1, 2, -3000)), None]
        );
        let bools = column(e, "values (true), (null), (false)", PgType::BOOL, n).await.unwrap();
        assert_eq!(bools.as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, Some(false)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numerics_arrive_exactly_or_fail() {
    let e = &engine(config(server(), "values"));
    let dynamic = "values (0::numeric), (1.50), (-0.00000000000000000000000000000000000000000000000000012), ('NaN'), \
        ('Infinity'), ('-Infinity'), (1e200), (-123456789012345678901234567890123456789012345678901234567890.123), \
        (99999999999999999999999999999999999999.0), (10000.0000), (0.0001), (1e-16383), (null)";
    let printed = server().sql(&format!("select coalesce(column1::text, 'null') from ({dynamic}) t")).unwrap();
    for n in [FEW, MANY] {
        numbers!(
            e,
            n,
            "values (-9999999999999.99::numeric(15,2)), (0.01), (1200), (null)",
            PgType::numeric(15, 2),
            Decimal128Type,
            [Some(-999_999_999_999_999), Some(1), Some(120_000), None]
        );
        numbers!(
            e,
            n,
            "values (-99999999999999999999999999999999999999::numeric(38,0))",
            PgType::numeric(38, 0),
            Decimal128Type,
            [Some(1 - 10i128.pow(38))]
        );
        numbers!(
            e,
            n,
            "values (0.00000000000000000000000000000000000001::numeric(38,38))",
            PgType::numeric(38, 38),
            Decimal128Type,
            [Some(1)]
        );
        let wide = i256::from_i128(10).checked_pow(76).unwrap().wrapping_sub(i256::ONE);
        numbers!(
            e,
            n,
            "select -repeat('9', 76)::numeric(76,0)",
            PgType::numeric(76, 0),
            Decimal256Type,
            [Some(wide.wrapping_neg())]
        );

        let got = column(e, dynamic, PgType::NUMERIC, n).await.unwrap();
        let got = got.as_binary_view();
        let texts = got.iter().map(|v| v.map_or("null".into(), |v| Numeric::decode(v).unwrap().to_string()));
        assert_eq!(texts.collect::<Vec<_>>(), printed.lines().collect::<Vec<_>>());
        let mut sorted: Vec<_> = got.iter().flatten().collect();
        sorted.sort();
        let order: Vec<_> = sorted.iter().map(|v| Numeric::decode(v).unwrap().to_string()).collect();
        let expected = server()
            .sql(&format!("select column1::text from ({dynamic}) t where column1 is not null order by t.column1"))
            .unwrap();
        assert_eq!(order, expected.lines().collect::<Vec<_>>());

        for (sql, code) in [
            ("select 1000::numeric", state::NUMERIC_VALUE_OUT_OF_RANGE),
            ("select 0.001::numeric", state::NUMERIC_VALUE_OUT_OF_RANGE),
            ("select 'NaN'::numeric(5,2)", state::FEATURE_NOT_SUPPORTED),
            ("select 'Infinity'::numeric", state::FEATURE_NOT_SUPPORTED),
        ] {
            let error = column(e, sql, PgType::numeric(5, 2), n).await.unwrap_err();
            assert_eq!(error.sqlstate(), code, "{error}");
            assert!(error.message().contains("\"c0\""), "{error}");
            assert!(error.detail().unwrap().contains("source \"pg\""), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_bytes_arrive_unchanged() {
    let e = &engine(config(server(), "values"));
    let cases: [(&str, PgType, &str); 10] = [
        ("text", PgType::TEXT, "values (''::text), (' a '), (E'\\\\'' \\n\\t'), ('ß🦀'), (repeat('x', 300)), (null)"),
        ("varchar", PgType::varchar(5), "values ('ab  '::varchar(5)), (null)"),
        ("bpchar", PgType::char(5), "values (' ab'::char(5)), (''), (null)"),
        ("name", PgType::NAME, "values ('pg_class'::name), (null)"),
        ("char", PgType::CHAR, "values ('x'::\"char\"), (''), ('\\351'), (null)"),
        ("json", PgType::JSON, "values ('{\"a\" : [1, null]}'::json), (null)"),
        ("jsonb", PgType::JSONB, "values ('{\"b\":1.50, \"a\" : [1, null]}'::jsonb), ('\"x\"'), (null)"),
        ("uuid", PgType::UUID, "values ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid), (null)"),
        (
            "inet",
            PgType::of(oid::INET),
            "values ('10.0.0.1'::inet), ('10.1.0.0/16'), ('::1'), ('2001:db8::/32'), ('::ffff:1.2.3.4'), (null)",
        ),
        ("enum", PgType::TEXT, "select unnest(enum_range(null::public.values_mood))::text"),
    ];
    server().sql("drop type if exists values_mood; create type values_mood as enum ('sad', 'o''k', 'happy')").unwrap();
    for n in [FEW, MANY] {
        for (name, ty, sql) in &cases {
            let print = format!("select case when x is not null then to_json(format('%s', x)) end from ({sql}) t (x)");
            let printed = server().sql(&print).unwrap();
            let mut printed: Vec<Option<String>> = printed.lines().map(|l| serde_json::from_str(l).ok()).collect();
            if *name == "bpchar" {
                printed.iter_mut().flatten().for_each(|p| p.truncate(p.trim_end().len()));
            }
            let got = column(e, sql, *ty, n).await.unwrap();
            let got: Vec<Option<String>> = got.as_string_view().iter().map(|v| v.map(String::from)).collect();
            assert_eq!(got, printed, "{name}");
        }
        let bytes = column(e, "values ('\\x00ff5c27'::bytea), (''), (null)", PgType::BYTEA, n).await.unwrap();
        let expected: [Option<&[u8]>; 3] = [Some(b"\x00\xff\\'"), Some(b""), None];
        assert_eq!(bytes.as_binary_view().iter().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_of_one_dimension_are_lists() {
    let e = &engine(config(server(), "values"));
    for n in [FEW, MANY] {
        let ints = PgType::INT4.array_of().unwrap();
        let got = column(e, "values ('{1,null,3}'::int4[]), ('{}'), (null), ('{7}')", ints, n).await.unwrap();
        let lists: Vec<_> =
            got.as_list::<i32>().iter().map(|l| Some(l?.as_primitive::<Int32Type>().iter().collect())).collect();
        assert_eq!(lists, [Some(vec![Some(1), None, Some(3)]), Some(vec![]), None, Some(vec![Some(7)])]);
        let texts = column(e, "select array['a', null, '{\"']", PgType::TEXT.array_of().unwrap(), n).await.unwrap();
        let texts = texts.as_list::<i32>().value(0);
        assert_eq!(texts.as_string_view().iter().collect::<Vec<_>>(), [Some("a"), None, Some("{\"")]);
        let decimals =
            column(e, "select array[1.5]::numeric(5,2)[]", PgType::numeric(5, 2).array_of().unwrap(), n).await.unwrap();
        assert_eq!(decimals.as_list::<i32>().value(0).as_primitive::<Decimal128Type>().value(0), 150);
        for odd in ["select '{{1,2},{3,4}}'::int4[]", "select '[0:1]={1,2}'::int4[]"] {
            let error = column(e, odd, ints, n).await.unwrap_err();
            assert_eq!(error.sqlstate(), state::FEATURE_NOT_SUPPORTED, "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_an_error_never_garbage() {
    let e = &engine(config(server(), "values"));
    for n in [FEW, MANY] {
        // All of these have the right number of bytes.
        for (sql, ty) in [
            ("select 1::float4", PgType::INT4),
            ("select 1::int8", PgType::FLOAT8),
            ("select now()::timestamp", PgType::TIMESTAMPTZ),
            ("select now()", PgType::TIMESTAMP),
            ("select 1::int4", PgType::DATE),
            ("select 1::oid", PgType::INT8),
            ("select 'x'::bytea", PgType::NUMERIC),
            ("select '{1}'::int4[]", PgType::DATE.array_of().unwrap()),
            ("select 'a'::text", PgType::INT4),
        ] {
            let error = column(e, sql, ty, n).await.unwrap_err();
            assert_eq!(error.sqlstate(), state::FDW_ERROR, "{sql}: {error}");
        }
        assert!(rows(e, scan("select 1, 2", &[PgType::INT4], n)).await.is_err());
        let beyond = column(e, "select timestamp '294247-01-10 04:00:54.775807'", PgType::TIMESTAMP, n).await;
        assert_eq!(beyond.unwrap_err().sqlstate(), state::DATETIME_FIELD_OVERFLOW);
        let error = column(
            e,
            "select interval '300 years' - interval '3600 months' + interval '2629800 hours'",
            PgType::INTERVAL,
            n,
        )
        .await;
        assert_eq!(error.unwrap_err().sqlstate(), state::DATETIME_FIELD_OVERFLOW);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_any_number_and_width() {
    let e = &engine(config(server(), "values"));
    for n in [FEW, MANY] {
        let none = rows(e, scan("select 1 where false", &[PgType::INT4], n)).await.unwrap();
        assert_eq!((none.num_rows(), none.num_columns()), (0, 1));
        let no_columns = rows(e, scan("select from generate_series(1, 3)", &[], n)).await;
        assert_eq!(no_columns.map(|b| b.num_rows()).unwrap_or(3), 3);

        let session = open(e, 1, false).await;
        let sql = "select i, repeat(chr(65 + i % 26), 20000) from generate_series(1, 1000) i";
        let mut stream = session.scan(scan(sql, &[PgType::INT4, PgType::TEXT], n)).await.unwrap();
        let (mut seen, mut largest) = (0, 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.unwrap();
            for (i, text) in batch.column(0).as_primitive::<Int32Type>().iter().zip(batch.column(1).as_string_view()) {
                seen += 1;
                assert_eq!(i, Some(seen));
                assert_eq!(text.unwrap(), char::from(65 + (seen % 26) as u8).to_string().repeat(20_000));
            }
            largest = largest.max(batch.num_rows());
        }
        assert_eq!(seen, 1000);
        assert!(largest < 300, "{largest} rows of 20 kB in a batch");
    }
    let many = rows(e, scan("select i::int8 from generate_series(1, 100001) i", &[PgType::INT8], MANY)).await.unwrap();
    assert_eq!(many.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>(), 100_001 * 100_002 / 2);
}
