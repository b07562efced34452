//! What spend will come to at the end of a period: what is spent, and the projected rest.

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Filter, Kinds, Plan, Step as Width};
use ax_storage::query::series::Series;
use ax_storage::time::{HOUR_MS, TimeRange, Timestamp, Zone};
use jiff::ToSpan;

use super::breakdown::cost;
use crate::calendar::{Calendar, Period};
use crate::metric::Money;
use crate::projection::{self, Ahead, Bounds, Estimate, Held, Past, Status, Step};

/// Days of history that a projection looks at: 16 weeks. Its level rests on the last 8.
pub const HISTORY_DAYS: i64 = 112;
/// Days of hours that the projection of a day looks at.
pub const HISTORY_HOUR_DAYS: i64 = 14;
/// Past projections that are compared with what came.
const REPLAYED: usize = 60;

/// What a period will come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The period, to its end in the future.
    pub period: TimeRange,
    /// Spent in it so far, exactly.
    pub spent: Money,
    /// Projected for what is left of it, in dollars.
    pub rest: Estimate,
    /// The plain average drawn out over what is left, in dollars.
    pub linear_rest: f64,
    /// Whether it stands on enough history.
    pub status: Status,
    /// Each step to come, and when it is.
    points: Vec<Estimate>,
    times: Vec<TimeRange>,
    /// Each step of the period so far.
    spent_by: Vec<(Timestamp, Money)>,
    past: Vec<Past>,
    step: Step,
}

impl Outlook {
    /// Spend at the end of the period; `None` before there is a complete step to tell by.
    pub fn estimate(&self) -> Option<Money> {
        (!self.past.is_empty()).then(|| self.plus(self.rest.estimate))
    }

    /// The bounds it stays within 8 times of 10.
    pub fn bounds(&self) -> Option<(Money, Money)> {
        self.rest.bounds.map(|Bounds { low, high }| (self.plus(low), self.plus(high)))
    }

    /// Spend at the end if every step were an average one; `None` as of [`Outlook::estimate`].
    pub fn linear(&self) -> Option<Money> {
        (!self.past.is_empty()).then(|| self.plus(self.linear_rest))
    }

    /// How likely spend exceeds `limit`; `None` without bounds, unless it does already.
    pub fn exceeds(&self, limit: Money) -> Option<f64> {
        projection::exceeds_probability(self.spent.dollars(), &self.rest, limit.dollars())
    }

    /// When `limit` is used up if spend goes on as projected; `None` when it is not in this period,
    /// or was before now.
    pub fn exhausted_at(&self, limit: Money) -> Option<Timestamp> {
        if self.spent >= limit {
            return None;
        }
        projection::exhausted_at(self.spent.dollars(), limit.dollars(), &self.points, &self.times)
    }

    /// The start of the step in which `limit` was used up, if it is.
    pub fn used_up_at(&self, limit: Money) -> Option<Timestamp> {
        let mut sum = 0_i128;
        let found = self.spent_by.iter().find(|(_, spent)| {
            sum = sum.saturating_add(spent.0);
            sum >= limit.0
        });
        found.map(|(t, _)| *t)
    }

    /// How often the bounds would have held in the past over as long a time as is left.
    pub fn held(&self) -> Held {
        projection::held(&self.past, self.points.len(), REPLAYED, self.step)
    }

    fn plus(&self, rest: f64) -> Money {
        Money(self.spent.0.saturating_add(nanos(rest)))
    }
}

/// Dollars as nano-dollars.
#[expect(clippy::cast_possible_truncation, reason = "rounded; saturates far beyond all money there is")]
fn nanos(dollars: f64) -> i128 {
    (dollars * 1e9).round() as i128
}

/// The plan of a history of days up to `now`, which also holds all of the days from `since` on.
pub fn day_plan(since: Timestamp, filter: Filter, now: Timestamp, calendar: &Calendar<'_>) -> Plan {
    let first = calendar.date(now).saturating_sub(HISTORY_DAYS.days());
    let start = calendar.midnight(first).min(calendar.period(Period::Day, since).start);
    plan(TimeRange::new(start, now), Width::Days(1), filter, calendar)
}

/// The plan of a history of hours up to `now`.
pub fn hour_plan(filter: Filter, now: Timestamp, calendar: &Calendar<'_>) -> Plan {
    let first = calendar.date(now).saturating_sub(HISTORY_HOUR_DAYS.days());
    plan(TimeRange::new(calendar.midnight(first), now), Width::Millis(HOUR_MS), filter, calendar)
}

/// The plan of what was spent in `range` of a store whose days are those of `kept`: one sum, or a sum of days where they
/// may have to be told apart by [`begins_in`].
pub fn sum_plan(range: TimeRange, filter: Filter, calendar: &Calendar<'_>, kept: &Zone) -> Plan {
    let same = kept.name() == calendar.zone().name();
    let days = plan(range, Width::Days(1), filter, calendar);
    if same { Plan { step: None, ..days } } else { days }
}

/// The sum of an answer to [`sum_plan`].
pub fn sum(series: &Series, since: Timestamp) -> Money {
    if series.steps.is_empty() {
        return cost(&series.all);
    }
    let points = series.groups.first().map(|g| g.points.as_slice()).unwrap_or_default();
    let inside = series.steps.iter().zip(points).filter(|(s, _)| begins_in(s.range, since));
    Money(inside.map(|(_, a)| cost(a).0).fold(0, i128::saturating_add))
}

fn plan(range: TimeRange, step: Width, filter: Filter, calendar: &Calendar<'_>) -> Plan {
    Plan {
        kinds: Kinds::REQUESTS,
        measures: vec![Measure::Cost],
        sums_only: true,
        filter,
        step: Some(step),
        ..Plan::new(range, calendar.zone().clone())
    }
}

/// What `period` will come to, from the answer to [`day_plan`] or [`hour_plan`]. A period that
/// begins at `now` has nothing spent: so the coming 365 days are asked for.
pub fn outlook(series: &Series, period: TimeRange, step: Step, now: Timestamp, calendar: &Calendar<'_>) -> Outlook {
    let points = series.groups.first().map(|g| g.points.as_slice()).unwrap_or_default();
    let steps = || series.steps.iter().zip(points);
    let inside = steps().filter(|(s, _)| begins_in(s.range, period.start));
    let spent_by: Vec<(Timestamp, Money)> = inside.map(|(s, a)| (s.range.start, cost(a))).collect();
    let spent = Money(spent_by.iter().map(|(_, m)| m.0).fold(0, i128::saturating_add));
    // History begins with the first call; before it nobody recorded. The running step is none of it.
    let complete: Vec<_> = steps()
        .skip_while(|(_, a)| a.counts.requests == 0)
        .filter(|(s, _)| !s.partial && s.range.end <= now)
        .map(|(s, a)| (s.range.start, cost(a).dollars()))
        .collect();
    let starts: Vec<Timestamp> = complete.iter().map(|(start, _)| *start).collect();
    let phases = projection::phases(&starts, step, calendar);
    let past: Vec<Past> =
        complete.iter().zip(phases).map(|((_, value), phase)| Past { value: *value, phase }).collect();
    let ahead = Ahead::until(period.end, now, step, calendar);
    let projected = projection::project(&past, &ahead.steps, step);
    Outlook {
        period,
        spent,
        rest: projected.total,
        linear_rest: projection::linear(&past, &ahead.steps),
        status: projected.status,
        points: projected.points,
        times: ahead.times,
        spent_by,
        past,
        step,
    }
}

/// Money of each complete day before the running one, newest last, from the first call on.
pub fn complete_days(series: &Series, now: Timestamp) -> Vec<Money> {
    let points = series.groups.first().map(|g| g.points.as_slice()).unwrap_or_default();
    let steps = series.steps.iter().zip(points).skip_while(|(_, a)| a.counts.requests == 0);
    steps.filter(|(s, _)| !s.partial && s.range.end <= now).map(|(_, a)| cost(a)).collect()
}

/// The start of the first day with a call.
pub fn first_day(series: &Series) -> Option<Timestamp> {
    let points = series.groups.first().map(|g| g.points.as_slice()).unwrap_or_default();
    series.steps.iter().zip(points).find(|(_, a)| a.counts.requests > 0).map(|(s, _)| s.range.start)
}

/// Whether a step belongs to what begins at `start`. Where days are kept in another zone's days only, the steps are
/// those nearest to the days that are asked for.
pub fn begins_in(step: TimeRange, start: Timestamp) -> bool {
    step.start.plus_ms(step.millis() / 2) >= start
}

/// Calls without a price from `since` on.
pub fn unpriced_since(series: &Series, since: Timestamp) -> u64 {
    let points = series.groups.first().map(|g| g.points.as_slice()).unwrap_or_default();
    series.steps.iter().zip(points).filter(|(s, _)| begins_in(s.range, since)).map(|(_, a)| a.counts.unpriced).sum()
}
