//! Bytes of a journal file.

/// The newest format version that this program reads, and the one that it writes.
pub const VERSION: u32 = 1;
