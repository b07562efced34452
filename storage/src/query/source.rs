//! What the read path needs of a store, as a trait, so that it can be tested without one.

pub use crate::bucket::Table;
use crate::query::QueryError;
use crate::raw::Segment;
use crate::row::{NameId, Names, Row};
use crate::time::{TimeRange, Timestamp, Zone};

/// From when to when a table (or raw) can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Nothing before this is complete any more.
    pub complete_from: Timestamp,
    /// Buckets that start before this are final; the later ones do not exist yet. For `1m` and raw
    /// it is the end of time: they hold everything that was rolled up.
    pub closed_to: Timestamp,
}

/// Receives bucket starts and encoded values.
pub type EachBucket<'a> = dyn FnMut(Timestamp, &[u8]) -> Result<(), QueryError> + 'a;

/// Receives rows with the names they refer to.
pub type EachRows<'a> = dyn FnMut(&Names, &[Row]) -> Result<(), QueryError> + 'a;

/// Receives segments, or what is lost of one that cannot be opened.
pub type EachSegment<'a> = dyn FnMut(Result<Segment, Lost>) -> Result<(), QueryError> + 'a;

/// Events that the store has and that cannot be read.
#[derive(Debug)]
pub struct Lost {
    /// How many.
    pub events: u64,
    /// From the first to after the last of them.
    pub range: TimeRange,
    /// Why.
    pub error: QueryError,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events from {} to {}: {}", self.events, self.range.start, self.range.end, self.error)
    }
}

/// One consistent view of a store.
pub trait Source {
    /// Zone whose hours and midnights cut the coarse tiers.
    fn zone(&self) -> &Zone;

    /// How far `table` reaches.
    fn span(&self, table: Table) -> Span;

    /// From when on raw events are complete.
    fn raw_complete_from(&self) -> Timestamp;

    /// A range that has all rolled-up events in it, its end after the latest; `None` when there are none.
    fn extent(&self) -> Result<Option<TimeRange>, QueryError>;

    /// Every provider that has a bucket, the empty one included.
    fn providers(&self) -> Result<Vec<Box<str>>, QueryError>;

    /// The store's name of `id` in a bucket's cells.
    fn name(&self, id: NameId) -> Result<Box<str>, QueryError>;

    /// Hands the rows of `table` for `provider` whose bucket starts in `range` to `each`, in order
    /// of time: bucket start and encoded value.
    fn buckets(
        &self,
        table: Table,
        provider: &str,
        range: TimeRange,
        each: &mut EachBucket<'_>,
    ) -> Result<(), QueryError>;

    /// Hands the sealed segments that may hold events of `range` to `each`, one after the other so
    /// that no more files are open than the caller keeps; all their events are in the tiers.
    fn segments(&self, range: TimeRange, each: &mut EachSegment<'_>) -> Result<(), QueryError>;

    /// Events of `range` in journals. `rolled_up` chooses those that the tiers hold already, else
    /// those that no tier holds yet (the backlog). A chunk may hold events outside the range.
    fn journal_rows(&self, range: TimeRange, rolled_up: bool, each: &mut EachRows<'_>) -> Result<(), QueryError>;
}
