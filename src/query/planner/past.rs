//! What a query asks of the past: usual levels, judgements about them, and trends.

use ax_storage::query::plan::Step;
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange};

use super::question::{Bound, Judged, Node, Usual};
use super::{Frame, Planner, few_steps, step_of, step_of_ms};
use crate::metric::{Aggregation, Allowed};
use crate::query::ast::{CmpOp, Detect, Detector, Expr, Kind, Ref, Select};
use crate::query::check::Scope;
use crate::query::error::ParseError;
use crate::query::range::NANOS_IN_MS;

/// Windows that a comparison of a ratio or percentile with its usual level looks at, in minutes.
const JUDGED_MINUTES: [u64; 4] = [1, 5, 15, 60];
/// Events that such a window must have.
const MIN_EVENTS: u64 = 20;
/// Length of the past when none is written.
const BASELINE_MS: u64 = 7 * DAY_MS;
/// Length of the hourly past that seasonal levels are made of: weekdays tell from three weeks on.
const SEASONAL_MS: u64 = 28 * DAY_MS;
/// Deviations that make an anomaly, when none are written.
const SENSITIVITY: f64 = 5.0;
/// Points whose mean is judged.
const ANOMALY_POINTS: u64 = 3;
/// Window of a trend, and into how many steps a window is cut.
const TREND_MS: u64 = 6 * HOUR_MS;
const TREND_STEPS: u64 = 24;

impl Planner<'_> {
    /// A comparison: judged on its evidence when it compares a ratio or percentile with its usual
    /// level, else plain.
    pub(super) fn comparison(&mut self, expr: &Expr, op: CmpOp, a: &Expr, b: &Expr) -> Result<Node, ParseError> {
        let past = baseline(a).or_else(|| baseline(b)).filter(|_| !matches!(op, CmpOp::Eq | CmpOp::Ne));
        let select = past.map(|_| Scope { of: expr }.only(expr.span)).transpose()?.filter(|s| is_pooled(s));
        let (Some(past), Some(select)) = (past, select) else {
            let frame = Frame::of(expr);
            return Ok(Node::Cmp(op, Box::new(self.node(a, frame)?), Box::new(self.node(b, frame)?)));
        };
        let windows = self.judged_windows(select, expr)?;
        let longest = windows.last().copied().unwrap_or(self.ask.window);
        self.first.get_or_insert(longest);
        let past = self.pooled(select, longest, past);
        let bound = match (&a.kind, &b.kind) {
            (Kind::Select(_), _) => Bound::Right,
            (_, Kind::Select(_)) => Bound::Left,
            _ => Bound::Neither,
        };
        // `bound < metric` asks whether the metric is too large.
        let upper = matches!(op, CmpOp::Gt | CmpOp::Ge) == has_select(a);
        let mut all = Vec::with_capacity(windows.len());
        for window in windows {
            let now = self.add(select, window, None);
            let frame = Frame { scope: expr, judged: Some((now, past)) };
            let (left, right) = (self.node(a, frame)?, self.node(b, frame)?);
            all.push(Judged { op, left, right, now, past, bound, upper, min_events: MIN_EVENTS });
        }
        Ok(Node::Judged(all))
    }

    /// A written window is the only one; else the last minutes up to an hour, the longest one last.
    fn judged_windows(&self, select: &Select, scope: &Expr) -> Result<Vec<TimeRange>, ParseError> {
        if self.range_of(select, scope).is_some() {
            return Ok(vec![self.window(select, scope)?]);
        }
        let end = self.ask.now.minus_ms(select.offset.map_or(0, |o| o.value / NANOS_IN_MS));
        Ok(JUDGED_MINUTES.iter().map(|m| TimeRange::new(end.minus_ms(m * MINUTE_MS), end)).collect())
    }

    /// The usual level of a metric, for a plain comparison or calculation.
    pub(super) fn usual(&mut self, select: &Select, past: Option<u64>, scope: &Expr) -> Result<Node, ParseError> {
        let window = self.window(select, scope)?;
        if is_pooled(select) {
            return Ok(Node::Usual(Usual::Pooled(self.pooled(select, window, past))));
        }
        let past_ms = past.map(|nanos| nanos / NANOS_IN_MS);
        let history = self.hourly(select, before(window, past_ms.unwrap_or(SEASONAL_MS)));
        Ok(Node::Usual(Usual::Seasonal { history, scale: hours(select, window) }))
    }

    /// A metric over all of the past, by the day so that it shows how far the past reaches back: its
    /// index.
    fn pooled(&mut self, select: &Select, window: TimeRange, past: Option<u64>) -> usize {
        let past_ms = past.map_or(BASELINE_MS, |nanos| nanos / NANOS_IN_MS);
        self.add(select, before(window, past_ms), Some(Step::FromStart(DAY_MS)))
    }

    /// A metric by the hour: its index.
    fn hourly(&mut self, select: &Select, range: TimeRange) -> usize {
        self.add(select, range, Some(Step::Millis(HOUR_MS)))
    }

    /// `anomaly(…)` and `trend(…)`.
    pub(super) fn detect(&mut self, detect: &Detect) -> Result<Node, ParseError> {
        let select = detect.of.as_ref();
        let now = self.ask.now;
        let written = select.range.map(|range| self.resolve(range)).transpose()?;
        if let Detector::Anomaly(sensitivity) = detect.what {
            let length = written.map_or(HOUR_MS, |w| w.millis());
            let end = written.map_or(now, |w| w.end);
            let window = TimeRange::new(end.minus_ms(ANOMALY_POINTS * length), end);
            self.first.get_or_insert(window);
            let points = self.add(select, window, Some(Step::FromStart(length)));
            let history = self.hourly(select, before(window, SEASONAL_MS));
            let point = TimeRange::new(end.minus_ms(length), end);
            let sensitivity = sensitivity.unwrap_or(SENSITIVITY);
            return Ok(Node::Anomaly { points, history, sensitivity, scale: hours(select, point) });
        }
        let window = written.unwrap_or(TimeRange::new(now.minus_ms(TREND_MS), now));
        self.first.get_or_insert(window);
        if let Some(every) = select.every {
            few_steps(window, every)?;
        }
        let step = select
            .every
            .map_or_else(|| step_of_ms((window.millis() / TREND_STEPS).max(1)), |every| step_of(every.value));
        Ok(Node::Trend(self.add(select, window, Some(step))))
    }
}

/// The time of such a length before a window.
fn before(window: TimeRange, ms: u64) -> TimeRange {
    TimeRange::new(window.start.minus_ms(ms), window.start)
}

/// Ratios and percentiles pool over any window; all else has a level at a time of day.
fn is_pooled(select: &Select) -> bool {
    let ratio = matches!(select.metric.value.info().allowed, Allowed::Ratios);
    match select.aggregation() {
        Aggregation::Avg | Aggregation::Sum => ratio,
        Aggregation::Quantile(_) => true,
        _ => false,
    }
}

/// Length of a window in hours, for what adds up with time; else 1.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a window are below 2^53")]
fn hours(select: &Select, window: TimeRange) -> f64 {
    match select.aggregation() {
        Aggregation::Sum | Aggregation::Count => window.millis() as f64 / HOUR_MS as f64,
        _ => 1.0,
    }
}

/// The length written at the first `baseline`; the outer `None` = there is none.
#[expect(clippy::option_option, reason = "absent and without a length differ")]
fn baseline(expr: &Expr) -> Option<Option<u64>> {
    match &expr.kind {
        Kind::Ref(Ref::Baseline(past)) => Some(*past),
        Kind::Neg(e) => baseline(e),
        Kind::Arith(_, a, b) => baseline(a).or_else(|| baseline(b)),
        _ => None,
    }
}

fn has_select(expr: &Expr) -> bool {
    let mut found = false;
    expr.each_select(&mut |_| found = true);
    found
}
