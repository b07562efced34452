//! The bytes of one column of a block: common factor, frame of reference, bit-packing with patches.
//!
//! A chunk is `mode u8 | base varint | factor varint | groups`, a group 256 values but for the last:
//!
//! ```text
//! width u8 (+0x80 = has patches) | reference varint | [patches u8 | high width u8] | packed |
//! [positions, a byte each | high parts, bit-packed]
//! ```
//!
//! A group gives numbers `d = reference + (packed + high part << width)`; then
//! `value = base + factor * d`. With `NULLABLE` d = 0 means no value and all others are one higher.
//! With `DELTA` (time) the packed numbers are differences from row to row and `reference` is where
//! the group starts, so that a group can be read without those before it.
//!
//! Easy to get wrong: latencies arrive in microseconds but mostly as whole milliseconds, and one
//! row without a value must not spoil the common factor, hence `NULLABLE` instead of a magic value.
//! A full group of width up to 32 is in the interleaved layout of `BitPacker8x`; wider ones are the
//! low 32 bits and then the rest in the same layout; the last, shorter group is packed plainly,
//! lowest bit first. `BitPacker8x` panics on short input, so every length is checked in `parse`.

use bitpacking::{BitPacker, BitPacker8x};

use crate::divisor::Divisor;
use crate::raw::footer::Bounds;
use crate::raw::scan::GROUP_ROWS;
use crate::raw::schema::ABSENT;
use crate::raw::wide::wide;
use crate::raw::wire::{Cursor, put_varint};

const DELTA: u8 = 1;
const NULLABLE: u8 = 2;
const PATCHED: u8 = 0x80;

/// A group's numbers.
pub(super) type Group = [u64; GROUP_ROWS];
/// The same as they are packed.
pub(super) type Words = [u32; GROUP_ROWS];

/// A group's numbers as they are packed, and which of them stand for the values asked about.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'w> {
    /// One a row.
    pub words: &'w [u32; GROUP_ROWS],
    /// The first and the last that do; `None` when none does.
    pub within: Option<(u32, u32)>,
    /// What the number 0 stands for and how far apart the values of two neighbours are, where every number
    /// stands for a value.
    pub line: Option<(u64, u64)>,
}

/// How a column's values lie to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// In no order.
    Loose,
    /// Ascending and never absent.
    Ascending,
}

/// Bounds of the values, and their chunk appended to `out`: nothing when all are the same.
pub(super) fn encode(values: &[u64], shape: Shape, out: &mut Vec<u8>) -> Bounds {
    let bounds = bounds(values);
    if bounds.single().is_some() {
        return bounds;
    }
    let (base, factor) = (bounds.min, common_factor(values, bounds.min));
    let delta = shape == Shape::Ascending && !bounds.some_absent;
    out.push(if delta { DELTA } else { 0 } | if bounds.some_absent { NULLABLE } else { 0 });
    put_varint(out, base);
    put_varint(out, factor.get());
    let mut numbers = [0; GROUP_ROWS];
    for group in values.chunks(GROUP_ROWS) {
        let numbers = &mut numbers[..group.len()];
        if bounds.some_absent {
            for (n, &v) in numbers.iter_mut().zip(group) {
                *n = if v == ABSENT { 0 } else { factor.quotient(v - base) + 1 };
            }
        } else if factor.get() == 1 {
            numbers.iter_mut().zip(group).for_each(|(n, v)| *n = v - base);
        } else {
            numbers.iter_mut().zip(group).for_each(|(n, v)| *n = factor.quotient(v - base));
        }
        let reference = if delta { differences(numbers) } else { lower(numbers) };
        put_group(out, reference, numbers);
    }
    bounds
}

/// Smallest and largest value and whether some are absent.
pub(super) fn bounds(values: &[u64]) -> Bounds {
    let (mut min, mut max, mut some_absent) = (ABSENT, 0, false);
    for &v in values {
        min = min.min(v);
        max = max.max(if v == ABSENT { 0 } else { v });
        some_absent |= v == ABSENT;
    }
    Bounds { min, max, some_absent }
}

/// The largest number that divides every value's distance from `min`.
fn common_factor(values: &[u64], min: u64) -> Divisor {
    let mut factor = Divisor::new(0);
    let mut found = 0;
    for &v in values.iter().filter(|v| **v != ABSENT) {
        let distance = v - min;
        if found == 0 || !factor.divides(distance) {
            found = gcd(distance, found);
            factor = Divisor::new(found);
            if found == 1 {
                break;
            }
        }
    }
    factor
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lower(numbers: &mut [u64]) -> u64 {
    let reference = numbers.iter().copied().min().unwrap_or(0);
    numbers.iter_mut().for_each(|n| *n -= reference);
    reference
}

fn differences(numbers: &mut [u64]) -> u64 {
    let first = numbers[0];
    let mut last = first;
    for n in numbers {
        (*n, last) = (*n - last, *n);
    }
    first
}

fn put_group(out: &mut Vec<u8>, reference: u64, numbers: &[u64]) {
    let (width, high_width) = widths(numbers);
    // Positions are below 256.
    let mut positions = [0u8; GROUP_ROWS];
    let mut patches = 0;
    if high_width > 0 {
        for (i, &n) in numbers.iter().enumerate() {
            // At most 255 are patched, so there is room for one that is not.
            positions[patches] = i as u8;
            patches += usize::from(n >> width != 0);
        }
    }
    let patches = &positions[..patches];
    out.push(width | if patches.is_empty() { 0 } else { PATCHED });
    put_varint(out, reference);
    if !patches.is_empty() {
        out.extend([patches.len() as u8, high_width]);
    }
    put_packed(out, numbers, width);
    out.extend(patches);
    put_bits(out, patches.iter().map(|&i| numbers[usize::from(i)] >> width), high_width);
}

fn bits(number: u64) -> u8 {
    64 - number.leading_zeros() as u8
}

/// The width that takes the fewest bytes, and that of the patches' high parts (0 = no patches).
fn widths(numbers: &[u64]) -> (u8, u8) {
    let mut counts = [0u16; 65];
    let mut all = 0;
    for &n in numbers {
        counts[usize::from(bits(n))] += 1;
        all |= n;
    }
    let widest = bits(all);
    let mut best = (packed_bytes(widest, numbers.len()), widest, 0);
    let mut patches = 0;
    for width in (0..widest).rev() {
        patches += usize::from(counts[usize::from(width) + 1]);
        if patches > 255 {
            break;
        }
        let high = usize::from(widest - width);
        let bytes = packed_bytes(width, numbers.len()) + 2 + patches + (patches * high).div_ceil(8);
        if bytes < best.0 {
            best = (bytes, width, widest - width);
        }
    }
    (best.1, best.2)
}

/// Bytes of a group's packed part.
fn packed_bytes(width: u8, rows: usize) -> usize {
    (rows * usize::from(width)).div_ceil(8)
}

fn put_packed(out: &mut Vec<u8>, numbers: &[u64], width: u8) {
    if numbers.len() < GROUP_ROWS {
        let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        return put_bits(out, numbers.iter().map(|n| n & mask), width);
    }
    let mut part = |width: u8, shift: u8| {
        let mask = u32::MAX.checked_shr(32 - u32::from(width)).unwrap_or(0);
        let words: [u32; GROUP_ROWS] = std::array::from_fn(|i| (numbers[i] >> shift) as u32 & mask);
        let start = out.len();
        out.resize(start + packed_bytes(width, GROUP_ROWS), 0);
        if width > 0 {
            BitPacker8x::new().compress(&words, &mut out[start..], width);
        }
    };
    part(width.min(32), 0);
    if width > 32 {
        part(width - 32, 32);
    }
}

/// Appends numbers of `width` bits, lowest bit first, the last byte filled up with zeros.
fn put_bits(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>, width: u8) {
    let (mut held, mut filled) = (0u128, 0);
    for number in numbers {
        held |= u128::from(number) << filled;
        filled += u32::from(width);
        while filled >= 8 {
            out.push(held as u8);
            held >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(held as u8);
    }
}

/// Number `index` of those that `put_bits` wrote. What lies behind them in `bytes` does not matter.
fn get_bits(bytes: &[u8], index: usize, width: u8) -> u64 {
    let at = index * usize::from(width);
    let (first, shift) = (at / 8, at % 8);
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    if shift + usize::from(width) <= 64
        && let Some(window) = bytes.get(first..first + 8).and_then(|w| w.first_chunk())
    {
        return u64::from_le_bytes(*window) >> shift & mask;
    }
    // Near the end of the chunk, or more than eight bytes are touched.
    let mut window = [0; 16];
    let part = &bytes[first.min(bytes.len())..(first + 9).min(bytes.len())];
    window[..part.len()].copy_from_slice(part);
    (u128::from_le_bytes(window) >> shift) as u64 & mask
}

/// A chunk whose structure is known to be sound; the bytes stay with the caller.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    delta: bool,
    nullable: bool,
    base: u64,
    factor: u64,
    groups: Vec<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    reference: u64,
    /// Offset of the packed part in the chunk.
    packed: u32,
    width: u8,
    patches: u8,
    high_width: u8,
}

impl Chunk {
    /// Reads the structure of a chunk of `rows` values. After it `decode` cannot fail.
    pub(super) fn parse(&mut self, bytes: &[u8], rows: usize) -> Option<()> {
        let mut c = Cursor::new(bytes);
        let mode = c.u8()?;
        self.delta = mode & DELTA != 0;
        self.nullable = mode & NULLABLE != 0;
        if mode > DELTA | NULLABLE || self.delta && self.nullable {
            return None;
        }
        self.base = c.varint()?;
        self.factor = c.varint()?;
        self.groups.clear();
        for start in (0..rows).step_by(GROUP_ROWS) {
            self.groups.push(head(&mut c, (rows - start).min(GROUP_ROWS))?);
        }
        (c.left() == 0).then_some(())
    }

    /// Decodes group number `group` of a parsed chunk, `rows` values, and says what none of them is above.
    pub(super) fn decode(&self, bytes: &[u8], group: usize, rows: usize, words: &mut Words, out: &mut Group) -> u64 {
        let head = &self.groups[group];
        let packed = &bytes[head.packed as usize..];
        if head.width <= 32 && rows == GROUP_ROWS && !self.delta {
            return self.expand(head, packed, words, out);
        }
        unpack(packed, head.width, rows, words, out);
        for_patches(head, packed, rows, |i, high| out[i] |= high);
        if self.delta {
            let mut sum = head.reference;
            for n in &mut out[..rows] {
                sum = sum.wrapping_add(*n);
                *n = self.value(sum);
            }
            return u64::MAX;
        }
        for n in &mut out[..rows] {
            let d = n.wrapping_add(head.reference);
            *n = if !self.nullable {
                self.value(d)
            } else if d == 0 {
                ABSENT
            } else {
                self.value(d - 1)
            };
        }
        u64::MAX
    }

    /// The packed numbers of group number `group`, and which of them stand for values from `first` to
    /// `last`, which is below [`ABSENT`]. Nothing when values must be made of them to be compared.
    pub(super) fn words_within<'w>(
        &self,
        bytes: &[u8],
        group: usize,
        rows: usize,
        (first, last): (u64, u64),
        words: &'w mut Words,
    ) -> Option<Packed<'w>> {
        let head = &self.groups[group];
        if rows < GROUP_ROWS || self.delta || self.factor == 0 || head.width + head.high_width > 32 {
            return None;
        }
        let packed = &bytes[head.packed as usize..];
        unpack_words(packed, head.width, words);
        for_patches(head, packed, rows, |i, high| words[i] |= high as u32);
        let line = (!self.nullable).then(|| (self.value(head.reference), self.factor));
        Some(Packed { words, within: self.numbers_within(head, first, last), line })
    }

    /// The value of a number where all have one.
    const fn value(&self, number: u64) -> u64 {
        number.wrapping_mul(self.factor).wrapping_add(self.base)
    }

    fn numbers_within(&self, head: &Head, first: u64, last: u64) -> Option<(u32, u32)> {
        let higher = u64::from(self.nullable);
        let first = first.saturating_sub(self.base).div_ceil(self.factor).checked_add(higher)?;
        let last = (last.checked_sub(self.base)? / self.factor).saturating_add(higher);
        let last = last.checked_sub(head.reference)?;
        let first = u32::try_from(first.saturating_sub(head.reference)).ok()?;
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        (first <= last).then_some((first, last))
    }

    /// [`Chunk::decode`] of a full group of few bits.
    fn expand(&self, head: &Head, packed: &[u8], words: &mut Words, out: &mut Group) -> u64 {
        unpack_words(packed, head.width, words);
        let factor = self.factor;
        // Where 0 may stand for no value, all others are one higher.
        let start = self.value(head.reference.wrapping_sub(u64::from(self.nullable)));
        let largest = scale(start, factor, words, out);
        let some_absent = self.nullable && head.reference == 0;
        if some_absent {
            clear(words, out);
        }
        for_patches(head, packed, GROUP_ROWS, |i, high| {
            let number = u64::from(words[i]) | high;
            let absent = some_absent && number == 0;
            out[i] = if absent { ABSENT } else { number.wrapping_mul(factor).wrapping_add(start) };
        });
        if self.nullable || head.patches > 0 {
            return u64::MAX;
        }
        u64::from(largest).checked_mul(factor).and_then(|n| n.checked_add(start)).unwrap_or(u64::MAX)
    }
}

wide! {
    /// Makes every number absent whose word is 0.
    fn clear(words: &Words, out: &mut Group) {
        out.iter_mut().zip(words).for_each(|(n, &w)| *n |= if w == 0 { ABSENT } else { 0 });
    }
}

wide! {
    /// `start + factor * word`, and the largest word.
    fn scale(start: u64, factor: u64, words: &Words, out: &mut Group) -> u32 {
        if factor == 1 {
            out.iter_mut().zip(words).for_each(|(n, &w)| *n = start.wrapping_add(w.into()));
        } else if let Ok(factor) = u32::try_from(factor) {
            let factor = u64::from(factor);
            out.iter_mut().zip(words).for_each(|(n, &w)| *n = start.wrapping_add(u64::from(w).wrapping_mul(factor)));
        } else {
            out.iter_mut().zip(words).for_each(|(n, &w)| *n = start.wrapping_add(u64::from(w).wrapping_mul(factor)));
        }
        words.iter().fold(0, |most, &w| most.max(w))
    }
}

fn head(c: &mut Cursor<'_>, rows: usize) -> Option<Head> {
    let tag = c.u8()?;
    let width = tag & !PATCHED;
    let reference = c.varint()?;
    let (patches, high_width) = if tag & PATCHED != 0 { (c.u8()?, c.u8()?) } else { (0, 0) };
    let sound = width <= 64 && u16::from(width) + u16::from(high_width) <= 64 && usize::from(patches) <= rows;
    if !sound {
        return None;
    }
    let packed = u32::try_from(c.position()).ok()?;
    c.take(packed_bytes(width, rows))?;
    let positions = c.take(patches.into())?;
    if rows < GROUP_ROWS && positions.iter().any(|&p| usize::from(p) >= rows) {
        return None;
    }
    c.take(packed_bytes(high_width, patches.into()))?;
    Some(Head { reference, packed, width, patches, high_width })
}

fn for_patches(head: &Head, packed: &[u8], rows: usize, mut each: impl FnMut(usize, u64)) {
    if head.patches == 0 {
        return;
    }
    let (positions, high) = packed[packed_bytes(head.width, rows)..].split_at(head.patches.into());
    let width = usize::from(head.high_width);
    // So many can be taken out of eight bytes without a look at where the chunk ends.
    let roomy = if (1..=57).contains(&width) { (8 * high.len().saturating_sub(7)).div_ceil(width) } else { 0 };
    let (easy, last) = positions.split_at(roomy.min(positions.len()));
    // `head` allows no width of 64 beside high parts of more than no bits.
    let low_width = u32::from(head.width) & 63;
    let mask = u64::MAX.checked_shr(64 - u32::from(head.high_width)).unwrap_or(0);
    let mut at = 0;
    for &i in easy {
        let window = high[at / 8..].first_chunk().map_or(0, |window| u64::from_le_bytes(*window));
        each(usize::from(i), (window >> (at % 8) & mask) << low_width);
        at += width;
    }
    for (k, &i) in (easy.len()..).zip(last) {
        each(usize::from(i), get_bits(high, k, head.high_width).checked_shl(head.width.into()).unwrap_or(0));
    }
}

fn unpack(packed: &[u8], width: u8, rows: usize, words: &mut Words, out: &mut Group) {
    if rows < GROUP_ROWS {
        out[..rows].iter_mut().enumerate().for_each(|(i, n)| *n = get_bits(packed, i, width));
        return;
    }
    unpack_words(packed, width.min(32), words);
    out.iter_mut().zip(&*words).for_each(|(n, &w)| *n = w.into());
    if width > 32 {
        unpack_words(&packed[packed_bytes(32, GROUP_ROWS)..], width - 32, words);
        out.iter_mut().zip(words).for_each(|(n, &mut w)| *n |= u64::from(w) << 32);
    }
}

/// A full group of a width up to 32.
fn unpack_words(packed: &[u8], width: u8, words: &mut Words) {
    if width == 0 {
        return words.fill(0);
    }
    BitPacker8x::new().decompress(&packed[..packed_bytes(width, GROUP_ROWS)], words, width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[u64], shape: Shape) -> usize {
        let mut bytes = Vec::new();
        let bounds = encode(values, shape, &mut bytes);
        let present = || values.iter().copied().filter(|v| *v != ABSENT);
        assert_eq!(bounds.some_absent, values.contains(&ABSENT));
        assert_eq!(bounds.min, present().min().unwrap_or(ABSENT));
        assert_eq!(bounds.max, present().max().unwrap_or(0));
        if let Some(value) = bounds.single() {
            assert!(bytes.is_empty() && values.iter().all(|v| *v == value));
            return 0;
        }
        let mut chunk = Chunk::default();
        chunk.parse(&bytes, values.len()).unwrap();
        let (mut out, mut words) = ([0; GROUP_ROWS], [0; GROUP_ROWS]);
        // Backwards: no group needs another one.
        for (g, expected) in values.chunks(GROUP_ROWS).enumerate().rev() {
            let most = chunk.decode(&bytes, g, expected.len(), &mut words, &mut out);
            assert_eq!(&out[..expected.len()], expected);
            assert!(expected.iter().all(|v| *v <= most));
            let (mut first, mut last) = (expected[0], expected[expected.len() / 2].min(ABSENT - 1));
            (first, last) = (first.min(last), last.max(first.min(ABSENT - 1)));
            if let Some(packed) = chunk.words_within(&bytes, g, expected.len(), (first, last), &mut words) {
                let within = |w: u32| packed.within.is_some_and(|(a, b)| (a..=b).contains(&w));
                let found: Vec<bool> = packed.words.iter().map(|w| within(*w)).collect();
                assert_eq!(found, expected.iter().map(|v| (first..=last).contains(v)).collect::<Vec<_>>());
                let on_line = |(start, step): (u64, u64)| -> Vec<u64> {
                    packed.words.iter().map(|&w| start + step * u64::from(w)).collect()
                };
                assert!(packed.line.is_none_or(|line| on_line(line) == expected));
            }
        }
        bytes.len()
    }

    fn value() -> impl Strategy<Value = u64> {
        prop_oneof![
            8 => 0..2000u64,
            2 => (0..u64::from(u32::MAX)).prop_map(|v| v * 1000),
            1 => any::<u64>(),
            1 => Just(ABSENT),
            1 => Just(ABSENT - 1),
            1 => Just(0),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_values_come_back(values in prop::collection::vec(value(), 1..700)) {
            round_trip(&values, Shape::Loose);
            let mut sorted = values;
            sorted.sort_unstable();
            round_trip(&sorted, Shape::Ascending);
        }

        #[test]
        fn any_width_comes_back(bits in 0u32..=64, rows in 1usize..=600, seed in any::<u64>(), odd in 0usize..600) {
            let mut state = seed | 1;
            let mut values: Vec<u64> = (0..rows).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state ^ state >> 29).checked_shr(64 - bits).unwrap_or(0)
            }).collect();
            round_trip(&values, Shape::Loose);
            if let Some(v) = values.get_mut(odd) {
                *v = u64::MAX - 5;
            }
            round_trip(&values, Shape::Loose);
        }

        #[test]
        fn hostile_bytes_never_panic(
            values in prop::collection::vec(value(), 1..600),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
            rows in 1usize..700,
        ) {
            let mut bytes = Vec::new();
            encode(&values, Shape::Loose, &mut bytes);
            for (i, byte) in changes.iter().filter(|_| !bytes.is_empty()).map(|(i, b)| (i.index(bytes.len()), *b)).collect::<Vec<_>>() {
                bytes[i] = byte;
            }
            for (bytes, rows) in [(&bytes[..], values.len()), (&bytes[..], rows), (&bytes[..cut.index(bytes.len() + 1)], values.len())] {
                let mut chunk = Chunk::default();
                if chunk.parse(bytes, rows).is_some() {
                    let (mut out, mut words) = ([0; GROUP_ROWS], [0; GROUP_ROWS]);
                    for g in 0..rows.div_ceil(GROUP_ROWS) {
                        let rows = (rows - g * GROUP_ROWS).min(GROUP_ROWS);
                        chunk.decode(bytes, g, rows, &mut words, &mut out);
                        chunk.words_within(bytes, g, rows, (5, 5000), &mut words);
                    }
                }
            }
        }
    }

    #[test]
    fn whole_milliseconds_cost_no_more_for_one_row_without_a_latency() {
        let mut values: Vec<u64> = (0..256).map(|i| 1000 * (500 + i * 37 % 256)).collect();
        let all = round_trip(&values, Shape::Loose);
        values[7] = ABSENT;
        let bytes = round_trip(&values, Shape::Loose);
        assert!(bytes < all + 40, "{bytes} bytes instead of {all}");
    }
}
