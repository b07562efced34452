//! Quantiles of a few histograms together, without adding them up.
//!
//! A group of one bucket is usually one large cell (successful calls) and a few small ones (failures,
//! other service tiers). Clearing and filling a dense array for each such group would cost more than
//! reading it. So ranks are sought in the bytes of the largest, up to the next bucket of the others,
//! which are sorted beside it.

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
    /// Damaged bytes, as far as they were looked at.
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
        let largest = cells.iter().enumerate().max_by_key(|(_, cell)| cell.weight()).map(|(at, _)| at);
        let mut seeker = largest.and_then(|at| cells[at].seeker());
        self.gather_beside(cells, largest.filter(|_| seeker.is_some()))?;

        let (mut beside, mut passed) = (&self.beside[..], 0_u64);
        let (mut reached, mut bucket) = (0_u64, 0);
        for &(wanted, at) in &self.ranks {
            while reached < wanted {
                let before = beside.first().map_or(u32::MAX, |&(index, _)| index);
                let found = seeker.as_mut().map_or(Ok(None), |s| s.seek(wanted - passed, before))?;
                bucket = match (found, beside) {
                    (Some(index), _) => index,
                    (None, [(index, count), rest @ ..]) => {
                        (beside, passed) = (rest, passed.saturating_add(*count));
                        *index
                    }
                    (None, []) => return Err(Malformed("a histogram and its count differ")),
                };
                reached = passed.saturating_add(seeker.as_ref().map_or(0, |s| s.seen()));
            }
            out[at] = Some(clamp(midpoint(bucket), min, max));
        }
        Ok(())
    }

    /// Entries of all `cells` but one, in order of index.
    fn gather_beside(&mut self, cells: &[Histogram<'_>], but: Option<usize>) -> Result<(), Malformed> {
        self.beside.clear();
        for (_, cell) in cells.iter().enumerate().filter(|(at, _)| Some(*at) != but) {
            cell.each(|index, count| self.beside.push((index, count)))?;
        }
        if cells.len() > 2 || but.is_none() {
            self.beside.sort_unstable_by_key(|&(index, _)| index);
        }
        Ok(())
    }
}
