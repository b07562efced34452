//! Lists of values turned into sparse counts.

use super::{Counts, INDEX_END, index_of};

/// From so many values on, counting in an array beats sorting.
const COUNTING_MIN: usize = 512;
/// Values up to so many are sorted in place on the stack.
const SMALL_MAX: usize = 32;

/// Turns lists of values into [`Counts`]; keeps its work space between lists.
#[derive(Clone, Debug, Default)]
pub struct CountsBuilder {
    indices: Vec<u32>,
    dense: Vec<u64>,
}

impl CountsBuilder {
    /// The counts of `values`, in any order.
    pub fn build(&mut self, values: &[u64]) -> Counts {
        let mut counts = Counts::new();
        self.build_into(values, &mut counts);
        counts
    }

    /// The same, replacing what is in `counts`.
    pub fn build_into(&mut self, values: &[u64], counts: &mut Counts) {
        counts.clear();
        match values {
            [] => {}
            [one] => counts.push((index_of(*one), 1)),
            few if few.len() <= SMALL_MAX => small(few, counts),
            many if many.len() < COUNTING_MIN => {
                self.indices.clear();
                self.indices.extend(many.iter().map(|&v| index_of(v)));
                self.indices.sort_unstable();
                group(&self.indices, counts);
            }
            many => self.count(many, counts),
        }
    }

    fn count(&mut self, values: &[u64], counts: &mut Counts) {
        let (mut from, mut to) = (INDEX_END, 0);
        for &value in values {
            let index = index_of(value);
            if index as usize >= self.dense.len() {
                self.dense.resize((index as usize / 1024 + 1) * 1024, 0);
            }
            self.dense[index as usize] += 1;
            from = from.min(index);
            to = to.max(index);
        }
        for (index, count) in (from..=to).zip(&mut self.dense[from as usize..=to as usize]) {
            if *count > 0 {
                counts.push((index, std::mem::take(count)));
            }
        }
    }
}

/// Insertion sort on the stack: for a handful of values nothing is faster.
fn small(values: &[u64], counts: &mut Counts) {
    let mut sorted = [0_u32; SMALL_MAX];
    for (n, &value) in values.iter().enumerate() {
        let index = index_of(value);
        let mut at = n;
        while at > 0 && sorted[at - 1] > index {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = index;
    }
    counts.reserve_exact(values.len());
    group(&sorted[..values.len()], counts);
}

/// Joins equal neighbours.
fn group(sorted: &[u32], counts: &mut Counts) {
    for &index in sorted {
        match counts.last_mut() {
            Some((last, count)) if *last == index => *count += 1,
            _ => counts.push((index, 1)),
        }
    }
}
