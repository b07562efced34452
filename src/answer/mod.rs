//! From the series that a question's plans brought back to the rows of its answer.
//!
//! Every expression is calculated once a group and point, on the numbers of exactly that group and
//! point: a group that one side lacks is 0 there when its metric adds up, else no data, and nothing
//! is dropped. There is no NaN and no infinity; what cannot be calculated is no data, and a comparison
//! with no data is unknown.

mod board;
mod calculate;
mod evidence;
mod past;
mod top;
mod usuals;
mod value;

use std::sync::Arc;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::Plan;
use ax_storage::query::series::{Aggregate, Series, Source, StepRange};
use ax_storage::time::{TimeRange, Timestamp};

use crate::metric::{self, Needs};
use crate::query::planner::{Node, Question};
use board::Board;
pub use evidence::Evidence;
pub use top::GROUPS_MAX;
pub(crate) use top::OTHER;
pub use usuals::Usuals;
pub use value::{Value, compare};

/// Asks a store for several plans of one view.
pub type Run<'r, E> = dyn FnMut(&[Plan]) -> Result<Vec<Series>, E> + 'r;

/// The same where answers are shared between questions.
pub type RunShared<'r, E> = dyn FnMut(&[Plan]) -> Result<Vec<Arc<Series>>, E> + 'r;

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// There are events of the kinds asked for, whatever their number says.
    pub seen: bool,
    /// The window really used, of the first metric.
    pub range: TimeRange,
    /// The steps of the points; empty without a step.
    pub steps: Vec<StepRange>,
    /// One a group, greatest first, `(other)` last; exactly one without groups.
    pub rows: Vec<Row>,
    /// How many groups there were, if only the [`GROUPS_MAX`] greatest got a row.
    pub groups: Option<usize>,
    /// The numbers of all groups together, of the first metric, with what they are.
    pub all: Option<(Needs, Aggregate)>,
    /// What a summary of all groups is made of.
    pub summary: Option<(Needs, Aggregate)>,
    /// The window that `vs` compares with, as really used.
    pub previous: Option<TimeRange>,
    /// Requests without a price among those whose cost is in it: most of any one metric's.
    pub unpriced: u64,
    /// What was read.
    pub source: Source,
    /// What could not be read.
    pub missing: Vec<String>,
    /// Up to here days are those of the store's zone.
    pub store_days_until: Option<Timestamp>,
    /// The latest event the store knows of.
    pub newest: Option<Timestamp>,
}

/// A group of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Values of the question's labels, in their order.
    pub labels: Vec<Box<str>>,
    /// Stands for the groups that got no row of their own.
    pub other: bool,
    /// Over the whole window.
    pub value: Value,
    /// Events it rests on.
    pub count: u64,
    /// By step.
    pub points: Vec<Point>,
    /// The value in the window that `vs` names, and by step.
    pub previous: Option<(Value, Vec<Value>)>,
    /// What led to the truth of a condition.
    pub evidence: Option<Evidence>,
}

/// A point of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The value.
    pub value: Value,
    /// Events it rests on.
    pub count: u64,
}

/// Answers `question`; `run` asks the store for several plans of one view.
///
/// # Errors
/// Those of `run`.
pub fn answer<E>(question: &Question, run: &mut Run<'_, E>) -> Result<Answer, E> {
    let mut plans = plans(question);
    if let Some((asked, keep)) = top::keep(question) {
        plans[asked].keep = Some(keep);
    }
    let mut shared = |plans: &[Plan]| Ok(run(plans)?.into_iter().map(Arc::new).collect());
    answer_plans(question, &plans, &Usuals::default(), &mut shared)
}

/// Answers one of several questions about the same: `usuals` remembers the pasts that were looked at.
///
/// # Errors
/// Those of `run`.
pub fn answer_shared<E>(question: &Question, usuals: &Usuals, run: &mut RunShared<'_, E>) -> Result<Answer, E> {
    answer_plans(question, &plans(question), usuals, run)
}

fn plans(question: &Question) -> Vec<Plan> {
    question.asked.iter().map(|asked| asked.plan.clone()).collect()
}

fn answer_plans<E>(
    question: &Question,
    plans: &[Plan],
    usuals: &Usuals,
    run: &mut RunShared<'_, E>,
) -> Result<Answer, E> {
    let mut series = run(plans)?;
    // A store that answers less than it was asked for leaves no data.
    series.resize_with(plans.len(), Arc::default);
    let groups = top::cut(question, &mut series, run)?;
    let bounds = past::count_above(question, &mut series, run)?;
    Ok(Answer { groups, ..assemble(question, &series, &bounds, usuals) })
}

fn assemble(question: &Question, series: &[Arc<Series>], bounds: &[u64], usuals: &Usuals) -> Answer {
    let board = Board::new(question, series, bounds, usuals);
    let mut rows: Vec<Row> = (0..board.keys.len()).map(|key| row(&board, key)).collect();
    rows.sort_by(|a, b| a.other.cmp(&b.other).then(b.value.order(a.value)).then_with(|| a.labels.cmp(&b.labels)));
    let first = board.main().map(|s| s.asked);
    let of = |index: usize| series.get(index);
    let main = first.and_then(of);
    let mut answer = Answer {
        range: main.and_then(|s| s.range).unwrap_or(question.range),
        steps: board.axis.to_vec(),
        rows,
        groups: None,
        all: first.and_then(|i| Some((question.asked.get(i)?.needs.clone(), of(i)?.all.clone()))),
        summary: question.summary.and_then(|(_, i)| Some((question.asked.get(i)?.needs.clone(), of(i)?.all.clone()))),
        previous: question.versus.map(|v| {
            let used = question.selects.get(v.select).and_then(|s| of(s.asked)).and_then(|s| s.range);
            used.unwrap_or(v.range)
        }),
        seen: board.seen(),
        unpriced: unpriced(question, series),
        source: Source::default(),
        missing: Vec::new(),
        store_days_until: None,
        newest: None,
    };
    for s in series {
        add(&mut answer.source, &s.source);
        answer.newest = answer.newest.max(s.newest);
        answer.store_days_until = answer.store_days_until.max(s.store_days_until);
        let new: Vec<String> = s.missing.iter().filter(|m| !answer.missing.contains(m)).cloned().collect();
        answer.missing.extend(new);
    }
    answer
}

fn unpriced(question: &Question, series: &[Arc<Series>]) -> u64 {
    let of_cost = question.selects.iter().filter(|s| metric::measure(s.metric) == Some(Measure::Cost));
    of_cost.filter_map(|s| series.get(s.asked)).map(|s| s.all.counts.unpriced).max().unwrap_or(0)
}

fn row(board: &Board<'_>, key: usize) -> Row {
    let question = board.question;
    let root = &question.root;
    let points = if question.step.is_some() {
        let point = |step| Point { value: board.value(root, key, Some(step)), count: board.count(key, Some(step)) };
        (0..board.axis.len()).map(point).collect()
    } else {
        Vec::new()
    };
    let previous = question.versus.map(|v| {
        let node = Node::Select(v.select);
        let point =
            |i: usize| Value::Number(board.before(v, i).and_then(|own| board.select_at(v.select, key, Some(own))));
        let points = if question.step.is_some() { board.axis.len() } else { 0 };
        (board.value(&node, key, None), (0..points).map(point).collect())
    });
    Row {
        labels: board.keys[key].clone(),
        other: top::is_other(&board.keys[key]),
        value: board.value(root, key, None),
        count: board.count(key, None),
        points,
        previous,
        evidence: board.evidence(root, key),
    }
}

fn add(sum: &mut Source, more: &Source) {
    for (a, b) in sum.buckets.iter_mut().zip(more.buckets) {
        *a += b;
    }
    sum.dist_buckets += more.dist_buckets;
    sum.detail_buckets += more.detail_buckets;
    sum.raw_events += more.raw_events;
    sum.backlog_events += more.backlog_events;
}
