//! Reading the wanted columns of one block, 256 rows at a time.

use crate::event::CostSource;
use crate::raw::block::{COST_PLAIN, COST_PREDICTED, key, unzigzag};
use crate::raw::column::{Chunk, Group, Packed, Words};
use crate::raw::footer::{BLOCK_ROWS_MAX, BlockInfo, ColumnInfo};
use crate::raw::price::{INPUT, OUTPUT, TOKEN_COLUMNS, Table, classes, product};
use crate::raw::schema::{ABSENT, COLUMNS, Column, ColumnSet, OK};
use crate::raw::segment::{Segment, SegmentError};
use crate::raw::wide::wide;
use crate::raw::wire::Cursor;

/// Rows of a group: what is decoded at once. The last group of a block may have fewer.
pub const GROUP_ROWS: usize = 256;

/// Chunks further apart are read on their own: copying what lies between would cost more.
const GAP_BYTES: u64 = 16 << 10;

/// Of the [`TOKEN_COLUMNS`] those that are parts of input and output.
const CLASS_PARTS: [Column; 4] =
    [Column::CachedTokens, Column::CacheWriteTokens, Column::CacheWrite1hTokens, Column::ReasoningTokens];

/// Buffers that reading reuses; one a thread, for any number of segments. 50 KiB and the bytes of
/// the largest block read.
#[derive(Debug)]
pub struct Scratch {
    bytes: Vec<u8>,
    columns: Vec<Slot>,
    values: Vec<Group>,
    words: Box<Words>,
    prices: Table,
}

/// One column in the scratch.
#[derive(Debug, Default)]
struct Slot {
    state: State,
    /// Where its chunk lies in the bytes.
    chunk_at: std::ops::Range<usize>,
    chunk: Chunk,
    /// Group whose values are decoded.
    decoded: Option<usize>,
}

/// What has to be done for a column's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It was not fetched.
    #[default]
    Missing,
    /// One value for all rows, which is in place.
    Constant,
    /// Its chunk must be decoded.
    Packed,
    /// Its cost must be computed; nothing is missed.
    Predicted,
    /// Its cost must be computed and what is missed, decoded, be added.
    Corrected,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            columns: (0..COLUMNS).map(|_| Slot::default()).collect(),
            values: vec![[0; GROUP_ROWS]; COLUMNS],
            words: Box::new([0; GROUP_ROWS]),
            prices: Table::default(),
        }
    }
}

/// The fetched columns of a block.
#[derive(Debug)]
pub struct BlockReader<'a> {
    scratch: &'a mut Scratch,
    rows: usize,
    /// Where the event ids lie in the bytes.
    ids_at: std::ops::Range<usize>,
    /// Largest id by column, as the footer says; `u64::MAX` for columns without ids.
    id_max: [u64; COLUMNS],
    /// An id was above that and taken down to it.
    contradicts: bool,
}

impl Segment {
    /// Fetches `columns` of block number `block`, neighbours with one `pread`, and checks their CRCs. Columns
    /// that the block's kind lacks are ignored; what [`Column::Cost`] is computed from comes along.
    ///
    /// # Errors
    /// See [`SegmentError`]. After it, decoding cannot fail.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn read<'a>(
        &self,
        block: usize,
        columns: ColumnSet,
        scratch: &'a mut Scratch,
    ) -> Result<BlockReader<'a>, SegmentError> {
        let info = &self.blocks()[block];
        debug_assert!(info.rows <= BLOCK_ROWS_MAX);
        let mut wanted = columns.within(info.kind.columns());
        if wanted.has(Column::Cost) && info.chunk_bytes(Column::Cost) > 0 {
            // Whether the cost is predicted says its chunk; the rest is beside it anyway.
            wanted = wanted.and(ColumnSet::OF_PRICES);
        }
        for slot in &mut scratch.columns {
            slot.state = State::Missing;
            slot.decoded = None;
        }
        self.fetch_chunks(info, wanted, scratch)?;
        let mut reader =
            BlockReader { scratch, rows: info.rows, ids_at: 0..0, id_max: [u64::MAX; COLUMNS], contradicts: false };
        for column in wanted.iter() {
            if column.is_id() {
                reader.id_max[column as usize] = info.bounds(column).max;
            }
            match info.stored(column).filter(|c| c.length > 0) {
                Some(stored) => self.prepare(&mut reader, info, stored)?,
                None => reader.constant(column, info.bounds(column).single().unwrap_or(0)),
            }
        }
        Ok(reader)
    }

    /// Reads the chunks of `wanted`, those close together in one go, and notes where they lie.
    fn fetch_chunks(&self, info: &BlockInfo, wanted: ColumnSet, scratch: &mut Scratch) -> Result<(), SegmentError> {
        let Scratch { bytes, columns, .. } = scratch;
        bytes.clear();
        let chunks: Vec<&ColumnInfo> = info.columns.iter().filter(|c| c.length > 0 && wanted.has(c.column)).collect();
        for near in chunks.chunk_by(|a, b| b.offset - a.end() < GAP_BYTES) {
            let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
            let base = bytes.len();
            self.fetch(first.offset, last.end(), bytes)?;
            for chunk in near {
                let start = base + (chunk.offset - first.offset) as usize;
                columns[chunk.column as usize].chunk_at = start..start + chunk.length;
            }
        }
        Ok(())
    }

    /// Checks a fetched chunk and reads its structure.
    fn prepare(&self, reader: &mut BlockReader<'_>, info: &BlockInfo, stored: &ColumnInfo) -> Result<(), SegmentError> {
        let at = reader.scratch.columns[stored.column as usize].chunk_at.clone();
        if crc32fast::hash(&reader.scratch.bytes[at.clone()]) != stored.crc {
            let what = format!("the checksum of the column {:?} is wrong", stored.column);
            return Err(self.damaged(stored.offset, what));
        }
        let series = self.names().series().len();
        reader.parse(stored, info, at, series).ok_or_else(|| {
            self.damaged(stored.offset, format!("the column {:?} does not hold what it says", stored.column))
        })
    }
}

impl BlockReader<'_> {
    /// Rows in the block.
    pub fn block_rows(&self) -> usize {
        self.rows
    }

    /// Groups in the block.
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP_ROWS)
    }

    /// Rows of group number `group`: [`GROUP_ROWS`] but for the last, 0 beyond it.
    pub fn rows(&self, group: usize) -> usize {
        self.rows.saturating_sub(group.saturating_mul(GROUP_ROWS)).min(GROUP_ROWS)
    }

    /// Decodes `columns` of group number `group`, in any order of groups; only those that were
    /// fetched. A column decoded already is not decoded again, so filters can take one column
    /// after the other and stop when no row is left.
    pub fn decode(&mut self, group: usize, columns: ColumnSet) {
        for column in columns.iter() {
            let slot = &self.scratch.columns[column as usize];
            if slot.decoded == Some(group) && slot.state != State::Missing {
                continue;
            }
            match slot.state {
                State::Missing => continue,
                State::Constant => {}
                State::Packed => self.unpack(column, group),
                State::Predicted | State::Corrected => self.predict(group),
            }
            self.scratch.columns[column as usize].decoded = Some(group);
        }
    }

    /// The values of a column in the group that was decoded last, one a row and 256 in all: those
    /// beyond the group's rows mean nothing. Names are ids of the segment's dictionary, series
    /// indices of its series. A column that was never decoded has stale values.
    #[inline]
    pub fn values(&self, column: Column) -> &[u64; GROUP_ROWS] {
        debug_assert!(self.scratch.columns[column as usize].decoded.is_some(), "{column:?} was not decoded");
        &self.scratch.values[column as usize]
    }

    /// The numbers of a fetched column in group number `group` as they are packed, and which of them stand
    /// for values from `first` to `last`. Nothing when the column must be decoded to be compared.
    pub fn words_within(&mut self, column: Column, group: usize, (first, last): (u64, u64)) -> Option<Packed<'_>> {
        let rows = self.rows(group);
        let last = last.min(ABSENT - 1);
        let Scratch { bytes, columns, words, .. } = &mut *self.scratch;
        let slot = columns.get(column as usize).filter(|slot| slot.state == State::Packed && rows > 0)?;
        slot.chunk.words_within(&bytes[slot.chunk_at.clone()], group, rows, (first, last), words)
    }

    /// All event ids of the block, one after the other.
    pub(super) fn event_ids(&self) -> &[u8] {
        &self.scratch.bytes[self.ids_at.clone()]
    }

    fn constant(&mut self, column: Column, value: u64) {
        self.scratch.columns[column as usize].state = State::Constant;
        self.scratch.values[column as usize].fill(value);
    }

    /// Reads the structure of a chunk whose CRC is right.
    fn parse(
        &mut self,
        stored: &ColumnInfo,
        info: &BlockInfo,
        at: std::ops::Range<usize>,
        series: usize,
    ) -> Option<()> {
        let Scratch { bytes, columns, prices, .. } = &mut *self.scratch;
        let slot = &mut columns[stored.column as usize];
        let chunk = &bytes[at.clone()];
        let mut c = Cursor::new(chunk);
        let (mut skip, mut length) = (0, chunk.len());
        let mut state = State::Packed;
        match stored.column {
            Column::Cost => {
                match c.u8()? {
                    COST_PLAIN => {}
                    COST_PREDICTED => {
                        prices.decode(&mut c, series)?;
                        state = if c.left() > 0 { State::Corrected } else { State::Predicted };
                    }
                    _ => return None,
                }
                skip = c.position();
                length -= skip;
            }
            Column::EventId => {
                length = usize::try_from(c.varint()?).ok()?;
                skip = c.position();
                c.take(length)?;
                self.ids_at = at.start + c.position()..at.end;
            }
            _ => {}
        }
        slot.state = state;
        slot.chunk_at = at.start + skip..at.start + skip + length;
        if state == State::Predicted {
            return Some(());
        }
        if stored.column == Column::EventId && length == 0 {
            self.constant(Column::EventId, stored.bounds.single()?);
            return Some(());
        }
        slot.chunk.parse(&bytes[slot.chunk_at.clone()], info.rows)
    }

    fn unpack(&mut self, column: Column, group: usize) {
        let rows = self.rows(group);
        let Scratch { bytes, columns, values, words, .. } = &mut *self.scratch;
        let slot = &columns[column as usize];
        if rows > 0 {
            let values = &mut values[column as usize];
            let most = slot.chunk.decode(&bytes[slot.chunk_at.clone()], group, rows, words, values);
            let max = self.id_max[column as usize];
            if most > max && any_beyond(&values[..rows], max) {
                values.iter_mut().for_each(|v| *v = (*v).min(max));
                self.contradicts = true;
            }
        }
    }

    /// Whether a column held ids beyond what the footer says. Checksums were right, so somebody
    /// made the file so; the ids were lowered to ones that exist.
    pub fn contradicts_footer(&self) -> bool {
        self.contradicts
    }

    fn predict(&mut self, group: usize) {
        self.decode(group, ColumnSet::OF_PRICES);
        let corrected = self.scratch.columns[Column::Cost as usize].state == State::Corrected;
        if corrected {
            self.unpack(Column::Cost, group);
        }
        let rows = self.rows(group);
        let Scratch { values, prices, columns, .. } = &mut *self.scratch;
        let of = |column: Column| &values[column as usize][..rows];
        let constant = |column: Column| columns[column as usize].state == State::Constant;
        let mut sums = [0u64; GROUP_ROWS];
        let plain = CLASS_PARTS.iter().all(|&part| constant(part) && values[part as usize][0] == 0);
        let calls = || of(Column::Series).iter().zip(of(Column::Status));
        let tokens = |i: usize| classes(TOKEN_COLUMNS.map(|column| values[column as usize][i]));
        if constant(Column::ServiceTier) {
            let slots = prices.slots(values[Column::ServiceTier as usize][0]);
            let slot = |(series, status): (&u64, &u64)| slots.get(2 * *series as usize + usize::from(*status != OK));
            if plain {
                let tokens = of(Column::InputTokens).iter().zip(of(Column::OutputTokens));
                for ((sum, call), (input, output)) in sums.iter_mut().zip(calls()).zip(tokens) {
                    *sum = slot(call).map_or(0, |prices| {
                        input.wrapping_mul(prices[INPUT]).wrapping_add(output.wrapping_mul(prices[OUTPUT]))
                    });
                }
            } else {
                for ((i, sum), call) in sums.iter_mut().enumerate().zip(calls()) {
                    *sum = slot(call).map_or(0, |prices| product(&tokens(i), prices));
                }
            }
        } else {
            for ((i, sum), (series, status)) in sums.iter_mut().enumerate().zip(calls()) {
                let key = key(*series, *status, values[Column::ServiceTier as usize][i]);
                *sum = product(&tokens(i), prices.prices_of(key));
            }
        }
        prices.round(&mut sums[..rows]);
        if !constant(Column::CostSource) || values[Column::CostSource as usize][0] == CostSource::Unpriced as u64 {
            let unpriced = |source: u64| source == CostSource::Unpriced as u64;
            sums.iter_mut().zip(of(Column::CostSource)).filter(|(_, s)| unpriced(**s)).for_each(|(sum, _)| *sum = 0);
        }
        let costs = &mut values[Column::Cost as usize];
        if corrected {
            costs.iter_mut().zip(sums).for_each(|(cost, sum)| *cost = sum.wrapping_add(unzigzag(*cost)));
        } else {
            *costs = sums;
        }
    }
}

wide! {
    /// Whether a value is above `max`.
    fn any_beyond(values: &[u64], max: u64) -> bool {
        // Names are fewer than 2^63: a value above `max` or its distance to it has the top bit set.
        values.iter().fold(0, |bits, v| bits | *v | max.wrapping_sub(*v)) >> 63 != 0
    }
}
