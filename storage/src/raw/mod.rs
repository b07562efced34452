//! Sealed segments: immutable columns of one UTC day's events.

/// An open segment.
#[derive(Debug)]
pub struct Segment;
