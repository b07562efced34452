//! The value of an expression for one group, at one step or over the window.

use super::board::Board;
use super::value::{Value, arithmetic, compare, joined};
use crate::metric::Number;
use crate::query::planner::{Comparison, Node};

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
                Value::Truth(self.anomaly(*points, *history, *sensitivity, key).map(|judged| judged.found))
            }
            Node::Neg(inner) => Value::Number(number(inner).and_then(Number::negated)),
            Node::Arith { op, milli, left, right } => {
                Value::Number(number(left).zip(number(right)).and_then(|(a, b)| arithmetic(*op, a, b, *milli)))
            }
            Node::Cmp(comparison) => Value::Truth(self.compared(comparison, key, step)),
            Node::Judged(windows) => Value::Truth(self.judged(windows, key)),
            Node::Bool(op, list) => Value::Truth(joined(*op, list.iter().map(|n| self.value(n, key, step).truth()))),
            Node::Not(inner) => Value::Truth(self.value(inner, key, step).truth().map(|t| !t)),
        }
    }

    /// Whether a comparison holds; one that rests on too few events does not count.
    fn compared(&self, c: &Comparison, key: usize, step: Option<usize>) -> Option<bool> {
        let number = |node: &Node| self.value(node, key, step).number();
        let truth = number(&c.left).zip(number(&c.right)).map(|(a, b)| compare(c.op, a, b))?;
        let few = c.min_events > 0 && self.fewest(&c.selects, key, step) < c.min_events;
        Some(if few { c.negated } else { truth })
    }

    /// Events behind the metric that has fewest.
    pub(super) fn fewest(&self, selects: &[usize], key: usize, step: Option<usize>) -> u64 {
        selects.iter().map(|select| self.events(*select, key, step)).min().unwrap_or(u64::MAX)
    }
}
