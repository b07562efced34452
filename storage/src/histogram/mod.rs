//! Sparse HDR histograms: the buckets of the hdrhistogram crate, as few bytes as they need, merged
//! without building one.
//!
//! A value falls into a bucket by [`index_of`]; a set of values is its [`Counts`], the non-empty
//! buckets in order. [`encode`] turns them into bytes, [`decode`] hands them out again one by one.
//! [`Accumulator`] adds many such byte strings up and answers quantiles; [`Walker`] answers them from
//! a few sorted lists without adding up at all. Merging is lossless: whatever the order, the counts
//! are those of one histogram of all values, so quantiles are the crate's to the bucket.

mod accumulator;
mod builder;
mod codec;
mod dense;
mod geometry;
mod seeker;
mod sparse;
#[cfg(test)]
mod tests;
pub(crate) mod varint;
mod walker;

pub use accumulator::{Accumulator, rank};
pub use builder::CountsBuilder;
pub use codec::{Entries, decode, encode, encode_from};
pub use geometry::{GEOMETRY, INDEX_END, highest, index_of, lowest, midpoint};
pub(crate) use sparse::Kept;
pub use sparse::{Histogram, Stream};
pub use walker::Walker;

/// Sparse counts by bucket index: strictly increasing indices, each count above zero.
pub type Counts = Vec<(u32, u64)>;

/// Bytes that no writer of ours wrote; the text says what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
