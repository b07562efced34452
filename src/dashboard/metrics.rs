//! The view of an answered question about metrics.

use ax_storage::query::series::StepRange;
use ax_storage::time::{TimeRange, Timestamp};

use super::answer::{
    Evidence, MetricsView, PointView, Previous, PreviousWindow, RowView, SourceView, Summary, Value, ValueUnit,
};
use super::{Labels, Warning, Window, step};
use crate::answer::{self, Answer, Row};
use crate::metric::{self, Numbers};
use crate::query;
use crate::query::ast::{self, Calendar, Range, Select};
use crate::query::planner::Question;

/// What a view says beside the answer.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// When it was asked.
    pub now: Timestamp,
    /// How long it took.
    pub elapsed_ms: f64,
    /// The window as the user wrote it.
    pub range_text: Option<String>,
}

impl MetricsView {
    /// The view of `answer` to `question`.
    pub fn of(question: &Question, answer: &Answer, shown: Shown) -> Self {
        let only = question.only.as_ref();
        let window = |range| Window { range, zone: question.zone.clone() };
        let first = question.selects.first();
        let all =
            answer.all.as_ref().map(|(needs, aggregate)| Numbers { needs, aggregate, millis: answer.range.millis() });
        Self {
            generated_at: shown.now,
            query: question.text.clone(),
            metric: only.map(|s| s.metric.value),
            aggregation: only.map(Select::aggregation),
            unit: ValueUnit::of(question.dim),
            range: window(answer.range),
            range_text: shown.range_text,
            previous: answer.previous.map(|range| PreviousWindow { range: window(range), name: previous_name(only) }),
            step_ms: question.step.map(step::millis),
            grouped: question.group.is_some(),
            data: answer.rows.iter().map(|row| row_view(question, answer, row)).collect(),
            count: all.zip(first).map_or(0, |(all, first)| metric::count(first.metric, &all)),
            summary: summary(question, answer),
            source: SourceView::of(&answer.source, shown.elapsed_ms),
            newest: answer.newest,
            only: only.and_then(|s| s.filter.as_ref()).map(ToString::to_string).unwrap_or_default(),
            warnings: warnings(question, answer),
        }
    }
}

fn summary(question: &Question, answer: &Answer) -> Option<Summary> {
    let ((measure, index), (needs, aggregate)) = question.summary.zip(answer.summary.as_ref())?;
    let summary = Summary::of(measure, &Numbers { needs, aggregate, millis: answer.range.millis() });
    let sums_only = question.asked.get(index).is_some_and(|asked| asked.plan.sums_only);
    Some(if sums_only { Summary { min: None, max: None, ..summary } } else { summary })
}

fn row_view(question: &Question, answer: &Answer, row: &Row) -> RowView {
    let before = row.previous.as_ref().map(|(_, points)| points.as_slice());
    let point = |(i, (step, point)): (usize, (&StepRange, &answer::Point))| PointView {
        t: step.range.start,
        value: value(point.value),
        previous: before.map(|points| Previous(points.get(i).and_then(|v| v.number()))),
        count: point.count,
        partial: step.partial,
    };
    RowView {
        labels: Labels::of(question.group.as_deref().unwrap_or_default(), &row.labels),
        value: value(row.value),
        previous: row.previous.as_ref().map(|(value, _)| Previous(value.number())),
        evidence: row.evidence.as_ref().filter(|_| question.compared.is_some()).map(|e| Evidence {
            current: e.value,
            threshold: e.threshold,
            unit: ValueUnit::of(e.dim),
        }),
        count: row.count,
        points: question.step.map(|_| answer.steps.iter().zip(&row.points).enumerate().map(point).collect()),
    }
}

fn value(value: answer::Value) -> Option<Value> {
    match value {
        answer::Value::Number(number) => number.map(Value::Number),
        answer::Value::Truth(truth) => truth.map(Value::Bool),
    }
}

fn warnings(question: &Question, answer: &Answer) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |code, message| all.push(Warning { code, message });
    for note in &question.notes {
        warn("note", note.clone());
    }
    if answer.range != question.range && question.range != TimeRange::ALL {
        let TimeRange { start, end } = answer.range;
        warn("widened", format!("the window was widened to whole buckets: {start} to {end}"));
    }
    if let Some(until) = answer.store_days_until {
        warn("store_days", format!("up to {until} days are those of the store's time zone"));
    }
    if let Some(groups) = answer.groups {
        let kept = answer::GROUPS_MAX;
        warn("groups", format!("the first {kept} of {groups} groups have a row, and (other) is all the rest"));
    }
    for what in &answer.missing {
        warn("missing", format!("could not be read: {what}"));
    }
    let unpriced = answer.unpriced;
    if unpriced > 0 {
        let (has, is) = if unpriced == 1 { ("request has", "is") } else { ("requests have", "are") };
        warn("unpriced", format!("{unpriced} {has} no known price and {is} not in the cost"));
    }
    all
}

/// What people call the window that `vs` names.
fn previous_name(only: Option<&Select>) -> String {
    let range = only.and_then(|s| s.range).map(|r| r.value);
    match (only.and_then(|s| s.versus).map(|v| v.value), range) {
        (Some(ast::Versus::Ago(nanos)), _) => format!("{} earlier", query::duration_text(nanos)),
        (_, Some(Range::Last(nanos))) => format!("the {} before", query::duration_text(nanos)),
        (_, Some(Range::Calendar(Calendar::Today | Calendar::Yesterday))) => "the day before".to_owned(),
        (_, Some(Range::Calendar(Calendar::This(period) | Calendar::Last(period)))) => {
            format!("the {} before", period.name())
        }
        _ => "the time before".to_owned(),
    }
}
