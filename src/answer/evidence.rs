//! What led to the truth of a condition: the numbers of the comparison that decided it.

use super::board::Board;
use crate::metric::Number;
use crate::query::check::Dim;
use crate::query::planner::{Comparison, Judged, Node};

/// Numbers behind the truth of a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The value.
    pub value: Option<Number>,
    /// What it is compared with.
    pub threshold: Option<Number>,
    /// What both measure; `None` = unknown.
    pub dim: Option<Dim>,
    /// Events the value rests on.
    pub count: u64,
    /// How likely chance alone gives it, where that is asked.
    pub chance: Option<f64>,
    /// How many of how many were too much, where that is asked.
    pub share: Option<(u64, u64)>,
    /// Fewer events than are wanted: how many there are, and how many are wanted.
    pub too_few: Option<(u64, u64)>,
    /// Length of the window in milliseconds; 0 = unknown.
    pub window_ms: u64,
}

impl Board<'_> {
    /// The evidence of a condition over its windows: of the first part that decides it.
    pub(super) fn evidence(&self, node: &Node, key: usize) -> Option<Evidence> {
        match node {
            Node::Cmp(comparison) => Some(self.of_comparison(comparison, key)),
            Node::Judged(windows) => self.of_judged(windows, key),
            Node::Anomaly { points, history, sensitivity } => {
                let judged = self.anomaly(*points, *history, *sensitivity, key);
                let metric = self.question.selects.get(*points).map(|s| s.metric);
                let bound = judged.map(|j| {
                    let off = sensitivity * j.scale;
                    j.baseline + if j.value < j.baseline { -off } else { off }
                });
                Some(Evidence {
                    value: judged.and_then(|j| Number::float(j.value)),
                    threshold: bound.and_then(Number::float),
                    dim: metric.map(|m| Dim::of(m.info().unit)),
                    count: self.events(*points, key, None),
                    window_ms: self.window(*points).map_or(0, |w| w.millis()),
                    ..Evidence::default()
                })
            }
            Node::Bool(_, list) => {
                let whole = self.value(node, key, None).truth();
                let decides = list.iter().find(|part| self.value(part, key, None).truth() == whole);
                self.evidence(decides.or(list.first())?, key)
            }
            Node::Not(inner) => self.evidence(inner, key),
            _ => None,
        }
    }

    fn of_comparison(&self, c: &Comparison, key: usize) -> Evidence {
        let number = |node: &Node| self.value(node, key, None).number();
        let (left, right) = (number(&c.left), number(&c.right));
        // `2s < latency` says the same as `latency > 2s`.
        let (value, threshold) = if is_bound(&c.left) && !is_bound(&c.right) { (right, left) } else { (left, right) };
        let main = c.selects.first();
        let count = self.fewest(&c.selects, key, None);
        Evidence {
            value,
            threshold,
            dim: c.dim,
            count: main.map_or(0, |select| self.events(*select, key, None)),
            too_few: (c.min_events > 0 && count < c.min_events).then_some((count, c.min_events)),
            window_ms: main.and_then(|select| self.window(*select)).map_or(0, |w| w.millis()),
            ..Evidence::default()
        }
    }

    /// Of the window on which it is true, else of the longest.
    fn of_judged(&self, windows: &[Judged], key: usize) -> Option<Evidence> {
        let number = |node: &Node| self.value(node, key, None).number();
        let due = windows.iter().find(|w| self.judge(w, key) == Some(true)).or_else(|| windows.last())?;
        let (left, right) = (number(&due.left), number(&due.right));
        let (value, threshold) = if is_bound(&due.left) { (right, left) } else { (left, right) };
        let count = self.events(due.now, key, None);
        let significance = self.significance(due, key);
        Some(Evidence {
            value,
            threshold,
            dim: due.dim,
            count,
            chance: significance.map(|(chance, _)| chance),
            share: significance.map(|(_, share)| share),
            too_few: (count < due.min_events).then_some((count, due.min_events)),
            window_ms: self.window(due.now).map_or(0, |w| w.millis()),
        })
    }
}

/// Whether no metric of the window is in it.
fn is_bound(node: &Node) -> bool {
    match node {
        Node::Literal(_) | Node::Outside(_) | Node::Usual(_) => true,
        Node::Neg(inner) => is_bound(inner),
        Node::Arith { left, right, .. } => is_bound(left) && is_bound(right),
        _ => false,
    }
}
