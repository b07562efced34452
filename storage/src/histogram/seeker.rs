//! Finds the buckets that hold given ranks, passing over the entries before them eight at a time.
//!
//! In the bytes of a histogram most tokens are one byte: a gap and the count 1, whose lowest and
//! highest bits are 0, or the count of one bucket of a run. Eight such bytes are looked at as one
//! word, and where neither the rank nor a bucket that somebody waits for lies among them, the sum of
//! their gaps (or counts) is all that is needed. Nearly all others have two bytes (a gap and a small
//! count, or a wide gap and the count 1): one of them after the single bytes of a word goes with them.

use super::codec::{HEAVY, NOT_SHORT, RUN, count_after, run_span, seek, sum_of_bytes};
use super::varint::Input;
use super::{INDEX_END, Malformed};

/// Bits that a gap with count 1 has not set, in eight bytes.
const NOT_SINGLE: u64 = 0x8181_8181_8181_8181;

/// A position in a histogram. Counts are not compared with what the histogram says of itself.
#[derive(Clone, Debug)]
pub(super) struct Seeker<'a> {
    input: Input<'a>,
    /// The bucket after the last one taken.
    next: u64,
    last: u32,
    /// Buckets left of the current run.
    run: u32,
    /// The buckets of the least and of the greatest value where they stand beside the bytes.
    least: Option<u32>,
    greatest: Option<u32>,
    seen: u64,
}

impl<'a> Seeker<'a> {
    /// The beginning of counts between `edges`, whose values stand beside the bytes, or of all counts.
    pub(super) fn new(bytes: &'a [u8], edges: Option<(u32, u32)>) -> Self {
        let (first, last) = edges.unwrap_or((0, INDEX_END - 1));
        Self {
            input: Input::new(bytes),
            next: first.into(),
            last,
            run: 0,
            least: edges.map(|e| e.0),
            greatest: edges.map(|e| e.1),
            seen: 0,
        }
    }

    /// How many values it has passed.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes entries up to the one that holds the value of `rank` (more than were seen) and returns
    /// its bucket; `None` when there is none below bucket `before`.
    ///
    /// # Errors
    /// Damaged bytes.
    pub(super) fn seek(&mut self, rank: u64, before: u32) -> Result<Option<u32>, Malformed> {
        if let Some(least) = self.least {
            if least >= before {
                return Ok(None);
            }
            (self.least, self.seen) = (None, self.seen.saturating_add(1));
            if self.seen >= rank {
                return Ok(Some(least));
            }
        }
        // Where a scan by eights has to stop and look.
        let limit = u64::from(before.min(self.last + 1));
        loop {
            if self.run > 0 {
                if let Some(found) = self.in_run(rank, limit)? {
                    return Ok(Some(found));
                }
                if self.run > 0 {
                    return Ok(None);
                }
            }
            self.pass_short(rank, limit);
            if self.input.is_empty() {
                let greatest = self.greatest.take_if(|greatest| *greatest < before);
                self.seen = self.seen.saturating_add(u64::from(greatest.is_some()));
                return Ok(greatest.filter(|_| self.seen >= rank));
            }
            let mut input = self.input;
            let token = input.number()?;
            if token & RUN == RUN {
                let first = seek(self.next, token >> 2, self.last)?;
                (self.run, self.next) = (run_span(&mut input, first, self.last)?, first.into());
                self.input = input;
                continue;
            }
            let (gap, count) =
                if token & RUN == HEAVY { (token >> 2, count_after(&mut input)?) } else { (token >> 1, 1) };
            let index = seek(self.next, gap, self.last)?;
            if index >= before {
                return Ok(None);
            }
            (self.input, self.next, self.seen) = (input, u64::from(index) + 1, self.seen.saturating_add(count));
            if self.seen >= rank {
                return Ok(Some(index));
            }
        }
    }

    /// Passes over entries of one or two bytes each, as long as neither `rank` nor `limit` lies among them.
    #[inline]
    fn pass_short(&mut self, rank: u64, limit: u64) {
        while let Some(word) = self.input.word() {
            let others = word & NOT_SINGLE;
            let (singles, before_them) = if others == 0 {
                (8, word)
            } else {
                let singles = others.trailing_zeros() / 8;
                (singles, word & !(u64::MAX << (8 * singles)))
            };
            let next = self.next + sum_of_bytes(before_them >> 1) + u64::from(singles);
            let seen = self.seen.saturating_add(singles.into());
            let (buckets, values) = if singles < 7 { pair(word >> (8 * singles)) } else { (0, 0) };
            let (next_with, seen_with) = (next + buckets, seen.saturating_add(values));
            if values > 0 && seen_with < rank && next_with <= limit {
                self.input.pass(singles as usize + 2);
                (self.next, self.seen) = (next_with, seen_with);
            } else if singles > 0 && seen < rank && next <= limit {
                self.input.pass(singles as usize);
                (self.next, self.seen) = (next, seen);
            } else {
                return;
            }
        }
    }

    /// Goes on in a run; with `None` it ended, or the next bucket is not below `limit`.
    #[inline]
    fn in_run(&mut self, rank: u64, limit: u64) -> Result<Option<u32>, Malformed> {
        while self.run > 0 && self.next < limit {
            if let Some(word) = self.input.word()
                && word & NOT_SHORT == 0
                && self.run >= 8
                && self.next + 8 <= limit
            {
                let seen = self.seen.saturating_add(sum_of_bytes(word));
                if seen < rank {
                    self.input.pass(8);
                    (self.next, self.run, self.seen) = (self.next + 8, self.run - 8, seen);
                    continue;
                }
            }
            let count = self.input.number()?;
            let index = self.next as u32;
            (self.next, self.run, self.seen) = (self.next + 1, self.run - 1, self.seen.saturating_add(count));
            if self.seen >= rank {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

/// Buckets and values of the entry whose two bytes are the lowest of `word`; no values where they are
/// another kind of token.
#[inline]
const fn pair(word: u64) -> (u64, u64) {
    let (low, high) = (word & 0xFF, word >> 8 & 0xFF);
    if high >= 0x80 {
        (0, 0)
    } else if low & (0x80 | RUN) == HEAVY {
        ((low >> 2) + 1, high + 2)
    } else if low & 0x81 == 0x80 {
        (((low & 0x7F | high << 7) >> 1) + 1, 1)
    } else {
        (0, 0)
    }
}
