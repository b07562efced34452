//! Whole events out of a block.

use std::ops::Range;

use crate::event::{CostSource, Tokens};
use crate::raw::scan::{BlockReader, GROUP_ROWS, Scratch};
use crate::raw::schema::{Column, ColumnSet, FAILED, Kind, OK};
use crate::raw::segment::{Dictionary, Segment, SegmentError};
use crate::row::{Batch, Body, CacheRow, Maybe, NameId, Names, RateRow, RequestRow, Row};
use crate::time::Timestamp;

/// No name of the segment is in the batch under this id.
const NOT_YET: NameId = NameId::MAX;

impl Segment {
    /// Appends all events of block number `block` to `batch`, names interned, in order of time.
    ///
    /// # Errors
    /// See [`SegmentError`]. Beside what reading columns finds: values outside the bounds that the
    /// footer states, times out of order, event ids that are not text. `batch` may then hold a part
    /// of the block.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn rows(&self, block: usize, scratch: &mut Scratch, batch: &mut Batch) -> Result<(), SegmentError> {
        self.rows_of(block, 0..self.blocks()[block].groups(), scratch, batch)
    }

    /// The same for some of the block's groups of [`GROUP_ROWS`](crate::raw::GROUP_ROWS) events.
    ///
    /// # Errors
    /// As [`Segment::rows`].
    ///
    /// # Panics
    /// When there is no such block.
    pub fn rows_of(
        &self,
        block: usize,
        groups: Range<usize>,
        scratch: &mut Scratch,
        batch: &mut Batch,
    ) -> Result<(), SegmentError> {
        let mut translation = Translation::new(self.names());
        let Batch { names, rows } = batch;
        let names = std::cell::RefCell::new(names);
        rows.reserve(groups.len() * GROUP_ROWS);
        let name = |id: NameId| translation.get(id, &mut names.borrow_mut());
        self.each_row(block, groups, scratch, name, |mut row, id| {
            row.event_id = names.borrow_mut().intern(id);
            rows.push(row);
        })
    }

    /// Hands the events of some groups of block number `block` and their ids, empty where there is none, to
    /// `each`, in order of time. `name` says which id a name of the segment gets.
    pub(super) fn each_row(
        &self,
        block: usize,
        groups: Range<usize>,
        scratch: &mut Scratch,
        mut name: impl FnMut(NameId) -> NameId,
        mut each: impl FnMut(Row, &str),
    ) -> Result<(), SegmentError> {
        let info = &self.blocks()[block];
        let columns = info.kind.columns();
        let mut reader = self.read(block, columns, scratch)?;
        let mut ids_used = 0;
        for group in 0..groups.start.min(reader.groups()) {
            reader.decode(group, ColumnSet::of(&[Column::EventId]));
            let lengths = reader.values(Column::EventId)[..reader.rows(group)].iter();
            ids_used = lengths.fold(ids_used, |sum: usize, length| sum.saturating_add(*length as usize));
        }
        let mut last_ts = 0;
        for group in groups.start..groups.end.min(reader.groups()) {
            reader.decode(group, columns);
            self.check(block, &reader, group, &mut last_ts)?;
            for i in 0..reader.rows(group) {
                let at = |column: Column| reader.values(column)[i];
                let length = usize::try_from(at(Column::EventId)).unwrap_or(usize::MAX);
                let id = event_id(&reader, ids_used, length)
                    .ok_or_else(|| self.bad_column(block, Column::EventId, "an event id is no text"))?;
                ids_used += length;
                let (provider, model) = self.names().series()[at(Column::Series) as usize];
                let row = Row {
                    ts: Timestamp::from_millis(at(Column::Ts)),
                    provider: name(provider),
                    model: name(model),
                    user: name(at(Column::User) as NameId),
                    event_id: 0,
                    body: body(info.kind, &at, &mut name),
                };
                each(row, id);
            }
        }
        Ok(())
    }

    /// Whether the values keep to what the footer says, ids to those that exist.
    fn check(
        &self,
        block: usize,
        reader: &BlockReader<'_>,
        group: usize,
        last_ts: &mut u64,
    ) -> Result<(), SegmentError> {
        let info = &self.blocks()[block];
        let rows = reader.rows(group);
        if reader.contradicts_footer() {
            return Err(self.damaged(0, "a block holds ids beyond those its index states".into()));
        }
        for column in info.kind.columns().iter() {
            let bounds = info.bounds(column);
            if bounds.single().is_some() && info.chunk_bytes(column) == 0 {
                continue;
            }
            let fits = |v: u64| (bounds.min <= v && v <= bounds.max) || (v == crate::raw::ABSENT && bounds.some_absent);
            if !reader.values(column)[..rows].iter().all(|v| fits(*v)) {
                return Err(self.bad_column(block, column, "a value is outside the stated bounds"));
            }
        }
        for &ts in &reader.values(Column::Ts)[..rows] {
            if ts < *last_ts {
                return Err(self.bad_column(block, Column::Ts, "times are out of order"));
            }
            *last_ts = ts;
        }
        Ok(())
    }

    fn bad_column(&self, block: usize, column: Column, what: &str) -> SegmentError {
        let offset = self.blocks()[block].stored(column).map_or(0, |c| c.offset);
        self.damaged(offset, format!("column {column:?}: {what}"))
    }
}

fn event_id<'a>(reader: &'a BlockReader<'_>, from: usize, length: usize) -> Option<&'a str> {
    if length == 0 {
        return Some("");
    }
    std::str::from_utf8(reader.event_ids().get(from..from.checked_add(length)?)?).ok()
}

fn body(kind: Kind, at: &impl Fn(Column) -> u64, name: &mut impl FnMut(NameId) -> NameId) -> Body {
    let status = at(Column::Status);
    let maybe = |column| Maybe::some(at(column));
    match kind {
        Kind::Request => Body::Request(RequestRow {
            ok: status == OK,
            error: if status > FAILED { name((status - FAILED) as NameId) } else { 0 },
            service_tier: name(at(Column::ServiceTier) as NameId),
            latency_us: maybe(Column::Latency),
            ttft_us: maybe(Column::Ttft),
            tokens: Tokens {
                input: at(Column::InputTokens),
                cached: at(Column::CachedTokens),
                cache_write: at(Column::CacheWriteTokens),
                cache_write_1h: at(Column::CacheWrite1hTokens),
                output: at(Column::OutputTokens),
                reasoning: at(Column::ReasoningTokens),
            },
            cost_nanos: at(Column::Cost),
            cost_source: match at(Column::CostSource) {
                0 => CostSource::Unpriced,
                1 => CostSource::Recorded,
                _ => CostSource::Computed,
            },
        }),
        Kind::Cache => Body::Cache(CacheRow {
            hit: status == OK,
            key: name(at(Column::Key) as NameId),
            saved_cost_nanos: maybe(Column::SavedCost),
            saved_tokens: maybe(Column::SavedTokens),
            ttl_s: maybe(Column::Ttl),
        }),
        Kind::Rate => Body::Rate(RateRow {
            allowed: status == OK,
            key: name(at(Column::Key) as NameId),
            limit_type: name(at(Column::LimitType) as NameId),
            remaining: maybe(Column::Remaining),
            limit: maybe(Column::Limit),
        }),
    }
}

/// Ids of a batch by ids of a segment, each name looked up once.
struct Translation<'a> {
    from: &'a Dictionary,
    ids: Vec<NameId>,
}

impl<'a> Translation<'a> {
    fn new(from: &'a Dictionary) -> Self {
        Self { from, ids: vec![NOT_YET; from.names_len()] }
    }

    fn get(&mut self, id: NameId, names: &mut Names) -> NameId {
        let known = &mut self.ids[id as usize];
        if *known == NOT_YET {
            *known = names.intern(self.from.name(id));
        }
        *known
    }
}
