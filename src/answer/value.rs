//! Values of an answer and their arithmetic: exact where both sides are whole, three-valued where
//! something is unknown.

use std::cmp::Ordering;

use crate::metric::{Money, Number};
use crate::query::ast::{ArithOp, BoolOp, CmpOp};

/// A number, or true, false or unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `None` = no data.
    Number(Option<Number>),
    /// `None` = unknown.
    Truth(Option<bool>),
}

impl Default for Value {
    fn default() -> Self {
        Self::Number(None)
    }
}

impl Value {
    /// The number, if it is one.
    pub fn number(self) -> Option<Number> {
        match self {
            Self::Number(number) => number,
            Self::Truth(_) => None,
        }
    }

    /// The truth, if it is one and known.
    pub fn truth(self) -> Option<bool> {
        match self {
            Self::Truth(truth) => truth,
            Self::Number(_) => None,
        }
    }

    /// Order by size; no data and unknown are least, true is greatest.
    pub fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Number(Some(a)), Self::Number(Some(b))) => a.order(b),
            (Self::Number(a), Self::Number(b)) => a.is_some().cmp(&b.is_some()),
            (a, b) => a.truth().cmp(&b.truth()),
        }
    }
}

/// `a op b`, times 1000 to the power of `milli`. Whole numbers and money add up exactly.
pub(super) fn arithmetic(op: ArithOp, a: Number, b: Number, milli: i32) -> Option<Number> {
    use Number::{Money as M, Whole as W};
    let exact = |a: i128, b: i128| match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => a.checked_sub(b),
        ArithOp::Mul | ArithOp::Div => None,
    };
    match (a, b) {
        (W(x), W(y)) => exact(x, y).map(W),
        (M(Money(x)), M(Money(y))) => exact(x, y).map(|n| M(Money(n))),
        _ => None,
    }
    .or_else(|| {
        let (x, y) = (a.to_f64(), b.to_f64());
        let raw = match op {
            ArithOp::Add => x + y,
            ArithOp::Sub => x - y,
            ArithOp::Mul => x * y,
            ArithOp::Div if y == 0.0 => return None,
            ArithOp::Div => x / y,
        };
        Number::float(if milli == 0 { raw } else { raw * 1000_f64.powi(milli) })
    })
}

/// Whether `a op b` holds.
pub fn compare(op: CmpOp, a: Number, b: Number) -> bool {
    // Not by total order: 0 and -0 are the same.
    let order = match (a, b) {
        (Number::Whole(_), Number::Whole(_)) | (Number::Money(_), Number::Money(_)) => a.order(b),
        _ => a.to_f64().partial_cmp(&b.to_f64()).unwrap_or(Ordering::Equal),
    };
    match op {
        CmpOp::Eq => order.is_eq(),
        CmpOp::Ne => order.is_ne(),
        CmpOp::Lt => order.is_lt(),
        CmpOp::Le => order.is_le(),
        CmpOp::Gt => order.is_gt(),
        CmpOp::Ge => order.is_ge(),
    }
}

/// Kleene's AND and OR: what is known decides where it can.
pub(super) fn joined(op: BoolOp, list: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let deciding = op == BoolOp::Or;
    let mut unknown = false;
    for truth in list {
        match truth {
            Some(t) if t == deciding => return Some(deciding),
            Some(_) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(!deciding)
}
