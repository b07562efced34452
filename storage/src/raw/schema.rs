//! Which columns a block has, by the kind of its events. Every value of every column is a u64.

/// What the events of a block are. A block holds one kind only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Calls of providers.
    Request = 0,
    /// Cache look-ups.
    Cache = 1,
    /// Rate limiter decisions.
    Rate = 2,
}

impl Kind {
    /// All of them, by number.
    pub const ALL: [Self; 3] = [Self::Request, Self::Cache, Self::Rate];

    /// The kind with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The columns of such a block, in their order in the file.
    pub const fn columns(self) -> ColumnSet {
        const COMMON: ColumnSet =
            ColumnSet::of(&[Column::Ts, Column::Series, Column::User, Column::Status, Column::EventId]);
        match self {
            Self::Request => COMMON.and(ColumnSet::of(&[
                Column::Latency,
                Column::Ttft,
                Column::InputTokens,
                Column::CachedTokens,
                Column::CacheWriteTokens,
                Column::CacheWrite1hTokens,
                Column::OutputTokens,
                Column::ReasoningTokens,
                Column::CostSource,
                Column::ServiceTier,
                Column::Cost,
            ])),
            Self::Cache => {
                COMMON.and(ColumnSet::of(&[Column::Key, Column::SavedCost, Column::SavedTokens, Column::Ttl]))
            }
            Self::Rate => {
                COMMON.and(ColumnSet::of(&[Column::Key, Column::LimitType, Column::Remaining, Column::Limit]))
            }
        }
    }
}

/// The value of an optional column in a row that has none: what [`crate::row::Maybe`] holds.
pub const ABSENT: u64 = u64::MAX;
/// [`Column::Status`]: succeeded, hit, allowed.
pub const OK: u64 = 0;
/// [`Column::Status`]: failed without a kind, missed, denied. A failure of kind `k` (an id of the
/// segment's dictionary) is `FAILED + k`.
pub const FAILED: u64 = 1;

/// A column, in the order of the chunks in a block: what filters look at comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Column {
    /// Time of the event in ms since 1970; ascending in a block.
    Ts = 0,
    /// Index into [`super::Dictionary::series`]: provider and model.
    Series = 1,
    /// Latency in microseconds, or [`ABSENT`].
    Latency = 2,
    /// User, a name id.
    User = 3,
    /// Input tokens.
    InputTokens = 4,
    /// Cached input tokens.
    CachedTokens = 5,
    /// Cache write tokens.
    CacheWriteTokens = 6,
    /// The part of those written for an hour.
    CacheWrite1hTokens = 7,
    /// Output tokens.
    OutputTokens = 8,
    /// Reasoning tokens.
    ReasoningTokens = 9,
    /// [`OK`], [`FAILED`] or `FAILED + kind of failure`.
    Status = 10,
    /// Number of a [`crate::event::CostSource`].
    CostSource = 11,
    /// Service tier, a name id.
    ServiceTier = 12,
    /// Cost in nano-dollars; 0 when unpriced.
    Cost = 13,
    /// Time to the first token in microseconds, or [`ABSENT`].
    Ttft = 14,
    /// Cache key or key of a limit, a name id.
    Key = 15,
    /// Saved nano-dollars, or [`ABSENT`].
    SavedCost = 16,
    /// Saved tokens, or [`ABSENT`].
    SavedTokens = 17,
    /// Life of a cache entry in seconds, or [`ABSENT`].
    Ttl = 18,
    /// Kind of limit, a name id.
    LimitType = 19,
    /// What is left of a limit, or [`ABSENT`].
    Remaining = 20,
    /// The limit, or [`ABSENT`].
    Limit = 21,
    /// Length in bytes of the event's id, 0 = none. The ids themselves come with whole rows only.
    EventId = 22,
}

/// How many columns there are.
pub(super) const COLUMNS: usize = 23;

impl Column {
    /// All of them, by number.
    pub const ALL: [Self; COLUMNS] = [
        Self::Ts,
        Self::Series,
        Self::Latency,
        Self::User,
        Self::InputTokens,
        Self::CachedTokens,
        Self::CacheWriteTokens,
        Self::CacheWrite1hTokens,
        Self::OutputTokens,
        Self::ReasoningTokens,
        Self::Status,
        Self::CostSource,
        Self::ServiceTier,
        Self::Cost,
        Self::Ttft,
        Self::Key,
        Self::SavedCost,
        Self::SavedTokens,
        Self::Ttl,
        Self::LimitType,
        Self::Remaining,
        Self::Limit,
        Self::EventId,
    ];

    /// The column with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The value of every row of a block that does not store the column.
    pub(super) const fn default_value(self) -> u64 {
        match self {
            Self::Latency
            | Self::Ttft
            | Self::SavedCost
            | Self::SavedTokens
            | Self::Ttl
            | Self::Remaining
            | Self::Limit => ABSENT,
            _ => 0,
        }
    }

    /// Whether its values, or what follows from them, are looked up in the dictionary.
    pub(super) const fn is_id(self) -> bool {
        self.is_name() || matches!(self, Self::Series | Self::Status)
    }

    /// Whether its values are ids of the segment's names.
    pub(super) const fn is_name(self) -> bool {
        matches!(self, Self::User | Self::ServiceTier | Self::Key | Self::LimitType)
    }
}

/// A set of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnSet(u32);

impl ColumnSet {
    /// No column.
    pub const NONE: Self = Self(0);
    /// Every column; those that a block's kind lacks are ignored when reading.
    pub const ALL: Self = Self((1 << COLUMNS as u32) - 1);
    /// What the price prediction looks at.
    pub(super) const OF_PRICES: Self = Self::of(&[
        Column::Series,
        Column::InputTokens,
        Column::CachedTokens,
        Column::CacheWriteTokens,
        Column::CacheWrite1hTokens,
        Column::OutputTokens,
        Column::ReasoningTokens,
        Column::Status,
        Column::CostSource,
        Column::ServiceTier,
    ]);

    /// These columns.
    pub const fn of(columns: &[Column]) -> Self {
        let (mut set, mut i) = (0, 0);
        while i < columns.len() {
            set |= 1 << columns[i] as u32;
            i += 1;
        }
        Self(set)
    }

    /// The columns of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set and one more column.
    #[must_use]
    pub const fn with(self, column: Column) -> Self {
        Self(self.0 | 1 << column as u32)
    }

    /// The columns that are in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `column` is in the set.
    pub const fn has(self, column: Column) -> bool {
        self.0 & 1 << column as u32 != 0
    }

    /// Its columns in the order of a block's chunks.
    pub fn iter(self) -> impl Iterator<Item = Column> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let column = Column::ALL.get(rest.trailing_zeros() as usize).copied();
            rest &= rest.saturating_sub(1);
            column
        })
    }
}
