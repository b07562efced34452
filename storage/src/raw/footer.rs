//! The end of a segment: where its events come from, its names, and what each block holds where.

use crate::raw::scan::GROUP_ROWS;
use crate::raw::schema::{ABSENT, Column, Kind};
use crate::raw::segment::Dictionary;
use crate::raw::wire::{Cursor, put_varint};
use crate::time::{DAY_MS, Timestamp};

/// Most rows of a block. A reader reserves memory by it.
pub(super) const BLOCK_ROWS_MAX: usize = 16_384;

/// A segment as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Its own id, also its file name.
    pub uuid: u128,
    /// Start of its UTC day.
    pub day: Timestamp,
    /// Events in it.
    pub rows: u64,
    /// File size.
    pub bytes: u64,
    /// Earliest event time.
    pub min_ts: Timestamp,
    /// Latest event time.
    pub max_ts: Timestamp,
    /// Where its events come from.
    pub sources: Sources,
}

/// Where the events of a segment come from: enough to tell whether a segment that no manifest lists
/// is the only copy of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Journals, each read up to `end`.
    pub journals: Vec<JournalSource>,
    /// Import batch.
    pub import: Option<u128>,
    /// Segments whose events it took over.
    pub replaces: Vec<u128>,
}

/// A journal that was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSource {
    /// The journal's recorder.
    pub recorder: u128,
    /// Its sequence number.
    pub sequence: u32,
    /// Offset up to which its events were taken.
    pub end: u64,
}

/// The smallest and largest value of a column in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest value that is not [`ABSENT`]; above `max` when every row is absent.
    pub min: u64,
    /// Largest value that is not [`ABSENT`].
    pub max: u64,
    /// Whether some row has no value.
    pub some_absent: bool,
}

impl Bounds {
    /// Bounds of a column whose rows are all `value`.
    pub(super) const fn constant(value: u64) -> Self {
        if value == ABSENT {
            Self { min: ABSENT, max: 0, some_absent: true }
        } else {
            Self { min: value, max: value, some_absent: false }
        }
    }

    /// The one value of all rows, if there is only one.
    pub const fn single(&self) -> Option<u64> {
        match (self.min == self.max, self.some_absent, self.min > self.max) {
            (true, false, _) => Some(self.min),
            (_, true, true) => Some(ABSENT),
            _ => None,
        }
    }

    /// Whether a row may have a value from `low` to `high`, both included.
    pub const fn may_lie_in(&self, low: u64, high: u64) -> bool {
        self.min <= self.max && self.min <= high && low <= self.max
    }
}

/// What the footer says about a block.
#[derive(Clone, Debug)]
pub struct BlockInfo {
    /// What its events are.
    pub kind: Kind,
    /// Events in it.
    pub rows: usize,
    /// Time of its first event.
    pub min_ts: Timestamp,
    /// Time of its last event.
    pub max_ts: Timestamp,
    /// Stored columns in the order of their numbers; the others have their default value.
    pub(super) columns: Vec<ColumnInfo>,
}

/// A stored column of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnInfo {
    pub(super) column: Column,
    pub(super) bounds: Bounds,
    /// Offset of the chunk in the file.
    pub(super) offset: u64,
    /// Bytes of the chunk; 0 = every row has the one value of the bounds.
    pub(super) length: usize,
    pub(super) crc: u32,
}

impl BlockInfo {
    /// Groups of [`GROUP_ROWS`] in it.
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(GROUP_ROWS)
    }

    /// The bounds of a column; those of its default value when the block does not store it.
    pub fn bounds(&self, column: Column) -> Bounds {
        self.stored(column).map_or(Bounds::constant(column.default_value()), |c| c.bounds)
    }

    /// Bytes of a column's chunk, 0 when the block needs none.
    pub fn chunk_bytes(&self, column: Column) -> usize {
        self.stored(column).map_or(0, |c| c.length)
    }

    pub(super) fn stored(&self, column: Column) -> Option<&ColumnInfo> {
        self.columns.iter().find(|c| c.column == column)
    }
}

impl ColumnInfo {
    /// Offset behind the chunk.
    pub(super) const fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

/// Everything the footer holds.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) sources: Sources,
    pub(super) dictionary: Dictionary,
    pub(super) blocks: Vec<BlockInfo>,
}

/// Bytes of the footer.
pub(super) fn encode(sources: &Sources, names: &[&str], series: &[(u32, u32)], blocks: &[BlockInfo]) -> Vec<u8> {
    let mut out = Vec::with_capacity(names.len() * 8 + blocks.len() * 200 + 64);
    put_varint(&mut out, sources.journals.len() as u64);
    for journal in &sources.journals {
        out.extend(journal.recorder.to_le_bytes());
        put_varint(&mut out, journal.sequence.into());
        put_varint(&mut out, journal.end);
    }
    put_varint(&mut out, sources.import.is_some().into());
    sources.import.iter().for_each(|id| out.extend(id.to_le_bytes()));
    put_varint(&mut out, sources.replaces.len() as u64);
    sources.replaces.iter().for_each(|id| out.extend(id.to_le_bytes()));
    // Name 0 is "" and not stored.
    put_varint(&mut out, names.len() as u64 - 1);
    names[1..].iter().for_each(|name| put_varint(&mut out, name.len() as u64));
    names[1..].iter().for_each(|name| out.extend(name.as_bytes()));
    put_varint(&mut out, series.len() as u64);
    for &(provider, model) in series {
        put_varint(&mut out, provider.into());
        put_varint(&mut out, model.into());
    }
    put_varint(&mut out, blocks.len() as u64);
    blocks.iter().for_each(|block| put_block(&mut out, block));
    out
}

const SOME_ABSENT: u8 = 0x80;

fn put_block(out: &mut Vec<u8>, block: &BlockInfo) {
    out.push(block.kind as u8);
    put_varint(out, block.rows as u64);
    out.push(block.columns.len() as u8);
    for column in &block.columns {
        out.push(column.column as u8 | if column.bounds.some_absent { SOME_ABSENT } else { 0 });
        put_varint(out, column.length as u64);
        put_varint(out, column.bounds.min);
        put_varint(out, column.bounds.max);
        if column.length > 0 {
            out.extend(column.crc.to_le_bytes());
        }
    }
}

/// Reads a footer. Chunks lie between `first` and `end` without gaps. The error is the offset in
/// the footer and what is wrong there.
pub(super) fn decode(bytes: &[u8], first: u64, end: u64, day: Timestamp) -> Result<Footer, (usize, &'static str)> {
    let mut cursor = Cursor::new(bytes);
    let c = &mut cursor;
    let sources = get_sources(c).ok_or((c.position(), "the list of sources is broken"))?;
    let at = c.position();
    let names = get_names(c).ok_or((at, "the dictionary is broken"))?;
    let at = c.position();
    let series = get_series(c, names.1.len() - 1).ok_or((at, "the list of series is broken"))?;
    let dictionary = Dictionary::new(names.0, names.1, series);
    let mut offset = first;
    let count = c.count(4).ok_or((c.position(), "there are fewer blocks than it says"))?;
    let mut blocks = Vec::with_capacity(count);
    for _ in 0..count {
        let at = c.position();
        blocks.push(get_block(c, &mut offset, end, day, &dictionary).ok_or((at, "the index of a block is broken"))?);
    }
    if c.left() > 0 || offset != end {
        return Err((c.position(), "the index does not fit the file"));
    }
    Ok(Footer { sources, dictionary, blocks })
}

fn get_sources(c: &mut Cursor<'_>) -> Option<Sources> {
    let mut sources = Sources::default();
    for _ in 0..c.count(18)? {
        let journal = JournalSource { recorder: c.u128()?, sequence: c.varint_u32()?, end: c.varint()? };
        sources.journals.push(journal);
    }
    if c.varint()? > 0 {
        sources.import = Some(c.u128()?);
    }
    for _ in 0..c.count(16)? {
        sources.replaces.push(c.u128()?);
    }
    Some(sources)
}

/// All names in one string, and where each ends (the empty one first, so one more than stored).
fn get_names(c: &mut Cursor<'_>) -> Option<(Box<str>, Vec<u32>)> {
    let count = c.count(1)?;
    let mut ends = Vec::with_capacity(count + 2);
    ends.extend([0, 0]);
    let mut end = 0u32;
    for _ in 0..count {
        end = end.checked_add(c.varint_u32()?)?;
        ends.push(end);
    }
    let text = std::str::from_utf8(c.take(end as usize)?).ok()?;
    ends.iter().all(|&e| text.is_char_boundary(e as usize)).then(|| (text.into(), ends))
}

fn get_series(c: &mut Cursor<'_>, names: usize) -> Option<Vec<(u32, u32)>> {
    let count = c.count(2)?;
    let mut series = Vec::with_capacity(count);
    for _ in 0..count {
        let pair = (c.varint_u32()?, c.varint_u32()?);
        if pair.0 as usize >= names || pair.1 as usize >= names {
            return None;
        }
        series.push(pair);
    }
    Some(series)
}

fn get_block(
    c: &mut Cursor<'_>,
    offset: &mut u64,
    end: u64,
    day: Timestamp,
    dictionary: &Dictionary,
) -> Option<BlockInfo> {
    let kind = Kind::from_number(c.u8()?)?;
    let rows = usize::try_from(c.varint()?).ok()?;
    if rows == 0 || rows > BLOCK_ROWS_MAX {
        return None;
    }
    let count = c.u8()?;
    let mut columns = Vec::with_capacity(usize::from(count.min(32)));
    for _ in 0..count {
        let info = get_column(c, offset, end)?;
        let ascending = columns.last().is_none_or(|last: &ColumnInfo| last.column < info.column);
        if !ascending || !kind.columns().has(info.column) || !ids_exist(&info, dictionary) {
            return None;
        }
        columns.push(info);
    }
    let ts = columns.iter().find(|c| c.column == Column::Ts)?.bounds;
    let in_day = ts.min >= day.millis() && ts.max < day.millis().checked_add(DAY_MS)?;
    if ts.some_absent || ts.min > ts.max || !in_day {
        return None;
    }
    let (min_ts, max_ts) = (Timestamp::from_millis(ts.min), Timestamp::from_millis(ts.max));
    let block = BlockInfo { kind, rows, min_ts, max_ts, columns };
    // A block without a series column means series 0, which must exist.
    (block.bounds(Column::Series).max < dictionary.series().len() as u64).then_some(block)
}

fn get_column(c: &mut Cursor<'_>, offset: &mut u64, end: u64) -> Option<ColumnInfo> {
    let tag = c.u8()?;
    let column = Column::from_number(tag & !SOME_ABSENT)?;
    let length = c.varint()?;
    let bounds = Bounds { min: c.varint()?, max: c.varint()?, some_absent: tag & SOME_ABSENT != 0 };
    let (start, stop) = (*offset, offset.checked_add(length)?);
    if stop > end {
        return None;
    }
    *offset = stop;
    let crc = if length > 0 { c.u32()? } else { 0 };
    if length == 0 && bounds.single().is_none() {
        return None;
    }
    Some(ColumnInfo { column, bounds, offset: start, length: usize::try_from(length).ok()?, crc })
}

/// Whether the largest id in the column is one of the dictionary's, so that a look-up cannot fail.
fn ids_exist(info: &ColumnInfo, dictionary: &Dictionary) -> bool {
    let Bounds { min, max, some_absent } = info.bounds;
    let names = dictionary.names_len() as u64;
    match info.column {
        Column::Series => !some_absent && min <= max && max < dictionary.series().len() as u64,
        Column::Status => !some_absent && min <= max && (max == 0 || max - 1 < names),
        column if column.is_name() => !some_absent && min <= max && max < names,
        _ => true,
    }
}
