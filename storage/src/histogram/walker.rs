//! Quantiles of a few histograms together, without adding them up.
//!
//! A group of one bucket is usually one large cell (successful calls) and a few small ones (failures,
//! other service tiers). Clearing and filling a dense array for each such group would cost more than
//! reading it. So the largest is walked in the order of its bytes, the others, sorted, beside it, up
//! to the last rank wanted.

use super::accumulator::{clamp, rank};
use super::sparse::FEW_MAX;
use super::{Accumulator, Histogram, Malformed, midpoint};

/// Answers quantiles of a few histograms; keeps its work space between groups.
#[derive(Clone, Debug, Default)]
pub struct Walker {
    /// Entries of all but the largest histogram, by index.
    beside: Vec<(u32, u64)>,
    /// Room for the entries of the largest.
    entries: Vec<(u32, u64)>,
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
        self.gather_beside(cells, largest)?;
        self.walk(&cells[largest], |at, index| out[at] = Some(clamp(midpoint(index), min, max)))
    }

    /// The same, and adds all `cells` to `sum`: each is decoded once, into a list that the first cache
    /// holds.
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
        // Every entry takes a byte at least, so the list need not grow while it is filled.
        let room = cells[largest].weight() + FEW_MAX;
        if self.entries.len() < room {
            self.entries.resize(room, (0, 0));
        }
        let (list, mut len) = (&mut self.entries[..], 0);
        cells[largest].each(|index, count| {
            if let Some(entry) = list.get_mut(len) {
                *entry = (index, count);
                len += 1;
            }
        })?;
        self.gather_beside(cells, largest)?;
        let mut entries = &self.entries[..len];
        sum.add_entries(entries)?;
        sum.add_entries(&self.beside)?;

        let mut ranks = self.ranks.iter().copied();
        let Some((mut wanted, mut at)) = ranks.next() else { return Ok(()) };
        let (mut beside, mut seen) = (&self.beside[..], 0_u64);
        loop {
            let next = match (entries, beside) {
                ([mine, ..], [other, rest @ ..]) if other.0 < mine.0 => {
                    beside = rest;
                    other
                }
                ([mine, rest @ ..], _) => {
                    entries = rest;
                    mine
                }
                ([], [other, rest @ ..]) => {
                    beside = rest;
                    other
                }
                ([], []) => return Err(Malformed("a histogram and its count differ")),
            };
            seen = seen.saturating_add(next.1);
            while seen >= wanted {
                out[at] = Some(clamp(midpoint(next.0), min, max));
                let Some(following) = ranks.next() else { return Ok(()) };
                (wanted, at) = following;
            }
        }
    }

    /// Entries of all `cells` but the largest, in order of index.
    fn gather_beside(&mut self, cells: &[Histogram<'_>], largest: usize) -> Result<(), Malformed> {
        self.beside.clear();
        for (_, cell) in cells.iter().enumerate().filter(|(at, _)| *at != largest) {
            cell.each(|index, count| self.beside.push((index, count)))?;
        }
        if cells.len() > 2 {
            self.beside.sort_unstable_by_key(|&(index, _)| index);
        }
        Ok(())
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
