//! A segment's own numbers for names and series: the frequent ones small, as columns pack by size.
//!
//! Names come in the order: providers, models, errors, tiers and kinds of limits (few), then users,
//! then keys (perhaps many), each by falling frequency. A name that is used twice has the first place.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::raw::block::Values;
use crate::raw::schema::{Column, FAILED, OK};
use crate::row::{Batch, Body, NameId, Names, Row};

/// The numbers, by the ids of a batch.
pub(super) struct Numbering {
    /// Name id in the segment by name id in the batch; 0 for those the segment does not use.
    to_segment: Vec<NameId>,
    /// The way back, without the empty name.
    from_segment: Vec<NameId>,
    /// Series number by provider and model in the batch.
    series_of: HashMap<(NameId, NameId), u32, RandomState>,
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
    /// Number by pair of provider and model, in the order in which they came.
    found: HashMap<(NameId, NameId), u32, RandomState>,
    /// Pair and frequency by that number.
    pairs: Vec<((NameId, NameId), u32)>,
}

impl Census {
    /// Counts rows whose names are below `names`.
    pub(super) fn new(names: usize) -> Self {
        let tally = || Tally::new(names);
        Self { few: tally(), users: tally(), keys: tally(), found: HashMap::default(), pairs: Vec::new() }
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

    fn add_series(&mut self, pair: (NameId, NameId)) {
        let number = *self.found.entry(pair).or_insert_with(|| {
            self.pairs.push((pair, 0));
            self.pairs.len() as u32 - 1
        });
        let count = &mut self.pairs[number as usize].1;
        *count = count.saturating_add(1);
    }

    /// Gives out the numbers.
    pub(super) fn numbering(mut self) -> Numbering {
        let mut order: Vec<u32> = (0..self.pairs.len() as u32).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(self.pairs[number as usize].1));
        let mut rank = vec![0; self.pairs.len()];
        for (new, &old) in (0..).zip(&order) {
            rank[old as usize] = new;
            let ((provider, model), count) = self.pairs[old as usize];
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
        let series = order.iter().map(|&old| self.pairs[old as usize].0).map(|(p, m)| (number(p), number(m))).collect();
        self.found.values_mut().for_each(|number| *number = rank[*number as usize]);
        Numbering { series_of: self.found, series, to_segment, from_segment }
    }
}

impl Numbering {
    /// Numbers what the rows with these indices use.
    pub(super) fn of(batch: &Batch, rows: &[u32]) -> Self {
        let mut census = Census::new(batch.names.len());
        rows.iter().for_each(|&i| census.add(&batch.rows[i as usize]));
        census.numbering()
    }

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
        let name = |id: NameId| u64::from(self.to_segment[id as usize]);
        values.push(Column::Ts, row.ts.millis());
        values.push(Column::Series, self.series_of[&(row.provider, row.model)].into());
        values.push(Column::User, name(row.user));
        values.push(Column::EventId, event_id.len() as u64);
        values.event_ids.extend(event_id.as_bytes());
        match &row.body {
            Body::Request(r) => {
                values.push(Column::Status, if r.ok { OK } else { FAILED + name(r.error) });
                values.push(Column::Latency, r.latency_us.get().unwrap_or(u64::MAX));
                values.push(Column::Ttft, r.ttft_us.get().unwrap_or(u64::MAX));
                values.push(Column::InputTokens, r.tokens.input);
                values.push(Column::CachedTokens, r.tokens.cached);
                values.push(Column::CacheWriteTokens, r.tokens.cache_write);
                values.push(Column::CacheWrite1hTokens, r.tokens.cache_write_1h);
                values.push(Column::OutputTokens, r.tokens.output);
                values.push(Column::ReasoningTokens, r.tokens.reasoning);
                values.push(Column::CostSource, r.cost_source as u64);
                values.push(Column::ServiceTier, name(r.service_tier));
                values.push(Column::Cost, r.cost_nanos);
            }
            Body::Cache(c) => {
                values.push(Column::Status, if c.hit { OK } else { FAILED });
                values.push(Column::Key, name(c.key));
                values.push(Column::SavedCost, c.saved_cost_nanos.get().unwrap_or(u64::MAX));
                values.push(Column::SavedTokens, c.saved_tokens.get().unwrap_or(u64::MAX));
                values.push(Column::Ttl, c.ttl_s.get().unwrap_or(u64::MAX));
            }
            Body::Rate(l) => {
                values.push(Column::Status, if l.allowed { OK } else { FAILED });
                values.push(Column::Key, name(l.key));
                values.push(Column::LimitType, name(l.limit_type));
                values.push(Column::Remaining, l.remaining.get().unwrap_or(u64::MAX));
                values.push(Column::Limit, l.limit.get().unwrap_or(u64::MAX));
            }
        }
    }
}
