//! A query made ready to be answered: plans for the store, and the arithmetic over their answers.

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Label, Plan, Step};
use ax_storage::time::{TimeRange, Zone};

use crate::metric::{Aggregation, Metric, Needs, Number};
use crate::query::ast::{ArithOp, BoolOp, CmpOp, Filter, Select, Top};
use crate::query::check::Dim;

/// A query with absolute times: what to ask the store, and what to make of the answers.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query in canonical form.
    pub text: String,
    /// What to ask the store; all of one view.
    pub asked: Vec<Asked>,
    /// The metrics in it, each with the plan that has its numbers.
    pub selects: Vec<Selected>,
    /// What to calculate.
    pub root: Node,
    /// What the numbers measure; `None` = true, false or unknown.
    pub dim: Option<Dim>,
    /// What both sides measure, when it is one comparison.
    pub compared: Option<Dim>,
    /// Labels of the rows; `None` = one row.
    pub group: Option<Vec<Label>>,
    /// Width of a point.
    pub step: Option<Step>,
    /// Zone of days and of hours of the day.
    pub zone: Zone,
    /// The window of the first metric.
    pub range: TimeRange,
    /// Other metrics look at other windows.
    pub several_windows: bool,
    /// Only the greatest or least rows.
    pub top: Option<Top>,
    /// The metric whose value `vs` compares with.
    pub versus: Option<Versus>,
    /// What its metrics are narrowed to.
    pub filters: Vec<Filter>,
    /// The metric, when the query is one metric.
    pub only: Option<Select>,
    /// The values that a summary of all rows is about, and the plan that has them.
    pub summary: Option<(Measure, usize)>,
    /// What a reader of the answer should know.
    pub notes: Vec<String>,
    /// Groups that get a row even when there are no events of theirs, by the values of their labels.
    pub known: Vec<Vec<Box<str>>>,
}

/// A plan with what it brings.
#[derive(Clone, Debug)]
pub struct Asked {
    /// For the store.
    pub plan: Plan,
    /// Its numbers.
    pub needs: Needs,
}

/// A metric of a query.
#[derive(Clone, Debug)]
pub struct Selected {
    /// What is asked for.
    pub metric: Metric,
    /// How it is summed up.
    pub aggregation: Aggregation,
    /// Index of the plan that has its numbers.
    pub asked: usize,
    /// Where its plan has the labels of the question's group, in that order; empty = one value.
    pub labels: Vec<usize>,
    /// Its window lies so many milliseconds back.
    pub offset_ms: u64,
}

/// What a row is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versus {
    /// Index of the metric in the window to compare with.
    pub select: usize,
    /// That window, as asked.
    pub range: TimeRange,
}

/// A calculation.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A number in the unit that values have: milliseconds, dollars, a share.
    Literal(Number),
    /// The value of a metric, by its index.
    Select(usize),
    /// A number from outside the store; `None` = unknown.
    Outside(Option<Number>),
    /// The usual level of a metric.
    Usual(Usual),
    /// Far off its usual level?
    Anomaly {
        /// The metric in three successive windows.
        points: usize,
        /// Its past.
        history: usize,
        /// So many robust deviations.
        sensitivity: f64,
    },
    /// Change over the steps of a metric, as a share.
    Trend(usize),
    /// −x.
    Neg(Box<Node>),
    /// Arithmetic.
    Arith {
        /// Which.
        op: ArithOp,
        /// The result is multiplied by 1000 to this power: durations are held in milliseconds, all
        /// else with time in it in seconds.
        milli: i32,
        /// Left.
        left: Box<Node>,
        /// Right.
        right: Box<Node>,
    },
    /// A comparison.
    Cmp(Box<Comparison>),
    /// A comparison with the usual level that must also be no coincidence: true when it is on one of
    /// these windows.
    Judged(Vec<Judged>),
    /// Conditions joined by one word.
    Bool(BoolOp, Vec<Node>),
    /// NOT x.
    Not(Box<Node>),
}

/// A comparison of two numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// How.
    pub op: CmpOp,
    /// Left.
    pub left: Node,
    /// Right.
    pub right: Node,
    /// What both measure.
    pub dim: Option<Dim>,
    /// The metrics in it.
    pub selects: Vec<usize>,
    /// So many events must lie in the window of each, or it does not count.
    pub min_events: u64,
    /// It stands behind an odd number of NOTs: what does not count is true then.
    pub negated: bool,
}

/// How the usual level of a metric comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Usual {
    /// The pooled ratio or merged percentile of the past, by the metric's index.
    Pooled(usize),
    /// The seasonal median of the windows before, each as long.
    Seasonal {
        /// The metric in them, by its index.
        history: usize,
        /// The window.
        window: TimeRange,
    },
    /// What the hours of a window usually come to.
    ByHour {
        /// The metric by the hour, by its index.
        hours: usize,
        /// The window.
        window: TimeRange,
        /// Hours add up; else they are averaged.
        adds_up: bool,
    },
}

/// A comparison on one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// How.
    pub op: CmpOp,
    /// Left.
    pub left: Node,
    /// Right.
    pub right: Node,
    /// The metric in the window.
    pub now: usize,
    /// The metric in the past.
    pub past: usize,
    /// Whether the right side, `left`, or neither is the metric alone; the other is then the bound
    /// that a percentile's values are counted above.
    pub bound: Bound,
    /// Too much is the question; else too little.
    pub upper: bool,
    /// So many events must lie in the window, or the comparison does not count.
    pub min_events: u64,
    /// It stands behind an odd number of NOTs: what does not count is true then.
    pub negated: bool,
    /// What both sides measure.
    pub dim: Option<Dim>,
}

/// Which side of a comparison is the bound of a metric that stands alone on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `metric > bound`.
    Right,
    /// `bound < metric`.
    Left,
    /// The metric is part of a calculation.
    Neither,
}
