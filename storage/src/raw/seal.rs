//! Writing a segment from a batch: sort, number the names, encode block by block.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::paths::Paths;
use crate::raw::block::Values;
use crate::raw::footer::{BLOCK_ROWS_MAX, SegmentMeta, Sources};
use crate::raw::numbering::{Census, Numbering};
use crate::raw::scan::GROUP_ROWS;
use crate::raw::schema::Kind;
use crate::raw::segment::SegmentError;
use crate::raw::writer::SegmentWriter;
use crate::row::{Batch, Body};
use crate::time::Timestamp;

/// Why a segment was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is nothing to write.
    #[error("a segment needs at least one event")]
    Empty,
    /// A row does not belong.
    #[error("an event of {found} does not belong into the segment of {day}")]
    OtherDay {
        /// The segment's day.
        day: Timestamp,
        /// The event's time.
        found: Timestamp,
    },
    /// The system refused.
    #[error("cannot write {file}: {cause}")]
    Io {
        /// File or folder.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A segment that was to be merged cannot be read.
    #[error(transparent)]
    Source(#[from] SegmentError),
}

/// A finished segment whose lock is still held, so that nobody takes it for a left-over while its
/// manifest entry is being committed. Dropping it releases the lock and leaves the file: whether a
/// commit that failed took effect is not known here.
#[derive(Debug)]
pub struct Sealed {
    meta: SegmentMeta,
    file: File,
}

impl Sealed {
    pub(super) fn new(meta: SegmentMeta, file: File) -> Self {
        Self { meta, file }
    }

    /// What to enter in the manifest.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// Releases the lock after the manifest was committed.
    pub fn keep(self) -> SegmentMeta {
        drop(self.file);
        self.meta
    }
}

/// Writes the rows of `batch` with these indices, in any order, as a segment of the UTC day that
/// starts at `day`. Rows of the same millisecond keep the order of `rows`. On return the file and
/// its name are durable.
///
/// # Errors
/// See [`SealError`]; nothing but perhaps a temporary file is left behind.
///
/// # Panics
/// When an index is beyond the batch or a name id is not one of its names.
pub fn seal(
    paths: &Paths,
    store_uuid: u128,
    day: Timestamp,
    batch: &Batch,
    rows: &[u32],
    sources: Sources,
) -> Result<Sealed, SealError> {
    let day = day.utc_day();
    let mut rows = Cow::Borrowed(rows);
    let mut survey = Survey::of(batch, &rows);
    if !survey.in_order {
        rows.to_mut().sort_by_cached_key(|i| batch.rows[*i as usize].ts);
        survey = Survey::of(batch, &rows);
    }
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Err(SealError::Empty) };
    let edges = [first, last].map(|i| batch.rows[i as usize].ts);
    if let Some(found) = edges.into_iter().find(|ts| ts.utc_day() != day) {
        return Err(SealError::OtherDay { day, found });
    }
    let mut writer = SegmentWriter::begin(paths, store_uuid, day)?;
    let numbering = survey.census.numbering();
    let mut values = Values::default();
    for (kind, rows) in Kind::ALL.into_iter().zip(&survey.of_kind) {
        for part in rows.chunks(block_rows(rows.len())) {
            values.clear();
            push_all(batch, part, &numbering, &mut values);
            writer.block(kind, &values)?;
        }
    }
    writer.finish(sources, &numbering.names(&batch.names), numbering.series())
}

/// Appends the rows with these indices, which are of one kind.
fn push_all(batch: &Batch, indices: &[u32], numbering: &Numbering, values: &mut Values) {
    let mut requests = Vec::with_capacity(GROUP_ROWS);
    for part in indices.chunks(GROUP_ROWS) {
        requests.clear();
        for row in part.iter().map(|&i| &batch.rows[i as usize]) {
            let event_id = batch.names.get(row.event_id);
            match &row.body {
                Body::Request(request) => {
                    values.push_event_id(event_id);
                    requests.push((row, request));
                }
                Body::Cache(_) | Body::Rate(_) => numbering.push(row, event_id, values),
            }
        }
        numbering.push_requests(&requests, values);
    }
}

/// What one look at all rows tells: they are many, so each look takes its time.
struct Survey {
    census: Census,
    /// The indices of rows by kind.
    of_kind: [Vec<u32>; Kind::ALL.len()],
    /// Whether they are in the order of time.
    in_order: bool,
}

impl Survey {
    fn of(batch: &Batch, rows: &[u32]) -> Self {
        let mut survey = Self { census: Census::new(batch.names.len()), of_kind: Default::default(), in_order: true };
        let mut last = Timestamp::MIN;
        for &i in rows {
            let row = &batch.rows[i as usize];
            survey.in_order &= last <= row.ts;
            last = row.ts;
            survey.census.add(row);
            survey.of_kind[kind_of(&row.body) as usize].push(i);
        }
        survey
    }
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SealError {
    let file = path.display().to_string();
    move |cause| SealError::Io { file, cause }
}

fn kind_of(body: &Body) -> Kind {
    match body {
        Body::Request(_) => Kind::Request,
        Body::Cache(_) => Kind::Cache,
        Body::Rate(_) => Kind::Rate,
    }
}

/// Rows a block so that all blocks have about as many, in whole groups.
pub(super) fn block_rows(rows: usize) -> usize {
    let blocks = rows.div_ceil(BLOCK_ROWS_MAX).max(1);
    rows.div_ceil(blocks).next_multiple_of(GROUP_ROWS).clamp(GROUP_ROWS, BLOCK_ROWS_MAX)
}
