//! Encoding one block: its columns one after the other, each with its bounds and CRC32.
//!
//! Three columns are more than a plain chunk (see [`super::column`]):
//! - time is ascending and stored as differences;
//! - the cost may be predicted: `1 u8 | prices | chunk of (cost - prediction), zigzag, or nothing`,
//!   see [`super::price`]; unpredicted it is `0 u8 | chunk`;
//! - event ids are `length varint of the next part | chunk of the ids' lengths, or nothing | the ids`.
//!
//! A column with one value for all rows has no bytes, only bounds; one with its default value for
//! all rows is not even listed.

use crate::event::CostSource;
use crate::raw::column::{self, Shape};
use crate::raw::footer::{BlockInfo, Bounds, ColumnInfo};
use crate::raw::price::{Finder, Key, Priced, classes};
use crate::raw::schema::{COLUMNS, Column, Kind, OK};
use crate::raw::wire::put_varint;
use crate::time::Timestamp;

/// [`Column::Cost`]: every cost is stored.
pub(super) const COST_PLAIN: u8 = 0;
/// [`Column::Cost`]: prices, and what they miss by.
pub(super) const COST_PREDICTED: u8 = 1;

/// The values of one block by column, gathered row by row. Columns of other kinds stay empty.
#[derive(Default)]
pub(super) struct Values {
    pub(super) columns: [Vec<u64>; COLUMNS],
    /// All event ids, one after the other.
    pub(super) event_ids: Vec<u8>,
}

impl Values {
    pub(super) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.event_ids.clear();
    }

    pub(super) fn push(&mut self, column: Column, value: u64) {
        self.columns[column as usize].push(value);
    }

    fn of(&self, column: Column) -> &[u64] {
        &self.columns[column as usize]
    }
}

/// Appends the chunks of a block of `rows` rows to `out`, whose first byte is at `base` of the file.
pub(super) fn encode(kind: Kind, values: &Values, finder: &mut Finder, base: u64, out: &mut Vec<u8>) -> BlockInfo {
    let mut columns = Vec::new();
    for column in kind.columns().iter() {
        let start = out.len();
        let bounds = put_column(column, values, finder, out);
        let length = out.len() - start;
        if length > 0 || bounds != Bounds::constant(column.default_value()) {
            let crc = crc32fast::hash(&out[start..]);
            columns.push(ColumnInfo { column, bounds, offset: base + start as u64, length, crc });
        }
    }
    let ts = values.of(Column::Ts);
    let edge = |ts: Option<&u64>| Timestamp::from_millis(ts.copied().unwrap_or(0));
    BlockInfo { kind, rows: ts.len(), min_ts: edge(ts.first()), max_ts: edge(ts.last()), columns }
}

fn put_column(column: Column, values: &Values, finder: &mut Finder, out: &mut Vec<u8>) -> Bounds {
    match column {
        Column::Ts => column::encode(values.of(column), Shape::Ascending, out),
        Column::Cost => put_cost(values, finder, out),
        Column::EventId => {
            let mut lengths = Vec::new();
            let bounds = column::encode(values.of(column), Shape::Loose, &mut lengths);
            if !values.event_ids.is_empty() {
                put_varint(out, lengths.len() as u64);
                out.extend(lengths);
                out.extend(&values.event_ids);
            }
            bounds
        }
        _ => column::encode(values.of(column), Shape::Loose, out),
    }
}

fn put_cost(values: &Values, finder: &mut Finder, out: &mut Vec<u8>) -> Bounds {
    let costs = values.of(Column::Cost);
    let bounds = column::bounds(costs);
    if bounds.single().is_some() {
        return bounds;
    }
    if !put_predicted(values, finder, out) {
        out.push(COST_PLAIN);
        column::encode(costs, Shape::Loose, out);
    }
    bounds
}

/// Appends prices and what they miss by, if there are prices that help.
fn put_predicted(values: &Values, finder: &mut Finder, out: &mut Vec<u8>) -> bool {
    let costs = values.of(Column::Cost);
    let rows = priced(values);
    let Some(table) = finder.find(&rows) else { return false };
    let predicted = |row: &Option<Priced>| row.as_ref().map_or(0, |row| table.predict(row.key, &row.tokens));
    let missed: Vec<u64> = rows.iter().zip(costs).map(|(r, cost)| zigzag(cost.wrapping_sub(predicted(r)))).collect();
    let start = out.len();
    out.push(COST_PREDICTED);
    table.encode(out);
    if missed.iter().all(|m| *m == 0) {
        return true;
    }
    // Nothing after the prices means that nothing is missed: the same miss everywhere needs a chunk.
    let before = out.len();
    column::encode(&missed, Shape::Loose, out);
    let stored = out.len() > before;
    if !stored {
        out.truncate(start);
    }
    stored
}

/// What the price of each row hangs on.
fn priced(values: &Values) -> Vec<Option<Priced>> {
    const COLUMNS: [Column; 11] = [
        Column::CostSource,
        Column::Series,
        Column::Status,
        Column::ServiceTier,
        Column::InputTokens,
        Column::CachedTokens,
        Column::CacheWriteTokens,
        Column::CacheWrite1hTokens,
        Column::OutputTokens,
        Column::ReasoningTokens,
        Column::Cost,
    ];
    let rows = values.of(Column::Cost).len();
    // All of one length, as is seen from here.
    let columns = COLUMNS.map(|column| &values.of(column)[..rows]);
    let row = |i: usize| {
        let [source, series, status, tier, input, cached, write, hour, output, reasoning, cost] = columns.map(|c| c[i]);
        let tokens = classes([input, cached, write, hour, output, reasoning]);
        (source != CostSource::Unpriced as u64).then(|| Priced { key: key(series, status, tier), tokens, cost })
    };
    (0..rows).map(row).collect()
}

/// What a row's price hangs on. Ids are below 2^32: the bounds in the footer are checked.
pub(super) fn key(series: u64, status: u64, tier: u64) -> Key {
    Key { series: series as u32, failed: status != OK, tier: tier as u32 }
}

fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ 0u64.wrapping_sub(difference >> 63)
}

/// The difference that `zigzag` wrote.
pub(super) fn unzigzag(coded: u64) -> u64 {
    coded >> 1 ^ 0u64.wrapping_sub(coded & 1)
}
