//! From a checked tree to plans with absolute times, and the arithmetic over their answers.
//!
//! A metric becomes a plan; metrics that need the same events of the same window share one. What
//! `baseline`, `anomaly`, `trend` and `vs` need of the past is planned along, so that one view of the
//! store answers all of it.

mod filter;
mod past;
mod plans;
mod question;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Label, STEPS_MAX, Step};
use ax_storage::time::{DAY_MS, TimeRange, Timestamp};

pub use filter::{lower, measure, needs_events};
pub use question::{Asked, Bound, Comparison, Judged, Node, Question, Selected, Usual, Versus};

use super::ast::{
    ArithOp, At, Calendar as Word, Expr, Filter, Kind, Num, Period, Range, Ref, Select, Versus as VersusClause,
};
use super::check::{self, Scope};
use super::error::{ParseError, Span};
use super::range::NANOS_IN_MS;
use crate::calendar::Calendar;
use crate::metric::{self, Aggregation, Allowed, Metric, Money, Number, Source, SpendPeriod};
use plans::Plans;

/// Surroundings of a question.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The time it is asked at.
    pub now: Timestamp,
    /// Zone of calendar words and of days, and where weeks start.
    pub calendar: Calendar<'a>,
    /// The window of metrics that name none.
    pub window: TimeRange,
    /// From when on single events are kept.
    pub raw_from: Timestamp,
    /// Budgets and projections.
    pub outside: &'a dyn Outside,
}

/// Numbers that a query may refer to and no store of events has.
pub trait Outside {
    /// The budget of a name, in the period that runs at `now`; without a name the budget whose period is
    /// `period`; without that the only budget there is. `None` = no budget.
    ///
    /// # Errors
    /// A sentence when several fit.
    fn budget(&self, name: Option<&str>, period: Option<Period>, now: Timestamp) -> Result<Option<Budget>, String>;
    /// Spend at the end of the `period` that runs at `now`, as projected then, of what `scope` lets through.
    fn forecast(&self, period: Period, scope: Option<&Filter>, now: Timestamp) -> Option<Money>;
}

/// A limit of spending as a query sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The limit.
    pub limit: Money,
    /// Its period.
    pub period: Period,
    /// When the running period began.
    pub since: Timestamp,
    /// What counts.
    pub scope: Option<Filter>,
}

/// No budgets and no projections.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Outside for Nothing {
    fn budget(&self, _: Option<&str>, _: Option<Period>, _: Timestamp) -> Result<Option<Budget>, String> {
        Ok(None)
    }

    fn forecast(&self, _: Period, _: Option<&Filter>, _: Timestamp) -> Option<Money> {
        None
    }
}

/// Plans a query that [`super::parse`] accepted, or the tree of a condition.
///
/// # Errors
/// What only shows with times: too many steps, budgets that several fit. The span is that of the
/// query's text.
pub fn plan(expr: &Expr, ask: &Ask<'_>) -> Result<Question, ParseError> {
    plan_guarded(expr, ask, None)
}

/// How many events a comparison of an alert needs to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// As the rule says it; `None` = 20 for ratios and percentiles, else 0.
    pub min_events: Option<u64>,
}

/// Plans the condition of an alert: comparisons that rest on too few events do not count.
///
/// # Errors
/// As [`plan`].
pub fn plan_alert(expr: &Expr, ask: &Ask<'_>, guard: Guard) -> Result<Question, ParseError> {
    plan_guarded(expr, ask, Some(guard))
}

fn plan_guarded(expr: &Expr, ask: &Ask<'_>, guard: Option<Guard>) -> Result<Question, ParseError> {
    let checked = check::infer(expr, Scope { of: expr })?;
    let mut planner = Planner {
        ask: *ask,
        plans: Plans::default(),
        selects: Vec::new(),
        group: checked.group.clone().unwrap_or_default(),
        first: None,
        several: false,
        notes: Vec::new(),
        guard,
        negated: false,
    };
    let only = match &expr.kind {
        Kind::Select(select) => Some(select.as_ref()),
        _ => None,
    };
    let root = planner.node(expr, Frame::of(expr))?;
    let summary = only.and_then(|s| planner.summarise(s));
    let versus = only.and_then(|s| s.versus).map(|v| planner.versus(only, v)).transpose()?.flatten();
    let step = step(expr)?;
    let mut filters = Vec::new();
    expr.each_select(&mut |s| filters.extend(s.filter.clone().filter(|f| !filters.contains(f))));
    if planner.plans.len() > PLANS_MAX {
        return Err(ParseError::new(expr.span, format!("the query asks {} different things", planner.plans.len()))
            .hint(format!("at most {PLANS_MAX}: ask in several queries")));
    }
    Ok(Question {
        text: expr.to_string(),
        asked: planner.plans.finish(),
        selects: planner.selects,
        root,
        dim: checked.dim,
        group: checked.group,
        step,
        zone: ask.calendar.zone().clone(),
        compared: compared(expr)?,
        range: planner.first.unwrap_or(ask.window),
        several_windows: planner.several,
        top: only.and_then(|s| s.top).map(|t| t.value),
        versus,
        filters,
        only: only.cloned(),
        summary,
        notes: planner.notes,
        known: Vec::new(),
    })
}

/// A step of so many nanoseconds.
pub fn step_of(nanos: u64) -> Step {
    step_of_ms(nanos / NANOS_IN_MS)
}

/// A step of so many milliseconds: whole days go by the calendar, divisors of a day from midnight.
pub fn step_of_ms(ms: u64) -> Step {
    match ms {
        ms if ms % DAY_MS == 0 => Step::Days(u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX)),
        ms if DAY_MS.is_multiple_of(ms) => Step::Millis(ms),
        ms => Step::FromStart(ms),
    }
}

/// Where in a query an expression stands.
#[derive(Clone, Copy)]
struct Frame<'e> {
    /// Its comparison, else the whole query.
    scope: &'e Expr,
    /// In a judged comparison: the metric's index in the window, and in the past.
    judged: Option<(usize, usize)>,
}

impl<'e> Frame<'e> {
    const fn of(scope: &'e Expr) -> Self {
        Self { scope, judged: None }
    }
}

/// Most plans of a query: what they bring is in memory together.
pub const PLANS_MAX: usize = 48;

struct Planner<'a> {
    ask: Ask<'a>,
    plans: Plans,
    selects: Vec<Selected>,
    /// Labels of the whole query's rows.
    group: Vec<Label>,
    /// The first metric's window.
    first: Option<TimeRange>,
    /// Another metric has another window.
    several: bool,
    notes: Vec<String>,
    /// It is the condition of an alert.
    guard: Option<Guard>,
    /// Behind an odd number of NOTs.
    negated: bool,
}

impl Planner<'_> {
    /// An expression within its comparison, or within the whole query.
    fn node(&mut self, expr: &Expr, frame: Frame<'_>) -> Result<Node, ParseError> {
        let scope = frame.scope;
        Ok(match &expr.kind {
            Kind::Num(num) => Node::Literal(literal(*num)),
            Kind::Ref(Ref::Budget(name)) => {
                let budget = self.budget(name.as_deref(), scope, expr.span)?;
                if budget.is_none() {
                    self.notes.push("there is no budget to compare with".to_owned());
                }
                Node::Outside(budget.map(|b| Number::Money(b.limit)))
            }
            Kind::Ref(Ref::Forecast(period)) => self.forecast(*period, scope)?,
            Kind::Ref(Ref::Baseline(past)) => match frame.judged {
                Some((_, past)) => Node::Usual(Usual::Pooled(past)),
                None => self.usual(Scope { of: scope }.only(expr.span)?, *past, scope)?,
            },
            Kind::Select(select) => match frame.judged {
                Some((now, _)) => Node::Select(now),
                None => Node::Select(self.select(select, scope)?),
            },
            Kind::Detect(detect) => self.detect(detect)?,
            Kind::Neg(inner) => Node::Neg(Box::new(self.node(inner, frame)?)),
            Kind::Arith(op, a, b) => {
                let dim = |e| check::infer(e, Scope { of: scope }).map(|t| t.dim.unwrap_or(check::Dim::BARE));
                let milli = match op {
                    ArithOp::Mul => dim(a)?.milli_power(dim(b)?, false),
                    ArithOp::Div => dim(a)?.milli_power(dim(b)?, true),
                    ArithOp::Add | ArithOp::Sub => 0,
                };
                let (left, right) = (self.node(a, frame)?, self.node(b, frame)?);
                Node::Arith { op: *op, milli, left: Box::new(left), right: Box::new(right) }
            }
            Kind::Cmp(op, a, b) => self.comparison(expr, *op, a, b)?,
            Kind::Bool(op, list) => {
                let list: Result<_, _> = list.iter().map(|e| self.node(e, Frame::of(e))).collect();
                Node::Bool(*op, list?)
            }
            Kind::Not(inner) => {
                self.negated = !self.negated;
                let inner = self.node(inner, Frame::of(inner))?;
                self.negated = !self.negated;
                Node::Not(Box::new(inner))
            }
        })
    }

    /// A metric in its own window: its index.
    fn select(&mut self, select: &Select, scope: &Expr) -> Result<usize, ParseError> {
        // Spend compared with a budget is what that budget counts, unless the query says otherwise.
        if own_period(select.metric.value).is_some()
            && select.filter.is_none()
            && let Some(filter) = self.budget_of(scope)?.and_then(|b| b.scope)
        {
            return self.select(&Select { filter: Some(filter), ..select.clone() }, scope);
        }
        let offset_ms = select.offset.map_or(0, |o| o.value / NANOS_IN_MS);
        let window = self.window(select, scope)?;
        self.look_at(window);
        let step = select.every.map(|e| step_of(e.value));
        if let Some(every) = select.every {
            few_steps(window, every)?;
        }
        let index = self.add(select, window, step);
        self.selects[index].offset_ms = offset_ms;
        self.note(select);
        Ok(index)
    }

    /// Notes the window of a metric.
    fn look_at(&mut self, window: TimeRange) {
        let first = *self.first.get_or_insert(window);
        self.several |= first != window;
    }

    /// A metric in any window: its index.
    fn add(&mut self, select: &Select, range: TimeRange, step: Option<Step>) -> usize {
        let group = select.group.as_ref().map(|g| g.value.resolved()).unwrap_or_default();
        let labels = if group.is_empty() {
            Vec::new()
        } else {
            let place = |label: &Label| group.iter().position(|l| l == label);
            self.group.iter().filter_map(place).collect()
        };
        let asked = self.plans.add(select, range, &group, step, self.ask.calendar.zone());
        let (metric, aggregation) = (select.metric.value, select.aggregation());
        self.selects.push(Selected { metric, aggregation, asked, labels, offset_ms: 0 });
        self.selects.len() - 1
    }

    /// The window of a metric: its own, the one written beside it, or the default; shifted by
    /// its offset.
    fn window(&self, select: &Select, scope: &Expr) -> Result<TimeRange, ParseError> {
        let range = match (own_period(select.metric.value), self.range_of(select, scope)) {
            (Some(period), _) => self.spend_window(period, scope)?,
            (None, Some(range)) => self.resolve(range)?,
            (None, None) => self.ask.window,
        };
        let offset_ms = select.offset.map_or(0, |o| o.value / NANOS_IN_MS);
        Ok(TimeRange { start: range.start.minus_ms(offset_ms), end: range.end.minus_ms(offset_ms) })
    }

    /// The range written at a metric, else the only one in its comparison or calculation.
    fn range_of(&self, select: &Select, scope: &Expr) -> Option<At<Range>> {
        select.range.or_else(|| {
            let mut written = None;
            if scope.shares_range() {
                scope.each_select(&mut |s| written = written.or(s.range));
            }
            written
        })
    }

    fn resolve(&self, range: At<Range>) -> Result<TimeRange, ParseError> {
        super::resolve(&range.value, self.ask.now, &self.ask.calendar).map_err(|e| timeless(e, range.span))
    }

    /// The running period of a spend metric; that of its budget when it is compared with one.
    fn spend_window(&self, period: SpendPeriod, scope: &Expr) -> Result<TimeRange, ParseError> {
        let budget = self.budget_of(scope)?;
        let period = match (period, &budget) {
            (SpendPeriod::Day, _) => Period::Day,
            (SpendPeriod::Week, _) => Period::Week,
            (SpendPeriod::Month, _) => Period::Month,
            (SpendPeriod::Budget, budget) => budget.as_ref().map_or(Period::Month, |b| b.period),
        };
        // A budget's days are those of its own zone.
        if let Some(budget) = budget.filter(|b| b.period == period) {
            let first_ms = budget.since.plus_ms(1);
            return Ok(TimeRange::new(budget.since, self.ask.now.max(first_ms)));
        }
        Ok(self.ask.calendar.so_far(period, self.ask.now))
    }

    /// The period before a running one, up to the same time after its start.
    fn spend_before(&self, period: SpendPeriod) -> Result<TimeRange, ParseError> {
        let range = match period {
            SpendPeriod::Day => Range::Calendar(Word::Today),
            SpendPeriod::Week => Range::Calendar(Word::This(Period::Week)),
            SpendPeriod::Month | SpendPeriod::Budget => Range::Calendar(Word::This(Period::Month)),
        };
        super::previous(&range, self.ask.now, &self.ask.calendar).map_err(|e| timeless(e, Span::default()))
    }

    /// The budget that a comparison names, if it names one.
    fn budget_of(&self, scope: &Expr) -> Result<Option<Budget>, ParseError> {
        match budget_reference(scope) {
            Some((name, span)) => self.budget(name, scope, span),
            None => Ok(None),
        }
    }

    fn budget(&self, name: Option<&str>, scope: &Expr, span: Span) -> Result<Option<Budget>, ParseError> {
        let period = period_of(scope);
        self.ask
            .outside
            .budget(name, period, self.ask.now)
            .map_err(|why| ParseError::new(span, why).hint("name it: budget(\"name\")"))
    }

    fn forecast(&mut self, period: Option<Period>, scope: &Expr) -> Result<Node, ParseError> {
        let budget = self.budget_of(scope)?;
        let period = period.or_else(|| budget.as_ref().map(|b| b.period)).unwrap_or(Period::Month);
        let scope = budget.as_ref().and_then(|b| b.scope.as_ref());
        let forecast = self.ask.outside.forecast(period, scope, self.ask.now);
        if forecast.is_none() {
            self.notes.push("there is no forecast yet".to_owned());
        }
        Ok(Node::Outside(forecast.map(Number::Money)))
    }

    /// What a reader may misunderstand.
    fn note(&mut self, select: &Select) {
        let name = select.metric.value.name();
        let sum = select.agg.is_some_and(|a| a.value == Aggregation::Sum);
        if sum && select.metric.value.info().allowed == Allowed::Ratios {
            let events = match select.metric.value {
                Metric::ErrorRate | Metric::SuccessRate => "; for the number of errors use errors",
                _ => "",
            };
            self.notes.push(format!("the sum of {name} is the overall ratio{events}"));
        }
    }

    /// Asks for what a summary of all rows shows: the values, and the plan that has them.
    fn summarise(&mut self, select: &Select) -> Option<(Measure, usize)> {
        let metric = select.metric.value;
        let measure = match metric {
            Metric::Latency | Metric::Ttft | Metric::Tokens | Metric::Cost => metric::measure(metric)?,
            _ => return None,
        };
        let main = self.selects.first()?.asked;
        // By user only sums are kept for long, and read fast: the summary of all is asked for apart.
        let by_user = select.group.as_ref().is_some_and(|g| g.value.resolved().contains(&Label::User));
        let sums = metric::sums_suffice(select.aggregation());
        let index = if by_user && sums {
            let Selected { metric, .. } = *self.selects.first()?;
            let whole = Select {
                group: None,
                every: None,
                filter: select.filter.clone(),
                ..Select::new(metric, Span::default())
            };
            self.plans.add(&whole, self.first?, &[], None, self.ask.calendar.zone())
        } else {
            main
        };
        // Where single events are gone the spread of one user's values is not known.
        let mut of_user = by_user;
        select.filter.iter().for_each(|f| of_user |= f.mentions(Label::User));
        if !(index == main && of_user && sums && self.first?.start < self.ask.raw_from) {
            self.plans.spread(index);
        }
        // Latency's histograms lie in every bucket; those of tokens and cost apart, so they are read
        // only when somebody asks for a percentile.
        let asked = matches!(select.aggregation(), Aggregation::Quantile(_));
        if asked || matches!(metric, Metric::Latency | Metric::Ttft) {
            self.plans.summarise(index, measure);
        }
        Some((measure, index))
    }

    /// The same metric in the window that `vs` names.
    fn versus(&mut self, only: Option<&Select>, versus: At<VersusClause>) -> Result<Option<Versus>, ParseError> {
        let (Some(select), Some(window)) = (only, self.first) else { return Ok(None) };
        let range = match (versus.value, select.range) {
            (VersusClause::Ago(nanos), _) => {
                let ms = nanos / NANOS_IN_MS;
                TimeRange { start: window.start.minus_ms(ms), end: window.end.minus_ms(ms) }
            }
            (VersusClause::Previous, range) => {
                let offset_ms = select.offset.map_or(0, |o| o.value / NANOS_IN_MS);
                match range {
                    Some(range) => {
                        let previous = super::previous(&range.value, self.ask.now, &self.ask.calendar)
                            .map_err(|e| timeless(e, range.span))?;
                        TimeRange { start: previous.start.minus_ms(offset_ms), end: previous.end.minus_ms(offset_ms) }
                    }
                    None => match own_period(select.metric.value) {
                        Some(period) => self.spend_before(period)?,
                        None => TimeRange { start: window.start.minus_ms(window.millis()), end: window.start },
                    },
                }
            }
        };
        let select = self.add(select, range, select.every.map(|e| step_of(e.value)));
        Ok(Some(Versus { select, range }))
    }
}

/// The step of the points. What is judged against the past is one value.
fn step(expr: &Expr) -> Result<Option<Step>, ParseError> {
    let mut every: Option<At<u64>> = None;
    expr.each_select(&mut |s| every = every.or(s.every));
    let Some(every) = every else { return Ok(None) };
    match past_of(expr) {
        // A trend's steps are its own.
        Some(Past::Trend) => Ok(None),
        Some(Past::Judged) => {
            Err(ParseError::new(every.span, "'every' cannot stand in a query that asks about the past")
                .hint("leave it out: baseline and anomaly judge one window"))
        }
        None => Ok(Some(step_of(every.value))),
    }
}

/// Whether an answer may depend on [`Ask::raw_from`]: then it is worth looking up.
pub fn depends_on_raw(expr: &Expr) -> bool {
    let mut by_user = false;
    expr.each_select(&mut |s| {
        by_user |= s.filter.as_ref().is_some_and(|f| f.mentions(Label::User));
        by_user |= s.group.as_ref().is_some_and(|g| g.value.resolved().contains(&Label::User));
    });
    by_user || past_of(expr).is_some()
}

/// How a query asks about the past.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Past {
    Trend,
    Judged,
}

fn past_of(expr: &Expr) -> Option<Past> {
    match &expr.kind {
        Kind::Ref(Ref::Baseline(_)) => Some(Past::Judged),
        Kind::Detect(d) => Some(if d.what == super::ast::Detector::Trend { Past::Trend } else { Past::Judged }),
        Kind::Num(_) | Kind::Ref(_) | Kind::Select(_) => None,
        Kind::Neg(e) | Kind::Not(e) => past_of(e),
        Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => past_of(a).max(past_of(b)),
        Kind::Bool(_, list) => list.iter().filter_map(past_of).max(),
    }
}

fn timeless(error: super::RangeError, span: Span) -> ParseError {
    let hint = match error {
        super::RangeError::Future(_) => "there are no events yet; write an earlier time",
        super::RangeError::Empty { .. } => "write the earlier time first",
    };
    ParseError::new(span, error.to_string()).hint(hint)
}

/// What both sides of a comparison measure, when the query is one.
fn compared(expr: &Expr) -> Result<Option<check::Dim>, ParseError> {
    let Kind::Cmp(_, a, b) = &expr.kind else { return Ok(None) };
    let scope = Scope { of: expr };
    let (a, b) = (check::infer(a, scope)?.dim, check::infer(b, scope)?.dim);
    Ok(a.zip(b).and_then(|(a, b)| a.common(b)))
}

/// The value of a literal with or without a sign, in the unit that values have.
pub(super) fn constant(expr: &Expr) -> Option<Number> {
    match &expr.kind {
        Kind::Num(num) => Some(literal(*num)),
        Kind::Neg(inner) => constant(inner)?.negated(),
        _ => None,
    }
}

/// A literal in the unit that values have: whole numbers and money exactly.
#[expect(clippy::cast_precision_loss, reason = "durations are compared as floats")]
#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
fn literal(num: Num) -> Number {
    const WHOLE_MAX: f64 = 9e15;
    match num {
        Num::Plain(v) if v.fract() == 0.0 && v.abs() < WHOLE_MAX => Number::Whole(v as i128),
        Num::Plain(v) => Number::Float(v),
        Num::Money(v) => filter::nanos(v).map_or(Number::Float(v), |nanos| Number::Money(Money(nanos))),
        Num::Percent(v) => Number::Float(v / 100.0),
        Num::Duration(nanos) => Number::Float(nanos as f64 / 1e6),
    }
}

fn few_steps(window: TimeRange, every: At<u64>) -> Result<(), ParseError> {
    let steps = window.millis().div_ceil((every.value / NANOS_IN_MS).max(1));
    if steps > STEPS_MAX as u64 {
        let least = window.millis().div_ceil(STEPS_MAX as u64) * NANOS_IN_MS;
        return Err(ParseError::new(every.span, format!("{steps} steps are more than {STEPS_MAX}"))
            .hint(format!("write every {}, or a shorter time range", round_up(least))));
    }
    Ok(())
}

/// The period that a metric names itself.
const fn own_period(metric: Metric) -> Option<SpendPeriod> {
    match metric.info().source {
        Source::Spend(period) => Some(period),
        _ => None,
    }
}

/// The first `budget` in a comparison.
fn budget_reference(expr: &Expr) -> Option<(Option<&str>, Span)> {
    expr.first_ref(&|reference, span| match reference {
        Ref::Budget(name) => Some((name.as_deref(), span)),
        _ => None,
    })
}

/// The period of the first spend metric in a comparison, else that of its forecast.
fn period_of(expr: &Expr) -> Option<Period> {
    let mut found = None;
    expr.each_select(&mut |s| {
        found = found.or(match own_period(s.metric.value) {
            Some(SpendPeriod::Day) => Some(Period::Day),
            Some(SpendPeriod::Week) => Some(Period::Week),
            Some(SpendPeriod::Month) => Some(Period::Month),
            _ => None,
        });
    });
    found.or_else(|| {
        expr.first_ref(&|reference, _| match reference {
            Ref::Forecast(period) => *period,
            _ => None,
        })
    })
}

/// A round duration that is at least so long, as text.
fn round_up(nanos: u64) -> super::printer::Nanos {
    const SECOND: u64 = 1_000_000_000;
    const ROUND: [u64; 12] = [1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 365 * 86_400];
    let round = ROUND.iter().map(|s| s * SECOND).find(|ns| *ns >= nanos);
    super::printer::Nanos(round.unwrap_or(nanos))
}
