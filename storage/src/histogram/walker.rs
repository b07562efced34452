//! Quantiles of a few histograms together, without adding them up.
//!
//! A group of one bucket is usually one large cell (successful calls) and a few small ones (failures,
//! other service tiers). Clearing and filling a dense array for each such group would cost more than
//! reading it. So the largest is walked in the order of its bytes, the others, sorted, beside it, up
//! to the last rank wanted.

use super::accumulator::{clamp, rank};
use super::{Accumulator, Histogram, Malformed, midpoint};

/// Answers quantiles of a few histograms; keeps its work space between groups.
#[derive(Clone, Debug, Default)]
pub struct Walker {
    /// Entries of all but the largest histogram, by index.
    beside: Vec<(u32, u64)>,
    /// Ranks wanted, ascending, with their place in the answer.
    ranks: Vec<(u64, usize)>,
}

impl Walker {
    /// Quantiles of all `cells` together, by millionths, each the middle of its bucket clamped to the
    /// exact `min` and `max`. `out` gets one answer a quantile, `None` when there are no values.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn quantiles(
        &mut self,
        cells: &[Histogram<'_>],
        ppm: &[u32],
        min: u64,
        max: u64,
        out: &mut Vec<Option<u64>>,
    ) -> Result<(), Malformed> {
        out.clear();
        out.resize(ppm.len(), None);
        let Some(largest) = self.prepare(cells, ppm)? else { return Ok(()) };
        self.beside.clear();
        for (at, cell) in cells.iter().enumerate() {
            if at != largest {
                cell.each(|index, count| self.beside.push((index, count)))?;
            }
        }
        if cells.len() > 2 {
            self.beside.sort_unstable_by_key(|&(index, _)| index);
        }
        self.walk(&cells[largest], |at, index| out[at] = Some(clamp(midpoint(index), min, max)))
    }

    /// The same, and adds all `cells` to `sum` on the way: each is decoded once.
    ///
    /// # Errors
    /// Damaged bytes: `sum` is worthless then until cleared.
    pub(crate) fn quantiles_into(
        &mut self,
        cells: &[Histogram<'_>],
        ppm: &[u32],
        min: u64,
        max: u64,
        out: &mut Vec<Option<u64>>,
        sum: &mut Accumulator,
    ) -> Result<(), Malformed> {
        out.clear();
        out.resize(ppm.len(), None);
        let Some(largest) = self.prepare(cells, ppm)? else { return Ok(()) };
        self.beside.clear();
        for (_, cell) in cells.iter().enumerate().filter(|(at, _)| *at != largest) {
            cell.pour_and(sum, |index, count| self.beside.push((index, count)))?;
        }
        if cells.len() > 2 {
            self.beside.sort_unstable_by_key(|&(index, _)| index);
        }
        let mut marks = Marks { ranks: &self.ranks, seen: 0 };
        let mut beside = &self.beside[..];
        let mut found = |at: usize, index| out[at] = Some(clamp(midpoint(index), min, max));
        cells[largest].pour_and(sum, |index, count| {
            while let Some((&(other, count), rest)) = beside.split_first().filter(|(other, _)| other.0 < index) {
                marks.pass(other, count, &mut found);
                beside = rest;
            }
            marks.pass(index, count, &mut found);
        })?;
        beside.iter().for_each(|&(index, count)| marks.pass(index, count, &mut found));
        if marks.ranks.is_empty() { Ok(()) } else { Err(Malformed("a histogram and its count differ")) }
    }

    /// Finds the ranks wanted and which of `cells` is the largest; `None` without values.
    fn prepare(&mut self, cells: &[Histogram<'_>], ppm: &[u32]) -> Result<Option<usize>, Malformed> {
        let total = cells.iter().try_fold(0_u64, |sum, cell| sum.checked_add(cell.count()));
        let total = total.ok_or(Malformed("more than 2^64 values in a histogram"))?;
        if total == 0 {
            return Ok(None);
        }
        self.ranks.clear();
        self.ranks.extend(ppm.iter().enumerate().map(|(at, &ppm)| (rank(total, ppm), at)));
        self.ranks.sort_unstable();
        Ok(cells.iter().enumerate().max_by_key(|(_, cell)| cell.weight()).map(|(at, _)| at))
    }

    /// Merges `largest` with the entries beside it and reports the bucket of each rank.
    fn walk(&self, largest: &Histogram<'_>, mut found: impl FnMut(usize, u32)) -> Result<(), Malformed> {
        let mut stream = largest.stream();
        let mut beside = self.beside.iter().copied().peekable();
        let mut ranks = self.ranks.iter().copied().peekable();
        let mut seen = 0_u64;
        let mut ahead = stream.next()?;
        while let Some(&(wanted, at)) = ranks.peek() {
            let entry = match (ahead, beside.peek()) {
                (Some(mine), Some(&other)) if other.0 < mine.0 => beside.next(),
                (Some(mine), _) => {
                    ahead = stream.next()?;
                    Some(mine)
                }
                (None, _) => beside.next(),
            };
            let Some((index, count)) = entry else {
                return Err(Malformed("a histogram and its count differ"));
            };
            seen = seen.saturating_add(count);
            if seen >= wanted {
                found(at, index);
                ranks.next();
                while let Some(&(_, at)) = ranks.peek().filter(|&&(wanted, _)| seen >= wanted) {
                    found(at, index);
                    ranks.next();
                }
            }
        }
        Ok(())
    }
}

/// Ranks still to be found, ascending.
struct Marks<'r> {
    ranks: &'r [(u64, usize)],
    seen: u64,
}

impl Marks<'_> {
    /// Passes `count` values of bucket `index`.
    #[inline]
    fn pass(&mut self, index: u32, count: u64, found: &mut impl FnMut(usize, u32)) {
        self.seen = self.seen.saturating_add(count);
        while let Some((&(wanted, at), rest)) = self.ranks.split_first() {
            if self.seen < wanted {
                return;
            }
            found(at, index);
            self.ranks = rest;
        }
    }
}
