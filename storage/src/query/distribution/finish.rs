//! Turns what was gathered into quantiles.
//!
//! Groups do not depend on each other: with many histograms another thread does the later ones.

use std::ops::Range;

use super::{Answer, Bounds, Quantiles, ValueCounts};
use crate::histogram::{Accumulator, Histogram, Kept, Malformed, Walker, midpoint, rank};
use crate::threads;

/// Histograms walked side by side; more are added up.
const WALKED_MAX: usize = 4;
/// Fewer histograms are walked before another thread is awake.
const SHARED_PARTS_MIN: usize = if cfg!(test) { 2 } else { 1000 };
/// So few values of a cell are sorted: an array would have to be cleared.
const SORTED_MAX: usize = 64;

/// What is asked of what was gathered.
pub(super) struct Question<'q> {
    pub(super) ppm: &'q [u32],
    pub(super) above: &'q [u64],
    /// Values by bucket of each cell.
    pub(super) values: bool,
    /// Each cell for itself, too.
    pub(super) stepped: bool,
    /// The first groups of an answer without steps, added up already.
    pub(super) dense: &'q [Accumulator],
    pub(super) bounds: &'q dyn Bounds,
}

/// What was gathered of some groups.
#[derive(Clone)]
pub(super) struct Gathered<'d> {
    pub(super) cells: Content<'d>,
    /// By group, when that was counted apart; else a group is what its cells add up to.
    pub(super) totals: Option<Content<'d>>,
}

impl Gathered<'_> {
    /// Takes out what belongs to groups before `group`.
    fn split_before(&mut self, group: usize, steps: usize) -> Self {
        Self {
            cells: self.cells.split_before((group * steps) as u32),
            totals: self.totals.as_mut().map(|totals| totals.split_before(group as u32)),
        }
    }
}

/// Answers of some groups, and all of their values.
#[derive(Default)]
struct Part {
    answers: Quantiles,
    sum: Accumulator,
}

impl Question<'_> {
    /// Answers of all groups.
    pub(super) fn answer(&self, mut gathered: Gathered<'_>) -> Result<Quantiles, Malformed> {
        let (groups, steps) = self.bounds.shape();
        let parts = gathered.cells.parts;
        let middle = match parts.get(parts.len() / 2) {
            Some((cell, _)) if parts.len() >= SHARED_PARTS_MIN => *cell as usize / steps,
            _ => 0,
        };
        let Part { mut answers, sum } = if middle > 0 {
            let first = gathered.split_before(middle, steps);
            let first = || self.part(first, 0..middle);
            let (first, later) = threads::join(first, || self.part(gathered.clone(), middle..groups));
            first?.and(later?)?
        } else {
            self.part(gathered, 0..groups)?
        };
        answers.all = self.quantiles(&sum, self.bounds.all_bounds());
        Ok(answers)
    }

    fn part(&self, mut gathered: Gathered<'_>, groups: Range<usize>) -> Result<Part, Malformed> {
        let (mut part, mut work, mut own) = (Part::default(), Work::default(), Accumulator::default());
        for group in groups {
            own.clear();
            let (points, values) = self.cells(group, &mut gathered, &mut work, &mut own)?;
            let sum = match self.dense.get(group) {
                Some(dense) if !self.stepped => dense,
                _ => &own,
            };
            part.answers.groups.push((self.quantiles(sum, self.bounds.group_bounds(group)), points));
            if !self.above.is_empty() {
                part.answers.above.push(self.above.iter().map(|bound| sum.count_above(*bound)).collect());
            }
            if self.values {
                part.answers.values.push(values);
            }
            part.sum.add_all(sum)?;
        }
        Ok(part)
    }

    /// What is asked of each cell of a group, and all of them in `sum`.
    fn cells(
        &self,
        group: usize,
        gathered: &mut Gathered<'_>,
        work: &mut Work,
        sum: &mut Accumulator,
    ) -> Result<(Vec<Answer>, Vec<ValueCounts>), Malformed> {
        let steps = self.bounds.shape().1;
        let (mut points, mut values) = (Vec::with_capacity(if self.stepped { steps } else { 0 }), Vec::new());
        for step in 0..steps {
            let mine = gathered.cells.split_off((group * steps + step) as u32);
            if self.stepped {
                points.push(work.cell(&mine, self.ppm, self.bounds.cell_bounds(group, step))?);
            }
            if self.values {
                values.push(work.counts(&mine)?);
            }
            if gathered.totals.is_none() {
                mine.pour(sum)?;
            }
        }
        if let Some(totals) = &mut gathered.totals {
            totals.split_off(group as u32).pour(sum)?;
        }
        Ok((points, values))
    }

    fn quantiles(&self, sum: &Accumulator, (min, max): (u64, u64)) -> Answer {
        quantiles_of(sum, self.ppm, min, max)
    }
}

impl Part {
    /// These groups, then those of `later`.
    fn and(mut self, later: Self) -> Result<Self, Malformed> {
        self.answers.groups.extend(later.answers.groups);
        self.answers.above.extend(later.answers.above);
        self.answers.values.extend(later.answers.values);
        self.sum.add_all(&later.sum)?;
        Ok(self)
    }
}

/// What was gathered of cells, all in the order of their numbers.
#[derive(Clone)]
pub(super) struct Content<'d> {
    pub(super) bytes: &'d [u8],
    pub(super) parts: &'d [(u32, Kept)],
    pub(super) merged: &'d [(u64, u64)],
    pub(super) singles: &'d [u64],
}

impl Content<'_> {
    /// Takes out what belongs to `cell`, the first that has anything.
    fn split_off(&mut self, cell: u32) -> Self {
        let (parts, other_parts) = self.parts.split_at(count_front(self.parts, |&(c, _)| c == cell));
        let is_mine = |key: u64| key >> 32 == u64::from(cell);
        let (merged, other_merged) = self.merged.split_at(count_front(self.merged, |&(key, _)| is_mine(key)));
        let (singles, other_singles) = self.singles.split_at(count_front(self.singles, |&key| is_mine(key)));
        (self.parts, self.merged, self.singles) = (other_parts, other_merged, other_singles);
        Self { bytes: self.bytes, parts, merged, singles }
    }

    /// Takes out what belongs to cells before `cell`.
    fn split_before(&mut self, cell: u32) -> Self {
        let (parts, other_parts) = self.parts.split_at(self.parts.partition_point(|&(c, _)| c < cell));
        let is_mine = |key: u64| key >> 32 < u64::from(cell);
        let (merged, other_merged) = self.merged.split_at(self.merged.partition_point(|&(key, _)| is_mine(key)));
        let (singles, other_singles) = self.singles.split_at(self.singles.partition_point(|&key| is_mine(key)));
        (self.parts, self.merged, self.singles) = (other_parts, other_merged, other_singles);
        Self { bytes: self.bytes, parts, merged, singles }
    }

    fn pour(&self, sum: &mut Accumulator) -> Result<(), Malformed> {
        self.parts.iter().try_for_each(|(_, kept)| kept.get(self.bytes).pour(sum))?;
        self.merged.iter().try_for_each(|&(key, count)| sum.add(key as u32, count))?;
        self.singles.iter().try_for_each(|&key| sum.add(key as u32, 1))
    }
}

/// How many items at the front fulfil `is`.
fn count_front<T>(items: &[T], is: impl Fn(&T) -> bool) -> usize {
    items.iter().take_while(|item| is(item)).count()
}

/// Work space for one cell after the other.
#[derive(Default)]
struct Work {
    walker: Walker,
    sum: Accumulator,
    sorted: Vec<(u32, u64)>,
}

impl Work {
    /// Quantiles of a cell.
    fn cell(&mut self, mine: &Content<'_>, ppm: &[u32], (min, max): (u64, u64)) -> Result<Answer, Malformed> {
        let mut answer = Vec::new();
        let values = mine.merged.len() + mine.singles.len();
        if values == 0 && mine.parts.len() <= WALKED_MAX {
            let mut histograms = [Histogram::EMPTY; WALKED_MAX];
            histograms.iter_mut().zip(mine.parts).for_each(|(to, (_, kept))| *to = kept.get(mine.bytes));
            self.walker.quantiles(&histograms[..mine.parts.len()], ppm, min, max, &mut answer)?;
        } else if mine.parts.is_empty() && values <= SORTED_MAX {
            self.sorted.clear();
            self.sorted.extend(mine.merged.iter().map(|&(key, count)| (key as u32, count)));
            self.sorted.extend(mine.singles.iter().map(|&key| (key as u32, 1)));
            self.sorted.sort_unstable_by_key(|&(index, _)| index);
            quantiles_of_sorted(&self.sorted, ppm, min, max, &mut answer);
        } else {
            self.sum.clear();
            mine.pour(&mut self.sum)?;
            answer = quantiles_of(&self.sum, ppm, min, max);
        }
        Ok(answer)
    }

    /// How many values of a cell lie in which bucket.
    fn counts(&mut self, mine: &Content<'_>) -> Result<ValueCounts, Malformed> {
        if mine.parts.is_empty() && mine.merged.is_empty() && mine.singles.is_empty() {
            return Ok(Vec::new());
        }
        self.sum.clear();
        mine.pour(&mut self.sum)?;
        Ok(self.sum.iter().collect())
    }
}

/// Quantiles of counts in order of index.
fn quantiles_of_sorted(counts: &[(u32, u64)], ppm: &[u32], min: u64, max: u64, answer: &mut Answer) {
    let total = counts.iter().map(|&(_, count)| count).sum();
    answer.extend(ppm.iter().map(|&ppm| {
        let wanted = rank(total, ppm);
        let mut seen = 0;
        let found = counts.iter().find(|&&(_, count)| {
            seen += count;
            seen >= wanted
        });
        found.map(|&(index, _)| midpoint(index).min(max).max(min))
    }));
}

fn quantiles_of(sum: &Accumulator, ppm: &[u32], min: u64, max: u64) -> Vec<Option<u64>> {
    let mut answer = vec![None; ppm.len()];
    sum.quantiles(ppm, min, max, &mut answer);
    answer
}
