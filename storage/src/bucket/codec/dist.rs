//! Distributions of tokens and cost.
//!
//! ```text
//! model - model before << 1 | ok, then of tokens and of cost: values, [bytes, counts]
//! ```

use super::request::next_name;
use super::{Damaged, RowKey, RowMeta, Unencodable, missing, put_missing, seal, unseal};
use crate::bucket::{Dist, DistCell};
use crate::histogram::varint::{self, Input};
use crate::histogram::{Histogram, Malformed, encode};
use crate::row::NameId;

/// Appends the bytes of `dist` to `out`.
///
/// # Errors
/// Counts out of order or times that contradict each other; `out` is as before then.
pub fn encode_dist(dist: &Dist, key: &RowKey<'_>, meta: RowMeta, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let (mut cells, mut bytes, mut before) = (Vec::new(), Vec::new(), 0);
    for (&(model, ok), cell) in &dist.cells {
        varint::put(&mut cells, u64::from(model - before) << 1 | u64::from(ok));
        before = model;
        for counts in [&cell.tokens, &cell.cost] {
            let increasing = counts.windows(2).all(|w| w[0].0 < w[1].0) && counts.iter().all(|&(_, n)| n > 0);
            let total = counts.iter().try_fold(0_u64, |sum, &(_, n)| sum.checked_add(n));
            let total = total.filter(|_| increasing).ok_or(Unencodable::Histogram)?;
            varint::put(&mut cells, total);
            if total > 0 {
                bytes.clear();
                encode(counts, &mut bytes);
                varint::put(&mut cells, bytes.len() as u64);
                cells.extend_from_slice(&bytes);
            }
        }
    }
    seal((&cells, &put_missing(dist.missing), &[]), key, meta, out)
}

/// The distributions in `bytes`.
///
/// # Errors
/// Damaged bytes.
pub fn decode_dist(bytes: &[u8], key: &RowKey<'_>) -> Result<(Dist, RowMeta), Damaged> {
    let view = DistView::parse(bytes, key)?;
    let mut dist = Dist { missing: view.missing, ..Dist::default() };
    let mut cells = view.cells();
    while let Some(cell) = cells.next()? {
        let (tokens, cost) = (cell.tokens.counts()?, cell.cost.counts()?);
        dist.cells.insert((cell.model, cell.ok), DistCell { tokens, cost });
    }
    Ok((dist, view.meta))
}

/// Encoded distributions whose checksum was found right.
#[derive(Clone, Copy, Debug)]
pub struct DistView<'a> {
    /// End and previous row.
    pub meta: RowMeta,
    /// See [`Dist::missing`].
    pub missing: u64,
    cells: &'a [u8],
}

impl<'a> DistView<'a> {
    /// Checks `bytes` and finds the cells in them.
    ///
    /// # Errors
    /// Damaged bytes, or those of another row.
    pub fn parse(bytes: &'a [u8], key: &RowKey<'_>) -> Result<Self, Damaged> {
        match unseal(bytes, key)? {
            (meta, (cells, part, [])) => Ok(Self { meta, missing: missing(part)?, cells }),
            _ => Err(Malformed("the row has bytes left over").into()),
        }
    }

    /// The cells, by model and success.
    pub const fn cells(&self) -> DistCells<'a> {
        DistCells { input: Input::new(self.cells), before: None }
    }
}

/// Cells of a [`DistView`] one after the other.
#[derive(Clone, Debug)]
pub struct DistCells<'a> {
    input: Input<'a>,
    before: Option<(NameId, bool)>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct DistCellView<'a> {
    /// Model name.
    pub model: NameId,
    /// Succeeded or failed.
    pub ok: bool,
    /// input + output tokens a request.
    pub tokens: Histogram<'a>,
    /// Nano-dollars a priced request.
    pub cost: Histogram<'a>,
}

impl<'a> DistCells<'a> {
    /// The next cell; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each cell reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<DistCellView<'a>>, Damaged> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let head = self.input.number()?;
        let key = (next_name(self.before.map_or(0, |(model, _)| model), head >> 1)?, head & 1 == 1);
        if self.before.is_some_and(|before| before >= key) {
            return Err(Malformed("the cells of a bucket are out of order").into());
        }
        self.before = Some(key);
        let tokens = histogram(&mut self.input)?;
        let cost = histogram(&mut self.input)?;
        Ok(Some(DistCellView { model: key.0, ok: key.1, tokens, cost }))
    }
}

fn histogram<'a>(input: &mut Input<'a>) -> Result<Histogram<'a>, Malformed> {
    let count = input.number()?;
    if count == 0 {
        return Ok(Histogram::EMPTY);
    }
    let len = input.number()?;
    Ok(Histogram::whole(count, input.slice(len)?))
}
