//! Histograms of many cells, gathered in any order and turned into quantiles at the end.
//!
//! A dense array for each of thousands of cells would cost more to clear than all there is to read. So
//! bytes of histograms are only copied while buckets are scanned. At the end each (group, step) cell,
//! usually one large histogram and a few small ones, is walked in place, and its group's total is
//! poured into one array that is used over and over. Without steps the first few groups have an array
//! of their own from the start: they are where everything goes.

use super::QueryError;
use crate::histogram::{Accumulator, Histogram, Kept, Malformed, Walker, index_of};

/// Cells with an array of their own, in an answer without steps.
const DENSE_CELLS: u32 = 32;
/// Histograms walked side by side; more are added up.
const WALKED_MAX: usize = 4;
/// Single values, and bytes of histograms, gathered before they are merged by cell and index.
const SINGLES_MAX: usize = 1 << 20;
const PARTS_MAX: usize = 1 << 18;
/// Merging pays when a cell has at least so many histograms.
const MERGED_MIN: usize = 8;

/// Values of all cells of an answer. Cell numbers are `group * steps + step`.
#[derive(Debug)]
pub(crate) struct Distributions {
    stepped: bool,
    dense: Vec<Accumulator>,
    parts: Vec<(u32, Kept)>,
    bytes: Vec<u8>,
    /// How many parts are looked at next.
    parts_max: usize,
    cells: usize,
    /// Cell number and index of single values, as one number.
    singles: Vec<u64>,
    /// The same with counts, ascending: what did not fit the others any more.
    merged: Vec<(u64, u64)>,
}

fn cell_and_index(cell: u32, index: u32) -> u64 {
    u64::from(cell) << 32 | u64::from(index)
}

impl Distributions {
    pub(crate) fn new(stepped: bool) -> Self {
        Self {
            stepped,
            dense: Vec::new(),
            parts: Vec::new(),
            bytes: Vec::new(),
            parts_max: PARTS_MAX,
            cells: 0,
            singles: Vec::new(),
            merged: Vec::new(),
        }
    }

    fn dense(&mut self, cell: u32) -> Option<&mut Accumulator> {
        if self.stepped || cell >= DENSE_CELLS {
            return None;
        }
        if self.dense.len() <= cell as usize {
            self.dense.resize_with(cell as usize + 1, Accumulator::default);
        }
        Some(&mut self.dense[cell as usize])
    }

    /// Adds a histogram to a cell.
    pub(crate) fn add(&mut self, cell: u32, histogram: &Histogram<'_>) -> Result<(), Malformed> {
        if histogram.count() == 0 {
            return Ok(());
        }
        if let Some(sum) = self.dense(cell) {
            return histogram.pour(sum);
        }
        self.parts.push((cell, histogram.keep(&mut self.bytes)));
        self.cells = self.cells.max(cell as usize + 1);
        if self.parts.len() < self.parts_max {
            return Ok(());
        }
        if self.parts.len() >= MERGED_MIN * self.cells {
            return self.merge();
        }
        self.parts_max *= 2;
        Ok(())
    }

    /// Adds a value to a cell.
    #[inline]
    pub(crate) fn add_value(&mut self, cell: u32, value: u64) -> Result<(), Malformed> {
        if let Some(sum) = self.dense(cell) {
            return sum.add_value(value);
        }
        self.singles.push(cell_and_index(cell, index_of(value)));
        if self.singles.len() >= SINGLES_MAX { self.merge() } else { Ok(()) }
    }

    /// Brings everything gathered into `merged`.
    fn merge(&mut self) -> Result<(), Malformed> {
        let mut fresh = self.parts.len() + self.singles.len();
        let old = self.merged.len();
        self.merged.reserve(fresh);
        self.merged.extend(self.singles.drain(..).map(|key| (key, 1)));
        for (cell, kept) in self.parts.drain(..) {
            kept.get(&self.bytes).each(|index, count| self.merged.push((cell_and_index(cell, index), count)))?;
        }
        self.bytes.clear();
        fresh = self.merged.len() - old;
        if fresh > 0 {
            self.merged.sort_unstable_by_key(|&(key, _)| key);
            self.merged.dedup_by(|from, into| {
                let same = from.0 == into.0;
                if same {
                    into.1 = into.1.saturating_add(from.1);
                }
                same
            });
        }
        Ok(())
    }

    /// Quantiles `ppm` of every cell, every group and all together.
    pub(crate) fn quantiles(mut self, ppm: &[u32], cells: &impl Bounds) -> Result<Quantiles, QueryError> {
        self.finish(ppm, cells).map_err(|m| QueryError::Damaged {
            file: "monitor.redb".into(),
            offset: "a histogram".into(),
            what: m.to_string(),
        })
    }

    fn finish(&mut self, ppm: &[u32], cells: &impl Bounds) -> Result<Quantiles, Malformed> {
        if !self.singles.is_empty() {
            let parts = std::mem::take(&mut self.parts);
            let bytes = std::mem::take(&mut self.bytes);
            self.merge()?;
            (self.parts, self.bytes) = (parts, bytes);
        }
        self.parts.sort_by_key(|&(cell, _)| cell);
        let (groups, steps) = cells.shape();
        let mut out = Quantiles { groups: Vec::with_capacity(groups), ..Quantiles::default() };
        let (mut all, mut group_sum, mut cell_sum) =
            (Accumulator::default(), Accumulator::default(), Accumulator::default());
        let mut walker = Walker::default();
        let (mut parts, mut merged) = (&self.parts[..], &self.merged[..]);
        let mut walked = Vec::new();
        for group in 0..groups {
            group_sum.clear();
            let mut points = Vec::with_capacity(if self.stepped { steps } else { 0 });
            for step in 0..steps {
                let cell = (group * steps + step) as u32;
                let (mine, rest) = parts.split_at(parts.partition_point_near(|&(c, _)| c == cell));
                parts = rest;
                let (values, rest) =
                    merged.split_at(merged.partition_point_near(|&(key, _)| key >> 32 == u64::from(cell)));
                merged = rest;
                for (_, kept) in mine {
                    kept.get(&self.bytes).pour(&mut group_sum)?;
                }
                for &(key, count) in values {
                    group_sum.add(key as u32, count)?;
                }
                if !self.stepped {
                    continue;
                }
                let (min, max) = cells.cell_bounds(group, step);
                let mut answer = Vec::new();
                if values.is_empty() && mine.len() <= WALKED_MAX {
                    walked.clear();
                    walked.extend(mine.iter().map(|(_, kept)| kept.get(&self.bytes)));
                    walker.quantiles(&walked, ppm, min, max, &mut answer)?;
                } else {
                    cell_sum.clear();
                    for (_, kept) in mine {
                        kept.get(&self.bytes).pour(&mut cell_sum)?;
                    }
                    for &(key, count) in values {
                        cell_sum.add(key as u32, count)?;
                    }
                    answer.resize(ppm.len(), None);
                    cell_sum.quantiles(ppm, min, max, &mut answer);
                }
                points.push(answer);
            }
            let sum = match self.dense.get(group) {
                Some(dense) if !self.stepped => dense,
                _ => &group_sum,
            };
            let (min, max) = cells.group_bounds(group);
            out.groups.push((quantiles_of(sum, ppm, min, max), points));
            for (index, count) in sum.iter() {
                all.add(index, count)?;
            }
        }
        let (min, max) = cells.all_bounds();
        out.all = quantiles_of(&all, ppm, min, max);
        Ok(out)
    }
}

fn quantiles_of(sum: &Accumulator, ppm: &[u32], min: u64, max: u64) -> Vec<Option<u64>> {
    let mut answer = vec![None; ppm.len()];
    sum.quantiles(ppm, min, max, &mut answer);
    answer
}

/// Least and greatest values, to which quantiles are clamped.
pub(crate) trait Bounds {
    /// Groups and steps (at least one).
    fn shape(&self) -> (usize, usize);
    fn cell_bounds(&self, group: usize, step: usize) -> (u64, u64);
    fn group_bounds(&self, group: usize) -> (u64, u64);
    fn all_bounds(&self) -> (u64, u64);
}

/// One value a quantile, in the order of the plan.
pub(crate) type Answer = Vec<Option<u64>>;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Quantiles {
    /// Of each group: all of it, and by step when there are steps.
    pub(crate) groups: Vec<(Answer, Vec<Answer>)>,
    pub(crate) all: Answer,
}

trait PartitionNear<T> {
    /// How many items at the front fulfil `is`; as fast as there are few.
    fn partition_point_near(&self, is: impl Fn(&T) -> bool) -> usize;
}

impl<T> PartitionNear<T> for [T] {
    fn partition_point_near(&self, is: impl Fn(&T) -> bool) -> usize {
        self.iter().take_while(|item| is(item)).count()
    }
}
