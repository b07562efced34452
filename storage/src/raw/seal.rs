//! Writing a segment: sort, encode, write under a temporary name, sync, rename.

use std::fs::File;
use std::io;

use crate::paths::Paths;
use crate::raw::footer::{SegmentMeta, Sources};
use crate::row::Batch;
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
/// manifest entry is being committed. Dropping it releases the lock and leaves the file.
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
/// starts at `day`. On return the file and its name are durable.
///
/// # Errors
/// See [`SealError`]; nothing but perhaps a temporary file is left behind.
pub fn seal(
    paths: &Paths,
    store_uuid: u128,
    day: Timestamp,
    batch: &Batch,
    rows: &[u32],
    sources: Sources,
) -> Result<Sealed, SealError> {
    let _ = (paths, store_uuid, day, batch, rows, sources);
    Err(SealError::Empty)
}
