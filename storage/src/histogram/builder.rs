//! Lists of values, and of counts, turned into sparse counts.

use super::dense::OCTAVE;
use super::{Counts, INDEX_END, index_of};

/// From so many entries on, counting in an array beats sorting.
const COUNTING_MIN: usize = 48;

/// Makes [`Counts`]; keeps its work space from one list to the next.
#[derive(Clone, Debug, Default)]
pub struct CountsBuilder {
    indices: Vec<u32>,
    dense: Dense,
}

impl CountsBuilder {
    /// The counts of `values`, in any order.
    pub fn build(&mut self, values: &[u64]) -> Counts {
        let mut indices = std::mem::take(&mut self.indices);
        indices.clear();
        indices.extend(values.iter().map(|&v| index_of(v)));
        let counts = self.of_indices(&mut indices);
        self.indices = indices;
        counts
    }

    /// The counts of values by their indices, which are left in any order.
    pub(crate) fn of_indices(&mut self, indices: &mut [u32]) -> Counts {
        if indices.len() >= COUNTING_MIN {
            indices.iter().for_each(|&index| self.dense.add(index, 1));
            return self.dense.take();
        }
        indices.sort_unstable();
        let mut counts = Counts::with_capacity(indices.len());
        counts.extend(indices.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)));
        counts
    }

    /// Brings entries that were appended to each other into order, and adds those of one index.
    pub(crate) fn settle(&mut self, counts: &mut Counts) {
        if counts.len() >= COUNTING_MIN {
            counts.iter().for_each(|&(index, count)| self.dense.add(index, count));
            *counts = self.dense.take();
            return;
        }
        // A stable sort finds the sorted runs it is made of.
        counts.sort_by_key(|(index, _)| *index);
        counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
    }
}

/// A count for each index up to the highest octave seen; all 0 between lists. 440 KiB at most.
#[derive(Clone, Debug, Default)]
struct Dense {
    counts: Vec<u64>,
    /// A bit for each count above 0.
    there: Vec<u64>,
    len: usize,
}

impl Dense {
    #[inline]
    fn add(&mut self, index: u32, count: u64) {
        let at = index.min(INDEX_END - 1) as usize;
        if at >= self.counts.len() {
            let octaves = at / OCTAVE + 1;
            self.counts.resize(octaves * OCTAVE, 0);
            self.there.resize(octaves * OCTAVE / 64, 0);
        }
        self.len += usize::from(self.counts[at] == 0);
        self.counts[at] += count;
        self.there[at / 64] |= 1 << (at % 64);
    }

    /// All counts in order of index; none are left.
    fn take(&mut self) -> Counts {
        let mut counts = Counts::with_capacity(std::mem::take(&mut self.len));
        for (first, bits) in (0..).step_by(64).zip(&mut self.there) {
            let mut bits = std::mem::take(bits);
            while bits != 0 {
                let index = first + bits.trailing_zeros();
                counts.push((index, std::mem::take(&mut self.counts[index as usize])));
                bits &= bits - 1;
            }
        }
        counts
    }
}
