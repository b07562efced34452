//! Which rows of a group are still in.

use crate::raw::{ABSENT, GROUP_ROWS, Packed, wide};

/// Rows of a group that are still in.
pub(super) struct Left {
    /// By row: all bits = in, none = out or beyond the group's rows. As wide as packed numbers, so that a
    /// comparison of vectors is one.
    masks: [u32; GROUP_ROWS],
    len: usize,
}

/// Numbers of the rows that are in, in order.
pub(super) struct Places {
    rows: [u8; GROUP_ROWS],
    len: usize,
}

/// Numbers that pass a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// The first one.
    pub(super) low: u64,
    /// So far beyond it is the last one.
    pub(super) span: u64,
    /// Those in it pass; else all others do. No number never passes.
    pub(super) inside: bool,
}

/// Ids that pass.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    /// Those whose bit is set; there are no more than 64.
    Few(u64),
    /// By id.
    Many(Vec<bool>),
}

/// All rows in order.
const EVERY: [u8; GROUP_ROWS] = {
    let (mut rows, mut row) = ([0; GROUP_ROWS], 0);
    while row < GROUP_ROWS {
        rows[row] = row as u8;
        row += 1;
    }
    rows
};

impl Left {
    /// All `rows` rows of a group.
    pub(super) fn all(rows: usize) -> Self {
        let len = rows.min(GROUP_ROWS);
        let mut masks = [u32::MAX; GROUP_ROWS];
        masks[len..].fill(0);
        Self { masks, len }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows that are in, for loops over them.
    pub(super) fn places(&self) -> Places {
        if self.len == GROUP_ROWS {
            return Places { rows: EVERY, len: GROUP_ROWS };
        }
        let (mut rows, mut len) = ([0; GROUP_ROWS], 0_u8);
        for (row, &mask) in (0..=u8::MAX).zip(&self.masks) {
            // Not all are in, so there are fewer than 256 before any of them.
            rows[usize::from(len)] = row;
            len = len.wrapping_sub(mask as u8);
        }
        Places { rows, len: self.len }
    }

    /// Takes out rows for which `keep` says so.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (row, mask) in self.masks.iter_mut().enumerate().filter(|(_, mask)| **mask != 0) {
            *mask = mask_of(keep(row));
        }
        self.len = count(&self.masks) as usize;
    }

    /// Takes out rows whose value does not pass.
    pub(super) fn retain_stretch(&mut self, values: &[u64; GROUP_ROWS], stretch: Stretch) {
        let Stretch { low, span, inside } = stretch;
        self.len = keep_stretch(&mut self.masks, values, low, span, mask_of(!inside)) as usize;
    }

    /// Takes out rows whose value was not asked about.
    pub(super) fn retain_packed(&mut self, Packed { words, within, .. }: Packed<'_>) {
        self.len = match within {
            Some((first, last)) => keep_words(&mut self.masks, words, first, last - first) as usize,
            None => {
                self.masks.fill(0);
                0
            }
        };
    }

    /// Takes out rows whose number is not the place of a bit that is set.
    pub(super) fn retain_bits(&mut self, numbers: &[u32; GROUP_ROWS], bits: u64) {
        self.len = keep_bits(&mut self.masks, numbers, bits) as usize;
    }

    /// Takes out rows whose id does not pass.
    pub(super) fn retain_listed(&mut self, ids: &[u64; GROUP_ROWS], listed: &Listed) {
        for (mask, &id) in self.masks.iter_mut().zip(ids) {
            *mask &= mask_of(listed.get(id).unwrap_or(false));
        }
        self.len = count(&self.masks) as usize;
    }

    /// How many of the rows that are in have this value.
    pub(super) fn count_equal(&self, values: &[u64; GROUP_ROWS], value: u64) -> usize {
        count_equal(&self.masks, values, value) as usize
    }
}

impl Places {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.rows[..self.len].iter().map(|&row| usize::from(row))
    }
}

impl Listed {
    pub(super) fn new(list: Vec<bool>) -> Self {
        if list.len() > 64 {
            return Self::Many(list);
        }
        Self::Few(list.iter().rev().fold(0, |bits, &passes| bits << 1 | u64::from(passes)))
    }

    /// Whether an id passes; `None` when there is none like it.
    fn get(&self, id: u64) -> Option<bool> {
        match self {
            Self::Few(bits) => (id < 64).then(|| bits >> id & 1 == 1),
            Self::Many(list) => list.get(id as usize).copied(),
        }
    }

    /// Whether some id from `first` to `last` passes; ids that do not exist do.
    pub(super) fn any(&self, first: u64, last: u64) -> bool {
        (first..=last).any(|id| self.get(id).unwrap_or(true))
    }
}

/// All bits or none.
#[inline]
const fn mask_of(is: bool) -> u32 {
    (is as u32).wrapping_neg()
}

wide! {
    fn count(masks: &[u32; GROUP_ROWS]) -> u32 {
        masks.iter().fold(0, |sum, mask| sum.wrapping_sub(*mask))
    }
}

wide! {
    /// Keeps what lies in a stretch, or with all bits in `turned` what does not.
    fn keep_stretch(masks: &mut [u32; GROUP_ROWS], values: &[u64; GROUP_ROWS], low: u64, span: u64, turned: u32) -> u32 {
        let mut kept = 0_u32;
        for (mask, &value) in masks.iter_mut().zip(values) {
            *mask &= (mask_of(value.wrapping_sub(low) <= span) ^ turned) & mask_of(value != ABSENT);
            kept = kept.wrapping_sub(*mask);
        }
        kept
    }
}

wide! {
    fn keep_words(masks: &mut [u32; GROUP_ROWS], words: &[u32; GROUP_ROWS], first: u32, span: u32) -> u32 {
        let mut kept = 0_u32;
        for (mask, &word) in masks.iter_mut().zip(words) {
            *mask &= mask_of(word.wrapping_sub(first) <= span);
            kept = kept.wrapping_sub(*mask);
        }
        kept
    }
}

wide! {
    fn keep_bits(masks: &mut [u32; GROUP_ROWS], words: &[u32; GROUP_ROWS], bits: u64) -> u32 {
        let (low, high) = (bits as u32, (bits >> 32) as u32);
        let mut kept = 0_u32;
        for (mask, &word) in masks.iter_mut().zip(words) {
            let half = if word < 32 { low } else { high };
            *mask &= (half >> (word & 31) & 1).wrapping_neg() & mask_of(word < 64);
            kept = kept.wrapping_sub(*mask);
        }
        kept
    }
}

wide! {
    fn count_equal(masks: &[u32; GROUP_ROWS], values: &[u64; GROUP_ROWS], value: u64) -> u32 {
        masks.iter().zip(values).fold(0, |sum, (mask, &v)| sum.wrapping_sub(*mask & mask_of(v == value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![4 => 0..70_u64, 1 => Just(ABSENT), 1 => any::<u64>()];
        prop::collection::vec(value, 1..=GROUP_ROWS)
    }

    proptest! {
        /// What is left after any tests are the rows that pass each of them, in order.
        #[test]
        fn rows_are_left_that_pass_every_test(
            values in group(),
            stretches in prop::collection::vec((any::<bool>(), 0..70_u64, prop_oneof![0..70_u64, Just(u64::MAX)]), 0..3),
            packed in prop::option::of((0..70_u32, prop_oneof![0..70_u32, Just(u32::MAX)])),
            listed in prop::option::of(prop::collection::vec(any::<bool>(), 1..90)),
            odd in any::<bool>(),
        ) {
            // Behind a group's rows stands what was there before.
            let mut space = [7; GROUP_ROWS];
            space[..values.len()].copy_from_slice(&values);
            let mut left = Left::all(values.len());
            let mut expected: Vec<usize> = (0..values.len()).collect();
            for (inside, low, span) in stretches {
                let span = span.min(u64::MAX - low);
                left.retain_stretch(&space, Stretch { low, span, inside });
                let within = |v: u64| low <= v && v <= low + span;
                expected.retain(|row| values[*row] != ABSENT && within(values[*row]) == inside);
            }
            if let Some((first, last)) = packed {
                let words = space.map(|value| value as u32);
                let within = (first <= last).then_some((first, last));
                left.retain_packed(Packed { words: &words, within, line: None });
                expected.retain(|row| (first..=last).contains(&words[*row]));
                let bits = u64::from(first) << 30 | u64::from(last);
                left.retain_bits(&words, bits);
                expected.retain(|row| words[*row] < 64 && bits >> words[*row] & 1 == 1);
            }
            if let Some(list) = listed {
                expected.retain(|row| list.get(values[*row] as usize).is_some_and(|passes| *passes));
                left.retain_listed(&space, &Listed::new(list));
            }
            if odd {
                left.retain(|row| row % 2 == 1);
                expected.retain(|row| row % 2 == 1);
            }
            prop_assert_eq!(left.places().iter().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!((left.len(), left.is_empty()), (expected.len(), expected.is_empty()));
            prop_assert_eq!(left.count_equal(&space, 7), expected.iter().filter(|row| values[**row] == 7).count());
        }
    }
}
