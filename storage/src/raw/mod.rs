//! Sealed segments: immutable columns of one UTC day's events, as `storage/FORMAT.md` describes.
//!
//! Writing: [`seal`] takes rows of a batch and leaves a finished, locked file. Reading:
//! [`Segment::open`] reads the footer; [`Segment::blocks`] tells kind, times and bounds of every
//! block, so that most are skipped; [`Segment::read`] fetches the wanted columns of one block with
//! one `pread` and decodes them 256 rows at a time; [`Segment::rows`] gives whole events back.

mod block;
mod column;
mod footer;
mod merge;
mod numbering;
mod price;
mod rows;
mod scan;
mod schema;
mod seal;
mod segment;
#[cfg(test)]
mod tests;
mod wide;
mod wire;
mod writer;

pub use column::Packed;
pub use footer::{BlockInfo, Bounds, JournalSource, SegmentMeta, Sources};
pub use merge::merge;
pub use scan::{BlockReader, GROUP_ROWS, Scratch};
pub use schema::{ABSENT, Column, ColumnSet, FAILED, Kind, OK};
pub use seal::{SealError, Sealed, seal};
pub use segment::{Dictionary, Segment, SegmentError};
pub(crate) use wide::wide;
