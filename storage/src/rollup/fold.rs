//! Folds sorted events into buckets of 1m, and of every coarser tier that is closed there.
//!
//! ```text
//! rows, sorted by time ──► slices of a minute ──► per cell: stats and counts ──► 1m bucket ──► emit
//!                                                                                   │ merge
//!                                             open 5m ◄──┘, when it is over: emit, merge into open 1h ─► 1d
//! ```
//! Only one bucket a tier and provider is held at a time, and all of them are handed on when they have very
//! many cells together, so memory does not grow with the input.
//! A slice is grouped by counting sort over small cell numbers, so a row costs a hash look-up and
//! its numbers, no tree walk.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::bucket::{Bucket, CacheCell, Counts, LIMIT_TYPES_MAX, Measure, RateCell, RequestCell, RequestKey};
use crate::event::CostSource;
use crate::histogram::{self, CountsBuilder};
use crate::numbers::{Numbered, Numbers};
use crate::row::{Body, CacheRow, NameId, RateRow, RequestRow, Row};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

/// Request cells of coarse buckets that are held at a time, each of half a kilobyte and more. What comes for a
/// bucket that was handed on is merged by whoever takes it; traffic of that many names in a day is rare.
pub(super) const HELD_CELLS_MAX: usize = 12_288;

/// Up to where the coarse tiers are closed: events before that go into them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClosedTo {
    pub(crate) five_minutes: Timestamp,
    pub(crate) hour: Timestamp,
    pub(crate) day: Timestamp,
}

impl ClosedTo {
    /// Of one tier; `1m` is never closed.
    pub(crate) fn of(&self, tier: Tier) -> Timestamp {
        match tier {
            Tier::Minute => Timestamp::MAX,
            Tier::FiveMinutes => self.five_minutes,
            Tier::Hour => self.hour,
            Tier::Day => self.day,
        }
    }
}

/// How the store calls the names of a batch.
pub(crate) struct StoreIds<'a> {
    /// The store's id of each name of the batch that cells refer to.
    pub(crate) ids: &'a [NameId],
    /// The store's id of `(other)`.
    pub(crate) other: NameId,
}

/// Receives finished buckets: tier, the batch's id of the provider, bucket range, bucket.
pub(crate) type Emit<'a, E> = dyn FnMut(Tier, NameId, TimeRange, &Bucket) -> Result<(), E> + 'a;

/// Folds `rows`, which are sorted by time.
pub(crate) fn fold<E>(
    rows: &[Row],
    names: &StoreIds<'_>,
    zone: &Zone,
    closed_to: &ClosedTo,
    emit: &mut Emit<'_, E>,
) -> Result<(), E> {
    fold_holding(HELD_CELLS_MAX, rows, names, zone, closed_to, emit)
}

fn fold_holding<E>(
    held_cells_max: usize,
    rows: &[Row],
    names: &StoreIds<'_>,
    zone: &Zone,
    closed_to: &ClosedTo,
    emit: &mut Emit<'_, E>,
) -> Result<(), E> {
    let mut cells = Numbers::default();
    let mut slice = Slice::default();
    let mut cascades = Cascades::default();
    let mut coarse = Coarse { zone, closed_to, builder: CountsBuilder::default() };
    let mut held_cells = 0;
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let minute = Tier::Minute.bucket(first.ts, zone);
        let length = rest.iter().position(|r| r.ts >= minute.end).unwrap_or(rest.len());
        slice.group(&rest[..length], &mut cells);
        slice.each_provider(&rest[..length], &cells, names, &mut |provider, bucket| {
            let cascade = cascades.entry(provider).or_default();
            held_cells -= cascade.cells();
            cascade.add(provider, minute, bucket, &mut coarse, emit)?;
            held_cells += cascade.cells();
            if held_cells > held_cells_max {
                held_cells = 0;
                finish_all(std::mem::take(&mut cascades), &mut coarse, emit)?;
            }
            Ok(())
        })?;
        rest = &rest[length..];
    }
    finish_all(cascades, &mut coarse, emit)
}

fn finish_all<E>(cascades: Cascades, coarse: &mut Coarse<'_>, emit: &mut Emit<'_, E>) -> Result<(), E> {
    let mut left: Vec<_> = cascades.into_iter().collect();
    left.sort_unstable_by_key(|(provider, _)| *provider);
    left.into_iter().try_for_each(|(provider, mut cascade)| cascade.finish(provider, coarse, emit))
}

/// What tells request cells apart, before names are translated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CellId {
    pub(super) provider: NameId,
    pub(super) model: NameId,
    pub(super) service_tier: NameId,
    pub(super) ok: bool,
}

impl Numbered for CellId {
    #[inline]
    fn place(self) -> u32 {
        self.provider.wrapping_mul(31) ^ self.model.wrapping_mul(7) ^ u32::from(self.ok)
    }
}

/// The rows of one minute, grouped.
#[derive(Default)]
struct Slice {
    /// By row: its cell's number; `u32::MAX` for rows that are no requests.
    cell_of: Vec<u32>,
    /// By cell number: requests of this minute; all zero between slices.
    count: Vec<u32>,
    /// Cells with requests, by provider.
    touched: Vec<u32>,
    /// Row positions, cell by cell in the order of `touched`.
    order: Vec<u32>,
    /// Positions of cache and rate rows.
    others: Vec<u32>,
    scratch: Scratch,
}

impl Slice {
    fn group(&mut self, rows: &[Row], cells: &mut Numbers<CellId>) {
        self.cell_of.clear();
        self.touched.clear();
        self.others.clear();
        for (position, row) in (0u32..).zip(rows) {
            let Body::Request(r) = &row.body else {
                self.cell_of.push(u32::MAX);
                self.others.push(position);
                continue;
            };
            let id = CellId { provider: row.provider, model: row.model, service_tier: r.service_tier, ok: r.ok };
            let cell = cells.of(id);
            self.count.resize(self.count.len().max(cells.list().len()), 0);
            if self.count[cell as usize] == 0 {
                self.touched.push(cell);
            }
            self.count[cell as usize] += 1;
            self.cell_of.push(cell);
        }
        self.touched.sort_unstable_by_key(|c| (cells.list()[*c as usize].provider, *c));
        self.others.sort_by_key(|p| rows[*p as usize].provider);
        self.scatter();
    }

    /// Counting sort: fills `order`, and leaves in `count` where each cell's run ends.
    fn scatter(&mut self) {
        let mut begin = 0;
        for cell in &self.touched {
            let count = &mut self.count[*cell as usize];
            begin += std::mem::replace(count, begin);
        }
        self.order.clear();
        self.order.resize(begin as usize, 0);
        for (position, cell) in (0u32..).zip(&self.cell_of) {
            if *cell != u32::MAX {
                let place = &mut self.count[*cell as usize];
                self.order[*place as usize] = position;
                *place += 1;
            }
        }
    }

    /// Hands each provider's bucket of this minute to `each`, and clears the counts.
    fn each_provider<E>(
        &mut self,
        rows: &[Row],
        cells: &Numbers<CellId>,
        names: &StoreIds<'_>,
        each: &mut dyn FnMut(NameId, Bucket) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut touched, mut begin) = (0, 0);
        let mut others = self.others.as_slice();
        loop {
            let next_cell = self.touched.get(touched).map(|c| cells.list()[*c as usize].provider);
            let next_other = others.first().map(|p| rows[*p as usize].provider);
            let Some(provider) = next_cell.into_iter().chain(next_other).min() else { return Ok(()) };
            let mut bucket = Bucket::default();
            while let Some(cell) = self.touched.get(touched) {
                let id = cells.list()[*cell as usize];
                if id.provider != provider {
                    break;
                }
                let end = std::mem::take(&mut self.count[*cell as usize]) as usize;
                let run = self.order[begin..end].iter().map(|p| match &rows[*p as usize].body {
                    Body::Request(r) => r,
                    Body::Cache(_) | Body::Rate(_) => unreachable!("only requests have a cell"),
                });
                let id = |name: NameId| names.ids[name as usize];
                let key = RequestKey {
                    model: id(cells.list()[*cell as usize].model),
                    ok: cells.list()[*cell as usize].ok,
                    service_tier: id(cells.list()[*cell as usize].service_tier),
                };
                bucket.requests.insert(key, request_cell(run, names, &mut self.scratch));
                begin = end;
                touched += 1;
            }
            while let Some((position, rest)) = others.split_first()
                && rows[*position as usize].provider == provider
            {
                add_other(&mut bucket, &rows[*position as usize], names);
                others = rest;
            }
            each(provider, bucket)?;
        }
    }
}

/// Reused buffers.
#[derive(Default)]
struct Scratch {
    latency: Vec<u32>,
    ttft: Vec<u32>,
    builder: CountsBuilder,
}

fn request_cell<'r>(
    run: impl Iterator<Item = &'r RequestRow>,
    names: &StoreIds<'_>,
    scratch: &mut Scratch,
) -> Box<RequestCell> {
    let mut cell = Box::<RequestCell>::default();
    // Calls that used neither cache nor reasoning are most: their zeros are added at once.
    let mut plain = 0;
    scratch.latency.clear();
    scratch.ttft.clear();
    for r in run {
        cell.count += 1;
        cell.unpriced += u64::from(r.cost_source == CostSource::Unpriced);
        cell.computed += u64::from(r.cost_source == CostSource::Computed);
        if r.error != 0 {
            *cell.errors.entry(names.ids[r.error as usize]).or_default() += 1;
        }
        if let Some(us) = r.latency_us.get() {
            cell.stats[Measure::Latency as usize].add(us);
            scratch.latency.push(histogram::index_of(us));
        }
        if let Some(us) = r.ttft_us.get() {
            cell.stats[Measure::Ttft as usize].add(us);
            scratch.ttft.push(histogram::index_of(us));
        }
        if r.cost_source != CostSource::Unpriced {
            cell.stats[Measure::Cost as usize].add(r.cost_nanos);
        }
        let t = &r.tokens;
        let classes = tokens_of(r);
        let all_zero = t.cached | t.reasoning | t.cache_write | t.cache_write_1h == 0;
        plain += u64::from(all_zero);
        for (measure, tokens) in &classes[..if all_zero { 3 } else { classes.len() }] {
            cell.stats[*measure as usize].add(*tokens);
        }
    }
    if plain > 0 {
        for (measure, _) in &tokens_of(&RequestRow::default())[3..] {
            cell.stats[*measure as usize].add_zeros(plain);
        }
    }
    cell.latency = scratch.builder.of_indices(&mut scratch.latency);
    cell.ttft = scratch.builder.of_indices(&mut scratch.ttft);
    cell
}

/// The token classes of a request by measure: those that nearly every call has, then the rest.
pub(crate) fn tokens_of(r: &RequestRow) -> [(Measure, u64); 7] {
    let t = &r.tokens;
    [
        (Measure::Tokens, t.input + t.output),
        (Measure::InputTokens, t.input),
        (Measure::OutputTokens, t.output),
        (Measure::CachedTokens, t.cached),
        (Measure::ReasoningTokens, t.reasoning),
        (Measure::CacheWriteTokens, t.cache_write),
        (Measure::CacheWrite1hTokens, t.cache_write_1h),
    ]
}

fn add_other(bucket: &mut Bucket, row: &Row, names: &StoreIds<'_>) {
    match &row.body {
        Body::Request(_) => unreachable!("requests have cells"),
        Body::Cache(c) => add_cache(bucket.caches.entry(names.ids[row.model as usize]).or_default(), c),
        Body::Rate(r) => {
            let kind = names.ids[r.limit_type as usize];
            let full = bucket.rates.len() >= LIMIT_TYPES_MAX && !bucket.rates.contains_key(&kind);
            let kind = if full { names.other } else { kind };
            add_rate(bucket.rates.entry(kind).or_default(), row.ts, r);
        }
    }
}

fn add_cache(cell: &mut CacheCell, c: &CacheRow) {
    if c.hit {
        cell.hits += 1;
    } else {
        cell.misses += 1;
    }
    if let Some(nanos) = c.saved_cost_nanos.get() {
        cell.saved_cost.add(nanos);
    }
    if let Some(tokens) = c.saved_tokens.get() {
        cell.saved_tokens.add(tokens);
    }
}

fn add_rate(cell: &mut RateCell, ts: Timestamp, r: &RateRow) {
    if r.allowed {
        cell.allowed += 1;
    } else {
        cell.denied += 1;
    }
    if let Some(used) = r.utilization() {
        cell.utilization.add(used);
        cell.last = cell.last.max(Some((ts.millis(), used)));
    }
}

/// Merges `bucket`, but only appends its histograms: until [`CountsBuilder::settle`] they are out of order.
/// Merging sorted lists one by one would copy the growing list each time.
fn absorb(open: &mut Bucket, bucket: &Bucket) {
    for (key, cell) in &bucket.requests {
        let mine = open.requests.entry(*key).or_default();
        mine.merge_counters(cell);
        append(&mut mine.latency, &cell.latency);
        append(&mut mine.ttft, &cell.ttft);
    }
    open.merge_others(bucket);
}

/// Most entries that room is made for before they come.
const EXPECTED_MAX: usize = 512;

/// Appends `more`; what is empty is likely to get as much several times.
pub(super) fn append(counts: &mut Counts, more: &[(u32, u64)]) {
    if counts.is_empty() {
        counts.reserve((8 * more.len()).min(EXPECTED_MAX));
    }
    counts.extend_from_slice(more);
}

/// What the coarser tiers are made with.
struct Coarse<'f> {
    zone: &'f Zone,
    closed_to: &'f ClosedTo,
    builder: CountsBuilder,
}

/// By provider.
type Cascades = HashMap<NameId, Cascade, RandomState>;

/// The open 5m, 1h and 1d bucket of one provider.
#[derive(Default)]
struct Cascade {
    open: [Option<(TimeRange, Bucket)>; 3],
}

const COARSE: [Tier; 3] = [Tier::FiveMinutes, Tier::Hour, Tier::Day];

impl Cascade {
    fn add<E>(
        &mut self,
        provider: NameId,
        minute: TimeRange,
        bucket: Bucket,
        coarse: &mut Coarse<'_>,
        emit: &mut Emit<'_, E>,
    ) -> Result<(), E> {
        emit(Tier::Minute, provider, minute, &bucket)?;
        // Coarser tiers close later, so the first one that is still open ends the matter.
        for (level, tier) in COARSE.into_iter().enumerate() {
            let over = self.open[level].as_ref().is_some_and(|(range, _)| minute.start >= range.end);
            if over {
                self.close(level, provider, coarse, emit)?;
            }
            if self.open[level].is_none() {
                let range = tier.bucket(minute.start, coarse.zone);
                if range.start < coarse.closed_to.of(tier) {
                    self.open[level] = Some((range, Bucket::default()));
                }
            }
        }
        self.pour(0, &bucket);
        Ok(())
    }

    /// Merges into the finest open bucket; what is not closed is not written at all.
    fn pour(&mut self, level: usize, bucket: &Bucket) {
        if let Some((_, open)) = self.open.get_mut(level).and_then(Option::as_mut) {
            absorb(open, bucket);
        }
    }

    fn close<E>(
        &mut self,
        level: usize,
        provider: NameId,
        coarse: &mut Coarse<'_>,
        emit: &mut Emit<'_, E>,
    ) -> Result<(), E> {
        if let Some((range, mut bucket)) = self.open[level].take() {
            for cell in bucket.requests.values_mut() {
                coarse.builder.settle(&mut cell.latency);
                coarse.builder.settle(&mut cell.ttft);
            }
            if !bucket.is_empty() {
                emit(COARSE[level], provider, range, &bucket)?;
            }
            self.pour(level + 1, &bucket);
        }
        Ok(())
    }

    /// Request cells of the open buckets.
    fn cells(&self) -> usize {
        self.open.iter().flatten().map(|(_, bucket)| bucket.requests.len()).sum()
    }

    fn finish<E>(&mut self, provider: NameId, coarse: &mut Coarse<'_>, emit: &mut Emit<'_, E>) -> Result<(), E> {
        (0..COARSE.len()).try_for_each(|level| self.close(level, provider, coarse, emit))
    }
}

#[cfg(test)]
mod tests;
