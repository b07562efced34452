//! The numbers of one [`Stat`], whose count stands before them.
//!
//! Up to four values are written one by one, ascending, as differences: count, sum, squares, least
//! and greatest follow from them. More are written as least, range, and the sums of distances from
//! the least and of their squares, less what the greatest adds to both:
//!
//! ```text
//! 1  least << s | code
//! 2  least << s | code, greatest - least
//! 3  least << s | code, greatest - least, second - least
//! 4  least << s | code, greatest - least, second - least, third - second
//! n  least << s | code, r = greatest - least, Σ(x - least) - r, Σ(x - least)² - r²
//! ```
//!
//! All in units of a divisor that the values share (milliseconds are stored as 1000 us; prices a
//! token make costs multiples of them); `code` is its place in the list of the kind of number.

use crate::bucket::Stat;
use crate::divisor::Divisor;
use crate::histogram::Malformed;
use crate::histogram::varint::{self, Input};

/// From so many values on only their sums are kept.
pub(super) const SUMMED_MIN: u64 = 5;

/// A kind of number: which divisors its values are likely to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Microseconds.
    Time,
    /// Nano-dollars.
    Money,
    /// Anything else.
    Plain,
}

impl Kind {
    /// Divisors by code; as many as `bits` can say.
    const fn divisors(self) -> &'static [Divisor] {
        const TIMES: [Divisor; 2] = list([1, 1000]);
        const MONEY: [Divisor; 16] = list([1, 5, 10, 25, 50, 75, 100, 125, 150, 250, 300, 500, 1000, 1250, 2500, 3000]);
        const ONE: [Divisor; 1] = list([1]);
        match self {
            Self::Time => &TIMES,
            Self::Money => &MONEY,
            Self::Plain => &ONE,
        }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Time => 1,
            Self::Money => 4,
            Self::Plain => 0,
        }
    }
}

const fn list<const N: usize>(numbers: [u64; N]) -> [Divisor; N] {
    let mut list = [Divisor::new(1); N];
    let mut at = 0;
    while at < N {
        list[at] = Divisor::new(numbers[at]);
        at += 1;
    }
    list
}

/// How many numbers a stat of `count` values takes.
#[inline]
pub(super) const fn numbers(count: u64) -> usize {
    if count < 4 { count as usize } else { 4 }
}

/// The values of a stat with at most four; `None` when there are more, or none fit its numbers.
pub(super) fn values(stat: &Stat) -> Option<Values> {
    let between = stat.sum.checked_sub(u128::from(stat.min) + u128::from(stat.max));
    let list = match stat.count {
        1 => [stat.min, 0, 0, 0],
        2 => [stat.min, stat.max, 0, 0],
        3 => [stat.min, u64::try_from(between?).ok()?, stat.max, 0],
        4 => {
            let (a, b) = pair(between?, stat)?;
            [stat.min, a, b, stat.max]
        }
        _ => return None,
    };
    let values = Values { list, len: stat.count as usize };
    (values.stat() == *stat && values.as_slice().is_sorted()).then_some(values)
}

/// Two numbers by their sum and what is left of the squares.
fn pair(sum: u128, stat: &Stat) -> Option<(u64, u64)> {
    let square = |v: u64| u128::from(v) * u128::from(v);
    let squares = stat.squares.checked_sub(square(stat.min))?.checked_sub(square(stat.max))?;
    let apart = squares.checked_mul(2)?.checked_sub(sum.checked_mul(sum)?)?;
    // The root of a wide number takes ten times as long, and few are wide.
    let apart = u64::try_from(apart).map_or_else(|_| apart.isqrt(), |narrow| narrow.isqrt().into());
    let low = sum.checked_sub(apart)? / 2;
    Some((u64::try_from(low).ok()?, u64::try_from(sum - low).ok()?))
}

/// At most four values, ascending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    list: [u64; 4],
    len: usize,
}

impl Values {
    pub(super) fn as_slice(&self) -> &[u64] {
        &self.list[..self.len]
    }

    pub(super) fn stat(&self) -> Stat {
        let mut stat = Stat::default();
        self.as_slice().iter().for_each(|&value| stat.add(value));
        stat
    }
}

/// Appends the numbers of `stat` (at least one value); `None` when they do not fit this form, `out`
/// may hold a part then.
pub(super) fn put(stat: &Stat, kind: Kind, out: &mut Vec<u8>) -> Option<()> {
    let values = if stat.count < SUMMED_MIN { Some(values(stat)?) } else { None };
    let (code, unit) = divisor(stat, values.as_ref(), kind);
    let least = unit.quotient(stat.min);
    if least.leading_zeros() < kind.bits() {
        return None;
    }
    varint::put(out, least << kind.bits() | code);
    if stat.count == 1 {
        return Some(());
    }
    let range = unit.quotient(stat.max.checked_sub(stat.min)?);
    varint::put(out, range);
    match values.as_ref().map(Values::as_slice) {
        Some(&[least, second, _]) => varint::put(out, unit.quotient(second - least)),
        Some(&[least, second, third, _]) => {
            varint::put(out, unit.quotient(second - least));
            varint::put(out, unit.quotient(third - second));
        }
        Some(_) => {}
        None => {
            let (distances, squares) = distances(stat, unit.get())?;
            let range = u128::from(range);
            varint::put_wide(out, distances.checked_sub(range)?);
            varint::put_wide(out, squares.checked_sub(range * range)?);
        }
    }
    Some(())
}

/// Σ(x - least) and Σ(x - least)² in units.
fn distances(stat: &Stat, unit: u64) -> Option<(u128, u128)> {
    let (n, least) = (u128::from(stat.count), u128::from(stat.min / unit));
    let sum = over(stat.sum, unit);
    let distances = sum.checked_sub(n.checked_mul(least)?)?;
    // Σ(x-m)² = Σx² - m(2Σ(x-m) + nm)
    let less = distances.checked_mul(2)?.checked_add(n * least)?.checked_mul(least)?;
    let squares = over(stat.squares, unit * unit).checked_sub(less)?;
    Some((distances, squares))
}

/// `n / unit`; dividing wide numbers is slow, and few are wide.
fn over(n: u128, unit: u64) -> u128 {
    match u64::try_from(n) {
        _ if unit == 1 => n,
        Ok(n) => (n / unit).into(),
        Err(_) => n / u128::from(unit),
    }
}

/// Whether `n` is a multiple of `unit`.
fn is_multiple(n: u128, unit: Divisor) -> bool {
    u64::try_from(n).map_or_else(|_| n.is_multiple_of(unit.get().into()), |n| unit.divides(n))
}

/// The greatest divisor in the list of `kind` that all values share, and its code.
fn divisor(stat: &Stat, values: Option<&Values>, kind: Kind) -> (u64, Divisor) {
    let shared = |unit: Divisor| match values {
        Some(values) => values.as_slice().iter().all(|v| unit.divides(*v)),
        None => {
            let wide = u128::from(unit.get());
            let parts = unit.divides(stat.min) && unit.divides(stat.max) && is_multiple(stat.sum, unit);
            parts && stat.squares.is_multiple_of(wide * wide)
        }
    };
    greatest(kind, shared)
}

/// The greatest divisor in the list of `kind` that is `shared`, and its code. The first always is: it is 1.
fn greatest(kind: Kind, shared: impl Fn(Divisor) -> bool) -> (u64, Divisor) {
    let divisors = kind.divisors();
    let code = (1..divisors.len()).rev().find(|&code| shared(divisors[code])).unwrap_or(0);
    (code as u64, divisors[code])
}

const OVERFLOW: Malformed = Malformed("the numbers of a cell overflow");

/// Least and greatest value and the unit, then what the count asks for.
struct Ends {
    unit: u64,
    least: u64,
    range: u64,
}

#[inline]
fn ends(count: u64, kind: Kind, input: &mut Input<'_>) -> Result<Ends, Malformed> {
    let first = input.number()?;
    // The code has as many values as the list has entries.
    let unit = kind.divisors()[(first & ((1 << kind.bits()) - 1)) as usize].get();
    let least = first >> kind.bits();
    let range = if count > 1 { input.number()? } else { 0 };
    // The greatest value in whole units must fit; everything between does then.
    match least.checked_add(range).and_then(|greatest| greatest.checked_mul(unit)) {
        Some(_) => Ok(Ends { unit, least, range }),
        None => Err(OVERFLOW),
    }
}

/// Least and greatest of `count` (at least one) values.
#[inline]
pub(super) fn bounds(count: u64, kind: Kind, input: &mut Input<'_>) -> Result<(u64, u64), Malformed> {
    let ends = ends(count, kind, input)?;
    Ok((ends.least * ends.unit, (ends.least + ends.range) * ends.unit))
}

/// One to four values.
pub(super) fn few(count: u64, kind: Kind, input: &mut Input<'_>) -> Result<Values, Malformed> {
    let Ends { unit, least, range } = ends(count, kind, input)?;
    let inner = |input: &mut Input<'_>, after: u64| match input.number()?.checked_add(after) {
        Some(value) if value <= least + range => Ok(value),
        _ => Err(Malformed("the values of a cell are out of order")),
    };
    let greatest = least + range;
    let list = match count {
        1 => [least, 0, 0, 0],
        2 => [least, greatest, 0, 0],
        3 => [least, inner(input, least)?, greatest, 0],
        _ => {
            let second = inner(input, least)?;
            [least, second, inner(input, second)?, greatest]
        }
    };
    Ok(Values { list: list.map(|v| v * unit), len: numbers(count) })
}

/// The stat of `count` values; all zero numbers for none.
#[inline]
pub(super) fn take(count: u64, kind: Kind, input: &mut Input<'_>) -> Result<Stat, Malformed> {
    if count == 0 {
        return Ok(Stat::default());
    }
    if count < SUMMED_MIN {
        return Ok(few(count, kind, input)?.stat());
    }
    let Ends { unit, least, range } = ends(count, kind, input)?;
    let distances = input.wide_number()?;
    let squares = input.wide_number()?;
    let (sum, squares) = sums(count, least, range, distances, squares, unit).ok_or(OVERFLOW)?;
    Ok(Stat { count, sum, squares, min: least * unit, max: (least + range) * unit })
}

/// Σx and Σx² from the distances as written.
#[inline]
fn sums(count: u64, least: u64, range: u64, distances: u128, squares: u128, unit: u64) -> Option<(u128, u128)> {
    if let (Ok(d), Ok(s)) = (u64::try_from(distances), u64::try_from(squares))
        && let Some((sum, squares)) = narrow_sums(count, least, range, d, s)
    {
        let unit = u128::from(unit);
        return Some((u128::from(sum) * unit, u128::from(squares).checked_mul(unit * unit)?));
    }
    let (n, least, range, unit) = (u128::from(count), u128::from(least), u128::from(range), u128::from(unit));
    let distances = distances.checked_add(range)?;
    let offset = n.checked_mul(least)?;
    let sum = distances.checked_add(offset)?.checked_mul(unit)?;
    let more = distances.checked_mul(2)?.checked_add(offset)?.checked_mul(least)?;
    let squares = squares.checked_add(range * range)?.checked_add(more)?;
    Some((sum, squares.checked_mul(unit * unit)?))
}

/// The same where 64 bits are enough, as they nearly always are: wide checked products are slow.
#[inline]
fn narrow_sums(n: u64, least: u64, range: u64, distances: u64, squares: u64) -> Option<(u64, u64)> {
    let distances = distances.checked_add(range)?;
    let offset = n.checked_mul(least)?;
    let more = distances.checked_mul(2)?.checked_add(offset)?.checked_mul(least)?;
    let squares = squares.checked_add(range.checked_mul(range)?)?.checked_add(more)?;
    Some((distances.checked_add(offset)?, squares))
}

/// Appends `stat` as it is, for what fits no other form.
pub(super) fn put_plain(stat: &Stat, out: &mut Vec<u8>) {
    varint::put(out, stat.count);
    varint::put_wide(out, stat.sum);
    varint::put_wide(out, stat.squares);
    varint::put(out, stat.min);
    varint::put(out, stat.max);
}

/// How many numbers [`put_plain`] writes.
pub(super) const PLAIN_NUMBERS: usize = 5;

/// Reads what [`put_plain`] wrote.
pub(super) fn take_plain(input: &mut Input<'_>) -> Result<Stat, Malformed> {
    Ok(Stat {
        count: input.number()?,
        sum: input.wide_number()?,
        squares: input.wide_number()?,
        min: input.number()?,
        max: input.number()?,
    })
}

/// How a count relates to the one it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    None = 0,
    All = 1,
    Some = 2,
}

impl Share {
    pub(super) const fn of(part: u64, whole: u64) -> Self {
        if part == 0 {
            Self::None
        } else if part == whole {
            Self::All
        } else {
            Self::Some
        }
    }

    /// Appends `part` where the share does not say it.
    pub(super) fn put(self, part: u64, out: &mut Vec<u8>) {
        if self == Self::Some {
            varint::put(out, part);
        }
    }

    /// The part that two bits of a head stand for.
    #[inline]
    pub(super) fn take(bits: u64, whole: u64, input: &mut Input<'_>) -> Result<u64, Malformed> {
        match bits & 3 {
            0 => Ok(0),
            1 => Ok(whole),
            2 => input.number(),
            _ => Err(Malformed("the head of a cell is unknown")),
        }
    }
}

/// Appends a sum on its own, in units of the greatest divisor it has; the largest sums in single units.
pub(super) fn put_sum(sum: u128, kind: Kind, out: &mut Vec<u8>) {
    let (code, unit) = greatest(kind, |unit| is_multiple(sum, unit));
    varint::put(out, code);
    varint::put_wide(out, over(sum, unit.get()));
}

/// Reads what [`put_sum`] wrote.
#[inline]
pub(super) fn take_sum(kind: Kind, input: &mut Input<'_>) -> Result<u128, Malformed> {
    let code = input.number()?;
    let unit = usize::try_from(code).ok().and_then(|code| kind.divisors().get(code));
    let unit = unit.ok_or(Malformed("the head of a cell is unknown"))?.get();
    let number = input.wide_number()?;
    match u64::try_from(number) {
        // No product of these is too large, which spares the check.
        Ok(number) => Ok(u128::from(number) * u128::from(unit)),
        Err(_) => number.checked_mul(u128::from(unit)).ok_or(OVERFLOW),
    }
}
