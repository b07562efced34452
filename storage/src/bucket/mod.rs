//! What a tier keeps for one provider and one stretch of time: cells with exact counters and
//! histograms. This file has the plain data; `codec` its bytes.

pub mod codec;
mod stat;
mod table;

use std::collections::BTreeMap;

pub use stat::Stat;
pub use table::Table;

use crate::row::NameId;

/// What a request cell measures, in the order of [`RequestCell::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Measure {
    /// Whole call, microseconds, of calls that reported it.
    Latency = 0,
    /// Time to first token, microseconds, of calls that reported it.
    Ttft = 1,
    /// input + output tokens.
    Tokens = 2,
    /// Input tokens.
    InputTokens = 3,
    /// Output tokens.
    OutputTokens = 4,
    /// Input tokens read from the provider's cache.
    CachedTokens = 5,
    /// Output tokens spent on reasoning.
    ReasoningTokens = 6,
    /// Input tokens written to the provider's cache.
    CacheWriteTokens = 7,
    /// The part of those written for an hour.
    CacheWrite1hTokens = 8,
    /// Nano-dollars, of priced calls.
    Cost = 9,
    /// Nano-dollars saved by cache hits that reported it (cache cells).
    SavedCost = 10,
    /// Tokens saved by cache hits that reported it (cache cells).
    SavedTokens = 11,
    /// 1 - remaining / limit in units of 1e-9 (rate cells).
    Utilization = 12,
}

impl Measure {
    /// All of them, by their number.
    pub const ALL: [Self; 13] = [
        Self::Latency,
        Self::Ttft,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CachedTokens,
        Self::ReasoningTokens,
        Self::CacheWriteTokens,
        Self::CacheWrite1hTokens,
        Self::Cost,
        Self::SavedCost,
        Self::SavedTokens,
        Self::Utilization,
    ];
    /// How many of them a request cell has.
    pub const IN_REQUESTS: usize = 10;
}

/// Which requests a cell counts. Names are ids of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    /// Model name.
    pub model: NameId,
    /// Succeeded or failed.
    pub ok: bool,
    /// Service tier name.
    pub service_tier: NameId,
}

/// Counters of a group of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestCell {
    /// Requests.
    pub count: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Of these, priced from the list when recorded.
    pub computed: u64,
    /// By [`Measure`]; token classes count every request, latency, ttft and cost those that have it.
    pub stats: [Stat; Measure::IN_REQUESTS],
    /// Kinds of failure with their counts; failures without a kind are not listed.
    pub errors: BTreeMap<NameId, u64>,
    /// Counts by histogram index (geometry 1) of latency.
    pub latency: Counts,
    /// The same of time to first token.
    pub ttft: Counts,
}

/// Sparse counts by histogram index: sorted by index, each count above zero.
pub type Counts = Vec<(u32, u64)>;

/// Counters of cache look-ups for one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheCell {
    /// Found.
    pub hits: u64,
    /// Not found.
    pub misses: u64,
    /// Nano-dollars saved, of look-ups that reported it.
    pub saved_cost: Stat,
    /// Tokens saved, of look-ups that reported it.
    pub saved_tokens: Stat,
}

/// Counters of rate limiter decisions for one kind of limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateCell {
    /// Let through.
    pub allowed: u64,
    /// Refused.
    pub denied: u64,
    /// Utilization in units of 1e-9, of events that reported remaining and limit.
    pub utilization: Stat,
    /// Time (ms since 1970) and value of the latest one.
    pub last: Option<(u64, u64)>,
}

/// Most kinds of limit a bucket keeps apart; what comes later counts as `(other)`.
pub const LIMIT_TYPES_MAX: usize = 64;

/// All cells of one (provider, bucket time).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Requests. Boxed: a cell has several hundred bytes, which a tree would move about.
    pub requests: BTreeMap<RequestKey, Box<RequestCell>>,
    /// Cache look-ups by model.
    pub caches: BTreeMap<NameId, CacheCell>,
    /// Rate limiter decisions by kind of limit.
    pub rates: BTreeMap<NameId, RateCell>,
}

/// Distributions that only a few questions need, so they live apart: same key, per (model, status).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dist {
    /// Keyed by model and success.
    pub cells: BTreeMap<(NameId, bool), DistCell>,
    /// Requests that the tiers count and that could not be read any more when this was folded.
    pub missing: u64,
}

/// Histograms per request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistCell {
    /// Counts by index of input + output tokens.
    pub tokens: Counts,
    /// Counts by index of cost in nano-dollars, of priced calls.
    pub cost: Counts,
}

/// What is kept by user for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Keyed by user, then model.
    pub cells: BTreeMap<(NameId, NameId), DetailCell>,
    /// Latency by user, all models.
    pub latency: BTreeMap<NameId, (Stat, Counts)>,
    /// Requests that the tiers count and that could not be read any more when this was folded.
    pub missing: u64,
    /// There were more cells than [`DETAIL_CELLS_MAX`], so some count as `(other)`.
    pub limited: bool,
}

/// Name that stands for everything beyond a bound.
pub const OTHER: &str = "(other)";

/// Most (user, model) cells a provider and day; the rest counts as `(other)`.
pub const DETAIL_CELLS_MAX: usize = 100_000;

/// Counters of one user and model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailCell {
    /// Requests.
    pub count: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Sums by token class: input, output, cached, reasoning, cache write, cache write 1h.
    pub tokens: [u64; 6],
    /// Nano-dollars.
    pub cost_nanos: u128,
}

/// Adds two sparse counts.
pub fn merge_counts(into: &mut Counts, from: &[(u32, u64)]) {
    if into.is_empty() {
        into.extend_from_slice(from);
        return;
    }
    if from.is_empty() {
        return;
    }
    let mut out = Counts::with_capacity(into.len() + from.len());
    let (mut a, mut b) = (into.as_slice(), from);
    while let (Some(&(i, n)), Some(&(j, m))) = (a.first(), b.first()) {
        out.push(match i.cmp(&j) {
            std::cmp::Ordering::Less => (i, n),
            std::cmp::Ordering::Greater => (j, m),
            std::cmp::Ordering::Equal => (i, n + m),
        });
        a = &a[usize::from(i <= j)..];
        b = &b[usize::from(j <= i)..];
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    *into = out;
}

impl Bucket {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, cell) in &other.requests {
            self.requests.entry(*key).or_default().merge(cell);
        }
        self.merge_others(other);
    }

    /// Adds the cache and rate cells of `other`.
    pub(crate) fn merge_others(&mut self, other: &Self) {
        for (model, cell) in &other.caches {
            let mine = self.caches.entry(*model).or_default();
            mine.hits += cell.hits;
            mine.misses += cell.misses;
            mine.saved_cost.merge(&cell.saved_cost);
            mine.saved_tokens.merge(&cell.saved_tokens);
        }
        for (kind, cell) in &other.rates {
            let mine = self.rates.entry(*kind).or_default();
            mine.allowed += cell.allowed;
            mine.denied += cell.denied;
            mine.utilization.merge(&cell.utilization);
            mine.last = mine.last.max(cell.last);
        }
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.caches.is_empty() && self.rates.is_empty()
    }

    /// Requests, cache look-ups and limiter decisions together.
    pub fn events(&self) -> u64 {
        self.requests.values().map(|c| c.count).sum::<u64>()
            + self.caches.values().map(|c| c.hits + c.misses).sum::<u64>()
            + self.rates.values().map(|c| c.allowed + c.denied).sum::<u64>()
    }
}

impl RequestCell {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.merge_counters(other);
        merge_counts(&mut self.latency, &other.latency);
        merge_counts(&mut self.ttft, &other.ttft);
    }

    /// Adds everything of `other` but its histograms.
    pub(crate) fn merge_counters(&mut self, other: &Self) {
        self.count += other.count;
        self.unpriced += other.unpriced;
        self.computed += other.computed;
        for (mine, theirs) in self.stats.iter_mut().zip(&other.stats) {
            mine.merge(theirs);
        }
        for (kind, n) in &other.errors {
            *self.errors.entry(*kind).or_default() += n;
        }
    }
}

impl Dist {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, cell) in &other.cells {
            let mine = self.cells.entry(*key).or_default();
            merge_counts(&mut mine.tokens, &cell.tokens);
            merge_counts(&mut mine.cost, &cell.cost);
        }
        self.missing += other.missing;
    }

    /// Requests in it.
    pub fn requests(&self) -> u64 {
        self.cells.values().flat_map(|cell| &cell.tokens).map(|(_, n)| n).sum()
    }
}

impl Detail {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, cell) in &other.cells {
            self.cells.entry(*key).or_default().merge(cell);
        }
        for (user, (stat, counts)) in &other.latency {
            let mine = self.latency.entry(*user).or_default();
            mine.0.merge(stat);
            merge_counts(&mut mine.1, counts);
        }
        self.missing += other.missing;
        self.limited |= other.limited;
    }

    /// Requests in it.
    pub fn requests(&self) -> u64 {
        self.cells.values().map(|cell| cell.count).sum()
    }

    /// Whether it is what `whole`, in which no cell counts as `(other)`, leaves when it is limited: which
    /// cells went depends on the order in which they came, what a model adds up to does not.
    pub fn agrees_with(&self, whole: &Self) -> bool {
        if !self.limited {
            return self == whole;
        }
        let by_model = |detail: &Self| {
            let mut sums: BTreeMap<NameId, DetailCell> = BTreeMap::new();
            detail.cells.iter().for_each(|((_, model), cell)| sums.entry(*model).or_default().merge(cell));
            sums
        };
        self.missing == whole.missing && by_model(self) == by_model(whole)
    }
}

impl DetailCell {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.errors += other.errors;
        self.unpriced += other.unpriced;
        self.cost_nanos += other.cost_nanos;
        for (a, b) in self.tokens.iter_mut().zip(other.tokens) {
            *a += b;
        }
    }
}
