//! Request cells.
//!
//! ```text
//! model - model before << 3 | same << 2 | ok << 1 | tiered, [service tier], requests, [shape],
//! [unpriced], [computed], [counts of latency, ttft, cost],
//! [error kinds], latency, ttft, input, output, tokens, cached, reasoning, cache writes, cost
//! ```
//! `shape` says what follows; `same` that it is the one of the cell before. Token classes count
//! every request, so they have no counts of their own and are left out when all are zero. The sum of
//! input and output is told by how its least and greatest value and its squares differ from what the
//! two give. A cell that does not keep these rules is written plain, number by number.

use std::collections::BTreeMap;

use super::stat::{self, Kind, Share};
use super::{Damaged, Unencodable};
use crate::bucket::{Counts, Measure, RequestCell, RequestKey, Stat};
use crate::histogram::varint::{self, Input};
use crate::histogram::{Histogram, Malformed, encode_from, index_of};
use crate::row::NameId;

/// Bits of a shape. The first four are [`Share`]s of two bits.
const LATENCY: u32 = 0;
const TTFT: u32 = 2;
const COST: u32 = 4;
const UNPRICED: u32 = 6;
const INPUT: u32 = 8;
const OUTPUT: u32 = 9;
const CACHED: u32 = 10;
const REASONING: u32 = 11;
/// A [`Share`] of the priced requests.
const COMPUTED: u32 = 12;
const ERRORS: u32 = 14;
const CACHE_WRITE: u32 = 15;
const CACHE_WRITE_1H: u32 = 16;
/// All numbers as they are.
const PLAIN: u32 = 17;
const SHAPE_END: u64 = 1 << 18;

/// Token classes in the order they are written after input, output and their sum.
const LATER_CLASSES: [(Measure, u32); 4] = [
    (Measure::CachedTokens, CACHED),
    (Measure::ReasoningTokens, REASONING),
    (Measure::CacheWriteTokens, CACHE_WRITE),
    (Measure::CacheWrite1hTokens, CACHE_WRITE_1H),
];

/// Appends all cells.
pub(super) fn encode(cells: &BTreeMap<RequestKey, Box<RequestCell>>, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let mut writer = Writer::default();
    for (key, cell) in cells {
        check_histogram(&cell.stats[Measure::Latency as usize], &cell.latency)?;
        check_histogram(&cell.stats[Measure::Ttft as usize], &cell.ttft)?;
        let before = out.len();
        if writer.compact(key, cell, out).is_none() {
            out.truncate(before);
            writer.plain(key, cell, out);
        }
        writer.model = key.model;
    }
    Ok(())
}

/// A histogram must hold exactly the values its stat counts.
pub(super) fn check_histogram(stat: &Stat, counts: &[(u32, u64)]) -> Result<(), Unencodable> {
    let increasing = counts.windows(2).all(|w| w[0].0 < w[1].0) && counts.iter().all(|&(_, n)| n > 0);
    let total = counts.iter().try_fold(0_u64, |sum, &(_, n)| sum.checked_add(n));
    let ends = match (counts.first(), counts.last()) {
        (Some(first), Some(last)) => first.0 == index_of(stat.min) && last.0 == index_of(stat.max),
        _ => true,
    };
    if increasing && ends && total == Some(stat.count) { Ok(()) } else { Err(Unencodable::Histogram) }
}

/// What one cell hands on to the next, and work space.
#[derive(Default)]
pub(super) struct Writer {
    model: NameId,
    shape: u64,
    inner: Counts,
    bytes: Vec<u8>,
}

impl Writer {
    fn head(&mut self, key: &RequestKey, cell: &RequestCell, shape: u64, out: &mut Vec<u8>) {
        let same = shape == self.shape;
        let tiered = key.service_tier != 0;
        let flags = u64::from(same) << 2 | u64::from(key.ok) << 1 | u64::from(tiered);
        varint::put(out, u64::from(key.model - self.model) << 3 | flags);
        if tiered {
            varint::put(out, u64::from(key.service_tier));
        }
        varint::put(out, cell.count);
        if !same {
            varint::put(out, shape);
        }
    }

    fn compact(&mut self, key: &RequestKey, cell: &RequestCell, out: &mut Vec<u8>) -> Option<()> {
        let stat = |measure: Measure| &cell.stats[measure as usize];
        let n = cell.count;
        let priced = n.checked_sub(cell.unpriced)?;
        let shares = [
            (UNPRICED, cell.unpriced, n),
            (COMPUTED, cell.computed, priced),
            (LATENCY, stat(Measure::Latency).count, n),
            (TTFT, stat(Measure::Ttft).count, n),
            (COST, stat(Measure::Cost).count, priced),
        ];
        let mut shape = u64::from(!cell.errors.is_empty()) << ERRORS;
        for (at, part, whole) in shares {
            shape |= (Share::of(part, whole) as u64) << at;
        }
        let classes = [(Measure::InputTokens, INPUT), (Measure::OutputTokens, OUTPUT)];
        for (measure, at) in classes.into_iter().chain(LATER_CLASSES) {
            if stat(measure).count != n {
                return None;
            }
            shape |= u64::from(*stat(measure) != zeros(n)) << at;
        }
        self.head(key, cell, shape, out);
        for (_, part, whole) in shares {
            Share::of(part, whole).put(part, out);
        }
        put_errors(&cell.errors, n, out);
        self.timed(stat(Measure::Latency), &cell.latency, out)?;
        self.timed(stat(Measure::Ttft), &cell.ttft, out)?;
        put_tokens(cell, shape, out)?;
        match stat(Measure::Cost) {
            none if none.count == 0 => (*none == Stat::default()).then_some(())?,
            cost => stat::put(cost, Kind::Money, out)?,
        }
        self.shape = shape;
        Some(())
    }

    /// A stat of times with its histogram, when it has values.
    pub(super) fn timed(&mut self, stat: &Stat, counts: &[(u32, u64)], out: &mut Vec<u8>) -> Option<()> {
        if stat.count == 0 {
            return (*stat == Stat::default()).then_some(());
        }
        stat::put(stat, Kind::Time, out)?;
        if stat.count < stat::SUMMED_MIN {
            // The values say the histogram; check that they do.
            let said = Histogram::few(stat::values(stat)?.as_slice()).counts().ok()?;
            return (said == counts).then_some(());
        }
        self.inner.clear();
        self.inner.extend_from_slice(counts);
        take_one(&mut self.inner, 0);
        take_one(&mut self.inner, counts.len() - 1);
        self.inner.retain(|&(_, count)| count > 0);
        self.bytes.clear();
        encode_from(index_of(stat.min), &self.inner, &mut self.bytes);
        varint::put(out, self.bytes.len() as u64);
        out.extend_from_slice(&self.bytes);
        Some(())
    }

    fn plain(&mut self, key: &RequestKey, cell: &RequestCell, out: &mut Vec<u8>) {
        let shape = 1 << PLAIN | u64::from(!cell.errors.is_empty()) << ERRORS;
        self.head(key, cell, shape, out);
        varint::put(out, cell.unpriced);
        varint::put(out, cell.computed);
        put_errors(&cell.errors, cell.count, out);
        cell.stats.iter().for_each(|stat| stat::put_plain(stat, out));
        for counts in [&cell.latency, &cell.ttft] {
            self.bytes.clear();
            encode_from(0, counts, &mut self.bytes);
            varint::put(out, self.bytes.len() as u64);
            out.extend_from_slice(&self.bytes);
        }
        self.shape = shape;
    }
}

/// Lowers a count that is above zero.
fn take_one(counts: &mut Counts, at: usize) {
    // A single bucket with one value is hit twice only when the stat has one value, which is not
    // written as a histogram.
    counts[at].1 -= 1;
}

/// A stat of `n` zeros.
fn zeros(n: u64) -> Stat {
    if n == 0 { Stat::default() } else { Stat { count: n, sum: 0, squares: 0, min: 0, max: 0 } }
}

/// Kinds with their counts; a single kind that all requests have is written as 0 and the kind.
fn put_errors(errors: &BTreeMap<NameId, u64>, requests: u64, out: &mut Vec<u8>) {
    if let Some((&kind, &count)) = errors.first_key_value()
        && errors.len() == 1
        && count == requests
    {
        out.push(0);
        varint::put(out, u64::from(kind));
    } else if !errors.is_empty() {
        varint::put(out, errors.len() as u64);
        for (&kind, &count) in errors {
            varint::put(out, u64::from(kind));
            varint::put(out, count);
        }
    }
}

fn put_tokens(cell: &RequestCell, shape: u64, out: &mut Vec<u8>) -> Option<()> {
    let stat = |measure: Measure| &cell.stats[measure as usize];
    let (input, output, both) = (stat(Measure::InputTokens), stat(Measure::OutputTokens), stat(Measure::Tokens));
    let has = |at: u32| shape >> at & 1 == 1;
    if has(INPUT) {
        stat::put(input, Kind::Plain, out)?;
    }
    if has(OUTPUT) {
        stat::put(output, Kind::Plain, out)?;
    }
    match (has(INPUT), has(OUTPUT)) {
        (true, true) => put_total(input, output, both, out)?,
        (true, false) if both == input => {}
        (false, true) if both == output => {}
        (false, false) if *both == zeros(cell.count) => {}
        _ => return None,
    }
    for (measure, at) in LATER_CLASSES {
        if has(at) {
            stat::put(stat(measure), Kind::Plain, out)?;
        }
    }
    Some(())
}

/// How many numbers [`put_total`] writes for `count` requests.
const fn total_numbers(count: u64) -> usize {
    stat::numbers(count).saturating_sub(1)
}

/// The stat of `input + output`: what of it the two do not say.
fn put_total(input: &Stat, output: &Stat, both: &Stat, out: &mut Vec<u8>) -> Option<()> {
    if both.count != input.count || both.sum != input.sum.checked_add(output.sum)? {
        return None;
    }
    let excess = both.min.checked_sub(input.min.checked_add(output.min)?)?;
    let deficit = input.max.checked_add(output.max)?.checked_sub(both.max)?;
    let values = if both.count < stat::SUMMED_MIN { Some(stat::values(both)?) } else { None };
    match both.count {
        1 => return (excess == 0 && deficit == 0).then_some(()),
        2 => varint::put(out, excess),
        _ => {
            varint::put(out, excess);
            varint::put(out, deficit);
        }
    }
    match values {
        Some(values) => {
            if let [least, second, _, _] = values.as_slice() {
                varint::put(out, second - least);
            }
        }
        None => varint::put_wide(out, cross(input, output, both)?),
    }
    Some(())
}

/// Σ(i - least i)(o - least o), which the squares of i, o and i + o give.
fn cross(input: &Stat, output: &Stat, both: &Stat) -> Option<u128> {
    let twice = both.squares.checked_sub(input.squares)?.checked_sub(output.squares)?;
    if twice % 2 == 1 {
        return None;
    }
    let (corner, edges) = offsets(input, output)?;
    (twice / 2).checked_add(corner)?.checked_sub(edges)
}

/// What turns the centred sum of products into the plain one: to subtract and to add.
fn offsets(input: &Stat, output: &Stat) -> Option<(u128, u128)> {
    let (i, o, n) = (u128::from(input.min), u128::from(output.min), u128::from(input.count));
    let corner = i.checked_mul(o)?.checked_mul(n)?;
    let edges = i.checked_mul(output.sum)?.checked_add(o.checked_mul(input.sum)?)?;
    Some((corner, edges))
}

const CONTRADICTION: Malformed = Malformed("the token counts of a cell contradict each other");

fn take_total(input: &Stat, output: &Stat, bytes: &mut Input<'_>) -> Result<Stat, Malformed> {
    let numbers = total_numbers(input.count);
    let excess = if numbers > 0 { bytes.number()? } else { 0 };
    let deficit = if numbers > 1 { bytes.number()? } else { 0 };
    let third = if numbers > 2 { bytes.wide_number()? } else { 0 };
    total(input, output, excess, deficit, third).ok_or(CONTRADICTION)
}

fn total(input: &Stat, output: &Stat, excess: u64, deficit: u64, third: u128) -> Option<Stat> {
    let count = input.count;
    let sum = input.sum.checked_add(output.sum)?;
    let min = input.min.checked_add(output.min)?.checked_add(excess)?;
    let max = input.max.checked_add(output.max)?.checked_sub(deficit)?;
    if count >= stat::SUMMED_MIN {
        let (corner, edges) = offsets(input, output)?;
        let product = third.checked_add(edges)?.checked_sub(corner)?;
        let squares = product.checked_mul(2)?.checked_add(input.squares)?.checked_add(output.squares)?;
        return Some(Stat { count, sum, squares, min, max });
    }
    let mut stat = Stat::default();
    stat.add(min);
    // With one value there is nothing left; with two the rest is the greatest.
    let mut rest = sum.checked_sub(u128::from(min))?;
    if count > 2 {
        stat.add(max);
        rest = rest.checked_sub(u128::from(max))?;
    }
    if count > 3 {
        let second = min.checked_add(u64::try_from(third).ok()?)?;
        stat.add(second);
        rest = rest.checked_sub(u128::from(second))?;
    }
    if count > 1 {
        stat.add(u64::try_from(rest).ok()?);
    }
    Some(stat)
}

/// Request cells one after the other.
#[derive(Clone, Debug)]
pub struct RequestCells<'a> {
    input: Input<'a>,
    before: Option<RequestKey>,
    shape: u64,
}

/// One request cell, its numbers read when asked for.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// Which requests.
    pub key: RequestKey,
    /// Requests.
    pub count: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Of these, priced from the list when recorded.
    pub computed: u64,
    shape: u64,
    latency_count: u64,
    ttft_count: u64,
    cost_count: u64,
    errors: Input<'a>,
    /// Where latency begins (plain: all stats).
    latency: Input<'a>,
    /// Where ttft begins (plain: the histograms).
    ttft: Input<'a>,
    /// Where the token classes begin.
    rest: Input<'a>,
}

impl<'a> RequestCells<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { input: Input::new(bytes), before: None, shape: 0 }
    }

    /// The next cell; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "`?` on each cell reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<RequestView<'a>>, Damaged> {
        if self.input.is_empty() { Ok(None) } else { Ok(Some(self.cell()?)) }
    }

    #[inline]
    fn cell(&mut self) -> Result<RequestView<'a>, Malformed> {
        let input = &mut self.input;
        let head = input.number()?;
        let key = RequestKey {
            model: next_name(self.before.map_or(0, |key| key.model), head >> 3)?,
            ok: head >> 1 & 1 == 1,
            service_tier: if head & 1 == 1 { input.small_number()? } else { 0 },
        };
        if self.before.is_some_and(|before| before >= key) {
            return Err(Malformed("the cells of a bucket are out of order"));
        }
        self.before = Some(key);
        let count = input.number()?;
        if head >> 2 & 1 == 0 {
            self.shape = input.number()?;
            if self.shape >= SHAPE_END {
                return Err(Malformed("the head of a cell is unknown"));
            }
        }
        if self.shape >> PLAIN & 1 == 1 { self.plain(key, count) } else { self.compact(key, count) }
    }

    #[inline]
    fn compact(&mut self, key: RequestKey, count: u64) -> Result<RequestView<'a>, Malformed> {
        let (input, shape) = (&mut self.input, self.shape);
        let unpriced = Share::take(shape >> UNPRICED, count, input)?;
        let priced = count.checked_sub(unpriced).ok_or(Malformed("a cell has more unpriced requests than requests"))?;
        let computed = Share::take(shape >> COMPUTED, priced, input)?;
        let latency_count = Share::take(shape >> LATENCY, count, input)?;
        let ttft_count = Share::take(shape >> TTFT, count, input)?;
        let cost_count = Share::take(shape >> COST, priced, input)?;
        let errors = *input;
        skip_errors(shape, input)?;
        let latency = *input;
        skip_timed(latency_count, input)?;
        let ttft = *input;
        skip_timed(ttft_count, input)?;
        let rest = *input;
        input.skip(class_numbers(shape, count) + stat::numbers(cost_count))?;
        Ok(RequestView {
            key,
            count,
            unpriced,
            computed,
            shape,
            latency_count,
            ttft_count,
            cost_count,
            errors,
            latency,
            ttft,
            rest,
        })
    }

    fn plain(&mut self, key: RequestKey, count: u64) -> Result<RequestView<'a>, Malformed> {
        let (input, shape) = (&mut self.input, self.shape);
        let unpriced = input.number()?;
        let computed = input.number()?;
        let errors = *input;
        skip_errors(shape, input)?;
        let latency = *input;
        let mut counts = [0; Measure::IN_REQUESTS];
        for count in &mut counts {
            *count = stat::take_plain(input)?.count;
        }
        let ttft = *input;
        for _ in 0..2 {
            let len = input.number()?;
            input.slice(len)?;
        }
        let [latency_count, ttft_count, .., cost_count] = counts;
        Ok(RequestView {
            key,
            count,
            unpriced,
            computed,
            shape,
            latency_count,
            ttft_count,
            cost_count,
            errors,
            latency,
            ttft,
            rest: *input,
        })
    }
}

/// The id `delta` after `before`.
#[inline]
pub(super) fn next_name(before: NameId, delta: u64) -> Result<NameId, Malformed> {
    let id = u64::from(before).checked_add(delta).and_then(|id| u32::try_from(id).ok());
    id.ok_or(Malformed("a name's number is out of range"))
}

/// How many numbers the token classes take.
#[inline]
const fn class_numbers(shape: u64, count: u64) -> usize {
    let classes = (shape >> INPUT & 0b1111).count_ones() + (shape >> CACHE_WRITE & 0b11).count_ones();
    let both = shape >> INPUT & 0b11 == 0b11;
    classes as usize * stat::numbers(count) + if both { total_numbers(count) } else { 0 }
}

#[inline]
fn skip_errors(shape: u64, input: &mut Input<'_>) -> Result<(), Malformed> {
    if shape >> ERRORS & 1 == 0 {
        return Ok(());
    }
    let kinds = input.number()?;
    let numbers = if kinds == 0 { Some(1) } else { kinds.checked_mul(2) };
    // More numbers than bytes end in an error soon enough.
    input.skip(numbers.and_then(|n| usize::try_from(n).ok()).ok_or(Malformed("a number is too large"))?)
}

/// Passes over a stat of times and its histogram.
#[inline]
pub(super) fn skip_timed(count: u64, input: &mut Input<'_>) -> Result<(), Malformed> {
    input.skip(stat::numbers(count))?;
    if count >= stat::SUMMED_MIN {
        let len = input.number()?;
        input.slice(len)?;
    }
    Ok(())
}

/// The histogram of a stat of times with `count` values.
#[inline]
pub(super) fn timed_histogram(count: u64, mut input: Input<'_>) -> Result<Histogram<'_>, Malformed> {
    if count == 0 {
        return Ok(Histogram::EMPTY);
    }
    if count < stat::SUMMED_MIN {
        return Ok(Histogram::few(stat::few(count, Kind::Time, &mut input)?.as_slice()));
    }
    let (min, max) = stat::bounds(count, Kind::Time, &mut input)?;
    input.skip(2)?;
    let len = input.number()?;
    Ok(Histogram::inner(count, min, max, input.slice(len)?))
}

impl<'a> RequestView<'a> {
    const fn has(&self, at: u32) -> bool {
        self.shape >> at & 1 == 1
    }

    /// Failed requests: all or none, as success is part of the key.
    pub const fn failed(&self) -> u64 {
        if self.key.ok { 0 } else { self.count }
    }

    /// The numbers of `measure`; none for measures that requests do not have.
    ///
    /// # Errors
    /// Damaged content.
    #[inline]
    pub fn stat(&self, measure: Measure) -> Result<Stat, Damaged> {
        if self.has(PLAIN) {
            return Ok(self.plain_stat(measure)?);
        }
        Ok(match measure {
            Measure::Latency => stat::take(self.latency_count, Kind::Time, &mut self.latency.clone())?,
            Measure::Ttft => stat::take(self.ttft_count, Kind::Time, &mut self.ttft.clone())?,
            Measure::Cost => {
                let mut input = self.rest;
                input.skip(class_numbers(self.shape, self.count))?;
                stat::take(self.cost_count, Kind::Money, &mut input)?
            }
            Measure::SavedCost | Measure::SavedTokens | Measure::Utilization => Stat::default(),
            tokens => self.tokens(tokens)?,
        })
    }

    fn plain_stat(&self, measure: Measure) -> Result<Stat, Malformed> {
        if measure as usize >= Measure::IN_REQUESTS {
            return Ok(Stat::default());
        }
        let mut input = self.latency;
        input.skip(measure as usize * stat::PLAIN_NUMBERS)?;
        stat::take_plain(&mut input)
    }

    fn tokens(&self, measure: Measure) -> Result<Stat, Malformed> {
        let (mut input, n) = (self.rest, self.count);
        let mut class = |at: u32, wanted: bool| match (self.has(at), wanted) {
            (false, _) => Ok(zeros(n)),
            (true, true) => stat::take(n, Kind::Plain, &mut input),
            (true, false) => input.skip(stat::numbers(n)).map(|()| Stat::default()),
        };
        let sum = measure == Measure::Tokens;
        let first = class(INPUT, sum || measure == Measure::InputTokens)?;
        if measure == Measure::InputTokens {
            return Ok(first);
        }
        let second = class(OUTPUT, sum || measure == Measure::OutputTokens)?;
        match (measure, self.has(INPUT), self.has(OUTPUT)) {
            (Measure::OutputTokens, ..) | (Measure::Tokens, false, _) => return Ok(second),
            (Measure::Tokens, true, false) => return Ok(first),
            (Measure::Tokens, true, true) => return take_total(&first, &second, &mut input),
            (_, true, true) => input.skip(total_numbers(n))?,
            _ => {}
        }
        for (later, at) in LATER_CLASSES {
            if later == measure {
                return if self.has(at) { stat::take(n, Kind::Plain, &mut input) } else { Ok(zeros(n)) };
            }
            if self.has(at) {
                input.skip(stat::numbers(n))?;
            }
        }
        Ok(Stat::default())
    }

    /// The distribution of latency.
    ///
    /// # Errors
    /// Damaged content.
    #[inline]
    pub fn latency(&self) -> Result<Histogram<'a>, Damaged> {
        if self.has(PLAIN) {
            return Ok(self.plain_histogram(false)?);
        }
        Ok(timed_histogram(self.latency_count, self.latency)?)
    }

    /// The distribution of time to first token.
    ///
    /// # Errors
    /// Damaged content.
    #[inline]
    pub fn ttft(&self) -> Result<Histogram<'a>, Damaged> {
        if self.has(PLAIN) {
            return Ok(self.plain_histogram(true)?);
        }
        Ok(timed_histogram(self.ttft_count, self.ttft)?)
    }

    fn plain_histogram(&self, second: bool) -> Result<Histogram<'a>, Malformed> {
        let mut input = self.ttft;
        let len = input.number()?;
        let bytes = input.slice(len)?;
        if !second {
            return Ok(Histogram::whole(self.latency_count, bytes));
        }
        let len = input.number()?;
        Ok(Histogram::whole(self.ttft_count, input.slice(len)?))
    }

    /// The kinds of failure with their counts.
    ///
    /// # Errors
    /// Damaged content.
    pub fn errors(&self) -> Result<ErrorKinds<'a>, Damaged> {
        let mut input = self.errors;
        if !self.has(ERRORS) {
            return Ok(ErrorKinds { input, left: 0, all: None, before: None });
        }
        let kinds = input.number()?;
        let all = (kinds == 0).then_some(self.count);
        Ok(ErrorKinds { input, left: kinds.max(1), all, before: None })
    }

    /// Everything in it.
    ///
    /// # Errors
    /// Damaged content.
    pub fn to_cell(&self) -> Result<RequestCell, Damaged> {
        let mut cell = RequestCell {
            count: self.count,
            unpriced: self.unpriced,
            computed: self.computed,
            latency: self.latency()?.counts()?,
            ttft: self.ttft()?.counts()?,
            ..RequestCell::default()
        };
        for (stat, measure) in cell.stats.iter_mut().zip(Measure::ALL) {
            *stat = self.stat(measure)?;
        }
        let mut errors = self.errors()?;
        while let Some((kind, count)) = errors.next()? {
            cell.errors.insert(kind, count);
        }
        Ok(cell)
    }
}

/// Kinds of failure of a cell.
#[derive(Clone, Debug)]
pub struct ErrorKinds<'a> {
    input: Input<'a>,
    left: u64,
    /// Set when there is one kind that every request has.
    all: Option<u64>,
    before: Option<NameId>,
}

impl ErrorKinds<'_> {
    /// The next kind with its count; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each kind reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(NameId, u64)>, Damaged> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let kind = self.input.small_number()?;
        if self.before.is_some_and(|before| before >= kind) {
            return Err(Malformed("the error kinds of a cell are out of order").into());
        }
        self.before = Some(kind);
        let count = match self.all {
            Some(count) => count,
            None => self.input.number()?,
        };
        Ok(Some((kind, count)))
    }
}
