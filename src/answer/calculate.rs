//! The value of an expression for one group, at one step or over the window.

use super::board::Board;
use super::value::{Value, arithmetic, compare, joined};
use crate::metric::Number;
use crate::query::planner::{Judged, Node};

impl Board<'_> {
    /// Calculates; trees are at most 128 deep.
    pub(super) fn value(&self, node: &Node, key: usize, step: Option<usize>) -> Value {
        let number = |node: &Node| self.value(node, key, step).number();
        match node {
            Node::Literal(number) => Value::Number(Some(*number)),
            Node::Outside(number) => Value::Number(*number),
            Node::Select(select) => Value::Number(self.select(*select, key, step)),
            Node::Usual(usual) => Value::Number(self.usual(usual, key)),
            Node::Trend(select) => Value::Number(self.trend(*select, key)),
            Node::Anomaly { points, history, sensitivity } => {
                Value::Truth(self.anomaly(*points, *history, *sensitivity, key))
            }
            Node::Neg(inner) => Value::Number(number(inner).and_then(Number::negated)),
            Node::Arith { op, milli, left, right } => {
                Value::Number(number(left).zip(number(right)).and_then(|(a, b)| arithmetic(*op, a, b, *milli)))
            }
            Node::Cmp(op, left, right) => {
                Value::Truth(number(left).zip(number(right)).map(|(a, b)| compare(*op, a, b)))
            }
            Node::Judged(windows) => Value::Truth(self.judged(windows, key)),
            Node::Bool(op, list) => Value::Truth(joined(*op, list.iter().map(|n| self.value(n, key, step).truth()))),
            Node::Not(inner) => Value::Truth(self.value(inner, key, step).truth().map(|t| !t)),
        }
    }

    /// Both sides of a comparison over the window. Of a judged one those of the window on which it is
    /// true, else of the longest.
    pub(super) fn sides(&self, node: &Node, key: usize) -> Option<[Option<Number>; 2]> {
        let number = |node: &Node| self.value(node, key, None).number();
        match node {
            Node::Cmp(_, left, right) => Some([number(left), number(right)]),
            Node::Judged(windows) => {
                let due = windows.iter().find(|w| self.judge(w, key) == Some(true));
                due.or_else(|| windows.last()).map(|Judged { left, right, .. }| [number(left), number(right)])
            }
            _ => None,
        }
    }
}
