//! Cache cells.
//!
//! ```text
//! model - model before, hits << 4 | share of tokens << 2 | share of cost, misses, [counts],
//! [saved cost], [saved tokens]
//! ```
//! A share of 3 is a stat written plain.

use std::collections::BTreeMap;

use super::Damaged;
use super::request::next_name;
use super::stat::{self, Kind, Share};
use crate::bucket::{CacheCell, Stat};
use crate::histogram::Malformed;
use crate::histogram::varint::{self, Input};
use crate::row::NameId;

/// Share of a stat that is written plain.
pub(super) const PLAIN: u64 = 3;

/// Appends all cells.
pub(super) fn encode(cells: &BTreeMap<NameId, CacheCell>, out: &mut Vec<u8>) {
    let mut before = 0;
    for (&model, cell) in cells {
        varint::put(out, u64::from(model - before));
        before = model;
        let (cost_share, cost) = with_share(&cell.saved_cost, cell.hits, Kind::Money);
        let (tokens_share, tokens) = with_share(&cell.saved_tokens, cell.hits, Kind::Plain);
        put_head(cell.hits, tokens_share << 2 | cost_share, out);
        varint::put(out, cell.misses);
        out.extend(cost);
        out.extend(tokens);
    }
}

/// Appends `count` with four bits below it.
pub(super) fn put_head(count: u64, bits: u64, out: &mut Vec<u8>) {
    varint::put_wide(out, u128::from(count) << 4 | u128::from(bits));
}

/// Reads what [`put_head`] wrote.
pub(super) fn take_head(input: &mut Input<'_>) -> Result<(u64, u64), Malformed> {
    let head = input.wide_number()?;
    let count = u64::try_from(head >> 4).map_err(|_| Malformed("a number is too large"))?;
    Ok((count, head as u64 & 15))
}

/// A stat that may be missing, with its share of `whole`.
pub(super) fn with_share(stat: &Stat, whole: u64, kind: Kind) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    if *stat == Stat::default() {
        return (Share::None as u64, bytes);
    }
    let share = Share::of(stat.count, whole);
    share.put(stat.count, &mut bytes);
    if stat.count > 0 && stat::put(stat, kind, &mut bytes).is_some() {
        return (share as u64, bytes);
    }
    bytes.clear();
    stat::put_plain(stat, &mut bytes);
    (PLAIN, bytes)
}

/// Reads what [`with_share`] wrote.
pub(super) fn take_shared(bits: u64, whole: u64, kind: Kind, input: &mut Input<'_>) -> Result<Stat, Malformed> {
    if bits & 3 == PLAIN {
        return stat::take_plain(input);
    }
    let count = Share::take(bits, whole, input)?;
    stat::take(count, kind, input)
}

/// Cache cells one after the other.
#[derive(Clone, Debug)]
pub struct CacheCells<'a> {
    input: Input<'a>,
    before: Option<NameId>,
}

impl<'a> CacheCells<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { input: Input::new(bytes), before: None }
    }

    /// The next cell with its model; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each cell reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(NameId, CacheCell)>, Damaged> {
        let input = &mut self.input;
        if input.is_empty() {
            return Ok(None);
        }
        let model = name_after(&mut self.before, input)?;
        let (hits, bits) = take_head(input)?;
        let misses = input.number()?;
        let saved_cost = take_shared(bits, hits, Kind::Money, input)?;
        let saved_tokens = take_shared(bits >> 2, hits, Kind::Plain, input)?;
        Ok(Some((model, CacheCell { hits, misses, saved_cost, saved_tokens })))
    }
}

/// The next id of a list that must ascend, written as its distance from the one before.
pub(super) fn name_after(before: &mut Option<NameId>, input: &mut Input<'_>) -> Result<NameId, Malformed> {
    let delta = input.number()?;
    if before.is_some() && delta == 0 {
        return Err(Malformed("the cells of a bucket are out of order"));
    }
    let id = next_name(before.unwrap_or(0), delta)?;
    *before = Some(id);
    Ok(id)
}
