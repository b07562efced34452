//! Sparse counts as bytes.
//!
//! A string of tokens up to its end. Each begins with a LEB128 number whose low bits say its kind
//! and whose rest is how many empty buckets lie between here and the bucket before (the first counts
//! from `base`, which the container knows):
//!
//! ```text
//! gap << 1               one bucket with count 1
//! gap << 2 | 0b01        one bucket; its count - 2 follows
//! gap << 2 | 0b11        a run: how many buckets, then the count of each (0 in the middle is allowed)
//! ```
//!
//! A few values cost two bytes each at most; a dense stretch costs a byte a bucket.

use super::varint::{self, Input};
use super::{INDEX_END, Malformed};

/// A run goes on over so many empty buckets: each costs a byte, a new token two.
const BRIDGED_MAX: u32 = 2;

/// Appends `counts` (strictly increasing indices below [`INDEX_END`], counts above zero).
pub fn encode(counts: &[(u32, u64)], out: &mut Vec<u8>) {
    encode_from(0, counts, out);
}

/// The same, with gaps counted from bucket `base`, which must not be above the first index.
pub fn encode_from(base: u32, counts: &[(u32, u64)], out: &mut Vec<u8>) {
    debug_assert!(counts.windows(2).all(|w| w[0].0 < w[1].0), "indices increase");
    let mut next = base;
    let mut rest = counts;
    while !rest.is_empty() {
        let (stretch, after) = rest.split_at(stretch_len(rest));
        next = encode_stretch(next, stretch, out);
        rest = after;
    }
}

/// How many of the first entries lie close enough together for one run.
fn stretch_len(counts: &[(u32, u64)]) -> usize {
    1 + counts.windows(2).take_while(|w| w[1].0 - w[0].0 <= BRIDGED_MAX + 1).count()
}

/// Writes a stretch in the shorter of the two ways; returns the bucket after it.
fn encode_stretch(mut next: u32, stretch: &[(u32, u64)], out: &mut Vec<u8>) -> u32 {
    if let &[(index, count)] = stretch {
        put_pair(u64::from(index - next), count, out);
        return index + 1;
    }
    let (first, last) = (stretch[0].0, stretch[stretch.len() - 1].0);
    let gap = u64::from(first - next);
    let span = u64::from(last - first) + 1;
    let mut run_len = varint::len(gap << 2) + varint::len(span) + (span as usize - stretch.len());
    let (mut pairs_len, mut at) = (0, next);
    for &(index, count) in stretch {
        run_len += varint::len(count);
        pairs_len += pair_len(u64::from(index - at), count);
        at = index + 1;
    }
    if run_len < pairs_len {
        varint::put(out, gap << 2 | 0b11);
        varint::put(out, span);
        next = first;
        for &(index, count) in stretch {
            out.extend(std::iter::repeat_n(0, (index - next) as usize));
            varint::put(out, count);
            next = index + 1;
        }
        return next;
    }
    for &(index, count) in stretch {
        put_pair(u64::from(index - next), count, out);
        next = index + 1;
    }
    next
}

fn put_pair(gap: u64, count: u64, out: &mut Vec<u8>) {
    if count == 1 {
        varint::put(out, gap << 1);
    } else {
        varint::put(out, gap << 2 | 0b01);
        varint::put(out, count - 2);
    }
}

fn pair_len(gap: u64, count: u64) -> usize {
    if count == 1 { varint::len(gap << 1) } else { varint::len(gap << 2) + varint::len(count - 2) }
}

/// Hands the entries of `bytes` (written by [`encode`]) to `each` in order of index and returns the
/// sum of their counts.
///
/// # Errors
/// Bytes that [`encode`] cannot have written; `each` may have seen some entries by then.
#[inline]
pub fn decode(bytes: &[u8], mut each: impl FnMut(u32, u64)) -> Result<u64, Malformed> {
    decode_within(bytes, 0, INDEX_END - 1, &mut Each(&mut each))
}

/// Where decoded entries go.
pub(super) trait Sink {
    /// `count` values in bucket `index`.
    fn one(&mut self, index: u32, count: u64);

    /// The counts of eight buckets from `first` on, all below 128 and any of them 0.
    #[inline]
    fn eight(&mut self, first: u32, counts: [u8; 8]) {
        (first..).zip(counts).filter(|&(_, count)| count > 0).for_each(|(index, count)| self.one(index, count.into()));
    }
}

/// Entries one by one.
pub(super) struct Each<F>(pub(super) F);

impl<F: FnMut(u32, u64)> Sink for Each<F> {
    #[inline]
    fn one(&mut self, index: u32, count: u64) {
        self.0(index, count);
    }
}

/// The same for gaps counted from `base`; no index may be above `last`.
#[inline]
pub(super) fn decode_within(bytes: &[u8], base: u32, last: u32, sink: &mut impl Sink) -> Result<u64, Malformed> {
    let mut input = Input::new(bytes);
    let mut next = u64::from(base);
    let mut total = 0_u64;
    while !input.is_empty() {
        let token = input.number()?;
        let (gap, count) = match token & RUN {
            RUN => {
                let index = seek(next, token >> 2, last)?;
                let sum = decode_run(&mut input, index, last, &mut next, sink)?;
                total = total.checked_add(sum).ok_or(OVERFLOW)?;
                continue;
            }
            HEAVY => (token >> 2, count_after(&mut input)?),
            _ => (token >> 1, 1),
        };
        let index = seek(next, gap, last)?;
        total = total.checked_add(count).ok_or(OVERFLOW)?;
        sink.one(index, count);
        next = u64::from(index) + 1;
    }
    Ok(total)
}

/// The low bits of a token: one bucket whose count follows, and a run.
pub(super) const HEAVY: u64 = 0b01;
pub(super) const RUN: u64 = 0b11;

const OVERFLOW: Malformed = Malformed("the counts of a histogram overflow");

/// The bucket `gap` after `next`.
#[inline]
pub(super) fn seek(next: u64, gap: u64, last: u32) -> Result<u32, Malformed> {
    // `gap` is below 2^63 and `next` below 2^32, so the sum cannot overflow.
    let index = next + gap;
    if index > u64::from(last) { Err(Malformed("a histogram index is out of range")) } else { Ok(index as u32) }
}

#[inline]
pub(super) fn count_after(input: &mut Input<'_>) -> Result<u64, Malformed> {
    input.number()?.checked_add(2).ok_or(OVERFLOW)
}

/// How many buckets a run has, which must all be in range.
pub(super) fn run_span(input: &mut Input<'_>, first: u32, last: u32) -> Result<u32, Malformed> {
    let span = input.small_number()?;
    if span == 0 || span - 1 > last - first {
        return Err(Malformed("a run of a histogram is out of range"));
    }
    Ok(span)
}

const HOLLOW: Malformed = Malformed("a run of a histogram begins or ends empty");

#[inline]
fn decode_run(
    input: &mut Input<'_>,
    first: u32,
    last: u32,
    next: &mut u64,
    sink: &mut impl Sink,
) -> Result<u64, Malformed> {
    let span = run_span(input, first, last)?;
    let (mut total, mut at) = (0_u64, 0);
    while at < span {
        // Neither the first nor the last, which must not be 0.
        if at > 0
            && span - at > 8
            && let Some(word) = input.word().filter(|word| word & NOT_SHORT == 0)
        {
            total = total.checked_add(sum_of_bytes(word)).ok_or(OVERFLOW)?;
            sink.eight(first + at, word.to_le_bytes());
            input.pass(8);
            at += 8;
            continue;
        }
        let count = input.number()?;
        if count > 0 {
            total = total.checked_add(count).ok_or(OVERFLOW)?;
            sink.one(first + at, count);
        } else if at == 0 || at == span - 1 {
            return Err(HOLLOW);
        }
        at += 1;
    }
    *next = u64::from(first) + u64::from(span);
    Ok(total)
}

/// Bits that numbers below 128 have not set, in eight bytes.
pub(super) const NOT_SHORT: u64 = 0x8080_8080_8080_8080;

/// The sum of eight numbers below 128.
#[inline]
pub(super) const fn sum_of_bytes(word: u64) -> u64 {
    const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
    // Four sums of at most 254, added up in the top 16 bits.
    ((word & EVEN) + (word >> 8 & EVEN)).wrapping_mul(0x0001_0001_0001_0001) >> 48
}

/// The entries of encoded counts one after the other, for who must be able to stop.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    input: Input<'a>,
    next: u64,
    last: u32,
    /// Buckets left of the current run.
    run: u32,
}

impl<'a> Entries<'a> {
    /// Entries of what [`encode`] wrote.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::within(bytes, 0, INDEX_END - 1)
    }

    pub(super) fn within(bytes: &'a [u8], base: u32, last: u32) -> Self {
        Self { input: Input::new(bytes), next: u64::from(base), last, run: 0 }
    }

    /// The next index with its count; `None` at the end.
    ///
    /// # Errors
    /// Bytes that [`encode`] cannot have written. (Only the sum of all counts is not looked at.)
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "`?` on each entry reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(u32, u64)>, Malformed> {
        if self.run == 0 {
            if self.input.is_empty() {
                return Ok(None);
            }
            let token = self.input.number()?;
            let (gap, count) = match token & RUN {
                RUN => {
                    let index = seek(self.next, token >> 2, self.last)?;
                    self.next = u64::from(index);
                    self.run = run_span(&mut self.input, index, self.last)?;
                    return self.in_run(true);
                }
                HEAVY => (token >> 2, count_after(&mut self.input)?),
                _ => (token >> 1, 1),
            };
            let index = seek(self.next, gap, self.last)?;
            self.next = u64::from(index) + 1;
            return Ok(Some((index, count)));
        }
        self.in_run(false)
    }

    #[inline]
    fn in_run(&mut self, begins: bool) -> Result<Option<(u32, u64)>, Malformed> {
        let mut edge = begins;
        loop {
            let count = self.input.number()?;
            let index = self.next as u32;
            self.next += 1;
            self.run -= 1;
            if count > 0 {
                return Ok(Some((index, count)));
            }
            if edge || self.run == 0 {
                return Err(HOLLOW);
            }
            edge = false;
        }
    }
}
