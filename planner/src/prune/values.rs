//! Sets of values, as unions of ranges: what a condition leaves of an expression's values. A set may be larger than it had to
//! be, never smaller.

use std::cmp::Ordering;
use std::ops::Bound;

use datafusion_common::ScalarValue;
use datafusion_expr::Operator;

/// Pairs of ranges that an intersection looks at; with more it keeps the smaller operand as it is.
const MAX_PAIRS: usize = 1 << 14;
/// Ranges that exclusions (`x <> 1 AND x <> 2 …`) may cut a set into, and alternatives may put together; more of them are not
/// taken into account.
const MAX_RANGES: usize = 500;

/// Compared as DataFusion compares the values of one carrier: that is what a plan means.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// NULL is one of them.
    null: bool,
    ranges: Vec<Range>,
}

#[derive(Clone, Debug, PartialEq)]
struct Range {
    low: Bound<ScalarValue>,
    high: Bound<ScalarValue>,
}

const EVERYTHING: Range = Range { low: Bound::Unbounded, high: Bound::Unbounded };

impl Values {
    pub fn null() -> Self {
        Self { null: true, ranges: Vec::new() }
    }

    pub fn not_null() -> Self {
        Self { null: false, ranges: vec![EVERYTHING] }
    }

    /// The values that compare so with a value that is not NULL; `None` for an operator that is no comparison.
    pub fn compared(op: Operator, with: &ScalarValue) -> Option<Self> {
        let with = &widened(with);
        let value = || Bound::Included(with.clone());
        let beyond = || Bound::Excluded(with.clone());
        let below = |high| Range { low: Bound::Unbounded, high };
        let above = |low| Range { low, high: Bound::Unbounded };
        let ranges = match op {
            Operator::Eq => vec![Range { low: value(), high: value() }],
            Operator::NotEq => vec![below(beyond()), above(beyond())],
            Operator::Lt => vec![below(beyond())],
            Operator::LtEq => vec![below(value())],
            Operator::Gt => vec![above(beyond())],
            Operator::GtEq => vec![above(value())],
            _ => return None,
        };
        Some(Self { null: false, ranges })
    }

    pub fn or_null(self) -> Self {
        Self { null: true, ..self }
    }

    pub fn is_empty(&self) -> bool {
        !self.null && self.ranges.is_empty()
    }

    pub fn and(&self, other: &Self) -> Self {
        let null = self.null && other.null;
        let (few, many) = match self.ranges.len() < other.ranges.len() {
            true => (&self.ranges, &other.ranges),
            false => (&other.ranges, &self.ranges),
        };
        if few.len() * many.len() > MAX_PAIRS {
            return Self { null, ranges: few.clone() };
        }
        let pairs = many.iter().flat_map(|a| few.iter().map(move |b| a.and(b)));
        let ranges: Vec<Range> = pairs.filter(|r| !r.is_empty()).collect();
        if ranges.len() > many.len().max(MAX_RANGES) {
            return Self { null, ranges: many.clone() };
        }
        Self { null, ranges }
    }

    pub fn or(mut self, other: Self) -> Self {
        self.null |= other.null;
        for range in other.ranges {
            if !self.ranges.contains(&range) {
                self.ranges.push(range);
            }
            if self.ranges.len() > MAX_RANGES {
                self.ranges = vec![EVERYTHING];
                break;
            }
        }
        self
    }
}

impl Range {
    /// Bounds that cannot be compared are left as they are, which makes the range too large.
    fn and(&self, other: &Self) -> Self {
        let tighter = |a: &Bound<ScalarValue>, b: &Bound<ScalarValue>, wanted: Ordering| match (bound(a), bound(b)) {
            (_, None) => a.clone(),
            (None, _) => b.clone(),
            (Some((x, _)), Some((y, y_included))) => match y.partial_cmp(x) {
                Some(order) if order == wanted || order == Ordering::Equal && !y_included => b.clone(),
                _ => a.clone(),
            },
        };
        Self {
            low: tighter(&self.low, &other.low, Ordering::Greater),
            high: tighter(&self.high, &other.high, Ordering::Less),
        }
    }

    fn is_empty(&self) -> bool {
        let (Some((low, low_included)), Some((high, high_included))) = (bound(&self.low), bound(&self.high)) else {
            return false;
        };
        match low.partial_cmp(high) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !(low_included && high_included),
            _ => false,
        }
    }
}

/// Integers as the widest of them.
fn widened(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Int16(Some(n)) => ScalarValue::Int64(Some(i64::from(*n))),
        ScalarValue::Int32(Some(n)) => ScalarValue::Int64(Some(i64::from(*n))),
        other => other.clone(),
    }
}

/// The value, and whether it is in the range itself.
fn bound(bound: &Bound<ScalarValue>) -> Option<(&ScalarValue, bool)> {
    match bound {
        Bound::Included(value) => Some((value, true)),
        Bound::Excluded(value) => Some((value, false)),
        Bound::Unbounded => None,
    }
}
