//! A cell's distribution as its bytes hold it, to be poured into an accumulator or walked.

use super::codec::{Each, Entries, decode_within};
use super::seeker::Seeker;
use super::{Accumulator, Counts, INDEX_END, Malformed, index_of};

/// Most values that a cell keeps one by one instead of as a histogram.
pub(crate) const FEW_MAX: usize = 4;

/// The distribution of one measure in one cell, borrowed from the cell's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    count: u64,
    form: Form<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    /// Up to [`FEW_MAX`] values, ascending; the rest of the array is unused.
    Few([u64; FEW_MAX]),
    /// Counts of all values but one least and one greatest, which stand beside them.
    Inner { min: u64, max: u64, bytes: &'a [u8] },
    /// Counts of all values.
    Whole { bytes: &'a [u8] },
}

pub(super) const SHORT_COUNT: Malformed = Malformed("a histogram and its count differ");

impl<'a> Histogram<'a> {
    /// No values.
    pub const EMPTY: Self = Self { count: 0, form: Form::Few([0; FEW_MAX]) };

    /// Up to four values in ascending order.
    pub(crate) fn few(values: &[u64]) -> Self {
        let mut list = [0; FEW_MAX];
        list[..values.len()].copy_from_slice(values);
        Self { count: values.len() as u64, form: Form::Few(list) }
    }

    /// `count` (at least 2) values from `min` to `max`; `bytes` are the counts of the others with
    /// gaps from the bucket of `min`.
    pub(crate) const fn inner(count: u64, min: u64, max: u64, bytes: &'a [u8]) -> Self {
        Self { count, form: Form::Inner { min, max, bytes } }
    }

    /// `count` values with nothing known beside their counts.
    pub const fn whole(count: u64, bytes: &'a [u8]) -> Self {
        Self { count, form: Form::Whole { bytes } }
    }

    /// How many values it has.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Its exact least and greatest value; `None` when it is empty or does not know.
    pub const fn bounds(&self) -> Option<(u64, u64)> {
        match self.form {
            Form::Few(_) if self.count == 0 => None,
            Form::Few(values) => Some((values[0], values[self.count as usize - 1])),
            Form::Inner { min, max, .. } => Some((min, max)),
            Form::Whole { .. } => None,
        }
    }

    /// About how long walking it takes.
    pub(super) const fn weight(&self) -> usize {
        match self.form {
            Form::Few(_) => 0,
            Form::Inner { bytes, .. } | Form::Whole { bytes } => bytes.len(),
        }
    }

    /// Hands out every entry in order of index, an index possibly more than once.
    ///
    /// # Errors
    /// Damaged bytes; some entries may have been handed out.
    #[inline]
    pub fn each(&self, mut each: impl FnMut(u32, u64)) -> Result<(), Malformed> {
        let count = match self.form {
            Form::Few(values) => {
                for &value in &values[..self.count as usize] {
                    each(index_of(value), 1);
                }
                return Ok(());
            }
            Form::Inner { min, max, bytes } => {
                let (first, last) = (index_of(min), index_of(max));
                each(first, 1);
                let inner = decode_within(bytes, first, last, &mut Each(&mut each))?;
                each(last, 1);
                inner.checked_add(2)
            }
            Form::Whole { bytes } => Some(decode_within(bytes, 0, INDEX_END - 1, &mut Each(&mut each))?),
        };
        if count == Some(self.count) { Ok(()) } else { Err(SHORT_COUNT) }
    }

    /// Adds all of it to `sum`.
    ///
    /// # Errors
    /// Damaged bytes: `sum` is worthless then until cleared.
    #[inline]
    pub fn pour(&self, sum: &mut Accumulator) -> Result<(), Malformed> {
        match self.form {
            Form::Few(values) => values[..self.count as usize].iter().try_for_each(|&value| sum.add_value(value)),
            Form::Inner { min, max, bytes } => {
                let (first, last) = (index_of(min), index_of(max));
                sum.add(first, 1)?;
                sum.add(last, 1)?;
                sum.add_within(bytes, first, last, self.count.checked_sub(2).ok_or(SHORT_COUNT)?)
            }
            Form::Whole { bytes } => sum.add_within(bytes, 0, INDEX_END - 1, self.count),
        }
    }

    /// All of it as sparse counts.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn counts(&self) -> Result<Counts, Malformed> {
        // An entry takes a byte at least; `count` alone may be what damaged bytes say.
        let most = usize::try_from(self.count).unwrap_or(usize::MAX).min(self.weight() + FEW_MAX);
        let mut counts = Counts::with_capacity(most);
        self.each(|index, count| match counts.last_mut() {
            // The sum of all counts is the cell's count, so it fits.
            Some((last, sum)) if *last == index => *sum = sum.wrapping_add(count),
            _ => counts.push((index, count)),
        })?;
        Ok(counts)
    }

    /// A copy whose bytes are appended to `buffer`.
    pub(crate) fn keep(&self, buffer: &mut Vec<u8>) -> Kept {
        let mut range = (buffer.len(), buffer.len());
        let form = match self.form {
            Form::Few(values) => Form::Few(values),
            Form::Inner { min, max, bytes } => {
                buffer.extend_from_slice(bytes);
                range.1 = buffer.len();
                Form::Inner { min, max, bytes: &[] }
            }
            Form::Whole { bytes } => {
                buffer.extend_from_slice(bytes);
                range.1 = buffer.len();
                Form::Whole { bytes: &[] }
            }
        };
        Kept { histogram: Histogram { count: self.count, form }, range }
    }

    /// Where a search for ranks begins; `None` when its values are kept one by one.
    pub(super) fn seeker(&self) -> Option<Seeker<'a>> {
        match self.form {
            Form::Few(_) => None,
            Form::Inner { min, max, bytes } => Some(Seeker::new(bytes, Some((index_of(min), index_of(max))))),
            Form::Whole { bytes } => Some(Seeker::new(bytes, None)),
        }
    }

    /// The entries one by one, for who may stop early.
    pub fn stream(&self) -> Stream<'a> {
        let (few, few_len, entries, end) = match self.form {
            Form::Few(values) => (values.map(index_of), self.count as usize, Entries::new(&[]), None),
            Form::Inner { min, max, bytes } => {
                let (first, last) = (index_of(min), index_of(max));
                ([first, 0, 0, 0], 1, Entries::within(bytes, first, last), Some(last))
            }
            Form::Whole { bytes } => ([0; FEW_MAX], 0, Entries::new(bytes), None),
        };
        Stream { few, few_at: 0, few_len, entries, end }
    }
}

/// A [`Histogram`] whose bytes lie in a buffer of the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    histogram: Histogram<'static>,
    range: (usize, usize),
}

impl Kept {
    /// The histogram, given the buffer that [`Histogram::keep`] copied it to.
    pub(crate) fn get<'b>(&self, buffer: &'b [u8]) -> Histogram<'b> {
        let bytes = &buffer[self.range.0..self.range.1];
        let form = match self.histogram.form {
            Form::Few(values) => Form::Few(values),
            Form::Inner { min, max, .. } => Form::Inner { min, max, bytes },
            Form::Whole { .. } => Form::Whole { bytes },
        };
        Histogram { count: self.histogram.count, form }
    }
}

/// Entries of a [`Histogram`] in order of index, an index possibly more than once.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    few: [u32; FEW_MAX],
    few_at: usize,
    few_len: usize,
    entries: Entries<'a>,
    end: Option<u32>,
}

impl Stream<'_> {
    /// The next index with its count; `None` at the end.
    ///
    /// # Errors
    /// Damaged bytes.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "`?` on each entry reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(u32, u64)>, Malformed> {
        if self.few_at < self.few_len {
            self.few_at += 1;
            return Ok(Some((self.few[self.few_at - 1], 1)));
        }
        match self.entries.next()? {
            Some(entry) => Ok(Some(entry)),
            None => Ok(self.end.take().map(|index| (index, 1))),
        }
    }
}
