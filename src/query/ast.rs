//! The tree of a query: what was written, nothing added.
//!
//! Two trees are equal when they say the same, wherever it stands in the text: spans take no part.
//! A tree is at most [`DEPTH_MAX`] deep, checked when a node is built, so that dropping, cloning,
//! comparing and printing it by recursion needs a bounded stack.

use ax_storage::query::plan::Label;

use super::error::{ParseError, Span};
use super::regex::Pattern;
pub use crate::calendar::Period;
use crate::metric::{Aggregation, Metric};

/// Deepest tree.
pub const DEPTH_MAX: usize = 128;

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
    depth: u8,
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A literal.
    Num(Num),
    /// A number that comes from elsewhere.
    Ref(Ref),
    /// A metric with its clauses.
    Select(Box<Select>),
    /// A judgement about a metric's past.
    Detect(Detect),
    /// −x.
    Neg(Box<Expr>),
    /// Arithmetic.
    Arith(ArithOp, Box<Expr>, Box<Expr>),
    /// A comparison.
    Cmp(CmpOp, Box<Expr>, Box<Expr>),
    /// Two or more conditions joined by one word.
    Bool(BoolOp, Vec<Expr>),
    /// NOT x.
    Not(Box<Expr>),
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Expr {
    /// A node over finished parts. Lists joined by one word are flattened into one.
    ///
    /// # Errors
    /// When it would be deeper than [`DEPTH_MAX`].
    pub fn new(kind: Kind, span: Span) -> Result<Self, ParseError> {
        let kind = match kind {
            Kind::Bool(op, list) if list.iter().any(|e| matches!(&e.kind, Kind::Bool(o, _) if *o == op)) => {
                let mut flat = Vec::with_capacity(list.len());
                for e in list {
                    match e.kind {
                        Kind::Bool(o, inner) if o == op => flat.extend(inner),
                        kind => flat.push(Self { kind, ..e }),
                    }
                }
                Kind::Bool(op, flat)
            }
            other => other,
        };
        let below = match &kind {
            Kind::Num(_) | Kind::Ref(_) => 0,
            Kind::Select(s) => s.filter.as_ref().map_or(0, |f| f.depth),
            Kind::Detect(d) => d.of.filter.as_ref().map_or(0, |f| f.depth) + 1,
            Kind::Neg(e) | Kind::Not(e) => e.depth,
            Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => a.depth.max(b.depth),
            Kind::Bool(_, list) => list.iter().map(|e| e.depth).max().unwrap_or(0),
        };
        Ok(Self { kind, span, depth: deeper(below, span)? })
    }

    /// Whether a metric in it without a time range means the only one that is written in it.
    pub(super) const fn shares_range(&self) -> bool {
        matches!(self.kind, Kind::Cmp(..) | Kind::Arith(..) | Kind::Neg(_))
    }

    /// Calls `each` with every metric in it, from left to right; those judged by `anomaly` and
    /// `trend` too.
    pub fn each_select<'a>(&'a self, each: &mut dyn FnMut(&'a Select)) {
        match &self.kind {
            Kind::Num(_) | Kind::Ref(_) => {}
            Kind::Select(s) => each(s),
            Kind::Detect(d) => each(&d.of),
            Kind::Neg(e) | Kind::Not(e) => e.each_select(each),
            Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => {
                a.each_select(each);
                b.each_select(each);
            }
            Kind::Bool(_, list) => list.iter().for_each(|e| e.each_select(each)),
        }
    }

    /// The first of its references that `take` takes; what AND and OR join speaks for itself.
    pub fn first_ref<'a, T>(&'a self, take: &dyn Fn(&'a Ref, Span) -> Option<T>) -> Option<T> {
        match &self.kind {
            Kind::Ref(reference) => take(reference, self.span),
            Kind::Neg(e) | Kind::Not(e) => e.first_ref(take),
            Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => a.first_ref(take).or_else(|| b.first_ref(take)),
            Kind::Num(_) | Kind::Select(_) | Kind::Detect(_) | Kind::Bool(..) => None,
        }
    }

    /// Calls `each` with every metric in it, to change its clauses.
    pub fn each_select_mut(&mut self, each: &mut dyn FnMut(&mut Select)) {
        match &mut self.kind {
            Kind::Num(_) | Kind::Ref(_) => {}
            Kind::Select(s) => each(s),
            Kind::Detect(d) => each(&mut d.of),
            Kind::Neg(e) | Kind::Not(e) => e.each_select_mut(each),
            Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => {
                a.each_select_mut(each);
                b.each_select_mut(each);
            }
            Kind::Bool(_, list) => list.iter_mut().for_each(|e| e.each_select_mut(each)),
        }
    }
}

fn deeper(below: u8, span: Span) -> Result<u8, ParseError> {
    if usize::from(below) >= DEPTH_MAX {
        return Err(ParseError::new(span, format!("too many terms within each other: at most {DEPTH_MAX}"))
            .hint("ask in several queries"));
    }
    Ok(below + 1)
}

/// A literal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Num {
    /// Takes the unit of the other side.
    Plain(f64),
    /// Dollars.
    Money(f64),
    /// The figure before the %: 80 for 80 %.
    Percent(f64),
    /// Nanoseconds.
    Duration(u64),
}

/// A number that comes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ref {
    /// The past of the compared metric: over so many nanoseconds, default 7 d.
    Baseline(Option<u64>),
    /// The limit of a budget: the one whose period fits, or by name.
    Budget(Option<Box<str>>),
    /// Projected spend at the end of a period: the compared budget's, or the one named.
    Forecast(Option<Period>),
}

/// A judgement about a metric's past.
#[derive(Clone, Debug, PartialEq)]
pub struct Detect {
    /// Which.
    pub what: Detector,
    /// The metric.
    pub of: Box<Select>,
}

/// Ways to judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detector {
    /// Far off its usual level: more than so many robust deviations, default 5.
    Anomaly(Option<f64>),
    /// Change over the range.
    Trend,
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A word that joins conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BoolOp {
    And,
    Or,
}

/// A part with its place; the place takes no part in comparisons.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// The part.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A metric with its clauses. Durations are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// What is asked for.
    pub metric: At<Metric>,
    /// The part in braces, `None` when empty.
    pub filter: Option<Filter>,
    /// `[1h]`.
    pub range: Option<At<Range>>,
    /// `p95`.
    pub agg: Option<At<Aggregation>>,
    /// `by(model)`.
    pub group: Option<At<Group>>,
    /// `every 5m`.
    pub every: Option<At<u64>>,
    /// `offset 7d`.
    pub offset: Option<At<u64>>,
    /// `topk(5)`.
    pub top: Option<At<Top>>,
    /// `vs previous`.
    pub versus: Option<At<Versus>>,
}

impl Select {
    /// A bare metric.
    pub fn new(metric: Metric, span: Span) -> Self {
        Self {
            metric: At { value: metric, span },
            filter: None,
            range: None,
            agg: None,
            group: None,
            every: None,
            offset: None,
            top: None,
            versus: None,
        }
    }

    /// The aggregation written, else the metric's own.
    pub fn aggregation(&self) -> Aggregation {
        self.agg.map_or(self.metric.value.info().default, |a| a.value)
    }
}

/// Labels to group by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// All but these.
    pub without: bool,
    /// In the order written, each once.
    pub labels: Vec<Label>,
}

impl Group {
    /// The labels an answer carries.
    pub fn resolved(&self) -> Vec<Label> {
        if !self.without {
            return self.labels.clone();
        }
        Label::ALL.into_iter().filter(|l| !self.labels.contains(l)).collect()
    }
}

/// The greatest or least groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// How many.
    pub count: u32,
    /// The least ones.
    pub bottom: bool,
}

/// What to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versus {
    /// The period before.
    Previous,
    /// The same window so many nanoseconds ago.
    Ago(u64),
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last so many nanoseconds.
    Last(u64),
    /// A day, week, month or year of the calendar.
    Calendar(Calendar),
    /// One month, day, minute or second.
    One(Point),
    /// From a point to another, or (`None`) to now.
    Between(Point, Option<Point>),
}

/// Words for calendar stretches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Calendar {
    Today,
    Yesterday,
    This(Period),
    Last(Period),
}

/// A point of time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// 1970..=9999.
    pub year: i16,
    /// 1..=12.
    pub month: u8,
    /// 1..=31; `None` = the month.
    pub day: Option<u8>,
    /// Of that day.
    pub clock: Option<Clock>,
}

/// A time of day as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=59; `None` = the minute.
    pub second: Option<u8>,
    /// Minutes east of UTC; `None` = the query's zone.
    pub offset: Option<i16>,
}

/// A condition on single events.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What it is.
    pub kind: FilterKind,
    /// Where it stands.
    pub span: Span,
    depth: u8,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The forms of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterKind {
    /// Two or more conditions joined by one word.
    Bool(BoolOp, Vec<Filter>),
    /// NOT x.
    Not(Box<Filter>),
    /// A label equals (or not) a text.
    Equals {
        /// Which label.
        label: Label,
        /// `!=`.
        negated: bool,
        /// The text.
        value: Box<str>,
    },
    /// A label matches (or not) a regular expression as a whole.
    Matches {
        /// Which label.
        label: Label,
        /// `!~`.
        negated: bool,
        /// The expression.
        pattern: Pattern,
    },
    /// A number of the event compares so.
    Number {
        /// Which number.
        field: Field,
        /// How.
        op: CmpOp,
        /// With what.
        value: Signed,
    },
    /// A label is one of a list.
    LabelIn {
        /// Which label.
        label: Label,
        /// NOT in.
        negated: bool,
        /// The list, in the order written.
        items: Vec<Box<str>>,
    },
    /// A number is one of a list.
    FieldIn {
        /// Which number.
        field: Field,
        /// NOT in.
        negated: bool,
        /// The list, in the order written.
        items: Vec<Signed>,
    },
}

impl Filter {
    /// A node over finished parts. Lists joined by one word are flattened into one.
    ///
    /// # Errors
    /// When it would be deeper than [`DEPTH_MAX`].
    pub fn new(kind: FilterKind, span: Span) -> Result<Self, ParseError> {
        let kind = match kind {
            FilterKind::Bool(op, list)
                if list.iter().any(|f| matches!(&f.kind, FilterKind::Bool(o, _) if *o == op)) =>
            {
                let mut flat = Vec::with_capacity(list.len());
                for f in list {
                    match f.kind {
                        FilterKind::Bool(o, inner) if o == op => flat.extend(inner),
                        kind => flat.push(Self { kind, ..f }),
                    }
                }
                FilterKind::Bool(op, flat)
            }
            other => other,
        };
        let below = match &kind {
            FilterKind::Bool(_, list) => list.iter().map(|f| f.depth).max().unwrap_or(0),
            FilterKind::Not(f) => f.depth,
            _ => 0,
        };
        Ok(Self { kind, span, depth: deeper(below, span)? })
    }

    /// Whether a condition in it is about `wanted`.
    pub fn mentions(&self, wanted: Label) -> bool {
        match &self.kind {
            FilterKind::Bool(_, list) => list.iter().any(|f| f.mentions(wanted)),
            FilterKind::Not(inner) => inner.mentions(wanted),
            FilterKind::Equals { label, .. }
            | FilterKind::Matches { label, .. }
            | FilterKind::LabelIn { label, .. } => *label == wanted,
            FilterKind::Number { .. } | FilterKind::FieldIn { .. } => false,
        }
    }

    /// All of `list` at once; `None` when it is empty.
    ///
    /// # Errors
    /// When it would be deeper than [`DEPTH_MAX`].
    pub fn all(mut list: Vec<Self>) -> Result<Option<Self>, ParseError> {
        let (Some(first), Some(last)) = (list.first(), list.last()) else { return Ok(None) };
        let span = first.span.to(last.span);
        if list.len() == 1 {
            return Ok(list.pop());
        }
        Self::new(FilterKind::Bool(BoolOp::And, list), span).map(Some)
    }
}

/// A literal with a sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signed {
    /// Below zero.
    pub negative: bool,
    /// Without the sign.
    pub num: Num,
}

/// A number that an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of events")]
pub enum Field {
    Latency,
    Ttft,
    Cost,
    Tokens,
    InputTokens,
    OutputTokens,
    CachedTokens,
    CacheWriteTokens,
    ReasoningTokens,
    SavedCost,
    SavedTokens,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Latency,
        Self::Ttft,
        Self::Cost,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CachedTokens,
        Self::CacheWriteTokens,
        Self::ReasoningTokens,
        Self::SavedCost,
        Self::SavedTokens,
    ];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Ttft => "ttft",
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::CachedTokens => "cached_tokens",
            Self::CacheWriteTokens => "cache_write_tokens",
            Self::ReasoningTokens => "reasoning_tokens",
            Self::SavedCost => "saved_cost",
            Self::SavedTokens => "saved_tokens",
        }
    }

    /// The field of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// What a query text turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// A question with numbers as answer.
    Expr(Expr),
    /// Lists and counts events.
    Filter(Filter),
}

/// When an alert is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// True or false.
    pub expr: Expr,
    /// For how many nanoseconds it must hold.
    pub hold: Option<At<u64>>,
}
