//! A segment's own numbers for names and series: the frequent ones small, as columns pack by size.
//!
//! Names come in the order: providers, models, errors, tiers and kinds of limits (few), then users,
//! then keys (perhaps many), each by falling frequency. A name that is used twice has the first place.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::raw::block::Values;
use crate::raw::schema::{Column, FAILED, OK};
use crate::row::{Batch, Body, NameId, Row};

/// The numbers, by the ids of a batch.
pub(super) struct Numbering {
    /// Name id in the segment by name id in the batch; 0 for those the segment does not use.
    to_segment: Vec<NameId>,
    /// The way back, without the empty name.
    from_segment: Vec<NameId>,
    /// Series number by place in the rows.
    series_of: Vec<u32>,
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

impl Numbering {
    /// Numbers what the rows with these indices use.
    pub(super) fn of(batch: &Batch, rows: &[u32]) -> Self {
        let size = batch.names.len();
        let (mut few, mut users, mut keys) = (Tally::new(size), Tally::new(size), Tally::new(size));
        // First numbered as they come: number by pair, pair and frequency by number.
        let mut found: HashMap<(NameId, NameId), u32, RandomState> = HashMap::default();
        let mut pairs: Vec<((NameId, NameId), u32)> = Vec::new();
        let mut series_of = Vec::with_capacity(rows.len());
        for row in rows.iter().map(|&i| &batch.rows[i as usize]) {
            let pair = (row.provider, row.model);
            let number = *found.entry(pair).or_insert_with(|| {
                pairs.push((pair, 0));
                pairs.len() as u32 - 1
            });
            pairs[number as usize].1 += 1;
            series_of.push(number);
            users.add(row.user, 1);
            match &row.body {
                Body::Request(r) => [r.error, r.service_tier].into_iter().for_each(|id| few.add(id, 1)),
                Body::Cache(c) => keys.add(c.key, 1),
                Body::Rate(l) => {
                    few.add(l.limit_type, 1);
                    keys.add(l.key, 1);
                }
            }
        }
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        order.sort_by_key(|&number| std::cmp::Reverse(pairs[number as usize].1));
        let mut rank = vec![0; pairs.len()];
        for (new, &old) in (0..).zip(&order) {
            rank[old as usize] = new;
            let ((provider, model), count) = pairs[old as usize];
            few.add(provider, count);
            few.add(model, count);
        }
        series_of.iter_mut().for_each(|number| *number = rank[*number as usize]);
        let mut to_segment = vec![0; size];
        let mut from_segment = Vec::new();
        for id in few.ranked().into_iter().chain(users.ranked()).chain(keys.ranked()) {
            if id != 0 && to_segment[id as usize] == 0 {
                from_segment.push(id);
                to_segment[id as usize] = from_segment.len() as NameId;
            }
        }
        let number = |id: NameId| to_segment[id as usize];
        let series = order.iter().map(|&old| pairs[old as usize].0).map(|(p, m)| (number(p), number(m))).collect();
        Self { series_of, series, to_segment, from_segment }
    }

    /// All names by their numbers, the empty one first.
    pub(super) fn names<'a>(&self, batch: &'a Batch) -> Vec<&'a str> {
        std::iter::once("").chain(self.from_segment.iter().map(|&id| batch.names.get(id))).collect()
    }

    /// Provider and model by series number.
    pub(super) fn series(&self) -> &[(NameId, NameId)] {
        &self.series
    }

    /// Appends the row at `place` of those that were numbered to the columns of its kind.
    pub(super) fn push(&self, batch: &Batch, row: &Row, place: u32, values: &mut Values) {
        let name = |id: NameId| u64::from(self.to_segment[id as usize]);
        let event_id = batch.names.get(row.event_id).as_bytes();
        values.push(Column::Ts, row.ts.millis());
        values.push(Column::Series, self.series_of[place as usize].into());
        values.push(Column::User, name(row.user));
        values.push(Column::EventId, event_id.len() as u64);
        values.event_ids.extend(event_id);
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
