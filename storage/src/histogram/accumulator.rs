//! Many histograms added up into one dense array, and quantiles of it.

use super::codec::decode_within;
use super::{INDEX_END, Malformed, highest, index_of, midpoint};

/// Buckets the array grows by: one octave.
const OCTAVE: usize = 1024;

/// Sum of histograms. Made once, cleared and filled again for each group: clearing touches only
/// what was filled.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    /// Counts by index, as long as the highest octave seen; 440 KiB at most.
    counts: Vec<u64>,
    /// Buckets outside `from..to` are empty.
    from: u32,
    to: u32,
    total: u64,
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
        let to = (self.to as usize).min(self.counts.len());
        if (self.from as usize) < to {
            self.counts[self.from as usize..to].fill(0);
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
        self.total = self.total.checked_add(count).ok_or(TOO_MANY)?;
        self.reach(index, index);
        self.counts[index as usize] += count;
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
        let (from, to) = (other.from as usize, other.to as usize);
        let Some(theirs) = other.counts.get(from..to).filter(|filled| !filled.is_empty()) else { return Ok(()) };
        self.total = self.total.checked_add(other.total).ok_or(TOO_MANY)?;
        self.reach(other.from, other.to - 1);
        self.counts[from..to].iter_mut().zip(theirs).for_each(|(mine, count)| *mine += count);
        Ok(())
    }

    /// Adds what [`super::encode`] wrote, straight from its bytes.
    ///
    /// # Errors
    /// Bytes it cannot have written, or too many values: the sum is worthless then until cleared.
    pub fn add_encoded(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.add_within(bytes, 0, INDEX_END - 1).map(|_| ())
    }

    /// The same for gaps from `base` with no index above `last`; returns how many values came.
    #[inline]
    pub(super) fn add_within(&mut self, bytes: &[u8], base: u32, last: u32) -> Result<u64, Malformed> {
        // Reaching out to `last` beforehand keeps the loop free of growing; with a wide `last` it
        // would clear too much later, so take the last index really seen for the bounds.
        let (mut first_seen, mut last_seen) = (u32::MAX, 0);
        let counts = &mut self.counts;
        let result = decode_within(bytes, base, last, |index, count| {
            if index as usize >= counts.len() {
                counts.resize((index as usize / OCTAVE + 1) * OCTAVE, 0);
            }
            // Wrapping: a total that overflows is noticed below.
            counts[index as usize] = counts[index as usize].wrapping_add(count);
            first_seen = first_seen.min(index);
            last_seen = index;
        });
        if first_seen <= last_seen {
            self.widen(first_seen, last_seen);
        }
        let added = result?;
        self.total = self.total.checked_add(added).ok_or(TOO_MANY)?;
        Ok(added)
    }

    /// Makes room for `first..=last` and marks it as touched.
    #[inline]
    fn reach(&mut self, first: u32, last: u32) {
        if last as usize >= self.counts.len() {
            self.counts.resize((last as usize / OCTAVE + 1) * OCTAVE, 0);
        }
        self.widen(first, last);
    }

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
        let mut walk = Walk { at: self.from as usize, seen: 0 };
        for (&ppm, out) in ppm.iter().zip(out) {
            *out = self.index_at(&mut walk, rank(self.total, ppm)).map(|index| clamp(midpoint(index), min, max));
        }
    }

    /// The bucket that holds the value of `rank`.
    fn index_at(&self, walk: &mut Walk, rank: u64) -> Option<u32> {
        if self.total == 0 {
            return None;
        }
        if rank <= walk.seen {
            *walk = Walk { at: self.from as usize, seen: 0 };
        }
        let counts = &self.counts[..self.to as usize];
        // Sums of eight are cheap; only the eight that hold the rank are looked at one by one.
        while let Some(eight) = counts[walk.at..].first_chunk::<8>() {
            let sum = eight.iter().fold(0_u64, |sum, &count| sum.wrapping_add(count));
            if walk.seen.saturating_add(sum) >= rank {
                break;
            }
            walk.seen += sum;
            walk.at += 8;
        }
        let mut seen = walk.seen;
        for (at, &count) in counts.iter().enumerate().skip(walk.at) {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return u32::try_from(at).ok();
            }
        }
        None
    }

    /// How many values lie in buckets wholly above `threshold`: those greater than it, but for the
    /// ones that share its bucket (0.1 %).
    pub fn count_above(&self, threshold: u64) -> u64 {
        let from = (index_of(threshold) + 1).max(self.from) as usize;
        self.counts
            .get(from..self.to as usize)
            .map_or(0, |above| above.iter().fold(0, |sum: u64, &count| sum.saturating_add(count)))
    }

    /// The non-empty buckets in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let filled = self.counts.get(self.from as usize..self.to as usize).unwrap_or(&[]);
        (self.from..).zip(filled.iter().copied()).filter(|&(_, count)| count > 0)
    }

    /// Greatest value that the highest bucket in use can hold; `None` when it is empty.
    pub fn upper_bound(&self) -> Option<u64> {
        self.iter().last().map(|(index, _)| highest(index))
    }
}

/// How far a search for ranks has come.
struct Walk {
    at: usize,
    /// Values before `at`.
    seen: u64,
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
