//! Usual levels and judgements about them, for one group.

use std::rc::Rc;
use std::sync::Arc;

use ax_storage::query::plan::Plan;
use ax_storage::query::series::Series;
use ax_storage::time::{HOUR_MS, TimeRange};

use super::RunShared;
use super::board::Board;
use super::usuals::Usuals;
use super::value::{compare, joined};
use crate::analysis::binomial::{self, Counts, Tail};
use crate::analysis::{self, Anomaly, Point, Profile};
use crate::calendar::Calendar;
use crate::metric::{self, Aggregation, Number};
use crate::query::ast::BoolOp;
use crate::query::planner::{Bound, Judged, Node, Question, Usual};

/// Hours of a window that are looked at: ten years.
const HOURS_MAX: u64 = 90_000;

impl Board<'_> {
    /// The usual level of a metric; `None` without a day of history and enough events.
    pub(super) fn usual(&self, usual: &Usual, key: usize) -> Option<Number> {
        match *usual {
            Usual::Pooled(past) => self.pooled(past, key),
            Usual::Seasonal { history, window } => {
                Number::float(self.profile(history, key)?.over(window, &self.calendar()).level)
            }
            Usual::ByHour { hours, window, adds_up } => self.by_hour(hours, window, adds_up, key),
        }
    }

    /// A ratio or percentile of all of the past. Its plan has steps of a day: events in another one
    /// than the last are more than a day old.
    fn pooled(&self, past: usize, key: usize) -> Option<Number> {
        let steps = self.own_steps(past);
        let old = (0..steps.max(2) - 1).any(|step| self.own_events(past, key, step) > 0);
        (old && self.events(past, key, None) >= analysis::EVENTS_MIN).then(|| self.select_at(past, key, None)).flatten()
    }

    /// What the hours of a window usually come to, its first and last one in part.
    #[expect(clippy::cast_precision_loss, reason = "parts of an hour in milliseconds")]
    fn by_hour(&self, hours: usize, window: TimeRange, adds_up: bool, key: usize) -> Option<Number> {
        let (calendar, profile) = (self.calendar(), self.profile(hours, key)?);
        let (mut sum, mut weights, mut t) = (0.0, 0.0, window.start);
        for _ in 0..=HOURS_MAX {
            if t >= window.end {
                break;
            }
            let hour_end = t.plus_ms(HOUR_MS - t.millis() % HOUR_MS).min(window.end);
            let weight = hour_end.since(t) as f64 / HOUR_MS as f64;
            sum += profile.at(t, &calendar).level * weight;
            weights += weight;
            t = hour_end;
        }
        Number::float(if adds_up { sum } else { sum / weights })
    }

    /// Whole steps of a metric.
    fn points(&self, select: usize, key: usize) -> Vec<Point> {
        let steps = self.steps_of(select).iter().enumerate().filter(|(_, step)| !step.partial);
        steps
            .map(|(i, step)| Point {
                t: step.range.start,
                value: self.select_at(select, key, Some(i)).map(Number::to_f64),
                count: self.own_events(select, key, i),
            })
            .collect()
    }

    /// Whether the mean of the points is off the usual level by more than `sensitivity` deviations.
    pub(super) fn anomaly(&self, points: usize, history: usize, sensitivity: f64, key: usize) -> Option<Anomaly> {
        let step_ms = self.steps_of(points).first()?.range.millis();
        let (points, past) = (self.points(points, key), self.profile(history, key)?);
        analysis::anomaly(&points, step_ms, &past, sensitivity, &self.calendar()).ok()
    }

    /// What the steps of a metric usually come to.
    fn profile(&self, history: usize, key: usize) -> Option<Rc<Profile>> {
        let end = self.window(history)?.end;
        let make = || Profile::new(&self.points(history, key), end, &self.calendar()).ok();
        match self.origin(history, key) {
            Some((series, group)) => self.usuals.of(series, group, self.question.selects.get(history)?, make),
            None => make().map(Rc::new),
        }
    }

    /// Change over the steps of a metric, as a share of its median.
    pub(super) fn trend(&self, select: usize, key: usize) -> Option<Number> {
        let points = self.points(select, key);
        analysis::trend(&points, self.window(select)?.millis()).ok().and_then(Number::float)
    }

    /// Whether a comparison with the usual level holds on one of these windows; unknown when the usual
    /// level is, or when there are no events in any.
    pub(super) fn judged(&self, windows: &[Judged], key: usize) -> Option<bool> {
        let longest = windows.last()?;
        if windows.iter().all(|w| self.events(w.now, key, None) < w.min_events)
            && self.events(longest.now, key, None) > 0
        {
            return Some(longest.negated);
        }
        if self.pooled(longest.past, key).is_none() || self.events(longest.now, key, None) == 0 {
            return None;
        }
        joined(BoolOp::Or, windows.iter().map(|window| self.judge(window, key)))
    }

    /// Whether the comparison holds on one window and is no coincidence.
    pub(super) fn judge(&self, window: &Judged, key: usize) -> Option<bool> {
        if self.events(window.now, key, None) < window.min_events {
            return Some(false);
        }
        let number = |node: &Node| self.value(node, key, None).number();
        let (left, right) = (number(&window.left)?, number(&window.right)?);
        if !compare(window.op, left, right) {
            return Some(false);
        }
        let (now, past) = self.tested(window, key)?;
        Some(chance(window, now, past) < binomial::SIGNIFICANT)
    }

    /// How many of how many were too much, in a window and in the past.
    fn tested(&self, window: &Judged, key: usize) -> Option<(Counts, Counts)> {
        match self.aggregation(window.now) {
            Some(Aggregation::Quantile(_)) => {
                let bound = self.bound(window, key)?;
                Some((self.above(window.now, key, bound)?, self.above(window.past, key, bound)?))
            }
            _ => Some((self.share(window.now, key)?, self.share(window.past, key)?)),
        }
    }

    /// How likely chance alone gives what a window shows, and how many of how many were too much in it.
    pub(super) fn significance(&self, window: &Judged, key: usize) -> Option<(f64, (u64, u64))> {
        let (now, past) = self.tested(window, key)?;
        Some((chance(window, now, past), (now.hits, now.of)))
    }

    /// How many of how many events make up a ratio.
    fn share(&self, select: usize, key: usize) -> Option<Counts> {
        let metric = self.question.selects.get(select)?.metric;
        metric::share(metric, &self.numbers(select, key, None)?).map(|(hits, of)| Counts { hits, of })
    }

    /// How many of how many values lie above a bound that was asked for.
    fn above(&self, select: usize, key: usize, bound: u64) -> Option<Counts> {
        let place = self.bounds.binary_search(&bound).ok()?;
        // A group without events has nothing above anything.
        let hits = self.numbers(select, key, None)?.aggregate.above.get(place).copied().unwrap_or(0);
        Some(Counts { hits, of: self.events(select, key, None) })
    }

    /// The bound that values of a percentile are counted above, in the unit events keep: the other
    /// side of the comparison, or where the metric is part of a calculation its own usual level.
    fn bound(&self, window: &Judged, key: usize) -> Option<u64> {
        let node = match window.bound {
            Bound::Right => &window.right,
            Bound::Left => &window.left,
            Bound::Neither => &Node::Usual(Usual::Pooled(window.past)),
        };
        let value = self.value(node, key, None).number()?;
        metric::raw(self.question.selects.get(window.now)?.metric, value)
    }

    fn aggregation(&self, select: usize) -> Option<Aggregation> {
        self.question.selects.get(select).map(|s| s.aggregation)
    }

    fn own_events(&self, select: usize, key: usize, own_step: usize) -> u64 {
        let metric = self.question.selects.get(select).map(|s| s.metric);
        metric.zip(self.numbers(select, key, Some(own_step))).map_or(0, |(m, numbers)| metric::count(m, &numbers))
    }

    pub(super) fn window(&self, select: usize) -> Option<TimeRange> {
        let asked = self.question.selects.get(select)?.asked;
        self.question.asked.get(asked).map(|asked| asked.plan.range)
    }

    fn calendar(&self) -> Calendar<'_> {
        Calendar::new(&self.question.zone)
    }
}

fn chance(window: &Judged, now: Counts, past: Counts) -> f64 {
    binomial::chance(now, past, if window.upper { Tail::Upper } else { Tail::Lower })
}

/// Asks the plans of judged percentiles again, now that it is known which values are too large: the
/// bounds, ascending.
pub(super) fn count_above<E>(
    question: &Question,
    series: &mut [Arc<Series>],
    run: &mut RunShared<'_, E>,
) -> Result<Vec<u64>, E> {
    let mut judged = Vec::new();
    percentiles(question, &question.root, &mut judged);
    if judged.is_empty() {
        return Ok(Vec::new());
    }
    let usuals = Usuals::default();
    let board = Board::new(question, series, &[], &usuals);
    let mut bounds: Vec<u64> = Vec::new();
    for window in &judged {
        bounds.extend((0..board.keys.len()).filter_map(|key| board.bound(window, key)));
    }
    drop(board);
    bounds.sort_unstable();
    bounds.dedup();
    let mut again: Vec<usize> = judged.iter().flat_map(|w| [w.now, w.past]).collect();
    again = again.into_iter().filter_map(|i| question.selects.get(i)).map(|s| s.asked).collect();
    again.sort_unstable();
    again.dedup();
    let plan = |i: &usize| question.asked.get(*i).map(|a| Plan { above: bounds.clone(), ..a.plan.clone() });
    let plans: Vec<Plan> = again.iter().filter_map(plan).collect();
    for (i, answer) in again.into_iter().zip(run(&plans)?) {
        if let Some(slot) = series.get_mut(i) {
            *slot = answer;
        }
    }
    Ok(bounds)
}

fn percentiles<'q>(question: &Question, node: &'q Node, all: &mut Vec<&'q Judged>) {
    let is_percentile =
        |j: &&Judged| matches!(question.selects.get(j.now).map(|s| s.aggregation), Some(Aggregation::Quantile(_)));
    match node {
        Node::Judged(list) => all.extend(list.iter().filter(is_percentile)),
        Node::Bool(_, list) => list.iter().for_each(|n| percentiles(question, n, all)),
        Node::Not(inner) => percentiles(question, inner, all),
        _ => {}
    }
}
