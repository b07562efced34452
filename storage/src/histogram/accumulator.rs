//! Many histograms added up into one dense array, and quantiles of it.

use super::dense::{Pouring, Slot, add_one, add_range};
use super::sparse::SHORT_COUNT;
use super::{INDEX_END, Malformed, highest, index_of, midpoint};

/// Sum of histograms. Made once, cleared and filled again for each group: clearing touches only
/// what was filled.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    /// Counts by index, as long as the highest octave seen; 440 KiB at most.
    counts: Counts,
    /// Buckets outside `from..to` are empty.
    from: u32,
    to: u32,
    total: u64,
}

/// Counts of 32 bits as long as their sum has no more: half the memory to go through.
#[derive(Clone, Debug)]
enum Counts {
    Narrow(Vec<u32>),
    Wide(Vec<u64>),
}

/// Which value in ascending order (from 1) the quantile `ppm` millionths of `count` values is:
/// `ceil(count * ppm / 10^6)` in integers, at least 1 and at most `count`.
pub const fn rank(count: u64, ppm: u32) -> u64 {
    let rank = (count as u128 * ppm as u128).div_ceil(1_000_000);
    if rank == 0 {
        1
    } else if rank > count as u128 {
        count
    } else {
        rank as u64
    }
}

impl Accumulator {
    /// How many values are in it.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        if let Counts::Narrow(counts) = &mut self.counts {
            if let Some(filled) = counts.get_mut(self.from as usize..self.to as usize) {
                filled.fill(0);
            }
        } else {
            self.counts = Counts::default();
        }
        (self.from, self.to, self.total) = (0, 0, 0);
    }

    /// Adds `count` values of bucket `index` (taken as the last bucket when out of range).
    ///
    /// # Errors
    /// More than `u64::MAX` values in all; nothing is added then.
    #[inline]
    pub fn add(&mut self, index: u32, count: u64) -> Result<(), Malformed> {
        let index = index.min(INDEX_END - 1);
        self.expect(count)?;
        match &mut self.counts {
            Counts::Narrow(counts) => add_one(counts, index, count),
            Counts::Wide(counts) => add_one(counts, index, count),
        }
        self.widen(index, index);
        Ok(())
    }

    /// Adds one value.
    ///
    /// # Errors
    /// As [`Accumulator::add`].
    #[inline]
    pub fn add_value(&mut self, value: u64) -> Result<(), Malformed> {
        self.add(index_of(value), 1)
    }

    /// Adds sparse counts.
    ///
    /// # Errors
    /// As [`Accumulator::add`]; some may have been added.
    pub fn add_counts(&mut self, counts: &[(u32, u64)]) -> Result<(), Malformed> {
        counts.iter().try_for_each(|&(index, count)| self.add(index, count))
    }

    /// Adds all of another sum.
    ///
    /// # Errors
    /// As [`Accumulator::add`]; nothing is added then.
    pub fn add_all(&mut self, other: &Self) -> Result<(), Malformed> {
        if other.from >= other.to {
            return Ok(());
        }
        self.expect(other.total)?;
        let range = other.from..other.to;
        match (&mut self.counts, &other.counts) {
            (Counts::Narrow(mine), Counts::Narrow(theirs)) => add_range(mine, theirs, range),
            (Counts::Narrow(mine), Counts::Wide(theirs)) => add_range(mine, theirs, range),
            (Counts::Wide(mine), Counts::Narrow(theirs)) => add_range(mine, theirs, range),
            (Counts::Wide(mine), Counts::Wide(theirs)) => add_range(mine, theirs, range),
        }
        self.widen(other.from, other.to - 1);
        Ok(())
    }

    /// Adds the `count` values of what [`super::encode`] wrote, straight from its bytes: gaps count from
    /// `base`, and no index may be above `last`.
    ///
    /// # Errors
    /// Bytes it cannot have written, another number of values, or too many in all: the sum is worthless
    /// then until cleared.
    #[inline]
    pub(super) fn add_within(&mut self, bytes: &[u8], base: u32, last: u32, count: u64) -> Result<(), Malformed> {
        self.expect(count)?;
        let (seen, found) = match &mut self.counts {
            Counts::Narrow(counts) => Pouring::pour(counts, bytes, base, last),
            Counts::Wide(counts) => Pouring::pour(counts, bytes, base, last),
        };
        if let Some((first, last)) = seen {
            self.widen(first, last);
        }
        if found? == count { Ok(()) } else { Err(SHORT_COUNT) }
    }

    /// Makes the total greater, and the counts wide if they have to be.
    #[inline]
    fn expect(&mut self, count: u64) -> Result<(), Malformed> {
        self.total = self.total.checked_add(count).ok_or(TOO_MANY)?;
        if self.total > u64::from(u32::MAX)
            && let Counts::Narrow(narrow) = &self.counts
        {
            self.counts = Counts::Wide(narrow.iter().map(|&count| count.into()).collect());
        }
        Ok(())
    }

    /// Marks `first..=last` as touched.
    #[inline]
    fn widen(&mut self, first: u32, last: u32) {
        if self.from >= self.to {
            (self.from, self.to) = (first, last + 1);
        } else {
            self.from = self.from.min(first);
            self.to = self.to.max(last + 1);
        }
    }

    /// The quantile of `ppm` millionths: the middle of the bucket that holds the value of that
    /// [`rank`], clamped to the exact `min` and `max`. `None` when it is empty.
    pub fn quantile(&self, ppm: u32, min: u64, max: u64) -> Option<u64> {
        let mut answer = [None];
        self.quantiles(&[ppm], min, max, &mut answer);
        answer[0]
    }

    /// Several quantiles at once, cheapest when `ppm` ascends; `out` gets as many answers as fit.
    pub fn quantiles(&self, ppm: &[u32], min: u64, max: u64, out: &mut [Option<u64>]) {
        match &self.counts {
            Counts::Narrow(counts) => self.quantiles_of(counts, ppm, min, max, out),
            Counts::Wide(counts) => self.quantiles_of(counts, ppm, min, max, out),
        }
    }

    fn quantiles_of<S: Slot>(&self, counts: &[S], ppm: &[u32], min: u64, max: u64, out: &mut [Option<u64>]) {
        let filled = counts.get(self.from as usize..self.to as usize).unwrap_or(&[]);
        let mut walk = Walk { at: 0, seen: 0 };
        for (&ppm, out) in ppm.iter().zip(out) {
            let found = walk.to(filled, rank(self.total, ppm)).map(|at| self.from + at as u32);
            *out = found.map(|index| clamp(midpoint(index), min, max));
        }
    }

    /// How many values lie in buckets wholly above `threshold`: those greater than it, but for the
    /// ones that share its bucket (0.1 %).
    pub fn count_above(&self, threshold: u64) -> u64 {
        let from = index_of(threshold) + 1;
        self.iter().skip_while(|&(index, _)| index < from).fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The non-empty buckets in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        (self.from..self.to).map(|index| (index, self.counts.get(index))).filter(|&(_, count)| count > 0)
    }

    /// Greatest value that the highest bucket in use can hold; `None` when it is empty.
    pub fn upper_bound(&self) -> Option<u64> {
        self.iter().last().map(|(index, _)| highest(index))
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Counts {
    #[inline]
    fn get(&self, index: u32) -> u64 {
        match self {
            Self::Narrow(counts) => counts[index as usize].into(),
            Self::Wide(counts) => counts[index as usize],
        }
    }
}

/// How far a search for ranks has come.
struct Walk {
    at: usize,
    /// Values before `at`.
    seen: u64,
}

impl Walk {
    /// The place of the value of `rank` in `counts`.
    fn to<S: Slot>(&mut self, counts: &[S], rank: u64) -> Option<usize> {
        if rank <= self.seen {
            *self = Self { at: 0, seen: 0 };
        }
        // Sums of eight are cheap; only the eight that hold the rank are looked at one by one.
        while let Some(eight) = counts[self.at..].first_chunk::<8>() {
            let sum = eight.iter().fold(0_u64, |sum, &count| sum.wrapping_add(count.into()));
            if self.seen.saturating_add(sum) >= rank {
                break;
            }
            self.seen += sum;
            self.at += 8;
        }
        let mut seen = self.seen;
        counts
            .iter()
            .skip(self.at)
            .position(|&count| {
                seen = seen.saturating_add(count.into());
                seen >= rank
            })
            .map(|more| self.at + more)
    }
}

const TOO_MANY: Malformed = Malformed("more than 2^64 values in a histogram");

/// `value` within the bounds; unlike `Ord::clamp` it takes bounds in the wrong order (no values).
#[inline]
pub(super) const fn clamp(value: u64, min: u64, max: u64) -> u64 {
    if value > max {
        max
    } else if value < min {
        min
    } else {
        value
    }
}
