//! Reading the wanted columns of one block, 256 rows at a time.

use crate::raw::schema::{Column, ColumnSet};
use crate::raw::segment::{Segment, SegmentError};

/// Rows of a group: what is decoded at once. The last group of a block may have fewer.
pub const GROUP_ROWS: usize = 256;

/// Buffers that reading reuses; one a thread, for any number of segments.
#[derive(Debug, Default)]
pub struct Scratch {}

/// The fetched columns of a block.
#[derive(Debug)]
pub struct BlockReader<'a> {
    scratch: &'a mut Scratch,
}

impl Segment {
    /// Fetches `columns` of block number `block` with one `pread` and checks their CRCs. Columns
    /// that the block's kind lacks are ignored; what [`Column::Cost`] is computed from comes along.
    ///
    /// # Errors
    /// See [`SegmentError`]. After it, decoding cannot fail.
    pub fn read<'a>(
        &self,
        block: usize,
        columns: ColumnSet,
        scratch: &'a mut Scratch,
    ) -> Result<BlockReader<'a>, SegmentError> {
        let _ = (block, columns);
        Ok(BlockReader { scratch })
    }
}

impl BlockReader<'_> {
    /// Groups in the block.
    pub fn groups(&self) -> usize {
        0
    }

    /// Rows of group number `group`.
    pub fn rows(&self, group: usize) -> usize {
        let _ = group;
        0
    }

    /// Decodes `columns` of group number `group`, in any order of groups; only those that were
    /// fetched. A column decoded already is not decoded again, so filters can take one column
    /// after the other and stop when no row is left.
    pub fn decode(&mut self, group: usize, columns: ColumnSet) {
        let _ = (group, columns, &mut self.scratch);
    }

    /// The values of a column in the group that was decoded last, one a row. Names are ids of
    /// the segment's dictionary, series indices of its series.
    ///
    /// # Panics
    /// When the column was not decoded for that group.
    pub fn values(&self, column: Column) -> &[u64] {
        let _ = column;
        &[]
    }
}
