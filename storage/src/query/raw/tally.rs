//! Counts and sums of a segment by the value of one column, on two threads.
//!
//! Where all that is asked for are counts and stats in groups that one column tells, a row needs no
//! cell: it is added to an array by the column's value, and each value that occurred is turned into a
//! group once. Nothing of that needs names, so half of the blocks can be read by another thread.

use super::super::filter::Kind;
use super::columns::{Left, Search, numbers};
use super::grouping::Grouping;
use super::within;
use crate::bucket::{Measure, Stat};
use crate::raw::{self, ABSENT, BlockReader, Column, ColumnSet, GROUP_ROWS, Scratch, Segment};
use crate::time::{TimeRange, Timestamp};

/// More values of a column than these are not kept in an array.
const KEYS_MAX: usize = 1 << 16;
/// Fewer rows are done before another thread is awake.
const SHARED_ROWS_MIN: usize = if cfg!(test) { 2 } else { 50_000 };

/// Counts of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) unpriced: u64,
}

/// What is added up.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// The column that tells the group; without one there is a single group.
    pub(super) column: Option<Column>,
    /// Measures that calls have, with their number in the answer.
    measures: Vec<(usize, Measure)>,
    sums_only: bool,
    unpriced: bool,
    /// By value of the column.
    calls: Vec<Calls>,
    /// By value of the column, then by measure.
    stats: Vec<Stat>,
    /// Blocks that could not be read.
    pub(super) missing: Vec<String>,
}

impl Tally {
    /// Nothing yet; `None` when groups are not told by one column of few values.
    pub(super) fn new(grouping: &Grouping, measures: &[Measure], sums_only: bool, unpriced: bool) -> Option<Self> {
        let (column, keys) = match grouping {
            Grouping::One(_) => (None, 1),
            Grouping::Column(column, known) => (Some(*column), known.len()),
            Grouping::Labels => return None,
        };
        let measures: Vec<_> =
            measures.iter().copied().enumerate().filter(|(_, m)| Kind::Request.measures(*m)).collect();
        let stats = vec![Stat::default(); keys * measures.len()];
        let calls = vec![Calls::default(); keys];
        (keys <= KEYS_MAX).then_some(Self { column, measures, sums_only, unpriced, calls, stats, missing: Vec::new() })
    }

    /// Adds what of `blocks` lies in `ranges` and passes the search, whose filter must be plain.
    pub(super) fn add_blocks(&mut self, segment: &Segment, blocks: &[usize], search: &Search, ranges: &[TimeRange]) {
        let rows: usize = blocks.iter().map(|&block| segment.blocks()[block].rows).sum();
        let shared = rows >= SHARED_ROWS_MIN && std::thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        let (mine, others) = blocks.split_at(if shared { blocks.len() / 2 } else { blocks.len() });
        let mut theirs = self.clone();
        std::thread::scope(|scope| {
            let work = || theirs.add_some(segment, others, search, ranges);
            let helper =
                if others.is_empty() { None } else { std::thread::Builder::new().spawn_scoped(scope, work).ok() };
            let alone = helper.is_none();
            self.add_some(segment, mine, search, ranges);
            if alone {
                self.add_some(segment, others, search, ranges);
            }
        });
        if !others.is_empty() {
            self.merge(theirs);
        }
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.calls.iter_mut().zip(other.calls) {
            mine.requests += theirs.requests;
            mine.errors += theirs.errors;
            mine.unpriced += theirs.unpriced;
        }
        self.stats.iter_mut().zip(&other.stats).for_each(|(mine, theirs)| mine.merge(theirs));
        self.missing.extend(other.missing);
    }

    fn add_some(&mut self, segment: &Segment, blocks: &[usize], search: &Search, ranges: &[TimeRange]) {
        let (mut scratch, mut space) = (Scratch::default(), [0; GROUP_ROWS]);
        for &number in blocks {
            let block = &segment.blocks()[number];
            let span = TimeRange::new(block.min_ts, block.max_ts.plus_ms(1));
            let inside = ranges.iter().any(|r| r.covers(&span));
            let fetched = search.fetched(Kind::Request);
            let fetched = if inside { fetched } else { fetched.with(Column::Ts) };
            let mut reader = match segment.read(number, fetched, &mut scratch) {
                Ok(reader) => reader,
                Err(error) => {
                    self.missing.push(format!("{} events: {error}", block.rows));
                    continue;
                }
            };
            for group in 0..reader.groups() {
                let mut left = Left::all(reader.rows(group));
                if !inside {
                    reader.decode(group, ColumnSet::of(&[Column::Ts]));
                    let ts = reader.values(Column::Ts);
                    left.retain(|row| within(ranges, Timestamp::from_millis(ts[row])));
                }
                search.narrow(&mut reader, group, Kind::Request, &mut left, &mut space);
                if !left.is_empty() {
                    reader.decode(group, search.shown);
                    self.add_group(&reader, &left, &mut space);
                }
            }
        }
    }

    fn add_group(&mut self, reader: &BlockReader<'_>, left: &Left, space: &mut [u64; GROUP_ROWS]) {
        const ONE: &[u64; GROUP_ROWS] = &[0; GROUP_ROWS];
        let keys = self.column.map_or(ONE, |column| reader.values(column));
        let status = reader.values(Column::Status);
        let source = if self.unpriced { reader.values(Column::CostSource) } else { &[1; GROUP_ROWS] };
        // As slices of their own: the loops need not ask again where they lie.
        let (all_calls, stats) = (self.calls.as_mut_slice(), self.stats.as_mut_slice());
        let top = all_calls.len() - 1;
        if self.column.is_none() {
            let (mut errors, mut unpriced) = (0, 0);
            for &row in left.rows() {
                errors += u64::from(status[row as usize] != raw::OK);
                unpriced += u64::from(source[row as usize] == 0);
            }
            let calls = &mut all_calls[0];
            (calls.requests, calls.errors) = (calls.requests + left.len() as u64, calls.errors + errors);
            calls.unpriced += unpriced;
        } else {
            for &row in left.rows() {
                let row = row as usize;
                // Footers are checked: no column has values beyond its names.
                let calls = &mut all_calls[(keys[row] as usize).min(top)];
                calls.requests += 1;
                calls.errors += u64::from(status[row] != raw::OK);
                calls.unpriced += u64::from(source[row] == 0);
            }
        }
        let (width, sums_only) = (self.measures.len(), self.sums_only);
        for (at, &(_, measure)) in self.measures.iter().enumerate() {
            let values = numbers(reader, measure, left, space);
            for &row in left.rows() {
                let (key, value) = (keys[row as usize] as usize, values[row as usize]);
                if value != ABSENT {
                    let stat = &mut stats[key.min(top) * width + at];
                    if sums_only { stat.add_sum(value) } else { stat.add(value) }
                }
            }
        }
    }

    /// Every value that occurred, with its calls and its stats by number of the measure.
    pub(super) fn found(&self) -> impl Iterator<Item = (u64, Calls, impl Iterator<Item = (usize, &Stat)>)> {
        let width = self.measures.len();
        let occurred = self.calls.iter().enumerate().filter(|(_, calls)| calls.requests > 0);
        occurred.map(move |(key, calls)| {
            let stats = &self.stats[key * width..][..width];
            (key as u64, *calls, self.measures.iter().zip(stats).map(|((at, _), stat)| (*at, stat)))
        })
    }
}
