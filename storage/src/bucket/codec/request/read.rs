//! Request cells from bytes, their numbers read when asked for.

use super::errors::{ErrorKinds, skip_errors};
use super::total::{take_total, total_numbers};
use super::{
    CACHE_WRITE, COMPUTED, COST, ERRORS, INPUT, LATENCY, LATER_CLASSES, OUTPUT, PLAIN, SHAPE_END, TTFT, UNPRICED, zeros,
};
use crate::bucket::codec::Damaged;
use crate::bucket::codec::stat::{self, Kind, Share};
use crate::bucket::{Measure, RequestCell, RequestKey, Stat};
use crate::histogram::varint::Input;
use crate::histogram::{Histogram, Malformed};
use crate::row::NameId;

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
    pub(in crate::bucket::codec) const fn new(bytes: &'a [u8]) -> Self {
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
pub(in crate::bucket::codec) fn next_name(before: NameId, delta: u64) -> Result<NameId, Malformed> {
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

/// Passes over a stat of times and its histogram.
#[inline]
pub(in crate::bucket::codec) fn skip_timed(count: u64, input: &mut Input<'_>) -> Result<(), Malformed> {
    input.skip(stat::numbers(count))?;
    if count >= stat::SUMMED_MIN {
        let len = input.number()?;
        input.slice(len)?;
    }
    Ok(())
}

/// The histogram of a stat of times with `count` values.
#[inline]
pub(in crate::bucket::codec) fn timed_histogram(count: u64, mut input: Input<'_>) -> Result<Histogram<'_>, Malformed> {
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
        Ok(ErrorKinds::new(self.has(ERRORS), self.count, self.errors)?)
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
