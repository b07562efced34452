//! Histograms of many cells, gathered in any order and turned into quantiles at the end.
//!
//! A dense array for each of thousands of cells would cost more to clear than all there is to read. So
//! bytes of histograms are only copied while buckets are scanned. At the end ranks are sought in place
//! in each (group, step) cell, usually one large histogram and a few small ones. Single values are only
//! noted with their cell, and ordered by cell at the end: within a cell an array orders them, or a sort
//! where they are few. Without steps the first few groups have an array of their own from the start.
//!
//! What groups add up to over all steps comes from wider buckets where there are any (see
//! [`Distributions::count_totals_apart`]), else from pouring all of their cells into one array, used
//! over and over.

mod finish;

use super::QueryError;
use crate::histogram::{Accumulator, Histogram, Kept, Malformed, index_of};
use finish::{Content, Gathered, Question};

/// Cells with an array of their own, in an answer without steps.
const DENSE_CELLS: u32 = 32;

/// How much is gathered.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Single values before they are merged by cell and index.
    singles: usize,
    /// Histograms before it is seen whether merging them pays.
    parts: usize,
    /// Bytes of histograms before they are merged.
    bytes: usize,
    /// Counts by cell and index; more are refused.
    merged: usize,
}

/// 32 MiB of single values, 256 MiB each of histograms and of merged counts.
const LIMITS: Limits = Limits { singles: 1 << 22, parts: 1 << 18, bytes: 1 << 28, merged: 1 << 24 };
/// Merging pays when a cell has at least so many histograms.
const MERGED_MIN: usize = 8;

/// Values of all cells of an answer. Cell numbers are `group * steps + step`.
#[derive(Debug)]
pub(crate) struct Distributions {
    stepped: bool,
    limits: Limits,
    /// Cells below this one have an array of their own.
    dense_cells: u32,
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
    /// More than may be kept has come; nothing is taken any more.
    full: bool,
    /// The same values by group, when they are counted apart.
    totals: Option<Totals>,
}

#[derive(Debug)]
struct Totals {
    steps: u32,
    of_groups: Box<Distributions>,
}

fn cell_and_index(cell: u32, index: u32) -> u64 {
    u64::from(cell) << 32 | u64::from(index)
}

impl Distributions {
    pub(crate) fn new(stepped: bool) -> Self {
        Self {
            stepped,
            limits: LIMITS,
            dense_cells: if stepped { 0 } else { DENSE_CELLS },
            dense: Vec::new(),
            parts: Vec::new(),
            bytes: Vec::new(),
            parts_max: LIMITS.parts,
            cells: 0,
            singles: Vec::new(),
            merged: Vec::new(),
            full: false,
            totals: None,
        }
    }

    /// From now on what groups add up to is counted on its own, by [`Distributions::add_to_total`], but
    /// for single values, which count for both.
    pub(crate) fn count_totals_apart(&mut self, steps: usize) {
        // Wide buckets are few: copying them is less than clearing an array for each group.
        let of_groups = Box::new(Self { dense_cells: 0, ..Self::new(false) });
        self.totals = Some(Totals { steps: steps as u32, of_groups });
    }

    /// Forgets what was counted on its own: groups are what their cells add up to.
    pub(crate) fn count_totals_together(&mut self) {
        self.totals = None;
    }

    /// Adds a histogram to what the group of a cell adds up to, if that is counted on its own.
    pub(crate) fn add_to_total(&mut self, cell: u32, histogram: &Histogram<'_>) -> Result<(), Malformed> {
        match &mut self.totals {
            Some(totals) => totals.of_groups.add(cell / totals.steps, histogram),
            None => Ok(()),
        }
    }

    /// Whether what came is more than is kept in memory.
    ///
    /// # Errors
    /// [`QueryError::TooManyValues`].
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        let full = self.full || self.totals.as_ref().is_some_and(|totals| totals.of_groups.full);
        if full { Err(QueryError::TooManyValues) } else { Ok(()) }
    }

    fn dense(&mut self, cell: u32) -> Option<&mut Accumulator> {
        if cell >= self.dense_cells {
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
        if self.full {
            return Ok(());
        }
        self.parts.push((cell, histogram.keep(&mut self.bytes)));
        self.cells = self.cells.max(cell as usize + 1);
        if self.bytes.len() >= self.limits.bytes {
            return self.merge();
        }
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
        if let Some(totals) = &mut self.totals {
            totals.of_groups.add_value(cell / totals.steps, value)?;
        }
        self.singles.push(cell_and_index(cell, index_of(value)));
        if self.singles.len() >= self.limits.singles { self.merge() } else { Ok(()) }
    }

    /// Brings everything gathered into `merged`.
    fn merge(&mut self) -> Result<(), Malformed> {
        let mut fresh: Vec<(u64, u64)> = Vec::new();
        for (cell, kept) in self.parts.drain(..) {
            kept.get(&self.bytes).each(|index, count| fresh.push((cell_and_index(cell, index), count)))?;
            if fresh.len() > self.limits.merged {
                self.full = true;
                break;
            }
        }
        self.bytes.clear();
        fresh.extend(self.singles.drain(..).map(|key| (key, 1)));
        // A stable sort finds the sorted runs that old counts and histograms are.
        self.merged.append(&mut fresh);
        self.merged.sort_by_key(|&(key, _)| key);
        self.merged.dedup_by(|from, into| {
            let same = from.0 == into.0;
            if same {
                into.1 = into.1.saturating_add(from.1);
            }
            same
        });
        self.full |= self.merged.len() > self.limits.merged;
        if self.full {
            self.merged = Vec::new();
        }
        Ok(())
    }

    /// Quantiles `ppm` of every cell, every group and all together, and how many values of each group
    /// lie above each of `above`.
    pub(crate) fn quantiles(
        mut self,
        ppm: &[u32],
        above: &[u64],
        values: bool,
        cells: &dyn Bounds,
    ) -> Result<Quantiles, QueryError> {
        self.check()?;
        let (groups, steps) = cells.shape();
        let mut totals = self.totals.take().map(|totals| totals.of_groups);
        self.order(groups * steps);
        if let Some(totals) = &mut totals {
            totals.order(groups);
        }
        let gathered = Gathered { cells: self.content(), totals: totals.as_ref().map(|totals| totals.content()) };
        let question = Question { ppm, above, values, stepped: self.stepped, dense: &self.dense, bounds: cells };
        question.answer(gathered).map_err(|m| QueryError::Damaged {
            file: "monitor.redb".into(),
            offset: "a histogram".into(),
            what: m.to_string(),
        })
    }

    /// Brings everything into the order of cells.
    fn order(&mut self, cells: usize) {
        self.parts.sort_unstable_by_key(|&(cell, _)| cell);
        self.singles = by_cell(std::mem::take(&mut self.singles), cells);
    }

    /// What was gathered, once it is in order.
    fn content(&self) -> Content<'_> {
        Content { bytes: &self.bytes, parts: &self.parts, merged: &self.merged, singles: &self.singles }
    }
}

/// Orders single values by cell; within a cell they are in no order.
fn by_cell(mut singles: Vec<u64>, cells: usize) -> Vec<u64> {
    // Counting needs a place for every cell.
    if singles.len() < cells / 4 {
        singles.sort_unstable();
        return singles;
    }
    let cell = |single: u64| (single >> 32) as usize;
    let mut begins = vec![0_u32; cells + 1];
    singles.iter().for_each(|&single| begins[cell(single) + 1] += 1);
    (1..begins.len()).for_each(|at| begins[at] += begins[at - 1]);
    let mut ordered = vec![0; singles.len()];
    for single in singles {
        let at = &mut begins[cell(single)];
        ordered[*at as usize] = single;
        *at += 1;
    }
    ordered
}

/// Least and greatest values, to which quantiles are clamped.
pub(crate) trait Bounds: Sync {
    /// Groups and steps (at least one).
    fn shape(&self) -> (usize, usize);
    fn cell_bounds(&self, group: usize, step: usize) -> (u64, u64);
    fn group_bounds(&self, group: usize) -> (u64, u64);
    fn all_bounds(&self) -> (u64, u64);
}

/// One value a quantile, in the order of the plan.
pub(crate) type Answer = Vec<Option<u64>>;

/// How many values lie in which bucket, by its index.
pub(crate) type ValueCounts = Vec<(u32, u64)>;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Quantiles {
    /// Of each group: all of it, and by step when there are steps.
    pub(crate) groups: Vec<(Answer, Vec<Answer>)>,
    /// Of each group: values above each bound, where there are bounds.
    pub(crate) above: Vec<Vec<u64>>,
    /// Of each group by step: values by bucket, where asked for.
    pub(crate) values: Vec<Vec<ValueCounts>>,
    pub(crate) all: Answer,
}

#[cfg(test)]
mod tests;
