//! Writing a segment: sort, number the names, encode block by block, sync, rename.
//!
//! The file grows under a temporary name in the day's folder (`.<uuid>.tmp`), locked from its first
//! byte on; it is synced before it gets its name, and the folder after. So a file with a segment's
//! name is complete, and one whose lock is free and that no manifest lists is a left-over.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::fs;
use crate::identity::random_u128;
use crate::paths::Paths;
use crate::raw::block::{self, Values};
use crate::raw::footer::{self, BLOCK_ROWS_MAX, BlockInfo, SegmentMeta, Sources};
use crate::raw::numbering::Numbering;
use crate::raw::price::Finder;
use crate::raw::scan::GROUP_ROWS;
use crate::raw::schema::Kind;
use crate::raw::segment::{HEADER_BYTES, Header, TRAILER_BYTES, Trailer};
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
    let rows = in_order(batch, rows);
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Err(SealError::Empty) };
    let [min_ts, max_ts] = [first, last].map(|i| batch.rows[i as usize].ts);
    if let Some(found) = [min_ts, max_ts].into_iter().find(|ts| ts.utc_day() != day) {
        return Err(SealError::OtherDay { day, found });
    }
    let folder = paths.raw_day(day);
    let raw = paths.raw_dir();
    fs::create_dir(&folder).map_err(io_error(&folder))?;
    let uuid = random_u128().map_err(io_error(&folder))?;
    let temporary = folder.join(format!(".{uuid:032x}.tmp"));
    let path = paths.segment(day, uuid);
    let header = Header { day, store: store_uuid, uuid };
    let written = write(&temporary, &header, batch, &rows, &sources).and_then(|(file, bytes)| {
        fs::rename_noreplace(&temporary, &path)?;
        Ok((file, bytes))
    });
    let (file, bytes) = written.map_err(|cause| {
        // A left-over temporary file is upkeep's to remove.
        let _ = std::fs::remove_file(&temporary);
        io_error(&path)(cause)
    })?;
    fs::sync_dir(&folder).map_err(io_error(&folder))?;
    fs::sync_dir(&raw).map_err(io_error(&raw))?;
    let meta = SegmentMeta { uuid, day, rows: rows.len() as u64, bytes, min_ts, max_ts, sources };
    Ok(Sealed { meta, file })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SealError + '_ {
    move |cause| SealError::Io { file: path.display().to_string(), cause }
}

/// The indices in the order of time, stable.
fn in_order(batch: &Batch, rows: &[u32]) -> Vec<u32> {
    let ts = |i: &u32| batch.rows[*i as usize].ts;
    let mut rows = rows.to_vec();
    if !rows.is_sorted_by_key(ts) {
        rows.sort_by_cached_key(ts);
    }
    rows
}

fn write(path: &Path, header: &Header, batch: &Batch, rows: &[u32], sources: &Sources) -> io::Result<(File, u64)> {
    let mut file = fs::create_new(path)?;
    if !fs::try_lock(&file)? {
        return Err(io::Error::other("a new file is locked by somebody else"));
    }
    file.write_all(&header.encode())?;
    let mut size = HEADER_BYTES as u64;
    let numbering = Numbering::of(batch, rows);
    let mut finder = Finder::default();
    let (mut values, mut bytes, mut blocks) = (Values::default(), Vec::new(), Vec::<BlockInfo>::new());
    for kind in Kind::ALL {
        let row = |place: u32| &batch.rows[rows[place as usize] as usize];
        let places: Vec<u32> = (0..rows.len() as u32).filter(|&p| kind_of(&row(p).body) == kind).collect();
        for part in places.chunks(block_rows(places.len())) {
            values.clear();
            part.iter().for_each(|&place| numbering.push(batch, row(place), place, &mut values));
            bytes.clear();
            blocks.push(block::encode(kind, &values, &mut finder, size, &mut bytes));
            file.write_all(&bytes)?;
            size += bytes.len() as u64;
        }
    }
    let footer = footer::encode(sources, &numbering.names(batch), numbering.series(), &blocks);
    let footer_at = size;
    size += (footer.len() + TRAILER_BYTES) as u64;
    let trailer = Trailer { footer_at, footer_crc: crc32fast::hash(&footer), size };
    file.write_all(&footer)?;
    file.write_all(&trailer.encode())?;
    file.sync_all()?;
    Ok((file, size))
}

fn kind_of(body: &Body) -> Kind {
    match body {
        Body::Request(_) => Kind::Request,
        Body::Cache(_) => Kind::Cache,
        Body::Rate(_) => Kind::Rate,
    }
}

/// Rows a block so that all blocks have about as many, in whole groups.
fn block_rows(rows: usize) -> usize {
    let blocks = rows.div_ceil(BLOCK_ROWS_MAX).max(1);
    rows.div_ceil(blocks).next_multiple_of(GROUP_ROWS).clamp(GROUP_ROWS, BLOCK_ROWS_MAX)
}
