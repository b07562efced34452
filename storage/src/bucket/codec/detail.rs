//! Cells by user.
//!
//! ```text
//! user - user before, bytes of the cells, cells, latencies, [latency]
//! cell: model - model before, requests << 1 | same flags, [flags], [failed], [unpriced], [tokens …],
//!       cost << 4 | divisor
//! ```

use super::cache::name_after;
use super::request::{Writer, check_histogram, skip_timed, timed_histogram};
use super::stat::{self, Kind};
use super::{Damaged, RowKey, RowMeta, Unencodable, missing, put_missing, seal, unseal};
use crate::bucket::{Counts, Detail, DetailCell, Stat};
use crate::histogram::varint::{self, Input};
use crate::histogram::{Histogram, Malformed};
use crate::row::NameId;

/// Bits of a cell's flags; token class `n` is bit `CLASS + n`.
const FAILED: u32 = 0;
const UNPRICED: u32 = 1;
const CLASS: u32 = 2;

/// The third part of a row some of whose cells count as `(other)`.
const LIMITED: u8 = 1;

/// Appends the bytes of `detail` to `out`. A user without cells and without latencies is left out.
///
/// # Errors
/// A latency histogram that contradicts its counters, or times that do; `out` is as before then.
pub fn encode_detail(detail: &Detail, key: &RowKey<'_>, meta: RowMeta, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let (mut bytes, mut cells_bytes) = (Vec::new(), Vec::new());
    let (mut writer, mut user_before) = (Writer::default(), 0);
    let mut cells = detail.cells.iter().peekable();
    let mut latencies = detail.latency.iter().peekable();
    loop {
        let with_cells = cells.peek().map(|((user, _), _)| *user);
        let with_latency = latencies.peek().map(|(user, _)| **user);
        let Some(user) = with_cells.into_iter().chain(with_latency).min() else { break };
        cells_bytes.clear();
        let mut cell_writer = CellWriter::default();
        while let Some((&(_, model), cell)) = cells.next_if(|((of, _), _)| *of == user) {
            cell_writer.put(model, cell, &mut cells_bytes);
        }
        let latency = latencies.next_if(|(of, _)| **of == user).map(|(_, latency)| latency);
        varint::put(&mut bytes, u64::from(user - user_before));
        user_before = user;
        varint::put(&mut bytes, cells_bytes.len() as u64);
        bytes.extend_from_slice(&cells_bytes);
        put_latency(&mut writer, latency, &mut bytes)?;
    }
    seal((&bytes, &put_missing(detail.missing), if detail.limited { &[LIMITED] } else { &[] }), key, meta, out)
}

/// The count of latencies, 0 for none, and their numbers.
fn put_latency(writer: &mut Writer, latency: Option<&(Stat, Counts)>, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let Some((stat, counts)) = latency else {
        varint::put(out, 0);
        return Ok(());
    };
    check_histogram(stat, counts)?;
    varint::put(out, stat.count);
    writer.timed(stat, counts, out).ok_or(Unencodable::Histogram)
}

#[derive(Default)]
struct CellWriter {
    model: NameId,
    flags: u64,
}

impl CellWriter {
    fn put(&mut self, model: NameId, cell: &DetailCell, out: &mut Vec<u8>) {
        let mut flags = u64::from(cell.errors > 0) << FAILED | u64::from(cell.unpriced > 0) << UNPRICED;
        for (class, &tokens) in (CLASS..).zip(&cell.tokens) {
            flags |= u64::from(tokens > 0) << class;
        }
        varint::put(out, u64::from(model - self.model));
        let same = flags == self.flags;
        varint::put_wide(out, u128::from(cell.count) << 1 | u128::from(same));
        if !same {
            varint::put(out, flags);
        }
        for number in [cell.errors, cell.unpriced].into_iter().chain(cell.tokens).filter(|&n| n > 0) {
            varint::put(out, number);
        }
        stat::put_sum(cell.cost_nanos, Kind::Money, out);
        (self.model, self.flags) = (model, flags);
    }
}

/// The cells by user in `bytes`.
///
/// # Errors
/// Damaged bytes.
pub fn decode_detail(bytes: &[u8], key: &RowKey<'_>) -> Result<(Detail, RowMeta), Damaged> {
    let view = DetailView::parse(bytes, key)?;
    let mut detail = Detail { missing: view.missing, limited: view.limited, ..Detail::default() };
    let mut users = view.users();
    while let Some(user) = users.next()? {
        let mut cells = user.cells();
        while let Some((model, cell)) = cells.next()? {
            detail.cells.insert((user.user, model), cell);
        }
        if user.latencies > 0 {
            detail.latency.insert(user.user, (user.latency_stat()?, user.latency()?.counts()?));
        }
    }
    Ok((detail, view.meta))
}

/// Encoded cells by user whose checksum was found right.
#[derive(Clone, Copy, Debug)]
pub struct DetailView<'a> {
    /// End and previous row.
    pub meta: RowMeta,
    /// See [`Detail::missing`].
    pub missing: u64,
    /// See [`Detail::limited`].
    pub limited: bool,
    users: &'a [u8],
}

impl<'a> DetailView<'a> {
    /// Checks `bytes` and finds the cells in them.
    ///
    /// # Errors
    /// Damaged bytes, or those of another row.
    pub fn parse(bytes: &'a [u8], key: &RowKey<'_>) -> Result<Self, Damaged> {
        match unseal(bytes, key)? {
            (meta, (users, part, limited @ ([] | [LIMITED]))) => {
                Ok(Self { meta, missing: missing(part)?, limited: !limited.is_empty(), users })
            }
            _ => Err(Malformed("the row has bytes left over").into()),
        }
    }

    /// The users, by id.
    pub const fn users(&self) -> Users<'a> {
        Users { input: Input::new(self.users), before: None }
    }
}

/// Users of a [`DetailView`] one after the other.
#[derive(Clone, Debug)]
pub struct Users<'a> {
    input: Input<'a>,
    before: Option<NameId>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct UserView<'a> {
    /// User name.
    pub user: NameId,
    /// How many latencies there are.
    pub latencies: u64,
    cells: &'a [u8],
    latency: Input<'a>,
}

impl<'a> Users<'a> {
    /// The next user; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each user reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<UserView<'a>>, Damaged> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let user = name_after(&mut self.before, &mut self.input)?;
        let len = self.input.number()?;
        let cells = self.input.slice(len)?;
        let latencies = self.input.number()?;
        let latency = self.input;
        skip_timed(latencies, &mut self.input)?;
        Ok(Some(UserView { user, latencies, cells, latency }))
    }
}

impl<'a> UserView<'a> {
    /// The cells, by model.
    pub const fn cells(&self) -> DetailCells<'a> {
        DetailCells { input: Input::new(self.cells), before: None, flags: 0, tokens: true }
    }

    /// The same with no tokens, for who does not look at them: most of a cell's numbers.
    pub const fn cells_without_tokens(&self) -> DetailCells<'a> {
        DetailCells { tokens: false, ..self.cells() }
    }

    /// The numbers of latency, all models.
    ///
    /// # Errors
    /// Damaged content.
    pub fn latency_stat(&self) -> Result<Stat, Damaged> {
        Ok(stat::take(self.latencies, Kind::Time, &mut self.latency.clone())?)
    }

    /// The distribution of latency, all models.
    ///
    /// # Errors
    /// Damaged content.
    pub fn latency(&self) -> Result<Histogram<'a>, Damaged> {
        Ok(timed_histogram(self.latencies, self.latency)?)
    }
}

/// Cells of one user one after the other.
#[derive(Clone, Debug)]
pub struct DetailCells<'a> {
    input: Input<'a>,
    before: Option<NameId>,
    flags: u64,
    tokens: bool,
}

impl DetailCells<'_> {
    /// The next cell with its model; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each cell reads better than an iterator of results")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<(NameId, DetailCell)>, Damaged> {
        let input = &mut self.input;
        if input.is_empty() {
            return Ok(None);
        }
        let model = name_after(&mut self.before, input)?;
        let head = input.wide_number()?;
        if head & 1 == 0 {
            self.flags = input.number()?;
            if self.flags >> (CLASS + 6) != 0 {
                return Err(Malformed("the head of a cell is unknown").into());
            }
        }
        let flags = self.flags;
        let mut number = |at: u32| if flags >> at & 1 == 1 { input.number() } else { Ok(0) };
        let mut cell = DetailCell {
            count: u64::try_from(head >> 1).map_err(|_| Malformed("a number is too large"))?,
            errors: number(FAILED)?,
            unpriced: number(UNPRICED)?,
            ..DetailCell::default()
        };
        if self.tokens {
            for (class, tokens) in (CLASS..).zip(&mut cell.tokens) {
                *tokens = number(class)?;
            }
        } else {
            input.skip((flags >> CLASS).count_ones() as usize)?;
        }
        cell.cost_nanos = stat::take_sum(Kind::Money, input)?;
        Ok(Some((model, cell)))
    }
}
