//! A distribution of a window that moves: what leaves is taken out, what comes is put in.

use ax_storage::histogram::{index_of, midpoint, rank};

/// Buckets that are counted as one when a rank is sought.
const COARSE: usize = 128;

/// Counts by bucket of the histogram.
#[derive(Debug, Default)]
pub(super) struct Slide {
    from: usize,
    to: usize,
    fine: Vec<u64>,
    coarse: Vec<u64>,
    total: u64,
}

impl Slide {
    /// Moves to the minutes `from..to`.
    pub(super) fn to(&mut self, from: usize, to: usize, values: &[Vec<(u32, u64)>]) {
        if from < self.from || from >= self.to || to < self.to {
            self.fine.fill(0);
            self.coarse.fill(0);
            (self.from, self.to, self.total) = (from, from, 0);
        }
        let minutes = |a: usize, b: usize| values.get(a..b).unwrap_or_default().iter().flatten();
        for &(index, count) in minutes(self.from, from) {
            self.fine[index as usize] -= count;
            self.coarse[index as usize / COARSE] -= count;
            self.total -= count;
        }
        for &(index, count) in minutes(self.to, to) {
            let index = index as usize;
            if self.fine.len() <= index {
                self.fine.resize((index / COARSE + 1) * COARSE, 0);
                self.coarse.resize(index / COARSE + 1, 0);
            }
            self.fine[index] += count;
            self.coarse[index / COARSE] += count;
            self.total += count;
        }
        (self.from, self.to) = (from, to);
    }

    /// The quantile `ppm` millionths, within the least and greatest value.
    pub(super) fn quantile(&self, ppm: u32, (min, max): (u64, u64)) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = rank(self.total, ppm);
        let mut seen = 0;
        let block = self.coarse.iter().position(|n| {
            seen += n;
            seen >= wanted
        })?;
        seen -= self.coarse[block];
        let first = block * COARSE;
        let inside = self.fine[first..].iter().position(|n| {
            seen += n;
            seen >= wanted
        })?;
        Some(midpoint(u32::try_from(first + inside).ok()?).min(max).max(min))
    }

    /// Values in buckets above that of `bound`.
    pub(super) fn count_above(&self, bound: u64) -> u64 {
        let index = index_of(bound) as usize + 1;
        let block = index.div_ceil(COARSE);
        let fine = self.fine.get(index..(block * COARSE).min(self.fine.len())).unwrap_or_default();
        fine.iter().sum::<u64>() + self.coarse.get(block..).unwrap_or_default().iter().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_moves_holds_what_it_should() {
        let minutes: Vec<Vec<(u32, u64)>> =
            (0..50_u64).map(|i| vec![(index_of(i * 1000), 1), (index_of(7), i % 3)]).collect();
        let mut slide = Slide::default();
        for (from, to) in [(0, 5), (2, 9), (2, 9), (8, 20), (30, 31), (10, 40), (12, 30), (12, 12)] {
            slide.to(from, to, &minutes);
            let mut all: Vec<u64> = (from as u64..to as u64).map(|i| i * 1000).collect();
            all.extend((from as u64..to as u64).flat_map(|i| std::iter::repeat_n(7, (i % 3) as usize)));
            all.sort_unstable();
            for ppm in [0, 250_000, 500_000, 950_000, 1_000_000] {
                let expected = (!all.is_empty()).then(|| all[rank(all.len() as u64, ppm) as usize - 1]);
                let got = slide.quantile(ppm, (0, u64::MAX));
                assert_eq!(got.map(index_of), expected.map(index_of), "{from}..{to} {ppm}");
            }
            for bound in [0, 7, 12_000, 1 << 40] {
                let above = all.iter().filter(|v| index_of(**v) > index_of(bound)).count() as u64;
                assert_eq!(slide.count_above(bound), above, "{from}..{to} above {bound}");
            }
        }
    }
}
