//! Rate limiter cells.
//!
//! ```text
//! kind - kind before, allowed << 4 | share of utilization << 1 | has last, denied, [count],
//! [utilization], [time of the last - bucket start, its value]
//! ```

use std::collections::BTreeMap;

use super::Damaged;
use super::cache::{name_after, put_head, take_head, take_shared, with_share};
use super::stat::Kind;
use crate::bucket::RateCell;
use crate::histogram::varint::{self, Input};
use crate::row::NameId;
use crate::time::Timestamp;

/// Appends all cells of a bucket that starts at `start`.
pub(super) fn encode(cells: &BTreeMap<NameId, RateCell>, start: Timestamp, out: &mut Vec<u8>) {
    let mut before = 0;
    for (&kind, cell) in cells {
        varint::put(out, u64::from(kind - before));
        before = kind;
        let decisions = cell.allowed.saturating_add(cell.denied);
        let (share, utilization) = with_share(&cell.utilization, decisions, Kind::Plain);
        put_head(cell.allowed, share << 1 | u64::from(cell.last.is_some()), out);
        varint::put(out, cell.denied);
        out.extend(utilization);
        if let Some((at, value)) = cell.last {
            // Wrapping: a time outside the bucket costs more bytes but comes back as it was.
            varint::put(out, at.wrapping_sub(start.millis()));
            varint::put(out, value);
        }
    }
}

/// Rate cells one after the other.
#[derive(Clone, Debug)]
pub struct RateCells<'a> {
    input: Input<'a>,
    before: Option<NameId>,
    start: Timestamp,
}

impl<'a> RateCells<'a> {
    pub(super) const fn new(bytes: &'a [u8], start: Timestamp) -> Self {
        Self { input: Input::new(bytes), before: None, start }
    }

    /// The next cell with its kind of limit; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each cell reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(NameId, RateCell)>, Damaged> {
        let input = &mut self.input;
        if input.is_empty() {
            return Ok(None);
        }
        let kind = name_after(&mut self.before, input)?;
        let (allowed, bits) = take_head(input)?;
        let denied = input.number()?;
        let utilization = take_shared(bits >> 1, allowed.saturating_add(denied), Kind::Plain, input)?;
        let last = if bits & 1 == 1 {
            Some((input.number()?.wrapping_add(self.start.millis()), input.number()?))
        } else {
            None
        };
        Ok(Some((kind, RateCell { allowed, denied, utilization, last })))
    }
}
