//! Quantiles of a few histograms together, without adding them up.
//!
//! A group of one bucket is usually one large cell (successful calls) and a few small ones (failures,
//! other service tiers). Clearing and filling a dense array for each such group would cost more than
//! reading it. So the largest is walked in the order of its bytes, the others, sorted, beside it, up
//! to the last rank wanted.

use super::accumulator::{clamp, rank};
use super::{Histogram, Malformed, midpoint};

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
        let total = cells.iter().try_fold(0_u64, |sum, cell| sum.checked_add(cell.count()));
        let total = total.ok_or(Malformed("more than 2^64 values in a histogram"))?;
        if total == 0 {
            return Ok(());
        }
        self.ranks.clear();
        self.ranks.extend(ppm.iter().enumerate().map(|(at, &ppm)| (rank(total, ppm), at)));
        self.ranks.sort_unstable();

        let largest = cells.iter().enumerate().max_by_key(|(_, cell)| cell.weight()).map_or(0, |(at, _)| at);
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
