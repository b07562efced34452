//! The answer to a plan.

use crate::bucket::Stat;
use crate::time::{TimeRange, Timestamp};

/// Groups with their numbers over the whole window and by step.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The window really used: as asked, or widened to the edges of the finest buckets left.
    pub range: Option<TimeRange>,
    /// The steps, in order of time; empty without a step. The first and last may be cut by the window.
    pub steps: Vec<StepRange>,
    /// One a group, in no order. Without group labels exactly one, even when nothing matches.
    pub groups: Vec<Group>,
    /// What the plan does not keep, where there are more groups than it does.
    pub rest: Option<Rest>,
    /// All groups together.
    pub all: Aggregate,
    /// The step's days are those of the store's zone from its start up to here, because the
    /// buckets that could build the plan's days are gone.
    pub store_days_until: Option<Timestamp>,
    /// What was read for it.
    pub source: Source,
    /// What could not be read: the answer is short of it.
    pub missing: Vec<String>,
    /// Time of the newest event in the store that any source knows of.
    pub newest: Option<Timestamp>,
}

/// A step of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRange {
    /// From and to, within the window.
    pub range: TimeRange,
    /// Cut short by the window.
    pub partial: bool,
}

/// One group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Values of the plan's group labels, in their order.
    pub labels: Vec<Box<str>>,
    /// Over the whole window.
    pub total: Aggregate,
    /// By step, as many as `Series::steps`.
    pub points: Vec<Aggregate>,
}

/// Groups that are handed on as one.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// How many they are.
    pub groups: usize,
    /// What they add up to, as [`Group::merge`] does. It has no labels.
    pub group: Group,
}

/// Numbers of a set of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Always there.
    pub counts: Counters,
    /// By the plan's measures, in their order.
    pub stats: Vec<Stat>,
    /// By the plan's quantiles, in their order and the measure's unit; `None` without values.
    /// The midpoint of the histogram's step, clamped to the exact minimum and maximum.
    pub quantiles: Vec<Option<u64>>,
    /// Of a group over the whole window: values above each of the plan's bounds. A value in the
    /// histogram's bucket of the bound itself counts as not above.
    pub above: Vec<u64>,
    /// Of a step, when the plan asks for it: how many values lie in which bucket of the histogram,
    /// ascending.
    pub values: Vec<(u32, u64)>,
}

impl Group {
    /// Counts `other` with it. Quantiles of several groups are no one's, and are `None` then.
    pub fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        self.points.resize_with(other.points.len().max(self.points.len()), Aggregate::default);
        self.points.iter_mut().zip(&other.points).for_each(|(sum, more)| sum.merge(more));
    }
}

impl Aggregate {
    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.stats.resize_with(other.stats.len().max(self.stats.len()), Stat::default);
        self.stats.iter_mut().zip(&other.stats).for_each(|(a, b)| a.merge(b));
        self.quantiles.clear();
        self.quantiles.resize(other.quantiles.len(), None);
    }
}

/// Counts of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of a provider.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Of these, without a price. 0 where a plan splits by kind of error: buckets do not keep both.
    pub unpriced: u64,
    /// Cache look-ups that found something.
    pub hits: u64,
    /// Cache look-ups that did not.
    pub misses: u64,
    /// Limiter decisions: let through.
    pub allowed: u64,
    /// Limiter decisions: refused.
    pub denied: u64,
    /// Of these, the first of each burst: its predecessor of the same key in the window was not
    /// refused. At one moment those let through come first. Only when the plan asks for it, else 0.
    pub violations: u64,
}

/// What an answer was made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Buckets read, by tier: 1m, 5m, 1h, 1d.
    pub buckets: [u64; 4],
    /// Buckets read of `dist_1h` and `dist_1d`.
    pub dist_buckets: u64,
    /// Buckets read of `detail_1d`.
    pub detail_buckets: u64,
    /// Single events looked at.
    pub raw_events: u64,
    /// Of the raw events, those not rolled up yet.
    pub backlog_events: u64,
}
