//! Window functions: the WINDOW clause, frames, and the nodes that compute them (`transformWindowDefinitions`).

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion_expr::{Expr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowUDF};
use sqlparser::ast;

use super::Clause;
use super::binder::Binder;
use super::keys;
use super::node;
use super::scope::{Scope, fold};
use crate::error::{Error, Result, state};
use crate::pgsem::Typed;
use crate::pgsem::registry::CastContext;
use crate::pgtype::{PgType, oid};

/// What stands behind OVER, bound: keys to partition and sort by, and the frame.
#[derive(Clone, Debug)]
pub struct BoundWindow {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<Sort>,
    pub frame: WindowFrame,
}

impl Binder<'_> {
    /// Binds what stands behind OVER.
    pub fn bind_window(&mut self, over: &ast::WindowType, scope: &Scope<'_>) -> Result<BoundWindow> {
        let spec = match over {
            ast::WindowType::NamedWindow(name) => named(&fold(name), scope, scope.windows.len())?,
            ast::WindowType::WindowSpec(spec) => resolve(spec, scope, scope.windows.len())?,
        };
        let mut partition_by = Vec::with_capacity(spec.partition_by.len());
        for expr in &spec.partition_by {
            let typed = self.bind_expr(expr, scope, Clause::WindowPartition)?;
            let typed = self.settle(typed)?;
            keys::check_equality(typed.ty)?;
            partition_by.push(keys::key(&typed)?);
        }
        let mut sorted = Vec::with_capacity(spec.order_by.len());
        for item in &spec.order_by {
            let typed = self.bind_expr(&item.expr, scope, Clause::WindowOrder)?;
            sorted.push((self.settle(typed)?, item.options));
        }
        let order_by = sorted
            .iter()
            .map(|(typed, options)| super::order::sort_expr(typed, options))
            .collect::<Result<Vec<_>>>()?;
        let frame = match &spec.window_frame {
            Some(frame) => self.bind_frame(frame, &sorted)?,
            None if order_by.is_empty() => WindowFrame::new(None),
            None => WindowFrame::new(Some(false)),
        };
        Ok(BoundWindow { partition_by, order_by, frame })
    }

    fn bind_frame(&mut self, frame: &ast::WindowFrame, sorted: &[(Typed, ast::OrderByOptions)]) -> Result<WindowFrame> {
        use ast::WindowFrameBound as B;
        let invalid = |message: &str| Err(Error::new(state::WINDOWING_ERROR, message));
        let end = frame.end_bound.as_ref().unwrap_or(&B::CurrentRow);
        match (&frame.start_bound, end) {
            (B::Following(None), _) => return invalid("frame start cannot be UNBOUNDED FOLLOWING"),
            (_, B::Preceding(None)) => return invalid("frame end cannot be UNBOUNDED PRECEDING"),
            (B::CurrentRow, B::Preceding(_)) => {
                return invalid("frame starting from current row cannot have preceding rows");
            }
            (B::Following(_), B::Preceding(_)) => {
                return invalid("frame starting from following row cannot have preceding rows");
            }
            (B::Following(_), B::CurrentRow) => {
                return invalid("frame starting from following row cannot end with current row");
            }
            _ => {}
        }
        let units = match frame.units {
            ast::WindowFrameUnits::Rows => WindowFrameUnits::Rows,
            ast::WindowFrameUnits::Range => WindowFrameUnits::Range,
            ast::WindowFrameUnits::Groups => WindowFrameUnits::Groups,
        };
        if units == WindowFrameUnits::Groups && sorted.is_empty() {
            return invalid("GROUPS mode requires an ORDER BY clause");
        }
        let start = self.bind_bound(&frame.start_bound, units, sorted, "starting")?;
        let end = self.bind_bound(end, units, sorted, "ending")?;
        if is_empty_frame(&start, &end) {
            return Err(Error::unsupported("a window frame that ends before it starts"));
        }
        if sorted.is_empty() && units == WindowFrameUnits::Range {
            // Without an order all rows are peers: CURRENT ROW is the whole partition.
            return Ok(WindowFrame::new(None));
        }
        Ok(WindowFrame::new_bounds(units, start, end))
    }

    fn bind_bound(
        &mut self,
        bound: &ast::WindowFrameBound,
        units: WindowFrameUnits,
        sorted: &[(Typed, ast::OrderByOptions)],
        which: &str,
    ) -> Result<WindowFrameBound> {
        let (offset, preceding) = match bound {
            ast::WindowFrameBound::CurrentRow => return Ok(WindowFrameBound::CurrentRow),
            ast::WindowFrameBound::Preceding(offset) => (offset, true),
            ast::WindowFrameBound::Following(offset) => (offset, false),
        };
        let offset = match offset {
            None => ScalarValue::UInt64(None),
            Some(offset) => {
                let ty = match units {
                    WindowFrameUnits::Range => range_offset_type(sorted)?,
                    WindowFrameUnits::Rows | WindowFrameUnits::Groups => PgType::INT8,
                };
                self.frame_offset(offset, units, ty, which)?
            }
        };
        Ok(if preceding { WindowFrameBound::Preceding(offset) } else { WindowFrameBound::Following(offset) })
    }

    fn frame_offset(
        &mut self,
        offset: &ast::Expr,
        units: WindowFrameUnits,
        ty: PgType,
        which: &str,
    ) -> Result<ScalarValue> {
        let typed = self.bind_expr(offset, &Scope::default(), Clause::WindowFrame)?;
        let number = match typed.as_literal() {
            Some(ScalarValue::Int16(n)) => n.map(i64::from),
            Some(ScalarValue::Int32(n)) => n.map(i64::from),
            Some(ScalarValue::Int64(n)) => *n,
            _ => {
                let typed = self.coerce(typed, ty, CastContext::Implicit)?;
                match typed.as_literal() {
                    Some(ScalarValue::Int16(n)) => n.map(i64::from),
                    Some(ScalarValue::Int32(n)) => n.map(i64::from),
                    Some(ScalarValue::Int64(n)) => *n,
                    _ => return Err(Error::unsupported("a frame offset that is not an integer constant")),
                }
            }
        };
        let Some(number) = number else {
            return Err(Error::new(state::NULL_NOT_ALLOWED, format!("frame {which} offset must not be null")));
        };
        let Ok(count) = u64::try_from(number) else {
            return Err(Error::new(
                state::INVALID_PRECEDING_OR_FOLLOWING,
                format!("frame {which} offset must not be negative"),
            ));
        };
        let too_large = |_| Error::unsupported("a frame offset wider than the ordering column");
        Ok(match (units, ty.oid) {
            (WindowFrameUnits::Range, oid::INT2) => ScalarValue::Int16(Some(i16::try_from(number).map_err(too_large)?)),
            (WindowFrameUnits::Range, oid::INT4) => ScalarValue::Int32(Some(i32::try_from(number).map_err(too_large)?)),
            (WindowFrameUnits::Range, _) => ScalarValue::Int64(Some(number)),
            _ => ScalarValue::UInt64(Some(count)),
        })
    }
}

/// Whether both ends are on one side of the current row, in the wrong order.
fn is_empty_frame(start: &WindowFrameBound, end: &WindowFrameBound) -> bool {
    use WindowFrameBound::{Following, Preceding};
    match (start, end) {
        (Preceding(start), Preceding(end)) => !start.is_null() && start < end,
        (Following(start), Following(end)) => !end.is_null() && start > end,
        _ => false,
    }
}

/// RANGE with an offset: the type of the one column it is added to.
fn range_offset_type(sorted: &[(Typed, ast::OrderByOptions)]) -> Result<PgType> {
    let [(typed, _)] = sorted else {
        return Err(Error::new(
            state::WINDOWING_ERROR,
            "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
        ));
    };
    if typed.ty.is_integer() {
        return Ok(typed.ty);
    }
    Err(Error::unsupported(format!("RANGE with offset PRECEDING/FOLLOWING for column type {}", typed.ty)))
}

/// The definition of a window by name, among the first `visible` of the WINDOW clause.
fn named(name: &str, scope: &Scope<'_>, visible: usize) -> Result<ast::WindowSpec> {
    let found = scope.windows[..visible].iter().rposition(|w| fold(&w.0) == name);
    let Some(index) = found else {
        return Err(Error::new(state::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist")));
    };
    match &scope.windows[index].1 {
        ast::NamedWindowExpr::NamedWindow(other) => named(&fold(other), scope, index),
        ast::NamedWindowExpr::WindowSpec(spec) => resolve(spec, scope, index),
    }
}

/// A definition with what it takes from the window it refines.
fn resolve(spec: &ast::WindowSpec, scope: &Scope<'_>, visible: usize) -> Result<ast::WindowSpec> {
    let Some(base_name) = &spec.window_name else { return Ok(spec.clone()) };
    let name = fold(base_name);
    let base = named(&name, scope, visible)?;
    let refuse = |message: String| Err(Error::new(state::WINDOWING_ERROR, message));
    if !spec.partition_by.is_empty() {
        return refuse(format!("cannot override PARTITION BY clause of window \"{name}\""));
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        return refuse(format!("cannot override ORDER BY clause of window \"{name}\""));
    }
    if base.window_frame.is_some() {
        return refuse(format!("cannot copy window \"{name}\" because it has a frame clause"));
    }
    Ok(ast::WindowSpec {
        window_name: None,
        partition_by: base.partition_by,
        order_by: if spec.order_by.is_empty() { base.order_by } else { spec.order_by.clone() },
        window_frame: spec.window_frame.clone(),
    })
}

/// 42P20: a window defined twice.
pub(super) fn check_definitions(windows: &[ast::NamedWindowDefinition]) -> Result<()> {
    for (i, window) in windows.iter().enumerate() {
        let name = fold(&window.0);
        if windows[..i].iter().any(|w| fold(&w.0) == name) {
            return Err(Error::new(state::WINDOWING_ERROR, format!("window \"{name}\" is already defined")));
        }
    }
    Ok(())
}

/// A ranking function over a whole partition.
pub(super) fn ranking(function: Arc<WindowUDF>, partition_by: Vec<Expr>, order_by: Vec<Sort>) -> Expr {
    let window_frame = WindowFrame::new((!order_by.is_empty()).then_some(false));
    Expr::from(WindowFunction {
        fun: function.into(),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by,
            order_by,
            window_frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    })
}

/// Computes window calls (under aliases), one node for each way to partition and sort.
pub(super) fn add_windows(plan: LogicalPlan, calls: Vec<Expr>) -> Result<LogicalPlan> {
    let mut groups: Vec<((Vec<Expr>, Vec<Sort>), Vec<Expr>)> = Vec::new();
    for call in calls {
        let order = match &call {
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::WindowFunction(w) => (w.params.partition_by.clone(), w.params.order_by.clone()),
                _ => return Err(Error::internal("not a window call")),
            },
            _ => return Err(Error::internal("a window call without a name")),
        };
        match groups.iter_mut().find(|(o, _)| *o == order) {
            Some((_, members)) => members.push(call),
            None => groups.push((order, vec![call])),
        }
    }
    let mut plan = plan;
    for (_, members) in groups {
        plan = LogicalPlan::Window(Window::try_new(members, Arc::new(plan))?);
    }
    Ok(plan)
}

/// Moves window calls out of expressions into nodes above `plan`.
pub(super) fn lift_windows<'e>(
    binder: &mut Binder<'_>,
    plan: LogicalPlan,
    exprs: impl Iterator<Item = &'e mut Expr>,
) -> Result<LogicalPlan> {
    let mut found: Vec<(Expr, datafusion_common::Column)> = Vec::new();
    for expr in exprs {
        let taken = std::mem::take(expr);
        *expr = taken
            .transform_down(|e| {
                if !matches!(e, Expr::WindowFunction(_)) {
                    return Ok(Transformed::no(e));
                }
                let column = match found.iter().find(|(f, _)| *f == e) {
                    Some((_, column)) => column.clone(),
                    None => {
                        let column = binder.fresh_column();
                        found.push((e, column.clone()));
                        column
                    }
                };
                Ok(Transformed::new(Expr::Column(column), true, TreeNodeRecursion::Jump))
            })?
            .data;
    }
    if found.is_empty() {
        return Ok(plan);
    }
    let mut calls: Vec<Expr> = found.into_iter().map(|(call, name)| node::named(call, &name)).collect();
    let plan = super::hoist::hoist_subqueries(binder, plan, &mut calls, &DFSchema::empty())?;
    add_windows(plan, calls)
}
