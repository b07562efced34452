//! Spend split by names, by time, or by both: rows whose sum is the whole.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{GroupOrder, Keep, Kinds, Label, Plan, Step};
use ax_storage::query::series::{Aggregate, Group, Series};
use ax_storage::time::{HOUR_MS, TimeRange};

use crate::calendar::{Calendar, Period};
use crate::metric::Money;

/// Stretches of time that spend is split into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Span {
    Hour,
    Day,
    Week,
    Month,
}

impl Span {
    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The steps that it is made of: weeks may start on any day and months differ, so both are
    /// sums of days.
    pub const fn step(self) -> Step {
        match self {
            Self::Hour => Step::Millis(HOUR_MS),
            Self::Day | Self::Week | Self::Month => Step::Days(1),
        }
    }
}

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A name of the call.
    Label(Label),
    /// When it was.
    Time(Span),
}

impl By {
    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Label(label) => label.name(),
            Self::Time(span) => span.name(),
        }
    }

    /// The stretch of time in a list, if one is there.
    pub fn span(list: &[Self]) -> Option<Span> {
        list.iter().find_map(|by| match by {
            Self::Time(span) => Some(*span),
            Self::Label(_) => None,
        })
    }

    /// The names in a list.
    pub fn labels(list: &[Self]) -> Vec<Label> {
        let label = |by: &Self| match by {
            Self::Label(label) => Some(*label),
            Self::Time(_) => None,
        };
        list.iter().filter_map(label).collect()
    }
}

/// What was spent on one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Values of the names asked for, in their order.
    pub labels: Vec<Box<str>>,
    /// The stretch of time, where rows are split by time; cut by the window.
    pub time: Option<TimeRange>,
    /// Sum of the priced calls.
    pub cost: Money,
    /// Calls, priced or not.
    pub requests: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Input and output tokens of all calls.
    pub tokens: u128,
}

impl Row {
    /// What was spent; `None` where no call has a price: that is unknown, and not nothing.
    pub fn spent(&self) -> Option<Money> {
        (self.requests == 0 || self.unpriced < self.requests).then_some(self.cost)
    }

    /// Counts `other` with it.
    pub fn merge(&mut self, other: &Self) {
        self.cost.0 = self.cost.0.saturating_add(other.cost.0);
        self.requests += other.requests;
        self.unpriced += other.unpriced;
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    fn add(&mut self, more: &Aggregate) {
        self.cost.0 = self.cost.0.saturating_add(cost(more).0);
        self.requests += more.counts.requests;
        self.unpriced += more.counts.unpriced;
        self.tokens = self.tokens.saturating_add(more.stats.get(1).map_or(0, |s| s.sum));
    }
}

/// The plan that [`rows`] and [`total`] read: cost and tokens of calls.
pub fn plan(range: TimeRange, labels: &[Label], step: Option<Step>, calendar: &Calendar<'_>) -> Plan {
    Plan {
        kinds: Kinds::REQUESTS,
        measures: vec![Measure::Cost, Measure::Tokens],
        sums_only: true,
        group: labels.to_vec(),
        step,
        ..Plan::new(range, calendar.zone().clone())
    }
}

/// Which groups of an answer to [`plan`] are kept.
#[derive(Clone, Copy, Debug)]
pub enum First {
    /// The dearest.
    Dearest,
    /// Those with most calls without a price.
    Unpriced,
}

impl First {
    /// So many of them.
    pub fn keep(self, groups: usize) -> Option<Keep> {
        Some(Keep { groups, order: Arc::new(self) })
    }
}

impl GroupOrder for First {
    fn order(&self, a: &Group, b: &Group) -> Ordering {
        let key = |group: &Group| match self {
            Self::Dearest => Reverse(cost(&group.total).0),
            Self::Unpriced => Reverse(group.total.counts.unpriced.into()),
        };
        key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels))
    }
}

/// The cost in an answer to a plan whose first measure it is.
pub fn cost(aggregate: &Aggregate) -> Money {
    aggregate.stats.first().map_or(0, |s| s.sum).into()
}

/// All of a series as one row.
pub fn total(series: &Series) -> Row {
    let mut row = Row::default();
    row.add(&series.all);
    row
}

/// The rows of a series whose groups are split by `grouped`, told apart by `by`. Those by name come
/// with the highest cost first, those by time in order of time.
pub fn rows(series: &Series, grouped: &[Label], by: &[By], calendar: &Calendar<'_>) -> Vec<Row> {
    let places: Vec<Option<usize>> =
        By::labels(by).iter().map(|label| grouped.iter().position(|g| g == label)).collect();
    let spans: Vec<TimeRange> = match By::span(by) {
        None => Vec::new(),
        Some(span) => series.steps.iter().map(|step| whole(span, step.range, calendar)).collect(),
    };
    let mut rows: BTreeMap<(Option<TimeRangeKey>, Vec<Box<str>>), Row> = BTreeMap::new();
    for group in &series.groups {
        let value = |place: &Option<usize>| place.and_then(|i| group.labels.get(i).cloned()).unwrap_or_default();
        let labels: Vec<Box<str>> = places.iter().map(value).collect();
        let mut put = |time: Option<TimeRange>, part: Option<TimeRange>, more: &Aggregate| {
            let row = rows.entry((time.map(TimeRangeKey::of), labels.clone())).or_default();
            row.labels.clone_from(&labels);
            row.time = match (row.time, part) {
                (Some(a), Some(b)) => Some(TimeRange::new(a.start.min(b.start), a.end.max(b.end))),
                (a, b) => a.or(b),
            };
            row.add(more);
        };
        if By::span(by).is_none() {
            put(None, None, &group.total);
            continue;
        }
        for ((span, step), point) in spans.iter().zip(&series.steps).zip(&group.points) {
            // A stretch in which nothing was spent is a row where time alone is asked for.
            if point.counts.requests > 0 || labels.is_empty() {
                put(Some(*span), Some(step.range), point);
            }
        }
    }
    let mut rows: Vec<Row> = rows.into_values().filter(|row| row.requests > 0 || row.labels.is_empty()).collect();
    rows.sort_by(|a, b| {
        let start = |row: &Row| row.time.map(|t| t.start);
        start(a).cmp(&start(b)).then(b.cost.cmp(&a.cost)).then_with(|| a.labels.cmp(&b.labels))
    });
    rows
}

/// Ends of a stretch, which have an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TimeRangeKey(u64, u64);

impl TimeRangeKey {
    const fn of(range: TimeRange) -> Self {
        Self(range.start.millis(), range.end.millis())
    }
}

/// The whole stretch that a step belongs to.
fn whole(span: Span, step: TimeRange, calendar: &Calendar<'_>) -> TimeRange {
    match span {
        // The step itself: an hour that comes twice is two rows.
        Span::Hour => step,
        Span::Day => calendar.period(Period::Day, step.start),
        Span::Week => calendar.period(Period::Week, step.start),
        Span::Month => calendar.period(Period::Month, step.start),
    }
}

/// The groups that the store has not handed on one by one: what they add up to, and how many they are.
pub fn rest(series: &Series) -> Option<(Row, usize)> {
    let rest = series.rest.as_ref()?;
    let mut row = Row::default();
    row.add(&rest.group.total);
    Some((row, rest.groups))
}

/// The `most` dearest rows, in the order they had, and the sum of the others, `rest` among them, with how many they are.
pub fn top(rows: Vec<Row>, most: usize, rest: Option<(Row, usize)>) -> (Vec<Row>, Option<(Row, usize)>) {
    if rows.len() <= most {
        return (rows, rest);
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // Stable: rows of one cost keep their order.
    order.sort_by_key(|i| std::cmp::Reverse(rows[*i].cost));
    let mut keep = vec![false; rows.len()];
    order.iter().take(most).for_each(|i| keep[*i] = true);
    let (mut other, mut left) = rest.unwrap_or_default();
    let mut kept = Vec::with_capacity(most);
    for (row, keep) in rows.into_iter().zip(keep) {
        if keep {
            kept.push(row);
            continue;
        }
        left += 1;
        other.merge(&row);
    }
    (kept, Some((other, left)))
}

#[cfg(test)]
mod tests;
