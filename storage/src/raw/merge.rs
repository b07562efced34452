//! Merging segments of one day into one: sorted sources, one open block of each in memory.
//!
//! First the names are counted, so that the frequent ones get small numbers; then the rows of each
//! kind go from the sources to the new file in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::paths::Paths;
use crate::raw::block::Values;
use crate::raw::footer::Sources;
use crate::raw::numbering::{Census, Numbering};
use crate::raw::scan::Scratch;
use crate::raw::schema::Kind;
use crate::raw::seal::{SealError, Sealed, block_rows};
use crate::raw::segment::{Segment, SegmentError};
use crate::raw::writer::SegmentWriter;
use crate::row::{NameId, Names, Row};
use crate::time::Timestamp;

/// Writes all events of `segments`, which are of one UTC day, as one segment that replaces them. On
/// return the file and its name are durable, and nothing else has changed.
///
/// # Errors
/// See [`SealError`]; nothing but perhaps a temporary file is left behind.
pub fn merge(paths: &Paths, store_uuid: u128, segments: &[Segment]) -> Result<Sealed, SealError> {
    let day = segments.first().ok_or(SealError::Empty)?.meta().day;
    if let Some(other) = segments.iter().find(|s| s.meta().day != day) {
        return Err(SealError::OtherDay { day, found: other.meta().day });
    }
    let mut names = Names::default();
    let ids: Vec<Vec<NameId>> =
        segments.iter().map(|s| s.names().names().map(|name| names.intern(name)).collect()).collect();
    let mut scratch = Scratch::default();
    let numbering = count(segments, &ids, names.len(), &mut scratch)?;
    let mut writer = SegmentWriter::begin(paths, store_uuid, day)?;
    for kind in Kind::ALL {
        let mut cursors: Vec<Cursor<'_>> =
            segments.iter().zip(&ids).map(|(segment, ids)| Cursor::new(segment, ids, kind)).collect();
        merge_kind(kind, &mut cursors, &numbering, &mut scratch, &mut writer)?;
    }
    let replaces = segments.iter().map(|s| s.meta().uuid).collect();
    writer.finish(Sources { replaces, ..Sources::default() }, &numbering.names(&names), numbering.series())
}

/// How often each name occurs.
fn count(
    segments: &[Segment],
    ids: &[Vec<NameId>],
    names: usize,
    scratch: &mut Scratch,
) -> Result<Numbering, SegmentError> {
    let mut census = Census::new(names);
    for (segment, ids) in segments.iter().zip(ids) {
        for block in 0..segment.blocks().len() {
            segment.each_row(
                block,
                0..segment.blocks()[block].groups(),
                scratch,
                |id| ids[id as usize],
                |row, _| census.add(&row),
            )?;
        }
    }
    Ok(census.numbering())
}

fn merge_kind(
    kind: Kind,
    cursors: &mut [Cursor<'_>],
    numbering: &Numbering,
    scratch: &mut Scratch,
    writer: &mut SegmentWriter,
) -> Result<(), SealError> {
    let size = block_rows(cursors.iter().map(Cursor::rows_left).sum());
    let mut next: BinaryHeap<Reverse<(Timestamp, usize)>> =
        cursors.iter().enumerate().filter_map(|(i, c)| Some(Reverse((c.next_ts()?, i)))).collect();
    let (mut values, mut rows) = (Values::default(), 0);
    while let Some(Reverse((_, i))) = next.pop() {
        let cursor = &mut cursors[i];
        cursor.load(scratch)?;
        // Rows of this source go on as long as no other is earlier.
        let until = next.peek().map_or((Timestamp::MAX, usize::MAX), |Reverse(other)| *other);
        while let Some((row, event_id)) = cursor.take_until(until, i) {
            numbering.push(row, event_id, &mut values);
            rows += 1;
            if rows == size {
                writer.block(kind, &values)?;
                values.clear();
                rows = 0;
            }
        }
        next.extend(cursor.next_ts().map(|ts| Reverse((ts, i))));
    }
    if rows > 0 {
        writer.block(kind, &values)?;
    }
    Ok(())
}

/// The blocks of one kind in a segment, one after the other.
struct Cursor<'a> {
    segment: &'a Segment,
    /// Name ids of the merged segment's set by those of this one.
    ids: &'a [NameId],
    /// Blocks that were not opened yet, the next one last.
    blocks: Vec<usize>,
    /// The open block. `event_id` of a row is 0, or counts the ids from 1.
    rows: Vec<Row>,
    at: usize,
    event_ids: String,
    ends: Vec<usize>,
}

impl<'a> Cursor<'a> {
    fn new(segment: &'a Segment, ids: &'a [NameId], kind: Kind) -> Self {
        let mut blocks: Vec<usize> =
            (0..segment.blocks().len()).filter(|&i| segment.blocks()[i].kind == kind).collect();
        blocks.reverse();
        Self { segment, ids, blocks, rows: Vec::new(), at: 0, event_ids: String::new(), ends: vec![0] }
    }

    /// Rows to come.
    fn rows_left(&self) -> usize {
        self.blocks.iter().map(|&block| self.segment.blocks()[block].rows).sum()
    }

    /// The time of the next row, known without opening its block.
    fn next_ts(&self) -> Option<Timestamp> {
        let in_next_block = || self.blocks.last().map(|&block| self.segment.blocks()[block].min_ts);
        self.rows.get(self.at).map(|row| row.ts).or_else(in_next_block)
    }

    /// Opens the next block when the open one is used up.
    fn load(&mut self, scratch: &mut Scratch) -> Result<(), SegmentError> {
        if self.at < self.rows.len() {
            return Ok(());
        }
        let Some(block) = self.blocks.pop() else { return Ok(()) };
        self.rows.clear();
        self.event_ids.clear();
        self.ends.truncate(1);
        self.at = 0;
        let (ids, rows, event_ids, ends) = (self.ids, &mut self.rows, &mut self.event_ids, &mut self.ends);
        self.segment.each_row(
            block,
            0..self.segment.blocks()[block].groups(),
            scratch,
            |id| ids[id as usize],
            |mut row, event_id| {
                if !event_id.is_empty() {
                    row.event_id = ends.len() as NameId;
                    event_ids.push_str(event_id);
                    ends.push(event_ids.len());
                }
                rows.push(row);
            },
        )
    }

    /// The next row of the open block and its event id, unless that of another source comes first.
    fn take_until(&mut self, until: (Timestamp, usize), me: usize) -> Option<(&Row, &str)> {
        let row = self.rows.get(self.at).filter(|row| (row.ts, me) < until)?;
        self.at += 1;
        let id = row.event_id as usize;
        let event_id = if id == 0 { "" } else { &self.event_ids[self.ends[id - 1]..self.ends[id]] };
        Some((row, event_id))
    }
}
