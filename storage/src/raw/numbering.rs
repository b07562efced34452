//! A segment's own numbers for names and series: the frequent ones small, as columns pack by size.
//!
//! Names come in the order: providers, models, errors, tiers and kinds of limits (few), then users,
//! then keys (perhaps many), each by falling frequency. A name that is used twice has the first place.

use crate::numbers::{Numbered, Numbers};
use crate::raw::block::Values;
use crate::raw::schema::{ABSENT, Column, FAILED, OK};
use crate::row::{Body, Maybe, NameId, Names, RequestRow, Row};

/// The numbers, by the ids of a batch.
pub(super) struct Numbering {
    /// Name id in the segment by name id in the batch; 0 for those the segment does not use.
    to_segment: Vec<NameId>,
    /// The way back, without the empty name.
    from_segment: Vec<NameId>,
    pairs: Numbers<Pair>,
    /// Series number by that of a pair.
    rank: Vec<u32>,
    /// Provider and model in the segment, by series number.
    series: Vec<(NameId, NameId)>,
}

/// How often each name occurs. The table is as long as the batch has names, most of it untouched.
struct Tally {
    counts: Vec<u32>,
    seen: Vec<NameId>,
}

impl Tally {
    fn new(names: usize) -> Self {
        Self { counts: vec![0; names], seen: Vec::new() }
    }

    fn add(&mut self, id: NameId, times: u32) {
        let count = &mut self.counts[id as usize];
        if *count == 0 {
            self.seen.push(id);
        }
        *count = count.saturating_add(times);
    }

    /// By falling frequency; equally frequent ones as they came.
    fn ranked(mut self) -> Vec<NameId> {
        self.seen.sort_by_key(|&id| std::cmp::Reverse(self.counts[id as usize]));
        self.seen
    }
}

/// What a segment will name, counted row by row.
pub(super) struct Census {
    few: Tally,
    users: Tally,
    keys: Tally,
    pairs: Numbers<Pair>,
    /// Frequency by number of a pair.
    frequency: Vec<u32>,
}

/// Provider and model.
type Pair = (NameId, NameId);

impl Numbered for Pair {
    #[inline]
    fn place(self) -> u32 {
        self.0.wrapping_mul(31) ^ self.1.wrapping_mul(7)
    }
}

impl Census {
    /// Counts rows whose names are below `names`.
    pub(super) fn new(names: usize) -> Self {
        let tally = || Tally::new(names);
        Self { few: tally(), users: tally(), keys: tally(), pairs: Numbers::default(), frequency: Vec::new() }
    }

    /// Counts a row.
    pub(super) fn add(&mut self, row: &Row) {
        self.add_series((row.provider, row.model));
        self.users.add(row.user, 1);
        match &row.body {
            Body::Request(r) => [r.error, r.service_tier].into_iter().for_each(|id| self.few.add(id, 1)),
            Body::Cache(c) => self.keys.add(c.key, 1),
            Body::Rate(l) => {
                self.few.add(l.limit_type, 1);
                self.keys.add(l.key, 1);
            }
        }
    }

    fn add_series(&mut self, pair: Pair) {
        let number = self.pairs.of(pair);
        self.frequency.resize(self.pairs.list().len(), 0);
        let count = &mut self.frequency[number as usize];
        *count = count.saturating_add(1);
    }

    /// Gives out the numbers.
    pub(super) fn numbering(mut self) -> Numbering {
        let pairs = self.pairs.list();
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(self.frequency[number as usize]));
        let mut rank = vec![0; pairs.len()];
        for (new, &old) in (0..).zip(&order) {
            rank[old as usize] = new;
            let ((provider, model), count) = (pairs[old as usize], self.frequency[old as usize]);
            self.few.add(provider, count);
            self.few.add(model, count);
        }
        let mut to_segment = vec![0; self.few.counts.len()];
        let mut from_segment = Vec::new();
        for id in self.few.ranked().into_iter().chain(self.users.ranked()).chain(self.keys.ranked()) {
            if id != 0 && to_segment[id as usize] == 0 {
                from_segment.push(id);
                to_segment[id as usize] = from_segment.len() as NameId;
            }
        }
        let number = |id: NameId| to_segment[id as usize];
        let series = order.iter().map(|&old| pairs[old as usize]).map(|(p, m)| (number(p), number(m))).collect();
        Numbering { pairs: self.pairs, rank, series, to_segment, from_segment }
    }
}

impl Numbering {
    /// All names by their numbers, the empty one first.
    pub(super) fn names<'a>(&self, names: &'a Names) -> Vec<&'a str> {
        std::iter::once("").chain(self.from_segment.iter().map(|&id| names.get(id))).collect()
    }

    /// Provider and model by series number.
    pub(super) fn series(&self) -> &[(NameId, NameId)] {
        &self.series
    }

    /// Appends a row to the columns of its kind.
    pub(super) fn push(&self, row: &Row, event_id: &str, values: &mut Values) {
        values.push_event_id(event_id);
        match &row.body {
            Body::Request(r) => return self.push_requests(&[(row, r)], values),
            Body::Cache(c) => {
                values.push(Column::Status, if c.hit { OK } else { FAILED });
                values.push(Column::Key, self.name(c.key));
                values.push(Column::SavedCost, number(c.saved_cost_nanos));
                values.push(Column::SavedTokens, number(c.saved_tokens));
                values.push(Column::Ttl, number(c.ttl_s));
            }
            Body::Rate(l) => {
                values.push(Column::Status, if l.allowed { OK } else { FAILED });
                values.push(Column::Key, self.name(l.key));
                values.push(Column::LimitType, self.name(l.limit_type));
                values.push(Column::Remaining, number(l.remaining));
                values.push(Column::Limit, number(l.limit));
            }
        }
        values.push(Column::Ts, row.ts.millis());
        values.push(Column::Series, self.series_of(row));
        values.push(Column::User, self.name(row.user));
    }

    /// Appends requests to their columns, but for the ids of events. Column by column: as many rows as stay at hand.
    pub(super) fn push_requests(&self, rows: &[(&Row, &RequestRow)], values: &mut Values) {
        let failed = |r: &RequestRow| FAILED + self.name(r.error);
        values.extend(Column::Ts, rows, |row, _| row.ts.millis());
        values.extend(Column::Series, rows, |row, _| self.series_of(row));
        values.extend(Column::User, rows, |row, _| self.name(row.user));
        values.extend(Column::Status, rows, |_, r| if r.ok { OK } else { failed(r) });
        values.extend(Column::Latency, rows, |_, r| number(r.latency_us));
        values.extend(Column::Ttft, rows, |_, r| number(r.ttft_us));
        values.extend(Column::InputTokens, rows, |_, r| r.tokens.input);
        values.extend(Column::CachedTokens, rows, |_, r| r.tokens.cached);
        values.extend(Column::CacheWriteTokens, rows, |_, r| r.tokens.cache_write);
        values.extend(Column::CacheWrite1hTokens, rows, |_, r| r.tokens.cache_write_1h);
        values.extend(Column::OutputTokens, rows, |_, r| r.tokens.output);
        values.extend(Column::ReasoningTokens, rows, |_, r| r.tokens.reasoning);
        values.extend(Column::CostSource, rows, |_, r| r.cost_source as u64);
        values.extend(Column::ServiceTier, rows, |_, r| self.name(r.service_tier));
        values.extend(Column::Cost, rows, |_, r| r.cost_nanos);
    }

    fn name(&self, id: NameId) -> u64 {
        self.to_segment[id as usize].into()
    }

    fn series_of(&self, row: &Row) -> u64 {
        self.rank[self.pairs.get((row.provider, row.model)) as usize].into()
    }
}

fn number(value: Maybe) -> u64 {
    value.get().unwrap_or(ABSENT)
}
