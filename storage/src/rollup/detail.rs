//! Folds sorted events into the rows that only few questions read: distributions of tokens and cost
//! by (model, status), and counters by (user, model) of a day.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::fold::{CellId, HELD_CELLS_MAX, StoreIds, append};
use crate::bucket::{DETAIL_CELLS_MAX, Detail, DetailCell, Dist, DistCell, Stat, merge_counts};
use crate::event::CostSource;
use crate::histogram::{self, CountsBuilder};
use crate::numbers::Numbers;
use crate::row::{Body, NameId, RequestRow, Row};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

type Map<K, V> = HashMap<K, V, RandomState>;

/// Receives finished rows: the batch's id of the provider, range, row.
pub(crate) type EmitRow<'a, V, E> = dyn FnMut(NameId, TimeRange, V) -> Result<(), E> + 'a;

/// Receives finished distributions: hour or day, the batch's id of the provider, range, row.
pub(crate) type EmitDist<'a, E> = dyn FnMut(Tier, NameId, TimeRange, Dist) -> Result<(), E> + 'a;

/// Receives the rows of one range.
type EachSlice<'a, E> = dyn FnMut(TimeRange, &[Row]) -> Result<(), E> + 'a;

/// Folds the requests in `rows`, which are sorted by time, into one [`Dist`] for each provider and
/// wanted hour, and these into one for each wanted day.
pub(crate) fn fold_dist<E>(
    rows: &[Row],
    names: &StoreIds<'_>,
    zone: &Zone,
    wanted: &dyn Fn(Tier, TimeRange) -> bool,
    emit: &mut EmitDist<'_, E>,
) -> Result<(), E> {
    let mut builder = CountsBuilder::default();
    each_range(rows, &mut |t| zone.day(t), &mut |day, of_day| {
        let whole_day = wanted(Tier::Day, day);
        let mut days: Map<NameId, Dist> = Map::default();
        each_range(of_day, &mut |t| zone.hour(t), &mut |hour, of_hour| {
            let this_hour = wanted(Tier::Hour, hour);
            if !whole_day && !this_hour {
                return Ok(());
            }
            for (provider, dist) in in_order(dists(of_hour, names, &mut builder)) {
                if whole_day {
                    absorb(days.entry(provider).or_default(), &dist);
                }
                if this_hour {
                    emit(Tier::Hour, provider, hour, dist)?;
                }
            }
            Ok(())
        })?;
        in_order(days).try_for_each(|(provider, mut dist)| {
            dist.cells.values_mut().for_each(|cell| {
                builder.settle(&mut cell.tokens);
                builder.settle(&mut cell.cost);
            });
            emit(Tier::Day, provider, day, dist)
        })
    })
}

fn dists(rows: &[Row], names: &StoreIds<'_>, builder: &mut CountsBuilder) -> Map<NameId, Dist> {
    let mut numbers = Numbers::default();
    let mut cells: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
    for (row, r) in requests(rows) {
        let id = CellId { provider: row.provider, model: row.model, service_tier: 0, ok: r.ok };
        let number = numbers.of(id) as usize;
        if number == cells.len() {
            cells.push(Default::default());
        }
        let (tokens, cost) = &mut cells[number];
        tokens.push(histogram::index_of(r.tokens.input + r.tokens.output));
        if r.cost_source != CostSource::Unpriced {
            cost.push(histogram::index_of(r.cost_nanos));
        }
    }
    let mut dists: Map<NameId, Dist> = Map::default();
    for (id, (mut tokens, mut cost)) in numbers.list().iter().zip(cells) {
        let cell = DistCell { tokens: builder.of_indices(&mut tokens), cost: builder.of_indices(&mut cost) };
        dists.entry(id.provider).or_default().cells.insert((names.ids[id.model as usize], id.ok), cell);
    }
    dists
}

/// Appends the histograms of `dist`; [`CountsBuilder::settle`] brings them into order.
fn absorb(into: &mut Dist, dist: &Dist) {
    for (key, cell) in &dist.cells {
        let mine = into.cells.entry(*key).or_default();
        append(&mut mine.tokens, &cell.tokens);
        append(&mut mine.cost, &cell.cost);
    }
}

/// Folds the requests in `rows`, which are sorted by time, into a [`Detail`] for each provider and wanted day, or
/// several that add up to it where it has very many cells. Ids of users must be in `names`.
pub(crate) fn fold_detail<E>(
    rows: &[Row],
    names: &StoreIds<'_>,
    zone: &Zone,
    wanted: &dyn Fn(TimeRange) -> bool,
    emit: &mut EmitRow<'_, Detail, E>,
) -> Result<(), E> {
    let mut builder = CountsBuilder::default();
    each_range(rows, &mut |t| zone.day(t), &mut |range, slice| {
        if !wanted(range) {
            return Ok(());
        }
        if let Some(users) = users_of_few(slice) {
            return in_order(users)
                .try_for_each(|(provider, users)| emit(provider, range, users.detail(names, &mut builder)));
        }
        // One provider after the other: only its cells are held.
        let mut list: Vec<(&Row, &RequestRow)> = requests(slice).collect();
        list.sort_by_key(|(row, _)| row.provider);
        list.chunk_by(|a, b| a.0.provider == b.0.provider).try_for_each(|of_provider| {
            let provider = of_provider[0].0.provider;
            let mut users = Users::default();
            for (row, r) in of_provider {
                users.add(row, r);
                if users.cells.len() >= HELD_CELLS_MAX {
                    emit(provider, range, std::mem::take(&mut users).detail(names, &mut builder))?;
                }
            }
            emit(provider, range, users.detail(names, &mut builder))
        })
    })
}

/// Cells of users of all providers that are held: a day of ordinary traffic has fewer, and an import many at once.
const FEW_CELLS_MAX: usize = 65_536;

/// What users did, by provider; `None` where that takes more cells than are held.
fn users_of_few(rows: &[Row]) -> Option<Map<NameId, Users>> {
    let mut providers: Map<NameId, Users> = Map::default();
    let mut held = 0;
    for (row, r) in requests(rows) {
        let users = providers.entry(row.provider).or_default();
        held += usize::from(users.add(row, r));
        if held > FEW_CELLS_MAX {
            return None;
        }
    }
    Some(providers)
}

/// What the users of one provider did. One look-up a row.
#[derive(Default)]
struct Users {
    /// By user and model, each with the place of its user's latencies.
    cells: Map<u64, (DetailCell, u32)>,
    /// By user: place of its latencies.
    places: Map<NameId, u32>,
    latencies: Vec<(NameId, Stat, Vec<u32>)>,
}

impl Users {
    /// Whether it took a new cell.
    fn add(&mut self, row: &Row, r: &RequestRow) -> bool {
        let Self { cells, places, latencies } = self;
        let before = cells.len();
        let (cell, at) = cells.entry(u64::from(row.user) << 32 | u64::from(row.model)).or_insert_with(|| {
            let at = *places.entry(row.user).or_insert_with(|| {
                latencies.push((row.user, Stat::default(), Vec::new()));
                u32::try_from(latencies.len() - 1).expect("fewer users than rows")
            });
            (DetailCell::default(), at)
        });
        cell.add(r);
        if let Some(us) = r.latency_us.get() {
            let (_, stat, indices) = &mut latencies[*at as usize];
            stat.add(us);
            indices.push(histogram::index_of(us));
        }
        cells.len() > before
    }

    #[expect(clippy::cast_possible_truncation, reason = "the parts that `add` put there")]
    fn detail(self, names: &StoreIds<'_>, builder: &mut CountsBuilder) -> Detail {
        let id = |name: NameId| names.ids[name as usize];
        let cells = self.cells.into_iter().map(|(key, (cell, _))| ((id((key >> 32) as u32), id(key as u32)), cell));
        let latencies = self.latencies.into_iter().filter(|(_, stat, _)| stat.count > 0);
        let latencies = latencies.map(|(user, stat, mut indices)| (id(user), (stat, builder.of_indices(&mut indices))));
        let mut detail = Detail { cells: cells.collect(), latency: latencies.collect(), ..Detail::default() };
        limit(&mut detail, names.other);
        detail
    }
}

/// Keeps the [`DETAIL_CELLS_MAX`] cells with most requests and counts the rest as user `other`.
pub(crate) fn limit(detail: &mut Detail, other: NameId) {
    if detail.cells.len() <= DETAIL_CELLS_MAX {
        return;
    }
    detail.limited = true;
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

/// Cuts sorted rows into the ranges they lie in.
fn each_range<E>(
    rows: &[Row],
    range_of: &mut dyn FnMut(Timestamp) -> TimeRange,
    each: &mut EachSlice<'_, E>,
) -> Result<(), E> {
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let range = range_of(first.ts);
        let length = rest.partition_point(|r| r.ts < range.end);
        each(range, &rest[..length])?;
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
