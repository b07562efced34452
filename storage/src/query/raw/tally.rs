//! Counts and sums of calls by the value of one column, on two threads.
//!
//! Where all that is asked for are counts and stats in groups that one column tells, a row needs no
//! cell: it is added to an array by the column's value, and each value that occurred is turned into a
//! group once a segment. Nothing of that needs names, so another thread can read half of the blocks.

use super::super::filter::Kind;
use super::columns::{Search, columns_of, numbers};
use super::left::Left;
use super::within;
use crate::bucket::{Measure, Stat};
use crate::raw::{self, ABSENT, BlockReader, Column, ColumnSet, GROUP_ROWS, Scratch, Segment};
use crate::threads;
use crate::time::{TimeRange, Timestamp};

/// Fewer rows are done before another thread is awake.
const SHARED_ROWS_MIN: usize = if cfg!(test) { 2 } else { 50_000 };

/// Tasks with more values of their columns are done before more come: they are 100 bytes each.
const TASKS_KEYS_MAX: usize = 1 << 17;

/// What is added up of each call.
#[derive(Debug)]
pub(super) struct Wants {
    /// Measures that calls have, with their number in the answer.
    pub(super) measures: Vec<(usize, Measure)>,
    pub(super) sums_only: bool,
    pub(super) errors: bool,
    pub(super) unpriced: bool,
}

impl Wants {
    /// The columns that say so, where `group` tells the group.
    fn columns(&self, group: Option<Column>) -> ColumnSet {
        let mut columns = ColumnSet::of(group.as_slice());
        if self.errors {
            columns = columns.with(Column::Status);
        }
        if self.unpriced {
            columns = columns.with(Column::CostSource);
        }
        self.measures.iter().fold(columns, |columns, &(_, measure)| columns.and(columns_of(measure)))
    }
}

/// Blocks of a segment in which one column tells the group.
pub(super) struct Task<'s> {
    pub(super) segment: &'s Segment,
    /// Its filter is plain.
    pub(super) search: Search,
    pub(super) blocks: Vec<usize>,
}

/// Counts of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) unpriced: u64,
}

/// What blocks of a task come to.
pub(super) struct Sums {
    /// Which one.
    pub(super) task: usize,
    /// Every value of the column that occurred.
    pub(super) groups: Vec<(u64, Calls)>,
    /// Of each group as many as there are measures.
    pub(super) stats: Vec<Stat>,
    /// Blocks that could not be read.
    pub(super) missing: Vec<String>,
}

/// Whether it is time to do `tasks`.
pub(super) fn are_many(tasks: &[Task<'_>]) -> bool {
    tasks.iter().map(|task| task.search.grouping.keys().map_or(0, |(_, keys)| keys)).sum::<usize>() > TASKS_KEYS_MAX
}

/// Adds up what of the tasks' blocks lies in `ranges` and passes the filter.
pub(super) fn run(tasks: &[Task<'_>], wants: &Wants, ranges: &[TimeRange]) -> Vec<Sums> {
    let blocks: Vec<(usize, usize)> =
        (0..).zip(tasks).flat_map(|(number, task)| task.blocks.iter().map(move |&block| (number, block))).collect();
    let rows = |&(task, block): &(usize, usize)| tasks[task].segment.blocks()[block].rows;
    let all: usize = blocks.iter().map(rows).sum();
    let work = |blocks: &[(usize, usize)]| add_blocks(tasks, blocks, wants, ranges);
    if all < SHARED_ROWS_MIN {
        return work(&blocks);
    }
    let mut before = 0;
    let half = blocks.iter().take_while(|block| {
        before += rows(block);
        before <= all / 2
    });
    let (first, second) = blocks.split_at(half.count());
    let (mut sums, others) = threads::join(|| work(first), || work(second));
    sums.extend(others);
    sums
}

fn add_blocks(tasks: &[Task<'_>], blocks: &[(usize, usize)], wants: &Wants, ranges: &[TimeRange]) -> Vec<Sums> {
    let mut tally =
        Tally { wants, scratch: Scratch::default(), space: [0; GROUP_ROWS], calls: Vec::new(), stats: Vec::new() };
    let of_tasks = blocks.chunk_by(|a, b| a.0 == b.0);
    of_tasks.map(|blocks| tally.add_task(blocks[0].0, &tasks[blocks[0].0], blocks, ranges)).collect()
}

/// Work space of a thread.
struct Tally<'w> {
    wants: &'w Wants,
    scratch: Scratch,
    space: [u64; GROUP_ROWS],
    /// By value of the column.
    calls: Vec<Calls>,
    /// By value of the column, then by measure.
    stats: Vec<Stat>,
}

impl Tally<'_> {
    fn add_task(&mut self, number: usize, task: &Task<'_>, blocks: &[(usize, usize)], ranges: &[TimeRange]) -> Sums {
        let (column, keys) = task.search.grouping.keys().unwrap_or((None, 1));
        let width = self.wants.measures.len();
        self.calls.clear();
        self.calls.resize(keys, Calls::default());
        self.stats.clear();
        self.stats.resize(keys * width, Stat::default());
        let mut missing = Vec::new();
        for &(_, block) in blocks {
            if let Err(error) = self.add_block(task, column, block, ranges) {
                missing.push(format!("{} events: {error}", task.segment.blocks()[block].rows));
            }
        }
        let occurred = || (0..).zip(&self.calls).filter(|(_, calls)| calls.requests > 0);
        let groups = occurred().map(|(key, calls)| (key as u64, *calls)).collect();
        let stats = occurred().flat_map(|(key, _): (usize, _)| &self.stats[key * width..][..width]).copied().collect();
        Sums { task: number, groups, stats, missing }
    }

    fn add_block(
        &mut self,
        task: &Task<'_>,
        column: Option<Column>,
        number: usize,
        ranges: &[TimeRange],
    ) -> Result<(), raw::SegmentError> {
        let Task { segment, search, .. } = task;
        let block = &segment.blocks()[number];
        let span = TimeRange::new(block.min_ts, block.max_ts.plus_ms(1));
        let inside = ranges.iter().any(|r| r.covers(&span));
        let shown = self.wants.columns(column);
        let fetched = search.fetched(Kind::Request, shown);
        let fetched = if inside { fetched } else { fetched.with(Column::Ts) };
        let mut reader = segment.read(number, fetched, &mut self.scratch)?;
        let mut sums =
            Rows { wants: self.wants, column, calls: &mut self.calls, stats: &mut self.stats, space: &mut self.space };
        for group in 0..reader.groups() {
            let mut left = Left::all(reader.rows(group));
            if !inside {
                reader.decode(group, ColumnSet::of(&[Column::Ts]));
                let ts = reader.values(Column::Ts);
                left.retain(|row| within(ranges, Timestamp::from_millis(ts[row])));
            }
            search.narrow(&mut reader, group, Kind::Request, &mut left, sums.space);
            if !left.is_empty() {
                reader.decode(group, shown);
                sums.add(&reader, &left);
            }
        }
        Ok(())
    }
}

/// Where the rows of a block are added.
struct Rows<'t> {
    wants: &'t Wants,
    column: Option<Column>,
    calls: &'t mut [Calls],
    stats: &'t mut [Stat],
    space: &'t mut [u64; GROUP_ROWS],
}

impl Rows<'_> {
    /// Adds the rows of a group that are left.
    fn add(&mut self, reader: &BlockReader<'_>, left: &Left) {
        let Some(column) = self.column else {
            self.count_all(reader, left);
            return self.add_values(reader, left, &[0; GROUP_ROWS]);
        };
        let keys = reader.values(column);
        self.count_each(reader, left, keys);
        self.add_values(reader, left, keys);
    }

    fn count_all(&mut self, reader: &BlockReader<'_>, left: &Left) {
        let calls = &mut self.calls[0];
        calls.requests += left.len() as u64;
        if self.wants.errors {
            calls.errors += (left.len() - left.count_equal(reader.values(Column::Status), raw::OK)) as u64;
        }
        if self.wants.unpriced {
            calls.unpriced += left.count_equal(reader.values(Column::CostSource), 0) as u64;
        }
    }

    fn count_each(&mut self, reader: &BlockReader<'_>, left: &Left, keys: &[u64; GROUP_ROWS]) {
        let status = if self.wants.errors { reader.values(Column::Status) } else { &[raw::OK; GROUP_ROWS] };
        let source = if self.wants.unpriced { reader.values(Column::CostSource) } else { &[1; GROUP_ROWS] };
        let top = self.calls.len() - 1;
        for row in left.places().iter() {
            // Footers are checked: no column has values beyond its names.
            let calls = &mut self.calls[(keys[row] as usize).min(top)];
            calls.requests += 1;
            calls.errors += u64::from(status[row] != raw::OK);
            calls.unpriced += u64::from(source[row] == 0);
        }
    }

    fn add_values(&mut self, reader: &BlockReader<'_>, left: &Left, keys: &[u64; GROUP_ROWS]) {
        let Wants { measures, sums_only, .. } = self.wants;
        if measures.is_empty() {
            return;
        }
        let (rows, width, top) = (left.places(), measures.len(), self.calls.len() - 1);
        for (at, &(_, measure)) in measures.iter().enumerate() {
            let values = numbers(reader, measure, self.space);
            for row in rows.iter().filter(|row| values[*row] != ABSENT) {
                let stat = &mut self.stats[(keys[row] as usize).min(top) * width + at];
                if *sums_only { stat.add_sum(values[row]) } else { stat.add(values[row]) }
            }
        }
    }
}
