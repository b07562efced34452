//! A store in memory, with sealed segments in a temporary folder.

use std::collections::{BTreeMap, BTreeSet};

use super::common::random::{Event, EventBody};
use super::state::{State, World};
use crate::bucket::codec::{RowKey, RowMeta, encode_bucket, encode_detail, encode_dist};
use crate::bucket::{Bucket, Counts, Detail, Dist, Measure, RequestKey, Table};
use crate::event::CostSource;
use crate::histogram::index_of;
use crate::paths::Paths;
use crate::query::QueryError;
use crate::query::source::{EachBucket, EachRows, EachSegment, Source, Span};
use crate::raw::{Segment, Sources, seal};
use crate::row::{Batch, NameId, Names, RateRow};
use crate::time::{TimeRange, Timestamp, Zone};

const UUID: u128 = 7;

pub(super) struct Memory {
    zone: Zone,
    state: State,
    names: Names,
    rows: BTreeMap<(usize, Box<str>, Timestamp), Vec<u8>>,
    providers: BTreeSet<Box<str>>,
    extent: Option<TimeRange>,
    rolled_up: Batch,
    backlog: Batch,
    folder: Option<tempfile::TempDir>,
    segments: Vec<std::path::PathBuf>,
}

/// Adds one value to sparse counts.
fn count(counts: &mut Counts, value: u64) {
    let index = index_of(value);
    match counts.binary_search_by_key(&index, |&(i, _)| i) {
        Ok(at) => counts[at].1 += 1,
        Err(at) => counts.insert(at, (index, 1)),
    }
}

#[derive(Default)]
struct Folded {
    bucket: Bucket,
    dist: Dist,
    detail: Detail,
}

impl Folded {
    fn add(&mut self, e: &Event, names: &mut Names) {
        let (model, user) = (names.intern(e.model), names.intern(e.user));
        match &e.body {
            EventBody::Request { ok, error, service_tier, latency, ttft, tokens, cost, source } => {
                let key = RequestKey { model, ok: *ok, service_tier: names.intern(service_tier) };
                let cell = self.bucket.requests.entry(key).or_default();
                cell.count += 1;
                cell.unpriced += u64::from(*source == CostSource::Unpriced);
                cell.computed += u64::from(*source == CostSource::Computed);
                if !error.is_empty() {
                    *cell.errors.entry(names.intern(error)).or_default() += 1;
                }
                let total = tokens.input + tokens.output;
                for (measure, value) in [
                    (Measure::Latency, latency.get()),
                    (Measure::Ttft, ttft.get()),
                    (Measure::Tokens, Some(total)),
                    (Measure::InputTokens, Some(tokens.input)),
                    (Measure::OutputTokens, Some(tokens.output)),
                    (Measure::CachedTokens, Some(tokens.cached)),
                    (Measure::ReasoningTokens, Some(tokens.reasoning)),
                    (Measure::CacheWriteTokens, Some(tokens.cache_write)),
                    (Measure::CacheWrite1hTokens, Some(tokens.cache_write_1h)),
                    (Measure::Cost, (*source != CostSource::Unpriced).then_some(*cost)),
                ] {
                    value.into_iter().for_each(|v| cell.stats[measure as usize].add(v));
                }
                latency.get().into_iter().for_each(|v| count(&mut cell.latency, v));
                ttft.get().into_iter().for_each(|v| count(&mut cell.ttft, v));
                let dist = self.dist.cells.entry((model, *ok)).or_default();
                count(&mut dist.tokens, total);
                if *source != CostSource::Unpriced {
                    count(&mut dist.cost, *cost);
                }
                let detail = self.detail.cells.entry((user, model)).or_default();
                detail.count += 1;
                detail.errors += u64::from(!ok);
                detail.unpriced += u64::from(*source == CostSource::Unpriced);
                detail.cost_nanos += u128::from(*cost);
                let classes = [
                    tokens.input,
                    tokens.output,
                    tokens.cached,
                    tokens.reasoning,
                    tokens.cache_write,
                    tokens.cache_write_1h,
                ];
                detail.tokens.iter_mut().zip(classes).for_each(|(sum, n)| *sum += n);
                if let Some(v) = latency.get() {
                    let (stat, counts) = self.detail.latency.entry(user).or_default();
                    stat.add(v);
                    count(counts, v);
                }
            }
            EventBody::Cache { hit, saved_cost, saved_tokens, .. } => {
                let cell = self.bucket.caches.entry(model).or_default();
                if *hit {
                    cell.hits += 1
                } else {
                    cell.misses += 1
                }
                saved_cost.get().into_iter().for_each(|v| cell.saved_cost.add(v));
                saved_tokens.get().into_iter().for_each(|v| cell.saved_tokens.add(v));
            }
            EventBody::Rate { allowed, kind, remaining, limit, .. } => {
                let cell = self.bucket.rates.entry(names.intern(kind)).or_default();
                if *allowed {
                    cell.allowed += 1
                } else {
                    cell.denied += 1
                }
                let row = RateRow { allowed: true, key: 0, limit_type: 0, remaining: *remaining, limit: *limit };
                if let Some(used) = row.utilization() {
                    cell.utilization.add(used);
                    cell.last = cell.last.max(Some((e.ts.millis(), used)));
                }
            }
        }
    }
}

/// What is left when there are too many users.
fn one_user(detail: Detail) -> Detail {
    let mut limited = Detail { missing: detail.missing, limited: true, ..Detail::default() };
    for ((_, model), cell) in &detail.cells {
        limited.cells.entry((1, *model)).or_default().merge(cell);
    }
    limited
}

fn push(batch: &mut Batch, e: &Event) {
    batch.push(&e.as_input(), e.ts, e.source(), "");
}

impl Memory {
    pub(super) fn new(world: &World, state: &State) -> Self {
        let mut memory = Self {
            zone: world.zone.clone(),
            state: state.clone(),
            names: Names::default(),
            rows: BTreeMap::new(),
            providers: BTreeSet::new(),
            extent: None,
            rolled_up: Batch::default(),
            backlog: Batch::default(),
            folder: None,
            segments: Vec::new(),
        };
        // Ids of the store differ from those of any batch.
        for name in ["tpm", "mini", "alice", "batch"] {
            memory.names.intern(name);
        }
        let (rolled_up, backlog) = world.events.split_at(state.rolled_up);
        backlog.iter().for_each(|e| push(&mut memory.backlog, e));
        let kept = |e: &&Event| e.ts >= state.raw_from;
        rolled_up[state.sealed..].iter().filter(kept).for_each(|e| push(&mut memory.rolled_up, e));
        memory.seal(&rolled_up[..state.sealed]);
        for e in rolled_up {
            let own = TimeRange::new(e.ts, e.ts.plus_ms(1));
            let both = |old: TimeRange| TimeRange::new(old.start.min(own.start), old.end.max(own.end));
            memory.extent = Some(memory.extent.map_or(own, both));
            memory.providers.insert(e.provider.into());
        }
        for (at, table) in Table::ALL.into_iter().enumerate() {
            memory.fold(at, table, rolled_up);
        }
        memory
    }

    fn seal(&mut self, events: &[Event]) {
        let events: Vec<_> = events.iter().filter(|e| e.ts >= self.state.raw_from).collect();
        let mut batch = Batch::default();
        events.iter().for_each(|e| push(&mut batch, e));
        let folder = self.folder.insert(tempfile::tempdir().unwrap());
        let paths = Paths::new(folder.path());
        let days: BTreeSet<_> = events.iter().map(|e| e.ts.utc_day()).collect();
        for day in days {
            let rows: Vec<u32> =
                (0..).zip(&batch.rows).filter(|(_, r)| r.ts.utc_day() == day).map(|(i, _)| i).collect();
            let sealed = seal(&paths, UUID, day, &batch, &rows, Sources::default()).unwrap();
            self.segments.push(paths.segment(day, sealed.keep().uuid));
        }
    }

    fn fold(&mut self, at: usize, table: Table, events: &[Event]) {
        let mut folded: BTreeMap<(&str, Timestamp), (TimeRange, Folded)> = BTreeMap::new();
        for e in events {
            let range = table.tier().bucket(e.ts, &self.zone);
            if range.start >= self.state.complete_from[at] && range.start < self.state.closed_to[at] {
                let entry = folded.entry((e.provider, range.start)).or_insert((range, Folded::default()));
                entry.1.add(e, &mut self.names);
            }
        }
        for ((provider, start), (range, folded)) in folded {
            let key = RowKey { table, provider, start };
            let meta = RowMeta { end: range.end, previous: None };
            let mut bytes = Vec::new();
            match table {
                Table::Tier(_) => encode_bucket(&folded.bucket, &key, meta, &mut bytes).unwrap(),
                Table::DistHour | Table::DistDay => encode_dist(&folded.dist, &key, meta, &mut bytes).unwrap(),
                Table::DetailDay => {
                    // Where single events are kept, a row that says less or nothing makes no difference.
                    let replaced = start >= self.state.raw_from;
                    let kind = start.millis() / 86_400_000 + provider.len() as u64;
                    let limited = replaced && kind % 3 == 1;
                    let detail = if limited { one_user(folded.detail) } else { folded.detail };
                    encode_detail(&detail, &key, meta, &mut bytes).unwrap();
                    if replaced && kind % 3 == 2 {
                        *bytes.last_mut().unwrap() ^= 1;
                    }
                }
            }
            self.rows.insert((at, provider.into(), start), bytes);
        }
    }
}

impl Source for Memory {
    fn zone(&self) -> &Zone {
        &self.zone
    }

    fn span(&self, table: Table) -> Span {
        let at = table.position();
        Span { complete_from: self.state.complete_from[at], closed_to: self.state.closed_to[at] }
    }

    fn raw_complete_from(&self) -> Timestamp {
        self.state.raw_from
    }

    fn extent(&self) -> Result<Option<TimeRange>, QueryError> {
        Ok(self.extent)
    }

    fn providers(&self) -> Result<Vec<Box<str>>, QueryError> {
        Ok(self.providers.iter().cloned().collect())
    }

    fn name(&self, id: NameId) -> Result<Box<str>, QueryError> {
        Ok(self.names.get(id).into())
    }

    fn buckets(
        &self,
        table: Table,
        provider: &str,
        range: TimeRange,
        each: &mut EachBucket<'_>,
    ) -> Result<(), QueryError> {
        let key = |t| (table.position(), Box::from(provider), t);
        self.rows.range(key(range.start)..key(range.end)).try_for_each(|(key, bytes)| each(key.2, bytes))
    }

    fn segments(&self, _: TimeRange, each: &mut EachSegment<'_>) -> Result<(), QueryError> {
        self.segments.iter().try_for_each(|path| each(Ok(Segment::open(path, UUID).unwrap())))
    }

    fn journal_rows(&self, _: TimeRange, rolled_up: bool, each: &mut EachRows<'_>) -> Result<(), QueryError> {
        let batch = if rolled_up { &self.rolled_up } else { &self.backlog };
        batch.rows.chunks(40).try_for_each(|rows| each(&batch.names, rows))
    }
}
