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
use crate::raw::price::{CLASSES, Finder, Key, Priced, TOKEN_COLUMNS, classes};
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

    /// Appends a value of each row.
    #[inline]
    pub(super) fn extend<R: Copy, S: Copy>(&mut self, column: Column, rows: &[(R, S)], of: impl Fn(R, S) -> u64) {
        self.columns[column as usize].extend(rows.iter().map(|&(row, body)| of(row, body)));
    }

    pub(super) fn push_event_id(&mut self, id: &str) {
        self.push(Column::EventId, id.len() as u64);
        self.event_ids.extend(id.as_bytes());
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
    let rows = PricedRows::of(values);
    let Some(table) = finder.find((0..rows.len).map(|i| rows.key(i)), |i| rows.row(i)) else { return false };
    let missed = (0..rows.len).map(|i| {
        let row = rows.row(i);
        row.cost.wrapping_sub(rows.key(i).map_or(0, |key| table.predict(key, &row.tokens)))
    });
    let start = out.len();
    out.push(COST_PREDICTED);
    table.encode(out);
    // Mostly nothing is, and a list of nothing need not be made.
    if missed.clone().all(|m| m == 0) {
        return true;
    }
    let missed: Vec<u64> = missed.map(zigzag).collect();
    // Nothing after the prices means that nothing is missed: the same miss everywhere needs a chunk.
    let before = out.len();
    column::encode(&missed, Shape::Loose, out);
    let stored = out.len() > before;
    if !stored {
        out.truncate(start);
    }
    stored
}

/// The columns that prices follow from, all of one length.
struct PricedRows<'v> {
    len: usize,
    source: &'v [u64],
    series: &'v [u64],
    status: &'v [u64],
    tier: &'v [u64],
    tokens: [&'v [u64]; CLASSES],
    cost: &'v [u64],
}

impl<'v> PricedRows<'v> {
    fn of(values: &'v Values) -> Self {
        let len = values.of(Column::Cost).len();
        let of = |column: Column| &values.of(column)[..len];
        Self {
            len,
            source: of(Column::CostSource),
            series: of(Column::Series),
            status: of(Column::Status),
            tier: of(Column::ServiceTier),
            tokens: TOKEN_COLUMNS.map(of),
            cost: of(Column::Cost),
        }
    }

    /// `None` for a row without a price.
    #[inline]
    fn key(&self, i: usize) -> Option<Key> {
        let priced = self.source[i] != CostSource::Unpriced as u64;
        priced.then(|| key(self.series[i], self.status[i], self.tier[i]))
    }

    #[inline]
    fn row(&self, i: usize) -> Priced {
        Priced { tokens: classes(self.tokens.map(|tokens| tokens[i])), cost: self.cost[i] }
    }
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
