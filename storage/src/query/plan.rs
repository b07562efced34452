//! What a question is once text, flags and "now" are resolved: absolute times, measures, a filter,
//! groups and a step.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::series::Group;
use crate::bucket::Measure;
use crate::time::{TimeRange, Zone};

/// Most steps a plan may have; more are refused before anything is allocated.
pub const STEPS_MAX: usize = 10_000;
/// Most (group, step) cells an answer may have.
pub const CELLS_MAX: usize = 1_000_000;
/// Most memory that the numbers of an answer may take: a million cells with two measures (what users
/// cost and how many tokens they took), fewer with more.
pub const ANSWER_BYTES_MAX: usize = 520 << 20;

/// A question to the store.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The window, half-open. [`TimeRange::ALL`] = everything there is.
    pub range: TimeRange,
    /// Which kinds of events count. Ask for what the numbers need and no more: buckets keep limiter
    /// decisions without their model and nobody's user, so what is not asked for may cost a scan of
    /// raw events.
    pub kinds: Kinds,
    /// Which values to summarise. Counts of requests, hits … always come along.
    pub measures: Vec<Measure>,
    /// Only count and sum of the measures are wanted; least, greatest and squares may be wrong.
    /// By user and beyond raw's reach nothing else is kept, except of latency.
    pub sums_only: bool,
    /// Failed and unpriced requests are counted too; else these counts may be anything.
    pub outcomes: bool,
    /// Count [`super::series::Counters::violations`] too. Raw events only.
    pub violations: bool,
    /// The measure whose distribution is wanted, with the quantiles.
    pub quantiles: Option<Quantiles>,
    /// With quantiles: also count the values above each of these, in the measure's unit.
    pub above: Vec<u64>,
    /// With quantiles: bring the distribution of each step itself, as [`super::series::Aggregate::values`].
    pub values: bool,
    /// Which events count.
    pub filter: Filter,
    /// Labels to group by; empty = one group.
    pub group: Vec<Label>,
    /// Which groups to hand on, and the rest as one; `None` = all of them.
    pub keep: Option<Keep>,
    /// Cut the window into points.
    pub step: Option<Step>,
    /// Zone whose midnights align the steps.
    pub zone: Zone,
    /// How the store may answer; a test setting but for its default.
    pub reach: Reach,
}

impl Plan {
    /// A plan that counts all events of `range` in one group: change what differs.
    pub fn new(range: TimeRange, zone: Zone) -> Self {
        Self {
            range,
            kinds: Kinds::ALL,
            measures: Vec::new(),
            sums_only: false,
            outcomes: true,
            violations: false,
            quantiles: None,
            above: Vec::new(),
            values: false,
            filter: Filter::All,
            group: Vec::new(),
            keep: None,
            step: None,
            zone,
            reach: Reach::default(),
        }
    }
}

/// Some of the groups of an answer: of a million only their numbers are held, and these become groups with names.
#[derive(Clone, Debug)]
pub struct Keep {
    /// So many; that of events whose names were not kept, `(other)`, is none of them.
    pub groups: usize,
    /// Which these are.
    pub order: Arc<dyn GroupOrder>,
}

/// An order of groups from outside the engine.
pub trait GroupOrder: fmt::Debug + Send + Sync {
    /// Which of two groups comes first, to be kept rather than the other. Their points are not to be looked at.
    fn order(&self, a: &Group, b: &Group) -> Ordering;
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Calls of a provider.
    pub requests: bool,
    /// Cache look-ups.
    pub caches: bool,
    /// Rate limiter decisions.
    pub rates: bool,
}

impl Kinds {
    /// Every event.
    pub const ALL: Self = Self { requests: true, caches: true, rates: true };
    /// Only calls.
    pub const REQUESTS: Self = Self { requests: true, caches: false, rates: false };
    /// Only cache look-ups.
    pub const CACHES: Self = Self { requests: false, caches: true, rates: false };
    /// Only limiter decisions.
    pub const RATES: Self = Self { requests: false, caches: false, rates: true };
}

/// Quantiles of one measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Latency, Ttft, Tokens or Cost from tiers; any other one from raw events only.
    pub of: Measure,
    /// In millionths: p95 = 950_000. Rank is ceil(n * p) in integers, at least 1.
    pub ppm: Vec<u32>,
}

/// Limits on what a plan may be answered from; what is later than reality wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Pretend raw events before this are gone.
    pub raw_from: Option<crate::time::Timestamp>,
    /// Pretend 1m buckets before this are gone.
    pub minute_from: Option<crate::time::Timestamp>,
}

/// A name an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Provider.
    Provider,
    /// Model.
    Model,
    /// User.
    User,
    /// `ok` or `error` for requests, `""` for the rest.
    Status,
    /// Kind of failure.
    Error,
    /// Cache or limit key.
    Key,
    /// Limit type.
    Kind,
    /// Service tier.
    ServiceTier,
}

impl Label {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Provider, Self::Model, Self::User, Self::Status, Self::Error, Self::Key, Self::Kind, Self::ServiceTier];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::User => "user",
            Self::Status => "status",
            Self::Error => "error",
            Self::Key => "key",
            Self::Kind => "kind",
            Self::ServiceTier => "service_tier",
        }
    }
}

/// A condition on single events.
#[derive(Clone, Debug, Default)]
pub enum Filter {
    /// Everything.
    #[default]
    All,
    /// All of them hold.
    And(Vec<Filter>),
    /// One of them holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The label is one of these.
    In(Label, Vec<Box<str>>),
    /// The labels together are one of these; each has as many names as there are labels.
    Among(Vec<Label>, Vec<Vec<Box<str>>>),
    /// The label passes a test (a regular expression); asked once a distinct name.
    Test(Label, Arc<dyn NameTest>),
    /// The event has the number and it compares so. Raw events only.
    Number(Measure, Compare, u64),
}

/// A test of names from outside the engine.
pub trait NameTest: fmt::Debug + Send + Sync {
    /// Whether `name` passes.
    fn test(&self, name: &str) -> bool;
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Width of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Milliseconds, a divisor of 24 h, counted from local midnight; a day of 23 or 25 hours ends
    /// with a shorter step.
    Millis(u64),
    /// So many local days, counted from 1970-01-05 (a Monday), so 7 = weeks from Monday.
    Days(u32),
    /// So many milliseconds that do not divide a day, counted from the window's start (which is the
    /// local midnight of the first event for [`TimeRange::ALL`]).
    FromStart(u64),
}
