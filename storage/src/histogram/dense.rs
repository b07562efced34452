//! Arrays of counts by index, of 32 or 64 bits each.

use std::ops::Range;

use super::Malformed;
use super::codec::{Sink, decode_within};

/// Buckets an array grows by: one octave.
pub(super) const OCTAVE: usize = 1024;

/// A count. Sums wrap: who adds has seen to it that the total fits, or damaged bytes are found out
/// afterwards.
pub(super) trait Slot: Copy + Default + Into<u64> {
    fn plus(self, count: u64) -> Self;
}

impl Slot for u32 {
    #[inline(always)]
    fn plus(self, count: u64) -> Self {
        self.wrapping_add(count as Self)
    }
}

impl Slot for u64 {
    #[inline(always)]
    fn plus(self, count: u64) -> Self {
        self.wrapping_add(count)
    }
}

/// The counts of the `N` buckets from `first` on; there are more of them if need be.
#[inline]
fn place<S: Slot, const N: usize>(counts: &mut Vec<S>, first: u32) -> &mut [S; N] {
    let (first, end) = (first as usize, first as usize + N);
    if end > counts.len() {
        counts.resize(end.next_multiple_of(OCTAVE), S::default());
    }
    counts[first..].first_chunk_mut().expect("it was made long enough")
}

#[inline]
pub(super) fn add_one<S: Slot>(counts: &mut Vec<S>, index: u32, count: u64) {
    let [slot] = place(counts, index);
    *slot = slot.plus(count);
}

pub(super) fn add_range<M: Slot, T: Slot>(mine: &mut Vec<M>, theirs: &[T], range: Range<u32>) {
    place::<_, 1>(mine, range.end - 1);
    let range = range.start as usize..range.end as usize;
    for (mine, theirs) in mine[range.clone()].iter_mut().zip(&theirs[range]) {
        *mine = mine.plus((*theirs).into());
    }
}

/// Adds entries in order of index, and keeps in mind where they lie.
pub(super) struct Pouring<'a, S> {
    counts: &'a mut Vec<S>,
    first: u32,
    last: u32,
}

impl<'a, S: Slot> Pouring<'a, S> {
    /// Adds encoded counts: which buckets were touched, and how many values came.
    pub(super) fn pour(
        counts: &'a mut Vec<S>,
        bytes: &[u8],
        base: u32,
        last: u32,
    ) -> (Option<(u32, u32)>, Result<u64, Malformed>) {
        let mut pouring = Pouring { counts, first: u32::MAX, last: 0 };
        let result = decode_within(bytes, base, last, &mut pouring);
        ((pouring.first <= pouring.last).then_some((pouring.first, pouring.last)), result)
    }

    #[inline]
    fn note(&mut self, first: u32, last: u32) {
        self.first = self.first.min(first);
        self.last = last;
    }
}

impl<S: Slot> Sink for Pouring<'_, S> {
    #[inline]
    fn one(&mut self, index: u32, count: u64) {
        add_one(self.counts, index, count);
        self.note(index, index);
    }

    #[inline]
    fn eight(&mut self, first: u32, counts: [u8; 8]) {
        let places = place::<_, 8>(self.counts, first);
        places.iter_mut().zip(counts).for_each(|(place, count)| *place = place.plus(count.into()));
        self.note(first, first + 7);
    }
}
