//! Folds sorted events into the rows that only few questions read: distributions of tokens and cost
//! by (model, status), and counters by (user, model) of a day.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::fold::{StoreIds, counts};
use crate::bucket::{DETAIL_CELLS_MAX, Detail, DetailCell, Dist, DistCell, Stat, merge_counts};
use crate::event::CostSource;
use crate::histogram;
use crate::row::{Body, NameId, RequestRow, Row};
use crate::time::{TimeRange, Timestamp, Zone};

type Map<K, V> = HashMap<K, V, RandomState>;

/// Receives finished rows: the batch's id of the provider, range, row.
pub(crate) type EmitRow<'a, V, E> = dyn FnMut(NameId, TimeRange, V) -> Result<(), E> + 'a;

/// Receives the rows of one range.
type EachSlice<'a, E> = dyn FnMut(TimeRange, &[Row]) -> Result<(), E> + 'a;

/// Folds the requests in `rows`, which are sorted by time, into one [`Dist`] for each provider and
/// each range that `range_of` gives and `wanted` wants.
pub(crate) fn fold_dist<E>(
    rows: &[Row],
    names: &StoreIds<'_>,
    range_of: &mut dyn FnMut(Timestamp) -> TimeRange,
    wanted: &dyn Fn(TimeRange) -> bool,
    emit: &mut EmitRow<'_, Dist, E>,
) -> Result<(), E> {
    each_range(rows, range_of, wanted, &mut |range, slice| {
        let mut cells: Map<u128, (Vec<u32>, Vec<u32>)> = Map::default();
        for (row, r) in requests(slice) {
            let (tokens, cost) = cells.entry(pack(row.provider, row.model, r.ok.into())).or_default();
            tokens.push(histogram::index_of(r.tokens.input + r.tokens.output));
            if r.cost_source != CostSource::Unpriced {
                cost.push(histogram::index_of(r.cost_nanos));
            }
        }
        let mut dists: Map<NameId, Dist> = Map::default();
        for (key, (mut tokens, mut cost)) in cells {
            let (provider, model, ok) = unpack(key);
            let cell = DistCell { tokens: counts(&mut tokens), cost: counts(&mut cost) };
            dists.entry(provider).or_default().cells.insert((names.ids[model as usize], ok != 0), cell);
        }
        in_order(dists).try_for_each(|(provider, dist)| emit(provider, range, dist))
    })
}

/// Folds the requests in `rows`, which are sorted by time, into one [`Detail`] for each provider
/// and wanted day. Ids of users must be in `names`.
pub(crate) fn fold_detail<E>(
    rows: &[Row],
    names: &StoreIds<'_>,
    zone: &Zone,
    wanted: &dyn Fn(TimeRange) -> bool,
    emit: &mut EmitRow<'_, Detail, E>,
) -> Result<(), E> {
    each_range(rows, &mut |t| zone.day(t), wanted, &mut |range, slice| {
        let mut cells: Map<u128, DetailCell> = Map::default();
        let mut latencies: Map<u128, (Stat, Vec<u32>)> = Map::default();
        for (row, r) in requests(slice) {
            cells.entry(pack(row.provider, row.user, row.model)).or_default().add(r);
            if let Some(us) = r.latency_us.get() {
                let (stat, indices) = latencies.entry(pack(row.provider, row.user, 0)).or_default();
                stat.add(us);
                indices.push(histogram::index_of(us));
            }
        }
        let id = |name: NameId| names.ids[name as usize];
        let mut details: Map<NameId, Detail> = Map::default();
        for (key, cell) in cells {
            let (provider, user, model) = unpack(key);
            details.entry(provider).or_default().cells.insert((id(user), id(model)), cell);
        }
        for (key, (stat, mut indices)) in latencies {
            let (provider, user, _) = unpack(key);
            details.entry(provider).or_default().latency.insert(id(user), (stat, counts(&mut indices)));
        }
        in_order(details).try_for_each(|(provider, mut detail)| {
            limit(&mut detail, names.other);
            emit(provider, range, detail)
        })
    })
}

/// Three ids in one number, which hashes faster than a tuple.
fn pack(a: NameId, b: NameId, c: NameId) -> u128 {
    u128::from(a) << 64 | u128::from(b) << 32 | u128::from(c)
}

#[expect(clippy::cast_possible_truncation, reason = "the parts that `pack` put there")]
fn unpack(key: u128) -> (NameId, NameId, NameId) {
    ((key >> 64) as u32, (key >> 32) as u32, key as u32)
}

/// Keeps the [`DETAIL_CELLS_MAX`] cells with most requests and counts the rest as user `other`.
pub(crate) fn limit(detail: &mut Detail, other: NameId) {
    if detail.cells.len() <= DETAIL_CELLS_MAX {
        return;
    }
    let mut by_count: Vec<_> = detail.cells.iter().map(|(key, cell)| (cell.count, *key)).collect();
    by_count.sort_unstable_by(|a, b| b.cmp(a));
    // `other` has a cell for each model of those that go.
    let models: BTreeSet<NameId> = by_count.iter().map(|(_, key)| key.1).collect();
    for (_, key) in by_count.drain(DETAIL_CELLS_MAX.saturating_sub(models.len()).max(1)..) {
        if key.0 != other
            && let Some(cell) = detail.cells.remove(&key)
        {
            detail.cells.entry((other, key.1)).or_default().merge(&cell);
        }
    }
    let users: BTreeSet<NameId> = detail.cells.keys().map(|key| key.0).collect();
    let gone: Vec<NameId> = detail.latency.keys().filter(|u| !users.contains(u)).copied().collect();
    for user in gone {
        if let Some((stat, indices)) = detail.latency.remove(&user) {
            let mine = detail.latency.entry(other).or_default();
            mine.0.merge(&stat);
            merge_counts(&mut mine.1, &indices);
        }
    }
}

fn requests(rows: &[Row]) -> impl Iterator<Item = (&Row, &RequestRow)> {
    rows.iter().filter_map(|row| match &row.body {
        Body::Request(r) => Some((row, r)),
        Body::Cache(_) | Body::Rate(_) => None,
    })
}

/// Cuts sorted rows into the ranges they lie in and hands on the wanted ones.
fn each_range<E>(
    rows: &[Row],
    range_of: &mut dyn FnMut(Timestamp) -> TimeRange,
    wanted: &dyn Fn(TimeRange) -> bool,
    each: &mut EachSlice<'_, E>,
) -> Result<(), E> {
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let range = range_of(first.ts);
        let length = rest.partition_point(|r| r.ts < range.end);
        if wanted(range) {
            each(range, &rest[..length])?;
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// Hash maps have no order; what is written should not depend on chance.
fn in_order<V>(map: Map<NameId, V>) -> impl Iterator<Item = (NameId, V)> {
    let mut list: Vec<_> = map.into_iter().collect();
    list.sort_unstable_by_key(|(id, _)| *id);
    list.into_iter()
}

impl DetailCell {
    fn add(&mut self, r: &RequestRow) {
        let t = &r.tokens;
        self.count += 1;
        self.errors += u64::from(!r.ok);
        self.unpriced += u64::from(r.cost_source == CostSource::Unpriced);
        self.cost_nanos += u128::from(r.cost_nanos);
        let classes = [t.input, t.output, t.cached, t.reasoning, t.cache_write, t.cache_write_1h];
        for (sum, n) in self.tokens.iter_mut().zip(classes) {
            *sum += n;
        }
    }
}
