use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, StringViewArray};
use datafusion_expr::expr::Sort;
use datafusion_expr::{Accumulator, EmitTo, Expr, GroupsAccumulator, col};

use super::PgCollect;
use super::accumulator::{Grouped, Single};
use crate::context::QueryContext;
use crate::pgsem::evaluate::column;
use crate::pgsem::io;
use crate::pgsem::registry::{AggregateCall, registry};
use crate::pgtype::PgType;

/// The one implementation of an aggregate for these types, sorted by its first argument if asked.
fn bind(name: &str, types: &[PgType], distinct: bool, descending: Option<bool>) -> PgColumns {
    let names = ["a", "b"];
    let args = types.iter().zip(names).map(|(ty, n)| column(n, *ty, ty.repr())).collect();
    let order_by = descending.map(|desc| Sort::new(col("a"), !desc, desc)).into_iter().collect();
    let call = AggregateCall { args, distinct, filter: None, order_by, within_group: false };
    let all = &registry().aggregates[name];
    let signature = all.iter().find(|s| s.args[0] == types[0].oid).unwrap_or(&all[0]);
    let typed = (signature.build)(&QueryContext::default(), call).unwrap();
    let Expr::AggregateFunction(leaf) = typed.expr else { panic!("{name} is no aggregate") };
    let udaf = PgCollect::of(&leaf.func).unwrap();
    let mut arg_types: Vec<_> = types.iter().map(|t| t.repr()).collect();
    arg_types.extend(udaf.order.iter().map(|_| types[0].repr()));
    PgColumns { plan: udaf.plan(), repr: udaf.repr.clone(), arg_types, ty: typed.ty, sorted: descending.is_some() }
}

struct PgColumns {
    plan: super::Plan,
    repr: arrow::datatypes::DataType,
    arg_types: Vec<arrow::datatypes::DataType>,
    ty: PgType,
    sorted: bool,
}

impl PgColumns {
    fn args(&self, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        let mut args = columns.to_vec();
        if self.sorted {
            args.push(Arc::clone(&columns[0]));
        }
        args
    }

    /// The same result as one group at once, and as partial states of single rows.
    fn show(&self, columns: &[ArrayRef]) -> String {
        let args = self.args(columns);
        let new = || Single::new(self.plan.clone(), self.arg_types.clone());
        let mut whole = new();
        whole.update_batch(&args).unwrap();
        let mut last = new();
        for row in 0..columns[0].len() {
            let mut part = new();
            part.update_batch(&args.iter().map(|a| a.slice(row, 1)).collect::<Vec<_>>()).unwrap();
            let states: Vec<ArrayRef> = part.state().unwrap().iter().map(|s| s.to_array().unwrap()).collect();
            last.merge_batch(&states).unwrap();
        }
        let value = whole.evaluate().unwrap();
        assert_eq!(value, last.evaluate().unwrap());
        self.text(&value.to_array().unwrap(), 0)
    }

    fn text(&self, array: &ArrayRef, row: usize) -> String {
        assert_eq!(array.data_type(), &self.repr);
        if array.is_null(row) {
            return "NULL".to_string();
        }
        let mut out = String::new();
        io::format(array.as_ref(), row, self.ty, QueryContext::default().time_zone, &mut out).unwrap();
        out
    }
}

fn numbers() -> ArrayRef {
    Arc::new(Int32Array::from(vec![Some(3), None, Some(1), Some(3)]))
}

fn words(words: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from(words.to_vec()))
}

#[test]
fn arrays_keep_nulls_and_order() {
    let show = |distinct, order| bind("array_agg", &[PgType::INT4], distinct, order).show(&[numbers()]);
    assert_eq!(show(false, None), "{3,NULL,1,3}");
    assert_eq!(show(true, None), "{1,3,NULL}");
    assert_eq!(show(false, Some(false)), "{1,3,3,NULL}");
    assert_eq!(show(true, Some(true)), "{NULL,3,1}");
}

#[test]
fn no_rows_give_null() {
    for name in ["array_agg", "json_agg", "jsonb_agg"] {
        let aggregate = bind(name, &[PgType::INT4], false, None);
        assert_eq!(aggregate.show(&[numbers().slice(0, 0)]), "NULL", "{name}");
    }
}

#[test]
fn a_separator_belongs_to_the_row_behind_it() {
    let aggregate = bind("string_agg", &[PgType::TEXT, PgType::TEXT], false, None);
    let show =
        |values: &[Option<&str>], separators: &[Option<&str>]| aggregate.show(&[words(values), words(separators)]);
    let values = [None, Some("a"), None, Some("b"), Some("c")];
    assert_eq!(show(&values, &[Some("1"), Some("2"), Some("3"), Some("4"), None]), "a4bc");
    assert_eq!(show(&[None], &[Some(",")]), "NULL");
    assert_eq!(show(&[Some("")], &[Some(",")]), "");
}

#[test]
fn json_spells_as_postgres_does() {
    let show = |name, types: &[PgType], columns: &[ArrayRef]| bind(name, types, false, None).show(columns);
    assert_eq!(show("json_agg", &[PgType::INT4], &[numbers()]), "[3, null, 1, 3]");
    let pair = [words(&[Some("b"), Some("a"), Some("b")]), numbers().slice(0, 3)];
    let types = [PgType::TEXT, PgType::INT4];
    assert_eq!(show("json_object_agg", &types, &pair), r#"{ "b" : 3, "a" : null, "b" : 1 }"#);
    assert_eq!(show("jsonb_object_agg", &types, &pair), r#"{"a": null, "b": 1}"#);
}

#[test]
fn groups_are_told_apart() {
    let aggregate = bind("array_agg", &[PgType::INT4], false, Some(false));
    let mut groups = Grouped::new(aggregate.plan.clone(), aggregate.arg_types.clone());
    let args = aggregate.args(&[numbers()]);
    groups.update_batch(&args, &[1, 0, 1, 2], None, 4).unwrap();
    let filter = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
    groups.update_batch(&args, &[2, 2, 2, 0], Some(&filter), 4).unwrap();
    let first = groups.evaluate(EmitTo::First(2)).unwrap();
    assert_eq!([aggregate.text(&first, 0), aggregate.text(&first, 1)], ["{3,NULL}", "{1,3}"]);
    let rest = groups.evaluate(EmitTo::All).unwrap();
    assert_eq!([aggregate.text(&rest, 0), aggregate.text(&rest, 1)], ["{3,3}", "NULL"]);
}

#[test]
fn a_moving_frame_drops_its_oldest_rows() {
    let aggregate = bind("array_agg", &[PgType::INT4], false, None);
    let mut frame = Single::new(aggregate.plan.clone(), aggregate.arg_types.clone());
    let one = |row| vec![numbers().slice(row, 1)];
    frame.update_batch(&one(0)).unwrap();
    frame.update_batch(&one(1)).unwrap();
    frame.retract_batch(&one(0)).unwrap();
    frame.update_batch(&one(2)).unwrap();
    assert_eq!(aggregate.text(&frame.evaluate().unwrap().to_array().unwrap(), 0), "{NULL,1}");
}

#[test]
fn a_null_key_is_refused() {
    let aggregate = bind("json_object_agg", &[PgType::TEXT, PgType::INT4], false, None);
    let mut single = Single::new(aggregate.plan.clone(), aggregate.arg_types.clone());
    single.update_batch(&[words(&[None]), numbers().slice(0, 1)]).unwrap();
    let error = crate::error::Error::from(single.evaluate().unwrap_err());
    assert_eq!(error.message(), "field name must not be null");
}
