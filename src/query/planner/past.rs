//! What a query asks of the past: usual levels, judgements about them, and trends.

use ax_storage::query::plan::{Label, Step};
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange, Timestamp};

use super::question::{Bound, Comparison, Judged, Node, Usual};
use super::{Frame, Planner, compared, few_steps, step_of, step_of_ms};
use crate::metric::{Aggregation, Allowed};
use crate::query::ast::{ArithOp, CmpOp, Detect, Detector, Expr, Filter, Kind, Ref, Select};
use crate::query::check::Scope;
use crate::query::error::ParseError;
use crate::query::range::NANOS_IN_MS;

/// Windows that a comparison of a ratio or percentile with its usual level looks at, in minutes.
const JUDGED_MINUTES: [u64; 4] = [1, 5, 15, 60];
/// Events that such a window must have.
const MIN_EVENTS: u64 = 20;
/// Length of the past when none is written.
const BASELINE_MS: u64 = 7 * DAY_MS;
/// Length of the past that seasonal levels are made of: weekdays tell from three weeks on.
const SEASONAL_MS: u64 = 28 * DAY_MS;
/// Windows of the past that one is compared with: few long ones, and of short ones what a plan may
/// have of steps.
const WINDOWS_MIN: u64 = 8;
const WINDOWS_MAX: u64 = 9000;
/// The same of hours and of days.
const HOURS_MAX: u64 = 9000;
const POOLED_DAYS_MAX: u64 = 3650;
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
            return self.plain_comparison(expr, op, a, b);
        };
        let dim = compared(expr)?;
        let min_events = self.guard.and_then(|g| g.min_events).unwrap_or(MIN_EVENTS);
        let windows = self.judged_windows(select, expr)?;
        let longest = windows.last().copied().unwrap_or(self.ask.window);
        self.look_at(longest);
        let past = self.pooled(select, longest, past);
        let bound = match (&a.kind, &b.kind) {
            (Kind::Select(_), _) => Bound::Right,
            (_, Kind::Select(_)) => Bound::Left,
            _ => Bound::Neither,
        };
        // `bound < metric` and `bound - metric > 0` ask whether the metric is too large, or too small.
        let rises = rises(a).unwrap_or_else(|| !rises(b).unwrap_or(true));
        let upper = matches!(op, CmpOp::Gt | CmpOp::Ge) == rises;
        let mut all = Vec::with_capacity(windows.len());
        for window in windows {
            let now = self.add(select, window, None);
            let frame = Frame { scope: expr, judged: Some((now, past)) };
            let (left, right) = (self.node(a, frame)?, self.node(b, frame)?);
            let negated = self.negated;
            all.push(Judged { op, left, right, now, past, bound, upper, min_events, negated, dim });
        }
        Ok(Node::Judged(all))
    }

    fn plain_comparison(&mut self, expr: &Expr, op: CmpOp, a: &Expr, b: &Expr) -> Result<Node, ParseError> {
        let frame = Frame::of(expr);
        let (left, right) = (self.node(a, frame)?, self.node(b, frame)?);
        let mut selects = Vec::new();
        each_select(&left, &mut |i| selects.push(i));
        each_select(&right, &mut |i| selects.push(i));
        let mut noisy = false;
        expr.each_select(&mut |select| noisy |= is_pooled(select));
        let min_events = self.guard.map_or(0, |g| g.min_events.unwrap_or(if noisy { MIN_EVENTS } else { 0 }));
        let (dim, negated) = (compared(expr)?, self.negated);
        Ok(Node::Cmp(Box::new(Comparison { op, left, right, dim, selects, min_events, negated })))
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
        let past_ms = past.map_or(SEASONAL_MS, |nanos| nanos / NANOS_IN_MS);
        let length = window.millis();
        // Windows of a length that fits into days, or that days fit into, stand at the same time of day
        // each: they are compared as they are. Of any other one the hours are.
        if DAY_MS.is_multiple_of(length.max(1)) || length.is_multiple_of(DAY_MS) {
            let history = self.windows(select, window, past_ms);
            return Ok(Node::Usual(Usual::Seasonal { history, window }));
        }
        let past = before(last_full_hour(window.start), past_ms.min(HOURS_MAX * HOUR_MS));
        let hours = self.earlier(select, past, Step::Millis(HOUR_MS));
        let adds_up = matches!(select.aggregation(), Aggregation::Sum | Aggregation::Count);
        Ok(Node::Usual(Usual::ByHour { hours, window, adds_up }))
    }

    /// A metric over all of the past, by the day so that it shows how far the past reaches back: its
    /// index.
    fn pooled(&mut self, select: &Select, window: TimeRange, past: Option<u64>) -> usize {
        let past_ms = past.map_or(BASELINE_MS, |nanos| nanos / NANOS_IN_MS);
        self.earlier(select, before(window.start, past_ms.min(POOLED_DAYS_MAX * DAY_MS)), Step::FromStart(DAY_MS))
    }

    /// A metric in the windows before `window`, each as long: its index. Of windows that an hour is made of
    /// those up to the last full hour serve: they are the same for all minutes of an hour, whoever asks.
    fn windows(&mut self, select: &Select, window: TimeRange, past_ms: u64) -> usize {
        let length = window.millis().max(1);
        let count = (past_ms / length).clamp(WINDOWS_MIN, WINDOWS_MAX);
        let end = if HOUR_MS.is_multiple_of(length) { last_full_hour(window.start) } else { window.start };
        self.earlier(select, before(end, count * length), Step::FromStart(length))
    }

    /// A metric by steps of the past: its index. What only single events tell reaches back as far as
    /// these do.
    fn earlier(&mut self, select: &Select, mut range: TimeRange, step: Step) -> usize {
        if needs_events(select) && range.start < self.ask.raw_from {
            let length = match step {
                Step::FromStart(ms) => ms,
                _ => HOUR_MS,
            };
            let whole = range.end.since(self.ask.raw_from) / length * length;
            range.start = range.end.minus_ms(whole.max(length));
        }
        self.add(select, range, Some(step))
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
            self.look_at(window);
            let points = self.add(select, window, Some(Step::FromStart(length)));
            let point = TimeRange::new(window.start, window.start.plus_ms(length));
            let history = self.windows(select, point, SEASONAL_MS);
            return Ok(Node::Anomaly { points, history, sensitivity: sensitivity.unwrap_or(SENSITIVITY) });
        }
        let window = written.unwrap_or(TimeRange::new(now.minus_ms(TREND_MS), now));
        self.look_at(window);
        if let Some(every) = select.every {
            few_steps(window, every)?;
        }
        let step = select
            .every
            .map_or_else(|| step_of_ms((window.millis() / TREND_STEPS).max(1)), |every| step_of(every.value));
        Ok(Node::Trend(self.add(select, window, Some(step))))
    }
}

/// Calls `each` with every metric that a calculation rests on, without those of the past.
fn each_select(node: &Node, each: &mut dyn FnMut(usize)) {
    match node {
        Node::Select(i) | Node::Trend(i) => each(*i),
        Node::Neg(inner) => each_select(inner, each),
        Node::Arith { left, right, .. } => {
            each_select(left, each);
            each_select(right, each);
        }
        _ => {}
    }
}

/// The time of such a length before `end`.
fn before(end: Timestamp, ms: u64) -> TimeRange {
    TimeRange::new(end.minus_ms(ms), end)
}

fn last_full_hour(t: Timestamp) -> Timestamp {
    t.minus_ms(t.millis() % HOUR_MS)
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

/// Whether the value of an expression rises with its metric; `None` without one. What a metric is
/// multiplied with or divided by is taken as above zero.
fn rises(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        Kind::Select(_) => Some(true),
        Kind::Neg(e) => rises(e).map(|r| !r),
        Kind::Arith(ArithOp::Sub | ArithOp::Div, a, b) => rises(a).or_else(|| rises(b).map(|r| !r)),
        Kind::Arith(_, a, b) => rises(a).or_else(|| rises(b)),
        _ => None,
    }
}

/// Whether only single events tell a metric by the hour: buckets keep no users and no numbers.
fn needs_events(select: &Select) -> bool {
    const NOT_IN_BUCKETS: [Label; 3] = [Label::User, Label::Error, Label::Key];
    let of_filter = |f: &Filter| super::needs_events(f) || NOT_IN_BUCKETS.iter().any(|l| f.mentions(*l));
    let group = select.group.as_ref().map(|g| g.value.resolved()).unwrap_or_default();
    select.filter.as_ref().is_some_and(of_filter) || NOT_IN_BUCKETS.iter().any(|l| group.contains(l))
}

/// The length written at the first `baseline`; the outer `None` = there is none.
#[expect(clippy::option_option, reason = "absent and without a length differ")]
fn baseline(expr: &Expr) -> Option<Option<u64>> {
    expr.first_ref(&|reference, _| match reference {
        Ref::Baseline(past) => Some(*past),
        _ => None,
    })
}
