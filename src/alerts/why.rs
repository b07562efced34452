//! What an alert is made of: which model, user or kind of error its change comes from, and how its value
//! went before.

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::query::QueryError;
use ax_storage::query::plan::{Label, Plan};
use ax_storage::query::series::{Aggregate, Series};
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange, Timestamp};

use super::judge::Surroundings;
use super::{Labels, Rule};
use crate::answer;
use crate::calendar::Calendar;
use crate::metric::{Aggregation, Counter, Metric, Needs, Source};
use crate::query::ast::{At, Condition, Expr, Filter, FilterKind, Kind, Select};
use crate::query::planner::{self, Ask};
use crate::query::{self, Span};

/// The past that a change is measured against.
const PAST_MS: u64 = DAY_MS;
/// How much of the past is drawn, in steps of 5 minutes.
const DRAWN_MS: u64 = 3 * HOUR_MS;
const DRAWN_STEP_MS: u64 = 5 * MINUTE_MS;
/// A part below this share of the change explains nothing.
const SHARE_MIN: f64 = 0.2;

/// A part explains something when its share of the change is so much above its share before.
const GROWTH_MIN: f64 = 0.1;

/// A group that a change comes from.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Part {
    /// The label.
    pub label: &'static str,
    /// Its value.
    pub value: String,
    /// Its share of the change, 0..=1.
    pub share: f64,
    /// Its share of the same in the day before; `None` = there was nothing.
    pub before: Option<f64>,
}

/// An alert explained.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Why {
    /// Where the change comes from, the greatest share first; one a label.
    pub parts: Vec<Part>,
    /// The value every five minutes up to now.
    pub trend: Vec<Option<f64>>,
    /// Length of that in milliseconds.
    pub trend_ms: u64,
    /// A query that looks closer.
    pub query: String,
}

/// Explains one group of a rule at a time; a window that is unknown counts as an hour.
///
/// # Errors
/// Those of the store.
pub fn why(
    store: &Store,
    rule: &Rule,
    labels: &Labels,
    window_ms: u64,
    around: &Surroundings<'_>,
    at: Timestamp,
) -> Result<Why, QueryError> {
    let Ok(Condition { expr, .. }) = query::parse_condition(&rule.condition) else { return Ok(Why::default()) };
    let Some(select) = narrowed(&expr, labels) else { return Ok(Why::default()) };
    let mut why = Why { query: closer(&select), ..Why::default() };
    let raw_from = store.raw_from()?;
    let ask = Ask {
        now: at,
        calendar: Calendar::new(around.zone).week_from(around.week_start),
        window: TimeRange::new(at.minus_ms(DRAWN_MS), at),
        raw_from,
        outside: around.outside,
    };
    if !matches!(select.metric.value.info().source, Source::Spend(_)) {
        let every = Some(At { value: DRAWN_STEP_MS * 1_000_000, span: Span::default() });
        let drawn = Select { every, ..select.clone() };
        let drawn = Expr::new(Kind::Select(Box::new(drawn)), Span::default());
        if let Ok(question) = drawn.and_then(|expr| planner::plan(&expr, &ask)) {
            let answer = answer::answer(&question, &mut |plans: &[Plan]| store.run_all(plans))?;
            let points = answer.rows.first().map(|row| row.points.as_slice()).unwrap_or_default();
            why.trend = points.iter().map(|p| p.value.number().map(crate::metric::Number::to_f64)).collect();
            why.trend_ms = DRAWN_MS;
        }
    }
    let window_ms = if window_ms == 0 { HOUR_MS } else { window_ms };
    let now = TimeRange::new(at.minus_ms(window_ms), at);
    let past = TimeRange::new(now.start.minus_ms(PAST_MS), now.start);
    for label in [Label::Model, Label::User, Label::Error] {
        if fixed(&select, label) {
            continue;
        }
        let plan = |range| plan(&select, range, label, around);
        // A label that cannot be told any more explains nothing; the others may.
        let Ok(both) = store.run_all(&[plan(now), plan(past)]) else { continue };
        let [now, past] = both.as_slice() else { continue };
        why.parts.extend(greatest(&select, label, now, past));
    }
    why.parts.sort_by(|a, b| b.share.total_cmp(&a.share));
    Ok(why)
}

/// The first metric of a condition, narrowed to a group.
fn narrowed(expr: &Expr, labels: &Labels) -> Option<Select> {
    let mut first: Option<Select> = None;
    expr.each_select(&mut |select| {
        first.get_or_insert_with(|| select.clone());
    });
    let mut select = first?;
    let mut parts: Vec<Filter> = select.filter.take().into_iter().collect();
    for (name, value) in labels {
        let label = Label::ALL.into_iter().find(|l| l.name() == name)?;
        let kind = FilterKind::Equals { label, negated: false, value: value.as_str().into() };
        parts.push(Filter::new(kind, Span::default()).ok()?);
    }
    select.filter = Filter::all(parts).ok()?;
    (select.group, select.range, select.every, select.offset) = (None, None, None, None);
    Some(select)
}

/// A query over the last hours that shows more than the alert.
fn closer(select: &Select) -> String {
    let range = query::parse_range("3h").map(|value| At { value, span: Span::default() });
    let range = range.filter(|_| !matches!(select.metric.value.info().source, Source::Spend(_)));
    let expr = Expr::new(Kind::Select(Box::new(Select { range, ..select.clone() })), Span::default());
    expr.map(|e| e.to_string()).unwrap_or_default()
}

/// Whether the filter names one value of the label already.
fn fixed(select: &Select, label: Label) -> bool {
    select.filter.as_ref().is_some_and(|f| f.mentions(label))
}

fn plan(select: &Select, range: TimeRange, label: Label, around: &Surroundings<'_>) -> Plan {
    let needs = Needs::of(select.metric.value, Aggregation::Sum);
    let mut plan = Plan::new(range, around.zone.clone());
    needs.ask(&mut plan);
    plan.sums_only = true;
    plan.group = vec![label];
    plan.filter = select.filter.as_ref().map(planner::lower).unwrap_or_default();
    plan
}

/// The value of a label that most of the change comes from.
#[expect(clippy::cast_precision_loss, reason = "shares")]
fn greatest(select: &Select, label: Label, now: &Series, past: &Series) -> Option<Part> {
    let metric = select.metric.value;
    let length = |s: &Series| s.range.map_or(0, |r| r.millis()) as f64;
    let scale = if length(past) > 0.0 { length(now) / length(past) } else { 0.0 };
    let usual = mean(&past.all);
    let of = |a: &Aggregate| amount(metric, a, usual);
    let named = |s: &Series, name: &str| -> f64 {
        s.groups.iter().find(|g| g.labels.first().is_some_and(|l| **l == *name)).map_or(0.0, |g| of(&g.total))
    };
    let (before_all, change) = (of(&past.all), of(&now.all) - of(&past.all) * scale);
    let parts = now.groups.iter().filter_map(|g| {
        let name = g.labels.first().filter(|n| !n.is_empty())?;
        let before = named(past, name);
        let share = (of(&g.total) - before * scale) / change;
        share.is_finite().then(|| Part {
            label: label.name(),
            value: name.to_string(),
            share: share.clamp(0.0, 1.0),
            before: (before_all > 0.0).then(|| (before / before_all).clamp(0.0, 1.0)),
        })
    });
    if change <= 0.0 {
        return None;
    }
    let greatest = parts.max_by(|a, b| a.share.total_cmp(&b.share))?;
    // What always was most of it explains no change.
    let grew = greatest.before.is_none_or(|before| greatest.share > before + GROWTH_MIN);
    (greatest.share >= SHARE_MIN && grew).then_some(greatest)
}

#[expect(clippy::cast_precision_loss, reason = "shares")]
fn mean(all: &Aggregate) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for stat in all.stats.iter().take(1) {
        sum += stat.sum as f64;
        count += stat.count as f64;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// How much of what makes the metric large a group has: errors of an error rate, time above the usual of
/// latency, dollars of cost.
#[expect(clippy::cast_precision_loss, reason = "shares")]
fn amount(metric: Metric, a: &Aggregate, usual: f64) -> f64 {
    let counted = |what: Counter| match what {
        Counter::Requests => a.counts.requests,
        Counter::Errors => a.counts.errors,
        Counter::Hits => a.counts.hits,
        Counter::Misses => a.counts.misses,
        Counter::Allowed => a.counts.allowed,
        Counter::Denied => a.counts.denied,
    };
    let stat = a.stats.first().copied().unwrap_or_default();
    match metric.info().source {
        Source::Events(what) | Source::PerSecond(what) => counted(what) as f64,
        // Of a share that is too low, what it lacks.
        Source::Ratio { part, whole, inverse } => {
            let good = inverse || part == Counter::Hits;
            let all: u64 = whole.iter().map(|c| counted(*c)).sum();
            let part = counted(part);
            if good && !inverse { all.saturating_sub(part) as f64 } else { part as f64 }
        }
        Source::Values(Measure::Latency | Measure::Ttft) => stat.sum as f64 - stat.count as f64 * usual,
        Source::Values(_) | Source::PerRequest(_) | Source::Spend(_) => stat.sum as f64,
        Source::Violations => a.counts.denied as f64,
    }
}
